/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * How many packets a second does a pipe hand from one core to another, against a hand-written ring
 * with as many slots and the same batches? With `copy`, the sender writes the payload into the
 * buffers and the receiver copies it out; with `desc`, nobody touches it.
 *
 *	pipe_rate NAME LEN BATCH desc|copy [all]
 *
 * Both senders wait for a whole batch of room: half batches only make the cores meet more often.
 */
#include <string.h>

#include <pktloom.h>
#include <pktloom/compat/net/netmap_user.h>

#include "../bench.h"
#include "../spsc.h"

#define SLOTS     1024u
#define BUFFER    2048u
#define BATCH_MAX 512u
#define BUFFERS   ((size_t)SLOTS * BUFFER)

struct job {
	uint32_t len;
	uint32_t batch;
	bool copy;
};

/* What the sender copies from and the receiver copies to: private, and warm. */
static uint8_t source[BUFFER], sink[BUFFER];

static inline __attribute__((always_inline)) void payload_out(void *data, const struct job *job)
{
	if (job->copy)
		memcpy(data, source, job->len);
}

static inline __attribute__((always_inline)) void payload_in(
    const void *data, uint32_t len, const struct job *job)
{
	if (!job->copy)
		return;
	memcpy(sink, data, len);
	__asm__ volatile("" : : "m"(sink));
}

/* ---- one side of one burst; a step moves a batch and says how many it moved ---- */

typedef uint32_t step_fn(void *end, const struct job *job);

/* Inlined into the bursts: else each packet would look whether it is to be copied, and save registers for it. */
#define STEP inline __attribute__((always_inline))

static inline __attribute__((always_inline)) uint64_t run_sender(
    void *end, const struct job *job, step_fn *step, struct bench_turn *turn)
{
	uint64_t sent = 0;

	while (!bench_over(turn))
		for (int i = 0; i < 16; i++) {
			uint32_t n = step(end, job);

			sent += n;
			if (!n)
				bench_relax();
		}
	bench_finish(turn, sent);
	return sent;
}

static inline __attribute__((always_inline)) uint64_t run_receiver(
    void *end, const struct job *job, step_fn *step, struct bench_turn *turn)
{
	uint64_t got = 0;

	for (;;) {
		uint32_t n = step(end, job);

		got += n;
		if (n)
			continue;
		if (bench_finished(turn, got))
			return got;
		bench_relax();
	}
}

/* Defines name_burst for a pair of steps, compiled once for desc and once for copy. */
#define BURST(name, send, receive)                                                                 \
	static uint64_t name##_burst(void *end, unsigned side, struct bench_turn *turn)            \
	{                                                                                          \
		const struct job *given = *(const struct job *const *)end;                         \
		const struct job desc = {given->len, given->batch, false};                         \
		const struct job copy = {given->len, given->batch, true};                          \
                                                                                                   \
		if (given->copy)                                                                   \
			return side == 0 ? run_sender(end, &copy, send, turn)                      \
					 : run_receiver(end, &copy, receive, turn);                \
		return side == 0 ? run_sender(end, &desc, send, turn)                              \
				 : run_receiver(end, &desc, receive, turn);                        \
	}

/* ---- ours ---- */

struct ours {
	const struct job *job; /* first, as in struct floor */
	struct loom_port *port;
	struct loom_txring tx;
	struct loom_rxring rx;
	struct loom_frame frames[BATCH_MAX];
};

