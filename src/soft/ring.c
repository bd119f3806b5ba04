/* SPDX-License-Identifier: BSD-2-Clause */
/* The rare paths of a ring: start, reset after bad indexes, arming, checking slots. */
#include "ring.h"

#include <unistd.h>

#include "../base/error.h"
#include "board.h"
#include "port.h"
#include "watch.h"

const uint32_t ring_never_called;

void ring_start(struct ring *r, uint32_t head, uint32_t tail)
{
	struct netmap_ring *user = r->common.ring;

	r->rhead = r->rcur = r->hwcur = head;
	r->hwtail = tail;
	user->head = user->cur = head;
	user->tail = tail;
}

/* Slots whose buffer or length cannot be right; cleared, as the module does. */
static bool clear_bad_slots(struct ring *r)
{
	const struct region *region = r->port->region;
	struct netmap_slot *slots = r->common.ring->slot;
	bool found = false;

	for (uint32_t i = 0; i < r->num_slots; i++) {
		uint32_t index = __atomic_load_n(&slots[i].buf_idx, __ATOMIC_RELAXED);

		if (!region_has_buffer(region, index)) {
			slots[i].buf_idx = 0;
			slots[i].len = 0;
			ring_drop(r, LOOM_DROP_BAD_INDEX, 1);
			found = true;
		} else if (slots[i].len > region->buf_size) {
			slots[i].len = 0;
			ring_drop(r, LOOM_DROP_BAD_LENGTH, 1);
			found = true;
		}
	}
	return found;
}

/* Pairs with ring_unusual_add(): the ring's watch is there. */
static uint32_t unusual(const struct ring *r)
{
	return __atomic_load_n(&r->unusual, __ATOMIC_ACQUIRE);
}

int ring_reinit(struct ring *r)
{
	struct netmap_ring *user = r->common.ring;
	uint32_t head = __atomic_load_n(&user->head, __ATOMIC_RELAXED);
	uint32_t cur = __atomic_load_n(&user->cur, __ATOMIC_RELAXED);
	bool in_range = head < r->num_slots && cur < r->num_slots;
	bool cleared = clear_bad_slots(r);
	uint32_t from = r->rhead;

	if (in_range && !cleared) {
		r->rhead = head;
		r->rcur = cur;
	} else {
		r->rhead = r->rcur = r->hwcur;
		user->head = user->cur = r->hwcur;
	}
	user->tail = r->hwtail;
	if (unusual(r) >= RING_WATCHED)
		watch_rewind(r);
	return error_set(-EINVAL,
	    "port \"%s\": %s ring %u: head %u and cur %u are not within the %u slots that the "
	    "program "
	    "owns from %u on; nothing was moved",
	    r->port->name, r->tx ? "TX" : "RX", r->index, head, cur,
	    ring_distance(r, from, r->hwtail), from);
}

/* After the move of an evented ring: arm its wakeup, or take it back. True: move once more. */
static bool rearm(struct ring *r)
{
	struct pollfd unused;

	if (r->kick >= 0)
		close(r->kick);
	r->kick = -1;
	if (!ring_ready(r))
		return r->port->kind->arm(r, &unused) > 0;
	r->port->kind->disarm(r);
	return false;
}

int ring_sync_unusual(struct ring *r, int (*move)(struct ring *))
{
	uint32_t parts;
	bool watched;
	int err;

	if (__atomic_load_n(r->called, __ATOMIC_RELAXED))
		board_answer(r->port);
	parts = unusual(r);
	watched = parts >= RING_WATCHED;
	if (watched)
		watch_before(r);
	err = move(r);
	if (parts % RING_WATCHED && !err && rearm(r))
		err = move(r);
	if (watched)
		watch_after(r);
	ring_finish(r);
	return err;
}

/* Where in its buffer a slot says that its packet starts. Anybody may have written it. */
static uint64_t slot_offset(const struct ring *r, const struct netmap_slot *slot)
{
	uint64_t mask = ring_offset_mask(r);

	return mask ? __atomic_load_n(&slot->ptr, __ATOMIC_RELAXED) & mask : 0;
}

uint8_t *ring_slot_data(struct ring *r, uint32_t index, uint32_t *len, uint16_t *flags)
{
	const struct region *region = r->port->region;
	const struct netmap_slot *slot = &r->common.ring->slot[index];
	uint64_t word = loom_slot_word(slot);
	uint64_t offset = slot_offset(r, slot);
	uint32_t buffer = (uint32_t)word;

	*len = (uint16_t)(word >> 32);
	*flags = (uint16_t)(word >> 48);
	if (!region_has_buffer(region, buffer)) {
		ring_drop(r, LOOM_DROP_BAD_INDEX, 1);
		return NULL;
	}
	if (offset >= region->buf_room || *len > region->buf_room - offset) {
		ring_drop(r, LOOM_DROP_BAD_LENGTH, 1);
		return NULL;
	}
	return region_buffer(region, buffer) + offset;
}

uint8_t *ring_slot_space(const struct ring *r, uint32_t index, uint32_t *room)
{
	return ring_space_of(r, &r->common.ring->slot[index], room);
}

uint8_t *ring_space_of(const struct ring *r, const struct netmap_slot *slot, uint32_t *room)
{
	const struct region *region = r->port->region;
	uint32_t buffer = __atomic_load_n(&slot->buf_idx, __ATOMIC_RELAXED);
	uint64_t offset = slot_offset(r, slot);

	if (!region_has_buffer(region, buffer) || offset >= region->buf_room)
		return NULL;
	*room = region->buf_room - (uint32_t)offset;
	if (ring_offset_mask(r) && r->offset_room < *room)
		*room = r->offset_room;
	return region_buffer(region, buffer) + offset;
}
