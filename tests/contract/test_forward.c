/* SPDX-License-Identifier: BSD-2-Clause */
/* loom_forward: buffers change places inside one region, bytes are copied between two. */
#include "pair.h"

#include <stdio.h>
#include <stdlib.h>

#define LEN 60u

/* Forward what is there back to where it came from, args[0] slots at most. Value: packets moved. */
static void far_echo(struct end *far, const int64_t *args, struct report *report)
{
	if (loom_forward_how(&far->rx, &far->tx) != LOOM_FORWARD_SWAP)
		strcpy(report->problem, "one region, and yet no swap");
	loom_rx_sync(&far->rx);
	loom_tx_sync(&far->tx);
	report->value = loom_forward(&far->rx, &far->tx, (unsigned)args[0]);
	loom_tx_sync(&far->tx);
	loom_rx_sync(&far->rx);
}

static uint32_t near_take(struct pair *pair, uint32_t n, uint32_t first, uint32_t len)
{
	struct report report = {.value = 0};

	far_take(&pair->near, (const int64_t[4]){n, first, len}, &report);
	if (report.problem[0])
		fail_msg("%s", report.problem);
	return (uint32_t)report.value;
}

static void packets_swapped_back_arrive(void **state)
{
	struct pair *pair = pair_open(*state, LOOM_CONFIG(.tx_slots = 10));

	for (uint32_t i = 0; i < 100; i++) {
		uint32_t n = i % 4 + 1; /* a loop's ring holds them twice */

		assert_ok(loom_tx_sync(&pair->near.tx));
		assert_int_equal(near_send(pair, n, i, LEN), n);
		assert_ok(loom_tx_sync(&pair->near.tx));
		assert_int_equal(FAR(pair, far_echo, 10), n);
		assert_int_equal(near_take(pair, n, i, LEN), n);
	}
}

/* ---- both ends of everything here ---- */

struct pipe_ends {
	struct end in, out; /* what in sends, out receives */
};

static void open_end(struct end *end, const char *name, const struct loom_config *config)
{
	assert_ok(loom_open(name, config, &end->port));
	assert_ok(loom_tx(end->port, 0, &end->tx));
	assert_ok(loom_rx(end->port, 0, &end->rx));
}

static void open_pipe(struct pipe_ends *ends, const char *name, const struct loom_config *config)
{
	open_end(&ends->in, name, config);
	open_end(&ends->out, name, config);
}

static void close_pipe(struct pipe_ends *ends)
{
	loom_close(ends->in.port);
	loom_close(ends->out.port);
}

static void send_on(struct pipe_ends *ends, uint32_t number, uint32_t len)
{
	uint8_t data[4096];

	packet_fill(data, len, number);
	assert_int_equal(loom_send(&ends->in.tx, data, len), 1);
	assert_ok(loom_tx_sync(&ends->in.tx));
	assert_ok(loom_rx_sync(&ends->out.rx));
}

static void expect_on(struct pipe_ends *ends, uint32_t number, uint32_t len)
{
	uint8_t data[4096];

	assert_ok(loom_tx_sync(&ends->in.tx));
	assert_ok(loom_rx_sync(&ends->out.rx));
	assert_int_equal(loom_recv_copy(&ends->out.rx, data, sizeof data, NULL), len);
	assert_true(packet_is(data, len, number));
	assert_ok(loom_rx_sync(&ends->out.rx));
}

