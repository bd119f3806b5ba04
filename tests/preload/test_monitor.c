/* SPDX-License-Identifier: BSD-2-Clause */
/* Monitors as classic programs use them: by register flags and by names of nm_open. */
#define NETMAP_WITH_LIBS
#include "support.h"

#include <poll.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/select.h>
#include <unistd.h>

static void test_registered_by_flags(void **state)
{
	struct nmreq_register reg = {
	    .nr_mode = NR_REG_ALL_NIC, .nr_flags = NR_MONITOR_TX | NR_MONITOR_RX};
	struct port master = port_open("m{1"), slave = port_open("m}1");
	int fd = netmap_open();
	struct port monitor;

	(void)state;
	assert_int_equal(control(fd, "m{9", NETMAP_REQ_REGISTER, &reg, NULL), EINVAL);
	assert_int_equal(control(fd, "m{1", NETMAP_REQ_REGISTER, &reg, NULL), 0);
	assert_int_equal(reg.nr_rx_rings, 1);
	assert_int_equal(reg.nr_tx_rings, 1);
	assert_int_equal(reg.nr_rx_slots, 1024);
	assert_int_equal(close(fd), 0);

	monitor = port_open_flags("m{1", NR_MONITOR_TX | NR_MONITOR_RX);
	assert_string_equal(monitor.nifp->ni_name, "m{1/rt#1");
	sync_tx(&monitor);
	sync_rx(&monitor);
	send_frame(&master, 1);
	send_frame(&slave, 2);
	sync_rx(&master);
	sync_rx(&monitor);
	assert_int_equal(monitor.rx->slot[0].flags & NS_TXMON, NS_TXMON);
	assert_int_equal(take_frame(&monitor), 1);
	assert_int_equal(monitor.rx->slot[1].flags & NS_TXMON, 0);
	assert_int_equal(take_frame(&monitor), 2);
	sync_rx(&slave);
	assert_int_equal(take_frame(&slave), 1);
	assert_int_equal(take_frame(&master), 2);
	port_close(&slave);
	port_close(&master);
	assert_errno(ioctl(monitor.fd, NIOCRXSYNC, NULL), EIO);
	assert_errno(ioctl(monitor.fd, NIOCTXSYNC, NULL), EIO);
	port_close(&monitor);
}

static void test_named_as_nm_open_names_them(void **state)
{
	struct nm_desc *loop = nm_open("netmap:loop:m", NULL, 0, NULL), *monitor;
	struct nm_pkthdr hdr;

	(void)state;
	assert_non_null(loop);
	monitor = nm_open("netmap:loop:m/rt", NULL, 0, NULL);
	assert_non_null(monitor);
	assert_int_equal(nm_inject(loop, "abc", 4), 4);
	ioctl(loop->fd, NIOCTXSYNC, NULL);
	ioctl(loop->fd, NIOCRXSYNC, NULL);
	ioctl(monitor->fd, NIOCRXSYNC, NULL);
	assert_string_equal((const char *)nm_nextpkt(monitor, &hdr), "abc");
	assert_string_equal((const char *)nm_nextpkt(monitor, &hdr), "abc");
	assert_null(nm_nextpkt(monitor, &hdr));
	nm_close(monitor);
	nm_close(loop);
}

/* Every way to wait finds what passes, and finds nothing before. */
static bool poll_finds(int fd)
{
	struct pollfd wait = {.fd = fd, .events = POLLIN};

	return poll(&wait, 1, 0) == 1 && wait.revents == POLLIN;
}

static bool select_finds(int fd)
{
	struct timeval now = {0};
	fd_set set;

	FD_ZERO(&set);
	FD_SET(fd, &set);
	return select(fd + 1, &set, NULL, NULL, &now) == 1;
}

static bool epoll_finds(int fd)
{
	struct epoll_event event = {.events = EPOLLIN};
	int set = epoll_create1(0);
	bool found;

	assert_int_equal(epoll_ctl(set, EPOLL_CTL_ADD, fd, &event), 0);
	found = epoll_wait(set, &event, 1, 0) == 1 && event.events == EPOLLIN;
	close(set);
	return found;
}

static void test_waited_for_in_every_way(void **state)
{
	static bool (*const ways[])(int) = {poll_finds, select_finds, epoll_finds};
	struct port port = port_open("vale7:m");

	(void)state;
	for (uint32_t i = 0; i < COUNT(ways); i++) {
		struct port monitor = port_open_flags("vale7:m", NR_MONITOR_TX);

		assert_false(ways[i](monitor.fd));
		send_frame(&port, i);
		assert_true(ways[i](monitor.fd));
		assert_int_equal(take_frame(&monitor), i);
		port_close(&monitor);
	}
	port_close(&port);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_registered_by_flags),
	    cmocka_unit_test(test_named_as_nm_open_names_them),
	    cmocka_unit_test(test_waited_for_in_every_way),
	};

	return cmocka_run_group_tests_name("monitors", tests, group_start, group_end);
}
