/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Pipes and loops against the model of model.h: random programs fill and release slots, sync, poll, set pointers
 * that cannot be, close and come back, and after every step head, cur and tail, the slots that each
 * program owns, their buffers, and what calls returned must be the model's.
 *
 * PKTLOOM_TEST_SEED=N in the environment repeats one sequence.
 */
#include "support.h"

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>

#include <pktloom/compat/net/netmap_user.h>

#include "device/device.h"
#include "model.h"

#define SEEDS     3000u
#define STEPS     120u
#define RINGS_MAX 2u
#define LOST_MAX  64u

struct ring_pair {
	struct netmap_ring *device;
	struct model_ring model;
};

struct port {
	struct device *device; /* NULL: closed */
	struct device_map map;
	uint64_t flags;
	struct ring_pair tx[RINGS_MAX], rx[RINGS_MAX];
	uint32_t num_tx, num_rx;
};

/* What one sequence happens in. */
static struct world {
	uint32_t seed, random, step;
	bool loop;
	uint32_t rings[2], slots[2]; /* of each direction, as the master's TX and RX */
	struct model_link links[2 * RINGS_MAX];
	struct port ports[2];
	uint32_t num_ports;
	uint32_t lost[LOST_MAX], num_lost; /* buffers whose index somebody overwrote */
	uint32_t content;                  /* the last one written */
	char log[STEPS * 96];
	size_t logged;
} world;

/* ---- chance ---- */

static uint32_t below(uint32_t n)
{
	return n ? random_next(&world.random) % n : 0;
}

static bool chance(uint32_t percent)
{
	return below(100) < percent;
}

/* ---- failing ---- */

static void noted(int n)
{
	if (n > 0 && (size_t)n < sizeof world.log - world.logged)
		world.logged += (size_t)n;
}

/* What a failure will be told with. */
#define note(...)                                                                                  \
	noted(snprintf(world.log + world.logged, sizeof world.log - world.logged, __VA_ARGS__))

/* Not by cmocka, which cuts long messages off. */
static void tell(void)
{
	fprintf(stderr, "%sPKTLOOM_TEST_SEED=%u, step %u:\n", world.log, world.seed, world.step);
}

#define DIFFERS(...)                                                                               \
	do {                                                                                       \
		tell();                                                                            \
		fail_msg(__VA_ARGS__);                                                             \
	} while (0)

/* ---- opening and closing ---- */

static bool anything_open(void)
{
	return world.ports[0].device || world.ports[1].device;
}

static uint32_t port_number(const struct port *port)
{
	return port == &world.ports[1];
}

/* The links of a port's TX rings: the master's first, then the slave's. */
static struct model_link *link_of(const struct port *port, bool tx, uint32_t i)
{
	bool first = world.loop || tx == (port_number(port) == 0);

	return &world.links[first ? i : world.rings[0] + i];
}

static void device_open(struct port *port)
{
	bool slave = port_number(port);
	struct nmreq_register reg = {.nr_mode = NR_REG_ALL_NIC,
	    .nr_flags = port->flags,
	    .nr_tx_rings = (uint16_t)world.rings[slave],
	    .nr_rx_rings = (uint16_t)world.rings[!slave],
	    .nr_tx_slots = world.slots[slave],
	    .nr_rx_slots = world.slots[!slave]};
	struct nmreq_header header = {.nr_version = NETMAP_API,
	    .nr_reqtype = NETMAP_REQ_REGISTER,
	    .nr_body = (uintptr_t)&reg};

	snprintf(header.nr_name, sizeof header.nr_name, "%s",
	    world.loop ? "loop:d"
	    : slave    ? "d}1"
		       : "d{1");
	assert_ok(soft_open(&port->device));
	assert_ok(port->device->ops->control(port->device, &header));
	assert_ok(port->device->ops->map(port->device, &port->map));
	port->num_tx = reg.nr_tx_rings;
	port->num_rx = reg.nr_rx_rings;
	if (port->num_tx != world.rings[slave] || port->num_rx != world.rings[!slave] ||
	    reg.nr_tx_slots != world.slots[slave] || reg.nr_rx_slots != world.slots[!slave])
		DIFFERS("%u and %u rings of %u and %u slots", port->num_tx, port->num_rx,
		    reg.nr_tx_slots, reg.nr_rx_slots);
}

/* Nobody has been here before: slots have the device's buffers, one each. */
static void link_start(struct model_link *link, const struct port *port, struct netmap_ring *ring)
{
	model_link_init(link, ring->num_slots, port->map.num_bufs, port->map.buf_size);
	for (uint32_t k = 0; k < link->n; k++) {
		link->tx[k].buf_idx = ring->slot[k].buf_idx;
		memset(NETMAP_BUF(ring, ring->slot[k].buf_idx), 0, sizeof(uint32_t));
	}
}

