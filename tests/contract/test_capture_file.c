/* SPDX-License-Identifier: BSD-2-Clause */
/* The pcap kind on files: what it receives, what it writes, what it refuses. */
#include <stdio.h>
#include <unistd.h>

#include "support.h"

#define PACKETS 300u
#define SECONDS 1700000000u

struct ends {
	struct loom_port *port;
	struct loom_txring tx;
	struct loom_rxring rx;
};

static void open_port(struct ends *ends, const char *name, const struct loom_config *config)
{
	assert_ok(loom_open(name, config, &ends->port));
	assert_ok(loom_tx(ends->port, 0, &ends->tx));
	assert_ok(loom_rx(ends->port, 0, &ends->rx));
}

/* Names have to be short: the test works in its directory. */
static int enter_directory(void **state)
{
	(void)state;
	return chdir(scratch_subdirectory("captures", 0700));
}

/* ---- files made by hand ---- */

static void put_words(FILE *file, const uint32_t *words, size_t n)
{
	assert_int_equal(fwrite(words, sizeof *words, n, file), n);
}

static FILE *file_begin(const char *path, uint32_t magic, uint32_t link_type)
{
	const uint32_t header[] = {magic, 2 | 4u << 16, 0, 0, 65535, link_type};
	FILE *file = fopen(path, "wb");

	assert_non_null(file);
	put_words(file, header, COUNT(header));
	return file;
}

static uint32_t length_of(uint32_t number)
{
	return 60 + number * 5;
}

static void file_packet(FILE *file, uint32_t number, uint32_t len)
{
	const uint32_t header[] = {SECONDS + number, number, len, len};
	static uint8_t data[70000];

	packet_fill(data, len, number);
	put_words(file, header, COUNT(header));
	assert_int_equal(fwrite(data, 1, len, file), len);
}

static void file_make(const char *path, uint32_t packets)
{
	FILE *file = file_begin(path, 0xa1b2c3d4, 1);

	for (uint32_t i = 0; i < packets; i++)
		file_packet(file, i, length_of(i));
	assert_int_equal(fclose(file), 0);
}

static uint32_t receive_all(struct ends *ends, uint32_t from)
{
	struct loom_frame frame;

	while (loom_rx_sync(&ends->rx) == 0 && loom_rx_space(&ends->rx) > 0)
		while (loom_recv(&ends->rx, &frame) == 1) {
			assert_int_equal(frame.len, length_of(from));
			assert_true(packet_is(frame.data, frame.len, from));
			from++;
		}
	return from;
}

/* ---- receiving ---- */

static void a_file_is_received_once_and_in_order(void **state)
{
	struct ends ends;
	struct loom_info info;

	(void)state;
	file_make("a.pcap", PACKETS);
	open_port(&ends, "pcap:a.pcap", LOOM_CONFIG(.rx_slots = 64));
	assert_ok(loom_port_info(ends.port, &info));
	assert_non_null(strstr(info.mode, "received once"));
	assert_int_equal(loom_port_wait(ends.port, LOOM_RX, 1000), LOOM_RX);
	assert_int_equal(receive_all(&ends, 0), PACKETS);
	assert_int_equal(loom_port_wait(ends.port, LOOM_RX, 20), 0); /* nor ever again */
	assert_ok(loom_rx_sync(&ends.rx));
	loom_close(ends.port);
}

static void the_ring_tells_when_its_last_packet_was_captured(void **state)
{
	struct ends ends;

	(void)state;
	file_make("a.pcap", PACKETS);
	open_port(&ends, "pcap:a.pcap", LOOM_CONFIG(.rx_slots = 2)); /* room for one */
	for (uint32_t i = 0; i < 5; i++) {
		assert_ok(loom_rx_sync(&ends.rx));
		assert_int_equal(loom_rx_space(&ends.rx), 1);
		assert_int_equal(ends.rx.ring->ts.tv_sec, SECONDS + i);
		assert_int_equal(ends.rx.ring->ts.tv_usec, i);
		loom_release(&ends.rx, 1);
	}
	loom_close(ends.port);
}

static void large_packets_come_in_several_slots(void **state)
{
	static uint8_t data[70000];
	struct ends ends;
	struct loom_stats stats;
	FILE *file = file_begin("a.pcap", 0xa1b2c3d4, 1);

	(void)state;
	file_packet(file, 0, 20000);
	file_packet(file, 1, 50000); /* more than the ring has */
	file_packet(file, 2, 16000);
	assert_int_equal(fclose(file), 0);
	open_port(&ends, "pcap:a.pcap", LOOM_CONFIG(.rx_slots = 16));
	for (uint32_t i = 0; i < 3; i += 2) {
		uint32_t len = i ? 16000 : 20000;

		assert_ok(loom_rx_sync(&ends.rx));
		assert_int_equal(loom_recv_copy(&ends.rx, data, sizeof data, NULL), len);
		assert_true(packet_is(data, len, i));
	}
	assert_ok(loom_port_stats(ends.port, NULL, &stats));
	assert_int_equal(stats.drops[LOOM_DROP_OVERSIZED], 1);
	loom_close(ends.port);
}

