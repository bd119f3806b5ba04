/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * poll_basic with io_uring: a poll request on the port's descriptor, which stays there for all packets
 * (multishot) and so tells of changes only, as edge-triggered epoll does.
 *
 * The rule is the same: sync, use what is there, and block only after a sync that brought nothing.
 */
#include <err.h>
#include <liburing.h>
#include <poll.h>
#include <pthread.h>
#include <stdlib.h>

#include "trickle.h"

static void ask(struct io_uring *uring, int fd)
{
	struct io_uring_sqe *sqe = io_uring_get_sqe(uring);

	if (!sqe)
		errx(1, "the submission queue is full");
	io_uring_prep_poll_multishot(sqe, fd, POLLIN);
	if (io_uring_submit(uring) < 0)
		errx(1, "io_uring_submit failed");
}

/* Block until there is a completion; a request that ended is made anew. */
static void block(struct io_uring *uring, int fd)
{
	struct __kernel_timespec timeout = {.tv_sec = TIMEOUT_MS / 1000};
	struct io_uring_cqe *cqe;
	bool goes_on;

	if (io_uring_wait_cqe_timeout(uring, &cqe, &timeout) < 0)
		errx(1, "no packet within %d s", TIMEOUT_MS / 1000);
	if (cqe->res < 0)
		errx(1, "poll: error %d", -cqe->res);
	goes_on = cqe->flags & IORING_CQE_F_MORE;
	io_uring_cqe_seen(uring, cqe);
	if (!goes_on)
		ask(uring, fd);
}

static uint64_t receive(struct loom_rxring *rx, struct io_uring *uring, int fd, uint64_t total)
{
	uint64_t received = 0, blocked = 0;

	ask(uring, fd);
	for (uint64_t taken; received < total; received += taken) {
		taken = take(rx, received);
		if (taken > 0)
			continue;
		blocked++;
		block(uring, fd);
	}
	printf("io_uring: blocked %" PRIu64 " times\n", blocked);
	return received;
}

int main(int argc, char **argv)
{
	struct plan plan = {.total = 400, .interval_us = 1000};
	const struct arg args[] = {
	    {"count", "packets", .number = &plan.total, .min = 1},
	    {"interval", "microseconds between packets", .number = &plan.interval_us,
		.max = 1000000},
	    {0},
	};
	struct io_uring uring;
	struct loom_rxring rx;
	struct loom_port *port;
	pthread_t sender;
	int fd;

	args_parse(argc, argv, "Receives through io_uring.", args);
	if (io_uring_queue_init(8, &uring, 0) < 0) {
		printf("SKIP: the system has no io_uring, or does not allow it\n");
		return 77;
	}
	snprintf(plan.name, sizeof plan.name, "pipe{uring-%ld}", (long)getpid());
	if (loom_open(plan.name, NULL, &port) < 0 || loom_rx(port, 0, &rx) < 0)
		errx(1, "%s", loom_error());
	fd = loom_port_fd(port);
	if (fd < 0)
		errx(1, "no descriptor to wait on: %s", loom_error());
	if (pthread_create(&sender, NULL, trickle, &plan) != 0)
		errx(1, "cannot start a thread");
	printf("received %" PRIu64 " packets in order\n", receive(&rx, &uring, fd, plan.total));
	pthread_join(sender, NULL);
	io_uring_queue_exit(&uring);
	loom_close(port);
	return 0;
}
