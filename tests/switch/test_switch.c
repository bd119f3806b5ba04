/* SPDX-License-Identifier: BSD-2-Clause */
/* A switch in one process: who gets what, in which order, and what happens when there is no room. */
#include "soft/ports/switch_control.h"
#include "station.h"

/* ---- who gets a frame ---- */

static void broadcast_reaches_all_others(void **state)
{
	struct net net;

	(void)state;
	net_open(&net, NULL);
	station_send(&net.at[0], BROADCAST, 7, 60);
	station_expect(&net.at[1], 1, 7);
	station_expect(&net.at[2], 1, 7);
	station_expect_nothing(&net.at[0]);
	net_close(&net);
}

static void unknown_address_floods_known_one_does_not(void **state)
{
	struct net net;

	(void)state;
	net_open(&net, NULL);
	station_send(&net.at[0], 2, 1, 60);
	station_expect(&net.at[1], 1, 1);
	station_expect(&net.at[2], 1, 1);
	net_teach(&net);
	station_send(&net.at[0], 2, 2, 60);
	station_expect(&net.at[1], 1, 2);
	station_expect_nothing(&net.at[2]);
	net_close(&net);
}

static void address_that_moves_is_followed(void **state)
{
	struct net net;

	(void)state;
	net_open(&net, NULL);
	net_teach(&net);
	net.at[2].address = 2; /* what station 1 had */
	station_send(&net.at[2], 1, 3, 60);
	station_expect(&net.at[0], 2, 3);
	station_send(&net.at[0], 2, 4, 60);
	station_expect(&net.at[2], 1, 4);
	station_expect_nothing(&net.at[1]);
	net_close(&net);
}

static void frame_for_its_own_port_goes_nowhere(void **state)
{
	struct net net;

	(void)state;
	net_open(&net, NULL);
	net_teach(&net);
	station_send(&net.at[0], 1, 5, 60);
	for (unsigned i = 0; i < STATIONS; i++)
		station_expect_nothing(&net.at[i]);
	net_close(&net);
}

static void addresses_of_a_closed_port_are_forgotten(void **state)
{
	struct net net;

	(void)state;
	net_open(&net, NULL);
	net_teach(&net);
	station_close(&net.at[1]);
	station_open(&net.at[1], "vale0:b", 9, NULL);
	station_send(&net.at[0], 2, 6, 60); /* flooded: nobody knows address 2 any more */
	station_expect(&net.at[1], 1, 6);
	station_expect(&net.at[2], 1, 6);
	net_close(&net);
}

/* A sender knows the memory of a port that is closed, until it looks again; nobody waits for that. */
static void ports_that_come_and_go_do_not_wait_for_each_other(void **state)
{
	struct station a, b;
	uint64_t before;

	(void)state;
	scratch_directory();
	before = now_ms();
	station_open(&a, "vale0:a", 1, NULL);
	for (unsigned i = 0; i < 5; i++) {
		station_open(&b, "vale0:b", 2, NULL);
		station_send(&a, BROADCAST, i, 60);
		station_expect(&b, 1, i);
		station_close(&b);
		station_send(&a, BROADCAST, i, 60);
	}
	station_close(&a);
	assert_true(now_ms() - before < 4000);
	assert_int_equal(scratch_files(), 0);
}

static void two_switches_are_separate(void **state)
{
	struct station a, b, other;

	(void)state;
	station_open(&a, "vale0:a", 1, NULL);
	station_open(&b, "vale0:b", 2, NULL);
	station_open(&other, "vale1:b", 3, NULL);
	station_send(&a, BROADCAST, 1, 60);
	station_expect(&b, 1, 1);
	station_expect_nothing(&other);
	station_close(&a);
	station_close(&b);
	station_close(&other);
	assert_int_equal(scratch_files(), 0);
}

/* ---- flags of the sender ---- */

