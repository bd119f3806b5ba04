/* SPDX-License-Identifier: BSD-2-Clause */
/* Packing a bound descriptor, and unpacking what another process packed: nothing of it is believed unseen. */
#include "parcel.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../base/error.h"
#include "place.h"

/* ---- descriptors ---- */

bool parcel_put(struct parcel *parcel, int fd)
{
	struct device_parcel *outer = parcel->outer;

	if (outer->num_fds == DEVICE_PARCEL_FDS)
		return false;
	outer->fds[outer->num_fds++] = fd;
	return true;
}

int parcel_take(struct parcel *parcel)
{
	return parcel->next < parcel->outer->num_fds ? parcel->outer->fds[parcel->next++] : -1;
}

bool parcel_put_share(struct parcel *parcel, const struct share *share, struct parcel_share *out)
{
	snprintf(out->file, sizeof out->file, "%s", share->file);
	out->end = share->end;
	return parcel_put(parcel, share->dirfd) && parcel_put(parcel, share->fd);
}

int parcel_take_share(struct parcel *parcel, const struct parcel_share *from, struct share *out)
{
	int dirfd = parcel_take(parcel), fd = parcel_take(parcel);

	return share_adopt(out, dirfd, fd, from->file, from->end);
}

/* ---- packing ---- */

static bool region_pack(const struct region *region, struct parcel *parcel)
{
	struct parcel_region *out = &parcel->region;

	out->shape = region->shape;
	snprintf(out->name, sizeof out->name, "%s", region->name);
	snprintf(out->directory, sizeof out->directory, "%s", region->directory);
	return parcel_put(parcel, region->fd) &&
	       (region->shared_fd < 0 || parcel_put_share(parcel, &region->share, &out->share));
}

static uint32_t object_of(const struct region *region, const struct ring *r)
{
	size_t at = (size_t)((const uint8_t *)r->common.ring - region->base);

	return (uint32_t)((at - region->rings_at) / region->ring_stride);
}

static void rings_pack(
    const struct region *region, const struct ring *rings, uint32_t n, struct parcel_ring *out)
{
	for (uint32_t i = 0; i < n; i++)
		out[i] = (struct parcel_ring){.object = object_of(region, &rings[i]),
		    .offset_max = rings[i].offset_max,
		    .offset_room = rings[i].offset_room,
		    .offset_mask = ring_offset_mask(&rings[i])};
}

static bool port_pack(const struct port *port, struct parcel *parcel)
{
	struct parcel_port *out = &parcel->port;

	snprintf(out->kind, sizeof out->kind, "%s", port->kind->name);
	snprintf(out->name, sizeof out->name, "%s", port->name);
	snprintf(out->mode, sizeof out->mode, "%s", port->mode);
	snprintf(out->directory, sizeof out->directory, "%s", port->directory);
	out->zero_copy = port->zero_copy;
	out->indirect = port->indirect;
	out->num_tx = port->num_tx;
	out->num_rx = port->num_rx;
	out->host_tx = port->host_tx;
	out->host_rx = port->host_rx;
	out->tx_slots = port->tx_slots;
	out->rx_slots = port->rx_slots;
	rings_pack(port->region, port->tx, port->num_tx, out->tx);
	rings_pack(port->region, port->rx, port->num_rx, out->rx);
	out->num_areas = port->claim.num_areas;
	memcpy(out->areas, port->claim.areas, out->num_areas * sizeof out->areas[0]);
	return parcel_put(parcel, port->claim.fd);
}

static bool binding_pack(const struct soft *soft, struct parcel *parcel)
{
	parcel->binding = (struct parcel_binding){.tx = soft->tx,
	    .rx = soft->rx,
	    .flags = soft->flags,
	    .mode = soft->mode,
	    .extra_bufs = soft->extra_bufs,
	    .spin_us = soft->spin_us,
	    .nifp = (uint64_t)((const uint8_t *)soft->nifp - soft->port->region->base)};
	return parcel_put(parcel, soft->if_lock);
}

static int bound_pack(struct soft *soft, struct parcel *parcel)
{
	struct port *port = soft->port;
	int err;

	if (soft->csb.atok || port->region->extmem || !port->kind->pack)
		return error_set(-EOPNOTSUPP, "\"%s\" cannot be passed on to another process: %s",
		    port->name,
		    soft->csb.atok         ? "its CSB stands in the memory of this one"
		    : port->region->extmem ? "it stands in the memory of this one"
					   : "a port of this kind stays where it was opened");
	err = place_share_port(port);
	if (err)
		return err;
	port->held_elsewhere = true;
	parcel->bound = 1;
	if (!region_pack(port->region, parcel) || !binding_pack(soft, parcel) ||
	    !port_pack(port, parcel))
		return error_set(
		    -EOPNOTSUPP, "\"%s\" has too many rings to be passed on", port->name);
	return port->kind->pack(port, parcel);
}

