/* SPDX-License-Identifier: BSD-2-Clause */
/* Open a port whose packets come back, send, sync, receive. */
#include <err.h>

#include <pktloom.h>

#include "common.h"

/* Take what came back; false when it is not what was sent. */
static bool receive_all(struct loom_rxring *rx, uint64_t *received)
{
	struct loom_frame frame;
	char expected[32];

	while (loom_recv(rx, &frame) == 1) {
		int len = snprintf(expected, sizeof expected, "hello %" PRIu64, *received);

		if (frame.len != (uint32_t)len || memcmp(frame.data, expected, (size_t)len) != 0)
			return false;
		++*received;
	}
	return true;
}

int main(int argc, char **argv)
{
	const char *name = "loop:basic";
	uint64_t count = 1000, sent = 0, received = 0;
	const struct arg args[] = {
	    {"count", "packets to send", .number = &count, .min = 1},
	    {"PORT", "a port whose packets come back", .text = &name},
	    {0},
	};
	uint64_t deadline = now_ns() + 10ull * SECOND_NS;
	struct loom_port *port;
	struct loom_txring tx;
	struct loom_rxring rx;
	char text[32];

	args_parse(argc, argv, "Sends packets through a port and receives them back.", args);
	if (loom_open(name, NULL, &port) < 0 || loom_tx(port, 0, &tx) < 0 ||
	    loom_rx(port, 0, &rx) < 0)
		errx(1, "%s", loom_error());
	while (received < count && now_ns() < deadline) {
		while (sent < count) {
			int len = snprintf(text, sizeof text, "hello %" PRIu64, sent);

			if (loom_send(&tx, text, (size_t)len) != 1)
				break; /* full: sync, receive, then go on */
			sent++;
		}
		if (loom_tx_sync(&tx) < 0 || loom_rx_sync(&rx) < 0)
			errx(1, "%s", loom_error());
		if (!receive_all(&rx, &received))
			errx(1, "packet %" PRIu64 " is not what was sent", received);
	}
	loom_close(port);
	printf("%s: sent %" PRIu64 " packets, received %" PRIu64 " back\n", name, sent, received);
	return received == count ? 0 : 1;
}
