/* SPDX-License-Identifier: BSD-2-Clause */
/* Frames between a tap port and the host, which an AF_PACKET port stands for. */
#include <arpa/inet.h>
#include <stdio.h>
#include <sys/socket.h>

#include "soft/soft.h"
#include "wire.h"

#define TAP   "tap:t0"
#define HOST  "packet:t0"
#define LARGE 8000u

/* The port first: it makes the interface. */
static void open_both(struct wire *wire, const struct loom_config *config)
{
	end_open(&wire->near, TAP, config);
	assert_ok(netns_mtu("t0", 9000));
	end_open(&wire->far, HOST, LOOM_CONFIG(.buffer_size = 16384));
}

/* The next packet of a test's, put together; its length, or 0 after a while. */
static uint32_t receive_whole(struct end *end, uint8_t *data, size_t cap)
{
	uint64_t deadline = now_ms() + PATIENCE_MS;

	while (now_ms() < deadline) {
		ssize_t len = loom_recv_copy(&end->rx, data, cap, NULL);

		if (len > 0 && packet_is_ours(data, (uint32_t)len))
			return (uint32_t)len;
		if (len == -EAGAIN)
			assert_true(loom_port_wait(end->port, LOOM_RX, 100) >= 0);
	}
	return 0;
}

static void frames_pass_in_order_both_ways(void **state)
{
	struct wire *wire = *state;
	const uint32_t n = 200;

	open_both(wire, NULL);
	for (uint32_t i = 0; i < n; i++)
		end_send(&wire->near, i, 60 + i * 7);
	end_flush(&wire->near);
	for (uint32_t i = 0; i < n; i++)
		end_expect(&wire->far, i, 60 + i * 7);
	for (uint32_t i = 0; i < n; i++)
		end_send(&wire->far, i, 60 + i * 7);
	end_flush(&wire->far);
	for (uint32_t i = 0; i < n; i++)
		end_expect(&wire->near, i, 60 + i * 7);
	end_expect_none(&wire->near);
}

/* ---- several slots ---- */

static void large_frames_come_in_several_slots(void **state)
{
	struct wire *wire = *state;
	static uint8_t data[LARGE];

	open_both(wire, NULL);
	for (uint32_t i = 0; i < 20; i++) {
		end_send(&wire->far, i, LARGE - i);
		end_flush(&wire->far);
		assert_int_equal(receive_whole(&wire->near, data, sizeof data), LARGE - i);
		assert_true(packet_is(data, LARGE - i, i));
	}
	assert_int_equal(end_rx_drops(&wire->near, LOOM_DROP_OVERSIZED), 0);
}

static void frames_of_several_slots_leave_whole(void **state)
{
	struct wire *wire = *state;
	static uint8_t data[LARGE];

	open_both(wire, NULL);
	packet_fill(data, LARGE, 5);
	assert_int_equal(loom_send(&wire->near.tx, data, LARGE), 1);
	end_flush(&wire->near);
	end_expect(&wire->far, 5, LARGE);
}

static void a_frame_larger_than_the_ring_is_counted(void **state)
{
	struct wire *wire = *state;

	open_both(wire, LOOM_CONFIG(.rx_slots = 3));
	end_send(&wire->far, 1, LARGE);
	end_send(&wire->far, 2, 60);
	end_flush(&wire->far);
	end_expect(&wire->near, 2, 60);
	assert_int_equal(end_rx_drops(&wire->near, LOOM_DROP_OVERSIZED), 1);
}

static void a_ring_that_is_full_leaves_frames_with_the_system(void **state)
{
	struct wire *wire = *state;

	open_both(wire, LOOM_CONFIG(.rx_slots = 8));
	for (uint32_t i = 0; i < 100; i++)
		end_send(&wire->far, i, 60);
	end_flush(&wire->far);
	for (uint32_t i = 0; i < 100; i++)
		end_expect(&wire->near, i, 60);
	assert_int_equal(end_rx_drops(&wire->near, LOOM_DROP_NO_ROOM), 0);
}

/* ---- queues ---- */

static void flows_spread_over_the_queues_and_none_is_lost(void **state)
{
	struct wire *wire = *state;
	const unsigned flows = 64;
	unsigned got = 0, used = 0, on_ring[3] = {0};

	end_open(&wire->near, TAP, LOOM_CONFIG(.tx_rings = 2, .rx_rings = 3));
	assert_ok(netns_address("t0", HOST_ADDRESS));
	for (unsigned i = 0; i < flows; i++) {
		int fd = host_socket(); /* from a port of its own: another flow */

		host_broadcast(fd, 4000, &i, sizeof i);
		close(fd);
	}
	for (uint64_t end = now_ms() + PATIENCE_MS; got < flows && now_ms() < end;)
		for (unsigned i = 0; i < 3; i++) {
			struct loom_frame frame;
			struct loom_rxring rx;

			assert_ok(loom_rx(wire->near.port, i, &rx));
			assert_ok(loom_rx_sync(&rx));
			while (loom_recv(&rx, &frame) == 1)
				if (host_sent(&frame, 4000)) {
					on_ring[i]++;
					got++;
				}
		}
	for (unsigned i = 0; i < 3; i++)
		used += on_ring[i] > 0;
	assert_int_equal(got, flows);
	assert_true(used > 1);
}

