/* SPDX-License-Identifier: BSD-2-Clause */
/* Laying out and mapping regions; the picture is in region.h. */
#include "region.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "../base/error.h"
#include "../os/os.h"

/* netmap's own size for a netmap_if object; larger only where the ring table needs it. */
#define IF_OBJECT 1024u

/*
 * Where buffers are copied to and from the kernel, they must not start where the kernel's own do:
 * 2 KiB boundaries alias there, and the copy stalls (bench/rows/packet_tx at 1,514 bytes: 18 %).
 */
#define BUFFERS_OFFSET 64u

static size_t round_up(size_t value, size_t unit)
{
	return (value + unit - 1) / unit * unit;
}

size_t region_slot_bytes(uint32_t num_slots)
{
	return round_up(num_slots * sizeof(struct netmap_slot), os_page_size());
}

/* Offsets of everything; sets size last. */
static int layout(struct region *region, const struct region_plan *plan)
{
	const size_t page = os_page_size();
	size_t at;

	region->if_size =
	    round_up(sizeof(struct netmap_if) + plan->num_rings * sizeof(ssize_t), IF_OBJECT);
	at = round_up(region->if_size * REGION_MAX_IFS, page);
	for (uint32_t i = 0; i < plan->num_rings; i++) {
		region->ring_at[i] = at + page - sizeof(struct netmap_ring);
		region->ring_slots[i] = plan->rings[i].num_slots;
		at += page + region_slot_bytes(plan->rings[i].num_slots);
	}
	region->bufs_at = at + (plan->shared_fd < 0 ? BUFFERS_OFFSET : 0);
	region->num_bufs = plan->num_bufs;
	region->buf_size = plan->buf_size;
	if (plan->num_bufs > (SIZE_MAX / 2 - region->bufs_at) / plan->buf_size)
		return -ENOMEM;
	region->size = round_up(region->bufs_at + (size_t)plan->num_bufs * plan->buf_size, page);
	return 0;
}

static size_t slots_at(const struct region *region, uint32_t ring)
{
	return region->ring_at[ring] + sizeof(struct netmap_ring);
}

static void plan_overlays(struct region *region, const struct region_plan *plan)
{
	struct region_overlay *next = region->overlays;

	for (uint32_t i = 0; i < plan->num_rings; i++) {
		const struct region_ring *ring = &plan->rings[i];

		if (plan->shared_fd < 0 && ring->same_as < 0)
			continue;
		*next = (struct region_overlay){
		    .at = slots_at(region, i),
		    .len = region_slot_bytes(ring->num_slots),
		    .fd = plan->shared_fd,
		    .offset = ring->slots_at,
		};
		if (plan->shared_fd < 0) {
			next->fd = region->fd;
			next->offset = (off_t)slots_at(region, (uint32_t)ring->same_as);
		}
		next++;
	}
	if (plan->shared_fd >= 0)
		*next++ = (struct region_overlay){
		    .at = region->bufs_at,
		    .len = region->size - region->bufs_at,
		    .fd = plan->shared_fd,
		    .offset = plan->bufs_at,
		};
	region->num_overlays = (uint32_t)(next - region->overlays);
}

static int map(struct region *region, const struct region_plan *plan)
{
	void *base;
	int err;

	region->fd = os_memory_create("pktloom-region", region->size);
	if (region->fd < 0)
		return region->fd;
	err = os_memory_map(region->fd, region->size, &base);
	if (err)
		return err;
	region->base = base;
	plan_overlays(region, plan);
	for (uint32_t i = 0; i < region->num_overlays && !err; i++) {
		const struct region_overlay *part = &region->overlays[i];

		err = os_memory_overlay(region->base + part->at, part->len, part->fd, part->offset);
	}
	return err;
}

/* What of an overlay lies in [from, end): that much of it, where the program wants it. */
static int overlay_map_at(
    const struct region_overlay *part, uint8_t *at, size_t from, size_t end, int prot, int flags)
{
	size_t first = part->at > from ? part->at : from;
	size_t last = part->at + part->len < end ? part->at + part->len : end;

	if (first >= last)
		return 0;
	return mmap(at + (first - from), last - first, prot, flags, part->fd,
		   part->offset + (off_t)(first - part->at)) == MAP_FAILED
		   ? -errno
		   : 0;
}

int region_map_at(
    const struct region *region, void *at, size_t len, int prot, int flags, off_t offset)
{
	size_t from = (size_t)offset, size = round_up(len, os_page_size());
	int err = 0;

	if (offset < 0 || len == 0 || size < len || from > region->size ||
	    size > region->size - from)
		return error_set(-EINVAL, "%zu bytes at %zu are more than the region's %zu", len,
		    from, region->size);
	flags = (flags & ~MAP_FIXED_NOREPLACE) | MAP_FIXED;
	if (mmap(at, size, prot, flags, region->fd, offset) == MAP_FAILED)
		err = -errno;
	for (uint32_t i = 0; i < region->num_overlays && !err; i++)
		err = overlay_map_at(&region->overlays[i], at, from, from + size, prot, flags);
	return err ? error_set(err, "cannot map %zu bytes of the region: %s", len, strerror(-err))
		   : 0;
}

static void destroy(struct region *region)
{
	if (region->base)
		os_memory_unmap(region->base, region->size);
	if (region->fd >= 0)
		close(region->fd);
	free(region->overlays);
	free(region->ring_at);
	free(region->ring_slots);
	free(region);
}

/* Ids only have to differ between the regions of one process; 1 is netmap's global one. */
static uint32_t next_id(void)
{
	static uint32_t last = 1;

	return __atomic_add_fetch(&last, 1, __ATOMIC_RELAXED);
}

