/* SPDX-License-Identifier: BSD-2-Clause */
/* Laying out, checking and mapping the memory of switch ports; the picture is in switch_shared.h. */
#include "switch_memory.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../../base/error.h"
#include "../soft.h"
#include "switch_table.h"

struct layout {
	size_t inboxes, rx_slots, tx_slots, buffers, size;
};

static void layout_of(const struct switch_shape *shape, struct layout *out)
{
	const size_t page = os_page_size();
	size_t inboxes = shape->rx_rings * sizeof(struct switch_inbox);

	out->inboxes = page;
	out->rx_slots = page + (inboxes + page - 1) / page * page;
	out->tx_slots = out->rx_slots + shape->rx_rings * region_slot_bytes(shape->rx_slots);
	out->buffers = out->tx_slots + shape->tx_rings * region_slot_bytes(shape->tx_slots);
	out->size = out->buffers + (size_t)shape->num_bufs * shape->buf_size;
	out->size = (out->size + page - 1) / page * page;
}

static void shape_from_request(const struct port_request *request, struct switch_shape *shape)
{
	uint64_t bufs = (uint64_t)request->tx_rings * request->tx_slots +
			(uint64_t)request->rx_rings * request->rx_slots + request->extra_bufs;

	shape->tx_rings = request->tx_rings;
	shape->rx_rings = request->rx_rings;
	shape->tx_slots = request->tx_slots;
	shape->rx_slots = request->rx_slots;
	shape->buf_size = request->buf_size;
	shape->num_bufs = port_buffers_for(bufs);
}

static bool shape_is_sane(const struct switch_shape *s)
{
	return s->tx_rings >= 1 && s->tx_rings <= SWITCH_RINGS && s->rx_rings >= 1 &&
	       s->rx_rings <= SWITCH_RINGS && s->tx_slots >= 1 && s->tx_slots <= SOFT_SLOTS_MAX &&
	       s->rx_slots >= 1 && s->rx_slots <= SOFT_SLOTS_MAX && s->buf_size >= SOFT_BUF_MIN &&
	       s->buf_size % SOFT_BUF_UNIT == 0 && s->buf_size <= SOFT_BUF_MAX &&
	       s->num_bufs > REGION_FIRST_BUFFER;
}

static struct switch_target *target_new(uint32_t number, uint32_t generation)
{
	struct switch_target *target = calloc(1, sizeof *target);

	if (!target)
		return NULL;
	target->number = number;
	target->generation = generation;
	target->fd = -1;
	for (uint32_t i = 0; i < SWITCH_RINGS; i++)
		target->rings[i].wake = -1;
	return target;
}

static void inboxes_find(struct switch_target *target, const struct layout *layout)
{
	uint8_t *at = (uint8_t *)target->part + layout->inboxes;

	for (uint32_t i = 0; i < target->shape.rx_rings; i++)
		target->rings[i].inbox = (struct switch_inbox *)(void *)at + i;
}

/* ---- a port of this process ---- */

