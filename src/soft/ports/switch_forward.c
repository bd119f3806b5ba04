/* SPDX-License-Identifier: BSD-2-Clause */
/* Collecting the packets of a TX ring, learning where addresses live, sorting by destination. */
#include "switch_forward.h"

#include <stdlib.h>
#include <string.h>

#include "../../os/safe_copy.h"
#include "switch_table.h"

#define MAC_BITS 0xffffffffffffull

/* Where a packet goes: the number of a queue, or one of these. */
#define ROUTE_FLOOD   0x10000u
#define ROUTE_NOWHERE 0x10001u

/* Packets to one place in a row that are worth a turn at its lock of their own. */
#define RUN_MIN 32u

static const struct switch_queue no_packets = {SWITCH_NONE, SWITCH_NONE};

/* ---- owners of locks ---- */

/* In a lock: the port, who of it, and as much of the generation as there is room for. */
static uint32_t lock_id(uint32_t number, uint32_t locker, uint32_t generation)
{
	return (number | locker << 8 | generation << 13) & ~ROBUST_LOCK_ASLEEP;
}

_Static_assert(SWITCH_LOCKERS <= 1u << (13 - 8), "a locker's number has no room in a lock");

static bool owner_alive(const struct robust_lock_user *user, uint32_t owner)
{
	const struct switch_locker *locker = (const struct switch_locker *)(const void *)user;
	const struct switch_port *port = locker->port;
	uint32_t number = owner & 0xff;
	uint32_t generation = switch_table_generation(port->view->table, number);

	if (!switch_is_live(generation) ||
	    owner != lock_id(number, (owner >> 8) % SWITCH_LOCKERS, generation))
		return false;
	return number == port->number || share_end_held(&port->share, number - 1) != 0;
}

void switch_locker_init(struct switch_locker *locker, struct switch_port *port, uint32_t number)
{
	locker->port = port;
	locker->user.id = lock_id(port->number, number, port->own->generation);
	locker->user.alive = owner_alive;
}

/* All bits from the highest one of `least` on: what is smaller has none of them. */
static uint64_t bits_from(uint32_t least)
{
	return ~((1ull << (31 - __builtin_clz(least))) - 1);
}

static uint64_t unusual_bits(const struct region *region)
{
	uint64_t index = bits_from(region->num_bufs - REGION_FIRST_BUFFER) & 0xffffffffu;
	uint64_t len = bits_from(region->buf_size) & 0xffffu;

	return index | len << 32 | (uint64_t)UINT16_MAX << 48;
}

static void source_init(struct switch_source *source, const struct ring *ring)
{
	const struct region *region = ring->port->region;

	*source = (struct switch_source){.slots = ring->common.ring->slot,
	    .buffers = region_buffer(region, REGION_FIRST_BUFFER),
	    .buf_size = region->buf_size,
	    .num_slots = ring->num_slots};
}

void switch_tx_init(struct switch_tx *tx, struct switch_port *port, struct ring *ring)
{
	tx->port = port;
	tx->ring = ring;
	tx->macs = port->view->table->macs;
	tx->number = port->number;
	tx->unusual = unusual_bits(ring->port->region);
	source_init(&tx->source, ring);
	switch_locker_init(&tx->locker, port, ring->index);
	tx->flood = no_packets;
	for (uint32_t i = 0; i < SWITCH_NUMBERS * SWITCH_RINGS; i++)
		tx->queues[i] = no_packets;
	ring->state = tx;
}

void switch_tx_close(struct switch_tx *tx)
{
	switch_snapshot_clear(&tx->snapshot, tx->port->view);
	free(tx->arena);
	free(tx->scratch);
}

/* ---- where to ---- */

/* Six bytes as a number; which way round does not matter, the table is this machine's own. */
static inline uint64_t mac_of(const uint8_t *at)
{
	uint32_t high;
	uint16_t low;

	memcpy(&high, at, sizeof high);
	memcpy(&low, at + sizeof high, sizeof low);
	return (uint64_t)high << 16 | low;
}

static inline uint64_t *mac_entry(const struct switch_tx *tx, uint64_t mac)
{
	/* Multiplicative hashing: the top bits depend on all bits of the address. */
	return &tx->macs[mac * 0x9e3779b97f4a7c15ull >> 54];
}

_Static_assert(SWITCH_MACS == 1u << (64 - 54), "mac_entry() takes as many bits as the table has");

/* Stored only when it changes, so that the line can stay in the caches of all senders. */
static inline void learn(const struct switch_tx *tx, uint64_t mac)
{
	uint64_t *entry = mac_entry(tx, mac), is = mac | (uint64_t)tx->number << 48;

	if (LOOM_UNLIKELY(__atomic_load_n(entry, __ATOMIC_RELAXED) != is))
		__atomic_store_n(entry, is, __ATOMIC_RELAXED);
}

