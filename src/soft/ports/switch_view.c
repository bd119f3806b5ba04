/* SPDX-License-Identifier: BSD-2-Clause */
/* Which ports of a switch this process knows, and how long their memory stays mapped. */
#include "switch_view.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "../../base/error.h"
#include "switch_table.h"

static struct switch_view *views; /* guarded by the registry's lock */

static int view_new(const struct share *share, const char *key, struct switch_view **out)
{
	struct switch_view *view = calloc(1, sizeof *view);
	int err;

	if (!view)
		return error_set(-ENOMEM, "out of memory for the switch \"%s\"", key);
	err = switch_table_map(share, key, &view->table);
	if (err) {
		free(view);
		return err;
	}
	pthread_mutex_init(&view->lock, NULL);
	view->next = views;
	views = view;
	*out = view;
	return 0;
}

int switch_view_get(const struct share *share, const char *key, struct switch_view **out)
{
	struct switch_view *view;
	struct stat st;
	int err;

	if (fstat(share->fd, &st) != 0)
		return error_set(-errno, "cannot look at the shared object of \"%s\"", key);
	for (view = views; view; view = view->next)
		if (view->device == st.st_dev && view->inode == st.st_ino)
			break;
	if (!view) {
		err = view_new(share, key, &view);
		if (err)
			return err;
		view->device = st.st_dev;
		view->inode = st.st_ino;
	}
	view->references++;
	*out = view;
	return 0;
}

static void unlink_target(struct switch_view *view, const struct switch_target *target)
{
	struct switch_target **at = &view->targets;

	while (*at != target)
		at = &(*at)->next;
	*at = target->next;
}

/*
 * Nobody knows the target any more. The region of one that was open here is counted under the registry's
 * lock, which a sender does not have: such a target waits in the list for the next opening or closing.
 */
static void let_go(struct switch_view *view, struct switch_target *target)
{
	if (--target->references > 0 || target->region)
		return;
	unlink_target(view, target);
	switch_target_free(target);
}

static void reap(struct switch_view *view)
{
	struct switch_target **at = &view->targets, *target;

	while ((target = *at)) {
		if (target->references > 0) {
			at = &target->next;
			continue;
		}
		*at = target->next;
		switch_target_free(target);
	}
}

void switch_view_put(struct switch_view *view)
{
	struct switch_view **at = &views;

	if (--view->references > 0)
		return;
	while (*at != view)
		at = &(*at)->next;
	*at = view->next;
	reap(view);
	switch_table_unmap(view->table);
	pthread_mutex_destroy(&view->lock);
	free(view);
}

void switch_view_add(struct switch_view *view, struct switch_target *target)
{
	pthread_mutex_lock(&view->lock);
	reap(view);
	target->references = 1;
	target->next = view->targets;
	view->targets = target;
	pthread_mutex_unlock(&view->lock);
}

void switch_view_remove(struct switch_view *view, struct switch_target *target)
{
	pthread_mutex_lock(&view->lock);
	target->references--;
	reap(view);
	pthread_mutex_unlock(&view->lock);
}

/* The port's memory, mapped now if it is not yet; NULL if it cannot be had. */
static struct switch_target *target_get(struct switch_view *view, const struct share *share,
    uint32_t number, uint32_t generation, int *err)
{
	struct switch_target *target = view->targets;

	while (target && (target->number != number || target->generation != generation))
		target = target->next;
	if (!target) {
		int failed = switch_target_map(share, number, generation, &target);

		if (failed) {
			*err = failed;
			return NULL;
		}
		target->next = view->targets;
		view->targets = target;
	}
	target->references++;
	return target;
}

/* A port that is gone again, or was made by another version, will not be had by trying again. */
static bool is_final(int err)
{
	return err == 0 || err == -ENOENT || err == -EPROTO;
}

static int number_refresh(struct switch_snapshot *snapshot, struct switch_view *view,
    const struct share *share, uint32_t number)
{
	uint32_t generation = switch_table_generation(view->table, number);
	struct switch_target **target = &snapshot->targets[number];
	int err = 0;

	if (*target && (*target)->generation != generation) {
		let_go(view, *target);
		*target = NULL;
	}
	if (!*target && switch_is_live(generation))
		*target = target_get(view, share, number, generation, &err);
	snapshot->rings[number] = *target ? (uint8_t)(*target)->shape.rx_rings : 0;
	if (*target)
		snapshot->others[snapshot->num_others++] = (uint8_t)number;
	return err;
}

void switch_snapshot_refresh(struct switch_snapshot *snapshot, struct switch_view *view,
    const struct share *share, uint32_t own)
{
	pthread_mutex_lock(&view->lock);
	snapshot->epoch = __atomic_load_n(&view->table->epoch, __ATOMIC_ACQUIRE);
	snapshot->num_others = 0;
	snapshot->complete = true;
	for (uint32_t number = 1; number <= SWITCH_PORTS; number++)
		if (number != own && !is_final(number_refresh(snapshot, view, share, number)))
			snapshot->complete = false;
	pthread_mutex_unlock(&view->lock);
}

void switch_snapshot_clear(struct switch_snapshot *snapshot, struct switch_view *view)
{
	pthread_mutex_lock(&view->lock);
	for (uint32_t number = 1; number <= SWITCH_PORTS; number++)
		if (snapshot->targets[number])
			let_go(view, snapshot->targets[number]);
	*snapshot = (struct switch_snapshot){0};
	pthread_mutex_unlock(&view->lock);
}