static int part_create(
    const struct share *share, const struct switch_target *target, const struct layout *layout)
{
	const struct switch_part part = {
	    .magic = SWITCH_PART_MAGIC,
	    .abi = SWITCH_ABI,
	    .page_size = (uint32_t)os_page_size(),
	    .size = layout->size,
	    .number = target->number,
	    .generation = target->generation,
	    .shape = target->shape,
	};
	char name[NAME_MAX + 32];
	int fd, err;

	switch_part_name(share, target->number, target->generation, name);
	unlinkat(share->dirfd, name, 0); /* of somebody who was killed half-way in here */
	fd = openat(share->dirfd, name, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (fd >= 0 && ftruncate(fd, (off_t)layout->size) == 0 &&
	    pwrite(fd, &part, sizeof part, 0) == sizeof part)
		return fd;
	err = error_set(-errno, "cannot make %zu bytes of shared memory for a switch port: %s",
	    layout->size, strerror(errno));
	if (fd >= 0)
		close(fd);
	return err;
}

/* Ring order in the region: TX, RX. */
static int region_map(struct switch_target *target, const struct layout *layout)
{
	const struct switch_shape *s = &target->shape;
	struct region_ring rings[2 * SWITCH_RINGS];
	struct region_plan plan = {.rings = rings,
	    .num_rings = s->tx_rings + s->rx_rings,
	    .num_bufs = s->num_bufs,
	    .buf_size = s->buf_size,
	    .shared_fd = target->fd,
	    .bufs_at = (off_t)layout->buffers};

	for (uint32_t i = 0; i < plan.num_rings; i++) {
		bool tx = i < s->tx_rings;
		uint32_t slots = tx ? s->tx_slots : s->rx_slots;
		uint32_t k = tx ? i : i - s->tx_rings;

		rings[i] = (struct region_ring){.num_slots = slots,
		    .slots_at = (off_t)((tx ? layout->tx_slots : layout->rx_slots) +
					k * region_slot_bytes(slots)),
		    .same_as = -1};
	}
	return region_create(&plan, &target->region);
}

static int target_map_own(struct switch_target *target, const struct layout *layout)
{
	void *part;
	int err = os_memory_map(target->fd, layout->rx_slots, &part);

	if (err)
		return error_set(err, "cannot map a switch port: %s", strerror(-err));
	target->part = part;
	target->part_size = layout->rx_slots;
	inboxes_find(target, layout);
	err = region_map(target, layout);
	if (err)
		return err;
	target->buffers = region_buffer(target->region, 0);
	for (uint32_t i = 0; i < target->shape.rx_rings; i++)
		target->rings[i].slots =
		    region_ring(target->region, target->shape.tx_rings + i)->slot;
	return 0;
}

int switch_target_create(const struct share *share, uint32_t number, uint32_t generation,
    const struct port_request *request, struct switch_target **out)
{
	struct switch_target *target = target_new(number, generation);
	struct layout layout;
	int err = 0;

	if (!target)
		return error_set(-ENOMEM, "out of memory for \"%s\"", request->name);
	shape_from_request(request, &target->shape);
	layout_of(&target->shape, &layout);
	target->fd = part_create(share, target, &layout);
	err = target->fd < 0 ? target->fd : target_map_own(target, &layout);
	if (err) {
		switch_target_remove(share, target);
		switch_target_free(target);
		return err;
	}
	*out = target;
	return 0;
}

void switch_target_remove(const struct share *share, const struct switch_target *target)
{
	char name[NAME_MAX + 32];

	switch_part_name(share, target->number, target->generation, name);
	unlinkat(share->dirfd, name, 0);
}

/* ---- a port of another process ---- */

static int part_read(
    int fd, const struct switch_target *target, struct switch_shape *shape, struct layout *layout)
{
	struct switch_part part;
	struct stat st;

	if (fstat(fd, &st) != 0 || pread(fd, &part, sizeof part, 0) != sizeof part)
		return -EPROTO;
	if (part.magic != SWITCH_PART_MAGIC || part.abi != SWITCH_ABI ||
	    part.page_size != os_page_size() || part.number != target->number ||
	    part.generation != target->generation || !shape_is_sane(&part.shape))
		return -EPROTO;
	layout_of(&part.shape, layout);
	if (part.size != layout->size || (uint64_t)st.st_size < layout->size)
		return -EPROTO;
	*shape = part.shape;
	return 0;
}

static int target_map_foreign(struct switch_target *target, int fd)
{
	struct layout layout;
	void *part;
	int err = part_read(fd, target, &target->shape, &layout);

	if (err)
		return err;
	err = os_memory_map(fd, layout.size, &part);
	if (err)
		return err;
	target->part = part;
	target->part_size = layout.size;
	inboxes_find(target, &layout);
	target->buffers = (uint8_t *)part + layout.buffers;
	for (uint32_t i = 0; i < target->shape.rx_rings; i++)
		target->rings[i].slots =
		    (struct netmap_slot *)(void *)((uint8_t *)part + layout.rx_slots +
						   i * region_slot_bytes(target->shape.rx_slots));
	return 0;
}

int switch_target_map(
    const struct share *share, uint32_t number, uint32_t generation, struct switch_target **out)
{
	struct switch_target *target;
	char name[NAME_MAX + 32];
	int fd, err;

	switch_part_name(share, number, generation, name);
	fd = openat(share->dirfd, name, O_RDWR | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	target = target_new(number, generation);
	err = target ? target_map_foreign(target, fd) : -ENOMEM;
	close(fd);
	if (!err)
		*out = target;
	else if (target)
		switch_target_free(target);
	return err;
}

void switch_target_free(struct switch_target *target)
{
	for (uint32_t i = 0; i < SWITCH_RINGS; i++)
		if (target->rings[i].wake >= 0)
			close(target->rings[i].wake);
	if (target->region)
		region_release(target->region);
	if (target->part)
		os_memory_unmap(target->part, target->part_size);
	if (target->fd >= 0)
		close(target->fd);
	free(target);
}
