/* SPDX-License-Identifier: BSD-2-Clause */
/* The libuv adaptor: packets through it, in order, whatever their callbacks do. */
#include "scene.h"

#include <stdlib.h>

struct kind {
	const char *near, *far;
	bool waits; /* a full ring of it stays full until the other side reads */
};

static const struct kind soft_kinds[] = {
    {"loop:uv", NULL, true},
    {"pipe{uv}", "pipe{uv}", true},
    {"vale5:near", "vale5:far", false},
};

/* Under the preload library, which plays the kernel's device. */
static const struct kind kernel_kinds[] = {
    {"kernel:uv{k", "kernel:uv}k", true},
    {"kernel:uv}k", "kernel:uv{k", true},
    {"kernel:vale5:near", "kernel:vale5:far", false},
};

#define KINDS COUNT(soft_kinds)
_Static_assert(COUNT(kernel_kinds) == KINDS, "tables of the same length");
static const struct kind *kinds = soft_kinds;

static struct scene *kind_open(const struct kind *kind, const struct loom_config *config)
{
	struct scene *scene = scene_open(kind->near, kind->far, config);
	struct seat *far = &scene->seats[1];

	if (!kind->far) /* what is sent comes back */
		far = &scene->seats[0];
	scene->own = far;
	assert_int_equal(loom_uv_recv_start(&far->uv, seat_recv), 0);
	return scene;
}

static bool all_arrived(const struct scene *scene)
{
	const struct seat *near = &scene->seats[0], *far = scene->own;

	return far->received == near->num_requests && near->finished == near->num_requests;
}

static void check_all_arrived(struct scene *scene)
{
	const struct seat *far = scene->own;

	assert_true(scene_run(scene, all_arrived));
	assert_int_equal(far->wrong, 0);
	assert_int_equal(scene->seats[0].misordered, 0);
	assert_int_equal(loom_uv_send_waiting(&scene->seats[0].uv), 0);
}

static void packets_arrive_in_order(void **state)
{
	(void)state;
	for (size_t i = 0; i < KINDS; i++) {
		struct scene *scene = kind_open(&kinds[i], NULL);

		assert_int_equal(seat_send(&scene->seats[0], 500, 60), 0);
		assert_int_equal(((struct seat *)scene->own)->calls, 0);
		check_all_arrived(scene);
		scene_close(scene);
	}
}

static void requests_wait_for_room_in_order(void **state)
{
	static const unsigned slots[] = {2, 4, 16};

	(void)state;
	for (size_t i = 0; i < KINDS * COUNT(slots); i++) {
		const struct kind *kind = &kinds[i / COUNT(slots)];
		struct scene *scene =
		    kind_open(kind, LOOM_CONFIG(.tx_slots = slots[i % COUNT(slots)]));
		unsigned waiting = seat_send(&scene->seats[0], 300, 60);

		assert_int_equal(waiting, 300 - (slots[i % COUNT(slots)] - 1));
		/* a switch drops what the other side has no room for */
		if (kind->waits)
			check_all_arrived(scene);
		scene_close(scene);
	}
}

/* Of a packet of three slots only two may fit: more room has to be waited for, though there is some. */
static void large_packets_wait_for_all_the_room_they_need(void **state)
{
	(void)state;
	for (unsigned slots = 4; slots < 9; slots++) {
		struct scene *scene = scene_open(
		    "pipe{uv}", "pipe{uv}", LOOM_CONFIG(.tx_slots = slots, .buffer_size = 64));
		struct seat *near = &scene->seats[0];
		struct loom_rxring rx;
		struct loom_uv_send_req requests[50];
		uint8_t packet[150], got[200];

		packet_fill(packet, sizeof packet, 7);
		assert_ok(loom_rx(scene->seats[1].port, 0, &rx));
		for (unsigned i = 0; i < COUNT(requests); i++)
			assert_int_equal(loom_uv_send(&requests[i], &near->uv, 0, packet,
					     i % 3 == 1 ? 40 : sizeof packet, NULL),
			    0);
		for (unsigned i = 0; i < COUNT(requests); i++) {
			const uint64_t deadline = now_ms() + LONG_MS;
			ssize_t len = -EAGAIN;

			while (len == -EAGAIN && now_ms() < deadline) {
				/* past the looks that a hot port makes: the descriptor has to tell */
				scene_turns(scene, 8);
				assert_ok(loom_rx_sync(&rx));
				len = loom_recv_copy(&rx, got, sizeof got, NULL);
			}
			assert_int_equal(len, i % 3 == 1 ? 40 : sizeof packet);
			assert_memory_equal(got, packet, (size_t)len);
		}
		scene_turns(scene, 8);
		assert_int_equal(loom_uv_send_waiting(&near->uv), 0);
		scene_close(scene);
	}
}

