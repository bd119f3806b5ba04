/* SPDX-License-Identifier: BSD-2-Clause */
/* Moving packets between the two rings of a lane, and what becomes of them on their way. */
#include "fault_lane.h"

#include <string.h>

#define OVERDUE_NS                                                                                 \
	10000000u /* a packet that waits for one to pass it waits so long, and no longer */

/* What was drawn for a packet. */
struct fate {
	bool loss, damage, dup, reorder;
	uint64_t where;
};

/* ---- slots ---- */

struct span lane_span(struct ring *ring, uint32_t at, uint32_t end)
{
	return (struct span){ring, ring->common.ring->slot, ring->num_slots, at, end};
}

/* The lane's own slots from one on: `used` says how far. */
static struct span own_span(const struct lane *lane, uint32_t ahead)
{
	uint32_t at = loom_ring_add(lane->state->at, ahead, lane->size);

	return (struct span){lane->outer, lane->state->slots, lane->size, at, at};
}

static bool is_own(const struct lane *lane, const struct span *span)
{
	return span->slots == lane->state->slots;
}

static struct netmap_slot *slot_at(const struct span *span, uint32_t ahead)
{
	return &span->slots[loom_ring_add(span->at, ahead, span->num)];
}

static const struct region *region_of(const struct span *span)
{
	return span->ring->port->region;
}

/* Where a slot's packet is, and its length; NULL if they do not hold. Whoever receives it counts that. */
static uint8_t *slot_bytes(const struct span *span, uint32_t ahead, uint32_t *len)
{
	const struct netmap_slot *slot = slot_at(span, ahead);
	uint32_t room;
	uint8_t *data = ring_space_of(span->ring, slot, &room);

	*len = __atomic_load_n(&slot->len, __ATOMIC_RELAXED);
	return data && *len <= room ? data : NULL;
}

/* What is stored by now stays, if the process is killed here: its successor goes on from it. */
static void step(void)
{
	__atomic_signal_fence(__ATOMIC_SEQ_CST);
}

/*
 * A packet's slot goes on to where one with a free buffer is, which comes back in its place. Who was killed
 * in between has left that buffer's number, and is finished here.
 */
static void slot_swap(const struct lane *lane, struct netmap_slot *from, struct netmap_slot *to)
{
	struct lane_state *s = lane->state;
	uint64_t word = loom_slot_word(from);
	uint16_t flags = (uint16_t)(word >> 48);
	uint32_t buffer = (uint32_t)word, left = s->swapping;
	uint32_t empty = __atomic_load_n(&to->buf_idx, __ATOMIC_RELAXED);

	if (left && left == buffer && left != empty)
		return;
	if (!left || buffer != empty)
		s->swapping = empty;
	step();
	to->ptr = from->ptr;
	to->len = (uint16_t)(word >> 32);
	to->flags = (uint16_t)((flags & ~lane->ignore) | NS_BUF_CHANGED);
	to->buf_idx = buffer;
	step();
	from->flags = flags | NS_BUF_CHANGED;
	from->buf_idx = s->swapping;
	step();
}

/* The same between two memories, or for a second packet. copyable() has looked at both. */
static void slot_copy(const struct span *from, uint32_t ahead, const struct span *to, uint32_t at)
{
	struct netmap_slot *slot = slot_at(to, at);
	uint32_t len, room;
	const uint8_t *data = slot_bytes(from, ahead, &len);
	uint8_t *space = ring_space_of(to->ring, slot, &room);

	slot->len = 0;
	if (data && space && len <= room) {
		memcpy(space, data, len);
		slot->len = (uint16_t)len;
	}
	slot->flags = slot_at(from, ahead)->flags & (uint16_t)~NS_INDIRECT;
}

/* Whether n slots from those of one span on can be copied to those of another. */
static bool copyable(const struct span *from, const struct span *to, uint32_t n)
{
	for (uint32_t i = 0; i < n; i++) {
		uint32_t len, room;

		if (!slot_bytes(from, i, &len) || !ring_space_of(to->ring, slot_at(to, i), &room) ||
		    len > room)
			return false;
	}
	return true;
}

/* ---- packets ---- */

static struct held *held_at(const struct lane *lane, uint32_t i)
{
	return &lane->state->held[(lane->state->first + i) % LANE_SLOTS];
}

/* The slots of the first packet; 0: it is not complete. One that fills the ring never will be. */
static uint32_t packet_slots(const struct span *from)
{
	uint32_t most = span_room(from);

	for (uint32_t n = 0; n < most; n++)
		if (!(loom_slot_word(slot_at(from, n)) >> 48 & NS_MOREFRAG))
			return n + 1;
	return most == from->num - 1 ? most : 0;
}

static void packet_pass(const struct lane *lane, struct span *from, uint32_t n)
{
	struct lane_state *s = lane->state;

	from->at = loom_ring_add(from->at, n, from->num);
	if (is_own(lane, from)) {
		held_at(lane, 0)->slots -= n;
		s->used -= n;
		s->at = from->at;
	} else {
		s->taken = from->at;
	}
}

