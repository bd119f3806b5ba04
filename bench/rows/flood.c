/* SPDX-License-Identifier: BSD-2-Clause */
#include "flood.h"

#include <errno.h>
#include <sys/socket.h>
#include <unistd.h>

#define QUIET_NS  20000000u /* after the sender's end: what has not come by then is lost */
#define SETTLE_US 2000      /* until the last packets have come through the kernel */

struct flood {
	int fd;
	struct mmsghdr messages[FLOOD_BATCH];
	struct iovec part;
	uint8_t frame[NET_FRAME_MAX];
};

struct flood *flood_open(unsigned pair, uint32_t len)
{
	struct flood *flood = calloc(1, sizeof *flood);
	char near[8];

	if (!flood)
		bench_die("out of memory");
	net_name(near, 0, pair);
	net_frame(flood->frame, len);
	flood->fd = net_sender(near);
	flood->part = (struct iovec){flood->frame, len};
	for (unsigned i = 0; i < FLOOD_BATCH; i++) {
		flood->messages[i].msg_hdr.msg_iov = &flood->part;
		flood->messages[i].msg_hdr.msg_iovlen = 1;
	}
	return flood;
}

uint64_t flood_burst(struct flood *flood, struct bench_turn *turn)
{
	uint64_t sent = 0;

	while (!bench_over(turn)) {
		int n = sendmmsg(flood->fd, flood->messages, FLOOD_BATCH, MSG_DONTWAIT);

		if (n > 0)
			sent += (unsigned)n;
		else if (errno != ENOBUFS && errno != EAGAIN && errno != EINTR)
			bench_die("sendmmsg: %s", strerror(errno));
	}
	bench_finish(turn, sent);
	return sent;
}

void flood_close(struct flood *flood)
{
	if (!flood)
		return;
	close(flood->fd);
	free(flood);
}

uint64_t flood_receive(struct bench_turn *turn, void *end, unsigned (*step)(void *end))
{
	uint64_t got = 0, total;

	turn->end_ns = bench_now_ns();
	for (;;) {
		unsigned n = step(end);

		got += n;
		if (n)
			turn->end_ns = bench_now_ns();
		else if (bench_finished(turn, got) || (bench_finished(turn, UINT64_MAX) &&
							  bench_now_ns() > turn->end_ns + QUIET_NS))
			break;
	}
	total = turn->total;
	turn->lost = total > got ? total - got : 0;
	return got;
}

uint64_t flood_send(
    unsigned pair, unsigned side, struct bench_turn *turn, void *end, unsigned (*step)(void *end))
{
	uint64_t sent = 0, before, arrived;
	char far[8];

	if (side == 1)
		return 0;
	net_name(far, 1, pair);
	before = net_received(far);
	while (!bench_over(turn))
		sent += step(end);
	turn->end_ns = bench_now_ns();
	usleep(SETTLE_US);
	arrived = net_received(far) - before;
	turn->lost = sent > arrived ? sent - arrived : 0;
	return sent;
}