static void rings_open(struct port *port, bool tx, bool fresh)
{
	for (uint32_t i = 0; i < (tx ? port->num_tx : port->num_rx); i++) {
		struct ring_pair *ring = tx ? &port->tx[i] : &port->rx[i];
		struct model_link *link = link_of(port, tx, i);

		ring->device =
		    tx ? NETMAP_TXRING(port->map.nifp, i) : NETMAP_RXRING(port->map.nifp, i);
		if (fresh && (tx || !world.loop))
			link_start(link, port, ring->device);
		model_ring_open(&ring->model, link, tx);
	}
}

static void port_open(struct port *port)
{
	static const uint64_t flags[] = {0, 0, NR_NO_TX_POLL, NR_DO_RX_POLL};
	bool fresh = !anything_open();

	port->flags = flags[below(COUNT(flags))];
	note("port %u: open, flags %#llx\n", port_number(port), (unsigned long long)port->flags);
	device_open(port);
	if (fresh)
		world.num_lost = 0;
	rings_open(port, true, fresh);
	rings_open(port, false, fresh);
}

static void port_close(struct port *port)
{
	note("port %u: close\n", port_number(port));
	port->device->ops->close(port->device);
	port->device = NULL;
}

/* ---- what is compared ---- */

static void compare_slot(const struct ring_pair *ring, uint32_t k)
{
	const struct netmap_slot *slot = &ring->device->slot[k];
	const struct model_slot *model = model_slot(ring->model.link, k);
	uint32_t content = model->content;

	if (slot->buf_idx >= LOOM_FIRST_BUFFER && slot->buf_idx < ring->model.link->num_bufs)
		memcpy(&content, NETMAP_BUF(ring->device, slot->buf_idx), sizeof content);
	if (slot->buf_idx != model->buf_idx || slot->len != model->len ||
	    slot->flags != model->flags || slot->ptr != model->ptr || content != model->content)
		DIFFERS("%s slot %u: buffer %u, len %u, flags %#x, content %u, should be %u, %u, "
			"%#x, %u",
		    ring->model.tx ? "TX" : "RX", k, slot->buf_idx, slot->len, slot->flags, content,
		    model->buf_idx, model->len, model->flags, model->content);
}

static void compare_ring(const struct ring_pair *ring, const struct port *port)
{
	const struct netmap_ring *device = ring->device;
	const struct model_ring *model = &ring->model;

	if (device->head != model->head || device->cur != model->cur || device->tail != model->tail)
		DIFFERS("port %u %s ring %u of %u slots: head, cur, tail are %u, %u, %u and should "
			"be %u, %u, %u",
		    port_number(port), model->tx ? "TX" : "RX", device->ringid, model->link->n,
		    device->head, device->cur, device->tail, model->head, model->cur, model->tail);
	if (model->head >= model->link->n)
		return;
	for (uint32_t k = model->head; k != model->hwtail; k = model_next(model->link, k))
		compare_slot(ring, k);
}

