/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What every test of ports needs: cmocka, a scratch directory, packets that can be recognised, children
 * that do not outlive a failure.
 */
#ifndef UNIT_SUPPORT_H
#define UNIT_SUPPORT_H

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/types.h>

#include <cmocka.h>
#include <pktloom.h>

#include "scratch.h"

#define COUNT(table) (sizeof(table) / sizeof((table)[0]))

/** The call failed with this error, and its message says what a person has to know. */
#define assert_refused(call, error, word)                                                          \
	do {                                                                                       \
		assert_int_equal((call), (error));                                                 \
		if (!strstr(loom_error(), (word)))                                                 \
			fail_msg("\"%s\" is not in the message: %s", (word), loom_error());        \
	} while (0)

/** The call returned 0; if not, say what the library said. */
#define assert_ok(call)                                                                            \
	do {                                                                                       \
		int result_ = (call);                                                              \
		if (result_ != 0)                                                                  \
			fail_msg("%s: %d, %s", #call, result_, loom_error());                      \
	} while (0)

/** Run body in a child; its result is the exit status. */
pid_t child_start(int (*body)(void *arg), void *arg);

/** Exit status of a child, -signal if one ended it; a child that takes over 60 s is killed. */
int child_wait(pid_t child);

/* ---- packets with content that can be checked ---- */

#define PACKET_HEADER 14u /* shorter ones carry no Ethernet header, longer ones do */

void packet_fill(uint8_t *data, uint32_t len, uint32_t number);
bool packet_is(const uint8_t *data, uint32_t len, uint32_t number);

/** Whether a test sent it, and not the system. */
bool packet_is_ours(const uint8_t *data, uint32_t len);

#endif
