/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * fault: another port, with faults. Each ring stands before the inner port's ring of the same direction
 * and number, with a lane between them:
 *
 *   TX: our slots ──take──▶ lane ──put──▶ inner TX slots      RX: the same, from inner RX slots to ours
 *
 * A packet that is taken is lost, or changed, or doubled, or put in the lane behind its successor; it leaves
 * the lane when its delay is over. Packets are copied: those in a lane keep no slot occupied.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../../base/error.h"
#include "../chain.h"
#include "../offsets.h"
#include "../soft.h"
#include "fault_settings.h"

#define LANE_MOST 1024u
#define OVERDUE_NS                                                                                 \
	10000000u /* a packet that waits for one to pass it waits so long, and no longer */

struct held {
	uint8_t *data;
	uint32_t len, size;
	uint64_t due; /* os_now_ns()'s */
};

struct lane {
	const struct fault_settings *settings;
	struct ring *inner;
	uint64_t random;
	struct held held[LANE_MOST];
	uint32_t first, count;
	bool last_waits; /* the last one in the lane lets the next one pass */
	int timer, pollset, inner_fd;
};

struct fault {
	struct fault_settings settings;
	struct port *inner;
	struct lane *lanes; /* TX rings, then RX rings */
};

/* Slots [at, end) of a ring: to take packets from, or to put them in. */
struct span {
	struct ring *ring;
	uint32_t at, end;
};

/* ---- the lane ---- */

/* splitmix64: any seed will do, and a packet's numbers are the same whatever rates there are. */
static uint64_t random_next(uint64_t *state)
{
	uint64_t z = *state += 0x9e3779b97f4a7c15u;

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
	return z ^ (z >> 31);
}

static struct held *lane_at(struct lane *lane, uint32_t i)
{
	return &lane->held[(lane->first + i) % LANE_MOST];
}

static bool held_append(struct held *held, const uint8_t *data, uint32_t len)
{
	if (held->len + len > held->size) {
		uint32_t size = 2 * (held->len + len);
		uint8_t *larger = realloc(held->data, size);

		if (!larger)
			return false;
		held->data = larger;
		held->size = size;
	}
	memcpy(held->data + held->len, data, len);
	held->len += len;
	return true;
}

/* The packet behind the lane's last one becomes part of it: in the last place, or before one that waits. */
static void lane_admit(struct lane *lane, uint64_t due)
{
	struct held *last = lane_at(lane, lane->count++);

	last->due = due;
	if (lane->last_waits) {
		struct held *waited = lane_at(lane, lane->count - 2), swap = *waited;

		*waited = *last;
		*last = swap;
		last->due = due;
		lane->last_waits = false;
	}
}

static bool draw(struct lane *lane, enum loom_fault fault)
{
	uint64_t number = random_next(&lane->random) >> 32;

	return number * FAULT_CERTAIN >> 32 < lane->settings->rate[fault];
}

static void count(struct ring *r, enum loom_fault fault)
{
	r->common.stats.faults[fault]++;
}

static void corrupt(struct held *held, uint64_t where)
{
	uint64_t bit = held->len ? where % (8u * (uint64_t)held->len) : 0;

	if (held->len)
		held->data[bit / 8] ^= (uint8_t)(1u << bit % 8);
}

/* The packet has been copied behind the lane's last one; r counts. */
static void lane_decide(struct lane *lane, struct ring *r)
{
	struct held *held = lane_at(lane, lane->count);
	bool loss = draw(lane, LOOM_FAULT_LOSS);
	bool damage = draw(lane, LOOM_FAULT_CORRUPT);
	uint64_t where = random_next(&lane->random);
	bool dup = draw(lane, LOOM_FAULT_DUP);
	bool reorder = draw(lane, LOOM_FAULT_REORDER) && !lane->last_waits;
	uint64_t delay = lane->settings->delay_ns;
	uint64_t due = delay || reorder ? os_now_ns() + delay : 0;

	if (loss) {
		count(r, LOOM_FAULT_LOSS);
		return;
	}
	if (damage) {
		corrupt(held, where);
		count(r, LOOM_FAULT_CORRUPT);
	}
	if (delay)
		count(r, LOOM_FAULT_DELAY);
	if (dup) {
		struct held *copy = lane_at(lane, lane->count + 1);

		copy->len = 0;
		dup = held_append(copy, held->data, held->len);
	}
	lane_admit(lane, due);
	if (dup) {
		lane_admit(lane, due);
		count(r, LOOM_FAULT_DUP);
	}
	if (reorder) {
		lane_at(lane, lane->count - 1)->due = due + OVERDUE_NS;
		lane->last_waits = true;
		count(r, LOOM_FAULT_REORDER);
	}
}

