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
	struct switch_part *part;  /* header and inboxes; of foreign ports all of it */
	size_t part_size;
	struct region *region; /* of a port that is open here: its slots and buffers, mapped once */
	int fd;                /* … and what they are mapped from; -1 for foreign ones */
	uint8_t *buffers;
	struct switch_target_ring {
		struct netmap_slot *slots;
		struct switch_inbox *inbox;
		int wake; /* -1 until the receiver was first asleep; changed atomically */
	} rings[SWITCH_RINGS];
};

/** Make the memory of a new port and map it. The directory is locked; the caller fills the slots. */
int switch_target_create(const struct share *share, uint32_t number, uint32_t generation,
    const struct port_request *request, struct switch_target **out);

/** Map the memory of a port of another process. No message: senders go on without it. */
int switch_target_map(
    const struct share *share, uint32_t number, uint32_t generation, struct switch_target **out);

/** Remove the file of a port that nobody has seen yet. */
void switch_target_remove(const struct share *share, const struct switch_target *target);

void switch_target_free(struct switch_target *target);

#endif
