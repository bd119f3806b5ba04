/* SPDX-License-Identifier: BSD-2-Clause */
/* Built with -DLOOM_DEBUG: misuse that a release build cannot afford to look for ends the program. */
#ifndef LOOM_DEBUG
#error "this test is about LOOM_DEBUG"
#endif
#include "support.h"

#include <pktloom/batch.h>

#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <unistd.h>

struct end {
	struct loom_port *port;
	struct loom_txring tx;
	struct loom_rxring rx;
};

static struct end end_open_as(const char *name)
{
	struct end end;

	assert_ok(loom_open(name, NULL, &end.port));
	assert_ok(loom_tx(end.port, 0, &end.tx));
	assert_ok(loom_rx(end.port, 0, &end.rx));
	return end;
}

static struct end end_open(void)
{
	return end_open_as("loop:debug");
}

/* ---- what must stop ---- */

static struct loom_frame frames[4];
static uint8_t data[64];

static void use_send(struct end *end)
{
	loom_send(&end->tx, data, sizeof data);
}

static void use_reserve(struct end *end)
{
	loom_reserve(&end->tx, frames, 4);
}

static void use_commit(struct end *end)
{
	loom_commit(&end->tx, frames, 1);
}

static void use_tx_sync(struct end *end)
{
	loom_tx_sync(&end->tx);
}

static void use_tx_space(struct end *end)
{
	loom_tx_space(&end->tx);
}

static void use_tx_slot(struct end *end)
{
	loom_tx_slot(&end->tx, 0);
}

static void use_recv(struct end *end)
{
	loom_recv(&end->rx, frames);
}

static void use_recv_copy(struct end *end)
{
	loom_recv_copy(&end->rx, data, sizeof data, NULL);
}

static void use_peek(struct end *end)
{
	loom_peek(&end->rx, frames, 4);
}

static void use_release(struct end *end)
{
	loom_release(&end->rx, 0);
}

static void use_rx_sync(struct end *end)
{
	loom_rx_sync(&end->rx);
}

static void use_rx_space(struct end *end)
{
	loom_rx_space(&end->rx);
}

static void use_rx_slot(struct end *end)
{
	loom_rx_slot(&end->rx, 0);
}

static void use_rx_time(struct end *end)
{
	loom_rx_time(&end->rx);
}

static void use_forward(struct end *end)
{
	loom_forward(&end->rx, &end->tx, 1);
}

static void use_txbatch(struct end *end)
{
	loom_txbatch_begin(&end->tx);
}

static void use_rxbatch(struct end *end)
{
	loom_rxbatch_begin(&end->rx);
}

static void use_tx_stats(struct end *end)
{
	struct loom_stats stats;

	loom_tx_stats(&end->tx, &stats);
}

static void release_too_many(struct end *end)
{
	loom_release(&end->rx, 1);
}

static const struct use {
	const char *name;
	void (*run)(struct end *end);
} uses[] = {{"loom_send", use_send}, {"loom_reserve", use_reserve}, {"loom_commit", use_commit},
    {"loom_tx_sync", use_tx_sync}, {"loom_tx_space", use_tx_space}, {"loom_tx_slot", use_tx_slot},
    {"loom_recv", use_recv}, {"loom_recv_copy", use_recv_copy}, {"loom_peek", use_peek},
    {"loom_release", use_release}, {"loom_rx_sync", use_rx_sync}, {"loom_rx_space", use_rx_space},
    {"loom_rx_slot", use_rx_slot}, {"loom_rx_time", use_rx_time}, {"loom_forward", use_forward},
    {"loom_txbatch_begin", use_txbatch}, {"loom_rxbatch_begin", use_rxbatch},
    {"loom_tx_stats", use_tx_stats}};

struct attempt {
	void (*run)(struct end *end);
	struct end *end;
	int output; /* where its messages go */
};

static int child_attempts(void *arg)
{
	const struct attempt *attempt = arg;

	dup2(attempt->output, STDERR_FILENO);
	signal(SIGABRT, SIG_DFL);
	signal(SIGSEGV, SIG_DFL); /* cmocka would call it a failed test */
	attempt->run(attempt->end);
	return 0;
}

