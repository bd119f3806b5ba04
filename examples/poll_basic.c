/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Waiting in somebody's event loop: the port as a descriptor, with poll() and then with epoll.
 *
 * The rule (loom_port_fd in <pktloom/port.h>): sync, use what is there, and block only after a sync
 * that brought nothing. The descriptor is waited on for reading, whatever one waits for.
 */
#include <err.h>
#include <poll.h>
#include <pthread.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "trickle.h"

static int block_in_poll(int fd)
{
	struct pollfd events = {.fd = fd, .events = POLLIN};

	return poll(&events, 1, TIMEOUT_MS);
}

static int block_in_epoll(int set)
{
	struct epoll_event event;

	return epoll_wait(set, &event, 1, TIMEOUT_MS);
}

/* The event loop, until `until` packets have come in all. */
static uint64_t receive(struct loom_rxring *rx, uint64_t from, uint64_t until, const char *label,
    int (*block)(int), int fd)
{
	uint64_t blocked = 0;

	for (uint64_t taken; from < until; from += taken) {
		taken = take(rx, from);
		if (taken > 0)
			continue;
		blocked++;
		if (block(fd) <= 0)
			errx(1, "%s: no packet within %d s", label, TIMEOUT_MS / 1000);
	}
	printf("%s: blocked %" PRIu64 " times\n", label, blocked);
	return from;
}

int main(int argc, char **argv)
{
	struct plan plan = {.interval_us = 1000};
	uint64_t count = 200;
	const struct arg args[] = {
	    {"count", "packets for each of poll and epoll", .number = &count, .min = 1},
	    {"interval", "microseconds between packets", .number = &plan.interval_us,
		.max = 1000000},
	    {0},
	};
	struct epoll_event wanted = {.events = EPOLLIN};
	struct loom_rxring rx;
	struct loom_port *port;
	pthread_t sender;
	uint64_t received;
	int fd, set;

	args_parse(argc, argv, "Receives through poll() and through epoll.", args);
	plan.total = count * 2;
	snprintf(plan.name, sizeof plan.name, "pipe{poll-%ld}", (long)getpid());
	if (loom_open(plan.name, NULL, &port) < 0 || loom_rx(port, 0, &rx) < 0)
		errx(1, "%s", loom_error());
	fd = loom_port_fd(port);
	set = epoll_create1(EPOLL_CLOEXEC);
	if (fd < 0 || set < 0 || epoll_ctl(set, EPOLL_CTL_ADD, fd, &wanted) != 0)
		errx(1, "no descriptor to wait on: %s", loom_error());
	if (pthread_create(&sender, NULL, trickle, &plan) != 0)
		errx(1, "cannot start a thread");
	received = receive(&rx, 0, count, "poll", block_in_poll, fd);
	received = receive(&rx, received, count * 2, "epoll", block_in_epoll, set);
	pthread_join(sender, NULL);
	close(set);
	loom_close(port);
	printf("received %" PRIu64 " packets in order\n", received);
	return 0;
}
