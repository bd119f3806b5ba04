/* SPDX-License-Identifier: BSD-2-Clause */
/* What the device believes of a program's head and cur: every combination on small rings. */
#include "support.h"

#include "soft/port.h"

struct fixture {
	struct loom_port *port;
	struct ring *ring;
};

static struct fixture fixture_open(uint32_t slots)
{
	struct fixture fixture;
	struct loom_txring tx;

	assert_ok(loom_open("loop:ring", LOOM_CONFIG(.tx_slots = slots), &fixture.port));
	assert_ok(loom_tx(fixture.port, 0, &tx));
	fixture.ring = (struct ring *)(void *)tx.sync;
	return fixture;
}

/* Walking from `from`, is `first` met no later than `second`, and that no later than `last`? */
static bool met_in_order(uint32_t n, uint32_t from, uint32_t first, uint32_t second, uint32_t last)
{
	bool seen_first = false, seen_second = false;

	for (uint32_t at = from;; at = (at + 1) % n) {
		seen_first |= at == first;
		seen_second |= seen_first && at == second;
		if (at == last)
			return seen_first && seen_second;
	}
}

static void head_and_cur_are_believed_in_order_only(void **state)
{
	(void)state;
	for (uint32_t n = 2; n <= 6; n++) {
		struct fixture fixture = fixture_open(n);
		struct ring *ring = fixture.ring;
		struct netmap_ring *user = ring->common.ring;

		for (uint32_t i = 0; i < n * n * n * n; i++) {
			uint32_t rhead = i % n, tail = i / n % n, head = i / n / n % n,
				 cur = i / n / n / n;
			bool right = met_in_order(n, rhead, head, cur, tail);

			ring->rhead = ring->rcur = ring->hwcur = rhead;
			ring->hwtail = tail;
			user->head = head;
			user->cur = cur;
			user->tail = 0;
			assert_int_equal(ring_begin(ring), right ? 0 : -EINVAL);
			/* In range, so never put back: the next sync starts from what was written. */
			assert_int_equal(ring->rhead, head);
			assert_int_equal(ring->rcur, cur);
			assert_int_equal(user->head, head);
			assert_int_equal(user->cur, cur);
			ring_finish(ring);
			assert_int_equal(user->tail, tail);
		}
		loom_close(fixture.port);
	}
}

static void outside_the_ring_everything_is_put_back(void **state)
{
	static const uint32_t wrong[][2] = {
	    {5, 0}, {0, 5}, {5, 5}, {UINT32_MAX, 2}, {2, UINT32_MAX}};
	struct fixture fixture = fixture_open(5);
	struct ring *ring = fixture.ring;
	struct netmap_ring *user = ring->common.ring;

	(void)state;
	for (size_t i = 0; i < COUNT(wrong); i++) {
		ring->rhead = ring->rcur =
		    3; /* accepted, but not yet sent: a chain that is held back */
		ring->hwcur = 2;
		ring->hwtail = 1;
		user->head = wrong[i][0];
		user->cur = wrong[i][1];
		user->tail = 99;
		assert_refused(ring_begin(ring), -EINVAL, "loop:ring");
		assert_int_equal(user->head, 2);
		assert_int_equal(user->cur, 2);
		assert_int_equal(user->tail, 1);
		assert_int_equal(ring->rhead, 2);
		assert_int_equal(ring->rcur, 2);
		assert_int_equal(ring_begin(ring), 0);
	}
	loom_close(fixture.port);
}

static void bad_slots_turn_a_doubt_into_a_reset(void **state)
{
	struct fixture fixture = fixture_open(5);
	struct ring *ring = fixture.ring;
	struct netmap_ring *user = ring->common.ring;

	(void)state;
	ring->rhead = ring->rcur = ring->hwcur = 1;
	ring->hwtail = 3;
	user->slot[4].buf_idx = 1;
	user->slot[0].len = 2049;
	user->head = user->cur = 4; /* in range, behind tail */
	assert_int_equal(ring_begin(ring), -EINVAL);
	assert_int_equal(user->head, 1);
	assert_int_equal(user->slot[4].buf_idx, 0);
	assert_int_equal(user->slot[0].len, 0);
	assert_int_equal(ring->common.stats.drops[LOOM_DROP_BAD_INDEX], 1);
	assert_int_equal(ring->common.stats.drops[LOOM_DROP_BAD_LENGTH], 1);
	loom_close(fixture.port);
}

