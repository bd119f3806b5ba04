/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the examples of event loops share and what is not their subject: a peer that sends a packet
 * now and then.
 */
#ifndef TRICKLE_H
#define TRICKLE_H

#include <err.h>
#include <unistd.h>

#include <pktloom.h>

#include "common.h"

#define TIMEOUT_MS 5000

struct plan {
	char name[32];
	uint64_t total, interval_us;
};

/* The other end of the pipe: a packet every now and then. */
static inline void *trickle(void *arg)
{
	const struct plan *plan = arg;
	struct loom_port *port;
	struct loom_txring tx;

	if (loom_open(plan->name, NULL, &port) < 0 || loom_tx(port, 0, &tx) < 0)
		errx(1, "%s", loom_error());
	for (uint64_t i = 0; i < plan->total; i++) {
		while (loom_send(&tx, &i, sizeof i) == 0)
			loom_port_wait(port, LOOM_TX, TIMEOUT_MS);
		loom_tx_sync(&tx);
		usleep((useconds_t)plan->interval_us);
	}
	loom_close(port);
	return NULL;
}

/* Everything that is there now; how many packets that was. */
static inline uint64_t take(struct loom_rxring *rx, uint64_t first)
{
	struct loom_frame frame;
	uint64_t taken = 0;

	if (loom_rx_sync(rx) < 0)
		errx(1, "%s", loom_error());
	for (; loom_recv(rx, &frame) == 1; taken++)
		if (frame.len != sizeof first || payload_number(frame.data) != first + taken)
			errx(1, "packet %" PRIu64 " is lost or not what was sent", (first + taken));
	return taken;
}

#endif
