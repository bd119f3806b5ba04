/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * How every row is measured: two workers, one per core, go through a list of short bursts. Each
 * round gives every contender one burst, in alternating order, so that what the machine does
 * meanwhile (its cores drift between near and far) meets all of them alike. A round's bursts are
 * compared with each other; medians are taken over rounds. Where both workers poll, a round in
 * which one of them lost its core to somebody else does not count, unless hardly any other is left.
 *
 *   round 0: ours floor extra │ round 1: extra floor ours │ round 2: ours floor extra │ …
 *
 * Contender 0 is ours, then come the floors: the one with the best median counts. What follows is
 * printed beside them.
 */
#ifndef BENCH_H
#define BENCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#define BENCH_CONTENDERS 4u
#define BENCH_ROUNDS     200u
#define BENCH_LINE       128 /* two cache lines: the prefetcher fetches them in pairs */

/** One burst, in memory that both workers share. */
struct bench_turn {
	uint64_t deadline_ns;                                /* side 0 stops here */
	uint64_t total __attribute__((aligned(BENCH_LINE))); /* side 0 moved so many, once closed */
	uint32_t closed;
	uint64_t lost __attribute__((aligned(BENCH_LINE))); /* a contender's own count */
	uint64_t end_ns; /* when the last unit moved, if that was not when burst() returned */
};

struct bench_row;

struct bench_contender {
	const char *name;
	/** Each worker calls it before the first burst, side 0 first; ends the worker on failure. */
	void *(*open)(const struct bench_row *row, unsigned side);
	/** One burst of one side; returns how many units it moved. */
	uint64_t (*burst)(void *end, unsigned side, struct bench_turn *turn);
	void (*close)(void *end);
};

struct bench_row {
	const char *name;
	const char *unit;       /* "Mpps": millions of units a second; "ns": nanoseconds a unit */
	const char *question;   /* one line for people */
	unsigned measured_side; /* whose count and clock make the value */
	unsigned rounds;
	unsigned burst_ms;
	unsigned floors; /* 0 means 1 */
	bool polls;      /* both workers poll all the time */
	bool threads;    /* workers are threads of one process, not two processes */
	bool alone;      /* there is no side 1 */
	struct bench_contender contenders[BENCH_CONTENDERS];
	const void *job; /* the program's own */
	void *memory;    /* shared between the workers, zeroed */
	size_t memory_size;
};

/** Rounds, burst length and output folder from the command line and BENCH_* variables. */
void bench_options(struct bench_row *row);

/** Run the row, print it, write $BENCH_OUT/NAME.json; the program's exit status. */
int bench_main(struct bench_row *row);

/** A private directory for the library's shared objects, removed at exit; sets PKTLOOM_DIR. */
void bench_private_dir(void);

/** Memory shared with the processes forked later. */
void *bench_shared_memory(size_t size);

/** Prints the reason and ends this process; its parent reports failure. Macros: analysers follow them. */
#define bench_die(...) (fprintf(stderr, __VA_ARGS__), fputc('\n', stderr), exit(1))

/** Prints "SKIP: reason" and ends with the status that means so. */
#define bench_skip(...) (fputs("SKIP: ", stdout), printf(__VA_ARGS__), putchar('\n'), exit(77))

/** A number from the command line; ends the program if it is not one in this range. */
unsigned bench_number(const char *text, unsigned least, unsigned most);

/** The core that a side is pinned to. */
int bench_core(unsigned side);

uint64_t bench_now_ns(void);

static inline void bench_relax(void)
{
#if defined(__x86_64__) || defined(__i386__)
	__builtin_ia32_pause();
#elif defined(__aarch64__)
	__asm__ volatile("yield");
#endif
}

static inline bool bench_over(const struct bench_turn *turn)
{
	return bench_now_ns() >= turn->deadline_ns;
}

/** Side 0 has finished; pairs with bench_finished(). */
static inline void bench_finish(struct bench_turn *turn, uint64_t total)
{
	turn->total = total;
	__atomic_store_n(&turn->closed, 1, __ATOMIC_RELEASE);
}

/** Side 1, when it finds nothing: whether it has got all there will be. */
static inline bool bench_finished(const struct bench_turn *turn, uint64_t got)
{
	return __atomic_load_n(&turn->closed, __ATOMIC_ACQUIRE) && got >= turn->total;
}

/** Make the compiler believe that the value is used. */
static inline void bench_use(uint64_t value)
{
	__asm__ volatile("" : : "r"(value) : "memory");
}

#endif
