/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Processes that are killed while they use a pipe, at moments that nobody chose. Whoever is left never
 * blocks or crashes and loses nothing; whoever comes next goes on; nothing stays behind.
 */
#include "support.h"

#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#define SLOTS  32u
#define LIFE_S 20 /* after which a child ends itself, come what may */

struct end {
	struct loom_port *port;
	struct loom_txring tx;
	struct loom_rxring rx;
};

/* What a packet says of itself. */
struct note {
	uint32_t life;   /* of its sender: counts its deaths */
	uint32_t number; /* from 0 in every life */
};

/* Shared with the children. */
struct board {
	uint32_t life;
	uint32_t received; /* by the receiving child: the last packet's number + 1 */
	uint32_t began_at; /* the first number that the receiving child of this life saw */
	uint32_t problems;
};

static struct board *board;

static int board_make(void **state)
{
	(void)state;
	board =
	    mmap(NULL, sizeof *board, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	return board == MAP_FAILED;
}

static int board_drop(void **state)
{
	(void)state;
	return munmap(board, sizeof *board);
}

static void board_clear(void)
{
	*board = (struct board){.life = 0};
}

static bool end_open(struct end *end, const char *name)
{
	if (loom_open(name, LOOM_CONFIG(.tx_slots = SLOTS), &end->port) == 0 &&
	    loom_tx(end->port, 0, &end->tx) == 0 && loom_rx(end->port, 0, &end->rx) == 0)
		return true;
	fprintf(stderr, "%s: %s\n", name, loom_error());
	return false;
}

/* Let a child live for up to most microseconds, then kill it. */
static void kill_soon(pid_t child, uint32_t *seed, uint32_t most)
{
	usleep(random_next(seed) % most);
	assert_int_equal(kill(child, SIGKILL), 0);
	assert_int_equal(child_wait(child), -SIGKILL);
}

/* ---- a sender dies ---- */

static int child_sends(void *arg)
{
	struct note note = {.life = board->life};
	struct end end;
	bool slowly = board->life % 3 == 0;

	alarm(LIFE_S);
	if (!end_open(&end, arg))
		return 1;
	for (;;) {
		while (loom_send(&end.tx, &note, sizeof note) == 1) {
			note.number++;
			if (slowly)
				loom_tx_sync(&end.tx);
		}
		if (board->life % 2)
			loom_port_wait(end.port, LOOM_TX, 1000);
		else
			loom_tx_sync(&end.tx);
	}
}

/* Receive what there is: within a life no packet may be missing, lives follow each other. */
static uint32_t receive_all(const struct end *end, struct note *next)
{
	struct loom_frame frame = {.len = 0};
	uint32_t n = 0;

	assert_ok(loom_rx_sync(&end->rx));
	for (; loom_recv(&end->rx, &frame) == 1; n++) {
		struct note note;

		assert_int_equal(frame.len, sizeof note);
		memcpy(&note, frame.data, sizeof note);
		if (note.life != next->life) {
			assert_true(note.life > next->life);
			next->number = 0;
		}
		assert_int_equal(note.number, next->number);
		*next = (struct note){.life = note.life, .number = note.number + 1};
	}
	assert_ok(loom_rx_sync(&end->rx));
	return n;
}

static void a_killed_sender_leaves_what_it_sent_and_its_successor_goes_on(void **state)
{
	struct note next = {.life = 0};
	uint32_t seed = 7, received = 0;
	struct end end;

	(void)state;
	board_clear();
	assert_true(end_open(&end, "d}1"));
	for (unsigned i = 0; i < scaled(150); i++) {
		char name[] = "d{1";
		pid_t child;
		uint64_t before;

		board->life++;
		child = child_start(child_sends, name);
		for (uint32_t k = random_next(&seed) % 50; k > 0; k--) {
			received += receive_all(&end, &next);
			usleep(20);
		}
		kill_soon(child, &seed, 2000);
		before = now_ms();
		received += receive_all(&end, &next);
		assert_int_equal(
		    loom_port_wait(end.port, LOOM_RX, 1), 0); /* no error, no hang-up */
		assert_true(now_ms() - before < 2000);
	}
	assert_true(received > 0);
	loom_close(end.port);
	assert_int_equal(scratch_files(), 0);
}

/* ---- a receiver dies ---- */

static int child_receives(void *arg)
{
	struct loom_frame frame;
	struct note note;
	struct end end;
	bool first = true;

	alarm(LIFE_S);
	if (!end_open(&end, arg))
		return 1;
	for (;;) {
		loom_port_wait(end.port, LOOM_RX, 1000);
		while (loom_recv(&end.rx, &frame) == 1) {
			memcpy(&note, frame.data, sizeof note);
			if (first)
				board->began_at = note.number;
			else if (note.number != board->received)
				board->problems++;
			board->received = note.number + 1;
			first = false;
		}
		loom_rx_sync(&end.rx);
	}
}

/* Until a sync brings no room for more. */
static uint32_t send_all(const struct end *end, uint32_t number)
{
	do {
		struct note note = {.life = 0, .number = number};

		while (loom_send(&end->tx, &note, sizeof note) == 1)
			note.number = ++number;
		assert_ok(loom_tx_sync(&end->tx));
	} while (loom_tx_space(&end->tx) > 0);
	return number;
}

static void a_killed_receiver_costs_no_packet_and_its_successor_goes_on(void **state)
{
	uint32_t seed = 3, number = 0, began = 0;
	struct end end;

	(void)state;
	board_clear();
	assert_true(end_open(&end, "d{2"));
	for (unsigned i = 0; i < scaled(150); i++) {
		char name[] = "d}2";
		uint32_t seen = board->received;
		pid_t child;

		board->began_at = UINT32_MAX;
		child = child_start(child_receives, name);
		for (uint32_t k = random_next(&seed) % 50; k > 0; k--) {
			number = send_all(&end, number);
			usleep(20);
		}
		kill_soon(child, &seed, 2000);
		number = send_all(&end, number);
		assert_int_equal(board->problems, 0);
		if (board->began_at == UINT32_MAX)
			continue;
		began++;
		/* What it had taken but not given back comes again; nothing is left out. */
		assert_in_range(board->began_at, seen > SLOTS ? seen - SLOTS : 0, seen);
	}
	assert_true(began > 0);
	send_all(&end, number); /* the last sync may have found what the last receiver released */
	assert_int_equal(loom_port_wait(end.port, LOOM_TX, 1), 0); /* full, and yet no block */
	loom_close(end.port);
	assert_int_equal(scratch_files(), 0);
}

/* ---- both die ---- */

static void next_to_come_and_go(void)
{
	struct loom_port *port;

	assert_ok(loom_open("pipe{sweeper}", NULL, &port));
	loom_close(port);
}

static void after_both_are_killed_nothing_stays(void **state)
{
	uint32_t seed = 11;

	(void)state;
	board_clear();
	for (unsigned i = 0; i < scaled(60); i++) {
		char master[] = "d{3", slave[] = "d}3";
		pid_t one, other;

		board->life++;
		one = child_start(child_sends, master);
		other = child_start(child_receives, slave);
		kill_soon(i % 2 ? one : other, &seed, 4000);
		kill_soon(i % 2 ? other : one, &seed, 1000);
		next_to_come_and_go();
		assert_int_equal(scratch_files(), 0);
	}
	assert_int_equal(board->problems, 0);
}

static void a_new_pair_after_a_killed_one_starts_afresh(void **state)
{
	char master[] = "d{4";
	struct end end;

	(void)state;
	board_clear();
	for (unsigned i = 0; i < 10; i++) {
		pid_t child = child_start(child_sends, master);

		usleep(5000);
		kill(child, SIGKILL);
		child_wait(child);
		assert_true(end_open(&end, "d}4"));
		assert_ok(loom_rx_sync(&end.rx));
		assert_int_equal(loom_rx_space(&end.rx), 0);
		loom_close(end.port);
	}
	assert_int_equal(scratch_files(), 0);
}

/* ---- death at the door ---- */

static int child_comes_and_goes(void *arg)
{
	alarm(LIFE_S);
	for (;;) {
		struct end end;

		if (!end_open(&end, arg))
			return 1;
		loom_port_wait(end.port, LOOM_RX, 0);
		loom_port_fd(end.port);
		loom_close(end.port);
	}
}

static void a_process_killed_while_it_opens_or_closes_blocks_nobody(void **state)
{
	uint32_t seed = 5;
	struct end end;

	(void)state;
	for (unsigned i = 0; i < scaled(200); i++) {
		char name[] = "d{5";
		pid_t child = child_start(child_comes_and_goes, name);
		uint64_t before;

		kill_soon(child, &seed, 3000);
		before = now_ms();
		assert_true(end_open(&end, "d{5"));
		assert_true(now_ms() - before < 3000);
		loom_close(end.port);
		assert_int_equal(scratch_files(), 0);
	}
}

/* ---- death while asleep ---- */

static void wait_for_child(void)
{
	const uint64_t deadline = now_ms() + (uint64_t)LIFE_S * 1000;

	while (!__atomic_load_n(&board->received, __ATOMIC_RELAXED)) {
		assert_true(now_ms() < deadline);
		sched_yield();
	}
}

static int child_sleeps(void *arg)
{
	struct loom_frame frame;
	struct end end;

	alarm(LIFE_S);
	if (!end_open(&end, arg))
		return 1;
	loom_rx_sync(&end.rx);
	while (loom_recv(&end.rx, &frame) == 1)
		; /* what came for the one before */
	loom_rx_sync(&end.rx);
	__atomic_store_n(&board->received, 1, __ATOMIC_RELAXED);
	loom_port_wait(end.port, LOOM_RX, -1);
	return 2;
}

static void waking_a_dead_sleeper_harms_nobody(void **state)
{
	struct loom_stats stats;
	struct end end;

	(void)state;
	board_clear();
	assert_true(end_open(&end, "d{6"));
	for (unsigned i = 0; i < 20; i++) {
		char name[] = "d}6";
		uint32_t one = 1;
		pid_t child;

		board->received = 0;
		child = child_start(child_sleeps, name);
		wait_for_child();
		usleep(3000);
		kill(child, SIGKILL);
		assert_int_equal(child_wait(child), -SIGKILL);
		for (unsigned k = 0; k < 3; k++) {
			loom_send(&end.tx, &one, sizeof one);
			assert_ok(loom_tx_sync(&end.tx));
		}
	}
	assert_ok(loom_port_stats(end.port, &stats, NULL));
	assert_in_range(stats.wakeups, 1, 20); /* each sleeper is woken at most once */
	loom_close(end.port);
	assert_int_equal(scratch_files(), 0);
}

/* ---- other processes ---- */

static int child_holds(void *arg)
{
	struct end end;

	alarm(LIFE_S);
	if (!end_open(&end, arg))
		return 1;
	__atomic_store_n(&board->received, 1, __ATOMIC_RELAXED);
	for (;;)
		pause();
}

static void an_end_that_another_process_has_is_busy(void **state)
{
	char name[] = "d{7";
	struct loom_port *port = NULL;
	pid_t child;

	(void)state;
	board_clear();
	child = child_start(child_holds, name);
	wait_for_child();
	assert_refused(loom_open("d{7", NULL, &port), -EBUSY, "another process");
	assert_null(port);
	assert_ok(loom_open("d}7", NULL, &port));
	loom_close(port);
	assert_true(scratch_files() > 0); /* the other one is alive */
	kill(child, SIGKILL);
	child_wait(child);
	assert_ok(loom_open("d{7", NULL, &port));
	loom_close(port);
	assert_int_equal(scratch_files(), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(a_killed_sender_leaves_what_it_sent_and_its_successor_goes_on),
	    cmocka_unit_test(a_killed_receiver_costs_no_packet_and_its_successor_goes_on),
	    cmocka_unit_test(after_both_are_killed_nothing_stays),
	    cmocka_unit_test(a_new_pair_after_a_killed_one_starts_afresh),
	    cmocka_unit_test(a_process_killed_while_it_opens_or_closes_blocks_nobody),
	    cmocka_unit_test(waking_a_dead_sleeper_harms_nobody),
	    cmocka_unit_test(an_end_that_another_process_has_is_busy),
	};

	scratch_directory();
	return cmocka_run_group_tests(tests, board_make, board_drop);
}
