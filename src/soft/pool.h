/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What a region has to hand out: rings, buffers, netmap_ifs. Several processes may take and give at the
 * same time; each change is made under a lock that dies with its process, and is complete bit by bit,
 * so that a process killed in the middle loses at most what it was just taking.
 *
 * Whoever uses an area holds a lock on a byte of the region's file for it. An area that is handed out but that
 * nobody has locked belonged to a process that was killed: it is found when the next one takes some.
 * A netmap_if is its lock, on the private memory: who has it is nobody else's business.
 */
#ifndef SOFT_POOL_H
#define SOFT_POOL_H

#include "region.h"

/** A user of areas: one port, or one end of a pipe. */
struct region_claim {
	int fd; /* holds the locks */
	uint32_t num_areas;
	uint32_t *areas;
};

/**
 * Take `plain` plain areas, then `pairs` pairs, each with num_slots slots that have a buffer of their own.
 *
 * @param slots  how many for each of the areas, in this order
 * @return 0; -ENOMEM with nothing taken
 */
int region_areas_take(struct region *region, uint32_t plain, uint32_t pairs, const uint32_t *slots,
    struct region_claim *out);

/** Odd while an area is handed out; moves by one with each taking and giving. */
uint32_t region_area_generation(const struct region *region, uint32_t area);

/** Use areas that somebody has taken, in these generations; -EPROTO if one was given back since. */
int region_areas_join(struct region *region, uint32_t n, const uint32_t *areas,
    const uint32_t *generations, struct region_claim *out);

/** Let go; what nobody else uses goes back, with the buffers of its slots. */
void region_areas_give(struct region *region, struct region_claim *claim);

/** A netmap_if for one descriptor, zeroed, and what holds it; -ENOMEM when REGION_IFS are in use. */
int region_if_take(const struct region *region, struct netmap_if **out, int *lock);
/**
 * Let go of it. @return whether nobody else has it, by a descriptor that was inherited or passed on
 */
bool region_if_give(const struct region *region, const struct netmap_if *nifp, int lock);

/**
 * Hand out up to n buffers as netmap's extra buffers: a list linked through the first word of each.
 *
 * @param head  the first one, 0 if none
 * @return how many
 */
uint32_t region_buffers_take(struct region *region, uint32_t n, uint32_t *head);

/**
 * Take back a list of at most n buffers. A program wrote it: an index outside the region, or one that is
 * free already, ends it.
 */
void region_buffers_give(struct region *region, uint32_t head, uint32_t n);

/** How many buffers nobody has. */
uint32_t region_buffers_free(struct region *region);

#endif
