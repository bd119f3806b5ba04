/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The sync loop of CSB mode: SYNC_KLOOP_START syncs the bound rings until somebody sends
 * SYNC_KLOOP_STOP. In netmap it runs inside the kernel, here inside the call, in the caller's thread.
 *
 * With eventfds it sleeps when there is nothing to do: the program writes to a ring's ioeventfd after
 * moving head if the entry's kern_need_kick is set, and the loop writes to its irqfd after moving
 * hwtail if appl_need_kick is. Without, it looks every sleep_us.
 *
 * DIRECT_TX and DIRECT_RX ask a kernel to do the work in the context of whoever kicks. User space has no
 * such context; what can be seen of them is less latency, so they are accepted and change nothing.
 */
#ifndef SOFT_KLOOP_H
#define SOFT_KLOOP_H

#include <stdbool.h>

#include <pktloom/compat/net/netmap.h>

struct soft;
struct kloop_state;

/** What a descriptor needs to start and stop loops. */
struct kloop {
	struct kloop_state *state; /* also the children's after a fork; NULL: never in CSB mode */
	int wake;                  /* for the loop, when it is to stop */
};

/** Before CSB mode. Once is enough; -errno when out of memory or descriptors. */
int kloop_prepare(struct kloop *kloop);

/** End a loop that a thread of this process runs, wait until it has, give everything back. */
void kloop_close(struct kloop *kloop);

bool kloop_is_running(const struct kloop *kloop);

/**
 * Run a loop in this thread.
 *
 * @return 0 stopped; -EINTR by a signal handler; -ENXIO not bound; -EINVAL not in CSB mode, or the
 *         request makes no sense; -EBUSY one is running; or what ended the port
 */
int kloop_start(struct soft *soft, const struct nmreq_header *header);

/**
 * Stop the loop, and wait until it has; from a signal handler that interrupted the loop, don't wait.
 * Stopping none makes the next one stop at once: its start may be on its way already.
 *
 * @return 0; -ENXIO not bound
 */
int kloop_stop(struct soft *soft);

#endif
