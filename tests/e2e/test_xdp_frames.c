/* SPDX-License-Identifier: BSD-2-Clause */
/* Frames of all kinds through AF_XDP: tagged, longer than a buffer, too short, too long, of bad slots. */
#include "wire.h"

#define JUMBO   9014u
#define ROOM    1792u  /* of a buffer of 2,048 bytes */
#define LARGEST 30464u /* of 17 slots */

static void jumbo_open(struct wire *wire, const struct loom_config *config)
{
	assert_int_equal(netns_mtu(NEAR, 9000), 0);
	assert_int_equal(netns_mtu(FAR, 9000), 0);
	end_open(&wire->near, NEAR, config);
	end_open(&wire->far, FAR, config);
}

static ssize_t receive_whole(struct end *end, uint8_t *data, size_t size)
{
	const uint64_t deadline = now_ms() + PATIENCE_MS;
	ssize_t got;

	while ((got = loom_recv_copy(&end->rx, data, size, NULL)) == -EAGAIN && now_ms() < deadline)
		loom_port_wait(end->port, LOOM_RX, 100);
	return got;
}

/* Through several buffers; more of them than the rings have slots. */
static void large_frames_pass_in_buffers_of(struct wire *wire, uint32_t buffer_size)
{
	uint8_t data[JUMBO];

	jumbo_open(wire, LOOM_CONFIG(.tx_slots = 64, .buffer_size = buffer_size));
	for (uint32_t i = 0; i < 500; i++) {
		const uint32_t len = JUMBO - i * 17;

		end_send(&wire->near, i, len);
		assert_ok(loom_tx_sync(&wire->near.tx));
		assert_int_equal(receive_whole(&wire->far, data, sizeof data), len);
		assert_true(packet_is(data, len, i));
	}
}

static void jumbo_frames_come_in_several_buffers(void **state)
{
	large_frames_pass_in_buffers_of(*state, 2048);
}

static void jumbo_frames_come_in_larger_buffers(void **state)
{
	large_frames_pass_in_buffers_of(*state, 4096);
}

/* The kernel takes so many buffers for one packet, and that is what the port says. */
static void the_largest_packet_that_a_port_names_is_one_that_arrives(void **state)
{
	static uint8_t data[LARGEST + 1], got[LARGEST];
	struct wire *wire = *state;
	struct loom_info info;

	assert_int_equal(netns_mtu(NEAR, 40000), 0);
	assert_int_equal(netns_mtu(FAR, 40000), 0);
	wire_open(wire);
	assert_ok(loom_port_info(wire->near.port, &info));
	assert_int_equal(info.max_payload, LARGEST);
	assert_int_equal(loom_tx_max_payload(&wire->near.tx), LARGEST);
	for (uint32_t i = 0; i < 20; i++) {
		packet_fill(data, LARGEST, i);
		assert_int_equal(loom_send(&wire->near.tx, data, LARGEST), 1);
		end_flush(&wire->near);
		assert_int_equal(receive_whole(&wire->far, got, sizeof got), LARGEST);
		assert_true(packet_is(got, LARGEST, i));
	}
	assert_refused(
	    loom_send(&wire->near.tx, data, LARGEST + 1), -EMSGSIZE, "this ring takes 30464");
	assert_int_equal(end_tx_drops(&wire->near, LOOM_DROP_BAD_LENGTH), 0);
}

static uint64_t lost(const struct end *end)
{
	return end_rx_drops(end, LOOM_DROP_OVERSIZED) + end_rx_drops(end, LOOM_DROP_NO_ROOM);
}

/* The ring of four slots has room for none of them; what comes then arrives. */
static void a_frame_that_no_ring_can_hold_is_counted_and_passed_over(void **state)
{
	struct wire *wire = *state;
	const uint64_t deadline = now_ms() + PATIENCE_MS;
	uint8_t got[JUMBO];

	jumbo_open(wire, LOOM_CONFIG(.rx_slots = 4));
	for (uint32_t i = 0; i < 20; i++) {
		end_send(&wire->near, i, JUMBO);
		end_flush(&wire->near);
		end_send(&wire->near, i, 60);
		end_flush(&wire->near);
	}
	while (lost(&wire->far) == 0 && now_ms() < deadline)
		end_receive(&wire->far, got, sizeof got, 20);
	assert_true(lost(&wire->far) > 0);
	while (end_receive(&wire->far, got, sizeof got, 20) >= 0)
		assert_true(now_ms() < deadline);
	end_send(&wire->near, 99, 60);
	end_flush(&wire->near);
	end_expect(&wire->far, 99, 60);
}

