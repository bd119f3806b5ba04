/* SPDX-License-Identifier: BSD-2-Clause */
/* Making, checking and mapping; the picture is in monitor_memory.h. */
#include "monitor_memory.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../base/error.h"
#include "../os/os.h"
#include "soft.h"

static uint32_t rings_of(const struct monitor_shape *shape)
{
	return shape->nic_rings + shape->host_rings;
}

static size_t boxes_at(void)
{
	const size_t page = os_page_size();

	return (sizeof(struct monitor_header) + page - 1) / page * page;
}

static size_t object_size(const struct monitor_shape *shape)
{
	return boxes_at() + rings_of(shape) * sizeof(struct watch_box);
}

static bool shape_is_sane(const struct monitor_shape *s)
{
	return s->nic_rings >= 1 && s->nic_rings <= SOFT_RINGS_MAX &&
	       s->host_rings <= SOFT_RINGS_MAX && s->rx_slots >= SOFT_SLOTS_MIN &&
	       s->rx_slots <= SOFT_SLOTS_MAX;
}

static int map(int fd, const struct monitor_shape *shape, struct monitor_memory *out)
{
	void *header;
	int err = os_memory_map(fd, object_size(shape), &header);

	if (!err)
		*out = (struct monitor_memory){
		    .header = header, .size = object_size(shape), .shape = *shape};
	return err;
}

int monitor_memory_create(int fd, const struct port *port, struct monitor_memory *out)
{
	struct monitor_header header = {.magic = MONITOR_MAGIC,
	    .abi = MONITOR_ABI,
	    .page_size = (uint32_t)os_page_size(),
	    .shape = {.nic_rings = port->num_rx - port->host_rx,
		.host_rings = port->host_rx,
		.tx_slots = port->tx_slots,
		.rx_slots = port->rx_slots,
		.buf_size = port->region->buf_size}};
	int err;

	snprintf(header.region, sizeof header.region, "%s", port->region->share.file);
	memcpy(
	    header.areas, port->claim.areas + port->num_tx, port->num_rx * sizeof header.areas[0]);
	for (uint32_t i = 0; i < port->num_rx; i++)
		header.generations[i] = region_area_generation(port->region, header.areas[i]);
	if (ftruncate(fd, (off_t)object_size(&header.shape)) != 0 ||
	    pwrite(fd, &header, sizeof header, 0) != (ssize_t)sizeof header)
		return error_set(
		    -errno, "cannot make the shared memory of a monitor: %s", strerror(errno));
	err = map(fd, &header.shape, out);
	return err ? error_set(err, "cannot map a monitor's memory: %s", strerror(-err)) : 0;
}

static bool header_is_sane(const struct monitor_header *header)
{
	return header->magic == MONITOR_MAGIC && header->abi == MONITOR_ABI &&
	       header->page_size == os_page_size() && shape_is_sane(&header->shape) &&
	       memchr(header->region, 0, sizeof header->region) && !strchr(header->region, '/');
}

static bool is_region(const struct monitor_header *header, const struct region *region)
{
	return region->name[0] && strcmp(header->region, region->share.file) == 0;
}

static int areas_join(
    struct monitor_memory *memory, const struct monitor_header *header, struct region *region)
{
	int err = region_areas_join(
	    region, rings_of(&header->shape), header->areas, header->generations, &memory->claim);

	if (!err)
		memory->region = region;
	return err;
}

static uint32_t slots_most(const struct monitor_memory *memory)
{
	return memory->region ? memory->region->shape.ring_slots : memory->view.shape.ring_slots;
}

int monitor_memory_map(int dirfd, int fd, struct region *region, struct monitor_memory *out)
{
	struct monitor_header header;
	struct stat st;
	int err;

	if (fstat(fd, &st) != 0 || pread(fd, &header, sizeof header, 0) != (ssize_t)sizeof header ||
	    !header_is_sane(&header) || (uint64_t)st.st_size < object_size(&header.shape))
		return -EPROTO;
	err = map(fd, &header.shape, out);
	if (!err)
		err = is_region(&header, region)
			  ? areas_join(out, &header, region)
			  : region_view_map(dirfd, header.region, &out->view);
	if (!err && header.shape.rx_slots > slots_most(out))
		err = -EPROTO;
	return err; /* what was mapped is the caller's to unmap */
}

void monitor_memory_unmap(struct monitor_memory *memory)
{
	region_view_unmap(&memory->view);
	if (memory->region)
		region_areas_give(memory->region, &memory->claim);
	memory->region = NULL;
	if (memory->header)
		os_memory_unmap(memory->header, memory->size);
	memory->header = NULL;
}

struct watch_box *monitor_memory_box(const struct monitor_memory *memory, uint32_t ring)
{
	uint8_t *boxes = (uint8_t *)memory->header + boxes_at();

	return (struct watch_box *)(void *)boxes + ring;
}

static void sink_in_region(
    const struct monitor_memory *memory, uint32_t ring, struct watch_sink *out)
{
	const struct region *region = memory->region;

	out->slots = region_slots(region, memory->claim.areas[ring]);
	out->buffers = region_buffer(region, 0);
	out->num_bufs = region->num_bufs;
	out->buf_size = region->buf_size;
}

static int sink_in_view(const struct monitor_memory *memory, uint32_t ring, struct watch_sink *out)
{
	const struct region_view *view = &memory->view;
	uint32_t area = __atomic_load_n(&memory->header->areas[ring], __ATOMIC_RELAXED);
	size_t bytes = region_slot_bytes(view->shape.ring_slots);

	if (area >= region_areas(&view->shape))
		return -EPROTO;
	out->slots = (struct netmap_slot *)(void *)(view->base + view->slots_at + area * bytes);
	out->buffers = view->base + view->bufs_at;
	out->num_bufs = view->shape.num_bufs;
	out->buf_size = view->shape.buf_size;
	return 0;
}

int monitor_memory_sink(const struct monitor_memory *memory, uint32_t ring, struct watch_sink *out)
{
	out->box = monitor_memory_box(memory, ring);
	out->num_slots = memory->shape.rx_slots;
	if (!memory->region)
		return sink_in_view(memory, ring, out);
	sink_in_region(memory, ring, out);
	return 0;
}
