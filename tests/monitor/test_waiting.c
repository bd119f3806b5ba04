/* SPDX-License-Identifier: BSD-2-Clause */
/* Sleeping on a monitor: packets wake it, and so does the end of what it watches. */
#include "scene.h"

#include <poll.h>
#include <pthread.h>
#include <unistd.h>

struct sleeper {
	struct monitor monitor;
	int events; /* what its wait returned */
	pthread_t thread;
};

static void *sleeper_wait(void *arg)
{
	struct sleeper *sleeper = arg;

	sleeper->events = loom_port_wait(sleeper->monitor.port, LOOM_RX, PATIENCE_MS);
	return NULL;
}

/* Returns when the thread has gone to sleep, or is about to. */
static void sleeper_start(struct sleeper *sleeper, const struct scene *scene, const char *flags)
{
	const uint64_t deadline = now_ms() + PATIENCE_MS;
	struct loom_stats rx = {0};

	monitor_open(
	    &sleeper->monitor, scene->way->sender, flags, LOOM_CONFIG(.spin_us = LOOM_SPIN_NONE));
	assert_int_equal(pthread_create(&sleeper->thread, NULL, sleeper_wait, sleeper), 0);
	while (rx.waits == 0 && now_ms() < deadline)
		assert_ok(loom_port_stats(sleeper->monitor.port, NULL, &rx));
	assert_int_equal(rx.waits, 1);
	usleep(2000);
}

static void packets_wake_a_wait(void **state)
{
	struct scene *scene = *state;
	struct sleeper sleeper;

	sleeper_start(&sleeper, scene, "rt");
	packets_send(&scene->tx, 0, 3);
	pthread_join(sleeper.thread, NULL);
	assert_int_equal(sleeper.events, LOOM_RX);
	packets_expect(&sleeper.monitor.rx, 0, 3, NS_TXMON);
	monitor_close(&sleeper.monitor);
}

static void the_end_of_the_port_wakes_a_wait(void **state)
{
	struct scene *scene = *state;
	struct sleeper sleeper;

	sleeper_start(&sleeper, scene, "rt");
	scene_close(scene);
	pthread_join(sleeper.thread, NULL);
	assert_int_equal(sleeper.events, LOOM_ERROR);
	monitor_close(&sleeper.monitor);
}

static bool readable(int fd, int timeout_ms)
{
	struct pollfd wait = {.fd = fd, .events = POLLIN};

	return poll(&wait, 1, timeout_ms) == 1;
}

static void packets_make_the_descriptor_readable(void **state)
{
	struct scene *scene = *state;
	struct monitor monitor;
	int fd;

	monitor_open(&monitor, scene->way->sender, "t", NULL);
	fd = loom_port_fd(monitor.port);
	assert_true(fd >= 0);
	for (uint32_t round = 0; round < 20; round++) {
		assert_false(readable(fd, 0));
		packets_send(&scene->tx, 10 * round, 2);
		assert_true(readable(fd, PATIENCE_MS));
		packets_expect(&monitor.rx, 10 * round, 2, NS_TXMON);
		assert_ok(loom_rx_sync(&monitor.rx));
		scene_receive(scene, 10 * round, 2);
	}
	scene_close(scene);
	assert_true(readable(fd, PATIENCE_MS));
	assert_int_equal(loom_rx_sync(&monitor.rx), -EIO);
	monitor_close(&monitor);
}

static void a_watched_port_sleeps_and_wakes_as_ever(void **state)
{
	struct scene *scene = *state;
	struct monitor monitor;
	int fd = loom_port_fd(scene->receiver);

	assert_true(fd >= 0);
	monitor_open(&monitor, scene->way->receiver, "r", NULL);
	for (uint32_t round = 0; round < 20; round++) {
		assert_ok(loom_rx_sync(&scene->rx));
		assert_false(readable(fd, 0));
		packets_send(&scene->tx, 10 * round, 2);
		assert_true(readable(fd, PATIENCE_MS));
		assert_int_equal(loom_port_wait(scene->receiver, LOOM_RX, PATIENCE_MS), LOOM_RX);
		packets_expect(&monitor.rx, 10 * round, 2, 0);
		scene_receive(scene, 10 * round, 2);
	}
	monitor_close(&monitor);
}

int main(void)
{
	static const struct scene_test waiting[] = {
	    SCENE_TEST(packets_wake_a_wait, SCENE_ANY),
	    SCENE_TEST(the_end_of_the_port_wakes_a_wait, SCENE_ANY),
	    SCENE_TEST(packets_make_the_descriptor_readable, SCENE_ANY),
	    SCENE_TEST(a_watched_port_sleeps_and_wakes_as_ever, SCENE_RECEIVER),
	};

	return SCENE_TESTS(waiting);
}
