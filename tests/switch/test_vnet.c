/* SPDX-License-Identifier: BSD-2-Clause */
/* Ports with virtio-net headers: what the other side gets, and what the switch does in a card's place. */
#include <stdlib.h>

#include "soft/ports/switch_control.h"
#include "soft/ports/switch_vnet.h"
#include "station.h"

#define PACKET_MAX (SWITCH_VNET_MAX + SWITCH_FRAME_MAX)

static void header_set(const char *name, uint32_t len)
{
	assert_ok(switch_header_set(NULL, name, len));
}

/* The next packet, gathered; 0: none. */
static uint32_t receive(struct station *station, uint8_t *data)
{
	ssize_t len;

	assert_ok(loom_rx_sync(&station->rx));
	len = loom_recv_copy(&station->rx, data, PACKET_MAX, NULL);
	return len > 0 ? (uint32_t)len : 0;
}

static void send_bytes(struct station *station, const void *data, uint32_t len)
{
	assert_int_equal(loom_send(&station->tx, data, len), 1);
	assert_ok(loom_tx_sync(&station->tx));
}

/* ---- headers between ports of all lengths ---- */

static void headers_are_made_dropped_and_passed_on(void **state)
{
	static const uint32_t lengths[] = {0, 10, 12};
	static uint8_t out[200], in[PACKET_MAX];
	const struct frame frame = {.to = BROADCAST, .from = 1, .number = 7, .len = 100};
	struct station a, b;

	(void)state;
	station_open(&a, "vale0:a", 1, NULL);
	station_open(&b, "vale0:b", 2, NULL);
	for (unsigned i = 0; i < 9; i++) {
		uint32_t from = lengths[i / 3], to = lengths[i % 3];

		header_set("vale0:a", from);
		header_set("vale0:b", to);
		memset(out, 0, sizeof out);
		out[3] = 0x55; /* a header length that nobody uses, to be recognised by */
		frame_write(out + from, &frame);
		send_bytes(&a, out, from + frame.len);
		assert_int_equal(receive(&b, in), to + frame.len);
		assert_memory_equal(in + to, out + from, frame.len);
		for (uint32_t k = 0; k < to; k++)
			assert_int_equal(in[k], from && k == 3 ? 0x55 : 0);
	}
	station_close(&a);
	station_close(&b);
}

static void header_may_stand_in_a_slot_of_its_own(void **state)
{
	static uint8_t out[200], in[PACKET_MAX];
	const struct frame frame = {.to = 2, .from = 1, .number = 7, .len = 100};
	struct net net;

	(void)state;
	net_open(&net, NULL);
	net_teach(&net);
	header_set("vale0:a", 12);
	frame_write(out + 12, &frame);
	assert_int_equal(loom_send(&net.at[0].tx, out, 12), 1);
	station_last_slot(&net.at[0])->flags = NS_MOREFRAG;
	send_bytes(&net.at[0], out + 12, frame.len);
	assert_int_equal(receive(&net.at[1], in), frame.len);
	assert_memory_equal(in, out + 12, frame.len);
	station_expect_nothing(&net.at[2]);
	net_close(&net);
}

static void frame_behind_its_header_must_be_long_enough(void **state)
{
	static const uint8_t out[12 + 13];
	struct station a, b;

	(void)state;
	station_open(&a, "vale0:a", 1, NULL);
	station_open(&b, "vale0:b", 2, NULL);
	header_set("vale0:a", 12);
	send_bytes(&a, out, sizeof out);
	station_expect_nothing(&b);
	assert_int_equal(station_drops(&a, true, LOOM_DROP_BAD_LENGTH), 1);
	station_close(&a);
	station_close(&b);
}

/* ---- packets whose sender left work to do ---- */

struct kind {
	const char *name;
	uint8_t gso_type;
	bool v6, tcp;
};

static const struct kind tcp4 = {"TCP over IPv4", VNET_GSO_TCPV4, false, true};
static const struct kind tcp6 = {"TCP over IPv6", VNET_GSO_TCPV6, true, true};
static const struct kind udp4 = {"UDP over IPv4", VNET_GSO_UDP_L4, false, false};
static const struct kind udp6 = {"UDP over IPv6", VNET_GSO_UDP_L4, true, false};
static const struct kind ufo4 = {"IPv4 fragments", VNET_GSO_UDP, false, false};

static uint32_t be16(const uint8_t *at)
{
	return (uint32_t)at[0] << 8 | at[1];
}

