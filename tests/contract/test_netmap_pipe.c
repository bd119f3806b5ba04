/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A pipe driven as a netmap program drives it: raw rings, txsync, rxsync, poll. The values of head, cur
 * and tail at every step are those that netmap's own module shows.
 */
#include "support.h"

#include "device/device.h"

#include <poll.h>
#include <stdio.h>

#include <pktloom/compat/net/netmap_user.h>

struct nm {
	struct device *device;
	struct device_map map;
	struct netmap_ring *tx, *rx;
};

static void nm_open_port(struct nm *nm, const char *name, uint64_t flags)
{
	struct nmreq_register reg = {.nr_mode = NR_REG_ALL_NIC, .nr_flags = flags};
	struct nmreq_header header = {.nr_version = NETMAP_API,
	    .nr_reqtype = NETMAP_REQ_REGISTER,
	    .nr_body = (uintptr_t)&reg};

	snprintf(header.nr_name, sizeof header.nr_name, "%s", name);
	assert_ok(soft_open(&nm->device));
	assert_ok(nm->device->ops->control(nm->device, &header));
	assert_ok(nm->device->ops->map(nm->device, &nm->map));
	assert_int_equal(reg.nr_tx_slots, 1024);
	assert_int_equal(reg.nr_tx_rings, 1);
	assert_ptr_equal(nm->map.base + reg.nr_offset, nm->map.nifp);
	nm->tx = NETMAP_TXRING(nm->map.nifp, 0);
	nm->rx = NETMAP_RXRING(nm->map.nifp, 0);
}

static void nm_close_port(struct nm *nm)
{
	nm->device->ops->close(nm->device);
}

/* The ioctls never fail, whatever the ring looks like. */
static void txsync(const struct nm *nm)
{
	assert_int_equal(nm->device->ops->sync(nm->device, true), 0);
}

static void rxsync(const struct nm *nm)
{
	assert_int_equal(nm->device->ops->sync(nm->device, false), 0);
}

static int nm_poll(const struct nm *nm, short events, int timeout_ms)
{
	return nm->device->ops->poll(nm->device, events, timeout_ms);
}

static void ring_is(const struct netmap_ring *ring, uint32_t head, uint32_t cur, uint32_t tail)
{
	if (ring->head != head || ring->cur != cur || ring->tail != tail)
		fail_msg("head, cur, tail are %u, %u, %u and should be %u, %u, %u", ring->head,
		    ring->cur, ring->tail, head, cur, tail);
}

static uint32_t space(const struct netmap_ring *ring)
{
	return nm_ring_space(ring);
}

static void put(struct netmap_ring *ring, uint32_t n, uint16_t flags)
{
	for (uint32_t i = 0; i < n; i++) {
		struct netmap_slot *slot = &ring->slot[ring->head];

		slot->len = 60;
		slot->flags = flags;
		memset(NETMAP_BUF(ring, slot->buf_idx), 'a' + (int)(i % 26), 60);
		ring->head = ring->cur = nm_ring_next(ring, ring->head);
	}
}

static void release_all(struct netmap_ring *ring)
{
	ring->head = ring->cur = ring->tail;
}

/* 1,023 packets have gone through and space has come back. */
static void drained(struct nm *master, struct nm *slave)
{
	put(master->tx, 1023, 0);
	txsync(master);
	rxsync(slave);
	release_all(slave->rx);
	rxsync(slave);
	txsync(master);
	ring_is(master->tx, 1023, 1023, 1022);
	ring_is(slave->rx, 1023, 1023, 1023);
}

static void a_fresh_pipe_has_room_and_no_packets(void **state)
{
	struct nm master, slave;

	(void)state;
	nm_open_port(&master, "abip{1", 0);
	ring_is(master.tx, 0, 0, 1023);
	ring_is(master.rx, 0, 0, 0);
	assert_int_equal(space(master.tx), 1023);
	assert_int_equal(master.tx->dir, 1);
	assert_int_equal(master.rx->dir, 0);
	assert_int_equal(master.tx->slot[0].len, 2048);
	assert_int_equal(nm_poll(&master, POLLOUT, 0), POLLOUT);
	assert_int_equal(nm_poll(&master, POLLIN, 20), 0);
	assert_int_equal(nm_poll(&master, 0, 0), 0);
	nm_open_port(&slave, "abip}1", 0);
	ring_is(slave.tx, 0, 0, 1023);
	ring_is(slave.rx, 0, 0, 0);
	for (uint32_t i = 0; i < 1024; i++) {
		assert_int_equal(slave.rx->slot[i].buf_idx, master.tx->slot[i].buf_idx);
		assert_int_equal(slave.tx->slot[i].buf_idx, master.rx->slot[i].buf_idx);
		assert_int_not_equal(slave.tx->slot[i].buf_idx, master.tx->slot[i].buf_idx);
		assert_true(slave.tx->slot[i].buf_idx >= 2);
	}
	nm_close_port(&master);
	nm_close_port(&slave);
}

