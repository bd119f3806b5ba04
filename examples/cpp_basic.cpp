/* SPDX-License-Identifier: BSD-2-Clause */
/* The C API as it is, from C++: a configuration by field name, send, sync, receive. */
#include <cstdio>
#include <string>

#include <pktloom.h>

static int fail()
{
	std::fprintf(stderr, "%s\n", loom_error());
	return 1;
}

int main(int argc, char **argv)
{
	const std::string sent = "hello from C++";
	const char *name = argc > 1 ? argv[1] : "loop:cpp";
	loom_port *port;
	loom_txring tx;
	loom_rxring rx;
	loom_frame frame;

	if (name[0] == '-') {
		std::printf("usage: %s [PORT]\n\nSends a packet through a port and gets it back.\n",
		    argv[0]);
		return 0;
	}
	if (loom_open(name, LOOM_CONFIG(.tx_rings = 1, .tx_slots = 64), &port) < 0)
		return fail();
	if (loom_tx(port, 0, &tx) < 0 || loom_rx(port, 0, &rx) < 0)
		return fail();
	if (loom_send(&tx, sent.data(), sent.size()) != 1 || loom_tx_sync(&tx) < 0 ||
	    loom_rx_sync(&rx) < 0)
		return fail();
	std::string received;
	if (loom_recv(&rx, &frame) == 1)
		received.assign(frame.data, frame.data + frame.len);
	loom_close(port);
	std::printf("%s: \"%s\"\n", name, received.c_str());
	return received == sent ? 0 : 1;
}
