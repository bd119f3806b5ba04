/* SPDX-License-Identifier: BSD-2-Clause */
/* Zero-copy monitors: the very buffers arrive, and none is ever lost or in two places. */
#include "scene.h"

#include <stdlib.h>

#include "soft/pool.h"

#define SOME 200u

static bool is_switch(const struct scene *scene)
{
	return strncmp(scene->way->sender, "vale", 4) == 0;
}

static void mode_expect(const struct monitor *monitor, const char *how, bool zero_copy)
{
	struct loom_info info;

	assert_ok(loom_port_info(monitor->port, &info));
	assert_non_null(strstr(info.mode, how));
	assert_int_equal(info.zero_copy, zero_copy);
}

static uint32_t region_id(const struct loom_port *port)
{
	struct loom_info info;

	assert_ok(loom_port_info(port, &info));
	return info.region;
}

/* ---- what arrives ---- */

/* What stands in n slots of a ring from its head on. */
static void indexes_note(const struct netmap_ring *ring, uint32_t *out, unsigned n)
{
	for (unsigned i = 0; i < n; i++)
		out[i] = ring->slot[(ring->head + i) % ring->num_slots].buf_idx;
}

static void indexes_expect(
    const struct netmap_ring *ring, uint32_t from, const uint32_t *indexes, uint16_t flags)
{
	for (unsigned i = 0; i < SOME; i++) {
		const struct netmap_slot *slot = &ring->slot[(from + i) % ring->num_slots];

		assert_int_equal(slot->buf_idx, indexes[i]);
		assert_int_equal(slot->flags & (NS_BUF_CHANGED | NS_TXMON), flags);
	}
}

static void the_buffers_of_sent_packets_change_places(void **state)
{
	struct scene *scene = *state;
	uint32_t sent[SOME], spare[SOME], from = scene->tx.ring->head;
	struct monitor monitor;

	monitor_open(&monitor, scene->way->sender, "zt", NULL);
	mode_expect(&monitor, "by swap", true);
	assert_int_equal(region_id(monitor.port), region_id(scene->sender));
	indexes_note(scene->tx.ring, sent, SOME);
	indexes_note(monitor.rx.ring, spare, SOME);
	packets_send(&scene->tx, 0, SOME);
	scene_receive(scene, 0, SOME);
	assert_ok(loom_rx_sync(&monitor.rx));
	indexes_expect(monitor.rx.ring, 0, sent, NS_BUF_CHANGED | NS_TXMON);
	indexes_expect(scene->tx.ring, from, spare, NS_BUF_CHANGED);
	packets_expect(&monitor.rx, 0, SOME, NS_TXMON);
	monitor_close(&monitor);
}

/* Slots that the sender has as well keep theirs: its monitors have yet to see them. */
static void the_buffers_of_received_packets_change_places_if_only_the_receiver_has_them(
    void **state)
{
	struct scene *scene = *state;
	const bool swapped = is_switch(scene);
	uint32_t received[SOME], spare[SOME], from;
	struct monitor monitor;

	monitor_open(&monitor, scene->way->receiver, "zr", NULL);
	mode_expect(&monitor, swapped ? "by swap" : "by copy", swapped);
	packets_send(&scene->tx, 0, SOME);
	assert_ok(loom_rx_sync(&scene->rx));
	from = scene->rx.ring->head;
	indexes_note(scene->rx.ring, received, SOME);
	indexes_note(monitor.rx.ring, spare, SOME);
	packets_expect(&scene->rx, 0, SOME, 0);
	assert_ok(loom_rx_sync(&scene->rx));
	assert_ok(loom_rx_sync(&monitor.rx));
	indexes_expect(
	    monitor.rx.ring, 0, swapped ? received : spare, swapped ? NS_BUF_CHANGED : 0);
	indexes_expect(
	    scene->rx.ring, from, swapped ? spare : received, swapped ? NS_BUF_CHANGED : 0);
	packets_expect(&monitor.rx, 0, SOME, 0);
	monitor_close(&monitor);
}

/* More often than the rings have slots, so that what was swapped in is used. */
static void monitors_of_both_ends_see_what_was_sent(void **state)
{
	struct scene *scene = *state;
	struct monitor sender, receiver;

	monitor_open(&receiver, scene->way->receiver, "zr", NULL);
	monitor_open(&sender, scene->way->sender, "zt", NULL);
	for (uint32_t first = 0; first < 20 * SOME; first += SOME) {
		packets_send(&scene->tx, first, SOME);
		scene_receive(scene, first, SOME);
		packets_expect(&receiver.rx, first, SOME, 0);
		packets_expect(&sender.rx, first, SOME, NS_TXMON);
	}
	monitor_close(&sender);
	monitor_close(&receiver);
}

