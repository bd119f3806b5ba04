/* SPDX-License-Identifier: BSD-2-Clause */
/* Waiting for a robust lock, on Linux: futexes, which need no state but the word itself. */
#include "robust_lock.h"

#include <errno.h>
#include <linux/futex.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "os.h"

#define SPINS        400u /* some 10 us: what a section of a few hundred packets takes */
#define SLEEP_US_MAX 2000u

/* Until the word changes, somebody wakes us, or the time is over: the caller looks again anyway. */
static void word_sleep(const uint32_t *word, uint32_t value, uint32_t us)
{
	const struct timespec time = {.tv_nsec = (long)us * 1000};

	syscall(SYS_futex, word, FUTEX_WAIT, value, &time, NULL, 0);
}

static void word_wake(const uint32_t *word)
{
	syscall(SYS_futex, word, FUTEX_WAKE, 1, NULL, NULL, 0);
}

static bool change(struct robust_lock *lock, uint32_t from, uint32_t to)
{
	return __atomic_compare_exchange_n(
	    &lock->word, &from, to, false, __ATOMIC_ACQUIRE, __ATOMIC_RELAXED);
}

static int taken(struct robust_lock *lock, struct robust_lock_user *user)
{
	__atomic_store_n(&lock->turns, lock->turns + 1, __ATOMIC_RELAXED);
	user->stuck = NULL;
	return 0;
}

/* Since when it has stood as it stands now; UINT64_MAX: it has moved, or we see it for the first time. */
static uint64_t stuck_since(
    const struct robust_lock *lock, const struct robust_lock_user *user, uint32_t owner)
{
	if (user->stuck == lock && user->stuck_word == owner &&
	    user->stuck_turns == __atomic_load_n(&lock->turns, __ATOMIC_RELAXED))
		return user->stuck_since_ns;
	return UINT64_MAX;
}

static int give_up(
    const struct robust_lock *lock, struct robust_lock_user *user, uint32_t owner, uint64_t now)
{
	user->stuck = lock;
	user->stuck_word = owner;
	user->stuck_turns = __atomic_load_n(&lock->turns, __ATOMIC_RELAXED);
	user->stuck_since_ns = now;
	return -ETIMEDOUT;
}

/* Its owner is dead, or was already given up and has stood still for too long. */
static bool is_abandoned(const struct robust_lock *lock, const struct robust_lock_user *user,
    uint32_t owner, uint64_t now)
{
	uint64_t since = stuck_since(lock, user, owner);

	if (owner == user->id || !user->alive(user, owner))
		return true;
	return since != UINT64_MAX && now - since > ROBUST_LOCK_STUCK_US * 1000ull;
}

static bool spin(struct robust_lock *lock, uint32_t id)
{
	for (unsigned i = 0; i < SPINS; i++) {
		os_cpu_relax();
		if (__atomic_load_n(&lock->word, __ATOMIC_RELAXED) == 0 &&
		    robust_lock_try(lock, id))
			return true;
	}
	return false;
}

int robust_lock_wait(struct robust_lock *lock, struct robust_lock_user *user)
{
	uint64_t now, deadline;

	if (spin(lock, user->id))
		return 0;
	now = os_now_ns();
	deadline = now + ROBUST_LOCK_WAIT_US * 1000ull;
	for (;; now = os_now_ns()) {
		uint32_t word = __atomic_load_n(&lock->word, __ATOMIC_RELAXED);
		uint32_t owner = word & ~ROBUST_LOCK_ASLEEP;
		bool waited_in_vain = stuck_since(lock, user, owner) != UINT64_MAX;

		/* Others may sleep where we slept: only a giver that sees the mark wakes them. */
		if ((owner == 0 || is_abandoned(lock, user, owner, now)) &&
		    change(lock, word, user->id | ROBUST_LOCK_ASLEEP))
			return taken(lock, user);
		if (waited_in_vain)
			return -ETIMEDOUT;
		if (now >= deadline)
			return give_up(lock, user, owner, now);
		if (owner != 0 && (word != owner || change(lock, word, word | ROBUST_LOCK_ASLEEP)))
			word_sleep(&lock->word, owner | ROBUST_LOCK_ASLEEP, SLEEP_US_MAX);
	}
}

void robust_lock_give_slow(struct robust_lock *lock, uint32_t id)
{
	uint32_t word = id | ROBUST_LOCK_ASLEEP;

	/* If this fails too, the lock was taken from us: it is not ours to give. */
	if (__atomic_compare_exchange_n(
		&lock->word, &word, 0, false, __ATOMIC_RELEASE, __ATOMIC_RELAXED))
		word_wake(&lock->word);
}
