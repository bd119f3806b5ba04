/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * AF_XDP by hand, on libxdp: the floor of the xdp rows. One socket on queue 0, its four rings, and
 * memory that may be another one's, as for forwarding without a copy.
 */
#ifndef BENCH_XDP_BARE_H
#define BENCH_XDP_BARE_H

#include <stdbool.h>
#include <xdp/xsk.h>

#include "flood.h"

#define BARE_RING   1024u /* as many as our ports have slots */
#define BARE_FRAMES (4 * BARE_RING)
#define BARE_FRAME  2048u

struct bare {
	struct xsk_ring_cons rx, done;
	struct xsk_ring_prod tx, fill;
	struct xsk_umem *umem;
	struct xsk_socket *socket;
	uint8_t *memory;
	int fd, map, link;
	bool shares;
	unsigned num_free; /* frames for sending */
	uint64_t free[BARE_RING];
};

/**
 * Open at one side of a pair; copies, as veth has no zero-copy. Skips where the system does not allow it.
 *
 * @param receives  attach a program, natively or not, and give the kernel frames
 * @param with      share its memory and own frames to send; NULL: memory of its own
 */
struct bare *bare_open(
    unsigned side, unsigned pair, bool receives, bool native, const struct bare *with);
void bare_close(struct bare *bare);

/** Have the kernel send what is in the TX ring, as far as it does. */
void bare_kick(struct bare *bare);

/** Take frames back that were sent; returns how many. */
unsigned bare_reclaim(struct bare *bare);

/** Tell the driver that there are frames; then sleep until something comes, or not. */
void bare_wait(struct bare *bare, bool sleeps);

/** "native" or "generic", from a command line. */
bool bare_is_native(const char *mode);

/** The pairs of a row; of those with a generic program, native ones are refused: ours takes the same way. */
void bare_make_pairs(unsigned n, bool native);

#endif