static void no_learn_leaves_the_table_alone(void **state)
{
	struct net net;

	(void)state;
	net_open(&net, NULL);
	station_queue(&net.at[1], BROADCAST, 1, 60);
	station_last_slot(&net.at[1])->flags = NS_NO_LEARN;
	assert_ok(loom_tx_sync(&net.at[1].tx));
	station_expect(&net.at[0], 2, 1);
	station_expect(&net.at[2], 2, 1);
	station_send(&net.at[0], 2, 2, 60);
	station_expect(&net.at[1], 1, 2);
	station_expect(&net.at[2], 1, 2);
	net_close(&net);
}

static unsigned port_number(const struct station *station)
{
	char name[NETMAP_REQ_IFNAMSIZ];
	struct nmreq_vale_list list = {0};
	struct loom_info info;

	assert_ok(loom_port_info(station->port, &info));
	memcpy(name, info.name, sizeof name);
	assert_ok(switch_list(NULL, name, &list));
	return list.nr_port_idx;
}

static void forced_destination_overrules_the_table(void **state)
{
	struct net net;

	(void)state;
	net_open(&net, NULL);
	net_teach(&net);
	for (unsigned to = 1; to < STATIONS; to++) {
		station_queue(&net.at[0], to == 1 ? BROADCAST : 2, to, 60);
		station_last_slot(&net.at[0])->flags =
		    (uint16_t)(port_number(&net.at[to]) << NS_PORT_SHIFT);
		assert_ok(loom_tx_sync(&net.at[0].tx));
		station_expect(&net.at[to], 1, to);
		station_expect_nothing(&net.at[3 - to]);
	}
	net_close(&net);
}

static void forced_destination_that_is_not_there_gets_nothing(void **state)
{
	struct net net;

	(void)state;
	net_open(&net, NULL);
	for (unsigned number = STATIONS + 1; number < 256; number++) {
		station_queue(&net.at[0], BROADCAST, number, 60);
		station_last_slot(&net.at[0])->flags = (uint16_t)(number << NS_PORT_SHIFT);
	}
	assert_ok(loom_tx_sync(&net.at[0].tx));
	for (unsigned i = 0; i < STATIONS; i++)
		station_expect_nothing(&net.at[i]);
	net_close(&net);
}

static void buffer_changed_is_taken_back(void **state)
{
	struct net net;
	struct netmap_slot *slot;

	(void)state;
	net_open(&net, NULL);
	station_queue(&net.at[0], BROADCAST, 1, 60);
	slot = station_last_slot(&net.at[0]);
	slot->flags = NS_BUF_CHANGED;
	assert_ok(loom_tx_sync(&net.at[0].tx));
	assert_int_equal(slot->flags, 0);
	station_expect(&net.at[1], 1, 1);
	net_close(&net);
}

/* ---- full destinations ---- */

static void full_destination_drops_and_the_sender_goes_on(void **state)
{
	struct net net;
	uint32_t sent = 0;

	(void)state;
	net_open(&net, NULL);
	net_teach(&net);
	while (sent < 3000) {
		unsigned room = loom_tx_space(&net.at[0].tx);

		assert_int_equal(room, 1023);
		for (unsigned i = 0; i < room; i++)
			station_queue(&net.at[0], BROADCAST, sent++, 60);
		assert_ok(loom_tx_sync(&net.at[0].tx));
	}
	for (unsigned i = 1; i < STATIONS; i++) {
		struct loom_frame got = {0};
		struct frame frame;
		uint32_t number = 0;

		assert_ok(loom_rx_sync(&net.at[i].rx));
		assert_int_equal(loom_rx_space(&net.at[i].rx), 1023);
		for (; loom_recv(&net.at[i].rx, &got); number++)
			assert_true(
			    frame_read(got.data, got.len, &frame) && frame.number == number);
		assert_int_equal(station_drops(&net.at[i], false, LOOM_DROP_NO_ROOM), sent - 1023);
	}
	net_close(&net);
}

