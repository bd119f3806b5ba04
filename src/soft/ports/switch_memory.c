/* SPDX-License-Identifier: BSD-2-Clause */
/* Making, checking and mapping the parts of switch ports; the picture is in switch_shared.h. */
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

static size_t size_of(const struct switch_shape *shape)
{
	const size_t page = os_page_size();
	size_t inboxes = shape->rx_rings * sizeof(struct switch_inbox);

	return page + (inboxes + page - 1) / page * page;
}

static bool shape_is_sane(const struct switch_shape *s)
{
	return port_counts_are_sane(s->tx_rings, SWITCH_RINGS, s->tx_slots, SOFT_SLOTS_MAX) &&
	       port_counts_are_sane(s->rx_rings, SWITCH_RINGS, s->rx_slots, SOFT_SLOTS_MAX);
}

static struct switch_target *target_new(uint32_t number, uint32_t generation)
{
	struct switch_target *target = calloc(1, sizeof *target);

	if (!target)
		return NULL;
	target->number = number;
	target->generation = generation;
	for (uint32_t i = 0; i < SWITCH_RINGS; i++)
		target->rings[i].wake = -1;
	return target;
}

static int part_map(struct switch_target *target, int fd)
{
	size_t size = size_of(&target->shape);
	void *part;
	int err = os_memory_map(fd, size, &part);

	if (err)
		return err;
	target->part = part;
	target->part_size = size;
	for (uint32_t i = 0; i < target->shape.rx_rings; i++)
		target->rings[i].inbox =
		    (struct switch_inbox *)(void *)((uint8_t *)part + os_page_size()) + i;
	return 0;
}

/* ---- a port of this process ---- */

static void part_fill(
    struct switch_part *part, const struct switch_target *target, const struct port *port)
{
	*part = (struct switch_part){
	    .magic = SWITCH_PART_MAGIC,
	    .abi = SWITCH_ABI,
	    .page_size = (uint32_t)os_page_size(),
	    .size = size_of(&target->shape),
	    .number = target->number,
	    .generation = target->generation,
	    .shape = target->shape,
	};
	if (port->region->name[0])
		memcpy(part->region, port->region->share.file, sizeof part->region);
	for (uint32_t i = 0; i < port->num_rx; i++)
		part->areas[i] = port->claim.areas[port->num_tx + i];
}

