/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What does a loss in a hundred cost the sliding-window protocol? The same stream of packets over two fault
 * ports on pipes: one loses 1 % in each direction, the other one nothing. What has to be sent again takes its
 * share of the second one's rate; all else that the first one lacks is time in which the window stood
 * still.
 */
#include <string.h>

#include "../../examples/arq_link.h"
#include "../bench.h"

#define LEN  1440u
#define LOSS 1u /* percent */

static uint8_t source[LEN];

struct end {
	struct arq_link link;
	uint64_t count; /* packets sent or received, from the first burst on */
};

static struct end *end_open(const char *name)
{
	static const struct arq_config config = {.window = 4096, .most = LEN};
	struct end *end = malloc(sizeof *end);

	if (!end)
		bench_die("out of memory");
	*end = (struct end){.link = arq_link_open(name, &config)};
	return end;
}

static void *ours_open(const struct bench_row *row, unsigned side)
{
	(void)row;
	return end_open(side ? "pipe{lossy}" : "fault:loss=1@pipe{lossy}");
}

static void *whole_open(const struct bench_row *row, unsigned side)
{
	(void)row;
	return end_open(side ? "pipe{whole}" : "fault:loss=0@pipe{whole}");
}

static void *bare_open(const struct bench_row *row, unsigned side)
{
	(void)row;
	(void)side;
	return end_open("pipe{bare}");
}

/* Fills the window until the time is up, then waits until all of it has arrived, and is known to have. */
static void send_burst(struct end *end, struct bench_turn *turn)
{
	const struct arq_link *link = &end->link;

	while (!bench_over(turn)) {
		arq_link_input(link);
		for (int i = 0; i < ARQ_LINK_BATCH && arq_send(link->arq, source, LEN) == 1; i++)
			end->count++;
		arq_link_output(link);
	}
	while (arq_unacknowledged(link->arq) > 0) {
		arq_link_input(link);
		arq_link_output(link);
		if (arq_error(link->arq) < 0)
			bench_die("the receiver is silent");
	}
	bench_finish(turn, end->count);
}

static uint64_t receive_all(struct arq *arq)
{
	static uint8_t sink[LEN];
	const uint8_t *data;
	uint64_t n = 0;
	size_t len;

	for (; arq_recv(arq, &data, &len) == 1; n++) {
		memcpy(sink, data, len);
		__asm__ volatile("" : : "r"(sink) : "memory");
	}
	return n;
}

/* An acknowledgement may be lost, too: it answers until the sender has finished. */
static uint64_t receive_burst(struct end *end, struct bench_turn *turn)
{
	const struct arq_link *link = &end->link;
	uint64_t before = end->count, n;

	while (!bench_finished(turn, end->count)) {
		arq_link_input(link);
		n = receive_all(link->arq);
		end->count += n;
		if (n)
			turn->end_ns = bench_now_ns();
		arq_link_output(link);
	}
	return end->count - before;
}

static uint64_t ours_burst(void *end, unsigned side, struct bench_turn *turn)
{
	if (side == 1)
		return receive_burst(end, turn);
	send_burst(end, turn);
	return 0;
}

/* Less what would have to be sent again. */
static uint64_t floor_burst(void *end, unsigned side, struct bench_turn *turn)
{
	return ours_burst(end, side, turn) * (100 - LOSS) / 100;
}

static void end_close(void *arg)
{
	struct end *end = arg;

	arq_link_close(&end->link);
	free(end);
}

int main(void)
{
	struct bench_row row = {
	    .name = "arq_goodput_1pct",
	    .unit = "Mpps",
	    .question = "packets of 1,440 bytes, whole and in order, over a link that loses 1 %",
	    .measured_side = 1,
	    .rounds = 40,
	    .burst_ms = 100,
	    .polls = true,
	    .contenders = {{"sliding window, 1 % lost", ours_open, ours_burst, end_close},
		{"nothing lost, less 1 %", whole_open, floor_burst, end_close},
		{"the same without a fault port", bare_open, ours_burst, end_close}},
	};

	bench_private_dir();
	return bench_main(&row);
}
