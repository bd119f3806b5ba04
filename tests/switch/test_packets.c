/* SPDX-License-Identifier: BSD-2-Clause */
/* Packets on a switch: lengths, several slots, payload elsewhere in the sender's memory. */
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "station.h"

/* ---- sizes ---- */

static void frames_of_every_size_arrive_whole(void **state)
{
	struct net net;

	(void)state;
	net_open(&net, NULL);
	net_teach(&net);
	for (uint32_t len = FRAME_DATA + 4; len <= 2048; len++) {
		station_send(&net.at[0], 2, len, len);
		station_expect(&net.at[1], 1, len);
	}
	net_close(&net);
}

static void runts_are_dropped(void **state)
{
	struct net net;
	uint8_t data[14] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 2, 0, 0, 0, 0, 1};

	(void)state;
	net_open(&net, NULL);
	for (uint32_t len = 0; len < 14; len++)
		assert_int_equal(loom_send(&net.at[0].tx, data, len), 1);
	assert_ok(loom_tx_sync(&net.at[0].tx));
	station_expect_nothing(&net.at[1]);
	assert_int_equal(station_drops(&net.at[0], true, LOOM_DROP_BAD_LENGTH), 14);
	assert_int_equal(loom_send(&net.at[0].tx, data, 14), 1);
	assert_ok(loom_tx_sync(&net.at[0].tx));
	assert_ok(loom_rx_sync(&net.at[1].rx));
	assert_int_equal(loom_rx_space(&net.at[1].rx), 1);
	assert_int_equal(net.at[1].rx.ring->slot[0].len, 14);
	net_close(&net);
}

static void frame_larger_than_the_destinations_buffers_is_dropped(void **state)
{
	struct station large, small, other;

	(void)state;
	station_open(&large, "vale0:l", 1, LOOM_CONFIG(.buffer_size = 4096));
	station_open(&small, "vale0:s", 2, LOOM_CONFIG(.buffer_size = 512));
	station_open(&other, "vale0:o", 3, LOOM_CONFIG(.buffer_size = 4096));
	station_send(&large, BROADCAST, 1, 513);
	station_expect(&other, 1, 1);
	station_expect_nothing(&small);
	assert_int_equal(station_drops(&small, false, LOOM_DROP_OVERSIZED), 1);
	station_send(&large, BROADCAST, 2, 512);
	station_expect(&small, 1, 2);
	station_close(&large);
	station_close(&small);
	station_close(&other);
}

/* ---- packets of several slots ---- */

/* Receive one packet as a copy; check the fragment count in its slots. */
static void expect_chain(struct station *station, uint32_t number, uint32_t len, uint32_t slots)
{
	struct netmap_ring *ring = station->rx.ring;
	uint8_t data[40000];
	struct frame frame;
	uint32_t at;

	assert_ok(loom_rx_sync(&station->rx));
	assert_int_equal(loom_rx_space(&station->rx), slots);
	at = ring->head;
	for (uint32_t i = 0; i < slots; i++) {
		const struct netmap_slot *slot = &ring->slot[at];

		assert_int_equal(NS_RFRAGS(slot), slots);
		assert_int_equal(slot->flags & NS_MOREFRAG, i + 1 < slots ? NS_MOREFRAG : 0);
		at = loom_ring_next(at, ring->num_slots);
	}
	assert_int_equal(loom_recv_copy(&station->rx, data, sizeof data, NULL), len);
	assert_true(frame_read(data, len, &frame));
	assert_int_equal(frame.number, number);
}

static void fragments_stay_together_and_are_counted(void **state)
{
	struct net net;

	(void)state;
	net_open(&net, NULL);
	station_send(&net.at[0], BROADCAST, 1, 60);
	expect_chain(&net.at[1], 1, 60, 1);
	station_send(&net.at[0], BROADCAST, 2, 2049);
	expect_chain(&net.at[1], 2, 2049, 2);
	station_send(&net.at[0], BROADCAST, 3, 9000);
	expect_chain(&net.at[1], 3, 9000, 5);
	net_close(&net);
}

static void fragments_are_spread_over_smaller_buffers(void **state)
{
	struct station a, small, large;

	(void)state;
	station_open(&a, "vale0:a", 1, NULL);
	station_open(&small, "vale0:s", 2, LOOM_CONFIG(.buffer_size = 512));
	station_open(&large, "vale0:l", 3, LOOM_CONFIG(.buffer_size = 8192));
	station_send(&a, BROADCAST, 1, 5000);
	expect_chain(&small, 1, 5000, 10);
	expect_chain(&large, 1, 5000, 3);
	station_close(&a);
	station_close(&small);
	station_close(&large);
}