static inline uint32_t route_to(const struct switch_tx *tx, uint32_t number, uint32_t vacant)
{
	uint32_t ring = tx->ring->index, rings = tx->snapshot.rings[number];

	if (number == tx->number)
		return ROUTE_NOWHERE;
	if (rings == 0)
		return vacant;
	if (LOOM_UNLIKELY(ring >= rings))
		ring %= rings;
	return number * SWITCH_RINGS + ring;
}

static inline uint32_t route(const struct switch_tx *tx, const uint8_t *frame)
{
	uint64_t to = mac_of(frame), entry;

	if (frame[0] & 1)
		return ROUTE_FLOOD;
	entry = __atomic_load_n(mac_entry(tx, to), __ATOMIC_RELAXED);
	if ((entry & MAC_BITS) != to || entry == 0)
		return ROUTE_FLOOD;
	return route_to(tx, entry >> 48 & 0xff, ROUTE_FLOOD);
}

static inline uint32_t learn_and_route(const struct switch_tx *tx, const uint8_t *frame)
{
	if (!(frame[6] & 1))
		learn(tx, mac_of(frame + 6));
	return route(tx, frame);
}

static uint32_t route_unusual(const struct switch_tx *tx, const uint8_t *frame, uint16_t flags)
{
	uint32_t forced = flags >> NS_PORT_SHIFT;

	if (!(flags & NS_NO_LEARN) && !(frame[6] & 1))
		learn(tx, mac_of(frame + 6));
	return forced ? route_to(tx, forced, ROUTE_NOWHERE) : route(tx, frame);
}

/* ---- sorting ---- */

static inline void queue_append(struct switch_tx *tx, struct switch_queue *queue, uint32_t packet)
{
	if (queue->first == SWITCH_NONE)
		queue->first = (uint16_t)packet;
	else
		tx->pieces[queue->last].next = (uint16_t)packet;
	queue->last = (uint16_t)packet;
}

/* The packet's pieces stand from tx->num_pieces on. */
static inline void packet_append(struct switch_tx *tx, uint32_t pieces, uint32_t where)
{
	uint32_t packet = tx->num_pieces;
	struct switch_queue *queue;

	tx->pieces[packet].pieces = (uint16_t)pieces;
	tx->pieces[packet].next = SWITCH_NONE;
	tx->num_pieces += pieces;
	if (LOOM_UNLIKELY(where >= ROUTE_FLOOD)) {
		if (where == ROUTE_FLOOD)
			queue_append(tx, &tx->flood, packet);
		return;
	}
	queue = &tx->queues[where];
	if (queue->first == SWITCH_NONE)
		tx->used[tx->num_used++] = (uint16_t)where;
	queue_append(tx, queue, packet);
}

static void flood_deliver(struct switch_tx *tx)
{
	for (uint32_t i = 0; i < tx->snapshot.num_others; i++) {
		uint32_t number = tx->snapshot.others[i];
		struct switch_queue *direct = &tx->queues[(size_t)number * SWITCH_RINGS];

		switch_deliver(tx, tx->snapshot.targets[number], 0, *direct, tx->flood);
		*direct = no_packets;
	}
	tx->flood = no_packets;
}

static void batch_deliver(struct switch_tx *tx)
{
	tx->steady = tx->flood.first == SWITCH_NONE
			 ? tx->num_used == 1
			 : tx->num_used == 0 && tx->snapshot.num_others == 1;
	if (tx->flood.first != SWITCH_NONE)
		flood_deliver(tx);
	for (uint32_t i = 0; i < tx->num_used; i++) {
		uint32_t where = tx->used[i];
		struct switch_queue *direct = &tx->queues[where];

		if (direct->first == SWITCH_NONE)
			continue; /* went with the flood */
		switch_deliver(tx, tx->snapshot.targets[where / SWITCH_RINGS], where % SWITCH_RINGS,
		    *direct, no_packets);
		*direct = no_packets;
	}
	tx->num_used = 0;
	tx->num_pieces = 0;
	tx->arena_used = 0;
}

/* ---- collecting: packets of several slots, and other unusual ones ---- */

enum taken { TAKEN, TAKEN_BAD, TAKEN_NO_SPACE };

static bool arena_make(struct switch_tx *tx)
{
	if (!tx->arena)
		tx->arena = malloc(SWITCH_ARENA);
	return tx->arena;
}

/* A payload somewhere in the program's memory: copied now, for it may change or vanish. */
static enum taken take_indirect(
    struct switch_tx *tx, const struct netmap_slot *slot, struct switch_piece *piece)
{
	const void *from = (const void *)(uintptr_t)slot->ptr;