static void set16(uint8_t *at, uint32_t value)
{
	at[0] = (uint8_t)(value >> 8);
	at[1] = (uint8_t)value;
}

static uint32_t be32(const uint8_t *at)
{
	return be16(at) << 16 | be16(at + 2);
}

/* One's complement sum of 16-bit words, as RFC 1071 has it, byte by byte. */
static uint32_t ones_sum(const uint8_t *at, uint32_t len, uint32_t start)
{
	uint64_t total = start;

	for (uint32_t i = 0; i < len; i++)
		total += i % 2 ? at[i] : (uint32_t)at[i] << 8;
	while (total >> 16)
		total = (total & 0xffff) + (total >> 16);
	return (uint32_t)total;
}

static uint32_t pseudo_sum(const uint8_t *ip, bool v6, bool tcp, uint32_t len)
{
	uint32_t total = v6 ? ones_sum(ip + 8, 32, 0) : ones_sum(ip + 12, 8, 0);
	uint8_t rest[4] = {0, tcp ? 6 : 17, (uint8_t)(len >> 8), (uint8_t)len};

	return ones_sum(rest, 4, total);
}

static uint32_t ip_len(const struct kind *kind)
{
	return kind->v6 ? 40 : 20;
}

static uint32_t transport_len(const struct kind *kind)
{
	return kind->tcp ? 32 : 8;
}

static uint32_t headers_len(const struct kind *kind)
{
	return 14 + ip_len(kind) + transport_len(kind);
}

static uint8_t payload_byte(uint32_t i)
{
	return (uint8_t)(i * 13 + (i >> 8));
}

static void write_ip(uint8_t *ip, const struct kind *kind, uint32_t len)
{
	for (uint32_t i = 0; i < 32; i++)
		ip[8 + i] = (uint8_t)(i + 1); /* addresses, and more */
	if (kind->v6) {
		ip[0] = 0x60;
		set16(ip + 4, len);
		ip[6] = kind->tcp ? 6 : 17;
	} else {
		ip[0] = 0x45;
		set16(ip + 2, (20 + len) & 0xffff);
		set16(ip + 4, 0xfffe); /* its id will wrap */
		set16(ip + 6, 0);
		ip[9] = kind->tcp ? 6 : 17;
		set16(ip + 10, 0);
		set16(ip + 10, ~ones_sum(ip, 20, 0));
	}
}

/* A packet as a virtual machine hands it over: header, frame, a checksum that is only begun. */
static uint32_t packet_write(
    uint8_t *data, const struct kind *kind, uint32_t payload, uint16_t gso_size)
{
	struct switch_vnet vnet = {.flags = VNET_NEEDS_CSUM,
	    .gso_type = gso_size ? kind->gso_type : VNET_GSO_NONE,
	    .gso_size = gso_size,
	    .csum_start = (uint16_t)(14 + ip_len(kind)),
	    .csum_offset = kind->tcp ? 16 : 6};
	uint32_t len = transport_len(kind) + payload;
	uint8_t *frame = data + 12, *ip = frame + 14, *transport = ip + ip_len(kind);

	memset(data, 0, 12 + headers_len(kind));
	memcpy(data, &vnet, sizeof vnet);
	memset(frame, 0xff, 6);
	frame[6] = 2;
	set16(frame + 12, kind->v6 ? 0x86dd : 0x0800);
	write_ip(ip, kind, len);
	if (!kind->v6)
		write_ip(ip, kind, len & 0xffff);
	set16(transport + 2, 80);
	if (kind->tcp) {
		set16(transport + 4, 0xffff); /* the sequence number will wrap */
		set16(transport + 6, 0xf000);
		transport[12] = 8 << 4;
		transport[13] = 0x80 | 0x10 | 0x08 | 0x01; /* CWR ACK PSH FIN */
	} else {
		set16(transport + 4, len);
	}
	set16(transport + (kind->tcp ? 16 : 6), pseudo_sum(ip, kind->v6, kind->tcp, len));
	for (uint32_t i = 0; i < payload; i++)
		transport[transport_len(kind) + i] = payload_byte(i);
	return 12 + headers_len(kind) + payload;
}

