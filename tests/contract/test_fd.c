/* SPDX-License-Identifier: BSD-2-Clause */
/* loom_port_fd: a descriptor for event loops, and no wakeup lost however one waits on it. */
#include "pair.h"

#include <poll.h>
#include <stdio.h>
#include <sys/epoll.h>
#include <sys/select.h>
#include <unistd.h>

#define LONG_MS 5000

static bool readable(int fd, int timeout_ms)
{
	struct pollfd poll_for = {.fd = fd, .events = POLLIN};

	return poll(&poll_for, 1, timeout_ms) == 1 && (poll_for.revents & POLLIN);
}

/* Sync both rings. Value: packets there. */
static void far_sync(struct end *far, const int64_t *args, struct report *report)
{
	(void)args;
	loom_tx_sync(&far->tx);
	loom_rx_sync(&far->rx);
	report->value = loom_rx_space(&far->rx);
}

static void far_readable(struct end *far, const int64_t *args, struct report *report)
{
	int fd = loom_port_fd(far->port);

	if (fd < 0)
		snprintf(
		    report->problem, sizeof report->problem, "no descriptor: %s", loom_error());
	report->value = readable(fd, (int)args[0]);
}

static void send_one(struct pair *pair, uint32_t number)
{
	assert_int_equal(near_send(pair, 1, number, 60), 1);
	assert_ok(loom_tx_sync(&pair->near.tx));
}

static void there_is_one_descriptor_for_a_port(void **state)
{
	struct pair *pair = pair_open(*state, NULL);
	int fd = loom_port_fd(pair->near.port);

	assert_true(fd >= 0);
	assert_int_equal(loom_port_fd(pair->near.port), fd);
}

static void packets_that_came_before_the_descriptor_are_not_missed(void **state)
{
	struct pair *pair = pair_open(*state, NULL);

	send_one(pair, 0);
	assert_int_equal(FAR(pair, far_readable, 0), 1);
	assert_int_equal(FAR(pair, far_take, 1, 0, 60), 1);
	FAR(pair, far_sync);
	assert_int_equal(FAR(pair, far_readable, 0), 0);
}

/* A program that first sends its own and then waits: the TX sync says nothing about the RX ring. */
static void far_tx_sync(struct end *far, const int64_t *args, struct report *report)
{
	(void)args;
	(void)report;
	loom_tx_sync(&far->tx);
}

static void a_sync_of_another_ring_does_not_take_the_news_away(void **state)
{
	struct pair *pair = pair_open(*state, NULL);

	send_one(pair, 0);
	assert_int_equal(FAR(pair, far_readable, 0), 1);
	FAR(pair, far_tx_sync);
	assert_int_equal(FAR(pair, far_readable, 0), 1);
	assert_int_equal(FAR(pair, far_take, 1, 0, 60), 1);
}

static void it_is_readable_from_the_packet_to_the_sync_that_finds_none(void **state)
{
	struct pair *pair = pair_open(*state, NULL);

	FAR(pair, far_readable, 0);
	FAR(pair, far_sync);
	for (uint32_t i = 0; i < 100; i++) {
		assert_int_equal(FAR(pair, far_readable, 0), 0);
		send_one(pair, i);
		assert_int_equal(FAR(pair, far_readable, LONG_MS), 1);
		assert_int_equal(FAR(pair, far_readable, 0), 1);
		assert_int_equal(FAR(pair, far_take, 1, i, 60), 1);
		FAR(pair, far_sync);
	}
	assert_int_equal(FAR(pair, far_readable, 10), 0);
}

/*
 * Room that is there all the time is no news: an event loop would spin on it. Nor is what it sent itself, which
 * an interface shows to all who listen, some milliseconds later.
 */
static void a_sender_with_room_is_left_in_peace(void **state)
{
	struct pair *pair = pair_open(*state, NULL);
	int fd = loom_port_fd(pair->near.port);

	loom_rx_sync(&pair->near.rx);
	for (uint32_t i = 0; i < 20; i++) {
		send_one(pair, i);
		assert_false(readable(fd, 5));
		assert_int_equal(FAR(pair, far_take, 1, i, 60), 1);
		FAR(pair, far_sync);
		assert_ok(loom_rx_sync(&pair->near.rx));
		assert_ok(loom_tx_sync(&pair->near.tx));
		assert_ok(loom_rx_sync(&pair->near.rx));
		assert_false(readable(fd, 0));
	}
}

