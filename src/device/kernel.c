/* SPDX-License-Identifier: BSD-2-Clause */
/* The kernel device as the waist sees it; asking for ports is in kernel_request.c. */
#include "kernel.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "../base/error.h"
#include "../os/os.h"

/* Ports of one region share one mapping, so that buffers can be swapped between them. */
struct mapping {
	struct mapping *next;
	uint8_t *base;
	size_t size;
	uint16_t mem_id;
	unsigned references;
};

struct kernel_ring {
	struct device_ring common; /* first; common.ring is NULL where not bound */
	struct kernel *kernel;
	bool tx;
	uint32_t head, tail; /* as of the last sync */
	bool full;           /* a TX ring that the port's descriptor is waiting for */
};

struct kernel {
	struct device device; /* first */
	int fd;
	int pollset; /* -1 until loom_port_fd() */
	unsigned num_full;
	struct nmreq_header header; /* as it was registered */
	struct nmreq_register reg;
	struct mapping *mapping;
	struct netmap_if *nifp;
	unsigned num_tx, num_rx;
	struct kernel_ring *rings; /* TX, then RX */
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct mapping *mappings;

static struct kernel *kernel_of(struct device *device)
{
	return (struct kernel *)(void *)device;
}

/* ---- memory ---- */

static struct mapping *mapping_new(int fd, const struct nmreq_register *reg)
{
	struct mapping *mapping = calloc(1, sizeof *mapping);
	void *base;

