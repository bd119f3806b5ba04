/* SPDX-License-Identifier: BSD-2-Clause */
/* Putting packets into another port's RX ring: one turn at its lock for a batch. */
#include <string.h>
#include <unistd.h>

#include "switch_table.h"
#include "switch_vnet.h"

#define LOOK_EVERY_NS 100000000u

typedef uint64_t block __attribute__((vector_size(16), aligned(1), may_alias));

/* Exactly len bytes: what lies behind a packet in the sender's buffer is not the receiver's to see. */
static inline void copy(uint8_t *to, const uint8_t *from, uint32_t len)
{
	/* Overlapping moves of a fixed size; the library's memcpy is better from there on. */
	if (len >= 32 && len <= 64) {
		const block *first = (const void *)from, *last = (const void *)(from + len - 32);
		block *to_first = (void *)to, *to_last = (void *)(to + len - 32);
		block a = first[0], b = first[1], c = last[0], d = last[1];

		to_first[0] = a;
		to_first[1] = b;
		to_last[0] = c;
		to_last[1] = d;
	} else {
		memcpy(to, from, len);
	}
}

/*
 * Where a slot's packet goes. The slot may be written by the receiver's program at any time: it is read
 * once. An index outside the memory leads to buffer 0, which nobody reads; the receiver's own check
 * drops the packet.
 */
static inline uint8_t *slot_buffer(const struct switch_outlet *out, uint64_t word)
{
	uint32_t index = (uint32_t)word;

	if (LOOM_UNLIKELY(index >= out->num_bufs))
		index = 0;
	return out->buffers + (size_t)index * out->buf_size;
}

/*
 * The same where packets have offsets, for len bytes of the slot at out->at. What does not fit behind
 * the slot's own offset goes the way of a bad index.
 */
static uint8_t *slot_space(const struct switch_outlet *out, uint64_t word, uint32_t len)
{
	uint64_t offset;

	if (out->offset_mask == 0)
		return slot_buffer(out, word);
	offset = __atomic_load_n(&out->slots[out->at].ptr, __ATOMIC_RELAXED) & out->offset_mask;
	return offset > out->buf_size - len ? out->buffers : slot_buffer(out, word) + offset;
}

/* Stored only if they change: in the steady state the line then needs no write. */
static inline void slot_finish(
    struct switch_outlet *out, uint64_t word, uint32_t len, uint16_t flags)
{
	struct netmap_slot *slot = &out->slots[out->at];

	if (LOOM_UNLIKELY(word >> 32 != (len | (uint32_t)flags << 16))) {
		slot->len = (uint16_t)len;
		slot->flags = flags;
	}
	out->at = loom_ring_next(out->at, out->num_slots);
	out->room--;
}

/* An ordinary packet, for a ring without offsets. */
static inline void put_plain(struct switch_outlet *out, const uint8_t *data, uint32_t len)
{
	uint64_t word = loom_slot_word(&out->slots[out->at]);

	copy(slot_buffer(out, word), data, len);
	slot_finish(out, word, len, 1u << NS_PORT_SHIFT);
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
		uint64_t word = loom_slot_word(&out->slots[out->at]);
		uint32_t part = total < out->slot_max ? total : out->slot_max;
		uint16_t more = i + 1 < slots ? NS_MOREFRAG : 0;

		read_bytes(&reader, slot_space(out, word, part), part);
		slot_finish(out, word, part, (uint16_t)(slots << NS_PORT_SHIFT | more));
		total -= part;
	}
}

static void put_each(struct switch_outlet *out, const struct switch_piece *pieces, uint32_t n)
{
	for (uint32_t i = 0; i < n; i++) {
		uint64_t word = loom_slot_word(&out->slots[out->at]);
		uint16_t more = i + 1 < n ? NS_MOREFRAG : 0;

		copy(slot_space(out, word, pieces[i].len), pieces[i].data, pieces[i].len);
		slot_finish(out, word, pieces[i].len, (uint16_t)(n << NS_PORT_SHIFT | more));
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
	*out = (struct switch_outlet){
	    .inbox = to->inbox,
	    .slots = to->slots,
	    .buffers = target->buffers,
	    .buf_size = target->buf_size,
	    .num_bufs = target->num_bufs,
	    .num_slots = n,
	    .offset_mask = __atomic_load_n(&to->inbox->offset_mask, __ATOMIC_RELAXED),
	    .slot_max = target->buf_size,
	    .plain_max = target->buf_size,
	};
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
		if (LOOM_UNLIKELY(header_len != tx->header_len))
			switch_vnet_put(&out, tx, piece, header_len);
		else
			put(&out, piece);
	}
	outlet_end(&out, tx, target, ring);
}

/* ---- a run: no queue, one pass ---- */

/* Put frames with the addresses of the first; returns the place of the first slot that was left. */
static uint32_t run_put(struct switch_outlet *out, const struct switch_source *source, uint32_t at)
{
	struct switch_flow flow = {0};
	uint32_t len, n = 0;
	const uint8_t *data;

	for (; at != source->end && n < SWITCH_BATCH; n++) {
		data = switch_source_slot(source, at, &len);
		if (!data || LOOM_UNLIKELY(len > out->plain_max))
			break;
		if (n == 0)
			flow = switch_flow_of(data + source->header_len);
		else if (!switch_flow_is(&flow, data + source->header_len))
			break;
		if (LOOM_UNLIKELY(out->room == 0))
			out->no_room++;
		else
			put_plain(out, data, len);
		at = loom_ring_next(at, source->num_slots);
	}
	out->packets = n - out->no_room;
	return at;
}

uint32_t switch_deliver_run(
    struct switch_tx *tx, struct switch_target *target, uint32_t ring, uint32_t at)
{
	const struct switch_source source = switch_source_of(tx);
	struct switch_outlet out;

	if (robust_lock_take(&target->rings[ring].inbox->lock, &tx->locker.user) != 0)
		return at;
	outlet_begin(&out, target, ring);
	at = run_put(&out, &source, at);
	outlet_end(&out, tx, target, ring);
	return at;
}
