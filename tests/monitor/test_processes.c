/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Monitors of ports of other processes; either side may be killed. A child that is to be another process
 * for the library must be made before this one opens the port.
 */
#include "talk.h"

#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define SOME TALK_SOME

/* ---- a child that looks on ---- */

struct watcher {
	const char *name;
	const struct loom_config *config;
	uint16_t txmon;
};

static int watch_two_rounds(void *arg)
{
	const struct watcher *watcher = arg;
	struct loom_port *port;
	struct loom_rxring rx;
	struct loom_info info;

	if (!reached(&talk->start, 1))
		return 10;
	if (loom_open(watcher->name, watcher->config, &port) != 0 || loom_rx(port, 0, &rx) != 0)
		return 1;
	if (loom_port_info(port, &info) != 0 || !strstr(info.mode, "another process"))
		return 2;
	if (!step_done(1) || !sees(&rx, 0, SOME, watcher->txmon))
		return 3;
	if (!step_done(2) || !sees(&rx, SOME, SOME, watcher->txmon))
		return 4;
	loom_close(port);
	return step_done(3) ? 0 : 5;
}

/* A watched pair of ports in this process, a monitor of either in a child. */
static void pair_is_watched(const char *sender, const char *receiver, struct watcher *watcher)
{
	struct loom_port *from, *to;
	struct loom_txring tx;
	struct loom_rxring rx;
	pid_t child = child_start(watch_two_rounds, watcher);

	assert_ok(loom_open(sender, NULL, &from));
	assert_ok(loom_open(receiver, NULL, &to));
	assert_ok(loom_tx(from, 0, &tx));
	assert_ok(loom_rx(to, 0, &rx));
	__atomic_store_n(&talk->start, 1, __ATOMIC_RELEASE);
	wait_for(1);
	round_trip(&tx, &rx, 0, SOME);
	go_on(1);
	wait_for(2);
	round_trip(&tx, &rx, SOME, SOME);
	go_on(2);
	wait_for(3);
	round_trip(&tx, &rx, 2 * SOME, SOME);
	go_on(3);
	assert_int_equal(child_wait(child), 0);
	round_trip(&tx, &rx, 3 * SOME, SOME);
	loom_close(from);
	loom_close(to);
	assert_int_equal(scratch_files(), 0);
}

static void a_pipe_is_watched_from_outside(void **state)
{
	(void)state;
	pair_is_watched("o{1", "o}1", &(struct watcher){"o{1/t", NULL, NS_TXMON});
	talk_setup(NULL);
	pair_is_watched("o{1", "o}1", &(struct watcher){"o}1/r", NULL, 0});
	talk_setup(NULL);
	pair_is_watched("o}1", "o{1", &(struct watcher){"o}1/zt", NULL, NS_TXMON});
}

static void a_switch_port_is_watched_from_outside(void **state)
{
	(void)state;
	pair_is_watched("vale9:a", "vale9:b", &(struct watcher){"vale9:a/rt", NULL, NS_TXMON});
	talk_setup(NULL);
	pair_is_watched("vale9:a", "vale9:b", &(struct watcher){"vale9:b/zrt", NULL, 0});
}

/* ---- sleeping ---- */

static int sleep_until_news(void *arg)
{
	struct loom_port *port;
	struct loom_rxring rx;

	(void)arg;
	if (!reached(&talk->start, 1) ||
	    loom_open("o{2/t", LOOM_CONFIG(.spin_us = LOOM_SPIN_NONE), &port) != 0 ||
	    loom_rx(port, 0, &rx) != 0 || !step_done(1))
		return 1;
	if (loom_port_wait(port, LOOM_RX, PATIENCE_MS) != LOOM_RX || !sees(&rx, 0, 3, NS_TXMON))
		return 2;
	loom_rx_sync(&rx);
	if (!step_done(2) || loom_port_wait(port, LOOM_RX, PATIENCE_MS) != LOOM_ERROR)
		return 3;
	if (loom_rx_sync(&rx) != -EIO)
		return 4;
	loom_close(port);
	return 0;
}

static void packets_and_the_end_wake_a_monitor_outside(void **state)
{
	struct loom_port *port;
	struct loom_txring tx;
	pid_t child = child_start(sleep_until_news, NULL);

	(void)state;
	assert_ok(loom_open("o{2", NULL, &port));
	assert_ok(loom_tx(port, 0, &tx));
	__atomic_store_n(&talk->start, 1, __ATOMIC_RELEASE);
	wait_for(1);
	assert_ok(loom_tx_sync(&tx)); /* the call is answered here, its first packet comes later */
	go_on(1);
	usleep(20000);
	packets_send(&tx, 0, 3);
	wait_for(2);
	go_on(2);
	usleep(20000);
	loom_close(port);
	assert_int_equal(child_wait(child), 0);
	assert_int_equal(scratch_files(), 0);
}

