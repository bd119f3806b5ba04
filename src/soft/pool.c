/* SPDX-License-Identifier: BSD-2-Clause */
/* Handing out rings, buffers and netmap_ifs of a region; the rules are in pool.h. */
#include "pool.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../base/error.h"
#include "../os/os.h"

#define LOCK_TIMEOUT_MS 5000
#define AREA_BYTE       1024u /* behind the bytes that share.h uses */
#define IF_BYTE         0u

static bool is_named(const struct region *region)
{
	return region->shared_fd >= 0;
}

static int private_reopen(const struct region *region)
{
	int fd = os_memory_reopen(region->fd);

	return fd < 0 ? error_set(fd, "cannot open memory region %u again (is /proc mounted?): %s",
			    region->id, strerror(-fd))
		      : fd;
}

/*
 * An open file of its own for each lock: a child has its parent's descriptors, and both may take and give
 * at the same time.
 */
static int lock_file_open(const struct region *region)
{
	return is_named(region) ? share_reopen(&region->share) : private_reopen(region);
}

/* … and one that holds no lock on an area, to ask with. */
static int lock_file(const struct region *region)
{
	return is_named(region) ? region->share.fd : region->fd;
}

static int pool_lock(const struct region *region, int *fd)
{
	int err;

	*fd = lock_file_open(region);
	if (*fd < 0)
		return *fd;
	err = os_directory_lock(*fd, LOCK_TIMEOUT_MS);
	if (!err)
		return 0;
	close(*fd);
	return error_set(err,
	    "memory region %u stays locked by another process (is one stopped "
	    "while it opens a port?)",
	    region->id);
}

static void pool_unlock(int fd)
{
	close(fd);
}

/* ---- buffers ---- */

static uint64_t *word_of(const struct region *region, uint32_t buffer)
{
	return &region->control->taken[buffer / 64];
}

/* Others change the words only while they have the lock, but what a hostile one does is undefined only in value. */
static uint64_t word_load(const uint64_t *word)
{
	return __atomic_load_n(word, __ATOMIC_RELAXED);
}

/* NOLINTNEXTLINE(readability-non-const-parameter): written by the atomic store */
static void word_store(uint64_t *word, uint64_t value)
{
	__atomic_store_n(word, value, __ATOMIC_RELAXED);
}

/* The lowest free buffer; 0: there is none. */
static uint32_t buffer_take(struct region *region)
{
	uint32_t from = __atomic_load_n(&region->control->lowest, __ATOMIC_RELAXED);

	if (!region_has_buffer(region, from))
		from = REGION_FIRST_BUFFER;
	for (uint32_t at = from & ~63u; at < region->num_bufs; at += 64) {
		uint64_t *word = word_of(region, at), free_bits = ~word_load(word);
		uint32_t buffer = at + (free_bits ? (uint32_t)__builtin_ctzll(free_bits) : 0);

		if (!free_bits)
			continue;
		if (!region_has_buffer(region, buffer))
			break; /* those of the last word that do not exist */
		word_store(word, ~free_bits | 1ull << buffer % 64);
		__atomic_store_n(&region->control->lowest, buffer + 1, __ATOMIC_RELAXED);
		return buffer;
	}
	__atomic_store_n(&region->control->lowest, region->num_bufs, __ATOMIC_RELAXED);
	return 0;
}

static bool buffer_is_taken(const struct region *region, uint32_t buffer)
{
	return region_has_buffer(region, buffer) &&
	       word_load(word_of(region, buffer)) >> buffer % 64 & 1;
}

static void buffer_give(struct region *region, uint32_t buffer)
{
	uint64_t *word = word_of(region, buffer);

	word_store(word, word_load(word) & ~(1ull << buffer % 64));
	if (buffer < __atomic_load_n(&region->control->lowest, __ATOMIC_RELAXED))
		__atomic_store_n(&region->control->lowest, buffer, __ATOMIC_RELAXED);
}

uint32_t *region_buffer_link(const struct region *region, uint32_t buffer)
{
	return (uint32_t *)(void *)region_buffer(region, buffer);
}

