/* SPDX-License-Identifier: BSD-2-Clause */
/* See traffic.h. */
#include "traffic.h"

#include <err.h>
#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <time.h>

static volatile sig_atomic_t stopped;

static void stop(int signal)
{
	(void)signal;
	stopped = 1;
}

uint64_t traffic_now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * TRAFFIC_SECOND_NS + (uint64_t)now.tv_nsec;
}

void traffic_begin(struct traffic *traffic, uint64_t seconds)
{
	struct sigaction action = {.sa_handler = stop};

	sigaction(SIGINT, &action, NULL);
	sigaction(SIGTERM, &action, NULL);
	traffic->start_ns = traffic_now_ns();
	traffic->deadline_ns =
	    seconds ? traffic->start_ns + seconds * TRAFFIC_SECOND_NS : UINT64_MAX;
}

bool traffic_goes_on(const struct traffic *traffic)
{
	return !stopped && traffic_now_ns() < traffic->deadline_ns;
}

void traffic_restart(struct traffic *traffic)
{
	traffic->start_ns = traffic_now_ns();
}

void traffic_end(struct traffic *traffic)
{
	traffic->end_ns = traffic_now_ns();
}

void traffic_wait(struct loom_port *port, int events)
{
	int ready = loom_port_wait(port, events, TRAFFIC_TICK_MS);

	if ((ready < 0 && ready != -EINTR) || (ready > 0 && ((unsigned)ready & LOOM_ERROR)))
		errx(1, "%s", loom_error());
}

void traffic_print(const struct traffic *traffic, const struct loom_port *port, bool sent)
{
	double seconds = (double)(traffic->end_ns - traffic->start_ns) / 1e9;
	struct loom_stats stats;

	loom_port_stats(port, sent ? &stats : NULL, sent ? NULL : &stats);
	printf("%s %" PRIu64 " packets, %" PRIu64 " bytes in %.3f s: %.0f packets/s, %.3f Mbit/s\n",
	    sent ? "sent" : "received", traffic->packets, traffic->bytes, seconds,
	    (double)traffic->packets / seconds, (double)traffic->bytes * 8 / seconds / 1e6);
	printf("dropped:");
	for (int i = 0; i < LOOM_DROP_REASONS; i++)
		printf("%s %s %" PRIu64, i ? "," : "", loom_drop_name((enum loom_drop)i),
		    stats.drops[i]);
	for (int i = 0; i < LOOM_FAULTS; i++)
		if (stats.faults[i])
			printf("; fault %s %" PRIu64, loom_fault_name((enum loom_fault)i),
			    stats.faults[i]);
	putchar('\n');
}
