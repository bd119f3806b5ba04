/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * How does the packet port compare with DPDK's net_af_packet driver, on a veth: 60-byte frames received and looked
 * into, or written anew and sent, with rings as long and bursts as large?
 *
 *	packet_vs_dpdk ROW rx|tx
 */
#include <rte_errno.h>
#include <rte_ethdev.h>
#include <rte_mbuf.h>
#include <unistd.h>

#include "dpdk.h"
#include "flood.h"

#define SLOTS 1024u /* of our rings; the driver's blocks then hold as many frames */
#define PAIR  1u

static struct flood_job job = {.kind = "packet", .len = 60};

struct peer {
	struct flood *flood;
	bool started;
	uint16_t port;
	struct rte_mempool *pool;
	uint8_t frame[NET_FRAME_MAX];
};

static void start(struct peer *p, unsigned side)
{
	struct rte_eth_conf conf;
	char interface[8], device[192];

	net_name(interface, side, PAIR);
	snprintf(device, sizeof device,
	    "net_af_packet0,iface=%s,qpairs=1,qdisc_bypass=1,blocksz=4096,framesz=2048,framecnt=%u",
	    interface, SLOTS);
	dpdk_start(side, device);
	if (rte_eth_dev_count_avail() != 1)
		bench_skip("DPDK has no net_af_packet driver here");
	memset(&conf, 0, sizeof conf);
	p->pool = dpdk_pool();
	if (rte_eth_dev_configure(p->port, 1, 1, &conf) != 0 ||
	    rte_eth_rx_queue_setup(p->port, 0, SLOTS, 0, NULL, p->pool) != 0 ||
	    rte_eth_tx_queue_setup(p->port, 0, SLOTS, 0, NULL) != 0 ||
	    rte_eth_dev_start(p->port) != 0)
		bench_die("net_af_packet does not start: %s", rte_strerror(rte_errno));
	p->started = true;
}

static struct peer *peer_new(void)
{
	struct peer *p = calloc(1, sizeof *p);

	if (!p)
		bench_die("out of memory");
	net_frame(p->frame, job.len);
	return p;
}

static void peer_close(void *end)
{
	struct peer *p = end;

	flood_close(p->flood);
	if (p->started) {
		rte_eth_dev_stop(p->port);
		rte_eth_dev_close(p->port);
	}
	free(p);
}

/* ---- receiving ---- */

static void *rx_open(const struct bench_row *row, unsigned side)
{
	struct peer *p = peer_new();

	(void)row;
	if (side == 0)
		p->flood = flood_open(PAIR, job.len);
	else
		start(p, side);
	return p;
}

/* The driver only polls. */
static unsigned rx_step(void *end)
{
	const struct peer *p = end;
	struct rte_mbuf *mbufs[FLOOD_BATCH];
	unsigned n = rte_eth_rx_burst(p->port, 0, mbufs, FLOOD_BATCH);

	for (unsigned i = 0; i < n; i++)
		flood_look(rte_pktmbuf_mtod(mbufs[i], const uint8_t *));
	if (n)
		rte_pktmbuf_free_bulk(mbufs, n);
	return n;
}

static uint64_t rx_burst(void *end, unsigned side, struct bench_turn *turn)
{
	struct peer *p = end;

	return side == 0 ? flood_burst(p->flood, turn) : flood_receive(turn, p, rx_step);
}

/* ---- sending ---- */

static void *tx_open(const struct bench_row *row, unsigned side)
{
	struct peer *p = peer_new();

	(void)row;
	if (side == 0)
		start(p, side);
	return p;
}

static unsigned tx_step(void *end)
{
	const struct peer *p = end;
	struct rte_mbuf *mbufs[FLOOD_BATCH];
	unsigned sent;

	if (rte_pktmbuf_alloc_bulk(p->pool, mbufs, FLOOD_BATCH) != 0)
		return 0;
	for (unsigned i = 0; i < FLOOD_BATCH; i++) {
		memcpy(rte_pktmbuf_mtod(mbufs[i], uint8_t *), p->frame, job.len);
		mbufs[i]->data_len = (uint16_t)job.len;
		mbufs[i]->pkt_len = job.len;
	}
	sent = rte_eth_tx_burst(p->port, 0, mbufs, FLOOD_BATCH);
	if (sent < FLOOD_BATCH)
		rte_pktmbuf_free_bulk(mbufs + sent, FLOOD_BATCH - sent);
	return sent;
}

static uint64_t tx_burst(void *end, unsigned side, struct bench_turn *turn)
{
	return flood_send(PAIR, side, turn, end, tx_step);
}

int main(int argc, char **argv)
{
	struct bench_row row = {.unit = "Mpps", .rounds = 40, .burst_ms = 60, .job = &job};

	if (argc != 3 || (strcmp(argv[2], "rx") != 0 && strcmp(argv[2], "tx") != 0))
		bench_die("usage: packet_vs_dpdk ROW rx|tx");
	row.name = argv[1];
	if (argv[2][0] == 'r') {
		row.question = "packets received from a veth, against DPDK's net_af_packet";
		row.measured_side = 1;
		row.contenders[0] =
		    (struct bench_contender){"pktloom", port_rx_open, port_rx_burst, port_rx_close};
		row.contenders[1] =
		    (struct bench_contender){"DPDK net_af_packet", rx_open, rx_burst, peer_close};
	} else {
		row.question = "packets sent into a veth, against DPDK's net_af_packet";
		row.contenders[0] =
		    (struct bench_contender){"pktloom", port_tx_open, port_tx_burst, port_tx_close};
		row.contenders[1] =
		    (struct bench_contender){"DPDK net_af_packet", tx_open, tx_burst, peer_close};
	}
	bench_private_dir();
	net_make_pairs(2, 1);
	return bench_main(&row);
}
