/* SPDX-License-Identifier: BSD-2-Clause */
/* The receiving half of pipe_sender_process: checks order and content, and confirms the end. */
#include <err.h>

#include <pktloom.h>

#include "common.h"

struct tally {
	uint64_t packets, bytes, start;
	bool ended;
};

/* Take what the ring holds, in order, up to the end marker. */
static void receive_ready(struct loom_rxring *rx, struct tally *tally)
{
	struct loom_frame frame;

	while (!tally->ended && loom_recv(rx, &frame) == 1) {
		tally->ended =
		    frame.len == PAYLOAD_MIN && payload_number(frame.data) == PAYLOAD_END;
		if (tally->ended)
			break;
		if (frame.len < PAYLOAD_MIN || !payload_is(frame.data, frame.len, tally->packets))
			errx(1, "packet %" PRIu64 " is lost or not what was sent", tally->packets);
		tally->packets++;
		tally->bytes += frame.len;
	}
}

/* Synced packets outlive the end that sent them: the sender finds this one after we are gone. */
static void confirm(struct loom_port *port, uint64_t packets)
{
	struct loom_txring tx;

	if (loom_tx(port, 0, &tx) < 0 || loom_send(&tx, &packets, sizeof packets) != 1 ||
	    loom_tx_sync(&tx) < 0)
		errx(1, "cannot confirm: %s", loom_error());
}

int main(int argc, char **argv)
{
	const char *name = "pipe{demo}";
	uint64_t seconds = 30;
	const struct arg args[] = {
	    {"timeout", "seconds to wait for the next packet", .number = &seconds, .max = 3600},
	    {"PIPE", "pipe to use", .text = &name},
	    {0},
	};
	struct tally tally = {0};
	struct loom_port *port;
	struct loom_rxring rx;

	args_parse(argc, argv, "Receives and checks what pipe_sender_process sends.", args);
	if (loom_open(name, NULL, &port) < 0 || loom_rx(port, 0, &rx) < 0)
		errx(1, "%s", loom_error());
	while (!tally.ended) {
		int ready = loom_port_wait(port, LOOM_RX, (int)seconds * 1000);

		if (ready <= 0)
			errx(1, "after %" PRIu64 " packets: %s", tally.packets,
			    ready < 0 ? loom_error() : "no more came, and no end marker");
		if (!tally.start)
			tally.start = now_ns();
		receive_ready(&rx, &tally);
	}
	print_rate("receiver, content and order checked", tally.packets, tally.bytes,
	    now_ns() - tally.start);
	confirm(port, tally.packets);
	loom_close(port);
	return 0;
}
