/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * How many packets a second does a pipe hand from one core to another, against a hand-written ring
 * with the same slots and batches? With `copy`, payload is written by the sender and copied out by
 * the receiver; without, only descriptors move.
 *
 *	pipe_rate NAME LEN BATCH desc|copy
 */
#include <string.h>

#include <pktloom.h>
#include <pktloom/compat/net/netmap_user.h>

#include "bench.h"
#include "spsc.h"

#define SLOTS     1024u
#define BUFFER    2048u
#define BATCH_MAX 512u

struct job {
	uint32_t len;
	uint32_t batch;
	bool copy;
};

/* What the sender copies from and the receiver copies to: private, and warm. */
static uint8_t source[BUFFER], sink[BUFFER];

/* ---- ours ---- */

struct ours {
	const struct job *job;
	struct loom_port *port;
	struct loom_txring tx;
	struct loom_rxring rx;
	struct loom_frame frames[BATCH_MAX];
};

static void *ours_open(const struct bench_row *row, unsigned side)
{
	struct ours *o = aligned_alloc(64, (sizeof *o + 63) / 64 * 64);

	if (!o)
		bench_die("out of memory");
	o->job = row->job;
	if (loom_open(side == 0 ? "bench{1" : "bench}1", LOOM_CONFIG(.tx_slots = SLOTS), &o->port) < 0)
		bench_die("%s", loom_error());
	if (loom_tx(o->port, 0, &o->tx) < 0 || loom_rx(o->port, 0, &o->rx) < 0)
		bench_die("%s", loom_error());
	return o;
}

static void ours_close(void *end)
{
	struct ours *o = end;

	loom_close(o->port);
	free(o);
}

/* Whole batches only: the floor does the same. */
static inline bool ours_room(struct ours *o, uint32_t n)
{
	return loom_tx_space(&o->tx) >= n;
}

static inline uint32_t ours_send_desc(struct ours *o, uint32_t n, uint32_t len)
{
	uint32_t got;

	if (!ours_room(o, n))
		return 0;
	got = loom_reserve(&o->tx, o->frames, n);
	for (uint32_t i = 0; i < got; i++)
		o->frames[i].len = len;
	loom_commit(&o->tx, o->frames, got);
	return got;
}

static inline uint32_t ours_send_copy(struct ours *o, uint32_t n, uint32_t len)
{
	if (!ours_room(o, n))
		return 0;
	for (uint32_t i = 0; i < n; i++)
		loom_send(&o->tx, source, len);
	return n;
}

static inline uint32_t ours_recv_desc(struct ours *o, uint32_t n)
{
	struct loom_frame frame;
	uint64_t bytes = 0;
	uint32_t got = 0;

	while (got < n && loom_recv(&o->rx, &frame)) {
		bytes += frame.len;
		got++;
	}
	bench_use(bytes);
	return got;
}

static inline uint32_t ours_recv_copy(struct ours *o, uint32_t n)
{
	struct loom_frame frame;
	uint32_t got = 0;

	while (got < n && loom_recv(&o->rx, &frame)) {
		memcpy(sink, frame.data, frame.len);
		bench_use(sink[0]);
		got++;
	}
	return got;
}

static uint64_t ours_send(struct ours *o, struct bench_turn *turn)
{
	const struct job job = *o->job;
	uint64_t sent = 0;

	while (!bench_over(turn))
		for (int i = 0; i < 16; i++) {
			uint32_t n = job.copy ? ours_send_copy(o, job.batch, job.len)
					      : ours_send_desc(o, job.batch, job.len);

			loom_tx_sync(&o->tx);
			sent += n;
			if (!n)
				bench_relax();
		}
	bench_finish(turn, sent);
	return sent;
}

static uint64_t ours_recv(struct ours *o, struct bench_turn *turn)
{
	const struct job job = *o->job;
	uint64_t got = 0;

	for (;;) {
		uint32_t n = job.copy ? ours_recv_copy(o, job.batch) : ours_recv_desc(o, job.batch);

		loom_rx_sync(&o->rx);
		got += n;
		if (n)
			continue;
		if (bench_finished(turn, got))
			return got;
		bench_relax();
	}
}

static uint64_t ours_burst(void *end, unsigned side, struct bench_turn *turn)
{
	return side == 0 ? ours_send(end, turn) : ours_recv(end, turn);
}

/* ---- the floor ---- */

struct floor {
	const struct job *job;
	struct spsc_end end;
	uint8_t *buffers;
};

static void *floor_open(const struct bench_row *row, unsigned side)
{
	struct floor *f = aligned_alloc(BENCH_LINE, sizeof *f);

	(void)side;
	if (!f)
		bench_die("out of memory");
	*f = (struct floor){.job = row->job,
	    .end = {.ring = row->memory, .mask = SLOTS - 1},
	    .buffers = (uint8_t *)row->memory + row->memory_size - SLOTS * BUFFER};
	return f;
}

static inline uint32_t floor_send_batch(
    struct floor *f, uint32_t n, uint32_t len, const uint8_t *payload)
{
	if (!spsc_room(&f->end, n))
		return 0;
	for (uint32_t i = 0; i < n; i++) {
		uint32_t index = (f->end.own + i) & f->end.mask;

		if (payload)
			memcpy(f->buffers + (size_t)index * BUFFER, payload, len);
		*spsc_slot(&f->end, i) = (struct spsc_desc){.index = index, .len = (uint16_t)len};
	}
	spsc_produce(&f->end, n);
	return n;
}