static void between_regions_packets_are_copied_and_resized(void **state)
{
	static const uint32_t lengths[] = {0, 1, 60, 64, 65, 300, 1500, 2048};
	static const uint32_t sizes[] = {64, 128, 2048};
	struct pipe_ends a, b;

	(void)state;
	for (size_t i = 0; i < COUNT(sizes) * COUNT(sizes); i++) {
		open_pipe(&a, "pipe{fa}",
		    LOOM_CONFIG(.tx_slots = 70, .buffer_size = sizes[i % COUNT(sizes)]));
		open_pipe(&b, "pipe{fb}",
		    LOOM_CONFIG(.tx_slots = 70, .buffer_size = sizes[i / COUNT(sizes)]));
		assert_int_equal(loom_forward_how(&a.out.rx, &b.in.tx), LOOM_FORWARD_COPY);
		for (uint32_t k = 0; k < 4 * COUNT(lengths); k++) {
			uint32_t len = lengths[k % COUNT(lengths)];

			assert_ok(loom_tx_sync(&a.in.tx));
			send_on(&a, k, len);
			assert_int_equal(loom_forward(&a.out.rx, &b.in.tx, 70), 1);
			assert_ok(loom_rx_sync(&a.out.rx));
			expect_on(&b, k, len);
			assert_ok(loom_tx_sync(&b.in.tx));
		}
		close_pipe(&a);
		close_pipe(&b);
	}
}

static void no_more_than_asked_and_no_part_of_a_packet_moves(void **state)
{
	struct pipe_ends a, b;

	(void)state;
	open_pipe(&a, "pipe{fa}", LOOM_CONFIG(.tx_slots = 32, .buffer_size = 64));
	open_pipe(&b, "pipe{fb}", LOOM_CONFIG(.tx_slots = 32, .buffer_size = 64));
	for (uint32_t i = 0; i < 4; i++)
		send_on(&a, i, i == 2 ? 300 : LEN);
	assert_int_equal(loom_forward(&a.out.rx, &b.in.tx, 0), 0);
	assert_int_equal(loom_forward(&a.out.rx, &b.in.tx, 1), 1);
	assert_int_equal(loom_forward(&a.out.rx, &b.in.tx, 5), 1);
	assert_int_equal(loom_forward(&a.out.rx, &b.in.tx, 4), 0);
	assert_int_equal(loom_forward(&a.out.rx, &b.in.tx, 6), 2);
	for (uint32_t i = 0; i < 4; i++)
		expect_on(&b, i, i == 2 ? 300 : LEN);
	close_pipe(&a);
	close_pipe(&b);
}

static void a_target_without_room_leaves_the_rest_where_it_is(void **state)
{
	struct pipe_ends a, b;

	(void)state;
	open_pipe(&a, "pipe{fa}", LOOM_CONFIG(.tx_slots = 32));
	open_pipe(&b, "pipe{fb}", LOOM_CONFIG(.tx_slots = 8));
	for (uint32_t i = 0; i < 20; i++)
		send_on(&a, i, LEN);
	for (uint32_t moved = 0; moved < 20;) {
		uint32_t n = loom_forward(&a.out.rx, &b.in.tx, 100);

		assert_int_equal(n, 20 - moved < 7 ? 20 - moved : 7);
		assert_int_equal(loom_forward(&a.out.rx, &b.in.tx, 100), 0);
		for (; n > 0; n--)
			expect_on(&b, moved++, LEN);
		assert_ok(loom_tx_sync(&b.in.tx));
	}
	close_pipe(&a);
	close_pipe(&b);
}

static void a_packet_too_large_for_the_target_is_dropped_and_counted(void **state)
{
	struct pipe_ends a, b;
	struct loom_stats stats;

	(void)state;
	open_pipe(&a, "pipe{fa}", NULL);
	open_pipe(&b, "pipe{fb}", LOOM_CONFIG(.tx_slots = 8, .buffer_size = 64));
	send_on(&a, 0, 448);
	send_on(&a, 1, 449);
	send_on(&a, 2, 60);
	assert_int_equal(loom_forward(&a.out.rx, &b.in.tx, 100), 1);
	expect_on(&b, 0, 448);
	assert_ok(loom_tx_sync(&b.in.tx));
	assert_int_equal(loom_forward(&a.out.rx, &b.in.tx, 100), 1);
	expect_on(&b, 2, 60);
	assert_int_equal(loom_rx_space(&a.out.rx), 0);
	assert_ok(loom_tx_stats(&b.in.tx, &stats));
	assert_int_equal(stats.drops[LOOM_DROP_OVERSIZED], 1);
	close_pipe(&a);
	close_pipe(&b);
}

