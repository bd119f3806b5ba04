/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Giving hints (<pktloom/hint.h>). Who finds a reason for one holds locks, as a rule, and does not know yet
 * whether all will go well: it is offered there, and said or forgotten where the call ends.
 */
#ifndef BASE_HINT_H
#define BASE_HINT_H

#include <stdbool.h>

#include <pktloom/hint.h>

/** Keep a hint for this thread until hint_end(); one that was there is replaced. */
void hint_offer(const char *format, ...) __attribute__((format(printf, 1, 2)));

/**
 * Say what this thread was offered since the last hint_end(), if the process has not been told; or forget
 * it. Nothing may be locked.
 */
void hint_end(bool say);

#endif
