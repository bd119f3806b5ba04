/* SPDX-License-Identifier: BSD-2-Clause */
/* fault: each fault alone, the same for the same seed, and nothing else changed. */
#include "support.h"

#include <poll.h>
#include <pthread.h>
#include <stdio.h>

#include "soft/pool.h"
#include "soft/region.h"

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

static void put_numbered(struct link *link, uint32_t number)
{
	uint8_t data[LEN];

	packet_fill(data, LEN, number);
	assert_int_equal(loom_send(&link->tx, data, LEN), 1);
}

static void send_numbered(struct link *link, uint32_t number)
{
	put_numbered(link, number);
	assert_ok(loom_tx_sync(&link->tx));
}

/* Its number if it is one of those from first to last; 0: it is not whole. */
static uint32_t number_of(const struct loom_frame *frame, uint32_t first, uint32_t last)
{
	while (first <= last && !packet_is(frame->data, frame->len, first))
		first++;
	return first <= last ? first : 0;
}

/* A packet that is held back for the next one waits for it no longer than 10 ms: few syncs have one waiting. */
#define PER_SYNC 200u

/* What arrives of n packets: numbers from 1 on, 0 for one that is not whole. @return how many */
static uint32_t run(const char *settings, uint32_t n, uint32_t *got, struct loom_stats *stats)
{
	struct link link = link_open(settings);
	struct loom_frame frame = {.len = 0};
	uint32_t arrived = 0;

	for (uint32_t first = 1, last; first <= n; first = last + 1) {
		last = first + PER_SYNC - 1 < n ? first + PER_SYNC - 1 : n;
		for (uint32_t i = first; i <= last; i++)
			put_numbered(&link, i);
		assert_ok(loom_tx_sync(&link.tx));
		assert_ok(loom_rx_sync(&link.rx));
		while (loom_recv(&link.rx, &frame) == 1) {
			assert_true(arrived < 2 * n);
			got[arrived++] = number_of(&frame, first > 1 ? first - 1 : 1, last);
		}
	}
	assert_ok(loom_port_stats(link.near, stats, NULL));
	link_close(&link);
	return arrived;
}

enum { MANY = 2000, MANY_MORE = 10000 };

static uint32_t got[2 * MANY_MORE], again[2 * MANY_MORE];

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

/* Rates between never and always, each within five standard deviations of a binomial count, and repeatable. */
static void rates_in_between_are_kept_over_many_packets(void **state)
{
	static const struct {
		const char *settings;
		enum loom_fault fault;
		uint32_t percent, margin;
	} rates[] = {
	    {"loss=25,seed=5", LOOM_FAULT_LOSS, 25, 217},
	    {"corrupt=10,seed=5", LOOM_FAULT_CORRUPT, 10, 150},
	    {"dup=50,seed=5", LOOM_FAULT_DUP, 50, 250},
	    {"reorder=1,seed=5", LOOM_FAULT_REORDER, 1, 50},
	};
	struct loom_stats stats, same;

	(void)state;
	for (size_t i = 0; i < COUNT(rates); i++) {
		uint32_t middle = MANY_MORE * rates[i].percent / 100;
		uint32_t n = run(rates[i].settings, MANY_MORE, got, &stats), faults;

		faults = (uint32_t)stats.faults[rates[i].fault];
		assert_in_range(faults, middle - rates[i].margin, middle + rates[i].margin);
		assert_int_equal(n, MANY_MORE - (rates[i].fault == LOOM_FAULT_LOSS ? faults : 0) +
					(rates[i].fault == LOOM_FAULT_DUP ? faults : 0));
		assert_int_equal(run(rates[i].settings, MANY_MORE, again, &same), n);
		assert_int_equal(same.faults[rates[i].fault], faults);
		assert_memory_equal(got, again, n * sizeof *got);
	}
}

/* ---- whose memory, and what is copied ---- */

/* A mark at the end of each buffer, behind the packet: who copies the packet leaves it where it was. */
static const uint8_t mark[] = "in this buffer";

static uint8_t *mark_of(const struct loom_frame *frame)
{
	return frame->data + frame->cap - sizeof mark;
}