static void any_part_of_a_batch_may_be_taken(void **state)
{
	(void)state;
	for (size_t i = 0; i < KINDS; i++)
		for (int take = 1; take < 400; take = take * 3 + 1) {
			struct scene *scene = kind_open(&kinds[i], NULL);

			((struct seat *)scene->own)->take = take;
			seat_send(&scene->seats[0], 600, 60);
			check_all_arrived(scene);
			scene_close(scene);
		}
}

static bool has_call(const struct scene *scene)
{
	return ((const struct seat *)scene->own)->calls > 0;
}

static void what_nobody_takes_is_offered_again_when_more_comes(void **state)
{
	(void)state;
	for (size_t i = 0; i < KINDS; i++) {
		struct scene *scene = kind_open(&kinds[i], NULL);
		struct seat *near = &scene->seats[0], *far = scene->own;
		uint8_t packet[60];
		struct loom_uv_send_req request;

		far->take = 0;
		seat_send(near, 5, 60);
		assert_true(scene_run(scene, has_call));
		scene_turns(scene, 50);
		assert_int_equal(far->calls, 1);
		packet_fill(packet, sizeof packet, 5);
		assert_int_equal(
		    loom_uv_send(&request, &near->uv, 0, packet, sizeof packet, NULL), 0);
		far->calls = 0;
		assert_true(scene_run(scene, has_call));
		scene_turns(scene, 50);
		assert_int_equal(far->calls, 1);
		far->take = INT32_MAX;
		assert_int_equal(loom_uv_recv_start(&far->uv, seat_recv), 0);
		scene_turns(scene, 8);
		assert_int_equal(far->received, 6);
		assert_int_equal(far->wrong, 0);
		scene_close(scene);
	}
}

static int recv_and_stop(struct loom_uv *uv, unsigned ring, const struct loom_frame *frames, int n)
{
	struct seat *seat = uv->data;

	loom_uv_recv_stop(uv);
	seat->take = 3;
	return seat_recv(uv, ring, frames, n);
}

static void receiving_can_stop_inside_its_callback_and_go_on_later(void **state)
{
	(void)state;
	for (size_t i = 0; i < KINDS; i++) {
		struct scene *scene = kind_open(&kinds[i], NULL);
		struct seat *far = scene->own;

		seat_send(&scene->seats[0], 10, 60);
		for (unsigned k = 1; k <= 3; k++) {
			assert_int_equal(loom_uv_recv_start(&far->uv, recv_and_stop), 0);
			scene_turns(scene, 50);
			assert_int_equal(far->calls, k);
			assert_int_equal(far->received, 3 * k);
			assert_false(loom_uv_is_active(&far->uv));
		}
		loom_uv_recv_stop(&far->uv);
		far->take = INT32_MAX;
		assert_int_equal(loom_uv_recv_start(&far->uv, seat_recv), 0);
		check_all_arrived(scene);
		scene_close(scene);
	}
}

/* ---- sends from inside callbacks ---- */

struct echo {
	struct loom_uv_send_req request;
	uint8_t packet[64];
	unsigned trips;
};

static void echo_send(struct loom_uv *uv, struct echo *echo, const uint8_t *data, size_t len)
{
	memcpy(echo->packet, data, len);
	assert_int_equal(loom_uv_send(&echo->request, uv, 0, echo->packet, len, NULL), 0);
}

