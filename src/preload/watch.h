/* SPDX-License-Identifier: BSD-2-Clause */
/* One descriptor of any kind in a wait; what poll and select share. */
#ifndef PRELOAD_WATCH_H
#define PRELOAD_WATCH_H

#include "wait.h"

/** Whether the kernel alone cannot say when the descriptor is ready. */
bool watch_is_ours(int fd);

/**
 * The next place in the wait: a device, an epoll instance, or anything else.
 *
 * @return 0 or -ENOMEM
 */
int watch_fd(struct wait *wait, int fd, short events);

/** Call found(index, events, arg) for the places that our part of the wait has found something for. */
void watch_found(
    const struct wait *wait, void (*found)(uint32_t index, short events, void *arg), void *arg);

#endif
