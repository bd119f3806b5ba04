/* SPDX-License-Identifier: BSD-2-Clause */
/* One descriptor of any kind in a wait. */
#include "watch.h"

#include "interests.h"
#include "table.h"

bool watch_is_ours(int fd)
{
	const struct handle *h = table_peek(fd);

	/* Another thread may add netmap to an instance while this one sleeps on it. */
	return h && (h->kind == HANDLE_DEVICE || interests_any(h) || !preload_alone());
}

static int watch_device(struct wait *wait, struct handle *handle, short events)
{
	uint32_t index = wait->num_fds;
	struct source *source;
	int err = wait_reserve(wait, 1);

	if (!err)
		err = wait_add_fd(wait, -1, 0);
	if (err) {
		handle_put(handle);
		return err;
	}
	source = wait_add_source(wait, handle, SOURCE_DEVICE);
	source->events = events;
	source->index = index;
	return 0;
}

/* An epoll instance is readable when something in it is ready, in the kernel's part or in ours. */
static int watch_set(struct wait *wait, struct handle *set, int fd, short events)
{
	uint32_t index = wait->num_fds;
	int err = wait_add_fd(wait, fd, events);

	if (!err && (events & (POLLIN | POLLRDNORM)))
		err = interests_watch(set, wait, index);
	handle_put(set);
	return err;
}

int watch_fd(struct wait *wait, int fd, short events)
{
	struct handle *handle = watch_is_ours(fd) ? table_get(fd) : NULL;

	if (!handle)
		return wait_add_fd(wait, fd, events);
	if (handle->kind == HANDLE_DEVICE)
		return watch_device(wait, handle, events);
	return watch_set(wait, handle, fd, events);
}

/* Devices inside an epoll instance are on behalf of it: it is readable, whatever they are. */
void watch_found(
    const struct wait *wait, void (*found)(uint32_t index, short events, void *arg), void *arg)
{
	for (uint32_t i = 0; i < wait->num_sources; i++) {
		const struct source *source = &wait->sources[i];
		bool nested = source->index < wait->num_fds && wait->fds[source->index].fd >= 0;

		if (source->kind == SOURCE_DEVICE && source->found)
			found(source->index, nested ? POLLIN : source->found, arg);
	}
}
