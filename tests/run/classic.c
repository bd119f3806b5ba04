/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A program for /dev/netmap that knows nothing of pktloom: a packet from one end of a pipe to the other.
 *
 *   classic [STATUS]   ends with this status when the packet has arrived, with 99 if it has not
 */
#include <err.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>

#define NETMAP_WITH_LIBS
#include <net/netmap_user.h>

#define FAILED 99

static struct nm_desc *port_open(const char *name)
{
	struct nm_desc *port = nm_open(name, NULL, 0, NULL);

	if (!port)
		err(FAILED, "%s", name);
	return port;
}

int main(int argc, char **argv)
{
	static const char packet[60] = "a packet for somebody who knows netmap only";
	struct nm_desc *from = port_open("netmap:classic{1"), *to = port_open("netmap:classic}1");
	struct pollfd ready = {.fd = to->fd, .events = POLLIN};
	struct nm_pkthdr header;
	const unsigned char *got;

	if (nm_inject(from, packet, sizeof packet) != sizeof packet ||
	    ioctl(from->fd, NIOCTXSYNC, NULL) != 0)
		err(FAILED, "sending");
	if (poll(&ready, 1, 5000) != 1)
		err(FAILED, "waiting");
	got = nm_nextpkt(to, &header);
	if (!got || header.len != sizeof packet || memcmp(got, packet, sizeof packet) != 0)
		errx(FAILED, "another packet was sent");
	nm_close(to);
	nm_close(from);
	printf("%s: the packet has arrived\n", argv[0]);
	return argc > 1 ? (int)strtol(argv[1], NULL, 10) : 0;
}