uint32_t region_buffers_take(struct region *region, uint32_t n, uint32_t *head)
{
	uint32_t taken = 0, buffer;
	int lock;

	*head = 0;
	if (n == 0 || pool_lock(region, &lock) != 0)
		return 0;
	while (taken < n && (buffer = buffer_take(region)) != 0) {
		*region_buffer_link(region, buffer) = *head;
		*head = buffer;
		taken++;
	}
	pool_unlock(lock);
	return taken;
}

void region_buffers_give(struct region *region, uint32_t head, uint32_t n)
{
	int lock;

	/* Without the lock the list is not taken back: lost buffers do no harm. */
	if (n == 0 || pool_lock(region, &lock) != 0)
		return;
	for (; n > 0 && buffer_is_taken(region, head); n--) {
		uint32_t next = *region_buffer_link(region, head);

		buffer_give(region, head);
		head = next;
	}
	pool_unlock(lock);
}

uint32_t region_buffers_free(struct region *region)
{
	uint32_t n = 0;

	for (uint32_t buffer = REGION_FIRST_BUFFER; buffer < region->num_bufs; buffer++)
		n += !buffer_is_taken(region, buffer);
	return n;
}

/* ---- areas: slots ---- */

/* Every slot of an area that nobody has is zero, so that one that was never filled gives nothing back. */
static void slots_give(struct region *region, uint32_t area)
{
	struct netmap_slot *slots = region_slots(region, area);

	for (uint32_t i = 0; i < region->shape.ring_slots; i++) {
		uint32_t buffer = __atomic_load_n(&slots[i].buf_idx, __ATOMIC_RELAXED);

		slots[i] = (struct netmap_slot){.buf_idx = 0};
		if (buffer_is_taken(region, buffer))
			buffer_give(region, buffer);
	}
}

static int slots_fill(struct region *region, uint32_t area, uint32_t num_slots)
{
	struct netmap_slot *slots = region_slots(region, area);

	for (uint32_t i = 0; i < num_slots; i++) {
		uint32_t buffer = buffer_take(region);

		if (buffer == 0)
			return error_set(-ENOMEM,
			    "memory region %u has no buffers left for a ring of %u slots",
			    region->id, num_slots);
		slots[i] =
		    (struct netmap_slot){.buf_idx = buffer, .len = (uint16_t)region->buf_size};
	}
	return 0;
}

/* ---- areas: who has them ---- */

static bool area_is_taken(const struct region *region, uint32_t area)
{
	return __atomic_load_n(&region->control->areas[area], __ATOMIC_RELAXED) & 1;
}

static void area_move(struct region *region, uint32_t area)
{
	__atomic_add_fetch(&region->control->areas[area], 1, __ATOMIC_RELAXED);
}

static bool area_is_used(const struct region *region, uint32_t area)
{
	return os_lock_held(lock_file(region), AREA_BYTE + area) != 0;
}

static void area_give(struct region *region, uint32_t area)
{
	if (!area_is_taken(region, area) || area_is_used(region, area))
		return;
	slots_give(region, area);
	area_move(region, area);
}

/* Areas of processes that were killed. */
static void areas_sweep(struct region *region)
{
	for (uint32_t area = 0; area < region_areas(&region->shape); area++)
		area_give(region, area);
}

static int claim_new(const struct region *region, uint32_t n, struct region_claim *out)
{
	out->fd = -1;
	out->num_areas = 0;
	out->areas = calloc(n + 1, sizeof *out->areas);
	if (!out->areas)
		return error_set(-ENOMEM, "out of memory for the rings of a port");
	out->fd = lock_file_open(region);
	if (out->fd >= 0)
		return 0;
	free(out->areas);
	out->areas = NULL;
	return out->fd;
}

/* The lock comes before anything that the sweep would have to undo. */
static int area_claim(struct region *region, uint32_t area, struct region_claim *claim)
{
	int err = os_lock_byte(claim->fd, AREA_BYTE + area, false);

	if (err)
		return error_set(err, "cannot lock a ring of memory region %u", region->id);
	claim->areas[claim->num_areas++] = area;
	return region_area_map(region, area);
}

