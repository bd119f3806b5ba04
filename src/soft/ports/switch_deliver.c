/* SPDX-License-Identifier: BSD-2-Clause */
/* Putting packets into another port's RX ring: one turn at its lock for a batch. */
#include <string.h>
#include <unistd.h>

#include "../soft.h"
#include "switch_table.h"
#include "switch_vnet.h"

#define LOOK_EVERY_NS 100000000u

/* Frames of these lengths are copied by moves of a fixed size. Every buffer holds one. */
#define SHORT_MIN 32u
#define SHORT_MAX 64u

_Static_assert(SHORT_MAX <= SOFT_BUF_MIN, "a short frame must fit the smallest buffer");

typedef uint64_t block __attribute__((vector_size(16), aligned(1), may_alias));

/* First and last 32 bytes, which overlap. */
static inline void copy_short(uint8_t *to, const uint8_t *from, uint32_t len)
{
	const block *first = (const void *)from, *last = (const void *)(from + len);
	block *to_first = (void *)to, *to_last = (void *)(to + len);
	block a = first[0], b = first[1], c = last[-2], d = last[-1];

	to_first[0] = a;
	to_first[1] = b;
	to_last[-2] = c;
	to_last[-1] = d;
}

/* Exactly len bytes: what lies behind a packet in the sender's buffer is not the receiver's to see. */
static inline void copy(uint8_t *to, const uint8_t *from, uint32_t len)
{
	/* The library's memcpy is better from there on. */
	if (len >= SHORT_MIN && len <= SHORT_MAX)
		copy_short(to, from, len);
	else
		memcpy(to, from, len);
}

/*
 * Where a slot's packet goes. The slot may be written by the receiver's program at any time: it is read
 * once. An index outside the memory leads to buffer 0, which nobody reads; the receiver's own check
 * drops the packet.
 */
static inline uint8_t *slot_buffer(
    const struct switch_buffers *buffers, const struct netmap_slot *slot)
{
	uint32_t index = __atomic_load_n(&slot->buf_idx, __ATOMIC_RELAXED);

	if (LOOM_UNLIKELY(index >= buffers->num))
		index = 0;
	return buffers->base + index * buffers->size;
}

/*
 * The same where packets have offsets, for len bytes of a slot. What does not fit behind the slot's
 * own offset goes the way of a bad index.
 */
static uint8_t *slot_space(
    const struct switch_outlet *out, const struct netmap_slot *slot, uint32_t len)
{
	uint64_t offset;

	if (out->offset_mask == 0)
		return slot_buffer(&out->buffers, slot);
	offset = __atomic_load_n(&slot->ptr, __ATOMIC_RELAXED) & out->offset_mask;
	return offset > out->buf_size - len ? out->buffers.base
					    : slot_buffer(&out->buffers, slot) + offset;
}

/*
 * Stored only if they change: in the steady state the line then needs no write. Read once more rather
 * than kept: what the program makes of them meanwhile is its own affair.
 */
static inline void slot_finish(struct netmap_slot *slot, uint32_t len, uint16_t flags)
{
	if (LOOM_UNLIKELY(loom_slot_word(slot) >> 32 != (len | (uint32_t)flags << 16))) {
		slot->len = (uint16_t)len;
		slot->flags = flags;
	}
}

typedef void copy_fn(uint8_t *to, const uint8_t *from, uint32_t len);

static inline __attribute__((always_inline)) void slot_put(const struct switch_buffers *buffers,
    struct netmap_slot *slot, const uint8_t *data, uint32_t len, uint16_t flags, copy_fn *copy_by)
{
	copy_by(slot_buffer(buffers, slot), data, len);
	slot_finish(slot, len, flags);
}

static inline void outlet_advance(struct switch_outlet *out, uint32_t n)
{
	out->at = loom_ring_add(out->at, n, out->num_slots);
	out->room -= n;
}

/* An ordinary packet, for a ring without offsets. */
static inline void put_plain(struct switch_outlet *out, const uint8_t *data, uint32_t len)
{
	slot_put(&out->buffers, &out->slots[out->at], data, len, 1u << NS_PORT_SHIFT, copy);
	outlet_advance(out, 1);
}

/* A packet's bytes, taken piece by piece. */
struct reader {
	const struct switch_piece *piece;
	uint32_t used; /* bytes of *piece */
};

