/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The packet kind makes packets look as on a wire: what the kernel took off or left to hardware is
 * put back; what the host sends by the interface is not received from it.
 */
#include <linux/if_packet.h>
#include <linux/virtio_net.h>
#include <net/if.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include "wire.h"

/* ---- VLAN tags ---- */

/* Send a frame with these bytes behind the addresses, of that length, and expect it unchanged. */
static void tag_passes(struct wire *wire, const uint8_t *tag, size_t tag_len, uint32_t len)
{
	uint8_t sent[2048], got[2048];

	packet_fill(sent, len, len);
	memcpy(sent + 12, tag, tag_len);
	assert_int_equal(loom_send(&wire->near.tx, sent, len), 1);
	end_flush(&wire->near);
	for (;;) {
		struct loom_frame frame;

		assert_int_equal(loom_port_wait(wire->far.port, LOOM_RX, PATIENCE_MS), LOOM_RX);
		while (loom_recv(&wire->far.rx, &frame))
			if (frame.len == len) {
				memcpy(got, frame.data, len);
				assert_memory_equal(got, sent, len);
				return;
			}
	}
}

static void vlan_tags_are_put_back(void **state)
{
	static const uint8_t tag[] = {0x81, 0x00, 0x60, 0x2a, 0x88, 0xb5};
	static const uint8_t service[] = {0x88, 0xa8, 0x0f, 0xff, 0x88, 0xb5};
	static const uint8_t both[] = {0x88, 0xa8, 0x00, 0x07, 0x81, 0x00, 0x00, 0x08, 0x88, 0xb5};
	struct wire *wire = *state;

	wire_open(wire);
	for (uint32_t len = 60; len <= 70; len++) {
		tag_passes(wire, tag, sizeof tag, len);
		tag_passes(wire, service, sizeof service, len);
		tag_passes(wire, both, sizeof both, len);
	}
	tag_passes(wire, tag, sizeof tag, 1518);
}

static void a_tag_that_does_not_fit_any_more_is_an_oversized_packet(void **state)
{
	static const uint8_t tag[] = {0x81, 0x00, 0x00, 0x01, 0x88, 0xb5};
	struct wire *wire = *state;
	uint8_t frame[2049];

	assert_int_equal(netns_mtu(NEAR, 9000), 0);
	assert_int_equal(netns_mtu(FAR, 9000), 0);
	wire_open(wire);
	packet_fill(frame, sizeof frame, 1);
	memcpy(frame + 12, tag, sizeof tag);
	assert_int_equal(loom_send(&wire->near.tx, frame, sizeof frame), 1);
	end_flush(&wire->near);
	tag_passes(wire, tag, sizeof tag, 2048);
	assert_int_equal(end_rx_drops(&wire->far, LOOM_DROP_OVERSIZED), 1);
}

/* ---- checksums ---- */

/* RFC 1071, written down as it says: 16-bit words in network order. */
static uint16_t internet_sum(uint32_t sum, const uint8_t *data, size_t len)
{
	for (size_t i = 0; i < len; i++)
		sum += (uint32_t)data[i] << (i % 2 ? 0 : 8);
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return (uint16_t)sum;
}

static void checksums_that_the_host_left_to_hardware_are_completed(void **state)
{
	struct wire *wire = *state;
	uint8_t data[1200];
	int fd;

	assert_int_equal(netns_address(NEAR, HOST_ADDRESS), 0);
	end_open(&wire->far, FAR, NULL);
	fd = host_socket();
	for (uint16_t len = 0; len < 1200; len = (uint16_t)(len + 37)) {
		struct loom_frame frame;
		uint16_t udp_len = (uint16_t)(8 + len);

		packet_fill(data, len, len);
		host_broadcast(fd, (uint16_t)(5000 + len), data, len);
		host_expect(&wire->far, (uint16_t)(5000 + len), &frame);
		assert_int_equal(frame.data[38] << 8 | frame.data[39], udp_len);
		/* Pseudo header (protocol, length, addresses), header and data add up to ones. */
		assert_int_equal(
		    internet_sum((uint32_t)IPPROTO_UDP + udp_len, frame.data + 26, 8u + udp_len),
		    0xffff);
	}
	close(fd);
}

/* In UDP a checksum of zero says that there is none; ones are the same number. */
static void a_completed_checksum_is_never_zero(void **state)
{
	struct wire *wire = *state;
	struct loom_frame frame;
	uint8_t word[2] = {0, 0};
	int fd;

	assert_int_equal(netns_address(NEAR, HOST_ADDRESS), 0);
	end_open(&wire->far, FAR, NULL);
	fd = host_socket();
	host_broadcast(fd, 5000, word, sizeof word);
	host_expect(&wire->far, 5000, &frame);
	memcpy(word, frame.data + 40, sizeof word); /* what is missing to zero */
	host_broadcast(fd, 5000, word, sizeof word);
	host_expect(&wire->far, 5000, &frame);
	assert_int_equal(frame.data[40] << 8 | frame.data[41], 0xffff);
	close(fd);
}

/* Send as a guest's driver would: what the header says is left to be done. */
static void send_unfinished(struct virtio_net_hdr header, const uint8_t *frame, size_t len)
{
	const struct sockaddr_ll to = {
	    .sll_family = AF_PACKET, .sll_ifindex = (int)if_nametoindex(NEAR)};
	struct iovec parts[] = {{&header, sizeof header}, {(void *)(uintptr_t)frame, len}};
	const struct msghdr message = {.msg_name = (void *)(uintptr_t)&to,
	    .msg_namelen = sizeof to,
	    .msg_iov = parts,
	    .msg_iovlen = 2};
	const int on = 1;
	int fd = socket(AF_PACKET, SOCK_RAW, 0);

	assert_true(fd >= 0);
	assert_int_equal(setsockopt(fd, SOL_PACKET, PACKET_VNET_HDR, &on, sizeof on), 0);
	assert_int_equal(sendmsg(fd, &message, 0), (ssize_t)(sizeof header + len));
	close(fd);
}

