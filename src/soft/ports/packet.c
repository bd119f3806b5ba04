/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * packet: an Ethernet interface of the host, through AF_PACKET. The host goes on seeing the traffic.
 *
 *   receive   kernel ──► blocks of TPACKET_V3, mapped ──copy──► slots' buffers
 *   send      slots' buffers ──sendmmsg──► driver, past the queueing discipline
 *
 * Every ring has a socket of its own, so that rings can be synced by different threads, and so that an
 * error that the receive path met is not handed to a sender. Several RX rings share the traffic by flow
 * (PACKET_FANOUT). What the kernel left undone because no wire was in sight is done while copying:
 * VLAN tags are put back, TCP and UDP checksums completed.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <linux/filter.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <linux/virtio_net.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <sys/uio.h>
#include <unistd.h>

#include "../../base/error.h"
#include "../port.h"

/*
 * Receive blocks. Larger ones cost nothing in speed but, once partly filled, are handed over after a
 * millisecond all the same: as many blocks, as many milliseconds a reader may stay away from a
 * trickle. Below 64 KiB the rate suffers (bench/rows/packet_rx). A block must hold the largest
 * GRO packet, or the kernel complains in its log.
 */
#define RX_BLOCK      (128u << 10)
#define RX_BLOCKS     64u  /* of one ring … */
#define RX_BLOCKS_ALL 512u /* … and of a port with many */
#define RX_BLOCKS_MIN 8u
#define RX_RETIRE_MS  1u /* the least there is; a lone packet waits half of it on average */

/* How often a ring that is synced without ever sleeping asks how link and kernel are. */
#define RX_LOOK_SYNCS 32u
#define RX_LOOK_NS    20000000u

#define TX_BATCH     256u /* packets per system call: bench/rows/packet_tx */
#define TX_RETRY_MIN 50u  /* µs; drivers say when they are full, but not when they have room again */
#define TX_RETRY_MAX 5000u

#define TAG_BYTES 4u
#define TAG_AT    12u /* behind the two addresses */

struct packet_rx {
	int fd;
	uint8_t *blocks;
	uint32_t num_blocks;
	uint32_t block;         /* the one that is read, or comes next */
	uint32_t left;          /* its packets not yet taken */
	const uint8_t *packet;  /* the first of them */
	bool losing;            /* the kernel has drops to report */
	bool down;              /* the link was when last looked at */
	uint32_t idle;          /* syncs without packets since the last look */
	uint64_t looked_ns;
} __attribute__((aligned(128)));

struct packet_tx {
	int fd;
	int timer; /* -1 until somebody sleeps on the ring */
	bool armed;
	uint32_t retry_us; /* the next sleep's */
	uint32_t skip;     /* a packet that begins here is dropped, and counted already */
	uint32_t stop;     /* behind the last slot gathered */
	struct mmsghdr messages[TX_BATCH];
	struct iovec parts[TX_BATCH + NETMAP_MAX_FRAGS];
	uint32_t after[TX_BATCH]; /* the slot behind each message */
} __attribute__((aligned(128)));

#define SKIP_NONE UINT32_MAX

struct packet {
	struct packet_rx *rx;
	struct packet_tx *tx;
	uint32_t num_rx, num_tx; /* with sockets */
};

/* ---- the link ---- */

/* Whether the interface that a socket is bound to is up; if not, -ENETDOWN and what can be done. */
static int link_check(const struct port *port, int fd)
{
	struct sockaddr_ll bound = {0};
	socklen_t size = sizeof bound;
	struct ifreq request = {0};

	/* The kernel unbinds the socket from an interface that goes, whatever comes by its name later. */
	if (getsockname(fd, (struct sockaddr *)&bound, &size) == 0)
		request.ifr_ifindex = bound.sll_ifindex;
	if (request.ifr_ifindex <= 0 || ioctl(fd, SIOCGIFNAME, &request) != 0 ||
	    ioctl(fd, SIOCGIFFLAGS, &request) != 0)
		return error_set(-ENETDOWN,
		    "port \"%s\": the interface is gone; close the port, and open it again if it comes back",
		    port->name);
	if (request.ifr_flags & IFF_UP)
		return 0;
	return error_set(-ENETDOWN,
	    "port \"%s\": the interface is down; the port goes on when it is up (ip link set %s up)",
	    port->name, request.ifr_name);
}

/* ---- receive ---- */

static struct tpacket_block_desc *rx_block(const struct packet_rx *rx)
{
	return (struct tpacket_block_desc *)(void *)(rx->blocks + (size_t)rx->block * RX_BLOCK);
}

static void rx_block_release(struct packet_rx *rx)
{
	/* Pairs with the kernel's look at the status before it writes: our reads of the block are done. */
	__atomic_store_n(
	    &rx_block(rx)->hdr.bh1.block_status, TP_STATUS_KERNEL, __ATOMIC_RELEASE);
	rx->block = rx->block + 1 == rx->num_blocks ? 0 : rx->block + 1;
}