static void a_truncated_file_gives_what_it_has_and_then_an_error(void **state)
{
	struct ends ends;

	(void)state;
	file_make("a.pcap", 10);
	assert_int_equal(truncate("a.pcap", 24 + 4 * (16 + 60) + 5 * (0 + 1 + 2 + 3) + 20), 0);
	open_port(&ends, "pcap:a.pcap", NULL);
	assert_int_equal(receive_all(&ends, 0), 4);
	for (unsigned i = 0; i < 2; i++)
		assert_refused(loom_rx_sync(&ends.rx), -EIO, "truncated");
	assert_true((unsigned)loom_port_wait(ends.port, LOOM_RX, 1000) & LOOM_ERROR);
	loom_close(ends.port);
}

static void a_file_without_packets_receives_nothing(void **state)
{
	struct ends ends;

	(void)state;
	file_make("a.pcap", 0);
	open_port(&ends, "pcap:./a.pcap", NULL);
	assert_int_equal(loom_port_wait(ends.port, LOOM_RX, 20), 0);
	assert_true(loom_port_fd(ends.port) >= 0);
	assert_int_equal(loom_port_wait(ends.port, LOOM_RX, 20), 0);
	loom_close(ends.port);
}

static void what_is_no_capture_file_is_refused_with_a_reason(void **state)
{
	struct loom_port *port = NULL;
	FILE *file = fopen("empty.pcap", "wb");

	(void)state;
	assert_non_null(file);
	fclose(file);
	assert_refused(loom_open("pcap:empty.pcap", NULL, &port), -EINVAL, "truncated");
	fclose(file_begin("magic.pcap", 0x12345678, 1));
	assert_refused(loom_open("pcap:magic.pcap", NULL, &port), -EINVAL, "unknown file format");
	fclose(file_begin("link.pcap", 0xa1b2c3d4, 113));
	assert_refused(loom_open("pcap:link.pcap", NULL, &port), -EINVAL, "not Ethernet");
	assert_refused(loom_open("pcap:none.pcapng", NULL, &port), -ENOENT, "none.pcapng");
	assert_refused(loom_open("pcap:,out=no/b.pcap", NULL, &port), -ENOENT, "cannot write");
	assert_null(port);
}

/* ---- sending ---- */

static void what_is_sent_can_be_received(void **state)
{
	uint8_t data[3000];
	struct ends ends;

	(void)state;
	open_port(&ends, "pcap:,out=b.pcap", NULL);
	for (uint32_t i = 0; i < PACKETS; i++) { /* the longer ones in two slots */
		packet_fill(data, length_of(i), i);
		assert_int_equal(loom_send(&ends.tx, data, length_of(i)), 1);
		assert_ok(loom_tx_sync(&ends.tx));
	}
	loom_close(ends.port);
	open_port(&ends, "pcap:b.pcap", NULL);
	assert_int_equal(receive_all(&ends, 0), PACKETS);
	loom_close(ends.port);
}

static void a_file_is_forwarded_to_another_one(void **state)
{
	struct ends ends;

	(void)state;
	file_make("a.pcap", PACKETS);
	open_port(&ends, "pcap:a.pcap,out=b.pcap", NULL);
	assert_ok(loom_rx_sync(&ends.rx));
	assert_int_equal(loom_forward(&ends.rx, &ends.tx, PACKETS), PACKETS);
	assert_ok(loom_tx_sync(&ends.tx));
	loom_close(ends.port);
	open_port(&ends, "pcap:b.pcap", NULL);
	assert_int_equal(receive_all(&ends, 0), PACKETS);
	loom_close(ends.port);
}

static void sending_without_a_file_is_counted(void **state)
{
	struct ends ends;
	struct loom_stats stats;

	(void)state;
	file_make("a.pcap", 1);
	open_port(&ends, "pcap:a.pcap", NULL);
	assert_int_equal(loom_send(&ends.tx, "0123456789abcdef", 16), 1);
	assert_ok(loom_tx_sync(&ends.tx));
	assert_ok(loom_port_stats(ends.port, &stats, NULL));
	assert_int_equal(stats.drops[LOOM_DROP_REFUSED], 1);
	loom_close(ends.port);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(a_file_is_received_once_and_in_order),
	    cmocka_unit_test(the_ring_tells_when_its_last_packet_was_captured),
	    cmocka_unit_test(large_packets_come_in_several_slots),
	    cmocka_unit_test(a_truncated_file_gives_what_it_has_and_then_an_error),
	    cmocka_unit_test(a_file_without_packets_receives_nothing),
	    cmocka_unit_test(what_is_no_capture_file_is_refused_with_a_reason),
	    cmocka_unit_test(what_is_sent_can_be_received),
	    cmocka_unit_test(a_file_is_forwarded_to_another_one),
	    cmocka_unit_test(sending_without_a_file_is_counted),
	};

	return cmocka_run_group_tests(tests, enter_directory, NULL);
}
