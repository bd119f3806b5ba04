/* SPDX-License-Identifier: BSD-2-Clause */
/* Packets through a ring: how many fit, what happens when it is full, that all arrive as they were. */
#include "pair.h"

#include <sched.h>
#include <time.h>

static const uint32_t ring_sizes[] = {2, 3, 7, 100, 1000, 1024, 4096};

/* All sorts of lengths; a cable takes frames of 14 to 1,514 bytes only. */
static uint32_t some_length(const struct row *row, uint32_t number)
{
	uint32_t least = row->via == VIA_CABLE ? 14 : 0, most = row->via == VIA_CABLE ? 1514 : 2048;

	if (number % 3 == 0)
		return 60;
	return number % 3 == 1 ? least + number * 37 % (most + 1 - least) : most;
}

static uint32_t fill(struct pair *pair, uint32_t first, uint32_t len)
{
	uint32_t sent = near_send(pair, UINT32_MAX, first, len);

	assert_int_equal(loom_tx_space(&pair->near.tx), 0);
	return sent;
}

static void a_ring_of_n_slots_takes_n_less_one_packets(void **state)
{
	for (size_t i = 0; i < COUNT(ring_sizes); i++) {
		uint32_t n = ring_sizes[i];
		struct pair *pair = pair_open(*state, LOOM_CONFIG(.tx_slots = n));

		assert_int_equal(loom_tx_space(&pair->near.tx), n - 1);
		assert_int_equal(fill(pair, 0, 60), n - 1);
		assert_ok(loom_tx_sync(&pair->near.tx));
		assert_int_equal(FAR(pair, far_look), n - 1);
		assert_int_equal(FAR(pair, far_take, n - 1, 0, 60), n - 1);
		pair_close(pair);
	}
}

static void a_full_ring_takes_nothing_and_loses_nothing(void **state)
{
	struct pair *pair = pair_open(*state, LOOM_CONFIG(.tx_slots = 16));
	uint8_t other[60];

	packet_fill(other, sizeof other, 999);
	assert_int_equal(fill(pair, 0, 60), 15);
	assert_int_equal(loom_send(&pair->near.tx, other, sizeof other), 0);
	assert_ok(loom_tx_sync(&pair->near.tx));
	for (int i = 0; i < 100; i++) {
		assert_int_equal(loom_send(&pair->near.tx, other, sizeof other), 0);
		assert_ok(loom_tx_sync(&pair->near.tx));
	}
	assert_int_equal(FAR(pair, far_take, 15, 0, 60), 15);
	assert_int_equal(FAR(pair, far_look), 0);
}

static void room_returns_when_the_receiver_has_released_and_both_have_synced(void **state)
{
	struct pair *pair = pair_open(*state, LOOM_CONFIG(.tx_slots = 8));

	fill(pair, 0, 60);
	assert_ok(loom_tx_sync(&pair->near.tx));
	assert_int_equal(loom_tx_space(&pair->near.tx), 0);
	assert_int_equal(FAR(pair, far_take, 3, 0, 60), 3);
	assert_int_equal(loom_tx_space(&pair->near.tx), 0);
	assert_ok(loom_tx_sync(&pair->near.tx));
	assert_int_equal(loom_tx_space(&pair->near.tx), 3);
	assert_int_equal(near_send(pair, 10, 7, 60), 3);
	assert_ok(loom_tx_sync(&pair->near.tx));
	assert_int_equal(FAR(pair, far_take, 7, 3, 60), 7);
}

/* In lock-step, as many laps as show every wrap. */
static void many_laps_keep_content_and_order(void **state)
{
	for (size_t i = 0; i < COUNT(ring_sizes); i++) {
		const uint32_t n = ring_sizes[i], total = 4 * n + 5;
		struct pair *pair = pair_open(*state, LOOM_CONFIG(.tx_slots = n));
		uint32_t taken = 0, batch = 1;

		while (taken < total) {
			uint32_t len = some_length(pair->row, taken);
			uint32_t sent = near_send(pair, batch, taken, len);

			assert_ok(loom_tx_sync(&pair->near.tx));
			assert_int_equal(FAR(pair, far_take, sent, taken, len), sent);
			taken += sent;
			batch = batch * 3 % 1021 + 1;
			assert_ok(loom_tx_sync(&pair->near.tx));
			assert_int_equal(loom_tx_space(&pair->near.tx), n - 1);
		}
		pair_close(pair);
	}
}

