/* SPDX-License-Identifier: BSD-2-Clause */
/* What tests of monitors in other processes share: a page to talk to a child by, and packets for it to see. */
#ifndef MONITOR_TALK_H
#define MONITOR_TALK_H

#include "scene.h"

#define TALK_SOME 50u

/* What a test and its child tell each other. */
struct talk {
	uint32_t start;  /* the port is open, or the traffic flows */
	uint32_t step;   /* how far the child has come */
	uint32_t wanted; /* how far it may go */
	uint32_t stop;   /* the traffic has flown enough */
	uint32_t region; /* the watched port's */
	uint32_t buffers[TALK_SOME];
};

extern struct talk *talk;

/** Of a group of tests, and of each. */
int talk_group_setup(void **state);
int talk_setup(void **state);

bool reached(const uint32_t *word, uint32_t value);

/** In a child: say that a step is done, and wait to be told to go on. */
bool step_done(uint32_t step);
/** Like packets_expect(), but in a child, and they may come in several syncs. */
bool sees(const struct loom_rxring *rx, uint32_t first, unsigned n, uint16_t txmon);

/** In the parent. */
void go_on(uint32_t step);
void wait_for(uint32_t step);
/** Send packets, take and release them, and let the sender know. */
void round_trip(
    const struct loom_txring *tx, const struct loom_rxring *rx, uint32_t first, unsigned n);

#endif
