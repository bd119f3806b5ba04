/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * How does a pipe compare with what DPDK programs use between two cores: an rte_ring for one producer
 * and one consumer, and mbufs that the producer allocates and the consumer frees, in bursts of 256?
 * Payload is not touched. Both ends are threads of one process, because a memory pool without huge
 * pages cannot be shared otherwise.
 */
#include <rte_errno.h>
#include <rte_mbuf.h>
#include <rte_ring.h>
#include <rte_thread.h>
#include <string.h>

#include <pktloom.h>

#include "../bench.h"
#include "dpdk.h"

#define SLOTS 1024u
#define BATCH 256u
#define LEN   60u

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

static unsigned ours_send(const struct ours *o)
{
	struct loom_txbatch batch;
	struct loom_frame frame;
	unsigned n = 0;

	if (loom_tx_space(&o->tx) >= BATCH) {
		batch = loom_txbatch_begin(&o->tx);
		for (; n < BATCH && loom_txbatch_next(&batch, &frame); n++)
			loom_txbatch_put(&batch, LEN, 0);
		loom_txbatch_end(&batch);
	}
	loom_tx_sync(&o->tx);
	return n;
}

static unsigned ours_receive(const struct ours *o)
{
	struct loom_rxbatch batch = loom_rxbatch_begin(&o->rx);
	struct loom_frame frame;
	uint64_t bytes = 0;
	unsigned n = 0;

	for (; n < BATCH && loom_rxbatch_next(&batch, &frame); n++)
		bytes += frame.len;
	loom_rxbatch_end(&batch);
	loom_rx_sync(&o->rx);
	bench_use(bytes);
	return n;
}

static uint64_t ours_burst(void *end, unsigned side, struct bench_turn *turn)
{
	const struct ours *o = end;
	uint64_t moved = 0;

	while (side == 0 ? !bench_over(turn) : !bench_finished(turn, moved))
		for (int i = 0; i < 16; i++) {
			unsigned n = side == 0 ? ours_send(o) : ours_receive(o);

			moved += n;
			if (!n)
				bench_relax();
		}
	if (side == 0)
		bench_finish(turn, moved);
	return moved;
}

/* ---- DPDK ---- */

static struct rte_mempool *pool;
static struct rte_ring *ring;

/* The second thread is not one of DPDK's: it registers, to get a pool cache of its own. */
static void *rte_open(const struct bench_row *row, unsigned side)
{
	(void)row;
	if (side == 1 && rte_thread_register() != 0)
		bench_die("cannot register a thread: %s", rte_strerror(rte_errno));
	return ring;
}

static void rte_close(void *end)
{
	(void)end;
}

static unsigned rte_send(void)
{
	struct rte_mbuf *mbufs[BATCH];
	unsigned sent;

	if (rte_ring_free_count(ring) < BATCH || rte_pktmbuf_alloc_bulk(pool, mbufs, BATCH) != 0)
		return 0;
	for (unsigned i = 0; i < BATCH; i++)
		mbufs[i]->data_len = LEN;
	sent = rte_ring_sp_enqueue_bulk(ring, (void **)mbufs, BATCH, NULL);
	if (sent == 0)
		rte_pktmbuf_free_bulk(mbufs, BATCH);
	return sent;
}

static unsigned rte_receive(void)
{
	struct rte_mbuf *mbufs[BATCH];
	unsigned n = rte_ring_sc_dequeue_burst(ring, (void **)mbufs, BATCH, NULL);
	uint64_t bytes = 0;

	for (unsigned i = 0; i < n; i++)
		bytes += mbufs[i]->data_len;
	bench_use(bytes);
	if (n)
		rte_pktmbuf_free_bulk(mbufs, n);
	return n;
}

static uint64_t rte_burst(void *end, unsigned side, struct bench_turn *turn)
{
	uint64_t moved = 0;

	(void)end;
	while (side == 0 ? !bench_over(turn) : !bench_finished(turn, moved))
		for (int i = 0; i < 16; i++) {
			unsigned n = side == 0 ? rte_send() : rte_receive();

			moved += n;
			if (!n)
				bench_relax();
		}
	if (side == 0)
		bench_finish(turn, moved);
	return moved;
}

int main(void)
{
	struct bench_row row = {
	    .name = "pipe_vs_rte_ring",
	    .unit = "Mpps",
	    .question = "packets handed from core to core, against DPDK's ring and memory pool",
	    .measured_side = 1,
	    .polls = true,
	    .threads = true,
	    .contenders = {{"pktloom", ours_open, ours_burst, ours_close},
		{"rte_ring with mbufs", rte_open, rte_burst, rte_close}},
	};

	bench_private_dir();
	dpdk_start(0, NULL);
	pool = dpdk_pool();
	ring = rte_ring_create("ring", SLOTS, -1, RING_F_SP_ENQ | RING_F_SC_DEQ);
	if (!ring)
		bench_skip("DPDK makes no ring here: %s", rte_strerror(rte_errno));
	return bench_main(&row);
}
