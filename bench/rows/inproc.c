/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What does a packet cost from one port to another when one thread has both: sent, synced, received and
 * released, without a system call? Against the same done by hand: a switch's packet is copied once, in
 * the memory of two such ports; a pipe's is handed over in a ring of descriptors. Beside them, a plain
 * memcpy of the same size from buffer to buffer, and ours in smaller batches. Nobody touches the payload.
 *
 *	inproc NAME switch|pipe LEN
 */
#include <string.h>

#include <pktloom.h>

#include "../bench.h"
#include "../spsc.h"

#define SLOTS       1024u
#define BUFFER      2048u
#define BATCH       256u
#define BATCH_SMALL 32u
#define BUFFERS     ((size_t)SLOTS * BUFFER)
#define FRAME_MIN   14u
#define STEPS       16u /* between looks at the clock */

static size_t rings_size(void)
{
	return (spsc_size(SLOTS) + 4095) / 4096 * 4096;
}

struct job {
	uint32_t len;
	bool copy; /* a switch: the two ends have memory of their own */
};

typedef void step_fn(void *end, uint32_t len, uint32_t batch);

/* Inlined into each burst, so that what is constant there is constant in the loops, too. */
static inline __attribute__((always_inline)) uint64_t run(
    void *end, const struct bench_turn *turn, step_fn *step, uint32_t len, uint32_t batch)
{
	uint64_t moved = 0;

	do {
		for (unsigned i = 0; i < STEPS; i++)
			step(end, len, batch);
		moved += (uint64_t)STEPS * batch;
	} while (!bench_over(turn));
	return moved;
}

/* Defines name_burst. */
#define BURST(name, step, batch)                                                                   \
	static uint64_t name##_burst(void *end, unsigned side, struct bench_turn *turn)            \
	{                                                                                          \
		(void)side;                                                                        \
		return run(end, turn, step, *(const uint32_t *)end, batch);                        \
	}

/* ---- ours ---- */

struct ours {
	uint32_t len; /* first in all ends */
	struct loom_port *from, *to;
	struct loom_txring tx;
	struct loom_rxring rx;
};

static void step_ours(void *end, uint32_t len, uint32_t batch)
{
	const struct ours *o = end;
	struct loom_txbatch out = loom_txbatch_begin(&o->tx);
	struct loom_rxbatch in;
	struct loom_frame frame;
	uint64_t bytes = 0;
	uint32_t n = 0;

	for (; n < batch && loom_txbatch_next(&out, &frame); n++)
		loom_txbatch_put(&out, len, 0);
	loom_txbatch_end(&out);
	loom_tx_sync(&o->tx);
	loom_rx_sync(&o->rx);
	in = loom_rxbatch_begin(&o->rx);
	while (loom_rxbatch_next(&in, &frame))
		bytes += frame.len;
	loom_rxbatch_end(&in);
	if (n != batch || bytes != (uint64_t)len * batch)
		bench_die("of %u packets %u were sent, and %llu bytes came", batch, n,
		    (unsigned long long)bytes);
}

/*
 * All slots of the sender get a frame, a whole ring at a time: as by hand, each end's pages are then met in
 * order, so that the system hands them out alike.
 */
static void ours_fill(const struct ours *o, uint32_t len)
{
	static const uint8_t addresses[] = {2, 0, 0, 0, 7, 1, 2, 0, 0, 0, 7, 2};
	uint8_t packet[BUFFER] = {0};
	struct loom_frame frame;
	unsigned n = 0;

	memcpy(packet, addresses, sizeof addresses);
	while (n < 2 * SLOTS) {
		while (loom_send(&o->tx, packet, len) == 1)
			;
		if (loom_tx_sync(&o->tx) < 0 || loom_rx_sync(&o->rx) < 0)
			bench_die("%s", loom_error());
		while (loom_recv(&o->rx, &frame) == 1)
			n++;
		loom_rx_sync(&o->rx);
		loom_tx_sync(&o->tx);
	}
}

static void teach(struct loom_port *port)
{
	static const uint8_t packet[60] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 2, 0, 0, 0, 7, 1};
	struct loom_txring tx;

	if (loom_tx(port, 0, &tx) < 0 || loom_send(&tx, packet, sizeof packet) != 1 ||
	    loom_tx_sync(&tx) < 0)
		bench_die("%s", loom_error());
}

