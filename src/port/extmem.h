/* SPDX-License-Identifier: BSD-2-Clause */
/* "@extmem:file=…": memory that a port opened through the API is laid out in. */
#ifndef PORT_EXTMEM_H
#define PORT_EXTMEM_H

#include <stddef.h>

#include <pktloom/compat/net/netmap.h>

#include "../name/name.h"

struct port_extmem {
	void *base; /* NULL: the port has none */
	size_t size;
};

/** Map the file and say in the option where it is, and how the name wants it divided. */
int extmem_map(const char *text, const struct name_extmem *wanted, struct port_extmem *out,
    struct nmreq_opt_extmem *option);
void extmem_unmap(struct port_extmem *extmem);

#endif
