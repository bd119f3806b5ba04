/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Answers ARP and ping on any port, as if a host with the given address were there. An answer is
 * written over its question, which loom_forward() then moves to the TX ring: within one port the
 * two rings share their buffers, so not a byte is copied.
 */
#include <err.h>
#include <errno.h>
#include <signal.h>

#include <pktloom.h>

#include "answer.h"
#include "common.h"

#define TICK_MS 200 /* how late a signal that just missed a wait is noticed */

struct responder {
	struct loom_port *port;
	struct loom_txring tx;
	struct loom_rxring rx;
	struct identity self;
	uint64_t limit, answered; /* limit 0: none */
	uint64_t counts[ANSWER_KINDS];
	bool in_chain;
};

static volatile sig_atomic_t stopped;

static void stop(int signal)
{
	(void)signal;
	stopped = 1;
}

static enum answer handle(struct responder *r, const struct loom_frame *frame)
{
	bool chained = r->in_chain || (frame->flags & NS_MOREFRAG);

	r->in_chain = (frame->flags & NS_MOREFRAG) != 0;
	return chained ? IGNORE_SLOTS : answer_frame(frame->data, frame->len, &r->self);
}

/* All that has come, as long as answers have room: what has none stays in the RX ring. */
static void handle_ready(struct responder *r)
{
	struct loom_frame frame;

	while ((!r->limit || r->answered < r->limit) && loom_tx_space(&r->tx) > 0 &&
	       loom_peek(&r->rx, &frame, 1) == 1) {
		enum answer answer = handle(r, &frame);

		if (answer >= ANSWERS)
			loom_release(&r->rx, 1);
		else
			r->answered += loom_forward(&r->rx, &r->tx, 1);
		r->counts[answer] += !r->in_chain; /* a packet's last slot counts it */
	}
}

static void run(struct responder *r, uint64_t deadline)
{
	while (!stopped && (!r->limit || r->answered < r->limit) && now_ns() < deadline) {
		int events = loom_tx_space(&r->tx) > 0 ? LOOM_RX : LOOM_TX;
		/* Waiting syncs both rings: the answers leave here. */
		int ready = loom_port_wait(r->port, events, TICK_MS);

		if (ready == -EINTR)
			continue;
		if (ready < 0)
			errx(1, "%s", loom_error());
		if (((unsigned)ready & LOOM_ERROR) &&
		    (loom_rx_sync(&r->rx) < 0 || loom_tx_sync(&r->tx) < 0))
			errx(1, "%s", loom_error());
		handle_ready(r);
	}
	if (loom_tx_sync(&r->tx) < 0)
		errx(1, "%s", loom_error());
}

static void print_summary(const struct responder *r)
{
	struct loom_stats tx, rx;
	uint64_t packets = 0;

	for (unsigned i = 0; i < ANSWER_KINDS; i++)
		packets += r->counts[i];
	printf("%" PRIu64 " packets, %" PRIu64 " answered:", packets, r->answered);
	for (unsigned i = 0; i < ANSWER_KINDS; i++)
		printf("%s %s %" PRIu64,
		    i == ANSWERS ? "; ignored:"
		    : i          ? ","
				 : "",
		    answer_name(i), r->counts[i]);
	printf("\ndropped by the port:");
	loom_port_stats(r->port, &tx, &rx);
	for (unsigned i = 0; i < LOOM_DROP_REASONS; i++)
		printf(
		    "%s %s %" PRIu64, i ? "," : "", loom_drop_name(i), (tx.drops[i] + rx.drops[i]));
	putchar('\n');
}

int main(int argc, char **argv)
{
	const char *name = NULL, *ip = "10.9.0.2";
	struct responder r = {0};
	uint64_t seconds = 0;
	const struct arg args[] = {
	    {"ip", "address to answer for", .text = &ip},
	    {"count", "end after so many answers; 0: never", .number = &r.limit},
	    {"seconds", "end after so long; 0: never", .number = &seconds, .max = 1000000},
	    {"PORT", "for example netmap:veth0", .text = &name},
	    {0},
	};
	struct sigaction action = {.sa_handler = stop};
	struct loom_info info;
	struct in_addr address;

	args_parse(argc, argv, "Answers ARP and ping until a signal or a limit ends it.", args);
	if (inet_pton(AF_INET, ip, &address) != 1)
		errx(2, "--ip %s is not an IPv4 address", ip);
	identity_set(&r.self, address);
	sigaction(SIGINT, &action, NULL);
	sigaction(SIGTERM, &action, NULL);
	if (loom_open(name, NULL, &r.port) < 0 || loom_tx(r.port, 0, &r.tx) < 0 ||
	    loom_rx(r.port, 0, &r.rx) < 0)
		errx(1, "%s", loom_error());
	loom_port_info(r.port, &info);
	printf("answering for %s on %s (%s, %s)\n", ip, name, info.kind, info.mode);
	fflush(stdout); /* scripts wait for this line */
	run(&r, seconds ? now_ns() + seconds * SECOND_NS : UINT64_MAX);
	print_summary(&r);
	loom_close(r.port);
	return 0;
}
