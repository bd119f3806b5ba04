/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Round trips between the two ends of a pipe: one end asks, the other sends each question back.
 * Busy-polled, both ends sync in a loop; with --sleep they wait for each other in the kernel.
 */
#include <err.h>
#include <pthread.h>
#include <sys/wait.h>
#include <unistd.h>

#include <pktloom.h>

#include "common.h"

#define STOP UINT64_MAX /* the question that ends it */

struct plan {
	const char *name;
	bool asleep;
	uint64_t deadline;
};

struct end {
	const struct plan *plan;
	struct loom_port *port;
	struct loom_txring tx;
	struct loom_rxring rx;
};

static void end_open(struct end *end, const struct plan *plan)
{
	/* A wait usually spins for a while first: here it is the sleeping that is measured. */
	const struct loom_config *config =
	    LOOM_CONFIG(.spin_us = plan->asleep ? LOOM_SPIN_NONE : 0);

	end->plan = plan;
	if (loom_open(plan->name, config, &end->port) < 0 || loom_tx(end->port, 0, &end->tx) < 0 ||
	    loom_rx(end->port, 0, &end->rx) < 0)
		errx(1, "%s", loom_error());
}

static void end_send(struct end *end, uint64_t number)
{
	if (loom_send(&end->tx, &number, sizeof number) != 1 || loom_tx_sync(&end->tx) < 0)
		errx(1, "cannot send: %s", loom_error());
}

/* The next packet's number; STOP when none comes in time. */
static uint64_t end_receive(struct end *end)
{
	bool asleep = end->plan->asleep;
	struct loom_frame frame;

	for (unsigned tries = 1; loom_recv(&end->rx, &frame) == 0; tries++) {
		int ready =
		    asleep ? loom_port_wait(end->port, LOOM_RX, 1000) : loom_rx_sync(&end->rx);

		if (ready < 0)
			errx(1, "%s", loom_error());
		/* Reading the clock takes as long as the packet; when asleep, it does not matter. */
		if ((asleep || tries % 1024 == 0) && now_ns() > end->plan->deadline)
			return STOP;
	}
	if (frame.len != sizeof(uint64_t))
		errx(1, "got %u bytes, expected %zu", frame.len, sizeof(uint64_t));
	return payload_number(frame.data);
}

static void *answer(void *plan)
{
	struct end end;
	uint64_t number;

	end_open(&end, plan);
	while ((number = end_receive(&end)) != STOP)
		end_send(&end, number);
	loom_close(end.port);
	return NULL;
}

/* Time up to count round trips, after some that only warm up caches and wakeups. */
static uint64_t ask(struct end *end, uint64_t warmup, uint64_t count, uint64_t *times)
{
	uint64_t done = 0;

	for (uint64_t i = 0; i < warmup + count && now_ns() < end->plan->deadline; i++) {
		uint64_t start = now_ns(), got;

		end_send(end, i);
		got = end_receive(end);
		if (got == STOP)
			break;
		if (got != i)
			errx(1, "asked %" PRIu64 ", got %" PRIu64 " back", i, got);
		if (i >= warmup)
			times[done++] = now_ns() - start;
	}
	end_send(end, STOP);
	return done;
}

static int by_size(const void *left, const void *right)
{
	uint64_t a = *(const uint64_t *)left, b = *(const uint64_t *)right;

	return (a > b) - (a < b);
}

static void print_times(uint64_t *times, uint64_t count)
{
	static const struct {
		const char *label;
		double share;
	} rows[] = {
	    {"min", 0}, {"50 %", .5}, {"90 %", .9}, {"99 %", .99}, {"99.9 %", .999}, {"max", 1}};

	qsort(times, count, sizeof *times, by_size);
	printf("%" PRIu64 " round trips\n", count);
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
		printf("  %-7s %9.2f us\n", rows[i].label,
		    (double)times[(uint64_t)((double)(count - 1) * rows[i].share)] / 1000);
}

int main(int argc, char **argv)
{
	uint64_t count = 100000, warmup = 1000, seconds = 10, done, *times;
	bool processes = false;
	char own[32];
	struct plan plan = {.name = own};
	const struct arg args[] = {
	    {"count", "round trips to measure", .number = &count, .min = 1, .max = 100000000},
	    {"warmup", "round trips before those", .number = &warmup, .max = 1000000},
	    {"seconds", "give up after so long", .number = &seconds, .min = 1, .max = 3600},
	    {"sleep", "wait for each other in the kernel instead of busily", .flag = &plan.asleep},
	    {"processes", "the answering end is a process, not a thread", .flag = &processes},
	    {"PIPE", "pipe to use", .text = &plan.name},
	    {0},
	};
	pthread_t thread;
	pid_t child = -1;
	struct end end;
	int status = 0;

	snprintf(own, sizeof own, "pipe{ping-%ld}", (long)getpid());
	args_parse(argc, argv, "Measures round trips between the two ends of a pipe.", args);
	plan.deadline = now_ns() + seconds * SECOND_NS;
	times = malloc(count * sizeof *times);
	if (!times)
		errx(1, "no memory for %" PRIu64 " times", count);
	fflush(stdout);
	if (processes && (child = fork()) == 0)
		_exit(answer(&plan) != NULL);
	end_open(&end, &plan);
	if (!processes && pthread_create(&thread, NULL, answer, &plan) != 0)
		errx(1, "cannot start a thread");
	done = ask(&end, warmup, count, times);
	if (processes)
		waitpid(child, &status, 0);
	else
		pthread_join(thread, NULL);
	loom_close(end.port);
	if (done)
		print_times(times, done);
	if (done < count)
		printf("time was up %" PRIu64 " round trips early\n", (count - done));
	free(times);
	return done && status == 0 ? 0 : 1;
}
