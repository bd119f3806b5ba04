/* SPDX-License-Identifier: BSD-2-Clause */
/* Batches (<pktloom/batch.h>): the same packets, the same care with bad slots, as one by one. */
#include "pair.h"

#include <pktloom/batch.h>

#include <stdio.h>

#define LEN 60u

static uint32_t put_packets(const struct loom_txring *tx, uint32_t n, uint32_t first)
{
	struct loom_txbatch batch = loom_txbatch_begin(tx);
	struct loom_frame frame;
	uint32_t sent = 0;

	while (sent < n && loom_txbatch_next(&batch, &frame)) {
		packet_fill(frame.data, LEN, first + sent);
		assert_int_equal(frame.len, 0);
		assert_int_equal(frame.flags, 0);
		assert_ok(loom_txbatch_put(&batch, LEN, 0));
		sent++;
	}
	loom_txbatch_end(&batch);
	return sent;
}

/* Take up to args[0] packets by a batch, the first of number args[1]; release, sync. Value: how many. */
static void far_take_batch(struct end *far, const int64_t *args, struct report *report)
{
	struct loom_rxbatch batch;
	struct loom_frame frame;

	loom_rx_sync(&far->rx);
	batch = loom_rxbatch_begin(&far->rx);
	while (report->value < args[0] && loom_rxbatch_next(&batch, &frame)) {
		uint32_t number = (uint32_t)(args[1] + report->value++);

		if (frame.len != LEN || frame.cap < LEN || !packet_is(frame.data, LEN, number))
			snprintf(report->problem, sizeof report->problem, "not packet %u", number);
	}
	loom_rxbatch_end(&batch);
	loom_rx_sync(&far->rx);
}

static void batches_carry_packets_around_the_ring(void **state)
{
	static const uint32_t sizes[] = {2, 3, 7, 100, 1024};

	for (size_t i = 0; i < COUNT(sizes); i++) {
		const uint32_t n = sizes[i];
		struct pair *pair = pair_open(*state, LOOM_CONFIG(.tx_slots = n));
		uint32_t done = 0;

		for (uint32_t lap = 0; lap < 50; lap++) {
			uint32_t wanted = lap % (n + 1),
				 sent = put_packets(&pair->near.tx, wanted, done);

			assert_int_equal(sent, wanted < n - 1 ? wanted : n - 1);
			assert_ok(loom_tx_sync(&pair->near.tx));
			assert_int_equal(FAR(pair, far_take_batch, sent / 2, done), sent / 2);
			assert_int_equal(
			    FAR(pair, far_take_batch, n, done + sent / 2), sent - sent / 2);
			assert_ok(loom_tx_sync(&pair->near.tx));
			done += sent;
		}
		pair_close(pair);
	}
}

static void a_batch_and_single_verbs_see_the_same_ring(void **state)
{
	struct pair *pair = pair_open(*state, LOOM_CONFIG(.tx_slots = 16));
	struct loom_stats stats;
	uint32_t done = 0;

	for (uint32_t lap = 0; lap < 30; lap++) {
		assert_int_equal(put_packets(&pair->near.tx, 3, done), 3);
		assert_int_equal(near_send(pair, 2, done + 3, LEN), 2);
		assert_int_equal(put_packets(&pair->near.tx, 4, done + 5), 4);
		assert_ok(loom_tx_sync(&pair->near.tx));
		assert_int_equal(FAR(pair, far_take, 4, done, LEN), 4);
		assert_int_equal(FAR(pair, far_take_batch, 5, done + 4), 5);
		assert_ok(loom_tx_sync(&pair->near.tx));
		done += 9;
	}
	assert_ok(loom_tx_stats(&pair->near.tx, &stats));
	assert_int_equal(stats.packets, done);
	assert_int_equal(stats.bytes, done * LEN);
}

static void a_batch_that_is_not_ended_leaves_nothing_behind(void **state)
{
	struct pair *pair = pair_open(*state, LOOM_CONFIG(.tx_slots = 16));
	struct loom_txbatch batch = loom_txbatch_begin(&pair->near.tx);
	struct loom_frame frame, again;

	for (int i = 0; i < 5; i++) {
		assert_int_equal(loom_txbatch_next(&batch, &frame), 1);
		assert_ok(loom_txbatch_put(&batch, LEN, 0));
	}
	assert_ok(loom_tx_sync(&pair->near.tx));
	assert_int_equal(FAR(pair, far_look), 0);
	assert_int_equal(loom_tx_space(&pair->near.tx), 15);
	batch = loom_txbatch_begin(&pair->near.tx);
	assert_int_equal(loom_txbatch_next(&batch, &frame), 1);
	assert_int_equal(loom_txbatch_next(&batch, &again), 1); /* not put: the same */
	assert_ptr_equal(frame.data, again.data);
	loom_txbatch_end(&batch);
	assert_ok(loom_tx_sync(&pair->near.tx));
	assert_int_equal(FAR(pair, far_look), 0);
}