static int echo_recv(struct loom_uv *uv, unsigned ring, const struct loom_frame *frames, int n)
{
	struct seat *seat = uv->data;
	struct echo *echo = (struct echo *)seat->scene->own + (seat - seat->scene->seats);

	(void)ring;
	assert_int_equal(n, 1);
	if (++echo->trips < 1000)
		echo_send(uv, echo, frames[0].data, frames[0].len);
	return n;
}

static bool echo_over(const struct scene *scene)
{
	const struct echo *echoes = scene->own;

	return echoes[0].trips + echoes[1].trips >= 1999;
}

static void both_ends_send_from_inside_their_callbacks(void **state)
{
	struct echo echoes[2] = {{.trips = 0}};
	struct scene *scene = scene_open("pipe{uv}", "pipe{uv}", NULL);

	(void)state;
	scene->own = echoes;
	for (unsigned i = 0; i < 2; i++)
		assert_int_equal(loom_uv_recv_start(&scene->seats[i].uv, echo_recv), 0);
	echo_send(&scene->seats[0].uv, &echoes[0], (const uint8_t *)"ping", 4);
	assert_true(scene_run(scene, echo_over));
	scene_close(scene);
}

static void send_again(struct loom_uv_send_req *req, int status)
{
	struct seat *seat = req->uv->data;

	assert_int_equal(status, 0);
	seat->finished++;
	if (seat->finished == seat->num_requests)
		return;
	packet_fill(seat->packets, 60, seat->finished);
	assert_int_equal(loom_uv_send(req, &seat->uv, 0, seat->packets, 60, send_again), 0);
}

static void a_finished_request_sends_the_next_one(void **state)
{
	(void)state;
	for (size_t i = 0; i < KINDS; i++) {
		struct scene *scene = kind_open(&kinds[i], LOOM_CONFIG(.tx_slots = 3));
		struct seat *near = &scene->seats[0];
		struct loom_uv_send_req request;

		near->num_requests = 500;
		near->packets = malloc(60);
		packet_fill(near->packets, 60, 0);
		assert_int_equal(
		    loom_uv_send(&request, &near->uv, 0, near->packets, 60, send_again), 0);
		check_all_arrived(scene);
		scene_close(scene);
	}
}

static void flushed_packets_are_there_before_the_loop_runs(void **state)
{
	struct scene *scene = scene_open("pipe{uv}", "pipe{uv}", NULL);
	struct loom_rxring rx;

	(void)state;
	assert_ok(loom_rx(scene->seats[1].port, 0, &rx));
	seat_send(&scene->seats[0], 3, 60);
	assert_ok(loom_rx_sync(&rx));
	assert_int_equal(loom_rx_space(&rx), 0);
	assert_int_equal(loom_uv_flush(&scene->seats[0].uv), 0);
	assert_int_equal(scene->seats[0].finished, 0);
	assert_ok(loom_rx_sync(&rx));
	assert_int_equal(loom_rx_space(&rx), 3);
	scene_turns(scene, 2);
	assert_int_equal(scene->seats[0].finished, 3);
	scene_close(scene);
}

/* ---- chains ---- */

struct chains {
	unsigned packets, slots, torn;
};

static int take_chains(struct loom_uv *uv, unsigned ring, const struct loom_frame *frames, int n)
{
	struct chains *chains = ((struct seat *)uv->data)->scene->own;

	(void)ring;
	chains->torn += (frames[n - 1].flags & NS_MOREFRAG) != 0;
	for (int i = 0; i < n; i++)
		chains->packets += !(frames[i].flags & NS_MOREFRAG);
	chains->slots += (unsigned)n;
	return n;
}

static bool chains_over(const struct scene *scene)
{
	return ((const struct chains *)scene->own)->packets == 300;
}

static void a_batch_ends_with_a_whole_packet(void **state)
{
	struct chains chains = {0, 0, 0};
	struct scene *scene = scene_open("pipe{uv}", "pipe{uv}", LOOM_CONFIG(.buffer_size = 64));

	(void)state;
	scene->own = &chains;
	assert_int_equal(loom_uv_recv_start(&scene->seats[1].uv, take_chains), 0);
	seat_send(&scene->seats[0], 300, 64 * 6 + 1);
	assert_true(scene_run(scene, chains_over));
	assert_int_equal(chains.torn, 0);
	assert_int_equal(chains.slots, 300 * 7);
	scene_close(scene);
}

