/* SPDX-License-Identifier: BSD-2-Clause */
/* fault: each fault alone, the same for the same seed, and nothing else changed. */
#include "support.h"

#include <stdio.h>

#define LEN 64u

struct link {
	struct loom_port *near, *far;
	struct loom_txring tx;
	struct loom_rxring rx;
};

/* A pipe's ends, the first one with faults. */
static struct link link_open(const char *settings)
{
	static unsigned number;
	struct link link;
	char name[64];

	scratch_directory();
	snprintf(name, sizeof name, "fault:%s@pipe{f%u}", settings, number);
	assert_ok(loom_open(name, NULL, &link.near));
	snprintf(name, sizeof name, "pipe{f%u}", number++);
	assert_ok(loom_open(name, NULL, &link.far));
	assert_ok(loom_tx(link.near, 0, &link.tx));
	assert_ok(loom_rx(link.far, 0, &link.rx));
	return link;
}

static void link_close(struct link *link)
{
	loom_close(link->near);
	loom_close(link->far);
}

static void send_numbered(struct link *link, uint32_t number)
{
	uint8_t data[LEN];

	packet_fill(data, LEN, number);
	assert_int_equal(loom_send(&link->tx, data, LEN), 1);
	assert_ok(loom_tx_sync(&link->tx));
}

/* What arrives of n packets: numbers from 1 on, 0 for one that is not whole. @return how many */
static uint32_t run(const char *settings, uint32_t n, uint32_t *got, struct loom_stats *stats)
{
	struct link link = link_open(settings);
	struct loom_frame frame = {.len = 0};
	uint32_t arrived = 0;

	for (uint32_t i = 1; i <= n; i++) {
		send_numbered(&link, i);
		assert_ok(loom_rx_sync(&link.rx));
		while (loom_recv(&link.rx, &frame) == 1) {
			uint32_t number = i > 2 ? i - 2 : 1;

			assert_true(arrived < 2 * n);
			while (number <= i && !packet_is(frame.data, frame.len, number))
				number++;
			got[arrived++] = number <= i ? number : 0;
		}
	}
	assert_ok(loom_port_stats(link.near, stats, NULL));
	link_close(&link);
	return arrived;
}

enum { MANY = 2000 };

static uint32_t got[2 * MANY], again[2 * MANY];

static void without_faults_everything_arrives_in_order(void **state)
{
	struct loom_stats stats;

	(void)state;
	assert_int_equal(run("loss=0,dup=0,reorder=0,corrupt=0", MANY, got, &stats), MANY);
	for (uint32_t i = 0; i < MANY; i++)
		assert_int_equal(got[i], i + 1);
	for (unsigned i = 0; i < LOOM_FAULTS; i++)
		assert_int_equal(stats.faults[i], 0);
}

static void certain_faults_meet_every_packet(void **state)
{
	struct loom_stats stats;

	(void)state;
	assert_int_equal(run("loss=100", MANY, got, &stats), 0);
	assert_int_equal(stats.faults[LOOM_FAULT_LOSS], MANY);
	assert_int_equal(run("dup=100%", MANY, got, &stats), 2 * MANY);
	for (uint32_t i = 0; i < 2 * MANY; i++)
		assert_int_equal(got[i], i / 2 + 1);
	assert_int_equal(run("corrupt=100", MANY, got, &stats), MANY);
	for (uint32_t i = 0; i < MANY; i++)
		assert_int_equal(got[i], 0);
	assert_int_equal(stats.faults[LOOM_FAULT_CORRUPT], MANY);
}

static void certain_reordering_swaps_pairs(void **state)
{
	struct loom_stats stats;

	(void)state;
	assert_int_equal(run("reorder=100", MANY, got, &stats), MANY);
	for (uint32_t i = 0; i < MANY; i += 2) {
		assert_int_equal(got[i], i + 2);
		assert_int_equal(got[i + 1], i + 1);
	}
	assert_int_equal(stats.faults[LOOM_FAULT_REORDER], MANY / 2);
}

