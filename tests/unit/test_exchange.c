/* SPDX-License-Identifier: BSD-2-Clause */
/* The index exchange, step by step in one thread: what is believed of the peer, when it is woken. */
#include "support.h"

#include "soft/exchange.h"
#include "soft/port.h"

#include <unistd.h>

#define MOST 16u

/* Two rings over one exchange; their slots are apart, for indexes are all that matters here. */
struct fixture {
	struct exchange exchange;
	struct port port;
	struct ring tx, rx;
	struct exchange_end tx_end, rx_end;
	uint8_t memory[2][sizeof(struct netmap_ring) + MOST * sizeof(struct netmap_slot)]
	    __attribute__((aligned(128)));
};

static int wake = -1; /* of the one who sleeps in these tests */
static int wakes_opened, wake_fails;

static int wake_open(struct ring *ring, bool own)
{
	(void)ring;
	(void)own;
	if (wake_fails)
		return -EMFILE;
	wakes_opened++;
	return dup(wake);
}

static void ring_make(struct fixture *fixture, struct ring *ring, bool tx, uint32_t n)
{
	ring->common.ring = (struct netmap_ring *)(void *)fixture->memory[tx ? 0 : 1];
	ring->port = &fixture->port;
	ring->num_slots = n;
	ring->tx = tx;
	ring->state = tx ? &fixture->tx_end : &fixture->rx_end;
	ring->kick = -1;
	exchange_end_init(ring->state, &fixture->exchange, wake_open);
}

static void fixture_make(struct fixture *fixture, uint32_t n)
{
	memset(fixture, 0, sizeof *fixture);
	ring_make(fixture, &fixture->tx, true, n);
	ring_make(fixture, &fixture->rx, false, n);
	exchange_resume(&fixture->tx);
	exchange_resume(&fixture->rx);
}

static uint64_t bad_peer(const struct ring *ring)
{
	return ring->common.stats.drops[LOOM_DROP_BAD_PEER];
}

static void indexes_go_to_the_other_side(void **state)
{
	static struct fixture f;

	(void)state;
	fixture_make(&f, 5);
	assert_int_equal(f.tx.hwtail, 4);
	assert_int_equal(f.rx.hwtail, 0);
	for (uint32_t lap = 0, at = 0; lap < 20; lap++) {
		uint32_t next = (at + 1 + lap % 4) % 5;

		f.tx.rhead = next;
		assert_int_equal(exchange_txsync(&f.tx), 0);
		assert_int_equal(exchange_rxsync(&f.rx), 0);
		assert_int_equal(f.rx.hwtail, next);
		assert_int_equal(f.tx.hwtail, (at + 4) % 5);
		f.rx.rhead = next;
		assert_int_equal(exchange_rxsync(&f.rx), 0);
		assert_int_equal(exchange_txsync(&f.tx), 0);
		assert_int_equal(f.tx.hwtail, (next + 4) % 5);
		at = next;
	}
	assert_int_equal(bad_peer(&f.tx) + bad_peer(&f.rx), 0);
}

/* Going round from `from`, is `index` met no earlier than `least` and before `from` comes again? */
static bool reachable(uint32_t n, uint32_t from, uint32_t least, uint32_t index)
{
	bool seen = false;

	if (index >= n)
		return false;
	for (uint32_t i = 0; i < n; i++) {
		uint32_t at = (from + i) % n;

		seen |= at == least;
		if (at == index)
			return seen;
	}
	return false;
}

/* Indexes to try on a ring of n slots: all of it, and some that no ring of these has. */
#define CANDIDATES(n) ((n) + (uint32_t)COUNT(outside))

static const uint32_t outside[] = {7, 8, 100, 0x7fffffff, 0x80000000, UINT32_MAX};

static uint32_t candidate(uint32_t n, uint32_t i)
{
	return i < n ? i : outside[i - n];
}

static void what_the_sender_publishes_may_only_go_forward(void **state)
{
	static struct fixture f;

	(void)state;
	for (uint32_t n = 2; n <= 7; n++)
		for (uint32_t i = 0; i < n * n * CANDIDATES(n); i++) {
			uint32_t hwcur = i % n, hwtail = i / n % n,
				 published = candidate(n, i / n / n);
			bool right = reachable(n, hwcur, hwtail, published);

			fixture_make(&f, n);
			f.rx.rhead = f.rx.hwcur = hwcur;
			f.rx.hwtail = hwtail;
			f.exchange.sender.published = published;
			assert_int_equal(exchange_rxsync(&f.rx), 0);
			assert_int_equal(f.rx.hwtail, right ? published : hwtail);
			assert_int_equal(bad_peer(&f.rx), right ? 0 : 1);
		}
}