/* IP and transport headers of a received frame are right; returns the payload's length. */
static uint32_t check_frame(const uint8_t *frame, uint32_t len, const struct kind *kind)
{
	const uint8_t *ip = frame + 14, *transport = ip + ip_len(kind);
	uint32_t below = len - 14 - ip_len(kind);

	assert_true(len >= headers_len(kind));
	if (kind->v6) {
		assert_int_equal(be16(ip + 4), below);
	} else {
		assert_int_equal(be16(ip + 2), len - 14);
		assert_int_equal(ones_sum(ip, 20, 0), 0xffff);
	}
	if (!kind->tcp)
		assert_int_equal(be16(transport + 4), below);
	assert_int_equal(
	    ones_sum(transport, below, pseudo_sum(ip, kind->v6, kind->tcp, below)), 0xffff);
	return len - headers_len(kind);
}

static void machines_open(struct station *machine, struct station *plain)
{
	station_open(machine, "vale0:vm", 1, LOOM_CONFIG(.tx_slots = 256));
	station_open(plain, "vale0:nic", 2, NULL);
	header_set("vale0:vm", 12);
}

static void machines_close(struct station *machine, struct station *plain)
{
	station_check_buffers(plain);
	station_close(machine);
	station_close(plain);
	assert_int_equal(scratch_files(), 0);
}

static void checksums_are_completed(void **state)
{
	static const struct kind *const kinds[] = {&tcp4, &tcp6, &udp4, &udp6};
	static uint8_t out[PACKET_MAX], in[PACKET_MAX];
	struct station machine, plain;

	(void)state;
	machines_open(&machine, &plain);
	for (unsigned k = 0; k < COUNT(kinds); k++)
		for (uint32_t payload = 0; payload < 3000; payload += 1 + payload / 7) {
			uint32_t len = packet_write(out, kinds[k], payload, 0);

			send_bytes(&machine, out, len);
			assert_int_equal(receive(&plain, in), len - 12);
			assert_int_equal(check_frame(in, len - 12, kinds[k]), payload);
		}
	machines_close(&machine, &plain);
}

static void check_tcp_segment(const uint8_t *tcp, uint32_t at, bool last)
{
	assert_int_equal(be32(tcp + 4), (uint32_t)(0xfffff000u + at));
	assert_int_equal(tcp[13] & 0x80, at == 0 ? 0x80 : 0);
	assert_int_equal(tcp[13] & 0x09, last ? 0x09 : 0);
	assert_int_equal(tcp[13] & 0x10, 0x10);
}

static void check_segments(
    struct station *plain, const struct kind *kind, uint32_t payload, uint16_t gso_size)
{
	static uint8_t in[PACKET_MAX];
	uint32_t at = 0, number = 0;

	for (; at < payload; number++) {
		uint32_t len = receive(plain, in), part = check_frame(in, len, kind);
		bool last = at + part == payload;

		assert_true(part == gso_size || (last && part <= gso_size));
		for (uint32_t i = 0; i < part; i++)
			assert_int_equal(in[headers_len(kind) + i], payload_byte(at + i));
		if (kind->tcp)
			check_tcp_segment(in + 14 + ip_len(kind), at, last);
		if (!kind->v6)
			assert_int_equal(be16(in + 14 + 4), (0xfffe + number) & 0xffff);
		at += part;
	}
	assert_int_equal(receive(plain, in), 0);
}

static void large_packets_are_segmented(void **state)
{
	static const struct kind *const kinds[] = {&tcp4, &tcp6, &udp4, &udp6};
	static const uint32_t payloads[] = {1, 1447, 1448, 1449, 9000, 32768, 65000};
	static uint8_t out[PACKET_MAX];
	struct station machine, plain;

	(void)state;
	machines_open(&machine, &plain);
	for (unsigned k = 0; k < COUNT(kinds); k++)
		for (unsigned p = 0; p < COUNT(payloads); p++)
			for (uint16_t gso_size = 536; gso_size <= 1448; gso_size += 912) {
				send_bytes(&machine, out,
				    packet_write(out, kinds[k], payloads[p], gso_size));
				check_segments(&plain, kinds[k], payloads[p], gso_size);
			}
	machines_close(&machine, &plain);
}

static void largest_segmentation_packet_passes(void **state)
{
	static uint8_t out[PACKET_MAX];
	struct station machine, plain;
	const uint32_t payload = 65535 - 20 - 32;

	(void)state;
	machines_open(&machine, &plain);
	send_bytes(&machine, out, packet_write(out, &tcp4, payload, 1448));
	check_segments(&plain, &tcp4, payload, 1448);
	machines_close(&machine, &plain);
}