/* Bytes of n packets that came in another buffer than they were sent in; -1: one was not as it was sent. */
static int64_t bytes_copied(struct loom_txring *tx, struct loom_rxring *rx, uint32_t n)
{
	int64_t copied = 0;

	for (uint32_t i = 0; i < n; i++) {
		struct loom_frame frame = {.len = 0};

		assert_int_equal(loom_reserve(tx, &frame, 1), 1);
		packet_fill(frame.data, LEN, i);
		frame.len = LEN;
		memcpy(mark_of(&frame), mark, sizeof mark);
		assert_ok(loom_commit(tx, &frame, 1));
		assert_ok(loom_tx_sync(tx));
		assert_ok(loom_rx_sync(rx));
		while (loom_recv(rx, &frame) == 1) {
			if (!packet_is(frame.data, frame.len, i))
				return -1;
			if (memcmp(mark_of(&frame), mark, sizeof mark) != 0)
				copied += frame.len;
			memset(mark_of(&frame), 0, sizeof mark);
		}
		assert_ok(loom_rx_sync(rx));
	}
	return copied;
}

static int64_t copied_by(const char *settings, bool back, uint32_t n)
{
	struct link link = link_open(settings);
	struct loom_info near, far;
	struct loom_txring tx;
	struct loom_rxring rx;
	int64_t copied;

	assert_ok(loom_tx(back ? link.far : link.near, 0, &tx));
	assert_ok(loom_rx(back ? link.near : link.far, 0, &rx));
	assert_ok(loom_port_info(link.near, &near));
	assert_ok(loom_port_info(link.far, &far));
	assert_int_equal(near.region, far.region);
	assert_true(near.zero_copy);
	copied = bytes_copied(&tx, &rx, n);
	link_close(&link);
	return copied;
}

static void only_second_packets_are_copied(void **state)
{
	(void)state;
	for (int back = 0; back < 2; back++) {
		assert_int_equal(copied_by("loss=0", back, MANY), 0);
		assert_int_equal(copied_by("loss=50", back, MANY), 0);
		assert_int_equal(copied_by("dup=100", back, MANY), MANY * LEN);
	}
}

static void what_waited_in_the_lane_was_not_copied(void **state)
{
	struct link link = link_open("reorder=100");
	struct loom_frame frame = {.cap = 0};

	(void)state;
	for (uint32_t i = 0; i < MANY; i++) {
		assert_int_equal(loom_reserve(&link.tx, &frame, 1), 1);
		packet_fill(frame.data, LEN, i);
		frame.len = LEN;
		memcpy(mark_of(&frame), mark, sizeof mark);
		assert_ok(loom_commit(&link.tx, &frame, 1));
		/* Both at once: it waits for the other one no longer than 10 ms. */
		if (i % 2)
			assert_ok(loom_tx_sync(&link.tx));
		assert_ok(loom_rx_sync(&link.rx));
		for (uint32_t n = i % 2 * 2; n > 0; n--) {
			assert_int_equal(loom_recv(&link.rx, &frame), 1);
			assert_true(packet_is(frame.data, frame.len, i + n - 2));
			assert_memory_equal(mark_of(&frame), mark, sizeof mark);
			memset(mark_of(&frame), 0, sizeof mark);
		}
		assert_int_equal(loom_recv(&link.rx, &frame), 0);
	}
	link_close(&link);
}

/* A loop has memory for itself, with room for the rings of some monitors, not for so many. */
static void where_the_memory_has_no_room_packets_are_copied(void **state)
{
	struct loom_port *port;
	struct loom_txring tx;
	struct loom_rxring rx;
	struct loom_info info;

	(void)state;
	assert_ok(loom_open("fault:dup=0,reorder=0@loop:many",
	    LOOM_CONFIG(.tx_rings = 40, .rx_rings = 40, .tx_slots = 8), &port));
	assert_ok(loom_port_info(port, &info));
	assert_false(info.zero_copy);
	assert_non_null(strstr(info.mode, "copies"));
	assert_ok(loom_tx(port, 39, &tx));
	assert_ok(loom_rx(port, 39, &rx));
	assert_int_equal(bytes_copied(&tx, &rx, 100), 100 * LEN);
	loom_close(port);
	assert_ok(loom_open("fault:dup=100,delay=1us@loop:many",
	    LOOM_CONFIG(.tx_rings = 40, .rx_rings = 40, .tx_slots = 8), &port));
	assert_ok(loom_tx(port, 3, &tx));
	assert_int_equal(loom_send(&tx, "twice, and twice", 16), 1);
	for (unsigned i = 0; i < 1000 && loom_port_wait(port, LOOM_RX, 10) == 0; i++)
		;
	assert_ok(loom_rx(port, 3, &rx));
	for (unsigned i = 0; i < 1000 && loom_rx_space(&rx) < 4; i++) {
		assert_int_equal(loom_port_wait(port, LOOM_TX, 10), LOOM_TX);
		assert_ok(loom_rx_sync(&rx));
	}
	assert_int_equal(loom_rx_space(&rx), 4);
	loom_close(port);
}

