/* SPDX-License-Identifier: BSD-2-Clause */
/* A program outside the tree: built against the installed headers, library and pkg-config file. */
#include <pktloom.h>
#include <stdio.h>

int main(void)
{
	struct loom_port *port;
	struct loom_txring tx;
	struct loom_rxring rx;
	struct loom_frame frame;

	if (loom_open("loop:installed", LOOM_CONFIG(.tx_slots = 64), &port) < 0 ||
	    loom_tx(port, 0, &tx) < 0 || loom_rx(port, 0, &rx) < 0) {
		fprintf(stderr, "%s\n", loom_error());
		return 1;
	}
	if (loom_send(&tx, "hello", 5) != 1 || loom_tx_sync(&tx) < 0 || loom_rx_sync(&rx) < 0 ||
	    loom_recv(&rx, &frame) != 1 || frame.len != 5) {
		fprintf(stderr, "the packet did not come back\n");
		return 1;
	}
	loom_close(port);
	return 0;
}
