/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A bridge from one port to another: buffers are swapped where both ports are in one region, which
 * the second descriptor then uses the first one's mapping of; elsewhere packets are copied.
 *
 *	bridge FROM TO COUNT swap|copy         what it must come to
 */
#define NETMAP_WITH_LIBS
#include <net/netmap_user.h>
#include <poll.h>
#include <sched.h>

#include "packet.h"

static unsigned long moved, bytes, swapped;

static void move_slot(
    struct netmap_ring *rx, struct netmap_ring *tx, struct netmap_slot *in, struct netmap_slot *out)
{
	uint32_t spare = out->buf_idx;

	if (NETMAP_BUF(rx, 0) == NETMAP_BUF(tx, 0)) {
		out->buf_idx = in->buf_idx;
		in->buf_idx = spare;
		in->flags |= NS_BUF_CHANGED;
		out->flags = NS_BUF_CHANGED;
		swapped++;
	} else {
		memcpy(NETMAP_BUF(tx, spare), NETMAP_BUF(rx, in->buf_idx), in->len);
		out->flags = 0;
	}
	out->len = in->len;
	bytes += in->len;
	moved++;
}

static void move_ring(struct netmap_ring *rx, struct netmap_ring *tx)
{
	uint32_t from = rx->cur, to = tx->cur;
	uint32_t room = nm_ring_space(tx);

	for (; from != rx->tail && room > 0; room--) {
		move_slot(rx, tx, &rx->slot[from], &tx->slot[to]);
		from = nm_ring_next(rx, from);
		to = nm_ring_next(tx, to);
	}
	rx->head = rx->cur = from;
	tx->head = tx->cur = to;
}

/* The one that has nothing to do is the one to wait for. */
static void wait_for(const struct nm_desc *from, const struct nm_desc *to)
{
	struct netmap_ring *tx = NETMAP_TXRING(to->nifp, to->first_tx_ring);
	struct pollfd fds[2] = {{.fd = from->fd, .events = POLLIN}, {.fd = to->fd}};

	if (nm_ring_space(tx) == 0)
		fds[0].events = 0, fds[1].events = POLLOUT;
	poll(fds, 2, 1000);
	ioctl(to->fd, NIOCTXSYNC, NULL);
}

int main(int argc, char **argv)
{
	struct nm_desc *from, *to;
	struct netmap_ring *rx, *tx;
	unsigned long count;

	if (argc != 5) {
		fprintf(stderr, "usage: bridge FROM TO COUNT swap|copy\n");
		return 2;
	}
	count = packets_argument(argv[3]);
	from = nm_open(argv[1], NULL, 0, NULL);
	to = from ? nm_open(argv[2], NULL, NM_OPEN_NO_MMAP, from) : NULL;
	if (to == NULL) {
		perror(argv[from ? 2 : 1]);
		return 1;
	}
	packets_ready();
	rx = NETMAP_RXRING(from->nifp, from->first_rx_ring);
	tx = NETMAP_TXRING(to->nifp, to->first_tx_ring);
	while (moved < count) {
		wait_for(from, to);
		move_ring(rx, tx);
	}
	do {
		ioctl(to->fd, NIOCTXSYNC, NULL);
		ioctl(from->fd, NIOCRXSYNC, NULL);
		sched_yield();
	} while (nm_tx_pending(tx));
	if (swapped != (strcmp(argv[4], "swap") == 0 ? moved : 0)) {
		fprintf(stderr, "%lu of %lu packets were swapped\n", swapped, moved);
		return 1;
	}
	nm_close(to);
	nm_close(from);
	packets_report(moved, bytes);
	return 0;
}