/* Both ends at once, neither waiting for the other longer than it must. */
static void a_stream_keeps_content_and_order(void **state)
{
	const struct row *row = *state;
	const uint32_t total = scaled(200000), len = 60;
	struct pair *pair = pair_open(row, LOOM_CONFIG(.tx_slots = 100));
	uint64_t deadline = now_ms() + 20000;
	uint32_t sent = 0, taken = 0;

	if (row->place != PLACE_HERE)
		pair_far_begin(pair, far_take, (const int64_t[4]){total, 0, len});
	while (sent < total && now_ms() < deadline) {
		sent += near_send(pair, total - sent, sent, len);
		assert_ok(loom_tx_sync(&pair->near.tx));
		if (loom_tx_space(&pair->near.tx) == 0)
			sched_yield(); /* the receiver may need this core */
		if (row->place == PLACE_HERE)
			taken += (uint32_t)FAR(pair, far_take, sent - taken, taken, len);
	}
	assert_int_equal(sent, total);
	if (row->place != PLACE_HERE)
		taken = (uint32_t)pair_far_end(pair);
	assert_int_equal(taken, total);
}

static void empty_and_largest_frames_arrive(void **state)
{
	struct pair *pair = pair_open(*state, NULL);
	const uint32_t largest = pair->near.tx.frame_max;

	assert_int_equal(near_send(pair, 1, 0, 0), 1);
	assert_int_equal(near_send(pair, 1, 1, 1), 1);
	assert_int_equal(near_send(pair, 1, 2, largest), 1);
	assert_ok(loom_tx_sync(&pair->near.tx));
	assert_int_equal(FAR(pair, far_take, 1, 0, 0), 1);
	assert_int_equal(FAR(pair, far_take, 1, 1, 1), 1);
	assert_int_equal(FAR(pair, far_take, 1, 2, largest), 1);
}

static void nothing_leaves_before_the_sync(void **state)
{
	struct pair *pair = pair_open(*state, NULL);

	assert_int_equal(near_send(pair, 5, 0, 60), 5);
	assert_int_equal(FAR(pair, far_look), 0);
	assert_ok(loom_tx_sync(&pair->near.tx));
	assert_int_equal(FAR(pair, far_look), 5);
	assert_int_equal(FAR(pair, far_take, 5, 0, 60), 5);
}

static void every_buffer_size_carries_its_own_length(void **state)
{
	static const uint32_t sizes[] = {64, 65, 128, 1500, 2048, 4096, 9216, 65472};

	for (size_t i = 0; i < COUNT(sizes); i++) {
		const uint32_t rounded = (sizes[i] + 63) / 64 * 64;
		struct pair *pair =
		    pair_open(*state, LOOM_CONFIG(.tx_slots = 5, .buffer_size = sizes[i]));

		assert_int_equal(pair->near.tx.frame_max, rounded);
		for (uint32_t first = 0; first < 12; first += 4) {
			assert_int_equal(near_send(pair, 4, first, rounded), 4);
			assert_ok(loom_tx_sync(&pair->near.tx));
			assert_int_equal(FAR(pair, far_take, 4, first, rounded), 4);
			assert_ok(loom_tx_sync(&pair->near.tx));
		}
		pair_close(pair);
	}
}

/* Peeks at args[0] packets of number args[1] on, twice, and releases args[2] of them. */
static void far_peek(struct end *far, const int64_t *args, struct report *report)
{
	struct loom_frame frames[64], again[64];
	unsigned wanted = (unsigned)args[0], n;

	loom_rx_sync(&far->rx);
	n = loom_peek(&far->rx, frames, wanted);
	if (n != loom_peek(&far->rx, again, wanted))
		strcpy(report->problem, "a second peek shows more or less");
	for (unsigned i = 0; i < n; i++) {
		if (again[i].data != frames[i].data || again[i].len != frames[i].len)
			strcpy(report->problem, "a second peek shows something else");
		if (!packet_is(frames[i].data, frames[i].len, (uint32_t)args[1] + i))
			strcpy(report->problem, "a peeked packet is not what was sent");
	}
	loom_release(&far->rx, (unsigned)args[2]);
	loom_rx_sync(&far->rx);
	report->value = n;
}

