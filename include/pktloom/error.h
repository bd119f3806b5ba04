/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Errors: functions return 0 (or a count) and a negative errno on failure; the sentence that a
 * person can act on (what failed, on which port, why, what to do) is kept per thread.
 */
#ifndef PKTLOOM_ERROR_H
#define PKTLOOM_ERROR_H

#ifdef __cplusplus
extern "C" {
#endif

/**
 * The reason of this thread's last failed call, as one line without a newline.
 *
 * Ownership: the library's; valid until the next failing call of the same thread.
 * Threads:   each thread has its own; never NULL, "" before the first failure.
 *            A call that succeeds leaves the previous message in place.
 */
const char *loom_error(void);

#ifdef __cplusplus
}
#endif
#endif
