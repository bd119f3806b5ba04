/* SPDX-License-Identifier: BSD-2-Clause */
/* The helpers of support.h. */
#include "support.h"

#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define FRAME_LEN 60u

static char scratch[] = "/tmp/preload-test-XXXXXX";

int group_start(void **state)
{
	(void)state;
	if (!mkdtemp(scratch))
		return -1;
	return setenv("PKTLOOM_DIR", scratch, 1);
}

int group_end(void **state)
{
	DIR *dir = opendir(scratch);
	const struct dirent *entry;

	(void)state;
	while (dir && (entry = readdir(dir)))
		unlinkat(dirfd(dir), entry->d_name, 0);
	if (dir)
		closedir(dir);
	return rmdir(scratch);
}

int netmap_open(void)
{
	int fd = open(NETMAP_DEVICE_NAME, O_RDWR);

	assert_true(fd >= 0);
	return fd;
}

int control(int fd, const char *name, unsigned type, void *body, void *options)
{
	struct nmreq_header header = {
	    .nr_version = NETMAP_API,
	    .nr_reqtype = (uint16_t)type,
	    .nr_body = (uintptr_t)body,
	    .nr_options = (uintptr_t)options,
	};

	snprintf(header.nr_name, sizeof header.nr_name, "%s", name);
	return ioctl(fd, NIOCCTRL, &header) == 0 ? 0 : errno;
}

int netmap_bind(int fd, const char *name, uint64_t flags)
{
	struct nmreq_register reg = {.nr_mode = NR_REG_ALL_NIC, .nr_flags = flags};

	return control(fd, name, NETMAP_REQ_REGISTER, &reg, NULL);
}

static void *first_ring(const struct port *port, ssize_t offset)
{
	return offset ? (uint8_t *)port->nifp + offset : NULL;
}

struct port port_open_flags(const char *name, uint64_t flags)
{
	struct nmreq_register reg = {.nr_mode = NR_REG_ALL_NIC, .nr_flags = flags};
	struct port port = {.fd = netmap_open()};

	assert_int_equal(control(port.fd, name, NETMAP_REQ_REGISTER, &reg, NULL), 0);
	port.size = reg.nr_memsize;
	port.memory = mmap(NULL, port.size, PROT_READ | PROT_WRITE, MAP_SHARED, port.fd, 0);
	assert_true(port.memory != MAP_FAILED);
	port.nifp = NETMAP_IF(port.memory, reg.nr_offset);
	port.tx = first_ring(&port, port.nifp->ring_ofs[0]);
	port.rx = first_ring(
	    &port, port.nifp->ring_ofs[port.nifp->ni_tx_rings + port.nifp->ni_host_tx_rings]);
	return port;
}

struct port port_open(const char *name)
{
	return port_open_flags(name, 0);
}

void port_close(struct port *port)
{
	assert_int_equal(munmap(port->memory, port->size), 0);
	assert_int_equal(close(port->fd), 0);
}

void put_frames(struct port *port, unsigned n, uint32_t first)
{
	struct netmap_ring *ring = port->tx;

	for (unsigned i = 0; i < n; i++) {
		struct netmap_slot *slot = &ring->slot[ring->head];
		uint32_t number = first + i;

		slot->len = FRAME_LEN;
		slot->flags = 0;
		memcpy(NETMAP_BUF(ring, slot->buf_idx), &number, sizeof number);
		ring->head = ring->cur = nm_ring_next(ring, ring->head);
	}
}

void send_frame(struct port *port, uint32_t number)
{
	put_frames(port, 1, number);
	sync_tx(port);
}

uint32_t take_frame(struct port *port)
{
	struct netmap_ring *ring = port->rx;
	const struct netmap_slot *slot = &ring->slot[ring->head];
	uint32_t number;

	assert_true(nm_ring_space(ring) > 0);
	assert_int_equal(slot->len, FRAME_LEN);
	memcpy(&number, NETMAP_BUF(ring, slot->buf_idx), sizeof number);
	ring->head = ring->cur = nm_ring_next(ring, ring->head);
	return number;
}

void sync_tx(const struct port *port)
{
	assert_int_equal(ioctl(port->fd, NIOCTXSYNC, NULL), 0);
}

void sync_rx(const struct port *port)
{
	assert_int_equal(ioctl(port->fd, NIOCRXSYNC, NULL), 0);
}

uint64_t now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

void sleep_ms(unsigned ms)
{
	struct timespec left = {.tv_sec = ms / 1000, .tv_nsec = (long)(ms % 1000) * 1000000};

	while (nanosleep(&left, &left) != 0 && errno == EINTR)
		;
}

unsigned open_descriptors(void)
{
	DIR *dir = opendir("/proc/self/fd");
	unsigned n = 0;

	assert_non_null(dir);
	while (readdir(dir))
		n++;
	closedir(dir);
	return n;
}

pid_t child_start(int (*body)(void *), void *arg)
{
	pid_t child = fork();

	assert_true(child >= 0);
	if (child == 0)
		_exit(body(arg));
	return child;
}

int child_wait(pid_t child)
{
	uint64_t deadline = now_ms() + 60000;
	int status;

	while (waitpid(child, &status, WNOHANG) == 0) {
		if (now_ms() > deadline)
			kill(child, SIGKILL);
		sleep_ms(1);
	}
	return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
}
