/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Memory of a monitor whose port is in another process. Slots and buffers are in a named region, the port's
 * or one that the monitor's process makes; it makes an object for the rest:
 *
 *   │ struct monitor_header │ struct watch_box × RX rings │
 *
 * The port's process maps both and puts packets there. What the header says is read once and checked; what
 * the other side may write later is checked where it is used.
 */
#ifndef SOFT_MONITOR_MEMORY_H
#define SOFT_MONITOR_MEMORY_H

#include "port.h"
#include "watch.h"

#define MONITOR_MAGIC 0x6e6f6d6d6f6f6cull
/* Raise it when a struct here, in board.h or struct watch_box, or the meaning of a slot changes. */
#define MONITOR_ABI   2u

#define MONITOR_RINGS_MAX 512u /* NIC and host rings */

struct monitor_shape {
	uint32_t nic_rings, host_rings; /* RX rings; there is one TX ring */
	uint32_t tx_slots, rx_slots;
	uint32_t buf_size;
	uint32_t paired; /* watch_is_paired() */
};

struct monitor_header {
	uint64_t magic;
	uint32_t abi, page_size;
	struct monitor_shape shape;
	struct watch_choice choice; /* written before the monitor calls, as is what follows */
	char region[NAME_MAX + 1];  /* file of the region */
	uint32_t areas[MONITOR_RINGS_MAX]; /* of the RX rings' slots … */
	uint32_t generations[MONITOR_RINGS_MAX];
};

/**
 * A mapping of the object; in the port's process one of the region as well, or, where that is the port's, a
 * claim to the areas: they stay the monitor's until nobody fills them any more, whatever becomes of it.
 */
struct monitor_memory {
	struct monitor_header *header;
	size_t size;
	struct monitor_shape shape; /* checked copy */
	struct region_view view;
	struct region *region; /* the port's, or NULL */
	struct region_claim claim;
};

/** Write the header of a fresh object for a monitor with rings in a named region, and map it. */
int monitor_memory_create(int fd, const struct port *port, struct monitor_memory *out);

/**
 * Map the memory of a monitor of another process. No message: the port goes on without it.
 *
 * @param region  the port's
 */
int monitor_memory_map(int dirfd, int fd, struct region *region, struct monitor_memory *out);

void monitor_memory_unmap(struct monitor_memory *memory);

struct watch_box *monitor_memory_box(const struct monitor_memory *memory, uint32_t ring);

/** What fills an RX ring; -EPROTO if the header says nonsense about it. */
int monitor_memory_sink(const struct monitor_memory *memory, uint32_t ring, struct watch_sink *out);

#endif
