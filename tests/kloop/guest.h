/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A program in CSB mode, ring by ring: netmap's rules and nothing of pktloom, so that the tests of the
 * preload library can use it too. Waits are bounded; a wakeup that does not come is found out.
 */
#ifndef KLOOP_GUEST_H
#define KLOOP_GUEST_H

#include <stdbool.h>
#include <stdint.h>

#include <net/netmap.h>
#include <net/netmap_user.h>

#define GUEST_WAIT_MS 10000 /* longer than any wakeup takes, also on a slow machine */

struct guest {
	struct netmap_ring *ring;
	struct nm_csb_atok *atok;
	struct nm_csb_ktoa *ktoa;
	uint32_t head, tail;
	int io, irq;         /* eventfds; -1: look now and then */
	uint64_t kicks;      /* writes to io */
	uint64_t sleeps;     /* waits for irq */
	bool lost;           /* a wakeup did not come */
	bool damaged;        /* a packet was not what was sent */
	unsigned pause_each; /* let the loop fall asleep after so many packets; 0: never */
};

/** Begin where the entry says that the ring stands. */
void guest_begin(struct guest *g);

/** Send packets first, first + 1, … ; false if it did not get them out in time. */
bool guest_send(struct guest *g, uint32_t first, uint32_t n);

/** Receive n packets, which must be first, first + 1, …; false as above, or if one was another. */
bool guest_receive(struct guest *g, uint32_t first, uint32_t n);

#endif
