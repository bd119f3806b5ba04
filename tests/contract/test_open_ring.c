/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * loom_port_open_ring(): a ring by itself, in the memory of its port. The names are those of pipes'
 * ends, so that the same tests run on the kernel's device.
 */
#include "support.h"

#include <poll.h>
#include <pthread.h>
#include <stdio.h>

#define LEN 60u

/* Both ends of a pipe of two ring pairs; closed by the teardown when a test fails half-way. */
struct ends {
	struct loom_port *near, *far;
};

static struct ends ends;

static void port_close(struct loom_port **port)
{
	loom_close(*port);
	*port = NULL;
}

static void ends_close(void)
{
	port_close(&ends.near);
	port_close(&ends.far);
}

static int teardown(void **state)
{
	(void)state;
	ends_close();
	return 0;
}

static void ends_open(void)
{
	static unsigned number;
	char near[32], far[32];

	number++;
	snprintf(near, sizeof near, "own%u{1", number);
	snprintf(far, sizeof far, "own%u}1", number);
	assert_ok(loom_open(
	    near, LOOM_CONFIG(.tx_rings = 2, .tx_slots = 64, .extra_buffers = 4), &ends.near));
	assert_ok(loom_open(far, NULL, &ends.far));
}

static struct loom_port *ring_open(struct loom_port *port, enum loom_rings which, unsigned index)
{
	struct loom_port *alone = NULL;

	assert_ok(loom_port_open_ring(port, which, index, &alone));
	return alone;
}

static void send_one(struct loom_port *port, unsigned index, uint32_t number)
{
	struct loom_txring tx;
	uint8_t data[LEN];

	packet_fill(data, LEN, number);
	assert_ok(loom_tx(port, index, &tx));
	assert_int_equal(loom_send(&tx, data, LEN), 1);
	assert_ok(loom_tx_sync(&tx));
}

static void take_one(struct loom_port *port, unsigned index, uint32_t number)
{
	struct loom_frame frame = {.data = NULL};
	struct loom_rxring rx;

	assert_ok(loom_rx(port, index, &rx));
	assert_ok(loom_rx_sync(&rx));
	assert_int_equal(loom_recv(&rx, &frame), 1);
	assert_true(frame.len == LEN && packet_is(frame.data, LEN, number));
	assert_int_equal(loom_recv(&rx, &frame), 0);
	assert_ok(loom_rx_sync(&rx));
}

/* ---- what it carries ---- */

static void a_ring_alone_carries_what_its_port_would(void **state)
{
	struct loom_port *alone;

	(void)state;
	ends_open();
	alone = ring_open(ends.near, LOOM_RING_PAIR, 1);
	send_one(alone, 1, 7);
	take_one(ends.far, 1, 7);
	send_one(ends.far, 1, 8);
	send_one(ends.far, 0, 9);
	assert_int_equal(loom_port_wait(alone, LOOM_RX, 1000), LOOM_RX);
	take_one(alone, 1, 8);
	loom_close(alone);
	take_one(ends.near, 0, 9);
}

static void it_has_that_ring_and_no_other(void **state)
{
	struct loom_port *pair, *tx_only, *rx_only;
	struct loom_txring tx;
	struct loom_rxring rx;

	(void)state;
	ends_open();
	pair = ring_open(ends.near, LOOM_RING_PAIR, 1);
	tx_only = ring_open(ends.near, LOOM_RING_TX, 0);
	rx_only = ring_open(ends.near, LOOM_RING_RX, 0);
	assert_ok(loom_tx(pair, 1, &tx));
	assert_ok(loom_rx(pair, 1, &rx));
	assert_refused(loom_tx(pair, 0, &tx), -EINVAL, "not bound");
	assert_refused(loom_rx(pair, 0, &rx), -EINVAL, "not bound");
	assert_ok(loom_tx(tx_only, 0, &tx));
	assert_refused(loom_rx(tx_only, 0, &rx), -EINVAL, "not bound");
	assert_ok(loom_rx(rx_only, 0, &rx));
	assert_refused(loom_tx(rx_only, 0, &tx), -EINVAL, "not bound");
	loom_close(pair);
	loom_close(tx_only);
	loom_close(rx_only);
}