static void slot_arrives(const struct lane *lane, struct span *to)
{
	struct lane_state *s = lane->state;
	uint32_t at = to->at;

	to->at = loom_ring_next(at, to->num);
	if (is_own(lane, to))
		return;
	s->released[at] = s->taken;
	s->put = to->at;
}

/* False: it cannot be copied to where it goes, and is dropped. */
static bool packet_move(const struct lane *lane, struct span *from, struct span *to, uint32_t n)
{
	bool swap = region_of(from) == region_of(to);

	if (!swap && !copyable(from, to, n)) {
		ring_drop(lane->inner, LOOM_DROP_BAD_LENGTH, 1);
		packet_pass(lane, from, n);
		return false;
	}
	for (; n > 0; n--) {
		if (swap)
			slot_swap(lane, slot_at(from, 0), slot_at(to, 0));
		else
			slot_copy(from, 0, to, 0);
		packet_pass(lane, from, 1);
		slot_arrives(lane, to);
		step();
		lane->state->swapping = 0;
	}
	return true;
}

static void packet_corrupt(const struct span *packet, uint32_t n, uint64_t where)
{
	uint64_t bits = 0, bit;
	uint32_t len;
	uint8_t *data;

	for (uint32_t i = 0; i < n; i++)
		bits += slot_bytes(packet, i, &len) ? 8u * (uint64_t)len : 0;
	bit = bits ? where % bits : 0;
	for (uint32_t i = 0; i < n && bits; i++) {
		data = slot_bytes(packet, i, &len);
		if (data && bit < 8u * (uint64_t)len) {
			data[bit / 8] ^= (uint8_t)(1u << bit % 8);
			return;
		}
		bit -= data ? 8u * (uint64_t)len : 0;
	}
}

/* ---- the lane ---- */

/* splitmix64: any seed will do, and a packet's numbers are the same whatever rates there are. */
static uint64_t random_next(uint64_t *state)
{
	uint64_t z = *state += 0x9e3779b97f4a7c15u;

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
	return z ^ (z >> 31);
}

static bool draw(const struct lane *lane, enum loom_fault fault)
{
	uint64_t number = random_next(&lane->state->random) >> 32;

	return number * FAULT_CERTAIN >> 32 < lane->settings->rate[fault];
}

static struct fate fate_draw(const struct lane *lane)
{
	struct fate fate;

	fate.loss = draw(lane, LOOM_FAULT_LOSS);
	fate.damage = draw(lane, LOOM_FAULT_CORRUPT);
	fate.where = random_next(&lane->state->random);
	fate.dup = draw(lane, LOOM_FAULT_DUP);
	fate.reorder = draw(lane, LOOM_FAULT_REORDER) && !lane->state->last_waits;
	return fate;
}

static void count(const struct lane *lane, enum loom_fault fault)
{
	lane->outer->common.stats.faults[fault]++;
}

uint32_t lane_slots_for(const struct fault_settings *settings)
{
	if (settings->delay_ns)
		return LANE_SLOTS;
	return settings->rate[LOOM_FAULT_DUP] || settings->rate[LOOM_FAULT_REORDER] ? LANE_BRIEF
										    : 0;
}

uint64_t lane_soonest(const struct lane *lane)
{
	return lane->state->count ? held_at(lane, 0)->due : UINT64_MAX;
}

static bool is_due(const struct lane *lane)
{
	uint64_t due = lane_soonest(lane);

	return due == 0 || (due != UINT64_MAX && due <= os_now_ns());
}

bool lane_can_put(const struct lane *lane, const struct span *to)
{
	return is_due(lane) && held_at(lane, 0)->slots <= span_room(to);
}

/* The slots of the lane's last packet go before those of the one that waits for it. */
static void own_rotate(const struct lane *lane, uint32_t waited, uint32_t last)
{
	struct netmap_slot slots[2 * NETMAP_MAX_FRAGS];
	const struct span span = own_span(lane, lane->state->used - waited - last);

	for (uint32_t i = 0; i < waited + last; i++)
		slots[i] = *slot_at(&span, i);
	for (uint32_t i = 0; i < waited + last; i++)
		*slot_at(&span, (i + last) % (waited + last)) = slots[i];
}

/* The n slots behind the lane's used ones hold a packet: it is the last one, or goes before one that waits. */
static void lane_admit(const struct lane *lane, uint32_t n, uint64_t due)
{
	struct lane_state *s = lane->state;
	struct held *last = held_at(lane, s->count++);

	*last = (struct held){due, n};
	s->used += n;
	if (s->last_waits) {
		struct held *waited = held_at(lane, s->count - 2);

		own_rotate(lane, waited->slots, n);
		last->slots = waited->slots;
		*waited = (struct held){due, n};
		s->last_waits = false;
	}
}

