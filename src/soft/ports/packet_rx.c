/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Receiving through AF_PACKET: the kernel fills blocks that are mapped here (TPACKET_V3), a sync
 * copies packets to the slots' buffers, once. What does not fit the ring waits in the blocks.
 *
 * What the kernel left undone because no wire was in sight is done on the way: VLAN tags are put
 * back where they were, TCP and UDP checksums are completed, and packets that the kernel had merged (GRO), or
 * that their sender had left in one piece (a veth's other end), are cut into those that a wire has.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <linux/filter.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "../offload.h"
#include "host.h"
#include "packet.h"

/*
 * A block is handed over when it is full or, with what it has, when RETIRE_MS are over: a lone
 * packet waits half of that on average, and a reader may stay away from a trickle for as many
 * milliseconds as there are blocks. Smaller blocks cost speed (the mapped loop of
 * bench/rows/packet_rx with blocks of 64 KiB: 3 % at 60 bytes, 4 % at 1,514; of 16 KiB: 6 % and
 * 7 %), larger ones gain nothing that can be told from noise; and the largest GRO packet has to fit,
 * or the kernel complains in its log.
 */
#define BLOCK      (128u << 10)
#define BLOCKS     64u  /* of one ring … */
#define BLOCKS_ALL 512u /* … and of a port with many */
#define BLOCKS_MIN 8u
#define RETIRE_MS  1u /* the least there is */

#define TAG_BYTES 4u
#define TAG_AT    12u /* behind the two addresses */

#define UDP_CHECKSUM_AT 6u
#define TCP_CHECKSUM_AT 16u

/* ---- blocks ---- */

static struct tpacket_block_desc *current_block(const struct packet_rx *rx)
{
	return (struct tpacket_block_desc *)(void *)(rx->blocks + (size_t)rx->block * BLOCK);
}

static void block_release(struct packet_rx *rx)
{
	uint32_t *status = &current_block(rx)->hdr.bh1.block_status;

	/* Pairs with the kernel's look at the status before it writes: our reads are done. */
	__atomic_store_n(status, TP_STATUS_KERNEL, __ATOMIC_RELEASE);
	rx->block = rx->block + 1 == rx->num_blocks ? 0 : rx->block + 1;
}

/* Whether there is a packet to take. Empty blocks, which some kernels hand over, are passed. */
static bool available(struct packet_rx *rx)
{
	while (rx->left == 0) {
		struct tpacket_block_desc *block = current_block(rx);
		/* Pairs with the kernel's barrier before its store: the contents are there. */
		uint32_t status = __atomic_load_n(&block->hdr.bh1.block_status, __ATOMIC_ACQUIRE);

		if (!(status & TP_STATUS_USER))
			return false;
		rx->losing |= (status & TP_STATUS_LOSING) != 0;
		rx->left = block->hdr.bh1.num_pkts;
		rx->packet = (const uint8_t *)block + block->hdr.bh1.offset_to_first_pkt;
		if (rx->left == 0)
			block_release(rx);
	}
	return true;
}

static void advance(struct packet_rx *rx, const struct tpacket3_hdr *packet)
{
	rx->packet += packet->tp_next_offset;
	if (--rx->left == 0)
		block_release(rx);
}

/* ---- one packet, as it would be on the wire ---- */

static const uint8_t *frame_of(const struct tpacket3_hdr *packet)
{
	return (const uint8_t *)packet + packet->tp_mac;
}

/* What is in front of the frame, for PACKET_VNET_HDR. */
static struct offload offload_of(const struct tpacket3_hdr *packet)
{
	struct offload what;

	memcpy(&what, frame_of(packet) - sizeof what, sizeof what);
	return what;
}

/* On kernels without PACKET_IGNORE_OUTGOING. */
static bool is_own(const struct tpacket3_hdr *packet)
{
	const struct sockaddr_ll *source =
	    (const void *)((const uint8_t *)packet + sizeof(struct tpacket3_hdr));

	return source->sll_pkttype == PACKET_OUTGOING;
}

/* Whether the kernel took the tag off. */
static bool is_tagged(const struct tpacket3_hdr *packet)
{
	return packet->tp_status & TP_STATUS_VLAN_VALID && packet->tp_snaplen >= TAG_AT;
}

/*
 * A sender on this host leaves checksums to hardware that a veth or a bridge does not have; a
 * program behind the port would find them wrong. SCTP's, which is no sum, stays undone.
 */
static void checksum_complete(
    uint8_t *frame, uint32_t len, const struct tpacket3_hdr *packet, uint32_t tag)
{
	const struct offload what = offload_of(packet);

	if (what.flags & OFFLOAD_NEEDS_CSUM &&
	    (what.csum_offset == UDP_CHECKSUM_AT || what.csum_offset == TCP_CHECKSUM_AT))
		offload_checksum(frame, len, what.csum_start + tag, what.csum_offset);
}

/* The first len bytes of a frame, with its tag where it was. */
static void copy_tagged(
    uint8_t *to, const uint8_t *from, uint32_t len, const struct tpacket3_hdr *packet)
{
	bool known = packet->tp_status & TP_STATUS_VLAN_TPID_VALID;
	const uint16_t tag[2] = {htons(known ? packet->hv1.tp_vlan_tpid : ETH_P_8021Q),
	    htons((uint16_t)packet->hv1.tp_vlan_tci)};

	memcpy(to, from, TAG_AT);
	memcpy(to + TAG_AT, tag, TAG_BYTES);
	memcpy(to + TAG_AT + TAG_BYTES, from + TAG_AT, len - TAG_AT);
}

/* Its length, or 0: not for this port, or counted. */
static uint32_t copy(struct ring *r, const struct tpacket3_hdr *packet, uint8_t *to, uint32_t room)
{
	bool tagged = is_tagged(packet);
	uint32_t tag = tagged ? TAG_BYTES : 0, len = packet->tp_len + tag;

	if (is_own(packet))
		return 0;
	if (LOOM_UNLIKELY(packet->tp_snaplen < packet->tp_len || len > room)) {
		ring_drop(r, LOOM_DROP_OVERSIZED, 1);
		return 0;
	}
	if (LOOM_UNLIKELY(tagged))
		copy_tagged(to, frame_of(packet), packet->tp_snaplen, packet);
	else
		memcpy(to, frame_of(packet), len);
	if (LOOM_UNLIKELY(packet->tp_status & TP_STATUS_CSUMNOTREADY))
		checksum_complete(to, len, packet, tag);
	return len;
}

/* ---- packets that are several ---- */

/* Such a one has no checksum yet: each of its segments will have its own. */
static bool is_merged(const struct tpacket3_hdr *packet)
{
	return packet->tp_status & TP_STATUS_CSUMNOTREADY &&
	       offload_of(packet).gso_type != OFFLOAD_GSO_NONE;
}

static bool is_cuttable(const struct tpacket3_hdr *packet, struct offload_cut *cut)
{
	const struct offload what = offload_of(packet);

	return !is_own(packet) && packet->tp_snaplen == packet->tp_len &&
	       offload_cut(cut, frame_of(packet), packet->tp_len, &what) && !cut->fragments;
}

/* Its length; 0: it does not fit. */
static uint32_t copy_segment(const struct tpacket3_hdr *packet, const struct offload_cut *cut,
    uint32_t number, uint8_t *to, uint32_t room)
{
	uint32_t tag = is_tagged(packet) ? TAG_BYTES : 0, headers_len = cut->headers_len + tag;
	struct offload_segment segment;

	offload_segment(cut, number, &segment);
	if (headers_len + segment.payload_len > room)
		return 0;
	if (tag)
		copy_tagged(to, segment.headers, cut->headers_len, packet);
	else
		memcpy(to, segment.headers, cut->headers_len);
	memcpy(to + headers_len, segment.payload, segment.payload_len);
	return headers_len + segment.payload_len;
}

/*
 * The next of the packets in this one, which is passed with the last of them: a ring that is full meanwhile goes
 * on here when it has room. What cannot be cut is a packet like others, if a slot takes it.
 */
static __attribute__((noinline)) uint32_t take_merged(
    struct ring *r, struct packet_rx *rx, uint8_t *to, uint32_t room)
{
	const struct tpacket3_hdr *packet = (const void *)rx->packet;
	struct offload_cut cut;
	uint32_t len;

	if (is_cuttable(packet, &cut)) {
		uint32_t last = cut.segments - 1, number = rx->segment < last ? rx->segment : last;

		len = copy_segment(packet, &cut, number, to, room);
		if (len == 0)
			ring_drop(r, LOOM_DROP_OVERSIZED, 1);
		rx->segment = number + 1;
		if (number < last)
			return len;
	} else {
		len = copy(r, packet, to, room);
	}
	rx->segment = 0;
	advance(rx, packet);
	return len;
}

/* One packet; its length, or 0: there was none for this port, or it is counted. */
static uint32_t take(struct ring *r, struct packet_rx *rx, uint8_t *to, uint32_t room)
{
	const struct tpacket3_hdr *packet = (const void *)rx->packet;
	uint32_t len;

	if (LOOM_UNLIKELY(is_merged(packet)))
		return take_merged(r, rx, to, room);
	len = copy(r, packet, to, room);
	advance(rx, packet);
	return len;
}

_Static_assert(sizeof(struct tpacket3_hdr) % TPACKET_ALIGNMENT == 0,
    "the address follows a packet's header without a gap");

/* ---- syncing ---- */

/* Fill free slots; how many packets. A slot that was left without a buffer is passed on empty. */
static uint32_t fill(struct ring *r, struct packet_rx *rx, uint32_t room)
{
	uint32_t at = r->hwtail, taken = 0;

	while (room > 0 && available(rx)) {
		struct netmap_slot *slot = &r->common.ring->slot[at];
		uint32_t space, len = 0;
		uint8_t *to = ring_slot_space(r, at, &space);

		if (to) {
			len = take(r, rx, to, space);
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

static void count_kernel_drops(struct ring *r, struct packet_rx *rx)
{
	struct tpacket_stats_v3 counted;
	socklen_t size = sizeof counted;

	/* Reading them sets them to zero, and ends TP_STATUS_LOSING. */
	if (getsockopt(rx->fd, SOL_PACKET, PACKET_STATISTICS, &counted, &size) == 0)
		ring_drop(r, LOOM_DROP_NO_ROOM, counted.tp_drops);
	rx->losing = false;
}

/* Ask the kernel what the mapped blocks do not say. */
static int look(struct ring *r, struct packet_rx *rx)
{
	count_kernel_drops(r, rx);
	return link_look(r->port, &rx->link);
}

/* No system call as a rule: a ring may be synced in a loop, and one that sleeps looks in arm. */
static int look_at_times(struct ring *r, struct packet_rx *rx)
{
	return link_look_is_due(&rx->link) ? look(r, rx) : 0;
}

int packet_rxsync(struct ring *r)
{
	struct packet_rx *rx = r->state;
	uint32_t taken;

	r->hwcur = r->rhead;
	taken = fill(r, rx, ring_distance(r, r->hwtail, ring_prev(r, r->hwcur)));
	if (LOOM_UNLIKELY(rx->losing))
		count_kernel_drops(r, rx);
	if (taken == 0)
		return ring_ready(r) ? 0 : look_at_times(r, rx);
	r->common.stats.packets += taken;
	ring_stamp(r);
	return 0;
}

int packet_rx_arm(struct ring *r, struct pollfd *out)
{
	struct packet_rx *rx = r->state;

	out->fd = rx->fd;
	out->events = POLLIN;
	/* A link that is down is news too: the sync that follows says so. */
	return look(r, rx) != 0 || ring_ready(r) || available(rx);
}

static uint32_t blocks_for(uint32_t num_rings)
{
	uint32_t share = BLOCKS_ALL / num_rings;

	return share > BLOCKS ? BLOCKS : share < BLOCKS_MIN ? BLOCKS_MIN : share;
}

static int blocks_map(struct packet_rx *rx, uint32_t n, int flags)
{
	void *blocks =
	    mmap(NULL, (size_t)n * BLOCK, PROT_READ | PROT_WRITE, MAP_SHARED | flags, rx->fd, 0);

	if (blocks == MAP_FAILED)
		return -errno;
	rx->blocks = blocks;
	rx->num_blocks = n;
	return 0;
}

static int map(struct packet_rx *rx, uint32_t num_rings)
{
	uint32_t n = blocks_for(num_rings);
	const struct tpacket_req3 ring = {.tp_block_size = BLOCK,
	    .tp_block_nr = n,
	    .tp_frame_size = BLOCK, /* of no consequence in this version */
	    .tp_frame_nr = n,
	    .tp_retire_blk_tov = RETIRE_MS};
	int err = packet_option_set(rx->fd, PACKET_RX_RING, &ring, sizeof ring);

	return err ? err : blocks_map(rx, n, MAP_POPULATE);
}

/* ---- several users ---- */

struct shown {
	uint32_t block, left;
	uint64_t packet; /* from the first block on */
	uint32_t segment;
};

void packet_rx_show(const struct packet_rx *rx, void *own)
{
	struct shown *shown = own;

	*shown = (struct shown){.block = rx->block,
	    .left = rx->left,
	    .packet = rx->left ? (uint64_t)(rx->packet - rx->blocks) : 0,
	    .segment = rx->segment};
}

/*
 * A user that was killed may have given the block back since it was shown: what is left of it is gone
 * then, and the kernel's next packets come there.
 */
void packet_rx_take(struct packet_rx *rx, const void *own)
{
	struct shown shown;
	uint32_t status;

	memcpy(&shown, own, sizeof shown);
	if (shown.block >= rx->num_blocks)
		return;
	rx->block = shown.block;
	rx->left = rx->segment = 0;
	/* Pairs with the kernel's barrier before its store: the contents are there. */
	status = __atomic_load_n(&current_block(rx)->hdr.bh1.block_status, __ATOMIC_ACQUIRE);
	if (!(status & TP_STATUS_USER) || shown.packet / BLOCK != shown.block ||
	    shown.packet % BLOCK > BLOCK - sizeof(struct tpacket3_hdr) ||
	    shown.packet % TPACKET_ALIGNMENT || shown.left > current_block(rx)->hdr.bh1.num_pkts)
		return;
	rx->left = shown.left;
	rx->packet = rx->blocks + shown.packet;
	rx->segment = shown.segment;
}

int packet_rx_adopt(struct packet_rx *rx, int fd, uint32_t num_rings)
{
	rx->fd = fd;
	link_watch_init(&rx->link, fd);
	return blocks_map(rx, blocks_for(num_rings), 0);
}

/* Nothing passes this filter: what comes before all rings share the traffic would come twice. */
static int mute(const struct packet_rx *rx)
{
	struct sock_filter nothing = BPF_STMT(BPF_RET | BPF_K, 0);
	const struct sock_fprog filter = {.len = 1, .filter = &nothing};
	int err = setsockopt(rx->fd, SOL_SOCKET, SO_ATTACH_FILTER, &filter, sizeof filter);

	return err ? -errno : 0;
}

int packet_rx_open(struct packet_rx *rx, int interface, uint32_t num_rings)
{
	const struct packet_mreq all = {.mr_ifindex = interface, .mr_type = PACKET_MR_PROMISC};
	const int version = TPACKET_V3, on = 1;
	int err = packet_socket_open(&rx->fd);

	link_watch_init(&rx->link, rx->fd);
	if (!err)
		err = packet_option_set(rx->fd, PACKET_VERSION, &version, sizeof version);
	if (!err)
		err = packet_option_set(rx->fd, PACKET_VNET_HDR, &on, sizeof on);
	if (!err)
		err = map(rx, num_rings);
	if (!err)
		err = mute(rx);
	if (err)
		return err;
	os_capture_leave_out_own(rx->fd); /* copy() sorts out what older kernels let through */
	err = packet_socket_bind(rx->fd, interface, ETH_P_ALL);
	if (!err)
		err = packet_option_set(rx->fd, PACKET_ADD_MEMBERSHIP, &all, sizeof all);
	return err;
}

/* What host TX rings, of whichever process, put on the interface's way in came from no wire. */
int packet_rx_start(const struct packet_rx *rx)
{
	struct sock_filter wire[] = {
	    BPF_STMT(BPF_LD | BPF_W | BPF_ABS, (uint32_t)(SKF_AD_OFF + SKF_AD_MARK)),
	    BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, HOST_MARK, 0, 1),
	    BPF_STMT(BPF_RET | BPF_K, 0),
	    BPF_STMT(BPF_RET | BPF_K, UINT32_MAX),
	};
	const struct sock_fprog filter = {.len = sizeof wire / sizeof wire[0], .filter = wire};
	int err = setsockopt(rx->fd, SOL_SOCKET, SO_ATTACH_FILTER, &filter, sizeof filter);

	return err ? -errno : 0;
}

void packet_rx_close(struct packet_rx *rx)
{
	if (rx->blocks)
		munmap(rx->blocks, (size_t)rx->num_blocks * BLOCK);
	if (rx->fd >= 0)
		close(rx->fd);
}