static void packet_that_does_not_fit_leaves_room_for_a_smaller_one(void **state)
{
	struct station a, b;
	struct loom_frame got = {0};
	struct frame frame;

	(void)state;
	station_open(&a, "vale0:a", 1, NULL);
	station_open(&b, "vale0:b", 2, LOOM_CONFIG(.rx_slots = 4));
	station_queue(&a, BROADCAST, 1, 60);
	station_queue(&a, BROADCAST, 2, 3 * 2048);
	station_queue(&a, BROADCAST, 3, 60);
	assert_ok(loom_tx_sync(&a.tx));
	assert_ok(loom_rx_sync(&b.rx));
	for (uint32_t number = 1; number <= 3; number += 2) {
		assert_int_equal(loom_recv(&b.rx, &got), 1);
		assert_true(frame_read(got.data, got.len, &frame));
		assert_int_equal(frame.number, number);
	}
	assert_int_equal(loom_recv(&b.rx, &got), 0);
	assert_int_equal(station_drops(&b, false, LOOM_DROP_NO_ROOM), 1);
	station_close(&a);
	station_close(&b);
}

/* ---- several rings ---- */

static void unicast_keeps_its_ring_and_flood_takes_ring_0(void **state)
{
	struct station a, b;
	struct loom_txring tx;
	struct loom_rxring rx[3];
	uint8_t data[60];
	struct frame frame = {.to = 2, .from = 1, .len = 60};

	(void)state;
	station_open(&a, "vale0:a", 1, LOOM_CONFIG(.tx_rings = 5, .rx_rings = 1));
	station_open(&b, "vale0:b", 2, LOOM_CONFIG(.tx_rings = 1, .rx_rings = 3));
	station_announce(&b, (struct station *const[]){&a}, 1);
	for (unsigned i = 0; i < 3; i++)
		assert_ok(loom_rx(b.port, i, &rx[i]));
	for (unsigned i = 0; i < 5; i++) {
		assert_ok(loom_tx(a.port, i, &tx));
		for (unsigned flood = 0; flood < 2; flood++) {
			unsigned ring = flood ? 0 : i % 3;

			frame.to = flood ? BROADCAST : 2;
			frame_write(data, &frame);
			assert_int_equal(loom_send(&tx, data, 60), 1);
			assert_ok(loom_tx_sync(&tx));
			for (unsigned k = 0; k < 3; k++) {
				struct loom_frame got = {0};

				assert_ok(loom_rx_sync(&rx[k]));
				assert_int_equal(loom_recv(&rx[k], &got), k == ring);
			}
		}
	}
	station_close(&a);
	station_close(&b);
}

static void flood_and_unicast_arrive_in_the_order_of_sending(void **state)
{
	struct net net;
	struct loom_frame got = {0};
	struct frame frame;
	uint32_t random = 1;

	(void)state;
	net_open(&net, NULL);
	net_teach(&net);
	for (unsigned round = 0; round < 20; round++) {
		uint32_t last[STATIONS] = {0}, first = round * 1000;

		for (uint32_t i = 0; i < 700; i++) {
			static const uint8_t to[] = {BROADCAST, 2, 3};

			station_queue(&net.at[0], to[random_next(&random) % 3], first + i, 60);
		}
		assert_ok(loom_tx_sync(&net.at[0].tx));
		for (unsigned i = 1; i < STATIONS; i++) {
			assert_ok(loom_rx_sync(&net.at[i].rx));
			while (loom_recv(&net.at[i].rx, &got)) {
				assert_true(frame_read(got.data, got.len, &frame));
				assert_true(frame.to == BROADCAST || frame.to == i + 1);
				assert_true(frame.number + 1 > last[i]);
				last[i] = frame.number + 1;
			}
			assert_ok(loom_rx_sync(&net.at[i].rx));
		}
	}
	net_close(&net);
}

/* ---- a receiver that writes nonsense into its slots ---- */

/* Most are short; some are not, and some are the longest that fit. */
static uint32_t some_length(uint32_t *random)
{
	uint32_t value = *random = *random * 1103515245u + 12345u;

	value >>= 8;
	if (value % 8 == 0)
		return 2048 - value / 8 % 32;
	return FRAME_DATA + 4 + value / 8 % (value % 4 == 0 ? 300 : 60);
}

