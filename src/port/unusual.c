/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The verbs' out-of-line halves: slots that fail the data path's one-compare check, packets of
 * several slots, and refusals.
 */
#include <errno.h>
#include <string.h>

#include <pktloom/ring.h>

#include "../base/error.h"
#include "../device/device.h"
#include "port.h"

static void count_drop(struct loom_sync *sync, enum loom_drop reason)
{
	struct device_ring *ring = (struct device_ring *)(void *)sync;

	ring->stats.drops[reason]++;
}

static void slot_offset_set(struct netmap_slot *slot, uint64_t mask, uint64_t offset)
{
	if ((slot->ptr & mask) != offset)
		slot->ptr = (slot->ptr & ~mask) | offset;
}

/* ---- TX ---- */

/*
 * Where the packet of a free slot goes: at the port's initial offset, whatever the slot said. NULL: it has
 * no buffer.
 */
static uint8_t *tx_slot_data(const struct loom_txring *tx, uint32_t at)
{
	struct netmap_slot *slot = &tx->ring->slot[at];
	uint32_t index = __atomic_load_n(&slot->buf_idx, __ATOMIC_RELAXED) - LOOM_FIRST_BUFFER;

	if (index >= tx->all_bufs)
		return NULL;
	if (tx->offset_mask)
		slot_offset_set(slot, tx->offset_mask, tx->buf_size - tx->frame_max);
	return tx->buffers + index * tx->buf_size;
}

/*
 * A free slot without a buffer (a peer overwrote it) cannot carry a packet. It changes places with
 * the ring's first free slot and is sent as it is, empty: the receiver drops it, and the ring goes on.
 */
static void tx_pass_over(const struct loom_txring *tx, uint32_t bad)
{
	uint32_t head = tx->ring->head;
	struct netmap_slot *first = &tx->ring->slot[head], *slot = &tx->ring->slot[bad];
	uint32_t spare = first->buf_idx;

	first->buf_idx = slot->buf_idx;
	slot->buf_idx = spare;
	slot->flags |= NS_BUF_CHANGED;
	loom_slot_set(first, 0, 0);
	count_drop(tx->sync, LOOM_DROP_BAD_INDEX);
	tx->ring->head = loom_ring_next(head, tx->num_slots);
}

/* Whether the next n free slots all have buffers; if not, one that has none is passed over. */
static bool tx_slots_usable(const struct loom_txring *tx, uint32_t n)
{
	uint32_t at = tx->ring->head;

	for (uint32_t i = 0; i < n; i++) {
		if (!tx_slot_data(tx, at)) {
			tx_pass_over(tx, at);
			return false;
		}
		at = loom_ring_next(at, tx->num_slots);
	}
	return true;
}

/* Write one packet over n slots that are known to be free and usable. */
static void tx_write(const struct loom_txring *tx, const uint8_t *data, size_t len, uint32_t n)
{
	uint32_t at = tx->ring->head;

	loom_counters(tx->ring)->bytes += len;
	for (uint32_t i = 0; i < n; i++) {
		size_t part = len < tx->frame_max ? len : tx->frame_max;
		uint8_t *to = tx_slot_data(tx, at);

		if (to)
			memcpy(to, data, part);
		loom_slot_set(&tx->ring->slot[at], (uint16_t)part, i + 1 < n ? NS_MOREFRAG : 0);
		data += part;
		len -= part;
		at = loom_ring_next(at, tx->num_slots);
	}
	loom_counters(tx->ring)->fragments += n - 1;
	tx->ring->head = at;
}

static uint32_t slots_for(const struct loom_txring *tx, size_t len)
{
	return len == 0 ? 1 : (uint32_t)((len + tx->frame_max - 1) / tx->frame_max);
}

int loom_send_unusual(struct loom_txring ring, const void *data, size_t len)
{
	const struct loom_txring *tx = &ring;
	uint32_t n;

	if (len > loom_tx_max_payload(tx))
		return error_set(-EMSGSIZE,
		    "a packet of %zu bytes is too large: this ring takes %zu (%u per slot)", len,
		    loom_tx_max_payload(tx), tx->frame_max);
	n = slots_for(tx, len);
	do
		if (loom_tx_space(tx) < n)
			return 0;
	while (!tx_slots_usable(tx, n));
	tx_write(tx, data, len, n);
	return 1;
}