static int area_take(
    struct region *region, uint32_t from, uint32_t end, uint32_t slots, struct region_claim *claim)
{
	uint32_t area = from;
	int err;

	while (area < end && area_is_taken(region, area))
		area++;
	if (area == end || slots > region->shape.ring_slots)
		return error_set(-ENOMEM,
		    "memory region %u has no room for another %s of %u slots (%u of up to %u)",
		    region->id, from ? "pair of rings" : "ring", slots, end - from,
		    region->shape.ring_slots);
	err = area_claim(region, area, claim);
	if (err)
		return err;
	area_move(region, area);
	return slots_fill(region, area, slots);
}

int region_areas_take(struct region *region, uint32_t plain, uint32_t pairs, const uint32_t *slots,
    struct region_claim *out)
{
	const struct region_shape *shape = &region->shape;
	int lock, err = claim_new(region, plain + pairs, out);

	if (err)
		return err;
	err = pool_lock(region, &lock);
	if (!err) {
		areas_sweep(region);
		for (uint32_t i = 0; i < plain + pairs && !err; i++)
			err = i < plain ? area_take(region, 0, shape->plain, slots[i], out)
					: area_take(region, shape->plain, region_areas(shape),
					      slots[i], out);
		pool_unlock(lock);
	}
	if (err)
		region_areas_give(region, out);
	return err;
}

int region_areas_join(struct region *region, uint32_t n, const uint32_t *areas,
    const uint32_t *generations, struct region_claim *out)
{
	int lock, err = claim_new(region, n, out);

	if (err)
		return err;
	err = pool_lock(region, &lock);
	if (!err) {
		for (uint32_t i = 0; i < n && !err; i++)
			err = areas[i] < region_areas(&region->shape) &&
				      region_area_generation(region, areas[i]) == generations[i]
				  ? area_claim(region, areas[i], out)
				  : error_set(-EPROTO,
					"rings of memory region %u went away with their last user",
					region->id);
		pool_unlock(lock);
	}
	if (err)
		region_areas_give(region, out);
	return err;
}

uint32_t region_area_generation(const struct region *region, uint32_t area)
{
	return __atomic_load_n(&region->control->areas[area], __ATOMIC_RELAXED);
}

void region_areas_give(struct region *region, struct region_claim *claim)
{
	int lock, err = pool_lock(region, &lock);

	/* Without the lock: closing tells the next sweep. */
	close(claim->fd);
	for (uint32_t i = 0; i < claim->num_areas && !err; i++)
		area_give(region, claim->areas[i]);
	if (!err)
		pool_unlock(lock);
	free(claim->areas);
	*claim = (struct region_claim){.fd = -1};
}

/* ---- netmap_ifs ---- */

/* Locks find a free one: they are gone with the process that has it, and a child's copy keeps them. */
int region_if_take(const struct region *region, struct netmap_if **out, int *lock)
{
	uint32_t index = 0;
	uint8_t *at;

	*lock = private_reopen(region);
	if (*lock < 0)
		return *lock;
	while (index < REGION_IFS && os_lock_byte(*lock, IF_BYTE + index, true) != 0)
		index++;
	if (index == REGION_IFS) {
		close(*lock);
		return error_set(-ENOMEM,
		    "memory region %u is open %u times already, by all its ports", region->id,
		    REGION_IFS);
	}
	at = region->base + (size_t)index * region->shape.if_size;
	memset(at, 0, region->shape.if_size);
	*out = (struct netmap_if *)(void *)at;
	return 0;
}

/* Of two that let go at the same time only one is the last. Without the lock: nobody is. */
bool region_if_give(const struct region *region, const struct netmap_if *nifp, int lock)
{
	size_t at = (size_t)((const uint8_t *)nifp - region->base);
	unsigned byte = IF_BYTE + (unsigned)(at / region->shape.if_size);
	int pool, err = pool_lock(region, &pool);
	bool last;

	close(lock);
	if (err)
		return false;
	last = os_lock_held(region->fd, byte) == 0;
	pool_unlock(pool);
	return last;
}