/* A pipe of its own for each contender: they must not meet in one. */
static void *ours_open_as(const struct bench_row *row, unsigned side, char id)
{
	struct ours *o = calloc(1, sizeof *o);
	const char name[] = {'b', side == 0 ? '{' : '}', id, '\0'};

	if (!o)
		bench_die("out of memory");
	o->job = row->job;
	if (loom_open(name, LOOM_CONFIG(.tx_slots = SLOTS), &o->port) < 0 ||
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

static STEP uint32_t batch_send(void *end, const struct job *job)
{
	struct ours *o = end;
	struct loom_txbatch out;
	struct loom_frame frame;
	uint32_t n = 0;

	if (loom_tx_space(&o->tx) >= job->batch) {
		out = loom_txbatch_begin(&o->tx);
		for (; n < job->batch && loom_txbatch_next(&out, &frame); n++) {
			payload_out(frame.data, job);
			loom_txbatch_put(&out, job->len, 0);
		}
		loom_txbatch_end(&out);
	}
	loom_tx_sync(&o->tx);
	return n;
}

static STEP uint32_t batch_receive(void *end, const struct job *job)
{
	struct ours *o = end;
	struct loom_rxbatch in = loom_rxbatch_begin(&o->rx);
	struct loom_frame frame;
	uint64_t bytes = 0;
	uint32_t n = 0;

	for (; n < job->batch && loom_rxbatch_next(&in, &frame); n++) {
		payload_in(frame.data, frame.len, job);
		bytes += frame.len;
	}
	loom_rxbatch_end(&in);
	loom_rx_sync(&o->rx);
	bench_use(bytes);
	return n;
}

static void *batch_open(const struct bench_row *row, unsigned side)
{
	return ours_open_as(row, side, 'b');
}

BURST(batch, batch_send, batch_receive)

/* The same through arrays of frames. */
static STEP uint32_t array_send(void *end, const struct job *job)
{
	struct ours *o = end;
	uint32_t n = 0;

	if (loom_tx_space(&o->tx) >= job->batch) {
		n = loom_reserve(&o->tx, o->frames, job->batch);
		for (uint32_t i = 0; i < n; i++) {
			payload_out(o->frames[i].data, job);
			o->frames[i].len = (uint16_t)job->len;
		}
		loom_commit(&o->tx, o->frames, n);
	}
	loom_tx_sync(&o->tx);
	return n;
}

static STEP uint32_t array_receive(void *end, const struct job *job)
{
	struct ours *o = end;
	uint32_t n = loom_peek(&o->rx, o->frames, job->batch);
	uint64_t bytes = 0;

	for (uint32_t i = 0; i < n; i++) {
		payload_in(o->frames[i].data, o->frames[i].len, job);
		bytes += o->frames[i].len;
	}
	loom_release(&o->rx, n);
	loom_rx_sync(&o->rx);
	bench_use(bytes);
	return n;
}

static void *array_open(const struct bench_row *row, unsigned side)
{
	return ours_open_as(row, side, 'a');
}

BURST(array, array_send, array_receive)

/* The same rings through netmap's macros: what the checks of the API cost. */
static STEP uint32_t macro_send(void *end, const struct job *job)
{
	struct ours *o = end;
	struct netmap_ring *ring = o->tx.ring;
	uint32_t cur = ring->head, n = 0;

	if (nm_ring_space(ring) >= job->batch)
		for (; n < job->batch; n++) {
			struct netmap_slot *slot = &ring->slot[cur];

			payload_out(NETMAP_BUF(ring, slot->buf_idx), job);
			slot->len = (uint16_t)job->len;
			slot->flags = 0;
			cur = nm_ring_next(ring, cur);
		}
	ring->head = ring->cur = cur;
	loom_tx_sync(&o->tx);
	return n;
}

static STEP uint32_t macro_receive(void *end, const struct job *job)
{
	struct ours *o = end;
	struct netmap_ring *ring = o->rx.ring;
	uint32_t cur = ring->head, n = 0;
	uint64_t bytes = 0;

	for (; n < job->batch && cur != ring->tail; n++) {
		const struct netmap_slot *slot = &ring->slot[cur];

		payload_in(NETMAP_BUF(ring, slot->buf_idx), slot->len, job);
		bytes += slot->len;
		cur = nm_ring_next(ring, cur);
	}
	ring->head = ring->cur = cur;
	loom_rx_sync(&o->rx);
	bench_use(bytes);
	return n;
}

static void *macro_open(const struct bench_row *row, unsigned side)
{
	return ours_open_as(row, side, 'm');
}

BURST(macro, macro_send, macro_receive)

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
	    .buffers = (uint8_t *)row->memory + row->memory_size - BUFFERS};
	return f;
}

static void floor_close(void *end)
{
	free(end);
}

static STEP uint32_t floor_send(void *end, const struct job *job)
{
	struct floor *f = end;

	if (!spsc_room(&f->end, job->batch))
		return 0;
	for (uint32_t i = 0; i < job->batch; i++) {
		uint32_t index = (f->end.own + i) & f->end.mask;

		payload_out(f->buffers + (size_t)index * BUFFER, job);
		*spsc_slot(&f->end, i) =
		    (struct spsc_desc){.index = index, .len = (uint16_t)job->len};
	}
	spsc_produce(&f->end, job->batch);
	return job->batch;
}

static STEP uint32_t floor_receive(void *end, const struct job *job)
{
	struct floor *f = end;
	uint32_t n = spsc_ready(&f->end, job->batch);
	uint64_t bytes = 0;

	for (uint32_t i = 0; i < n; i++) {
		const struct spsc_desc *desc = spsc_slot(&f->end, i);

		payload_in(f->buffers + (size_t)desc->index * BUFFER, desc->len, job);
		bytes += desc->len;
	}
	bench_use(bytes);
	if (n)
		spsc_consume(&f->end, n);
	return n;
}

BURST(floor, floor_send, floor_receive)

/*
 * The row's own figure is that of the verbs which suit the job: a batch's cursor where nobody touches the payload,
 * arrays where it is copied: their slots are all read before the first copy and written after the last.
 */
static const struct bench_contender batches = {
    "pktloom, batch verbs", batch_open, batch_burst, ours_close};
static const struct bench_contender arrays = {
    "pktloom, arrays of frames", array_open, array_burst, ours_close};

int main(int argc, char **argv)
{
	struct job job;
	struct bench_row row;

	if (argc < 5)
		bench_die("usage: pipe_rate NAME LEN BATCH desc|copy [all]");
	job = (struct job){.len = bench_number(argv[2], 1, BUFFER),
	    .batch = bench_number(argv[3], 1, BATCH_MAX),
	    .copy = strcmp(argv[4], "copy") == 0};
	row = (struct bench_row){
	    .name = argv[1],
	    .unit = "Mpps",
	    .question = "packets handed from core to core",
	    .polls = true,
	    .measured_side = 1,
	    .contenders = {job.copy ? arrays : batches,
		{"hand-written ring", floor_open, floor_burst, floor_close}},
	    .job = &job,
	    .memory_size = (spsc_size(SLOTS) + 4095) / 4096 * 4096 + BUFFERS,
	};
	if (argc > 5) {
		row.contenders[2] = job.copy ? batches : arrays;
		row.contenders[3] = (struct bench_contender){
		    "our rings by netmap's macros", macro_open, macro_burst, ours_close};
	}
	bench_private_dir();
	return bench_main(&row);
}
