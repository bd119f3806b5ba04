/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Packets that start at an offset in their buffers: every verb puts and finds them there, and nothing that
 * a slot says leads outside a buffer.
 */
#include "offset_ends.h"

#include <stdio.h>
#include <stdlib.h>

#define OFFSET   64u
#define SLOTS    8u
#define ROOM     (BUF - OFFSET)
#define HOSTILES COUNT(hostile)

/* ---- one packet by each verb ---- */

/* Borrowed, at the offset, with all the room there is behind it. */
static bool is_placed(const struct loom_txring *tx, const struct loom_frame *frame)
{
	const uint8_t *buffers = (const uint8_t *)tx->ring + tx->ring->buf_ofs;

	return (size_t)(frame->data - buffers) % BUF == OFFSET && frame->cap == ROOM &&
	       frame->len == 0 && frame->flags == 0;
}

static bool send_by_commit(const struct loom_txring *tx, uint32_t number, uint32_t len)
{
	struct loom_frame frames[3];
	unsigned got = loom_reserve(tx, frames, 3);

	if (got == 0 || !is_placed(tx, &frames[0]) || !is_placed(tx, &frames[got - 1]))
		return false;
	packet_fill(frames[0].data, len, number);
	frames[0].len = (uint16_t)len;
	return loom_commit(tx, frames, 1) == 0;
}

static bool send_by_batch(const struct loom_txring *tx, uint32_t number, uint32_t len)
{
	struct loom_txbatch batch = loom_txbatch_begin(tx);
	struct loom_frame frame;
	bool sent = loom_txbatch_next(&batch, &frame) && is_placed(tx, &frame);

	if (sent) {
		packet_fill(frame.data, len, number);
		sent = loom_txbatch_put(&batch, len, 0) == 0;
	}
	loom_txbatch_end(&batch);
	return sent;
}

static bool (*const senders[])(const struct loom_txring *, uint32_t, uint32_t) = {
    offset_send, send_by_commit, send_by_batch};

static bool take_by_recv(const struct loom_rxring *rx, struct loom_frame *frame)
{
	return loom_recv(rx, frame) == 1;
}

static bool take_by_peek(const struct loom_rxring *rx, struct loom_frame *frame)
{
	struct loom_frame frames[3];

	if (loom_peek(rx, frames, 3) == 0)
		return false;
	*frame = frames[0];
	loom_release(rx, 1);
	return true;
}

static bool take_by_batch(const struct loom_rxring *rx, struct loom_frame *frame)
{
	struct loom_rxbatch batch = loom_rxbatch_begin(rx);
	bool taken = loom_rxbatch_next(&batch, frame) == 1;

	loom_rxbatch_end(&batch);
	return taken;
}

static bool take_by_copy(const struct loom_rxring *rx, struct loom_frame *frame)
{
	static uint8_t data[BUF];
	ssize_t len = loom_recv_copy(rx, data, sizeof data, NULL);

	*frame = (struct loom_frame){.data = data, .len = (uint16_t)len};
	return len >= 0;
}

static bool (*const takers[])(const struct loom_rxring *, struct loom_frame *) = {
    take_by_recv, take_by_peek, take_by_batch, take_by_copy};

#define TAKE_BY_COPY 3

/* Take packet args[1] of args[2] bytes by verb args[0], expected at offset args[3]. Value: 1. */
static void far_take_by(struct end *far, const int64_t *args, struct report *report)
{
	struct loom_frame frame = {.len = 0};
	size_t at;

	loom_rx_sync(&far->rx);
	report->value = takers[args[0]](&far->rx, &frame);
	if (!report->value) {
		snprintf(
		    report->problem, sizeof report->problem, "nothing by verb %d", (int)args[0]);
		return;
	}
	if (frame.len != args[2] || !packet_is(frame.data, frame.len, (uint32_t)args[1]))
		snprintf(
		    report->problem, sizeof report->problem, "wrong content, %u bytes", frame.len);
	at = (size_t)(frame.data - far->rx.buffers) % BUF;
	if (args[0] != TAKE_BY_COPY && (at != (size_t)args[3] || frame.cap != BUF - at))
		snprintf(report->problem, sizeof report->problem, "at %zu, room %u", at, frame.cap);
	loom_rx_sync(&far->rx);
}