	if (!mapping)
		return NULL;
	base = mmap(NULL, reg->nr_memsize, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (base == MAP_FAILED) {
		free(mapping);
		return NULL;
	}
	*mapping = (struct mapping){
	    .next = mappings, .base = base, .size = reg->nr_memsize, .mem_id = reg->nr_mem_id};
	mappings = mapping;
	return mapping;
}

static int mapping_get(struct kernel *kernel)
{
	struct mapping *mapping;

	pthread_mutex_lock(&lock);
	for (mapping = mappings; mapping; mapping = mapping->next)
		if (mapping->mem_id == kernel->reg.nr_mem_id &&
		    mapping->size == kernel->reg.nr_memsize)
			break;
	if (!mapping)
		mapping = mapping_new(kernel->fd, &kernel->reg);
	if (mapping)
		mapping->references++;
	pthread_mutex_unlock(&lock);
	kernel->mapping = mapping;
	if (mapping)
		return 0;
	return error_set(-ENOMEM, "cannot map the %llu bytes of \"%s\": %s",
	    (unsigned long long)kernel->reg.nr_memsize, kernel->header.nr_name, strerror(errno));
}

static void mapping_put(struct mapping *mapping)
{
	struct mapping **at = &mappings;

	pthread_mutex_lock(&lock);
	if (--mapping->references == 0) {
		while (*at != mapping)
			at = &(*at)->next;
		*at = mapping->next;
		munmap(mapping->base, mapping->size);
		free(mapping);
	}
	pthread_mutex_unlock(&lock);
}

/* ---- syncs ---- */

/* The ioctl says 0 whatever the ring looks like: what the module will find is found here first. */
static bool in_order(const struct kernel_ring *ring, uint32_t head, uint32_t cur)
{
	uint32_t n = ring->common.ring->num_slots;
	uint32_t owned = loom_ring_distance(ring->head, ring->tail, n);

	return head < n && cur < n &&
	       loom_ring_distance(ring->head, head, n) <= loom_ring_distance(ring->head, cur, n) &&
	       loom_ring_distance(ring->head, cur, n) <= owned;
}

/*
 * loom_port_fd() is waited on for reading alone, and says nothing of room that is there all the time: only
 * while a TX ring has none, room makes it readable, too.
 */
static void watch_room(struct kernel_ring *ring)
{
	struct kernel *kernel = ring->kernel;
	bool full = ring->tx && ring->head == ring->tail;

	if (kernel->pollset < 0 || ring->full == full)
		return;
	ring->full = full;
	kernel->num_full += full ? 1u : -1u;
	os_pollset_change(
	    kernel->pollset, kernel->fd, kernel->num_full ? POLLIN | POLLOUT : POLLIN);
}

/* After a sync: TX packets are those that head passed over, RX packets those that tail did. */
static void account(struct kernel_ring *ring)
{
	const struct netmap_ring *user = ring->common.ring;
	uint32_t from = ring->tx ? ring->head : ring->tail;
	uint32_t to = ring->tx ? user->head : user->tail;

	ring->common.stats.packets += loom_ring_distance(from, to, user->num_slots);
	ring->common.stats.syncs++;
	ring->common.fragments = loom_counters(ring->common.ring)->fragments;
	ring->head = user->head;
	ring->tail = user->tail;
	watch_room(ring);
}

static int kernel_ring_sync(struct loom_sync *sync)
{
	struct kernel_ring *ring = (struct kernel_ring *)(void *)sync;
	struct kernel *kernel = ring->kernel;
	struct netmap_ring *user = ring->common.ring;
	uint32_t head = user->head, cur = user->cur;
	bool accepted = in_order(ring, head, cur);

	if (ioctl(kernel->fd, ring->tx ? NIOCTXSYNC : NIOCRXSYNC, NULL) != 0)
		return error_set(errno == ENXIO ? -ENETDOWN : -errno,
		    "port \"%s\": %s sync failed: %s", kernel->header.nr_name,
		    ring->tx ? "TX" : "RX", strerror(errno));
	if (accepted) {
		account(ring);
		return 0;
	}
	ring->head = user->head; /* the module starts from here, too: put back, or believed */
	ring->tail = user->tail;
	return error_set(-EINVAL,
	    "port \"%s\": %s ring %u: head %u and cur %u are not within the slots that the program "
	    "owns; nothing was moved",
	    kernel->header.nr_name, ring->tx ? "TX" : "RX", user->ringid, head, cur);
}

static int kernel_sync(struct device *device, bool tx)
{
	struct kernel *kernel = kernel_of(device);

	if (ioctl(kernel->fd, tx ? NIOCTXSYNC : NIOCRXSYNC, NULL) == 0)
		return 0;
	return error_set(
	    -errno, "port \"%s\": sync failed: %s", kernel->header.nr_name, strerror(errno));
}

static int kernel_poll(struct device *device, short events, int timeout_ms)
{
	struct kernel *kernel = kernel_of(device);
	struct pollfd fd = {.fd = kernel->fd, .events = events};
	int n = poll(&fd, 1, timeout_ms);

	if (n < 0)
		return error_set(
		    -errno, "interrupted while waiting for \"%s\"", kernel->header.nr_name);
	for (unsigned i = 0; i < kernel->num_tx + kernel->num_rx; i++)
		if (kernel->rings[i].common.ring)
			account(&kernel->rings[i]);
	return n > 0 ? fd.revents & (POLLIN | POLLOUT | POLLERR) : 0;
}

/* ---- the waist ---- */

static int kernel_control(struct device *device, struct nmreq_header *header)
{
	if (ioctl(kernel_of(device)->fd, NIOCCTRL, header) == 0)
		return 0;
	return error_set(-errno, "%s refused request %u for \"%s\": %s", NETMAP_DEVICE_NAME,
	    header->nr_reqtype, header->nr_name, strerror(errno));
}

/* Any bound ring leads to buffer 0; the mapping's end bounds the indexes. */
static int kernel_map(struct device *device, struct device_map *out)
{
	struct kernel *kernel = kernel_of(device);
	const struct mapping *mapping = kernel->mapping;
	const struct netmap_ring *ring = NULL;
	uint8_t *buffers;

	for (unsigned i = 0; i < kernel->num_tx + kernel->num_rx && !ring; i++)
		ring = kernel->rings[i].common.ring;
	if (!ring || ring->nr_buf_size == 0)
		return error_set(-EPROTO, "port \"%s\" has no rings", kernel->header.nr_name);
	buffers = (uint8_t *)(uintptr_t)ring + ring->buf_ofs;
	*out = (struct device_map){
	    .base = mapping->base,
	    .size = mapping->size,
	    .nifp = kernel->nifp,
	    .buffers = buffers,
	    .num_bufs =
		(uint32_t)((size_t)(mapping->base + mapping->size - buffers) / ring->nr_buf_size),
	    .buf_size = ring->nr_buf_size,
	    .buf_room = ring->nr_buf_size,
	    .region = mapping,
	};
	return 0;
}

static struct device_ring *kernel_ring(struct device *device, bool tx, unsigned index)
{
	struct kernel *kernel = kernel_of(device);
	struct kernel_ring *ring;

