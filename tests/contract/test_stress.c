/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Threads at full speed with nothing between them but the rings: for the thread sanitizer above all, and
 * for whatever only shows under load.
 */
#include "support.h"

#include <pthread.h>
#include <sched.h>
#include <stdio.h>

#define RINGS      4u
#define GIVE_UP_MS 20000u

struct lane {
	struct loom_txring tx;
	struct loom_rxring rx;
	uint32_t total, sent, received;
};

/* Packets of 4 to 130 bytes that begin with their number; buffers have 64, so that many are chains. */
static uint32_t length_of(uint32_t number)
{
	return 4 + number * 7 % 127;
}

static void *lane_sends(void *arg)
{
	struct lane *lane = arg;
	uint64_t deadline = now_ms() + GIVE_UP_MS;
	uint8_t data[256];

	while (lane->sent < lane->total && now_ms() < deadline) {
		packet_fill(data, length_of(lane->sent), lane->sent);
		if (loom_send(&lane->tx, data, length_of(lane->sent)) == 1) {
			lane->sent++;
			if (lane->sent % 5)
				continue;
		} else {
			sched_yield();
		}
		loom_tx_sync(&lane->tx);
	}
	loom_tx_sync(&lane->tx);
	return NULL;
}

static void *lane_receives(void *arg)
{
	struct lane *lane = arg;
	uint64_t deadline = now_ms() + GIVE_UP_MS;
	uint8_t data[256];

	while (lane->received < lane->total && now_ms() < deadline) {
		ssize_t len = loom_recv_copy(&lane->rx, data, sizeof data, NULL);

		if (len < 0) {
			loom_rx_sync(&lane->rx);
			if (loom_rx_space(&lane->rx) == 0)
				sched_yield();
			continue;
		}
		if ((uint32_t)len != length_of(lane->received) ||
		    !packet_is(data, (uint32_t)len, lane->received))
			break;
		lane->received++;
	}
	loom_rx_sync(&lane->rx);
	return NULL;
}

static void lanes_run(struct lane *lanes, unsigned n, uint32_t total)
{
	pthread_t senders[2 * RINGS], receivers[2 * RINGS];

	for (unsigned i = 0; i < n; i++) {
		lanes[i].total = total;
		assert_int_equal(pthread_create(&senders[i], NULL, lane_sends, &lanes[i]), 0);
		assert_int_equal(pthread_create(&receivers[i], NULL, lane_receives, &lanes[i]), 0);
	}
	for (unsigned i = 0; i < n; i++) {
		pthread_join(senders[i], NULL);
		pthread_join(receivers[i], NULL);
	}
	for (unsigned i = 0; i < n; i++)
		assert_int_equal(lanes[i].received, total);
}

static const struct loom_config *lane_config(void)
{
	static const struct loom_config config = {
	    .size = sizeof config, .tx_rings = RINGS, .tx_slots = 32, .buffer_size = 64};

	return &config;
}

static void a_thread_per_ring_of_a_loop(void **state)
{
	struct lane lanes[RINGS] = {{.total = 0}};
	struct loom_port *port;

	(void)state;
	assert_ok(loom_open("loop:s", lane_config(), &port));
	for (unsigned i = 0; i < RINGS; i++) {
		assert_ok(loom_tx(port, i, &lanes[i].tx));
		assert_ok(loom_rx(port, i, &lanes[i].rx));
	}
	lanes_run(lanes, RINGS, scaled(100000));
	loom_close(port);
}

static void a_thread_per_ring_of_a_pipe_both_ways(void **state)
{
	struct lane lanes[2 * RINGS] = {{.total = 0}};
	struct loom_port *a, *b;

	(void)state;
	assert_ok(loom_open("pipe{s}", lane_config(), &a));
	assert_ok(loom_open("pipe{s}", lane_config(), &b));
	for (unsigned i = 0; i < RINGS; i++) {
		assert_ok(loom_tx(a, i, &lanes[i].tx));
		assert_ok(loom_rx(b, i, &lanes[i].rx));
		assert_ok(loom_tx(b, i, &lanes[RINGS + i].tx));
		assert_ok(loom_rx(a, i, &lanes[RINGS + i].rx));
	}
	lanes_run(lanes, 2 * RINGS, scaled(50000));
	loom_close(a);
	loom_close(b);
}

/* ---- asleep and awake ---- */

struct sleeper {
	struct loom_port *port;
	struct loom_txring tx;
	struct loom_rxring rx;
	uint32_t rounds, done;
	bool begins;
};

/* Numbers go to and fro; whoever has nothing to do waits, with a spin so short that it often sleeps. */
static void *sleeper_plays(void *arg)
{
	struct sleeper *me = arg;
	struct loom_frame frame;
	uint32_t number = 0;

	if (me->begins) {
		loom_send(&me->tx, &number, sizeof number);
		loom_tx_sync(&me->tx);
	}
	while (me->done < me->rounds) {
		if (loom_recv(&me->rx, &frame) != 1) {
			if (loom_port_wait(me->port, LOOM_RX, 5000) != LOOM_RX)
				break;
			continue;
		}
		memcpy(&number, frame.data, sizeof number);
		if (number != me->done)
			break;
		me->done++;
		number += me->begins;
		loom_send(&me->tx, &number, sizeof number);
		loom_rx_sync(&me->rx);
		loom_tx_sync(&me->tx);
	}
	return NULL;
}

