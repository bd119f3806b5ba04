/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * How many packets a second go from one veth pair to another through two xdp ports and loom_forward(), against
 * bare libxdp loops with two sockets that share their memory? Ours polls. None touches a payload.
 *
 *	xdp_forward ROW LEN native|generic
 *
 *	sender: a0 ── b0: forwarder: a1 ── b1      and so on for each contender
 */
#include <pktloom.h>

#include "xdp_bare.h"

static struct flood_job job = {.kind = "xdp"};
static bool native;

/* Contender k's pairs. */
static unsigned pair_in(unsigned contender)
{
	return contender * 2;
}

static unsigned pair_out(unsigned contender)
{
	return contender * 2 + 1;
}

/* ---- ours ---- */

struct ours {
	struct flood *flood;
	struct loom_port *in, *out;
	struct loom_rxring rx;
	struct loom_txring tx;
};

static void ours_connect(struct ours *o)
{
	const struct flood_job any_mode = {.kind = job.kind, .len = job.len};

	o->in = flood_port_open(&job, 1, pair_in(0), 'R');
	o->out = flood_port_open(&any_mode, 0, pair_out(0), 'T');
	if (loom_rx(o->in, 0, &o->rx) < 0 || loom_tx(o->out, 0, &o->tx) < 0)
		bench_die("%s", loom_error());
	if (loom_forward_how(&o->rx, &o->tx) != LOOM_FORWARD_SWAP)
		bench_die("the two ports have different memory: this would copy");
}

static void *ours_open(const struct bench_row *row, unsigned side)
{
	struct ours *o = calloc(1, sizeof *o);

	(void)row;
	if (!o)
		bench_die("out of memory");
	if (side == 0)
		o->flood = flood_open(pair_in(0), job.len);
	else
		ours_connect(o);
	return o;
}

static unsigned ours_step(void *end)
{
	const struct ours *o = end;
	unsigned n;

	if (loom_rx_sync(&o->rx) < 0)
		bench_die("%s", loom_error());
	n = loom_forward(&o->rx, &o->tx, BARE_RING);
	if (loom_tx_sync(&o->tx) < 0)
		bench_die("%s", loom_error());
	return n;
}

static uint64_t ours_burst(void *end, unsigned side, struct bench_turn *turn)
{
	struct ours *o = end;

	return side == 0 ? flood_burst(o->flood, turn) : flood_receive(turn, o, ours_step);
}

static void ours_close(void *end)
{
	struct ours *o = end;

	flood_close(o->flood);
	loom_close(o->in);
	loom_close(o->out);
	free(o);
}

/* ---- by hand ---- */

struct hand {
	struct flood *flood;
	struct bare *in, *out;
	bool sleeps;
};

static struct hand *hand_open(unsigned side, unsigned contender, bool sleeps)
{
	struct hand *h = calloc(1, sizeof *h);

	if (!h)
		bench_die("out of memory");
	h->sleeps = sleeps;
	if (side == 0) {
		h->flood = flood_open(pair_in(contender), job.len);
		return h;
	}
	h->in = bare_open(1, pair_in(contender), true, native, NULL);
	h->out = bare_open(0, pair_out(contender), false, false, h->in);
	return h;
}

static void *sleeping_open(const struct bench_row *row, unsigned side)
{
	(void)row;
	return hand_open(side, 1, true);
}

static void *spinning_open(const struct bench_row *row, unsigned side)
{
	(void)row;
	return hand_open(side, 2, false);
}

/* As many frames as were sent are free: the kernel gets those to receive in. */
static void refill(const struct hand *h, uint32_t n)
{
	uint32_t at;

	if (xsk_ring_prod__reserve(&h->in->fill, n, &at) != n)
		bench_die("the fill ring has no room for its own frames");
	for (uint32_t i = 0; i < n; i++)
		*xsk_ring_prod__fill_addr(&h->in->fill, at + i) = h->out->free[--h->out->num_free];
	xsk_ring_prod__submit(&h->in->fill, n);
}

static unsigned hand_step(void *end)
{
	const struct hand *h = end;
	struct bare *in = h->in, *out = h->out;
	uint32_t at, to, n;

	bare_reclaim(out);
	n = xsk_ring_cons__peek(&in->rx, out->num_free, &at);
	if (n == 0) {
		bare_wait(in, h->sleeps);
		return 0;
	}
	if (xsk_ring_prod__reserve(&out->tx, n, &to) != n)
		bench_die("the TX ring has no room for free frames");
	for (uint32_t i = 0; i < n; i++) {
		const struct xdp_desc *from = xsk_ring_cons__rx_desc(&in->rx, at + i);

		*xsk_ring_prod__tx_desc(&out->tx, to + i) =
		    (struct xdp_desc){.addr = from->addr, .len = from->len};
	}
	xsk_ring_cons__release(&in->rx, n);
	xsk_ring_prod__submit(&out->tx, n);
	refill(h, n);
	bare_kick(out);
	return n;
}

static uint64_t hand_burst(void *end, unsigned side, struct bench_turn *turn)
{
	struct hand *h = end;

	return side == 0 ? flood_burst(h->flood, turn) : flood_receive(turn, h, hand_step);
}

static void hand_close(void *end)
{
	struct hand *h = end;

	flood_close(h->flood);
	bare_close(h->out);
	bare_close(h->in);
	free(h);
}

int main(int argc, char **argv)
{
	struct bench_row row = {
	    .unit = "Mpps",
	    .question = "packets from one veth pair to another by AF_XDP",
	    .measured_side = 1,
	    .rounds = 40,
	    .burst_ms = 60,
	    .floors = 2,
	    .job = &job,
	    .contenders = {{"pktloom", ours_open, ours_burst, ours_close},
		{"libxdp, poll(2)", sleeping_open, hand_burst, hand_close},
		{"libxdp, spinning", spinning_open, hand_burst, hand_close}},
	};

	if (argc != 4)
		bench_die("usage: xdp_forward ROW LEN native|generic");
	row.name = argv[1];
	job.len = bench_number(argv[2], 14, NET_FRAME_MAX);
	job.mode = argv[3];
	native = bare_is_native(argv[3]);
	bench_private_dir();
	bare_make_pairs(6, native);
	return bench_main(&row);
}