/* Whether there is a packet to take. Empty blocks, which some kernels hand over, are passed. */
static bool rx_available(struct packet_rx *rx)
{
	while (rx->left == 0) {
		struct tpacket_block_desc *block = rx_block(rx);
		/* Pairs with the kernel's barrier before the store: the block's contents are there. */
		uint32_t status = __atomic_load_n(&block->hdr.bh1.block_status, __ATOMIC_ACQUIRE);

		if (!(status & TP_STATUS_USER))
			return false;
		rx->losing |= (status & TP_STATUS_LOSING) != 0;
		rx->left = block->hdr.bh1.num_pkts;
		rx->packet = (const uint8_t *)block + block->hdr.bh1.offset_to_first_pkt;
		if (rx->left == 0)
			rx_block_release(rx);
	}
	return true;
}

static void rx_advance(struct packet_rx *rx, const struct tpacket3_hdr *packet)
{
	rx->packet += packet->tp_next_offset;
	if (--rx->left == 0)
		rx_block_release(rx);
}

/* One's complement sum of n bytes, as 16-bit words in memory order. */
static uint16_t checksum(const uint8_t *data, uint32_t n)
{
	uint64_t sum = 0;
	uint32_t word;

	for (; n >= sizeof word; n -= sizeof word, data += sizeof word) {
		memcpy(&word, data, sizeof word);
		sum += word;
	}
	word = 0;
	memcpy(&word, data, n);
	for (sum += word; sum >> 16;)
		sum = (sum & 0xffff) + (sum >> 16);
	return (uint16_t)~sum;
}

/*
 * A sender on this host leaves checksums to hardware that a veth or a bridge does not have; a
 * program behind the port would see them as wrong. SCTP's, which is no sum, stays undone.
 */
static void complete_checksum(uint8_t *frame, uint32_t len, const uint8_t *header, uint32_t tag)
{
	struct virtio_net_hdr offload;
	uint32_t start, at;
	uint16_t sum;

	memcpy(&offload, header, sizeof offload);
	start = offload.csum_start + tag;
	at = start + offload.csum_offset;
	if (!(offload.flags & VIRTIO_NET_HDR_F_NEEDS_CSUM) || at + sizeof sum > len ||
	    (offload.csum_offset != 6 && offload.csum_offset != 16)) /* UDP, TCP */
		return;
	sum = checksum(frame + start, len - start);
	if (sum == 0)
		sum = 0xffff; /* the same number, and in UDP zero means none */
	memcpy(frame + at, &sum, sizeof sum);
}

static void copy_tagged(uint8_t *to, const uint8_t *from, const struct tpacket3_hdr *packet)
{
	bool known = packet->tp_status & TP_STATUS_VLAN_TPID_VALID;
	const uint16_t tag[2] = {htons(known ? packet->hv1.tp_vlan_tpid : ETH_P_8021Q),
	    htons((uint16_t)packet->hv1.tp_vlan_tci)};

	memcpy(to, from, TAG_AT);
	memcpy(to + TAG_AT, tag, TAG_BYTES);
	memcpy(to + TAG_AT + TAG_BYTES, from + TAG_AT, packet->tp_snaplen - TAG_AT);
}

/* Copy a packet to a buffer as it was on the wire; its length, or 0: not for this port, or counted. */
static uint32_t rx_copy(struct ring *r, const struct tpacket3_hdr *packet, uint8_t *to)
{
	const uint8_t *at = (const uint8_t *)packet, *from = at + packet->tp_mac;
	const struct sockaddr_ll *source =
	    (const void *)(at + TPACKET_ALIGN(sizeof(struct tpacket3_hdr)));
	bool tagged = packet->tp_status & TP_STATUS_VLAN_VALID && packet->tp_snaplen >= TAG_AT;
	uint32_t tag = tagged ? TAG_BYTES : 0, len = packet->tp_len + tag;

	if (source->sll_pkttype == PACKET_OUTGOING) /* kernels without PACKET_IGNORE_OUTGOING */
		return 0;
	if (LOOM_UNLIKELY(packet->tp_snaplen < packet->tp_len || len > r->port->region->buf_size)) {
		ring_drop(r, LOOM_DROP_OVERSIZED, 1);
		return 0;
	}
	if (LOOM_UNLIKELY(tagged))
		copy_tagged(to, from, packet);
	else
		memcpy(to, from, len);
	if (LOOM_UNLIKELY(packet->tp_status & TP_STATUS_CSUMNOTREADY))
		complete_checksum(to, len, from - sizeof(struct virtio_net_hdr), tag);
	return len;
}

