/* SPDX-License-Identifier: BSD-2-Clause */
/* Showing the packets of watched rings to monitors; the picture is in watch.h. */
#include "watch.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "../base/error.h"
#include "../os/safe_copy.h"
#include "port.h"

/** What watches one ring; made with the first monitor, and then as old as the ring. */
struct watch {
	pthread_mutex_t lock; /* its taps, against the thread that syncs */
	struct watch_tap *first;
};

/* ---- a turn at a sink ---- */

struct turn {
	const struct watch_tap *tap;
	uint32_t start, at; /* slots of the sink before it were filled: earlier, and now */
	uint32_t room;      /* its free slots from there on */
	uint64_t drops[LOOM_DROP_REASONS];
};

/* The monitor may be a buggy or hostile process: nonsense means no room. */
static void turn_begin(struct turn *turn, const struct watch_tap *tap)
{
	const struct watch_sink *sink = tap->sink;
	const struct exchange *x = &sink->box->exchange;
	/* Only holders of the sink's lock write it. */
	uint32_t published = __atomic_load_n(&x->sender.published, __ATOMIC_RELAXED);
	/* Pairs with the store in exchange_rxsync(): the monitor is done with the slots before it. */
	uint32_t released = __atomic_load_n(&x->receiver.released, __ATOMIC_ACQUIRE);

	*turn = (struct turn){.tap = tap};
	if (published >= sink->num_slots || released >= sink->num_slots)
		return;
	turn->start = turn->at = published;
	turn->room = sink->num_slots - 1 - loom_ring_distance(released, published, sink->num_slots);
}

static void turn_end(struct turn *turn)
{
	struct watch_sink *sink = turn->tap->sink;
	struct watch_box *box = sink->box;
	uint64_t total = 0;

	for (unsigned i = 0; i < LOOM_DROP_REASONS; i++) {
		if (turn->drops[i])
			__atomic_fetch_add(&box->drops[i], turn->drops[i], __ATOMIC_RELAXED);
		total += turn->drops[i];
	}
	if (total)
		__atomic_fetch_add(&box->drops_total, total, __ATOMIC_RELAXED);
	if (turn->drops[LOOM_DROP_NO_ROOM] && sink->was_full)
		sink->was_full(sink);
	/*
	 * Releases slots and payload to the acquire of `published` in exchange_rxsync(); stronger than
	 * that for the look at `waiting` in watch_wake().
	 */
	if (turn->at != turn->start)
		__atomic_store_n(&box->exchange.sender.published, turn->at, __ATOMIC_SEQ_CST);
}

void watch_wake(struct watch_sink *sink)
{
	uint32_t *waiting = &sink->box->exchange.receiver.waiting;
	int wake;

	/*
	 * Sequentially consistent, like the store of `published` before it and both accesses in
	 * exchange_arm(): either we see the sleeper's mark, or its second look sees what we published.
	 */
	if (!__atomic_load_n(waiting, __ATOMIC_SEQ_CST) ||
	    !__atomic_exchange_n(waiting, 0, __ATOMIC_SEQ_CST))
		return;
	/* Pairs with the store in monitor.c, which came before the mark. */
	wake = __atomic_load_n(&sink->wake, __ATOMIC_ACQUIRE);
	if (wake < 0 && sink->wake_open)
		wake = sink->wake = sink->wake_open(sink);
	if (wake >= 0)
		os_wake_signal(wake);
	else
		/* Out of descriptors: leave the mark, so that the next packet tries again. */
		__atomic_store_n(waiting, 1, __ATOMIC_SEQ_CST);
}

/* ---- putting packets ---- */

#define SHOWN (-1)

/* An index that makes no sense leads to buffer 0, which is nobody's. */
static uint8_t *buffer_in(const struct watch_sink *sink, const struct netmap_slot *slot)
{
	uint32_t index = __atomic_load_n(&slot->buf_idx, __ATOMIC_RELAXED);

	return sink->buffers + (size_t)(index < sink->num_bufs ? index : 0) * sink->buf_size;
}

static void slot_finish(struct turn *turn, uint32_t len, uint16_t flags)
{
	const struct watch_sink *sink = turn->tap->sink;
	struct netmap_slot *slot = &sink->slots[turn->at];

	if (slot->len != len || slot->flags != flags) {
		slot->len = (uint16_t)len;
		slot->flags = flags;
	}
	turn->at = loom_ring_next(turn->at, sink->num_slots);
	turn->room--;
}

/* A payload somewhere in the program's memory: it may need more slots than one, and may be gone. */
static int put_indirect(
    struct turn *turn, const struct netmap_slot *from, uint32_t len, uint16_t flags)
{
	const struct watch_sink *sink = turn->tap->sink;
	const uint8_t *data = (const uint8_t *)(uintptr_t)from->ptr;
	uint32_t part;