static void peek_shows_and_release_takes(void **state)
{
	struct pair *pair = pair_open(*state, LOOM_CONFIG(.tx_slots = 50));

	near_send(pair, 49, 0, 100);
	assert_ok(loom_tx_sync(&pair->near.tx));
	assert_int_equal(FAR(pair, far_peek, 64, 0, 0), 49);
	assert_int_equal(FAR(pair, far_peek, 20, 0, 20), 20);
	assert_int_equal(FAR(pair, far_peek, 20, 20, 5), 20);
	assert_int_equal(FAR(pair, far_peek, 64, 25, 24), 24);
	assert_int_equal(FAR(pair, far_peek, 64, 49, 0), 0);
	assert_ok(loom_tx_sync(&pair->near.tx));
	assert_int_equal(loom_tx_space(&pair->near.tx), 49);
}

static void releasing_more_than_is_held_releases_what_is_held(void **state)
{
	struct pair *pair = pair_open(*state, LOOM_CONFIG(.tx_slots = 8));

	near_send(pair, 3, 0, 60);
	assert_ok(loom_tx_sync(&pair->near.tx));
	assert_int_equal(FAR(pair, far_peek, 3, 0, 1000), 3);
	assert_int_equal(FAR(pair, far_look), 0);
	assert_ok(loom_tx_sync(&pair->near.tx));
	assert_int_equal(loom_tx_space(&pair->near.tx), 7);
	assert_int_equal(FAR(pair, far_peek, 3, 0, 1), 0);
	near_send(pair, 7, 3, 60);
	assert_ok(loom_tx_sync(&pair->near.tx));
	assert_int_equal(FAR(pair, far_take, 7, 3, 60), 7);
}

/* ---- reserve and commit ---- */

static void write_frames(struct loom_frame *frames, unsigned n, uint32_t first, uint32_t len)
{
	for (unsigned i = 0; i < n; i++) {
		assert_true(frames[i].cap >= len);
		packet_fill(frames[i].data, len, first + i);
		frames[i].len = (uint16_t)len;
	}
}

static void batches_written_in_place_arrive(void **state)
{
	struct pair *pair = pair_open(*state, LOOM_CONFIG(.tx_slots = 100));
	struct loom_frame frames[256];
	uint32_t sent = 0;

	for (unsigned wanted = 1; wanted < 256; wanted = wanted * 2 + 1) {
		unsigned n = loom_reserve(&pair->near.tx, frames, wanted);

		assert_int_equal(n, wanted < 99 ? wanted : 99);
		write_frames(frames, n, sent, 200);
		assert_ok(loom_commit(&pair->near.tx, frames, n));
		assert_ok(loom_tx_sync(&pair->near.tx));
		assert_int_equal(FAR(pair, far_take, n, sent, 200), n);
		assert_ok(loom_tx_sync(&pair->near.tx));
		sent += n;
	}
}

static void a_batch_that_is_not_committed_leaves_nothing_behind(void **state)
{
	struct pair *pair = pair_open(*state, LOOM_CONFIG(.tx_slots = 8));
	struct loom_frame frames[8], again[8];

	assert_int_equal(loom_reserve(&pair->near.tx, frames, 8), 7);
	write_frames(frames, 7, 50, 60);
	assert_ok(loom_tx_sync(&pair->near.tx));
	assert_int_equal(FAR(pair, far_look), 0);
	assert_int_equal(loom_tx_space(&pair->near.tx), 7);
	assert_int_equal(loom_reserve(&pair->near.tx, again, 8), 7);
	for (int i = 0; i < 7; i++) {
		assert_ptr_equal(again[i].data, frames[i].data);
		assert_int_equal(again[i].len, 0);
		assert_int_equal(again[i].flags, 0);
	}
	write_frames(again, 7, 0, 60);
	assert_ok(loom_commit(&pair->near.tx, again, 3)); /* part of the batch is no problem */
	assert_ok(loom_tx_sync(&pair->near.tx));
	assert_int_equal(FAR(pair, far_take, 3, 0, 60), 3);
	assert_int_equal(FAR(pair, far_look), 0);
}

