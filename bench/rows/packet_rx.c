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

#include "flood.h"

#define BLOCK  (128u << 10)
#define BLOCKS 64u

static struct flood_job job = {.kind = "packet", .len = 60};

/* ---- mapped blocks ---- */

struct mapped {
	struct flood *flood;
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
		m->flood = flood_open(pair, job.len);
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
			poll(&ready, 1, FLOOD_POLL_MS);
		else
			bench_relax();
		return 0;
	}
	n = block->hdr.bh1.num_pkts;
	packet = (const uint8_t *)block + block->hdr.bh1.offset_to_first_pkt;
	for (unsigned i = 0; i < n; i++) {
		const struct tpacket3_hdr *header = (const void *)packet;

		flood_look(packet + header->tp_mac);
		packet += header->tp_next_offset;
	}
	__atomic_store_n(&block->hdr.bh1.block_status, TP_STATUS_KERNEL, __ATOMIC_RELEASE);
	m->block = (m->block + 1) % BLOCKS;
	return n;
}

static uint64_t mapped_burst(void *end, unsigned side, struct bench_turn *turn)
{
	struct mapped *m = end;

	return side == 0 ? flood_burst(m->flood, turn) : flood_receive(turn, m, mapped_step);
}

static void mapped_close(void *end)
{
	struct mapped *m = end;

	flood_close(m->flood);
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
	    .job = &job,
	    .contenders = {{"pktloom", port_rx_open, port_rx_burst, port_rx_close},
		{"TPACKET_V3, poll(2)", sleeping_open, mapped_burst, mapped_close},
		{"TPACKET_V3, spinning", spinning_open, mapped_burst, mapped_close}},
	};

	if (argc > 1)
		job.len = bench_number(argv[1], 14, NET_FRAME_MAX);
	bench_private_dir();
	net_make_pairs(3, 1);
	return bench_main(&row);
}