int soft_pack(struct device *device, struct device_parcel *out)
{
	struct soft *soft = (struct soft *)(void *)device;
	struct parcel *parcel = (struct parcel *)(void *)out->data;
	int err = 0;

	out->num_fds = 0;
	out->size = offsetof(struct parcel, outer);
	memset(parcel, 0, sizeof *parcel);
	parcel->magic = PARCEL_MAGIC;
	parcel->abi = PARCEL_ABI;
	parcel->page_size = (uint32_t)os_page_size();
	parcel->outer = out;
	registry_lock();
	if (soft->port)
		err = bound_pack(soft, parcel);
	registry_unlock();
	return err;
}

/* ---- checks ---- */

static bool is_word(const char *word)
{
	return memchr(word, 0, PARCEL_WORD_MAX) != NULL;
}

static bool is_count(uint32_t n, uint32_t host)
{
	return n >= 1 && n <= PARCEL_RINGS && host <= n;
}

static bool is_slots(uint32_t n)
{
	return n >= 1 && n <= SOFT_SLOTS_MAX;
}

static bool is_range(const struct soft_range *range, uint32_t n)
{
	return range->first <= range->end && range->end <= n;
}

static bool is_sane(const struct device_parcel *outer, const struct parcel *p)
{
	const struct parcel_port *port = &p->port;
	const struct parcel_region *region = &p->region;

	if (outer->size != offsetof(struct parcel, outer) || p->magic != PARCEL_MAGIC ||
	    p->abi != PARCEL_ABI || p->page_size != os_page_size())
		return false;
	if (!p->bound)
		return true;
	return is_word(port->kind) && is_word(port->name) &&
	       memchr(port->mode, 0, sizeof port->mode) != NULL && is_word(port->directory) &&
	       is_word(region->name) && is_word(region->directory) &&
	       memchr(region->share.file, 0, sizeof region->share.file) &&
	       memchr(p->own.share[0].file, 0, sizeof p->own.share[0].file) &&
	       memchr(p->own.share[1].file, 0, sizeof p->own.share[1].file) &&
	       is_count(port->num_tx, port->host_tx) && is_count(port->num_rx, port->host_rx) &&
	       is_slots(port->tx_slots) && is_slots(port->rx_slots) &&
	       port->num_areas <= REGION_AREAS_MAX && is_range(&p->binding.tx, port->num_tx) &&
	       is_range(&p->binding.rx, port->num_rx);
}

static bool objects_are_sane(
    const struct region *region, const struct parcel_ring *rings, uint32_t n, uint32_t slots)
{
	for (uint32_t i = 0; i < n; i++)
		if (rings[i].object >= region_rings(&region->shape))
			return false;
	return slots <= region->shape.ring_slots;
}

static bool fits_region(const struct parcel *p, const struct region *region)
{
	const struct region_shape *shape = &region->shape;

	for (uint32_t i = 0; i < p->port.num_areas; i++)
		if (p->port.areas[i] >= region_areas(shape))
			return false;
	return objects_are_sane(region, p->port.tx, p->port.num_tx, p->port.tx_slots) &&
	       objects_are_sane(region, p->port.rx, p->port.num_rx, p->port.rx_slots) &&
	       p->binding.nifp % shape->if_size == 0 &&
	       p->binding.nifp / shape->if_size < REGION_IFS &&
	       port_if_size(p->port.num_tx + p->port.num_rx) <= shape->if_size;
}

/* ---- unpacking ---- */

static int region_unpack(struct parcel *parcel, struct region **out)
{
	const struct parcel_region *from = &parcel->region;
	int fd = parcel_take(parcel);
	struct region *here = region_of_memory(fd);
	struct share share;
	int err;

	if (fd < 0)
		return error_set(-EPROTO, "a descriptor was passed on without its memory");
	if (from->name[0]) {
		err = parcel_take_share(parcel, &from->share, &share);
		if (err) {
			close(fd);
			return err;
		}
	}
	if (!here)
		return from->name[0]
			   ? region_adopt_named(&share, from->directory, from->name, fd, out)
			   : region_adopt(&from->shape, fd, out);
	close(fd);
	if (from->name[0])
		share_close(&share);
	region_reference(here);
	*out = here;
	return 0;
}

static void ring_adopt(
    struct port *port, struct ring *r, const struct parcel_ring *from, bool tx, uint32_t index)
{
	port_ring_setup(port, r, from->object, tx, index);
	r->num_slots = tx ? port->tx_slots : port->rx_slots;
	r->offset_max = from->offset_max;
	r->offset_room = from->offset_room;
	r->offset_mask = from->offset_mask;
	place_join(r);
}

static int claim_adopt(struct parcel *parcel, struct region *region, struct region_claim *out)
{
	const struct parcel_port *from = &parcel->port;
	int err = 0;

	*out = (struct region_claim){.fd = parcel_take(parcel)};
	out->areas = calloc(from->num_areas + 1, sizeof *out->areas);
	if (!out->areas || out->fd < 0)
		err = error_set(-ENOMEM, "out of memory for \"%s\"", from->name);
	for (uint32_t i = 0; i < from->num_areas && !err; i++) {
		out->areas[out->num_areas++] = from->areas[i];
		err = region_area_map(region, from->areas[i]);
	}
	return err;
}