static void a_checksum_is_completed_behind_a_tag_too(void **state)
{
	static const uint8_t tag[] = {0x81, 0x00, 0x00, 0x05, 0x88, 0xb5};
	struct wire *wire = *state;
	struct loom_frame frame;
	uint8_t sent[101];

	end_open(&wire->far, FAR, NULL);
	packet_fill(sent, sizeof sent, 1);
	memcpy(sent + 12, tag, sizeof tag);
	sent[36] = sent[37] = 0;
	send_unfinished(
	    (struct virtio_net_hdr){
		.flags = VIRTIO_NET_HDR_F_NEEDS_CSUM, .csum_start = 30, .csum_offset = 6},
	    sent, sizeof sent);
	do
		host_next(&wire->far, &frame);
	while (frame.len != sizeof sent);
	assert_memory_equal(frame.data, sent, 36);
	assert_memory_equal(frame.data + 38, sent + 38, sizeof sent - 38);
	assert_int_equal(internet_sum(0, frame.data + 30, sizeof sent - 30), 0xffff);
}

/* ---- packets that are several ---- */

#define SEGMENTED_LEN (14u + 20 + 20 + 8000)

/* A TCP packet that is to be cut to pieces of 1,448 bytes, which no veth does. */
static void send_segmented(uint8_t *frame)
{
	static const uint8_t headers[] = {0x08, 0x00, 0x45, 0, (SEGMENTED_LEN - 14) >> 8,
	    (SEGMENTED_LEN - 14) & 0xff, 0, 0, 0, 0, 64, IPPROTO_TCP, 0, 0, 10, 0, 0, 1, 10, 0, 0,
	    2, 0x10, 0, 0x10, 1, 0, 0, 0, 1, 0, 0, 0, 1, 0x50, 0x10, 0xff, 0xff, 0, 0, 0, 0};

	packet_fill(frame, SEGMENTED_LEN, 1);
	memcpy(frame + 12, headers, sizeof headers);
	send_unfinished((struct virtio_net_hdr){.flags = VIRTIO_NET_HDR_F_NEEDS_CSUM,
			    .gso_type = VIRTIO_NET_HDR_GSO_TCPV4,
			    .gso_size = 1448,
			    .hdr_len = 54,
			    .csum_start = 34,
			    .csum_offset = 16},
	    frame, SEGMENTED_LEN);
}

static void a_packet_of_several_segments_is_oversized(void **state)
{
	static uint8_t sent[SEGMENTED_LEN];
	struct wire *wire = *state;

	wire_open(wire);
	send_segmented(sent);
	end_send(&wire->near, 2, 60);
	end_flush(&wire->near);
	end_expect(&wire->far, 2, 60);
	assert_int_equal(end_rx_drops(&wire->far, LOOM_DROP_OVERSIZED), 1);
	assert_int_equal(end_rx_drops(&wire->far, LOOM_DROP_NO_ROOM), 0);
}

static void a_packet_of_several_segments_comes_whole_where_buffers_are_large(void **state)
{
	static uint8_t sent[SEGMENTED_LEN];
	struct wire *wire = *state;
	struct loom_frame frame;

	end_open(&wire->far, FAR, LOOM_CONFIG(.buffer_size = 65472));
	send_segmented(sent);
	do
		host_next(&wire->far, &frame);
	while (frame.len != SEGMENTED_LEN);
	assert_memory_equal(frame.data, sent, 50);
	assert_memory_equal(frame.data + 52, sent + 52, SEGMENTED_LEN - 52);
	assert_int_equal(internet_sum(0, frame.data + 34, SEGMENTED_LEN - 34), 0xffff);
}

/* ---- the other direction ---- */

static void what_leaves_by_the_interface_is_not_received_from_it(void **state)
{
	struct wire *wire = *state;
	struct loom_frame frame;
	int fd;

	assert_int_equal(netns_address(NEAR, HOST_ADDRESS), 0);
	wire_open(wire);
	end_send(&wire->near, 1, 60);
	end_flush(&wire->near);
	end_expect(&wire->far, 1, 60);
	fd = host_socket(); /* the host's own traffic */
	host_broadcast(fd, 5000, "x", 1);
	host_expect(&wire->far, 5000, &frame);
	close(fd);
	end_expect_none(&wire->near);
	assert_int_equal(loom_port_wait(wire->near.port, LOOM_RX, 50), 0);
}

int main(void)
{
	static const struct CMUnitTest packet_offload[] = {
	    WIRE_TEST(vlan_tags_are_put_back),
	    WIRE_TEST(a_tag_that_does_not_fit_any_more_is_an_oversized_packet),
	    WIRE_TEST(checksums_that_the_host_left_to_hardware_are_completed),
	    WIRE_TEST(a_completed_checksum_is_never_zero),
	    WIRE_TEST(a_checksum_is_completed_behind_a_tag_too),
	    WIRE_TEST(a_packet_of_several_segments_is_oversized),
	    WIRE_TEST(a_packet_of_several_segments_comes_whole_where_buffers_are_large),
	    WIRE_TEST(what_leaves_by_the_interface_is_not_received_from_it),
	};

	return WIRE_TESTS(packet_offload);
}