static void without_a_peer_the_ring_fills_and_keeps(void **state)
{
	struct nm master, slave;

	(void)state;
	nm_open_port(&master, "abip{1", 0);
	put(master.tx, 10, 0);
	txsync(&master);
	ring_is(master.tx, 10, 10, 1023);
	put(master.tx, space(master.tx), 0);
	txsync(&master);
	ring_is(master.tx, 1023, 1023, 1023);
	assert_int_equal(nm_poll(&master, POLLOUT, 20), 0);

	nm_open_port(&slave, "abip}1", 0);
	ring_is(slave.rx, 0, 0, 0);
	rxsync(&slave);
	ring_is(slave.rx, 0, 0, 1023);
	assert_int_equal(nm_poll(&slave, POLLIN, 20), POLLIN);
	ring_is(slave.rx, 0, 0, 1023);
	assert_int_equal(slave.rx->slot[0].len, 60);
	assert_int_equal(slave.rx->slot[0].buf_idx, master.tx->slot[0].buf_idx);
	assert_int_equal(NETMAP_BUF(slave.rx, slave.rx->slot[0].buf_idx)[0], 'a');
	rxsync(&slave); /* nothing released: nothing changes */
	ring_is(slave.rx, 0, 0, 1023);

	release_all(slave.rx);
	assert_int_equal(nm_poll(&slave, POLLIN, 20), 0);
	ring_is(slave.rx, 1023, 1023, 1023);
	ring_is(master.tx, 1023, 1023, 1023);
	txsync(&master);
	ring_is(master.tx, 1023, 1023, 1022);
	assert_int_equal(space(master.tx), 1023);
	nm_close_port(&master);
	nm_close_port(&slave);
}

static void a_poll_for_packets_flushes_what_was_put(void **state)
{
	struct nm master, slave;

	(void)state;
	nm_open_port(&master, "abip{1", 0);
	nm_open_port(&slave, "abip}1", 0);
	drained(&master, &slave);
	put(master.tx, 1, 0);
	assert_int_equal(nm_poll(&slave, POLLIN, 10), 0);
	assert_int_equal(nm_poll(&master, POLLIN, 0), 0);
	ring_is(slave.rx, 1023, 1023, 1023);
	assert_int_equal(nm_poll(&slave, POLLIN, 30), POLLIN);
	ring_is(slave.rx, 1023, 1023, 0);
	assert_int_equal(slave.rx->slot[1023].buf_idx, master.tx->slot[1023].buf_idx);

	slave.rx->cur = slave.rx->tail; /* seen, not released: no more news */
	assert_int_equal(nm_poll(&slave, POLLIN, 20), 0);
	ring_is(slave.rx, 1023, 0, 0);
	slave.rx->head = slave.rx->cur;
	rxsync(&slave);
	txsync(&master);
	ring_is(master.tx, 0, 0, 1023);
	master.tx->cur = master.tx->tail;
	assert_int_equal(nm_poll(&master, POLLOUT, 20), 0);
	ring_is(master.tx, 0, 1023, 1023);
	master.tx->cur = master.tx->head;
	txsync(&master);
	ring_is(master.tx, 0, 0, 1023);
	nm_close_port(&master);
	nm_close_port(&slave);
}

static void pointers_outside_the_ring_are_put_back(void **state)
{
	struct nm master, slave;

	(void)state;
	nm_open_port(&master, "abip{1", 0);
	nm_open_port(&slave, "abip}1", 0);
	master.tx->head = master.tx->cur = 2;
	txsync(&master);
	ring_is(master.tx, 2, 2, 1023);
	master.tx->head = 1029;
	txsync(&master);
	ring_is(master.tx, 2, 2, 1023);
	master.tx->cur = 1029;
	txsync(&master);
	ring_is(master.tx, 2, 2, 1023);
	master.tx->tail = 1;
	txsync(&master);
	ring_is(master.tx, 2, 2, 1023);
	master.tx->head = 1029;
	assert_int_equal(nm_poll(&master, POLLOUT, 30), POLLOUT | POLLERR);
	ring_is(master.tx, 2, 2, 1023);
	assert_int_equal(nm_poll(&master, POLLOUT, 30), POLLOUT);
	txsync(&master);
	ring_is(master.tx, 2, 2, 1023);
	nm_close_port(&master);
	nm_close_port(&slave);
}

