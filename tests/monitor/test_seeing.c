/* SPDX-License-Identifier: BSD-2-Clause */
/* What monitors see of every kind of port, when they see it, and that nobody notices. */
#include "scene.h"

#define SOME 200u

static void what_is_sent_is_seen_before_its_consumer(void **state)
{
	struct scene *scene = *state;
	struct monitor monitor;

	monitor_open(&monitor, scene->way->sender, "t", NULL);
	packets_queue(&scene->tx, 0, SOME);
	nothing_expect(&monitor.rx);
	assert_ok(loom_tx_sync(&scene->tx));
	packets_expect(&monitor.rx, 0, SOME, NS_TXMON);
	scene_receive(scene, 0, SOME);
	nothing_expect(&monitor.rx);
	monitor_close(&monitor);
}

static void what_is_received_is_seen_before_its_consumer(void **state)
{
	struct scene *scene = *state;
	struct monitor monitor;

	monitor_open(&monitor, scene->way->receiver, "r", NULL);
	packets_send(&scene->tx, 0, SOME);
	nothing_expect(&monitor.rx);
	assert_ok(loom_rx_sync(&scene->rx));
	packets_expect(&monitor.rx, 0, SOME, 0);
	scene_receive(scene, 0, SOME);
	nothing_expect(&monitor.rx);
	monitor_close(&monitor);
}

static void what_was_sent_is_seen_after_its_consumer(void **state)
{
	struct scene *scene = *state;
	struct monitor monitor;

	monitor_open(&monitor, scene->way->sender, "zt", NULL);
	packets_send(&scene->tx, 0, SOME);
	if (scene->way->at_once)
		packets_expect(&monitor.rx, 0, SOME, NS_TXMON);
	else
		nothing_expect(&monitor.rx);
	scene_receive(scene, 0, SOME);
	if (!scene->way->at_once)
		packets_expect(&monitor.rx, 0, SOME, NS_TXMON);
	nothing_expect(&monitor.rx);
	monitor_close(&monitor);
}

static void what_was_received_is_seen_after_its_consumer(void **state)
{
	struct scene *scene = *state;
	struct monitor monitor;

	monitor_open(&monitor, scene->way->receiver, "zr", NULL);
	packets_send(&scene->tx, 0, SOME);
	packets_expect(&scene->rx, 0, SOME, 0);
	nothing_expect(&monitor.rx);
	assert_ok(loom_rx_sync(&scene->rx));
	packets_expect(&monitor.rx, 0, SOME, 0);
	assert_ok(loom_tx_sync(&scene->tx));
	monitor_close(&monitor);
}

static void both_directions_come_to_one_ring(void **state)
{
	struct scene *scene = *state;
	const bool same = strcmp(scene->way->sender, scene->way->receiver) == 0;
	struct monitor sender, receiver;

	monitor_open(&sender, scene->way->sender, "rt", NULL);
	monitor_open(&receiver, scene->way->receiver, "tr", NULL);
	for (uint32_t round = 0; round < 20; round++) {
		packets_send(&scene->tx, round * SOME, SOME);
		packets_expect(&sender.rx, round * SOME, SOME, NS_TXMON);
		if (same)
			packets_expect(&receiver.rx, round * SOME, SOME, NS_TXMON);
		assert_ok(loom_rx_sync(&scene->rx));
		packets_expect(&receiver.rx, round * SOME, SOME, 0);
		if (same)
			packets_expect(&sender.rx, round * SOME, SOME, 0);
		scene_receive(scene, round * SOME, SOME);
	}
	monitor_close(&sender);
	monitor_close(&receiver);
}

static void several_monitors_see_the_same(void **state)
{
	struct scene *scene = *state;
	struct monitor monitors[4];

	for (unsigned i = 0; i < COUNT(monitors); i++)
		monitor_open(&monitors[i], scene->way->sender, "t", NULL);
	packets_send(&scene->tx, 0, SOME);
	scene_receive(scene, 0, SOME);
	for (unsigned i = 0; i < COUNT(monitors); i++)
		packets_expect(&monitors[i].rx, 0, SOME, NS_TXMON);
	monitor_close(&monitors[1]);
	packets_send(&scene->tx, SOME, SOME);
	scene_receive(scene, SOME, SOME);
	for (unsigned i = 0; i < COUNT(monitors); i++) {
		if (i == 1)
			continue;
		packets_expect(&monitors[i].rx, SOME, SOME, NS_TXMON);
		monitor_close(&monitors[i]);
	}
}

static void a_monitor_that_comes_late_sees_what_comes_later(void **state)
{
	struct scene *scene = *state;
	struct monitor monitor;

	packets_send(&scene->tx, 0, SOME);
	monitor_open(&monitor, scene->way->sender, "t", NULL);
	packets_send(&scene->tx, SOME, SOME);
	packets_expect(&monitor.rx, SOME, SOME, NS_TXMON);
	scene_receive(scene, 0, 2 * SOME);
	monitor_close(&monitor);
}

static void overflow_is_the_monitors_loss_alone(void **state)
{
	struct scene *scene = *state;
	struct monitor monitor;

	monitor_open(&monitor, scene->way->sender, "t", LOOM_CONFIG(.rx_slots = 16));
	packets_send(&scene->tx, 0, SOME);
	scene_receive(scene, 0, SOME);
	packets_expect(&monitor.rx, 0, 15, NS_TXMON);
	assert_int_equal(monitor_drops(&monitor, LOOM_DROP_NO_ROOM), SOME - 15);
	assert_ok(loom_rx_sync(&monitor.rx));
	packets_send(&scene->tx, SOME, 10);
	scene_receive(scene, SOME, 10);
	packets_expect(&monitor.rx, SOME, 10, NS_TXMON);
	assert_int_equal(monitor_drops(&monitor, LOOM_DROP_NO_ROOM), SOME - 15);
	monitor_close(&monitor);
}