	if (ring_offset_mask(tx->ring)) { /* ptr is no address */
		ring_drop(tx->ring, LOOM_DROP_BAD_INDEX, 1);
		return TAKEN_BAD;
	}
	if (!arena_make(tx))
		return TAKEN_BAD;
	if (piece->len > SWITCH_ARENA - tx->arena_used)
		return TAKEN_NO_SPACE;
	piece->data = tx->arena + tx->arena_used;
	piece->indirect = 1;
	if (!os_safe_copy(tx->arena + tx->arena_used, from, piece->len)) {
		ring_drop(tx->ring, LOOM_DROP_BAD_INDEX, 1);
		return TAKEN_BAD;
	}
	tx->arena_used += piece->len;
	return TAKEN;
}

static enum taken take_slot(struct switch_tx *tx, uint32_t at, struct switch_piece *piece)
{
	const struct netmap_slot *slot = &tx->ring->common.ring->slot[at];
	uint64_t word = loom_slot_word(slot);
	uint32_t len;
	uint16_t flags = (uint16_t)(word >> 48);

	*piece = (struct switch_piece){.len = (uint16_t)(word >> 32)};
	if (flags & NS_INDIRECT)
		return take_indirect(tx, slot, piece);
	piece->data = ring_slot_data(tx->ring, at, &len, &flags);
	piece->len = (uint16_t)len;
	return piece->data ? TAKEN : TAKEN_BAD;
}

/* The Ethernet addresses of a packet, wherever its pieces are cut; NULL: it is too short. */
static const uint8_t *addresses(
    const struct switch_tx *tx, uint32_t pieces, uint8_t gathered[SWITCH_FRAME_MIN])
{
	const struct switch_piece *piece = &tx->pieces[tx->num_pieces];
	uint32_t skip = tx->source.header_len, have = 0;

	if (piece->len >= skip + SWITCH_FRAME_MIN)
		return piece->data + skip;
	for (; pieces > 0 && have < SWITCH_FRAME_MIN; piece++, pieces--) {
		uint32_t from = skip < piece->len ? skip : piece->len;
		uint32_t part = piece->len - from;

		part = part < SWITCH_FRAME_MIN - have ? part : SWITCH_FRAME_MIN - have;
		memcpy(gathered + have, piece->data + from, part);
		skip -= from;
		have += part;
	}
	return have == SWITCH_FRAME_MIN ? gathered : NULL;
}

static enum taken packet_route(struct switch_tx *tx, uint32_t pieces, uint16_t flags)
{
	uint8_t gathered[SWITCH_FRAME_MIN];
	const uint8_t *frame = addresses(tx, pieces, gathered);

	if (!frame) {
		ring_drop(tx->ring, LOOM_DROP_BAD_LENGTH, 1);
		return TAKEN_BAD;
	}
	packet_append(tx, pieces, route_unusual(tx, frame, flags));
	return TAKEN;
}

/* Slots of the packet at `at`; 0: its last one has not come. */
static uint32_t packet_slots(const struct ring *r, uint32_t at)
{
	for (uint32_t n = 1; at != r->rhead; n++) {
		if (!(loom_slot_word(&r->common.ring->slot[at]) >> 48 & NS_MOREFRAG))
			return n;
		at = ring_next(r, at);
	}
	return 0;
}

/*
 * A packet whose end has not come waits for it, unless that cannot come any more for lack of slots: then
 * it is dropped, with what will follow of it.
 */
static uint32_t incomplete(struct switch_tx *tx, uint32_t at)
{
	const struct ring *r = tx->ring;

	if (!tx->skipping && ring_distance(r, at, r->rhead) + 1 < r->num_slots)
		return at;
	ring_drop(tx->ring, LOOM_DROP_OVERSIZED, !tx->skipping);
	tx->skipping = true;
	return r->rhead;
}

/* Take the packet of n slots at `at`; false if it has to wait for the next batch. */
static bool take_packet(struct switch_tx *tx, uint32_t at, uint32_t n)
{
	uint16_t flags = (uint16_t)(loom_slot_word(&tx->ring->common.ring->slot[at]) >> 48);
	const size_t arena_used = tx->arena_used;
	enum taken taken = TAKEN;

	for (uint32_t i = 0; i < n && taken == TAKEN; i++) {
		taken = take_slot(tx, at, &tx->pieces[tx->num_pieces + i]);
		at = ring_next(tx->ring, at);
	}
	if (taken == TAKEN)
		taken = packet_route(tx, n, flags);
	if (taken == TAKEN)
		return true;
	tx->arena_used = arena_used;
	if (taken == TAKEN_NO_SPACE && arena_used > 0)
		return false;
	if (taken == TAKEN_NO_SPACE)
		ring_drop(tx->ring, LOOM_DROP_OVERSIZED, 1);
	return true;
}

