/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * How many packets a second does the xdp port receive from a veth, against bare libxdp loops in the same
 * mode, with rings as long and batches as large: polling all the time, or sleeping in poll(2) when there is
 * nothing? The better of the two is the floor. Ours polls; beside it is one that waits. Every receiver looks
 * into each packet.
 *
 *	xdp_rx ROW LEN native|generic
 *
 * The sender is the same for all: sendmmsg past the queueing discipline, as fast as it can.
 */
#include "xdp_bare.h"

static struct flood_job job = {.kind = "xdp", .spins = true};
static bool native;

struct receiver {
	struct flood *flood;
	struct bare *bare;
	bool sleeps;
};

static struct receiver *receiver_open(unsigned side, unsigned pair, bool sleeps)
{
	struct receiver *r = calloc(1, sizeof *r);

	if (!r)
		bench_die("out of memory");
	r->sleeps = sleeps;
	if (side == 0)
		r->flood = flood_open(pair, job.len);
	else
		r->bare = bare_open(1, pair, true, native, NULL);
	return r;
}

static void *sleeping_open(const struct bench_row *row, unsigned side)
{
	(void)row;
	return receiver_open(side, 1, true);
}

static void *spinning_open(const struct bench_row *row, unsigned side)
{
	(void)row;
	return receiver_open(side, 2, false);
}

static unsigned receiver_step(void *end)
{
	const struct receiver *r = end;
	struct bare *bare = r->bare;
	uint32_t at, to, n = xsk_ring_cons__peek(&bare->rx, BARE_RING, &at);

	if (n == 0) {
		bare_wait(bare, r->sleeps);
		return 0;
	}
	if (xsk_ring_prod__reserve(&bare->fill, n, &to) != n)
		bench_die("the fill ring has no room for its own frames");
	for (uint32_t i = 0; i < n; i++) {
		const struct xdp_desc *desc = xsk_ring_cons__rx_desc(&bare->rx, at + i);

		flood_look(bare->memory + desc->addr);
		*xsk_ring_prod__fill_addr(&bare->fill, to + i) = desc->addr;
	}
	xsk_ring_cons__release(&bare->rx, n);
	xsk_ring_prod__submit(&bare->fill, n);
	return n;
}

static uint64_t receiver_burst(void *end, unsigned side, struct bench_turn *turn)
{
	struct receiver *r = end;

	return side == 0 ? flood_burst(r->flood, turn) : flood_receive(turn, r, receiver_step);
}

static void receiver_close(void *end)
{
	struct receiver *r = end;

	flood_close(r->flood);
	bare_close(r->bare);
	free(r);
}

int main(int argc, char **argv)
{
	struct bench_row row = {
	    .unit = "Mpps",
	    .question = "packets received from a veth by AF_XDP",
	    .measured_side = 1,
	    .rounds = 40,
	    .burst_ms = 60,
	    .floors = 2,
	    .job = &job,
	    .contenders = {{"pktloom", port_rx_open, port_rx_burst, port_rx_close},
		{"libxdp, poll(2)", sleeping_open, receiver_burst, receiver_close},
		{"libxdp, spinning", spinning_open, receiver_burst, receiver_close},
		{"pktloom, loom_port_wait()", port_rx_waiting_open, port_rx_burst, port_rx_close}},
	};

	if (argc != 4)
		bench_die("usage: xdp_rx ROW LEN native|generic");
	row.name = argv[1];
	job.len = bench_number(argv[2], 14, NET_FRAME_MAX);
	job.mode = argv[3];
	native = bare_is_native(argv[3]);
	bench_private_dir();
	bare_make_pairs(4, native);
	return bench_main(&row);
}