static void ours_start(
    struct ours *o, const struct bench_row *row, const char *from, const char *to)
{
	const struct job *job = row->job;

	o->len = job->len;
	if (loom_open(from, LOOM_CONFIG(.tx_slots = SLOTS, .rx_slots = SLOTS), &o->from) < 0 ||
	    loom_open(to, LOOM_CONFIG(.tx_slots = SLOTS, .rx_slots = SLOTS), &o->to) < 0 ||
	    loom_tx(o->from, 0, &o->tx) < 0 || loom_rx(o->to, 0, &o->rx) < 0)
		bench_die("%s", loom_error());
	if (job->copy)
		teach(o->to);
	ours_fill(o, job->len);
}

static void *ours_open_as(const struct bench_row *row, const char *from, const char *to)
{
	struct ours *o = calloc(1, sizeof *o);

	if (!o)
		bench_die("out of memory");
	ours_start(o, row, from, to);
	return o;
}

static void *ours_open(const struct bench_row *row, unsigned side)
{
	const struct job *job = row->job;

	(void)side;
	return job->copy ? ours_open_as(row, "vale1:a", "vale1:b")
			 : ours_open_as(row, "b{1", "b}1");
}

static void *small_open(const struct bench_row *row, unsigned side)
{
	const struct job *job = row->job;

	(void)side;
	return job->copy ? ours_open_as(row, "vale2:a", "vale2:b")
			 : ours_open_as(row, "b{2", "b}2");
}

static void ours_close(void *end)
{
	struct ours *o = end;

	loom_close(o->from);
	loom_close(o->to);
	free(o);
}

BURST(ours, step_ours, BATCH)
BURST(small, step_ours, BATCH_SMALL)

/* ---- by hand, a switch: the memory of two such ports, and no more than the job takes ---- */

struct hand {
	struct ours ours; /* first: len is looked for there */
	uint32_t filled, moved, taken;
};

static inline uint8_t *hand_buffer(uint8_t *buffers, const struct netmap_slot *slot)
{
	return buffers + (size_t)(slot->buf_idx - LOOM_FIRST_BUFFER) * BUFFER;
}

static inline void hand_send(struct hand *h, uint32_t len, uint32_t batch)
{
	struct netmap_slot *slots = h->ours.tx.ring->slot;

	for (uint32_t i = 0; i < batch; i++) {
		slots[(h->filled + i) % SLOTS].len = (uint16_t)len;
		slots[(h->filled + i) % SLOTS].flags = 0;
	}
	__atomic_store_n(&h->filled, h->filled + batch, __ATOMIC_RELEASE); /* for hand_move() */
}

/* The one copy: from the sender's buffer into the receiver's. */
static inline void hand_move(struct hand *h)
{
	uint32_t n = __atomic_load_n(&h->filled, __ATOMIC_ACQUIRE) - h->moved;
	const struct netmap_slot *from = h->ours.tx.ring->slot;
	struct netmap_slot *to = h->ours.rx.ring->slot;

	for (uint32_t i = 0; i < n; i++) {
		const struct netmap_slot *in = &from[(h->moved + i) % SLOTS];
		struct netmap_slot *out = &to[(h->moved + i) % SLOTS];

		memcpy(hand_buffer(h->ours.rx.buffers, out), hand_buffer(h->ours.tx.buffers, in),
		    in->len);
		out->len = in->len;
		out->flags = 0;
	}
	__atomic_store_n(&h->moved, h->moved + n, __ATOMIC_RELEASE); /* for hand_receive() */
}

static inline void hand_receive(struct hand *h, uint32_t len, uint32_t batch)
{
	uint32_t n = __atomic_load_n(&h->moved, __ATOMIC_ACQUIRE) - h->taken;
	const struct netmap_slot *slots = h->ours.rx.ring->slot;
	uint64_t bytes = 0;

	for (uint32_t i = 0; i < n; i++)
		bytes += slots[(h->taken + i) % SLOTS].len;
	h->taken += n;
	if (bytes != (uint64_t)len * batch)
		bench_die("packets were lost");
}

