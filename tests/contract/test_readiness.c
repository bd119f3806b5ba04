/* SPDX-License-Identifier: BSD-2-Clause */
/* loom_port_wait: what it reports, when it returns, what it does on the way. */
#include "pair.h"

#include <pthread.h>
#include <signal.h>
#include <sys/time.h>
#include <time.h>

#define LONG_MS 5000

static void pause_ms(unsigned ms)
{
	const struct timespec pause = {.tv_nsec = (long)ms * 1000000};

	nanosleep(&pause, NULL);
}

static void fill(struct pair *pair)
{
	near_send(pair, UINT32_MAX, 0, 60);
	assert_ok(loom_tx_sync(&pair->near.tx));
}

static void events_other_than_rx_and_tx_are_refused(void **state)
{
	static const int wrong[] = {0, LOOM_ERROR, LOOM_RX | LOOM_ERROR, 8, -1};
	struct pair *pair = pair_open(*state, NULL);

	for (size_t i = 0; i < COUNT(wrong); i++)
		assert_refused(
		    loom_port_wait(pair->near.port, wrong[i], 0), -EINVAL, "LOOM_RX, LOOM_TX");
}

static void nothing_comes_and_the_time_is_kept(void **state)
{
	static const uint32_t spins[] = {0, LOOM_SPIN_NONE, 100000};

	for (size_t i = 0; i < COUNT(spins); i++) {
		struct pair *pair = pair_open(*state, LOOM_CONFIG(.spin_us = spins[i]));
		uint64_t before = now_ms(), took;

		assert_int_equal(loom_port_wait(pair->near.port, LOOM_RX, 0), 0);
		assert_true(now_ms() - before < 1000);
		before = now_ms();
		assert_int_equal(loom_port_wait(pair->near.port, LOOM_RX, 30), 0);
		took = now_ms() - before;
		assert_in_range(took, 29, 3000);
		pair_close(pair);
	}
}

static void only_what_was_asked_for_is_reported(void **state)
{
	struct pair *pair = pair_open(*state, LOOM_CONFIG(.tx_slots = 8));

	assert_int_equal(loom_port_wait(pair->near.port, LOOM_TX, 0), LOOM_TX);
	assert_int_equal(loom_port_wait(pair->near.port, LOOM_RX | LOOM_TX, 0), LOOM_TX);
	assert_int_equal(loom_port_wait(pair->near.port, LOOM_RX, 0), 0);
	fill(pair);
	assert_int_equal(loom_port_wait(pair->near.port, LOOM_TX, 10), 0);
	assert_int_equal(FAR(pair, far_drain), 7);
	assert_int_equal(loom_port_wait(pair->near.port, LOOM_TX, LONG_MS), LOOM_TX);
}

/* Wait args[1] ms for args[0]. Value: what was ready, or the error. */
static void far_wait(struct end *far, const int64_t *args, struct report *report)
{
	report->value = loom_port_wait(far->port, (int)args[0], (int)args[1]);
}

static void packets_that_are_there_end_the_wait_at_once(void **state)
{
	struct pair *pair = pair_open(*state, NULL);

	near_send(pair, 1, 0, 60);
	assert_ok(loom_tx_sync(&pair->near.tx));
	assert_int_equal(FAR(pair, far_wait, LOOM_RX, LONG_MS), LOOM_RX);
	assert_int_equal(FAR(pair, far_wait, LOOM_RX | LOOM_TX, LONG_MS), LOOM_RX | LOOM_TX);
	assert_int_equal(FAR(pair, far_wait, LOOM_RX, -1), LOOM_RX);
	assert_int_equal(FAR(pair, far_take, 1, 0, 60), 1);
	assert_int_equal(FAR(pair, far_wait, LOOM_RX, 1), 0);
}

