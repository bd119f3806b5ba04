/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A control request as the device gets it: the program's header, body and options, copied out of its
 * memory before they are looked at and back when they have been answered.
 */
#ifndef PRELOAD_REQUEST_H
#define PRELOAD_REQUEST_H

#include "handle.h"

/** NIOCCTRL with a header at that address: 0 or a negative errno. */
int request_control(struct handle *handle, uint64_t header);

#endif