	do {
		part = len < sink->buf_size ? len : sink->buf_size;
		if (!os_safe_copy(buffer_in(sink, &sink->slots[turn->at]), data, part))
			return LOOM_DROP_BAD_INDEX;
		data += part;
		len -= part;
		slot_finish(turn, part, len > 0 ? flags | NS_MOREFRAG : flags);
	} while (len > 0);
	return SHOWN;
}

/*
 * The ring gets the sink's free buffer for its own. Both slots are ours: the sink's is free, and the ring's
 * is not its program's any more (RX) or not yet again (TX), nor given to whoever fills or empties it.
 */
static int put_swapped(struct turn *turn, struct netmap_slot *from, uint64_t word, uint16_t flags)
{
	const struct watch_sink *sink = turn->tap->sink;
	struct netmap_slot *to = &sink->slots[turn->at];
	uint32_t index = __atomic_load_n(&to->buf_idx, __ATOMIC_RELAXED);

	if (index < REGION_FIRST_BUFFER || index >= sink->num_bufs)
		return LOOM_DROP_BAD_INDEX;
	/* In this order: who is killed in between has lost a buffer, but none is in two slots. */
	__atomic_store_n(&to->buf_idx, 0, __ATOMIC_RELAXED);
	__atomic_store_n(&from->buf_idx, index, __ATOMIC_RELAXED);
	from->flags |= NS_BUF_CHANGED;
	__atomic_store_n(&to->buf_idx, (uint32_t)word, __ATOMIC_RELAXED);
	slot_finish(turn, (uint16_t)(word >> 32), flags | NS_BUF_CHANGED);
	return SHOWN;
}

/* Only by the last tap: those before it have copied by then. A monitor knows nothing of offsets. */
static bool is_swapped(const struct watch_tap *tap, uint64_t offset)
{
	return tap->swaps && !tap->next && offset == 0;
}

static bool is_indirect(const struct ring *r, uint64_t word)
{
	return word >> 48 & NS_INDIRECT && r->tx && r->port->indirect;
}

/* Show the slot of the ring; SHOWN, or why not (enum loom_drop). It is read once. */
static int put_slot(struct turn *turn, uint32_t at, bool more)
{
	const struct watch_sink *sink = turn->tap->sink;
	const struct ring *r = turn->tap->ring;
	const struct region *region = r->port->region;
	struct netmap_slot *from = &r->common.ring->slot[at];
	uint64_t word = loom_slot_word(from);
	uint32_t buffer = (uint32_t)word, len = (uint16_t)(word >> 32);
	uint64_t offset = __atomic_load_n(&from->ptr, __ATOMIC_RELAXED) & ring_offset_mask(r);
	/* A TX slot's high byte is a destination; an RX slot's says how many slots the packet has. */
	uint16_t flags = r->tx ? NS_TXMON : (uint16_t)(word >> 48 & NS_PORT_MASK);

	if (more)
		flags |= NS_MOREFRAG;
	if (is_indirect(r, word))
		return put_indirect(turn, from, len, flags);
	if (!region_has_buffer(region, buffer))
		return LOOM_DROP_BAD_INDEX;
	if (offset >= region->buf_room || len > region->buf_room - offset || len > sink->buf_size)
		return LOOM_DROP_BAD_LENGTH;
	if (is_swapped(turn->tap, offset))
		return put_swapped(turn, from, word, flags);
	memcpy(
	    buffer_in(sink, &sink->slots[turn->at]), region_buffer(region, buffer) + offset, len);
	slot_finish(turn, len, flags);
	return SHOWN;
}

struct packet {
	uint32_t slots; /* that it has in the ring */
	uint32_t parts; /* that it takes in the sink */
};

/* The packet that begins at `at`; false: its last slot is not before `end`. */
static bool packet_measure(
    const struct watch_tap *tap, uint32_t at, uint32_t end, struct packet *out)
{
	const struct ring *r = tap->ring;
	const uint32_t buf_size = tap->sink->buf_size;

	*out = (struct packet){0};
	for (; at != end; at = ring_next(r, at)) {
		uint64_t word = loom_slot_word(&r->common.ring->slot[at]);
		uint32_t len = (uint16_t)(word >> 32);

		out->slots++;
		out->parts += is_indirect(r, word) && len > 0 ? (len + buf_size - 1) / buf_size : 1;
		if (!(word >> 48 & NS_MOREFRAG))
			return true;
	}
	return false;
}

