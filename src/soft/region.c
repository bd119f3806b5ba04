/* SPDX-License-Identifier: BSD-2-Clause */
/* Laying out and mapping regions; the picture is in region.h. */
#include "region.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../base/error.h"
#include "../os/os.h"
#include "../os/safe_copy.h"
#include "region_layout.h"
#include "region_place.h"

/* Guarded by the registry's lock. */
static struct region *regions;
static struct region *released; /* without users; they go in region_reap() */

static size_t round_up(size_t value, size_t unit)
{
	return (value + unit - 1) / unit * unit;
}

size_t region_slot_bytes(uint32_t num_slots)
{
	return round_up(num_slots * sizeof(struct netmap_slot), os_page_size());
}

size_t region_control_bytes(const struct region_shape *shape)
{
	size_t words = ((size_t)shape->num_bufs + 63) / 64;

	return round_up(sizeof(struct region_control) + words * sizeof(uint64_t), os_page_size());
}

size_t region_buffer_bytes(const struct region_shape *shape)
{
	return round_up(region_buffers_offset(shape) + (size_t)shape->num_bufs * shape->buf_size,
	    os_page_size());
}

/* ---- life ---- */

struct region *region_mapped(uint32_t id)
{
	struct region *region = regions;

	while (region && region->id != id)
		region = region->next;
	return region;
}

struct region *region_first(void)
{
	return regions;
}

void region_list(struct region *region)
{
	region->next = regions;
	regions = region;
}

static void unlist(const struct region *region)
{
	struct region **at = &regions;

	while (*at && *at != region)
		at = &(*at)->next;
	if (*at)
		*at = region->next;
}

struct region *region_new(const struct region_shape *shape)
{
	const size_t page = os_page_size();
	struct region *region = calloc(1, sizeof *region);

	if (!region)
		return NULL;
	region->references = 1;
	region->fd = region->shared_fd = region->share.fd = region->share.dirfd = -1;
	region->shape = *shape;
	region->num_bufs = shape->num_bufs;
	region->buf_size = shape->buf_size;
	region->buf_room = shape->buf_size - shape->headroom;
	region->ring_stride = page + region_slot_bytes(shape->ring_slots);
	region->rings_at = round_up((size_t)shape->if_size * REGION_IFS, page);
	region->bufs_at = region->rings_at + region_rings(shape) * region->ring_stride;
	region->size = region->bufs_at + region_buffer_bytes(shape);
	return region;
}

void region_destroy(struct region *region)
{
	unlist(region);
	if (region->base)
		os_memory_unmap(region->base, region->size);
	if (region->control)
		os_memory_unmap(region->control, region->control_size);
	if (region->fd >= 0)
		close(region->fd);
	if (region->shared_fd >= 0)
		close(region->shared_fd);
	if (region->share.fd >= 0)
		share_close(&region->share);
	free(region);
}

/* Ids of regions without a name: from the top, named ones come from below. */
uint32_t region_private_id(void)
{
	static uint32_t last = UINT16_MAX + 1;

	do
		last = last > UINT16_MAX / 2 ? last - 1 : UINT16_MAX;
	while (region_mapped(last));
	return last;
}

void region_control_init(
    struct region_control *control, const struct region_shape *shape, uint32_t id, uint64_t size)
{
	control->abi = REGION_ABI;
	control->page_size = (uint32_t)os_page_size();
	control->size = size;
	control->id = id;
	control->shape = *shape;
	control->lowest = REGION_FIRST_BUFFER;
	control->taken[0] = (1u << REGION_FIRST_BUFFER) - 1;
	control->magic = REGION_MAGIC;
}

/* Where programs see them: everything but the second half of a pair is in place. */
static int map_in_place(struct region *region, size_t control, size_t offset)
{
	void *at;
	int err = os_memory_map_from(region->fd, control, (off_t)offset, &at);

	if (err)
		return err;
	region->control = at;
	region->control_size = control;
	return 0;
}

/* A new one, from now on the process's. */
static void region_begin(struct region *region)
{
	region_control_init(region->control, &region->shape, region_private_id(), 0);
	region->id = region->control->id;
	region_list(region);
}

int region_map_private(struct region *region, size_t behind)
{
	void *base;
	int err;

	if (region->fd < 0)
		region->fd = os_memory_create("pktloom-region", region->size + behind);
	if (region->fd < 0)
		return region->fd;
	err = region_base_map(region, &base);
	if (!err)
		region->base = base;
	return err;
}

int region_error(const struct region_shape *shape, int err)
{
	return error_set(err, "cannot map memory for %u rings and %u buffers of %u bytes: %s",
	    region_rings(shape), shape->num_bufs, shape->buf_size, strerror(-err));
}

int region_create(const struct region_shape *shape, struct region **out)
{
	struct region *region;
	size_t control = region_control_bytes(shape);
	int err;

	if (!region_shape_is_sane(shape))
		return region_error(shape, -ENOMEM);
	region = region_new(shape);
	if (!region)
		return error_set(-ENOMEM, "out of memory for a region");
	err = region_map_private(region, control);
	if (!err)
		err = map_in_place(region, control, region->size);
	if (err) {
		region_destroy(region);
		return region_error(shape, err);
	}
	region_place(region, true);
	region_begin(region);
	*out = region;
	return 0;
}

