/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Packets of one slot or several (NS_MOREFRAG): those of a TX ring as parts of one system call, received ones
 * from one piece of memory. For port kinds that work through the system.
 *
 * A packet to send that is found bad is dropped by chain_pass(), which also drops what of its chain the
 * program has yet to give: where that will begin is kept until then.
 */
#ifndef SOFT_CHAIN_H
#define SOFT_CHAIN_H

#include <sys/uio.h>

#include "port.h"

#define CHAIN_NONE UINT32_MAX /* nothing is to be dropped */

enum chain { CHAIN_WHOLE, CHAIN_UNFINISHED, CHAIN_BAD };

/**
 * Describe one packet's slots, from *at on, as parts; both move on. Up to NETMAP_MAX_FRAGS parts. A bad
 * packet is counted.
 */
enum chain chain_describe(struct ring *r, uint32_t *at, struct iovec **part);

/** Pass the bad packet at hwcur. *rest: where its chain goes on, or CHAIN_NONE. */
void chain_pass(struct ring *r, uint32_t *rest);

/**
 * Copy bytes of a packet to the free slots of an RX ring from `at` on, `most` of them at most, the last of
 * which ends the packet. How many; 0: they do not fit.
 */
uint32_t chain_put(struct ring *r, uint32_t at, const uint8_t *data, uint32_t len, uint32_t most);

/** The most slots that a packet can have on a ring. */
static inline uint32_t chain_longest(const struct ring *r)
{
	return r->num_slots - 1 < NETMAP_MAX_FRAGS ? r->num_slots - 1 : NETMAP_MAX_FRAGS;
}

#endif