/* All of a packet or, where that does not go, nothing: then it is counted. */
static void packet_put(struct turn *turn, uint32_t at, const struct packet *packet)
{
	const uint32_t start = turn->at, room = turn->room;
	int result = packet->parts <= turn->room ? SHOWN : LOOM_DROP_NO_ROOM;

	for (uint32_t i = 0; i < packet->slots && result == SHOWN; i++) {
		/* The slots may have changed since they were counted: never beyond the room there is. */
		if (turn->room == 0)
			result = LOOM_DROP_BAD_LENGTH;
		else
			result = put_slot(turn, at, i + 1 < packet->slots);
		at = ring_next(turn->tap->ring, at);
	}
	if (result == SHOWN)
		return;
	turn->at = start;
	turn->room = room;
	turn->drops[result]++;
}

/* ---- what a tap sees ---- */

/* Released RX slots before the move gives them back; completed TX slots after it. */
static bool is_shown_after(const struct watch_tap *tap)
{
	return tap->consumed == tap->ring->tx;
}

/* Where what the tap shows ends now. */
static uint32_t end_of(const struct watch_tap *tap)
{
	const struct ring *r = tap->ring;

	if (!is_shown_after(tap))
		return r->rhead;
	return r->tx ? ring_next(r, r->hwtail) : r->hwtail;
}

static void show(struct watch_tap *tap)
{
	const uint32_t end = end_of(tap);
	struct packet packet;
	struct turn turn;

	if (tap->seen == end)
		return;
	pthread_mutex_lock(&tap->sink->lock);
	turn_begin(&turn, tap);
	while (packet_measure(tap, tap->seen, end, &packet)) {
		if (!tap->torn)
			packet_put(&turn, tap->seen, &packet);
		tap->torn = false;
		tap->seen = loom_ring_add(tap->seen, packet.slots, tap->ring->num_slots);
	}
	tap->end = end;
	turn_end(&turn);
	watch_wake(tap->sink);
	pthread_mutex_unlock(&tap->sink->lock);
}

/*
 * Whether the slots of an incomplete packet still are what they were when the tap last looked. Only
 * those of a TX ring stay while their packet goes on, as long as the program has not come round to them.
 */
static bool is_intact(const struct watch_tap *tap)
{
	const struct ring *r = tap->ring;

	if (!r->tx || tap->consumed)
		return false;
	return ring_distance(r, tap->seen, tap->end) + ring_distance(r, tap->end, r->rhead) <
	       r->num_slots;
}

static void tear(struct watch_tap *tap)
{
	struct watch_box *box = tap->sink->box;

	if (!tap->torn) {
		__atomic_fetch_add(&box->drops[LOOM_DROP_BAD_LENGTH], 1, __ATOMIC_RELAXED);
		__atomic_fetch_add(&box->drops_total, 1, __ATOMIC_RELAXED);
	}
	tap->seen = tap->end;
	tap->torn = true;
}

void watch_before(struct ring *r)
{
	struct watch *watch = r->watch;

	pthread_mutex_lock(&watch->lock);
	for (struct watch_tap *tap = watch->first; tap; tap = tap->next) {
		if (tap->fresh)
			tap->seen = tap->end = is_shown_after(tap) ? end_of(tap) : r->hwcur;
		else if (tap->seen != tap->end && !is_intact(tap))
			tear(tap);
		tap->fresh = false;
		if (!is_shown_after(tap))
			show(tap);
	}
	pthread_mutex_unlock(&watch->lock);
}

void watch_after(struct ring *r)
{
	struct watch *watch = r->watch;

	pthread_mutex_lock(&watch->lock);
	for (struct watch_tap *tap = watch->first; tap; tap = tap->next)
		if (!tap->fresh && is_shown_after(tap)) /* else it came while the sync moved */
			show(tap);
	pthread_mutex_unlock(&watch->lock);
}

void watch_rewind(struct ring *r)
{
	struct watch *watch = r->watch;

	pthread_mutex_lock(&watch->lock);
	for (struct watch_tap *tap = watch->first; tap; tap = tap->next) {
		tap->fresh = true;
		tap->torn = false;
	}
	pthread_mutex_unlock(&watch->lock);
}

/* ---- coming and going ---- */

int watch_sink_init(struct watch_sink *sink)
{
	sink->wake = -1;
	return -pthread_mutex_init(&sink->lock, NULL);
}

void watch_sink_destroy(struct watch_sink *sink)
{
	pthread_mutex_destroy(&sink->lock);
}

static struct watch *watch_new(void)
{
	struct watch *watch = calloc(1, sizeof *watch);

	if (watch && pthread_mutex_init(&watch->lock, NULL) != 0) {
		free(watch);
		return NULL;
	}
	return watch;
}