/* Queue n slots of len bytes as one packet, or its beginning. */
static void queue_slots(struct station *station, unsigned n, uint32_t len, bool whole)
{
	struct netmap_ring *ring = station->tx.ring;

	for (unsigned i = 0; i < n; i++) {
		station_queue(station, BROADCAST, i, len);
		if (!whole || i + 1 < n)
			station_last_slot(station)->flags |= NS_MOREFRAG;
	}
	ring->cur = ring->head;
}

static void sixty_four_fragments_pass_sixty_five_do_not(void **state)
{
	struct net net;

	(void)state;
	net_open(&net, NULL);
	queue_slots(&net.at[0], NETMAP_MAX_FRAGS, 100, true);
	assert_ok(loom_tx_sync(&net.at[0].tx));
	assert_ok(loom_rx_sync(&net.at[1].rx));
	assert_int_equal(loom_rx_space(&net.at[1].rx), NETMAP_MAX_FRAGS);
	assert_int_equal(NS_RFRAGS(&net.at[1].rx.ring->slot[0]), NETMAP_MAX_FRAGS);
	queue_slots(&net.at[0], NETMAP_MAX_FRAGS + 1, 100, true);
	station_send(&net.at[0], BROADCAST, 9, 60);
	assert_ok(loom_rx_sync(&net.at[1].rx));
	assert_int_equal(loom_rx_space(&net.at[1].rx), NETMAP_MAX_FRAGS + 1);
	assert_int_equal(station_drops(&net.at[0], true, LOOM_DROP_OVERSIZED), 1);
	net_close(&net);
}

static void packet_without_its_end_waits(void **state)
{
	struct net net;

	(void)state;
	net_open(&net, NULL);
	queue_slots(&net.at[0], 3, 100, false);
	assert_ok(loom_tx_sync(&net.at[0].tx));
	station_expect_nothing(&net.at[1]);
	assert_int_equal(loom_tx_space(&net.at[0].tx), 1023 - 3);
	station_send(&net.at[0], BROADCAST, 1, 100);
	assert_ok(loom_rx_sync(&net.at[1].rx));
	assert_int_equal(loom_rx_space(&net.at[1].rx), 4);
	assert_int_equal(loom_tx_space(&net.at[0].tx), 1023);
	net_close(&net);
}

static void packet_that_fills_the_ring_without_an_end_is_dropped_whole(void **state)
{
	struct station a, b;

	(void)state;
	station_open(&a, "vale0:a", 1, LOOM_CONFIG(.tx_slots = 16));
	station_open(&b, "vale0:b", 2, NULL);
	queue_slots(&a, 15, 100, false);
	assert_ok(loom_tx_sync(&a.tx));
	assert_int_equal(loom_tx_space(&a.tx), 15);
	queue_slots(&a, 4, 100, false); /* it goes on */
	assert_ok(loom_tx_sync(&a.tx));
	queue_slots(&a, 4, 100, true); /* and ends */
	station_send(&a, BROADCAST, 5, 60);
	station_expect(&b, 1, 5);
	assert_int_equal(station_drops(&a, true, LOOM_DROP_OVERSIZED), 1);
	station_close(&a);
	station_close(&b);
}

static void bad_fragment_drops_its_packet_alone(void **state)
{
	struct net net;
	struct netmap_slot *slot;
	uint32_t index;

	(void)state;
	net_open(&net, NULL);
	queue_slots(&net.at[0], 3, 100, true);
	slot = &net.at[0].tx.ring->slot[1];
	index = slot->buf_idx;
	slot->buf_idx = 0xffffff;
	station_send(&net.at[0], BROADCAST, 8, 60);
	station_expect(&net.at[1], 1, 8);
	assert_int_equal(station_drops(&net.at[0], true, LOOM_DROP_BAD_INDEX), 1);
	slot->buf_idx = index;
	net_close(&net);
}

static void header_may_be_cut_anywhere(void **state)
{
	struct net net;
	const struct frame frame = {.to = 2, .from = 1, .number = 4, .len = 60};
	uint8_t data[60];

	(void)state;
	net_open(&net, NULL);
	net_teach(&net);
	frame_write(data, &frame);
	for (uint32_t cut = 0; cut < 20; cut++) {
		assert_int_equal(loom_send(&net.at[0].tx, data, cut), 1);
		station_last_slot(&net.at[0])->flags |= NS_MOREFRAG;
		assert_int_equal(loom_send(&net.at[0].tx, data + cut, 60 - cut), 1);
		assert_ok(loom_tx_sync(&net.at[0].tx));
		expect_chain(&net.at[1], 4, 60, 2);
		station_expect_nothing(&net.at[2]);
	}
	net_close(&net);
}

/* ---- payload elsewhere ---- */

