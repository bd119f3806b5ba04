/* SPDX-License-Identifier: BSD-2-Clause */
/* The per-thread message behind loom_error(). */
#ifndef BASE_ERROR_H
#define BASE_ERROR_H

#include <pktloom/error.h>

/** Keep the formatted reason for this thread; returns err, so that callers can `return error_set(…)`. */
int error_set(int err, const char *format, ...) __attribute__((format(printf, 2, 3)));

#endif
