/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Two descriptors of one port, one ring each, in one mapping: what comes on ring 0 goes out on ring 1, in
 * the buffers it came in.
 *
 *	turn NAME COUNT MODE
 */
#include <poll.h>
#include <sched.h>
#include <sys/ioctl.h>

#include "packet.h"
#include "raw.h"

static unsigned long moved, bytes;

static void swap_slot(struct netmap_slot *in, struct netmap_slot *out)
{
	struct netmap_slot spare = *out;

	out->buf_idx = in->buf_idx;
	out->len = in->len;
	out->flags = NS_BUF_CHANGED;
	in->buf_idx = spare.buf_idx;
	in->flags = NS_BUF_CHANGED;
	bytes += out->len;
	moved++;
}

static void swap_all(struct netmap_ring *rx, struct netmap_ring *tx)
{
	uint32_t n = nm_ring_space(rx), room = nm_ring_space(tx);

	for (n = n < room ? n : room; n > 0; n--) {
		swap_slot(&rx->slot[rx->cur], &tx->slot[tx->cur]);
		rx->head = rx->cur = nm_ring_next(rx, rx->cur);
		tx->head = tx->cur = nm_ring_next(tx, tx->cur);
	}
}

int main(int argc, char **argv)
{
	struct raw in, out;
	struct netmap_ring *rx, *tx;
	unsigned long count;
	char mode[64];

	if (argc != 4) {
		fprintf(stderr, "usage: turn NAME COUNT MODE\n");
		return 2;
	}
	count = packets_argument(argv[2]);
	snprintf(mode, sizeof mode, "%s,one=0,rx", argv[3]);
	raw_open(&in, argv[1], mode, NULL);
	snprintf(mode, sizeof mode, "%s,one=1,tx", argv[3]);
	raw_open(&out, argv[1], mode, &in);
	rx = raw_rx(&in, 0);
	tx = raw_tx(&out, 1);
	if (out.own_memory || !rx || !tx) {
		fprintf(stderr, "%s: no rings 0 and 1 in one mapping\n", argv[1]);
		return 1;
	}
	packets_ready();
	while (moved < count) {
		raw_sync(&in, STYLE_POLL, 0);
		swap_all(rx, tx);
		raw_sync(&out, STYLE_IOCTL, 1);
	}
	do {
		raw_sync(&out, STYLE_IOCTL, 1);
		raw_sync(&in, STYLE_IOCTL, 0);
	} while (nm_tx_pending(tx));
	raw_close(&out);
	raw_close(&in);
	packets_report(moved, bytes);
	return 0;
}