static void read_bytes(struct reader *reader, uint8_t *to, uint32_t len)
{
	while (len > 0) {
		uint32_t left = reader->piece->len - reader->used;
		uint32_t part = left < len ? left : len;

		memcpy(to, reader->piece->data + reader->used, part);
		to += part;
		len -= part;
		reader->used += part;
		if (reader->used == reader->piece->len) {
			reader->piece++;
			reader->used = 0;
		}
	}
}

static void put_spread(
    struct switch_outlet *out, const struct switch_piece *pieces, uint32_t total, uint32_t slots)
{
	struct reader reader = {.piece = pieces};

	for (uint32_t i = 0; i < slots; i++) {
		struct netmap_slot *slot = &out->slots[out->at];
		uint32_t part = total < out->slot_max ? total : out->slot_max;
		uint16_t more = i + 1 < slots ? NS_MOREFRAG : 0;

		read_bytes(&reader, slot_space(out, slot, part), part);
		slot_finish(slot, part, (uint16_t)(slots << NS_PORT_SHIFT | more));
		outlet_advance(out, 1);
		total -= part;
	}
}

static void put_each(struct switch_outlet *out, const struct switch_piece *pieces, uint32_t n)
{
	for (uint32_t i = 0; i < n; i++) {
		struct netmap_slot *slot = &out->slots[out->at];
		uint16_t more = i + 1 < n ? NS_MOREFRAG : 0;

		copy(slot_space(out, slot, pieces[i].len), pieces[i].data, pieces[i].len);
		slot_finish(slot, pieces[i].len, (uint16_t)(n << NS_PORT_SHIFT | more));
		outlet_advance(out, 1);
	}
}

void switch_outlet_put(struct switch_outlet *out, const struct switch_piece *pieces, uint32_t n)
{
	uint32_t total = 0, largest = 0, slots;

	for (uint32_t i = 0; i < n; i++) {
		total += pieces[i].len;
		largest = pieces[i].len > largest ? pieces[i].len : largest;
	}
	slots = largest <= out->slot_max ? n : (total + out->slot_max - 1) / out->slot_max;
	/* Who asked for offsets is told to expect frames in parts. */
	if (slots > NETMAP_MAX_FRAGS ||
	    (n == 1 && slots > 1 && !pieces[0].indirect && out->offset_mask == 0)) {
		out->oversized++;
		return;
	}
	if (slots > out->room) {
		out->no_room++;
		return;
	}
	if (largest <= out->slot_max)
		put_each(out, pieces, n);
	else
		put_spread(out, pieces, total, slots);
	out->packets++;
}

void switch_outlet_put_joined(
    struct switch_outlet *out, const struct switch_piece *pieces, uint32_t n)
{
	uint32_t total = 0, slots;

	for (uint32_t i = 0; i < n; i++)
		total += pieces[i].len;
	slots = (total + out->slot_max - 1) / out->slot_max;
	if (slots > NETMAP_MAX_FRAGS) {
		out->oversized++;
	} else if (slots > out->room) {
		out->no_room++;
	} else {
		put_spread(out, pieces, total, slots);
		out->packets++;
	}
}

static inline void put(struct switch_outlet *out, const struct switch_piece *piece)
{
	if (LOOM_UNLIKELY(piece->pieces > 1 || piece->len > out->plain_max)) {
		switch_outlet_put(out, piece, piece->pieces);
	} else if (LOOM_UNLIKELY(out->room == 0)) {
		out->no_room++;
	} else {
		put_plain(out, piece->data, piece->len);
		out->packets++;
	}
}

/* ---- a turn ---- */

/* The queues' next packet in the order of sending; NULL: none left. */
static inline const struct switch_piece *next_packet(
    const struct switch_tx *tx, struct switch_queue *direct, struct switch_queue *flood)
{
	/* SWITCH_NONE is above every position. */
	struct switch_queue *from = direct->first <= flood->first ? direct : flood;
	const struct switch_piece *piece;

	if (from->first == SWITCH_NONE)
		return NULL;
	piece = &tx->pieces[from->first];
	from->first = piece->next;
	return piece;
}

static uint64_t count_packets(
    const struct switch_tx *tx, struct switch_queue direct, struct switch_queue flood)
{
	uint64_t n = 0;

	while (next_packet(tx, &direct, &flood))
		n++;
	return n;
}

