/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Ports and their interface, of the kind that the argument says: opening, refusals, links that go down, away
 * and come back.
 */
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

#include "wire.h"

/* ---- opening ---- */

static void the_mode_says_how_packets_move(void **state)
{
	struct wire *wire = *state;
	struct loom_info info;

	end_open(&wire->near, NEAR, NULL);
	end_open(&wire->far, FAR, LOOM_CONFIG(.rx_rings = 3, .tx_rings = 2));
	assert_ok(loom_port_info(wire->near.port, &info));
	assert_string_equal(info.kind, "packet");
	assert_non_null(strstr(info.mode, "tpacket-v3 rx, sendmmsg tx"));
	assert_null(strstr(info.mode, "fanout"));
	assert_false(info.zero_copy);
	assert_ok(loom_port_info(wire->far.port, &info));
	assert_non_null(strstr(info.mode, "fanout 3"));
	assert_non_null(strstr(info.mode, "host"));
	assert_int_equal(info.tx_rings, 2);
	assert_int_equal(info.rx_rings, 3);
}

static void what_cannot_be_opened_is_refused_with_a_reason(void **state)
{
	struct loom_port *port = NULL;

	(void)state;
	assert_refused(loom_open("packet:nosuch0", NULL, &port), -ENXIO, "\"nosuch0\"");
	assert_refused(loom_open("packet:nosuch0", NULL, &port), -ENXIO, "ip link");
	assert_refused(loom_open("packet:a-name-that-no-interface-can-have", NULL, &port), -ENXIO,
	    "interface");
	assert_refused(loom_open("packet:lo", NULL, &port), -EINVAL, "loopback");
#ifndef WITH_HOST
#ifndef WITH_HOST
	assert_refused(loom_open(NEAR "^", NULL, &port), -EOPNOTSUPP, "host rings");
	assert_refused(
	    loom_open(NEAR "*@conf:host-rings=1", NULL, &port), -EOPNOTSUPP, "host rings");
#endif
#endif
	assert_null(port);
}

static int open_without_capabilities(void *arg)
{
	struct loom_port *port;

	(void)arg;
	if (netns_capabilities_drop() != 0)
		return 2;
	if (loom_open("packet:" NEAR, NULL, &port) != -EPERM)
		return 3;
	return strstr(loom_error(), "CAP_NET_RAW") && strstr(loom_error(), "setcap") ? 0 : 4;
}

static void without_privileges_the_message_says_what_is_missing(void **state)
{
	(void)state;
	assert_int_equal(child_wait(child_start(open_without_capabilities, NULL)), 0);
}

static void closing_gives_everything_back(void **state)
{
	struct wire *wire = *state;
	unsigned before;

	end_open(&wire->near, NEAR, NULL);
	end_close(&wire->near);
	before = open_descriptors();
	for (unsigned i = 0; i < 9; i++) {
		end_open(
		    &wire->near, NEAR, LOOM_CONFIG(.rx_rings = 1 + i % 3, .tx_rings = 1 + i % 2));
		if (i % 2)
			loom_port_fd(wire->near.port);
		end_close(&wire->near);
	}
	assert_int_equal(open_descriptors(), before);
}

static void every_one_of_many_rings_works(void **state)
{
	struct wire *wire = *state;
	const uint32_t rings = 24;

	end_open(&wire->near, NEAR,
	    LOOM_CONFIG(.tx_rings = rings, .rx_rings = rings, .tx_slots = 16, .rx_slots = 16));
	end_open(&wire->far, FAR, NULL);
	for (uint32_t i = 0; i < rings; i++) {
		assert_ok(loom_tx(wire->near.port, i, &wire->near.tx));
		end_send(&wire->near, i, 60);
		end_flush(&wire->near);
		end_expect(&wire->far, i, 60);
		if (i == 0)
			end_send(&wire->far, 1, 60);
	}
	end_flush(&wire->far);
	end_expect(&wire->near, 1, 60);
}

/* ---- a link that goes ---- */

struct later {
	unsigned delay_ms;
	void (*act)(void);
	pthread_t thread;
};

static void pause_ms(unsigned ms)
{
	const struct timespec pause = {.tv_sec = ms / 1000, .tv_nsec = (long)(ms % 1000) * 1000000};

	nanosleep(&pause, NULL);
}

