/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A program that writes nonsense into head, cur or tail. In range but invalid: nothing moves, the
 * pointers stay as written, and the next sync starts from them. Outside the ring: put back to what the device has.
 * tail is the device's: whatever a program wrote there is replaced.
 */
#include "pair.h"

#define SLOTS 16u

static void set(struct netmap_ring *ring, uint32_t head, uint32_t cur)
{
	ring->head = head;
	ring->cur = cur;
}

static void expect(const struct netmap_ring *ring, uint32_t head, uint32_t cur, uint32_t tail)
{
	assert_int_equal(ring->head, head);
	assert_int_equal(ring->cur, cur);
	assert_int_equal(ring->tail, tail);
}

/* The raw sync of netmap: loom_tx_sync() would write cur itself. */
static int raw_sync(const struct loom_txring *tx)
{
	return tx->sync->sync(tx->sync);
}

/* Four packets sent, none received: the program owns [4, 15]. */
static struct pair *four_sent(const struct row *row)
{
	struct pair *pair = pair_open(row, LOOM_CONFIG(.tx_slots = SLOTS));

	assert_int_equal(near_send(pair, 4, 0, 60), 4);
	assert_ok(loom_tx_sync(&pair->near.tx));
	expect(pair->near.tx.ring, 4, 4, 15);
	return pair;
}

static void four_arrive_and_traffic_goes_on(struct pair *pair)
{
	assert_int_equal(FAR(pair, far_take, 4, 0, 60), 4);
	assert_int_equal(FAR(pair, far_look), 0);
	for (uint32_t first = 0; first < 500; first += 100) {
		assert_ok(loom_tx_sync(&pair->near.tx));
		assert_int_equal(near_send(pair, SLOTS, first, 60), SLOTS - 1);
		assert_ok(loom_tx_sync(&pair->near.tx));
		assert_int_equal(FAR(pair, far_take, SLOTS - 1, first, 60), SLOTS - 1);
	}
}

static void tx_pointers_in_range_but_invalid_send_nothing_and_stay(void **state)
{
	static const struct {
		uint32_t head, cur;
	} wrong[] = {{2, 2}, {3, 10}, {0, 4}, {6, 5}, {4, 3}, {15, 4}, {4, 0}, {10, 2}};

	for (size_t i = 0; i < COUNT(wrong); i++) {
		struct pair *pair = four_sent(*state);
		struct netmap_ring *ring = pair->near.tx.ring;

		set(ring, wrong[i].head, wrong[i].cur);
		assert_int_equal(raw_sync(&pair->near.tx), -EINVAL);
		expect(ring, wrong[i].head, wrong[i].cur, 15);
		assert_int_equal(FAR(pair, far_look), 4);
		set(ring, 4, 4);
		raw_sync(&pair->near.tx);
		four_arrive_and_traffic_goes_on(pair);
		pair_close(pair);
	}
}

static void tx_pointers_outside_the_ring_are_put_back(void **state)
{
	static const struct {
		uint32_t head, cur;
	} wrong[] = {{SLOTS, SLOTS}, {5, SLOTS}, {SLOTS, 5}, {UINT32_MAX, 4}, {4, UINT32_MAX},
	    {0x80000004, 0x80000004}};

	for (size_t i = 0; i < COUNT(wrong); i++) {
		struct pair *pair = four_sent(*state);
		struct netmap_ring *ring = pair->near.tx.ring;

		ring->slot[4].len = 60;
		set(ring, wrong[i].head, wrong[i].cur);
		assert_int_equal(raw_sync(&pair->near.tx), -EINVAL);
		expect(ring, 4, 4, 15);
		assert_int_equal(FAR(pair, far_look), 4);
		assert_ok(raw_sync(&pair->near.tx));
		expect(ring, 4, 4, 15);
		four_arrive_and_traffic_goes_on(pair);
		pair_close(pair);
	}
}

static void a_sync_that_refuses_says_why(void **state)
{
	struct pair *pair = four_sent(*state);

	pair->near.tx.ring->head = 99;
	assert_refused(loom_tx_sync(&pair->near.tx), -EINVAL, "head");
	four_arrive_and_traffic_goes_on(pair);
}

static void a_tail_that_the_program_wrote_is_replaced(void **state)
{
	static const uint32_t tails[] = {0, 3, 4, 14, SLOTS, UINT32_MAX};

	for (size_t i = 0; i < COUNT(tails); i++) {
		struct pair *pair = four_sent(*state);

		pair->near.tx.ring->tail = tails[i];
		assert_ok(raw_sync(&pair->near.tx));
		expect(pair->near.tx.ring, 4, 4, 15);
		four_arrive_and_traffic_goes_on(pair);
		pair_close(pair);
	}
}

static void a_cur_ahead_of_head_holds_the_packets_and_moves_the_wakeup(void **state)
{
	struct pair *pair = four_sent(*state);

	set(pair->near.tx.ring, 4, 15);
	assert_ok(raw_sync(&pair->near.tx));
	expect(pair->near.tx.ring, 4, 15, 15);
	assert_int_equal(FAR(pair, far_look), 4);
	set(pair->near.tx.ring, 4, 4);
	assert_ok(raw_sync(&pair->near.tx));
	four_arrive_and_traffic_goes_on(pair);
}