/* hwtail + 1 is what was released before; hwcur is what was published: between them it may lie. */
static void what_the_receiver_releases_may_only_go_forward_and_not_past_what_was_sent(void **state)
{
	static struct fixture f;

	(void)state;
	for (uint32_t n = 2; n <= 7; n++)
		for (uint32_t i = 0; i < n * n * CANDIDATES(n); i++) {
			uint32_t before = i % n, hwcur = i / n % n,
				 released = candidate(n, i / n / n);
			bool right =
			    released < n && (released + n - before) % n <= (hwcur + n - before) % n;

			fixture_make(&f, n);
			f.tx.rhead = f.tx.hwcur = hwcur;
			f.tx.hwtail = (before + n - 1) % n;
			f.exchange.receiver.released = released;
			assert_int_equal(exchange_txsync(&f.tx), 0);
			assert_int_equal(f.tx.hwtail, ((right ? released : before) + n - 1) % n);
			assert_int_equal(bad_peer(&f.tx), right ? 0 : 1);
		}
}

static void a_peer_that_comes_to_its_senses_is_believed_again(void **state)
{
	static struct fixture f;

	(void)state;
	fixture_make(&f, 8);
	f.exchange.sender.published = 3;
	exchange_rxsync(&f.rx);
	f.exchange.sender.published = 2;
	exchange_rxsync(&f.rx);
	assert_int_equal(f.rx.hwtail, 3);
	f.exchange.sender.published = 5;
	exchange_rxsync(&f.rx);
	assert_int_equal(f.rx.hwtail, 5);
	assert_int_equal(bad_peer(&f.rx), 1);
}

static void positions_are_resumed_and_nonsense_among_them_is_zero(void **state)
{
	static struct fixture f;

	(void)state;
	for (uint32_t published = 0; published < 10; published++)
		for (uint32_t released = 0; released < 10; released++) {
			uint32_t p = published < 8 ? published : 0, r = released < 8 ? released : 0;

			fixture_make(&f, 8);
			f.exchange.sender.published = published;
			f.exchange.receiver.released = released;
			f.exchange.sender.waiting = f.exchange.receiver.waiting = 1;
			exchange_resume(&f.tx);
			assert_int_equal(f.tx.hwcur, p);
			assert_int_equal(f.tx.common.ring->head, p);
			assert_int_equal(f.tx.common.ring->tail, (r + 7) % 8);
			assert_int_equal(f.exchange.sender.waiting, 0);
			assert_int_equal(f.exchange.receiver.waiting, 1); /* not ours */
			exchange_resume(&f.rx);
			assert_int_equal(f.rx.hwcur, r);
			assert_int_equal(f.rx.common.ring->head, r);
			assert_int_equal(f.rx.common.ring->tail, r);
			assert_int_equal(f.exchange.receiver.waiting, 0);
		}
}

static void an_incomplete_packet_is_not_published(void **state)
{
	static struct fixture f;
	struct netmap_slot *slots;

	(void)state;
	fixture_make(&f, 8);
	slots = f.tx.common.ring->slot;
	slots[1].flags = slots[2].flags = NS_MOREFRAG;
	f.tx.rhead = 3;
	exchange_txsync(&f.tx);
	assert_int_equal(f.exchange.sender.published, 1);
	f.tx.rhead = 4;
	exchange_txsync(&f.tx);
	assert_int_equal(f.exchange.sender.published, 4);
	for (uint32_t i = 0; i < 8; i++)
		slots[i].flags = NS_MOREFRAG;
	f.tx.rhead = 3; /* a whole ring of fragments: the scan ends where it began */
	exchange_txsync(&f.tx);
	assert_int_equal(f.exchange.sender.published, 4);
}

/* ---- sleeping ---- */

static int wake_make(void **state)
{
	(void)state;
	wake = os_wake_create();
	wakes_opened = wake_fails = 0;
	return wake < 0;
}

