/* SPDX-License-Identifier: BSD-2-Clause */
/* The per-thread message behind loom_error(). */
#ifndef BASE_ERROR_H
#define BASE_ERROR_H

#include <pktloom/error.h>

/** Keep the formatted reason for this thread. */
void error_format(const char *format, ...) __attribute__((format(printf, 1, 2)));

/** The same, and the value is err: `return error_set(-EINVAL, …)`. A macro, so that analysers see it. */
#define error_set(err, ...) (error_format(__VA_ARGS__), (err))

#endif
