/* SPDX-License-Identifier: BSD-2-Clause */
/* netmap's first control interface, struct nmreq, in terms of the second. */
#ifndef PRELOAD_LEGACY_H
#define PRELOAD_LEGACY_H

#include "handle.h"

/** NIOCREGIF (register) or NIOCGINFO with a struct nmreq at that address: 0 or a negative errno. */
int legacy_control(struct handle *handle, bool regif, uint64_t request);

#endif