/* ---- killing ---- */

struct pair {
	const char *sender, *receiver;
};

static int pass_one_batch(
    const struct loom_txring *tx, const struct loom_rxring *rx, uint32_t first)
{
	struct loom_frame frame = {0};
	uint8_t data[1500];

	for (uint32_t i = first; i < first + SOME; i++) {
		packet_fill(data, packet_len(i), i);
		if (loom_send(tx, data, packet_len(i)) != 1)
			return 2;
	}
	if (loom_tx_sync(tx) != 0 || loom_rx_sync(rx) != 0)
		return 3;
	for (uint32_t i = first; i < first + SOME; i++)
		if (loom_recv(rx, &frame) != 1 || frame.len != packet_len(i) ||
		    !packet_is(frame.data, frame.len, i))
			return 4;
	return loom_rx_sync(rx) == 0 && loom_tx_sync(tx) == 0 ? 0 : 5;
}

/* A child that sends to itself until it is stopped; all must come, whoever watches. */
static int let_traffic_flow(void *arg)
{
	const struct pair *pair = arg;
	struct loom_port *from, *to;
	struct loom_txring tx;
	struct loom_rxring rx;
	uint32_t first = 0;
	int err = 0;

	if (loom_open(pair->sender, NULL, &from) != 0 ||
	    loom_open(pair->receiver, NULL, &to) != 0 || loom_tx(from, 0, &tx) != 0 ||
	    loom_rx(to, 0, &rx) != 0)
		return 1;
	__atomic_store_n(&talk->start, 1, __ATOMIC_RELEASE);
	for (; !err && !__atomic_load_n(&talk->stop, __ATOMIC_ACQUIRE); first += SOME)
		err = pass_one_batch(&tx, &rx, first);
	loom_close(from);
	loom_close(to);
	return err;
}

static pid_t traffic_start(const char *sender, const char *receiver)
{
	static struct pair pair;
	pid_t child;

	pair = (struct pair){sender, receiver};
	child = child_start(let_traffic_flow, &pair);
	assert_true(reached(&talk->start, 1));
	return child;
}

static void traffic_end(pid_t traffic)
{
	__atomic_store_n(&talk->stop, 1, __ATOMIC_RELEASE);
	assert_int_equal(child_wait(traffic), 0);
	assert_int_equal(scratch_files(), 0);
}

static int watch_and_stay(void *arg)
{
	struct loom_port *port;

	if (loom_open(arg, LOOM_CONFIG(.rx_slots = 16), &port) != 0)
		return 1;
	__atomic_store_n(&talk->step, 1, __ATOMIC_RELEASE);
	pause();
	return 2;
}

static void child_kill(pid_t child)
{
	assert_int_equal(kill(child, SIGKILL), 0);
	assert_int_equal(child_wait(child), -SIGKILL);
}

/* More often than there are places on the board: those of the dead are taken again. */
static void killed_monitors_are_forgotten(void **state)
{
	pid_t traffic = traffic_start("o{3", "o}3");
	char name[] = "o{3/rt";

	(void)state;
	for (uint32_t i = 0; i < 40; i++) {
		pid_t child;

		talk->step = 0;
		child = child_start(watch_and_stay, name);
		wait_for(1);
		child_kill(child);
	}
	traffic_end(traffic);
}

static int come_first(void *arg)
{
	return reached(&talk->start, 1) ? watch_and_stay(arg) : 1;
}

static int come_second(void *arg)
{
	struct loom_port *port;
	struct loom_rxring rx;

	if (!reached(&talk->start, 2) || loom_open(arg, NULL, &port) != 0 ||
	    loom_rx(port, 0, &rx) != 0 || !step_done(2) || !sees(&rx, 0, 3, NS_TXMON))
		return 1;
	loom_close(port);
	return 0;
}

/*
 * The port's syncs look at times whether a monitor that stays full is alive (every 100 ms). The sync that finds
 * that it is not leaves it to the next one to forget it; meanwhile another one may have come in its place.
 */
static void a_monitor_that_comes_in_the_place_of_a_dead_one_is_shown_packets(void **state)
{
	char name[] = "o{8/t";
	pid_t first = child_start(come_first, name), second = child_start(come_second, name);
	struct loom_port *port;
	struct loom_txring tx;

	(void)state;
	assert_ok(loom_open("o{8", NULL, &port));
	assert_ok(loom_tx(port, 0, &tx));
	__atomic_store_n(&talk->start, 1, __ATOMIC_RELEASE);
	wait_for(1);
	assert_ok(loom_tx_sync(&tx)); /* begins to show to it */
	packets_send(&tx, 0, 20);     /* it is full, and looked at */
	child_kill(first);
	usleep(150000);
	packets_send(&tx, 20, 1); /* it is found dead */
	__atomic_store_n(&talk->start, 2, __ATOMIC_RELEASE);
	wait_for(2);
	assert_ok(loom_tx_sync(&tx));
	packets_send(&tx, 0, 3);
	go_on(2);
	assert_int_equal(child_wait(second), 0);
	loom_close(port);
	assert_int_equal(scratch_files(), 0);
}

