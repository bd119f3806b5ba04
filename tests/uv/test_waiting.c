/* SPDX-License-Identifier: BSD-2-Clause */
/* The libuv adaptor: no wakeup is lost, and who has nothing to do sleeps. */
#include "scene.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

/* Sleep in the loop; the processor time it took must be next to nothing. */
static void check_idle(struct scene *scene, unsigned ms)
{
	assert_in_range(scene_idle(scene, ms), 0, ms * 50);
}

static const char *const kinds[][2] = {
    {"loop:uv", NULL}, {"pipe{uv}", "pipe{uv}"}, {"vale6:near", "vale6:far"}, {"null:", NULL}};

/* Packets were sent and are in every ring; nobody receives, or nobody takes. */
static void packets_that_nobody_takes_keep_nobody_awake(void **state)
{
	(void)state;
	for (size_t i = 0; i < 2 * COUNT(kinds); i++) {
		const char *const *kind = kinds[i / 2];
		struct scene *scene = scene_open(kind[0], kind[1], LOOM_CONFIG(.tx_slots = 4));
		struct seat *far = &scene->seats[kind[1] ? 1 : 0];

		far->take = 0;
		if (i % 2)
			assert_int_equal(loom_uv_recv_start(&far->uv, seat_recv), 0);
		seat_send(&scene->seats[0], 10, 60);
		check_idle(scene, 500);
		assert_true(far->calls < 20);
		scene_close(scene);
	}
}

static bool large_is_there(const struct scene *scene)
{
	return ((const struct seat *)scene->own)->finished == 2;
}

/* Two slots are free, three are needed. */
static void a_large_packet_sleeps_until_there_is_all_its_room(void **state)
{
	struct scene *scene =
	    scene_open("pipe{uv}", NULL, LOOM_CONFIG(.tx_slots = 4, .buffer_size = 64));
	struct seat *near = &scene->seats[0];
	struct loom_port *peer;
	struct loom_rxring rx;
	struct loom_frame frame;

	(void)state;
	scene->own = near;
	assert_ok(loom_open("pipe{uv}", NULL, &peer));
	assert_ok(loom_rx(peer, 0, &rx));
	near->requests = calloc(2, sizeof *near->requests);
	near->packets = calloc(1, 192);
	for (unsigned i = 0; i < 2; i++)
		assert_int_equal(loom_uv_send(&near->requests[i], &near->uv, 0, near->packets,
				     i ? 192 : 64, seat_sent),
		    0);
	check_idle(scene, 500);
	assert_int_equal(near->finished, 1);
	assert_ok(loom_rx_sync(&rx));
	assert_int_equal(loom_recv(&rx, &frame), 1);
	assert_ok(loom_rx_sync(&rx));
	assert_true(scene_run(scene, large_is_there));
	loom_close(peer);
	scene_close(scene);
}

static bool three_came(const struct scene *scene)
{
	return scene->seats[1].received == 3;
}

static void stopping_gives_all_slots_back(void **state)
{
	struct scene *scene = scene_open("pipe{uv}", "pipe{uv}", LOOM_CONFIG(.tx_slots = 4));
	struct loom_txring tx;

	(void)state;
	assert_int_equal(loom_uv_recv_start(&scene->seats[1].uv, seat_recv), 0);
	seat_send(&scene->seats[0], 3, 60);
	assert_true(scene_run(scene, three_came));
	loom_uv_recv_stop(&scene->seats[1].uv);
	assert_int_equal(uv_run(&scene->loop, UV_RUN_DEFAULT), 0);
	assert_ok(loom_tx(scene->seats[0].port, 0, &tx));
	assert_ok(loom_tx_sync(&tx));
	assert_int_equal(loom_tx_space(&tx), 3);
	scene_close(scene);
}

/* ---- peers in threads of their own, asleep when there is nothing to do ---- */

struct peer {
	struct loom_port *port;
	unsigned count, done;
};

static bool peer_recv(struct peer *peer, const struct loom_rxring *rx, unsigned number)
{
	struct loom_frame frame;

	while (loom_recv(rx, &frame) != 1)
		if (loom_port_wait(peer->port, LOOM_RX, (int)LONG_MS) <= 0)
			return false;
	return packet_is(frame.data, frame.len, number);
}

