/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The @ parts of a port name: memory region and options.
 */
#ifndef PKTLOOM_NAME_OPTIONS_H
#define PKTLOOM_NAME_OPTIONS_H

#include "scan.h"

/**
 * Read one part, from behind its '@', into scan->name. *seen remembers the parts read so far and
 * starts at 0. Returns 0, -EINVAL or -ENAMETOOLONG.
 */
int options_read(struct scan *scan, uint32_t *seen);

#endif
