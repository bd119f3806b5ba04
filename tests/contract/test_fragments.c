/* SPDX-License-Identifier: BSD-2-Clause */
/* Packets of several slots: made by the sender, held back until they are whole, put together again. */
#include "pair.h"

#include <stdio.h>

#define BUFFER 64u
#define SLOTS  200u

static uint32_t bytes(uint32_t slots)
{
	return slots * BUFFER;
}

static struct pair *small_buffers(const struct row *row, uint32_t slots)
{
	return pair_open(row, LOOM_CONFIG(.tx_slots = slots, .buffer_size = BUFFER));
}

/* Receive packet args[0] of args[1] bytes frame by frame. Value: its frames. */
static void far_frames(struct end *far, const int64_t *args, struct report *report)
{
	uint8_t whole[65 * BUFFER];
	uint32_t len = 0;
	struct loom_frame frame = {.flags = NS_MOREFRAG};

	loom_rx_sync(&far->rx);
	while ((frame.flags & NS_MOREFRAG) && loom_recv(&far->rx, &frame) == 1) {
		if (len + frame.len > sizeof whole) {
			strcpy(report->problem, "the chain is longer than any that was sent");
			return;
		}
		memcpy(whole + len, frame.data, frame.len);
		len += frame.len;
		report->value++;
	}
	if (len != args[1] || !packet_is(whole, len, (uint32_t)args[0]))
		snprintf(report->problem, sizeof report->problem,
		    "packet %d of %d bytes came as %u", (int)args[0], (int)args[1], len);
	loom_rx_sync(&far->rx);
}

/* Receive packet args[0] of args[1] bytes as a copy, into args[2] bytes. Value: loom_recv_copy's. */
static void far_copy(struct end *far, const int64_t *args, struct report *report)
{
	uint8_t whole[65 * BUFFER];
	size_t needed = 0;

	loom_rx_sync(&far->rx);
	report->value = loom_recv_copy(&far->rx, whole, (size_t)args[2], &needed);
	if (report->value >= 0 && !packet_is(whole, (uint32_t)report->value, (uint32_t)args[0]))
		strcpy(report->problem, "the copy is not what was sent");
	if (report->value != -EAGAIN && needed != (size_t)args[1])
		snprintf(report->problem, sizeof report->problem, "needs %zu bytes, not %d", needed,
		    (int)args[1]);
	loom_rx_sync(&far->rx);
}

static void send_one(struct pair *pair, uint32_t number, uint32_t len)
{
	assert_int_equal(near_send(pair, 1, number, len), 1);
	assert_ok(loom_tx_sync(&pair->near.tx));
}

static void a_packet_larger_than_a_buffer_becomes_a_chain(void **state)
{
	static const uint32_t lengths[] = {64, 65, 127, 128, 129, 1500, 64 * 63 + 1, 64 * 64};
	struct pair *pair = small_buffers(*state, SLOTS);

	for (uint32_t lap = 0; lap < 40; lap++) {
		uint32_t len = lengths[lap % COUNT(lengths)], slots = (len + BUFFER - 1) / BUFFER;

		assert_ok(loom_tx_sync(&pair->near.tx));
		assert_int_equal(loom_tx_space(&pair->near.tx), SLOTS - 1);
		send_one(pair, lap, len);
		assert_int_equal(loom_tx_space(&pair->near.tx), SLOTS - 1 - slots);
		if (lap % 2)
			assert_int_equal(FAR(pair, far_frames, lap, len), slots);
		else
			assert_int_equal(FAR(pair, far_copy, lap, len, len), len);
	}
}

static void the_longest_chain_is_64_slots_or_the_ring(void **state)
{
	static uint8_t data[65 * BUFFER];
	struct pair *pair = small_buffers(*state, SLOTS);
	struct loom_txring *tx = &pair->near.tx;

	assert_int_equal(loom_tx_max_payload(tx), bytes(64));
	assert_refused(loom_send(tx, data, bytes(64) + 1), -EMSGSIZE, "4097 bytes");
	assert_refused(loom_send(tx, data, SIZE_MAX), -EMSGSIZE, "takes 4096");
	assert_int_equal(loom_tx_space(tx), SLOTS - 1);
	send_one(pair, 1, bytes(64));
	assert_int_equal(FAR(pair, far_frames, 1, bytes(64)), 64);
	pair_close(pair);

	pair = small_buffers(*state, 8);
	tx = &pair->near.tx;
	assert_int_equal(loom_tx_max_payload(tx), bytes(7));
	assert_refused(loom_send(tx, data, bytes(7) + 1), -EMSGSIZE, "takes 448");
	send_one(pair, 2, bytes(7));
	assert_int_equal(FAR(pair, far_copy, 2, bytes(7), bytes(7)), bytes(7));
}

static void a_chain_that_does_not_fit_is_not_begun(void **state)
{
	struct pair *pair = small_buffers(*state, 8);

	assert_int_equal(near_send(pair, 1, 0, bytes(5)), 1);
	assert_int_equal(near_send(pair, 1, 1, bytes(3)), 0);
	assert_int_equal(loom_tx_space(&pair->near.tx), 2);
	assert_int_equal(near_send(pair, 1, 1, bytes(2)), 1);
	assert_ok(loom_tx_sync(&pair->near.tx));
	assert_int_equal(FAR(pair, far_frames, 0, bytes(5)), 5);
	assert_int_equal(FAR(pair, far_frames, 1, bytes(2)), 2);
	assert_int_equal(FAR(pair, far_look), 0);
}