static void step_hand(void *end, uint32_t len, uint32_t batch)
{
	struct hand *h = end;

	hand_send(h, len, batch);
	hand_move(h);
	hand_receive(h, len, batch);
}

static void *hand_open(const struct bench_row *row, unsigned side)
{
	struct hand *h = calloc(1, sizeof *h);

	(void)side;
	if (!h)
		bench_die("out of memory");
	ours_start(&h->ours, row, "vale3:a", "vale3:b");
	return h;
}

/* ---- by hand, a pipe ---- */

struct ring {
	uint32_t len; /* first in all ends */
	struct spsc_end from, to;
};

static void step_ring(void *end, uint32_t len, uint32_t batch)
{
	struct ring *r = end;
	uint64_t bytes = 0;
	uint32_t n;

	if (!spsc_room(&r->from, batch))
		bench_die("a ring that must have room has none");
	for (uint32_t i = 0; i < batch; i++)
		*spsc_slot(&r->from, i) = (struct spsc_desc){
		    .index = (r->from.own + i) & r->from.mask, .len = (uint16_t)len};
	spsc_produce(&r->from, batch);
	n = spsc_ready(&r->to, batch);
	for (uint32_t i = 0; i < n; i++)
		bytes += spsc_slot(&r->to, i)->len;
	spsc_consume(&r->to, n);
	if (bytes != (uint64_t)len * batch)
		bench_die("packets were lost");
}

static void *ring_open(const struct bench_row *row, unsigned side)
{
	const struct job *job = row->job;
	struct ring *r = aligned_alloc(BENCH_LINE, sizeof *r);

	(void)side;
	if (!r)
		bench_die("out of memory");
	*r = (struct ring){.len = job->len, .from = {.ring = row->memory, .mask = SLOTS - 1}};
	r->to = r->from;
	return r;
}

static void plain_close(void *end)
{
	free(end);
}

/* ---- memcpy alone ---- */

struct copier {
	uint32_t len; /* first in all ends */
	uint32_t at;
	uint8_t *from, *to;
};

static void step_memcpy(void *end, uint32_t len, uint32_t batch)
{
	struct copier *c = end;

	for (uint32_t i = 0; i < batch; i++) {
		size_t at = (size_t)((c->at + i) % SLOTS) * BUFFER;

		memcpy(c->to + at, c->from + at, len);
		__asm__ volatile("" : : : "memory");
	}
	c->at += batch;
}

static void *memcpy_open(const struct bench_row *row, unsigned side)
{
	const struct job *job = row->job;
	uint8_t *buffers = (uint8_t *)row->memory + rings_size();
	struct copier *c = malloc(sizeof *c);

	(void)side;
	if (!c)
		bench_die("out of memory");
	*c = (struct copier){.len = job->len, .from = buffers, .to = buffers + BUFFERS};
	memset(buffers, 0x5a, BUFFERS);
	return c;
}

BURST(hand, step_hand, BATCH)
BURST(ring, step_ring, BATCH)
BURST(memcpy, step_memcpy, BATCH)

int main(int argc, char **argv)
{
	struct job job;
	struct bench_row row;

	if (argc != 4)
		bench_die("usage: inproc NAME switch|pipe LEN");
	job = (struct job){.len = bench_number(argv[3], FRAME_MIN, BUFFER),
	    .copy = strcmp(argv[2], "switch") == 0};
	row = (struct bench_row){
	    .name = argv[1],
	    .unit = "ns",
	    .question = "a packet from port to port within one thread",
	    .polls = true,
	    .alone = true,
	    .contenders = {{"pktloom", ours_open, ours_burst, ours_close},
		{"one copy by hand", hand_open, hand_burst, ours_close},
		{"memcpy alone", memcpy_open, memcpy_burst, plain_close},
		{"pktloom, batches of 32", small_open, small_burst, ours_close}},
	    .job = &job,
	    .memory_size = rings_size() + 2 * BUFFERS,
	};
	if (!job.copy)
		row.contenders[1] = (struct bench_contender){
		    "hand-written ring", ring_open, ring_burst, plain_close};
	bench_private_dir();
	return bench_main(&row);
}