static void no_buffer_is_lost_to_a_lane(void **state)
{
	struct loom_port *parent;
	struct loom_info info;
	struct region *region;
	uint32_t before;

	(void)state;
	scratch_directory();
	assert_ok(loom_open("buffers{1", NULL, &parent));
	assert_ok(loom_port_info(parent, &info));
	region = region_mapped(info.region);
	assert_non_null(region);
	before = region_buffers_free(region);
	for (unsigned i = 0; i < 5; i++) {
		struct loom_port *near, *far;
		struct loom_txring tx;

		assert_ok(loom_open("fault:dup=50,reorder=50,delay=1@buffers{2", NULL, &near));
		assert_ok(loom_open("fault:delay=9ms@buffers}2", NULL, &far));
		assert_true(region_buffers_free(region) < before);
		assert_ok(loom_tx(near, 0, &tx));
		for (uint32_t k = 0; k < 100; k++)
			assert_int_equal(loom_send(&tx, "held, or on its way", 19), 1);
		assert_ok(loom_tx_sync(&tx));
		loom_close(near);
		loom_close(far);
		assert_int_equal(region_buffers_free(region), before);
	}
	loom_close(parent);
}

/* ---- before a switch port ---- */

static void address_fill(uint8_t frame[LEN], uint8_t to, uint8_t from)
{
	static const uint8_t type[] = {0x88, 0xb5};

	memset(frame, 0, LEN);
	frame[0] = frame[6] = 2;
	frame[5] = to;
	frame[11] = from;
	memcpy(frame + 12, type, sizeof type);
}

static uint32_t station_takes(struct loom_port *port)
{
	struct loom_rxring rx;
	uint32_t n;

	assert_ok(loom_rx(port, 0, &rx));
	assert_ok(loom_rx_sync(&rx));
	n = loom_rx_space(&rx);
	loom_release(&rx, n);
	assert_ok(loom_rx_sync(&rx));
	return n;
}

static void station_sends(struct loom_port *port, uint8_t to, uint8_t from, uint16_t flags)
{
	struct loom_frame frame = {.cap = 0};
	struct loom_txring tx;

	assert_ok(loom_tx(port, 0, &tx));
	assert_int_equal(loom_reserve(&tx, &frame, 1), 1);
	if (frame.data)
		address_fill(frame.data, to, from);
	frame.len = LEN;
	frame.flags = flags;
	assert_ok(loom_commit(&tx, &frame, 1));
	assert_ok(loom_tx_sync(&tx));
}

/* Flags of slots that mean something to the switch get there, and copies are the fault port's own. */
static void a_switch_learns_from_what_comes_through(void **state)
{
	struct loom_port *a, *b, *c;

	(void)state;
	scratch_directory();
	assert_ok(loom_open("fault:dup=100@vale7:a", NULL, &a));
	assert_ok(loom_open("vale7:b", NULL, &b));
	assert_ok(loom_open("fault:loss=100@vale7:c", NULL, &c));
	station_sends(a, 2, 1, NS_NO_LEARN);
	assert_int_equal(station_takes(b), 2);
	assert_int_equal(station_takes(c), 0);
	station_sends(b, 1, 2, 0); /* to an address that was not to be learnt */
	assert_int_equal(station_takes(a), 2);
	station_sends(a, 2, 1, 0);
	assert_int_equal(station_takes(b), 2);
	loom_close(c);
	assert_ok(loom_open("vale7:c", NULL, &c));
	station_sends(b, 1, 2, 0); /* which is learnt by now */
	assert_int_equal(station_takes(a), 2);
	assert_int_equal(station_takes(c), 0);
	loom_close(a);
	loom_close(b);
	loom_close(c);
}

/* ---- time ---- */

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

/* What leaves by the descriptor's readiness, with no sync but the RX ring's; and it does not spin meanwhile. */
static void a_program_that_waits_by_descriptor_and_syncs_rx_alone_goes_on(void **state)
{
	struct link link = link_open("delay=50ms");
	struct pollfd ready = {.fd = loom_port_fd(link.near), .events = POLLIN};
	struct loom_frame frame = {.len = 0};
	struct loom_rxring rx;
	uint64_t end = now_ms() + 10000;
	unsigned wakes = 0;
	bool came = false;

	(void)state;
	assert_true(ready.fd >= 0);
	assert_ok(loom_rx(link.near, 0, &rx));
	assert_ok(loom_rx_sync(&rx));
	send_numbered(&link, 1);
	while (!came && now_ms() < end) {
		wakes += poll(&ready, 1, 200) == 1;
		assert_ok(loom_rx_sync(&rx));
		assert_ok(loom_rx_sync(&link.rx));
		came = loom_recv(&link.rx, &frame) == 1;
	}
	assert_true(came);
	assert_true(packet_is(frame.data, frame.len, 1));
	assert_in_range(wakes, 1, 3);
	assert_int_equal(poll(&ready, 1, 100), 0); /* and it is quiet again */
	link_close(&link);
}