static void it_says_what_its_port_says(void **state)
{
	struct loom_port *alone;
	struct loom_info info, before;

	(void)state;
	ends_open();
	assert_ok(loom_port_info(ends.near, &before));
	alone = ring_open(ends.near, LOOM_RING_PAIR, 0);
	assert_ok(loom_port_info(alone, &info));
	assert_string_equal(info.name, before.name);
	assert_string_equal(info.device, before.device);
	assert_string_equal(info.kind, before.kind);
	assert_int_equal(info.region, before.region);
	assert_int_equal(info.region_size, before.region_size);
	assert_int_equal(info.tx_rings, before.tx_rings);
	assert_int_equal(info.tx_slots, before.tx_slots);
	loom_close(alone);
}

/* A packet comes in on ring 0's port and leaves on ring 1's: its buffer moves, at the same address. */
static void buffers_are_swapped_between_rings_opened_apart(void **state)
{
	struct loom_port *first, *second;
	struct loom_frame frame = {0};
	struct loom_txring tx;
	struct loom_rxring rx;
	const uint8_t *data;

	(void)state;
	ends_open();
	first = ring_open(ends.near, LOOM_RING_RX, 0);
	second = ring_open(ends.near, LOOM_RING_TX, 1);
	send_one(ends.far, 0, 11);
	assert_ok(loom_rx(first, 0, &rx));
	assert_ok(loom_tx(second, 1, &tx));
	assert_ok(loom_rx_sync(&rx));
	assert_int_equal(loom_forward_how(&rx, &tx), LOOM_FORWARD_SWAP);
	assert_int_equal(loom_peek(&rx, &frame, 1), 1);
	data = frame.data;
	assert_int_equal(loom_forward(&rx, &tx, 1), 1);
	assert_true(packet_is(data, LEN, 11));
	assert_ptr_equal(
	    data, tx.buffers + (tx.ring->slot[0].buf_idx - LOOM_FIRST_BUFFER) * tx.buf_size);
	assert_ok(loom_tx_sync(&tx));
	assert_ok(loom_rx_sync(&rx));
	take_one(ends.far, 1, 11);
	loom_close(first);
	loom_close(second);
}

static void its_descriptor_hears_of_its_ring_alone(void **state)
{
	struct pollfd fds[2];
	struct loom_port *alone[2];

	(void)state;
	ends_open();
	for (unsigned i = 0; i < 2; i++) {
		alone[i] = ring_open(ends.near, LOOM_RING_RX, i);
		fds[i] = (struct pollfd){.fd = loom_port_fd(alone[i]), .events = POLLIN};
		assert_true(fds[i].fd >= 0);
	}
	assert_int_equal(poll(fds, 2, 0), 0);
	send_one(ends.far, 1, 5);
	assert_int_equal(poll(fds, 2, 1000), 1);
	assert_int_equal(fds[0].revents, 0);
	assert_int_equal(fds[1].revents, POLLIN);
	take_one(alone[1], 1, 5);
	loom_close(alone[0]);
	loom_close(alone[1]);
}

/* ---- whose the ring is ---- */

static void its_port_rests_meanwhile(void **state)
{
	struct loom_port *alone, *again = NULL;
	struct loom_txring tx;
	struct loom_rxring rx;

	(void)state;
	ends_open();
	alone = ring_open(ends.near, LOOM_RING_PAIR, 1);
	assert_refused(loom_tx(ends.near, 1, &tx), -EBUSY, "TX ring 1");
	assert_refused(loom_rx(ends.near, 1, &rx), -EBUSY, "RX ring 1");
	assert_refused(loom_port_wait(ends.near, LOOM_RX, 0), -EBUSY, "rests");
	assert_refused(loom_port_fd(ends.near), -EBUSY, "rests");
	assert_refused(
	    loom_port_open_ring(ends.near, LOOM_RING_PAIR, 1, &again), -EBUSY, "by itself");
	assert_refused(
	    loom_port_open_ring(ends.near, LOOM_RING_RX, 1, &again), -EBUSY, "by itself");
	assert_null(again);
	loom_close(alone);
	assert_ok(loom_tx(ends.near, 1, &tx));
	assert_ok(loom_rx(ends.near, 1, &rx));
	assert_int_equal(loom_port_wait(ends.near, LOOM_TX, 0), LOOM_TX);
	loom_close(ring_open(ends.near, LOOM_RING_PAIR, 1));
}

