/* SPDX-License-Identifier: BSD-2-Clause */
/* Forwarding packets that start at an offset in their buffers, to rings that have another one or none. */
#include "offset_ends.h"

#define SLOTS 8u

/* Offsets with which LEN bytes do not fit. */
static const uint64_t outside[] = {BUF - LEN + 1, BUF, 2ull * BUF, UINT32_MAX, UINT64_MAX};

static void forward_one(struct end *from, struct end *to)
{
	assert_ok(loom_rx_sync(&from->rx));
	assert_ok(loom_tx_sync(&to->tx));
	assert_int_equal(loom_forward(&from->rx, &to->tx, SLOTS), 1);
	assert_ok(loom_tx_sync(&to->tx));
	assert_ok(loom_rx_sync(&from->rx));
}

static void a_swapped_packet_keeps_its_offset(void **state)
{
	struct end a, b;

	(void)state;
	open_end(&a, "o{1", LOOM_CONFIG(.offset = 100, .tx_slots = SLOTS));
	open_end(&b, "o}1", LOOM_CONFIG(.offset = 10));
	assert_int_equal(loom_forward_how(&b.rx, &b.tx), LOOM_FORWARD_SWAP);
	for (uint32_t i = 0; i < 5 * SLOTS; i++) {
		pass_to(&a, i, LEN);
		forward_one(&b, &b);
		expect_at(&a, i, LEN, 100);
		pass_to(&b, i, LEN); /* whatever was in the slot before */
		expect_at(&a, i, LEN, 10);
	}
	loom_close(a.port);
	loom_close(b.port);
}

static void a_packet_between_regions_starts_at_the_targets_offset(void **state)
{
	struct end a, b, c, d;

	(void)state;
	open_end(&a, "o{1", LOOM_CONFIG(.offset = 100, .tx_slots = SLOTS));
	open_end(&b, "o}1", LOOM_CONFIG(.offset = 1));
	open_end(&c, "other{1", LOOM_CONFIG(.offset = 10, .tx_slots = SLOTS));
	open_end(&d, "other}1", LOOM_CONFIG(.offset = 1));
	assert_int_equal(loom_forward_how(&b.rx, &c.tx), LOOM_FORWARD_COPY);
	for (uint32_t i = 0; i < 3 * SLOTS; i++) {
		uint32_t len = i % 2 ? LEN : BUF - 100;

		pass_to(&a, i, len);
		forward_one(&b, &c);
		expect_at(&d, i, len, 10);
	}
	loom_close(a.port);
	loom_close(b.port);
	loom_close(c.port);
	loom_close(d.port);
}

static void what_grows_by_the_targets_offset_takes_more_slots(void **state)
{
	static uint8_t data[BUF];
	struct end a, b, c, d;

	(void)state;
	open_end(&a, "o{1", LOOM_CONFIG(.tx_slots = SLOTS));
	open_end(&b, "o}1", NULL);
	open_end(&c, "other{1", LOOM_CONFIG(.offset = 2000, .tx_slots = 64));
	open_end(&d, "other}1", LOOM_CONFIG(.offset = 1));
	pass_to(&a, 1, 100);
	forward_one(&b, &c);
	assert_ok(loom_rx_sync(&d.rx));
	assert_int_equal(loom_rx_space(&d.rx), 3);
	assert_int_equal(loom_recv_copy(&d.rx, data, sizeof data, NULL), 100);
	assert_true(packet_is(data, 100, 1));
	loom_close(a.port);
	loom_close(b.port);
	loom_close(c.port);
	loom_close(d.port);
}

/* One port, bound twice: its RX rings have offsets, its TX rings have none. */
static void a_target_that_cannot_say_the_offset_gets_a_copy(void **state)
{
	struct end a, b;
	struct loom_port *rx, *tx;

	(void)state;
	open_end(&a, "o{1", LOOM_CONFIG(.offset = 100, .tx_slots = SLOTS));
	assert_ok(loom_open("o}1/R", LOOM_CONFIG(.offset = 10), &rx));
	assert_ok(loom_open("o}1/T", NULL, &tx));
	assert_ok(loom_rx(rx, 0, &b.rx));
	assert_ok(loom_tx(tx, 0, &b.tx));
	assert_int_equal(loom_forward_how(&b.rx, &b.tx), LOOM_FORWARD_COPY);
	for (uint32_t i = 0; i < 3 * SLOTS; i++) {
		pass_to(&a, i, LEN);
		forward_one(&b, &b);
		expect_at(&a, i, LEN, 0);
	}
	loom_close(a.port);
	loom_close(rx);
	loom_close(tx);
}

static void a_packet_outside_its_buffer_is_not_forwarded(void **state)
{
	struct loom_stats stats;
	struct end a, b;

	(void)state;
	open_end(&a, "o{1", LOOM_CONFIG(.offset = 100, .tx_slots = 2 * SLOTS));
	open_end(&b, "o}1", LOOM_CONFIG(.offset = 10));
	for (uint32_t i = 0; i < COUNT(outside); i++) {
		assert_true(offset_send(&a.tx, i, LEN));
		a.tx.ring->slot[i].ptr = outside[i];
	}
	pass_to(&a, 99, LEN);
	forward_one(&b, &b);
	expect_at(&a, 99, LEN, 100);
	assert_ok(loom_rx_stats(&b.rx, &stats));
	assert_int_equal(stats.drops[LOOM_DROP_BAD_LENGTH], COUNT(outside));
	loom_close(a.port);
	loom_close(b.port);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
	    cmocka_unit_test(a_swapped_packet_keeps_its_offset),
	    cmocka_unit_test(a_packet_between_regions_starts_at_the_targets_offset),
	    cmocka_unit_test(what_grows_by_the_targets_offset_takes_more_slots),
	    cmocka_unit_test(a_target_that_cannot_say_the_offset_gets_a_copy),
	    cmocka_unit_test(a_packet_outside_its_buffer_is_not_forwarded),
	};

	scratch_directory();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
