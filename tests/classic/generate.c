/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A generator: numbered packets into all bound TX rings by turns, and it waits until they are gone.
 *
 *	generate NAME COUNT ioctl|poll|select MODE
 */
#include <sched.h>
#include <sys/ioctl.h>

#include "packet.h"
#include "raw.h"

static unsigned long bytes;

/* Fill what room there is; returns the number of the next packet. */
static uint32_t fill(struct netmap_ring *ring, uint32_t next, uint32_t end)
{
	uint32_t cur = ring->cur;

	for (uint32_t room = nm_ring_space(ring); room > 0 && next < end; room--, next++) {
		struct netmap_slot *slot = &ring->slot[cur];

		packet_make((unsigned char *)NETMAP_BUF(ring, slot->buf_idx), next);
		slot->len = (uint16_t)packet_len(next);
		slot->flags = 0;
		bytes += slot->len;
		cur = nm_ring_next(ring, cur);
	}
	ring->head = ring->cur = cur;
	return next;
}

static uint32_t fill_all(const struct raw *raw, uint32_t next, uint32_t end)
{
	for (unsigned i = 0; i < raw->num_tx; i++) {
		struct netmap_ring *ring = raw_tx(raw, i);

		/* A part for each ring, so that all of them carry something. */
		if (ring)
			next = fill(ring, next, end - next > 64 ? next + 64 : end);
	}
	return next;
}

static int pending(const struct raw *raw)
{
	int any = 0;

	for (unsigned i = 0; i < raw->num_tx; i++) {
		struct netmap_ring *ring = raw_tx(raw, i);

		any |= ring && nm_tx_pending(ring);
	}
	return any;
}

int main(int argc, char **argv)
{
	struct raw raw;
	uint32_t next = 0, count;
	enum style style;

	if (argc != 5) {
		fprintf(stderr, "usage: generate NAME COUNT ioctl|poll|select MODE\n");
		return 2;
	}
	count = (uint32_t)packets_argument(argv[2]);
	style = raw_style(argv[3]);
	raw_open(&raw, argv[1], argv[4], NULL);
	while (next < count) {
		raw_sync(&raw, style, 1);
		next = fill_all(&raw, next, count);
	}
	do {
		ioctl(raw.fd, NIOCTXSYNC, NULL);
		sched_yield();
	} while (pending(&raw));
	raw_close(&raw);
	packets_report(count, bytes);
	return 0;
}