static inline uint32_t floor_recv_batch(struct floor *f, uint32_t n, bool copy)
{
	uint32_t got = spsc_ready(&f->end, n);
	uint64_t bytes = 0;

	for (uint32_t i = 0; i < got; i++) {
		const struct spsc_desc *desc = spsc_slot(&f->end, i);

		bytes += desc->len;
		if (copy) {
			memcpy(sink, f->buffers + (size_t)desc->index * BUFFER, desc->len);
			bench_use(sink[0]);
		}
	}
	bench_use(bytes);
	if (got)
		spsc_consume(&f->end, got);
	return got;
}

static uint64_t floor_send(struct floor *f, struct bench_turn *turn)
{
	const struct job job = *f->job;
	uint64_t sent = 0;

	while (!bench_over(turn))
		for (int i = 0; i < 16; i++) {
			uint32_t n = job.copy ? floor_send_batch(f, job.batch, job.len, source)
					      : floor_send_batch(f, job.batch, job.len, NULL);

			sent += n;
			if (!n)
				bench_relax();
		}
	bench_finish(turn, sent);
	return sent;
}

static uint64_t floor_recv(struct floor *f, struct bench_turn *turn)
{
	const struct job job = *f->job;
	uint64_t got = 0;

	for (;;) {
		uint32_t n = job.copy ? floor_recv_batch(f, job.batch, true)
				      : floor_recv_batch(f, job.batch, false);

		got += n;
		if (n)
			continue;
		if (bench_finished(turn, got))
			return got;
		bench_relax();
	}
}

static uint64_t floor_burst(void *end, unsigned side, struct bench_turn *turn)
{
	return side == 0 ? floor_send(end, turn) : floor_recv(end, turn);
}

/* ---- the same pipe through netmap's own macros ---- */

static uint32_t raw_send_batch(struct ours *o, uint32_t n, uint32_t len, bool copy)
{
	struct netmap_ring *ring = o->tx.ring;
	uint32_t cur = ring->head;

	if (nm_ring_space(ring) < n)
		return 0;
	for (uint32_t i = 0; i < n; i++) {
		struct netmap_slot *slot = &ring->slot[cur];

		if (copy)
			memcpy(NETMAP_BUF(ring, slot->buf_idx), source, len);
		slot->len = (uint16_t)len;
		slot->flags = 0;
		cur = nm_ring_next(ring, cur);
	}
	ring->head = ring->cur = cur;
	return n;
}

static uint32_t raw_recv_batch(struct ours *o, uint32_t n, bool copy)
{
	struct netmap_ring *ring = o->rx.ring;
	uint32_t cur = ring->head, got = 0;
	uint64_t bytes = 0;

	for (; got < n && cur != ring->tail; got++) {
		const struct netmap_slot *slot = &ring->slot[cur];

		bytes += slot->len;
		if (copy) {
			memcpy(sink, NETMAP_BUF(ring, slot->buf_idx), slot->len);
			bench_use(sink[0]);
		}
		cur = nm_ring_next(ring, cur);
	}
	ring->head = ring->cur = cur;
	bench_use(bytes);
	return got;
}

static uint64_t raw_send(struct ours *o, struct bench_turn *turn)
{
	const struct job job = *o->job;
	uint64_t sent = 0;

	while (!bench_over(turn))
		for (int i = 0; i < 16; i++) {
			uint32_t n = job.copy ? raw_send_batch(o, job.batch, job.len, true)
					      : raw_send_batch(o, job.batch, job.len, false);

			loom_tx_sync(&o->tx);
			sent += n;
			if (!n)
				bench_relax();
		}
	bench_finish(turn, sent);
	return sent;
}

static uint64_t raw_recv(struct ours *o, struct bench_turn *turn)
{
	const struct job job = *o->job;
	uint64_t got = 0;

	for (;;) {
		uint32_t n = job.copy ? raw_recv_batch(o, job.batch, true)
				      : raw_recv_batch(o, job.batch, false);

		loom_rx_sync(&o->rx);
		got += n;
		if (n)
			continue;
		if (bench_finished(turn, got))
			return got;
		bench_relax();
	}
}

static void *raw_open(const struct bench_row *row, unsigned side)
{
	struct ours *o = calloc(1, sizeof *o);

	if (!o)
		bench_die("out of memory");
	o->job = row->job;
	if (loom_open(side == 0 ? "bench{2" : "bench}2", LOOM_CONFIG(.tx_slots = SLOTS), &o->port) < 0)
		bench_die("%s", loom_error());
	if (loom_tx(o->port, 0, &o->tx) < 0 || loom_rx(o->port, 0, &o->rx) < 0)
		bench_die("%s", loom_error());
	return o;
}

static uint64_t raw_burst(void *end, unsigned side, struct bench_turn *turn)
{
	return side == 0 ? raw_send(end, turn) : raw_recv(end, turn);
}

static void floor_close(void *end)
{
	free(end);
}

int main(int argc, char **argv)
{
	struct job job;
	struct bench_row row;

	if (argc != 5)
		bench_die("usage: pipe_rate NAME LEN BATCH desc|copy");
	job = (struct job){.len = (uint32_t)atoi(argv[2]),
	    .batch = (uint32_t)atoi(argv[3]),
	    .copy = strcmp(argv[4], "copy") == 0};
	row = (struct bench_row){
	    .name = argv[1],
	    .unit = "Mpps",
	    .question = "packets handed from core to core",
	    .measured_side = 1,
	    .contenders = {{"pktloom", ours_open, ours_burst, ours_close},
		{"hand-written ring", floor_open, floor_burst, floor_close},
		{"netmap macros on our rings", raw_open, raw_burst, ours_close}},
	    .job = &job,
	    .memory_size = (spsc_size(SLOTS) + 4095) / 4096 * 4096 + SLOTS * BUFFER,
	};
	bench_private_dir();
	return bench_main(&row);
}
