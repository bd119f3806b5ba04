/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Edge-triggered waits at full speed: an event loop is told of each piece of news once, and a lost one is a
 * sleep that does not end. tests/spin/sleep.pml has the proof for small rings, this is the real thing.
 */
#include "support.h"

#include <pthread.h>
#include <stdio.h>
#include <sys/epoll.h>
#include <unistd.h>

#define PATIENCE_MS 10000
#define PORTS       48u
#define BURST       24u

/* One end of a pipe in a thread of its own; asleep whenever its rings leave it nothing to do. */
struct side {
	struct loom_port *port;
	struct loom_txring tx;
	struct loom_rxring rx;
	int set;
	uint32_t to_send, sent, to_receive, received;
	unsigned sleeps;
	uint32_t random;
	const char *problem;
};

static void side_watch(struct side *side)
{
	struct epoll_event event = {.events = EPOLLIN | EPOLLET};

	side->set = epoll_create1(EPOLL_CLOEXEC);
	assert_true(side->set >= 0);
	assert_int_equal(epoll_ctl(side->set, EPOLL_CTL_ADD, loom_port_fd(side->port), &event), 0);
}

static void side_open(struct side *side, const char *name, uint32_t slots)
{
	*side = (struct side){.set = -1, .random = slots};
	assert_ok(loom_open(name, LOOM_CONFIG(.tx_slots = slots, .buffer_size = 64), &side->port));
	assert_ok(loom_tx(side->port, 0, &side->tx));
	assert_ok(loom_rx(side->port, 0, &side->rx));
}

static void side_close(struct side *side)
{
	if (side->set >= 0)
		close(side->set);
	loom_close(side->port);
}

static void side_sends(struct side *side)
{
	while (
	    side->sent < side->to_send && loom_send(&side->tx, &side->sent, sizeof side->sent) == 1)
		side->sent++;
	loom_tx_sync(&side->tx);
}

/* What the sync brought; an error once a number is not the one that was to come. */
static unsigned side_receives(struct side *side)
{
	struct loom_frame frame;
	unsigned taken = 0;
	uint32_t number;

	loom_rx_sync(&side->rx);
	for (; loom_recv(&side->rx, &frame) == 1; taken++, side->received++) {
		memcpy(&number, frame.data, sizeof number);
		if (frame.len != sizeof number || number != side->received)
			side->problem = "a packet is missing, or not the one that was sent";
	}
	return taken;
}

static bool side_has_work(const struct side *side)
{
	return !side->problem && (side->sent < side->to_send || side->received < side->to_receive);
}

/* Otherwise one side's steps, which take as long every time, would always meet the same steps of the other. */
static void dawdle(struct side *side)
{
	for (uint32_t n = random_next(&side->random) % 4096; n > 0; n--)
		__asm__ volatile("" ::: "memory");
}

static void *side_runs(void *arg)
{
	struct side *side = arg;
	struct epoll_event event;

	while (side_has_work(side)) {
		unsigned taken = side_receives(side);

		side_sends(side);
		if (taken > 0 || (side->sent < side->to_send && loom_tx_space(&side->tx) > 0))
			continue;
		dawdle(side);
		side->sleeps++;
		if (side_has_work(side) && epoll_wait(side->set, &event, 1, PATIENCE_MS) != 1)
			side->problem = "no news for seconds";
	}
	loom_rx_sync(&side->rx); /* the last room, for which the other side may wait */
	return NULL;
}

static void run_both(struct side *a, struct side *b)
{
	pthread_t threads[2];

	side_watch(a);
	side_watch(b);
	assert_int_equal(pthread_create(&threads[0], NULL, side_runs, a), 0);
	assert_int_equal(pthread_create(&threads[1], NULL, side_runs, b), 0);
	pthread_join(threads[0], NULL);
	pthread_join(threads[1], NULL);
	if (a->problem || b->problem)
		fail_msg("sent %u and %u, received %u and %u: %s", a->sent, b->sent, a->received,
		    b->received, a->problem ? a->problem : b->problem);
	assert_int_equal(a->received, a->to_receive);
	assert_int_equal(b->received, b->to_receive);
}

