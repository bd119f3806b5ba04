/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The device behind the pcap-like calls of netmap_user.h, which this file includes with its open,
 * ioctl, mmap, munmap and close diverted to a port of the test's own.
 */
#ifndef PKTLOOM_TESTS_ABI_FAKE_DEVICE_H
#define PKTLOOM_TESTS_ABI_FAKE_DEVICE_H

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "fake_port.h"

enum { TX = 2, HOST_TX = 1, RX = 2, HOST_RX = 2, SLOTS = 6, REGION = 7 };

/* The device: what it was asked, what it answers. */
static struct {
	struct fake_port port;
	struct nmreq asked;
	int open_error, register_error, map_error;
	int open_fds, maps;
} device;

static inline int device_open(const char *path, int flags)
{
	assert_string_equal(path, NETMAP_DEVICE_NAME);
	assert_int_equal(flags, O_RDWR);
	errno = device.open_error;
	if (device.open_error)
		return -1;
	return 1000 + device.open_fds++;
}

static inline int device_register(int fd, unsigned long request, struct nmreq *req)
{
	assert_true(fd >= 1000);
	assert_true(request == NIOCREGIF);
	device.asked = *req;
	errno = device.register_error;
	if (device.register_error)
		return -1;
	req->nr_offset = FAKE_IF_OFFSET;
	req->nr_memsize = (uint32_t)device.port.size;
	req->nr_tx_rings = TX;
	req->nr_rx_rings = RX;
	if (req->nr_arg2 == 0)
		req->nr_arg2 = REGION;
	return 0;
}

static inline void *device_map(size_t size)
{
	errno = device.map_error;
	if (device.map_error)
		return MAP_FAILED;
	assert_int_equal(size, device.port.size);
	device.maps++;
	return device.port.mem;
}

static inline int device_unmap(const void *mem, size_t size)
{
	assert_ptr_equal(mem, device.port.mem);
	assert_int_equal(size, device.port.size);
	device.maps--;
	return 0;
}

static inline int device_close(int fd)
{
	assert_true(fd >= 1000);
	device.open_fds--;
	errno = ESTALE; /* closing must not hide why opening failed */
	return 0;
}

#define open(path, flags)                     device_open(path, flags)
#define ioctl(fd, request, req)               device_register(fd, request, req)
#define mmap(at, size, prot, flags, fd, from) device_map(size)
#define munmap(mem, size)                     device_unmap(mem, size)
#define close(fd)                             device_close(fd)
#define NETMAP_WITH_LIBS
#include <pktloom/compat/net/netmap_user.h>
#undef open
#undef ioctl
#undef mmap
#undef munmap
#undef close

static inline int setup(void **state)
{
	(void)state;
	memset(&device, 0, sizeof(device));
	fake_port_init(&device.port, TX, HOST_TX, RX, HOST_RX, SLOTS);
	return 0;
}

static inline int teardown(void **state)
{
	(void)state;
	fake_port_free(&device.port);
	return device.open_fds == 0 && device.maps == 0 ? 0 : -1;
}

static inline struct nm_desc *open_port(const char *name)
{
	struct nm_desc *d = nm_open(name, NULL, 0, NULL);

	assert_non_null(d);
	return d;
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

#endif /* PKTLOOM_TESTS_ABI_FAKE_DEVICE_H */
