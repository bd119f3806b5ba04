/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Packets over a pipe that loses some: every k of them are followed by m more, of which any replace any m
 * that were lost. One thread has both ends, and checks each payload.
 *
 * No payload is copied on the way: parity is made from the buffers of the TX slots into those of the slots
 * behind them, before the sync gives them away; received packets stay in their RX slots, and keep them,
 * until their block is over. What was lost is made from there, in memory of our own.
 */
#include <err.h>
#include <unistd.h>

#include <pktloom.h>

#include "common.h"
#include "fec_code.h"

#define SLOTS      1024u
#define WINDOW     8u /* blocks that may be open; one more gives the oldest up */
#define PAUSE_US   1000
#define WAIT_MS    10
#define NO_BLOCK   UINT64_MAX
#define EXIT_WRONG 3 /* something was delivered that was not sent */

struct plan {
	uint64_t payloads, k, m, len, quiet_ms;
};

static uint64_t plan_blocks(const struct plan *plan)
{
	return (plan->payloads + plan->k - 1) / plan->k;
}

/* The last block has what is left. */
static unsigned plan_k(const struct plan *plan, uint64_t block)
{
	uint64_t left = plan->payloads - block * plan->k;

	return (unsigned)(left < plan->k ? left : plan->k);
}

/* Payloads of all lengths. */
static uint16_t plan_len(const struct plan *plan, uint64_t number)
{
	return (uint16_t)(PAYLOAD_MIN + number * 37 % (plan->len - PAYLOAD_MIN + 1));
}

/* Only the last block's code is another one. */
static void code_for(struct fec_code *code, unsigned k, unsigned m)
{
	if ((code->k != k || code->m != m) && fec_code_init(code, k, m) < 0)
		errx(1, "no code has %u data packets and %u parity packets", k, m);
}

/* ---- receiving ---- */

struct cell {
	struct fec_block block;
	bool over; /* all its data are there, or it was given up */
};

struct receiver {
	const struct plan *plan;
	struct loom_port *port;
	struct loom_rxring rx;
	struct fec_code code;
	struct cell cells[WINDOW]; /* of block number % WINDOW: those from next - WINDOW on */
	uint64_t next;             /* block that has not begun */
	struct loom_frame frames[SLOTS];
	uint64_t of[SLOTS]; /* which block holds a slot, or NO_BLOCK */
	unsigned held;      /* slots, from the ring's head on */
	uint64_t damaged, again, lost, delivered, recovered, failed;
	uint8_t space[FEC_M_MAX * FEC_PACKET_MAX];
};

static void deliver(struct receiver *r, const struct fec_block *block)
{
	for (unsigned i = 0; i < block->k; i++) {
		uint64_t number = block->number * r->plan->k + i;
		uint16_t len = plan_len(r->plan, number);
		const struct loom_frame *packet = &block->packets[i];

		if (!packet->data)
			continue;
		if (packet->len != FEC_HEADER + len ||
		    !payload_is(packet->data + FEC_HEADER, len, number))
			errx(EXIT_WRONG, "payload %" PRIu64 " is not what was sent", number);
		r->delivered++;
	}
}

static void give_up(struct receiver *r, struct cell *cell)
{
	const struct fec_block *block = &cell->block;
	unsigned total = block->k + block->m;

	printf("block %u: %u of %u packets lost, %u can be recovered\n", block->number,
	    total - block->got, total, block->m);
	r->failed++;
	deliver(r, block);
	cell->over = true;
}

static void finish(struct receiver *r, struct cell *cell)
{
	struct fec_block *block = &cell->block;
	int recovered;

	code_for(&r->code, block->k, block->m);
	recovered = fec_recover(&r->code, block, r->space);
	cell->over = true;
	if (recovered < 0) {
		printf("block %u: its packets contradict each other\n", block->number);
		r->failed++;
		return;
	}
	r->recovered += (unsigned)recovered;
	deliver(r, block);
}

/* No more of its packets are waited for. */
static void cell_close(struct receiver *r, struct cell *cell)
{
	if (!cell->over)
		give_up(r, cell);
	r->lost += cell->block.k + cell->block.m - cell->block.got;
}

