/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A sink: takes packets from all bound RX rings and checks them.
 *
 *	sink NAME COUNT ioctl|poll|select MODE
 */
#include <sys/ioctl.h>

#include "packet.h"
#include "raw.h"

static void drain(struct netmap_ring *ring, struct packets *packets)
{
	uint32_t cur = ring->cur;

	for (; cur != ring->tail; cur = nm_ring_next(ring, cur))
		packets_take(packets,
		    (const unsigned char *)NETMAP_BUF(ring, ring->slot[cur].buf_idx),
		    ring->slot[cur].len);
	ring->head = ring->cur = cur;
}

int main(int argc, char **argv)
{
	struct packets packets;
	struct raw raw;
	enum style style;

	if (argc != 5) {
		fprintf(stderr, "usage: sink NAME COUNT ioctl|poll|select MODE\n");
		return 2;
	}
	packets = packets_expect(packets_argument(argv[2]));
	style = raw_style(argv[3]);
	raw_open(&raw, argv[1], argv[4], NULL);
	packets_ready();
	while (!packets_all(&packets)) {
		raw_sync(&raw, style, 0);
		for (unsigned i = 0; i < raw.num_rx; i++) {
			struct netmap_ring *ring = raw_rx(&raw, i);

			if (ring)
				drain(ring, &packets);
		}
	}
	ioctl(raw.fd, NIOCRXSYNC, NULL); /* the sender waits for its slots */
	raw_close(&raw);
	packets_report(packets.got, packets.bytes);
	free(packets.seen);
	return 0;
}