static void a_full_sender_hears_of_room(void **state)
{
	struct pair *pair = pair_open(*state, LOOM_CONFIG(.tx_slots = 4));
	int fd = loom_port_fd(pair->near.port);

	for (uint32_t i = 0; i < 20; i++) {
		assert_int_equal(near_send(pair, 10, i, 60), 3);
		assert_ok(loom_tx_sync(&pair->near.tx));
		assert_ok(loom_rx_sync(&pair->near.rx));
		assert_ok(loom_tx_sync(&pair->near.tx));
		assert_false(readable(fd, 0));
		assert_int_equal(FAR(pair, far_take, 1, i, 60), 1);
		assert_true(readable(fd, LONG_MS));
		assert_ok(loom_tx_sync(&pair->near.tx));
		assert_int_equal(loom_tx_space(&pair->near.tx), 1);
		assert_int_equal(FAR(pair, far_take, 2, i + 1, 60), 2);
		assert_ok(loom_tx_sync(&pair->near.tx));
	}
}

static void it_is_closed_with_the_port(void **state)
{
	unsigned before = open_descriptors();
	struct pair *pair = pair_open(*state, NULL);
	int fd = loom_port_fd(pair->near.port);

	assert_true(fd >= 0);
	FAR(pair, far_readable, 0);
	send_one(pair, 0);
	FAR(pair, far_drain);
	pair_close(pair);
	assert_int_equal(open_descriptors(), before);
}

/* Within a process a named end may be opened more than once: its rings are the same. */
static void closing_another_descriptor_of_the_port_changes_nothing(void **state)
{
	static const char *const names[][2] = {{"f{1", "f}1"}, {"loop:f", "loop:f"}};

	(void)state;
	for (size_t i = 0; i < 2 * COUNT(names); i++) {
		const char *const *pair = names[i / 2];
		struct loom_port *port, *other, *peer;
		struct loom_txring tx;
		struct loom_rxring rx;
		int fd;

		assert_ok(loom_open(pair[0], NULL, &port));
		assert_ok(loom_open(pair[0], NULL, &other));
		assert_ok(loom_open(pair[1], NULL, &peer));
		assert_ok(loom_rx(port, 0, &rx));
		assert_ok(loom_tx(peer, 0, &tx));
		fd = loom_port_fd(port);
		if (i % 2)
			assert_true(loom_port_fd(other) >= 0);
		assert_ok(loom_rx_sync(&rx));
		for (int k = 0; k < 4; k++) {
			struct loom_frame frame;

			assert_false(readable(fd, 0));
			assert_int_equal(loom_send(&tx, "x", 1), 1);
			assert_ok(loom_tx_sync(&tx));
			assert_true(readable(fd, LONG_MS));
			assert_ok(loom_rx_sync(&rx));
			if (k == 1) /* with a packet there the ring is not armed */
				loom_close(other);
			assert_int_equal(loom_recv(&rx, &frame), 1);
			assert_ok(loom_rx_sync(&rx));
		}
		loom_close(peer);
		loom_close(port);
	}
}

/* ---- ping-pong ---- */

enum method { WAIT, WAIT_WITHOUT_SPIN, POLL, SELECT, EPOLL_LEVEL, EPOLL_EDGE, METHODS, MIXED };

/* A packet that any kind carries, with a number in it. */
struct numbered {
	uint8_t header[PACKET_HEADER];
	uint8_t number[sizeof(uint32_t)];
	uint8_t rest[60 - PACKET_HEADER - sizeof(uint32_t)];
};

struct waiter {
	struct end *end;
	enum method method;
	int fd, epoll;
	unsigned sleeps;
};

