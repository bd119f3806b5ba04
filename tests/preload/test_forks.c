/* SPDX-License-Identifier: BSD-2-Clause */
/* A descriptor is there twice after a fork: parent and child use the same rings. */
#include "../e2e/netns.h"
#include "passing.h"

#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#define TURNS 300u /* of 7 frames: around a ring of 1,024 slots twice */
#define BATCH 7u
#define FIRST 1000u /* 0 would be an address that the switch has seen */
#define EACH  20000u

static struct port a, b; /* a child's too: inherited */

static void ends_open(void **state)
{
	const char *const *names = *state;

	a = port_open(names[0]);
	b = strcmp(names[0], names[1]) == 0 ? a : port_open(names[1]);
}

static void ends_close(void)
{
	bool one = a.fd == b.fd;

	port_close(&a);
	if (!one)
		port_close(&b);
}

static void batch_send(uint32_t turn)
{
	put_frames(&a, BATCH, FIRST + turn * BATCH);
	sync_tx(&a);
}

/* An interface's packets may be on their way for a moment. */
static void batch_take(uint32_t turn)
{
	const uint64_t deadline = now_ms() + 5000;

	do
		sync_rx(&b);
	while (nm_ring_space(b.rx) < BATCH && now_ms() < deadline);
	assert_int_equal(nm_ring_space(b.rx), BATCH);
	for (uint32_t i = 0; i < BATCH; i++)
		assert_int_equal(take_frame(&b), FIRST + turn * BATCH + i);
	sync_rx(&b);
}

/* ---- in turns ---- */

/* Sends what the parent takes, then takes what the parent sent. */
static int child_in_turns(int socket)
{
	for (uint32_t turn = 0; turn < TURNS; turn += 2) {
		hear(socket);
		batch_send(turn);
		say(socket);
		hear(socket);
		batch_take(turn + 1);
		say(socket);
	}
	return 0;
}

static void parent_and_child_in_turns(void **state)
{
	struct peer child;

	ends_open(state);
	child = peer_start(child_in_turns);
	for (uint32_t turn = 0; turn < TURNS; turn += 2) {
		say(child.socket);
		hear(child.socket);
		batch_take(turn);
		batch_send(turn + 1);
		say(child.socket);
		hear(child.socket);
	}
	assert_int_equal(peer_end(&child), 0);
	/* and on without it */
	batch_send(TURNS);
	batch_take(TURNS);
	ends_close();
}

static int child_that_closes(int socket)
{
	(void)socket;
	batch_send(0);
	ends_close();
	return 0;
}

static void a_child_that_closes_takes_nothing_away(void **state)
{
	struct peer child;
	struct nmreq_register reg = {.nr_mode = NR_REG_ALL_NIC};

	ends_open(state);
	child = peer_start(child_that_closes);
	assert_int_equal(peer_end(&child), 0);
	batch_take(0);
	batch_send(1);
	batch_take(1);
	assert_int_equal(control(a.fd, "null:x", NETMAP_REQ_REGISTER, &reg, NULL), EBUSY);
	ends_close();
}

static int child_that_stays(int socket)
{
	hear(socket);
	batch_send(0);
	batch_take(0);
	return 0;
}

static void what_the_parent_closes_stays_open_in_the_child(void **state)
{
	const char *const *names = *state;
	struct peer child;
	int fd;

	ends_open(state);
	child = peer_start(child_that_stays);
	ends_close();
	fd = netmap_open();
	if (strcmp(names[0], names[1]) != 0)
		assert_int_equal(netmap_bind(fd, names[0], 0), EBUSY);
	say(child.socket);
	assert_int_equal(peer_end(&child), 0);
	assert_int_equal(netmap_bind(fd, names[0], 0), 0);
	close(fd);
}

/* ---- at the same time ---- */

struct board {
	uint32_t lock; /* of the ring's head, as netmap wants it of its users */
	uint32_t next;
};

static struct board *board;

static void board_lock(void)
{
	while (__atomic_exchange_n(&board->lock, 1, __ATOMIC_ACQUIRE))
		sched_yield();
}