static void lane_leave(struct lane *lane)
{
	lane->first = (lane->first + 1) % LANE_MOST;
	lane->count--;
	if (lane->count == 0)
		lane->last_waits = false;
}

static bool is_due(struct lane *lane)
{
	uint64_t due = lane->count ? lane_at(lane, 0)->due : UINT64_MAX;

	return lane->count && (due == 0 || due <= os_now_ns());
}

/* ---- between rings and lane ---- */

static uint32_t room(const struct span *span)
{
	return ring_distance(span->ring, span->at, span->end);
}

/* Copy a packet behind the lane's last one. False: there is no whole one. *good: all its slots held. */
static bool gather(struct span *from, struct held *held, bool *good)
{
	uint32_t at = from->at, slots = 0;
	uint16_t flags = NS_MOREFRAG;

	held->len = 0;
	*good = true;
	while (at != from->end && flags & NS_MOREFRAG) {
		uint32_t len;
		const uint8_t *data = ring_slot_data(from->ring, at, &len, &flags);

		*good = *good && data && held_append(held, data, len);
		at = ring_next(from->ring, at);
		slots++;
	}
	/* One that fills the ring can never be finished. */
	if (slots == 0 || (flags & NS_MOREFRAG && slots < from->ring->num_slots - 1))
		return false;
	*good = *good && !(flags & NS_MOREFRAG);
	from->at = at;
	return true;
}

/* Those whose time has come, as long as there is room. One that can never fit is dropped. */
static uint32_t put_due(struct lane *lane, struct span *to)
{
	uint32_t n = 0;

	while (room(to) > 0 && is_due(lane)) {
		const struct held *held = lane_at(lane, 0);
		uint32_t used = chain_put(to->ring, to->at, held->data, held->len, room(to));

		if (used == 0 && room(to) < chain_longest(to->ring))
			break;
		if (used == 0)
			ring_drop(to->ring, LOOM_DROP_OVERSIZED, 1);
		else
			n++;
		while (used-- > 0)
			to->at = ring_next(to->ring, to->at);
		lane_leave(lane);
	}
	return n;
}

/* Without a delay, nothing is taken that could not go on at once: a full inner ring is seen as one. */
static bool may_take(const struct lane *lane, const struct span *to)
{
	return lane->count + 2 <= LANE_MOST &&
	       (lane->settings->delay_ns || (room(to) > 0 && lane->count <= lane->last_waits));
}

/* @return packets that were put */
static uint32_t carry(struct lane *lane, struct ring *r, struct span *from, struct span *to)
{
	uint32_t n = put_due(lane, to);
	bool good;

	while (may_take(lane, to) && gather(from, lane_at(lane, lane->count), &good)) {
		if (good)
			lane_decide(lane, r);
		n += put_due(lane, to);
	}
	return n;
}

static int inner_sync(struct ring *inner)
{
	return inner->common.sync.sync(&inner->common.sync);
}

static struct span inner_span(struct ring *inner)
{
	const struct netmap_ring *user = inner->common.ring;

	return (struct span){inner, user->head, inner->hwtail};
}

static uint32_t inner_room(struct ring *inner)
{
	const struct span span = inner_span(inner);

	return room(&span);
}

static void inner_advance(const struct span *span)
{
	struct netmap_ring *user = span->ring->common.ring;

	user->head = user->cur = span->at;
}

/*
 * The program gets the room that the inner ring has, so that what it sent is beyond it, and not in our slots
 * when it closes. Copies that were made in the lane may have used more: room is never taken back.
 */
