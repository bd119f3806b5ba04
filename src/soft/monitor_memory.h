/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Memory of a monitor whose port is in another process: made by the monitor's process, mapped by the
 * port's, which puts packets there.
 *
 *   │ struct monitor_header │ struct watch_box × RX rings │ slots of RX rings │ of the TX ring │ buffers │
 *
 * Sizes are read once and checked; what the other side may write later is checked where it is used.
 */
#ifndef SOFT_MONITOR_MEMORY_H
#define SOFT_MONITOR_MEMORY_H

#include "region.h"
#include "watch.h"

#define MONITOR_MAGIC 0x6e6f6d6d6f6f6cull
/* Raise it when a struct here, in board.h or struct watch_box, or the meaning of a slot changes. */
#define MONITOR_ABI   1u

struct monitor_shape {
	uint32_t nic_rings, host_rings; /* RX rings; there is one TX ring */
	uint32_t tx_slots, rx_slots;
	uint32_t buf_size, num_bufs;
};

struct monitor_header {
	uint64_t magic;
	uint32_t abi, page_size;
	uint64_t size; /* of the object */
	struct monitor_shape shape;
	struct watch_choice choice; /* written before the monitor calls */
};

/** A mapping of the header and the boxes, or of everything. */
struct monitor_memory {
	struct monitor_header *header;
	size_t size; /* mapped */
	struct monitor_shape shape;
};

/** Write the header of a fresh object, and map it; the rest comes as a region. */
int monitor_memory_create(
    int fd, const struct monitor_shape *shape, struct monitor_memory *out, struct region **region);

/** Map all of the object of a monitor of another process. No message: the port goes on without it. */
int monitor_memory_map(int fd, struct monitor_memory *out);

void monitor_memory_unmap(struct monitor_memory *memory);

struct watch_box *monitor_memory_box(const struct monitor_memory *memory, uint32_t ring);

/** What fills an RX ring, in a mapping of everything. */
void monitor_memory_sink(
    const struct monitor_memory *memory, uint32_t ring, struct watch_sink *out);

#endif
