/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Sends back what comes, in a libuv loop: on the port that is named, until a signal; or, without a
 * name, to a client that it runs itself in a thread.
 *
 * The echo has a few requests only. When all of them wait for room, it takes no more packets, which
 * stay in the ring and hold up the sender; a finished request makes it go on.
 */
#include <err.h>
#include <pthread.h>
#include <signal.h>
#include <unistd.h>

#include <pktloom.h>
#include <pktloom/uv.h>

#include "common.h"

#define REQUESTS   32
#define LEN_MAX    65536
#define TIMEOUT_MS 5000

struct echo {
	struct loom_uv uv;
	uv_signal_t stop;
	uint64_t echoed, limit; /* 0: no limit */
	struct loom_uv_send_req *free, requests[REQUESTS];
	uint8_t packets[REQUESTS][LEN_MAX];
};

static void echo_free(struct echo *echo, struct loom_uv_send_req *request)
{
	request->data = echo->free;
	echo->free = request;
}

static void closed(struct loom_uv *uv)
{
	loom_close(uv->port);
}

static void stop(struct echo *echo)
{
	loom_uv_close(&echo->uv, closed);
	uv_close((uv_handle_t *)&echo->stop, NULL);
}

static int received(struct loom_uv *uv, unsigned ring, const struct loom_frame *frames, int n);

static void sent(struct loom_uv_send_req *request, int status)
{
	struct echo *echo = request->uv->data;

	echo_free(echo, request);
	if (loom_uv_is_closing(&echo->uv))
		return;
	if (status < 0)
		errx(1, "sending: %s", uv_strerror(status));
	if (++echo->echoed == echo->limit)
		stop(echo);
	else
		loom_uv_recv_start(
		    &echo->uv, received); /* there may be packets that it did not take */
}

/* Frames of one packet, so that a chain comes back as it was. */
static int packet_frames(const struct loom_frame *frames, int n)
{
	int last = 0;

	while (last + 1 < n && (frames[last].flags & NS_MOREFRAG))
		last++;
	return last + 1;
}

static int echo_packet(struct echo *echo, unsigned ring, const struct loom_frame *frames, int n)
{
	struct loom_uv_send_req *request = echo->free;
	uint8_t *packet = echo->packets[request - echo->requests];
	size_t len = 0;

	for (int i = 0; i < n && len + frames[i].len <= LEN_MAX; i++) {
		memcpy(packet + len, frames[i].data, frames[i].len);
		len += frames[i].len;
	}
	echo->free = request->data;
	if (loom_uv_send(request, &echo->uv, ring, packet, len, sent) < 0)
		echo_free(echo, request); /* larger than the port can send */
	return n;
}

static int received(struct loom_uv *uv, unsigned ring, const struct loom_frame *frames, int n)
{
	struct echo *echo = uv->data;
	int took = 0;

	if (n < 0)
		errx(1, "receiving: %s", uv_strerror(n));
	while (took < n && echo->free)
		took +=
		    echo_packet(echo, ring, frames + took, packet_frames(frames + took, n - took));
	return took;
}

static void on_signal(uv_signal_t *signal, int number)
{
	(void)number;
	stop(signal->data);
}

static void echo_run(struct echo *echo, struct loom_port *port)
{
	uv_loop_t loop;

	if (uv_loop_init(&loop) != 0 || loom_uv_init(&loop, &echo->uv, port) != 0 ||
	    uv_signal_init(&loop, &echo->stop) != 0)
		errx(1, "no loop");
	echo->uv.data = echo->stop.data = echo;
	for (unsigned i = 0; i < REQUESTS; i++)
		echo_free(echo, &echo->requests[i]);
	loom_uv_recv_start(&echo->uv, received);
	uv_signal_start(&echo->stop, on_signal, SIGINT);
	uv_run(&loop, UV_RUN_DEFAULT);
	if (uv_loop_close(&loop) != 0)
		errx(1, "the loop has handles left");
	printf("echoed %" PRIu64 " packets\n", echo->echoed);
}

/* ---- the client: plain verbs, in a thread ---- */

struct client {
	struct loom_port *port;
	uint64_t count;
};

static void client_check(struct loom_rxring *rx, uint64_t *checked)
{
	struct loom_frame frame;

	for (; loom_recv(rx, &frame) == 1; ++*checked)
		if (frame.len != 60 || !payload_is(frame.data, frame.len, *checked))
			errx(1, "packet %" PRIu64 " came back as another one", *checked);
}

static void *client_run(void *arg)
{
	const struct client *client = arg;
	uint64_t sent_count = 0, checked = 0;
	struct loom_txring tx;
	struct loom_rxring rx;
	uint8_t packet[60];

	if (loom_tx(client->port, 0, &tx) < 0 || loom_rx(client->port, 0, &rx) < 0)
		errx(1, "%s", loom_error());
	while (checked < client->count) {
		while (sent_count < client->count && loom_tx_space(&tx) > 0) {
			payload_fill(packet, sizeof packet, sent_count++);
			loom_send(&tx, packet, sizeof packet);
		}
		/* With more to send, room is news as well: the echo may have answered all there was. */
		if (loom_port_wait(client->port,
			sent_count < client->count ? LOOM_RX | LOOM_TX : LOOM_RX, TIMEOUT_MS) <= 0)
			errx(1, "the echo is silent");
		client_check(&rx, &checked);
	}
	loom_rx_sync(&rx);
	return NULL;
}

int main(int argc, char **argv)
{
	static struct echo echo;
	struct client client = {.count = 100000};
	const char *name = "";
	const struct arg args[] = {
	    {"count", "packets that its own client sends", .number = &client.count, .min = 1},
	    {"PORT", "port to serve, without a client", .text = &name},
	    {0},
	};
	struct loom_port *port;
	pthread_t thread;
	char own[32];

	args_parse(argc, argv, "Sends back what comes.", args);
	snprintf(own, sizeof own, "pipe{echo-%ld}", (long)getpid());
	if (loom_open(*name ? name : own, NULL, &port) < 0 ||
	    (!*name && loom_open(own, NULL, &client.port) < 0))
		errx(1, "%s", loom_error());
	if (*name) {
		echo_run(&echo, port);
		return 0;
	}
	echo.limit = client.count;
	if (pthread_create(&thread, NULL, client_run, &client) != 0)
		errx(1, "cannot start a thread");
	echo_run(&echo, port);
	pthread_join(thread, NULL);
	loom_close(client.port);
	return 0;
}
