/* SPDX-License-Identifier: BSD-2-Clause */
/* flood.h's part that is ours: a port of any kind that receives a flood, or sends one. */
#include <pktloom.h>

#include "flood.h"

struct port_rx {
	struct flood *flood;
	struct loom_port *port;
	struct loom_rxring rx;
	bool spins;
};

struct loom_port *flood_port_open(
    const struct flood_job *job, unsigned side, unsigned pair, char direction)
{
	struct loom_port *port;
	struct loom_info info;
	char interface[8], name[32];

	net_name(interface, side, pair);
	snprintf(name, sizeof name, "%s:%s/%c", job->kind, interface, direction);
	if (loom_open(name, NULL, &port) < 0)
		bench_skip("%s", loom_error());
	loom_port_info(port, &info);
	if (job->mode && strncmp(info.mode, job->mode, strlen(job->mode)) != 0)
		bench_skip("%s is \"%s\", not %s", name, info.mode, job->mode);
	return port;
}

static void *rx_open(const struct flood_job *job, unsigned side, unsigned pair, bool spins)
{
	struct port_rx *p = calloc(1, sizeof *p);

	if (!p)
		bench_die("out of memory");
	p->spins = spins;
	if (side == 0) {
		p->flood = flood_open(pair, job->len);
		return p;
	}
	p->port = flood_port_open(job, 1, pair, 'R');
	if (loom_rx(p->port, 0, &p->rx) < 0)
		bench_die("%s", loom_error());
	return p;
}

void *port_rx_open(const struct bench_row *row, unsigned side)
{
	const struct flood_job *job = row->job;

	return rx_open(job, side, 0, job->spins);
}

void *port_rx_waiting_open(const struct bench_row *row, unsigned side)
{
	return rx_open(row->job, side, 3, false);
}

static unsigned port_rx_step(void *end)
{
	struct port_rx *p = end;
	struct loom_rxbatch batch;
	struct loom_frame frame;
	unsigned n = 0;

	if (loom_rx_sync(&p->rx) < 0 || (!p->spins && loom_rx_space(&p->rx) == 0 &&
					    loom_port_wait(p->port, LOOM_RX, FLOOD_POLL_MS) < 0))
		bench_die("%s", loom_error());
	batch = loom_rxbatch_begin(&p->rx);
	for (; loom_rxbatch_next(&batch, &frame); n++)
		flood_look(frame.data);
	loom_rxbatch_end(&batch);
	return n;
}

uint64_t port_rx_burst(void *end, unsigned side, struct bench_turn *turn)
{
	struct port_rx *p = end;

	return side == 0 ? flood_burst(p->flood, turn) : flood_receive(turn, p, port_rx_step);
}

void port_rx_close(void *end)
{
	struct port_rx *p = end;

	flood_close(p->flood);
	loom_close(p->port);
	free(p);
}

struct port_tx {
	struct loom_port *port;
	struct loom_txring tx;
	uint32_t len;
	uint8_t frame[NET_FRAME_MAX];
};

void *port_tx_open(const struct bench_row *row, unsigned side)
{
	const struct flood_job *job = row->job;
	struct port_tx *p = calloc(1, sizeof *p);

	if (!p)
		bench_die("out of memory");
	p->len = job->len;
	net_frame(p->frame, p->len);
	if (side == 1)
		return p;
	p->port = flood_port_open(job, 0, 0, 'T');
	if (loom_tx(p->port, 0, &p->tx) < 0)
		bench_die("%s", loom_error());
	return p;
}

static unsigned port_tx_step(void *end)
{
	struct port_tx *p = end;
	struct loom_txbatch batch = loom_txbatch_begin(&p->tx);
	struct loom_frame slot;
	unsigned space, n = 0;

	for (; n < FLOOD_BATCH && loom_txbatch_next(&batch, &slot); n++) {
		memcpy(slot.data, p->frame, p->len);
		loom_txbatch_put(&batch, p->len, 0);
	}
	loom_txbatch_end(&batch);
	space = loom_tx_space(&p->tx);
	if (loom_tx_sync(&p->tx) < 0)
		bench_die("%s", loom_error());
	return loom_tx_space(&p->tx) - space;
}

uint64_t port_tx_burst(void *end, unsigned side, struct bench_turn *turn)
{
	return flood_send(0, side, turn, end, port_tx_step);
}

void port_tx_close(void *end)
{
	struct port_tx *p = end;

	loom_close(p->port);
	free(p);
}
