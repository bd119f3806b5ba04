/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Ports of a switch whose packets start at offsets: each side's are its own affair, also from process to
 * process, and none of them leads outside a buffer.
 */
#include <stdlib.h>
#include <unistd.h>

#include "soft/ports/switch_control.h"
#include "station.h"

#define BUF 2048u

/* Take one frame; it starts at this offset. Returns its length. */
static uint32_t take_at(struct station *station, uint32_t offset, uint32_t number)
{
	struct loom_frame got = {.len = 0};
	struct frame frame;

	assert_ok(loom_rx_sync(&station->rx));
	assert_int_equal(loom_recv(&station->rx, &got), 1);
	assert_int_equal((size_t)(got.data - station->rx.buffers) % BUF, offset);
	assert_int_equal(got.cap, BUF - offset);
	assert_true(frame_read(got.data, got.len, &frame));
	assert_int_equal(frame.number, number);
	return got.len;
}

static void open_pair(struct station *a, uint32_t from, struct station *b, uint32_t to)
{
	station_open(a, "vale0:a", 1, LOOM_CONFIG(.offset = from, .tx_slots = 64));
	station_open(b, "vale0:b", 2, LOOM_CONFIG(.offset = to, .tx_slots = 64));
}

static void close_pair(struct station *a, struct station *b)
{
	station_check_buffers(a);
	station_check_buffers(b);
	station_close(a);
	station_close(b);
	assert_int_equal(scratch_files(), 0);
}

static void each_side_has_offsets_of_its_own(void **state)
{
	static const uint32_t offsets[] = {0, 1, 64, 333};
	struct station a, b;

	(void)state;
	for (uint32_t i = 0; i < COUNT(offsets) * COUNT(offsets); i++) {
		uint32_t from = offsets[i / COUNT(offsets)], to = offsets[i % COUNT(offsets)];

		open_pair(&a, from, &b, to);
		for (uint32_t k = 0; k < 200; k++) {
			station_send(&a, k % 2 ? BROADCAST : 2, k, 60 + k);
			assert_int_equal(take_at(&b, to, k), 60 + k);
			station_send(&b, 1, k, 60 + k);
			assert_int_equal(take_at(&a, from, k), 60 + k);
		}
		close_pair(&a, &b);
	}
}

static void long_runs_arrive_in_order(void **state)
{
	struct station a, b;

	(void)state;
	open_pair(&a, 64, &b, 100);
	for (uint32_t i = 0; i < 600; i += 60) {
		for (uint32_t k = 0; k < 60; k++)
			station_queue(&a, 2, i + k, 1514);
		assert_ok(loom_tx_sync(&a.tx));
		for (uint32_t k = 0; k < 60; k++)
			take_at(&b, 100, i + k);
		assert_ok(loom_rx_sync(&b.rx));
	}
	close_pair(&a, &b);
}

/* A packet over several slots, or one: its bytes. */
static uint32_t take_copy(struct station *station, uint32_t number, uint32_t slots)
{
	static uint8_t data[40000];
	struct frame frame;
	ssize_t len;

	assert_ok(loom_rx_sync(&station->rx));
	assert_int_equal(loom_rx_space(&station->rx), slots);
	len = loom_recv_copy(&station->rx, data, sizeof data, NULL);
	assert_true(len > 0);
	assert_true(frame_read(data, (uint32_t)len, &frame));
	assert_int_equal(frame.number, number);
	return (uint32_t)len;
}

static void what_does_not_fit_behind_the_offset_takes_more_slots(void **state)
{
	struct station a, b;

	(void)state;
	open_pair(&a, 0, &b, 100);
	station_send(&a, BROADCAST, 1, BUF - 100);
	assert_int_equal(take_copy(&b, 1, 1), BUF - 100);
	station_send(&a, BROADCAST, 2, BUF - 99);
	assert_int_equal(take_copy(&b, 2, 2), BUF - 99);
	station_send(&a, BROADCAST, 3, 5000);
	assert_int_equal(take_copy(&b, 3, 3), 5000);
	station_send(&b, BROADCAST, 4, 5000);
	assert_int_equal(take_copy(&a, 4, 3), 5000);
	close_pair(&a, &b);
}

