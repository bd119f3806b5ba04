/* SPDX-License-Identifier: BSD-2-Clause */
/* Option EXTMEM of REGISTER: a port whose region is laid out in memory that the program has. */
#ifndef SOFT_EXTMEM_H
#define SOFT_EXTMEM_H

#include "options.h"
#include "port.h"

/** The option's row in the table of options.c. */
int extmem_parse(struct soft_options *out, struct nmreq_option *option);

/**
 * A region in the option's memory: the one that is there already, or a new one with at least what the
 * request needs. The option gets its status, and says how the memory was divided.
 *
 * Threads: with the registry's lock held.
 *
 * @return 0; -EFAULT not all of the memory is there; -EINVAL it does not begin a page; -ENOMEM it is too small
 */
int extmem_get(
    struct nmreq_opt_extmem *option, const struct port_request *request, struct region **out);

#endif
