/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the host sends by an interface, taken before it leaves: the host RX ring. As on netmap, the
 * host's packets come here only while somebody uses a TX ring of the interface itself, so that one is opened,
 * too; and what is taken and not forwarded is gone, until this program ends.
 */
#include <err.h>
#include <signal.h>

#include <pktloom.h>

#include "common.h"

#define TICK_MS 200 /* how late a signal or the time limit is noticed */

static volatile sig_atomic_t stopped;

static void stop(int signal)
{
	(void)signal;
	stopped = 1;
}

static struct loom_port *open_part(const char *interface, const char *part)
{
	struct loom_port *port;
	char name[128];

	snprintf(name, sizeof name, "%s%s", interface, part);
	if (loom_open(name, NULL, &port) < 0)
		errx(1, "%s", loom_error());
	return port;
}

static void print_packet(const struct loom_frame *frame)
{
	const uint8_t *to = frame->data, *from = to + 6, *type = to + 12;

	if (frame->len < 14)
		return;
	printf("%u bytes, type %02x%02x, from %02x:%02x:%02x:%02x:%02x:%02x to "
	       "%02x:%02x:%02x:%02x:%02x:%02x\n",
	    frame->len, type[0], type[1], from[0], from[1], from[2], from[3], from[4], from[5],
	    to[0], to[1], to[2], to[3], to[4], to[5]);
	fflush(stdout);
}

/* Host rings are numbered behind the interface's own, also where those are not bound. */
static uint64_t receive(struct loom_port *host, uint64_t count, uint64_t deadline)
{
	struct loom_rxring rx;
	struct loom_frame frame;
	uint64_t received = 0;

	if (loom_rx(host, loom_rx_rings(host), &rx) < 0)
		errx(1, "%s", loom_error());
	while (!stopped && received < count && now_ns() < deadline) {
		if (loom_rx_sync(&rx) < 0)
			errx(1, "%s", loom_error());
		if (loom_rx_space(&rx) == 0)
			loom_port_wait(host, LOOM_RX, TICK_MS);
		for (; received < count && loom_recv(&rx, &frame) == 1; received++)
			print_packet(&frame);
	}
	return received;
}

int main(int argc, char **argv)
{
	const char *name = "";
	uint64_t count = 10, seconds = 60, received;
	const struct arg args[] = {
	    {"count", "end after so many packets", .number = &count, .min = 1},
	    {"seconds", "end after so long", .number = &seconds, .max = 1000000},
	    {"INTERFACE", "for example netmap:veth0", .text = &name},
	    {0},
	};
	struct sigaction action = {.sa_handler = stop};
	struct loom_port *nic, *host;

	args_parse(argc, argv, "Shows what the host would send by an interface.", args);
	sigaction(SIGINT, &action, NULL);
	sigaction(SIGTERM, &action, NULL);
	nic = open_part(name, "/T");
	host = open_part(name, "^/R");
	printf("taking what the host sends by %s\n", name);
	fflush(stdout); /* scripts wait for this line */
	received = receive(host, count, now_ns() + seconds * SECOND_NS);
	printf("%" PRIu64 " packets from the host\n", received);
	loom_close(host);
	loom_close(nic);
	return received == count ? 0 : 1;
}
