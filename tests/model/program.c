/* SPDX-License-Identifier: BSD-2-Clause */
/* Steps of random programs, on the device's rings and on the model's. */
#include "program.h"

#include <poll.h>
#include <stdlib.h>

#include <pktloom/compat/net/netmap_user.h>

struct program program;

void program_start(uint32_t seed)
{
	program.seed = seed;
	program.random = seed * 2654435761u;
	program.step = 0;
	program.logged = 0;
	program.log[0] = 0;
}

/* ---- chance ---- */

uint32_t below(uint32_t n)
{
	return n ? random_next(&program.random) % n : 0;
}

bool chance(uint32_t percent)
{
	return below(100) < percent;
}

uint64_t some_flags(void)
{
	static const uint64_t flags[] = {0, 0, NR_NO_TX_POLL, NR_DO_RX_POLL};

	return flags[below(COUNT(flags))];
}

/* ---- failing ---- */

void noted(int n)
{
	if (n > 0 && (size_t)n < sizeof program.log - program.logged)
		program.logged += (size_t)n;
}

void tell(void)
{
	fprintf(
	    stderr, "%sPKTLOOM_TEST_SEED=%u, step %u:\n", program.log, program.seed, program.step);
}

/* ---- opening and closing ---- */

void port_bind(
    struct port *port, const char *name, struct nmreq_register *reg, uint32_t buffer_size)
{
	struct device_opt_soft option = {
	    .option = {.nro_reqtype = DEVICE_OPT_SOFT}, .buffer_size = buffer_size};
	struct nmreq_header header = {.nr_version = NETMAP_API,
	    .nr_reqtype = NETMAP_REQ_REGISTER,
	    .nr_options = (uintptr_t)&option,
	    .nr_body = (uintptr_t)reg};

	port->flags = reg->nr_flags;
	note(
	    "port %u: open %s, flags %#llx\n", port->number, name, (unsigned long long)port->flags);
	snprintf(header.nr_name, sizeof header.nr_name, "%s", name);
	assert_ok(soft_open(&port->device));
	assert_ok(port->device->ops->control(port->device, &header));
	assert_ok(port->device->ops->map(port->device, &port->map));
	port->num_tx = reg->nr_tx_rings;
	port->num_rx = reg->nr_rx_rings;
	for (uint32_t i = 0; i < port->num_tx; i++)
		port->tx[i].device = NETMAP_TXRING(port->map.nifp, i);
	for (uint32_t i = 0; i < port->num_rx; i++)
		port->rx[i].device = NETMAP_RXRING(port->map.nifp, i);
}

void link_start(struct model_link *link, const struct port *port, struct netmap_ring *ring)
{
	model_link_init(link, ring->num_slots, port->map.num_bufs, port->map.buf_size);
	for (uint32_t k = 0; k < link->n; k++) {
		link->tx[k].buf_idx = ring->slot[k].buf_idx;
		memset(NETMAP_BUF(ring, ring->slot[k].buf_idx), 0, MODEL_BYTES);
	}
}

void port_close(struct port *port)
{
	if (!port->device)
		return;
	note("port %u: close\n", port->number);
	port->device->ops->close(port->device);
	port->device = NULL;
}

/* ---- what is compared ---- */

static bool has_buffer(const struct ring_pair *ring, const struct model_slot *slot)
{
	return slot->buf_idx >= LOOM_FIRST_BUFFER && slot->buf_idx < ring->model.link->num_bufs;
}

static bool same_data(const struct ring_pair *ring, const struct model_slot *model)
{
	const uint8_t *data = (const uint8_t *)NETMAP_BUF(ring->device, model->buf_idx);

	return memcmp(data, model->data, MODEL_BYTES) == 0;
}

static void compare_slot(const struct ring_pair *ring, uint32_t k)
{
	const struct netmap_slot *slot = &ring->device->slot[k];
	const struct model_slot *model = model_slot(ring->model.link, k);

	if (slot->buf_idx != model->buf_idx || slot->len != model->len ||
	    slot->flags != model->flags || slot->ptr != model->ptr)
		DIFFERS("%s slot %u: buffer %u, len %u, flags %#x, ptr %#llx, should be %u, %u, "
			"%#x, %#llx",
		    ring->model.tx ? "TX" : "RX", k, slot->buf_idx, slot->len, slot->flags,
		    (unsigned long long)slot->ptr, model->buf_idx, model->len, model->flags,
		    (unsigned long long)model->ptr);
	if (has_buffer(ring, model) && !same_data(ring, model))
		DIFFERS("%s slot %u: not the right data in buffer %u", ring->model.tx ? "TX" : "RX",
		    k, slot->buf_idx);
}

