/* SPDX-License-Identifier: BSD-2-Clause */
/* Streams of bytes over ports: what read and write promise. */
#include "support.h"

#include <poll.h>
#include <pthread.h>
#include <stdlib.h>

#include <pktloom/stream.h>

#define BUFFER  64u
#define LONG_MS 5000

struct ends {
	struct loom_port *ports[2];
	struct loom_stream from, to;
};

static struct ends ends;

static void ends_open(const struct loom_config *config)
{
	for (unsigned i = 0; i < 2; i++)
		assert_ok(loom_open("pipe{stream}", config, &ends.ports[i]));
	assert_ok(loom_stream_init(&ends.from, ends.ports[0], 0));
	assert_ok(loom_stream_init(&ends.to, ends.ports[1], 0));
}

static int ends_close(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 2; i++)
		loom_close(ends.ports[i]);
	ends = (struct ends){.ports = {NULL, NULL}};
	return 0;
}

static uint8_t byte_at(size_t at)
{
	return (uint8_t)(at * 7 + at / 251);
}

static void fill(uint8_t *data, size_t at, size_t len)
{
	for (size_t i = 0; i < len; i++)
		data[i] = byte_at(at + i);
}

static bool is_filled(const uint8_t *data, size_t at, size_t len)
{
	for (size_t i = 0; i < len; i++)
		if (data[i] != byte_at(at + i))
			return false;
	return true;
}

static void bytes_come_in_order_however_they_are_cut(void **state)
{
	uint8_t in[700], out[700];
	size_t written = 0, got = 0;
	uint32_t random = 1;

	(void)state;
	ends_open(LOOM_CONFIG(.tx_slots = 16, .buffer_size = BUFFER));
	while (got < 200000) {
		size_t len = random_next(&random) % sizeof in + 1;
		ssize_t n;

		fill(in, written, len);
		n = loom_stream_write(&ends.from, in, len);
		assert_true(n > 0 || n == -EAGAIN);
		written += n > 0 ? (size_t)n : 0;
		n = loom_stream_read(&ends.to, out, random_next(&random) % sizeof out + 1);
		assert_true(n > 0 || n == -EAGAIN);
		if (n < 0)
			continue;
		assert_true(is_filled(out, got, (size_t)n));
		got += (size_t)n;
	}
}

static void a_write_becomes_packets_of_its_own(void **state)
{
	uint8_t data[2 * BUFFER + 5];
	static const uint32_t lens[] = {BUFFER, BUFFER, 5, 1, 1};
	struct loom_frame frame = {.len = 0};

	(void)state;
	ends_open(LOOM_CONFIG(.tx_slots = 16, .buffer_size = BUFFER));
	fill(data, 0, sizeof data);
	assert_int_equal(loom_stream_write(&ends.from, data, sizeof data), sizeof data);
	assert_int_equal(loom_stream_write(&ends.from, data, 1), 1);
	assert_int_equal(loom_stream_write(&ends.from, data, 0), 0);
	assert_int_equal(loom_stream_write(&ends.from, data, 1), 1);
	assert_ok(loom_rx_sync(&ends.to.rx));
	for (size_t i = 0; i < COUNT(lens); i++) {
		assert_int_equal(loom_recv(&ends.to.rx, &frame), 1);
		assert_int_equal(frame.len, lens[i]);
		assert_int_equal(frame.flags & NS_MOREFRAG, 0);
	}
	assert_int_equal(loom_recv(&ends.to.rx, &frame), 0);
}

static void a_write_without_room_is_short_and_then_refused(void **state)
{
	uint8_t data[4 * BUFFER], got[BUFFER / 2];

	(void)state;
	ends_open(LOOM_CONFIG(.tx_slots = 4, .buffer_size = BUFFER));
	fill(data, 0, sizeof data);
	assert_int_equal(loom_stream_write(&ends.from, data, sizeof data), 3 * BUFFER);
	assert_int_equal(loom_stream_write(&ends.from, data, 1), -EAGAIN);
	assert_int_equal(loom_stream_end(&ends.from), -EAGAIN);
	for (unsigned i = 0; i < 6; i++) {
		assert_int_equal(loom_stream_read(&ends.to, got, sizeof got), sizeof got);
		assert_true(is_filled(got, i * sizeof got, sizeof got));
	}
	assert_int_equal(loom_stream_read(&ends.to, got, sizeof got), -EAGAIN);
	assert_int_equal(loom_stream_write(&ends.from, data, sizeof data), 3 * BUFFER);
}

static void packets_of_several_slots_are_bytes_as_well(void **state)
{
	uint8_t data[5 * BUFFER + 1], got[sizeof data + 9];

	(void)state;
	ends_open(LOOM_CONFIG(.tx_slots = 16, .buffer_size = BUFFER));
	fill(data, 0, sizeof data);
	assert_int_equal(loom_send(&ends.from.tx, data, sizeof data), 1);
	assert_ok(loom_tx_sync(&ends.from.tx));
	assert_int_equal(loom_stream_read(&ends.to, got, 3), 3);
	assert_int_equal(loom_stream_read(&ends.to, got + 3, sizeof got - 3), sizeof data - 3);
	assert_memory_equal(got, data, sizeof data);
}