static bool waiter_open(struct waiter *waiter, struct end *end, enum method method)
{
	struct epoll_event event = {.events = EPOLLIN | (method == EPOLL_EDGE ? EPOLLET : 0u)};

	*waiter = (struct waiter){.end = end, .method = method, .fd = -1, .epoll = -1};
	if (method <= WAIT_WITHOUT_SPIN)
		return true;
	waiter->fd = loom_port_fd(end->port);
	if (waiter->fd < 0 || method < EPOLL_LEVEL)
		return waiter->fd >= 0;
	waiter->epoll = epoll_create1(EPOLL_CLOEXEC);
	return epoll_ctl(waiter->epoll, EPOLL_CTL_ADD, waiter->fd, &event) == 0;
}

static void waiter_close(struct waiter *waiter)
{
	if (waiter->epoll >= 0)
		close(waiter->epoll);
}

/* Sleep by the method; false when nothing came for seconds. */
static bool waiter_sleep(struct waiter *waiter)
{
	static const enum method mix[] = {POLL, WAIT, EPOLL_LEVEL, WAIT, SELECT};
	bool mixed = waiter->method == MIXED;
	struct timeval timeout = {.tv_sec = LONG_MS / 1000};
	struct epoll_event event;
	fd_set set;

	switch (mixed ? mix[waiter->sleeps++ % COUNT(mix)] : waiter->method) {
	case POLL:
		return readable(waiter->fd, LONG_MS);
	case SELECT:
		FD_ZERO(&set);
		FD_SET(waiter->fd, &set);
		return select(waiter->fd + 1, &set, NULL, NULL, &timeout) == 1;
	case EPOLL_LEVEL:
	case EPOLL_EDGE:
		return epoll_wait(waiter->epoll, &event, 1, LONG_MS) == 1;
	default:
		return loom_port_wait(waiter->end->port, LOOM_RX, LONG_MS) == LOOM_RX;
	}
}

/* The loop that port.h prescribes: sync, and sleep only when that brought nothing. */
static bool receive_number(struct waiter *waiter, uint32_t expected)
{
	const struct loom_rxring *rx = &waiter->end->rx;
	struct loom_frame frame;
	uint32_t number;

	while (loom_recv(rx, &frame) != 1) {
		loom_rx_sync(rx);
		if (loom_rx_space(rx) == 0 && !waiter_sleep(waiter))
			return false;
	}
	if (frame.len != sizeof(struct numbered))
		return false;
	memcpy(&number, frame.data + PACKET_HEADER, sizeof number);
	return number == expected;
}

static bool try_number(const struct end *end, uint32_t number)
{
	struct numbered packet;

	packet_fill((uint8_t *)&packet, sizeof packet, 0);
	memcpy(packet.number, &number, sizeof number);
	return loom_send(&end->tx, &packet, sizeof packet) == 1;
}

static void send_number(const struct waiter *waiter, uint32_t number)
{
	while (!try_number(waiter->end, number))
		loom_tx_sync(&waiter->end->tx);
	loom_tx_sync(&waiter->end->tx);
}

/* Answer args[1] numbers, waiting for each by method args[0]. Value: how many came. */
static void far_pong(struct end *far, const int64_t *args, struct report *report)
{
	struct waiter waiter;

	if (!waiter_open(&waiter, far, (enum method)args[0]))
		strcpy(report->problem, "cannot wait");
	while (report->value < args[1] && receive_number(&waiter, (uint32_t)report->value))
		send_number(&waiter, (uint32_t)report->value++);
	waiter_close(&waiter);
}

/* One waits this way, the other another way; the same over all pairs of ways. */
static void ping_pong(const struct row *row, enum method near, enum method far, uint32_t rounds)
{
	struct pair *pair =
	    pair_open(row, LOOM_CONFIG(.tx_slots = 4,
			       .spin_us = near == WAIT && far == WAIT ? 0 : LOOM_SPIN_NONE));
	struct waiter waiter;
	uint32_t done = 0;

	assert_true(waiter_open(&waiter, &pair->near, near));
	pair_far_begin(pair, far_pong, (const int64_t[4]){far, rounds});
	for (; done < rounds; done++) {
		send_number(&waiter, done);
		if (!receive_number(&waiter, done))
			break;
	}
	waiter_close(&waiter);
	assert_int_equal(pair_far_end(pair), rounds);
	assert_int_equal(done, rounds);
	pair_close(pair);
}