/* Move the window on, so that the block is in it. */
static void begin_until(struct receiver *r, uint64_t block)
{
	for (; r->next <= block; r->next++) {
		struct cell *cell = &r->cells[r->next % WINDOW];

		if (r->next >= WINDOW)
			cell_close(r, cell);
		cell->over = false;
		fec_block_begin(&cell->block, (uint32_t)r->next, plan_k(r->plan, r->next),
		    (unsigned)r->plan->m);
	}
}

/* @return the block that the packet must be kept for, or NO_BLOCK */
static uint64_t take(struct receiver *r, const struct loom_frame *packet)
{
	struct fec_header header;
	struct cell *cell;

	if (fec_open(packet, &header) < 0 || header.block >= plan_blocks(r->plan)) {
		r->damaged++;
		return NO_BLOCK;
	}
	begin_until(r, header.block);
	if (header.block + WINDOW < r->next)
		return NO_BLOCK; /* too late: it counts as lost already */
	cell = &r->cells[header.block % WINDOW];
	switch (fec_block_add(&cell->block, &header, packet)) {
	case 0:
		break;
	case -EEXIST:
		r->again++;
		return NO_BLOCK;
	default:
		r->damaged++;
		return NO_BLOCK;
	}
	if (!cell->over && cell->block.got == cell->block.k)
		finish(r, cell);
	return header.block;
}

static bool is_over(const struct receiver *r, uint64_t block)
{
	return block == NO_BLOCK || block + WINDOW < r->next || r->cells[block % WINDOW].over;
}

/* Slots go back in their order: the first one that is kept keeps those behind it. */
static unsigned release(struct receiver *r)
{
	unsigned n = 0;

	while (n < r->held && is_over(r, r->of[n]))
		n++;
	loom_release(&r->rx, n);
	r->held -= n;
	memmove(r->of, r->of + n, r->held * sizeof *r->of);
	return n;
}

/* All that is there; how many packets. */
static unsigned receive(struct receiver *r)
{
	unsigned n, came;

	if (loom_rx_sync(&r->rx) < 0)
		errx(1, "%s", loom_error());
	n = loom_peek(&r->rx, r->frames, SLOTS);
	came = n - r->held;
	for (; r->held < n; r->held++)
		r->of[r->held] = take(r, &r->frames[r->held]);
	if (release(r) == 0 && n + 1 == r->rx.num_slots) {
		/* Doubles fill the ring: nothing can come before the first block's packets go. */
		give_up(r, &r->cells[r->of[0] % WINDOW]);
		release(r);
	}
	return came;
}

/* ---- sending ---- */

struct sender {
	const struct plan *plan;
	struct loom_port *port;
	struct loom_txring tx;
	struct fec_code code;
	uint64_t sent;
};

static void send_now(const struct sender *s)
{
	if (loom_tx_sync(&s->tx) < 0)
		errx(1, "%s", loom_error());
}

/* A block into free slots, as many as it has packets. */
static void send_block(struct sender *s, uint64_t block, struct loom_frame *packets)
{
	code_for(&s->code, plan_k(s->plan, block), (unsigned)s->plan->m);
	for (unsigned i = 0; i < s->code.k; i++) {
		uint64_t number = block * s->plan->k + i;
		uint16_t len = plan_len(s->plan, number);

		if (packets[i].cap < FEC_HEADER + (uint32_t)len)
			errx(1, "a packet does not fit the ring's buffers");
		payload_fill(packets[i].data + FEC_HEADER, len, number);
		fec_data(&s->code, (uint32_t)block, i, &packets[i], len);
	}
	if (fec_parity(&s->code, (uint32_t)block, packets) < 0)
		errx(1, "a packet does not fit the ring's buffers");
	if (loom_commit(&s->tx, packets, s->code.k + s->code.m) < 0)
		errx(1, "%s", loom_error());
	s->sent += s->code.k + s->code.m;
	send_now(s);
}

static void wait_for_room(const struct sender *s)
{
	if (loom_port_wait(s->port, LOOM_TX, WAIT_MS) < 0) /* syncs, too */
		errx(1, "%s", loom_error());
}

/* What is on its way still. A wait would not sleep: packets that are kept make the ring ready. */
static void receive_rest(const struct sender *s, struct receiver *r)
{
	uint64_t quiet = now_ns();

	while (now_ns() - quiet < s->plan->quiet_ms * 1000000) {
		send_now(s);
		if (receive(r) > 0)
			quiet = now_ns();
		usleep(PAUSE_US);
	}
}

