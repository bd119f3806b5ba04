/* SPDX-License-Identifier: BSD-2-Clause */
/* The pcap kind on an interface. */
#include <unistd.h>

#include "wire.h"

static void open_ends(struct wire *wire)
{
	end_open(&wire->near, "pcap:" NEAR, NULL);
	end_open(&wire->far, "pcap:" FAR, NULL);
}

static void frames_pass_in_order_and_own_ones_do_not_come_back(void **state)
{
	struct wire *wire = *state;
	struct loom_info info;

	open_ends(wire);
	assert_ok(loom_port_info(wire->near.port, &info));
	assert_string_equal(info.kind, "pcap");
	for (uint32_t i = 0; i < 200; i++)
		end_send(&wire->near, i, 60 + i * 7);
	end_flush(&wire->near);
	for (uint32_t i = 0; i < 200; i++)
		end_expect(&wire->far, i, 60 + i * 7);
	end_expect_none(&wire->near);
	end_expect_none(&wire->far);
}

static void chains_leave_whole_and_large_frames_come_in_several_slots(void **state)
{
	static uint8_t data[8000], got[9000];
	struct wire *wire = *state;
	uint64_t deadline = now_ms() + PATIENCE_MS;
	ssize_t len = 0;

	assert_ok(netns_mtu(NEAR, 9000));
	assert_ok(netns_mtu(FAR, 9000));
	open_ends(wire);
	packet_fill(data, sizeof data, 3);
	assert_int_equal(loom_send(&wire->near.tx, data, sizeof data), 1);
	end_flush(&wire->near);
	while (len != sizeof data && now_ms() < deadline) {
		assert_true(loom_port_wait(wire->far.port, LOOM_RX, 100) >= 0);
		len = loom_recv_copy(&wire->far.rx, got, sizeof got, NULL);
	}
	assert_int_equal(len, sizeof data);
	assert_memory_equal(got, data, sizeof data);
}

static void what_the_interface_refuses_is_counted(void **state)
{
	static uint8_t data[4000];
	struct wire *wire = *state;

	open_ends(wire);
	packet_fill(data, sizeof data, 3); /* more than its MTU */
	assert_int_equal(loom_send(&wire->near.tx, data, sizeof data), 1);
	end_flush(&wire->near);
	assert_int_equal(end_tx_drops(&wire->near, LOOM_DROP_REFUSED), 1);
}

static void what_is_pending_waits_until_the_interface_is_up(void **state)
{
	struct wire *wire = *state;
	uint8_t data[100];

	open_ends(wire);
	assert_ok(netns_up(NEAR, false));
	packet_fill(data, sizeof data, 7);
	assert_int_equal(loom_send(&wire->near.tx, data, sizeof data), 1);
	assert_refused(loom_tx_sync(&wire->near.tx), -ENETDOWN, "down");
	assert_ok(netns_up(NEAR, true));
	end_flush(&wire->near);
	end_expect(&wire->far, 7, sizeof data);
	assert_int_equal(end_tx_drops(&wire->near, LOOM_DROP_REFUSED), 0);
}

static void an_interface_that_is_removed_is_told(void **state)
{
	struct wire *wire = *state;
	uint64_t deadline = now_ms() + PATIENCE_MS;
	int err = 0;

	open_ends(wire);
	assert_ok(netns_remove(NEAR));
	while (!err && now_ms() < deadline)
		err = loom_rx_sync(&wire->near.rx);
	assert_refused(err, -ENETDOWN, "pcap:" NEAR);
}

static int open_without_capabilities(void *arg)
{
	struct loom_port *port;

	(void)arg;
	if (netns_capabilities_drop() != 0)
		return 2;
	if (loom_open("pcap:" NEAR, NULL, &port) != -EPERM)
		return 3;
	return strstr(loom_error(), "CAP_NET_RAW") ? 0 : 4;
}

static void what_cannot_be_opened_is_refused_with_a_reason(void **state)
{
	struct loom_port *port = NULL;

	(void)state;
	assert_refused(loom_open("pcap:nosuch0", NULL, &port), -ENXIO, "no such interface");
	assert_refused(loom_open("pcap:lo", NULL, &port), -EINVAL, "loopback");
	assert_refused(
	    loom_open("pcap:" NEAR, LOOM_CONFIG(.rx_rings = 2), &port), -EINVAL, "one ring");
	assert_refused(
	    loom_open("pcap:" NEAR "@conf:host-rings=1", NULL, &port), -EOPNOTSUPP, "host rings");
	assert_null(port);
	assert_int_equal(child_wait(child_start(open_without_capabilities, NULL)), 0);
}

static void closing_gives_everything_back(void **state)
{
	struct wire *wire = *state;
	unsigned before;

	open_ends(wire);
	end_close(&wire->far);
	end_close(&wire->near);
	before = open_descriptors();
	for (unsigned i = 0; i < 5; i++) {
		open_ends(wire);
		loom_port_fd(wire->near.port);
		end_close(&wire->far);
		end_close(&wire->near);
	}
	assert_int_equal(open_descriptors(), before);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
	    WIRE_TEST(frames_pass_in_order_and_own_ones_do_not_come_back),
	    WIRE_TEST(chains_leave_whole_and_large_frames_come_in_several_slots),
	    WIRE_TEST(what_the_interface_refuses_is_counted),
	    WIRE_TEST(what_is_pending_waits_until_the_interface_is_up),
	    WIRE_TEST(an_interface_that_is_removed_is_told),
	    WIRE_TEST(what_cannot_be_opened_is_refused_with_a_reason),
	    WIRE_TEST(closing_gives_everything_back),
	};

	return WIRE_TESTS(tests);
}