static int send_and_stay(void *arg)
{
	struct loom_port *port;
	struct loom_txring tx;
	uint8_t data[1500];

	if (loom_open(arg, NULL, &port) != 0 || loom_tx(port, 0, &tx) != 0 || !step_done(1))
		return 1;
	for (uint32_t i = 0; i < 5; i++) {
		packet_fill(data, packet_len(i), i);
		if (loom_send(&tx, data, packet_len(i)) != 1)
			return 2;
	}
	if (loom_tx_sync(&tx) != 0)
		return 3;
	step_done(2);
	pause();
	return 4;
}

static void a_monitor_finds_out_that_its_port_was_killed(void **state)
{
	static char names[][16] = {"o{4", "vale9:k"};

	(void)state;
	for (unsigned i = 0; i < COUNT(names); i++) {
		const uint64_t deadline = now_ms() + PATIENCE_MS;
		struct monitor monitor;
		pid_t child;
		int err;

		talk_setup(NULL);
		child = child_start(send_and_stay, names[i]);
		wait_for(1);
		monitor_open(&monitor, names[i], "t", NULL);
		go_on(1);
		wait_for(2);
		packets_expect(&monitor.rx, 0, 5, NS_TXMON);
		child_kill(child);
		while ((err = loom_rx_sync(&monitor.rx)) == 0)
			assert_true(now_ms() < deadline);
		assert_int_equal(err, -EIO);
		monitor_close(&monitor);
		assert_refused(loom_open(i == 0 ? "o{4/t" : "vale9:k/t", NULL, &monitor.port),
		    -EINVAL, "not open");
		assert_int_equal(scratch_files(), 0);
	}
}

/* Killed at any point of coming, looking and going. */
static int watch_in_a_loop(void *arg)
{
	for (;;) {
		struct loom_port *port;
		struct loom_rxring rx;

		if (loom_open(arg, LOOM_CONFIG(.rx_slots = 64), &port) != 0)
			return 1;
		if (loom_rx(port, 0, &rx) != 0)
			return 2;
		__atomic_store_n(&talk->step, 1, __ATOMIC_RELEASE);
		for (unsigned i = 0; i < 20; i++) {
			struct loom_frame frame = {0};

			if (loom_rx_sync(&rx) != 0)
				return 3;
			while (loom_recv(&rx, &frame))
				if (frame.len > 1500)
					return 4;
		}
		loom_close(port);
	}
}

static void monitors_killed_at_random_harm_nobody(void **state)
{
	pid_t traffic = traffic_start("vale9:c", "vale9:d");
	char name[] = "vale9:c/rt";
	const unsigned kills = scaled(300);
	uint32_t random = 1;

	(void)state;
	for (unsigned i = 0; i < kills; i++) {
		pid_t child;

		talk->step = 0;
		child = child_start(watch_in_a_loop, name);
		wait_for(1);
		usleep(random_next(&random) % 4000);
		child_kill(child);
	}
	traffic_end(traffic);
}

/* ---- a port of several threads ---- */

struct side {
	struct loom_port *port;
	unsigned ring;
	bool failed;
};

static void *sync_until_stopped(void *arg)
{
	struct side *side = arg;
	struct loom_txring tx;
	struct loom_rxring rx;

	side->failed =
	    loom_tx(side->port, side->ring, &tx) != 0 || loom_rx(side->port, side->ring, &rx) != 0;
	while (!side->failed && !__atomic_load_n(&talk->stop, __ATOMIC_ACQUIRE)) {
		uint8_t data[60];

		packet_fill(data, sizeof data, side->ring);
		while (loom_send(&tx, data, sizeof data) == 1 && tx.ring->head % 32)
			;
		side->failed = loom_tx_sync(&tx) != 0 || loom_rx_sync(&rx) != 0;
	}
	return NULL;
}

static int sync_in_threads(void *arg)
{
	struct side sides[2] = {{.ring = 0}, {.ring = 1}};
	struct loom_port *port;
	pthread_t other;

	if (loom_open(arg, LOOM_CONFIG(.tx_rings = 2, .rx_rings = 2), &port) != 0)
		return 1;
	sides[0].port = sides[1].port = port;
	if (pthread_create(&other, NULL, sync_until_stopped, &sides[1]) != 0)
		return 2;
	__atomic_store_n(&talk->start, 1, __ATOMIC_RELEASE);
	sync_until_stopped(&sides[0]);
	pthread_join(other, NULL);
	loom_close(port);
	return sides[0].failed || sides[1].failed ? 3 : 0;
}