static void run(struct sender *s, struct receiver *r)
{
	const struct plan *plan = s->plan;
	struct loom_frame packets[FEC_TOTAL_MAX] = {0};

	for (uint64_t block = 0; block < plan_blocks(plan);) {
		unsigned total = plan_k(plan, block) + (unsigned)plan->m;

		if (loom_reserve(&s->tx, packets, total) == total)
			send_block(s, block++, packets);
		else
			wait_for_room(s);
		receive(r);
	}
	receive_rest(s, r);
	begin_until(r, plan_blocks(plan) - 1);
	for (uint64_t block = r->next > WINDOW ? r->next - WINDOW : 0; block < r->next; block++)
		cell_close(r, &r->cells[block % WINDOW]);
}

/* ---- the program ---- */

static void report(const struct sender *s, const struct receiver *r)
{
	static const char *const names[LOOM_FAULTS] = {
	    "loss", "corrupt", "dup", "reorder", "delay"};
	struct loom_stats stats;

	if (loom_port_stats(s->port, &stats, NULL) == 0) {
		printf("faults done:");
		for (unsigned i = 0; i < LOOM_FAULTS; i++)
			printf(" %s %" PRIu64, names[i], stats.faults[i]);
		putchar('\n');
	}
	printf("%" PRIu64 " packets sent: %" PRIu64 " lost or late; %" PRIu64
	       " came damaged, %" PRIu64 " late or twice\n",
	    s->sent, r->lost, r->damaged, r->again);
	printf("%" PRIu64 " payloads of %" PRIu64 " delivered and checked, %" PRIu64
	       " of them recovered; %" PRIu64 " blocks of %" PRIu64 " failed\n",
	    r->delivered, s->plan->payloads, r->recovered, r->failed, plan_blocks(s->plan));
}

static void open_ends(struct sender *s, struct receiver *r, const char *faults, const char *pipe)
{
	const struct loom_config *config = LOOM_CONFIG(.tx_slots = SLOTS, .rx_slots = SLOTS);
	char lossy[256];

	if (snprintf(lossy, sizeof lossy, "fault:%s@%s", faults, pipe) >= (int)sizeof lossy)
		errx(1, "the names are too long");
	if (loom_open(lossy, config, &s->port) < 0 || loom_tx(s->port, 0, &s->tx) < 0 ||
	    loom_open(pipe, config, &r->port) < 0 || loom_rx(r->port, 0, &r->rx) < 0)
		errx(1, "%s", loom_error());
	if (r->rx.num_slots > SLOTS || s->tx.num_slots <= FEC_TOTAL_MAX)
		errx(1, "%s has rings of another length than asked for", pipe);
}

int main(int argc, char **argv)
{
	static struct plan plan = {
	    .payloads = 100000, .k = 16, .m = 4, .len = 1400, .quiet_ms = 200};
	static struct sender sender = {.plan = &plan};
	static struct receiver receiver = {.plan = &plan};
	char own[32];
	const char *pipe = own, *faults = "loss=1,reorder=1,seed=1";
	const struct arg args[] = {
	    {"payloads", "payloads to send", .number = &plan.payloads, .min = 1, .max = UINT32_MAX},
	    {"data", "data packets in a block", .number = &plan.k, .min = 1, .max = FEC_K_MAX},
	    {"parity", "parity packets for them", .number = &plan.m, .min = 1, .max = FEC_M_MAX},
	    {"len", "bytes in the largest payload", .number = &plan.len, .min = PAYLOAD_MIN,
		.max = FEC_PACKET_MAX - FEC_HEADER},
	    {"faults", "what happens to packets", .text = &faults},
	    {"quiet", "ms without packets that end it", .number = &plan.quiet_ms, .max = 60000},
	    {"PIPE", "pipe to use", .text = &pipe},
	    {0},
	};

	snprintf(own, sizeof own, "pipe{fec%ld}", (long)getpid());
	args_parse(argc, argv,
	    "Sends packets over a pipe that loses some, and recovers them. Exit status 1: some "
	    "could "
	    "not be.",
	    args);
	open_ends(&sender, &receiver, faults, pipe);
	run(&sender, &receiver);
	report(&sender, &receiver);
	loom_close(sender.port);
	loom_close(receiver.port);
	return receiver.failed ? 1 : 0;
}
