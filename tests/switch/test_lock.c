/* SPDX-License-Identifier: BSD-2-Clause */
/* The robust lock: exclusion, owners that die or stand still, words that nobody wrote honestly. */
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../contract/support.h"
#include "os/os.h"
#include "os/robust_lock.h"

#define TAKERS 4u

static bool all_live(const struct robust_lock_user *user, uint32_t owner)
{
	(void)user;
	(void)owner;
	return true;
}

static bool none_lives(const struct robust_lock_user *user, uint32_t owner)
{
	(void)user;
	(void)owner;
	return false;
}

/* Lock and what it guards, as two processes or threads see it. */
struct guarded {
	struct robust_lock lock;
	uint32_t lost; /* takers that gave up */
	uint64_t value;
};

struct taker {
	struct guarded *guarded;
	struct robust_lock_user user;
	unsigned turns;
};

static void *take_turns(void *arg)
{
	struct taker *taker = arg;
	struct guarded *g = taker->guarded;

	for (unsigned i = 0; i < taker->turns; i++) {
		if (robust_lock_take(&g->lock, &taker->user) != 0) {
			__atomic_add_fetch(&g->lost, 1, __ATOMIC_RELAXED);
			continue;
		}
		g->value++; /* not atomic: two at a time would lose some */
		robust_lock_give(&g->lock, taker->user.id);
	}
	return NULL;
}

static void threads_take_turns(void **state)
{
	struct guarded guarded = {.value = 0};
	struct taker takers[TAKERS];
	pthread_t threads[TAKERS];
	const unsigned turns = scaled(100000);

	(void)state;
	for (unsigned i = 0; i < TAKERS; i++) {
		takers[i] = (struct taker){
		    .guarded = &guarded, .user = {.id = i + 1, .alive = all_live}, .turns = turns};
		assert_int_equal(pthread_create(&threads[i], NULL, take_turns, &takers[i]), 0);
	}
	for (unsigned i = 0; i < TAKERS; i++)
		pthread_join(threads[i], NULL);
	assert_int_equal(guarded.value + guarded.lost, TAKERS * turns);
	assert_int_equal(guarded.lock.word & ~ROBUST_LOCK_ASLEEP, 0);
}

static void taking_what_is_free_makes_no_call(void **state)
{
	struct robust_lock lock = {0};
	struct robust_lock_user user = {.id = 5, .alive = all_live};

	(void)state;
	assert_int_equal(robust_lock_take(&lock, &user), 0);
	assert_int_equal(lock.word, 5);
	assert_true(robust_lock_is_mine(&lock, 5));
	assert_false(robust_lock_is_mine(&lock, 6));
	robust_lock_give(&lock, 5);
	assert_int_equal(lock.word, 0);
}

static void dead_owners_lock_is_taken_at_once(void **state)
{
	struct robust_lock lock = {.word = 9};
	struct robust_lock_user user = {.id = 5, .alive = none_lives};
	uint64_t begin = os_now_ns();

	(void)state;
	assert_int_equal(robust_lock_take(&lock, &user), 0);
	assert_true(os_now_ns() - begin < ROBUST_LOCK_WAIT_US * 1000ull);
	assert_true(robust_lock_is_mine(&lock, 5));
	robust_lock_give(&lock, 9); /* the old owner comes back */
	assert_true(robust_lock_is_mine(&lock, 5));
	robust_lock_give(&lock, 5);
	assert_int_equal(lock.word, 0);
}

static void own_id_is_left_over_from_somebody_dead(void **state)
{
	struct robust_lock lock = {.word = 5 | ROBUST_LOCK_ASLEEP};
	struct robust_lock_user user = {.id = 5, .alive = all_live};

	(void)state;
	assert_int_equal(robust_lock_take(&lock, &user), 0);
	robust_lock_give(&lock, 5);
	assert_int_equal(lock.word, 0);
}

static void living_owner_is_waited_for_once_and_not_for_ever(void **state)
{
	struct robust_lock lock = {.word = 9};
	struct robust_lock_user user = {.id = 5, .alive = all_live};
	uint64_t begin = os_now_ns(), took;

	(void)state;
	assert_int_equal(robust_lock_take(&lock, &user), -ETIMEDOUT);
	took = os_now_ns() - begin;
	assert_true(took >= ROBUST_LOCK_WAIT_US * 1000ull);
	begin = os_now_ns();
	for (unsigned i = 0; i < 10; i++)
		assert_int_equal(robust_lock_take(&lock, &user), -ETIMEDOUT);
	assert_true(os_now_ns() - begin < took);
	assert_int_equal(lock.word & ~ROBUST_LOCK_ASLEEP, 9);
	lock.turns++; /* it moves after all: worth waiting again */
	begin = os_now_ns();
	assert_int_equal(robust_lock_take(&lock, &user), -ETIMEDOUT);
	assert_true(os_now_ns() - begin >= ROBUST_LOCK_WAIT_US * 1000ull);
}

