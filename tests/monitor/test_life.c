/* SPDX-License-Identifier: BSD-2-Clause */
/* Monitors and the ports they watch come and go in any order; names, shapes, errors. */
#include "scene.h"

#include "device/device.h"

/* ---- of every kind ---- */

static void a_monitor_outlives_its_port_and_says_so(void **state)
{
	struct scene *scene = *state;
	struct monitor monitor;
	struct loom_txring tx;

	monitor_open(&monitor, scene->way->sender, "t", NULL);
	assert_ok(loom_tx(monitor.port, 0, &tx));
	assert_ok(loom_tx_sync(&tx));
	packets_send(&scene->tx, 0, 5);
	scene_close(scene);
	assert_refused(loom_rx_sync(&monitor.rx), -EIO, "closed");
	assert_refused(loom_tx_sync(&tx), -EIO, "closed");
	assert_int_equal(loom_port_wait(monitor.port, LOOM_RX, 0), LOOM_RX | LOOM_ERROR);
	assert_int_equal(loom_rx_space(&monitor.rx), 5); /* what it was shown is not lost */
	monitor_close(&monitor);
}

static void traffic_goes_on_without_its_monitor(void **state)
{
	struct scene *scene = *state;
	struct monitor monitor;

	for (uint32_t round = 0; round < 10; round++) {
		monitor_open(&monitor, scene->way->sender, "t", NULL);
		packets_send(&scene->tx, 100 * round, 50);
		monitor_close(&monitor);
		packets_send(&scene->tx, 100 * round + 50, 50);
		scene_receive(scene, 100 * round, 100);
	}
}

static void an_exclusive_port_can_be_watched(void **state)
{
	struct scene *scene = *state;
	struct monitor monitor;
	const struct way way = *scene->way;

	scene_close(scene);
	assert_ok(loom_open(way.sender, LOOM_CONFIG(.flags = NR_EXCLUSIVE), &scene->sender));
	assert_ok(loom_tx(scene->sender, 0, &scene->tx));
	monitor_open(&monitor, way.sender, "xt", NULL);
	packets_send(&scene->tx, 0, 5);
	packets_expect(&monitor.rx, 0, 5, NS_TXMON);
	monitor_close(&monitor);
}

static void a_monitors_tx_ring_moves_nothing(void **state)
{
	struct scene *scene = *state;
	struct monitor monitor;
	struct loom_txring tx;

	monitor_open(&monitor, scene->way->sender, "t", NULL);
	assert_int_equal(loom_tx_rings(monitor.port), 1);
	assert_ok(loom_tx(monitor.port, 0, &tx));
	packets_send(&tx, 0, 10);
	assert_int_equal(loom_tx_space(&tx), tx.num_slots - 1 - 10);
	nothing_expect(&monitor.rx);
	if (scene->receiver)
		nothing_expect(&scene->rx);
	monitor_close(&monitor);
}

/* The ring is put back to where it was: what is filled then is what is sent, and seen. */
static void a_reset_ring_is_seen_from_where_it_goes_on(void **state)
{
	struct scene *scene = *state;
	struct monitor monitor;

	monitor_open(&monitor, scene->way->sender, "t", NULL);
	packets_send(&scene->tx, 0, 5);
	packets_expect(&monitor.rx, 0, 5, NS_TXMON);
	packets_queue(&scene->tx, 5, 3);
	scene->tx.ring->head = scene->tx.num_slots + 7;
	assert_int_equal(loom_tx_sync(&scene->tx), -EINVAL);
	nothing_expect(&monitor.rx);
	packets_send(&scene->tx, 10, 3);
	packets_expect(&monitor.rx, 10, 3, NS_TXMON);
	nothing_expect(&monitor.rx);
	monitor_close(&monitor);
}

static void a_monitor_leaves_no_descriptor_behind(void **state)
{
	struct scene *scene = *state;
	unsigned before = open_descriptors();
	struct monitor monitor;

	for (unsigned i = 0; i < 3; i++) {
		monitor_open(&monitor, scene->way->sender, "rt", NULL);
		assert_true(loom_port_fd(monitor.port) >= 0);
		monitor_close(&monitor);
	}
	assert_int_equal(open_descriptors(), before);
}

/* ---- once ---- */

static void names_are_netmaps(void **state)
{
	static const struct {
		const char *flags, *name;
	} expected[] = {
	    {"rt", "n{1/rt#0"}, {"zrt", "n{1/zrt#1"}, {"t", "n{1/t#2"}, {"zr", "n{1/zr#3"}};
	struct monitor monitors[COUNT(expected)];
	struct loom_port *port;
	struct loom_info info;

	(void)state;
	scratch_directory();
	assert_ok(loom_open("n{1", NULL, &port));
	for (unsigned i = 0; i < COUNT(expected); i++) {
		monitor_open(&monitors[i], "n{1", expected[i].flags, NULL);
		assert_string_equal(
		    loom_port_netmap_if(monitors[i].port)->ni_name, expected[i].name);
	}
	assert_ok(loom_port_info(monitors[1].port, &info));
	assert_string_equal(info.kind, "monitor");
	assert_string_equal(info.mode, "packets after their consumer, swap if sent");
	assert_false(info.zero_copy);
	assert_ok(loom_port_info(monitors[0].port, &info));
	assert_string_equal(info.mode, "packets before their consumer, by copy");
	for (unsigned i = 0; i < COUNT(expected); i++)
		monitor_close(&monitors[i]);
	loom_close(port);
	assert_int_equal(scratch_files(), 0);
}