/* ---- filling ---- */

static int fill_some(struct loom_uv *uv, unsigned ring, struct loom_frame *frames, int n)
{
	struct seat *seat = uv->data;
	int i;

	(void)ring;
	assert_true(n > 0);
	for (i = 0; i < n && i < 7 && seat->finished < seat->num_requests; i++) {
		packet_fill(frames[i].data, 60, seat->finished++);
		frames[i].len = 60;
	}
	seat->calls++;
	return i;
}

static void rings_are_filled_as_far_as_there_is_room(void **state)
{
	static const unsigned slots[] = {2, 3, 64};

	(void)state;
	for (size_t i = 0; i < 2 * COUNT(slots); i++) { /* of the kinds that lose nothing */
		struct scene *scene = kind_open(
		    &kinds[i / COUNT(slots)], LOOM_CONFIG(.tx_slots = slots[i % COUNT(slots)]));
		struct seat *near = &scene->seats[0];
		unsigned calls;

		near->num_requests = 1000;
		assert_int_equal(loom_uv_fill_start(&near->uv, fill_some), 0);
		assert_int_equal(near->calls, 0);
		assert_true(scene_run(scene, all_arrived));
		assert_int_equal(((struct seat *)scene->own)->wrong, 0);
		scene_turns(scene, 20);
		calls = near->calls;
		scene_turns(scene, 20);
		assert_int_equal(near->calls, calls);
		near->num_requests = 1100;
		assert_int_equal(loom_uv_fill_start(&near->uv, fill_some), 0);
		check_all_arrived(scene);
		scene_close(scene);
	}
}

static int fill_too_long(struct loom_uv *uv, unsigned ring, struct loom_frame *frames, int n)
{
	struct seat *seat = uv->data;

	(void)ring;
	if (n < 0)
		seat->error = n;
	else
		frames[0].len = UINT16_MAX;
	return 1;
}

static void a_frame_that_is_too_long_ends_the_filling(void **state)
{
	struct scene *scene = scene_open("null:", NULL, NULL);

	(void)state;
	assert_int_equal(loom_uv_fill_start(&scene->seats[0].uv, fill_too_long), 0);
	scene_turns(scene, 10);
	assert_int_equal(scene->seats[0].error, UV_EMSGSIZE);
	assert_false(loom_uv_is_active(&scene->seats[0].uv));
	scene_close(scene);
}

/* ---- rings, refusals ---- */

struct per_ring {
	unsigned received[4], wrong;
};

static int recv_by_ring(struct loom_uv *uv, unsigned ring, const struct loom_frame *frames, int n)
{
	struct per_ring *rings = ((struct seat *)uv->data)->scene->own;

	for (int i = 0; i < n; i++)
		rings->wrong += !packet_is(frames[i].data, frames[i].len, ring);
	rings->received[ring] += (unsigned)n;
	return n;
}

static bool each_ring_has_one(const struct scene *scene)
{
	const struct per_ring *rings = scene->own;

	return rings->received[0] && rings->received[1] && rings->received[2] && rings->received[3];
}

static void each_ring_has_its_own_packets(void **state)
{
	struct per_ring rings = {{0}, 0};
	struct scene *scene = scene_open("loop:rings", NULL, LOOM_CONFIG(.tx_rings = 4));
	struct loom_uv_send_req requests[4];
	uint8_t packets[4][60];

	(void)state;
	scene->own = &rings;
	assert_int_equal(loom_uv_recv_start(&scene->seats[0].uv, recv_by_ring), 0);
	for (unsigned i = 0; i < 4; i++) {
		packet_fill(packets[i], 60, i);
		assert_int_equal(
		    loom_uv_send(&requests[i], &scene->seats[0].uv, i, packets[i], 60, NULL), 0);
	}
	assert_true(scene_run(scene, each_ring_has_one));
	assert_int_equal(rings.wrong, 0);
	scene_close(scene);
}