static void nothing_is_queued(struct pair *pair, uint32_t room)
{
	assert_int_equal(loom_tx_space(&pair->near.tx), room);
	assert_ok(loom_tx_sync(&pair->near.tx));
	assert_int_equal(FAR(pair, far_look), 0);
}

static void a_commit_of_wrong_frames_is_refused_whole(void **state)
{
	struct pair *pair = pair_open(*state, LOOM_CONFIG(.tx_slots = 8));
	struct loom_frame frames[16];
	struct loom_txring *tx = &pair->near.tx;

	assert_int_equal(loom_reserve(tx, frames, 7), 7);
	write_frames(frames, 7, 0, 60);
	frames[7] = frames[6];
	assert_refused(loom_commit(tx, frames, 8), -EINVAL, "7");
	nothing_is_queued(pair, 7);
	assert_refused(loom_commit(tx, frames, UINT32_MAX), -EINVAL, "nothing was committed");
	nothing_is_queued(pair, 7);
	frames[2].len = (uint16_t)(frames[2].cap + 1);
	assert_refused(loom_commit(tx, frames, 7), -EMSGSIZE, "nothing was committed");
	nothing_is_queued(pair, 7);
	frames[2].len = 60;
	assert_ok(loom_commit(tx, frames, 7));
	assert_ok(loom_tx_sync(tx));
	assert_int_equal(FAR(pair, far_take, 7, 0, 60), 7);
	assert_ok(loom_tx_sync(tx));
	assert_ok(loom_commit(tx, frames, 0));
	nothing_is_queued(pair, 7);
}

static void a_full_ring_reserves_nothing(void **state)
{
	struct pair *pair = pair_open(*state, LOOM_CONFIG(.tx_slots = 8));
	struct loom_frame frames[8];

	fill(pair, 0, 60);
	assert_int_equal(loom_reserve(&pair->near.tx, frames, 8), 0);
	assert_ok(loom_tx_sync(&pair->near.tx));
	assert_int_equal(loom_reserve(&pair->near.tx, frames, 8), 0);
	assert_int_equal(FAR(pair, far_take, 7, 0, 60), 7);
}

/* ---- time ---- */

static void far_time(struct end *far, const int64_t *args, struct report *report)
{
	(void)args;
	loom_rx_sync(&far->rx);
	report->value = loom_rx_time(&far->rx).tv_sec;
}

static void a_sync_that_brings_packets_stamps_the_ring(void **state)
{
	struct pair *pair = pair_open(*state, NULL);
	int64_t before = time(NULL), stamp;

	near_send(pair, 1, 0, 60);
	assert_ok(loom_tx_sync(&pair->near.tx));
	stamp = FAR(pair, far_time);
	assert_in_range(stamp, before - 1, time(NULL) + 1);
}

static const struct body bodies[] = {
    BODY(a_ring_of_n_slots_takes_n_less_one_packets),
    BODY(a_full_ring_takes_nothing_and_loses_nothing),
    BODY(room_returns_when_the_receiver_has_released_and_both_have_synced),
    BODY_ANY(many_laps_keep_content_and_order),
    BODY_ANY_IF(a_stream_keeps_content_and_order, NEEDS_PATIENCE),
    BODY(empty_and_largest_frames_arrive),
    BODY(nothing_leaves_before_the_sync),
    BODY_IF(every_buffer_size_carries_its_own_length, NEEDS_SIZES),
    BODY(peek_shows_and_release_takes),
    BODY(releasing_more_than_is_held_releases_what_is_held),
    BODY_ANY(batches_written_in_place_arrive),
    BODY(a_batch_that_is_not_committed_leaves_nothing_behind),
    BODY_ANY(a_commit_of_wrong_frames_is_refused_whole),
    BODY(a_full_ring_reserves_nothing),
    BODY(a_sync_that_brings_packets_stamps_the_ring),
};

int main(int argc, char **argv)
{
	const struct suite suite = {"flow", bodies, COUNT(bodies), NULL, 0};

	return suite_run(&suite, argc, argv);
}