static void compare_ring(const struct ring_pair *ring, const struct port *port)
{
	const struct netmap_ring *device = ring->device;
	const struct model_ring *model = &ring->model;

	if (device->head != model->head || device->cur != model->cur || device->tail != model->tail)
		DIFFERS("port %u %s ring %u of %u slots: head, cur, tail are %u, %u, %u and should "
			"be %u, %u, %u",
		    port->number, model->tx ? "TX" : "RX", device->ringid, model->link->n,
		    device->head, device->cur, device->tail, model->head, model->cur, model->tail);
	if (model->head >= model->link->n)
		return;
	for (uint32_t k = model->head; k != model->hwtail; k = model_next(model->link, k))
		compare_slot(ring, k);
}

void port_compare(const struct port *port)
{
	for (uint32_t i = 0; port->device && i < port->num_tx; i++)
		compare_ring(&port->tx[i], port);
	for (uint32_t i = 0; port->device && i < port->num_rx; i++)
		compare_ring(&port->rx[i], port);
}

/* ---- a program's steps on one ring, taken twice: on the device's and on the model's ---- */

static struct ring_pair *some_ring(struct port *port, bool tx)
{
	return tx ? &port->tx[below(port->num_tx)] : &port->rx[below(port->num_rx)];
}

static uint32_t owned(const struct ring_pair *ring)
{
	return model_distance(ring->model.link, ring->model.head, ring->model.hwtail);
}

/* The slot n after head. */
static uint32_t slot_at(const struct ring_pair *ring, uint32_t n)
{
	return (ring->model.head + n) % ring->model.link->n;
}

static void slot_write(const struct ring_pair *ring, uint32_t k, const struct model_slot *values)
{
	*model_slot(ring->model.link, k) = *values;
	ring->device->slot[k] = (struct netmap_slot){.buf_idx = values->buf_idx,
	    .len = values->len,
	    .flags = values->flags,
	    .ptr = values->ptr};
}

static void pointers_set(struct ring_pair *ring, uint32_t head, uint32_t cur)
{
	ring->device->head = ring->model.head = head;
	ring->device->cur = ring->model.cur = cur;
}

/* n slots on; sometimes wake up only later. */
static void advance(struct ring_pair *ring, uint32_t n)
{
	uint32_t left = owned(ring) - n;
	uint32_t ahead = chance(10) ? below(left + 1) : 0;

	pointers_set(ring, slot_at(ring, n), slot_at(ring, n + ahead));
}

/* The owner gives a slot a buffer again that it, or somebody before it, has lost. */
static void repair(const struct port *port, const struct ring_pair *ring, struct model_slot *slot)
{
	if (has_buffer(ring, slot))
		return;
	assert_true(port->lost->n > 0);
	slot->buf_idx = port->lost->at[--port->lost->n];
	slot->flags |= NS_BUF_CHANGED;
}

static void spoil(const struct port *port, struct model_slot *slot)
{
	static const uint32_t bad[] = {0, 1, 999999999, UINT32_MAX};

	if (chance(50) || port->lost->n == PROGRAM_LOST) {
		slot->len = (uint16_t)(3000 + below(60000));
		return;
	}
	port->lost->at[port->lost->n++] = slot->buf_idx;
	slot->buf_idx = bad[below(COUNT(bad))];
}

static void slot_fill(
    const struct port *port, const struct ring_pair *ring, uint32_t k, uint32_t spoiled)
{
	struct model_slot slot = *model_slot(ring->model.link, k);

	repair(port, ring, &slot);
	port->fill(port, &slot);
	memcpy(NETMAP_BUF(ring->device, slot.buf_idx), slot.data, MODEL_BYTES);
	if (chance(spoiled))
		spoil(port, &slot);
	slot_write(ring, k, &slot);
}

static void do_fill(struct port *port)
{
	struct ring_pair *ring = some_ring(port, true);
	uint32_t n = below(owned(ring) + 1);

	note("port %u: fill %u of TX ring %u\n", port->number, n, ring->device->ringid);
	for (uint32_t i = 0; i < n; i++)
		slot_fill(port, ring, slot_at(ring, i), 3);
	advance(ring, n);
}

static void do_release(struct port *port)
{
	struct ring_pair *ring = some_ring(port, false);
	uint32_t n = below(owned(ring) + 1);

	note("port %u: release %u of RX ring %u\n", port->number, n, ring->device->ringid);
	for (uint32_t i = 0; i < n; i++)
		if (chance(20)) /* what a receiver leaves there comes back to the sender */
			slot_fill(port, ring, slot_at(ring, i), port->spoils_rx ? 10 : 0);
	advance(ring, n);
}

static void buffer_move(const struct model_slot *from, struct model_slot *to)
{
	to->buf_idx = from->buf_idx;
	memcpy(to->data, from->data, MODEL_BYTES);
}

