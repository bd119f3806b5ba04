/* SPDX-License-Identifier: BSD-2-Clause */
/* Opening, closing and duplicating descriptors; reading and writing, which netmap refuses. */
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <sys/eventfd.h>

#include "path.h"
#include "real.h"
#include "table.h"

#ifndef CLOSE_RANGE_CLOEXEC
#define CLOSE_RANGE_CLOEXEC (1U << 2)
#endif

/* ---- open ---- */

static struct handle *device_new(void)
{
	struct device *device;
	struct handle *handle;
	struct guard guard;

	guard_enter(&guard);
	handle = soft_open(&device) == 0 ? handle_new(HANDLE_DEVICE, device, NULL) : NULL;
	guard_leave(&guard);
	return handle;
}

static int open_netmap(int flags)
{
	struct handle *handle = device_new();
	int fd, saved = errno;

	if (!handle) {
		errno = ENOMEM;
		return -1;
	}
	fd = eventfd(
	    0, (flags & O_CLOEXEC ? EFD_CLOEXEC : 0) | (flags & O_NONBLOCK ? EFD_NONBLOCK : 0));
	if (fd >= 0 && !table_set(fd, handle)) {
		real()->close(fd);
		fd = -1;
		errno = EMFILE;
	}
	handle_put(handle); /* the table has its own reference */
	if (fd >= 0)
		errno = saved;
	return fd;
}

/* A number that was closed behind our back (by a raw system call, say) is somebody else's now. */
static int opened(int fd)
{
	table_clear(fd);
	return fd;
}

static mode_t mode_argument(int flags, va_list list)
{
	return (flags & O_CREAT) || (flags & O_TMPFILE) == O_TMPFILE ? va_arg(list, mode_t) : 0;
}

#define OPEN(name, more)                                                                           \
	INTERPOSE(int, name, (const char *path, int flags, ...))                                   \
	{                                                                                          \
		mode_t mode;                                                                       \
		va_list list;                                                                      \
                                                                                                   \
		if (path_is_netmap(path))                                                          \
			return open_netmap(flags);                                                 \
		va_start(list, flags);                                                             \
		mode = mode_argument(flags, list);                                                 \
		va_end(list);                                                                      \
		return opened(real()->open(path, flags | (more), mode));                           \
	}

#define OPENAT(name, more)                                                                         \
	INTERPOSE(int, name, (int directory, const char *path, int flags, ...))                    \
	{                                                                                          \
		mode_t mode;                                                                       \
		va_list list;                                                                      \
                                                                                                   \
		if (path_is_netmap(path))                                                          \
			return open_netmap(flags);                                                 \
		va_start(list, flags);                                                             \
		mode = mode_argument(flags, list);                                                 \
		va_end(list);                                                                      \
		return opened(real()->openat(directory, path, flags | (more), mode));              \
	}

OPEN(open, 0)
OPEN(open64, O_LARGEFILE)
OPEN(__open_2, 0) /* what fortified programs call when they give no mode */
OPEN(__open64_2, O_LARGEFILE)
OPENAT(openat, 0)
OPENAT(openat64, O_LARGEFILE)
OPENAT(__openat_2, 0)
OPENAT(__openat64_2, O_LARGEFILE)

/* ---- close ---- */

/* Out of the table first: afterwards the number may be another thread's. */
INTERPOSE(int, close, (int fd))
{
	table_clear(fd);
	return real()->close(fd);
}

INTERPOSE(int, close_range, (unsigned first, unsigned last, int flags))
{
	if (!(flags & (int)CLOSE_RANGE_CLOEXEC) && first <= last)
		table_clear_range(first, last);
	return real()->close_range(first, last, flags);
}

INTERPOSE(void, closefrom, (int first))
{
	table_clear_range(first < 0 ? 0 : (unsigned)first, ~0u);
	real()->closefrom(first);
}

/* ---- duplicates ---- */

/* fd is a new descriptor of what `handle` (or, if NULL, something that is not ours) stands for. */
static int duplicated(struct handle *handle, int fd)
{
	if (fd < 0)
		return fd;
	if (!handle)
		return opened(fd);
	if (table_set(fd, handle))
		return fd;
	real()->close(fd);
	errno = EMFILE;
	return -1;
}

/* All of them look up first: once the duplicate is there, the original may be gone. */
#define DUPLICATE(old, call)                                                                       \
	struct handle *handle = table_get(old);                                                    \
	int result = duplicated(handle, (call));                                                   \
                                                                                                   \
	if (handle)                                                                                \
		handle_put(handle);                                                                \
	return result

INTERPOSE(int, dup, (int old))
{
	DUPLICATE(old, real()->dup(old));
}

INTERPOSE(int, dup2, (int old, int new))
{
	DUPLICATE(old, real()->dup2(old, new));
}

INTERPOSE(int, dup3, (int old, int new, int flags))
{
	DUPLICATE(old, real()->dup3(old, new, flags));
}

static int fcntl_any(int fd, int command, void *argument)
{
	if (command != F_DUPFD && command != F_DUPFD_CLOEXEC)
		return real()->fcntl(fd, command, argument);
	DUPLICATE(fd, real()->fcntl(fd, command, argument));
}

#define FCNTL(name)                                                                                \
	INTERPOSE(int, name, (int fd, int command, ...))                                           \
	{                                                                                          \
		void *argument;                                                                    \
		va_list list;                                                                      \
                                                                                                   \
		va_start(list, command);                                                           \
		argument = va_arg(list, void *);                                                   \
		va_end(list);                                                                      \
		return fcntl_any(fd, command, argument);                                           \
	}

FCNTL(fcntl)
FCNTL(fcntl64)

/* ---- reading and writing ---- */

static bool refused(int fd)
{
	if (!table_is_device(fd))
		return false;
	errno = EINVAL;
	return true;
}

INTERPOSE(ssize_t, read, (int fd, void *data, size_t len))
{
	return refused(fd) ? -1 : real()->read(fd, data, len);
}

INTERPOSE(ssize_t, __read_chk, (int fd, void *data, size_t len, size_t room))
{
	return refused(fd) ? -1 : real()->__read_chk(fd, data, len, room);
}

INTERPOSE(ssize_t, write, (int fd, const void *data, size_t len))
{
	return refused(fd) ? -1 : real()->write(fd, data, len);
}

INTERPOSE(ssize_t, readv, (int fd, const struct iovec *parts, int n))
{
	return refused(fd) ? -1 : real()->readv(fd, parts, n);
}

INTERPOSE(ssize_t, writev, (int fd, const struct iovec *parts, int n))
{
	return refused(fd) ? -1 : real()->writev(fd, parts, n);
}