/* Free slots without buffers are passed over; whether there is one with a buffer, ready at the head. */
bool loom_tx_slot_unusual(struct loom_txring ring)
{
	const struct loom_txring *tx = &ring;

	while (tx->ring->head != tx->ring->tail) {
		if (tx_slot_data(tx, tx->ring->head))
			return true;
		tx_pass_over(tx, tx->ring->head);
	}
	return false;
}

/*
 * For a batch: all free slots as loom_tx_slot_unusual() does the first, so that they can be taken for
 * ordinary ones from then on. Returns what bounds their buffers.
 */
uint32_t loom_tx_slots_unusual(struct loom_txring ring)
{
	const struct loom_txring *tx = &ring;

	if (loom_tx_slot_unusual(ring) && tx->offset_mask)
		for (uint32_t at = tx->ring->head; at != tx->ring->tail;
		     at = loom_ring_next(at, tx->num_slots))
			tx_slot_data(tx, at);
	return tx->all_bufs;
}

/* Frames for up to n free slots in a row that have buffers, from the first such slot on. */
unsigned loom_reserve_unusual(struct loom_txring ring, struct loom_frame *frames, unsigned n)
{
	const struct loom_txring *tx = &ring;
	unsigned got = 0;
	uint32_t at;

	if (!loom_tx_slot_unusual(ring))
		return 0;
	for (at = tx->ring->head; got < n && at != tx->ring->tail; got++) {
		uint8_t *data = tx_slot_data(tx, at);

		if (!data)
			break;
		frames[got] = (struct loom_frame){.data = data, .cap = tx->frame_max};
		at = loom_ring_next(at, tx->num_slots);
	}
	return got;
}

int loom_put_refused(uint32_t len, uint32_t cap)
{
	return error_set(-EMSGSIZE,
	    "a frame of %u bytes does not fit its buffer of %u: it was not queued", len, cap);
}

int loom_commit_refused(struct loom_txring tx, unsigned n)
{
	unsigned room = loom_tx_space(&tx);

	if (n > room)
		return error_set(-EINVAL,
		    "commit of %u slots, but only %u are free: nothing was committed", n, room);
	return error_set(-EMSGSIZE,
	    "a frame's len is above its cap of %u bytes: nothing was committed", tx.frame_max);
}

void loom_commit_fragments(struct loom_txring ring, const struct loom_frame *frames, unsigned n)
{
	const struct loom_txring *tx = &ring;
	for (unsigned i = 0; i < n; i++)
		loom_counters(tx->ring)->fragments += (frames[i].flags & NS_MOREFRAG) != 0;
}

/* ---- RX ---- */

static bool rx_slot_usable(
    const struct loom_rxring *rx, const struct netmap_slot *slot, struct loom_frame *frame)
{
	uint64_t word = loom_slot_word(slot);
	uint64_t offset = __atomic_load_n(&slot->ptr, __ATOMIC_RELAXED) & rx->offset_mask;
	uint32_t index = (uint32_t)word - LOOM_FIRST_BUFFER;

	frame->len = (uint16_t)(word >> 32);
	frame->flags = (uint16_t)(word >> 48);
	if (index >= rx->num_bufs || offset >= rx->buf_size || frame->len > rx->buf_size - offset)
		return false;
	frame->data = rx->buffers + index * rx->buf_size + offset;
	frame->cap = (uint32_t)(rx->buf_size - offset);
	return true;
}

/* Release slots from the ring's head to the end of the packet that reaches to `at` or beyond. */
static void rx_drop_packet(const struct loom_rxring *rx, uint32_t at)
{
	struct netmap_ring *ring = rx->ring;
	uint64_t word = loom_slot_word(&ring->slot[at]);
	bool bad_index = (uint32_t)word - LOOM_FIRST_BUFFER >= rx->num_bufs;

	count_drop(rx->sync, bad_index ? LOOM_DROP_BAD_INDEX : LOOM_DROP_BAD_LENGTH);
	while ((word >> 48 & NS_MOREFRAG) && loom_ring_next(at, rx->num_slots) != ring->tail) {
		at = loom_ring_next(at, rx->num_slots);
		word = loom_slot_word(&ring->slot[at]);
	}
	at = loom_ring_next(at, rx->num_slots);
	loom_counters(ring)->fragments += loom_ring_distance(ring->head, at, rx->num_slots) - 1;
	ring->head = at;
}