/* One of a port's rings, under the index that it has there. */
static void chosen_rings_are_a_port_of_their_own(void **state)
{
	struct per_ring rings = {{0}, 0};
	struct scene *scene = scene_open("null:", NULL, NULL);
	struct seat *seat = &scene->seats[1];
	struct loom_uv_send_req request;
	struct loom_port *whole;
	uint8_t packet[60];
	struct loom_uv uv;

	(void)state;
	scene->own = &rings;
	assert_ok(loom_open("loop:whole", LOOM_CONFIG(.tx_rings = 4), &whole));
	assert_ok(loom_port_open_ring(whole, LOOM_RING_PAIR, 2, &seat->port));
	assert_int_equal(loom_uv_init(&scene->loop, &uv, whole), UV_EBUSY);
	assert_int_equal(loom_uv_init(&scene->loop, &seat->uv, seat->port), 0);
	seat->scene = scene;
	seat->live = true;
	seat->uv.data = seat;
	packet_fill(packet, 60, 2);
	assert_int_equal(loom_uv_recv_start(&seat->uv, recv_by_ring), 0);
	assert_int_equal(loom_uv_send(&request, &seat->uv, 0, packet, 60, NULL), UV_EINVAL);
	assert_int_equal(loom_uv_send(&request, &seat->uv, 2, packet, 60, NULL), 0);
	rings.received[0] = rings.received[1] = rings.received[3] = 1;
	assert_true(scene_run(scene, each_ring_has_one));
	assert_int_equal(rings.wrong, 0);
	scene_close(scene);
	loom_close(whole);
}

static void mistakes_are_refused(void **state)
{
	static uint8_t large[1u << 20];
	struct scene *scene = scene_open("loop:uv", NULL, NULL);
	struct loom_uv *uv = &scene->seats[0].uv;
	struct loom_uv_send_req request;
	struct loom_uv other;

	(void)state;
	assert_int_equal(loom_uv_init(&scene->loop, &other, scene->seats[0].port), UV_EEXIST);
	assert_int_equal(loom_uv_send(&request, uv, 1, "x", 1, seat_sent), UV_EINVAL);
	assert_int_equal(
	    loom_uv_send(&request, uv, 0, large, sizeof large, seat_sent), UV_EMSGSIZE);
	assert_int_equal(loom_uv_recv_start(uv, NULL), UV_EINVAL);
	assert_int_equal(loom_uv_fill_start(uv, NULL), UV_EINVAL);
	seat_send(&scene->seats[0], 1023, 60);
	assert_int_equal(loom_uv_send(&request, uv, 0, "x", 1, NULL), 0);
	assert_int_equal(
	    loom_uv_send(&request, uv, 0, large, sizeof large, seat_sent), UV_EMSGSIZE);
	assert_int_equal(loom_uv_send_waiting(uv), 1);
	scene_close(scene);
}

#define TEST(test) cmocka_unit_test_teardown(test, scene_teardown)

/* With an argument: the kernel's device. */
int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
	    TEST(packets_arrive_in_order),
	    TEST(requests_wait_for_room_in_order),
	    TEST(large_packets_wait_for_all_the_room_they_need),
	    TEST(any_part_of_a_batch_may_be_taken),
	    TEST(what_nobody_takes_is_offered_again_when_more_comes),
	    TEST(receiving_can_stop_inside_its_callback_and_go_on_later),
	    TEST(both_ends_send_from_inside_their_callbacks),
	    TEST(a_finished_request_sends_the_next_one),
	    TEST(flushed_packets_are_there_before_the_loop_runs),
	    TEST(a_batch_ends_with_a_whole_packet),
	    TEST(rings_are_filled_as_far_as_there_is_room),
	    TEST(a_frame_that_is_too_long_ends_the_filling),
	    TEST(each_ring_has_its_own_packets),
	    TEST(chosen_rings_are_a_port_of_their_own),
	    TEST(mistakes_are_refused),
	};

	(void)argv;
	kinds = argc > 1 ? kernel_kinds : soft_kinds;
	scratch_directory();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
