/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The packet kind makes packets look as on a wire: what the kernel took off or left to hardware is
 * put back; what the host sends by the interface is not received from it.
 */
#include <linux/if_packet.h>
#include <net/if.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include "large.h"
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
		    large_sum(frame.data + 26, 8u + udp_len, (uint32_t)IPPROTO_UDP + udp_len),
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
static void send_unfinished(struct offload header, const uint8_t *frame, size_t len)
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
	    (struct offload){.flags = OFFLOAD_NEEDS_CSUM, .csum_start = 30, .csum_offset = 6}, sent,
	    sizeof sent);
	do
		host_next(&wire->far, &frame);
	while (frame.len != sizeof sent);
	assert_memory_equal(frame.data, sent, 36);
	assert_memory_equal(frame.data + 38, sent + 38, sizeof sent - 38);
	assert_int_equal(large_sum(frame.data + 30, sizeof sent - 30, 0), 0xffff);
}

/* ---- packets that are several ---- */

#define GSO_SIZE 1448u

/* To be cut to pieces, which no veth does. */
static void send_large(const struct large_kind *kind, uint32_t payload)
{
	static uint8_t frame[LARGE_MAX];

	send_unfinished(large_offload(kind, GSO_SIZE), frame, large_write(frame, kind, payload));
}

/* The next frame that send_large() has to do with. */
static void next_segment(struct end *end, struct loom_frame *frame)
{
	static const uint8_t addresses[12] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 2};

	do
		host_next(end, frame);
	while (memcmp(frame->data, addresses, sizeof addresses) != 0);
}

static void expect_segments(struct end *end, const struct large_kind *kind, uint32_t payload)
{
	struct large_progress progress = {.kind = kind, .payload = payload, .gso_size = GSO_SIZE};
	struct loom_frame frame;

	do
		next_segment(end, &frame);
	while (!large_check_segment(&progress, frame.data, frame.len));
}

static void expect_no_drops(const struct end *end)
{
	assert_int_equal(end_rx_drops(end, LOOM_DROP_OVERSIZED), 0);
	assert_int_equal(end_rx_drops(end, LOOM_DROP_NO_ROOM), 0);
}

static const uint32_t payloads[] = {GSO_SIZE + 1, 8000, 60000};

static void a_packet_of_several_is_cut_into_them(void **state)
{
	struct wire *wire = *state;

	end_open(&wire->far, FAR, NULL);
	for (unsigned k = 0; k < LARGE_KINDS; k++)
		for (size_t i = 0; i < COUNT(payloads); i++) {
			send_large(large_kinds[k], payloads[i]);
			expect_segments(&wire->far, large_kinds[k], payloads[i]);
		}
	expect_no_drops(&wire->far);
}

/* As on a wire, also where it would fit. */
static void buffers_may_be_larger_than_it(void **state)
{
	struct wire *wire = *state;

	end_open(&wire->far, FAR, LOOM_CONFIG(.buffer_size = 65472));
	send_large(&large_tcp4, 8000);
	expect_segments(&wire->far, &large_tcp4, 8000);
	expect_no_drops(&wire->far);
}

static void a_ring_with_less_room_gets_it_bit_by_bit(void **state)
{
	struct wire *wire = *state;

	end_open(&wire->near, NEAR, NULL);
	end_open(&wire->far, FAR, LOOM_CONFIG(.rx_slots = 4));
	for (unsigned k = 0; k < LARGE_KINDS; k++)
		send_large(large_kinds[k], 60000);
	end_send(&wire->near, 2, 60);
	end_flush(&wire->near);
	for (unsigned k = 0; k < LARGE_KINDS; k++) {
		expect_segments(&wire->far, large_kinds[k], 60000);
		assert_in_range(loom_rx_space(&wire->far.rx), 0, 2);
	}
	end_expect(&wire->far, 2, 60);
	expect_no_drops(&wire->far);
}

static void each_of_them_has_the_tag(void **state)
{
	static const uint8_t tag[] = {0x81, 0x00, 0x60, 0x2a};
	static uint8_t sent[LARGE_MAX + sizeof tag];
	struct large_progress progress = {
	    .kind = &large_tcp4, .payload = 20000, .gso_size = GSO_SIZE};
	struct offload what = large_offload(&large_tcp4, GSO_SIZE);
	struct wire *wire = *state;
	uint32_t len = large_write(sent, &large_tcp4, 20000);
	bool last;

	end_open(&wire->far, FAR, NULL);
	memmove(sent + 12 + sizeof tag, sent + 12, len - 12);
	memcpy(sent + 12, tag, sizeof tag);
	what.csum_start += sizeof tag;
	send_unfinished(what, sent, len + sizeof tag);
	do {
		struct loom_frame frame;
		uint8_t got[2048];

		next_segment(&wire->far, &frame);
		assert_memory_equal(frame.data + 12, tag, sizeof tag);
		memcpy(got, frame.data, 12);
		memcpy(got + 12, frame.data + 16, frame.len - 16);
		last = large_check_segment(&progress, got, frame.len - 4);
	} while (!last);
	expect_no_drops(&wire->far);
}