static void what_it_left_in_the_ring_its_port_goes_on_with(void **state)
{
	struct loom_port *alone;

	(void)state;
	ends_open();
	for (uint32_t i = 0; i < 100; i++) { /* more than once around the ring */
		alone = ring_open(ends.near, LOOM_RING_PAIR, 0);
		send_one(alone, 0, 2 * i);
		take_one(ends.far, 0, 2 * i);
		loom_close(alone);
		send_one(ends.near, 0, 2 * i + 1);
		take_one(ends.far, 0, 2 * i + 1);
	}
}

static void it_outlives_its_port(void **state)
{
	struct loom_port *alone[2];

	(void)state;
	ends_open();
	alone[0] = ring_open(ends.near, LOOM_RING_PAIR, 0);
	alone[1] = ring_open(ends.near, LOOM_RING_PAIR, 1);
	port_close(&ends.near);
	send_one(alone[0], 0, 1);
	loom_close(alone[0]);
	send_one(alone[1], 1, 2);
	take_one(ends.far, 0, 1);
	take_one(ends.far, 1, 2);
	loom_close(alone[1]);
}

/* A pair is a port like any other: its rings can be opened by themselves, too. */
static void a_pair_may_be_parted_once_more(void **state)
{
	struct loom_port *pair, *tx_only, *again = NULL;
	struct loom_rxring rx;

	(void)state;
	ends_open();
	pair = ring_open(ends.near, LOOM_RING_PAIR, 1);
	tx_only = ring_open(pair, LOOM_RING_TX, 1);
	send_one(tx_only, 1, 3);
	take_one(ends.far, 1, 3);
	assert_ok(loom_rx(pair, 1, &rx));
	assert_refused(loom_port_wait(pair, LOOM_RX, 0), -EBUSY, "rests");
	assert_refused(loom_port_open_ring(pair, LOOM_RING_TX, 0, &again), -EINVAL, "not bound");
	loom_close(tx_only);
	loom_close(pair);
}

/* ---- refusals ---- */

static void what_cannot_be_opened_is_refused_with_the_reason(void **state)
{
	struct loom_port *port, *alone = NULL;
	unsigned descriptors;

	(void)state;
	ends_open();
	descriptors = open_descriptors();
	assert_refused(
	    loom_port_open_ring(NULL, LOOM_RING_PAIR, 0, &alone), -EINVAL, "must not be NULL");
	assert_refused(
	    loom_port_open_ring(ends.near, LOOM_RING_PAIR, 0, NULL), -EINVAL, "must not be NULL");
	assert_refused(
	    loom_port_open_ring(ends.near, (enum loom_rings)3, 0, &alone), -EINVAL, "LOOM_RING_");
	for (unsigned which = LOOM_RING_PAIR; which <= LOOM_RING_RX; which++) {
		assert_refused(loom_port_open_ring(ends.near, (enum loom_rings)which, 2, &alone),
		    -EINVAL, "no ring 2");
		assert_refused(
		    loom_port_open_ring(ends.near, (enum loom_rings)which, UINT32_MAX, &alone),
		    -EINVAL, "no ring 4294967295");
	}
	assert_null(alone);
	assert_int_equal(open_descriptors(), descriptors);
	assert_ok(loom_open("own{x/x", NULL, &port));
	assert_refused(loom_port_open_ring(port, LOOM_RING_PAIR, 0, &alone), -EBUSY, "exclusively");
	loom_close(port);
	assert_ok(loom_open("own{t/T", NULL, &port));
	assert_refused(loom_port_open_ring(port, LOOM_RING_RX, 0, &alone), -EINVAL, "not bound");
	loom_close(ring_open(port, LOOM_RING_PAIR, 0)); /* the one ring that there is */
	loom_close(port);
}

