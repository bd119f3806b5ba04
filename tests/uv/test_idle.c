/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The libuv adaptor over a long idle time: idle [SECONDS], 10 by default. The loop sleeps the processor time
 * away, and the packet that ends the idleness is there at once.
 */
#include "scene.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

/* A loop that looks a hundred times a second takes more; one that sleeps takes less than a millisecond. */
#define CPU_US_PER_S 1000u

/* Far above what a wakeup takes on a loaded machine, far below any pause a loop might sleep for. */
#define AT_ONCE_MS 1000u

static unsigned seconds = 10;

struct sender {
	struct loom_port *port;
	struct loom_txring tx;
	uint64_t sent_ms;
};

static void idle(struct scene *scene)
{
	const uint64_t used = scene_idle(scene, (uint64_t)seconds * 1000u);

	printf("%u s idle, %llu us of processor time\n", seconds, (unsigned long long)used);
	assert_in_range(used, 0, (uint64_t)seconds * CPU_US_PER_S);
}

static void *send_one(void *arg)
{
	const struct timespec pause = {.tv_nsec = 20000000};
	struct sender *sender = arg;
	uint8_t packet[60];

	packet_fill(packet, sizeof packet, 0);
	nanosleep(&pause, NULL); /* the loop sleeps again */
	sender->sent_ms = now_ms();
	if (loom_send(&sender->tx, packet, sizeof packet) == 1)
		loom_tx_sync(&sender->tx);
	return NULL;
}

static bool has_one(const struct scene *scene)
{
	return scene->seats[0].received == 1;
}

static void check_next_packet(struct scene *scene, struct sender *sender)
{
	uint64_t came_ms;
	pthread_t thread;

	assert_int_equal(pthread_create(&thread, NULL, send_one, sender), 0);
	scene_alarm(scene, LONG_MS);
	while (!has_one(scene) && uv_timer_get_due_in(&scene->watchdog) > 0)
		uv_run(&scene->loop, UV_RUN_ONCE); /* woken by the packet or, too late, the timer */
	assert_true(has_one(scene));
	came_ms = now_ms();
	assert_int_equal(pthread_join(thread, NULL), 0);
	assert_int_equal(scene->seats[0].wrong, 0);
	assert_int_equal(scene->seats[0].calls, 1);
	assert_in_range(came_ms - sender->sent_ms, 0, AT_ONCE_MS);
}

static void check_kind(const char *name, const char *peer)
{
	struct scene *scene = scene_open(name, NULL, NULL);
	struct sender sender = {0};

	assert_ok(loom_open(peer, NULL, &sender.port));
	assert_ok(loom_tx(sender.port, 0, &sender.tx));
	assert_int_equal(loom_uv_recv_start(&scene->seats[0].uv, seat_recv), 0);
	idle(scene);
	check_next_packet(scene, &sender);
	loom_close(sender.port);
	scene_close(scene);
}

static void an_idle_pipe_costs_nothing_and_its_next_packet_arrives_at_once(void **state)
{
	(void)state;
	check_kind("pipe{uvidle}", "pipe{uvidle}");
}

static void an_idle_switch_port_costs_nothing_and_its_next_packet_arrives_at_once(void **state)
{
	(void)state;
	check_kind("vale4:idle", "vale4:peer");
}

#define TEST(test) cmocka_unit_test_teardown(test, scene_teardown)

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
	    TEST(an_idle_pipe_costs_nothing_and_its_next_packet_arrives_at_once),
	    TEST(an_idle_switch_port_costs_nothing_and_its_next_packet_arrives_at_once),
	};

	if (argc > 1)
		seconds = (unsigned)strtoul(argv[1], NULL, 10);
	scratch_directory();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