static void bad_slots_on_either_side_cost_only_themselves(void **state)
{
	struct pipe_ends a, b;
	struct loom_stats stats;

	(void)state;
	open_pipe(&a, "pipe{fa}", LOOM_CONFIG(.tx_slots = 16));
	open_pipe(&b, "pipe{fb}", LOOM_CONFIG(.tx_slots = 16));
	for (uint32_t i = 0; i < 6; i++)
		send_on(&a, i, LEN);
	a.out.rx.ring->slot[2].buf_idx = UINT32_MAX;
	b.in.tx.ring->slot[1].buf_idx = 0;
	assert_int_equal(loom_forward(&a.out.rx, &b.in.tx, 100), 5);
	assert_ok(loom_tx_sync(&b.in.tx));
	for (uint32_t i = 0; i < 6; i++)
		if (i != 2)
			expect_on(&b, i, LEN);
	assert_ok(loom_rx_stats(&a.out.rx, &stats));
	assert_int_equal(stats.drops[LOOM_DROP_BAD_INDEX], 1);
	assert_ok(loom_tx_stats(&b.in.tx, &stats));
	assert_int_equal(stats.drops[LOOM_DROP_BAD_INDEX], 1);
	close_pipe(&a);
	close_pipe(&b);
}

static void counted(const struct loom_stats *stats, uint64_t packets, uint64_t bytes)
{
	assert_int_equal(stats->packets, packets);
	assert_int_equal(stats->bytes, bytes);
	for (int i = 0; i < LOOM_DROP_REASONS; i++)
		assert_int_equal(stats->drops[i], 0);
}

static void what_is_forwarded_counts_on_both_rings(void **state)
{
	struct pipe_ends a, b;
	struct loom_stats in, copied, swapped;

	(void)state;
	open_pipe(&a, "pipe{fa}", LOOM_CONFIG(.tx_slots = 32, .buffer_size = 64));
	open_pipe(&b, "pipe{fb}", NULL);
	for (uint32_t i = 0; i < 6; i++)
		send_on(&a, i, i % 2 ? 300 : LEN);
	assert_int_equal(loom_forward(&a.out.rx, &b.in.tx, 9), 3);
	assert_int_equal(loom_forward(&a.out.rx, &a.out.tx, 99), 3);
	assert_ok(loom_tx_sync(&b.in.tx));
	assert_ok(loom_tx_sync(&a.out.tx));
	assert_ok(loom_rx_sync(&a.out.rx));
	assert_ok(loom_rx_stats(&a.out.rx, &in));
	assert_ok(loom_tx_stats(&b.in.tx, &copied));
	assert_ok(loom_tx_stats(&a.out.tx, &swapped));
	counted(&in, 6, 3 * 300 + 3 * LEN);
	counted(&copied, 3, 300 + 2 * LEN);
	counted(&swapped, 3, 2 * 300 + LEN);
	close_pipe(&a);
	close_pipe(&b);
}

static int by_value(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	return x < y ? -1 : x > y;
}

/* No slot of the pipe's two directions may ever share a buffer with another. */
static void every_buffer_is_in_one_slot(const struct pipe_ends *ends)
{
	const struct netmap_ring *rings[] = {ends->in.tx.ring, ends->in.rx.ring};
	uint32_t found[64] = {0}, n = 0;

	for (size_t r = 0; r < COUNT(rings); r++)
		for (uint32_t i = 0; i < rings[r]->num_slots; i++)
			found[n++] = rings[r]->slot[i].buf_idx;
	qsort(found, n, sizeof found[0], by_value);
	for (uint32_t i = 0; i < n; i++)
		assert_int_equal(found[i], LOOM_FIRST_BUFFER + i);
}

