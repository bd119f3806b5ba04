/* SPDX-License-Identifier: BSD-2-Clause */
/* Offsets of packets inside their buffers: from the option of REGISTER to rings and slots. */
#include "offsets.h"

#include <errno.h>

#include "../base/error.h"
#include "soft.h"

static uint64_t mask_of(uint32_t bits)
{
	return bits == 0 || bits >= 64 ? UINT64_MAX : (1ull << bits) - 1;
}

int offsets_parse(struct soft_options *out, struct nmreq_option *option)
{
	struct nmreq_opt_offsets *asked = (void *)option;
	uint32_t bits = asked->nro_offset_bits;

	if (bits > 64)
		return error_set(-EINVAL, "offsets of %u bits: slot.ptr has 64", bits);
	if (asked->nro_max_offset & ~mask_of(bits))
		return error_set(-EINVAL, "a largest offset of %llu does not fit %u bits",
		    (unsigned long long)asked->nro_max_offset, bits);
	if (asked->nro_initial_offset > asked->nro_max_offset)
		return error_set(-EINVAL, "an initial offset of %llu is above the largest, %llu",
		    (unsigned long long)asked->nro_initial_offset,
		    (unsigned long long)asked->nro_max_offset);
	out->offsets = asked;
	return 0;
}

/* ---- rings ---- */

typedef int on_ring(struct ring *r, bool in_use, struct offsets *offsets);

static int each_ring(struct ring *rings, const uint32_t *users, const struct soft_range *range,
    on_ring *visit, struct offsets *offsets)
{
	int err = 0;

	for (uint32_t i = range->first; i < range->end && !err; i++)
		err = visit(&rings[i], users[i] > 0, offsets);
	return err;
}

/* A ring that has offsets already has to allow for those asked for. */
static int ring_check(struct ring *r, bool in_use, struct offsets *asked)
{
	(void)in_use;
	if (r->offset_mask == 0 ||
	    ((asked->mask & ~r->offset_mask) == 0 && asked->max <= r->offset_max))
		return 0;
	return error_set(-EBUSY,
	    "%s ring %u of \"%s\" has offsets up to %u already; ask for no more, or close the "
	    "port's other descriptors first",
	    r->tx ? "TX" : "RX", r->index, r->port->name, r->offset_max);
}

static void ring_set(struct ring *r, const struct offsets *offsets)
{
	uint32_t room = r->port->region->buf_room - offsets->max;

	r->offset_max = offsets->max;
	r->offset_room = offsets->gap && offsets->gap < room ? offsets->gap : room;
	/* Pairs with the load in ring_offset_mask(): the two above are there. */
	__atomic_store_n(&r->offset_mask, offsets->mask, __ATOMIC_RELEASE);
	*(uint64_t *)(uintptr_t)&r->common.ring->offset_mask = offsets->mask;
}

static int ring_bind(struct ring *r, bool in_use, struct offsets *offsets)
{
	int err;

	offsets->in_use = in_use;
	offsets->first = r->offset_mask == 0;
	if (offsets->first)
		ring_set(r, offsets);
	offsets->mask = r->offset_mask;
	offsets->max = r->offset_max;
	err = r->port->kind->offsets_start(r, offsets);
	if (err && offsets->first) {
		r->offset_mask = 0;
		*(uint64_t *)(uintptr_t)&r->common.ring->offset_mask = 0;
	}
	return err;
}

int offsets_pass(struct ring *r, const struct offsets *offsets)
{
	struct offsets same = *offsets;

	if (!r->port->kind->offsets_start)
		return error_set(
		    -EOPNOTSUPP, "packets of \"%s\" cannot have offsets", r->port->name);
	return ring_bind(r, offsets->in_use, &same);
}

static int visit_rings(const struct port *port, const struct soft_range *tx,
    const struct soft_range *rx, on_ring *visit, struct offsets *offsets)
{
	int err = each_ring(port->tx, port->tx_users, tx, visit, offsets);

	return err ? err : each_ring(port->rx, port->rx_users, rx, visit, offsets);
}

static int bind_checked(const struct port *port, const struct soft_range *tx,
    const struct soft_range *rx, struct nmreq_opt_offsets *option)
{
	uint32_t buf_size = port->region->buf_room;
	uint64_t gap = option->nro_min_gap;
	struct offsets offsets = {
	    .mask = mask_of(option->nro_offset_bits),
	    .max = (uint32_t)option->nro_max_offset,
	    .initial = (uint32_t)option->nro_initial_offset,
	    .gap = gap < buf_size ? (uint32_t)gap : 0,
	};
	int err;

	if (!port->kind->offsets_start)
		return error_set(-EOPNOTSUPP, "packets of \"%s\" cannot have offsets", port->name);
	if (option->nro_max_offset >= buf_size)
		return error_set(-EINVAL,
		    "an offset of %llu leaves no room in the buffers of \"%s\", which have %u "
		    "bytes",
		    (unsigned long long)option->nro_max_offset, port->name, buf_size);
	err = visit_rings(port, tx, rx, ring_check, &offsets);
	if (!err)
		err = visit_rings(port, tx, rx, ring_bind, &offsets);
	if (!err)
		option->nro_max_offset = offsets.max;
	return err;
}

int offsets_bind(const struct port *port, const struct soft_range *tx, const struct soft_range *rx,
    struct nmreq_opt_offsets *option)
{
	int err = option ? bind_checked(port, tx, rx, option) : 0;

	if (option)
		option->nro_opt.nro_status = (uint32_t)-err;
	return err;
}

/* ---- slots ---- */

void offsets_write(struct ring *r, uint64_t mask, uint32_t from, uint32_t n, uint32_t offset)
{
	struct netmap_slot *slots = r->common.ring->slot;

	for (; n > 0; n--) {
		uint64_t ptr = slots[from].ptr;

		if ((ptr & mask) != offset) /* slots that nobody touched need no memory */
			slots[from].ptr = (ptr & ~mask) | offset;
		from = ring_next(r, from);
	}
}

int offsets_start_tx(struct ring *r, const struct offsets *offsets)
{
	/* The slot that always stays empty, at hwtail, will be one of the free ones. */
	if (r->tx && !offsets->in_use)
		offsets_write(r, offsets->mask, r->rhead, ring_distance(r, r->rhead, r->hwtail) + 1,
		    offsets->initial);
	return 0;
}

void offsets_fill_rx(struct ring *r, const struct offsets *offsets, uint32_t from, uint32_t n)
{
	if (offsets->first)
		offsets_write(r, offsets->mask, from, n, 0);
	offsets_write(r, offsets->mask, loom_ring_add(from, n, r->num_slots), r->num_slots - n,
	    offsets->initial);
}

int offsets_start(struct ring *r, const struct offsets *offsets)
{
	if (r->tx)
		return offsets_start_tx(r, offsets);
	if (!offsets->in_use)
		offsets_fill_rx(r, offsets, r->hwcur, ring_distance(r, r->hwcur, r->hwtail));
	return 0;
}
