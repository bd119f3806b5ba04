/* SPDX-License-Identifier: BSD-2-Clause */
/* Regions for AF_XDP: their shape, who shares them, and what the kernel says to them. */
#include "xdp_umem.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

#include "../../base/error.h"
#include "../soft.h"

/* Room for so many ports like the first one, and for four of the default size. All of it is pinned. */
#define PORTS    2u
#define BUFS_MIN (16u * SOFT_SLOTS_DEFAULT) /* with a pair of host rings each */

/* Beyond the ports': for monitors, pipes and more ports. */
#define SPARE_RINGS 24u
#define SPARE_PAIRS 8u
#define IF_SIZE     4096u

static struct xdp_umem *umems;

static bool is_chunk(uint32_t buf_size)
{
	return buf_size == 2048 || buf_size == 4096;
}

static uint32_t larger(uint32_t a, uint32_t b)
{
	return a > b ? a : b;
}

static void shape_of(const struct port_request *request, struct region_shape *out)
{
	uint32_t num_tx = request->tx_rings + request->host_tx_rings;
	uint32_t num_rx = request->rx_rings + request->host_rx_rings;
	uint64_t bufs =
	    PORTS * ((uint64_t)num_tx * request->tx_slots + (uint64_t)num_rx * request->rx_slots) +
	    request->extra_bufs;

	*out = (struct region_shape){.plain = PORTS * (num_tx + num_rx) + SPARE_RINGS,
	    .pairs = SPARE_PAIRS,
	    .ring_slots = larger(larger(request->tx_slots, request->rx_slots), SOFT_SLOTS_DEFAULT),
	    .num_bufs = port_buffers_for(bufs < BUFS_MIN ? BUFS_MIN : bufs),
	    .buf_size = request->buf_size,
	    .headroom = XDP_HEADROOM,
	    .if_size = larger(port_if_size(num_tx + num_rx), IF_SIZE)};
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

static struct xdp_umem *find_shared(uint32_t buf_size)
{
	struct xdp_umem *umem = umems;

	while (umem &&
	       !(umem->shared && umem->process == getpid() && umem->region->buf_size == buf_size))
		umem = umem->next;
	return umem;
}

static int enlist(struct region *region, bool shared, struct xdp_umem **out)
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
	    .shared = shared,
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

static int build_in(struct port *port, const struct port_request *request, struct region *region,
    bool shared, struct xdp_umem **out)
{
	struct xdp_umem *umem = find(region);
	int err;

	err = port_build_own(port, request, region, false);
	if (!err && !umem) {
		err = enlist(region, shared, &umem);
		if (err)
			port_unbuild(port);
	}
	if (err)
		return err;
	umem->ports++;
	*out = umem;
	return 0;
}

static int build_new(
    struct port *port, const struct port_request *request, bool shared, struct xdp_umem **out)
{
	struct region_shape shape;
	struct region *region;
	int err;

	shape_of(request, &shape);
	err = region_create(&shape, &region);
	return err ? err : build_in(port, request, region, shared, out);
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
	return build_in(port, request, port_region(request), false, out);
}

int xdp_umem_build(struct port *port, const struct port_request *request, struct xdp_umem **out)
{
	struct xdp_umem *shared;
	int err;

	if (request->region)
		return build_asked(port, request, out);
	if (!is_chunk(request->buf_size))
		return error_set(-EINVAL,
		    "port \"%s\": AF_XDP's buffers have 2048 or 4096 bytes, not %u", request->name,
		    request->buf_size);
	shared = find_shared(request->buf_size);
	if (!shared)
		return build_new(port, request, true, out);
	region_reference(shared->region);
	err = build_in(port, request, shared->region, true, out);
	return err == -ENOMEM ? build_new(port, request, false, out) : err;
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