enum { PATIENCE_MS = 10000, TURNS = 20000 };

struct sender {
	struct loom_port *port;
	struct loom_txring tx;
	bool enough, ended, slept_for_ever;
};

/* Sends until told that it is enough, asleep while there is no room. */
static void *sender_run(void *arg)
{
	struct sender *sender = arg;

	while (!__atomic_load_n(&sender->enough, __ATOMIC_RELAXED) && !sender->slept_for_ever) {
		while (loom_send(&sender->tx, "as many as there is room for", 28) == 1)
			;
		sender->slept_for_ever =
		    loom_port_wait(sender->port, LOOM_TX, PATIENCE_MS) != LOOM_TX;
	}
	__atomic_store_n(&sender->ended, true, __ATOMIC_RELAXED);
	return NULL;
}

/* Asleep by descriptor while there is nothing. @return whether n packets came */
static bool receive_asleep(struct loom_port *port, const struct loom_rxring *rx, uint32_t n)
{
	struct pollfd ready = {.fd = loom_port_fd(port), .events = POLLIN};
	struct loom_frame frame;

	while (n > 0) {
		loom_rx_sync(rx);
		if (loom_rx_space(rx) == 0 && poll(&ready, 1, PATIENCE_MS) != 1)
			return false;
		while (n > 0 && loom_recv(rx, &frame) == 1)
			n--;
	}
	return true;
}

static void go_on_between(const char *near, const char *far)
{
	const struct loom_config *config = LOOM_CONFIG(.tx_slots = 4, .spin_us = LOOM_SPIN_NONE);
	struct sender sender = {.enough = false};
	struct loom_port *receiver;
	struct loom_rxring rx;
	struct loom_frame frame;
	pthread_t thread;
	bool came;

	scratch_directory();
	assert_ok(loom_open(near, config, &sender.port));
	assert_ok(loom_open(far, config, &receiver));
	assert_ok(loom_tx(sender.port, 0, &sender.tx));
	assert_ok(loom_rx(receiver, 0, &rx));
	assert_int_equal(pthread_create(&thread, NULL, sender_run, &sender), 0);
	came = receive_asleep(receiver, &rx, scaled(TURNS));
	__atomic_store_n(&sender.enough, true, __ATOMIC_RELAXED);
	while (!__atomic_load_n(&sender.ended, __ATOMIC_RELAXED)) { /* it may sleep for room */
		loom_rx_sync(&rx);
		while (loom_recv(&rx, &frame) == 1)
			;
	}
	pthread_join(thread, NULL);
	assert_true(came);
	assert_false(sender.slept_for_ever);
	loom_close(receiver);
	loom_close(sender.port);
}

static void who_sleeps_hears_of_packets_and_room_whatever_is_lost(void **state)
{
	(void)state;
	go_on_between("fault:loss=50,dup=20,reorder=20@s{1", "s}1");
	go_on_between("s{2", "fault:loss=50,dup=20@s}2");
	go_on_between("fault:loss=90@s{3", "fault:reorder=50,delay=10us@s}3");
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
	assert_refused(loom_open("fault:seed=3,@null:", NULL, &port), -EINVAL, "\"seed=3,@");
	assert_refused(loom_open("fault:,seed=3@null:", NULL, &port), -EINVAL, "\",seed=3@");
	assert_refused(loom_open("fault:loss=1,,dup=1@null:", NULL, &port), -EINVAL, "\",dup=1@");
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
	    cmocka_unit_test(rates_in_between_are_kept_over_many_packets),
	    cmocka_unit_test(only_second_packets_are_copied),
	    cmocka_unit_test(what_waited_in_the_lane_was_not_copied),
	    cmocka_unit_test(where_the_memory_has_no_room_packets_are_copied),
	    cmocka_unit_test(no_buffer_is_lost_to_a_lane),
	    cmocka_unit_test(a_switch_learns_from_what_comes_through),
	    cmocka_unit_test(a_delayed_packet_is_held_and_then_wakes_its_receiver),
	    cmocka_unit_test(what_is_held_is_sent_by_a_later_wait_of_its_sender),
	    cmocka_unit_test(a_program_that_waits_by_descriptor_and_syncs_rx_alone_goes_on),
	    cmocka_unit_test(who_sleeps_hears_of_packets_and_room_whatever_is_lost),
	    cmocka_unit_test(closing_gives_up_what_is_held),
	    cmocka_unit_test(bad_names_and_taken_ports_are_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
