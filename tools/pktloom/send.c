/* SPDX-License-Identifier: BSD-2-Clause */
/* pktloom send: a simple generator of numbered Ethernet frames. */
#include <err.h>
#include <time.h>

#include "command.h"
#include "traffic.h"

#define BATCH     64u
#define LINGER_MS 1000

/* Locally administered addresses, the EtherType for experiments; the number follows. */
static const uint8_t header[] = {2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2, 0x88, 0xb5};

#define LEN_MIN (sizeof header + sizeof(uint64_t))

struct generator {
	struct loom_port *port;
	struct loom_txring tx;
	uint64_t count, rate, len; /* count, rate 0: no limit */
	uint8_t *packet;
	struct traffic traffic;
};

static void packet_number(struct generator *g)
{
	uint64_t number = g->traffic.packets;

	for (unsigned i = 0; i < sizeof number; i++)
		g->packet[sizeof header + i] = (uint8_t)(number >> (56 - 8 * i));
}

/* How many packets may go now without being ahead of the rate. */
static uint64_t packets_due(const struct generator *g)
{
	uint64_t sent = g->traffic.packets;
	uint64_t left = g->count ? g->count - sent : UINT64_MAX, due = BATCH;

	if (g->rate) {
		double seconds = (double)(traffic_now_ns() - g->traffic.start_ns) / 1e9;
		uint64_t total = (uint64_t)(seconds * (double)g->rate) + 1;

		due = total > sent ? total - sent : 0;
	}
	due = due < BATCH ? due : BATCH;
	return due < left ? due : left;
}

static void send_batch(struct generator *g, uint64_t n)
{
	for (; n > 0; n--) {
		int queued;

		packet_number(g);
		queued = loom_send(&g->tx, g->packet, g->len);
		if (queued < 0)
			errx(1, "%s", loom_error());
		if (queued == 0)
			break;
		g->traffic.packets++;
		g->traffic.bytes += g->len;
	}
	if (loom_tx_sync(&g->tx) < 0)
		errx(1, "%s", loom_error());
	if (n > 0)
		traffic_wait(g->port, LOOM_TX);
}

static void generate(struct generator *g)
{
	const struct timespec pause = {.tv_nsec = 50000};

	while (traffic_goes_on(&g->traffic) && (!g->count || g->traffic.packets < g->count)) {
		uint64_t n = packets_due(g);

		if (n > 0)
			send_batch(g, n);
		else
			nanosleep(&pause, NULL);
	}
}

/* Closing would discard what is still in the ring: see it off. Returns how much stays. */
static unsigned linger(struct generator *g)
{
	const struct timespec pause = {.tv_nsec = 1000000};
	unsigned left = 0;

	for (int ms = 0; ms < LINGER_MS; ms++) {
		if (loom_tx_sync(&g->tx) < 0)
			errx(1, "%s", loom_error());
		left = g->tx.num_slots - 1 - loom_tx_space(&g->tx);
		if (left == 0)
			break;
		nanosleep(&pause, NULL);
	}
	return left;
}

static void port_open(struct generator *g, const char *name)
{
	unsigned rings, i = 0;

	if (loom_open(name, NULL, &g->port) < 0)
		errx(1, "%s", loom_error());
	/* The first ring that the name binds: it may leave some out. */
	rings = loom_tx_rings(g->port) + loom_host_tx_rings(g->port);
	while (loom_tx(g->port, i, &g->tx) < 0)
		if (++i >= rings)
			errx(1, "%s", loom_error());
}

int command_send(int argc, char **argv)
{
	struct generator g = {.count = 1000, .len = 60};
	const char *name = NULL;
	uint64_t seconds = 0;
	const struct arg args[] = {
	    {"count", "packets to send; 0: until a signal", .number = &g.count},
	    {"len", "bytes in each", .number = &g.len, .min = LEN_MIN, .max = 65535},
	    {"rate", "packets a second; 0: as many as go", .number = &g.rate},
	    {"seconds", "end after so long; 0: never", .number = &seconds, .max = 1000000},
	    {"NAME", "port to send to", .text = &name},
	    {0},
	};
	unsigned left;

	args_parse(argc, argv, "Sends numbered Ethernet frames (type 0x88b5) to a port.", args);
	g.packet = calloc(1, g.len);
	if (!g.packet)
		errx(1, "no memory for a packet");
	memcpy(g.packet, header, sizeof header);
	port_open(&g, name);
	traffic_begin(&g.traffic, seconds);
	generate(&g);
	traffic_end(&g.traffic);
	left = linger(&g);
	traffic_print(&g.traffic, g.port, true);
	if (left)
		printf("%u slots of the ring were not taken: is anybody receiving?\n", left);
	loom_close(g.port);
	free(g.packet);
	return left ? 1 : 0;
}