/* The attempt in a child: its status, and its last words. */
static int run_attempt(void (*run)(struct end *), struct end *end, char *words, size_t size)
{
	struct attempt attempt = {.run = run, .end = end};
	int ends[2], status;

	memset(words, 0, size);
	assert_int_equal(pipe(ends), 0);
	attempt.output = ends[1];
	status = child_wait(child_start(child_attempts, &attempt));
	close(ends[1]);
	assert_true(read(ends[0], words, size - 1) >= 0);
	close(ends[0]);
	return status;
}

/* It must abort, and its last words have `word` in them. */
static void must_abort(
    const char *what, void (*run)(struct end *), struct end *end, const char *word)
{
	char words[1024];
	int status = run_attempt(run, end, words, sizeof words);

	if (status != -SIGABRT || !strstr(words, word) || !strstr(words, "pktloom:"))
		fail_msg("%s: status %d, last words \"%s\"", what, status, words);
}

static void a_verb_on_a_closed_port_aborts_with_its_name(void **state)
{
	struct end end = end_open();

	(void)state;
	loom_close(end.port);
	for (size_t i = 0; i < COUNT(uses); i++)
		must_abort(uses[i].name, uses[i].run, &end, uses[i].name);
}

/* The number of a closed port is not given to the next one. */
static void a_later_port_does_not_revive_the_handle(void **state)
{
	struct end old = end_open(), new;

	(void)state;
	loom_close(old.port);
	new = end_open();
	must_abort("loom_send", use_send, &old, "closed");
	assert_int_equal(loom_send(&new.tx, "x", 1), 1);
	loom_close(new.port);
}

static void releasing_more_than_is_held_aborts(void **state)
{
	struct end end = end_open();

	(void)state;
	must_abort("loom_release", release_too_many, &end, "only 0 are held");
	loom_close(end.port);
}

static void open_ports_are_not_disturbed(void **state)
{
	struct end end = end_open(), other;

	(void)state;
	for (unsigned i = 0; i < 100; i++) {
		other = end_open();
		loom_close(other.port);
	}
	for (size_t i = 0; i < COUNT(uses); i++)
		uses[i].run(&end);
	loom_close(end.port);
}

/* ---- two threads ---- */

#define ENOUGH_MS 20000u

static void *waits(void *arg)
{
	struct end *end = arg;

	pthread_setname_np(pthread_self(), "sleeper");
	loom_port_wait(end->port, LOOM_RX, ENOUGH_MS);
	return NULL;
}

static void *sends(void *arg)
{
	struct end *end = arg;
	uint64_t give_up = now_ms() + ENOUGH_MS;

	while (now_ms() < give_up) {
		loom_send(&end->tx, data, sizeof data);
		loom_tx_sync(&end->tx);
	}
	return NULL;
}

static void *receives(void *arg)
{
	struct end *end = arg;
	uint64_t give_up = now_ms() + ENOUGH_MS;
	uint8_t copy[sizeof data];

	pthread_setname_np(pthread_self(), "other");
	while (now_ms() < give_up) {
		loom_rx_sync(&end->rx);
		loom_recv_copy(&end->rx, copy, sizeof copy, NULL);
	}
	return NULL;
}

/* In a child, whose port is its own: it has closed its parent's. Nothing comes, so that a wait lasts. */
static void beside(void *(*other)(void *), void *(*me)(void *))
{
	struct end end = end_open_as("null:debug");
	pthread_t thread;

	pthread_setname_np(pthread_self(), "taker");
	if (pthread_create(&thread, NULL, other, &end) == 0)
		me(&end);
}

static void a_sender_beside_a_wait(struct end *end)
{
	(void)end;
	beside(waits, sends);
}

static void two_receivers(struct end *end)
{
	(void)end;
	beside(receives, receives);
}

static void a_receiver_beside_a_wait(struct end *end)
{
	(void)end;
	beside(waits, receives);
}

