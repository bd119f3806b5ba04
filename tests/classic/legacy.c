/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A program from before NIOCCTRL: struct nmreq, NIOCGINFO, NIOCREGIF.
 *
 *	legacy send|receive NAME COUNT         NAME is a device name, "x{1" for pipes
 */
#include <fcntl.h>
#include <net/if.h>
#include <poll.h>
#include <sched.h>
#include <stdint.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/time.h>
#include <sys/types.h>

#include <net/netmap.h>
#include <net/netmap_user.h>

#include "packet.h"

/* An old pipe is a mode and a number. */
static void request_fill(struct nmreq *req, const char *name)
{
	size_t len = strcspn(name, "{}");

	memset(req, 0, sizeof *req);
	req->nr_version = NETMAP_API;
	req->nr_flags = NR_REG_ALL_NIC;
	if (len >= sizeof req->nr_name)
		exit(2);
	memcpy(req->nr_name, name, len);
	if (name[len]) {
		req->nr_flags = name[len] == '{' ? NR_REG_PIPE_MASTER : NR_REG_PIPE_SLAVE;
		req->nr_ringid = (uint16_t)strtoul(name + len + 1, NULL, 10);
	}
}

/* What a port is like, asked before it is bound: the answer must be what it then is. */
static int info_differs(int fd, const struct nmreq *bound)
{
	struct nmreq info = {.nr_version = NETMAP_API};

	memcpy(info.nr_name, bound->nr_name, sizeof info.nr_name);
	return ioctl(fd, NIOCGINFO, &info) != 0 || info.nr_tx_rings != bound->nr_tx_rings ||
	       info.nr_rx_slots != bound->nr_rx_slots || info.nr_memsize == 0;
}

static void send_packets(int fd, struct netmap_ring *ring, uint32_t count)
{
	struct pollfd wait = {.fd = fd, .events = POLLOUT};
	unsigned long bytes = 0;

	for (uint32_t next = 0; next < count;) {
		struct netmap_slot *slot = &ring->slot[ring->cur];

		if (nm_ring_space(ring) == 0) {
			poll(&wait, 1, 1000);
			continue;
		}
		packet_make((unsigned char *)NETMAP_BUF(ring, slot->buf_idx), next);
		slot->len = (uint16_t)packet_len(next);
		slot->flags = 0;
		bytes += slot->len;
		ring->head = ring->cur = nm_ring_next(ring, ring->cur);
		next++;
	}
	do {
		ioctl(fd, NIOCTXSYNC, NULL);
		sched_yield();
	} while (nm_tx_pending(ring));
	packets_report(count, bytes);
}

static void receive_packets(int fd, struct netmap_ring *ring, unsigned long count)
{
	struct packets packets = packets_expect(count);
	struct pollfd wait = {.fd = fd, .events = POLLIN};

	packets_ready();
	while (!packets_all(&packets)) {
		poll(&wait, 1, 1000);
		for (; ring->cur != ring->tail;
		     ring->head = ring->cur = nm_ring_next(ring, ring->cur))
			packets_take(&packets,
			    (const unsigned char *)NETMAP_BUF(ring, ring->slot[ring->cur].buf_idx),
			    ring->slot[ring->cur].len);
	}
	ioctl(fd, NIOCRXSYNC, NULL);
	packets_report(packets.got, packets.bytes);
	free(packets.seen);
}

int main(int argc, char **argv)
{
	struct netmap_if *nifp;
	struct nmreq req;
	unsigned long count;
	void *memory;
	int fd;

	if (argc != 4) {
		fprintf(stderr, "usage: legacy send|receive NAME COUNT\n");
		return 2;
	}
	count = packets_argument(argv[3]);
	request_fill(&req, argv[2]);
	fd = open("/dev/netmap", O_RDWR);
	if (fd < 0 || ioctl(fd, NIOCREGIF, &req) != 0) {
		perror(argv[2]);
		return 1;
	}
	if (!strpbrk(argv[2], "{}") && info_differs(fd, &req)) {
		fprintf(stderr, "%s: NIOCGINFO says something else\n", argv[2]);
		return 1;
	}
	memory = mmap(NULL, req.nr_memsize, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (memory == MAP_FAILED) {
		perror("mmap");
		return 1;
	}
	nifp = NETMAP_IF(memory, req.nr_offset);
	if (strcmp(argv[1], "send") == 0)
		send_packets(fd, NETMAP_TXRING(nifp, 0), (uint32_t)count);
	else
		receive_packets(fd, NETMAP_RXRING(nifp, 0), count);
	munmap(memory, req.nr_memsize);
	close(fd);
	return 0;
}
