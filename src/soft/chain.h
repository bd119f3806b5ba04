/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Packets of a TX ring, of one slot or several (NS_MOREFRAG), as parts of one system call. For port
 * kinds that send through the system.
 *
 * A packet that is found bad is dropped by chain_pass(), which also drops what of its chain the
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

#endif
