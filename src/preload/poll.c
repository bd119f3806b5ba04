/* SPDX-License-Identifier: BSD-2-Clause */
/* poll and ppoll. */
#include <errno.h>

#include "interests.h"
#include "real.h"
#include "table.h"
#include "watch.h"

static int watch_all(struct wait *wait, const struct pollfd *fds, nfds_t n)
{
	int err = 0;

	for (nfds_t i = 0; i < n && !err; i++)
		err = watch_fd(wait, fds[i].fd, fds[i].events);
	return err;
}

static void add_found(uint32_t index, short events, void *fds)
{
	((struct pollfd *)fds)[index].revents |= events;
}

static int answer(const struct wait *wait, struct pollfd *fds, nfds_t n)
{
	int ready = 0;

	for (nfds_t i = 0; i < n; i++)
		fds[i].revents = wait->fds[i].revents;
	watch_found(wait, add_found, fds);
	for (nfds_t i = 0; i < n; i++)
		ready += fds[i].revents != 0;
	return ready;
}

static int poll_any(struct pollfd *fds, nfds_t n, uint64_t deadline, const sigset_t *mask)
{
	struct wait wait;
	int result, saved = errno;

	wait_begin(&wait);
	result = watch_all(&wait, fds, n);
	if (!result)
		result = wait_run(&wait, deadline, mask);
	if (result >= 0)
		result = answer(&wait, fds, n);
	wait_end(&wait);
	errno = result < 0 ? -result : saved;
	return result < 0 ? -1 : result;
}

enum concern { CONCERN_NONE, CONCERN_SOME, CONCERN_ALL };

/* How many of them are ours. */
static enum concern concern(const struct pollfd *fds, nfds_t n)
{
	enum concern all = CONCERN_ALL, some = CONCERN_NONE;

	if (handle_none() && preload_alone())
		return CONCERN_NONE;
	for (nfds_t i = 0; i < n; i++)
		if (!table_is_device(fds[i].fd))
			all = CONCERN_SOME;
		else
			some = CONCERN_SOME;
	if (some)
		return all;
	for (nfds_t i = 0; i < n; i++)
		if (watch_is_ours(fds[i].fd))
			return CONCERN_SOME;
	return CONCERN_NONE;
}

/* Netmap descriptors alone: what is ready needs nothing that is made for sleeping. */
static int ready_at_once(struct pollfd *fds, nfds_t n)
{
	int ready = 0, saved = errno;

	for (nfds_t i = 0; i < n; i++) {
		bool entered;
		struct handle *handle = table_enter(fds[i].fd, &entered);

		fds[i].revents = 0;
		if (!handle || !entered)
			continue;
		fds[i].revents = handle_look_inside(handle, fds[i].events);
		handle_leave(handle);
		ready += fds[i].revents != 0;
	}
	errno = saved;
	return ready;
}

/* 0: the kernel has to be asked. */
static int at_once(struct pollfd *fds, nfds_t n, enum concern concerned)
{
	return concerned == CONCERN_ALL ? ready_at_once(fds, n) : 0;
}

INTERPOSE(int, poll, (struct pollfd * fds, nfds_t n, int timeout_ms))
{
	enum concern concerned = concern(fds, n);
	int ready;

	if (concerned == CONCERN_NONE)
		return real()->poll(fds, n, timeout_ms);
	ready = at_once(fds, n, concerned);
	return ready ? ready : poll_any(fds, n, wait_deadline_ms(timeout_ms), NULL);
}

INTERPOSE(int, ppoll,
    (struct pollfd * fds, nfds_t n, const struct timespec *timeout, const sigset_t *mask))
{
	enum concern concerned = concern(fds, n);
	int ready;

	if (concerned == CONCERN_NONE || !wait_time_is_valid(timeout))
		return real()->ppoll(fds, n, timeout, mask);
	ready = at_once(fds, n, concerned);
	return ready ? ready : poll_any(fds, n, wait_deadline(timeout), mask);
}

/* What fortified programs call; the C library ends those that say there is more than there is. */
INTERPOSE(int, __poll_chk, (struct pollfd * fds, nfds_t n, int timeout_ms, size_t size))
{
	if (size / sizeof *fds < n)
		return real()->__poll_chk(fds, n, timeout_ms, size);
	return preload_poll(fds, n, timeout_ms);
}

INTERPOSE(int, __ppoll_chk,
    (struct pollfd * fds, nfds_t n, const struct timespec *timeout, const sigset_t *mask,
	size_t size))
{
	if (size / sizeof *fds < n)
		return real()->__ppoll_chk(fds, n, timeout, mask, size);
	return preload_ppoll(fds, n, timeout, mask);
}