static void *later_run(void *arg)
{
	const struct later *later = arg;

	pause_ms(later->delay_ms);
	later->act();
	return NULL;
}

static void later_start(struct later *later, void (*act)(void))
{
	*later = (struct later){.delay_ms = 50, .act = act};
	assert_int_equal(pthread_create(&later->thread, NULL, later_run, later), 0);
}

static void far_down(void)
{
	netns_up(FAR, false);
}

static void far_up(void)
{
	netns_up(FAR, true);
}

static void cable_away(void)
{
	netns_remove(NEAR);
}

/* Wait for packets while the link goes: the wait ends soon, and the next sync says why. */
static void expect_wait_to_fail(struct end *end, void (*act)(void), const char *word)
{
	uint64_t start = now_ms();
	struct later later;

	later_start(&later, act);
	assert_int_equal(loom_port_wait(end->port, LOOM_RX, 10000), LOOM_ERROR);
	assert_in_range(now_ms() - start, 0, PATIENCE_MS);
	pthread_join(later.thread, NULL);
	assert_refused(loom_rx_sync(&end->rx), -ENETDOWN, word);
}

static void a_wait_ends_when_the_link_goes_down_and_goes_on_when_it_is_up(void **state)
{
	struct wire *wire = *state;

	wire_open(wire);
	for (uint32_t i = 0; i < 3; i++) {
		end_send(&wire->near, i, 60);
		end_flush(&wire->near);
		end_expect(&wire->far, i, 60);
		expect_wait_to_fail(&wire->far, far_down, "down");
		far_up();
		assert_ok(loom_rx_sync(&wire->far.rx));
	}
	end_send(&wire->near, 7, 60);
	end_flush(&wire->near);
	end_expect(&wire->far, 7, 60);
}

static void a_wait_without_end_ends_when_the_interface_is_removed(void **state)
{
	struct wire *wire = *state;

	end_open(&wire->far, FAR, NULL);
	expect_wait_to_fail(&wire->far, cable_away, "gone");
}

static void the_descriptor_of_a_port_is_readable_when_the_link_goes_down(void **state)
{
	struct wire *wire = *state;
	struct pollfd fd = {.events = POLLIN};
	struct later later;

	wire_open(wire);
	fd.fd = loom_port_fd(wire->far.port);
	assert_true(fd.fd >= 0);
	assert_ok(loom_rx_sync(&wire->far.rx));
	assert_ok(loom_tx_sync(&wire->far.tx));
	assert_int_equal(poll(&fd, 1, 50), 0);
	later_start(&later, far_down);
	assert_int_equal(poll(&fd, 1, PATIENCE_MS), 1);
	pthread_join(later.thread, NULL);
	assert_refused(loom_rx_sync(&wire->far.rx), -ENETDOWN, "down");
	far_up();
	assert_ok(loom_rx_sync(&wire->far.rx));
	end_send(&wire->near, 1, 60);
	end_flush(&wire->near);
	assert_int_equal(poll(&fd, 1, PATIENCE_MS), 1);
	end_expect(&wire->far, 1, 60);
}

static void syncing_in_a_loop_notices_that_the_link_is_down(void **state)
{
	struct wire *wire = *state;
	uint64_t deadline = now_ms() + PATIENCE_MS;
	int err = 0;

	wire_open(wire);
	for (unsigned i = 0; i < 1000; i++)
		assert_ok(loom_rx_sync(&wire->far.rx));
	far_down();
	while (!err && now_ms() < deadline)
		err = loom_rx_sync(&wire->far.rx);
	assert_refused(err, -ENETDOWN, "ip link set " FAR " up");
}

static void packets_that_came_before_the_link_went_are_still_received(void **state)
{
	struct wire *wire = *state;

	wire_open(wire);
	for (uint32_t i = 0; i < 100; i++)
		end_send(&wire->near, i, 60);
	end_flush(&wire->near);
	pause_ms(20);
	far_down();
	for (uint32_t i = 0; i < 100; i++)
		end_expect(&wire->far, i, 60);
	assert_refused(loom_rx_sync(&wire->far.rx), -ENETDOWN, "down");
}

