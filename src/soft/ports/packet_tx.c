/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Sending through AF_PACKET: sendmmsg straight from the slots' buffers, past the queueing
 * discipline. A mapped TX ring would cost a copy and is no faster (bench/rows/packet_tx).
 */
#include <errno.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <unistd.h>

#include "packet.h"

#define SKIP_NONE UINT32_MAX

enum described { WHOLE, UNFINISHED, BAD };

/* Describe one packet's slots, from *at on, as parts of a message. A bad one is counted. */
static enum described describe(struct ring *r, uint32_t *at, struct iovec **part)
{
	const struct iovec *const first = *part;
	uint32_t total = 0, slots, len;
	uint16_t flags;

	do {
		uint8_t *data = ring_slot_data(r, *at, &len, &flags);

		if (!data)
			return BAD;
		*(*part)++ = (struct iovec){.iov_base = data, .iov_len = len};
		*at = ring_next(r, *at);
		total += len;
		slots = (uint32_t)(*part - first);
	} while (flags & NS_MOREFRAG && *at != r->rhead && slots < NETMAP_MAX_FRAGS);
	if (!(flags & NS_MOREFRAG) && total >= ETH_HLEN)
		return WHOLE;
	/* A chain that can never be finished would block the ring for ever. */
	if (flags & NS_MOREFRAG && slots < NETMAP_MAX_FRAGS && slots < r->num_slots - 1)
		return UNFINISHED;
	ring_drop(r, LOOM_DROP_BAD_LENGTH, 1);
	return BAD;
}

/*
 * Describe whole packets from hwcur on as messages, up to a bad or an unfinished one; how many.
 * What stands before a bad one has to leave first, so that one is only marked here.
 */
static unsigned gather(struct ring *r, struct packet_tx *tx)
{
	struct iovec *part = tx->parts;
	const struct iovec *const enough = part + PACKET_TX_BATCH;
	uint32_t at = r->hwcur;
	unsigned n = 0;

	while (at != r->rhead && at != tx->skip && n < PACKET_TX_BATCH && part < enough) {
		struct msghdr *message = &tx->messages[n].msg_hdr;
		const uint32_t start = at;
		enum described found;

		message->msg_iov = part;
		found = describe(r, &at, &part);
		if (found == BAD)
			tx->skip = start;
		if (found != WHOLE)
			break;
		message->msg_iovlen = (size_t)(part - message->msg_iov);
		tx->after[n++] = at;
	}
	return n;
}

/* Pass the dropped packet at hwcur; what of its chain has yet to come is dropped as well. */
static void pass(struct ring *r, struct packet_tx *tx)
{
	uint16_t flags = NS_MOREFRAG;

	while (flags & NS_MOREFRAG && r->hwcur != r->rhead) {
		flags = (uint16_t)(loom_slot_word(&r->common.ring->slot[r->hwcur]) >> 48);
		r->hwcur = ring_next(r, r->hwcur);
	}
	tx->skip = flags & NS_MOREFRAG ? r->hwcur : SKIP_NONE;
}

/*
 * Why a message did not leave. 0: it never will, and is counted; -EAGAIN: not now; or the link's
 * error.
 */
static int refused(struct ring *r, const struct packet_tx *tx, int err)
{
	switch (err) {
	case EAGAIN:  /* the socket's share of memory is in flight */
	case ENOBUFS: /* the driver, or what is behind it, is full, or there is no carrier */
	case ENOMEM:
	case EINTR:
		return -EAGAIN;
	case ENETDOWN:
	case ENXIO:
	case ENODEV:
		return link_check(r->port, tx->fd) ? -ENETDOWN : -EAGAIN;
	default:
		ring_drop(r, LOOM_DROP_REFUSED, 1);
		return 0;
	}
}

/* Send n messages; hwcur follows. 0; -EAGAIN: the rest stays pending; or the link's error. */
static int transmit(struct ring *r, struct packet_tx *tx, unsigned n)
{
	unsigned done = 0;

	while (done < n) {
		int sent = sendmmsg(tx->fd, tx->messages + done, n - done, MSG_DONTWAIT);

		if (sent < 0) {
			int err = refused(r, tx, errno);

			if (err)
				return err;
			sent = 1;
		}
		done += (unsigned)sent;
		r->hwcur = tx->after[done - 1];
		retry_reset(&tx->retry);
	}
	return 0;
}

int packet_txsync(struct ring *r)
{
	struct packet_tx *tx = r->state;
	int err = 0;

	while (r->hwcur != r->rhead && !err) {
		unsigned n = gather(r, tx);

		if (n > 0)
			err = transmit(r, tx, n);
		else if (r->hwcur == tx->skip)
			pass(r, tx);
		else
			break; /* unfinished */
	}
	r->hwtail = ring_prev(r, r->hwcur);
	tx->blocked = err != 0;
	return err == -EAGAIN ? 0 : err;
}

int packet_tx_arm(struct ring *r, struct pollfd *out)
{
	struct packet_tx *tx = r->state;
	int err = retry_open(&tx->retry, out);

	if (err)
		return err;
	return tx->blocked ? retry_start(&tx->retry) : ring_ready(r);
}

void packet_tx_disarm(struct ring *r)
{
	struct packet_tx *tx = r->state;

	if (tx->blocked)
		retry_start(
		    &tx->retry); /* there is room again, but what is pending wants another sync */
	else
		retry_stop(&tx->retry);
}

int packet_tx_adopt(struct packet_tx *tx, int fd)
{
	tx->fd = fd;
	tx->skip = SKIP_NONE;
	retry_init(&tx->retry);
	return fd < 0 ? -EPROTO : 0;
}

int packet_tx_open(struct packet_tx *tx, int interface)
{
	const int on = 1;
	int err = packet_socket_open(&tx->fd);

	tx->skip = SKIP_NONE;
	retry_init(&tx->retry);
	if (!err)
		err = packet_option_set(tx->fd, PACKET_QDISC_BYPASS, &on, sizeof on);
	return err ? err : packet_socket_bind(tx->fd, interface, 0);
}

void packet_tx_close(struct packet_tx *tx)
{
	retry_close(&tx->retry);
	if (tx->fd >= 0)
		close(tx->fd);
}
