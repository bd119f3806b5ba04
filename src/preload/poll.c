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

/* Whether one of them is ours. */
static bool concerns(const struct pollfd *fds, nfds_t n)
{
	if (preload_inside || (handle_none() && preload_alone()))
		return false;
	for (nfds_t i = 0; i < n; i++)
		if (watch_is_ours(fds[i].fd))
			return true;
	return false;
}

INTERPOSE(int, poll, (struct pollfd * fds, nfds_t n, int timeout_ms))
{
	if (!concerns(fds, n))
		return real()->poll(fds, n, timeout_ms);
	return poll_any(fds, n, wait_deadline_ms(timeout_ms), NULL);
}

INTERPOSE(int, ppoll,
    (struct pollfd * fds, nfds_t n, const struct timespec *timeout, const sigset_t *mask))
{
	if (!concerns(fds, n) || !wait_time_is_valid(timeout))
		return real()->ppoll(fds, n, timeout, mask);
	return poll_any(fds, n, wait_deadline(timeout), mask);
}

/* What fortified programs call; the C library ends those that say there is more than there is. */
INTERPOSE(int, __poll_chk, (struct pollfd * fds, nfds_t n, int timeout_ms, size_t size))
{
	if (size / sizeof *fds < n || !concerns(fds, n))
		return real()->__poll_chk(fds, n, timeout_ms, size);
	return poll_any(fds, n, wait_deadline_ms(timeout_ms), NULL);
}

INTERPOSE(int, __ppoll_chk,
    (struct pollfd * fds, nfds_t n, const struct timespec *timeout, const sigset_t *mask,
	size_t size))
{
	if (size / sizeof *fds < n || !concerns(fds, n) || !wait_time_is_valid(timeout))
		return real()->__ppoll_chk(fds, n, timeout, mask, size);
	return poll_any(fds, n, wait_deadline(timeout), mask);
}
