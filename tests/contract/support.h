/* SPDX-License-Identifier: BSD-2-Clause */
/* What every test in cmocka begins with: cmocka itself, checks of our own, and the helpers. */
#ifndef CONTRACT_SUPPORT_H
#define CONTRACT_SUPPORT_H

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

#include "helpers.h"

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

#endif
