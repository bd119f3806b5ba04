/* SPDX-License-Identifier: BSD-2-Clause */
/* Two threads, a pipe between them, packets written and read in place, in batches. */
#include <err.h>
#include <pthread.h>
#include <unistd.h>

#include <pktloom.h>

#include "common.h"

#define BATCH      64
#define TIMEOUT_MS 5000

struct job {
	struct loom_port *port;
	uint64_t count, len;
};

static void wait_for(struct loom_port *port, int events)
{
	int ready = loom_port_wait(port, events, TIMEOUT_MS);

	if (ready <= 0)
		errx(1, "%s", ready < 0 ? loom_error() : "the other end does not move");
}

static void *send_all(void *arg)
{
	const struct job *job = arg;
	struct loom_frame frames[BATCH];
	struct loom_txring tx;

	if (loom_tx(job->port, 0, &tx) < 0)
		errx(1, "%s", loom_error());
	for (uint64_t sent = 0; sent < job->count;) {
		uint64_t left = job->count - sent;
		unsigned n = loom_reserve(&tx, frames, left < BATCH ? (unsigned)left : BATCH);

		for (unsigned i = 0; i < n; i++) {
			payload_fill(frames[i].data, job->len, sent++);
			frames[i].len = (uint16_t)job->len;
		}
		if (loom_commit(&tx, frames, n) < 0 || loom_tx_sync(&tx) < 0)
			errx(1, "%s", loom_error());
		if (n == 0)
			wait_for(job->port, LOOM_TX);
	}
	return NULL;
}

static void receive_all(const struct job *job)
{
	struct loom_frame frames[BATCH];
	struct loom_rxring rx;

	if (loom_rx(job->port, 0, &rx) < 0)
		errx(1, "%s", loom_error());
	for (uint64_t received = 0; received < job->count;) {
		unsigned n = loom_peek(&rx, frames, BATCH);

		for (unsigned i = 0; i < n; i++, received++) {
			if (frames[i].len != job->len ||
			    !payload_is(frames[i].data, job->len, received))
				errx(1, "packet %" PRIu64 " is not what was sent", received);
		}
		loom_release(&rx, n);
		if (n == 0)
			wait_for(job->port, LOOM_RX); /* syncs, and blocks if nothing came */
	}
}

int main(int argc, char **argv)
{
	struct job from = {.count = 10000000, .len = 60}, to;
	char own[32];
	const char *name = own;
	const struct arg args[] = {
	    {"count", "packets to send", .number = &from.count, .min = 1},
	    {"len", "bytes in each", .number = &from.len, .min = PAYLOAD_MIN, .max = 2048},
	    {"PIPE", "pipe to use", .text = &name},
	    {0},
	};
	pthread_t sender;
	uint64_t start;

	snprintf(own, sizeof own, "pipe{threads-%ld}", (long)getpid());
	args_parse(argc, argv, "Sends packets from one thread to another and checks each.", args);
	to = from;
	/* The first opener of a pipe is its master, the next one the peer. */
	if (loom_open(name, NULL, &from.port) < 0 || loom_open(name, NULL, &to.port) < 0)
		errx(1, "%s", loom_error());
	start = now_ns();
	if (pthread_create(&sender, NULL, send_all, &from) != 0)
		errx(1, "cannot start a thread");
	receive_all(&to);
	print_rate("content and order checked", to.count, to.count * to.len, now_ns() - start);
	pthread_join(sender, NULL);
	loom_close(from.port);
	loom_close(to.port);
	return 0;
}
