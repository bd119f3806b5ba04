/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Running the classic programs of this folder under the preload library, each in a process of its own,
 * and holding what they report against what it must be.
 */
#ifndef CLASSIC_RUN_H
#define CLASSIC_RUN_H

#include "../contract/support.h"

#define RUN_PROGRAMS 3u /* of a kind, at most */

/**
 * Commands are a program of this folder and its arguments. All of them report `packets`, or, with "1/3 "
 * in front, every third of them from number 1 on.
 */
struct scenario {
	const char *name;
	unsigned long packets;
	const char
	    *receivers[RUN_PROGRAMS]; /* started first, in this order; each says when it is ready */
	const char *senders[RUN_PROGRAMS];
};

/** Run these as one cmocka group. argv[1] is the folder of the programs, CLASSIC_PRELOAD names the library. */
int run_scenarios(const char *group, const struct scenario *scenarios, size_t n, char **argv);

#endif
