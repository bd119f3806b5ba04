/* SPDX-License-Identifier: BSD-2-Clause */
/* select and pselect, by way of what poll does. */
#include <errno.h>
#include <string.h>

#include "../os/os.h"
#include "real.h"
#include "table.h"
#include "watch.h"

/* What makes a descriptor readable, writable and exceptional for select(), in poll()'s terms. */
#define READABLE    (POLLIN | POLLRDNORM | POLLRDBAND | POLLHUP | POLLERR)
#define WRITABLE    (POLLOUT | POLLWRNORM | POLLWRBAND | POLLERR)
#define EXCEPTIONAL POLLPRI

struct sets {
	int n;
	fd_set *in, *out, *except;
};

/* The C library's macros stop at FD_SETSIZE; the kernel does not, and programs allocate larger sets. */
#define WORD_BITS ((unsigned)(8 * sizeof(long)))

static bool has(const fd_set *set, int fd)
{
	unsigned long word;

	if (!set)
		return false;
	memcpy(&word, (const char *)set + (unsigned)fd / WORD_BITS * sizeof word, sizeof word);
	return word >> ((unsigned)fd % WORD_BITS) & 1;
}

static void put(fd_set *set, int fd, bool value)
{
	char *at = (char *)set + (unsigned)fd / WORD_BITS * sizeof(unsigned long);
	unsigned long word, bit = 1ul << ((unsigned)fd % WORD_BITS);

	memcpy(&word, at, sizeof word);
	word = value ? word | bit : word & ~bit;
	memcpy(at, &word, sizeof word);
}

static short wanted(const struct sets *s, int fd)
{
	return (short)((has(s->in, fd) ? POLLIN | POLLRDNORM | POLLRDBAND : 0) |
		       (has(s->out, fd) ? POLLOUT | POLLWRNORM | POLLWRBAND : 0) |
		       (has(s->except, fd) ? POLLPRI : 0));
}

/* Places in the wait are those of descriptors that are asked for, in their order. */
static int watch_all(struct wait *wait, const struct sets *s)
{
	int err = 0;

	for (int fd = 0; fd < s->n && !err; fd++) {
		short events = wanted(s, fd);

		if (events)
			err = watch_fd(wait, fd, events);
	}
	return err;
}

static void add_found(uint32_t index, short events, void *wait)
{
	((struct wait *)wait)->fds[index].revents |= events;
}

static int answer_one(fd_set *set, int fd, bool value)
{
	if (!has(set, fd))
		return 0;
	put(set, fd, value);
	return value;
}

static int answer(struct wait *wait, const struct sets *s)
{
	const struct pollfd *place = wait->fds;
	int ready = 0;

	for (uint32_t i = 0; i < wait->num_fds; i++)
		if (wait->fds[i].revents & POLLNVAL)
			return -EBADF;
	watch_found(wait, add_found, wait);
	for (int fd = 0; fd < s->n; fd++) {
		short found;

		if (!wanted(s, fd))
			continue;
		found = place++->revents;
		ready += answer_one(s->in, fd, found & READABLE);
		ready += answer_one(s->out, fd, found & WRITABLE);
		ready += answer_one(s->except, fd, found & EXCEPTIONAL);
	}
	return ready;
}

static int select_any(const struct sets *s, uint64_t deadline, const sigset_t *mask)
{
	struct wait wait;
	int result, saved = errno;

	wait_begin(&wait);
	result = watch_all(&wait, s);
	if (!result)
		result = wait_run(&wait, deadline, mask);
	if (result >= 0)
		result = answer(&wait, s);
	wait_end(&wait);
	errno = result < 0 ? -result : saved;
	return result < 0 ? -1 : result;
}

static bool concerns(const struct sets *s)
{
	if (handle_none() && preload_alone())
		return false;
	for (int fd = 0; fd < s->n; fd++)
		if (watch_is_ours(fd) && wanted(s, fd))
			return true;
	return false;
}

/* Linux tells a program how much of its time is left. */
static void time_left(uint64_t deadline, struct timeval *timeout)
{
	uint64_t now, left;

	if (!timeout)
		return;
	now = os_now_ns();
	left = deadline > now ? (deadline - now) / 1000 : 0;
	timeout->tv_sec = (time_t)(left / 1000000);
	timeout->tv_usec = (suseconds_t)(left % 1000000);
}

INTERPOSE(int, select, (int n, fd_set *in, fd_set *out, fd_set *except, struct timeval *timeout))
{
	const struct sets sets = {.n = n, .in = in, .out = out, .except = except};
	struct timespec time = {0};
	uint64_t deadline;
	int result;

	if (timeout)
		time = (struct timespec){.tv_sec = timeout->tv_sec + timeout->tv_usec / 1000000,
		    .tv_nsec = timeout->tv_usec % 1000000 * 1000};
	if (!concerns(&sets) || !wait_time_is_valid(&time))
		return real()->select(n, in, out, except, timeout);
	deadline = wait_deadline(timeout ? &time : NULL);
	result = select_any(&sets, deadline, NULL);
	time_left(deadline, timeout);
	return result;
}

INTERPOSE(int, pselect,
    (int n, fd_set *in, fd_set *out, fd_set *except, const struct timespec *timeout,
	const sigset_t *mask))
{
	const struct sets sets = {.n = n, .in = in, .out = out, .except = except};

	if (!concerns(&sets) || !wait_time_is_valid(timeout))
		return real()->pselect(n, in, out, except, timeout, mask);
	return select_any(&sets, wait_deadline(timeout), mask);
}
