/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Slots that cannot be right: an index outside the region, a length outside the buffer. The receiver
 * drops and counts them, the sender passes them over, and everything else arrives.
 */
#include "pair.h"

#include <stdio.h>

#define LEN 60u

/* Indexes that no slot may have; ~0 stands for the first one behind the region. */
static const uint32_t bad_indexes[] = {0, 1, UINT32_MAX - 1, 0x7fffffff, 0x80000002, UINT32_MAX};

static uint32_t bad_index(const struct pair *pair, size_t i)
{
	uint32_t end = LOOM_FIRST_BUFFER + pair->near.tx.num_bufs;

	return bad_indexes[i] == UINT32_MAX ? end : bad_indexes[i];
}

static struct netmap_slot *near_slot(const struct pair *pair, uint32_t ahead)
{
	struct netmap_ring *ring = pair->near.tx.ring;

	return &ring->slot[(ring->head + ahead) % ring->num_slots];
}

/* Receive all frames; the value has a bit for each packet of args[0] bytes that came, in order. */
static void far_mask(struct end *far, const int64_t *args, struct report *report)
{
	struct loom_frame frame;
	uint32_t number = 0;

	loom_rx_sync(&far->rx);
	while (loom_recv(&far->rx, &frame) == 1) {
		while (number < 63 && !packet_is(frame.data, frame.len, number))
			number++;
		if (number == 63 || frame.len != args[0]) {
			snprintf(report->problem, sizeof report->problem,
			    "a frame of %u bytes that nobody sent, or out of order", frame.len);
			return;
		}
		report->value |= (int64_t)1 << number++;
	}
	loom_rx_sync(&far->rx);
}

/* The same through peek and release. */
static void far_peek_mask(struct end *far, const int64_t *args, struct report *report)
{
	struct loom_frame frames[5];
	unsigned n;
	uint32_t number = 0;

	loom_rx_sync(&far->rx);
	while ((n = loom_peek(&far->rx, frames, COUNT(frames))) > 0) {
		for (unsigned i = 0; i < n; i++) {
			while (number < 63 && !packet_is(frames[i].data, frames[i].len, number))
				number++;
			if (number == 63 || frames[i].len != args[0]) {
				strcpy(
				    report->problem, "a frame that nobody sent, or out of order");
				return;
			}
			report->value |= (int64_t)1 << number++;
		}
		loom_release(&far->rx, n);
	}
	report->value |= (int64_t)(loom_rx_space(&far->rx) != 0) << 62;
	loom_rx_sync(&far->rx);
}

static void far_drops(struct end *far, const int64_t *args, struct report *report)
{
	struct loom_stats stats;

	loom_port_stats(far->port, NULL, &stats);
	report->value = (int64_t)stats.drops[args[0]];
}

static uint64_t near_drops(const struct pair *pair, enum loom_drop reason)
{
	struct loom_stats stats;

	loom_tx_stats(&pair->near.tx, &stats);
	return stats.drops[reason];
}

static void drop_one_of_ten(const struct row *row, far_order *collect, size_t which, unsigned at)
{
	struct pair *pair = pair_open(row, LOOM_CONFIG(.tx_slots = 16));
	struct netmap_slot *slot = near_slot(pair, at);

	assert_int_equal(near_send(pair, 10, 0, LEN), 10);
	slot->buf_idx = bad_index(pair, which);
	assert_ok(loom_tx_sync(&pair->near.tx));
	assert_int_equal(FAR(pair, collect, LEN), 0x3ff & ~(1 << at));
	assert_int_equal(FAR(pair, far_drops, LOOM_DROP_BAD_INDEX), 1);
	assert_int_equal(FAR(pair, far_drops, LOOM_DROP_BAD_LENGTH), 0);
	pair_close(pair);
}

static void the_receiver_drops_a_bad_index(void **state)
{
	for (size_t i = 0; i < COUNT(bad_indexes); i++)
		for (unsigned at = 0; at < 10; at += 3) {
			drop_one_of_ten(*state, far_mask, i, at);
			drop_one_of_ten(*state, far_peek_mask, i, at);
		}
}

