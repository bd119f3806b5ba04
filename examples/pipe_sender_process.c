/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The sending half of two programs that meet in a pipe; pipe_receiver_process is the other, and
 * either may start first. An end that closes takes its last unsynced packets with it, and a pipe
 * without users is gone: so the sender stays until the receiver has confirmed what it got.
 */
#include <err.h>

#include <pktloom.h>

#include "common.h"

struct sender {
	struct loom_port *port;
	struct loom_txring tx;
	uint64_t start;   /* of sending, or when the receiver first made room */
	uint64_t timeout; /* in seconds */
	bool waited;
};

static void wait_for(const struct sender *sender, int events)
{
	int ready = loom_port_wait(sender->port, events, (int)sender->timeout * 1000);

	if (ready < 0)
		errx(1, "%s", loom_error());
	if (ready == 0)
		errx(1, "%s for %" PRIu64 " s: where is the receiver?",
		    events == LOOM_TX ? "no room to send" : "no answer", sender->timeout);
}

static void send_one(struct sender *sender, const uint8_t *data, size_t len)
{
	while (loom_send(&sender->tx, data, len) == 0) {
		wait_for(sender, LOOM_TX); /* syncs, too */
		if (!sender->waited)
			sender->start = now_ns();
		sender->waited = true;
	}
}

/* The receiver's answer to the end marker: how many packets it got. */
static uint64_t receive_confirmation(const struct sender *sender)
{
	struct loom_rxring rx;
	struct loom_frame frame;

	if (loom_rx(sender->port, 0, &rx) < 0)
		errx(1, "%s", loom_error());
	while (loom_recv(&rx, &frame) == 0)
		wait_for(sender, LOOM_RX);
	return frame.len == PAYLOAD_MIN ? payload_number(frame.data) : 0;
}

int main(int argc, char **argv)
{
	const char *name = "pipe{demo}";
	uint64_t count = 10000000, len = 60, confirmed;
	struct sender sender = {.timeout = 30};
	const struct arg args[] = {
	    {"count", "packets to send", .number = &count, .min = 1},
	    {"len", "bytes in each", .number = &len, .min = PAYLOAD_MIN, .max = 2048},
	    {"timeout", "seconds to wait for the receiver", .number = &sender.timeout, .max = 3600},
	    {"PIPE", "pipe to use", .text = &name},
	    {0},
	};
	uint8_t data[2048];

	args_parse(argc, argv, "Sends numbered packets to pipe_receiver_process.", args);
	if (loom_open(name, NULL, &sender.port) < 0 || loom_tx(sender.port, 0, &sender.tx) < 0)
		errx(1, "%s", loom_error());
	sender.start = now_ns();
	for (uint64_t i = 0; i < count; i++) {
		payload_fill(data, len, i);
		send_one(&sender, data, len);
		if (i % 64 == 63)
			loom_tx_sync(&sender.tx); /* the receiver works while we go on */
	}
	payload_fill(data, PAYLOAD_MIN, PAYLOAD_END);
	send_one(&sender, data, PAYLOAD_MIN);
	confirmed = receive_confirmation(&sender);
	loom_close(sender.port);
	print_rate("sender", count, count * len, now_ns() - sender.start);
	if (confirmed != count)
		errx(1, "the receiver got %" PRIu64 " packets of %" PRIu64, confirmed, count);
	return 0;
}