/* Take packets in order, and send each back. */
static void *peer_live(void *arg)
{
	struct peer *peer = arg;
	struct loom_txring tx;
	struct loom_rxring rx;

	if (loom_tx(peer->port, 0, &tx) != 0 || loom_rx(peer->port, 0, &rx) != 0)
		return NULL;
	for (; peer->done < peer->count && peer_recv(peer, &rx, peer->done); peer->done++) {
		uint8_t packet[60];

		packet_fill(packet, sizeof packet, peer->done);
		while (loom_send(&tx, packet, sizeof packet) != 1)
			if (loom_port_wait(peer->port, LOOM_TX, (int)LONG_MS) <= 0)
				return NULL;
		if (loom_tx_sync(&tx) != 0)
			return NULL;
	}
	loom_rx_sync(&rx);
	return NULL;
}

static bool all_came_back(const struct scene *scene)
{
	const struct seat *seat = &scene->seats[0];

	return seat->received == seat->num_requests && seat->finished == seat->num_requests;
}

static void check_peer(struct scene *scene, struct peer *peer, pthread_t thread)
{
	bool over = scene_run(scene, all_came_back);

	assert_int_equal(pthread_join(thread, NULL), 0);
	assert_true(over);
	assert_int_equal(peer->done, peer->count);
	assert_int_equal(scene->seats[0].wrong, 0);
	loom_close(peer->port);
	scene_close(scene);
}

/* More than the rings take, to a peer that sleeps whenever it can. */
static void no_wakeup_is_lost_under_back_pressure(void **state)
{
	(void)state;
	for (unsigned slots = 2; slots <= 64; slots *= 2) {
		struct peer peer = {.count = scaled(5000)};
		struct scene *scene = scene_open(
		    "pipe{uv}", NULL, LOOM_CONFIG(.tx_slots = slots, .spin_us = LOOM_SPIN_NONE));
		pthread_t thread;

		assert_ok(
		    loom_open("pipe{uv}", LOOM_CONFIG(.spin_us = LOOM_SPIN_NONE), &peer.port));
		assert_int_equal(loom_uv_recv_start(&scene->seats[0].uv, seat_recv), 0);
		seat_send(&scene->seats[0], peer.count, 60);
		assert_int_equal(pthread_create(&thread, NULL, peer_live, &peer), 0);
		check_peer(scene, &peer, thread);
	}
}

static void next_number(struct seat *seat)
{
	packet_fill(seat->packets, 60, seat->finished);
	assert_int_equal(loom_uv_send(seat->requests, &seat->uv, 0, seat->packets, 60, NULL), 0);
	seat->finished++;
}

static int ping(struct loom_uv *uv, unsigned ring, const struct loom_frame *frames, int n)
{
	struct seat *seat = uv->data;

	seat_recv(uv, ring, frames, n);
	if (seat->received < seat->num_requests)
		next_number(seat);
	return n;
}

static void no_wakeup_is_lost_in_a_long_ping_pong(void **state)
{
	struct peer peer = {.count = scaled(20000)};
	struct scene *scene = scene_open("pipe{uv}", NULL, NULL);
	struct seat *seat = &scene->seats[0];
	pthread_t thread;

	(void)state;
	assert_ok(loom_open("pipe{uv}", LOOM_CONFIG(.spin_us = LOOM_SPIN_NONE), &peer.port));
	assert_int_equal(pthread_create(&thread, NULL, peer_live, &peer), 0);
	assert_int_equal(loom_uv_recv_start(&seat->uv, ping), 0);
	seat->num_requests = peer.count;
	seat->requests = calloc(1, sizeof *seat->requests);
	seat->packets = malloc(60);
	next_number(seat);
	check_peer(scene, &peer, thread);
}

/* ---- many ports ---- */

#define PORTS 300u

struct many {
	struct loom_uv uv;
	struct loom_port *port;
	struct loom_uv_send_req request;
	struct many *peer;
	uint64_t number;
	unsigned trips;
};

static unsigned many_over;

