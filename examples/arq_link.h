/* SPDX-License-Identifier: BSD-2-Clause */
/* One end of the sliding-window protocol on a port: moving its packets, and sleeping until there are some. */
#ifndef ARQ_LINK_H
#define ARQ_LINK_H

#include <err.h>
#include <limits.h>

#include <pktloom.h>

#include "arq.h"
#include "common.h"

#define ARQ_LINK_BATCH 64 /* packets between two looks at the other direction */

struct arq_link {
	struct loom_port *port;
	struct loom_txring tx;
	struct loom_rxring rx;
	struct arq *arq;
};

/** Ends the program on failure. To be closed by arq_link_close(). */
static inline struct arq_link arq_link_open(const char *name, const struct arq_config *config)
{
	struct arq_link link;
	int status = arq_new(config, now_ns(), &link.arq);

	if (status < 0)
		errx(1, "cannot make an end: %s", strerror(-status));
	if (loom_open(name, NULL, &link.port) < 0 || loom_tx(link.port, 0, &link.tx) < 0 ||
	    loom_rx(link.port, 0, &link.rx) < 0)
		errx(1, "%s", loom_error());
	if (link.tx.frame_max < arq_packet_most(link.arq))
		errx(1, "%s: packets of %zu bytes do not fit a buffer", name,
		    arq_packet_most(link.arq));
	return link;
}

static inline void arq_link_close(struct arq_link *link)
{
	loom_close(link->port);
	arq_free(link->arq);
}

/** Take in packets that have come, and the time. @return how many */
static inline unsigned arq_link_input(const struct arq_link *link)
{
	struct loom_rxbatch batch;
	struct loom_frame frame;
	uint64_t now = now_ns();
	unsigned n = 0;

	if (loom_rx_sync(&link->rx) < 0)
		errx(1, "%s", loom_error());
	batch = loom_rxbatch_begin(&link->rx);
	for (; n < ARQ_LINK_BATCH && loom_rxbatch_next(&batch, &frame); n++)
		arq_input(link->arq, frame.data, frame.len, now);
	loom_rxbatch_end(&batch);
	arq_tick(link->arq, now);
	return n;
}

/** Send packets that are to go, as many as there is room for. @return how many */
static inline unsigned arq_link_output(const struct arq_link *link)
{
	struct loom_txbatch batch = loom_txbatch_begin(&link->tx);
	struct loom_frame frame;
	uint64_t now = now_ns();
	unsigned n = 0;

	for (; n < ARQ_LINK_BATCH && arq_has_output(link->arq) && loom_txbatch_next(&batch, &frame);
	     n++)
		loom_txbatch_put(
		    &batch, (uint32_t)arq_output(link->arq, frame.data, frame.cap, now), 0);
	loom_txbatch_end(&batch);
	if (loom_tx_sync(&link->tx) < 0)
		errx(1, "%s", loom_error());
	return n;
}

/** Sleep until a packet comes, there is room for one that is to go, or the timer is due. */
static inline void arq_link_wait(const struct arq_link *link)
{
	uint64_t now = now_ns(), deadline = arq_deadline(link->arq), ms;

	if (deadline <= now || arq_is_over(link->arq))
		return;
	ms = (deadline - now + 999999) / 1000000;
	if (loom_port_wait(link->port, arq_has_output(link->arq) ? LOOM_RX | LOOM_TX : LOOM_RX,
		ms > INT_MAX ? INT_MAX : (int)ms) < 0)
		errx(1, "%s", loom_error());
}

#endif