static void board_unlock(void)
{
	__atomic_store_n(&board->lock, 0, __ATOMIC_RELEASE);
}

/* One frame, if there is room. The sync is outside the lock: the other process's runs beside it. */
static bool frame_send(void)
{
	bool room;

	board_lock();
	room = board->next < 2 * EACH && nm_ring_space(a.tx) > 0;
	if (room)
		put_frames(&a, 1, board->next++);
	board_unlock();
	assert_int_equal(ioctl(a.fd, NIOCTXSYNC, NULL), 0);
	return room;
}

static int child_beside(int socket)
{
	const uint64_t deadline = now_ms() + 40000;

	(void)socket;
	while (__atomic_load_n(&board->next, __ATOMIC_RELAXED) < 2 * EACH && now_ms() < deadline)
		frame_send();
	return 0;
}

static void board_make(void)
{
	board =
	    mmap(NULL, sizeof *board, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	assert_true(board != MAP_FAILED);
}

static void parent_and_child_at_the_same_time(void **state)
{
	const uint64_t deadline = now_ms() + 40000;
	struct peer child;
	uint32_t taken = 0;

	board_make();
	ends_open(state);
	child = peer_start(child_beside);
	while (taken < 2 * EACH && now_ms() < deadline) {
		frame_send();
		sync_rx(&b);
		while (nm_ring_space(b.rx) > 0)
			assert_int_equal(take_frame(&b), taken++);
	}
	assert_int_equal(taken, 2 * EACH);
	assert_int_equal(peer_end(&child), 0);
	ends_close();
	munmap(board, sizeof *board);
}

/* Killed in the middle of whatever it does, often inside a sync: the ring goes on. */
static int child_that_is_killed(int socket)
{
	say(socket);
	for (;;)
		ioctl(a.fd, NIOCTXSYNC, NULL);
	return 0;
}

static void a_child_killed_inside_a_sync(void **state)
{
	ends_open(state);
	for (uint32_t turn = 0; turn < 20; turn++) {
		struct peer child = peer_start(child_that_is_killed);

		hear(child.socket);
		batch_send(turn);
		sleep_ms(turn % 3);
		kill(child.pid, SIGKILL);
		assert_int_equal(peer_end(&child), -SIGKILL);
		sync_tx(&a);
		batch_take(turn);
	}
	ends_close();
}

/* ---- what a fault port holds ---- */

static int child_that_sends(int socket)
{
	(void)socket;
	batch_send(0);
	return 0;
}

static void what_a_child_sent_is_held_for_its_parent(void **state)
{
	struct peer child;

	ends_open(state);
	child = peer_start(child_that_sends);
	assert_int_equal(peer_end(&child), 0);
	sync_rx(&b);
	assert_int_equal(nm_ring_space(b.rx), 0);
	sleep_ms(120);
	sync_tx(&a);
	batch_take(0);
	ends_close();
}

/* The random numbers go on: whoever sends, each packet is lost or not as if one process sent all. */
static unsigned half_are_lost(void **state, bool in_turns, uint32_t *got)
{
	unsigned n = 0;

	ends_open(state);
	for (uint32_t turn = 0; turn < 20; turn++) {
		struct peer child;

		if (in_turns && turn % 2) {
			child = peer_start(child_that_sends);
			assert_int_equal(peer_end(&child), 0);
		} else {
			batch_send(0);
		}
		sync_rx(&b);
		while (nm_ring_space(b.rx) > 0)
			got[n++] = turn * BATCH + take_frame(&b);
		sync_rx(&b);
	}
	ends_close();
	return n;
}

static void a_seed_means_the_same_for_parent_and_children(void **state)
{
	uint32_t alone[20 * BATCH], in_turns[20 * BATCH];
	unsigned n = half_are_lost(state, false, alone);

	assert_in_range(n, 40, 100);
	assert_int_equal(half_are_lost(state, true, in_turns), n);
	assert_memory_equal(alone, in_turns, n * sizeof *alone);
}

#define BETWEEN(test, one, other)                                                                  \
	{                                                                                          \
		.name = #test ": " one, .test_func = (test),                                       \
		.initial_state = (void *)(uintptr_t)(const char *const[])                          \
		{                                                                                  \
			one, other                                                                 \
		}                                                                                  \
	}

/* Both ends of a cable, through AF_XDP. */
static int cable_setup(void **state)
{
	(void)state;
	return netns_cable("loom0", "loom1");
}

static int cable_teardown(void **state)
{
	(void)state;
	return netns_remove("loom0");
}

#define OVER_CABLE(test)                                                                           \
	{                                                                                          \
		.name = #test ": over AF_XDP", .test_func = (test), .setup_func = cable_setup,     \
		.teardown_func = cable_teardown, .initial_state = (void *)(uintptr_t)cable_ends    \
	}

static int run_over_cable(void)
{
	static const char *const cable_ends[] = {"xdp:loom0", "xdp:loom1"};
	const struct CMUnitTest over_cable[] = {
	    OVER_CABLE(parent_and_child_in_turns),
	    OVER_CABLE(a_child_that_closes_takes_nothing_away),
	    OVER_CABLE(what_the_parent_closes_stays_open_in_the_child),
	};
	int skip = netns_enter_with_cable("loom0", "loom1");

	if (skip)
		return skip;
	netns_remove("loom0");
	return cmocka_run_group_tests(over_cable, group_start, group_end);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
	    BETWEEN(parent_and_child_in_turns, "x{1", "x}1"),
	    BETWEEN(parent_and_child_in_turns, "vale0:a", "vale0:b"),
	    BETWEEN(parent_and_child_in_turns, "loop:a", "loop:a"),
	    BETWEEN(parent_and_child_in_turns, "fault:loss=0@x{1", "x}1"),
	    BETWEEN(parent_and_child_in_turns, "x{1", "fault:loss=0@x}1"),
	    BETWEEN(a_child_that_closes_takes_nothing_away, "x{1", "x}1"),
	    BETWEEN(a_child_that_closes_takes_nothing_away, "vale0:a", "vale0:b"),
	    BETWEEN(a_child_that_closes_takes_nothing_away, "loop:a", "loop:a"),
	    BETWEEN(a_child_that_closes_takes_nothing_away, "fault:loss=0@x{1", "x}1"),
	    BETWEEN(a_child_that_closes_takes_nothing_away, "x{1", "fault:loss=0@x}1"),
	    BETWEEN(what_the_parent_closes_stays_open_in_the_child, "y{1", "y}1"),
	    BETWEEN(what_the_parent_closes_stays_open_in_the_child, "vale1:a", "vale1:b"),
	    BETWEEN(what_the_parent_closes_stays_open_in_the_child, "loop:b", "loop:b"),
	    BETWEEN(what_the_parent_closes_stays_open_in_the_child, "fault:loss=0@y{1", "y}1"),
	    BETWEEN(parent_and_child_at_the_same_time, "x{1", "x}1"),
	    BETWEEN(parent_and_child_at_the_same_time, "loop:a", "loop:a"),
	    BETWEEN(parent_and_child_at_the_same_time, "fault:loss=0@x{1", "x}1"),
	    BETWEEN(parent_and_child_at_the_same_time, "x{1", "fault:loss=0@x}1"),
	    BETWEEN(a_child_killed_inside_a_sync, "x{1", "x}1"),
	    BETWEEN(a_child_killed_inside_a_sync, "vale0:a", "vale0:b"),
	    BETWEEN(a_child_killed_inside_a_sync, "fault:loss=0@x{1", "x}1"),
	    BETWEEN(a_child_killed_inside_a_sync, "x{1", "fault:loss=0@x}1"),
	    BETWEEN(a_child_killed_inside_a_sync, "fault:loss=0@x{1", "x}1"),
	    BETWEEN(what_a_child_sent_is_held_for_its_parent, "fault:delay=100ms@x{1", "x}1"),
	    BETWEEN(
		a_seed_means_the_same_for_parent_and_children, "fault:loss=50,seed=3@x{1", "x}1"),
	};

	if (argc > 1 && strcmp(argv[1], "xdp") == 0)
		return run_over_cable();
	return cmocka_run_group_tests(tests, group_start, group_end);
}
