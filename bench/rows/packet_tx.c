/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * How many packets a second does the packet port send into a veth, against the best loops that can
 * be written by hand on AF_PACKET: sendmmsg past the queueing discipline, and a mapped TX ring? The better
 * of the two is the floor. Every sender writes each frame anew.
 *
 *	packet_tx [LEN]
 *
 * Packets that the other end of the veth did not count are lost.
 */
#include <errno.h>
#include <linux/if_packet.h>
#include <poll.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include <pktloom.h>

#include "../bench.h"
#include "packet_net.h"

#define BATCH      256u
#define RING_SLOTS 1024u
#define RING_SLOT  2048u
#define SETTLE_US  2000 /* until the last packets have come through the kernel */

static uint32_t frame_len = 60;
static uint8_t frame[NET_FRAME_MAX];

/* What every contender needs: pair k belongs to contender k. */
struct common {
	char far[8];
	int fd;
	uint64_t before;
};

static void common_open(struct common *c, unsigned pair, bool socket_too)
{
	char near[8];

	net_name(near, 0, pair);
	net_name(c->far, 1, pair);
	net_frame(frame, frame_len);
	c->fd = socket_too ? net_sender(near) : -1;
}

/* A sender's burst: step() sends a batch and says how many packets it was rid of. */
static uint64_t send_for(struct common *c, unsigned side, struct bench_turn *turn, void *end,
    unsigned (*step)(void *end))
{
	uint64_t sent = 0, arrived;

	if (side == 1)
		return 0;
	c->before = net_received(c->far);
	while (!bench_over(turn))
		sent += step(end);
	turn->end_ns = bench_now_ns();
	usleep(SETTLE_US);
	arrived = net_received(c->far) - c->before;
	turn->lost = sent > arrived ? sent - arrived : 0;
	return sent;
}

/* ---- ours ---- */

struct ours {
	struct common common;
	struct loom_port *port;
	struct loom_txring tx;
	uint64_t pending; /* filled, and not sent yet */
};

static void *ours_open(const struct bench_row *row, unsigned side)
{
	struct ours *o = calloc(1, sizeof *o);
	char near[8], name[24];

	(void)row;
	if (!o)
		bench_die("out of memory");
	common_open(&o->common, 0, false);
	if (side == 1)
		return o;
	net_name(near, 0, 0);
	snprintf(name, sizeof name, "packet:%s/T", near);
	if (loom_open(name, NULL, &o->port) < 0 || loom_tx(o->port, 0, &o->tx) < 0)
		bench_die("%s", loom_error());
	return o;
}

static unsigned ours_step(void *end)
{
	struct ours *o = end;
	struct loom_txbatch batch = loom_txbatch_begin(&o->tx);
	struct loom_frame slot;
	unsigned space, n = 0;

	for (; n < BATCH && loom_txbatch_next(&batch, &slot); n++) {
		memcpy(slot.data, frame, frame_len);
		loom_txbatch_put(&batch, frame_len, 0);
	}
	loom_txbatch_end(&batch);
	space = loom_tx_space(&o->tx);
	if (loom_tx_sync(&o->tx) < 0)
		bench_die("%s", loom_error());
	return loom_tx_space(&o->tx) - space;
}

static uint64_t ours_burst(void *end, unsigned side, struct bench_turn *turn)
{
	struct ours *o = end;

	return send_for(&o->common, side, turn, o, ours_step);
}

static void ours_close(void *end)
{
	struct ours *o = end;

	loom_close(o->port);
	free(o);
}

/* ---- sendmmsg ---- */

struct mmsg {
	struct common common;
	struct mmsghdr messages[BATCH];
	struct iovec parts[BATCH];
	uint8_t buffers[BATCH][RING_SLOT];
};

static void *mmsg_open(const struct bench_row *row, unsigned side)
{
	struct mmsg *m = calloc(1, sizeof *m);

	(void)row;
	if (!m)
		bench_die("out of memory");
	common_open(&m->common, 1, side == 0);
	for (unsigned i = 0; i < BATCH; i++) {
		m->parts[i] = (struct iovec){m->buffers[i], frame_len};
		m->messages[i].msg_hdr.msg_iov = &m->parts[i];
		m->messages[i].msg_hdr.msg_iovlen = 1;
	}
	return m;
}

