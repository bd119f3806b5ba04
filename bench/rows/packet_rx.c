/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * How many packets a second does the packet port receive from a veth, against the best loops that
 * can be written by hand on AF_PACKET: mapped blocks (TPACKET_V3), polling them all the time, or
 * sleeping in poll(2) when there is none? The better of the two is the floor. Every receiver looks
 * into each packet.
 *
 *	packet_rx [LEN]
 *
 * The sender is the same for all: sendmmsg past the queueing discipline, as fast as it can. Packets that
 * were sent and not received are lost.
 */
#include <errno.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <netinet/in.h>
#include <poll.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include <pktloom.h>

#include "../bench.h"
#include "packet_net.h"

#define BATCH      256u
#define BLOCK      (128u << 10)
#define BLOCKS     64u
#define POLL_MS    5
#define QUIET_NS   20000000u /* after the sender's end: what has not come by then is lost */
#define LOOK_BYTES 8u

static uint32_t frame_len = 60;

/* ---- the sender, the same for all ---- */

struct sender {
	int fd;
	struct mmsghdr messages[BATCH];
	struct iovec part;
	uint8_t frame[NET_FRAME_MAX];
};

static struct sender *sender_open(unsigned pair)
{
	struct sender *s = calloc(1, sizeof *s);
	char near[8];

	if (!s)
		bench_die("out of memory");
	net_name(near, 0, pair);
	net_frame(s->frame, frame_len);
	s->fd = net_sender(near);
	s->part = (struct iovec){s->frame, frame_len};
	for (unsigned i = 0; i < BATCH; i++) {
		s->messages[i].msg_hdr.msg_iov = &s->part;
		s->messages[i].msg_hdr.msg_iovlen = 1;
	}
	return s;
}

static uint64_t sender_burst(struct sender *s, struct bench_turn *turn)
{
	uint64_t sent = 0;

	while (!bench_over(turn)) {
		int n = sendmmsg(s->fd, s->messages, BATCH, MSG_DONTWAIT);

		if (n > 0)
			sent += (unsigned)n;
		else if (errno != ENOBUFS && errno != EAGAIN && errno != EINTR)
			bench_die("sendmmsg: %s", strerror(errno));
	}
	bench_finish(turn, sent);
	return sent;
}

static void sender_close(struct sender *s)
{
	close(s->fd);
	free(s);
}

/* A receiver's burst: step() takes what is there, sleeps a little if nothing is, and says how many. */
static uint64_t receive_all(struct bench_turn *turn, void *end, unsigned (*step)(void *end))
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

static inline void look(const uint8_t *data)
{
	uint64_t word;

	memcpy(&word, data, LOOK_BYTES);
	bench_use(word);
}

/* ---- ours ---- */

struct ours {
	struct sender *sender;
	struct loom_port *port;
	struct loom_rxring rx;
};

static void *ours_open(const struct bench_row *row, unsigned side)
{
	struct ours *o = calloc(1, sizeof *o);
	char far[8], name[24];

	(void)row;
	if (!o)
		bench_die("out of memory");
	if (side == 0) {
		o->sender = sender_open(0);
		return o;
	}
	net_name(far, 1, 0);
	snprintf(name, sizeof name, "packet:%s/R", far);
	if (loom_open(name, NULL, &o->port) < 0 || loom_rx(o->port, 0, &o->rx) < 0)
		bench_die("%s", loom_error());
	return o;
}

static unsigned ours_step(void *end)
{
	struct ours *o = end;
	struct loom_rxbatch batch;
	struct loom_frame frame;
	unsigned n = 0;

	if (loom_rx_sync(&o->rx) < 0 ||
	    (loom_rx_space(&o->rx) == 0 && loom_port_wait(o->port, LOOM_RX, POLL_MS) < 0))
		bench_die("%s", loom_error());
	batch = loom_rxbatch_begin(&o->rx);
	for (; loom_rxbatch_next(&batch, &frame); n++)
		look(frame.data);
	loom_rxbatch_end(&batch);
	return n;
}

static uint64_t ours_burst(void *end, unsigned side, struct bench_turn *turn)
{
	struct ours *o = end;

	return side == 0 ? sender_burst(o->sender, turn) : receive_all(turn, o, ours_step);
}

static void ours_close(void *end)
{
	struct ours *o = end;

	if (o->sender)
		sender_close(o->sender);
	loom_close(o->port);
	free(o);
}

/* ---- mapped blocks ---- */

struct mapped {
	struct sender *sender;
	int fd;
	bool sleeps;
	uint8_t *blocks;
	unsigned block;
};

