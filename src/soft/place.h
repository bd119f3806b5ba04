/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Rings with several users: forked children, processes that a descriptor was passed to, descriptors of one
 * port. The device's positions of such a ring stand in the page of its header, which all of them map, and a
 * sync has them to itself while it holds the lock beside them.
 *
 *   │ struct ring_place │ the port kind's own │ … │ struct netmap_ring │      one page, see region.h
 *
 * A ring with one user never looks there: sharing it replaces the function that its handles call.
 */
#ifndef SOFT_PLACE_H
#define SOFT_PLACE_H

#include "../os/robust_lock.h"
#include "port.h"

#define PLACE_PAGE   4096u /* the smallest page: of a larger one, its end */
#define PLACE_OWN_AT 256u  /* what a kind keeps there starts here … */
#define PLACE_OWN    2048u /* … and may have so many bytes */

/* The program can write it: what is read there is checked. */
struct ring_place {
	struct robust_lock lock;
	uint32_t turn; /* moves with each sync: who finds his own has the positions already */
	uint32_t rhead, rcur, hwcur, hwtail;
};

_Static_assert(
    sizeof(struct ring_place) <= PLACE_OWN_AT, "a ring's place runs into the kind's own");

/** Where the ring's kind may keep what all users of the ring share; zero at first. */
void *place_own(const struct ring *r);

/** The calling thread, as an owner of locks in a ring's memory. */
struct robust_lock_user *place_user(void);

/** Nobody uses the ring yet. */
void place_init(struct ring *r);

/** The ring has several users from now on; its positions are shown to them. */
void place_share(struct ring *r);

/** A ring that others have shared already: their positions are taken over. */
void place_join(struct ring *r);

/** A child learns what it must know before its first sync, which may have to do without system calls. */
void place_in_child(void);

/** All rings of a port, and what its kind needs for that. */
int place_share_port(struct port *port);

#endif