static void packets_sent_while_the_link_is_down_leave_when_it_is_up(void **state)
{
	struct wire *wire = *state;

	wire_open(wire);
	assert_int_equal(netns_up(NEAR, false), 0);
	for (uint32_t i = 0; i < 10; i++)
		end_send(&wire->near, i, 60);
	assert_refused(loom_tx_sync(&wire->near.tx), -ENETDOWN, "down");
	assert_refused(loom_tx_sync(&wire->near.tx), -ENETDOWN, "down");
	assert_int_equal(netns_up(NEAR, true), 0);
	end_flush(&wire->near);
	for (uint32_t i = 0; i < 10; i++)
		end_expect(&wire->far, i, 60);
}

static void a_removed_interface_stays_away_even_if_its_name_comes_back(void **state)
{
	struct wire *wire = *state;

	end_open(&wire->near, NEAR, NULL);
	end_send(&wire->near, 1, 60);
	assert_int_equal(netns_remove(NEAR), 0);
	assert_refused(loom_tx_sync(&wire->near.tx), -ENETDOWN, "gone");
	assert_int_equal(netns_cable(NEAR, FAR), 0);
	assert_refused(loom_tx_sync(&wire->near.tx), -ENETDOWN, "gone");
	assert_int_equal(loom_port_wait(wire->near.port, LOOM_RX, PATIENCE_MS), LOOM_ERROR);
	assert_refused(loom_rx_sync(&wire->near.rx), -ENETDOWN, "gone");
	end_close(&wire->near);
	wire_open(wire);
	end_send(&wire->near, 2, 60);
	end_flush(&wire->near);
	end_expect(&wire->far, 2, 60);
}

static void an_interface_that_is_down_can_be_opened_and_used_once_it_is_up(void **state)
{
	struct wire *wire = *state;

	assert_int_equal(netns_up(FAR, false), 0);
	wire_open(wire);
	assert_refused(loom_rx_sync(&wire->far.rx), -ENETDOWN, "ip link set " FAR " up");
	assert_int_equal(loom_port_wait(wire->far.port, LOOM_RX, PATIENCE_MS), LOOM_ERROR);
	far_up();
	assert_ok(loom_rx_sync(&wire->far.rx));
	end_send(&wire->near, 1, 60);
	end_flush(&wire->near);
	end_expect(&wire->far, 1, 60);
}

/* ---- a link that does not take what it is given ---- */

static uint64_t cpu_ms(void)
{
	struct timespec used;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &used);
	return (uint64_t)used.tv_sec * 1000 + (uint64_t)used.tv_nsec / 1000000;
}

/* Without the other end there is no carrier: nothing leaves, and nothing is lost. */
static void fill_without_carrier(struct wire *wire, uint32_t slots)
{
	end_open(&wire->near, NEAR, LOOM_CONFIG(.tx_slots = slots));
	end_open(&wire->far, FAR, NULL);
	far_down();
	for (uint32_t i = 0; i < slots - 1; i++)
		end_send(&wire->near, i, 60);
	assert_ok(loom_tx_sync(&wire->near.tx));
	assert_int_equal(loom_tx_space(&wire->near.tx), 0);
}

static void expect_all(struct wire *wire, uint32_t n)
{
	end_flush(&wire->near);
	for (uint32_t i = 0; i < n; i++)
		end_expect(&wire->far, i, 60);
	assert_int_equal(end_tx_drops(&wire->near, LOOM_DROP_REFUSED), 0);
}

static void without_a_carrier_packets_stay_pending_and_leave_when_it_is_back(void **state)
{
	struct wire *wire = *state;
	uint64_t used = cpu_ms();
	struct later later;

	fill_without_carrier(wire, 64);
	assert_int_equal(loom_port_wait(wire->near.port, LOOM_TX, 500), 0);
	assert_in_range(cpu_ms() - used, 0, 250); /* it slept */
	later_start(&later, far_up);
	assert_int_equal(loom_port_wait(wire->near.port, LOOM_TX, PATIENCE_MS), LOOM_TX);
	pthread_join(later.thread, NULL);
	expect_all(wire, 63);
}

