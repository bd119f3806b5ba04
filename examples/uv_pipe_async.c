/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Two tasks of one libuv loop with a pipe between them: one sends as fast as its requests are finished, the
 * other checks what comes. Neither ever blocks, and the loop ends when both are through.
 */
#include <err.h>
#include <unistd.h>

#include <pktloom.h>
#include <pktloom/uv.h>

#include "common.h"

#define IN_FLIGHT 64
#define LEN_MAX   2048

struct sender {
	struct loom_uv uv;
	uint64_t next, count, len;
	struct loom_uv_send_req requests[IN_FLIGHT];
	uint8_t packets[IN_FLIGHT][LEN_MAX];
};

struct receiver {
	struct loom_uv uv;
	uint64_t received, count, len;
};

/* ---- the sending task ---- */

static void send_next(struct sender *sender, struct loom_uv_send_req *request);

static void sent(struct loom_uv_send_req *request, int status)
{
	if (status < 0)
		errx(1, "sending: %s", uv_strerror(status));
	send_next(request->data, request);
}

static void closed(struct loom_uv *uv)
{
	loom_close(uv->port);
}

static void send_next(struct sender *sender, struct loom_uv_send_req *request)
{
	uint8_t *packet = sender->packets[request - sender->requests];
	int status;

	if (sender->next == sender->count)
		return;
	payload_fill(packet, sender->len, sender->next++);
	request->data = sender;
	status = loom_uv_send(request, &sender->uv, 0, packet, sender->len, sent);
	if (status < 0)
		errx(1, "sending: %s", uv_strerror(status));
}

/* ---- the receiving task ---- */

static int received(struct loom_uv *uv, unsigned ring, const struct loom_frame *frames, int n)
{
	struct receiver *receiver = uv->data;

	(void)ring;
	if (n < 0)
		errx(1, "receiving: %s", uv_strerror(n));
	for (int i = 0; i < n; i++, receiver->received++)
		if (frames[i].len != receiver->len ||
		    !payload_is(frames[i].data, frames[i].len, receiver->received))
			errx(1, "packet %" PRIu64 " is not what was sent", receiver->received);
	if (receiver->received == receiver->count)
		loom_uv_close(uv, closed);
	return n;
}

/* ---- both ---- */

static void start(uv_loop_t *loop, struct loom_uv *uv, const char *pipe, void *task)
{
	struct loom_port *port;
	int status;

	if (loom_open(pipe, NULL, &port) < 0)
		errx(1, "%s", loom_error());
	status = loom_uv_init(loop, uv, port);
	if (status < 0)
		errx(1, "%s: %s", pipe, uv_strerror(status));
	uv->data = task;
}

int main(int argc, char **argv)
{
	static struct sender sender = {.count = 1000000, .len = 60};
	struct receiver receiver = {.received = 0};
	const struct arg args[] = {
	    {"count", "packets to send", .number = &sender.count, .min = 1},
	    {"len", "bytes in each", .number = &sender.len, .min = PAYLOAD_MIN, .max = LEN_MAX},
	    {0},
	};
	uv_loop_t *loop = uv_default_loop();
	char pipe[32];
	uint64_t begin;

	args_parse(argc, argv, "Sends packets from one task of a loop to another.", args);
	snprintf(pipe, sizeof pipe, "pipe{async-%ld}", (long)getpid());
	receiver.count = sender.count;
	receiver.len = sender.len;
	start(loop, &sender.uv, pipe, &sender);
	start(loop, &receiver.uv, pipe, &receiver);
	loom_uv_recv_start(&receiver.uv, received);
	begin = now_ns();
	for (unsigned i = 0; i < IN_FLIGHT; i++)
		send_next(&sender, &sender.requests[i]);
	uv_run(loop, UV_RUN_DEFAULT);
	print_rate("content and order checked", receiver.received, receiver.received * receiver.len,
	    now_ns() - begin);
	loom_uv_close(&sender.uv, closed);
	uv_run(loop, UV_RUN_DEFAULT);
	return uv_loop_close(loop) == 0 && receiver.received == receiver.count ? 0 : 1;
}
