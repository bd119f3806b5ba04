/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A sink in the pcap-like style: nm_open, poll, and callbacks or one packet after the other.
 *
 *	dispatch NAME COUNT callback|next|both
 */
#define NETMAP_WITH_LIBS
#include <net/netmap_user.h>
#include <poll.h>

#include "packet.h"

static struct packets packets;

static void callback(unsigned char *arg, const struct nm_pkthdr *hdr, const unsigned char *data)
{
	packets_take((struct packets *)(void *)arg, data, hdr->len);
}

static void take_next(struct nm_desc *d)
{
	struct nm_pkthdr hdr;
	const unsigned char *data;

	while ((data = nm_nextpkt(d, &hdr)) != NULL)
		packets_take(&packets, data, hdr.len);
}

int main(int argc, char **argv)
{
	struct nm_desc *d;
	struct pollfd fd;

	if (argc != 4) {
		fprintf(stderr, "usage: dispatch NAME COUNT callback|next|both\n");
		return 2;
	}
	packets = packets_expect(packets_argument(argv[2]));
	d = nm_open(argv[1], NULL, 0, NULL);
	if (d == NULL) {
		perror(argv[1]);
		return 1;
	}
	packets_ready();
	fd = (struct pollfd){.fd = NETMAP_FD(d), .events = POLLIN};
	while (!packets_all(&packets)) {
		if (poll(&fd, 1, 1000) < 0)
			return 1;
		if (strcmp(argv[3], "both") == 0) /* some by callback, the rest one by one */
			nm_dispatch(d, 3, callback, (unsigned char *)&packets);
		if (strcmp(argv[3], "callback") == 0)
			nm_dispatch(d, -1, callback, (unsigned char *)&packets);
		else
			take_next(d);
	}
	ioctl(NETMAP_FD(d), NIOCRXSYNC, NULL);
	nm_close(d);
	packets_report(packets.got, packets.bytes);
	free(packets.seen);
	return 0;
}