static unsigned mmsg_step(void *end)
{
	struct mmsg *m = end;
	unsigned done = 0;

	for (unsigned i = 0; i < BATCH; i++)
		memcpy(m->buffers[i], frame, frame_len);
	while (done < BATCH) {
		int sent = sendmmsg(m->common.fd, m->messages + done, BATCH - done, MSG_DONTWAIT);

		if (sent > 0)
			done += (unsigned)sent;
		else if (errno != ENOBUFS && errno != EAGAIN && errno != EINTR)
			bench_die("sendmmsg: %s", strerror(errno));
	}
	return done;
}

static uint64_t mmsg_burst(void *end, unsigned side, struct bench_turn *turn)
{
	struct mmsg *m = end;

	return send_for(&m->common, side, turn, m, mmsg_step);
}

static void mmsg_close(void *end)
{
	struct mmsg *m = end;

	if (m->common.fd >= 0)
		close(m->common.fd);
	free(m);
}

/* ---- a mapped TX ring ---- */

/* Where the kernel looks for the frame in a slot: behind the header, aligned. */
static const size_t mapped_header = (sizeof(struct tpacket2_hdr) + 15) / 16 * 16;

struct mapped {
	struct common common;
	uint8_t *ring;
	unsigned next;
};

static void *mapped_open(const struct bench_row *row, unsigned side)
{
	const struct tpacket_req ring = {.tp_block_size = RING_SLOTS * RING_SLOT / 16,
	    .tp_block_nr = 16,
	    .tp_frame_size = RING_SLOT,
	    .tp_frame_nr = RING_SLOTS};
	struct mapped *m = calloc(1, sizeof *m);
	int version = TPACKET_V2;

	(void)row;
	if (!m)
		bench_die("out of memory");
	common_open(&m->common, 2, side == 0);
	if (side == 1)
		return m;
	if (setsockopt(m->common.fd, SOL_PACKET, PACKET_VERSION, &version, sizeof version) != 0 ||
	    setsockopt(m->common.fd, SOL_PACKET, PACKET_TX_RING, &ring, sizeof ring) != 0)
		bench_die("no TX ring: %s", strerror(errno));
	m->ring = mmap(NULL, (size_t)RING_SLOTS * RING_SLOT, PROT_READ | PROT_WRITE,
	    MAP_SHARED | MAP_POPULATE, m->common.fd, 0);
	if (m->ring == MAP_FAILED)
		bench_die("cannot map a TX ring: %s", strerror(errno));
	return m;
}

static unsigned mapped_step(void *end)
{
	struct mapped *m = end;
	unsigned n = 0;

	for (; n < BATCH; n++) {
		uint8_t *slot = m->ring + (size_t)m->next * RING_SLOT;
		struct tpacket2_hdr *header = (struct tpacket2_hdr *)(void *)slot;

		if (__atomic_load_n(&header->tp_status, __ATOMIC_ACQUIRE) != TP_STATUS_AVAILABLE)
			break;
		memcpy(slot + mapped_header, frame, frame_len);
		header->tp_len = frame_len;
		__atomic_store_n(&header->tp_status, TP_STATUS_SEND_REQUEST, __ATOMIC_RELEASE);
		m->next = (m->next + 1) % RING_SLOTS;
	}
	if (send(m->common.fd, NULL, 0, MSG_DONTWAIT) < 0 && errno != ENOBUFS && errno != EAGAIN)
		bench_die("send: %s", strerror(errno));
	return n;
}

static uint64_t mapped_burst(void *end, unsigned side, struct bench_turn *turn)
{
	struct mapped *m = end;

	return send_for(&m->common, side, turn, m, mapped_step);
}

static void mapped_close(void *end)
{
	struct mapped *m = end;

	if (m->common.fd >= 0)
		close(m->common.fd);
	free(m);
}

int main(int argc, char **argv)
{
	struct bench_row row = {
	    .name = "packet_tx",
	    .unit = "Mpps",
	    .question = "packets sent into a veth",
	    .measured_side = 0,
	    .rounds = 40,
	    .burst_ms = 60,
	    .floors = 2,
	    .contenders = {{"pktloom", ours_open, ours_burst, ours_close},
		{"sendmmsg, no qdisc", mmsg_open, mmsg_burst, mmsg_close},
		{"TX ring, no qdisc", mapped_open, mapped_burst, mapped_close}},
	};

	if (argc > 1)
		frame_len = bench_number(argv[1], 14, NET_FRAME_MAX);
	bench_private_dir();
	net_make_pairs(3);
	return bench_main(&row);
}