static void what_the_wait_shows_can_be_received(void **state)
{
	struct pair *pair = pair_open(*state, NULL);

	near_send(pair, 3, 0, 60);
	assert_ok(loom_tx_sync(&pair->near.tx));
	assert_int_equal(FAR(pair, far_wait, LOOM_RX, 0), LOOM_RX);
	assert_int_equal(FAR(pair, far_take, 3, 0, 60), 3);
}

/* Asleep before the news comes: the news has to wake. */
static void a_packet_wakes_a_sleeping_receiver(void **state)
{
	struct pair *pair = pair_open(*state, LOOM_CONFIG(.spin_us = LOOM_SPIN_NONE));

	for (uint32_t i = 0; i < 5; i++) {
		pair_far_begin(pair, far_wait, (const int64_t[4]){LOOM_RX, LONG_MS});
		pause_ms(10);
		near_send(pair, 1, i, 60);
		assert_ok(loom_tx_sync(&pair->near.tx));
		assert_int_equal(pair_far_end(pair), LOOM_RX);
		assert_int_equal(FAR(pair, far_take, 1, i, 60), 1);
	}
}

/* far_take, args[3] ms from now. */
static void far_take_later(struct end *far, const int64_t *args, struct report *report)
{
	pause_ms((unsigned)args[3]);
	far_take(far, args, report);
}

static void room_wakes_a_sleeping_sender(void **state)
{
	struct pair *pair =
	    pair_open(*state, LOOM_CONFIG(.tx_slots = 4, .spin_us = LOOM_SPIN_NONE));

	for (uint32_t i = 0; i < 5; i++) {
		near_send(pair, 3, i, 60);
		assert_ok(loom_tx_sync(&pair->near.tx));
		pair_far_begin(pair, far_take_later, (const int64_t[4]){3, i, 60, 10});
		assert_int_equal(loom_port_wait(pair->near.port, LOOM_TX, LONG_MS), LOOM_TX);
		assert_int_equal(pair_far_end(pair), 3);
		assert_int_equal(loom_port_wait(pair->near.port, LOOM_TX, LONG_MS), LOOM_TX);
		assert_int_equal(loom_tx_space(&pair->near.tx), 3);
	}
}

static void a_wait_for_packets_sends_what_is_queued(void **state)
{
	struct pair *pair = pair_open(*state, NULL);

	near_send(pair, 2, 0, 60);
	loom_port_wait(pair->near.port, LOOM_RX, 0);
	assert_int_equal(FAR(pair, far_look), 2);
	pair_close(pair);

	pair = pair_open(*state, LOOM_CONFIG(.flags = NR_NO_TX_POLL));
	near_send(pair, 2, 0, 60);
	loom_port_wait(pair->near.port, LOOM_RX, 0);
	assert_int_equal(FAR(pair, far_look), 0);
	loom_port_wait(pair->near.port, LOOM_TX, 0);
	assert_int_equal(FAR(pair, far_look), 2);
}

/*
 * A wait for room, args[0]: after the ring was filled. Value: packets that can be received without another
 * sync.
 */
static void far_wait_for_room(struct end *far, const int64_t *args, struct report *report)
{
	if (args[0]) {
		while (loom_send(&far->tx, "twelve bytes", 12) == 1)
			;
		loom_tx_sync(&far->tx);
	}
	loom_port_wait(far->port, LOOM_TX, 0);
	report->value = loom_rx_space(&far->rx);
}

static void a_wait_that_finds_room_takes_no_packets_in(void **state)
{
	static const uint64_t flags[] = {0, NR_DO_RX_POLL};

	for (size_t i = 0; i < COUNT(flags); i++) {
		struct pair *pair = pair_open(*state, LOOM_CONFIG(.flags = flags[i]));

		near_send(pair, 2, 0, 60);
		assert_ok(loom_tx_sync(&pair->near.tx));
		assert_int_equal(FAR(pair, far_wait_for_room, false), 0);
		pair_close(pair);
	}
}

