/* SPDX-License-Identifier: BSD-2-Clause */
/* The libuv adaptor on interfaces, whose sockets stay readable while they have packets. */
#include "scene.h"

#include <stdlib.h>
#include <string.h>

#include "wire.h"

/* Two ports that reach each other, and their interfaces. The program's first argument chooses. */
static const struct cable {
	const char *kind, *near, *far, *near_interface, *far_interface;
	enum loom_xdp_mode xdp_mode;
	bool receiver_told; /* that its interface went down; libpcap keeps that to itself */
} cables[] = {
    {"packet", "packet:" NEAR, "packet:" FAR, NEAR, FAR, LOOM_XDP_ANY, true},
    {"native", "xdp:" NEAR, "xdp:" FAR, NEAR, FAR, LOOM_XDP_NATIVE, true},
    {"generic", "xdp:" NEAR, "xdp:" FAR, NEAR, FAR, LOOM_XDP_GENERIC, true},
    {"pcap", "pcap:" NEAR, "pcap:" FAR, NEAR, FAR, LOOM_XDP_ANY, false},
    {"tap", "tap:t0", "packet:t0", "t0", "t0", LOOM_XDP_ANY, true},
};
static const struct cable *cable = cables;

/* The first two seats: who sends, and who receives. */
struct direction {
	struct seat *from, *to;
};

static struct scene *cable_open(const struct loom_config *config)
{
	struct loom_config with = config ? *config : *LOOM_CONFIG(.tx_rings = 0);

	with.xdp_mode = cable->xdp_mode;
	return scene_open(cable->near, cable->far, &with);
}

/* A ring without a socket's buffer behind it drops what finds it full, and says how many. */
static uint64_t dropped(const struct seat *seat)
{
	struct loom_stats counted;
	uint64_t all = 0;

	assert_ok(loom_port_stats(seat->port, NULL, &counted));
	for (unsigned i = 0; i < LOOM_DROP_REASONS; i++)
		all += counted.drops[i];
	return all;
}

static bool all_came(const struct scene *scene)
{
	const struct direction *direction = scene->own;

	return direction->from->finished == direction->from->num_requests &&
	       direction->to->received + dropped(direction->to) == direction->from->num_requests;
}

static void packets_cross_in_order(void **state)
{
	(void)state;
	for (unsigned i = 0; i < SEATS; i++) {
		struct scene *scene = cable_open(LOOM_CONFIG(.tx_slots = 32, .rx_slots = 1024));
		struct direction direction = {&scene->seats[i], &scene->seats[1 - i]};

		scene->own = &direction;
		assert_int_equal(loom_uv_recv_start(&direction.to->uv, seat_recv), 0);
		assert_int_equal(seat_send(direction.from, 500, 200), 500 - 31);
		assert_true(scene_run(scene, all_came));
		assert_int_equal(direction.from->misordered, 0);
		assert_int_equal(direction.to->received, 500);
		assert_int_equal(direction.to->wrong, 0);
		scene_close(scene);
	}
}

static bool all_sent(const struct scene *scene)
{
	return scene->seats[0].finished == scene->seats[0].num_requests;
}

/* More than its ring takes is in the socket, which is readable all the time. */
static void a_socket_that_nobody_reads_keeps_nobody_awake(void **state)
{
	(void)state;
	for (int receiving = 0; receiving < 2; receiving++) {
		struct scene *scene = cable_open(LOOM_CONFIG(.rx_slots = 8));
		struct seat *far = &scene->seats[1];
		struct direction direction = {&scene->seats[0], far};

		scene->own = &direction;
		far->take = 0;
		if (receiving)
			assert_int_equal(loom_uv_recv_start(&far->uv, seat_recv), 0);
		seat_send(&scene->seats[0], 30, 60);
		assert_true(scene_run(scene, all_sent));
		assert_in_range(scene_idle(scene, 1000), 0, 100000);
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
	return scene->seats[0].error != 0 && (scene->seats[1].error != 0 || !cable->receiver_told);
}

/* Who receives is told; who sends is told; and nobody is told again and again. */
static void an_interface_that_goes_down_is_told_once(void **state)
{
	struct scene *scene = cable_open(NULL);

	(void)state;
	assert_int_equal(loom_uv_recv_start(&scene->seats[1].uv, seat_recv), 0);
	scene_turns(scene, 8);
	assert_int_equal(netns_up(cable->near_interface, false), 0);
	assert_int_equal(netns_up(cable->far_interface, false), 0);
	seat_send(&scene->seats[0], 3, 60);
	assert_true(scene_run(scene, is_down));
	assert_int_equal(scene->seats[0].error, UV_ENETDOWN);
	assert_int_equal(scene->seats[1].error, cable->receiver_told ? UV_ENETDOWN : 0);
	assert_int_equal(scene->seats[0].finished, 0);
	scene_turns(scene, 50);
	assert_int_equal(scene->seats[1].calls, cable->receiver_told);
	assert_true(loom_uv_is_active(&scene->seats[1].uv) != cable->receiver_told);
	assert_int_equal(netns_up(cable->near_interface, true), 0);
	assert_int_equal(netns_up(cable->far_interface, true), 0);
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

int main(int argc, char **argv)
{
	static const struct CMUnitTest tests[] = {
	    TEST(packets_cross_in_order),
	    TEST(a_socket_that_nobody_reads_keeps_nobody_awake),
	    TEST(an_interface_that_goes_down_is_told_once),
	};

	for (size_t i = 0; i < COUNT(cables) && argc > 1; i++)
		if (strcmp(argv[1], cables[i].kind) == 0)
			cable = &cables[i];
	return WIRE_TESTS(tests);
}