static int wake_drop(void **state)
{
	(void)state;
	return close(wake);
}

static void fixture_drop(struct fixture *f)
{
	exchange_end_close(&f->tx_end);
	exchange_end_close(&f->rx_end);
}

static void send_one(struct fixture *f)
{
	f->tx.rhead = (f->tx.rhead + 1) % f->tx.num_slots;
	assert_int_equal(exchange_txsync(&f->tx), 0);
}

static void a_sleeper_is_woken_once(void **state)
{
	static struct fixture f;
	struct pollfd out;

	(void)state;
	fixture_make(&f, 8);
	send_one(&f);
	assert_int_equal(wakes_opened, 0); /* nobody sleeps: no descriptor, no call */
	exchange_rxsync(&f.rx);
	assert_int_equal(exchange_arm(&f.rx, &out), 0);
	assert_int_equal(out.events, POLLIN);
	assert_int_equal(f.exchange.receiver.waiting, 1);
	assert_int_equal(poll(&out, 1, 0), 0);
	send_one(&f);
	assert_int_equal(f.exchange.receiver.waiting, 0);
	assert_int_equal(poll(&out, 1, 0), 1);
	send_one(&f);
	assert_int_equal(f.tx.common.stats.wakeups, 1);
	fixture_drop(&f);
}

static void news_that_came_before_the_mark_is_seen(void **state)
{
	static struct fixture f;
	struct pollfd out;

	(void)state;
	fixture_make(&f, 8);
	send_one(&f);
	assert_true(exchange_arm(&f.rx, &out) > 0);
	exchange_rxsync(&f.rx);
	assert_int_equal(exchange_arm(&f.rx, &out), 0);
	fixture_drop(&f);
}

static void an_index_that_a_sync_refuses_is_no_news(void **state)
{
	static const uint32_t wrong[] = {2, 8, UINT32_MAX};
	static struct fixture f;
	struct pollfd out;

	(void)state;
	for (size_t i = 0; i < COUNT(wrong); i++) {
		fixture_make(&f, 8);
		f.rx.rhead = f.rx.hwcur = 1;
		f.rx.hwtail = 3;
		f.exchange.sender.published = wrong[i];
		assert_int_equal(exchange_arm(&f.rx, &out), 0);
		f.tx.hwcur = f.tx.rhead = 1;
		f.exchange.receiver.released = wrong[i];
		assert_int_equal(exchange_arm(&f.tx, &out), 0);
		fixture_drop(&f);
	}
}

/* The peer has taken the mark, but its signal comes later: it must not stay in the descriptor. */
static void a_late_signal_is_drained_in_the_end(void **state)
{
	static struct fixture f;
	struct pollfd out;

	(void)state;
	fixture_make(&f, 8);
	assert_int_equal(exchange_arm(&f.rx, &out), 0);
	f.exchange.receiver.waiting = 0;
	assert_int_equal(exchange_arm(&f.rx, &out), 0);
	assert_int_equal(f.exchange.receiver.waiting, 1);
	os_wake_signal(wake);
	assert_int_equal(poll(&out, 1, 0), 1);
	assert_int_equal(exchange_arm(&f.rx, &out), 0);
	assert_int_equal(poll(&out, 1, 0), 0);
	assert_int_equal(f.exchange.receiver.waiting, 1);
	fixture_drop(&f);
}

/* Linked in place of os_wake_drain(): something happens just before it. */
uint64_t __real_os_wake_drain(int fd);
uint64_t __wrap_os_wake_drain(int fd);
static uint32_t *taken_before_drain;

uint64_t __wrap_os_wake_drain(int fd)
{
	if (taken_before_drain) { /* the peer takes the mark and signals */
		*taken_before_drain = 0;
		os_wake_signal(wake);
	}
	taken_before_drain = NULL;
	return __real_os_wake_drain(fd);
}

/* The signal for the mark as it stands may be drained with one that was late: the mark is set anew. */
static void a_mark_that_is_taken_while_signals_are_drained_stands_afterwards(void **state)
{
	static struct fixture f;
	struct pollfd out;

	(void)state;
	fixture_make(&f, 8);
	assert_int_equal(exchange_arm(&f.rx, &out), 0);
	f.exchange.receiver.waiting = 0;
	assert_int_equal(exchange_arm(&f.rx, &out), 0);
	os_wake_signal(wake); /* late */
	taken_before_drain = &f.exchange.receiver.waiting;
	assert_int_equal(exchange_arm(&f.rx, &out), 0);
	assert_null(taken_before_drain);
	assert_int_equal(f.exchange.receiver.waiting, 1);
	assert_int_equal(poll(&out, 1, 0), 0);
	fixture_drop(&f);
}