static void slot_data_is_checked_against_the_region(void **state)
{
	struct fixture fixture = fixture_open(5);
	struct ring *ring = fixture.ring;
	struct netmap_slot *slot = &ring->common.ring->slot[2];
	struct loom_txring tx;
	uint16_t flags;
	uint32_t len;

	(void)state;
	assert_ok(loom_tx(fixture.port, 0, &tx));
	slot->buf_idx = LOOM_FIRST_BUFFER + tx.num_bufs - 1;
	slot->len = 2048;
	slot->flags = NS_REPORT;
	assert_ptr_equal(
	    ring_slot_data(ring, 2, &len, &flags), tx.buffers + (tx.num_bufs - 1) * tx.buf_size);
	assert_int_equal(len, 2048);
	assert_int_equal(flags, NS_REPORT);
	slot->len = 2049;
	assert_null(ring_slot_data(ring, 2, &len, &flags));
	assert_int_equal(ring->common.stats.drops[LOOM_DROP_BAD_LENGTH], 1);
	slot->len = 0;
	slot->buf_idx++;
	assert_null(ring_slot_data(ring, 2, &len, &flags));
	slot->buf_idx = 1;
	assert_null(ring_slot_data(ring, 2, &len, &flags));
	assert_int_equal(ring->common.stats.drops[LOOM_DROP_BAD_INDEX], 2);
	loom_close(fixture.port);
}

static void offsets_are_checked_against_the_buffer(void **state)
{
	static const struct {
		uint64_t mask, ptr;
		uint32_t len;
		int64_t at; /* -1: nowhere */
	} rows[] = {
	    {0, UINT64_MAX, 2048, 0},
	    {0xff, 0x1240, 60, 0x40},
	    {UINT64_MAX, 64, 1984, 64},
	    {UINT64_MAX, 64, 1985, -1},
	    {UINT64_MAX, 2047, 1, 2047},
	    {UINT64_MAX, 2047, 2, -1},
	    {UINT64_MAX, 2048, 0, -1},
	    {UINT64_MAX, 0, 2048, 0},
	    {UINT64_MAX, 0, 2049, -1},
	    {UINT64_MAX, 1ull << 32, 1, -1},
	    {UINT64_MAX, UINT64_MAX, 1, -1},
	    {UINT64_MAX, UINT64_MAX, 65535, -1},
	};
	struct fixture fixture = fixture_open(5);
	struct ring *ring = fixture.ring;
	struct netmap_slot *slot = &ring->common.ring->slot[2];
	uint8_t *buffer = region_buffer(ring->port->region, slot->buf_idx);

	(void)state;
	ring->offset_room = 100;
	for (size_t i = 0; i < COUNT(rows); i++) {
		uint8_t *at = rows[i].at < 0 ? NULL : buffer + rows[i].at;
		uint32_t len, room = 0;
		uint16_t flags;

		ring->offset_mask = rows[i].mask;
		slot->ptr = rows[i].ptr;
		slot->len = (uint16_t)rows[i].len;
		assert_ptr_equal(ring_slot_data(ring, 2, &len, &flags), at);
		if (at)
			assert_ptr_equal(ring_slot_space(ring, 2, &room), at);
		if (at && rows[i].mask)
			assert_int_equal(room, rows[i].at > 1948 ? 2048 - rows[i].at : 100);
	}
	assert_int_equal(ring->common.stats.drops[LOOM_DROP_BAD_LENGTH], 7);
	loom_close(fixture.port);
}

static void space_is_only_in_buffers(void **state)
{
	static const uint32_t wrong[] = {0, 1, 0xffffff, UINT32_MAX};
	struct fixture fixture = fixture_open(5);
	struct netmap_slot *slot = &fixture.ring->common.ring->slot[2];
	uint32_t room;

	(void)state;
	assert_non_null(ring_slot_space(fixture.ring, 2, &room));
	assert_int_equal(room, 2048);
	for (size_t i = 0; i < COUNT(wrong); i++) {
		slot->buf_idx = wrong[i];
		assert_null(ring_slot_space(fixture.ring, 2, &room));
	}
	loom_close(fixture.port);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(head_and_cur_are_believed_in_order_only),
	    cmocka_unit_test(outside_the_ring_everything_is_put_back),
	    cmocka_unit_test(bad_slots_turn_a_doubt_into_a_reset),
	    cmocka_unit_test(slot_data_is_checked_against_the_region),
	    cmocka_unit_test(offsets_are_checked_against_the_buffer),
	    cmocka_unit_test(space_is_only_in_buffers),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