static void a_port_that_is_not_open_cannot_be_watched(void **state)
{
	static const char *const absent[] = {
	    "n{9/t", "loop:n/r", "null:/rt", "vale9:n/t", "pipe{n}/zr", "nosuch0/t"};

	(void)state;
	for (unsigned i = 0; i < COUNT(absent); i++) {
		struct loom_port *port = NULL;

		assert_refused(loom_open(absent[i], NULL, &port), -EINVAL, "not open");
		assert_null(port);
	}
	assert_int_equal(scratch_files(), 0);
}

static void zero_copy_alone_watches_both_directions(void **state)
{
	struct loom_port *port, *monitor;
	struct loom_info info;

	(void)state;
	assert_refused(loom_open("null:n/z", NULL, &monitor), -EINVAL, "not open");
	assert_ok(loom_open("null:n", NULL, &port));
	assert_ok(loom_open("null:n/z", NULL, &monitor));
	assert_ok(loom_port_info(monitor, &info));
	assert_string_equal(info.kind, "monitor");
	assert_string_equal(loom_port_netmap_if(monitor)->ni_name, "null:n/zrt#0");
	loom_close(monitor);
	loom_close(port);
}

/* Two rings of three are watched by number, with host rings or without. */
static void rings_are_chosen_by_mode(void **state)
{
	struct loom_port *port, *all, *one;
	struct loom_txring tx;
	struct loom_rxring rx;

	(void)state;
	assert_ok(loom_open("null:n@conf:tx-rings=3,rx-rings=2,slots=64", NULL, &port));
	assert_ok(loom_open("null:n/t", NULL, &all));
	assert_ok(loom_open("null:n-2/t", NULL, &one));
	assert_int_equal(loom_rx_rings(all), 3);
	assert_int_equal(loom_rx(one, 1, &rx), -EINVAL);
	for (unsigned i = 0; i < 3; i++) {
		assert_ok(loom_tx(port, i, &tx));
		packets_send(&tx, 10 * i, 5);
		assert_ok(loom_rx(all, i, &rx));
		assert_int_equal(rx.num_slots, 64);
		packets_expect(&rx, 10 * i, 5, NS_TXMON);
	}
	assert_ok(loom_rx(one, 2, &rx));
	packets_expect(&rx, 20, 5, NS_TXMON);
	loom_close(one);
	assert_refused(loom_open("null:n-3/t", NULL, &one), -EINVAL, "no ring 3");
	assert_refused(loom_open("null:n^/t", NULL, &one), -EINVAL, "no host rings");
	loom_close(all);
	loom_close(port);
}

static void host_rings_are_watched_too(void **state)
{
	struct loom_port *port, *monitor;
	struct loom_txring tx;
	struct loom_rxring rx;

	(void)state;
	assert_ok(loom_open("null:n*@conf:rings=2,host-rings=1", NULL, &port));
	assert_ok(loom_open("null:n^/t", NULL, &monitor));
	assert_int_equal(loom_host_rx_rings(monitor), 1);
	assert_ok(loom_tx(port, 1, &tx));
	packets_send(&tx, 0, 5);
	assert_ok(loom_tx(port, 2, &tx));
	packets_send(&tx, 10, 5);
	assert_ok(loom_rx(monitor, 2, &rx));
	packets_expect(&rx, 10, 5, NS_TXMON);
	loom_close(monitor);
	loom_close(port);
}

static void a_monitor_can_be_watched(void **state)
{
	struct nmreq_register reg = {.nr_mode = NR_REG_ALL_NIC, .nr_flags = NR_MONITOR_RX};
	struct nmreq_header header = {.nr_version = NETMAP_API,
	    .nr_reqtype = NETMAP_REQ_REGISTER,
	    .nr_body = (uintptr_t)&reg,
	    .nr_name = "null:n/t#0"};
	struct monitor monitor;
	struct loom_port *port;
	struct loom_txring tx;
	struct device *watcher;

	(void)state;
	assert_ok(loom_open("null:n", NULL, &port));
	assert_ok(loom_tx(port, 0, &tx));
	monitor_open(&monitor, "null:n", "t", NULL);
	assert_ok(soft_open(&watcher));
	assert_ok(watcher->ops->control(watcher, &header));
	packets_send(&tx, 0, 5);
	packets_expect(&monitor.rx, 0, 5, NS_TXMON);
	assert_ok(watcher->ops->sync(watcher, false));
	assert_int_equal(watcher->ops->ring(watcher, false, 0)->ring->tail, 5);
	monitor_close(&monitor);
	assert_int_equal(watcher->ops->sync(watcher, false), -EIO);
	watcher->ops->close(watcher);
	loom_close(port);
}