static void two_threads_in_one_ring_are_caught_and_named(void **state)
{
	static const struct {
		void (*run)(struct end *);
		const char *words[4];
	} rows[] = {
	    {a_sender_beside_a_wait,
		{"\"taker\"", "\"sleeper\"", "loom_port_wait", "TX ring 0 of port \"null:debug\""}},
	    {a_receiver_beside_a_wait,
		{"\"other\"", "\"sleeper\"", "loom_port_wait", "RX ring 0 of port \"null:debug\""}},
	    {two_receivers, {"\"other\"", "loom_r", "while thread", "RX ring 0"}},
	};
	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		char words[1024];
		int status = run_attempt(rows[i].run, NULL, words, sizeof words);

		for (size_t k = 0; k < COUNT(rows[i].words); k++)
			if (status != -SIGABRT || !strstr(words, rows[i].words[k]))
				fail_msg("row %zu: status %d, no %s in \"%s\"", i, status,
				    rows[i].words[k], words);
	}
}

struct turns {
	struct end *end;
	pthread_mutex_t lock;
	unsigned rounds;
};

static void *takes_turns(void *arg)
{
	struct turns *turns = arg;

	for (unsigned i = 0; i < turns->rounds; i++) {
		pthread_mutex_lock(&turns->lock);
		for (size_t k = 0; k < COUNT(uses); k++)
			uses[k].run(turns->end);
		pthread_mutex_unlock(&turns->lock);
	}
	return NULL;
}

static void a_ring_may_go_from_thread_to_thread(void **state)
{
	struct end end = end_open();
	struct turns turns = {&end, PTHREAD_MUTEX_INITIALIZER, scaled(5000)};
	pthread_t threads[2];

	(void)state;
	for (size_t i = 0; i < COUNT(threads); i++)
		assert_int_equal(pthread_create(&threads[i], NULL, takes_turns, &turns), 0);
	for (size_t i = 0; i < COUNT(threads); i++)
		pthread_join(threads[i], NULL);
	loom_close(end.port);
}

static void sends_one(struct end *end)
{
	use_send(end);
	use_tx_sync(end);
}

static void takes_one(struct end *end)
{
	use_rx_sync(end);
	use_recv_copy(end);
}

static void *sends_some(void *arg)
{
	struct end *end = arg;

	for (unsigned i = 0; i < scaled(100000); i++)
		sends_one(end);
	return NULL;
}

static void *receives_some(void *arg)
{
	struct end *end = arg;

	for (unsigned i = 0; i < scaled(100000); i++)
		takes_one(end);
	return NULL;
}

static void threads_with_rings_of_their_own_are_left_alone(void **state)
{
	struct end end = end_open();
	pthread_t thread;

	(void)state;
	assert_int_equal(pthread_create(&thread, NULL, sends_some, &end), 0);
	receives_some(&end);
	pthread_join(thread, NULL);
	loom_close(end.port);
}

static int child_looks(void *arg)
{
	const struct end *end = arg;

	signal(SIGABRT, SIG_DFL);
	return loom_rx_space(&end->rx) != 0;
}

static void a_child_is_not_in_the_wait_that_its_parent_is_in(void **state)
{
	struct end end = end_open_as("pipe{debug}"), peer = end_open_as("pipe{debug}");
	const uint64_t give_up = now_ms() + ENOUGH_MS;
	struct loom_stats rx = {0};
	pthread_t thread;

	(void)state;
	assert_int_equal(pthread_create(&thread, NULL, waits, &end), 0);
	while (rx.waits == 0 && now_ms() < give_up)
		loom_rx_stats(&end.rx, &rx);
	assert_int_equal(child_wait(child_start(child_looks, &end)), 0);
	use_send(&peer);
	use_tx_sync(&peer);
	pthread_join(thread, NULL);
	assert_int_equal(loom_rx_space(&end.rx), 1);
	loom_close(peer.port);
	loom_close(end.port);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(a_verb_on_a_closed_port_aborts_with_its_name),
	    cmocka_unit_test(a_later_port_does_not_revive_the_handle),
	    cmocka_unit_test(releasing_more_than_is_held_aborts),
	    cmocka_unit_test(open_ports_are_not_disturbed),
	    cmocka_unit_test(two_threads_in_one_ring_are_caught_and_named),
	    cmocka_unit_test(a_ring_may_go_from_thread_to_thread),
	    cmocka_unit_test(threads_with_rings_of_their_own_are_left_alone),
	    cmocka_unit_test(a_child_is_not_in_the_wait_that_its_parent_is_in),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