static void owner_that_stands_still_for_long_loses_it(void **state)
{
	struct robust_lock lock = {.word = 9};
	struct robust_lock_user user = {.id = 5, .alive = all_live};
	uint64_t deadline = now_ms() + 10000;

	(void)state;
	assert_int_equal(robust_lock_take(&lock, &user), -ETIMEDOUT);
	while (robust_lock_take(&lock, &user) != 0) {
		assert_true(now_ms() < deadline);
		usleep(20000);
	}
	assert_true(robust_lock_is_mine(&lock, 5));
	assert_false(robust_lock_is_mine(&lock, 9));
}

/* Somebody hostile who writes whatever comes to his mind, all the time. */
struct scribbler {
	struct robust_lock *lock;
	bool stop;
};

static void *scribble(void *arg)
{
	struct scribbler *scribbler = arg;
	uint32_t random = 1;

	while (!__atomic_load_n(&scribbler->stop, __ATOMIC_RELAXED))
		__atomic_store_n(&scribbler->lock->word,
		    random_next(&random) | random_next(&random) << 8, __ATOMIC_RELAXED);
	return NULL;
}

static void no_word_makes_a_taker_wait_for_ever(void **state)
{
	struct robust_lock lock = {0};
	struct scribbler scribbler = {.lock = &lock};
	struct robust_lock_user user = {.id = 5, .alive = all_live};
	uint64_t longest = 0;
	pthread_t thread;

	(void)state;
	assert_int_equal(pthread_create(&thread, NULL, scribble, &scribbler), 0);
	for (unsigned i = 0; i < 50; i++) {
		uint64_t begin = os_now_ns(), took;

		if (robust_lock_take(&lock, &user) == 0)
			robust_lock_give(&lock, user.id);
		took = os_now_ns() - begin;
		longest = took > longest ? took : longest;
	}
	__atomic_store_n(&scribbler.stop, true, __ATOMIC_RELAXED);
	pthread_join(thread, NULL);
	assert_true(longest < 20000ull * ROBUST_LOCK_WAIT_US);
}

/* ---- processes ---- */

struct arena {
	struct guarded guarded;
	pid_t holder;
};

static bool holder_lives(const struct robust_lock_user *user, uint32_t owner)
{
	(void)user;
	return owner != 7; /* the child is reaped before anybody asks */
}

static int hold_for_ever(void *arg)
{
	struct arena *arena = arg;
	struct taker taker = {
	    .guarded = &arena->guarded, .user = {.id = 7, .alive = all_live}, .turns = UINT32_MAX};

	take_turns(&taker);
	return 1;
}

static void killed_owners_leave_a_lock_that_works(void **state)
{
	struct arena *arena =
	    mmap(NULL, sizeof *arena, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	struct robust_lock_user user = {.id = 5, .alive = holder_lives};
	uint32_t random = 3;

	(void)state;
	assert_true(arena != MAP_FAILED);
	for (unsigned i = 0; i < scaled(300); i++) {
		pid_t child = child_start(hold_for_ever, arena);

		usleep(random_next(&random) % 2000);
		kill(child, SIGKILL);
		assert_int_equal(child_wait(child), -SIGKILL);
		assert_int_equal(robust_lock_take(&arena->guarded.lock, &user), 0);
		robust_lock_give(&arena->guarded.lock, user.id);
		assert_int_equal(arena->guarded.lock.word, 0);
	}
	munmap(arena, sizeof *arena);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(taking_what_is_free_makes_no_call),
	    cmocka_unit_test(threads_take_turns),
	    cmocka_unit_test(dead_owners_lock_is_taken_at_once),
	    cmocka_unit_test(own_id_is_left_over_from_somebody_dead),
	    cmocka_unit_test(living_owner_is_waited_for_once_and_not_for_ever),
	    cmocka_unit_test(owner_that_stands_still_for_long_loses_it),
	    cmocka_unit_test(no_word_makes_a_taker_wait_for_ever),
	    cmocka_unit_test(killed_owners_leave_a_lock_that_works),
	};

	return cmocka_run_group_tests_name("robust lock", tests, NULL, NULL);
}
