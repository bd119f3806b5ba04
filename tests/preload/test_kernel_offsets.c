/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The library's kernel device hands the option for offsets on to /dev/netmap, which here is the preload
 * library's.
 */
#include "../contract/support.h"

static void an_end_of_a_pipe_has_the_offsets_that_its_name_asks_for(void **state)
{
	struct loom_port *a = NULL, *b = NULL;
	struct loom_info info;
	struct loom_frame frame = {0};
	struct loom_txring tx = {0};
	struct loom_rxring rx = {0};

	(void)state;
	assert_ok(loom_open("kernel:k{1@offset:initial=64,bits=16", NULL, &a));
	assert_ok(loom_open("kernel:k}1", LOOM_CONFIG(.offset = 32), &b));
	assert_ok(loom_port_info(a, &info));
	assert_string_equal(info.device, "kernel");
	assert_int_equal(info.max_payload, 64 * (2048 - 64));
	assert_ok(loom_tx(a, 0, &tx));
	assert_ok(loom_rx(b, 0, &rx));
	assert_int_equal(tx.offset_mask, 0xffff);
	assert_int_equal(loom_send(&tx, "five", 5), 1);
	assert_int_equal(tx.ring->slot[0].ptr, 64);
	assert_ok(loom_tx_sync(&tx));
	assert_ok(loom_rx_sync(&rx));
	assert_int_equal(loom_recv(&rx, &frame), 1);
	assert_string_equal(frame.data, "five");
	assert_int_equal(frame.cap, 2048 - 64);
	loom_close(a);
	loom_close(b);
}

static void what_the_device_refuses_is_refused(void **state)
{
	struct loom_port *port;

	(void)state;
	assert_refused(loom_open("kernel:k{1@offset=2048", NULL, &port), -EINVAL, "/dev/netmap");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(an_end_of_a_pipe_has_the_offsets_that_its_name_asks_for),
	    cmocka_unit_test(what_the_device_refuses_is_refused),
	};

	scratch_directory();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