static int many_recv(struct loom_uv *uv, unsigned ring, const struct loom_frame *frames, int n)
{
	struct many *one = uv->data;

	(void)ring;
	assert_int_equal(n, 1);
	memcpy(&one->number, frames[0].data, sizeof one->number);
	assert_int_equal(one->number, 2 * one->trips + (one > one->peer));
	one->number++;
	if (++one->trips == 10)
		many_over++;
	if (one < one->peer || one->trips < 10)
		assert_int_equal(
		    loom_uv_send(&one->request, uv, 0, &one->number, sizeof one->number, NULL), 0);
	return n;
}

static bool many_all_over(const struct scene *scene)
{
	(void)scene;
	return many_over == PORTS;
}

static void hundreds_of_ports_share_a_loop(void **state)
{
	struct scene *scene = scene_open("null:", NULL, NULL);
	struct many *many = calloc(PORTS, sizeof *many);

	(void)state;
	assert_non_null(many);
	many_over = 0;
	for (unsigned i = 0; i < PORTS; i++) {
		char name[32];

		snprintf(name, sizeof name, "pipe{many%u}", i / 2);
		assert_ok(loom_open(name, LOOM_CONFIG(.tx_slots = 4), &many[i].port));
		assert_int_equal(loom_uv_init(&scene->loop, &many[i].uv, many[i].port), 0);
		many[i].uv.data = &many[i];
		many[i].peer = &many[i ^ 1u];
		assert_int_equal(loom_uv_recv_start(&many[i].uv, many_recv), 0);
	}
	for (unsigned i = 1; i < PORTS; i += 2) /* the odd ones begin, with 0 */
		assert_int_equal(loom_uv_send(&many[i].request, &many[i].uv, 0, &many[i].number,
				     sizeof many[i].number, NULL),
		    0);
	assert_true(scene_run(scene, many_all_over));
	check_idle(scene, 500);
	for (unsigned i = 0; i < PORTS; i++)
		assert_int_equal(loom_uv_close(&many[i].uv, NULL), 0);
	scene_close(scene);
	for (unsigned i = 0; i < PORTS; i++)
		loom_close(many[i].port);
	free(many);
}

/* ---- what keeps a loop going ---- */

static void only_active_referenced_ports_keep_a_loop_going(void **state)
{
	struct scene *scene = scene_open("pipe{uv}", "pipe{uv}", LOOM_CONFIG(.tx_slots = 4));
	struct seat *near = &scene->seats[0];

	(void)state;
	assert_false(loom_uv_is_active(&near->uv));
	assert_int_equal(uv_run(&scene->loop, UV_RUN_DEFAULT), 0);
	assert_int_equal(loom_uv_recv_start(&near->uv, seat_recv), 0);
	assert_true(loom_uv_is_active(&near->uv));
	scene_turns(scene, 10);
	assert_true(uv_loop_alive(&scene->loop));
	loom_uv_unref(&near->uv);
	assert_int_equal(uv_run(&scene->loop, UV_RUN_DEFAULT), 0);
	loom_uv_ref(&near->uv);
	assert_true(uv_loop_alive(&scene->loop));
	loom_uv_recv_stop(&near->uv);
	assert_int_equal(uv_run(&scene->loop, UV_RUN_DEFAULT), 0);
	seat_send(near, 3, 60); /* there is room for these */
	assert_int_equal(uv_run(&scene->loop, UV_RUN_DEFAULT), 0);
	assert_int_equal(near->finished, 3);
	assert_int_equal(loom_uv_send(near->requests, &near->uv, 0, "x", 1, NULL), 0);
	scene_turns(scene, 10);
	assert_true(uv_loop_alive(&scene->loop));
	scene_close(scene);
}

#define TEST(test) cmocka_unit_test_teardown(test, scene_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
	    TEST(packets_that_nobody_takes_keep_nobody_awake),
	    TEST(a_large_packet_sleeps_until_there_is_all_its_room),
	    TEST(stopping_gives_all_slots_back),
	    TEST(no_wakeup_is_lost_under_back_pressure),
	    TEST(no_wakeup_is_lost_in_a_long_ping_pong),
	    TEST(hundreds_of_ports_share_a_loop),
	    TEST(only_active_referenced_ports_keep_a_loop_going),
	};

	scratch_directory();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
