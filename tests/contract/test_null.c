/* SPDX-License-Identifier: BSD-2-Clause */
/* null: takes everything, gives nothing. */
#include "support.h"

#include <poll.h>
#include <stdio.h>

struct end {
	struct loom_port *port;
	struct loom_txring tx;
	struct loom_rxring rx;
};

static struct end end_open(const struct loom_config *config)
{
	static unsigned number; /* what a failed test leaves open is not the next one's */
	char name[32];
	struct end end;

	snprintf(name, sizeof name, "null:n%u", number++);
	assert_ok(loom_open(name, config, &end.port));
	assert_ok(loom_tx(end.port, 0, &end.tx));
	assert_ok(loom_rx(end.port, 0, &end.rx));
	return end;
}

static void everything_sent_is_gone_at_the_sync(void **state)
{
	static const uint32_t sizes[] = {2, 3, 7, 100, 1024, 4096};

	(void)state;
	for (size_t i = 0; i < COUNT(sizes); i++) {
		struct end end = end_open(LOOM_CONFIG(.tx_slots = sizes[i]));
		struct loom_stats tx;
		uint32_t sent = 0;

		for (uint32_t lap = 0; lap < 5; lap++) {
			assert_int_equal(loom_tx_space(&end.tx), sizes[i] - 1);
			while (loom_send(&end.tx, "twelve bytes", 12) == 1)
				sent++;
			assert_int_equal(loom_tx_space(&end.tx), 0);
			assert_ok(loom_tx_sync(&end.tx));
		}
		assert_int_equal(sent, 5 * (sizes[i] - 1));
		assert_ok(loom_port_stats(end.port, &tx, NULL));
		assert_int_equal(tx.packets, sent);
		assert_int_equal(tx.bytes, 12 * sent);
		loom_close(end.port);
	}
}

static void nothing_ever_comes(void **state)
{
	struct end end = end_open(NULL);
	struct loom_frame frame;
	uint64_t before = now_ms();

	(void)state;
	assert_int_equal(loom_port_wait(end.port, LOOM_RX, 20), 0);
	assert_true(now_ms() - before >= 19);
	assert_ok(loom_rx_sync(&end.rx));
	assert_int_equal(loom_rx_space(&end.rx), 0);
	assert_int_equal(loom_recv(&end.rx, &frame), 0);
	assert_int_equal(loom_port_wait(end.port, LOOM_RX | LOOM_TX, -1), LOOM_TX);
	loom_close(end.port);
}

static void its_descriptor_never_becomes_readable(void **state)
{
	struct end end = end_open(NULL);
	struct pollfd poll_for = {.fd = loom_port_fd(end.port), .events = POLLIN};

	(void)state;
	assert_true(poll_for.fd >= 0);
	assert_ok(loom_tx_sync(&end.tx));
	assert_ok(loom_rx_sync(&end.rx));
	assert_int_equal(poll(&poll_for, 1, 10), 0);
	loom_close(end.port);
}

static void bad_pointers_are_answered_as_everywhere(void **state)
{
	struct end end = end_open(LOOM_CONFIG(.tx_slots = 16));
	struct netmap_ring *ring = end.tx.ring;

	(void)state;
	ring->head = ring->cur = 16;
	assert_int_equal(end.tx.sync->sync(end.tx.sync), -EINVAL);
	assert_int_equal(ring->head, 0);
	ring->head = 4;
	ring->cur = 3;
	assert_int_equal(end.tx.sync->sync(end.tx.sync), -EINVAL);
	assert_int_equal(ring->head, 4);
	ring->head = ring->cur = 4;
	ring->tail = 99;
	assert_ok(end.tx.sync->sync(end.tx.sync));
	assert_int_equal(ring->tail, 3);
	end.rx.ring->head = end.rx.ring->cur = 1;
	assert_int_equal(end.rx.sync->sync(end.rx.sync), -EINVAL);
	loom_close(end.port);
}

static void tx_and_rx_have_buffers_of_their_own(void **state)
{
	struct end end = end_open(LOOM_CONFIG(.tx_slots = 16, .rx_slots = 8));

	(void)state;
	assert_int_equal(end.rx.num_slots, 8);
	for (uint32_t i = 0; i < 16; i++)
		for (uint32_t k = 0; k < 8; k++)
			assert_int_not_equal(
			    end.tx.ring->slot[i].buf_idx, end.rx.ring->slot[k].buf_idx);
	loom_close(end.port);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(everything_sent_is_gone_at_the_sync),
	    cmocka_unit_test(nothing_ever_comes),
	    cmocka_unit_test(its_descriptor_never_becomes_readable),
	    cmocka_unit_test(bad_pointers_are_answered_as_everywhere),
	    cmocka_unit_test(tx_and_rx_have_buffers_of_their_own),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