/* The slots themselves travel unseen: it is the receiver who has to look. */
static void bad_slots_travel_unchecked(void **state)
{
	struct nm master, slave;
	struct netmap_slot *slot;
	uint32_t kept;

	(void)state;
	nm_open_port(&master, "abip{1", 0);
	nm_open_port(&slave, "abip}1", 0);
	slot = &master.tx->slot[0];
	kept = slot->buf_idx;
	slot->buf_idx = 999999999;
	slot->len = 60;
	slot->flags |= NS_BUF_CHANGED;
	master.tx->head = master.tx->cur = 1;
	txsync(&master);
	ring_is(master.tx, 1, 1, 1023);
	rxsync(&slave);
	ring_is(slave.rx, 0, 0, 1);
	assert_int_equal(slave.rx->slot[0].buf_idx, 999999999);
	slot->buf_idx = kept;
	release_all(slave.rx);
	rxsync(&slave);

	put(master.tx, 1, 0);
	master.tx->slot[1].len = 5000;
	txsync(&master);
	rxsync(&slave);
	assert_int_equal(space(slave.rx), 1);
	assert_int_equal(slave.rx->slot[1].len, 5000);
	release_all(slave.rx);
	rxsync(&slave);

	put(master.tx, 1, 0);
	master.tx->slot[2].len = 0;
	txsync(&master);
	rxsync(&slave);
	assert_int_equal(space(slave.rx), 1);
	assert_int_equal(slave.rx->slot[2].len, 0);
	nm_close_port(&master);
	nm_close_port(&slave);
}

static void fragments_come_when_they_are_complete(void **state)
{
	struct nm master, slave;

	(void)state;
	nm_open_port(&master, "abip{1", 0);
	nm_open_port(&slave, "abip}1", 0);
	put(master.tx, 2, NS_MOREFRAG);
	put(master.tx, 1, 0);
	txsync(&master);
	rxsync(&slave);
	assert_int_equal(space(slave.rx), 3);
	assert_int_equal(slave.rx->slot[0].flags, NS_MOREFRAG);
	assert_int_equal(slave.rx->slot[1].flags, NS_MOREFRAG);
	assert_int_equal(slave.rx->slot[2].flags, 0);
	release_all(slave.rx);
	rxsync(&slave);

	put(master.tx, 1, NS_MOREFRAG);
	txsync(&master);
	assert_int_equal(master.tx->head, 4);
	rxsync(&slave);
	assert_int_equal(space(slave.rx), 0);
	put(master.tx, 1, 0);
	txsync(&master);
	rxsync(&slave);
	assert_int_equal(space(slave.rx), 2);
	nm_close_port(&master);
	nm_close_port(&slave);
}

static void a_peer_that_comes_back_finds_its_place(void **state)
{
	struct nm master, slave;

	(void)state;
	nm_open_port(&master, "abip{1", 0);
	nm_open_port(&slave, "abip}1", 0);
	put(master.tx, 11, 0);
	txsync(&master);
	rxsync(&slave);
	release_all(slave.rx);
	rxsync(&slave);
	put(master.tx, 5, 0);
	txsync(&master);
	nm_close_port(&slave);
	ring_is(master.tx, 16, 16, 10);
	assert_int_equal(nm_poll(&master, POLLOUT, 30), POLLOUT);
	assert_int_equal(nm_poll(&master, POLLIN, 20), 0);
	txsync(&master);
	ring_is(master.tx, 16, 16, 10);
	rxsync(&master);
	ring_is(master.rx, 0, 0, 0);

	nm_open_port(&slave, "abip}1", 0);
	rxsync(&slave);
	ring_is(slave.rx, 11, 11, 16);
	ring_is(master.tx, 16, 16, 10);
	nm_close_port(&master);
	nm_close_port(&slave);

	nm_open_port(&slave, "abip}1", 0); /* both were gone: a new pipe */
	ring_is(slave.rx, 0, 0, 0);
	ring_is(slave.tx, 0, 0, 1023);
	nm_close_port(&slave);
}