static uint32_t tx_tail(const struct ring *r, const struct lane *lane, const struct span *to)
{
	uint32_t given = ring_distance(r, r->hwcur, r->hwtail), space = room(to);

	if (lane->settings->delay_ns)
		return ring_prev(r, r->hwcur);
	return space > given ? (r->hwcur + space) % r->num_slots : r->hwtail;
}

static int fault_txsync(struct ring *r)
{
	struct lane *lane = r->state;
	struct span from = {r, r->hwcur, r->rhead}, to;
	int err = inner_sync(lane->inner);

	if (err)
		return err;
	to = inner_span(lane->inner);
	if (carry(lane, r, &from, &to) > 0) {
		inner_advance(&to);
		err = inner_sync(lane->inner);
		to = inner_span(lane->inner);
	}
	r->hwcur = from.at;
	r->hwtail = tx_tail(r, lane, &to);
	r->pending =
	    lane->count || lane->inner->pending || lane->inner->hwcur != lane->inner->rhead;
	return err;
}

static int fault_rxsync(struct ring *r)
{
	struct lane *lane = r->state;
	struct span from, to;
	uint32_t before, first = r->hwtail, n;
	int err = inner_sync(lane->inner);

	r->hwcur = r->rhead;
	if (err)
		return err;
	from = inner_span(lane->inner);
	before = from.at;
	to = (struct span){r, r->hwtail, ring_prev(r, r->hwcur)};
	n = carry(lane, r, &from, &to);
	r->hwtail = to.at;
	if (n) {
		uint32_t slots = ring_distance(r, first, to.at);

		r->common.stats.packets += slots;
		r->common.fragments += slots - n;
		ring_stamp(r);
	}
	if (from.at == before)
		return 0;
	inner_advance(&from); /* its sender may wait for the room */
	return inner_sync(lane->inner);
}

RING_SYNCS(fault)

/* ---- sleeping ---- */

static int lane_prepare(struct lane *lane)
{
	int err = 0;

	if (lane->pollset >= 0)
		return 0;
	lane->timer = os_timer_create();
	if (lane->timer < 0)
		return lane->timer;
	lane->pollset = os_pollset_create();
	if (lane->pollset >= 0)
		err = os_pollset_add(lane->pollset, lane->timer, POLLIN);
	return lane->pollset < 0 ? lane->pollset : err;
}

/* The inner ring's descriptor, and none if it has none. */
static int lane_listen(struct lane *lane, const struct pollfd *wake)
{
	if (wake->fd == lane->inner_fd)
		return wake->fd < 0 ? 0 : os_pollset_change(lane->pollset, wake->fd, wake->events);
	lane->inner_fd = wake->fd;
	return wake->fd < 0 ? 0 : os_pollset_add(lane->pollset, wake->fd, wake->events);
}

/* Nothing is taken from the inner ring while there is no room for it: its news would end no sleep. */
static bool is_full(const struct ring *r)
{
	return !r->tx && ring_next(r, r->hwtail) == r->hwcur;
}

static int fault_arm(struct ring *r, struct pollfd *out)
{
	struct lane *lane = r->state;
	struct pollfd wake = {.fd = lane->inner_fd};
	int err = lane_prepare(lane);

	if (err)
		return err;
	*out = (struct pollfd){.fd = lane->pollset, .events = POLLIN};
	if (ring_ready(r) && !r->pending)
		return 1;
	os_timer_set(lane->timer, lane->count && !is_full(r) ? lane_at(lane, 0)->due : 0);
	if (is_full(r))
		return lane_listen(lane, &wake);
	if (!r->tx && is_due(lane))
		return 1;
	wake.fd = -1;
	err = lane->inner->port->kind->arm(lane->inner, &wake);
	/* Room of the inner ring is no news to a program that has room: only held packets wait then. */
	if (err > 0 && r->tx && (ring_ready(r) || lane->settings->delay_ns))
		return is_due(lane) || r->hwcur != r->rhead;
	if (err)
		return err;
	return lane_listen(lane, &wake);
}

/* What is held on a TX ring is to wake its program all the same. */
static void fault_disarm(struct ring *r)
{
	struct lane *lane = r->state;
	struct pollfd none = {.fd = lane->inner_fd};

	if (lane->pollset < 0)
		return;
	os_timer_set(lane->timer, r->tx && lane->count ? lane_at(lane, 0)->due : 0);
	lane_listen(lane, &none);
	lane->inner->port->kind->disarm(lane->inner);
}