static void the_receiver_drops_a_bad_length(void **state)
{
	static const uint16_t lengths[] = {2049, 4095, 4096, 65535};

	for (size_t i = 0; i < COUNT(lengths); i++) {
		struct pair *pair = pair_open(*state, LOOM_CONFIG(.tx_slots = 16));
		struct netmap_slot *first = near_slot(pair, 0), *fifth = near_slot(pair, 4);

		assert_int_equal(near_send(pair, 10, 0, LEN), 10);
		first->len = fifth->len = lengths[i];
		assert_ok(loom_tx_sync(&pair->near.tx));
		assert_int_equal(FAR(pair, i % 2 ? far_mask : far_peek_mask, LEN), 0x3ee);
		assert_int_equal(FAR(pair, far_drops, LOOM_DROP_BAD_LENGTH), 2);
		assert_int_equal(FAR(pair, far_drops, LOOM_DROP_BAD_INDEX), 0);
		assert_ok(loom_tx_sync(&pair->near.tx)); /* the slots are as good as new */
		assert_int_equal(near_send(pair, 15, 0, LEN), 15);
		assert_ok(loom_tx_sync(&pair->near.tx));
		assert_int_equal(FAR(pair, far_mask, LEN), 0x7fff);
		pair_close(pair);
	}
}

static void the_last_buffer_and_the_largest_length_are_right(void **state)
{
	struct pair *pair = pair_open(*state, LOOM_CONFIG(.tx_slots = 16));
	uint32_t last = LOOM_FIRST_BUFFER + pair->near.tx.num_bufs - 1;

	near_slot(pair, 0)->buf_idx = last;
	assert_int_equal(near_send(pair, 1, 0, 2048), 1);
	assert_int_equal(near_slot(pair, 15)->buf_idx, last);
	assert_ok(loom_tx_sync(&pair->near.tx));
	assert_int_equal(FAR(pair, far_mask, 2048), 1);
}

/* Whatever the sender finds unusable it skips: packets arrive whole, and none that nobody sent. */
static void the_sender_passes_over_a_bad_slot(void **state)
{
	for (size_t i = 0; i < COUNT(bad_indexes); i++) {
		struct pair *pair = pair_open(*state, LOOM_CONFIG(.tx_slots = 16));

		for (uint32_t at = 0; at < 15; at += 4)
			near_slot(pair, at)->buf_idx = bad_index(pair, i);
		assert_int_equal(near_send(pair, 20, 0, LEN), 11);
		assert_int_equal(loom_tx_space(&pair->near.tx), 0);
		assert_ok(loom_tx_sync(&pair->near.tx));
		assert_int_equal(FAR(pair, far_mask, LEN), 0x7ff);
		assert_int_equal(near_drops(pair, LOOM_DROP_BAD_INDEX), 4);
		pair_close(pair);
	}
}

static void reserve_passes_over_a_bad_slot(void **state)
{
	struct pair *pair = pair_open(*state, LOOM_CONFIG(.tx_slots = 16));
	struct loom_frame frames[16];
	uint32_t sent = 0;

	near_slot(pair, 0)->buf_idx = bad_index(pair, 2);
	near_slot(pair, 5)->buf_idx = bad_index(pair, 0);
	near_slot(pair, 6)->buf_idx = bad_index(pair, 5);
	near_slot(pair, 14)->buf_idx = bad_index(pair, 5);
	for (unsigned lap = 0; lap < 8 && loom_tx_space(&pair->near.tx) > 0; lap++) {
		unsigned n = loom_reserve(&pair->near.tx, frames, 16);

		for (unsigned i = 0; i < n; i++) {
			packet_fill(frames[i].data, LEN, sent++);
			frames[i].len = LEN;
		}
		assert_ok(loom_commit(&pair->near.tx, frames, n));
	}
	assert_int_equal(sent, 11);
	assert_ok(loom_tx_sync(&pair->near.tx));
	assert_int_equal(FAR(pair, far_mask, LEN), 0x7ff);
	assert_int_equal(near_drops(pair, LOOM_DROP_BAD_INDEX), 4);
}

static void a_ring_of_bad_slots_carries_nothing_and_hangs_nobody(void **state)
{
	struct pair *pair = pair_open(*state, LOOM_CONFIG(.tx_slots = 8));
	struct loom_frame frames[8];

	for (uint32_t lap = 0; lap < 3; lap++) {
		for (uint32_t at = 0; at < 8; at++)
			near_slot(pair, at)->buf_idx = bad_index(pair, lap);
		if (lap == 1)
			assert_int_equal(loom_reserve(&pair->near.tx, frames, 8), 0);
		assert_int_equal(near_send(pair, 3, 0, LEN), 0);
		assert_ok(loom_tx_sync(&pair->near.tx));
		assert_int_equal(FAR(pair, far_mask, LEN), 0);
		assert_ok(loom_tx_sync(&pair->near.tx));
	}
	assert_int_equal(near_drops(pair, LOOM_DROP_BAD_INDEX), 21);
	assert_int_equal(FAR(pair, far_drops, LOOM_DROP_BAD_INDEX), 21);
}

