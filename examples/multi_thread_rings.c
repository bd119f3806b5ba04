/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * All ring pairs of a port, one pinned thread each. Threads share nothing but the number of packets
 * to come; how the traffic is spread over the rings is the interface's doing (a hash over addresses
 * and ports, as a rule).
 */
#include <err.h>
#include <pthread.h>
#include <sched.h>

#include <pktloom.h>

#include "common.h"

#define THREADS 64
#define TICK_MS 100 /* how late a thread notices that the others have got it all */

struct worker {
	pthread_t thread;
	struct loom_port *pair; /* its ring pair, as a port of its own */
	unsigned ring, cpu;
	uint64_t packets, bytes, first_ns, last_ns;
};

static uint64_t wanted = 1000, deadline;
static uint64_t total; /* atomic: of all threads */

/* The n-th of the CPUs that this process may use, round and round. */
static unsigned cpu_number(unsigned n)
{
	cpu_set_t set;
	unsigned cpu = 0;

	if (sched_getaffinity(0, sizeof set, &set) != 0)
		err(1, "sched_getaffinity");
	n %= (unsigned)CPU_COUNT(&set);
	while (!CPU_ISSET((size_t)cpu, &set) || n-- > 0)
		cpu++;
	return cpu;
}

/* All that is in the ring. */
static void take(struct worker *w, const struct loom_rxring *rx)
{
	struct loom_rxbatch batch = loom_rxbatch_begin(rx);
	struct loom_frame frame;
	uint64_t before = w->packets;

	for (; loom_rxbatch_next(&batch, &frame); w->bytes += frame.len)
		w->packets += !(frame.flags & NS_MOREFRAG);
	loom_rxbatch_end(&batch);
	if (w->packets == before)
		return;
	w->last_ns = now_ns();
	w->first_ns = before ? w->first_ns : w->last_ns;
	__atomic_fetch_add(&total, w->packets - before, __ATOMIC_RELAXED);
}

static void *drive(void *arg)
{
	struct worker *w = arg;
	struct loom_rxring rx;

	if (loom_thread_pin(w->cpu) < 0 || loom_rx(w->pair, w->ring, &rx) < 0)
		errx(1, "%s", loom_error());
	while (__atomic_load_n(&total, __ATOMIC_RELAXED) < wanted && now_ns() < deadline) {
		if (loom_rx_sync(&rx) < 0 ||
		    (loom_rx_space(&rx) == 0 && loom_port_wait(w->pair, LOOM_RX, TICK_MS) < 0))
			errx(1, "%s", loom_error());
		take(w, &rx);
	}
	loom_rx_sync(&rx); /* gives back what was taken last */
	return NULL;
}

/* Pairs are taken from the port one after the other, then each is its thread's alone. */
static void start_all(struct loom_port *port, struct worker *workers, unsigned n)
{
	for (unsigned i = 0; i < n; i++) {
		workers[i].ring = i;
		workers[i].cpu = cpu_number(i);
		if (loom_port_open_ring(port, LOOM_RING_PAIR, i, &workers[i].pair) < 0)
			errx(1, "%s", loom_error());
	}
	printf("%u ring pairs, a thread each\n", n);
	fflush(stdout); /* scripts wait for this line */
	for (unsigned i = 0; i < n; i++)
		if (pthread_create(&workers[i].thread, NULL, drive, &workers[i]) != 0)
			errx(1, "cannot start a thread");
}

static void finish(struct worker *w)
{
	char who[48];

	pthread_join(w->thread, NULL);
	snprintf(who, sizeof who, "ring %u, CPU %u", w->ring, w->cpu);
	print_rate(who, w->packets, w->bytes, w->last_ns - w->first_ns);
	loom_close(w->pair);
}

int main(int argc, char **argv)
{
	static struct worker workers[THREADS];
	uint64_t seconds = 60;
	const char *name = NULL;
	const struct arg args[] = {
	    {"count", "end after so many packets", .number = &wanted, .min = 1},
	    {"seconds", "end after so long", .number = &seconds, .max = 1000000},
	    {"PORT", "for example netmap:veth0@conf:rings=2", .text = &name},
	    {0},
	};
	struct loom_port *port;
	unsigned n;

	args_parse(
	    argc, argv, "Receives on every ring of a port, each in a thread of its own.", args);
	if (loom_open(name, NULL, &port) < 0)
		errx(1, "%s", loom_error());
	n = loom_rx_rings(port);
	if (n > THREADS)
		errx(1, "%s has %u rings, more than %d: name some (%s-0)", name, n, THREADS, name);
	deadline = now_ns() + seconds * SECOND_NS;
	start_all(port, workers, n);
	for (unsigned i = 0; i < n; i++)
		finish(&workers[i]);
	printf("%" PRIu64 " packets in all\n", total);
	loom_close(port);
	return total >= wanted ? 0 : 1;
}