/* A hundred thousand rounds in all between two threads, most of them asleep. */
static void no_wakeup_is_lost_in_a_long_ping_pong(void **state)
{
	const struct row *row = *state;
	/* The kernel hands packets over by the block, some milliseconds at a time. */
	const unsigned rounds = row_is_networked(row)        ? 500
				: row->place == PLACE_THREAD ? 100000
							     : 25000;

	for (enum method near = WAIT; near < METHODS; near++)
		for (enum method far = WAIT; far < METHODS; far++)
			ping_pong(row, near, far, scaled(rounds / (METHODS * METHODS)));
}

/* The wait and the descriptor of one port, by turns. */
static void both_ways_of_waiting_go_together(void **state)
{
	const struct row *row = *state;
	const unsigned rounds = row_is_networked(row) ? 100 : 5000;

	ping_pong(row, MIXED, MIXED, scaled(rounds));
	ping_pong(row, MIXED, WAIT_WITHOUT_SPIN, scaled(rounds));
}

/* Receive args[1] numbers from a ring that is always empty, asleep by method args[0]. */
static void far_receive_asleep(struct end *far, const int64_t *args, struct report *report)
{
	struct waiter waiter;

	if (!waiter_open(&waiter, far, (enum method)args[0]))
		strcpy(report->problem, "cannot wait");
	while (report->value < args[1] && receive_number(&waiter, (uint32_t)report->value))
		report->value++;
	loom_rx_sync(&far->rx);
	waiter_close(&waiter);
}

static void no_wakeup_is_lost_between_a_full_sender_and_an_empty_receiver(void **state)
{
	for (enum method method = WAIT; method < METHODS; method++) {
		const uint32_t total = scaled(20000);
		struct pair *pair =
		    pair_open(*state, LOOM_CONFIG(.tx_slots = 3, .spin_us = LOOM_SPIN_NONE));
		uint32_t sent = 0;

		pair_far_begin(pair, far_receive_asleep, (const int64_t[4]){method, total});
		while (sent < total) {
			while (sent < total && try_number(&pair->near, sent))
				sent++;
			if (loom_port_wait(pair->near.port, LOOM_TX, LONG_MS) != LOOM_TX)
				break;
		}
		assert_int_equal(sent, total);
		assert_ok(loom_tx_sync(&pair->near.tx));
		assert_int_equal(pair_far_end(pair), total);
		pair_close(pair);
	}
}

#define NEEDS_SLEEPERS (NEEDS_TWO_PORTS | NEEDS_CONCURRENCY)

static const struct body bodies[] = {
    BODY_ANY(there_is_one_descriptor_for_a_port),
    BODY(packets_that_came_before_the_descriptor_are_not_missed),
    BODY(a_sync_of_another_ring_does_not_take_the_news_away),
    BODY_ANY(it_is_readable_from_the_packet_to_the_sync_that_finds_none),
    BODY_ANY_IF(a_sender_with_room_is_left_in_peace, NEEDS_TWO_PORTS),
    BODY_IF(a_full_sender_hears_of_room, NEEDS_TWO_PORTS),
    BODY_ANY(it_is_closed_with_the_port),
    BODY_ANY_IF(no_wakeup_is_lost_in_a_long_ping_pong, NEEDS_SLEEPERS),
    BODY_ANY_IF(both_ways_of_waiting_go_together, NEEDS_SLEEPERS),
    BODY_IF(no_wakeup_is_lost_between_a_full_sender_and_an_empty_receiver, NEEDS_SLEEPERS),
};

static const struct CMUnitTest plain[] = {
    cmocka_unit_test(closing_another_descriptor_of_the_port_changes_nothing),
};

int main(int argc, char **argv)
{
	const struct suite suite = {"fd", bodies, COUNT(bodies), plain, COUNT(plain)};

	return suite_run(&suite, argc, argv);
}
