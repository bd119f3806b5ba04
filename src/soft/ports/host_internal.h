/* SPDX-License-Identifier: BSD-2-Clause */
/* What host.c and host_rings.c share. */
#ifndef SOFT_PORTS_HOST_INTERNAL_H
#define SOFT_PORTS_HOST_INTERNAL_H

#include <pthread.h>

#include "../../os/tap.h"
#include "host.h"
#include "host_link.h"
#include "host_presence.h"

/** A host ring's state. */
struct host_queue {
	struct host *host;
	int fd; /* of the direction's TAP device; -1 while the ring has no user */
	/* RX rings that wait for other processes' rings of the NIC: what to sleep on; -1 until then. */
	int pollset, timer;
};

/* A TAP device: there while a ring of its direction has a user. */
struct host_tap {
	char name[TAP_NAME_SIZE];
	int interface;
	unsigned users;
};

struct host {
	struct port *port;
	int interface;
	bool copies;
	pthread_mutex_t lock; /* of what follows, but for the queues */
	uint64_t looked_ns;   /* when others' rings were asked for; changed atomically */
	struct host_presence told_tx, told_rx;
	unsigned nic_tx, nic_rx;   /* rings of the NIC in use */
	struct host_tap out, in;   /* what the host sends; what it is to receive */
	struct host_hook divert;   /* interface -> out */
	struct host_hook inject;   /* in -> interface */
	struct host_hook admit;    /* at the interface's way in … */
	bool dropping;             /* … dropping what bears no mark … */
	int admitting;             /* … while that device is there */
	struct host_queue *queues; /* TX rings', then RX rings' */
};

/** From a sync, or before a sleep: see at times what other processes have in use. */
void host_look(struct host *host);

/** Whether its RX rings have to look when nothing comes: only others' rings would let something come. */
bool host_waits_for_others(const struct host *host);

#endif
