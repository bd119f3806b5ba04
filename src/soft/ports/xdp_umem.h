/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Memory that AF_XDP can use: a region whose buffers are chunks of 2,048 or 4,096 bytes, with the kernel's
 * headroom before each packet. The xdp ports of a user share one while there is room, so that
 * packets go from one to another by a swap.
 *
 * The kernel pins all buffers of a region while one of its rings is in use, so such a region is sized for
 * a few ports. Every queue registers the same memory anew: its sockets come and go in any order.
 *
 * Called under the registry's lock.
 */
#ifndef SOFT_PORTS_XDP_UMEM_H
#define SOFT_PORTS_XDP_UMEM_H

#include "../port.h"

#define XDP_HEADROOM REGION_HEADROOM

struct xdp_umem {
	struct xdp_umem *next;
	struct region *region; /* the ports' references keep it */
	unsigned ports;
	pid_t process;
	bool alone; /* made for one port, which found no room elsewhere */
	uint8_t *chunks;
	size_t size;
	uint32_t shift, num_bufs; /* a chunk's size as a power of two */
	uint8_t
	    *held; /* by buffer: the kernel has it for receiving; all processes of a fork see it */
};

/** Build a port's rings in the region of its request, the shared one, or one of its own. */
int xdp_umem_build(struct port *port, const struct port_request *request, struct xdp_umem **out);

/** Undo that, but for the rings, which the core frees. */
void xdp_umem_release(struct xdp_umem *umem);

/** The message for an error of registering memory. */
int xdp_umem_refused(const struct xdp_umem *umem, const char *name, int err);

#endif