static void a_wait_that_finds_no_room_takes_packets_in_where_asked_to(void **state)
{
	static const uint64_t flags[] = {0, NR_DO_RX_POLL};

	for (size_t i = 0; i < COUNT(flags); i++) {
		struct pair *pair = pair_open(*state, LOOM_CONFIG(.flags = flags[i]));

		near_send(pair, 2, 0, 60);
		assert_ok(loom_tx_sync(&pair->near.tx));
		assert_int_equal(FAR(pair, far_wait_for_room, true), flags[i] ? 2 : 0);
		pair_close(pair);
	}
}

static void on_signal(int number)
{
	(void)number;
}

static void a_signal_interrupts(void **state)
{
	/* Again and again: on a loaded machine the first may come before the wait. */
	const struct itimerval soon = {
	    .it_value = {.tv_usec = 20000}, .it_interval = {.tv_usec = 20000}};
	const struct itimerval never = {.it_value = {.tv_usec = 0}};
	struct sigaction action = {.sa_handler = on_signal}, before;
	struct pair *pair = pair_open(*state, NULL);
	sigset_t alarm;

	sigemptyset(&alarm);
	sigaddset(&alarm, SIGALRM);
	pthread_sigmask(SIG_UNBLOCK, &alarm, NULL);
	assert_int_equal(sigaction(SIGALRM, &action, &before), 0);
	assert_int_equal(setitimer(ITIMER_REAL, &soon, NULL), 0);
	assert_refused(loom_port_wait(pair->near.port, LOOM_RX, LONG_MS), -EINTR, "interrupted");
	assert_int_equal(setitimer(ITIMER_REAL, &never, NULL), 0);
	assert_int_equal(sigaction(SIGALRM, &before, NULL), 0);
}

static void waits_and_wakeups_are_counted(void **state)
{
	struct pair *pair = pair_open(*state, LOOM_CONFIG(.spin_us = LOOM_SPIN_NONE));
	struct loom_stats tx, rx;

	assert_int_equal(loom_port_wait(pair->near.port, LOOM_RX, 1), 0);
	assert_ok(loom_port_stats(pair->near.port, &tx, &rx));
	assert_int_equal(rx.waits, 1);
	assert_int_equal(tx.wakeups, 0);
	assert_int_equal(FAR(pair, far_wait, LOOM_RX, 1), 0);
	near_send(pair, 1, 0, 60);
	assert_ok(loom_tx_sync(&pair->near.tx));
	near_send(pair, 1, 1, 60);
	assert_ok(loom_tx_sync(&pair->near.tx));
	assert_ok(loom_port_stats(pair->near.port, &tx, NULL));
	assert_int_equal(tx.wakeups, 1); /* the mark was taken: the next packet costs no call */
	assert_int_equal(FAR(pair, far_take, 2, 0, 60), 2);
}

static const struct body bodies[] = {
    BODY_ANY(events_other_than_rx_and_tx_are_refused),
    BODY_ANY(nothing_comes_and_the_time_is_kept),
    BODY(only_what_was_asked_for_is_reported),
    BODY_ANY(packets_that_are_there_end_the_wait_at_once),
    BODY(what_the_wait_shows_can_be_received),
    BODY_ANY_IF(a_packet_wakes_a_sleeping_receiver, NEEDS_TWO_PORTS | NEEDS_CONCURRENCY),
    BODY_IF(room_wakes_a_sleeping_sender, NEEDS_TWO_PORTS | NEEDS_CONCURRENCY),
    BODY(a_wait_for_packets_sends_what_is_queued),
    BODY(a_wait_that_finds_room_takes_no_packets_in),
    BODY_IF(a_wait_that_finds_no_room_takes_packets_in_where_asked_to, NEEDS_TWO_PORTS),
    BODY_ANY_IF(a_signal_interrupts, NEEDS_ONE_THREAD),
    BODY_IF(waits_and_wakeups_are_counted, NEEDS_COUNTS),
};

int main(int argc, char **argv)
{
	const struct suite suite = {"readiness", bodies, COUNT(bodies), NULL, 0};

	return suite_run(&suite, argc, argv);
}