static void mapped_listen(struct mapped *m, unsigned pair)
{
	const struct tpacket_req3 ring = {.tp_block_size = BLOCK,
	    .tp_block_nr = BLOCKS,
	    .tp_frame_size = 2048,
	    .tp_frame_nr = BLOCKS * (BLOCK / 2048),
	    .tp_retire_blk_tov = 1};
	struct sockaddr_ll at = {.sll_family = AF_PACKET, .sll_protocol = htons(ETH_P_ALL)};
	int version = TPACKET_V3, on = 1;
	char far[8];

	net_name(far, 1, pair);
	at.sll_ifindex = net_index(far);
	m->fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0);
	if (m->fd < 0 ||
	    setsockopt(m->fd, SOL_PACKET, PACKET_VERSION, &version, sizeof version) != 0 ||
	    setsockopt(m->fd, SOL_PACKET, PACKET_RX_RING, &ring, sizeof ring) != 0)
		bench_die("no mapped blocks: %s", strerror(errno));
	setsockopt(m->fd, SOL_PACKET, PACKET_IGNORE_OUTGOING, &on, sizeof on);
	m->blocks = mmap(NULL, (size_t)BLOCK * BLOCKS, PROT_READ | PROT_WRITE,
	    MAP_SHARED | MAP_POPULATE, m->fd, 0);
	if (m->blocks == MAP_FAILED || bind(m->fd, (struct sockaddr *)&at, sizeof at) != 0)
		bench_die("cannot map or bind blocks: %s", strerror(errno));
}

static void *mapped_open(unsigned side, unsigned pair, bool sleeps)
{
	struct mapped *m = calloc(1, sizeof *m);

	if (!m)
		bench_die("out of memory");
	m->sleeps = sleeps;
	m->fd = -1;
	if (side == 0)
		m->sender = sender_open(pair);
	else
		mapped_listen(m, pair);
	return m;
}

static void *sleeping_open(const struct bench_row *row, unsigned side)
{
	(void)row;
	return mapped_open(side, 1, true);
}

static void *spinning_open(const struct bench_row *row, unsigned side)
{
	(void)row;
	return mapped_open(side, 2, false);
}

/* One block's packets. */
static unsigned mapped_step(void *end)
{
	struct mapped *m = end;
	struct tpacket_block_desc *block =
	    (struct tpacket_block_desc *)(void *)(m->blocks + (size_t)m->block * BLOCK);
	struct pollfd ready = {.fd = m->fd, .events = POLLIN | POLLERR};
	const uint8_t *packet;
	unsigned n;

	if (!(__atomic_load_n(&block->hdr.bh1.block_status, __ATOMIC_ACQUIRE) & TP_STATUS_USER)) {
		if (m->sleeps)
			poll(&ready, 1, POLL_MS);
		else
			bench_relax();
		return 0;
	}
	n = block->hdr.bh1.num_pkts;
	packet = (const uint8_t *)block + block->hdr.bh1.offset_to_first_pkt;
	for (unsigned i = 0; i < n; i++) {
		const struct tpacket3_hdr *header = (const void *)packet;

		look(packet + header->tp_mac);
		packet += header->tp_next_offset;
	}
	__atomic_store_n(&block->hdr.bh1.block_status, TP_STATUS_KERNEL, __ATOMIC_RELEASE);
	m->block = (m->block + 1) % BLOCKS;
	return n;
}

static uint64_t mapped_burst(void *end, unsigned side, struct bench_turn *turn)
{
	struct mapped *m = end;

	return side == 0 ? sender_burst(m->sender, turn) : receive_all(turn, m, mapped_step);
}

static void mapped_close(void *end)
{
	struct mapped *m = end;

	if (m->sender)
		sender_close(m->sender);
	if (m->fd >= 0)
		close(m->fd);
	free(m);
}

int main(int argc, char **argv)
{
	struct bench_row row = {
	    .name = "packet_rx",
	    .unit = "Mpps",
	    .question = "packets received from a veth",
	    .measured_side = 1,
	    .rounds = 40,
	    .burst_ms = 60,
	    .floors = 2,
	    .contenders = {{"pktloom", ours_open, ours_burst, ours_close},
		{"TPACKET_V3, poll(2)", sleeping_open, mapped_burst, mapped_close},
		{"TPACKET_V3, spinning", spinning_open, mapped_burst, mapped_close}},
	};

	if (argc > 1)
		frame_len = bench_number(argv[1], 14, NET_FRAME_MAX);
	bench_private_dir();
	net_make_pairs(3);
	return bench_main(&row);
}