static struct ring *ring_of(const struct port *port, uint32_t i)
{
	return i < port->num_tx ? &port->tx[i] : &port->rx[i - port->num_tx];
}

/* Monitors of this process and of others may come at the same time. */
static bool ring_prepare(struct ring *r)
{
	struct watch *watch, *none = NULL;

	if (__atomic_load_n(&r->watch, __ATOMIC_ACQUIRE))
		return true;
	watch = watch_new();
	if (!watch)
		return false;
	if (!__atomic_compare_exchange_n(
		&r->watch, &none, watch, false, __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE)) {
		pthread_mutex_destroy(&watch->lock);
		free(watch);
	}
	return true;
}

int watch_prepare(struct port *port)
{
	for (uint32_t i = 0; i < port->num_tx + port->num_rx; i++)
		if (!ring_prepare(ring_of(port, i)))
			return error_set(
			    -ENOMEM, "out of memory for a monitor of \"%s\"", port->name);
	return 0;
}

void watch_forget(struct port *port)
{
	for (uint32_t i = 0; i < port->num_tx + port->num_rx; i++) {
		struct ring *r = ring_of(port, i);

		if (!r->watch)
			continue;
		pthread_mutex_destroy(&r->watch->lock);
		free(r->watch);
		r->watch = NULL;
	}
}

static uint32_t larger(uint32_t a, uint32_t b)
{
	return a > b ? a : b;
}

uint32_t watch_nic_rings(const struct port *port)
{
	return larger(port->num_tx - port->host_tx, port->num_rx - port->host_rx);
}

uint32_t watch_host_rings(const struct port *port)
{
	return larger(port->host_tx, port->host_rx);
}

bool watch_is_paired(const struct port *port)
{
	/* Mode NULL has no rings. */
	return port->claim.num_areas > 0 && port->claim.areas[0] >= port->region->shape.plain;
}

/* The monitor's RX ring that shows it: host rings stand behind the NIC rings on either side. */
static uint32_t shown_at(const struct ring *r)
{
	const struct port *port = r->port;
	uint32_t nic = r->tx ? port->num_tx - port->host_tx : port->num_rx - port->host_rx;

	return r->index < nic ? r->index : watch_nic_rings(port) + r->index - nic;
}

/*
 * Whether the tap's buffers may change places with the ring's. Slots that a pair of rings shares keep
 * their packets when the receiver releases them: monitors of the sender see them there after that.
 */
static bool can_swap(const struct watch_tap *tap)
{
	const struct port *port = tap->ring->port;

	return tap->consumed && tap->sink->buffers == region_buffer(port->region, 0) &&
	       (tap->ring->tx || !watch_is_paired(port));
}

/* Taps that swap stand behind those that copy. */
static void tap_begin(struct watch_tap *tap)
{
	struct watch *watch = tap->ring->watch;
	struct watch_tap **at = &watch->first;

	pthread_mutex_lock(&watch->lock);
	while (tap->swaps && *at && !(*at)->swaps)
		at = &(*at)->next;
	tap->next = *at;
	*at = tap;
	pthread_mutex_unlock(&watch->lock);
	ring_unusual_add(tap->ring, RING_WATCHED);
}

uint32_t watch_begin(struct port *port, const struct watch_choice *choice, struct watch_sink *sinks,
    struct watch_tap *taps)
{
	uint32_t n = 0;

	for (uint32_t i = 0; i < port->num_tx + port->num_rx; i++) {
		struct ring *r = ring_of(port, i);
		uint32_t at = shown_at(r);

		if (!(choice->flags & (r->tx ? NR_MONITOR_TX : NR_MONITOR_RX)) ||
		    at < choice->first || at >= choice->end)
			continue;
		taps[n] = (struct watch_tap){.ring = r,
		    .sink = &sinks[at],
		    .consumed = choice->flags & NR_ZCOPY_MON,
		    .fresh = true};
		taps[n].swaps = can_swap(&taps[n]);
		tap_begin(&taps[n++]);
	}
	return n;
}

static void tap_end(struct watch_tap *tap)
{
	struct watch *watch = tap->ring->watch;
	struct watch_tap **at = &watch->first;

	ring_unusual_add(tap->ring, 0u - RING_WATCHED);
	pthread_mutex_lock(&watch->lock);
	while (*at != tap)
		at = &(*at)->next;
	*at = tap->next;
	pthread_mutex_unlock(&watch->lock);
}

void watch_end(struct watch_tap *taps, uint32_t n)
{
	for (uint32_t i = 0; i < n; i++)
		tap_end(&taps[i]);
}