static void headers_of_virtual_machines_are_converted(void **state)
{
	static uint8_t out[100];
	const struct frame frame = {.to = BROADCAST, .from = 1, .number = 7, .len = 88};
	struct station a, b;

	(void)state;
	open_pair(&a, 64, &b, 100);
	assert_ok(switch_header_set(NULL, "vale0:a", 12));
	frame_write(out + 12, &frame);
	assert_int_equal(loom_send(&a.tx, out, sizeof out), 1);
	assert_ok(loom_tx_sync(&a.tx));
	assert_int_equal(take_at(&b, 100, 7), 88);
	close_pair(&a, &b);
}

/* ---- offsets that lead out of the buffer ---- */

static const uint64_t hostile[] = {BUF - 59, BUF, BUF + 1, 2ull * BUF, 1u << 20, UINT32_MAX,
    1ull << 32, INT64_MAX, 1ull << 63, UINT64_MAX - 60, UINT64_MAX};

static void a_sender_that_points_outside_its_buffers_sends_nothing(void **state)
{
	struct station a, b;

	(void)state;
	open_pair(&a, 64, &b, 100);
	for (uint32_t i = 0; i < COUNT(hostile); i++) {
		station_queue(&a, BROADCAST, i, 60);
		station_last_slot(&a)->ptr = hostile[i];
		assert_ok(loom_tx_sync(&a.tx));
		station_expect_nothing(&b);
		assert_int_equal(station_drops(&a, true, LOOM_DROP_BAD_LENGTH), i + 1);
	}
	station_send(&a, BROADCAST, 50, 60);
	take_at(&b, 100, 50);
	close_pair(&a, &b);
}

static void an_address_and_an_offset_cannot_both_be_in_ptr(void **state)
{
	static uint8_t data[60];
	struct station a, b;

	(void)state;
	open_pair(&a, 64, &b, 0);
	station_queue(&a, BROADCAST, 1, 60);
	station_last_slot(&a)->ptr = (uintptr_t)data;
	station_last_slot(&a)->flags |= NS_INDIRECT;
	assert_ok(loom_tx_sync(&a.tx));
	station_expect_nothing(&b);
	assert_int_equal(station_drops(&a, true, LOOM_DROP_BAD_INDEX), 1);
	close_pair(&a, &b);
}

/* The buffers that rings of 64 slots have, and as many after them, hold this. */
#define PATTERN 0xa5
#define MARKED  256u

static void buffers_mark(const struct station *station)
{
	memset(station->rx.buffers, PATTERN, (size_t)MARKED * BUF);
}

static void buffers_check(const struct station *station)
{
	size_t n = (size_t)MARKED * BUF;

	for (size_t i = 0; i < n; i++)
		assert_int_equal(station->rx.buffers[i], PATTERN);
}

static void a_receiver_that_points_outside_its_buffers_gets_nothing(void **state)
{
	struct station a, b;
	struct loom_frame frame;

	(void)state;
	station_open(&a, "vale0:a", 1, LOOM_CONFIG(.offset = 64, .tx_slots = 64));
	station_open(&b, "vale0:b", 2, LOOM_CONFIG(.offset = 100, .tx_slots = 64));
	for (uint32_t i = 0; i < COUNT(hostile); i++) {
		struct netmap_slot *slot = &b.rx.ring->slot[b.rx.ring->head];

		slot->ptr = hostile[i];
		buffers_mark(&b);
		station_send(&a, BROADCAST, i, 60);
		buffers_check(&b);
		assert_ok(loom_rx_sync(&b.rx));
		assert_int_equal(loom_rx_space(&b.rx), 1);
		assert_int_equal(loom_recv(&b.rx, &frame), 0);
		assert_int_equal(station_drops(&b, false, LOOM_DROP_BAD_LENGTH), i + 1);
		slot->ptr = 100;
		assert_ok(loom_rx_sync(&b.rx));
	}
	station_send(&a, BROADCAST, 50, 60);
	take_at(&b, 100, 50);
	close_pair(&a, &b);
}

