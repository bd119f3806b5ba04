/* SPDX-License-Identifier: BSD-2-Clause */
/* Laying out, checking and mapping; the picture is in monitor_memory.h. */
#include "monitor_memory.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../base/error.h"
#include "soft.h"

struct layout {
	size_t boxes, rx_slots, tx_slots, buffers, size;
};

static uint32_t rings_of(const struct monitor_shape *shape)
{
	return shape->nic_rings + shape->host_rings;
}

static size_t pages(size_t size)
{
	const size_t page = os_page_size();

	return (size + page - 1) / page * page;
}

static void layout_of(const struct monitor_shape *shape, struct layout *out)
{
	out->boxes = os_page_size();
	out->rx_slots = out->boxes + pages(rings_of(shape) * sizeof(struct watch_box));
	out->tx_slots = out->rx_slots + rings_of(shape) * region_slot_bytes(shape->rx_slots);
	out->buffers = out->tx_slots + region_slot_bytes(shape->tx_slots);
	out->size = out->buffers + pages((size_t)shape->num_bufs * shape->buf_size);
}

static bool shape_is_sane(const struct monitor_shape *s)
{
	return s->nic_rings >= 1 && s->nic_rings <= SOFT_RINGS_MAX &&
	       s->host_rings <= SOFT_RINGS_MAX && s->tx_slots >= SOFT_SLOTS_MIN &&
	       s->tx_slots <= SOFT_SLOTS_MAX && s->rx_slots >= SOFT_SLOTS_MIN &&
	       s->rx_slots <= SOFT_SLOTS_MAX && s->buf_size >= SOFT_BUF_MIN &&
	       s->buf_size <= SOFT_BUF_MAX && s->buf_size % SOFT_BUF_UNIT == 0 &&
	       s->num_bufs > REGION_FIRST_BUFFER;
}

/* Ring order in the region: TX, RX. */
static int region_make(
    int fd, const struct monitor_shape *shape, const struct layout *layout, struct region **out)
{
	uint32_t n = rings_of(shape);
	struct region_ring *rings = calloc((size_t)n + 1, sizeof *rings);
	struct region_plan plan = {.rings = rings,
	    .num_rings = n + 1,
	    .num_bufs = shape->num_bufs,
	    .buf_size = shape->buf_size,
	    .shared_fd = fd,
	    .bufs_at = (off_t)layout->buffers};
	int err;

	if (!rings)
		return error_set(-ENOMEM, "out of memory for a monitor's rings");
	rings[0] = (struct region_ring){
	    .num_slots = shape->tx_slots, .slots_at = (off_t)layout->tx_slots, .same_as = -1};
	for (uint32_t i = 0; i < n; i++)
		rings[1 + i] = (struct region_ring){.num_slots = shape->rx_slots,
		    .slots_at = (off_t)(layout->rx_slots + i * region_slot_bytes(shape->rx_slots)),
		    .same_as = -1};
	err = region_create(&plan, out);
	free(rings);
	return err;
}

static int map(int fd, size_t size, const struct monitor_shape *shape, struct monitor_memory *out)
{
	void *header;
	int err = os_memory_map(fd, size, &header);

	if (!err)
		*out = (struct monitor_memory){.header = header, .size = size, .shape = *shape};
	return err;
}

int monitor_memory_create(
    int fd, const struct monitor_shape *shape, struct monitor_memory *out, struct region **region)
{
	struct monitor_header header = {.magic = MONITOR_MAGIC,
	    .abi = MONITOR_ABI,
	    .page_size = (uint32_t)os_page_size(),
	    .shape = *shape};
	struct layout layout;
	int err;

	layout_of(shape, &layout);
	header.size = layout.size;
	if (ftruncate(fd, (off_t)layout.size) != 0 ||
	    pwrite(fd, &header, sizeof header, 0) != (ssize_t)sizeof header)
		return error_set(-errno, "cannot make %zu bytes of shared memory for a monitor: %s",
		    layout.size, strerror(errno));
	err = map(fd, layout.rx_slots, shape, out);
	if (err)
		return error_set(err, "cannot map a monitor's memory: %s", strerror(-err));
	err = region_make(fd, shape, &layout, region);
	if (err)
		monitor_memory_unmap(out);
	return err;
}

int monitor_memory_map(int fd, struct monitor_memory *out)
{
	struct monitor_header header;
	struct layout layout;
	struct stat st;

	if (fstat(fd, &st) != 0 || pread(fd, &header, sizeof header, 0) != (ssize_t)sizeof header)
		return -EPROTO;
	if (header.magic != MONITOR_MAGIC || header.abi != MONITOR_ABI ||
	    header.page_size != os_page_size() || !shape_is_sane(&header.shape))
		return -EPROTO;
	layout_of(&header.shape, &layout);
	if (header.size != layout.size || (uint64_t)st.st_size < layout.size)
		return -EPROTO;
	return map(fd, layout.size, &header.shape, out);
}

void monitor_memory_unmap(struct monitor_memory *memory)
{
	if (memory->header)
		os_memory_unmap(memory->header, memory->size);
	memory->header = NULL;
}

struct watch_box *monitor_memory_box(const struct monitor_memory *memory, uint32_t ring)
{
	uint8_t *boxes = (uint8_t *)memory->header + os_page_size();

	return (struct watch_box *)(void *)boxes + ring;
}

void monitor_memory_sink(const struct monitor_memory *memory, uint32_t ring, struct watch_sink *out)
{
	uint8_t *base = (uint8_t *)memory->header;
	struct layout layout;

	layout_of(&memory->shape, &layout);
	out->box = monitor_memory_box(memory, ring);
	out->slots =
	    (struct netmap_slot *)(void *)(base + layout.rx_slots +
					   ring * region_slot_bytes(memory->shape.rx_slots));
	out->num_slots = memory->shape.rx_slots;
	out->buffers = base + layout.buffers;
	out->num_bufs = memory->shape.num_bufs;
	out->buf_size = memory->shape.buf_size;
}
