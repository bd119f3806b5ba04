/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What host rings of one process know of a NIC's rings in others: an object by name (share.h) per interface
 * and direction, whose users are the ports that have such rings in use. It goes with them, however they end.
 *
 * Where there is no directory for shared objects, processes do not know of each other.
 */
#ifndef SOFT_PORTS_HOST_PRESENCE_H
#define SOFT_PORTS_HOST_PRESENCE_H

#include "../share.h"

struct host_presence {
	struct share share;
	bool told;
};

/**
 * Say that rings of the interface are in use, or no longer.
 *
 * @param directory  of the port; NULL the default
 * @param tx         TX rings; else RX rings that get copies of what the host receives
 */
void host_presence_tell(
    struct host_presence *presence, const char *directory, int interface, bool tx, bool there);

/** Whether some process, or port, said so. Costs some system calls. */
bool host_presence_ask(const char *directory, int interface, bool tx);

#endif