/* ---- regions of other processes, private parts included ---- */

static bool is_same_file(int a, int b)
{
	struct stat one, other;

	return fstat(a, &one) == 0 && fstat(b, &other) == 0 && one.st_dev == other.st_dev &&
	       one.st_ino == other.st_ino;
}

struct region *region_of_memory(int fd)
{
	struct region *region = regions;

	while (region && !is_same_file(region->fd, fd))
		region = region->next;
	return region;
}

bool region_memory_is_enough(const struct region *region, size_t behind)
{
	struct stat st;

	return fstat(region->fd, &st) == 0 && S_ISREG(st.st_mode) &&
	       (uint64_t)st.st_size >= region->size + behind;
}

/* Equal ids promise one memory to programs, ring headers included. */
void region_list_adopted(struct region *region)
{
	region->id = region->control->id;
	if (region_mapped(region->id))
		region->id = region_private_id();
	region_list(region);
}

int region_adopt(const struct region_shape *shape, int fd, struct region **out)
{
	size_t control = region_control_bytes(shape);
	struct region *region = region_shape_is_sane(shape) ? region_new(shape) : NULL;
	int err = 0;

	if (!region) {
		close(fd);
		return error_set(-EPROTO, "no region has the shape that was passed on");
	}
	region->fd = fd;
	if (!region_memory_is_enough(region, control))
		err = -EPROTO;
	if (!err)
		err = region_map_private(region, control);
	if (!err)
		err = map_in_place(region, control, region->size);
	if (err) {
		region_destroy(region);
		return region_error(shape, err);
	}
	region_list_adopted(region);
	*out = region;
	return 0;
}

/* ---- in a program's memory ---- */

struct region *region_extmem_next(struct region *region)
{
	region = region ? region->next : regions;
	while (region && !region->extmem)
		region = region->next;
	return region;
}

size_t region_bytes(const struct region_shape *shape)
{
	struct region *region = region_new(shape);
	size_t size = region ? region->size : SIZE_MAX;

	free(region);
	return size;
}

/* The program's own pages; only the control block is elsewhere. */
static int borrow(struct region *region, void *memory, size_t control)
{
	void *base;
	int err = os_memory_again(memory, region->size, NULL, &base);

	if (err)
		return err;
	region->base = base;
	region->borrowed = true;
	region->fd = os_memory_create("pktloom-control", control);
	return region->fd < 0 ? region->fd : map_in_place(region, control, 0);
}

/* Pages of ours, which the program gets in exchange for its own. */
static int replace(struct region *region, void *memory, size_t control)
{
	int err = region_map_private(region, control);

	if (!err && !os_safe_copy(region->base, memory, region->size))
		err = -EFAULT;
	return err ? err : map_in_place(region, control, region->size);
}

int region_create_in(const struct region_shape *shape, void *memory, struct region **out)
{
	size_t control = region_control_bytes(shape);
	struct region *region = region_new(shape);
	int err;

	if (!region)
		return error_set(-ENOMEM, "out of memory for a region");
	err = borrow(region, memory, control);
	if (err == -EINVAL)
		err = replace(region, memory, control);
	if (!err)
		err = region_map_at(
		    region, memory, region->size, PROT_READ | PROT_WRITE, MAP_SHARED, 0);
	if (err) {
		region_destroy(region);
		return region_error(shape, err);
	}
	region->extmem = memory;
	region_begin(region);
	*out = region;
	return 0;
}

void region_reference(struct region *region)
{
	region->references++;
}

void region_release(struct region *region)
{
	if (--region->references > 0)
		return;
	unlist(region);
	region->next = released;
	released = region;
}

void region_reap(void)
{
	struct region *region;

	while ((region = released)) {
		released = region->next;
		region_destroy(region);
	}
}

/* ---- parts ---- */

static size_t ring_at(const struct region *region, uint32_t index)
{
	return region->rings_at + (index + 1) * region->ring_stride -
	       region_slot_bytes(region->shape.ring_slots) - sizeof(struct netmap_ring);
}

struct netmap_ring *region_ring(const struct region *region, uint32_t index)
{
	return (struct netmap_ring *)(void *)(region->base + ring_at(region, index));
}

static size_t first_buffer_at(const struct region *region)
{
	return region->bufs_at + region_buffers_offset(&region->shape);
}

uint8_t *region_buffer(const struct region *region, uint32_t index)
{
	return region->base + first_buffer_at(region) + (size_t)index * region->buf_size;
}

static size_t slots_at(const struct region *region, uint32_t ring)
{
	return ring_at(region, ring) + sizeof(struct netmap_ring);
}

struct netmap_slot *region_slots(const struct region *region, uint32_t area)
{
	size_t bytes = region_slot_bytes(region->shape.ring_slots);
	uint8_t *at = region->shared_fd < 0
			  ? region->base + slots_at(region, region_ring_of(region, area, false))
			  : (uint8_t *)region->control + region->file_slots + area * bytes;