static void a_receiver_may_move_its_offsets(void **state)
{
	struct station a, b;

	(void)state;
	station_open(&a, "vale0:a", 1, NULL);
	station_open(&b, "vale0:b", 2, LOOM_CONFIG(.offset = 10, .offset_max = 200));
	for (uint32_t i = 0; i < 5000; i++) {
		struct netmap_slot *slot = &b.rx.ring->slot[b.rx.ring->head];

		slot->ptr = i % 201;
		station_send(&a, BROADCAST, i, 1500);
		assert_int_equal(take_at(&b, i % 201, i), 1500);
	}
	close_pair(&a, &b);
}

/* ---- who has offsets when ---- */

static void packets_from_before_stay_where_they_are(void **state)
{
	struct station a, b = {.address = 2};
	struct loom_port *before;

	(void)state;
	station_open(&a, "vale0:a", 1, NULL);
	assert_ok(loom_open("vale0:b/T", NULL, &before));
	station_send(&a, BROADCAST, 1, 60);
	assert_ok(loom_open("vale0:b/R", LOOM_CONFIG(.offset = 64), &b.port));
	assert_ok(loom_rx(b.port, 0, &b.rx));
	station_send(&a, BROADCAST, 2, 60);
	take_at(&b, 0, 1);
	take_at(&b, 64, 2);
	loom_close(before);
	loom_close(b.port);
	station_close(&a);
}

static int child_with_offsets(void *arg)
{
	struct station b;
	uint8_t ready = 1;

	station_open(&b, "vale0:b", 2, LOOM_CONFIG(.offset = 100));
	if (write(*(int *)arg, &ready, 1) != 1)
		return 2;
	for (uint32_t i = 0; i < 300; i++) {
		uint64_t deadline = now_ms() + 20000;

		while (loom_rx_sync(&b.rx) == 0 && loom_rx_space(&b.rx) == 0)
			if (now_ms() > deadline)
				return 3;
		take_at(&b, 100, i);
		station_send(&b, BROADCAST, i, 60 + i);
	}
	station_close(&b);
	return 0;
}

static void processes_learn_of_each_others_offsets(void **state)
{
	struct station a;
	int ready[2];
	uint8_t byte;
	pid_t child;

	(void)state;
	scratch_directory();
	assert_int_equal(pipe(ready), 0);
	child = child_start(child_with_offsets, &ready[1]);
	assert_int_equal(read(ready[0], &byte, 1), 1);
	station_open(&a, "vale0:a", 1, LOOM_CONFIG(.offset = 32));
	for (uint32_t i = 0; i < 300; i++) {
		uint64_t deadline = now_ms() + 20000;

		station_send(&a, BROADCAST, i, 60 + i);
		while (loom_rx_sync(&a.rx) == 0 && loom_rx_space(&a.rx) == 0)
			assert_true(now_ms() < deadline);
		assert_int_equal(take_at(&a, 32, i), 60 + i);
	}
	assert_int_equal(child_wait(child), 0);
	station_close(&a);
	close(ready[0]);
	close(ready[1]);
	assert_int_equal(scratch_files(), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(processes_learn_of_each_others_offsets),
	    cmocka_unit_test(each_side_has_offsets_of_its_own),
	    cmocka_unit_test(long_runs_arrive_in_order),
	    cmocka_unit_test(what_does_not_fit_behind_the_offset_takes_more_slots),
	    cmocka_unit_test(headers_of_virtual_machines_are_converted),
	    cmocka_unit_test(a_sender_that_points_outside_its_buffers_sends_nothing),
	    cmocka_unit_test(an_address_and_an_offset_cannot_both_be_in_ptr),
	    cmocka_unit_test(a_receiver_that_points_outside_its_buffers_gets_nothing),
	    cmocka_unit_test(a_receiver_may_move_its_offsets),
	    cmocka_unit_test(packets_from_before_stay_where_they_are),
	};

	scratch_directory();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
