/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * One thread drives one ring pair: what comes in on the RX ring goes back to its sender through the TX
 * ring of the same index. The thread has the pair to itself, with a wait of its own; other threads may
 * drive the port's other pairs at the same time, and no lock is taken.
 */
#include <err.h>
#include <pthread.h>

#include <pktloom.h>

#include "common.h"

#define BATCH   64
#define TICK_MS 200 /* how late the time limit is noticed */

struct worker {
	struct loom_port *pair; /* the one ring pair, as a port of its own */
	unsigned ring;
	uint64_t count, deadline, returned;
};

/* Ethernet's two addresses stand at the start of a frame: change places, and it goes home. */
static void turn_round(struct loom_frame *frame)
{
	uint8_t target[6];

	if (frame->len < 2 * sizeof target)
		return;
	memcpy(target, frame->data, sizeof target);
	memcpy(frame->data, frame->data + sizeof target, sizeof target);
	memcpy(frame->data + sizeof target, target, sizeof target);
}

static void *drive(void *arg)
{
	struct worker *w = arg;
	struct loom_frame frames[BATCH];
	struct loom_txring tx;
	struct loom_rxring rx;

	if (loom_tx(w->pair, w->ring, &tx) < 0 || loom_rx(w->pair, w->ring, &rx) < 0)
		errx(1, "%s", loom_error());
	while (w->returned < w->count && now_ns() < w->deadline) {
		uint64_t left = w->count - w->returned;
		unsigned most = left < BATCH ? (unsigned)left : BATCH, room, n;

		if (loom_rx_sync(&rx) < 0)
			errx(1, "%s", loom_error());
		room = loom_tx_space(&tx);
		n = loom_peek(&rx, frames, room < most ? room : most);
		for (unsigned i = 0; i < n; i++)
			turn_round(&frames[i]);
		w->returned += loom_forward(&rx, &tx, n);
		if (loom_tx_sync(&tx) < 0)
			errx(1, "%s", loom_error());
		/* Nothing has come, or nothing can go: until that changes. */
		if (n == 0 && loom_port_wait(w->pair, room ? LOOM_RX : LOOM_TX, TICK_MS) < 0)
			errx(1, "%s", loom_error());
	}
	/* Closing would lose what has not left yet. */
	while (loom_tx_space(&tx) < tx.num_slots - 1 && now_ns() < w->deadline)
		if (loom_tx_sync(&tx) < 0)
			errx(1, "%s", loom_error());
	return NULL;
}

int main(int argc, char **argv)
{
	struct worker w = {.count = 1000};
	uint64_t ring = 0, seconds = 60, start;
	const char *name = NULL;
	const struct arg args[] = {
	    {"ring", "which pair", .number = &ring, .max = 4094},
	    {"count", "packets to return", .number = &w.count, .min = 1},
	    {"seconds", "end after so long", .number = &seconds, .max = 1000000},
	    {"PORT", "for example netmap:veth0", .text = &name},
	    {0},
	};
	struct loom_port *port;
	pthread_t thread;

	args_parse(argc, argv,
	    "Returns packets to their sender, from one thread with one ring pair.", args);
	w.ring = (unsigned)ring;
	if (loom_open(name, NULL, &port) < 0 ||
	    loom_port_open_ring(port, LOOM_RING_PAIR, w.ring, &w.pair) < 0)
		errx(1, "%s", loom_error());
	printf("ring pair %u of %u\n", w.ring, loom_rx_rings(port));
	fflush(stdout); /* scripts wait for this line */
	start = now_ns();
	w.deadline = start + seconds * SECOND_NS;
	if (pthread_create(&thread, NULL, drive, &w) != 0)
		errx(1, "cannot start a thread");
	pthread_join(thread, NULL);
	printf("%" PRIu64 " packets returned in %.3f s\n", w.returned,
	    (double)(now_ns() - start) / 1e9);
	loom_close(w.pair);
	loom_close(port);
	return w.returned == w.count ? 0 : 1;
}
