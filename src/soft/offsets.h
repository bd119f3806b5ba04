/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Packets that do not start where their buffers do (option OFFSETS of REGISTER): the bits of slot.ptr in
 * ring->offset_mask say how far behind. A ring keeps its offsets until the last user of its port is
 * gone; who binds it later has them too, and may ask for no more.
 *
 *	struct ring     offset_mask, offset_max, offset_room: what the device goes by
 *	ring.c          ring_slot_data(), ring_slot_space(): every use of a slot's offset, checked
 *	netmap_ring     offset_mask: what the program goes by; the device never reads it
 */
#ifndef SOFT_OFFSETS_H
#define SOFT_OFFSETS_H

#include "options.h"
#include "port.h"

struct soft_range;

struct offsets {
	uint64_t mask;
	uint32_t max;     /* the largest one that the program will use */
	uint32_t gap;     /* bytes that a slot may be given at most; 0: as many as fit */
	uint32_t initial; /* what the slots have at first */
	bool first;       /* the ring had none: the packets in it start where their buffers do */
	bool in_use;      /* it has a user already, and so its slots are left as they are */
};

/** The option's row in the table of options.c: what can be checked without a port. */
int offsets_parse(struct soft_options *out, struct nmreq_option *option);

/**
 * Put offsets in force on the rings that a descriptor is about to bind, where an option asks for them;
 * the option gets its status, and the largest offset that is in force.
 *
 * @return 0; -EINVAL more than a buffer holds; -EBUSY a ring has offsets that do not allow for these;
 *         -EOPNOTSUPP the kind serves none
 */
int offsets_bind(const struct port *port, const struct soft_range *tx, const struct soft_range *rx,
    struct nmreq_opt_offsets *option);

/* What port kinds start their rings with. */

/** The usual case. */
int offsets_start(struct ring *r, const struct offsets *offsets);

/** A ring that stands behind another one has its offsets, too. -EOPNOTSUPP and a message: it cannot. */
int offsets_pass(struct ring *r, const struct offsets *offsets);

/** The same for kinds whose RX slots are the sender's own: those are left alone. */
int offsets_start_tx(struct ring *r, const struct offsets *offsets);

/** Give an RX ring's slots their initial offset, but for n that hold packets from `from` on. */
void offsets_fill_rx(struct ring *r, const struct offsets *offsets, uint32_t from, uint32_t n);

/** Give the n slots from `from` on an offset. */
void offsets_write(struct ring *r, uint64_t mask, uint32_t from, uint32_t n, uint32_t offset);

#endif