/* Fill free slots with packets; how many. A slot without a buffer is passed on empty: its owner broke it. */
static uint32_t rx_fill(struct ring *r, struct packet_rx *rx, uint32_t room)
{
	const struct region *region = r->port->region;
	uint32_t at = r->hwtail, taken = 0;

	while (room > 0 && rx_available(rx)) {
		struct netmap_slot *slot = &r->common.ring->slot[at];
		uint32_t buffer = __atomic_load_n(&slot->buf_idx, __ATOMIC_RELAXED), len = 0;

		if (buffer >= REGION_FIRST_BUFFER && buffer < region->num_bufs) {
			const struct tpacket3_hdr *packet = (const void *)rx->packet;

			len = rx_copy(r, packet, region_buffer(region, buffer));
			rx_advance(rx, packet);
			if (len == 0)
				continue;
			taken++;
		}
		slot->len = (uint16_t)len;
		slot->flags = 0;
		at = ring_next(r, at);
		room--;
	}
	r->hwtail = at;
	return taken;
}

static void rx_count_kernel_drops(struct ring *r, struct packet_rx *rx)
{
	struct tpacket_stats_v3 counted;
	socklen_t size = sizeof counted;

	/* Reading them sets them to zero, and ends TP_STATUS_LOSING. */
	if (getsockopt(rx->fd, SOL_PACKET, PACKET_STATISTICS, &counted, &size) == 0)
		ring_drop(r, LOOM_DROP_NO_ROOM, counted.tp_drops);
	rx->losing = false;
}

/* Ask the kernel what the mapped ring does not say. */
static int rx_look(struct ring *r, struct packet_rx *rx)
{
	int happened = 0, err = 0;
	socklen_t size = sizeof happened;

	rx_count_kernel_drops(r, rx);
	getsockopt(rx->fd, SOL_SOCKET, SO_ERROR, &happened, &size);
	if (happened || rx->down)
		err = link_check(r->port, rx->fd);
	rx->down = err != 0;
	rx->idle = 0;
	return err;
}

/* No system call as a rule: a ring may be synced in a loop, and one that sleeps looks in arm. */
static int rx_nothing(struct ring *r, struct packet_rx *rx)
{
	uint64_t now;

	if (rx->down)
		return rx_look(r, rx);
	if (++rx->idle % RX_LOOK_SYNCS)
		return 0;
	now = os_now_ns();
	if (now - rx->looked_ns < RX_LOOK_NS)
		return 0;
	rx->looked_ns = now;
	return rx_look(r, rx);
}

static int packet_rxsync(struct ring *r)
{
	struct packet_rx *rx = r->state;
	uint32_t room, taken;

	r->hwcur = r->rhead;
	room = ring_distance(r, r->hwtail, ring_prev(r, r->hwcur));
	taken = rx_fill(r, rx, room);
	if (LOOM_UNLIKELY(rx->losing))
		rx_count_kernel_drops(r, rx);
	if (taken == 0)
		return ring_ready(r) ? 0 : rx_nothing(r, rx);
	r->common.stats.packets += taken;
	os_wall_clock(&r->common.ring->ts);
	return 0;
}

static int rx_arm(struct ring *r, struct pollfd *out)
{
	struct packet_rx *rx = r->state;

	out->fd = rx->fd;
	out->events = POLLIN;
	/* A dead link is news: the sync that follows says so. */
	return rx_look(r, rx) != 0 || ring_ready(r) || rx_available(rx);
}

/* ---- send ---- */

/*
 * Describe whole packets from hwcur on as messages, up to a bad one or one still incomplete. A bad one is
 * remembered in tx->skip: what stands before it has to leave first.
 */
static unsigned tx_gather(struct ring *r, struct packet_tx *tx)
{
	uint32_t at = r->hwcur;
	struct iovec *part = tx->parts, *const limit = part + TX_BATCH;
	unsigned n = 0;

	for (tx->stop = at; at != r->rhead && at != tx->skip && n < TX_BATCH && part < limit;) {
		struct iovec *const first = part;
		uint32_t total = 0, len;
		bool bad = false;
		uint16_t flags;

		do {
			uint8_t *data = ring_slot_data(r, at, &len, &flags);

			bad |= data == NULL;
			total += len;
			*part++ = (struct iovec){.iov_base = data, .iov_len = len};
			at = ring_next(r, at);
		} while (flags & NS_MOREFRAG && at != r->rhead && !bad &&
			 part - first < NETMAP_MAX_FRAGS);
		if (!bad && (flags & NS_MOREFRAG ? tx_too_long(r, first, part) : total < ETH_HLEN)) {
			ring_drop(r, LOOM_DROP_BAD_LENGTH, 1);
			bad = true;
		}
		if (bad)
			tx->skip = tx->stop;
		if (bad || flags & NS_MOREFRAG)
			break;
		tx->messages[n].msg_hdr.msg_iov = first;
		tx->messages[n].msg_hdr.msg_iovlen = (size_t)(part - first);
		tx->after[n++] = tx->stop = at;
	}
	return n;
}