int loom_recv_unusual(struct loom_rxring ring, struct loom_frame *frame)
{
	const struct loom_rxring *rx = &ring;
	while (rx->ring->head != rx->ring->tail) {
		uint32_t at = rx->ring->head;

		if (!rx_slot_usable(rx, &rx->ring->slot[at], frame)) {
			rx_drop_packet(rx, at);
			continue;
		}
		loom_counters(rx->ring)->bytes += frame->len;
		loom_counters(rx->ring)->fragments += (frame->flags & NS_MOREFRAG) != 0;
		rx->ring->head = loom_ring_next(at, rx->num_slots);
		return 1;
	}
	return 0;
}

int loom_peek_unusual(
    struct loom_rxring rx, const struct netmap_slot *slot, struct loom_frame *frame)
{
	if (!rx_slot_usable(&rx, slot, frame))
		return 0;
	loom_counters(rx.ring)->peeked_fragments += (frame->flags & NS_MOREFRAG) != 0;
	return 1;
}

/* The first of the ring's packets has a bad slot. */
void loom_rx_drop(struct loom_rxring rx)
{
	rx_drop_packet(&rx, rx.ring->head);
}

void loom_release_counted(struct loom_rxring ring, unsigned n)
{
	const struct loom_rxring *rx = &ring;
	uint32_t at = rx->ring->head;

	for (unsigned i = 0; i < n; i++) {
		loom_counters(rx->ring)->bytes += rx->ring->slot[at].len;
		loom_counters(rx->ring)->fragments += (rx->ring->slot[at].flags & NS_MOREFRAG) != 0;
		at = loom_ring_next(at, rx->num_slots);
	}
}

/*
 * The packet at the ring's head: its slots and bytes. 0: none, or its last slot has not come.
 * Packets with a bad slot, and chains longer than netmap allows, are dropped on the way.
 */
static uint32_t packet_at_head(const struct loom_rxring *rx, size_t *len)
{
	struct loom_frame frame;
	uint32_t at = rx->ring->head, n = 0;

	*len = 0;
	while (at != rx->ring->tail) {
		if (!rx_slot_usable(rx, &rx->ring->slot[at], &frame) || n == NETMAP_MAX_FRAGS) {
			rx_drop_packet(rx, at);
			at = rx->ring->head;
			n = 0;
			*len = 0;
			continue;
		}
		n++;
		*len += frame.len;
		if (!(frame.flags & NS_MOREFRAG))
			return n;
		at = loom_ring_next(at, rx->num_slots);
	}
	return 0;
}

static ssize_t recv_copy(const struct loom_rxring *rx, void *data, size_t cap, size_t *needed)
{
	struct loom_frame frame;
	uint8_t *to = data;
	size_t len, used = 0;
	uint32_t n;

	n = packet_at_head(rx, &len);
	if (needed)
		*needed = len;
	if (n == 0)
		return -EAGAIN;
	if (len > cap)
		return error_set(
		    -EMSGSIZE, "the next packet has %zu bytes, the buffer %zu", len, cap);
	/* The slots may change under us: what is copied is bounded by cap, not by the first look. */
	for (uint32_t i = 0; i < n && loom_recv(rx, &frame) == 1; i++) {
		size_t part = frame.len < cap - used ? frame.len : cap - used;

		memcpy(to + used, frame.data, part);
		used += part;
	}
	return (ssize_t)used;
}

ssize_t loom_recv_copy(const struct loom_rxring *rx, void *data, size_t cap, size_t *needed)
{
	struct loom_sync *entered = port_verb_begin(rx->sync, rx->id, __func__);
	ssize_t len = recv_copy(rx, data, cap, needed);

	if (entered)
		loom_ring_leave(&entered);
	return len;
}

/* ---- forward ---- */

/*
 * Exchange the buffers of the n slots at both heads. A packet keeps its offset, and so does the RX slot,
 * for what comes next. A peer may change an index after it was looked at: whoever uses the slot next
 * checks it again.
 */