/* Take what has come; returns the number that is expected next. */
static uint32_t expect_in_order(struct station *station, uint32_t next)
{
	struct loom_frame got;
	struct frame frame;

	assert_ok(loom_rx_sync(&station->rx));
	while (loom_recv(&station->rx, &got)) {
		assert_true(frame_read(got.data, got.len, &frame));
		assert_int_equal(frame.number, next++);
		assert_int_equal(frame.to, station->address);
	}
	return next;
}

static void mixed_frames_arrive_in_order_wherever_the_rings_wrap(void **state)
{
	struct station from, to;
	uint32_t random = 1, sent = 0, got = 0;

	(void)state;
	station_open(&from, "vale0:a", 1, LOOM_CONFIG(.tx_slots = 70));
	station_open(&to, "vale0:b", 2, LOOM_CONFIG(.rx_slots = 53));
	station_announce(&to, NULL, 0);
	while (sent < 20000) {
		for (uint32_t n = 1 + random / 65536 % 25; n > 0; n--) {
			station_queue(&from, 2, sent++, some_length(&random));
			if (n % 5 == 0) /* a wish that a switch does not mind */
				station_last_slot(&from)->flags |= NS_REPORT;
		}
		assert_ok(loom_tx_sync(&from.tx));
		got = expect_in_order(&to, got);
		assert_int_equal(got, sent);
	}
	station_close(&from);
	station_close(&to);
}

static void bad_indexes_of_a_receiver_harm_nobody(void **state)
{
	struct net net;
	uint32_t spoilt[8];
	struct loom_frame got = {0};

	(void)state;
	net_open(&net, NULL);
	for (unsigned i = 0; i < 8; i++) {
		struct netmap_slot *slot = &net.at[1].rx.ring->slot[i];

		spoilt[i] = slot->buf_idx;
		slot->buf_idx = i < 4 ? i : UINT32_MAX - i;
		station_queue(&net.at[0], BROADCAST, i, 1500);
	}
	station_queue(&net.at[0], BROADCAST, 8, 1500);
	assert_ok(loom_tx_sync(&net.at[0].tx));
	assert_ok(loom_rx_sync(&net.at[1].rx));
	/* Indexes 2 and 3 are valid, though somebody else's. */
	for (unsigned n = 0; n < 3; n++)
		assert_int_equal(loom_recv(&net.at[1].rx, &got), 1);
	assert_int_equal(loom_recv(&net.at[1].rx, &got), 0);
	assert_int_equal(station_drops(&net.at[1], false, LOOM_DROP_BAD_INDEX), 6);
	for (unsigned i = 0; i < 8; i++)
		net.at[1].rx.ring->slot[i].buf_idx = spoilt[i];
	assert_ok(loom_rx_sync(&net.at[1].rx));
	net_close(&net);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(broadcast_reaches_all_others),
	    cmocka_unit_test(unknown_address_floods_known_one_does_not),
	    cmocka_unit_test(address_that_moves_is_followed),
	    cmocka_unit_test(frame_for_its_own_port_goes_nowhere),
	    cmocka_unit_test(addresses_of_a_closed_port_are_forgotten),
	    cmocka_unit_test(ports_that_come_and_go_do_not_wait_for_each_other),
	    cmocka_unit_test(two_switches_are_separate),
	    cmocka_unit_test(no_learn_leaves_the_table_alone),
	    cmocka_unit_test(forced_destination_overrules_the_table),
	    cmocka_unit_test(forced_destination_that_is_not_there_gets_nothing),
	    cmocka_unit_test(buffer_changed_is_taken_back),
	    cmocka_unit_test(full_destination_drops_and_the_sender_goes_on),
	    cmocka_unit_test(packet_that_does_not_fit_leaves_room_for_a_smaller_one),
	    cmocka_unit_test(unicast_keeps_its_ring_and_flood_takes_ring_0),
	    cmocka_unit_test(flood_and_unicast_arrive_in_the_order_of_sending),
	    cmocka_unit_test(mixed_frames_arrive_in_order_wherever_the_rings_wrap),
	    cmocka_unit_test(bad_indexes_of_a_receiver_harm_nobody),
	};

	return cmocka_run_group_tests_name("switch", tests, NULL, NULL);
}