static void chains_wrap_around_the_ring(void **state)
{
	struct pair *pair = small_buffers(*state, 7);

	for (uint32_t i = 0; i < 100; i++) {
		uint32_t len = bytes(3) + i % BUFFER + 1;

		assert_ok(loom_tx_sync(&pair->near.tx));
		send_one(pair, i, len);
		if (i % 3)
			assert_int_equal(FAR(pair, far_frames, i, len), 4);
		else
			assert_int_equal(FAR(pair, far_copy, i, len, bytes(4)), len);
	}
}

/* Commit n frames of BUFFER bytes that together are packet `number`; more: the last has MOREFRAG too. */
static void commit_part(struct pair *pair, uint32_t number, uint32_t from, unsigned n, bool more)
{
	struct loom_frame frames[SLOTS] = {{.data = NULL}};
	uint8_t whole[SLOTS * BUFFER];

	assert_int_equal(loom_reserve(&pair->near.tx, frames, n), n);
	packet_fill(whole, bytes(from + n), number);
	for (unsigned i = 0; i < n && frames[i].data; i++) {
		memcpy(frames[i].data, whole + bytes(from + i), BUFFER);
		frames[i].len = BUFFER;
		frames[i].flags = more || i + 1 < n ? NS_MOREFRAG : 0;
	}
	assert_ok(loom_commit(&pair->near.tx, frames, n));
	assert_ok(loom_tx_sync(&pair->near.tx));
}

static void an_incomplete_packet_is_held_back_and_nothing_else(void **state)
{
	struct pair *pair = small_buffers(*state, SLOTS);

	assert_int_equal(near_send(pair, 1, 0, 60), 1);
	commit_part(pair, 1, 0, 2, true);
	assert_int_equal(FAR(pair, far_look), 1);
	assert_int_equal(FAR(pair, far_take, 1, 0, 60), 1);
	for (int i = 0; i < 10; i++) {
		assert_ok(loom_tx_sync(&pair->near.tx));
		assert_int_equal(FAR(pair, far_look), 0);
	}
	assert_int_equal(loom_tx_space(&pair->near.tx), SLOTS - 3);
	commit_part(pair, 1, 2, 1, true);
	assert_int_equal(FAR(pair, far_look), 0);
	commit_part(pair, 1, 3, 1, false);
	assert_int_equal(FAR(pair, far_frames, 1, bytes(4)), 4);
	assert_ok(loom_tx_sync(&pair->near.tx));
	assert_int_equal(loom_tx_space(&pair->near.tx), SLOTS - 1);
}

static void a_ring_full_of_one_incomplete_packet_shows_nothing(void **state)
{
	struct pair *pair = small_buffers(*state, 8);

	commit_part(pair, 1, 0, 7, true);
	assert_int_equal(loom_tx_space(&pair->near.tx), 0);
	assert_int_equal(FAR(pair, far_look), 0);
	assert_int_equal(loom_port_wait(pair->near.port, LOOM_TX, 1), 0);
}

static void a_copy_that_does_not_fit_stays_in_the_ring(void **state)
{
	struct pair *pair = small_buffers(*state, SLOTS);

	assert_int_equal(FAR(pair, far_copy, 0, 0, 100), -EAGAIN);
	send_one(pair, 7, 200);
	assert_int_equal(FAR(pair, far_copy, 7, 200, 199), -EMSGSIZE);
	assert_int_equal(FAR(pair, far_copy, 7, 200, 0), -EMSGSIZE);
	assert_int_equal(FAR(pair, far_copy, 7, 200, 200), 200);
	assert_int_equal(FAR(pair, far_copy, 0, 0, 100), -EAGAIN);
	send_one(pair, 8, 0);
	assert_int_equal(FAR(pair, far_copy, 8, 0, 0), 0);
}

static void a_chain_of_more_than_64_slots_is_dropped_whole(void **state)
{
	struct pair *pair = small_buffers(*state, SLOTS);

	commit_part(pair, 1, 0, 64, false);
	commit_part(pair, 2, 0, 70, false);
	commit_part(pair, 3, 0, 2, false);
	assert_int_equal(FAR(pair, far_copy, 1, bytes(64), bytes(64)), bytes(64));
	assert_int_equal(FAR(pair, far_copy, 3, bytes(2), bytes(64)), bytes(2));
	assert_int_equal(FAR(pair, far_copy, 0, 0, 100), -EAGAIN);
}

static const struct body bodies[] = {
    BODY_IF(a_packet_larger_than_a_buffer_becomes_a_chain, NEEDS_SIZES),
    BODY_IF(the_longest_chain_is_64_slots_or_the_ring, NEEDS_SIZES),
    BODY_IF(a_chain_that_does_not_fit_is_not_begun, NEEDS_SIZES),
    BODY_IF(chains_wrap_around_the_ring, NEEDS_SIZES),
    BODY(an_incomplete_packet_is_held_back_and_nothing_else),
    BODY(a_ring_full_of_one_incomplete_packet_shows_nothing),
    BODY(a_copy_that_does_not_fit_stays_in_the_ring),
    BODY(a_chain_of_more_than_64_slots_is_dropped_whole),
};

int main(int argc, char **argv)
{
	const struct suite suite = {"fragments", bodies, COUNT(bodies), NULL, 0};

	return suite_run(&suite, argc, argv);
}
