/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A sink in an event loop, beside a timer that ticks all the time: level or edge-triggered.
 *
 *	events NAME COUNT level|edge
 */
#include <stdint.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/timerfd.h>

#include "packet.h"
#include "raw.h"

static void drain(const struct raw *raw, struct packets *packets)
{
	for (unsigned i = 0; i < raw->num_rx; i++) {
		struct netmap_ring *ring = raw_rx(raw, i);

		for (; ring && ring->cur != ring->tail;
		     ring->head = ring->cur = nm_ring_next(ring, ring->cur)) {
			const struct netmap_slot *slot = &ring->slot[ring->cur];

			packets_take(packets,
			    (const unsigned char *)NETMAP_BUF(ring, slot->buf_idx), slot->len);
		}
	}
}

static void watch(int epoll, int fd, uint32_t events)
{
	struct epoll_event event = {.events = events, .data.fd = fd};

	if (epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event) != 0) {
		perror("epoll_ctl");
		exit(1);
	}
}

static int timer_start(void)
{
	const struct itimerspec time = {
	    .it_interval.tv_nsec = 1000000, .it_value.tv_nsec = 1000000};
	int fd = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK);

	if (fd < 0 || timerfd_settime(fd, 0, &time, NULL) != 0) {
		perror("timerfd");
		exit(1);
	}
	return fd;
}

/* One round; returns how often the timer ticked. */
static uint64_t round_once(int epoll, int timer, const struct raw *raw, struct packets *packets)
{
	struct epoll_event events[2];
	uint64_t ticks = 0;
	int n = epoll_wait(epoll, events, 2, 1000);

	for (int i = 0; i < n; i++) {
		if (events[i].data.fd == raw->fd)
			drain(raw, packets);
		else if (read(timer, &ticks, sizeof ticks) != (ssize_t)sizeof ticks)
			ticks = 0;
	}
	return ticks;
}

int main(int argc, char **argv)
{
	struct packets packets;
	struct raw raw;
	uint64_t ticks = 0;
	int epoll, timer;

	if (argc != 4) {
		fprintf(stderr, "usage: events NAME COUNT level|edge\n");
		return 2;
	}
	packets = packets_expect(packets_argument(argv[2]));
	raw_open(&raw, argv[1], "all", NULL);
	epoll = epoll_create1(EPOLL_CLOEXEC);
	timer = timer_start();
	watch(epoll, timer, EPOLLIN);
	watch(epoll, raw.fd, strcmp(argv[3], "edge") == 0 ? EPOLLIN | EPOLLET : EPOLLIN);
	packets_ready();
	while (!packets_all(&packets) || ticks == 0)
		ticks += round_once(epoll, timer, &raw, &packets);
	ioctl(raw.fd, NIOCRXSYNC, NULL);
	close(timer);
	close(epoll);
	raw_close(&raw);
	packets_report(packets.got, packets.bytes);
	free(packets.seen);
	return 0;
}