/* Region and claim become the port's, also on failure. */
static int rings_adopt(struct port *port, struct parcel *parcel, struct region *region)
{
	const struct parcel_port *from = &parcel->port;
	const struct port_request request = {.name = port->name,
	    .tx_rings = from->num_tx - from->host_tx,
	    .rx_rings = from->num_rx - from->host_rx,
	    .host_tx_rings = from->host_tx,
	    .host_rx_rings = from->host_rx,
	    .tx_slots = from->tx_slots,
	    .rx_slots = from->rx_slots};
	int err;

	port->region = region;
	err = claim_adopt(parcel, region, &port->claim);
	if (!err)
		err = port_rings_allocate(port, &request);
	for (uint32_t i = 0; i < port->num_tx && !err; i++)
		ring_adopt(port, &port->tx[i], &from->tx[i], true, i);
	for (uint32_t i = 0; i < port->num_rx && !err; i++)
		ring_adopt(port, &port->rx[i], &from->rx[i], false, i);
	if (err)
		port_unbuild(port);
	return err;
}

/* Region and rings are there, the kind's own is still to come. */
static int port_fill(struct port *port, struct parcel *parcel, struct region *region)
{
	const struct parcel_port *from = &parcel->port;
	int err;

	port->references = 1;
	port->held_elsewhere = true;
	snprintf(port->name, sizeof port->name, "%.*s", (int)sizeof port->name - 1, from->name);
	snprintf(port->mode, sizeof port->mode, "%.*s", (int)sizeof port->mode - 1, from->mode);
	snprintf(port->directory, sizeof port->directory, "%s", from->directory);
	port->zero_copy = from->zero_copy;
	port->indirect = from->indirect;
	err = rings_adopt(port, parcel, region);
	if (err)
		return err;
	err = port->kind->adopt(port, parcel);
	if (err)
		port_unbuild(port);
	return err;
}

/* The region becomes the port's, also on failure. */
static int port_adopt(struct parcel *parcel, struct region *region, struct port **out)
{
	const struct port_kind *kind = registry_kind(parcel->port.kind);
	struct port *port = calloc(1, sizeof *port);
	int err;

	if (!port || !kind || !kind->adopt) {
		region_release(region);
		free(port);
		return error_set(-EOPNOTSUPP, "this build cannot take over a port of kind \"%s\"",
		    parcel->port.kind);
	}
	port->kind = kind;
	err = port_fill(port, parcel, region);
	if (err) {
		free(port);
		return err;
	}
	registry_adopt(port);
	*out = port;
	return 0;
}

/* One that this process has is shared with its other descriptors; what holds it is there already. */
static int port_unpack(struct parcel *parcel, struct region *region, struct port **out)
{
	struct port *here = registry_find_ring(region_ring(region, parcel->port.tx[0].object));

	if (!here || here->num_tx != parcel->port.num_tx || here->num_rx != parcel->port.num_rx)
		return port_adopt(parcel, region, out);
	region_release(region);
	here->references++;
	*out = here;
	return place_share_port(here);
}

static void binding_unpack(
    struct soft *soft, const struct parcel_binding *from, struct port *port, int if_lock)
{
	soft->tx = from->tx;
	soft->rx = from->rx;
	soft->flags = from->flags;
	soft->mode = from->mode;
	soft->extra_bufs = from->extra_bufs;
	soft->spin_us = from->spin_us;
	soft->nifp = (struct netmap_if *)(void *)(port->region->base + from->nifp);
	soft->if_lock = if_lock;
	soft_register_adopted(soft, port);
}

static int bound_unpack(struct soft *soft, struct parcel *parcel)
{
	struct region *region;
	struct port *port;
	int if_lock, err = region_unpack(parcel, &region);

	if (err)
		return err;
	if (!fits_region(parcel, region)) {
		region_release(region);
		return error_set(
		    -EPROTO, "a descriptor was passed on that does not fit its memory");
	}
	if_lock = parcel_take(parcel);
	err = port_unpack(parcel, region, &port);
	if (!err)
		binding_unpack(soft, &parcel->binding, port, if_lock);
	else if (if_lock >= 0)
		close(if_lock);
	return err;
}

int soft_unpack(struct device_parcel *outer, struct device **out)
{
	struct parcel *parcel = (struct parcel *)(void *)outer->data;
	int fd, err;

	parcel->outer = outer;
	parcel->next = 0;
	err = is_sane(outer, parcel)
		  ? soft_open(out)
		  : error_set(-EPROTO, "a descriptor was passed on by another version of pktloom");
	if (!err && parcel->bound) {
		registry_lock();
		err = bound_unpack((struct soft *)(void *)*out, parcel);
		registry_unlock();
		if (err)
			(*out)->ops->close(*out);
	}
	while ((fd = parcel_take(parcel)) >= 0)
		close(fd);
	return err;
}
