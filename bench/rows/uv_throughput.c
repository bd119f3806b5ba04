/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What does a libuv loop that has both ends of a pipe move, packets filled and received in batches by
 * callbacks, against the same thread doing so by the synchronous verbs: the same ring, the same batches, 60
 * bytes copied in and out?
 */
#include <string.h>

#include <pktloom.h>
#include <pktloom/uv.h>

#include "../bench.h"

#define LEN   60u
#define SLOTS 1024u
#define BATCH 256u

static uint8_t source[LEN], sink[LEN];

static void copy_in(struct loom_frame *frames, unsigned n)
{
	for (unsigned i = 0; i < n; i++) {
		memcpy(frames[i].data, source, LEN);
		frames[i].len = LEN;
	}
}

static void copy_out(const struct loom_frame *frames, unsigned n)
{
	for (unsigned i = 0; i < n; i++) {
		memcpy(sink, frames[i].data, LEN);
		__asm__ volatile("" : : "r"(sink) : "memory");
	}
}

struct ends {
	struct loom_port *ports[2];
	uv_loop_t loop; /* of ours alone */
	struct loom_uv uv[2];
	const struct bench_turn *turn;
	uint64_t moved;
};

static struct ends *ends_open(const char *name)
{
	struct ends *e = calloc(1, sizeof *e);

	if (!e)
		bench_die("out of memory");
	for (unsigned i = 0; i < 2; i++)
		if (loom_open(name, LOOM_CONFIG(.tx_slots = SLOTS), &e->ports[i]) < 0)
			bench_die("%s", loom_error());
	return e;
}

static void ends_close(void *end)
{
	struct ends *e = end;

	for (unsigned i = 0; i < 2; i++)
		loom_close(e->ports[i]);
	free(e);
}

/* ---- ours ---- */

static int on_room(struct loom_uv *uv, unsigned ring, struct loom_frame *frames, int n)
{
	(void)uv;
	(void)ring;
	if (n < 0)
		bench_die("%s", loom_error());
	copy_in(frames, (unsigned)n);
	return n;
}

static int on_packets(struct loom_uv *uv, unsigned ring, const struct loom_frame *frames, int n)
{
	struct ends *e = uv->data;

	(void)ring;
	if (n < 0)
		bench_die("%s", loom_error());
	copy_out(frames, (unsigned)n);
	e->moved += (unsigned)n;
	if (bench_over(e->turn))
		uv_stop(&e->loop);
	return n;
}

static void *ours_open(const struct bench_row *row, unsigned side)
{
	struct ends *e = ends_open("pipe{ours}");

	(void)row;
	(void)side;
	if (uv_loop_init(&e->loop) != 0)
		bench_die("no loop");
	for (unsigned i = 0; i < 2; i++) {
		if (loom_uv_init(&e->loop, &e->uv[i], e->ports[i]) != 0)
			bench_die("%s", loom_error());
		e->uv[i].data = e;
	}
	if (loom_uv_fill_start(&e->uv[0], on_room) != 0 ||
	    loom_uv_recv_start(&e->uv[1], on_packets) != 0)
		bench_die("%s", loom_error());
	return e;
}

static uint64_t ours_burst(void *end, unsigned side, struct bench_turn *turn)
{
	struct ends *e = end;

	(void)side;
	e->turn = turn;
	e->moved = 0;
	uv_run(&e->loop, UV_RUN_DEFAULT);
	return e->moved;
}

static void ours_close(void *end)
{
	struct ends *e = end;

	for (unsigned i = 0; i < 2; i++)
		loom_uv_close(&e->uv[i], NULL);
	uv_run(&e->loop, UV_RUN_DEFAULT);
	if (uv_loop_close(&e->loop) != 0)
		bench_die("the loop has handles left");
	ends_close(e);
}

/* ---- the floor ---- */

static void *verbs_open(const struct bench_row *row, unsigned side)
{
	(void)row;
	(void)side;
	return ends_open("pipe{verbs}");
}

static uint64_t verbs_burst(void *end, unsigned side, struct bench_turn *turn)
{
	const struct ends *e = end;
	struct loom_frame frames[BATCH];
	struct loom_txring tx;
	struct loom_rxring rx;
	uint64_t moved = 0;

	(void)side;
	if (loom_tx(e->ports[0], 0, &tx) < 0 || loom_rx(e->ports[1], 0, &rx) < 0)
		bench_die("%s", loom_error());
	do {
		unsigned n = loom_reserve(&tx, frames, BATCH);

		copy_in(frames, n);
		loom_commit(&tx, frames, n);
		loom_tx_sync(&tx);
		loom_rx_sync(&rx);
		n = loom_peek(&rx, frames, BATCH);
		copy_out(frames, n);
		loom_release(&rx, n);
		loom_rx_sync(&rx);
		moved += n;
	} while (!bench_over(turn));
	return moved;
}

int main(void)
{
	struct bench_row row = {
	    .name = "uv_throughput",
	    .unit = "Mpps",
	    .question = "packets over a pipe in one libuv loop, by batches",
	    .rounds = 100,
	    .burst_ms = 10,
	    .alone = true,
	    .polls = true,
	    .contenders = {{"pktloom-uv", ours_open, ours_burst, ours_close},
		{"the same by synchronous verbs", verbs_open, verbs_burst, ends_close}},
	};

	bench_private_dir();
	return bench_main(&row);
}