static void queue_indirect(struct station *station, const void *from, uint32_t len)
{
	struct netmap_ring *ring = station->tx.ring;
	struct netmap_slot *slot = &ring->slot[ring->head];

	assert_true(loom_tx_space(&station->tx) > 0);
	slot->ptr = (uint64_t)(uintptr_t)from;
	slot->len = (uint16_t)len;
	slot->flags = NS_INDIRECT;
	ring->head = ring->cur = loom_ring_next(ring->head, ring->num_slots);
}

static void indirect_payload_is_taken_from_the_senders_memory(void **state)
{
	struct net net;
	uint8_t data[30000];
	const struct frame small = {.to = BROADCAST, .from = 1, .number = 1, .len = 60};
	const struct frame large = {.to = BROADCAST, .from = 1, .number = 2, .len = 30000};

	(void)state;
	net_open(&net, NULL);
	frame_write(data, &small);
	queue_indirect(&net.at[0], data, small.len);
	assert_ok(loom_tx_sync(&net.at[0].tx));
	expect_chain(&net.at[1], 1, 60, 1);
	frame_write(data, &large);
	queue_indirect(&net.at[0], data, large.len);
	assert_ok(loom_tx_sync(&net.at[0].tx));
	expect_chain(&net.at[1], 2, 30000, 15);
	net_close(&net);
}

static void many_large_indirect_packets_leave_in_one_sync(void **state)
{
	struct station a, b;
	uint8_t *data = calloc(1, 65535);
	uint32_t got = 0;

	(void)state;
	assert_non_null(data);
	station_open(&a, "vale0:a", 1, NULL);
	station_open(&b, "vale0:b", 2, LOOM_CONFIG(.rx_slots = 4096));
	memset(data, 0xff, 6);
	for (unsigned i = 0; i < 100; i++)
		queue_indirect(&a, data, 65535);
	assert_ok(loom_tx_sync(&a.tx));
	assert_ok(loom_rx_sync(&b.rx));
	assert_int_equal(loom_rx_space(&b.rx), 100 * 32);
	for (ssize_t len; (len = loom_recv_copy(&b.rx, data, 65535, NULL)) > 0; got++)
		assert_int_equal(len, 65535);
	assert_int_equal(got, 100);
	station_close(&a);
	station_close(&b);
	free(data);
}

static void indirect_pointers_that_fault_are_dropped(void **state)
{
	const long page = sysconf(_SC_PAGESIZE);
	struct net net;
	uint8_t *edge;

	(void)state;
	edge = mmap(
	    NULL, (size_t)page * 2, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	assert_true(edge != MAP_FAILED);
	memset(edge, 0xff, (size_t)page);
	net_open(&net, NULL);
	assert_int_equal(munmap(edge + page, (size_t)page), 0); /* now: nothing else moves in */
	queue_indirect(&net.at[0], NULL, 60);
	queue_indirect(&net.at[0], (const void *)8, 60);
	queue_indirect(&net.at[0], (const void *)UINTPTR_MAX, 60);
	queue_indirect(&net.at[0], edge + page - 30, 60); /* its end is not there */
	queue_indirect(&net.at[0], edge + page, 0);
	assert_ok(loom_tx_sync(&net.at[0].tx));
	station_expect_nothing(&net.at[1]);
	assert_int_equal(station_drops(&net.at[0], true, LOOM_DROP_BAD_INDEX), 4);
	assert_int_equal(station_drops(&net.at[0], true, LOOM_DROP_BAD_LENGTH), 1);
	queue_indirect(&net.at[0], edge + page - 60, 60);
	assert_ok(loom_tx_sync(&net.at[0].tx));
	assert_ok(loom_rx_sync(&net.at[1].rx));
	assert_int_equal(loom_rx_space(&net.at[1].rx), 1);
	munmap(edge, (size_t)page * 2);
	net_close(&net);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(frames_of_every_size_arrive_whole),
	    cmocka_unit_test(runts_are_dropped),
	    cmocka_unit_test(frame_larger_than_the_destinations_buffers_is_dropped),
	    cmocka_unit_test(fragments_stay_together_and_are_counted),
	    cmocka_unit_test(fragments_are_spread_over_smaller_buffers),
	    cmocka_unit_test(sixty_four_fragments_pass_sixty_five_do_not),
	    cmocka_unit_test(packet_without_its_end_waits),
	    cmocka_unit_test(packet_that_fills_the_ring_without_an_end_is_dropped_whole),
	    cmocka_unit_test(bad_fragment_drops_its_packet_alone),
	    cmocka_unit_test(header_may_be_cut_anywhere),
	    cmocka_unit_test(indirect_payload_is_taken_from_the_senders_memory),
	    cmocka_unit_test(many_large_indirect_packets_leave_in_one_sync),
	    cmocka_unit_test(indirect_pointers_that_fault_are_dropped),
	};

	return cmocka_run_group_tests_name("switch packets", tests, NULL, NULL);
}
