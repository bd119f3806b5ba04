/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The libuv adaptor: closed at every point, and what becomes of requests, packets and memory then.
 */
#include "scene.h"

#include <stdlib.h>

static bool near_closed(const struct scene *scene)
{
	return scene->closed > 0;
}

static void close_twice(struct loom_uv *uv)
{
	assert_false(loom_uv_is_closing(uv));
	assert_int_equal(loom_uv_close(uv, seat_closed), 0);
	assert_true(loom_uv_is_closing(uv));
	assert_false(loom_uv_is_active(uv));
	assert_int_equal(loom_uv_close(uv, seat_closed), UV_EALREADY);
}

static void check_closing(struct loom_uv *uv)
{
	struct loom_uv_send_req request;

	assert_int_equal(loom_uv_send(&request, uv, 0, "x", 1, NULL), UV_ECANCELED);
	assert_int_equal(loom_uv_recv_start(uv, seat_recv), UV_ECANCELED);
	assert_int_equal(loom_uv_flush(uv), UV_ECANCELED);
	loom_uv_recv_stop(uv);
	loom_uv_fill_stop(uv);
	loom_uv_ref(uv);
}

static void check_once(struct scene *scene)
{
	assert_true(scene_run(scene, near_closed));
	scene_turns(scene, 10);
	assert_int_equal(scene->closed, 1);
	scene_close(scene);
}

static void before_the_loop_ran(void **state)
{
	struct scene *scene = scene_open("pipe{uv}", "pipe{uv}", NULL);

	(void)state;
	close_twice(&scene->seats[0].uv);
	check_closing(&scene->seats[0].uv);
	check_once(scene);
}

static void after_everything_was_started(void **state)
{
	struct scene *scene = scene_open("loop:uv", NULL, NULL);
	struct loom_uv *uv = &scene->seats[0].uv;

	(void)state;
	assert_int_equal(loom_uv_recv_start(uv, seat_recv), 0);
	seat_send(&scene->seats[0], 5, 60);
	assert_int_equal(scene->seats[0].calls, 0);
	close_twice(uv);
	check_closing(uv);
	assert_true(scene_run(scene, near_closed));
	assert_int_equal(scene->seats[0].calls, 0);
	assert_int_equal(scene->seats[0].finished, 5);
	assert_int_equal(scene->closed, 1);
	scene_close(scene);
}

/* ---- inside each callback ---- */

static int close_in_recv(struct loom_uv *uv, unsigned ring, const struct loom_frame *frames, int n)
{
	close_twice(uv);
	check_closing(uv);
	return seat_recv(uv, ring, frames, n);
}

static void inside_the_receive_callback(void **state)
{
	static const int takes[] = {0, 1, 3, INT32_MAX};

	(void)state;
	for (size_t i = 0; i < COUNT(takes); i++) {
		struct scene *scene = scene_open("loop:uv", NULL, NULL);
		struct seat *seat = &scene->seats[0];

		seat->take = takes[i];
		assert_int_equal(loom_uv_recv_start(&seat->uv, close_in_recv), 0);
		seat_send(seat, 5, 60);
		assert_true(scene_run(scene, near_closed));
		assert_int_equal(seat->calls, 1);
		assert_int_equal(seat->finished, 5);
		scene_close(scene);
	}
}

static void close_in_sent(struct loom_uv_send_req *req, int status)
{
	struct loom_uv *uv = req->uv;

	seat_sent(req, status);
	if (loom_uv_is_closing(uv))
		return;
	close_twice(uv);
	check_closing(uv);
}

static void inside_a_send_callback(void **state)
{
	struct scene *scene = scene_open("pipe{uv}", "pipe{uv}", LOOM_CONFIG(.tx_slots = 4));
	struct seat *seat = &scene->seats[0];

	(void)state;
	seat_send(seat, 10, 60);
	for (unsigned i = 0; i < 10; i++)
		seat->requests[i].cb = close_in_sent;
	assert_true(scene_run(scene, near_closed));
	assert_int_equal(seat->finished, 3);
	assert_int_equal(seat->canceled, 7);
	assert_int_equal(seat->misordered, 0);
	scene_close(scene);
}

static int close_in_fill(struct loom_uv *uv, unsigned ring, struct loom_frame *frames, int n)
{
	struct seat *seat = uv->data;

	(void)ring;
	assert_true(n > 1);
	seat->calls++;
	close_twice(uv);
	check_closing(uv);
	packet_fill(frames[0].data, 60, 0);
	frames[0].len = 60;
	return 1;
}

static bool far_has_one(const struct scene *scene)
{
	return scene->seats[1].received == 1;
}

/* What was filled leaves all the same. */
static void inside_the_fill_callback(void **state)
{
	struct scene *scene = scene_open("pipe{uv}", "pipe{uv}", NULL);

	(void)state;
	assert_int_equal(loom_uv_recv_start(&scene->seats[1].uv, seat_recv), 0);
	assert_int_equal(loom_uv_fill_start(&scene->seats[0].uv, close_in_fill), 0);
	assert_true(scene_run(scene, far_has_one));
	assert_int_equal(scene->seats[1].wrong, 0);
	assert_int_equal(scene->seats[0].calls, 1);
	check_once(scene);
}

static int close_the_other(
    struct loom_uv *uv, unsigned ring, const struct loom_frame *frames, int n)
{
	struct seat *seat = uv->data;

	close_twice(&seat->scene->seats[0].uv);
	loom_uv_recv_stop(uv);
	return seat_recv(uv, ring, frames, n);
}