static void flags_decide_what_a_poll_syncs(void **state)
{
	struct nm master, slave;

	(void)state;
	nm_open_port(&master, "abip{2", NR_NO_TX_POLL);
	nm_open_port(&slave, "abip}2", NR_DO_RX_POLL);
	put(master.tx, 1, 0);
	assert_int_equal(nm_poll(&master, POLLIN, 0), 0);
	rxsync(&slave);
	assert_int_equal(space(slave.rx), 0); /* not pushed */
	assert_int_equal(nm_poll(&master, POLLOUT, 0), POLLOUT);
	assert_int_equal(nm_poll(&slave, POLLOUT, 0), POLLOUT);
	assert_int_equal(space(slave.rx), 0); /* there was room: no need to look further */
	assert_int_equal(nm_poll(&slave, 0, 0), 0);
	assert_int_equal(space(slave.rx), 1);
	nm_close_port(&master);
	nm_close_port(&slave);
}

static void a_descriptor_that_is_not_bound_can_do_nothing(void **state)
{
	struct device *device;
	struct device_map map;

	(void)state;
	assert_ok(soft_open(&device));
	assert_int_equal(device->ops->sync(device, true), -ENXIO);
	assert_int_equal(device->ops->sync(device, false), -ENXIO);
	assert_int_equal(device->ops->poll(device, POLLIN, 0), POLLERR);
	assert_int_equal(device->ops->map(device, &map), -EINVAL);
	device->ops->close(device);
}

static int control(struct device *device, const char *name, uint16_t type, void *body)
{
	struct nmreq_header header = {
	    .nr_version = NETMAP_API, .nr_reqtype = type, .nr_body = (uintptr_t)body};

	snprintf(header.nr_name, sizeof header.nr_name, "%s", name);
	return device->ops->control(device, &header);
}

static void a_second_register_is_refused(void **state)
{
	struct nmreq_register reg = {.nr_mode = NR_REG_ALL_NIC};
	struct nm master;

	(void)state;
	nm_open_port(&master, "abip{1", 0);
	assert_int_equal(control(master.device, "abip{2", NETMAP_REQ_REGISTER, &reg), -EBUSY);
	assert_int_equal(control(master.device, "abip{1", NETMAP_REQ_REGISTER, &reg), -EBUSY);
	nm_close_port(&master);
}

static void port_info_answers_for_open_and_absent_pipes(void **state)
{
	struct nmreq_port_info_get info;
	struct device *device;
	struct nm master;

	(void)state;
	assert_ok(soft_open(&device));
	memset(&info, 0, sizeof info);
	assert_ok(control(device, "abip{1", NETMAP_REQ_PORT_INFO_GET, &info));
	assert_int_equal(info.nr_tx_slots, 1024);
	assert_int_equal(info.nr_rx_rings, 1);
	assert_int_equal(scratch_files(), 0);
	nm_open_port(&master, "abip{1", 0);
	assert_ok(control(device, "abip}1", NETMAP_REQ_PORT_INFO_GET, &info));
	assert_int_equal(info.nr_memsize, master.map.size);
	assert_ok(control(device, "abip{1", NETMAP_REQ_PORT_INFO_GET, &info));
	assert_int_equal(info.nr_memsize, master.map.size);
	device->ops->close(device);
	nm_close_port(&master);
	assert_int_equal(scratch_files(), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(a_fresh_pipe_has_room_and_no_packets),
	    cmocka_unit_test(without_a_peer_the_ring_fills_and_keeps),
	    cmocka_unit_test(a_poll_for_packets_flushes_what_was_put),
	    cmocka_unit_test(pointers_outside_the_ring_are_put_back),
	    cmocka_unit_test(bad_slots_travel_unchecked),
	    cmocka_unit_test(fragments_come_when_they_are_complete),
	    cmocka_unit_test(a_peer_that_comes_back_finds_its_place),
	    cmocka_unit_test(flags_decide_what_a_poll_syncs),
	    cmocka_unit_test(a_descriptor_that_is_not_bound_can_do_nothing),
	    cmocka_unit_test(a_second_register_is_refused),
	    cmocka_unit_test(port_info_answers_for_open_and_absent_pipes),
	};

	scratch_directory();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
