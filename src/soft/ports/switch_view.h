/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A switch as this process sees it: its table, and the memory of its ports, mapped when a sender first
 * meets them. Each TX ring keeps a snapshot, which its own thread alone reads and refreshes, so that
 * sending takes no lock for it.
 */
#ifndef SOFT_PORTS_SWITCH_VIEW_H
#define SOFT_PORTS_SWITCH_VIEW_H

#include <pthread.h>
#include <sys/types.h>

#include "switch_memory.h"

struct switch_view {
	struct switch_view *next;
	dev_t device;
	ino_t inode;
	unsigned references; /* ports of this process; guarded by the registry's lock */
	struct switch_table *table;
	pthread_mutex_t lock; /* guards the list and the references of targets */
	struct switch_target *targets;
};

struct switch_snapshot {
	uint32_t epoch; /* of the table, when it was taken */
	bool complete;
	uint32_t num_others;
	uint8_t others[SWITCH_PORTS];  /* numbers of the targets */
	uint8_t rings[SWITCH_NUMBERS]; /* how many RX rings each target has, 0: there is none */
	struct switch_target
	    *targets[SWITCH_NUMBERS]; /* without the port that the ring belongs to */
};

/** The view of the switch that a share has open; opening and closing need the registry's lock. */
int switch_view_get(const struct share *share, const char *key, struct switch_view **out);
void switch_view_put(struct switch_view *view);

/** A port of this process comes, with its only reference, or goes. */
void switch_view_add(struct switch_view *view, struct switch_target *target);
void switch_view_remove(struct switch_view *view, struct switch_target *target);

/** Take a new snapshot for a TX ring of port `own`. */
void switch_snapshot_refresh(struct switch_snapshot *snapshot, struct switch_view *view,
    const struct share *share, uint32_t own);
void switch_snapshot_clear(struct switch_snapshot *snapshot, struct switch_view *view);

/* Whether a port has come or gone since. */
static inline bool switch_snapshot_is_old(
    const struct switch_snapshot *snapshot, const struct switch_view *view)
{
	/* Pairs with the change of the epoch in switch_table.c. */
	return snapshot->epoch != __atomic_load_n(&view->table->epoch, __ATOMIC_ACQUIRE) ||
	       !snapshot->complete;
}

#endif