/*
 * Whether slots and buffers are still that port's: it may have closed since the snapshot. One that was
 * killed shows by its area, if somebody else took that; within the turn in which that happens, no more.
 */
static inline bool is_still_there(const struct switch_target_ring *to)
{
	return !__atomic_load_n(&to->inbox->closed, __ATOMIC_RELAXED) &&
	       __atomic_load_n(to->area, __ATOMIC_RELAXED) == to->generation;
}

/* The receiver may write what it likes there: room is believed up to the size of a buffer. */
static bool outlet_offsets(struct switch_outlet *out)
{
	uint32_t room = __atomic_load_n(&out->inbox->offset_room, __ATOMIC_RELAXED);

	out->plain_max = 0;
	if (room > 0 && room < out->slot_max)
		out->slot_max = room;
	return room > 0;
}

/* How much of the ring is free. Both indexes may be nonsense: what follows stays inside the ring anyway. */
static void outlet_begin(
    struct switch_outlet *out, const struct switch_target *target, uint32_t ring)
{
	const struct switch_target_ring *to = &target->rings[ring];
	struct exchange *x = &to->inbox->exchange;
	uint32_t n = target->shape.rx_slots, published, released;

	/* The lock's last owner stored it before giving the lock; only its holder writes it. */
	published = __atomic_load_n(&x->sender.published, __ATOMIC_RELAXED);
	/* Pairs with the store in exchange_rxsync(): the receiver is done with the slots before it. */
	released = __atomic_load_n(&x->receiver.released, __ATOMIC_ACQUIRE);
	/* Member by member: gcc clears a whole struct with a slow "rep stos" first. */
	out->inbox = to->inbox;
	out->slots = to->slots;
	out->buffers.base = target->buffers;
	out->buffers.size = out->buf_size = out->slot_max = out->plain_max = target->buf_size;
	out->buffers.num = target->num_bufs;
	out->num_slots = n;
	out->offset_mask = __atomic_load_n(&to->inbox->offset_mask, __ATOMIC_RELAXED);
	out->start = out->at = out->room = 0;
	out->packets = out->no_room = out->oversized = out->refused = 0;
	if (LOOM_UNLIKELY(published >= n || released >= n || !is_still_there(to)))
		return; /* no room */
	if (LOOM_UNLIKELY(out->offset_mask) && !outlet_offsets(out))
		return;
	out->start = out->at = published;
	out->room = n - 1 - loom_ring_distance(released, published, n);
}

static void outlet_count_drops(struct switch_outlet *out)
{
	if (out->no_room)
		switch_inbox_drop(out->inbox, LOOM_DROP_NO_ROOM, out->no_room);
	if (out->oversized)
		switch_inbox_drop(out->inbox, LOOM_DROP_OVERSIZED, out->oversized);
	if (out->refused)
		switch_inbox_drop(out->inbox, LOOM_DROP_REFUSED, out->refused);
}

/*
 * Show the receiver what was put. If the lock was taken from us meanwhile (this process stood still
 * for a second), the slots may be somebody else's: then nothing is shown.
 */
static bool outlet_publish(struct switch_outlet *out, uint32_t id)
{
	uint32_t *published = &out->inbox->exchange.sender.published, expected = out->start;

	if (out->at == out->start)
		return false;
	/*
	 * Releases slots and payload to the acquire of `published` in exchange_rxsync(); stronger than
	 * that for the look at `waiting` in wake_receiver(), which see.
	 */
	if (robust_lock_is_mine(&out->inbox->lock, id) &&
	    __atomic_compare_exchange_n(
		published, &expected, out->at, false, __ATOMIC_SEQ_CST, __ATOMIC_RELAXED))
		return true;
	out->no_room += out->packets;
	return false;
}

static int wake_open(const struct switch_tx *tx, const struct switch_target *target, uint32_t ring)
{
	const struct share *share = &tx->port->share;
	char name[NAME_MAX + 32];

	switch_wake_name(share, target->number, target->generation, ring, name);
	return os_wake_open(share->dirfd, name);
}

/* Its wakeup, opened once; other TX rings of this process may open it at the same time. */
static int wake_descriptor(const struct switch_tx *tx, struct switch_target *target, uint32_t ring)
{
	int *wake = &target->rings[ring].wake;
	int fd = __atomic_load_n(wake, __ATOMIC_ACQUIRE), none = -1;

	if (fd >= 0)
		return fd;
	fd = wake_open(tx, target, ring);
	if (fd < 0 ||
	    __atomic_compare_exchange_n(wake, &none, fd, false, __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE))
		return fd;
	close(fd);
	return none;
}