static void a_swap_moves_no_byte_and_loses_no_buffer(void **state)
{
	struct pipe_ends a;

	(void)state;
	open_pipe(&a, "pipe{fa}", LOOM_CONFIG(.tx_slots = 16));
	for (uint32_t i = 0; i < 50; i++) {
		uint32_t at = a.out.rx.ring->head, to = a.out.tx.ring->head, buffer;
		struct loom_frame frame = {.len = 0};

		send_on(&a, i, LEN);
		buffer = a.out.rx.ring->slot[at].buf_idx;
		assert_int_equal(loom_forward(&a.out.rx, &a.out.tx, 1), 1);
		assert_int_equal(a.out.tx.ring->slot[to].buf_idx, buffer);
		assert_true(a.out.tx.ring->slot[to].flags & NS_BUF_CHANGED);
		assert_ok(loom_tx_sync(&a.out.tx));
		assert_ok(loom_rx_sync(&a.out.rx));
		assert_ok(loom_rx_sync(&a.in.rx));
		assert_int_equal(loom_recv(&a.in.rx, &frame), 1);
		assert_true(packet_is(frame.data, frame.len, i));
		assert_ok(loom_rx_sync(&a.in.rx));
		assert_ok(loom_tx_sync(&a.out.tx));
		assert_ok(loom_tx_sync(&a.in.tx));
		every_buffer_is_in_one_slot(&a);
	}
	close_pipe(&a);
}

/* Zero-copy by hand: an extra buffer goes out, what it replaced is the program's now. */
static void a_program_may_change_the_buffer_of_a_slot(void **state)
{
	struct pipe_ends a;
	struct netmap_slot *slot;
	struct loom_frame frame = {.cap = 0};
	uint32_t mine, theirs;

	(void)state;
	open_pipe(&a, "pipe{fa}", LOOM_CONFIG(.tx_slots = 16, .extra_buffers = 1));
	mine = loom_port_netmap_if(a.in.port)->ni_bufs_head;
	for (uint32_t i = 0; i < 40; i++) {
		uint8_t *buffer = a.in.tx.buffers + (mine - LOOM_FIRST_BUFFER) * a.in.tx.buf_size;

		packet_fill(buffer, LEN, i);
		assert_int_equal(loom_reserve(&a.in.tx, &frame, 1), 1);
		slot = loom_tx_slot(&a.in.tx, 0);
		theirs = slot->buf_idx;
		slot->buf_idx = mine;
		slot->flags |= NS_BUF_CHANGED;
		frame.len = LEN;
		assert_ok(loom_commit(&a.in.tx, &frame, 1));
		mine = theirs;
		assert_ok(loom_tx_sync(&a.in.tx));
		assert_ok(loom_rx_sync(&a.out.rx));
		assert_int_equal(loom_peek(&a.out.rx, &frame, 1), 1);
		assert_int_equal(loom_rx_slot(&a.out.rx, 0)->buf_idx, slot->buf_idx);
		assert_true(packet_is(frame.data, frame.len, i));
		loom_release(&a.out.rx, 1);
		assert_ok(loom_rx_sync(&a.out.rx));
		assert_ok(loom_tx_sync(&a.in.tx));
	}
	close_pipe(&a);
}

static void a_swapped_chain_stays_a_chain(void **state)
{
	struct pipe_ends a;
	uint8_t data[300];

	(void)state;
	open_pipe(&a, "pipe{fa}", LOOM_CONFIG(.tx_slots = 16, .buffer_size = 64));
	for (uint32_t i = 0; i < 10; i++) {
		send_on(&a, i, 300);
		assert_int_equal(loom_forward(&a.out.rx, &a.out.tx, 4), 0);
		assert_int_equal(loom_forward(&a.out.rx, &a.out.tx, 5), 1);
		assert_ok(loom_tx_sync(&a.out.tx));
		assert_ok(loom_rx_sync(&a.out.rx));
		assert_ok(loom_rx_sync(&a.in.rx));
		assert_int_equal(loom_recv_copy(&a.in.rx, data, sizeof data, NULL), 300);
		assert_true(packet_is(data, 300, i));
		assert_ok(loom_rx_sync(&a.in.rx));
		assert_ok(loom_tx_sync(&a.out.tx));
		assert_ok(loom_tx_sync(&a.in.tx));
	}
	close_pipe(&a);
}

