/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * How many packets a second does the xdp port send into a veth, against a bare libxdp loop with a ring as
 * long and batches as large? Either writes each frame anew. (A program receives; to send, it does not
 * matter whether one would be native.)
 *
 *	xdp_tx ROW LEN
 */
#include "xdp_bare.h"

static struct flood_job job = {.kind = "xdp"};

struct sender {
	struct bare *bare;
	uint8_t frame[NET_FRAME_MAX];
};

static void *sender_open(const struct bench_row *row, unsigned side)
{
	struct sender *s = calloc(1, sizeof *s);

	(void)row;
	if (!s)
		bench_die("out of memory");
	net_frame(s->frame, job.len);
	if (side == 0)
		s->bare = bare_open(0, 1, false, false, NULL);
	return s;
}

static unsigned sender_step(void *end)
{
	const struct sender *s = end;
	struct bare *bare = s->bare;
	uint32_t at, n = bare->num_free < FLOOD_BATCH ? bare->num_free : FLOOD_BATCH;

	if (xsk_ring_prod__reserve(&bare->tx, n, &at) != n)
		n = 0;
	for (uint32_t i = 0; i < n; i++) {
		struct xdp_desc *desc = xsk_ring_prod__tx_desc(&bare->tx, at + i);

		*desc = (struct xdp_desc){.addr = bare->free[--bare->num_free], .len = job.len};
		memcpy(bare->memory + desc->addr, s->frame, job.len);
	}
	xsk_ring_prod__submit(&bare->tx, n);
	bare_kick(bare);
	return bare_reclaim(bare);
}

static uint64_t sender_burst(void *end, unsigned side, struct bench_turn *turn)
{
	return flood_send(1, side, turn, end, sender_step);
}

static void sender_close(void *end)
{
	struct sender *s = end;

	bare_close(s->bare);
	free(s);
}

int main(int argc, char **argv)
{
	struct bench_row row = {
	    .unit = "Mpps",
	    .question = "packets sent into a veth by AF_XDP",
	    .measured_side = 0,
	    .rounds = 40,
	    .burst_ms = 60,
	    .job = &job,
	    .contenders = {{"pktloom", port_tx_open, port_tx_burst, port_tx_close},
		{"libxdp", sender_open, sender_burst, sender_close}},
	};

	if (argc != 3)
		bench_die("usage: xdp_tx ROW LEN");
	row.name = argv[1];
	job.len = bench_number(argv[2], 14, NET_FRAME_MAX);
	bench_private_dir();
	bare_make_pairs(2, true);
	return bench_main(&row);
}
