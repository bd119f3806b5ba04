/* SPDX-License-Identifier: BSD-2-Clause */
/* Regions for AF_XDP: their shape, who shares them, and what the kernel says to them. */
#include "xdp_umem.h"

#include <errno.h>
#include <linux/magic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "../../base/error.h"
#include "../soft.h"

/*
 * The region that xdp ports share, across processes, so that pipes between them are in it, too. All of its
 * buffers are pinned: 64 MiB with chunks of 2,048 bytes. Rings cost memory only when they are used.
 */
#define SHARED_BUFS  ((uint64_t)32 * SOFT_SLOTS_DEFAULT)
#define SHARED_RINGS 64u
#define SHARED_PAIRS 128u
#define SHARED_IF    8192u

/* One that a port has for itself has room for so many like it. */
#define PORTS 2u

static struct xdp_umem *umems;

static bool is_chunk(uint32_t buf_size)
{
	return buf_size == 2048 || buf_size == 4096;
}

static uint32_t larger(uint32_t a, uint32_t b)
{
	return a > b ? a : b;
}

static uint64_t bufs_of(const struct port_request *request)
{
	uint64_t num_tx = request->tx_rings + request->host_tx_rings;
	uint64_t num_rx = request->rx_rings + request->host_rx_rings;

	return num_tx * request->tx_slots + num_rx * request->rx_slots + request->extra_bufs;
}

static void shape_of(const struct port_request *request, uint64_t bufs, struct region_shape *out)
{
	uint32_t rings = port_request_rings(request);

	*out = (struct region_shape){.plain = PORTS * rings + SHARED_RINGS,
	    .pairs = SHARED_PAIRS,
	    .ring_slots = SOFT_SLOTS_MAX,
	    .num_bufs = port_buffers_for(bufs),
	    .buf_size = request->buf_size,
	    .headroom = XDP_HEADROOM,
	    .if_size = larger(port_if_size(rings), SHARED_IF)};
	if (out->plain + out->pairs > REGION_AREAS_MAX)
		out->plain = REGION_AREAS_MAX - out->pairs;
}

/* ---- the list ---- */

static struct xdp_umem *find(const struct region *region)
{
	struct xdp_umem *umem = umems;

	while (umem && umem->region != region)
		umem = umem->next;
	return umem;
}

/* A forked child's ports have their own, which goes with it. */
static struct xdp_umem *find_nameless(uint32_t buf_size)
{
	struct xdp_umem *umem = umems;

	while (umem && !(umem->region->name[0] == 0 && umem->region->buf_size == buf_size &&
			   umem->process == getpid()))
		umem = umem->next;
	return umem;
}

