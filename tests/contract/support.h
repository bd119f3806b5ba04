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
#define assert_refused(call, error, word) check_refused((call), (error), (word), __FILE__, __LINE__)

static inline void check_refused(int got, int error, const char *word, const char *file, int line)
{
	_assert_int_equal(
	    cast_to_largest_integral_type(got), cast_to_largest_integral_type(error), file, line);
	if (strstr(loom_error(), word))
		return;
	print_error("\"%s\" is not in the message: %s\n", word, loom_error());
	_fail(file, line);
}

/** The call returned 0; if not, say what the library said. */
#define assert_ok(call) check_ok((call), #call, __FILE__, __LINE__)

static inline void check_ok(int got, const char *call, const char *file, int line)
{
	if (got == 0)
		return;
	print_error("%s: %d, %s\n", call, got, loom_error());
	_fail(file, line);
}

#endif