static void large_datagrams_become_ip_fragments(void **state)
{
	static uint8_t out[PACKET_MAX], in[PACKET_MAX], whole[PACKET_MAX];
	const uint32_t payload = 20000;
	struct station machine, plain;
	uint32_t at = 0, len;

	(void)state;
	machines_open(&machine, &plain);
	send_bytes(&machine, out, packet_write(out, &ufo4, payload, 1479));
	while ((len = receive(&plain, in)) > 0) {
		const uint8_t *ip = in + 14;

		assert_int_equal(be16(ip + 2), len - 14);
		assert_int_equal(ones_sum(ip, 20, 0), 0xffff);
		assert_int_equal(be16(ip + 4), 0xfffe);
		assert_int_equal((be16(ip + 6) & 0x1fff) * 8, at);
		memcpy(whole + 34 + at, in + 34, len - 34);
		at += len - 34;
		assert_int_equal(be16(ip + 6) & 0x2000, at < payload + 8 ? 0x2000 : 0);
	}
	assert_int_equal(at, payload + 8);
	memcpy(whole, out + 12, 34);
	assert_int_equal(
	    ones_sum(whole + 34, at, pseudo_sum(whole + 14, false, false, at)), 0xffff);
	machines_close(&machine, &plain);
}

static void segments_come_all_or_none(void **state)
{
	static uint8_t out[PACKET_MAX], in[PACKET_MAX];
	struct station machine, plain;

	(void)state;
	station_open(&machine, "vale0:vm", 1, NULL);
	station_open(&plain, "vale0:nic", 2, LOOM_CONFIG(.rx_slots = 8));
	header_set("vale0:vm", 12);
	send_bytes(&machine, out, packet_write(out, &tcp4, 8 * 1448, 1448));
	assert_int_equal(receive(&plain, in), 0);
	assert_int_equal(station_drops(&plain, false, LOOM_DROP_NO_ROOM), 1);
	send_bytes(&machine, out, packet_write(out, &tcp4, 7 * 1448, 1448));
	check_segments(&plain, &tcp4, 7 * 1448, 1448);
	machines_close(&machine, &plain);
}

static void large_packets_stay_whole_between_machines(void **state)
{
	static uint8_t out[PACKET_MAX], in[PACKET_MAX];
	struct station machine, other;
	uint32_t len;

	(void)state;
	machines_open(&machine, &other);
	header_set("vale0:nic", 12);
	len = packet_write(out, &tcp4, 40000, 1448);
	send_bytes(&machine, out, len);
	assert_int_equal(receive(&other, in), len);
	assert_memory_equal(in, out, len);
	machines_close(&machine, &other);
}

/* ---- nonsense ---- */

static void nonsense_in_headers_harms_nobody(void **state)
{
	static const struct kind *const kinds[] = {&tcp4, &tcp6, &udp4, &ufo4};
	static uint8_t out[PACKET_MAX], in[PACKET_MAX];
	struct station machine, plain;
	uint32_t random = 1;

	(void)state;
	machines_open(&machine, &plain);
	for (unsigned i = 0; i < scaled(30000); i++) {
		uint32_t len = packet_write(out, kinds[random_next(&random) % COUNT(kinds)],
		    random_next(&random) % 4000, (uint16_t)(random_next(&random) % 2000));

		for (unsigned n = 1 + random_next(&random) % 4; n > 0; n--)
			out[random_next(&random) % 80] = (uint8_t)random_next(&random);
		len = random_next(&random) % 4 ? len : 26 + random_next(&random) % (len - 25);
		send_bytes(&machine, out, len);
		while (receive(&plain, in) > 0)
			;
	}
	send_bytes(&machine, out, packet_write(out, &tcp4, 1448, 1448));
	check_segments(&plain, &tcp4, 1448, 1448);
	machines_close(&machine, &plain);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(headers_are_made_dropped_and_passed_on),
	    cmocka_unit_test(header_may_stand_in_a_slot_of_its_own),
	    cmocka_unit_test(frame_behind_its_header_must_be_long_enough),
	    cmocka_unit_test(checksums_are_completed),
	    cmocka_unit_test(large_packets_are_segmented),
	    cmocka_unit_test(largest_segmentation_packet_passes),
	    cmocka_unit_test(large_datagrams_become_ip_fragments),
	    cmocka_unit_test(segments_come_all_or_none),
	    cmocka_unit_test(large_packets_stay_whole_between_machines),
	    cmocka_unit_test(nonsense_in_headers_harms_nobody),
	};

	return cmocka_run_group_tests_name("switch headers", tests, NULL, NULL);
}