static int part_create(
    const struct share *share, const struct switch_target *target, const struct port *port)
{
	char name[NAME_MAX + 32];
	struct switch_part part;
	int fd, err;

	part_fill(&part, target, port);
	switch_part_name(share, target->number, target->generation, name);
	unlinkat(share->dirfd, name, 0); /* of somebody who was killed half-way in here */
	fd = openat(share->dirfd, name, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (fd >= 0 && ftruncate(fd, (off_t)part.size) == 0 &&
	    pwrite(fd, &part, sizeof part, 0) == sizeof part)
		return fd;
	err = error_set(-errno, "cannot make %zu bytes of shared memory for a switch port: %s",
	    (size_t)part.size, strerror(errno));
	if (fd >= 0)
		close(fd);
	return err;
}

static void area_note(
    struct switch_target_ring *ring, const struct region_control *control, uint32_t area)
{
	ring->area = &control->areas[area];
	ring->generation = __atomic_load_n(ring->area, __ATOMIC_RELAXED);
}

static void own_fill(struct switch_target *target, const struct port *port)
{
	target->region = port->region;
	region_reference(port->region);
	target->shape = (struct switch_shape){.tx_rings = port->num_tx,
	    .rx_rings = port->num_rx,
	    .tx_slots = port->tx_slots,
	    .rx_slots = port->rx_slots};
	target->region_size = port->region->size;
	target->buffers = region_buffer(port->region, 0);
	target->num_bufs = port->region->num_bufs;
	target->buf_size = port->region->buf_size;
	for (uint32_t i = 0; i < port->num_rx; i++) {
		target->rings[i].slots = port->rx[i].common.ring->slot;
		area_note(
		    &target->rings[i], port->region->control, port->claim.areas[port->num_tx + i]);
	}
}

int switch_target_create(const struct share *share, uint32_t number, uint32_t generation,
    const struct port *port, struct switch_target **out)
{
	struct switch_target *target = target_new(number, generation);
	int fd, err;

	if (!target)
		return error_set(-ENOMEM, "out of memory for \"%s\"", port->name);
	own_fill(target, port);
	fd = part_create(share, target, port);
	err = fd < 0 ? fd : part_map(target, fd);
	if (fd >= 0)
		close(fd);
	if (err) {
		if (fd >= 0)
			error_format("cannot map a switch port: %s", strerror(-err));
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

static int part_read(int fd, const struct switch_target *target, struct switch_part *part)
{
	struct stat st;

	if (fstat(fd, &st) != 0 || pread(fd, part, sizeof *part, 0) != sizeof *part)
		return -EPROTO;
	if (part->magic != SWITCH_PART_MAGIC || part->abi != SWITCH_ABI ||
	    part->page_size != os_page_size() || part->number != target->number ||
	    part->generation != target->generation || !shape_is_sane(&part->shape) ||
	    part->size != size_of(&part->shape) || (uint64_t)st.st_size < part->size ||
	    memchr(part->region, 0, sizeof part->region) == NULL || !part->region[0] ||
	    strchr(part->region, '/'))
		return -EPROTO;
	return 0;
}

static int slots_find(struct switch_target *target, const struct switch_part *part)
{
	const struct region_view *view = &target->view;
	size_t bytes = region_slot_bytes(view->shape.ring_slots);

	if (part->shape.rx_slots > view->shape.ring_slots)
		return -EPROTO;
	for (uint32_t i = 0; i < part->shape.rx_rings; i++) {
		uint32_t area = part->areas[i];

		if (area >= region_areas(&view->shape))
			return -EPROTO;
		target->rings[i].slots =
		    (struct netmap_slot *)(void *)(view->base + view->slots_at + area * bytes);
		area_note(&target->rings[i], (const void *)view->base, area);
	}
	return 0;
}

static int target_map_foreign(struct switch_target *target, int dirfd, int fd)
{
	struct switch_part part;
	int err = part_read(fd, target, &part);

	if (err)
		return err;
	target->shape = part.shape;
	err = region_view_map(dirfd, part.region, &target->view);
	if (!err)
		err = slots_find(target, &part);
	if (err)
		return err;
	target->region_size = target->view.size;
	target->buffers = target->view.base + target->view.bufs_at;
	target->num_bufs = target->view.shape.num_bufs;
	target->buf_size = target->view.shape.buf_size;
	return part_map(target, fd);
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
	err = target ? target_map_foreign(target, share->dirfd, fd) : -ENOMEM;
	close(fd);
	if (!err)
		*out = target;
	else if (target)
		switch_target_free(target);
	return err;
}

static int part_adopt(struct switch_target *target, int fd)
{
	struct switch_part part;
	int err = part_read(fd, target, &part);

	if (!err && memcmp(&part.shape, &target->shape, sizeof part.shape) != 0)
		err = -EPROTO;
	return err ? err : part_map(target, fd);
}

int switch_target_adopt(const struct share *share, uint32_t number, uint32_t generation,
    const struct port *port, struct switch_target **out)
{
	struct switch_target *target = target_new(number, generation);
	char name[NAME_MAX + 32];
	int fd, err;

	if (!target)
		return error_set(-ENOMEM, "out of memory for \"%s\"", port->name);
	own_fill(target, port);
	switch_part_name(share, number, generation, name);
	fd = openat(share->dirfd, name, O_RDWR | O_NOFOLLOW | O_CLOEXEC);
	err = fd < 0 ? -errno : part_adopt(target, fd);
	if (fd >= 0)
		close(fd);
	if (err) {
		switch_target_free(target);
		return error_set(
		    err, "the memory of \"%s\" is gone: %s", port->name, strerror(-err));
	}
	*out = target;
	return 0;
}

void switch_target_free(struct switch_target *target)
{
	for (uint32_t i = 0; i < SWITCH_RINGS; i++)
		if (target->rings[i].wake >= 0)
			close(target->rings[i].wake);
	if (target->region)
		region_release(target->region);
	region_view_unmap(&target->view);
	if (target->part)
		os_memory_unmap(target->part, target->part_size);
	free(target);
}
