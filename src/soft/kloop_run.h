/* SPDX-License-Identifier: BSD-2-Clause */
/* What happens between the start of a sync loop and its end. */
#ifndef SOFT_KLOOP_RUN_H
#define SOFT_KLOOP_RUN_H

#include <signal.h>
#include <stdint.h>

#include <pktloom/compat/net/netmap.h>

struct soft;

#define KLOOP_STOPPING 0x80000000u

/** The call that a loop runs in. */
struct kloop_call {
	int wake;             /* readable: look at */
	const uint32_t *word; /* … whether KLOOP_STOPPING is in it: it is to stop */
	const sigset_t
	    *signals; /* the thread's own mask, for sleeps: otherwise all are held back */
};

/** Sync the rings until stopped; nobody else does meanwhile. Returns as kloop_start(). */
int kloop_run(struct soft *soft, const struct nmreq_header *header, uint32_t sleep_us,
    const struct kloop_call *call);

#endif