/* A killed peer's, say, which no mark of this user's stands for. */
static void a_signal_that_nobody_expects_does_not_stay_for_ever(void **state)
{
	static struct fixture f;
	struct pollfd out;

	(void)state;
	fixture_make(&f, 8);
	assert_int_equal(exchange_arm(&f.rx, &out), 0);
	os_wake_signal(wake);
	for (int i = 0; i < 100; i++)
		assert_int_equal(exchange_arm(&f.rx, &out), 0);
	assert_int_equal(poll(&out, 1, 0), 0);
	assert_int_equal(f.exchange.receiver.waiting, 1);
	fixture_drop(&f);
}

/* … between its move, or its taking of the mark, and the signal. */
static void a_sleeper_whose_waker_was_killed_is_woken_by_the_next(void **state)
{
	static struct fixture f;
	struct pollfd out;

	(void)state;
	for (uint32_t mark = 0; mark < 2; mark++) {
		fixture_make(&f, 8);
		assert_int_equal(exchange_arm(&f.rx, &out), 0);
		f.exchange.sender.published = 1;
		f.exchange.receiver.waiting = mark;
		exchange_resume(&f.tx);
		assert_int_equal(poll(&out, 1, 0), 0);
		exchange_nudge(&f.tx);
		assert_int_equal(poll(&out, 1, 0), 1);
		assert_int_equal(exchange_rxsync(&f.rx), 0);
		assert_int_equal(f.rx.hwtail, 1);
		assert_int_equal(exchange_arm(&f.rx, &out), 0);
		assert_int_equal(poll(&out, 1, 0), 0);
		fixture_drop(&f);
	}
}

static void whoever_cannot_signal_now_tries_again_later(void **state)
{
	static struct fixture f;
	struct pollfd out;

	(void)state;
	fixture_make(&f, 8);
	assert_int_equal(exchange_arm(&f.rx, &out), 0);
	wake_fails = 1;
	send_one(&f);
	assert_int_equal(poll(&out, 1, 0), 0);
	wake_fails = 0;
	send_one(&f);
	assert_int_equal(poll(&out, 1, 0), 1);
	fixture_drop(&f);
}

static void whoever_cannot_be_woken_does_not_sleep(void **state)
{
	static struct fixture f;
	struct pollfd out;

	(void)state;
	fixture_make(&f, 8);
	wake_fails = 1;
	assert_int_equal(exchange_arm(&f.rx, &out), -EMFILE);
	assert_int_equal(f.exchange.receiver.waiting, 0);
	fixture_drop(&f);
}

#define WITH_WAKE(test) cmocka_unit_test_setup_teardown(test, wake_make, wake_drop)

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(indexes_go_to_the_other_side),
	    cmocka_unit_test(what_the_sender_publishes_may_only_go_forward),
	    cmocka_unit_test(
		what_the_receiver_releases_may_only_go_forward_and_not_past_what_was_sent),
	    cmocka_unit_test(a_peer_that_comes_to_its_senses_is_believed_again),
	    cmocka_unit_test(positions_are_resumed_and_nonsense_among_them_is_zero),
	    cmocka_unit_test(an_incomplete_packet_is_not_published),
	    WITH_WAKE(a_sleeper_is_woken_once),
	    WITH_WAKE(news_that_came_before_the_mark_is_seen),
	    WITH_WAKE(an_index_that_a_sync_refuses_is_no_news),
	    WITH_WAKE(a_late_signal_is_drained_in_the_end),
	    WITH_WAKE(a_mark_that_is_taken_while_signals_are_drained_stands_afterwards),
	    WITH_WAKE(a_signal_that_nobody_expects_does_not_stay_for_ever),
	    WITH_WAKE(a_sleeper_whose_waker_was_killed_is_woken_by_the_next),
	    WITH_WAKE(whoever_cannot_signal_now_tries_again_later),
	    WITH_WAKE(whoever_cannot_be_woken_does_not_sleep),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
