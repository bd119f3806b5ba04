/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * How long does a round trip over a pipe take in a libuv loop that has both ends, against the least that
 * such a loop can do: two eventfds, each with a bare poll handle, read and written in turns?
 */
#include <errno.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <pktloom.h>
#include <pktloom/uv.h>

#include "../bench.h"

#define LEN   60u
#define STEPS 32u /* trips between looks at the clock */

/* ---- ours ---- */

struct ours {
	uv_loop_t loop;
	struct loom_port *ports[2];
	struct loom_uv ends[2];
	struct loom_uv_send_req requests[2];
	uint8_t packets[2][LEN];
	const struct bench_turn *turn;
	uint64_t trips;
};

static void ours_send(struct ours *o, unsigned end, uint64_t number)
{
	memcpy(o->packets[end], &number, sizeof number);
	if (loom_uv_send(&o->requests[end], &o->ends[end], 0, o->packets[end], LEN, NULL) != 0)
		bench_die("%s", loom_error());
}

static uint64_t ours_number(const struct loom_frame *frames, int n)
{
	uint64_t number;

	if (n != 1 || frames[0].len != LEN)
		bench_die("%d packets came at once", n);
	memcpy(&number, frames[0].data, sizeof number);
	return number;
}

static int ours_back(struct loom_uv *uv, unsigned ring, const struct loom_frame *frames, int n)
{
	struct ours *o = uv->data;
	uint64_t number = ours_number(frames, n);

	(void)ring;
	if (number != o->trips)
		bench_die("packet %llu came back as %llu", (unsigned long long)o->trips,
		    (unsigned long long)number);
	o->trips++;
	if (o->trips % STEPS == 0 && bench_over(o->turn))
		uv_stop(&o->loop);
	else
		ours_send(o, 0, o->trips);
	return n;
}

static int ours_echo(struct loom_uv *uv, unsigned ring, const struct loom_frame *frames, int n)
{
	(void)ring;
	ours_send(uv->data, 1, ours_number(frames, n));
	return n;
}

static void *ours_open(const struct bench_row *row, unsigned side)
{
	struct ours *o = calloc(1, sizeof *o);

	(void)row;
	(void)side;
	if (!o)
		bench_die("out of memory");
	if (uv_loop_init(&o->loop) != 0)
		bench_die("no loop");
	for (unsigned i = 0; i < 2; i++) {
		if (loom_open("pipe{bench}", NULL, &o->ports[i]) < 0 ||
		    loom_uv_init(&o->loop, &o->ends[i], o->ports[i]) != 0 ||
		    loom_uv_recv_start(&o->ends[i], i == 0 ? ours_back : ours_echo) != 0)
			bench_die("%s", loom_error());
		o->ends[i].data = o;
	}
	return o;
}

static uint64_t ours_burst(void *end, unsigned side, struct bench_turn *turn)
{
	struct ours *o = end;

	(void)side;
	o->turn = turn;
	o->trips = 0;
	ours_send(o, 0, 0);
	uv_run(&o->loop, UV_RUN_DEFAULT);
	return o->trips;
}

static void ours_close(void *end)
{
	struct ours *o = end;

	for (unsigned i = 0; i < 2; i++)
		loom_uv_close(&o->ends[i], NULL);
	uv_run(&o->loop, UV_RUN_DEFAULT);
	if (uv_loop_close(&o->loop) != 0)
		bench_die("the loop has handles left");
	for (unsigned i = 0; i < 2; i++)
		loom_close(o->ports[i]);
	free(o);
}

/* ---- the floor ---- */

struct bare {
	uv_loop_t loop;
	int fds[2];
	uv_poll_t ends[2];
	const struct bench_turn *turn;
	uint64_t trips;
};

static void bare_signal(int fd)
{
	const uint64_t one = 1;

	if (write(fd, &one, sizeof one) != (ssize_t)sizeof one)
		bench_die("write: %s", strerror(errno));
}

static void bare_take(int fd)
{
	uint64_t word;

	if (read(fd, &word, sizeof word) != (ssize_t)sizeof word || word != 1)
		bench_die("an eventfd was not signalled once");
}

static void bare_back(uv_poll_t *handle, int status, int events)
{
	struct bare *b = handle->data;

	(void)status;
	(void)events;
	bare_take(b->fds[0]);
	b->trips++;
	if (b->trips % STEPS == 0 && bench_over(b->turn))
		uv_stop(&b->loop);
	else
		bare_signal(b->fds[1]);
}

static void bare_echo(uv_poll_t *handle, int status, int events)
{
	struct bare *b = handle->data;

	(void)status;
	(void)events;
	bare_take(b->fds[1]);
	bare_signal(b->fds[0]);
}

static void *bare_open(const struct bench_row *row, unsigned side)
{
	struct bare *b = calloc(1, sizeof *b);

	(void)row;
	(void)side;
	if (!b)
		bench_die("out of memory");
	if (uv_loop_init(&b->loop) != 0)
		bench_die("no loop");
	for (unsigned i = 0; i < 2; i++) {
		b->fds[i] = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
		if (b->fds[i] < 0 || uv_poll_init(&b->loop, &b->ends[i], b->fds[i]) != 0 ||
		    uv_poll_start(&b->ends[i], UV_READABLE, i == 0 ? bare_back : bare_echo) != 0)
			bench_die("no eventfd in a loop: %s", strerror(errno));
		b->ends[i].data = b;
	}
	return b;
}

static uint64_t bare_burst(void *end, unsigned side, struct bench_turn *turn)
{
	struct bare *b = end;

	(void)side;
	b->turn = turn;
	b->trips = 0;
	bare_signal(b->fds[1]);
	uv_run(&b->loop, UV_RUN_DEFAULT);
	return b->trips;
}

static void bare_close(void *end)
{
	struct bare *b = end;

	for (unsigned i = 0; i < 2; i++)
		uv_close((uv_handle_t *)&b->ends[i], NULL);
	uv_run(&b->loop, UV_RUN_DEFAULT);
	if (uv_loop_close(&b->loop) != 0)
		bench_die("the loop has handles left");
	for (unsigned i = 0; i < 2; i++)
		close(b->fds[i]);
	free(b);
}

int main(void)
{
	struct bench_row row = {
	    .name = "uv_rtt",
	    .unit = "ns",
	    .question = "round trip over a pipe in one libuv loop",
	    .rounds = 100,
	    .burst_ms = 10,
	    .alone = true,
	    .polls = true,
	    .contenders = {{"pktloom", ours_open, ours_burst, ours_close},
		{"bare poll handles on eventfds", bare_open, bare_burst, bare_close}},
	};

	bench_private_dir();
	return bench_main(&row);
}