static void of_several_the_first_swaps_and_all_see_the_same(void **state)
{
	struct scene *scene = *state;
	struct monitor monitors[3];

	for (unsigned i = 0; i < COUNT(monitors); i++)
		monitor_open(&monitors[i], scene->way->sender, i == 1 ? "t" : "zt", NULL);
	for (uint32_t round = 0; round < 20; round++) {
		uint32_t sent[SOME];

		if (round == 10)
			monitor_close(&monitors[0]);
		indexes_note(scene->tx.ring, sent, SOME);
		packets_send(&scene->tx, round * SOME, SOME);
		scene_receive(scene, round * SOME, SOME);
		for (unsigned i = round < 10 ? 0 : 1; i < COUNT(monitors); i++) {
			uint32_t from = monitors[i].rx.ring->head;

			packets_expect(&monitors[i].rx, round * SOME, SOME, NS_TXMON);
			if (i == (round < 10 ? 0 : 2))
				indexes_expect(
				    monitors[i].rx.ring, from, sent, NS_BUF_CHANGED | NS_TXMON);
		}
	}
	monitor_close(&monitors[1]);
	monitor_close(&monitors[2]);
}

static void copies_have_memory_of_their_own(void **state)
{
	struct scene *scene = *state;
	struct monitor monitor;

	monitor_open(&monitor, scene->way->sender, "rt", NULL);
	mode_expect(&monitor, "by copy", false);
	assert_int_not_equal(region_id(monitor.port), region_id(scene->sender));
	monitor_close(&monitor);
}

/* More than the port's own size is nothing that its memory has. */
static void a_ring_that_the_region_has_no_room_for_gets_copies(void **state)
{
	struct scene *scene = *state;
	struct loom_port *port;
	struct monitor monitor;
	struct loom_txring tx;

	(void)scene;
	assert_ok(loom_open("null:small", LOOM_CONFIG(.tx_slots = 64, .rx_slots = 64), &port));
	assert_ok(loom_tx(port, 0, &tx));
	monitor_open(&monitor, "null:small", "zt", LOOM_CONFIG(.rx_slots = 128));
	mode_expect(&monitor, "by copy", false);
	assert_int_not_equal(region_id(monitor.port), region_id(port));
	packets_send(&tx, 0, 50);
	packets_expect(&monitor.rx, 0, 50, NS_TXMON);
	monitor_close(&monitor);
	loom_close(port);
}

/* ---- where the buffers are ---- */

#define WATCHERS 3u
#define ROUNDS   4000u

struct account {
	struct scene *scene;
	struct monitor watchers[WATCHERS];
	uint32_t seed;
	uint8_t *seen; /* a byte for each buffer of the region */
};

static uint32_t any(struct account *account, uint32_t n)
{
	return random_next(&account->seed) % n;
}

static uint32_t ring_count(
    struct account *account, const struct region *region, const struct netmap_ring *ring)
{
	for (uint32_t i = 0; i < ring->num_slots; i++) {
		uint32_t index = ring->slot[i].buf_idx;

		assert_in_range(index, REGION_FIRST_BUFFER, region->num_bufs - 1);
		assert_false(account->seen[index]);
		account->seen[index] = 1;
	}
	return ring->num_slots;
}

static uint32_t port_count(
    struct account *account, const struct region *region, const struct loom_port *port, bool shared)
{
	struct loom_txring tx;
	struct loom_rxring rx;
	uint32_t n;

	if (!port || region_id(port) != region->id)
		return 0;
	assert_ok(loom_tx((struct loom_port *)(uintptr_t)port, 0, &tx));
	n = ring_count(account, region, tx.ring);
	if (shared)
		return n;
	assert_ok(loom_rx((struct loom_port *)(uintptr_t)port, 0, &rx));
	return n + ring_count(account, region, rx.ring);
}

/* Each buffer of the region is in one slot or free. */
static void buffers_count(struct account *account, const struct loom_port *of)
{
	const struct scene *scene = account->scene;
	struct region *region = region_mapped(region_id(of));
	uint32_t n = 0;

	account->seen = calloc(region->num_bufs, 1);
	assert_non_null(account->seen);
	n +=
	    port_count(account, region, scene->sender, strncmp(scene->way->sender, "loop", 4) == 0);
	if (is_switch(scene)) /* the other ends of pipes and loops have the same slots */
		n += port_count(account, region, scene->receiver, false);
	for (unsigned i = 0; i < WATCHERS; i++)
		n += port_count(account, region, account->watchers[i].port, false);
	free(account->seen);
	assert_int_equal(n + region_buffers_free(region), region->num_bufs - REGION_FIRST_BUFFER);
}