/* ---- chains ---- */

/* Copy the next packet, which must be args[0] of args[1] bytes. Value: its length. */
static void far_copy(struct end *far, const int64_t *args, struct report *report)
{
	uint8_t whole[1024];

	loom_rx_sync(&far->rx);
	report->value = loom_recv_copy(&far->rx, whole, sizeof whole, NULL);
	if (report->value >= 0 && !packet_is(whole, (uint32_t)report->value, (uint32_t)args[0]))
		strcpy(report->problem, "that is not the packet expected");
	loom_rx_sync(&far->rx);
}

static void a_chain_with_a_bad_slot_is_dropped_whole(void **state)
{
	for (uint32_t at = 0; at < 5; at++) {
		struct pair *pair =
		    pair_open(*state, LOOM_CONFIG(.tx_slots = 32, .buffer_size = 64));
		struct netmap_slot *slot = near_slot(pair, 1 + at);

		assert_int_equal(near_send(pair, 1, 0, 50), 1);
		assert_int_equal(near_send(pair, 1, 1, 300), 1);
		assert_int_equal(near_send(pair, 1, 2, 200), 1);
		slot->buf_idx = 0;
		assert_ok(loom_tx_sync(&pair->near.tx));
		assert_int_equal(FAR(pair, far_copy, 0), 50);
		assert_int_equal(FAR(pair, far_copy, 2), 200);
		assert_int_equal(FAR(pair, far_copy, 0), -EAGAIN);
		assert_true(FAR(pair, far_drops, LOOM_DROP_BAD_INDEX) > 0);
		pair_close(pair);
	}
}

/* Frame by frame: what came before the bad slot is seen, what follows it of its packet is not. */
static void far_first_bytes(struct end *far, const int64_t *args, struct report *report)
{
	struct loom_frame frame;

	(void)args;
	loom_rx_sync(&far->rx);
	while (loom_recv(&far->rx, &frame) == 1)
		report->value = report->value << 8 | frame.data[0];
	loom_rx_sync(&far->rx);
}

static void what_follows_a_bad_slot_of_its_chain_is_not_received(void **state)
{
	struct pair *pair = pair_open(*state, LOOM_CONFIG(.tx_slots = 32, .buffer_size = 64));
	struct netmap_slot *slot = near_slot(pair, 2);
	uint8_t data[64 * 5];

	for (unsigned i = 0; i < 5; i++)
		memset(data + i * (size_t)64, (int)i + 1, 64);
	assert_int_equal(loom_send(&pair->near.tx, data, sizeof data), 1);
	assert_int_equal(loom_send(&pair->near.tx, "\x77", 1), 1);
	slot->buf_idx = 1;
	assert_ok(loom_tx_sync(&pair->near.tx));
	assert_int_equal(FAR(pair, far_first_bytes), 0x010277);
}

static void a_chain_is_sent_around_bad_slots(void **state)
{
	struct pair *pair = pair_open(*state, LOOM_CONFIG(.tx_slots = 32, .buffer_size = 64));

	near_slot(pair, 2)->buf_idx = 0;
	near_slot(pair, 9)->buf_idx = UINT32_MAX;
	assert_int_equal(near_send(pair, 1, 0, 300), 1);
	assert_int_equal(near_send(pair, 1, 1, 300), 1);
	assert_ok(loom_tx_sync(&pair->near.tx));
	assert_int_equal(FAR(pair, far_copy, 0), 300);
	assert_int_equal(FAR(pair, far_copy, 1), 300);
	assert_int_equal(FAR(pair, far_copy, 0), -EAGAIN);
	assert_int_equal(near_drops(pair, LOOM_DROP_BAD_INDEX), 2);
}

static const struct body bodies[] = {
    BODY(the_receiver_drops_a_bad_index),
    BODY(the_receiver_drops_a_bad_length),
    BODY(the_last_buffer_and_the_largest_length_are_right),
    BODY(the_sender_passes_over_a_bad_slot),
    BODY(reserve_passes_over_a_bad_slot),
    BODY(a_ring_of_bad_slots_carries_nothing_and_hangs_nobody),
    BODY_IF(a_chain_with_a_bad_slot_is_dropped_whole, NEEDS_SIZES),
    BODY_IF(what_follows_a_bad_slot_of_its_chain_is_not_received, NEEDS_SIZES),
    BODY_IF(a_chain_is_sent_around_bad_slots, NEEDS_SIZES),
};

int main(int argc, char **argv)
{
	const struct suite suite = {"slots", bodies, COUNT(bodies), NULL, 0};

	return suite_run(&suite, argc, argv);
}