static void each_tx_ring_reaches_the_host(void **state)
{
	struct wire *wire = *state;

	open_both(wire, LOOM_CONFIG(.tx_rings = 5, .rx_rings = 2));
	for (uint32_t i = 0; i < 5; i++) {
		assert_ok(loom_tx(wire->near.port, i, &wire->near.tx));
		end_send(&wire->near, i, 60);
		end_flush(&wire->near);
		end_expect(&wire->far, i, 60);
	}
}

/* ---- virtio-net headers ---- */

static int header_request(uint16_t type, struct nmreq_port_hdr *body)
{
	struct nmreq_header header = {.nr_version = NETMAP_API,
	    .nr_reqtype = type,
	    .nr_name = TAP,
	    .nr_body = (uintptr_t)body};
	struct device *device;
	int err;

	assert_ok(soft_open(&device));
	err = device->ops->control(device, &header);
	device->ops->close(device);
	return err;
}

static void header_set(uint32_t len)
{
	struct nmreq_port_hdr body = {.nr_hdr_len = len};

	assert_ok(header_request(NETMAP_REQ_PORT_HDR_SET, &body));
	body.nr_hdr_len = 99;
	assert_ok(header_request(NETMAP_REQ_PORT_HDR_GET, &body));
	assert_int_equal(body.nr_hdr_len, len);
}

static void headers_are_seen_by_those_that_asked_for_them(void **state)
{
	static const uint32_t lengths[] = {10, 12, 0, 12, 10, 0};
	struct wire *wire = *state;
	uint8_t frame[200] = {0};

	open_both(wire, NULL);
	for (uint32_t i = 0; i < COUNT(lengths); i++) {
		uint32_t header = lengths[i];
		struct loom_frame got;

		header_set(header);
		memset(frame, 0, sizeof frame);
		packet_fill(frame + header, 100, i);
		assert_int_equal(loom_send(&wire->near.tx, frame, header + 100), 1);
		end_flush(&wire->near);
		end_expect(&wire->far, i, 100);
		end_send(&wire->far, i, 100);
		end_flush(&wire->far);
		do
			host_next(&wire->near, &got);
		while (got.len != header + 100 || !packet_is(got.data + header, 100, i));
		for (uint32_t k = 0; k < header; k++)
			assert_int_equal(got.data[k], 0);
	}
}

static void a_header_has_to_be_accepted(void **state)
{
	struct wire *wire = *state;
	struct nmreq_port_hdr wrong = {.nr_hdr_len = 11};
	struct loom_port *second;

	assert_true(header_request(NETMAP_REQ_PORT_HDR_GET, &wrong) < 0); /* not open */
	open_both(wire, NULL);
	assert_refused(header_request(NETMAP_REQ_PORT_HDR_SET, &wrong), -EINVAL, "11");
	header_set(12);
	assert_refused(loom_open(TAP, NULL, &second), -EIO, "virtio");
	header_set(0);
	assert_ok(loom_open(TAP, NULL, &second));
	loom_close(second);
}

static void a_packet_without_its_header_is_counted(void **state)
{
	struct wire *wire = *state;
	uint8_t data[8] = {0};

	open_both(wire, NULL);
	header_set(12);
	assert_int_equal(loom_send(&wire->near.tx, data, sizeof data), 1);
	end_flush(&wire->near);
	assert_int_equal(end_tx_drops(&wire->near, LOOM_DROP_BAD_LENGTH), 1);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
	    WIRE_TEST(frames_pass_in_order_both_ways),
	    WIRE_TEST(large_frames_come_in_several_slots),
	    WIRE_TEST(frames_of_several_slots_leave_whole),
	    WIRE_TEST(a_frame_larger_than_the_ring_is_counted),
	    WIRE_TEST(a_ring_that_is_full_leaves_frames_with_the_system),
	    WIRE_TEST(flows_spread_over_the_queues_and_none_is_lost),
	    WIRE_TEST(each_tx_ring_reaches_the_host),
	    WIRE_TEST(headers_are_seen_by_those_that_asked_for_them),
	    WIRE_TEST(a_header_has_to_be_accepted),
	    WIRE_TEST(a_packet_without_its_header_is_counted),
	};

	return WIRE_TESTS(tests);
}