	return (struct netmap_slot *)(void *)at;
}

uint8_t *region_chunks(const struct region *region)
{
	return region->base + region->bufs_at;
}

void region_ring_init(
    struct region *region, uint32_t index, uint32_t num_slots, bool tx, uint16_t ringid)
{
	struct netmap_ring *ring = region_ring(region, index);

	memset(ring, 0, sizeof *ring);
	CONST_SET(int64_t, ring->buf_ofs, first_buffer_at(region) - ring_at(region, index));
	CONST_SET(uint32_t, ring->num_slots, num_slots);
	CONST_SET(uint32_t, ring->nr_buf_size, region->buf_size);
	CONST_SET(uint16_t, ring->ringid, ringid);
	CONST_SET(uint16_t, ring->dir, tx ? 1 : 0);
}

/* ---- what is not in place ---- */

/* A stretch of the region whose pages come from elsewhere than its own offset in `fd`. */
struct overlay {
	size_t at, len; /* offset from base */
	int fd;
	off_t offset;
};

/* Overlay i of the region: one per ring, then the buffers. False: that ring's slots are in place. */
static bool overlay_get(const struct region *region, uint32_t i, struct overlay *out)
{
	const struct region_shape *shape = &region->shape;
	size_t bytes = region_slot_bytes(shape->ring_slots);
	bool second = i >= shape->plain && (i - shape->plain) % 2;
	uint32_t area = i < shape->plain ? i : shape->plain + (i - shape->plain) / 2;

	if (i == region_rings(shape)) {
		*out = (struct overlay){.at = region->bufs_at,
		    .len = region->size - region->bufs_at,
		    .fd = region->shared_fd,
		    .offset = region->file_bufs};
		return region->shared_fd >= 0;
	}
	*out = (struct overlay){.at = slots_at(region, i), .len = bytes, .fd = region->fd};
	if (region->shared_fd >= 0) {
		out->fd = region->shared_fd;
		out->offset = region->file_slots + (off_t)(area * bytes);
		return true;
	}
	out->offset = (off_t)slots_at(region, i - second);
	return second;
}

static int overlay_apply(const struct region *region, uint32_t i)
{
	struct overlay part;

	if (!overlay_get(region, i, &part))
		return 0;
	if (region->borrowed)
		return os_memory_again(
		    region->base + part.offset, part.len, region->base + part.at, NULL);
	return os_memory_overlay(region->base + part.at, part.len, part.fd, part.offset);
}

int region_buffers_map(const struct region *region)
{
	return overlay_apply(region, region_rings(&region->shape));
}

/* Once is enough, and more would pull the pages from under whoever uses the other ring of a pair. */
int region_area_map(struct region *region, uint32_t area)
{
	uint8_t *mapped = &region->mapped[area / 8], bit = (uint8_t)(1u << area % 8);
	int err;

	if (*mapped & bit)
		return 0;
	err = overlay_apply(region, region_ring_of(region, area, false));
	if (!err && area >= region->shape.plain)
		err = overlay_apply(region, region_ring_of(region, area, true));
	if (!err)
		*mapped |= bit;
	return err;
}

/* Pages that stand at offset in fd, or, of a borrowed region, in its memory. */
static int pages_map(
    const struct region *region, uint8_t *at, size_t len, int prot, int flags, int fd, off_t offset)
{
	if (!region->borrowed)
		return mmap(at, len, prot, flags, fd, offset) == MAP_FAILED ? -errno : 0;
	return region->base + offset == at ? 0
					   : os_memory_again(region->base + offset, len, at, NULL);
}

/* What of an overlay lies in [from, end): that much of it, where the program wants it. */
static int overlay_map_at(const struct region *region, const struct overlay *part, uint8_t *at,
    size_t from, size_t end, int prot, int flags)
{
	size_t first = part->at > from ? part->at : from;
	size_t last = part->at + part->len < end ? part->at + part->len : end;

	if (first >= last)
		return 0;
	return pages_map(region, at + (first - from), last - first, prot, flags, part->fd,
	    part->offset + (off_t)(first - part->at));
}

int region_map_at(
    const struct region *region, void *at, size_t len, int prot, int flags, off_t offset)
{
	size_t from = (size_t)offset, size = round_up(len, os_page_size());
	int err;

	if (offset < 0 || len == 0 || size < len || from > region->size ||
	    size > region->size - from)
		return error_set(-EINVAL, "%zu bytes at %zu are more than the region's %zu", len,
		    from, region->size);
	flags = (flags & ~MAP_FIXED_NOREPLACE) | MAP_FIXED;
	err = pages_map(region, at, size, prot, flags, region->fd, offset);
	for (uint32_t i = 0; i <= region_rings(&region->shape) && !err; i++) {
		struct overlay part;

		if (overlay_get(region, i, &part))
			err = overlay_map_at(region, &part, at, from, from + size, prot, flags);
	}
	return err ? error_set(err, "cannot map %zu bytes of the region: %s", len, strerror(-err))
		   : 0;
}