int region_create(const struct region_plan *plan, struct region **out)
{
	struct region *region = calloc(1, sizeof *region);
	int err = -ENOMEM;

	if (!region)
		return error_set(-ENOMEM, "out of memory for a region");
	region->fd = -1;
	region->references = 1;
	region->own_next = REGION_FIRST_BUFFER;
	region->next_buffer = plan->next_buffer ? plan->next_buffer : &region->own_next;
	region->ring_at = calloc(plan->num_rings + 1, sizeof *region->ring_at);
	region->ring_slots = calloc(plan->num_rings + 1, sizeof *region->ring_slots);
	region->overlays = calloc(plan->num_rings + 1, sizeof *region->overlays);
	if (region->ring_at && region->ring_slots && region->overlays)
		err = layout(region, plan);
	if (!err)
		err = map(region, plan);
	if (err) {
		error_format("cannot map %zu bytes for %u rings and %u buffers of %u bytes: %s",
		    region->size, plan->num_rings, plan->num_bufs, plan->buf_size, strerror(-err));
		destroy(region);
		return err;
	}
	region->id = next_id();
	*out = region;
	return 0;
}

void region_reference(struct region *region)
{
	region->references++;
}

void region_release(struct region *region)
{
	if (--region->references == 0)
		destroy(region);
}

struct netmap_ring *region_ring(const struct region *region, uint32_t index)
{
	return (struct netmap_ring *)(void *)(region->base + region->ring_at[index]);
}

uint8_t *region_buffer(const struct region *region, uint32_t index)
{
	return region->base + region->bufs_at + (size_t)index * region->buf_size;
}

/* netmap's header declares what a program must not write as const; its device writes it once, here. */
#define CONST_SET(type, field, value) (*(type *)(uintptr_t) & (field) = (type)(value))

void region_ring_init(struct region *region, uint32_t index, bool tx, uint16_t ringid)
{
	struct netmap_ring *ring = region_ring(region, index);

	memset(ring, 0, sizeof *ring);
	CONST_SET(int64_t, ring->buf_ofs, region->bufs_at - region->ring_at[index]);
	CONST_SET(uint32_t, ring->num_slots, region->ring_slots[index]);
	CONST_SET(uint32_t, ring->nr_buf_size, region->buf_size);
	CONST_SET(uint16_t, ring->ringid, ringid);
	CONST_SET(uint16_t, ring->dir, tx ? 1 : 0);
}

void region_slots_fill(struct netmap_slot *slots, uint32_t num_slots, uint32_t first, uint16_t len)
{
	for (uint32_t i = 0; i < num_slots; i++)
		slots[i] = (struct netmap_slot){.buf_idx = first + i, .len = len};
}

struct netmap_if *region_if_take(struct region *region)
{
	for (uint32_t i = 0; i < REGION_MAX_IFS; i++) {
		uint8_t *at = region->base + i * region->if_size;

		if (region->ifs_in_use & 1u << i)
			continue;
		region->ifs_in_use |= 1u << i;
		memset(at, 0, region->if_size);
		return (struct netmap_if *)(void *)at;
	}
	return NULL;
}

void region_if_give(struct region *region, struct netmap_if *nifp)
{
	size_t index = (size_t)((uint8_t *)nifp - region->base) / region->if_size;

	region->ifs_in_use &= ~(1u << index);
}

/* The next buffer that nobody ever had; 0 when there is none. Atomic: another process may take too. */
static uint32_t take_fresh(struct region *region)
{
	uint32_t next = __atomic_load_n(region->next_buffer, __ATOMIC_RELAXED);

	do {
		if (next < REGION_FIRST_BUFFER || next >= region->num_bufs)
			return 0;
	} while (!__atomic_compare_exchange_n(
	    region->next_buffer, &next, next + 1, true, __ATOMIC_RELAXED, __ATOMIC_RELAXED));
	return next;
}

static uint32_t *link_of(const struct region *region, uint32_t buffer)
{
	return (uint32_t *)(void *)region_buffer(region, buffer);
}

static bool is_buffer(const struct region *region, uint32_t index)
{
	return index >= REGION_FIRST_BUFFER && index < region->num_bufs;
}

uint32_t region_buffers_take(struct region *region, uint32_t n, uint32_t *head)
{
	uint32_t taken = 0;

	*head = 0;
	for (; taken < n; taken++) {
		uint32_t buffer = region->free_buffers;

		if (is_buffer(region, buffer))
			region->free_buffers = *link_of(region, buffer);
		else
			buffer = take_fresh(region);
		if (buffer == 0)
			break;
		*link_of(region, buffer) = *head;
		*head = buffer;
	}
	return taken;
}

/* First sight of a buffer in a list that a program made: it may link to itself. */
static bool first_sight(uint8_t *seen, uint32_t buffer)
{
	uint8_t bit = (uint8_t)(1u << buffer % 8);
	bool first = !(seen[buffer / 8] & bit);

	seen[buffer / 8] |= bit;
	return first;
}

void region_buffers_give(struct region *region, uint32_t head, uint32_t n)
{
	/* Without memory for the check the list is not taken back: lost buffers do no harm. */
	uint8_t *seen = n > 0 ? calloc(region->num_bufs / 8 + 1, 1) : NULL;

	if (!seen)
		return;
	for (uint32_t i = 0; i < n && is_buffer(region, head) && first_sight(seen, head); i++) {
		uint32_t next = *link_of(region, head);

		*link_of(region, head) = region->free_buffers;
		region->free_buffers = head;
		head = next;
	}
	free(seen);
}
