/* SPDX-License-Identifier: BSD-2-Clause */
/* pktloom recv: a sink that counts, and shows packets if asked. */
#include <err.h>

#include "command.h"
#include "traffic.h"

#define LINE_BYTES 16

struct sink {
	struct loom_port *port;
	struct loom_rxring *rings;
	unsigned num_rings;
	uint64_t count; /* 0: no limit */
	bool dump;
	struct traffic traffic;
};

static void print_line(const uint8_t *data, size_t at, size_t len)
{
	printf("%04zx ", at);
	for (size_t i = at; i < at + LINE_BYTES; i++)
		if (i < len)
			printf(" %02x", data[i]);
		else
			printf("   ");
	printf("  ");
	for (size_t i = at; i < at + LINE_BYTES && i < len; i++)
		putchar(data[i] >= ' ' && data[i] < 0x7f ? data[i] : '.');
	putchar('\n');
}

static void print_frame(const struct sink *sink, const struct loom_frame *frame, unsigned ring)
{
	printf("packet %" PRIu64 ", ring %u, %u bytes%s\n", sink->traffic.packets, ring, frame->len,
	    frame->flags & NS_MOREFRAG ? ", more follow" : "");
	for (size_t at = 0; at < frame->len; at += LINE_BYTES)
		print_line(frame->data, at, frame->len);
}

static bool wants_more(const struct sink *sink)
{
	return !sink->count || sink->traffic.packets < sink->count;
}

static void receive_ready(struct sink *sink, unsigned ring)
{
	struct loom_frame frame;

	while (wants_more(sink) && loom_recv(&sink->rings[ring], &frame) == 1) {
		if (sink->dump)
			print_frame(sink, &frame, ring);
		sink->traffic.bytes += frame.len;
		sink->traffic.packets += !(frame.flags & NS_MOREFRAG);
	}
}

/* Every ring that the name binds. */
static void port_open(struct sink *sink, const char *name)
{
	unsigned rings;

	if (loom_open(name, NULL, &sink->port) < 0)
		errx(1, "%s", loom_error());
	rings = loom_rx_rings(sink->port) + loom_host_rx_rings(sink->port);
	sink->rings = calloc(rings, sizeof *sink->rings);
	if (!sink->rings)
		errx(1, "no memory for %u rings", rings);
	for (unsigned i = 0; i < rings; i++)
		if (loom_rx(sink->port, i, &sink->rings[sink->num_rings]) == 0)
			sink->num_rings++;
	if (sink->num_rings == 0)
		errx(1, "%s", loom_error());
}

int command_recv(int argc, char **argv)
{
	struct sink sink = {0};
	const char *name = NULL;
	uint64_t seconds = 0;
	const struct arg args[] = {
	    {"count", "end after so many packets; 0: never", .number = &sink.count},
	    {"seconds", "end after so long; 0: never", .number = &seconds, .max = 1000000},
	    {"x", "show the packets", .flag = &sink.dump},
	    {"NAME", "port to receive from", .text = &name},
	    {0},
	};
	bool complete;

	args_parse(argc, argv, "Receives and counts packets until a signal or a limit.", args);
	port_open(&sink, name);
	traffic_begin(&sink.traffic, seconds);
	while (traffic_goes_on(&sink.traffic) && wants_more(&sink)) {
		traffic_wait(sink.port, LOOM_RX);
		if (sink.traffic.packets == 0)
			traffic_restart(&sink.traffic); /* waiting for the first is no part of it */
		for (unsigned i = 0; i < sink.num_rings; i++)
			receive_ready(&sink, i);
	}
	traffic_end(&sink.traffic);
	for (unsigned i = 0; i < sink.num_rings; i++)
		loom_rx_sync(&sink.rings[i]); /* give back what was taken last */
	traffic_print(&sink.traffic, sink.port, false);
	complete = !sink.count || sink.traffic.packets == sink.count;
	loom_close(sink.port);
	free(sink.rings);
	return complete ? 0 : 1;
}