static struct pair *offset_pair(const struct row *row)
{
	return pair_open(row, LOOM_CONFIG(.offset = OFFSET, .tx_slots = SLOTS));
}

static void every_verb_puts_and_finds_packets_at_the_offset(void **state)
{
	static const uint32_t lengths[] = {LEN, ROOM, 1};
	struct pair *pair = offset_pair(*state);
	uint32_t number = 0;

	for (size_t i = 0; i < COUNT(senders) * COUNT(takers) * COUNT(lengths); i++) {
		size_t sender = i % COUNT(senders), taker = i / COUNT(senders) % COUNT(takers);
		uint32_t len = lengths[i % COUNT(lengths)];

		assert_ok(loom_tx_sync(&pair->near.tx));
		assert_true(senders[sender](&pair->near.tx, ++number, len));
		assert_ok(loom_tx_sync(&pair->near.tx));
		FAR(pair, far_take_by, (int64_t)taker, number, len, OFFSET);
	}
}

static void rings_full_of_packets_go_round(void **state)
{
	struct pair *pair = offset_pair(*state);

	for (uint32_t first = 0; first < 40 * SLOTS; first += SLOTS) {
		assert_ok(loom_tx_sync(&pair->near.tx));
		assert_int_equal(near_send(pair, SLOTS, first, LEN), SLOTS - 1);
		assert_ok(loom_tx_sync(&pair->near.tx));
		assert_int_equal(FAR(pair, far_take, SLOTS - 1, first, LEN), SLOTS - 1);
	}
}

static void a_frame_has_no_more_room_than_its_buffer_behind_the_offset(void **state)
{
	struct pair *pair = offset_pair(*state);
	struct loom_txbatch batch;
	struct loom_frame frame;

	assert_int_equal(loom_tx_max_payload(&pair->near.tx), ROOM * (SLOTS - 1));
	assert_int_equal(loom_reserve(&pair->near.tx, &frame, 1), 1);
	frame.len = ROOM + 1;
	assert_int_equal(loom_commit(&pair->near.tx, &frame, 1), -EMSGSIZE);
	batch = loom_txbatch_begin(&pair->near.tx);
	assert_int_equal(loom_txbatch_next(&batch, &frame), 1);
	assert_int_equal(loom_txbatch_put(&batch, ROOM + 1, 0), -EMSGSIZE);
	loom_txbatch_end(&batch);
	assert_int_equal(loom_tx_space(&pair->near.tx), SLOTS - 1);
}

/* Value: the length of the packet there, if it is number args[0]. */
static void far_copy(struct end *far, const int64_t *args, struct report *report)
{
	static uint8_t data[SLOTS * BUF];

	loom_rx_sync(&far->rx);
	report->value = loom_recv_copy(&far->rx, data, sizeof data, NULL);
	if (report->value >= 0 && !packet_is(data, (uint32_t)report->value, (uint32_t)args[0]))
		snprintf(report->problem, sizeof report->problem, "wrong content");
	loom_rx_sync(&far->rx);
}

static void chains_have_the_offset_in_each_slot(void **state)
{
	static const uint32_t lengths[] = {ROOM + 1, 2 * ROOM, 3 * BUF, ROOM * (SLOTS - 1)};
	struct pair *pair = offset_pair(*state);
	static uint8_t data[SLOTS * BUF];

	for (uint32_t i = 0; i < 5 * COUNT(lengths); i++) {
		uint32_t len = lengths[i % COUNT(lengths)];

		packet_fill(data, len, i);
		assert_ok(loom_tx_sync(&pair->near.tx));
		assert_int_equal(loom_send(&pair->near.tx, data, len), 1);
		assert_ok(loom_tx_sync(&pair->near.tx));
		assert_int_equal(FAR(pair, far_copy, i), len);
	}
}

static void empty_packets_pass(void **state)
{
	struct pair *pair = offset_pair(*state);

	for (uint32_t i = 0; i < 3 * SLOTS; i++) {
		assert_ok(loom_tx_sync(&pair->near.tx));
		assert_int_equal(loom_send(&pair->near.tx, "", 0), 1);
		assert_ok(loom_tx_sync(&pair->near.tx));
		assert_int_equal(FAR(pair, far_copy, 0), 0);
	}
}

static struct netmap_slot *near_slot(const struct pair *pair)
{
	struct netmap_ring *ring = pair->near.tx.ring;

