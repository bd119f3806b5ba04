/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A netmap descriptor on its way through a socket (SCM_RIGHTS): one end of a socket pair, in whose queue
 * stands one message with the packed device and all descriptors that hold it. It takes exactly the
 * descriptor's place in the program's message, it holds the port whatever becomes of the sender, and a
 * receiver that does not know what it is has a socket that never says anything of use.
 */
#ifndef PRELOAD_CARRIER_H
#define PRELOAD_CARRIER_H

#include "handle.h"

/** A carrier for a device, close-on-exec; or a negative errno. */
int carrier_make(struct handle *handle);

/** If fd, just received, is a carrier: make a netmap descriptor of it, as if it had been opened here. */
void carrier_unpack(int fd);

#endif