static void the_descriptor_is_readable_when_pending_packets_can_leave(void **state)
{
	struct wire *wire = *state;
	struct pollfd fd = {.events = POLLIN};
	uint64_t deadline = now_ms() + PATIENCE_MS;
	struct later later;

	fill_without_carrier(wire, 64);
	fd.fd = loom_port_fd(wire->near.port);
	assert_ok(loom_rx_sync(&wire->near.rx));
	later_start(&later, far_up);
	do {
		assert_ok(loom_tx_sync(&wire->near.tx));
		if (loom_tx_space(&wire->near.tx) == 63)
			break;
		assert_int_equal(poll(&fd, 1, PATIENCE_MS), 1);
	} while (now_ms() < deadline);
	pthread_join(later.thread, NULL);
	assert_int_equal(loom_tx_space(&wire->near.tx), 63);
	assert_int_equal(poll(&fd, 1, 50), 0); /* nothing to do: not readable any more */
	expect_all(wire, 63);
}

static void a_descriptor_also_reminds_of_pending_packets_while_there_is_room(void **state)
{
	struct wire *wire = *state;
	struct pollfd fd = {.events = POLLIN};

	wire_open(wire);
	fd.fd = loom_port_fd(wire->near.port);
	far_down();
	assert_ok(loom_rx_sync(&wire->near.rx));
	end_send(&wire->near, 0, 60);
	assert_ok(loom_tx_sync(&wire->near.tx));
	far_up();
	assert_int_equal(poll(&fd, 1, PATIENCE_MS), 1);
	expect_all(wire, 1);
}

static void a_renamed_interface_goes_on(void **state)
{
	struct wire *wire = *state;
	const uint64_t deadline = now_ms() + PATIENCE_MS;
	int err = 0;

	wire_open(wire);
	end_send(&wire->near, 1, 60);
	end_flush(&wire->near);
	end_expect(&wire->far, 1, 60);
	assert_int_equal(netns_up(FAR, false), 0);
	assert_int_equal(netns_rename(FAR, "other"), 0);
	while (!err && now_ms() < deadline)
		err = loom_rx_sync(&wire->far.rx);
	assert_refused(err, -ENETDOWN, "ip link set other up");
	assert_int_equal(netns_up("other", true), 0);
	end_send(&wire->near, 2, 60);
	end_flush(&wire->near);
	end_expect(&wire->far, 2, 60);
}

int main(int argc, char **argv)
{
	static const struct CMUnitTest link[] = {
	    WIRE_TEST(closing_gives_everything_back),
	    WIRE_TEST(a_wait_ends_when_the_link_goes_down_and_goes_on_when_it_is_up),
	    WIRE_TEST(a_wait_without_end_ends_when_the_interface_is_removed),
	    WIRE_TEST(the_descriptor_of_a_port_is_readable_when_the_link_goes_down),
	    WIRE_TEST(syncing_in_a_loop_notices_that_the_link_is_down),
	    WIRE_TEST(packets_that_came_before_the_link_went_are_still_received),
	    WIRE_TEST(packets_sent_while_the_link_is_down_leave_when_it_is_up),
	    WIRE_TEST(a_removed_interface_stays_away_even_if_its_name_comes_back),
	    WIRE_TEST(an_interface_that_is_down_can_be_opened_and_used_once_it_is_up),
	    WIRE_TEST(a_renamed_interface_goes_on),
	};
	/* AF_XDP has a ring per queue, and what has no carrier is lost there, and counted. */
	static const struct CMUnitTest packet_link[] = {
	    WIRE_TEST(the_mode_says_how_packets_move),
	    WIRE_TEST(what_cannot_be_opened_is_refused_with_a_reason),
	    WIRE_TEST(without_privileges_the_message_says_what_is_missing),
	    WIRE_TEST(every_one_of_many_rings_works),
	    WIRE_TEST(without_a_carrier_packets_stay_pending_and_leave_when_it_is_back),
	    WIRE_TEST(the_descriptor_is_readable_when_pending_packets_can_leave),
	    WIRE_TEST(a_descriptor_also_reminds_of_pending_packets_while_there_is_room),
	};

	if (argc > 1 && strcmp(argv[1], "only-packet") == 0)
		return WIRE_TESTS(packet_link);
	wire_choose(argc, argv);
	return WIRE_TESTS(link);
}
