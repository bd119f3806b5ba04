/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * How does a pipe compare with DPDK's memif between two processes: 60-byte packets, written by the
 * sender and looked into by the receiver, in bursts of 256? memif copies each packet once on its own way;
 * the pipe's receiver looks where the sender wrote.
 */
#include <rte_errno.h>
#include <rte_ethdev.h>
#include <rte_mbuf.h>
#include <string.h>
#include <unistd.h>

#include <pktloom.h>

#include "../bench.h"
#include "dpdk.h"

#define SLOTS      1024u
#define BATCH      256u
#define LEN        60u
#define LINK_UP_MS 5000u

static uint8_t packet[LEN] = {0x02, 0x02, 0x02, 0x02, 0x02, 0x02};

static inline void look(const uint8_t *data)
{
	uint8_t copy[LEN];

	memcpy(copy, data, LEN);
	__asm__ volatile("" : : "m"(copy));
}

/* A step sends or receives a batch; lossless on both sides, so that what was sent arrives. */
typedef unsigned step_fn(void *end);

static inline __attribute__((always_inline)) uint64_t run(
    void *end, unsigned side, struct bench_turn *turn, step_fn *send, step_fn *receive)
{
	uint64_t moved = 0;

	while (side == 0 ? !bench_over(turn) : !bench_finished(turn, moved))
		for (int i = 0; i < 16; i++) {
			unsigned n = side == 0 ? send(end) : receive(end);

			moved += n;
			if (!n)
				bench_relax();
		}
	if (side == 0)
		bench_finish(turn, moved);
	return moved;
}

/* ---- ours ---- */

struct ours {
	struct loom_port *port;
	struct loom_txring tx;
	struct loom_rxring rx;
};

static void *ours_open(const struct bench_row *row, unsigned side)
{
	struct ours *o = calloc(1, sizeof *o);

	(void)row;
	if (!o)
		bench_die("out of memory");
	if (loom_open(side == 0 ? "b{1" : "b}1", LOOM_CONFIG(.tx_slots = SLOTS), &o->port) < 0 ||
	    loom_tx(o->port, 0, &o->tx) < 0 || loom_rx(o->port, 0, &o->rx) < 0)
		bench_die("%s", loom_error());
	return o;
}

static void ours_close(void *end)
{
	struct ours *o = end;

	loom_close(o->port);
	free(o);
}

static inline unsigned ours_send(void *end)
{
	const struct ours *o = end;
	struct loom_txbatch batch = loom_txbatch_begin(&o->tx);
	struct loom_frame frame;
	unsigned n = 0;

	for (; n < BATCH && loom_txbatch_next(&batch, &frame); n++) {
		memcpy(frame.data, packet, LEN);
		loom_txbatch_put(&batch, LEN, 0);
	}
	loom_txbatch_end(&batch);
	loom_tx_sync(&o->tx);
	return n;
}

static inline unsigned ours_receive(void *end)
{
	const struct ours *o = end;
	struct loom_rxbatch batch = loom_rxbatch_begin(&o->rx);
	struct loom_frame frame;
	unsigned n = 0;

	for (; n < BATCH && loom_rxbatch_next(&batch, &frame); n++)
		look(frame.data);
	loom_rxbatch_end(&batch);
	loom_rx_sync(&o->rx);
	return n;
}

static uint64_t ours_burst(void *end, unsigned side, struct bench_turn *turn)
{
	return run(end, side, turn, ours_send, ours_receive);
}

/* ---- memif: each process has a DPDK of its own, they meet at a socket ---- */

struct memif {
	uint16_t port;
	struct rte_mempool *pool;
};

static void port_start(struct memif *m)
{
	struct rte_eth_conf conf;

	memset(&conf, 0, sizeof conf);
	m->pool = dpdk_pool();
	if (rte_eth_dev_configure(m->port, 1, 1, &conf) != 0 ||
	    rte_eth_rx_queue_setup(m->port, 0, SLOTS, 0, NULL, m->pool) != 0 ||
	    rte_eth_tx_queue_setup(m->port, 0, SLOTS, 0, NULL) != 0 ||
	    rte_eth_dev_start(m->port) != 0)
		bench_die("memif does not start: %s", rte_strerror(rte_errno));
}

static void *memif_open(const struct bench_row *row, unsigned side)
{
	struct memif *m = calloc(1, sizeof *m);
	char device[192];

	(void)row;
	if (!m)
		bench_die("out of memory");
	snprintf(device, sizeof device,
	    "net_memif0,role=%s,socket=%s/memif,socket-abstract=no,rsize=10,bsize=2048",
	    side == 0 ? "server" : "client", getenv("PKTLOOM_DIR"));
	dpdk_start(side, device);
	if (rte_eth_dev_count_avail() != 1)
		bench_skip("DPDK has no memif driver here");
	port_start(m);
	return m;
}

/* Both are started before the first burst, but they meet in their own time. */
static void link_wait(const struct memif *m)
{
	struct rte_eth_link link = {0};

	for (unsigned ms = 0; ms < LINK_UP_MS; ms++) {
		rte_eth_link_get_nowait(m->port, &link);
		if (link.link_status)
			return;
		usleep(1000);
	}
	bench_die("the two ends of memif did not meet");
}

static void memif_close(void *end)
{
	struct memif *m = end;

	rte_eth_dev_stop(m->port);
	rte_eth_dev_close(m->port);
	free(m);
}

static inline unsigned memif_send(void *end)
{
	const struct memif *m = end;
	struct rte_mbuf *mbufs[BATCH];
	unsigned sent = 0;

	if (rte_pktmbuf_alloc_bulk(m->pool, mbufs, BATCH) != 0)
		return 0;
	for (unsigned i = 0; i < BATCH; i++) {
		memcpy(rte_pktmbuf_mtod(mbufs[i], uint8_t *), packet, LEN);
		mbufs[i]->data_len = LEN;
		mbufs[i]->pkt_len = LEN;
	}
	sent = rte_eth_tx_burst(m->port, 0, mbufs, BATCH);
	if (sent < BATCH)
		rte_pktmbuf_free_bulk(mbufs + sent, BATCH - sent);
	return sent;
}

static inline unsigned memif_receive(void *end)
{
	const struct memif *m = end;
	struct rte_mbuf *mbufs[BATCH];
	unsigned n = rte_eth_rx_burst(m->port, 0, mbufs, BATCH);

	for (unsigned i = 0; i < n; i++)
		look(rte_pktmbuf_mtod(mbufs[i], const uint8_t *));
	if (n)
		rte_pktmbuf_free_bulk(mbufs, n);
	return n;
}

static uint64_t memif_burst(void *end, unsigned side, struct bench_turn *turn)
{
	link_wait(end);
	return run(end, side, turn, memif_send, memif_receive);
}

int main(void)
{
	struct bench_row row = {
	    .name = "pipe_vs_memif",
	    .unit = "Mpps",
	    .question = "60-byte packets from process to process, against DPDK's memif",
	    .measured_side = 1,
	    .polls = true,
	    .contenders = {{"pktloom", ours_open, ours_burst, ours_close},
		{"memif", memif_open, memif_burst, memif_close}},
	};

	bench_private_dir();
	return bench_main(&row);
}
