/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Trying again after a while: drivers say when they are full, but not when they have room again. Whoever
 * sleeps on such a TX ring sleeps on a timer, a little longer each time.
 */
#ifndef SOFT_PORTS_RETRY_H
#define SOFT_PORTS_RETRY_H

#include <stdbool.h>
#include <stdint.h>

struct pollfd;

struct retry {
	int timer; /* -1 until somebody sleeps on the ring */
	bool armed;
	uint32_t us; /* the next sleep's */
};

void retry_init(struct retry *retry);
void retry_close(struct retry *retry);

/** Something moved: the next sleep is a short one again. */
void retry_reset(struct retry *retry);

/** Make the timer, if there is none yet, and say how to wait for it. */
int retry_open(struct retry *retry, struct pollfd *out);

/** Become readable after the next sleep's time. */
int retry_start(struct retry *retry);
void retry_stop(struct retry *retry);

#endif
