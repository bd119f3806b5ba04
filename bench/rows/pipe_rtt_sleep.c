/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * How long does a round trip take when the end that waits sleeps until it is woken, against the
 * system's own bare wakeups: an eventfd that is read and written, and a pipe(2)? The better of the
 * two, by median, is the floor.
 */
#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <pktloom.h>

#include "../bench.h"

#define LEN     60u
#define WAIT_MS 20 /* how soon the server sees that a burst is over */

/* ---- ours ---- */

struct ours {
	struct loom_port *port;
	struct loom_txring tx;
	struct loom_rxring rx;
	uint64_t sequence;
};

static void *ours_open(const struct bench_row *row, unsigned side)
{
	struct ours *o = calloc(1, sizeof *o);

	(void)row;
	if (!o)
		bench_die("out of memory");
	if (loom_open(side == 0 ? "bench{1" : "bench}1", LOOM_CONFIG(.spin_us = LOOM_SPIN_NONE),
		&o->port) < 0)
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

static void ours_send(const struct ours *o, uint64_t number)
{
	uint8_t packet[LEN] = {0};

	memcpy(packet, &number, sizeof number);
	if (loom_send(&o->tx, packet, sizeof packet) != 1 || loom_tx_sync(&o->tx) < 0)
		bench_die("a ring that must have room has none");
}

/* A wait syncs: what it finds is there to be received. */
static bool ours_recv(const struct ours *o, uint64_t *number)
{
	struct loom_frame frame;
	int ready = loom_port_wait(o->port, LOOM_RX, WAIT_MS);

	if (ready < 0)
		bench_die("%s", loom_error());
	if (!loom_recv(&o->rx, &frame))
		return false;
	memcpy(number, frame.data, sizeof *number);
	return true;
}

static uint64_t ours_burst(void *end, unsigned side, struct bench_turn *turn)
{
	struct ours *o = end;
	uint64_t trips = 0, number;

	if (side == 1) {
		while (!bench_finished(turn, trips))
			if (ours_recv(o, &number)) {
				ours_send(o, number);
				trips++;
			}
		return trips;
	}
	while (!bench_over(turn)) {
		ours_send(o, ++o->sequence);
		while (!ours_recv(o, &number))
			;
		if (number != o->sequence)
			bench_die("packet %llu came back as %llu", (unsigned long long)o->sequence,
			    (unsigned long long)number);
		trips++;
	}
	bench_finish(turn, trips);
	return trips;
}

/* ---- the floors: two descriptors, blocking reads; the last message of a burst says so ---- */

struct wires {
	int in, out;
};

/* Made before the fork: eventfds first, then pipes; [0] to the server, [1] back. */
static int eventfds[2], pipes[2][2];

static void *wires_new(int in, int out)
{
	struct wires *w = malloc(sizeof *w);

	if (!w)
		bench_die("out of memory");
	*w = (struct wires){.in = in, .out = out};
	return w;
}

static void *eventfd_open(const struct bench_row *row, unsigned side)
{
	(void)row;
	return wires_new(eventfds[!side], eventfds[side]);
}

static void *pipe_open(const struct bench_row *row, unsigned side)
{
	(void)row;
	return wires_new(pipes[!side][0], pipes[side][1]);
}

static void wire_write(const struct wires *w, uint64_t word)
{
	while (write(w->out, &word, sizeof word) != (ssize_t)sizeof word)
		if (errno != EINTR)
			bench_die("write: %s", strerror(errno));
}

static uint64_t wire_read(const struct wires *w)
{
	uint64_t word = 0;

	while (read(w->in, &word, sizeof word) != (ssize_t)sizeof word)
		if (errno != EINTR)
			bench_die("read: %s", strerror(errno));
	return word;
}

static uint64_t wires_burst(void *end, unsigned side, struct bench_turn *turn)
{
	const struct wires *w = end;
	uint64_t trips = 0;

	if (side == 1) {
		while (wire_read(w) == 1) {
			wire_write(w, 1);
			trips++;
		}
		return trips;
	}
	for (; !bench_over(turn); trips++) {
		wire_write(w, 1);
		wire_read(w);
	}
	wire_write(w, 2);
	return trips;
}

static void wires_close(void *end)
{
	free(end);
}

int main(void)
{
	struct bench_row row = {
	    .name = "pipe_rtt_sleep",
	    .unit = "ns",
	    .question = "round trip by wakeup, the end that waits asleep",
	    .measured_side = 0,
	    .rounds = 40,
	    .burst_ms = 50,
	    .floors = 2,
	    .contenders = {{"pktloom", ours_open, ours_burst, ours_close},
		{"bare eventfd", eventfd_open, wires_burst, wires_close},
		{"bare pipe(2)", pipe_open, wires_burst, wires_close}},
	};

	for (int i = 0; i < 2; i++) {
		eventfds[i] = eventfd(0, 0);
		if (eventfds[i] < 0 || pipe(pipes[i]) != 0)
			bench_die("no descriptors: %s", strerror(errno));
	}
	bench_private_dir();
	return bench_main(&row);
}
