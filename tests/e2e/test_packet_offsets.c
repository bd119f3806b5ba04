/* SPDX-License-Identifier: BSD-2-Clause */
/* Packets of an interface that start at offsets in their buffers. */
#include "wire.h"

#define BUF 2048u

static void open_ends(struct wire *wire, uint32_t near, uint32_t far)
{
	end_open(&wire->near, "packet:" NEAR, LOOM_CONFIG(.offset = near, .tx_slots = 32));
	end_open(&wire->far, "packet:" FAR, LOOM_CONFIG(.offset = far, .tx_slots = 32));
}

/* The next packet of ours, where it is; false: none came. */
static bool next_frame(struct end *end, struct loom_frame *frame)
{
	uint64_t deadline = now_ms() + PATIENCE_MS;

	do {
		assert_ok(loom_rx_sync(&end->rx));
		while (loom_recv(&end->rx, frame) == 1)
			if (packet_is_ours(frame->data, frame->len))
				return true;
	} while (loom_port_wait(end->port, LOOM_RX, 100) >= 0 && now_ms() < deadline);
	return false;
}

static void packets_leave_from_and_come_to_their_offsets(void **state)
{
	static const uint32_t lengths[] = {60, 61, 1000, 1514};
	struct wire *wire = *state;
	struct loom_frame frame = {.len = 0};

	open_ends(wire, 64, 333);
	for (uint32_t i = 0; i < 200; i++) {
		uint32_t len = lengths[i % COUNT(lengths)];

		end_send(&wire->near, i, len);
		end_flush(&wire->near);
		assert_true(next_frame(&wire->far, &frame));
		assert_int_equal(frame.len, len);
		assert_true(packet_is(frame.data, len, i));
		assert_int_equal((size_t)(frame.data - wire->far.rx.buffers) % BUF, 333);
		assert_int_equal(frame.cap, BUF - 333);
	}
	end_send(&wire->far, 7, 60);
	end_flush(&wire->far);
	assert_true(next_frame(&wire->near, &frame));
	assert_int_equal((size_t)(frame.data - wire->near.rx.buffers) % BUF, 64);
}

static void chains_of_slots_at_offsets_leave_as_one_packet(void **state)
{
	struct wire *wire = *state;

	end_open(&wire->near, "packet:" NEAR, LOOM_CONFIG(.offset = 100, .buffer_size = 256));
	end_open(&wire->far, "packet:" FAR, NULL);
	for (uint32_t i = 0; i < 20; i++) {
		end_send(&wire->near, i, 1514);
		end_flush(&wire->near);
		end_expect(&wire->far, i, 1514);
	}
}

static void what_does_not_fit_behind_the_offset_is_dropped_and_counted(void **state)
{
	struct wire *wire = *state;

	end_open(&wire->near, "packet:" NEAR, NULL);
	end_open(&wire->far, "packet:" FAR, LOOM_CONFIG(.offset = 100, .buffer_size = 1536));
	end_send(&wire->near, 1, 1437);
	end_send(&wire->near, 2, 1436);
	end_flush(&wire->near);
	end_expect(&wire->far, 2, 1436);
	assert_int_equal(end_rx_drops(&wire->far, LOOM_DROP_OVERSIZED), 1);
}

static void what_points_outside_its_buffer_is_not_sent(void **state)
{
	static const uint64_t hostile[] = {BUF - 59, BUF, 1u << 20, UINT32_MAX, UINT64_MAX};
	struct wire *wire = *state;

	open_ends(wire, 64, 0);
	for (uint32_t i = 0; i < COUNT(hostile); i++) {
		end_send(&wire->near, i, 60);
		wire->near.tx.ring->slot[(wire->near.tx.ring->head + 31) % 32].ptr = hostile[i];
		end_send(&wire->near, 50 + i, 60);
		end_flush(&wire->near);
		end_expect(&wire->far, 50 + i, 60);
		assert_int_equal(end_tx_drops(&wire->near, LOOM_DROP_BAD_LENGTH), i + 1);
	}
}

static void slots_that_point_outside_their_buffers_receive_nothing(void **state)
{
	static const uint64_t hostile[] = {BUF, BUF + 1, 1u << 20, UINT32_MAX, UINT64_MAX};
	struct wire *wire = *state;

	open_ends(wire, 0, 64);
	for (uint32_t i = 0; i < COUNT(hostile); i++) {
		struct netmap_ring *ring = wire->far.rx.ring;

		ring->slot[ring->head].ptr = hostile[i];
		end_send(&wire->near, i, 60);
		end_flush(&wire->near);
		end_expect(&wire->far, i, 60); /* in the next slot */
		assert_int_equal(end_rx_drops(&wire->far, LOOM_DROP_BAD_LENGTH), i + 1);
	}
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
	    WIRE_TEST(packets_leave_from_and_come_to_their_offsets),
	    WIRE_TEST(chains_of_slots_at_offsets_leave_as_one_packet),
	    WIRE_TEST(what_does_not_fit_behind_the_offset_is_dropped_and_counted),
	    WIRE_TEST(what_points_outside_its_buffer_is_not_sent),
	    WIRE_TEST(slots_that_point_outside_their_buffers_receive_nothing),
	};

	return WIRE_TESTS(tests);
}