static void a_reset_clears_slots_that_cannot_be_right(void **state)
{
	struct pair *pair = four_sent(*state);
	struct netmap_ring *ring = pair->near.tx.ring;

	ring->slot[8].buf_idx = 1;
	ring->slot[9].buf_idx = 0xffffff;
	ring->slot[10].len = 2049;
	ring->head = SLOTS;
	assert_int_equal(raw_sync(&pair->near.tx), -EINVAL);
	assert_int_equal(ring->slot[8].buf_idx, 0);
	assert_int_equal(ring->slot[9].buf_idx, 0);
	assert_int_equal(ring->slot[10].len, 0);
	expect(ring, 4, 4, 15);
	assert_int_equal(FAR(pair, far_take, 4, 0, 60), 4);
	assert_ok(raw_sync(&pair->near.tx));
	assert_int_equal(near_send(pair, SLOTS, 4, 60), SLOTS - 3); /* two slots have no buffer */
	assert_ok(loom_tx_sync(&pair->near.tx));
	assert_int_equal(FAR(pair, far_take, SLOTS - 3, 4, 60), SLOTS - 3);
}

static void a_wait_reports_a_reset_once(void **state)
{
	struct pair *pair = four_sent(*state);

	pair->near.tx.ring->head = SLOTS + 5;
	assert_int_equal(loom_port_wait(pair->near.port, LOOM_TX, 30), LOOM_TX | LOOM_ERROR);
	expect(pair->near.tx.ring, 4, 4, 15);
	assert_int_equal(loom_port_wait(pair->near.port, LOOM_TX, 30), LOOM_TX);
	four_arrive_and_traffic_goes_on(pair);
}

/* ---- the receiver ---- */

/* Write head args[0] and cur args[1] and sync. Value: head, cur, tail and the error, a byte each. */
static void far_write(struct end *far, const int64_t *args, struct report *report)
{
	struct netmap_ring *ring = far->rx.ring;
	int err;

	set(ring, (uint32_t)args[0], (uint32_t)args[1]);
	if (args[2] >= 0)
		ring->tail = (uint32_t)args[2];
	err = far->rx.sync->sync(far->rx.sync);
	report->value =
	    (int64_t)ring->head << 24 | (int64_t)ring->cur << 16 | (int64_t)ring->tail << 8 | -err;
}

#define ANSWER(head, cur, tail, err) ((int64_t)(head) << 24 | (cur) << 16 | (tail) << 8 | (err))

static void rx_pointers_in_range_but_invalid_release_nothing_and_stay(void **state)
{
	static const struct {
		uint32_t head, cur;
	} wrong[] = {{5, 5}, {15, 15}, {2, 1}, {2, 7}, {3, 0}};

	for (size_t i = 0; i < COUNT(wrong); i++) {
		struct pair *pair = four_sent(*state);
		const uint32_t head = wrong[i].head, cur = wrong[i].cur;

		assert_int_equal(FAR(pair, far_look), 4);
		assert_int_equal(FAR(pair, far_write, head, cur, -1), ANSWER(head, cur, 4, EINVAL));
		assert_ok(loom_tx_sync(&pair->near.tx));
		assert_int_equal(loom_tx_space(&pair->near.tx), 11);
		pair_close(pair);
	}
}

static void rx_pointers_outside_the_ring_are_put_back(void **state)
{
	static const struct {
		uint32_t head, cur;
	} wrong[] = {{SLOTS, SLOTS}, {0, SLOTS}, {SLOTS, 0}, {UINT32_MAX, UINT32_MAX}};

	for (size_t i = 0; i < COUNT(wrong); i++) {
		struct pair *pair = four_sent(*state);

		assert_int_equal(FAR(pair, far_look), 4);
		assert_int_equal(FAR(pair, far_write, 1, 1, -1), ANSWER(1, 1, 4, 0));
		assert_int_equal(
		    FAR(pair, far_write, wrong[i].head, wrong[i].cur, -1), ANSWER(1, 1, 4, EINVAL));
		assert_int_equal(FAR(pair, far_take, 3, 1, 60), 3);
		assert_int_equal(FAR(pair, far_look), 0);
		pair_close(pair);
	}
}

static void an_rx_tail_that_the_program_wrote_is_replaced(void **state)
{
	struct pair *pair = four_sent(*state);

	assert_int_equal(FAR(pair, far_look), 4);
	assert_int_equal(FAR(pair, far_write, 0, 0, 9), ANSWER(0, 0, 4, 0));
	assert_int_equal(FAR(pair, far_write, 1, 2, 77), ANSWER(1, 2, 4, 0));
	assert_int_equal(FAR(pair, far_take, 3, 1, 60), 3);
}

static const struct body bodies[] = {
    BODY(tx_pointers_in_range_but_invalid_send_nothing_and_stay),
    BODY(tx_pointers_outside_the_ring_are_put_back),
    BODY(a_sync_that_refuses_says_why),
    BODY(a_tail_that_the_program_wrote_is_replaced),
    BODY(a_cur_ahead_of_head_holds_the_packets_and_moves_the_wakeup),
    BODY(a_reset_clears_slots_that_cannot_be_right),
    BODY(a_wait_reports_a_reset_once),
    BODY(rx_pointers_in_range_but_invalid_release_nothing_and_stay),
    BODY(rx_pointers_outside_the_ring_are_put_back),
    BODY(an_rx_tail_that_the_program_wrote_is_replaced),
};

int main(int argc, char **argv)
{
	const struct suite suite = {"pointers", bodies, COUNT(bodies), NULL, 0};

	return suite_run(&suite, argc, argv);
}