#define PART 7u /* segments */

/* In a child: some more of a packet of which the parent has taken so much. */
struct part {
	struct end *end;
	uint32_t at;
};

static int take_part(void *arg)
{
	const struct part *part = arg;
	struct loom_frame frame;

	alarm(20);
	for (uint32_t i = 0; i < PART; i++) {
		next_segment(part->end, &frame);
		if (be32(frame.data + 38) != 0xfffff000u + part->at + i * GSO_SIZE)
			return 1;
	}
	return loom_rx_sync(&part->end->rx) == 0 ? 0 : 2;
}

static void processes_take_parts_of_it(void **state)
{
	struct large_progress progress = {
	    .kind = &large_tcp4, .payload = 60000, .gso_size = GSO_SIZE};
	struct wire *wire = *state;
	struct loom_frame frame;

	end_open(&wire->far, FAR, LOOM_CONFIG(.rx_slots = 4));
	send_large(&large_tcp4, progress.payload);
	for (unsigned i = 0; i < 2; i++) {
		struct part part = {&wire->far, progress.at + PART * GSO_SIZE};

		for (unsigned k = 0; k < PART; k++) {
			next_segment(&wire->far, &frame);
			assert_false(large_check_segment(&progress, frame.data, frame.len));
		}
		assert_ok(loom_rx_sync(&wire->far.rx));
		assert_int_equal(child_wait(child_start(take_part, &part)), 0);
		progress.at += PART * GSO_SIZE;
		progress.number += PART;
	}
	do
		next_segment(&wire->far, &frame);
	while (!large_check_segment(&progress, frame.data, frame.len));
	send_large(&large_tcp6, 8000);
	expect_segments(&wire->far, &large_tcp6, 8000);
	expect_no_drops(&wire->far);
}

/* Fragments of IP packets cannot be segments of TCP. */
static void what_cannot_be_cut_is_oversized(void **state)
{
	static uint8_t sent[LARGE_MAX];
	struct wire *wire = *state;
	uint32_t len = large_write(sent, &large_tcp4, 8000);

	wire_open(wire);
	sent[20] |= 0x20; /* more fragments */
	send_unfinished(large_offload(&large_tcp4, GSO_SIZE), sent, len);
	end_send(&wire->near, 2, 60);
	end_flush(&wire->near);
	end_expect(&wire->far, 2, 60);
	assert_int_equal(end_rx_drops(&wire->far, LOOM_DROP_OVERSIZED), 1);
	assert_int_equal(end_rx_drops(&wire->far, LOOM_DROP_NO_ROOM), 0);
}

static void segments_that_fit_no_buffer_are_oversized(void **state)
{
	struct wire *wire = *state;

	assert_int_equal(netns_mtu(NEAR, 9000), 0);
	assert_int_equal(netns_mtu(FAR, 9000), 0);
	wire_open(wire);
	end_close(&wire->far);
	end_open(&wire->far, FAR, LOOM_CONFIG(.buffer_size = 1024));
	send_large(&large_tcp4, 3 * GSO_SIZE);
	end_send(&wire->near, 2, 60);
	end_flush(&wire->near);
	end_expect(&wire->far, 2, 60);
	assert_int_equal(end_rx_drops(&wire->far, LOOM_DROP_OVERSIZED), 3);
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
	    WIRE_TEST(a_packet_of_several_is_cut_into_them),
	    WIRE_TEST(buffers_may_be_larger_than_it),
	    WIRE_TEST(a_ring_with_less_room_gets_it_bit_by_bit),
	    WIRE_TEST(each_of_them_has_the_tag),
	    WIRE_TEST(processes_take_parts_of_it),
	    WIRE_TEST(what_cannot_be_cut_is_oversized),
	    WIRE_TEST(segments_that_fit_no_buffer_are_oversized),
	    WIRE_TEST(what_leaves_by_the_interface_is_not_received_from_it),
	};

	return WIRE_TESTS(packet_offload);
}
