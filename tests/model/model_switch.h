/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What a learning switch does, as plainly as possible: one packet after the other, copied byte by byte. An RX
 * ring is a link whose sender is the switch; a TX ring is one that nobody receives from.
 */
#ifndef MODEL_MODEL_SWITCH_H
#define MODEL_MODEL_SWITCH_H

#include "model.h"

#define MODEL_SWITCH_PORTS 5u /* numbers 1 to 4 */
#define MODEL_SWITCH_RINGS 2u
#define MODEL_SWITCH_MACS  16u

struct model_switch_port {
	bool live;
	uint32_t num_tx, num_rx;
	struct model_link tx[MODEL_SWITCH_RINGS], rx[MODEL_SWITCH_RINGS];
	bool skipping[MODEL_SWITCH_RINGS]; /* the end of a packet larger than the ring */
};

struct model_switch {
	struct model_switch_port ports[MODEL_SWITCH_PORTS]; /* by number */
	struct {
		uint8_t mac[6];
		uint32_t port;
	} seen[MODEL_SWITCH_MACS];
	uint32_t num_seen;
};

/** The port is gone: nobody lives there any more. */
void model_switch_leave(struct model_switch *sw, uint32_t number);

/** A sync of a port's TX ring; 0, or -EINVAL where its pointers were not accepted. */
int model_switch_send(
    struct model_switch *sw, uint32_t number, uint32_t ring_index, struct model_ring *ring);

#endif