/* Two slots of one program exchange buffers: forwarding without a copy. */
static void do_swap(struct port *port)
{
	struct ring_pair *one = some_ring(port, chance(50)), *other = some_ring(port, chance(50));
	struct model_slot a, b, old;
	uint32_t i, k;

	if (owned(one) == 0 || owned(other) == 0)
		return;
	i = slot_at(one, below(owned(one)));
	k = slot_at(other, below(owned(other)));
	note("port %u: swap %u and %u\n", port->number, i, k);
	a = old = *model_slot(one->model.link, i);
	b = *model_slot(other->model.link, k);
	buffer_move(&b, &a);
	buffer_move(&old, &b);
	a.flags |= NS_BUF_CHANGED;
	slot_write(other, k, &b);
	slot_write(one, i, &a);
}

static void do_scribble(struct port *port)
{
	struct ring_pair *ring = some_ring(port, chance(50));

	note("port %u: scribble on tail\n", port->number);
	ring->device->tail = ring->model.tail = below(40);
}

/* ---- calls ---- */

static int model_sync_all(struct port *port, bool tx)
{
	int err = 0;

	for (uint32_t i = 0; i < (tx ? port->num_tx : port->num_rx); i++)
		if (port->sync(port, tx, i))
			err = -EINVAL;
	return err;
}

/* The ioctl succeeds whatever the rings look like. */
static void sync_both(struct port *port, bool tx)
{
	int got = port->device->ops->sync(port->device, tx);

	model_sync_all(port, tx);
	if (got)
		DIFFERS("a sync ioctl returned %d", got);
}

static void do_sync(struct port *port)
{
	bool tx = chance(50);

	note("port %u: %csync\n", port->number, tx ? 't' : 'r');
	sync_both(port, tx);
}

static short model_look(struct port *port, bool tx, short ready)
{
	short found = model_sync_all(port, tx) ? POLLERR : 0;

	for (uint32_t i = 0; i < (tx ? port->num_tx : port->num_rx); i++)
		if (model_ready(tx ? &port->tx[i].model : &port->rx[i].model))
			found |= ready;
	return found;
}

static short model_poll(struct port *port, short events)
{
	short found = 0;

	if ((events & POLLOUT) || !(port->flags & NR_NO_TX_POLL))
		found |= model_look(port, true, events & POLLOUT);
	if ((events & POLLIN) || (found == 0 && (port->flags & NR_DO_RX_POLL)))
		found |= model_look(port, false, events & POLLIN);
	return found;
}

static void do_poll(struct port *port)
{
	static const short choice[] = {0, POLLIN, POLLOUT, POLLIN | POLLOUT};
	short events = choice[below(COUNT(choice))];
	int got, expected;

	note("port %u: poll %#x\n", port->number, (unsigned)events);
	got = port->device->ops->poll(port->device, events, 0);
	expected = model_poll(port, events);
	if (got != expected)
		DIFFERS("poll for %#x says %#x and should say %#x", (unsigned)events, (unsigned)got,
		    (unsigned)expected);
}

/* Pointers anywhere, a sync, and the right ones again, as a program does that notices. */
static void do_bad_pointers(struct port *port)
{
	struct ring_pair *ring = some_ring(port, chance(50));
	uint32_t n = ring->model.link->n, head = ring->model.head, cur = ring->model.cur;
	bool tx = ring->model.tx;

	note("port %u: bad pointers on %cX ring %u\n", port->number, tx ? 'T' : 'R',
	    ring->device->ringid);
	pointers_set(ring, below(n + 2), chance(20) ? UINT32_MAX - below(3) : below(n + 2));
	if (model_acceptable(&ring->model))
		pointers_set(ring, ring->model.head, n + below(5));
	sync_both(port, tx);
	program.compare();
	if (ring->model.head == ring->model.hwcur && ring->model.rhead == ring->model.hwcur)
		return; /* put back */
	pointers_set(ring, head, cur);
	sync_both(port, tx);
}

/* ---- sequences ---- */

static void (*const actions[])(struct port *) = {do_fill, do_fill, do_fill, do_release, do_release,
    do_release, do_sync, do_sync, do_sync, do_sync, do_poll, do_poll, do_swap, do_scribble,
    do_bad_pointers};

void port_act(struct port *port)
{
	actions[below(COUNT(actions))](port);
}

void program_run(uint32_t seeds, void (*sequence)(uint32_t seed))
{
	const char *one = getenv("PKTLOOM_TEST_SEED");

	if (one)
		sequence((uint32_t)strtoul(one, NULL, 0));
	else
		for (uint32_t seed = 1; seed <= scaled(seeds); seed++)
			sequence(seed);
	assert_int_equal(scratch_files(), 0);
}