/* A payload that the slot only points to is the switch's affair; what is seen is the payload. */
static void indirect_payload_is_seen(void **state)
{
	static uint8_t data[5000], got[5000];
	struct loom_port *sender;
	struct monitor monitor;
	struct loom_txring tx;
	struct loom_frame frame;
	struct netmap_slot *slot;

	(void)state;
	packet_fill(data, sizeof data, 1);
	assert_ok(loom_open("vale9:n", NULL, &sender));
	assert_ok(loom_tx(sender, 0, &tx));
	monitor_open(&monitor, "vale9:n", "t", NULL);
	assert_int_equal(loom_reserve(&tx, &frame, 1), 1);
	slot = loom_tx_slot(&tx, 0);
	slot->ptr = (uintptr_t)data;
	slot->len = sizeof data;
	slot->flags = NS_INDIRECT;
	tx.ring->head = tx.ring->cur = 1;
	assert_ok(loom_tx_sync(&tx));
	assert_ok(loom_rx_sync(&monitor.rx));
	assert_int_equal(loom_rx_space(&monitor.rx), 3);
	assert_int_equal(loom_recv_copy(&monitor.rx, got, sizeof got, NULL), sizeof data);
	assert_memory_equal(got, data, sizeof data);
	monitor_close(&monitor);
	loom_close(sender);
	assert_int_equal(scratch_files(), 0);
}

/* What a device drops as nonsense does not pass, and a monitor is not led outside the memory by it. */
static void slots_without_a_buffer_are_not_shown(void **state)
{
	static const uint32_t shown[] = {0, 2, 6};
	struct loom_port *port;
	struct monitor monitor;
	struct loom_txring tx;
	struct netmap_slot *slot;

	(void)state;
	assert_ok(loom_open("null:n", NULL, &port));
	assert_ok(loom_tx(port, 0, &tx));
	monitor_open(&monitor, "null:n", "t", NULL);
	packets_queue(&tx, 0, 7);
	slot = tx.ring->slot;
	slot[1].buf_idx = UINT32_MAX;
	slot[3].len = UINT16_MAX;
	slot[4].flags = NS_MOREFRAG; /* its beginning is as good as nothing */
	slot[5].buf_idx = 0;
	assert_ok(loom_tx_sync(&tx));
	assert_ok(loom_rx_sync(&monitor.rx));
	assert_int_equal(loom_rx_space(&monitor.rx), 3);
	for (unsigned i = 0; i < 3; i++)
		assert_int_equal(monitor.rx.ring->slot[i].len, packet_len(shown[i]));
	assert_int_equal(monitor_drops(&monitor, LOOM_DROP_BAD_INDEX), 2);
	assert_int_equal(monitor_drops(&monitor, LOOM_DROP_BAD_LENGTH), 1);
	monitor_close(&monitor);
	loom_close(port);
}

/* A monitor's own slots may be nonsense as well: what would have gone there is gone, nothing else. */
static void a_broken_monitor_harms_nobody(void **state)
{
	struct loom_port *port;
	struct monitor monitor;
	struct loom_txring tx;

	(void)state;
	assert_ok(loom_open("null:n", NULL, &port));
	assert_ok(loom_tx(port, 0, &tx));
	monitor_open(&monitor, "null:n", "t", NULL);
	for (uint32_t i = 0; i < monitor.rx.num_slots; i++)
		monitor.rx.ring->slot[i].buf_idx = i % 2 ? UINT32_MAX : 1u << 20;
	packets_send(&tx, 0, 100);
	assert_ok(loom_rx_sync(&monitor.rx));
	assert_int_equal(loom_tx_space(&tx), tx.num_slots - 1);
	monitor_close(&monitor);
	loom_close(port);
}

int main(void)
{
	static const struct scene_test of_every_kind[] = {
	    SCENE_TEST(a_monitor_outlives_its_port_and_says_so, SCENE_ANY),
	    SCENE_TEST(traffic_goes_on_without_its_monitor, SCENE_ANY),
	    SCENE_TEST(an_exclusive_port_can_be_watched, SCENE_ANY),
	    SCENE_TEST(a_monitors_tx_ring_moves_nothing, SCENE_ANY),
	    SCENE_TEST(a_reset_ring_is_seen_from_where_it_goes_on, SCENE_ANY),
	    SCENE_TEST(a_monitor_leaves_no_descriptor_behind, SCENE_ANY),
	};
	const struct CMUnitTest once[] = {
	    cmocka_unit_test(names_are_netmaps),
	    cmocka_unit_test(a_port_that_is_not_open_cannot_be_watched),
	    cmocka_unit_test(zero_copy_alone_watches_both_directions),
	    cmocka_unit_test(rings_are_chosen_by_mode),
	    cmocka_unit_test(host_rings_are_watched_too),
	    cmocka_unit_test(a_monitor_can_be_watched),
	    cmocka_unit_test(indirect_payload_is_seen),
	    cmocka_unit_test(slots_without_a_buffer_are_not_shown),
	    cmocka_unit_test(a_broken_monitor_harms_nobody),
	};

	return SCENE_TESTS(of_every_kind) +
	       cmocka_run_group_tests_name("monitor life", once, NULL, NULL);
}