/* The packet at `at`, whatever it is. Returns where the next one is; `at` itself: go no further. */
static uint32_t collect_unusual(struct switch_tx *tx, uint32_t at)
{
	uint32_t n = packet_slots(tx->ring, at);

	if (n == 0)
		return incomplete(tx, at);
	if (tx->skipping)
		tx->skipping = false;
	else if (n > NETMAP_MAX_FRAGS)
		ring_drop(tx->ring, LOOM_DROP_OVERSIZED, 1);
	else if (!take_packet(tx, at, n))
		return at;
	return loom_ring_add(at, n, tx->ring->num_slots);
}

/* ---- collecting ---- */

/* Take ordinary packets from `at` on, up to the first one that is not; returns its place. */
static uint32_t collect_ordinary(struct switch_tx *tx, uint32_t at)
{
	struct switch_source source = tx->source;
	struct switch_flow flow = {0};
	uint32_t where = ROUTE_NOWHERE, len;
	bool known = false;
	const uint8_t *data, *frame;

	source.longest = UINT16_MAX;
	while (at != source.end && tx->num_pieces < SWITCH_BATCH) {
		if (!switch_source_take(&source, &source.slots[at], &data, &len))
			break;
		frame = data + source.header_len;
		/* Most frames follow one like them. */
		if (!known || !switch_flow_is(&flow, frame)) {
			flow = switch_flow_of(frame);
			where = learn_and_route(tx, frame);
			known = true;
		}
		tx->pieces[tx->num_pieces] =
		    (struct switch_piece){.data = data, .len = (uint16_t)len};
		packet_append(tx, 1, where);
		at = loom_ring_next(at, source.num_slots);
	}
	return at;
}

/* Fill a batch from `at` on; returns where the next one begins. */
static uint32_t collect(struct switch_tx *tx, uint32_t at)
{
	while (at != tx->ring->rhead && tx->num_pieces < SWITCH_BATCH) {
		uint32_t next = tx->skipping ? at : collect_ordinary(tx, at);

		if (next == at)
			next = collect_unusual(tx, at);
		if (next == at)
			break;
		at = next;
	}
	return at;
}

/* Where the frame at `at` goes, if that is one RX ring with headers of the same length. */
static uint32_t run_route(struct switch_tx *tx, uint32_t at)
{
	struct switch_source *source = &tx->source;
	uint32_t len, where, header_len;
	const uint8_t *data;

	source->longest = UINT16_MAX; /* as long as its destination is not known */
	if (!switch_source_take(source, &source->slots[at], &data, &len))
		return ROUTE_NOWHERE;
	where = learn_and_route(tx, data + source->header_len);
	if (where == ROUTE_FLOOD && tx->snapshot.num_others == 1)
		where = tx->snapshot.others[0] * SWITCH_RINGS;
	if (where >= ROUTE_FLOOD)
		return ROUTE_NOWHERE;
	header_len = switch_table_header(tx->port->view->table, where / SWITCH_RINGS);
	return header_len == tx->source.header_len ? where : ROUTE_NOWHERE;
}

/*
 * While packets go to one place, they need not be sorted: they are delivered straight from their slots.
 * Where runs are short, sorting is cheaper than a turn at the lock for each.
 */
static uint32_t run_forward(struct switch_tx *tx, uint32_t at)
{
	uint32_t where = tx->skipping ? ROUTE_NOWHERE : run_route(tx, at), next = at;

	if (where != ROUTE_NOWHERE)
		next = switch_deliver_run(
		    tx, tx->snapshot.targets[where / SWITCH_RINGS], where % SWITCH_RINGS, at);
	tx->steady = next == tx->ring->rhead || ring_distance(tx->ring, at, next) >= RUN_MIN;
	return next;
}

static void source_begin(struct switch_tx *tx)
{
	struct switch_source *source = &tx->source;

	source->end = tx->ring->rhead;
	/* Offsets may be asked for at any time; then every slot is looked at closely. */
	source->unusual = ring_offset_mask(tx->ring) ? UINT64_MAX : tx->unusual;
	source->header_len = switch_table_header(tx->port->view->table, tx->number);
	source->shortest = source->header_len + SWITCH_FRAME_MIN;
}

int switch_forward(struct ring *r)
{
	struct switch_tx *tx = r->state;
	uint32_t at = r->hwcur, from;

	if (at == r->rhead)
		return 0;
	if (LOOM_UNLIKELY(switch_snapshot_is_old(&tx->snapshot, tx->port->view)))
		switch_snapshot_refresh(
		    &tx->snapshot, tx->port->view, &tx->port->share, tx->number);
	source_begin(tx);
	do {
		from = at;
		if (tx->steady)
			at = run_forward(tx, at);
		if (!tx->steady) {
			at = collect(tx, at);
			batch_deliver(tx);
		}
	} while (at != r->rhead && at != from);
	r->hwcur = at;
	r->hwtail = ring_prev(r, at);
	return 0;
}