static void a_put_that_is_too_long_is_refused(void **state)
{
	struct pair *pair = pair_open(*state, LOOM_CONFIG(.tx_slots = 16, .buffer_size = 128));
	struct loom_txbatch batch = loom_txbatch_begin(&pair->near.tx);
	struct loom_frame frame = {.cap = 0};

	assert_int_equal(loom_txbatch_next(&batch, &frame), 1);
	assert_int_equal(frame.cap, 128);
	assert_refused(loom_txbatch_put(&batch, 129, 0), -EMSGSIZE, "129");
	assert_refused(loom_txbatch_put(&batch, 65536 + LEN, 0), -EMSGSIZE, "65596");
	packet_fill(frame.data, LEN, 0);
	assert_ok(loom_txbatch_put(&batch, LEN, 0));
	loom_txbatch_end(&batch);
	assert_ok(loom_tx_sync(&pair->near.tx));
	assert_int_equal(FAR(pair, far_take_batch, 5, 0), 1);
}

static void a_chain_put_in_parts_counts_once(void **state)
{
	struct pair *pair = pair_open(*state, LOOM_CONFIG(.tx_slots = 16, .buffer_size = 64));
	struct loom_txbatch batch = loom_txbatch_begin(&pair->near.tx);
	struct loom_frame frame = {.cap = 0};
	struct loom_stats stats;

	for (int i = 0; i < 6; i++) {
		assert_int_equal(loom_txbatch_next(&batch, &frame), 1);
		assert_ok(loom_txbatch_put(&batch, 64, i % 3 < 2 ? NS_MOREFRAG : 0));
	}
	loom_txbatch_end(&batch);
	assert_ok(loom_tx_sync(&pair->near.tx));
	assert_ok(loom_tx_stats(&pair->near.tx, &stats));
	assert_int_equal(stats.packets, 2);
	assert_int_equal(stats.bytes, 6 * 64);
	assert_int_equal(FAR(pair, far_look), 6);
}

static void bad_slots_are_passed_over_and_dropped(void **state)
{
	static const uint32_t wrong[] = {0, 1, UINT32_MAX, 0x7fffffff};

	for (size_t i = 0; i < COUNT(wrong); i++) {
		struct pair *pair = pair_open(*state, LOOM_CONFIG(.tx_slots = 16));
		struct netmap_ring *ring = pair->near.tx.ring;
		struct loom_stats stats;

		ring->slot[0].buf_idx = ring->slot[6].buf_idx = ring->slot[14].buf_idx = wrong[i];
		assert_int_equal(put_packets(&pair->near.tx, 99, 0), 12);
		assert_ok(loom_tx_sync(&pair->near.tx));
		assert_int_equal(FAR(pair, far_take_batch, 99, 0), 12);
		assert_ok(loom_tx_stats(&pair->near.tx, &stats));
		assert_int_equal(stats.drops[LOOM_DROP_BAD_INDEX], 3);
		pair_close(pair);
	}
}

static void a_bad_slot_is_as_bad_the_next_time(void **state)
{
	static const uint32_t wrong[] = {0, 1, UINT32_MAX, 0x7fffffff};

	for (size_t i = 0; i < COUNT(wrong); i++) {
		struct pair *pair = pair_open(*state, LOOM_CONFIG(.tx_slots = 16));
		struct netmap_ring *ring = pair->near.tx.ring;

		ring->slot[0].buf_idx = wrong[i];
		assert_int_equal(put_packets(&pair->near.tx, 99, 0), 14);
		assert_ok(loom_tx_sync(&pair->near.tx));
		assert_int_equal(FAR(pair, far_take_batch, 99, 0), 14);
		assert_ok(loom_tx_sync(&pair->near.tx));

		/* Slot 15, then around the ring: slot 0 still is bad, 1 becomes so when it is queued. */
		assert_int_equal(put_packets(&pair->near.tx, 3, 100), 3);
		ring->slot[1].buf_idx = wrong[i];
		assert_ok(loom_tx_sync(&pair->near.tx));
		assert_int_equal(FAR(pair, far_take_batch, 1, 100), 1);
		assert_int_equal(FAR(pair, far_take_batch, 99, 102), 1);
		pair_close(pair);
	}
}

static const struct body bodies[] = {
    BODY(batches_carry_packets_around_the_ring),
    BODY(a_batch_and_single_verbs_see_the_same_ring),
    BODY(a_batch_that_is_not_ended_leaves_nothing_behind),
    BODY_IF(a_put_that_is_too_long_is_refused, NEEDS_SIZES),
    BODY(a_chain_put_in_parts_counts_once),
    BODY(bad_slots_are_passed_over_and_dropped),
    BODY_IF(a_bad_slot_is_as_bad_the_next_time, NEEDS_SLOTS),
};

int main(int argc, char **argv)
{
	const struct suite suite = {"batch", bodies, COUNT(bodies), NULL, 0};

	return suite_run(&suite, argc, argv);
}