/*
 * Sequentially consistent, like the store of `published` before it and both accesses in
 * exchange_arm(): either we see the sleeper's mark, or its second look sees what we published.
 */
static void wake_receiver(struct switch_tx *tx, struct switch_target *target, uint32_t ring)
{
	uint32_t *waiting = &target->rings[ring].inbox->exchange.receiver.waiting;
	int fd;

	if (!__atomic_load_n(waiting, __ATOMIC_SEQ_CST) ||
	    !__atomic_exchange_n(waiting, 0, __ATOMIC_SEQ_CST))
		return;
	fd = wake_descriptor(tx, target, ring);
	if (fd < 0) {
		/* Out of descriptors: leave the mark, so that the next packet tries again. */
		__atomic_store_n(waiting, 1, __ATOMIC_SEQ_CST);
		return;
	}
	os_wake_signal(fd);
	tx->ring->common.stats.wakeups++;
}

/*
 * A destination that stays full may have been killed. Its place is then given up, which all senders
 * will see; if the directory is busy, next time.
 */
static void look_for_death(struct switch_tx *tx, const struct switch_target *target)
{
	const struct share *share = &tx->port->share;
	struct switch_table *table = tx->port->view->table;
	uint64_t now = os_now_ns();

	if (now - tx->looked_ns < LOOK_EVERY_NS)
		return;
	tx->looked_ns = now;
	if (share_end_held(share, target->number - 1) != 0 ||
	    os_directory_lock(share->dirfd, 0) != 0)
		return;
	if (switch_table_generation(table, target->number) == target->generation &&
	    share_end_held(share, target->number - 1) == 0) {
		switch_table_leave(share, table, target->number);
		share_sweep(share); /* its region, if nobody else is in there */
	}
	os_directory_unlock(share->dirfd);
}

/* The end of a turn: what was put is shown, what was dropped is counted, whoever sleeps is woken. */
static void outlet_end(
    struct switch_outlet *out, struct switch_tx *tx, struct switch_target *target, uint32_t ring)
{
	bool news = outlet_publish(out, tx->locker.user.id);

	robust_lock_give(&out->inbox->lock, tx->locker.user.id);
	if (LOOM_UNLIKELY(out->no_room | out->oversized | out->refused))
		outlet_count_drops(out);
	if (news)
		wake_receiver(tx, target, ring);
	if (LOOM_UNLIKELY(out->no_room))
		look_for_death(tx, target);
}

void switch_deliver(struct switch_tx *tx, struct switch_target *target, uint32_t ring,
    struct switch_queue direct, struct switch_queue flood)
{
	struct switch_inbox *inbox = target->rings[ring].inbox;
	uint32_t header_len = switch_table_header(tx->port->view->table, target->number);
	const struct switch_piece *piece;
	struct switch_outlet out;

	if (robust_lock_take(&inbox->lock, &tx->locker.user) != 0) {
		switch_inbox_drop(inbox, LOOM_DROP_NO_ROOM, count_packets(tx, direct, flood));
		return;
	}
	outlet_begin(&out, target, ring);
	while ((piece = next_packet(tx, &direct, &flood))) {
		if (LOOM_UNLIKELY(header_len != tx->source.header_len))
			switch_vnet_put(&out, tx, piece, header_len);
		else
			put(&out, piece);
	}
	outlet_end(&out, tx, target, ring);
}

/* ---- a run: no queue, one pass ---- */

/*
 * Put up to n slots in a row, from a TX ring into an RX ring, as long as they are ordinary and their frames of
 * one flow; returns how many. What the loop looks at are copies that no store can change, so that they can
 * live in registers.
 */
static inline __attribute__((always_inline)) uint32_t stretch_put(struct switch_source source,
    struct switch_flow flow, struct switch_buffers buffers, struct netmap_slot *from,
    struct netmap_slot *to, uint32_t n, copy_fn *copy_by)
{
	struct netmap_slot *end = from + n;
	const uint8_t *data;
	uint32_t len;

	for (; from != end; from++, to++) {
		if (!switch_source_take(&source, from, &data, &len) ||
		    !switch_flow_is(&flow, data + source.header_len))
			break;
		slot_put(&buffers, to, data, len, 1u << NS_PORT_SHIFT, copy_by);
	}
	return n - (uint32_t)(end - from);
}

