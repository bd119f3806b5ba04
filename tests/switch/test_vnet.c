/* SPDX-License-Identifier: BSD-2-Clause */
/* Ports with virtio-net headers: what the other side gets, and what the switch does in a card's place. */
#include <stdlib.h>

#include "large.h"
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

/* A packet as a virtual machine hands it over: header, frame, a checksum that is only begun. */
static uint32_t packet_write(
    uint8_t *data, const struct large_kind *kind, uint32_t payload, uint16_t gso_size)
{
	const struct offload what = large_offload(kind, gso_size);

	memset(data, 0, 12);
	memcpy(data, &what, sizeof what);
	return 12 + large_write(data + 12, kind, payload);
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
	static uint8_t out[PACKET_MAX], in[PACKET_MAX];
	struct station machine, plain;

	(void)state;
	machines_open(&machine, &plain);
	for (unsigned k = 0; k < LARGE_KINDS; k++)
		for (uint32_t payload = 0; payload < 3000; payload += 1 + payload / 7) {
			uint32_t len = packet_write(out, large_kinds[k], payload, 0);

			send_bytes(&machine, out, len);
			assert_int_equal(receive(&plain, in), len - 12);
			assert_int_equal(large_check_frame(in, len - 12, large_kinds[k]), payload);
		}
	machines_close(&machine, &plain);
}

static void check_segments(
    struct station *plain, const struct large_kind *kind, uint32_t payload, uint16_t gso_size)
{
	static uint8_t in[PACKET_MAX];
	struct large_progress progress = {.kind = kind, .payload = payload, .gso_size = gso_size};

	while (!large_check_segment(&progress, in, receive(plain, in)))
		;
	assert_int_equal(receive(plain, in), 0);
}

static void large_packets_are_segmented(void **state)
{
	static const uint32_t payloads[] = {1, 1447, 1448, 1449, 9000, 32768, 65000};
	static uint8_t out[PACKET_MAX];
	struct station machine, plain;

	(void)state;
	machines_open(&machine, &plain);
	for (unsigned k = 0; k < LARGE_KINDS; k++)
		for (unsigned p = 0; p < COUNT(payloads); p++)
			for (uint16_t gso_size = 536; gso_size <= 1448; gso_size += 912) {
				send_bytes(&machine, out,
				    packet_write(out, large_kinds[k], payloads[p], gso_size));
				check_segments(&plain, large_kinds[k], payloads[p], gso_size);
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
	send_bytes(&machine, out, packet_write(out, &large_tcp4, payload, 1448));
	check_segments(&plain, &large_tcp4, payload, 1448);
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
	send_bytes(&machine, out, packet_write(out, &large_ufo4, payload, 1479));
	while ((len = receive(&plain, in)) > 0) {
		const uint8_t *ip = in + 14;

		assert_int_equal(be16(ip + 2), len - 14);
		assert_int_equal(large_sum(ip, 20, 0), 0xffff);
		assert_int_equal(be16(ip + 4), 0xfffe);
		assert_int_equal((be16(ip + 6) & 0x1fff) * 8, at);
		memcpy(whole + 34 + at, in + 34, len - 34);
		at += len - 34;
		assert_int_equal(be16(ip + 6) & 0x2000, at < payload + 8 ? 0x2000 : 0);
	}
	assert_int_equal(at, payload + 8);
	memcpy(whole, out + 12, 34);
	assert_int_equal(
	    large_sum(whole + 34, at, large_pseudo_sum(whole + 14, false, false, at)), 0xffff);
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
	send_bytes(&machine, out, packet_write(out, &large_tcp4, 8 * 1448, 1448));
	assert_int_equal(receive(&plain, in), 0);
	assert_int_equal(station_drops(&plain, false, LOOM_DROP_NO_ROOM), 1);
	send_bytes(&machine, out, packet_write(out, &large_tcp4, 7 * 1448, 1448));
	check_segments(&plain, &large_tcp4, 7 * 1448, 1448);
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
	len = packet_write(out, &large_tcp4, 40000, 1448);
	send_bytes(&machine, out, len);
	assert_int_equal(receive(&other, in), len);
	assert_memory_equal(in, out, len);
	machines_close(&machine, &other);
}

/* ---- nonsense ---- */

static void nonsense_in_headers_harms_nobody(void **state)
{
	static const struct large_kind *const kinds[] = {
	    &large_tcp4, &large_tcp6, &large_udp4, &large_ufo4};
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
	send_bytes(&machine, out, packet_write(out, &large_tcp4, 1448, 1448));
	check_segments(&plain, &large_tcp4, 1448, 1448);
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
