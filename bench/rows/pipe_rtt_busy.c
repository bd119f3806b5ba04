/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * How long does a packet take from one core to another and back, both ends polling, against a bare
 * cache line that bounces? Nobody touches the payload: the line carries a number, the pipe a frame. The
 * third contender writes and reads 60 bytes at each end, which moves another line each way.
 */
#include <string.h>

#include <pktloom.h>

#include "../bench.h"

#define LEN 60u

/* ---- ours ---- */

struct ours {
	struct loom_port *port;
	struct loom_txring tx;
	struct loom_rxring rx;
	uint64_t sequence;
};

static void *ours_open_as(unsigned side, const char *master, const char *slave)
{
	struct ours *o = calloc(1, sizeof *o);

	if (!o)
		bench_die("out of memory");
	if (loom_open(side == 0 ? master : slave, NULL, &o->port) < 0)
		bench_die("%s", loom_error());
	if (loom_tx(o->port, 0, &o->tx) < 0 || loom_rx(o->port, 0, &o->rx) < 0)
		bench_die("%s", loom_error());
	return o;
}

static void *ours_open(const struct bench_row *row, unsigned side)
{
	(void)row;
	return ours_open_as(side, "bench{1", "bench}1");
}

static void *bare_open(const struct bench_row *row, unsigned side)
{
	(void)row;
	return ours_open_as(side, "bench{2", "bench}2");
}

static void ours_close(void *end)
{
	struct ours *o = end;

	loom_close(o->port);
	free(o);
}

static void ours_send(const struct ours *o, uint64_t number)
{
	uint8_t packet[LEN] = {0};

	memcpy(packet, &number, sizeof number);
	if (loom_send(&o->tx, packet, sizeof packet) != 1 || loom_tx_sync(&o->tx) < 0)
		bench_die("a ring that must have room has none");
}

static bool ours_recv(const struct ours *o, uint64_t *number)
{
	uint8_t packet[LEN];
	struct loom_frame frame;

	loom_rx_sync(&o->rx);
	if (!loom_recv(&o->rx, &frame))
		return false;
	memcpy(packet, frame.data, sizeof packet);
	memcpy(number, packet, sizeof *number);
	return true;
}

static uint64_t ours_client(struct ours *o, struct bench_turn *turn)
{
	uint64_t trips = 0, number;

	while (!bench_over(turn))
		for (int i = 0; i < 8; i++) {
			ours_send(o, ++o->sequence);
			while (!ours_recv(o, &number))
				;
			if (number != o->sequence)
				bench_die("packet %llu came back as %llu",
				    (unsigned long long)o->sequence, (unsigned long long)number);
			trips++;
		}
	bench_finish(turn, trips);
	return trips;
}

static uint64_t ours_server(struct ours *o, struct bench_turn *turn)
{
	uint64_t trips = 0, number;

	while (!bench_finished(turn, trips))
		if (ours_recv(o, &number)) {
			ours_send(o, number);
			trips++;
		}
	return trips;
}

static uint64_t ours_burst(void *end, unsigned side, struct bench_turn *turn)
{
	return side == 0 ? ours_client(end, turn) : ours_server(end, turn);
}

/* ---- ours, payload not touched ---- */

static void bare_send(const struct ours *o)
{
	struct loom_frame frame;

	if (loom_reserve(&o->tx, &frame, 1) != 1)
		bench_die("a ring that must have room has none");
	frame.len = LEN;
	loom_commit(&o->tx, &frame, 1);
	loom_tx_sync(&o->tx);
}

static bool bare_recv(const struct ours *o)
{
	struct loom_frame frame;

	loom_rx_sync(&o->rx);
	return loom_recv(&o->rx, &frame) == 1;
}

static uint64_t bare_burst(void *end, unsigned side, struct bench_turn *turn)
{
	const struct ours *o = end;
	uint64_t trips = 0;

	if (side == 1) {
		while (!bench_finished(turn, trips))
			if (bare_recv(o)) {
				bare_send(o);
				trips++;
			}
		return trips;
	}
	while (!bench_over(turn))
		for (int i = 0; i < 8; i++) {
			bare_send(o);
			while (!bare_recv(o))
				;
			trips++;
		}
	bench_finish(turn, trips);
	return trips;
}

/* ---- the floor ---- */

struct lines {
	uint64_t ping __attribute__((aligned(BENCH_LINE)));
	uint64_t pong __attribute__((aligned(BENCH_LINE)));
};

static void *line_open(const struct bench_row *row, unsigned side)
{
	(void)side;
	return row->memory;
}

static void line_close(void *end)
{
	(void)end;
}

static uint64_t line_client(struct lines *lines, struct bench_turn *turn)
{
	uint64_t number = lines->pong, trips = 0;

	while (!bench_over(turn))
		for (int i = 0; i < 8; i++) {
			__atomic_store_n(&lines->ping, ++number, __ATOMIC_RELEASE);
			while (__atomic_load_n(&lines->pong, __ATOMIC_ACQUIRE) != number)
				;
			trips++;
		}
	bench_finish(turn, trips);
	return trips;
}

static uint64_t line_server(struct lines *lines, struct bench_turn *turn)
{
	uint64_t seen = lines->pong, trips = 0;

	while (!bench_finished(turn, trips)) {
		uint64_t number = __atomic_load_n(&lines->ping, __ATOMIC_ACQUIRE);

		if (number == seen)
			continue;
		__atomic_store_n(&lines->pong, number, __ATOMIC_RELEASE);
		seen = number;
		trips++;
	}
	return trips;
}

static uint64_t line_burst(void *end, unsigned side, struct bench_turn *turn)
{
	return side == 0 ? line_client(end, turn) : line_server(end, turn);
}

int main(void)
{
	struct bench_row row = {
	    .name = "pipe_rtt_busy",
	    .unit = "ns",
	    .question = "round trip core to core and back, both ends polling",
	    .polls = true,
	    .measured_side = 0,
	    .contenders = {{"pktloom", bare_open, bare_burst, ours_close},
		{"bare cache-line bounce", line_open, line_burst, line_close},
		{"pktloom, 60 bytes of payload", ours_open, ours_burst, ours_close}},
	    .memory_size = sizeof(struct lines),
	};

	bench_private_dir();
	return bench_main(&row);
}
