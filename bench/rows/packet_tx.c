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

#include "flood.h"

#define RING_SLOTS 1024u
#define RING_SLOT  2048u

static struct flood_job job = {.kind = "packet", .len = 60};
static uint8_t frame[NET_FRAME_MAX];

/* The near end of a pair; side 1 has nothing to do. */
static int socket_open(unsigned pair, unsigned side)
{
	char near[8];

	net_name(near, 0, pair);
	net_frame(frame, job.len);
	return side == 0 ? net_sender(near) : -1;
}

/* ---- sendmmsg ---- */

struct mmsg {
	int fd;
	struct mmsghdr messages[FLOOD_BATCH];
	struct iovec parts[FLOOD_BATCH];
	uint8_t buffers[FLOOD_BATCH][RING_SLOT];
};

static void *mmsg_open(const struct bench_row *row, unsigned side)
{
	struct mmsg *m = calloc(1, sizeof *m);

	(void)row;
	if (!m)
		bench_die("out of memory");
	m->fd = socket_open(1, side);
	for (unsigned i = 0; i < FLOOD_BATCH; i++) {
		m->parts[i] = (struct iovec){m->buffers[i], job.len};
		m->messages[i].msg_hdr.msg_iov = &m->parts[i];
		m->messages[i].msg_hdr.msg_iovlen = 1;
	}
	return m;
}

static unsigned mmsg_step(void *end)
{
	struct mmsg *m = end;
	unsigned done = 0;

	for (unsigned i = 0; i < FLOOD_BATCH; i++)
		memcpy(m->buffers[i], frame, job.len);
	while (done < FLOOD_BATCH) {
		int sent = sendmmsg(m->fd, m->messages + done, FLOOD_BATCH - done, MSG_DONTWAIT);

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

	return flood_send(1, side, turn, m, mmsg_step);
}

static void mmsg_close(void *end)
{
	struct mmsg *m = end;

	if (m->fd >= 0)
		close(m->fd);
	free(m);
}

/* ---- a mapped TX ring ---- */

/* Where the kernel looks for the frame in a slot: behind the header, aligned. */
static const size_t mapped_header = (sizeof(struct tpacket2_hdr) + 15) / 16 * 16;

struct mapped {
	int fd;
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
	m->fd = socket_open(2, side);
	if (side == 1)
		return m;
	if (setsockopt(m->fd, SOL_PACKET, PACKET_VERSION, &version, sizeof version) != 0 ||
	    setsockopt(m->fd, SOL_PACKET, PACKET_TX_RING, &ring, sizeof ring) != 0)
		bench_die("no TX ring: %s", strerror(errno));
	m->ring = mmap(NULL, (size_t)RING_SLOTS * RING_SLOT, PROT_READ | PROT_WRITE,
	    MAP_SHARED | MAP_POPULATE, m->fd, 0);
	if (m->ring == MAP_FAILED)
		bench_die("cannot map a TX ring: %s", strerror(errno));
	return m;
}

static unsigned mapped_step(void *end)
{
	struct mapped *m = end;
	unsigned n = 0;

	for (; n < FLOOD_BATCH; n++) {
		uint8_t *slot = m->ring + (size_t)m->next * RING_SLOT;
		struct tpacket2_hdr *header = (struct tpacket2_hdr *)(void *)slot;

		if (__atomic_load_n(&header->tp_status, __ATOMIC_ACQUIRE) != TP_STATUS_AVAILABLE)
			break;
		memcpy(slot + mapped_header, frame, job.len);
		header->tp_len = job.len;
		__atomic_store_n(&header->tp_status, TP_STATUS_SEND_REQUEST, __ATOMIC_RELEASE);
		m->next = (m->next + 1) % RING_SLOTS;
	}
	if (send(m->fd, NULL, 0, MSG_DONTWAIT) < 0 && errno != ENOBUFS && errno != EAGAIN)
		bench_die("send: %s", strerror(errno));
	return n;
}

static uint64_t mapped_burst(void *end, unsigned side, struct bench_turn *turn)
{
	struct mapped *m = end;

	return flood_send(2, side, turn, m, mapped_step);
}

static void mapped_close(void *end)
{
	struct mapped *m = end;

	if (m->fd >= 0)
		close(m->fd);
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
	    .job = &job,
	    .contenders = {{"pktloom", port_tx_open, port_tx_burst, port_tx_close},
		{"sendmmsg, no qdisc", mmsg_open, mmsg_burst, mmsg_close},
		{"TX ring, no qdisc", mapped_open, mapped_burst, mapped_close}},
	};

	if (argc > 1)
		job.len = bench_number(argv[1], 14, NET_FRAME_MAX);
	bench_private_dir();
	net_make_pairs(3, 1);
	return bench_main(&row);
}
