/* SPDX-License-Identifier: BSD-2-Clause */
/* The libuv adaptor on interfaces, whose sockets stay readable while they have packets. */
#include "scene.h"

#include <stdlib.h>
#include <time.h>

#include "wire.h"

static struct scene *cable_open(const struct loom_config *config)
{
	return scene_open("packet:" NEAR, "packet:" FAR, config);
}

static bool all_came(const struct scene *scene)
{
	return scene->seats[1].received == scene->seats[0].num_requests;
}

static void packets_cross_a_cable_in_order(void **state)
{
	struct scene *scene = cable_open(LOOM_CONFIG(.tx_slots = 32));

	(void)state;
	assert_int_equal(loom_uv_recv_start(&scene->seats[1].uv, seat_recv), 0);
	assert_int_equal(seat_send(&scene->seats[0], 500, 200), 500 - 31);
	assert_true(scene_run(scene, all_came));
	assert_int_equal(scene->seats[0].finished, 500);
	assert_int_equal(scene->seats[0].misordered, 0);
	assert_int_equal(scene->seats[1].wrong, 0);
	scene_close(scene);
}

static bool all_sent(const struct scene *scene)
{
	return scene->seats[0].finished == scene->seats[0].num_requests;
}

static void on_time(uv_timer_t *timer)
{
	uv_stop(timer->loop);
}

static uint64_t cpu_ms(void)
{
	struct timespec used;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &used);
	return (uint64_t)used.tv_sec * 1000u + (uint64_t)used.tv_nsec / 1000000u;
}

/* More than its ring takes is in the socket, which is readable all the time. */
static void a_socket_that_nobody_reads_keeps_nobody_awake(void **state)
{
	(void)state;
	for (int receiving = 0; receiving < 2; receiving++) {
		struct scene *scene = cable_open(LOOM_CONFIG(.rx_slots = 8));
		struct seat *far = &scene->seats[1];
		uint64_t before;

		far->take = 0;
		if (receiving)
			assert_int_equal(loom_uv_recv_start(&far->uv, seat_recv), 0);
		seat_send(&scene->seats[0], 30, 60);
		assert_true(scene_run(scene, all_sent));
		before = cpu_ms();
		uv_timer_start(&scene->watchdog, on_time, 1000, 0);
		uv_run(&scene->loop, UV_RUN_DEFAULT);
		uv_timer_stop(&scene->watchdog);
		assert_in_range(cpu_ms() - before, 0, 100);
		assert_true(far->calls < 20);
		far->take = INT32_MAX;
		assert_int_equal(loom_uv_recv_start(&far->uv, seat_recv), 0);
		assert_true(scene_run(scene, all_came));
		assert_int_equal(far->wrong, 0);
		scene_close(scene);
	}
}

static bool is_down(const struct scene *scene)
{
	return scene->seats[0].error != 0 && scene->seats[1].error != 0;
}

/* Who receives is told; who sends is told; and nobody is told again and again. */
static void an_interface_that_goes_down_is_told_once(void **state)
{
	struct scene *scene = cable_open(NULL);

	(void)state;
	assert_int_equal(loom_uv_recv_start(&scene->seats[1].uv, seat_recv), 0);
	scene_turns(scene, 8);
	assert_int_equal(netns_up(NEAR, false), 0);
	assert_int_equal(netns_up(FAR, false), 0);
	seat_send(&scene->seats[0], 3, 60);
	assert_true(scene_run(scene, is_down));
	assert_int_equal(scene->seats[0].error, UV_ENETDOWN);
	assert_int_equal(scene->seats[1].error, UV_ENETDOWN);
	assert_int_equal(scene->seats[0].finished, 0);
	scene_turns(scene, 50);
	assert_int_equal(scene->seats[1].calls, 1);
	assert_false(loom_uv_is_active(&scene->seats[1].uv));
	assert_int_equal(netns_up(NEAR, true), 0);
	assert_int_equal(netns_up(FAR, true), 0);
	scene_close(scene);
}

#define TEST(test)                                                                                 \
	{                                                                                          \
		.name = #test, .test_func = (test), .setup_func = wire_setup,                      \
		.teardown_func = scene_and_wire_teardown                                           \
	}

static int scene_and_wire_teardown(void **state)
{
	return scene_teardown(state) | wire_teardown(state);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
	    TEST(packets_cross_a_cable_in_order),
	    TEST(a_socket_that_nobody_reads_keeps_nobody_awake),
	    TEST(an_interface_that_goes_down_is_told_once),
	};

	return WIRE_TESTS(tests);
}