static void two_threads_wait_for_each_other(void **state)
{
	static const uint32_t spins[] = {LOOM_SPIN_NONE, 1, 20, 0};

	(void)state;
	for (size_t i = 0; i < COUNT(spins); i++) {
		const uint32_t rounds = scaled(10000);
		struct sleeper ends[2] = {{.rounds = rounds, .begins = true}, {.rounds = rounds}};
		pthread_t threads[2];

		for (int k = 0; k < 2; k++) {
			assert_ok(loom_open("pipe{w}",
			    LOOM_CONFIG(.tx_slots = 8, .spin_us = spins[i]), &ends[k].port));
			assert_ok(loom_tx(ends[k].port, 0, &ends[k].tx));
			assert_ok(loom_rx(ends[k].port, 0, &ends[k].rx));
		}
		for (int k = 0; k < 2; k++)
			assert_int_equal(
			    pthread_create(&threads[k], NULL, sleeper_plays, &ends[k]), 0);
		for (int k = 0; k < 2; k++)
			pthread_join(threads[k], NULL);
		assert_int_equal(ends[0].done, rounds);
		assert_int_equal(ends[1].done, rounds);
		loom_close(ends[0].port);
		loom_close(ends[1].port);
	}
}

/* ---- statistics from outside ---- */

struct watcher {
	const struct loom_port *port;
	bool stop;
	uint64_t last;
	bool backwards;
};

static void *watcher_reads(void *arg)
{
	struct watcher *watcher = arg;

	while (!__atomic_load_n(&watcher->stop, __ATOMIC_RELAXED)) {
		struct loom_stats tx, rx;

		loom_port_stats(watcher->port, &tx, &rx);
		if (rx.syncs < watcher->last)
			watcher->backwards = true;
		watcher->last = rx.syncs;
	}
	return NULL;
}

static void statistics_may_be_read_by_anybody(void **state)
{
	struct lane lane = {.total = 0};
	struct watcher watcher = {.stop = false};
	struct loom_port *port;
	pthread_t thread;

	(void)state;
	assert_ok(loom_open("loop:w", LOOM_CONFIG(.tx_slots = 32, .buffer_size = 64), &port));
	assert_ok(loom_tx(port, 0, &lane.tx));
	assert_ok(loom_rx(port, 0, &lane.rx));
	watcher.port = port;
	assert_int_equal(pthread_create(&thread, NULL, watcher_reads, &watcher), 0);
	lanes_run(&lane, 1, scaled(50000));
	__atomic_store_n(&watcher.stop, true, __ATOMIC_RELAXED);
	pthread_join(thread, NULL);
	assert_false(watcher.backwards);
	assert_true(watcher.last > 0);
	loom_close(port);
}

/* ---- opening and closing ---- */

struct opener {
	unsigned index, rounds, opened;
};

/* Two threads share each name, and each thread its own kinds besides. */
static void *opener_runs(void *arg)
{
	struct opener *me = arg;
	static const char *const names[] = {"pipe{o%u}", "o%u{1", "o%u}1", "loop:o%u", "null:o%u"};

	for (unsigned i = 0; i < me->rounds; i++) {
		char name[32];
		struct loom_port *port;
		struct loom_txring tx;

		/* Formats of the table above. NOLINTNEXTLINE(clang-diagnostic-format-nonliteral) */
		snprintf(name, sizeof name, names[i % COUNT(names)], me->index / 2);
		if (loom_open(name, LOOM_CONFIG(.tx_slots = 8), &port) != 0)
			break;
		/* The other thread may have the same port: only one may use its rings. */
		me->opened += loom_tx(port, 0, &tx) == 0;
		loom_close(port);
	}
	return NULL;
}

static void threads_may_open_and_close_at_the_same_time(void **state)
{
	struct opener openers[4] = {{.index = 0}};
	pthread_t threads[COUNT(openers)];
	unsigned before = open_descriptors();

	(void)state;
	for (unsigned i = 0; i < COUNT(openers); i++) {
		openers[i] = (struct opener){.index = i, .rounds = scaled(1000)};
		assert_int_equal(pthread_create(&threads[i], NULL, opener_runs, &openers[i]), 0);
	}
	for (unsigned i = 0; i < COUNT(openers); i++)
		pthread_join(threads[i], NULL);
	for (unsigned i = 0; i < COUNT(openers); i++)
		assert_int_equal(openers[i].opened, openers[i].rounds);
	assert_int_equal(open_descriptors(), before);
	assert_int_equal(scratch_files(), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(a_thread_per_ring_of_a_loop),
	    cmocka_unit_test(a_thread_per_ring_of_a_pipe_both_ways),
	    cmocka_unit_test(two_threads_wait_for_each_other),
	    cmocka_unit_test(statistics_may_be_read_by_anybody),
	    cmocka_unit_test(threads_may_open_and_close_at_the_same_time),
	};

	scratch_directory();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
