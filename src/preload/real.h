/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The C library's own functions, behind the ones that this library puts in front of them, and how
 * such a function is defined.
 *
 * The core that is linked into this library calls open, close, mmap and the rest by their usual
 * names, and so comes through here too. That is harmless: its descriptors are not in the table,
 * and no lock of this folder is held while a device is called.
 */
#ifndef PRELOAD_REAL_H
#define PRELOAD_REAL_H

#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/epoll.h>
#include <sys/select.h>
#include <sys/socket.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <time.h>

/* clang-format off */
#define REAL_FUNCTIONS(X)                                                                          \
	X(int, open, (const char *, int, ...))                                                     \
	X(int, openat, (int, const char *, int, ...))                                              \
	X(int, access, (const char *, int))                                                        \
	X(int, eaccess, (const char *, int))                                                       \
	X(int, euidaccess, (const char *, int))                                                    \
	X(int, faccessat, (int, const char *, int, int))                                           \
	X(int, stat, (const char *, void *))                                                       \
	X(int, stat64, (const char *, void *))                                                     \
	X(int, lstat, (const char *, void *))                                                      \
	X(int, lstat64, (const char *, void *))                                                    \
	X(int, fstat, (int, void *))                                                               \
	X(int, fstat64, (int, void *))                                                             \
	X(int, fstatat, (int, const char *, void *, int))                                          \
	X(int, fstatat64, (int, const char *, void *, int))                                        \
	X(int, statx, (int, const char *, int, unsigned, void *))                                  \
	X(int, __xstat, (int, const char *, void *))                                               \
	X(int, __xstat64, (int, const char *, void *))                                             \
	X(int, __lxstat, (int, const char *, void *))                                              \
	X(int, __lxstat64, (int, const char *, void *))                                            \
	X(int, __fxstat, (int, int, void *))                                                       \
	X(int, __fxstat64, (int, int, void *))                                                     \
	X(int, __fxstatat, (int, int, const char *, void *, int))                                  \
	X(int, __fxstatat64, (int, int, const char *, void *, int))                                \
	X(int, close, (int))                                                                       \
	X(int, close_range, (unsigned, unsigned, int))                                             \
	X(void, closefrom, (int))                                                                  \
	X(int, dup, (int))                                                                         \
	X(int, dup2, (int, int))                                                                   \
	X(int, dup3, (int, int, int))                                                              \
	X(int, fcntl, (int, int, ...))                                                             \
	X(int, ioctl, (int, unsigned long, ...))                                                   \
	X(ssize_t, read, (int, void *, size_t))                                                    \
	X(ssize_t, __read_chk, (int, void *, size_t, size_t))                                      \
	X(ssize_t, write, (int, const void *, size_t))                                             \
	X(ssize_t, readv, (int, const struct iovec *, int))                                        \
	X(ssize_t, writev, (int, const struct iovec *, int))                                       \
	X(ssize_t, sendmsg, (int, const struct msghdr *, int))                                     \
	X(int, sendmmsg, (int, struct mmsghdr *, unsigned, int))                                   \
	X(ssize_t, recvmsg, (int, struct msghdr *, int))                                           \
	X(int, recvmmsg, (int, struct mmsghdr *, unsigned, int, struct timespec *))                \
	X(void *, mmap, (void *, size_t, int, int, int, off_t))                                    \
	X(int, munmap, (void *, size_t))                                                           \
	X(void *, mremap, (void *, size_t, size_t, int, ...))                                      \
	X(int, poll, (struct pollfd *, nfds_t, int))                                               \
	X(int, __poll_chk, (struct pollfd *, nfds_t, int, size_t))                                 \
	X(int, ppoll, (struct pollfd *, nfds_t, const struct timespec *, const sigset_t *))        \
	X(int, __ppoll_chk,                                                                        \
	    (struct pollfd *, nfds_t, const struct timespec *, const sigset_t *, size_t))          \
	X(int, select, (int, fd_set *, fd_set *, fd_set *, struct timeval *))                      \
	X(int, pselect,                                                                            \
	    (int, fd_set *, fd_set *, fd_set *, const struct timespec *, const sigset_t *))        \
	X(int, epoll_create, (int))                                                                \
	X(int, epoll_create1, (int))                                                               \
	X(int, epoll_ctl, (int, int, int, struct epoll_event *))                                   \
	X(int, epoll_wait, (int, struct epoll_event *, int, int))                                  \
	X(int, epoll_pwait, (int, struct epoll_event *, int, int, const sigset_t *))               \
	X(int, epoll_pwait2,                                                                       \
	    (int, struct epoll_event *, int, const struct timespec *, const sigset_t *))
/* clang-format on */

/* NOLINTNEXTLINE(bugprone-macro-parentheses): a declaration, not an expression */
#define REAL_FIELD(type, name, arguments) type(*name) arguments;
struct real {
	REAL_FUNCTIONS(REAL_FIELD)
};
#undef REAL_FIELD

extern struct real real_functions;
extern bool real_ready;
void real_resolve(void);

/** Resolved at the first call: other libraries' constructors may run before ours. */
static inline const struct real *real(void)
{
	if (__builtin_expect(!__atomic_load_n(&real_ready, __ATOMIC_ACQUIRE), 0))
		real_resolve();
	return &real_functions;
}

/**
 * Define the function that takes the place of `name`. It is called preload_name here, so that the C
 * library's own declaration, with its redirections and attributes, does not get in the way.
 */
#define INTERPOSE(type, name, arguments)                                                           \
	type preload_##name arguments __asm__(#name);                                              \
	type preload_##name arguments

#endif