static void losses_are_counted_and_the_same_for_a_seed(void **state)
{
	struct loom_stats stats;
	uint32_t n, other;

	(void)state;
	n = run("loss=20,seed=7", MANY, got, &stats);
	assert_int_equal(n + stats.faults[LOOM_FAULT_LOSS], MANY);
	assert_in_range(n, MANY * 75 / 100, MANY * 85 / 100);
	for (uint32_t i = 1; i < n; i++)
		assert_true(got[i] > got[i - 1]);
	assert_int_equal(run("loss=20,seed=7", MANY, again, &stats), n);
	assert_memory_equal(got, again, n * sizeof *got);
	other = run("loss=20,seed=8", MANY, again, &stats);
	assert_true(other != n || memcmp(got, again, n * sizeof *got) != 0);
}

static void a_delayed_packet_is_held_and_then_wakes_its_receiver(void **state)
{
	struct link link;
	struct loom_port *near;
	struct loom_rxring rx;
	struct loom_txring tx;
	uint64_t before;

	(void)state;
	link = link_open("delay=50ms");
	near = link.near;
	assert_ok(loom_tx(link.far, 0, &tx));
	assert_ok(loom_rx(near, 0, &rx));
	assert_int_equal(loom_send(&tx, "delayed by fifty", 16), 1);
	assert_ok(loom_tx_sync(&tx));
	before = now_ms();
	assert_int_equal(loom_port_wait(near, LOOM_RX, 10000), LOOM_RX);
	assert_in_range(now_ms() - before, 45, 5000);
	assert_int_equal(loom_rx_space(&rx), 1);
	link_close(&link);
}

static void what_is_held_is_sent_by_a_later_wait_of_its_sender(void **state)
{
	struct link link = link_open("delay=20ms");
	struct loom_frame frame = {.len = 0};

	(void)state;
	send_numbered(&link, 1);
	assert_ok(loom_rx_sync(&link.rx));
	assert_int_equal(loom_recv(&link.rx, &frame), 0);
	assert_int_equal(loom_port_wait(link.near, LOOM_RX, 100), 0);
	assert_ok(loom_rx_sync(&link.rx));
	assert_int_equal(loom_recv(&link.rx, &frame), 1);
	assert_true(packet_is(frame.data, frame.len, 1));
	link_close(&link);
}

static void closing_gives_up_what_is_held(void **state)
{
	unsigned before;
	struct link link = link_open("delay=1000");

	(void)state;
	link_close(&link);
	before = open_descriptors();
	link = link_open("delay=1000,reorder=50,dup=50");
	for (uint32_t i = 0; i < 100; i++)
		send_numbered(&link, i);
	assert_int_equal(loom_port_wait(link.near, LOOM_RX, 1), 0);
	link_close(&link);
	assert_int_equal(open_descriptors(), before);
}

static void bad_names_and_taken_ports_are_refused(void **state)
{
	struct loom_port *port, *inner;

	(void)state;
	assert_refused(loom_open("fault:loss=101@null:", NULL, &port), -EINVAL, "loss=101");
	assert_refused(loom_open("fault:lost=1@null:", NULL, &port), -EINVAL, "lost=1");
	assert_refused(loom_open("fault:loss=1", NULL, &port), -EINVAL, "@PORT");
	assert_refused(loom_open("fault:loss=1@", NULL, &port), -EINVAL, "behind the '@'");
	assert_ok(loom_open("loop:taken", NULL, &inner));
	assert_refused(loom_open("fault:loss=1@loop:taken", NULL, &port), -EBUSY, "in use");
	loom_close(inner);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(without_faults_everything_arrives_in_order),
	    cmocka_unit_test(certain_faults_meet_every_packet),
	    cmocka_unit_test(certain_reordering_swaps_pairs),
	    cmocka_unit_test(losses_are_counted_and_the_same_for_a_seed),
	    cmocka_unit_test(a_delayed_packet_is_held_and_then_wakes_its_receiver),
	    cmocka_unit_test(what_is_held_is_sent_by_a_later_wait_of_its_sender),
	    cmocka_unit_test(closing_gives_up_what_is_held),
	    cmocka_unit_test(bad_names_and_taken_ports_are_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
