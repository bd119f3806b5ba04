/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Sends on the first TX ring and takes what comes on any RX ring of the same port, both by one poll.
 *
 *	around NAME COUNT MODE
 */
#include <poll.h>
#include <sys/ioctl.h>

#include "packet.h"
#include "raw.h"

static uint32_t send_some(struct netmap_ring *ring, uint32_t next, uint32_t end)
{
	for (; next < end && nm_ring_space(ring) > 0; next++) {
		struct netmap_slot *slot = &ring->slot[ring->cur];

		packet_make((unsigned char *)NETMAP_BUF(ring, slot->buf_idx), next);
		slot->len = (uint16_t)packet_len(next);
		slot->flags = 0;
		ring->head = ring->cur = nm_ring_next(ring, ring->cur);
	}
	return next;
}

static void take_all(const struct raw *raw, struct packets *packets)
{
	for (unsigned i = 0; i < raw->num_rx; i++) {
		struct netmap_ring *ring = raw_rx(raw, i);

		for (; ring && ring->cur != ring->tail;
		     ring->head = ring->cur = nm_ring_next(ring, ring->cur))
			packets_take(packets,
			    (const unsigned char *)NETMAP_BUF(ring, ring->slot[ring->cur].buf_idx),
			    ring->slot[ring->cur].len);
	}
}

int main(int argc, char **argv)
{
	struct packets packets;
	struct pollfd fd;
	struct raw raw;
	uint32_t next = 0, count;

	if (argc != 4) {
		fprintf(stderr, "usage: around NAME COUNT MODE\n");
		return 2;
	}
	count = (uint32_t)packets_argument(argv[2]);
	packets = packets_expect(count);
	raw_open(&raw, argv[1], argv[3], NULL);
	fd.fd = raw.fd;
	while (!packets_all(&packets)) {
		fd.events = (short)(next < count ? POLLIN | POLLOUT : POLLIN);
		if (poll(&fd, 1, 1000) < 0)
			exit(1);
		next = send_some(raw_tx(&raw, 0), next, count);
		take_all(&raw, &packets);
	}
	ioctl(raw.fd, NIOCRXSYNC, NULL);
	raw_close(&raw);
	packets_report(packets.got, packets.bytes);
	free(packets.seen);
	return 0;
}
