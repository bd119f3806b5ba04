/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A generator in the pcap-like style: nm_open, nm_inject, poll.
 *
 *	inject NAME COUNT
 */
#define NETMAP_WITH_LIBS
#include <net/netmap_user.h>
#include <poll.h>
#include <sched.h>

#include "packet.h"

static int pending(const struct nm_desc *d)
{
	int any = 0;

	for (unsigned i = d->first_tx_ring; i <= d->last_tx_ring; i++)
		any |= nm_tx_pending(NETMAP_TXRING(d->nifp, i));
	return any;
}

int main(int argc, char **argv)
{
	unsigned char data[PACKET_MAX];
	unsigned long bytes = 0;
	struct nm_desc *d;
	struct pollfd fd;
	uint32_t count;

	if (argc != 3) {
		fprintf(stderr, "usage: inject NAME COUNT\n");
		return 2;
	}
	count = (uint32_t)packets_argument(argv[2]);
	d = nm_open(argv[1], NULL, 0, NULL);
	if (d == NULL) {
		perror(argv[1]);
		return 1;
	}
	fd = (struct pollfd){.fd = NETMAP_FD(d), .events = POLLOUT};
	for (uint32_t next = 0; next < count; next++) {
		packet_make(data, next);
		while (nm_inject(d, data, packet_len(next)) == 0)
			poll(&fd, 1, 1000);
		bytes += packet_len(next);
	}
	do {
		ioctl(NETMAP_FD(d), NIOCTXSYNC, NULL);
		sched_yield();
	} while (pending(d));
	nm_close(d);
	packets_report(count, bytes);
	return 0;
}
