/* SPDX-License-Identifier: BSD-2-Clause */
/* The memory of a switch port: made by its own process, mapped by all that send to it. */
#ifndef SOFT_PORTS_SWITCH_MEMORY_H
#define SOFT_PORTS_SWITCH_MEMORY_H

#include "../port.h"
#include "../share.h"
#include "switch_shared.h"

/** A destination: one generation of one port as this process sees it. */
struct switch_target {
	struct switch_target *next;
	uint32_t number, generation;
	unsigned references; /* TX rings that know it, and the port itself if it is open here */
	struct switch_shape shape; /* checked copy */
	struct switch_part *part;  /* header and inboxes */
	size_t part_size;
	struct region *region;   /* of a port that is open here */
	struct region_view view; /* of one that is not: mapped to send to it */
	size_t region_size;
	uint8_t *buffers;
	uint32_t num_bufs, buf_size;
	struct switch_target_ring {
		struct netmap_slot *slots;
		struct switch_inbox *inbox;
		const uint32_t *area; /* the slots are the port's while this is its generation */
		uint32_t generation;
		int wake; /* -1 until the receiver was first asleep; changed atomically */
	} rings[SWITCH_RINGS];
};

/** Make the part of a port whose rings are built, and map it. The directory is locked. */
int switch_target_create(const struct share *share, uint32_t number, uint32_t generation,
    const struct port *port, struct switch_target **out);

/** Map the part of a port that another process made and passed on. */
int switch_target_adopt(const struct share *share, uint32_t number, uint32_t generation,
    const struct port *port, struct switch_target **out);

/** Map the memory of a port of another process. No message: senders go on without it. */
int switch_target_map(
    const struct share *share, uint32_t number, uint32_t generation, struct switch_target **out);

/** Remove the file of a port that nobody has seen yet. */
void switch_target_remove(const struct share *share, const struct switch_target *target);

void switch_target_free(struct switch_target *target);

#endif
