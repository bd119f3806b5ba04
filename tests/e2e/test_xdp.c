/* SPDX-License-Identifier: BSD-2-Clause */
/* Packets through AF_XDP, between the two ends of a cable; natively or generically, as its argument says. */
#include "wire.h"

#include <linux/ethtool.h>
#include <linux/sockios.h>
#include <net/if.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#define MANY 1000000u

/* Send all, receive all, by one thread: number and content of each packet are checked. */
static void exchange(struct end *from, struct end *to, uint32_t all, uint32_t (*len_of)(uint32_t))
{
	const uint64_t deadline = now_ms() + 60000;
	uint32_t sent = 0, got = 0;
	struct loom_frame frame;

	while (got < all) {
		/* No more on the way than the receiver has slots for. */
		while (sent < all && sent - got < to->rx.num_slots / 2) {
			uint8_t data[2048];

			packet_fill(data, len_of(sent), sent);
			if (loom_send(&from->tx, data, len_of(sent)) != 1)
				break;
			sent++;
		}
		assert_ok(loom_tx_sync(&from->tx));
		assert_ok(loom_rx_sync(&to->rx));
		while (loom_recv(&to->rx, &frame) == 1) {
			if (!packet_is_ours(frame.data, frame.len))
				continue;
			if (frame.len != len_of(got) || !packet_is(frame.data, frame.len, got))
				fail_msg("packet %u has %u bytes or is not what was sent", got,
				    frame.len);
			got++;
		}
		if (now_ms() > deadline)
			fail_msg("only %u of %u packets came", got, all);
	}
}

static uint32_t small(uint32_t number)
{
	(void)number;
	return 60;
}

static uint32_t any(uint32_t number)
{
	return 60 + number * 7 % 1455;
}

static void a_million_packets_arrive_in_order_and_whole(void **state)
{
	struct wire *wire = *state;

	wire_open(wire);
	exchange(&wire->near, &wire->far, MANY, small);
}

static void packets_of_all_lengths_arrive_both_ways(void **state)
{
	struct wire *wire = *state;

	wire_open(wire);
	exchange(&wire->near, &wire->far, 20000, any);
	exchange(&wire->far, &wire->near, 20000, any);
}

/* In the program's own syncs; who sleeps is woken all the same. */
static void packets_arrive_with_busy_polling(void **state)
{
	struct wire *wire = *state;
	struct loom_info info;

	end_open(&wire->near, NEAR, LOOM_CONFIG(.xdp_busy_poll_us = 50));
	end_open(&wire->far, FAR, LOOM_CONFIG(.xdp_busy_poll_us = 50));
	assert_ok(loom_port_info(wire->far.port, &info));
	assert_non_null(strstr(info.mode, "busy polling"));
	assert_null(strstr(info.mode, "busy polling:")); /* a reason why there is none */
	exchange(&wire->near, &wire->far, 20000, any);
	exchange(&wire->far, &wire->near, 20000, any);
	for (uint32_t i = 0; i < 20; i++) {
		end_send(&wire->near, i, 60);
		end_flush(&wire->near);
		end_expect(&wire->far, i, 60);
	}
}

static void the_mode_is_the_one_that_was_asked_for(void **state)
{
	struct wire *wire = *state;
	struct loom_info info;

	wire_open(wire);
	assert_ok(loom_port_info(wire->near.port, &info));
	assert_string_equal(info.kind, "xdp");
	assert_non_null(strstr(info.mode, wire_xdp_mode == LOOM_XDP_NATIVE ? "native" : "generic"));
	assert_false(info.zero_copy);
}

static void merge_packets(const char *name)
{
	struct ethtool_value on = {.cmd = ETHTOOL_SGRO, .data = 1};
	struct ifreq request = {.ifr_data = (void *)&on};
	int fd = socket(AF_UNIX, SOCK_DGRAM, 0);

	snprintf(request.ifr_name, sizeof request.ifr_name, "%s", name);
	assert_int_equal(ioctl(fd, SIOCETHTOOL, &request), 0);
	close(fd);
}

/* Nothing is silent: a veth has no zero-copy, and merging is the user's to switch off. */
static void what_was_refused_and_what_hurts_stands_in_the_mode(void **state)
{
	struct wire *wire = *state;
	struct loom_info info;

	merge_packets(NEAR);
	assert_ok(loom_open("xdp:" NEAR, NULL, &wire->near.port));
	assert_ok(loom_port_info(wire->near.port, &info));
	assert_non_null(strstr(info.mode, "native, copies"));
	assert_non_null(strstr(info.mode, "zero-copy: Operation not supported"));
	assert_non_null(strstr(info.mode, "switch off: gro"));
}

int main(int argc, char **argv)
{
	static const struct CMUnitTest xdp[] = {
	    WIRE_TEST(the_mode_is_the_one_that_was_asked_for),
	    WIRE_TEST(what_was_refused_and_what_hurts_stands_in_the_mode),
	    WIRE_TEST(packets_of_all_lengths_arrive_both_ways),
	    WIRE_TEST(packets_arrive_with_busy_polling),
	    WIRE_TEST(a_million_packets_arrive_in_order_and_whole),
	};

	wire_choose(argc, argv);
	return WIRE_TESTS(xdp);
}