static void swap_packet(const struct loom_rxring *rx, const struct loom_txring *tx, uint32_t n)
{
	uint32_t from = rx->ring->head, to = tx->ring->head;

	for (uint32_t i = 0; i < n; i++) {
		struct netmap_slot *in = &rx->ring->slot[from], *out = &tx->ring->slot[to];
		uint64_t word = loom_slot_word(in);
		uint32_t spare = __atomic_load_n(&out->buf_idx, __ATOMIC_RELAXED);
		uint16_t more = (uint16_t)(word >> 48) & NS_MOREFRAG;

		out->buf_idx = (uint32_t)word;
		in->buf_idx = spare;
		if (tx->offset_mask)
			slot_offset_set(out, tx->offset_mask, in->ptr & rx->offset_mask);
		loom_slot_set(out, (uint16_t)(word >> 32), more);
		out->flags |= NS_BUF_CHANGED;
		in->flags |= NS_BUF_CHANGED;
		loom_counters(tx->ring)->bytes += (uint16_t)(word >> 32);
		loom_counters(tx->ring)->fragments += more != 0;
		from = loom_ring_next(from, rx->num_slots);
		to = loom_ring_next(to, tx->num_slots);
	}
	tx->ring->head = to;
}

/* A packet on its way into TX slots that are known to be usable; it spills into as many as it needs. */
struct tx_writer {
	const struct loom_txring *tx;
	uint32_t at;
	uint32_t filled; /* bytes of the slot `at` */
};

static void writer_finish_slot(struct tx_writer *writer, uint16_t flags)
{
	const struct loom_txring *tx = writer->tx;

	loom_slot_set(&tx->ring->slot[writer->at], (uint16_t)writer->filled, flags);
	loom_counters(tx->ring)->bytes += writer->filled;
	loom_counters(tx->ring)->fragments += flags != 0;
	writer->at = loom_ring_next(writer->at, tx->num_slots);
	writer->filled = 0;
}

static void writer_append(struct tx_writer *writer, const uint8_t *data, uint32_t len)
{
	const struct loom_txring *tx = writer->tx;

	while (len > 0) {
		uint32_t room, part;
		uint8_t *to;

		if (writer->filled == tx->frame_max)
			writer_finish_slot(writer, NS_MOREFRAG);
		room = tx->frame_max - writer->filled;
		part = len < room ? len : room;
		to = tx_slot_data(tx, writer->at);
		if (to)
			memcpy(to + writer->filled, data, part);
		writer->filled += part;
		data += part;
		len -= part;
	}
}

/* Copy the packet of n slots at rx's head to as many slots of tx as were found usable for it. */
static void copy_packet(
    const struct loom_rxring *rx, const struct loom_txring *tx, uint32_t n, size_t len)
{
	struct tx_writer writer = {.tx = tx, .at = tx->ring->head};
	uint32_t from = rx->ring->head;
	struct loom_frame frame;

	for (; n > 0; n--) {
		/* The peer may have changed the slot since it was counted: never more than len. */
		if (rx_slot_usable(rx, &rx->ring->slot[from], &frame)) {
			uint32_t part = frame.len < len ? frame.len : (uint32_t)len;

			writer_append(&writer, frame.data, part);
			len -= part;
		}
		from = loom_ring_next(from, rx->num_slots);
	}
	writer_finish_slot(&writer, 0);
	tx->ring->head = writer.at;
}

static unsigned forward(const struct loom_rxring *rx, const struct loom_txring *tx, unsigned n)
{
	bool swap = loom_forward_how(rx, tx) == LOOM_FORWARD_SWAP;
	unsigned packets = 0;
	uint32_t slots;
	size_t len;

	loom_counters(rx->ring)->peeked = 0;
	while ((slots = packet_at_head(rx, &len)) > 0 && slots <= n) {
		uint32_t needs = swap ? slots : slots_for(tx, len);

		if (needs > tx->chain_max) {
			count_drop(tx->sync, LOOM_DROP_OVERSIZED);
		} else {
			if (loom_tx_space(tx) < needs)
				break;
			if (!tx_slots_usable(tx, needs))
				continue;
			if (swap)
				swap_packet(rx, tx, slots);
			else
				copy_packet(rx, tx, slots, len);
			packets++;
		}
		loom_release_counted(*rx, slots);
		rx->ring->head = loom_ring_add(rx->ring->head, slots, rx->num_slots);
		n -= slots;
	}
	return packets;
}

unsigned loom_forward(const struct loom_rxring *rx, const struct loom_txring *tx, unsigned n)
{
	struct loom_sync *from = port_verb_begin(rx->sync, rx->id, __func__);
	struct loom_sync *to = port_verb_begin(tx->sync, tx->id, __func__);
	unsigned packets = forward(rx, tx, n);

	if (to)
		loom_ring_leave(&to);
	if (from)
		loom_ring_leave(&from);
	return packets;
}