/*
 * Short frames without headers: no call in the loop, and nothing that varies from sender to sender, so that
 * all of it fits the registers. Not inlined for the same reason.
 */
static __attribute__((noinline)) uint32_t stretch_put_short(const struct switch_source *source,
    const struct switch_flow *flow, const struct switch_buffers *buffers, struct netmap_slot *from,
    struct netmap_slot *to, uint32_t n)
{
	const struct switch_source shorter = {.buffers = source->buffers,
	    .unusual = source->unusual,
	    .buf_size = source->buf_size,
	    .shortest = SHORT_MIN,
	    .longest = SHORT_MAX};

	return stretch_put(shorter, *flow, *buffers, from, to, n, copy_short);
}

static __attribute__((noinline)) uint32_t stretch_put_any(const struct switch_source *source,
    const struct switch_flow *flow, const struct switch_buffers *buffers, struct netmap_slot *from,
    struct netmap_slot *to, uint32_t n)
{
	return stretch_put(*source, *flow, *buffers, from, to, n, copy);
}

/* How many slots follow each other without a wrap, at the source and in the outlet: n at most. */
static uint32_t stretch_length(
    const struct switch_source *source, uint32_t at, const struct switch_outlet *out, uint32_t n)
{
	uint32_t from = (at <= source->end ? source->end : source->num_slots) - at;
	uint32_t to = out->num_slots - out->at;

	to = to < out->room ? to : out->room;
	n = n < from ? n : from;
	return n < to ? n : to;
}

/* There is no room: how many more frames of the flow are lost, n at most. */
static uint32_t run_drop(
    const struct switch_source *source, uint32_t at, const struct switch_flow *flow, uint32_t n)
{
	const uint8_t *data;
	uint32_t len, dropped = 0;

	for (; at != source->end && dropped < n; dropped++) {
		if (!switch_source_take(source, &source->slots[at], &data, &len) ||
		    !switch_flow_is(flow, data + source->header_len))
			break;
		at = loom_ring_next(at, source->num_slots);
	}
	return dropped;
}

/* The next n slots, which do not wrap: short frames first, most often that is all. */
static uint32_t run_put_stretch(const struct switch_outlet *out, const struct switch_source *source,
    uint32_t at, const struct switch_flow *flow, uint32_t n)
{
	struct netmap_slot *from = &source->slots[at], *to = &out->slots[out->at];
	uint32_t put = 0;

	if (source->header_len == 0)
		put = stretch_put_short(source, flow, &out->buffers, from, to, n);
	if (put < n)
		put += stretch_put_any(source, flow, &out->buffers, from + put, to + put, n - put);
	return put;
}

/* Put frames with these addresses; returns the place of the first slot that was left. */
static uint32_t run_put(struct switch_outlet *out, const struct switch_source *source, uint32_t at,
    const struct switch_flow *flow)
{
	uint32_t left = SWITCH_BATCH, n, put;

	do {
		n = stretch_length(source, at, out, left);
		put = run_put_stretch(out, source, at, flow, n);
		at = loom_ring_add(at, put, source->num_slots);
		outlet_advance(out, put);
		left -= put;
	} while (put == n && n > 0);
	out->packets = SWITCH_BATCH - left;
	if (LOOM_UNLIKELY(out->room == 0)) {
		out->no_room = run_drop(source, at, flow, left);
		at = loom_ring_add(at, (uint32_t)out->no_room, source->num_slots);
	}
	return at;
}

uint32_t switch_deliver_run(
    struct switch_tx *tx, struct switch_target *target, uint32_t ring, uint32_t at)
{
	struct switch_source *source = &tx->source;
	struct switch_outlet out;
	struct switch_flow flow;
	const uint8_t *data;
	uint32_t len;

	if (!switch_source_take(source, &source->slots[at], &data, &len) ||
	    robust_lock_take(&target->rings[ring].inbox->lock, &tx->locker.user) != 0)
		return at;
	flow = switch_flow_of(data + source->header_len);
	outlet_begin(&out, target, ring);
	source->longest = out.plain_max;
	if (out.plain_max > 0) /* else every packet takes the careful way */
		at = run_put(&out, source, at, &flow);
	outlet_end(&out, tx, target, ring);
	return at;
}
