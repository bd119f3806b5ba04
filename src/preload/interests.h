/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The netmap part of an epoll instance: which netmap descriptors a program has added to it, and which
 * other instances that may have such a part. Everything else is in the kernel's part.
 *
 * Who waits on an instance joins it first. When another thread then changes the netmap part, the
 * kernel's part gets a descriptor that is readable (the kick) until all who joined before have
 * left: so they wake up and join again, wherever they sleep.
 */
#ifndef PRELOAD_INTERESTS_H
#define PRELOAD_INTERESTS_H

#include <sys/epoll.h>

#include "wait.h"

#define INTEREST_OWN UINT32_MAX /* as an index: each interest's own place */

struct interests *interests_new(void);
void interests_free(struct interests *interests);

/** The other threads are gone. */
void interests_after_fork(struct interests *interests);

/** Whether there is any netmap part to speak of. Needs no reference. */
static inline bool interests_any(const struct handle *set)
{
	return __atomic_load_n(&set->interested, __ATOMIC_ACQUIRE) > 0;
}

/**
 * epoll_ctl() on the netmap part.
 *
 * @param epfd   a descriptor of the set
 * @param event  as the program gave it; not read for EPOLL_CTL_DEL
 * @return 0; -EEXIST, -ENOENT, -ENOMEM; -EINVAL an unknown operation
 */
int interests_change(struct handle *set, int epfd, int operation, struct handle *target,
    const struct epoll_event *event);

/**
 * Join the set, and add what is to be looked at for it: devices, its own and those of sets inside it.
 *
 * @param index  for all of them, or INTEREST_OWN
 * @return 0 or -ENOMEM
 */
int interests_watch(struct handle *set, struct wait *wait, uint32_t index);

/**
 * Events of what was found in a wait whose sources were watched with INTEREST_OWN. One-shot interests are
 * switched off, edges noted.
 *
 * @param kind    devices; or instances, which are left out if the kernel has reported them already
 * @param events  of which the first `have` are there already, and `room` in all
 * @return how many were added
 */
int interests_collect(struct handle *set, const struct wait *wait, enum handle_kind kind,
    struct epoll_event *events, int have, int room);

/** Joining without watching. @return the epoch, for leaving */
uint32_t interests_join(struct handle *set);
void interests_leave(struct handle *set, uint32_t epoch);

/** Remove the kick from n events that the kernel gave. @return how many are left */
int interests_filter(const struct handle *set, struct epoll_event *events, int n);

#endif