static void send_some(struct account *account)
{
	const struct loom_txring *tx = &account->scene->tx;
	static uint8_t data[9000];

	for (uint32_t n = any(account, 60); n > 0; n--)
		loom_send(
		    tx, data, any(account, 8) ? 60 + any(account, 1000) : 60 + any(account, 8000));
	assert_ok(loom_tx_sync(tx));
}

static void receive_some(struct account *account, const struct loom_rxring *rx)
{
	struct loom_frame frames[64] = {0};
	unsigned n;

	assert_ok(loom_rx_sync(rx));
	n = loom_peek(rx, frames, any(account, COUNT(frames)));
	loom_release(rx, n);
	if (any(account, 2))
		assert_ok(loom_rx_sync(rx));
}

static void watcher_changes(struct account *account, struct monitor *watcher)
{
	static const char *const flags[] = {"zt", "zr", "zrt", "rt", "t"};
	const struct scene *scene = account->scene;
	bool other = scene->receiver && any(account, 2);

	if (watcher->port)
		monitor_close(watcher);
	else
		monitor_open(watcher, other ? scene->way->receiver : scene->way->sender,
		    flags[any(account, COUNT(flags))],
		    LOOM_CONFIG(.rx_slots = 64 + any(account, 900)));
}

static void something(struct account *account)
{
	struct monitor *watcher = &account->watchers[any(account, WATCHERS)];
	const struct scene *scene = account->scene;

	switch (any(account, 8)) {
	case 0:
	case 1:
		send_some(account);
		break;
	case 2:
	case 3:
		if (scene->receiver)
			receive_some(account, &scene->rx);
		break;
	case 4:
		assert_ok(loom_tx_sync(&scene->tx));
		break;
	case 5:
	case 6:
		if (watcher->port)
			receive_some(account, &watcher->rx);
		break;
	default:
		if (any(account, 8) == 0)
			watcher_changes(account, watcher);
	}
}

static void no_buffer_is_lost_or_doubled(void **state)
{
	struct account account = {.scene = *state, .seed = 7};
	const unsigned rounds = scaled(ROUNDS);

	for (unsigned i = 0; i < WATCHERS; i++)
		watcher_changes(&account, &account.watchers[i]);
	for (unsigned i = 0; i < rounds; i++) {
		something(&account);
		if (i % 16 == 0)
			buffers_count(&account, account.scene->sender);
		if (i % 16 == 0 && account.scene->receiver && is_switch(account.scene))
			buffers_count(&account, account.scene->receiver);
	}
	for (unsigned i = 0; i < WATCHERS; i++) {
		if (account.watchers[i].port)
			monitor_close(&account.watchers[i]);
		buffers_count(&account, account.scene->sender);
	}
}

static void a_port_that_goes_first_leaves_each_its_own(void **state)
{
	struct account account = {.scene = *state, .seed = 11};
	struct monitor *watcher = &account.watchers[0];

	monitor_open(watcher, account.scene->way->sender, "zrt", NULL);
	monitor_open(&account.watchers[1], account.scene->way->sender, "zt", NULL);
	for (unsigned i = 0; i < 50; i++) {
		send_some(&account);
		if (account.scene->receiver)
			receive_some(&account, &account.scene->rx);
		assert_ok(loom_tx_sync(&account.scene->tx));
		loom_rx_sync(&watcher->rx);
		loom_release(&watcher->rx, loom_rx_space(&watcher->rx) / 2);
	}
	scene_close(account.scene);
	buffers_count(&account, watcher->port);
	monitor_close(&account.watchers[1]);
	buffers_count(&account, watcher->port);
	monitor_close(watcher);
}

int main(void)
{
	static const struct scene_test swapping[] = {
	    SCENE_TEST(the_buffers_of_sent_packets_change_places, SCENE_ANY),
	    SCENE_TEST(the_buffers_of_received_packets_change_places_if_only_the_receiver_has_them,
		SCENE_RECEIVER),
	    SCENE_TEST(monitors_of_both_ends_see_what_was_sent, SCENE_RECEIVER),
	    SCENE_TEST(of_several_the_first_swaps_and_all_see_the_same, SCENE_ANY),
	    SCENE_TEST(copies_have_memory_of_their_own, SCENE_ANY),
	    SCENE_TEST(a_ring_that_the_region_has_no_room_for_gets_copies, SCENE_ANY),
	    SCENE_TEST(no_buffer_is_lost_or_doubled, SCENE_ANY),
	    SCENE_TEST(a_port_that_goes_first_leaves_each_its_own, SCENE_ANY),
	};

	return SCENE_TESTS(swapping);
}