static int enlist(struct region *region, struct xdp_umem **out)
{
	struct xdp_umem *umem = calloc(1, sizeof *umem);
	void *held =
	    mmap(NULL, region->num_bufs, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	if (!umem || held == MAP_FAILED) {
		if (held != MAP_FAILED)
			munmap(held, region->num_bufs);
		free(umem);
		return error_set(-ENOMEM, "out of memory for AF_XDP's buffers");
	}
	*umem = (struct xdp_umem){.next = umems,
	    .region = region,
	    .process = getpid(),
	    .chunks = region_chunks(region),
	    .size = (size_t)region->num_bufs * region->buf_size,
	    .shift = (uint32_t)__builtin_ctz(region->buf_size),
	    .num_bufs = region->num_bufs,
	    .held = held};
	umems = umem;
	*out = umem;
	return 0;
}

void xdp_umem_release(struct xdp_umem *umem)
{
	struct xdp_umem **at = &umems;

	if (--umem->ports > 0)
		return;
	while (*at != umem)
		at = &(*at)->next;
	*at = umem->next;
	munmap(umem->held, umem->num_bufs);
	free(umem);
}

/* ---- building ---- */

/* The region becomes the port's, also on failure. */
static int build_in(struct port *port, const struct port_request *request, struct region *region,
    struct xdp_umem **out)
{
	struct xdp_umem *umem = find(region);
	int err;

	err = port_build_own(port, request, region, false);
	if (!err && !umem) {
		err = enlist(region, &umem);
		if (err)
			port_unbuild(port);
	}
	if (err)
		return err;
	umem->ports++;
	*out = umem;
	return 0;
}

/* The kernel pins shared memory for long, but no file of a disk. */
static bool can_be_pinned(const struct region *region)
{
	struct statfs fs;

	return fstatfs(region->shared_fd, &fs) == 0 &&
	       (fs.f_type == TMPFS_MAGIC || fs.f_type == HUGETLBFS_MAGIC);
}

/* -EXDEV where memory with a name cannot be pinned. */
static int open_named(const struct port_request *request, const char *name,
    const struct region_shape *shape, struct region **out)
{
	int err = region_open(NULL, request->directory, name, shape, out);

	if (err || can_be_pinned(*out))
		return err;
	region_release(*out);
	return -EXDEV;
}

/* Its name is the process's, and still other processes can have pipes in it. */
static int build_alone(struct port *port, const struct port_request *request, struct xdp_umem **out)
{
	static unsigned made;
	char name[NETMAP_REQ_IFNAMSIZ];
	struct region_shape shape;
	struct region *region;
	int err;

	shape_of(request, PORTS * bufs_of(request), &shape);
	snprintf(name, sizeof name, "(xdp %ld.%u)", (long)getpid(), ++made);
	err = open_named(request, name, &shape, &region);
	if (!err)
		err = build_in(port, request, region, out);
	if (!err)
		(*out)->alone = true;
	return err;
}

/* Where no name can be had: memory that the ports of this process share. */
static int build_nameless(
    struct port *port, const struct port_request *request, struct xdp_umem **out)
{
	struct xdp_umem *umem = find_nameless(request->buf_size);
	uint64_t bufs = PORTS * bufs_of(request);
	struct region_shape shape;
	struct region *region;
	int err = -ENOMEM;

	if (umem) {
		region_reference(umem->region);
		err = build_in(port, request, umem->region, out);
	}
	if (err != -ENOMEM)
		return err;
	shape_of(request, bufs > SHARED_BUFS ? bufs : SHARED_BUFS, &shape);
	err = region_create(&shape, &region);
	return err ? err : build_in(port, request, region, out);
}

static int build_shared(
    struct port *port, const struct port_request *request, struct xdp_umem **out)
{
	const struct port_request any = {.buf_size = request->buf_size};
	char name[NETMAP_REQ_IFNAMSIZ];
	struct region_shape shape;
	struct region *region;
	int err;

	shape_of(&any, SHARED_BUFS, &shape);
	snprintf(name, sizeof name, "(xdp %u)", request->buf_size);
	err = open_named(request, name, &shape, &region);
	return err ? err : build_in(port, request, region, out);
}

static int build_asked(struct port *port, const struct port_request *request, struct xdp_umem **out)
{
	const struct region *region = request->region;

	if (region->shape.headroom != XDP_HEADROOM || !is_chunk(region->buf_size))
		return error_set(-EINVAL,
		    "port \"%s\": memory region %u is not laid out for AF_XDP (2048 or 4096 bytes "
		    "and "
		    "%u before each packet): open this port first, and the other one in its "
		    "region",
		    request->name, region->id, XDP_HEADROOM);
	return build_in(port, request, port_region(request), out);
}

int xdp_umem_build(struct port *port, const struct port_request *request, struct xdp_umem **out)
{
	int err = -ENOMEM;

	if (request->region)
		return build_asked(port, request, out);
	if (!is_chunk(request->buf_size))
		return error_set(-EINVAL,
		    "port \"%s\": AF_XDP's buffers have 2048 or 4096 bytes, not %u", request->name,
		    request->buf_size);
	if (bufs_of(request) <= SHARED_BUFS)
		err = build_shared(port, request, out);
	if (err == -ENOMEM)
		err = build_alone(port, request, out);
	return err == -EXDEV ? build_nameless(port, request, out) : err;
}

/* ---- the kernel's word ---- */

int xdp_umem_refused(const struct xdp_umem *umem, const char *name, int err)
{
	struct rlimit limit = {0};

	getrlimit(RLIMIT_MEMLOCK, &limit);
	if (err == -EPERM || err == -EACCES)
		return error_set(err,
		    "port \"%s\": AF_XDP needs CAP_NET_RAW: run as root, or use packet:", name);
	if (err == -ENOMEM || err == -ENOBUFS)
		return error_set(err,
		    "port \"%s\": the kernel does not pin the %zu KiB of its buffers for each "
		    "queue; RLIMIT_MEMLOCK is %llu KiB: raise it (ulimit -l, LimitMEMLOCK= of "
		    "systemd), give the program CAP_IPC_LOCK, or use fewer slots",
		    name, umem->size >> 10, (unsigned long long)limit.rlim_cur >> 10);
	return error_set(err,
	    "port \"%s\": the kernel does not take %zu KiB of buffers for AF_XDP: %s", name,
	    umem->size >> 10, strerror(-err));
}
