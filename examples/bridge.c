/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A bridge between two ports, or between an interface and its host side (the other port left
 * out): loom_forward() in both directions, and poll(2) on two descriptors when there is nothing to
 * move. Where both ports' buffers live in one region they change places, and no byte is copied; the second
 * port is asked to live in the first one's.
 */
#include <err.h>
#include <errno.h>
#include <poll.h>
#include <signal.h>

#include <pktloom.h>

#include "common.h"

#define RINGS   64
#define TICK_MS 200 /* how late a signal that just missed poll() is noticed */
#define NAME    256

struct side {
	char name[NAME];
	struct loom_port *port;
	unsigned num_tx, num_rx;
	struct loom_txring tx[RINGS];
	struct loom_rxring rx[RINGS];
	uint64_t moved; /* packets that came in here and went out there */
};

static volatile sig_atomic_t stopped;

static void stop(int signal)
{
	(void)signal;
	stopped = 1;
}

static void take_rings(struct side *side)
{
	unsigned tx = loom_tx_rings(side->port) + loom_host_tx_rings(side->port);
	unsigned rx = loom_rx_rings(side->port) + loom_host_rx_rings(side->port);

	/* A name may bind some of a port's rings only: the indexes of the others are refused. */
	for (unsigned i = 0; i < tx && side->num_tx < RINGS; i++)
		side->num_tx += loom_tx(side->port, i, &side->tx[side->num_tx]) == 0;
	for (unsigned i = 0; i < rx && side->num_rx < RINGS; i++)
		side->num_rx += loom_rx(side->port, i, &side->rx[side->num_rx]) == 0;
	if (side->num_tx == 0 || side->num_rx == 0)
		errx(1, "%s: a bridge needs rings of both directions", side->name);
}

/* In the region of `other` if that can be, else wherever the port's own memory is. */
static void side_open(struct side *side, const struct side *other)
{
	char name[NAME + 16];
	struct loom_info info;

	if (other && !strchr(side->name, '@')) {
		loom_port_info(other->port, &info);
		snprintf(name, sizeof name, "%s@%u", side->name, info.region);
		if (loom_open(name, NULL, &side->port) == 0)
			return;
	}
	if (loom_open(side->name, NULL, &side->port) < 0)
		errx(1, "%s", loom_error());
}

static void print_side(const struct side *side)
{
	struct loom_info info;

	loom_port_info(side->port, &info);
	printf("%s: %s, %s, %u RX and %u TX rings\n", side->name, info.kind, info.mode,
	    side->num_rx, side->num_tx);
}

/* All that has come in, as far as there is room. A flow stays on its ring: its order holds. */
static unsigned move(struct side *from, struct side *to)
{
	unsigned moved = 0;

	for (unsigned i = 0; i < from->num_rx; i++) {
		const struct loom_txring *tx = &to->tx[i % to->num_tx];

		if (loom_rx_sync(&from->rx[i]) < 0)
			errx(1, "%s: %s", from->name, loom_error());
		moved += loom_forward(&from->rx[i], tx, from->rx[i].num_slots);
	}
	for (unsigned i = 0; i < to->num_tx; i++)
		if (loom_tx_sync(&to->tx[i]) < 0)
			errx(1, "%s: %s", to->name, loom_error());
	from->moved += moved;
	return moved;
}

static void run(struct side sides[2])
{
	struct pollfd ready[2];

	for (int i = 0; i < 2; i++) {
		ready[i] = (struct pollfd){.fd = loom_port_fd(sides[i].port), .events = POLLIN};
		if (ready[i].fd < 0)
			errx(1, "%s", loom_error());
	}
	while (!stopped) {
		unsigned moved = move(&sides[0], &sides[1]);

		moved += move(&sides[1], &sides[0]);
		/* Both for packets and for room: the descriptor tells of what the last syncs missed. */
		if (moved == 0 && poll(ready, 2, TICK_MS) < 0 && errno != EINTR)
			err(1, "poll");
	}
}

int main(int argc, char **argv)
{
	const char *first = "", *second = "";
	const struct arg args[] = {
	    {"PORT", "for example netmap:veth0", .text = &first},
	    {"OTHER", "without it: the first one's host side, PORT^", .text = &second},
	    {0},
	};
	static struct side sides[2];
	struct sigaction action = {.sa_handler = stop};

	args_parse(argc, argv, "Moves packets between two ports until a signal ends it.", args);
	loom_hint_set(loom_hint_print);
	sigaction(SIGINT, &action, NULL);
	sigaction(SIGTERM, &action, NULL);
	snprintf(sides[0].name, NAME, "%s", first);
	snprintf(sides[1].name, NAME, "%s%s", *second ? second : first, *second ? "" : "^");
	for (int i = 0; i < 2; i++) {
		side_open(&sides[i], i ? &sides[0] : NULL);
		take_rings(&sides[i]);
		print_side(&sides[i]);
	}
	printf(
	    "bridged, %s\n", loom_forward_how(&sides[0].rx[0], &sides[1].tx[0]) == LOOM_FORWARD_SWAP
				 ? "zero-copy: buffers change places"
				 : "by copying: the ports' buffers are in different regions");
	fflush(stdout); /* scripts wait for this line */
	run(sides);
	for (int i = 0; i < 2; i++) {
		printf("from %s: %" PRIu64 " packets\n", sides[i].name, sides[i].moved);
		loom_close(sides[i].port);
	}
	return 0;
}
