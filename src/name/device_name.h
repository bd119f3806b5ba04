/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The first half of a port name: the kind of port and which one, up to its mode.
 */
#ifndef PKTLOOM_NAME_DEVICE_NAME_H
#define PKTLOOM_NAME_DEVICE_NAME_H

#include "scan.h"

/**
 * Read kind, identifier and pipe into scan->name (kind, device, ident, pipe_id, pipe_role, body).
 * Stops at the first character that belongs to none of them, which may or may not be a mode.
 * Returns 0, -EINVAL or -ENAMETOOLONG.
 */
int device_name_read(struct scan *scan);

#endif