static void compare_all(void)
{
	for (uint32_t p = 0; p < world.num_ports; p++) {
		const struct port *port = &world.ports[p];

		for (uint32_t i = 0; port->device && i < port->num_tx; i++)
			compare_ring(&port->tx[i], port);
		for (uint32_t i = 0; port->device && i < port->num_rx; i++)
			compare_ring(&port->rx[i], port);
	}
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
static void repair(const struct ring_pair *ring, struct model_slot *slot)
{
	if (slot->buf_idx >= LOOM_FIRST_BUFFER && slot->buf_idx < ring->model.link->num_bufs)
		return;
	assert_true(world.num_lost > 0);
	slot->buf_idx = world.lost[--world.num_lost];
	slot->flags |= NS_BUF_CHANGED;
}

static void spoil(struct model_slot *slot)
{
	static const uint32_t bad[] = {0, 1, 999999999, UINT32_MAX};

	if (chance(50) || world.num_lost == LOST_MAX) {
		slot->len = (uint16_t)(3000 + below(60000));
		return;
	}
	world.lost[world.num_lost++] = slot->buf_idx;
	slot->buf_idx = bad[below(COUNT(bad))];
}

static void slot_fill(const struct ring_pair *ring, uint32_t k, bool spoiled)
{
	struct model_slot slot = *model_slot(ring->model.link, k);

	repair(ring, &slot);
	slot.len = (uint16_t)below(chance(50) ? 100 : ring->model.link->buf_size + 1);
	slot.flags = (uint16_t)(below(4) == 0 ? below(0x10000) & ~(uint32_t)NS_MOREFRAG : 0);
	if (chance(25))
		slot.flags |= NS_MOREFRAG;
	slot.ptr = chance(10) ? (uint64_t)below(1000) << 40 : slot.ptr;
	slot.content = ++world.content;
	memcpy(NETMAP_BUF(ring->device, slot.buf_idx), &slot.content, sizeof slot.content);
	if (spoiled)
		spoil(&slot);
	slot_write(ring, k, &slot);
}

static void do_fill(struct port *port)
{
	struct ring_pair *ring = some_ring(port, true);
	uint32_t n = below(owned(ring) + 1);

	note("port %u: fill %u of TX ring %u\n", port_number(port), n, ring->device->ringid);
	for (uint32_t i = 0; i < n; i++)
		slot_fill(ring, slot_at(ring, i), chance(3));
	advance(ring, n);
}

static void do_release(struct port *port)
{
	struct ring_pair *ring = some_ring(port, false);
	uint32_t n = below(owned(ring) + 1);

	note("port %u: release %u of RX ring %u\n", port_number(port), n, ring->device->ringid);
	for (uint32_t i = 0; i < n; i++)
		if (chance(20)) /* what a receiver leaves there comes back to the sender */
			slot_fill(ring, slot_at(ring, i), chance(10));
	advance(ring, n);
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
	note("port %u: swap %u and %u\n", port_number(port), i, k);
	a = old = *model_slot(one->model.link, i);
	b = *model_slot(other->model.link, k);
	a.buf_idx = b.buf_idx;
	a.content = b.content;
	b.buf_idx = old.buf_idx;
	b.content = old.content;
	a.flags |= NS_BUF_CHANGED;
	slot_write(other, k, &b);
	slot_write(one, i, &a);
}

static void do_scribble(struct port *port)
{
	struct ring_pair *ring = some_ring(port, chance(50));

	note("port %u: scribble on tail\n", port_number(port));
	ring->device->tail = ring->model.tail = below(40);
}

/* ---- calls ---- */

static int model_sync_all(struct port *port, bool tx)
{
	int err = 0;

	for (uint32_t i = 0; i < (tx ? port->num_tx : port->num_rx); i++)
		if (model_sync(tx ? &port->tx[i].model : &port->rx[i].model))
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

	note("port %u: %csync\n", port_number(port), tx ? 't' : 'r');
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

	note("port %u: poll %#x\n", port_number(port), (unsigned)events);
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

	note("port %u: bad pointers on %cX ring %u\n", port_number(port), tx ? 'T' : 'R',
	    ring->device->ringid);
	pointers_set(ring, below(n + 2), chance(20) ? UINT32_MAX - below(3) : below(n + 2));
	if (model_acceptable(&ring->model))
		pointers_set(ring, ring->model.head, n + below(5));
	sync_both(port, tx);
	compare_all();
	if (ring->model.head == ring->model.hwcur && ring->model.rhead == ring->model.hwcur)
		return; /* put back */
	pointers_set(ring, head, cur);
	sync_both(port, tx);
}

/* ---- sequences ---- */

static void (*const actions[])(struct port *) = {do_fill, do_fill, do_fill, do_release, do_release,
    do_release, do_sync, do_sync, do_sync, do_sync, do_poll, do_poll, do_swap, do_scribble,
    do_bad_pointers};

static void step(void)
{
	struct port *port = &world.ports[below(world.num_ports)];

	if (!port->device)
		port_open(port);
	else if (chance(3))
		port_close(port);
	else
		actions[below(COUNT(actions))](port);
	compare_all();
}

static void world_start(uint32_t seed)
{
	memset(&world, 0, sizeof world);
	world.seed = seed;
	world.random = seed * 2654435761u;
	world.loop = chance(25);
	world.num_ports = world.loop ? 1 : 2;
	for (int i = 0; i < 2; i++) {
		world.rings[i] = world.loop && i ? world.rings[0] : 1 + below(RINGS_MAX);
		world.slots[i] = world.loop && i ? world.slots[0] : 2 + below(MODEL_SLOTS - 1);
	}
	note("%s, %u and %u rings of %u and %u slots\n", world.loop ? "loop" : "pipe",
	    world.rings[0], world.rings[1], world.slots[0], world.slots[1]);
}

static void world_end(void)
{
	for (uint32_t p = 0; p < 2; p++) {
		if (world.ports[p].device)
			world.ports[p].device->ops->close(world.ports[p].device);
		world.ports[p].device = NULL;
	}
}

static void sequence(uint32_t seed)
{
	world_start(seed);
	for (world.step = 0; world.step < STEPS; world.step++)
		step();
	world_end();
}

static void the_device_does_what_the_model_does(void **state)
{
	const char *one = getenv("PKTLOOM_TEST_SEED");

	(void)state;
	if (one) {
		sequence((uint32_t)strtoul(one, NULL, 0));
		return;
	}
	for (uint32_t seed = 1; seed <= scaled(SEEDS); seed++)
		sequence(seed);
	assert_int_equal(scratch_files(), 0);
}

static int close_all(void **state)
{
	(void)state;
	world_end();
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_teardown(the_device_does_what_the_model_does, close_all),
	};

	scratch_directory();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