static void an_end_is_read_once_after_all_bytes(void **state)
{
	uint8_t got[100];

	(void)state;
	ends_open(NULL);
	assert_int_equal(loom_stream_write(&ends.from, "one", 3), 3);
	assert_int_equal(loom_stream_end(&ends.from), 0);
	assert_int_equal(loom_stream_write(&ends.from, "two", 3), 3);
	assert_int_equal(loom_stream_read(&ends.to, got, sizeof got), 3);
	assert_int_equal(loom_stream_read(&ends.to, got, sizeof got), 0);
	assert_int_equal(loom_stream_read(&ends.to, got, sizeof got), 3);
	assert_memory_equal(got, "two", 3);
	assert_int_equal(loom_stream_read(&ends.to, got, sizeof got), -EAGAIN);
}

static void a_dropped_packet_is_a_hole_that_is_told_once(void **state)
{
	uint8_t got[100];

	(void)state;
	ends_open(NULL);
	assert_int_equal(loom_stream_write(&ends.from, "before", 6), 6);
	assert_int_equal(loom_send(&ends.from.tx, "lost", 4), 1);
	ends.from.tx.ring->slot[1].len = UINT16_MAX;
	assert_ok(loom_tx_sync(&ends.from.tx));
	assert_int_equal(loom_stream_write(&ends.from, "after", 5), 5);
	assert_int_equal(loom_stream_read(&ends.to, got, sizeof got), 6);
	assert_refused((int)loom_stream_read(&ends.to, got, sizeof got), -EBADMSG, "dropped");
	assert_int_equal(loom_stream_read(&ends.to, got, sizeof got), 5);
	assert_memory_equal(got, "after", 5);
	assert_int_equal(loom_stream_read(&ends.to, got, sizeof got), -EAGAIN);
}

static void a_port_may_have_one_direction_only(void **state)
{
	uint8_t got[1];

	(void)state;
	assert_ok(loom_open("loop:one/T", NULL, &ends.ports[0]));
	assert_ok(loom_stream_init(&ends.from, ends.ports[0], 0));
	assert_int_equal(loom_stream_write(&ends.from, "x", 1), 1);
	assert_refused((int)loom_stream_read(&ends.from, got, 1), -EINVAL, "read");
	assert_ok(loom_open("loop:other/R", NULL, &ends.ports[1]));
	assert_ok(loom_stream_init(&ends.to, ends.ports[1], 0));
	assert_int_equal(loom_stream_read(&ends.to, got, 1), -EAGAIN);
	assert_refused((int)loom_stream_write(&ends.to, "x", 1), -EINVAL, "write");
	assert_refused(loom_stream_end(&ends.to), -EINVAL, "write");
	assert_refused(loom_stream_init(&ends.to, ends.ports[0], 1), -EINVAL, "no ring");
}

/* ---- two threads, asleep whenever a call says -EAGAIN ---- */

static bool sleep_on(struct loom_port *port)
{
	struct pollfd wait = {.fd = loom_port_fd(port), .events = POLLIN};

	return poll(&wait, 1, LONG_MS) == 1;
}

static void *write_all(void *arg)
{
	const size_t total = *(const size_t *)arg;
	uint8_t data[300];

	for (size_t at = 0; at < total;) {
		size_t len = total - at < sizeof data ? total - at : sizeof data;
		ssize_t n;

		fill(data, at, len);
		n = loom_stream_write(&ends.from, data, len);
		if (n == -EAGAIN ? !sleep_on(ends.ports[0]) : n < 0)
			return NULL;
		at += n > 0 ? (size_t)n : 0;
	}
	while (loom_stream_end(&ends.from) == -EAGAIN && sleep_on(ends.ports[0]))
		;
	return NULL;
}

static void a_descriptor_tells_when_to_go_on(void **state)
{
	size_t total = scaled(2000000), at = 0;
	uint8_t data[1000];
	pthread_t writer;
	ssize_t n;

	(void)state;
	ends_open(LOOM_CONFIG(.tx_slots = 4, .buffer_size = BUFFER));
	assert_int_equal(pthread_create(&writer, NULL, write_all, &total), 0);
	while ((n = loom_stream_read(&ends.to, data, sizeof data)) != 0) {
		if (n == -EAGAIN ? !sleep_on(ends.ports[1])
				 : n < 0 || !is_filled(data, at, (size_t)n))
			break;
		at += n > 0 ? (size_t)n : 0;
	}
	assert_int_equal(pthread_join(writer, NULL), 0);
	assert_int_equal(n, 0);
	assert_int_equal(at, total);
}

#define TEST(test) cmocka_unit_test_teardown(test, ends_close)

int main(void)
{
	const struct CMUnitTest tests[] = {
	    TEST(bytes_come_in_order_however_they_are_cut),
	    TEST(a_write_becomes_packets_of_its_own),
	    TEST(a_write_without_room_is_short_and_then_refused),
	    TEST(packets_of_several_slots_are_bytes_as_well),
	    TEST(an_end_is_read_once_after_all_bytes),
	    TEST(a_dropped_packet_is_a_hole_that_is_told_once),
	    TEST(a_port_may_have_one_direction_only),
	    TEST(a_descriptor_tells_when_to_go_on),
	};

	scratch_directory();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