	return &ring->slot[ring->head == 0 ? ring->num_slots - 1 : ring->head - 1];
}

static void a_header_can_be_put_before_a_packet(void **state)
{
	struct pair *pair = offset_pair(*state);
	struct loom_frame frame = {.len = 0};

	for (uint32_t i = 0; i < 3 * SLOTS; i++) {
		assert_ok(loom_tx_sync(&pair->near.tx));
		assert_int_equal(loom_reserve(&pair->near.tx, &frame, 1), 1);
		packet_fill(frame.data - 14, LEN, i);
		loom_tx_slot(&pair->near.tx, 0)->ptr = OFFSET - 14;
		frame.len = LEN;
		assert_int_equal(loom_commit(&pair->near.tx, &frame, 1), 0);
		assert_ok(loom_tx_sync(&pair->near.tx));
		FAR(pair, far_take_by, i % COUNT(takers), i, LEN, OFFSET - 14);
	}
}

/* ---- offsets that lead out of the buffer ---- */

static const uint64_t hostile[] = {BUF - LEN + 1, BUF, BUF + 1, 2ull * BUF, 1u << 20, UINT32_MAX,
    1ull << 32, INT64_MAX, 1ull << 63, UINT64_MAX - LEN, UINT64_MAX};

/* By verb args[0]. Value: packets that came, and 100 for each bad length. */
static void far_take_none(struct end *far, const int64_t *args, struct report *report)
{
	struct loom_stats before = {0}, after = {0};
	struct loom_frame frame;

	loom_rx_stats(&far->rx, &before);
	loom_rx_sync(&far->rx);
	report->value = takers[args[0]](&far->rx, &frame);
	loom_rx_sync(&far->rx);
	loom_rx_stats(&far->rx, &after);
	report->value +=
	    100 * (int64_t)(after.drops[LOOM_DROP_BAD_LENGTH] - before.drops[LOOM_DROP_BAD_LENGTH]);
}

static void what_lies_outside_its_buffer_is_dropped(void **state)
{
	struct pair *pair = offset_pair(*state);

	for (uint32_t i = 0; i < COUNT(hostile) * COUNT(takers); i++) {
		assert_ok(loom_tx_sync(&pair->near.tx));
		assert_int_equal(near_send(pair, 1, i, LEN), 1);
		near_slot(pair)->ptr = hostile[i % HOSTILES];
		assert_ok(loom_tx_sync(&pair->near.tx));
		assert_int_equal(FAR(pair, far_take_none, i / HOSTILES), 100);
	}
	assert_ok(loom_tx_sync(&pair->near.tx));
	assert_int_equal(near_send(pair, 1, 7, LEN), 1);
	assert_ok(loom_tx_sync(&pair->near.tx));
	FAR(pair, far_take_by, 0, 7, LEN, OFFSET);
}

static void the_last_place_in_a_buffer_is_right(void **state)
{
	struct pair *pair = offset_pair(*state);
	struct loom_frame frame = {.len = 0};

	assert_int_equal(loom_reserve(&pair->near.tx, &frame, 1), 1);
	packet_fill(frame.data - OFFSET + BUF - LEN, LEN, 5);
	loom_tx_slot(&pair->near.tx, 0)->ptr = BUF - LEN;
	frame.len = LEN;
	assert_int_equal(loom_commit(&pair->near.tx, &frame, 1), 0);
	assert_ok(loom_tx_sync(&pair->near.tx));
	FAR(pair, far_take_by, 0, 5, LEN, BUF - LEN);
}

static void what_a_peer_wrote_to_free_slots_is_not_believed(void **state)
{
	struct pair *pair = offset_pair(*state);
	struct netmap_ring *ring = pair->near.tx.ring;

	for (uint32_t i = 0; i < COUNT(senders) * HOSTILES; i++) {
		for (uint32_t k = 0; k < SLOTS; k++)
			ring->slot[k].ptr = hostile[i / COUNT(senders)];
		assert_ok(loom_tx_sync(&pair->near.tx));
		assert_true(senders[i % COUNT(senders)](&pair->near.tx, i, LEN));
		assert_ok(loom_tx_sync(&pair->near.tx));
		FAR(pair, far_take_by, i % COUNT(takers), i, LEN, OFFSET);
	}
}