/* ---- open and close ---- */

static void lane_close(struct lane *lane)
{
	for (uint32_t i = 0; i < LANE_MOST; i++)
		free(lane->held[i].data);
	if (lane->timer >= 0)
		close(lane->timer);
	if (lane->pollset >= 0)
		close(lane->pollset);
}

static int inner_open(struct fault *fault, const struct port_request *wanted, const char *name)
{
	struct port_request request = *wanted;
	char tried[256] = "";
	int err;

	request.name = request.ident = name;
	request.region = NULL; /* what the program sees is our own memory */
	request.host = false;
	request.host_tx_rings = request.host_rx_rings = 0;
	request.first_bound = 0;
	request.end_bound = SOFT_RINGS_MAX;
	err = registry_get(&request, tried, sizeof tried, &fault->inner);
	if (err)
		return err;
	err = soft_port_take(fault->inner);
	if (err)
		registry_put(fault->inner);
	return err;
}

static void inner_close(struct fault *fault)
{
	soft_port_give(fault->inner);
	registry_put(fault->inner);
}

static void rings_attach(struct port *port, struct fault *fault)
{
	for (uint32_t i = 0; i < port->num_tx + port->num_rx; i++) {
		bool tx = i < port->num_tx;
		uint32_t index = tx ? i : i - port->num_tx;
		struct lane *lane = &fault->lanes[i];

		lane->settings = &fault->settings;
		lane->inner = tx ? &fault->inner->tx[index] : &fault->inner->rx[index];
		lane->random = fault->settings.seed << 20 ^ (uint64_t)index << 1 ^ tx;
		lane->timer = lane->pollset = lane->inner_fd = -1;
		(tx ? &port->tx[index] : &port->rx[index])->state = lane;
		if (tx && !fault->settings.delay_ns)
			ring_start(&port->tx[index], 0, inner_room(lane->inner));
	}
	port->state = fault;
}

static int rings_build(struct port *port, const struct port_request *wanted, struct fault *fault)
{
	struct port_request request = *wanted;

	request.tx_rings = fault->inner->num_tx - fault->inner->host_tx;
	request.rx_rings = fault->inner->num_rx - fault->inner->host_rx;
	request.tx_slots = fault->inner->tx_slots;
	request.rx_slots = fault->inner->rx_slots;
	request.host_tx_rings = request.host_rx_rings = 0;
	fault->lanes =
	    calloc((size_t)request.tx_rings + request.rx_rings + 1, sizeof *fault->lanes);
	if (!fault->lanes)
		return error_set(-ENOMEM, "out of memory for \"%s\"", request.name);
	return port_build_own(port, &request, port_region(&request), false);
}

static int fault_open(struct port *port, const struct port_request *request)
{
	struct fault *fault = calloc(1, sizeof *fault);
	const char *name;
	int err;

	if (!fault)
		return error_set(-ENOMEM, "out of memory for \"%s\"", request->name);
	err = fault_settings_read(request->ident, &fault->settings, &name);
	if (!err)
		err = inner_open(fault, request, name);
	if (!err) {
		err = rings_build(port, request, fault);
		if (!err) {
			rings_attach(port, fault);
			return 0;
		}
		inner_close(fault);
	}
	free(fault->lanes);
	free(fault);
	return err;
}

static void fault_close(struct port *port)
{
	struct fault *fault = port->state;

	for (uint32_t i = 0; i < port->num_tx + port->num_rx; i++)
		lane_close(&fault->lanes[i]);
	inner_close(fault);
	free(fault->lanes);
	free(fault);
}

const struct port_kind port_kind_fault = {
    .name = "fault",
    .example = "fault:loss=5,seed=7@pipe{x}",
    .help = "another port with loss, corrupt, dup, reorder (percent), delay (ms, us)",
    .local = true,
    .open = fault_open,
    .close = fault_close,
    .tx_entry = fault_tx_entry,
    .rx_entry = fault_rx_entry,
    .arm = fault_arm,
    .disarm = fault_disarm,
    .offsets_start = offsets_start,
};