/* Whichever ring is synced first answers for all of them. */
static void rings_of_several_threads_are_watched_from_outside(void **state)
{
	char name[] = "vale9:e";
	pid_t child = child_start(sync_in_threads, name);

	(void)state;
	assert_true(reached(&talk->start, 1));
	for (unsigned i = 0; i < scaled(200); i++) {
		const uint64_t deadline = now_ms() + PATIENCE_MS;
		struct loom_port *port;

		assert_ok(loom_open("vale9:e/t", LOOM_CONFIG(.rx_slots = 64), &port));
		for (unsigned ring = 0; ring < 2 && i % 4; ring++) {
			struct loom_frame frame = {0};
			struct loom_rxring rx;

			assert_ok(loom_rx(port, ring, &rx));
			while (!loom_recv(&rx, &frame)) {
				assert_ok(loom_rx_sync(&rx));
				assert_true(now_ms() < deadline);
			}
			assert_true(packet_is(frame.data, frame.len, ring));
		}
		loom_close(port);
	}
	traffic_end(child);
}

/* ---- nonsense ---- */

static uint8_t *object; /* the memory of the child's monitor */
static size_t object_size;

static void object_map(const char *path)
{
	struct stat st;
	int fd;

	if (!strstr(path, "%23")) /* "#", before a monitor's number */
		return;
	fd = open(path, O_RDWR);
	if (fd < 0 || fstat(fd, &st) != 0)
		return;
	object_size = (size_t)st.st_size;
	object = mmap(NULL, object_size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	close(fd);
}

/* Header, indexes and slots of its own memory. */
static int write_nonsense(void *arg)
{
	uint32_t random = 1;

	for (unsigned round = 0; round < 20; round++) {
		const uint64_t until = now_ms() + 10;
		struct loom_port *port;

		if (loom_open(arg, LOOM_CONFIG(.rx_slots = 64), &port) != 0)
			return 1;
		object = NULL;
		scratch_visit(object_map);
		if (!object || object == MAP_FAILED)
			return 2;
		while (now_ms() < until)
			for (unsigned i = 0; i < 100; i++) {
				size_t at = random_next(&random) % 16384 & ~(size_t)3;

				__atomic_store_n((uint32_t *)(void *)(object + at),
				    random_next(&random) % 3 ? random_next(&random) % 128
							     : random_next(&random),
				    __ATOMIC_RELAXED);
			}
		munmap(object, object_size);
		loom_close(port);
	}
	return 0;
}

static void a_monitor_that_writes_nonsense_harms_nobody(void **state)
{
	pid_t traffic = traffic_start("o{6", "o}6");
	char name[] = "o{6/rt";

	(void)state;
	assert_int_equal(child_wait(child_start(write_nonsense, name)), 0);
	traffic_end(traffic);
}

/* ---- limits ---- */

static int open_many(void *arg)
{
	struct loom_port *ports[17] = {0};
	unsigned n = 0;
	int err = 0;

	(void)arg;
	while (n < COUNT(ports) && (err = loom_open("o{5/t", NULL, &ports[n])) == 0)
		n++;
	for (unsigned i = 0; i < n; i++)
		loom_close(ports[i]);
	return n == 16 && err == -ENOMEM ? 0 : 1;
}

static void a_board_has_room_for_sixteen(void **state)
{
	pid_t traffic = traffic_start("o{5", "o}5");

	(void)state;
	assert_int_equal(child_wait(child_start(open_many, NULL)), 0);
	assert_int_equal(child_wait(child_start(open_many, NULL)), 0);
	traffic_end(traffic);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup(a_pipe_is_watched_from_outside, talk_setup),
	    cmocka_unit_test_setup(a_switch_port_is_watched_from_outside, talk_setup),
	    cmocka_unit_test_setup(packets_and_the_end_wake_a_monitor_outside, talk_setup),
	    cmocka_unit_test_setup(killed_monitors_are_forgotten, talk_setup),
	    cmocka_unit_test_setup(
		a_monitor_that_comes_in_the_place_of_a_dead_one_is_shown_packets, talk_setup),
	    cmocka_unit_test_setup(a_monitor_finds_out_that_its_port_was_killed, talk_setup),
	    cmocka_unit_test_setup(monitors_killed_at_random_harm_nobody, talk_setup),
	    cmocka_unit_test_setup(rings_of_several_threads_are_watched_from_outside, talk_setup),
	    cmocka_unit_test_setup(a_monitor_that_writes_nonsense_harms_nobody, talk_setup),
	    cmocka_unit_test_setup(a_board_has_room_for_sixteen, talk_setup),
	};

	return cmocka_run_group_tests_name("monitor processes", tests, talk_group_setup, NULL);
}