static void slots_without_buffers_are_passed_over(void **state)
{
	struct pair *pair = offset_pair(*state);
	struct netmap_ring *ring = pair->near.tx.ring;
	struct loom_stats stats;

	for (uint32_t i = 0; i < COUNT(senders); i++) {
		ring->slot[ring->head].buf_idx = i == 0 ? 0 : UINT32_MAX;
		assert_true(senders[i](&pair->near.tx, i, LEN));
	}
	assert_ok(loom_tx_sync(&pair->near.tx));
	for (uint32_t i = 0; i < COUNT(senders); i++)
		assert_int_equal(FAR(pair, far_copy, i), LEN);
	assert_ok(loom_tx_stats(&pair->near.tx, &stats));
	assert_int_equal(stats.drops[LOOM_DROP_BAD_INDEX], COUNT(senders));
}

/* ---- opening ---- */

static int open_code(const char *name, const struct loom_config *config)
{
	struct loom_port *port;
	int err = loom_open(name, config, &port);

	if (!err)
		loom_close(port);
	return err;
}

static void what_does_not_fit_a_buffer_is_refused(void **state)
{
	(void)state;
	assert_ok(open_code("loop:o", LOOM_CONFIG(.offset = BUF - 1)));
	assert_refused(open_code("loop:o", LOOM_CONFIG(.offset = BUF)), -EINVAL, "leaves no room");
	assert_refused(
	    open_code("loop:o", LOOM_CONFIG(.offset = 64, .buffer_size = 64)), -EINVAL, "64 bytes");
	assert_refused(
	    open_code("loop:o", LOOM_CONFIG(.offset_max = UINT32_MAX)), -EINVAL, "leaves no room");
	assert_refused(open_code("loop:o@offset=4294967295", NULL), -EINVAL, "leaves no room");
	assert_refused(open_code("loop:o@offset:initial=256,bits=8", NULL), -EINVAL, "8 bits");
	assert_ok(open_code("loop:o@offset:initial=255,bits=8", NULL));
	assert_ok(open_code("pipe{o}@offset:initial=0,bits=64", NULL));
	assert_int_equal(scratch_files(), 0);
}

static void the_name_says_where_packets_start_and_how_many_bits_say_so(void **state)
{
	struct loom_info info;
	struct end end;

	(void)state;
	open_end(&end, "loop:o@offset:initial=32,bits=16", LOOM_CONFIG(.offset = 8, .tx_slots = 4));
	assert_int_equal(end.tx.offset_mask, 0xffff);
	assert_int_equal(end.tx.ring->offset_mask, 0xffff);
	assert_int_equal(end.rx.ring->offset_mask, 0xffff);
	assert_int_equal(end.tx.ring->buf_align, 0);
	for (uint32_t i = 0; i < 4; i++)
		assert_int_equal(end.tx.ring->slot[i].ptr, 32);
	assert_ok(loom_port_info(end.port, &info));
	assert_int_equal(info.max_payload, (BUF - 32) * 3);
	loom_close(end.port);
}

static void other_bits_of_ptr_stay_the_programs(void **state)
{
	const uint64_t mark = 0xabcdef0000ull;
	struct end end;

	(void)state;
	open_end(&end, "loop:o@offset:initial=32,bits=16", NULL);
	end.tx.ring->slot[0].ptr = mark | 7;
	assert_int_equal(loom_send(&end.tx, "x", 1), 1);
	assert_int_equal(end.tx.ring->slot[0].ptr, mark | 32);
	loom_close(end.port);
}

static void without_offsets_ptr_means_nothing(void **state)
{
	struct end end;

	(void)state;
	open_end(&end, "loop:o", NULL);
	assert_int_equal(end.tx.ring->offset_mask, 0);
	assert_int_equal(loom_send(&end.tx, "x", 1), 1);
	end.tx.ring->slot[0].ptr = UINT64_MAX;
	assert_ok(loom_tx_sync(&end.tx));
	assert_ok(loom_rx_sync(&end.rx));
	assert_int_equal(loom_recv_copy(&end.rx, &(char){0}, 1, NULL), 1);
	loom_close(end.port);
}