/* The first one's slots are gone. */
static void lane_leave(const struct lane *lane)
{
	struct lane_state *s = lane->state;

	s->first = (s->first + 1) % LANE_SLOTS;
	s->count--;
	if (s->count == 0)
		s->last_waits = false;
}

/* A second packet behind the n slots of the first, both behind the lane's used ones. */
static bool own_copy(const struct lane *lane, uint32_t n)
{
	const struct span from = own_span(lane, lane->state->used);
	const struct span to = own_span(lane, lane->state->used + n);

	for (uint32_t i = 0; i < n; i++)
		slot_at(&to, i)->ptr = slot_at(&from, i)->ptr;
	if (!copyable(&from, &to, n))
		return false;
	for (uint32_t i = 0; i < n; i++)
		slot_copy(&from, i, &to, i);
	return true;
}

/* ---- between the rings ---- */

uint32_t lane_put_due(struct lane *lane, struct span *to)
{
	uint32_t n = 0;

	while (lane_can_put(lane, to)) {
		struct span from = own_span(lane, 0);

		n += packet_move(lane, &from, to, held_at(lane, 0)->slots);
		lane_leave(lane);
	}
	return n;
}

/* Through the lane, if only for a moment. */
static void packet_hold(
    const struct lane *lane, struct span *from, uint32_t n, const struct fate *fate)
{
	uint64_t delay = lane->settings->delay_ns;
	uint64_t due = delay || fate->reorder ? os_now_ns() + delay : 0;
	struct span packet = own_span(lane, lane->state->used), end = packet;
	bool dup;

	if (!packet_move(lane, from, &end, n))
		return;
	if (fate->damage)
		packet_corrupt(&packet, n, fate->where);
	if (delay)
		count(lane, LOOM_FAULT_DELAY);
	dup = fate->dup && own_copy(lane, n);
	lane_admit(lane, n, due);
	if (dup) {
		lane_admit(lane, n, due);
		count(lane, LOOM_FAULT_DUP);
	}
	if (fate->reorder) {
		held_at(lane, lane->state->count - 1)->due = due + OVERDUE_NS;
		lane->state->last_waits = true;
		count(lane, LOOM_FAULT_REORDER);
	}
}

/* @return packets put */
static uint32_t packet_take(struct lane *lane, struct span *from, struct span *to, uint32_t n)
{
	const struct fate fate = fate_draw(lane);
	const struct span before = *to;
	bool held = lane->settings->delay_ns || fate.dup || fate.reorder || lane->state->count;

	if (fate.loss) {
		count(lane, LOOM_FAULT_LOSS);
		packet_pass(lane, from, n);
		return 0;
	}
	if (fate.damage)
		count(lane, LOOM_FAULT_CORRUPT);
	if (held) {
		packet_hold(lane, from, n, &fate);
		return lane_put_due(lane, to);
	}
	if (!packet_move(lane, from, to, n))
		return 0;
	if (fate.damage)
		packet_corrupt(&before, n, fate.where);
	return 1;
}

/* Without a delay, nothing is taken that could not go on at once: a full ring is seen as one. */
static bool may_take(const struct lane *lane, const struct span *to, uint32_t n)
{
	const struct lane_state *s = lane->state;
	bool passes = span_room(to) >= n && s->count <= s->last_waits;

	if (lane->size == 0)
		return passes;
	return s->count + 2 <= LANE_SLOTS && s->used + 2 * n <= lane->size &&
	       (lane->settings->delay_ns || passes);
}

bool lane_can_take(const struct lane *lane, const struct span *from, const struct span *to)
{
	uint32_t n = packet_slots(from);

	return n > 0 && may_take(lane, to, n);
}

uint32_t lane_carry(struct lane *lane, struct span *from, struct span *to)
{
	uint32_t put = lane_put_due(lane, to), n;

	while ((n = packet_slots(from)) > 0) {
		if (lane->size > 0 && n > NETMAP_MAX_FRAGS) {
			ring_drop(lane->outer, LOOM_DROP_OVERSIZED, 1);
			packet_pass(lane, from, n);
			continue;
		}
		if (!may_take(lane, to, n))
			break;
		put += packet_take(lane, from, to, n);
	}
	return put;
}

/* ---- one at a time ---- */

/* Held packets of other lanes are moved by the thread that has their ring alone. */
static bool is_guarded(const struct lane *lane)
{
	return lane->outer->tx && lane->size > 0;
}

bool lane_lock(struct lane *lane)
{
	return !is_guarded(lane) || robust_lock_take(&lane->state->lock, place_user()) == 0;
}

bool lane_try_lock(struct lane *lane)
{
	return robust_lock_try(&lane->state->lock, place_user()->id);
}

void lane_unlock(struct lane *lane)
{
	if (is_guarded(lane))
		robust_lock_give(&lane->state->lock, place_user()->id);
}
