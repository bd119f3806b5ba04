/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The floor under every pipe row: a single-producer single-consumer ring of 16-byte descriptors,
 * as good as one writes it by hand. Free-running indexes, one writer per line, each side keeps a
 * copy of the other's index and looks again only when the copy does not suffice.
 */
#ifndef BENCH_SPSC_H
#define BENCH_SPSC_H

#include <stdint.h>

#include "bench.h"

struct spsc_desc {
	uint32_t index;
	uint16_t len;
	uint16_t flags;
	uint64_t user;
};

/* What both sides share; slots follow. */
struct spsc {
	uint32_t produced __attribute__((aligned(BENCH_LINE)));
	uint32_t consumed __attribute__((aligned(BENCH_LINE)));
	struct spsc_desc slots[] __attribute__((aligned(BENCH_LINE)));
};

/* One side's view. */
struct spsc_end {
	struct spsc *ring;
	uint32_t mask;
	uint32_t own;  /* this side's index */
	uint32_t seen; /* the other's, as last looked at */
} __attribute__((aligned(BENCH_LINE)));

static inline size_t spsc_size(uint32_t slots)
{
	return sizeof(struct spsc) + slots * sizeof(struct spsc_desc);
}

/** Whether n slots are free. */
static inline bool spsc_room(struct spsc_end *end, uint32_t n)
{
	if (end->mask + 1 - (end->own - end->seen) >= n)
		return true;
	/* Pairs with spsc_consume(): the consumer has read those slots and their buffers. */
	end->seen = __atomic_load_n(&end->ring->consumed, __ATOMIC_ACQUIRE);
	return end->mask + 1 - (end->own - end->seen) >= n;
}

static inline struct spsc_desc *spsc_slot(const struct spsc_end *end, uint32_t i)
{
	return &end->ring->slots[(end->own + i) & end->mask];
}

static inline void spsc_produce(struct spsc_end *end, uint32_t n)
{
	end->own += n;
	__atomic_store_n(&end->ring->produced, end->own, __ATOMIC_RELEASE);
}

/** How many descriptors, at most n, are there to read. */
static inline uint32_t spsc_ready(struct spsc_end *end, uint32_t n)
{
	/* Pairs with spsc_produce(): descriptors and payload are visible. */
	if (end->seen == end->own)
		end->seen = __atomic_load_n(&end->ring->produced, __ATOMIC_ACQUIRE);
	return end->seen - end->own < n ? end->seen - end->own : n;
}

static inline void spsc_consume(struct spsc_end *end, uint32_t n)
{
	end->own += n;
	__atomic_store_n(&end->ring->consumed, end->own, __ATOMIC_RELEASE);
}

#endif
