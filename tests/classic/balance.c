/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A load balancer: it takes packets out of a port's RX ring by putting extra buffers in their place, holds
 * them, and later hands them to pipes of that port, each packet by its number. The consumers behind
 * the pipes are programs of their own.
 *
 *	balance NAME COUNT PIPES EXTRA         pipes NAME{0, NAME{1, …
 */
#define NETMAP_WITH_LIBS
#include <net/netmap_user.h>
#include <poll.h>
#include <sched.h>

#include "packet.h"

#define PIPES_MAX 4u
#define EXTRA_MAX 1024u

struct held {
	uint32_t buf_idx;
	uint16_t len;
};

struct output {
	struct nm_desc *d;
	struct netmap_ring *tx;
	struct held held[EXTRA_MAX]; /* first in, first out */
	uint32_t first, num;
};

static struct nm_desc *input;
static struct netmap_ring *rx;
static struct output outputs[PIPES_MAX];
static unsigned num_outputs;
static uint32_t spare[EXTRA_MAX], num_spare, granted; /* extra buffers that hold nothing */
static unsigned long moved, bytes;

static void give_up(const char *what)
{
	fprintf(stderr, "%s\n", what);
	exit(1);
}

static uint32_t *link_of(uint32_t buf_idx)
{
	return (uint32_t *)(void *)NETMAP_BUF(rx, buf_idx);
}

/* ---- opening and closing ---- */

static void input_open(const char *name, uint32_t extra)
{
	struct nmreq req = {.nr_arg3 = extra};

	input = nm_open(name, &req, 0, NULL);
	if (!input || input->req.nr_arg3 == 0 || input->req.nr_arg3 > EXTRA_MAX)
		give_up("the input port does not open, or not with extra buffers");
	granted = input->req.nr_arg3;
	rx = NETMAP_RXRING(input->nifp, input->first_rx_ring);
	for (uint32_t i = input->nifp->ni_bufs_head; i != 0 && num_spare < granted; i = *link_of(i))
		spare[num_spare++] = i;
	if (num_spare != granted)
		give_up("the list of extra buffers is not as long as was granted");
	input->nifp->ni_bufs_head = 0;
}

static void output_open(const char *name, unsigned index)
{
	struct output *out = &outputs[index];
	char pipe[64];

	snprintf(pipe, sizeof pipe, "%s{%u/xT", name, index);
	out->d = nm_open(pipe, NULL, NM_OPEN_NO_MMAP, input);
	if (!out->d || out->d->done_mmap)
		give_up("a pipe of the input port does not open, or not in its memory");
	out->tx = NETMAP_TXRING(out->d->nifp, out->d->first_tx_ring);
	num_outputs++;
}

/* What was granted has to be in the list again: whichever buffers are held now. */
static void close_all(void)
{
	if (num_spare != granted)
		give_up("extra buffers were lost");
	for (uint32_t i = 0; i < num_spare; i++) {
		*link_of(spare[i]) = input->nifp->ni_bufs_head;
		input->nifp->ni_bufs_head = spare[i];
	}
	for (unsigned i = 0; i < num_outputs; i++)
		nm_close(outputs[i].d);
	nm_close(input);
}

/* ---- packets ---- */

static void hold(struct netmap_slot *slot)
{
	const unsigned char *data = (const unsigned char *)NETMAP_BUF(rx, slot->buf_idx);
	struct output *out;
	uint32_t number;

	if (memcmp(data, packet_header, sizeof packet_header) != 0)
		return;
	memcpy(&number, data + sizeof packet_header, sizeof number);
	out = &outputs[number % num_outputs];
	out->held[(out->first + out->num++) % EXTRA_MAX] =
	    (struct held){.buf_idx = slot->buf_idx, .len = slot->len};
	slot->buf_idx = spare[--num_spare];
	slot->flags |= NS_BUF_CHANGED;
}

static void take(void)
{
	for (; rx->cur != rx->tail && num_spare > 0; rx->head = rx->cur = nm_ring_next(rx, rx->cur))
		hold(&rx->slot[rx->cur]);
}

/* The held buffer goes into the slot, and the slot's takes its place among the spare ones. */
static void hand_over(struct output *out)
{
	const struct held *held = &out->held[out->first % EXTRA_MAX];
	struct netmap_slot *slot = &out->tx->slot[out->tx->cur];

	spare[num_spare++] = slot->buf_idx;
	slot->buf_idx = held->buf_idx;
	slot->flags = NS_BUF_CHANGED;
	slot->len = held->len;
	bytes += held->len;
	out->tx->head = out->tx->cur = nm_ring_next(out->tx, out->tx->cur);
	out->first++;
	out->num--;
	moved++;
}

/* Whether something is still held, or on its way to a consumer. */
static int busy(void)
{
	int any = 0;

	for (unsigned i = 0; i < num_outputs; i++) {
		struct output *out = &outputs[i];

		ioctl(out->d->fd, NIOCTXSYNC, NULL);
		while (out->num > 0 && nm_ring_space(out->tx) > 0)
			hand_over(out);
		ioctl(out->d->fd, NIOCTXSYNC, NULL);
		any |= out->num > 0 || nm_tx_pending(out->tx);
	}
	return any;
}

int main(int argc, char **argv)
{
	struct pollfd fd;
	unsigned long count;
	unsigned long pipes = argc == 5 ? strtoul(argv[3], NULL, 10) : 0;

	if (pipes < 1 || pipes > PIPES_MAX) {
		fprintf(stderr, "usage: balance NAME COUNT PIPES EXTRA\n");
		return 2;
	}
	count = packets_argument(argv[2]);
	input_open(argv[1], (uint32_t)strtoul(argv[4], NULL, 10));
	for (unsigned i = 0; i < pipes; i++)
		output_open(argv[1], i);
	packets_ready();
	fd = (struct pollfd){.fd = input->fd, .events = POLLIN};
	while (moved < count) {
		if (poll(&fd, 1, 10) < 0)
			return 1;
		take();
		busy();
	}
	while (busy())
		sched_yield();
	ioctl(input->fd, NIOCRXSYNC, NULL);
	close_all();
	packets_report(moved, bytes);
	return 0;
}
