/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A lock in memory that processes share, for short sections; whoever dies inside one does not keep it.
 *
 * The word holds its owner's id. Taking and giving are one compare-and-exchange each and no system
 * call. Who finds it taken spins, then asks whether the owner still lives (the user of the lock knows
 * what an id stands for), then sleeps, and gives up after ROBUST_LOCK_WAIT_US. So a section must leave
 * what it guards consistent at every point: its effect has to be one store at its end, made only while
 * robust_lock_is_mine().
 *
 * The word may be written by a buggy or hostile process. That can cost waits and turns out of order, but
 * no wait is without end. (A mutex of the C library would follow pointers that lie in the shared memory.)
 */
#ifndef OS_ROBUST_LOCK_H
#define OS_ROBUST_LOCK_H

#include <stdbool.h>
#include <stdint.h>

#define ROBUST_LOCK_ASLEEP   0x80000000u /* in the word: somebody sleeps until it is given */
#define ROBUST_LOCK_WAIT_US  20000u      /* much more than a section takes; bounds a taker's stay */
/* An owner that lives but has made no progress for so long (stopped, or hostile) loses the lock. */
#define ROBUST_LOCK_STUCK_US 1000000u

struct robust_lock {
	uint32_t word; /* 0: free */
	uint32_t
	    turns; /* how often it was taken: tells a lock that is busy from one that is stuck */
};

/** One thread's way to the locks of one family. */
struct robust_lock_user {
	uint32_t id; /* 1 … ROBUST_LOCK_ASLEEP - 1, of nobody else */
	bool (*alive)(const struct robust_lock_user *user, uint32_t owner);
	const struct robust_lock *stuck; /* the lock that was given up last, as it stood then */
	uint32_t stuck_word, stuck_turns;
	uint64_t stuck_since_ns;
};

/** The slow half of robust_lock_take(). */
int robust_lock_wait(struct robust_lock *lock, struct robust_lock_user *user);

/** The slow half of robust_lock_give(). */
void robust_lock_give_slow(struct robust_lock *lock, uint32_t id);

static inline bool robust_lock_try(struct robust_lock *lock, uint32_t id)
{
	uint32_t word = 0;

	/* Acquires what the last owner's robust_lock_give() released. */
	if (!__atomic_compare_exchange_n(
		&lock->word, &word, id, false, __ATOMIC_ACQUIRE, __ATOMIC_RELAXED))
		return false;
	__atomic_store_n(&lock->turns, lock->turns + 1, __ATOMIC_RELAXED);
	return true;
}

/** 0; -ETIMEDOUT its owner lives and did not give it in time, and the lock is not ours. */
static inline int robust_lock_take(struct robust_lock *lock, struct robust_lock_user *user)
{
	return robust_lock_try(lock, user->id) ? 0 : robust_lock_wait(lock, user);
}

/** Whether nobody took it from us because we seemed dead or stuck. */
static inline bool robust_lock_is_mine(const struct robust_lock *lock, uint32_t id)
{
	return (__atomic_load_n(&lock->word, __ATOMIC_RELAXED) & ~ROBUST_LOCK_ASLEEP) == id;
}

static inline void robust_lock_give(struct robust_lock *lock, uint32_t id)
{
	uint32_t word = id;

	/* Releases the section to the next owner's robust_lock_try() or robust_lock_wait(). */
	if (!__atomic_compare_exchange_n(
		&lock->word, &word, 0, false, __ATOMIC_RELEASE, __ATOMIC_RELAXED))
		robust_lock_give_slow(lock, id);
}

#endif
