/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A generator with a thread for each ring: each opens a descriptor of its own, which shares the first
 * one's mapping.
 *
 *	threads NAME COUNT RINGS
 */
#define NETMAP_WITH_LIBS
#include <net/netmap_user.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>

#include "packet.h"

#define RINGS_MAX 8u

struct worker {
	pthread_t thread;
	const char *name;
	const struct nm_desc *parent;
	uint32_t first, end;
	uint16_t ring;
	unsigned long bytes;
	const char *problem;
};

static struct nm_desc *ring_open(const struct worker *w)
{
	struct nm_desc want = *w->parent;

	want.self = &want;
	want.req.nr_flags = (want.req.nr_flags & ~(uint32_t)NR_REG_MASK) | NR_REG_ONE_NIC;
	want.req.nr_ringid = w->ring;
	return nm_open(w->name, NULL, NM_OPEN_NO_MMAP | NM_OPEN_IFNAME, &want);
}

static void send_all(struct worker *w, struct nm_desc *d)
{
	struct pollfd fd = {.fd = NETMAP_FD(d), .events = POLLOUT};
	unsigned char data[PACKET_MAX];

	for (uint32_t next = w->first; next < w->end; next++) {
		packet_make(data, next);
		while (nm_inject(d, data, packet_len(next)) == 0)
			poll(&fd, 1, 1000);
		w->bytes += packet_len(next);
	}
	do {
		ioctl(NETMAP_FD(d), NIOCTXSYNC, NULL);
		sched_yield();
	} while (nm_tx_pending(NETMAP_TXRING(d->nifp, d->first_tx_ring)));
}

static void *work(void *arg)
{
	struct worker *w = arg;
	struct nm_desc *d = ring_open(w);

	if (d == NULL || d->done_mmap || d->mem != w->parent->mem)
		w->problem = d ? "a mapping of its own" : "cannot open its ring";
	else if (d->first_tx_ring != w->ring || d->last_tx_ring != w->ring)
		w->problem = "another ring than its own";
	else
		send_all(w, d);
	if (d)
		nm_close(d);
	return NULL;
}

int main(int argc, char **argv)
{
	struct worker workers[RINGS_MAX];
	unsigned long bytes = 0;
	struct nm_desc *parent;
	struct nmreq req = {.nr_version = NETMAP_API};
	uint32_t count, rings;

	rings = argc == 4 ? (uint32_t)strtoul(argv[3], NULL, 10) : 0;
	if (rings < 1 || rings > RINGS_MAX) {
		fprintf(stderr, "usage: threads NAME COUNT RINGS\n");
		return 2;
	}
	count = (uint32_t)packets_argument(argv[2]);
	req.nr_tx_rings = req.nr_rx_rings = (uint16_t)rings;
	parent = nm_open(argv[1], &req, 0, NULL);
	if (parent == NULL || parent->req.nr_tx_rings != rings) {
		fprintf(stderr, "%s: not %u rings\n", argv[1], rings);
		return 1;
	}
	for (uint32_t i = 0; i < rings; i++) {
		workers[i] = (struct worker){.name = argv[1],
		    .parent = parent,
		    .first = count / rings * i,
		    .ring = (uint16_t)i};
		workers[i].end = i + 1 < rings ? count / rings * (i + 1) : count;
		if (pthread_create(&workers[i].thread, NULL, work, &workers[i]) != 0)
			return 1;
	}
	for (uint32_t i = 0; i < rings; i++) {
		pthread_join(workers[i].thread, NULL);
		if (workers[i].problem) {
			fprintf(stderr, "thread %u: %s\n", i, workers[i].problem);
			return 1;
		}
		bytes += workers[i].bytes;
	}
	nm_close(parent);
	packets_report(count, bytes);
	return 0;
}