static void nothing_is_left_behind(void **state)
{
	const unsigned before = open_descriptors();

	(void)state;
	ends_open();
	for (unsigned i = 0; i < 100; i++)
		loom_close(ring_open(ends.near, (enum loom_rings)(i % 3), i % 2));
	ends_close();
	assert_int_equal(open_descriptors(), before);
}

/* ---- threads ---- */

#define THREAD_PACKETS 20000u

struct worker {
	pthread_t thread;
	struct loom_port *port;
	unsigned index;
	uint32_t packets;
	const char *problem;
};

static void *sender(void *arg)
{
	struct worker *w = arg;
	struct loom_txring tx;
	uint8_t data[LEN];

	if (loom_tx(w->port, w->index, &tx) != 0)
		w->problem = "no TX ring";
	for (uint32_t sent = 0; sent < w->packets && !w->problem;) {
		packet_fill(data, LEN, sent * 2 + w->index);
		if (loom_send(&tx, data, LEN) == 1)
			sent++;
		else if (loom_port_wait(w->port, LOOM_TX, 10000) != LOOM_TX)
			w->problem = "no room within 10 s";
	}
	if (!w->problem)
		loom_tx_sync(&tx);
	return NULL;
}

static void *receiver(void *arg)
{
	struct worker *w = arg;
	struct loom_frame frame = {0};
	struct loom_rxring rx;

	if (loom_rx(w->port, w->index, &rx) != 0)
		w->problem = "no RX ring";
	for (uint32_t got = 0; got < w->packets && !w->problem;) {
		if (loom_port_wait(w->port, LOOM_RX, 10000) != LOOM_RX)
			w->problem = "no packet within 10 s";
		while (!w->problem && loom_recv(&rx, &frame) == 1) {
			if (frame.len != LEN || !packet_is(frame.data, LEN, got * 2 + w->index))
				w->problem = "not the packet that was expected";
			got++;
		}
	}
	if (!w->problem)
		loom_rx_sync(&rx);
	return NULL;
}

static void each_thread_drives_a_ring_of_its_own(void **state)
{
	struct worker workers[4];

	(void)state;
	ends_open();
	for (unsigned i = 0; i < COUNT(workers); i++) {
		workers[i] = (struct worker){.index = i / 2, .packets = scaled(THREAD_PACKETS)};
		workers[i].port = i % 2 ? ring_open(ends.far, LOOM_RING_PAIR, i / 2)
					: ring_open(ends.near, LOOM_RING_PAIR, i / 2);
	}
	for (unsigned i = 0; i < COUNT(workers); i++)
		assert_int_equal(pthread_create(&workers[i].thread, NULL, i % 2 ? receiver : sender,
				     &workers[i]),
		    0);
	for (unsigned i = 0; i < COUNT(workers); i++)
		pthread_join(workers[i].thread, NULL);
	for (unsigned i = 0; i < COUNT(workers); i++) {
		loom_close(workers[i].port);
		if (workers[i].problem)
			fail_msg("ring %u: %s", workers[i].index, workers[i].problem);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_teardown(a_ring_alone_carries_what_its_port_would, teardown),
	    cmocka_unit_test_teardown(it_has_that_ring_and_no_other, teardown),
	    cmocka_unit_test_teardown(it_says_what_its_port_says, teardown),
	    cmocka_unit_test_teardown(buffers_are_swapped_between_rings_opened_apart, teardown),
	    cmocka_unit_test_teardown(its_descriptor_hears_of_its_ring_alone, teardown),
	    cmocka_unit_test_teardown(its_port_rests_meanwhile, teardown),
	    cmocka_unit_test_teardown(what_it_left_in_the_ring_its_port_goes_on_with, teardown),
	    cmocka_unit_test_teardown(it_outlives_its_port, teardown),
	    cmocka_unit_test_teardown(a_pair_may_be_parted_once_more, teardown),
	    cmocka_unit_test_teardown(what_cannot_be_opened_is_refused_with_the_reason, teardown),
	    cmocka_unit_test_teardown(nothing_is_left_behind, teardown),
	    cmocka_unit_test_teardown(each_thread_drives_a_ring_of_its_own, teardown),
	};

	scratch_directory();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