static void tagged_frames_arrive_with_their_tags(void **state)
{
	struct wire *wire = *state;
	uint8_t data[1522], got[1522];

	wire_open(wire);
	for (uint32_t i = 0; i < 100; i++) {
		const uint32_t len = i % 2 ? 64 : 1518;

		packet_fill(data, len, i);
		data[12] = 0x81;
		data[13] = 0x00;
		data[14] = 0x20;
		data[15] = (uint8_t)i;
		assert_int_equal(loom_send(&wire->near.tx, data, len), 1);
		end_flush(&wire->near);
		assert_int_equal(receive_whole(&wire->far, got, sizeof got), len);
		assert_memory_equal(got, data, len);
	}
}

static void short_frames_arrive_and_those_without_a_header_are_counted(void **state)
{
	struct wire *wire = *state;
	const uint8_t frame[60] = {2};
	uint8_t got[60];

	wire_open(wire);
	for (uint32_t len = 0; len < 14; len++)
		assert_int_equal(loom_send(&wire->near.tx, frame, len), 1);
	end_flush(&wire->near);
	assert_int_equal(end_tx_drops(&wire->near, LOOM_DROP_BAD_LENGTH), 14);
	for (uint32_t len = 14; len < 60; len++) {
		assert_int_equal(loom_send(&wire->near.tx, frame, len), 1);
		end_flush(&wire->near);
		assert_int_equal(receive_whole(&wire->far, got, sizeof got), len);
	}
}

static void what_a_slot_claims_beyond_its_buffer_is_not_sent(void **state)
{
	struct wire *wire = *state;
	struct netmap_ring *ring;

	wire_open(wire);
	assert_int_equal(wire->near.tx.frame_max, ROOM);
	ring = wire->near.tx.ring;
	ring->slot[0].len = ROOM + 1;
	ring->slot[1].buf_idx = UINT32_MAX;
	ring->slot[1].len = 60;
	ring->head = ring->cur = 2;
	assert_ok(loom_tx_sync(&wire->near.tx));
	assert_int_equal(end_tx_drops(&wire->near, LOOM_DROP_BAD_LENGTH), 1);
	assert_int_equal(end_tx_drops(&wire->near, LOOM_DROP_BAD_INDEX), 1);
	end_send(&wire->near, 1, 60);
	end_flush(&wire->near);
	end_expect(&wire->far, 1, 60);
}

/* A buffer that is given back twice would be filled twice: the second one is not believed. */
static void a_buffer_that_is_given_back_twice_is_taken_once(void **state)
{
	struct wire *wire = *state;
	struct netmap_ring *ring;

	end_open(&wire->near, NEAR, NULL);
	end_open(&wire->far, FAR, LOOM_CONFIG(.rx_slots = 16));
	for (uint32_t i = 0; i < 3; i++)
		end_send(&wire->near, i, 60);
	end_flush(&wire->near);
	ring = wire->far.rx.ring;
	for (uint64_t end = now_ms() + PATIENCE_MS; ring->tail < 3 && now_ms() < end;)
		assert_ok(loom_rx_sync(&wire->far.rx));
	ring->slot[1].buf_idx = ring->slot[0].buf_idx;
	ring->slot[2].buf_idx = 1;
	ring->head = ring->cur = 3;
	assert_ok(loom_rx_sync(&wire->far.rx));
	assert_int_equal(end_rx_drops(&wire->far, LOOM_DROP_BAD_INDEX), 2);
	for (uint32_t i = 0; i < 1000; i++) {
		end_send(&wire->near, i, 60);
		end_flush(&wire->near);
		end_expect(&wire->far, i, 60);
	}
}

int main(int argc, char **argv)
{
	static const struct CMUnitTest xdp_frames[] = {
	    WIRE_TEST(jumbo_frames_come_in_several_buffers),
	    WIRE_TEST(jumbo_frames_come_in_larger_buffers),
	    WIRE_TEST(the_largest_packet_that_a_port_names_is_one_that_arrives),
	    WIRE_TEST(a_frame_that_no_ring_can_hold_is_counted_and_passed_over),
	    WIRE_TEST(tagged_frames_arrive_with_their_tags),
	    WIRE_TEST(short_frames_arrive_and_those_without_a_header_are_counted),
	    WIRE_TEST(what_a_slot_claims_beyond_its_buffer_is_not_sent),
	    WIRE_TEST(a_buffer_that_is_given_back_twice_is_taken_once),
	};

	wire_choose(argc, argv);
	return WIRE_TESTS(xdp_frames);
}
