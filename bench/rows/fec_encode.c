/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What does it cost to send a block's parity packets the way the example fec does, against ISA-L's
 * ec_encode_data() alone on the same k, m and length? k data packets stand finished in a ring's slots, as
 * their writers left them. Ours reserves the block's slots, makes parity from buffer to buffer, gives each
 * parity packet its header and its CRC, commits the block and syncs; what is sent over null: is gone. The
 * value is megabytes of data packets a second. Beside it, the same with headers and CRCs of the data packets,
 * and ISA-L with one block's buffers all the time, which stay in the nearest caches.
 *
 *	fec_encode NAME K M
 */
#include <isa-l.h>
#include <string.h>

#include <pktloom.h>

#include "../../examples/fec_code.h"
#include "../bench.h"

#define PAYLOAD 1400u
#define PACKET  (FEC_HEADER + PAYLOAD)
#define LEN     (PACKET - FEC_SHARD) /* what ISA-L gets of each packet */
#define SLOTS   1024u
#define BUFFER  2048u
#define STEPS   8u /* blocks between looks at the clock */

struct job {
	unsigned k, m;
};

/* ---- ours ---- */

struct ours {
	struct loom_port *port;
	struct loom_txring tx;
	struct fec_code code;
	uint32_t block;
};

static void *ours_open(const struct bench_row *row, unsigned side)
{
	struct ours *o = calloc(1, sizeof *o);
	const struct job *job = row->job;
	uint8_t packet[PACKET];

	(void)side;
	if (!o || fec_code_init(&o->code, job->k, job->m) < 0)
		bench_die("no code");
	if (loom_open("null:", LOOM_CONFIG(.tx_slots = SLOTS), &o->port) < 0 ||
	    loom_tx(o->port, 0, &o->tx) < 0)
		bench_die("%s", loom_error());
	memset(packet, 0x5a, sizeof packet);
	for (unsigned i = 0; i < SLOTS; i++)
		if (loom_send(&o->tx, packet, sizeof packet) != 1 || loom_tx_sync(&o->tx) < 0)
			bench_die("%s", loom_error());
	return o;
}

static inline void step_ours(struct ours *o, bool data_too)
{
	struct loom_frame packets[FEC_TOTAL_MAX];
	unsigned total = o->code.k + o->code.m;

	if (loom_reserve(&o->tx, packets, total) != total)
		bench_die("a ring that must have room has none");
	for (unsigned i = 0; i < o->code.k; i++)
		if (data_too)
			fec_data(&o->code, o->block, i, &packets[i], PAYLOAD);
		else
			packets[i].len = PACKET;
	if (fec_parity(&o->code, o->block, packets) < 0 ||
	    loom_commit(&o->tx, packets, total) < 0 || loom_tx_sync(&o->tx) < 0)
		bench_die("%s", loom_error());
	o->block++;
}

static inline uint64_t ours_run(struct ours *o, const struct bench_turn *turn, bool data_too)
{
	uint64_t moved = 0;

	do {
		for (unsigned i = 0; i < STEPS; i++)
			step_ours(o, data_too);
		moved += (uint64_t)STEPS * o->code.k * LEN;
	} while (!bench_over(turn));
	return moved;
}

static uint64_t ours_burst(void *end, unsigned side, struct bench_turn *turn)
{
	(void)side;
	return ours_run(end, turn, false);
}

static uint64_t all_burst(void *end, unsigned side, struct bench_turn *turn)
{
	(void)side;
	return ours_run(end, turn, true);
}

static void ours_close(void *end)
{
	struct ours *o = end;

	loom_close(o->port);
	free(o);
}

/* ---- ISA-L: as many buffers, as far from each other, each at a line's start ---- */

struct bare {
	uint8_t *buffers;
	unsigned num_buffers, at;
	struct fec_code code; /* the same matrix */
};

static struct bare *bare_new(const struct job *job, unsigned num_buffers)
{
	struct bare *b = calloc(1, sizeof *b);

	if (!b || fec_code_init(&b->code, job->k, job->m) < 0 ||
	    !(b->buffers = aligned_alloc(4096, (size_t)num_buffers * BUFFER)))
		bench_die("out of memory");
	memset(b->buffers, 0x5a, (size_t)num_buffers * BUFFER);
	b->num_buffers = num_buffers;
	return b;
}

static void *bare_open(const struct bench_row *row, unsigned side)
{
	(void)side;
	return bare_new(row->job, SLOTS);
}

static void *near_open(const struct bench_row *row, unsigned side)
{
	const struct job *job = row->job;

	(void)side;
	return bare_new(job, job->k + job->m);
}

static inline void step_bare(struct bare *b)
{
	struct fec_code *code = &b->code;
	uint8_t *buffers[FEC_TOTAL_MAX];

	for (unsigned i = 0; i < code->k + code->m; i++) {
		buffers[i] = b->buffers + (size_t)b->at * BUFFER;
		b->at = b->at + 1 == b->num_buffers ? 0 : b->at + 1;
	}
	ec_encode_data(LEN, (int)code->k, (int)code->m, code->tables, buffers, buffers + code->k);
}

static uint64_t bare_burst(void *end, unsigned side, struct bench_turn *turn)
{
	struct bare *b = end;
	uint64_t moved = 0;

	(void)side;
	do {
		for (unsigned i = 0; i < STEPS; i++)
			step_bare(b);
		moved += (uint64_t)STEPS * b->code.k * LEN;
	} while (!bench_over(turn));
	return moved;
}

static void bare_close(void *end)
{
	struct bare *b = end;

	free(b->buffers);
	free(b);
}

int main(int argc, char **argv)
{
	struct job job;
	struct bench_row row = {
	    .unit = "MB/s",
	    .question = "parity for blocks of packets in a ring's buffers",
	    .burst_ms = 2, /* one worker polls: short bursts are hardly disturbed */
	    .rounds = 200,
	    .polls = true,
	    .alone = true,
	    .contenders = {{"pktloom", ours_open, ours_burst, ours_close},
		{"ec_encode_data() alone", bare_open, bare_burst, bare_close},
		{"pktloom, data's CRCs, too", ours_open, all_burst, ours_close},
		{"ec_encode_data(), one block", near_open, bare_burst, bare_close}},
	    .job = &job,
	};

	if (argc != 4)
		bench_die("usage: fec_encode NAME K M");
	row.name = argv[1];
	job.k = bench_number(argv[2], 1, FEC_K_MAX);
	job.m = bench_number(argv[3], 1, FEC_M_MAX);
	bench_private_dir();
	return bench_main(&row);
}