static void inside_the_callback_of_the_other_end(void **state)
{
	struct scene *scene = scene_open("pipe{uv}", "pipe{uv}", NULL);

	(void)state;
	assert_int_equal(loom_uv_recv_start(&scene->seats[0].uv, seat_recv), 0);
	assert_int_equal(loom_uv_recv_start(&scene->seats[1].uv, close_the_other), 0);
	seat_send(&scene->seats[0], 5, 60);
	check_once(scene);
}

/* ---- requests, packets, memory ---- */

static void closed_after_requests(struct loom_uv *uv)
{
	const struct seat *seat = uv->data;

	assert_int_equal(seat->finished + seat->canceled, seat->num_requests);
	seat_closed(uv);
}

static void waiting_requests_are_canceled_in_order_before_the_close_callback(void **state)
{
	(void)state;
	for (unsigned turns = 0; turns < 8; turns++) {
		struct scene *scene =
		    scene_open("pipe{uv}", "pipe{uv}", LOOM_CONFIG(.tx_slots = 8));
		struct seat *seat = &scene->seats[0];

		assert_int_equal(seat_send(seat, 20, 60), 13);
		scene_turns(scene, turns);
		assert_int_equal(seat->finished, turns ? 7 : 0);
		assert_int_equal(loom_uv_close(&seat->uv, closed_after_requests), 0);
		assert_int_equal(seat->canceled, 0);
		assert_true(scene_run(scene, near_closed));
		assert_int_equal(seat->finished, 7);
		assert_int_equal(seat->canceled, 13);
		assert_int_equal(seat->misordered, 0);
		scene_close(scene);
	}
}

static bool far_has_some(const struct scene *scene)
{
	return scene->seats[1].received >= 4;
}

static void only_closed(struct loom_uv *uv)
{
	struct seat *seat = uv->data;

	seat->scene->closed++;
}

/*
 * Neither twice nor lost: what the callback took is gone, the rest is in the rings, for verbs or
 * another loop.
 */
static void the_port_goes_on_where_the_callback_stopped(void **state)
{
	(void)state;
	for (unsigned turns = 0; turns < 8; turns++) {
		struct scene *scene = scene_open("pipe{uv}", "pipe{uv}", NULL);
		struct seat *far = &scene->seats[1];
		struct loom_rxring rx;
		struct loom_frame frame;

		far->take = 4;
		assert_int_equal(loom_uv_recv_start(&far->uv, seat_recv), 0);
		seat_send(&scene->seats[0], 50, 60);
		assert_true(scene_run(scene, far_has_some));
		scene_turns(scene, turns);
		assert_int_equal(loom_uv_close(&far->uv, only_closed), 0);
		assert_true(scene_run(scene, near_closed));
		assert_ok(loom_rx(far->port, 0, &rx));
		assert_ok(loom_rx_sync(&rx));
		assert_int_equal(loom_rx_space(&rx), 50 - far->received);
		for (unsigned i = 0; i < 6 && loom_recv(&rx, &frame); i++)
			assert_true(packet_is(frame.data, frame.len, far->received++));
		far->take = INT32_MAX;
		assert_int_equal(loom_uv_init(&scene->loop, &far->uv, far->port), 0);
		assert_int_equal(loom_uv_recv_start(&far->uv, seat_recv), 0);
		scene_turns(scene, 4);
		assert_int_equal(far->received, 50);
		assert_int_equal(far->wrong, 0);
		scene_close(scene);
	}
}

static void free_all(struct loom_uv *uv)
{
	loom_close(uv->port);
	memset(uv, 0xa5, sizeof *uv);
	free(uv);
}

static void the_close_callback_may_free_the_handle(void **state)
{
	const unsigned before = open_descriptors();
	uv_loop_t loop;

	(void)state;
	assert_int_equal(uv_loop_init(&loop), 0);
	for (unsigned i = 0; i < 20; i++) {
		struct loom_uv *uv = calloc(1, sizeof *uv);
		struct loom_port *port;
		char name[32];

		assert_non_null(uv);
		snprintf(name, sizeof name, "loop:free%u", i);
		assert_ok(loom_open(name, NULL, &port));
		assert_int_equal(loom_uv_init(&loop, uv, port), 0);
		if (i % 2)
			assert_int_equal(loom_uv_recv_start(uv, seat_recv), 0);
		assert_int_equal(loom_uv_close(uv, free_all), 0);
	}
	assert_int_equal(uv_run(&loop, UV_RUN_DEFAULT), 0);
	assert_int_equal(uv_loop_close(&loop), 0);
	assert_int_equal(open_descriptors(), before);
}

static void no_close_callback_is_needed(void **state)
{
	struct scene *scene = scene_open("null:", NULL, NULL);
	struct loom_port *port;
	struct loom_uv uv;

	(void)state;
	assert_ok(loom_open("null:", NULL, &port));
	assert_int_equal(loom_uv_init(&scene->loop, &uv, port), 0);
	assert_int_equal(loom_uv_close(&uv, NULL), 0);
	scene_close(scene);
	loom_close(port);
}

#define TEST(test) cmocka_unit_test_teardown(test, scene_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
	    TEST(before_the_loop_ran),
	    TEST(after_everything_was_started),
	    TEST(inside_the_receive_callback),
	    TEST(inside_a_send_callback),
	    TEST(inside_the_fill_callback),
	    TEST(inside_the_callback_of_the_other_end),
	    TEST(waiting_requests_are_canceled_in_order_before_the_close_callback),
	    TEST(the_port_goes_on_where_the_callback_stopped),
	    TEST(the_close_callback_may_free_the_handle),
	    TEST(no_close_callback_is_needed),
	};

	scratch_directory();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