static void receiving_goes_on_where_forwarding_stopped(void **state)
{
	struct pipe_ends a, b;
	struct loom_frame frames[4];

	(void)state;
	open_pipe(&a, "pipe{fa}", LOOM_CONFIG(.tx_slots = 16));
	open_pipe(&b, "pipe{fb}", LOOM_CONFIG(.tx_slots = 16));
	for (uint32_t i = 0; i < 9; i++)
		send_on(&a, i, LEN);
	assert_int_equal(loom_recv(&a.out.rx, frames), 1);
	assert_int_equal(loom_peek(&a.out.rx, frames, 4), 4);
	assert_int_equal(loom_forward(&a.out.rx, &b.in.tx, 3), 3);
	assert_int_equal(loom_recv(&a.out.rx, frames), 1);
	assert_true(packet_is(frames[0].data, frames[0].len, 4));
	assert_int_equal(loom_peek(&a.out.rx, frames, 4), 4);
	assert_true(packet_is(frames[0].data, frames[0].len, 5));
	loom_release(&a.out.rx, 4);
	assert_int_equal(loom_rx_space(&a.out.rx), 0);
	for (uint32_t i = 1; i < 4; i++)
		expect_on(&b, i, LEN);
	close_pipe(&a);
	close_pipe(&b);
}

/* A bridge between two pipes, both back-pressured, with chains of all sorts. */
static void a_long_run_keeps_content_and_order(void **state)
{
	const uint32_t total = scaled(20000);
	uint32_t sent = 0, received = 0, seed = 1;
	struct pipe_ends a, b;
	uint8_t data[2048];

	(void)state;
	open_pipe(&a, "pipe{fa}", LOOM_CONFIG(.tx_slots = 40, .buffer_size = 256));
	open_pipe(&b, "pipe{fb}", LOOM_CONFIG(.tx_slots = 33, .buffer_size = 512));
	while (received < total) {
		for (uint32_t n = random_next(&seed) % 16; n > 0 && sent < total; n--, sent++) {
			uint32_t len = sent * 389 % 2049;

			packet_fill(data, len, sent);
			if (loom_send(&a.in.tx, data, len) != 1)
				break;
		}
		loom_tx_sync(&a.in.tx);
		loom_rx_sync(&a.out.rx);
		loom_forward(&a.out.rx, &b.in.tx, 8 + random_next(&seed) % 16);
		loom_tx_sync(&b.in.tx);
		loom_rx_sync(&a.out.rx);
		loom_rx_sync(&b.out.rx);
		for (uint32_t n = random_next(&seed) % 16; n > 0; n--) {
			ssize_t len = loom_recv_copy(&b.out.rx, data, sizeof data, NULL);

			if (len == -EAGAIN)
				break;
			assert_int_equal(len, received * 389 % 2049);
			assert_true(packet_is(data, (uint32_t)len, received));
			received++;
		}
		loom_rx_sync(&b.out.rx);
	}
	close_pipe(&a);
	close_pipe(&b);
}

static const struct body bodies[] = {
    BODY(packets_swapped_back_arrive),
};

static const struct CMUnitTest plain[] = {
    cmocka_unit_test(between_regions_packets_are_copied_and_resized),
    cmocka_unit_test(no_more_than_asked_and_no_part_of_a_packet_moves),
    cmocka_unit_test(a_target_without_room_leaves_the_rest_where_it_is),
    cmocka_unit_test(a_packet_too_large_for_the_target_is_dropped_and_counted),
    cmocka_unit_test(bad_slots_on_either_side_cost_only_themselves),
    cmocka_unit_test(what_is_forwarded_counts_on_both_rings),
    cmocka_unit_test(a_swap_moves_no_byte_and_loses_no_buffer),
    cmocka_unit_test(a_program_may_change_the_buffer_of_a_slot),
    cmocka_unit_test(a_swapped_chain_stays_a_chain),
    cmocka_unit_test(receiving_goes_on_where_forwarding_stopped),
    cmocka_unit_test(a_long_run_keeps_content_and_order),
};

int main(int argc, char **argv)
{
	const struct suite suite = {"forward", bodies, COUNT(bodies), plain, COUNT(plain)};

	return suite_run(&suite, argc, argv);
}
