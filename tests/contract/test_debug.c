/* SPDX-License-Identifier: BSD-2-Clause */
/* Built with -DLOOM_DEBUG: misuse that a release build cannot afford to look for ends the program. */
#ifndef LOOM_DEBUG
#error "this test is about LOOM_DEBUG"
#endif
#include "support.h"

#include <pktloom/batch.h>

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <unistd.h>

struct end {
	struct loom_port *port;
	struct loom_txring tx;
	struct loom_rxring rx;
};

static struct end end_open(void)
{
	struct end end;

	assert_ok(loom_open("loop:debug", NULL, &end.port));
	assert_ok(loom_tx(end.port, 0, &end.tx));
	assert_ok(loom_rx(end.port, 0, &end.rx));
	return end;
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

/* The attempt in a child: it must abort, and its last words have `word` in them. */
static void must_abort(
    const char *what, void (*run)(struct end *), struct end *end, const char *word)
{
	struct attempt attempt = {.run = run, .end = end};
	char words[1024] = "";
	int ends[2], status;

	assert_int_equal(pipe(ends), 0);
	attempt.output = ends[1];
	status = child_wait(child_start(child_attempts, &attempt));
	close(ends[1]);
	assert_true(read(ends[0], words, sizeof words - 1) >= 0);
	close(ends[0]);
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

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(a_verb_on_a_closed_port_aborts_with_its_name),
	    cmocka_unit_test(a_later_port_does_not_revive_the_handle),
	    cmocka_unit_test(releasing_more_than_is_held_aborts),
	    cmocka_unit_test(open_ports_are_not_disturbed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
