/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The tap kind's parts: tap_move.c moves packets, tap.c opens and closes.
 *
 * A descriptor is a queue of the device. RX ring i reads queue i; TX rings write to the queues in turn,
 * for it makes no difference to the host where a frame comes in. Each ring has its state, so that they
 * can be synced by different threads.
 *
 * Frames pass the descriptor behind a virtio-net header of 10 bytes, always, so that PORT_HDR_SET can
 * change at any time whether the program sees it.
 */
#ifndef SOFT_PORTS_TAP_H
#define SOFT_PORTS_TAP_H

#include "../../os/tap.h"
#include "../port.h"

#define TAP_HEADER     10u /* as the system has it */
#define TAP_HEADER_MAX 12u /* the longer form: two bytes more, which nobody needs here */

struct tap_ring {
	int queue;              /* the port's, not the ring's own */
	const uint32_t *header; /* bytes that the program sees: the port's, which may change it */
	uint8_t *rest;          /* RX: what does not fit the first slot is read here */
	uint32_t most;          /* RX: slots of the longest frame so far */
	uint32_t skip;          /* TX: chain_pass()'s */
	bool doubtful;          /* the device was down when last looked at */
	uint32_t idle;          /* RX: syncs without packets since the last look */
	uint64_t looked_ns;
} __attribute__((aligned(128)));

/** Prepare a ring's state; false: no memory. */
bool tap_ring_init(struct tap_ring *state, bool tx, int queue, const uint32_t *header);

int tap_txsync(struct ring *r);
int tap_rxsync(struct ring *r);
int tap_arm(struct ring *r, struct pollfd *out);

#endif