/* ---- packets of several slots ---- */

static void chain_fill(uint8_t *data, size_t len)
{
	for (size_t i = 0; i < len; i++)
		data[i] = (uint8_t)(i < 6 ? 0xff : i * 7 + i / 256);
}

static void chain_expect(const struct loom_rxring *rx, const uint8_t *data, size_t len)
{
	static uint8_t got[65536];

	assert_ok(loom_rx_sync(rx));
	assert_int_equal(loom_recv_copy(rx, got, sizeof got, NULL), len);
	assert_memory_equal(got, data, len);
}

static void chains_are_seen_whole_or_not_at_all(void **state)
{
	struct scene *scene = *state;
	struct monitor wide, narrow;
	static uint8_t data[20000];

	monitor_open(&wide, scene->way->sender, "t", NULL);
	monitor_open(&narrow, scene->way->sender, "t", LOOM_CONFIG(.rx_slots = 8));
	chain_fill(data, sizeof data);
	assert_int_equal(loom_send(&scene->tx, data, 8000), 1);
	assert_int_equal(loom_send(&scene->tx, data, sizeof data), 1);
	assert_int_equal(loom_send(&scene->tx, data, 6000), 1);
	assert_ok(loom_tx_sync(&scene->tx));
	chain_expect(&wide.rx, data, 8000);
	chain_expect(&wide.rx, data, sizeof data);
	chain_expect(&wide.rx, data, 6000);
	chain_expect(&narrow.rx, data, 8000);
	chain_expect(&narrow.rx, data, 6000);
	assert_int_equal(monitor_drops(&narrow, LOOM_DROP_NO_ROOM), 1);
	if (scene->receiver) {
		chain_expect(&scene->rx, data, 8000);
		chain_expect(&scene->rx, data, sizeof data);
		chain_expect(&scene->rx, data, 6000);
	}
	monitor_close(&wide);
	monitor_close(&narrow);
}

static void a_chain_of_two_syncs_is_seen_when_it_is_whole(void **state)
{
	struct scene *scene = *state;
	struct loom_frame frames[2] = {0};
	struct monitor monitor;
	static uint8_t data[2 * 2048];

	monitor_open(&monitor, scene->way->sender, "t", NULL);
	chain_fill(data, sizeof data);
	assert_int_equal(loom_reserve(&scene->tx, frames, 2), 2);
	for (unsigned i = 0; i < 2 && frames[i].data; i++) {
		memcpy(frames[i].data, data + (size_t)i * 2048, 2048);
		frames[i].len = 2048;
		frames[i].flags = i == 0 ? NS_MOREFRAG : 0;
	}
	assert_ok(loom_commit(&scene->tx, frames, 1));
	assert_ok(loom_tx_sync(&scene->tx));
	nothing_expect(&monitor.rx);
	assert_ok(loom_commit(&scene->tx, frames + 1, 1));
	assert_ok(loom_tx_sync(&scene->tx));
	chain_expect(&monitor.rx, data, sizeof data);
	nothing_expect(&monitor.rx);
	monitor_close(&monitor);
}

/* Its first slots are the sender's again when its last ones are released. */
static void a_chain_that_is_released_bit_by_bit_is_counted(void **state)
{
	struct scene *scene = *state;
	struct loom_frame frames[3] = {0};
	struct monitor monitor;
	static uint8_t data[5000];

	monitor_open(&monitor, scene->way->receiver, "zr", NULL);
	chain_fill(data, sizeof data);
	assert_int_equal(loom_send(&scene->tx, data, sizeof data), 1);
	packets_send(&scene->tx, 1, 5);
	assert_ok(loom_rx_sync(&scene->rx));
	assert_int_equal(loom_peek(&scene->rx, frames, 3), 3);
	for (unsigned i = 0; i < 3; i++) {
		assert_int_equal(loom_peek(&scene->rx, frames, 1), 1);
		loom_release(&scene->rx, 1);
		assert_ok(loom_rx_sync(&scene->rx));
	}
	nothing_expect(&monitor.rx);
	packets_expect(&scene->rx, 1, 5, 0);
	assert_ok(loom_rx_sync(&scene->rx));
	packets_expect(&monitor.rx, 1, 5, 0);
	assert_int_equal(monitor_drops(&monitor, LOOM_DROP_BAD_LENGTH), 1);
	monitor_close(&monitor);
}

int main(void)
{
	static const struct scene_test seeing[] = {
	    SCENE_TEST(what_is_sent_is_seen_before_its_consumer, SCENE_ANY),
	    SCENE_TEST(what_is_received_is_seen_before_its_consumer, SCENE_RECEIVER),
	    SCENE_TEST(what_was_sent_is_seen_after_its_consumer, SCENE_ANY),
	    SCENE_TEST(what_was_received_is_seen_after_its_consumer, SCENE_RECEIVER),
	    SCENE_TEST(both_directions_come_to_one_ring, SCENE_RECEIVER),
	    SCENE_TEST(several_monitors_see_the_same, SCENE_ANY),
	    SCENE_TEST(a_monitor_that_comes_late_sees_what_comes_later, SCENE_ANY),
	    SCENE_TEST(overflow_is_the_monitors_loss_alone, SCENE_ANY),
	    SCENE_TEST(chains_are_seen_whole_or_not_at_all, SCENE_ANY),
	    SCENE_TEST(a_chain_of_two_syncs_is_seen_when_it_is_whole, SCENE_ANY),
	    SCENE_TEST(a_chain_that_is_released_bit_by_bit_is_counted, SCENE_RECEIVER),
	};

	return SCENE_TESTS(seeing);
}
