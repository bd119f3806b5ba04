/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the two ends of a pipe share beyond the region: an object of two or more pages.
 *
 *   │ struct pipe_header │ exchanges: T + R │      T, R: the master's TX and RX rings
 *
 * Its first user creates it in the shape that it asks for; whoever comes later takes that shape,
 * mirrored for the slave. Positions live in the exchanges, so an end that leaves, or is killed, and comes
 * back goes on where it was, and packets that were sent stay receivable.
 *
 * The region is the parent port's: of "x{1" that of x, so that buffers can be swapped between them.
 */
#ifndef SOFT_PIPE_MEMORY_H
#define SOFT_PIPE_MEMORY_H

#include "../exchange.h"
#include "../port.h"
#include "../share.h"
#include "../soft.h"

/* What both ends must agree on. Shapes are the master's. */
struct pipe_shape {
	uint32_t tx_rings, rx_rings;
	uint32_t tx_slots, rx_slots;
};

/* An area of the region, and which of its uses: whoever comes later must find the same one. */
struct pipe_area {
	uint32_t area, generation;
};

struct pipe_header {
	uint64_t magic;
	uint32_t abi;
	uint32_t page_size;
	uint64_t size; /* of the object */
	struct pipe_shape shape;
	char region[NETMAP_REQ_IFNAMSIZ];           /* its name; "": private to one process */
	uint32_t region_id;                         /* tells which, if it has no name … */
	uint64_t region_file;                       /* … by its number and its file's */
	struct pipe_area areas[2 * SOFT_RINGS_MAX]; /* of T rings, then of R rings */
};

struct pipe_map;

/** One end's. */
struct pipe_memory {
	struct share share;
	struct pipe_map *map;
	struct pipe_header header; /* checked copy */
};

/** Areas and exchanges are in the master's order: those of T rings, then those of R rings. */
static inline uint32_t pipe_pair_of(const struct pipe_memory *memory, bool tx, uint32_t index)
{
	bool master = memory->share.end == 0;

	return tx == master ? index : memory->header.shape.tx_rings + index;
}

/**
 * Make or join what belongs to a share that was just opened.
 *
 * @param region  what was found, also on failure; the caller's to release when the directory is not locked
 *                any more. NULL before
 * @param claim   to the areas of its rings; nothing on failure
 */
int pipe_memory_get(struct pipe_memory *memory, const struct port_request *request,
    struct region **region, struct region_claim *claim);

/** The same for a share that was passed on; region and claim came with it. */
int pipe_memory_adopt(struct pipe_memory *memory, const char *name);

/** Let go of it, and of the share; also after a failure. */
void pipe_memory_release(struct pipe_memory *memory);

/** Where the two rings of a pair meet; see pipe_pair_of(). */
struct exchange *pipe_memory_exchange(const struct pipe_memory *memory, uint32_t pair);

#endif