static const struct {
	uint32_t slots, packets;
} rows[] = {{2, 40000}, {3, 80000}, {16, 400000}, {256, 2000000}};

static void a_million_packets_one_way(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct side from, to;

		side_open(&from, "pipe{one-way}", rows[i].slots);
		side_open(&to, "pipe{one-way}", rows[i].slots);
		from.to_send = to.to_receive = scaled(rows[i].packets);
		run_both(&from, &to);
		assert_true(from.sleeps + to.sleeps > 0);
		side_close(&from);
		side_close(&to);
	}
}

/* One descriptor speaks of both rings then: room is news, and so are packets. */
static void a_million_packets_both_ways(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct side a, b;

		side_open(&a, "pipe{both}", rows[i].slots);
		side_open(&b, "pipe{both}", rows[i].slots);
		a.to_send = b.to_receive = scaled(rows[i].packets / 2);
		b.to_send = a.to_receive = scaled(rows[i].packets / 4);
		run_both(&a, &b);
		side_close(&a);
		side_close(&b);
	}
}

/* ---- many ports, one loop ---- */

struct crowd {
	struct side near[PORTS], far[PORTS];
	uint32_t each;
};

/* Bursts to ports at random; never more than a ring has room for, so that nobody waits for room. */
static void *crowd_sends(void *arg)
{
	struct crowd *crowd = arg;
	uint32_t random = 7, left = PORTS * crowd->each;
	uint64_t give_up = now_ms() + 6 * (uint64_t)PATIENCE_MS;

	while (left > 0 && now_ms() < give_up) {
		struct side *side = &crowd->near[random_next(&random) % PORTS];
		uint32_t before = side->sent, burst = random_next(&random) % BURST;

		side->to_send = before + burst < crowd->each ? before + burst : crowd->each;
		side_sends(side);
		left -= side->sent - before;
	}
	return NULL;
}

/* Only ports that the set names are looked at, and those until a sync brings nothing. */
static uint32_t crowd_receives(struct crowd *crowd, int set)
{
	uint32_t received = 0;

	while (received < PORTS * crowd->each) {
		struct epoll_event events[8];
		int n = epoll_wait(set, events, COUNT(events), PATIENCE_MS);

		if (n <= 0)
			break;
		for (int i = 0; i < n; i++) {
			struct side *side = &crowd->far[events[i].data.u32];
			unsigned taken;

			while ((taken = side_receives(side)) > 0)
				received += taken;
		}
	}
	return received;
}

static void crowd_open(struct crowd *crowd, int set)
{
	for (uint32_t i = 0; i < PORTS; i++) {
		struct epoll_event event = {.events = EPOLLIN | EPOLLET, .data.u32 = i};
		char name[24];

		snprintf(name, sizeof name, "pipe{crowd%u}", i);
		side_open(&crowd->near[i], name, 64);
		side_open(&crowd->far[i], name, 64);
		assert_int_equal(
		    epoll_ctl(set, EPOLL_CTL_ADD, loom_port_fd(crowd->far[i].port), &event), 0);
	}
}

static void every_port_of_a_loop_is_named_when_it_has_news(void **state)
{
	static struct crowd crowd;
	int set = epoll_create1(EPOLL_CLOEXEC);
	pthread_t sender;
	uint32_t received;

	(void)state;
	crowd.each = scaled(10000);
	crowd_open(&crowd, set);
	assert_int_equal(pthread_create(&sender, NULL, crowd_sends, &crowd), 0);
	received = crowd_receives(&crowd, set);
	pthread_join(sender, NULL);
	assert_int_equal(received, PORTS * crowd.each);
	for (uint32_t i = 0; i < PORTS; i++) {
		assert_null(crowd.far[i].problem);
		side_close(&crowd.near[i]);
		side_close(&crowd.far[i]);
	}
	close(set);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(a_million_packets_one_way),
	    cmocka_unit_test(a_million_packets_both_ways),
	    cmocka_unit_test(every_port_of_a_loop_is_named_when_it_has_news),
	};

	scratch_directory();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