	if (index >= (tx ? kernel->num_tx : kernel->num_rx))
		return NULL;
	ring = &kernel->rings[tx ? index : kernel->num_tx + index];
	return ring->common.ring ? &ring->common : NULL;
}

static int pollset_make(struct kernel *kernel)
{
	int set = os_pollset_create();
	int err = set < 0 ? set : os_pollset_add(set, kernel->fd, POLLIN);

	if (!err)
		kernel->pollset = set;
	else if (set >= 0)
		close(set);
	return err;
}

static int kernel_fd(struct device *device)
{
	struct kernel *kernel = kernel_of(device);
	int err = kernel->pollset < 0 ? pollset_make(kernel) : 0;

	if (err)
		return error_set(err, "cannot make a descriptor to wait on for \"%s\": %s",
		    kernel->header.nr_name, strerror(-err));
	for (unsigned i = 0; i < kernel->num_tx; i++)
		if (kernel->rings[i].common.ring)
			watch_room(&kernel->rings[i]);
	return kernel->pollset;
}

static void kernel_describe(const struct device *device, struct loom_info *info)
{
	const struct kernel *kernel = (const struct kernel *)(const void *)device;

	snprintf(info->device, sizeof info->device, "kernel");
	snprintf(info->kind, sizeof info->kind, "netmap");
	snprintf(info->mode, sizeof info->mode, "%s", NETMAP_DEVICE_NAME);
	info->zero_copy = true;
	info->region = kernel->reg.nr_mem_id;
	info->region_size = kernel->reg.nr_memsize;
}

static void kernel_close(struct device *device)
{
	struct kernel *kernel = kernel_of(device);

	if (kernel->mapping)
		mapping_put(kernel->mapping);
	if (kernel->pollset >= 0)
		close(kernel->pollset);
	if (kernel->fd >= 0)
		close(kernel->fd);
	free(kernel->rings);
	free(kernel);
}

/* ---- opening ---- */

static void ring_attach(struct kernel *kernel, unsigned i)
{
	struct kernel_ring *ring = &kernel->rings[i];
	ssize_t offset = kernel->nifp->ring_ofs[i];

	if (offset == 0)
		return;
	ring->kernel = kernel;
	ring->tx = i < kernel->num_tx;
	ring->common.sync.sync = kernel_ring_sync;
	ring->common.ring = (struct netmap_ring *)(void *)((uint8_t *)kernel->nifp + offset);
	ring->head = ring->common.ring->head;
	ring->tail = ring->common.ring->tail;
	*loom_counters(ring->common.ring) = (struct loom_counters){.bytes = 0};
}

static int rings_attach(struct kernel *kernel)
{
	const struct nmreq_register *reg = &kernel->reg;

	kernel->nifp = (struct netmap_if *)(void *)(kernel->mapping->base + reg->nr_offset);
	kernel->num_tx = (unsigned)reg->nr_tx_rings + kernel->nifp->ni_host_tx_rings;
	kernel->num_rx = (unsigned)reg->nr_rx_rings + kernel->nifp->ni_host_rx_rings;
	kernel->rings = calloc(kernel->num_tx + kernel->num_rx + 1, sizeof *kernel->rings);
	if (!kernel->rings)
		return error_set(
		    -ENOMEM, "out of memory for the rings of \"%s\"", kernel->header.nr_name);
	for (unsigned i = 0; i < kernel->num_tx + kernel->num_rx; i++)
		ring_attach(kernel, i);
	return 0;
}

static int kernel_sibling(struct device *device, struct nmreq_register *reg, struct device **out)
{
	const struct kernel *kernel = kernel_of(device);
	struct nmreq_header header = kernel->header;
	struct device *sibling;
	int err;

	header.nr_options = 0;
	header.nr_body = (uint64_t)(uintptr_t)reg;
	err = kernel_open(&header, &sibling);
	if (err)
		return err;
	if (kernel_of(sibling)->mapping == kernel->mapping) {
		*out = sibling;
		return 0;
	}
	kernel_close(sibling);
	return error_set(-EPROTO, "%s puts another descriptor of \"%s\" into memory %u, not %u",
	    NETMAP_DEVICE_NAME, header.nr_name, reg->nr_mem_id, kernel->reg.nr_mem_id);
}

static const struct device_ops kernel_ops = {
    .name = "kernel",
    .control = kernel_control,
    .map = kernel_map,
    .ring = kernel_ring,
    .sync = kernel_sync,
    .poll = kernel_poll,
    .fd = kernel_fd,
    .sibling = kernel_sibling,
    .describe = kernel_describe,
    .close = kernel_close,
};

int kernel_open(struct nmreq_header *header, struct device **out)
{
	struct kernel *kernel = calloc(1, sizeof *kernel);
	int err;

	if (!kernel)
		return error_set(-ENOMEM, "out of memory for \"%s\"", header->nr_name);
	kernel->device.ops = &kernel_ops;
	kernel->pollset = -1;
	kernel->fd = kernel_bind(header);
	err = kernel->fd < 0 ? kernel->fd : 0;
	if (!err) {
		kernel->header = *header;
		kernel->reg =
		    *(const struct nmreq_register *)(const void *)(uintptr_t)header->nr_body;
		err = mapping_get(kernel);
	}
	if (!err)
		err = rings_attach(kernel);
	if (err) {
		kernel_close(&kernel->device);
		return err;
	}
	*out = &kernel->device;
	return 0;
}