static void who_comes_later_may_ask_for_no_more(void **state)
{
	struct end first, second;

	(void)state;
	open_end(&first, "loop:o@offset:initial=32,bits=16", LOOM_CONFIG(.offset_max = 100));
	assert_refused(open_code("loop:o@offset:initial=33,bits=17", NULL), -EBUSY, "up to 100");
	assert_refused(open_code("loop:o@offset:initial=101,bits=16", NULL), -EBUSY, "up to 100");
	open_end(&second, "loop:o@offset:initial=100,bits=8", NULL);
	assert_int_equal(second.tx.offset_mask, 0xffff);
	assert_int_equal(first.tx.ring->slot[0].ptr, 32); /* it is in use: left as it is */
	loom_close(second.port);
	open_end(&second, "loop:o", NULL);
	assert_int_equal(second.tx.offset_mask, 0xffff);
	loom_close(first.port);
	loom_close(second.port);
	open_end(&first, "loop:o@offset=200", NULL);
	loom_close(first.port);
}

static void the_next_user_of_a_pipes_end_finds_its_slots_clean(void **state)
{
	struct end a, b;

	(void)state;
	open_end(&b, "o}1", LOOM_CONFIG(.tx_slots = SLOTS, .offset = 10));
	open_end(&a, "o{1", LOOM_CONFIG(.offset = OFFSET));
	assert_int_equal(a.tx.ring->slot[3].ptr, OFFSET);
	loom_close(a.port);
	open_end(&a, "o{1", NULL);
	pass_to(&a, 1, LEN);
	expect_at(&b, 1, LEN, 0);
	loom_close(a.port);
	loom_close(b.port);
}

static void packets_of_a_pipe_keep_the_offset_that_their_sender_gave_them(void **state)
{
	struct end a, b;

	(void)state;
	open_end(&a, "o{1", LOOM_CONFIG(.offset = 100));
	open_end(&b, "o}1", LOOM_CONFIG(.offset = 10));
	for (uint32_t i = 0; i < 20; i++) {
		pass_to(&a, i, LEN);
		pass_to(&b, i + 50, LEN);
		expect_at(&b, i, LEN, 100);
		expect_at(&a, i + 50, LEN, 10);
	}
	loom_close(a.port);
	loom_close(b.port);
}

static void what_was_sent_before_the_end_had_offsets_is_still_there(void **state)
{
	struct end a, b;

	(void)state;
	open_end(&b, "o}1", LOOM_CONFIG(.offset = 10, .tx_slots = SLOTS));
	open_end(&a, "o{1", NULL);
	pass_to(&a, 1, LEN);
	loom_close(a.port);
	open_end(&a, "o{1", LOOM_CONFIG(.offset = OFFSET));
	pass_to(&a, 2, LEN);
	expect_at(&b, 1, LEN, 0);
	expect_at(&b, 2, LEN, OFFSET);
	loom_close(a.port);
	loom_close(b.port);
}

static const struct body bodies[] = {
    BODY(every_verb_puts_and_finds_packets_at_the_offset),
    BODY(rings_full_of_packets_go_round),
    BODY(a_frame_has_no_more_room_than_its_buffer_behind_the_offset),
    BODY(chains_have_the_offset_in_each_slot),
    BODY(empty_packets_pass),
    BODY(a_header_can_be_put_before_a_packet),
    BODY(what_lies_outside_its_buffer_is_dropped),
    BODY(the_last_place_in_a_buffer_is_right),
    BODY(what_a_peer_wrote_to_free_slots_is_not_believed),
    BODY(slots_without_buffers_are_passed_over),
};

int main(int argc, char **argv)
{
	static const struct CMUnitTest plain[] = {
	    cmocka_unit_test(what_does_not_fit_a_buffer_is_refused),
	    cmocka_unit_test(the_name_says_where_packets_start_and_how_many_bits_say_so),
	    cmocka_unit_test(other_bits_of_ptr_stay_the_programs),
	    cmocka_unit_test(without_offsets_ptr_means_nothing),
	    cmocka_unit_test(who_comes_later_may_ask_for_no_more),
	    cmocka_unit_test(the_next_user_of_a_pipes_end_finds_its_slots_clean),
	    cmocka_unit_test(packets_of_a_pipe_keep_the_offset_that_their_sender_gave_them),
	    cmocka_unit_test(what_was_sent_before_the_end_had_offsets_is_still_there),
	};
	const struct suite suite = {"offsets", bodies, COUNT(bodies), plain, COUNT(plain)};

	return suite_run(&suite, argc, argv);
}
