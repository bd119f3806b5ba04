/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the library needs of the system. One file per system implements it (linux.c); core code has
 * no #ifdef. Functions return 0, a descriptor or a count, and a negative errno on failure; they set
 * no message: their callers know what the operation was for.
 */
#ifndef OS_OS_H
#define OS_OS_H

#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/time.h>
#include <sys/types.h>

struct pollfd;

/** The first line of a small file, with its end; false: there is none. */
bool os_line_read(const char *path, char *line, size_t size);

/* ---- memory ---- */

size_t os_page_size(void);

/** Anonymous shared memory of size bytes, zeroed, close-on-exec; a descriptor to map. */
int os_memory_create(const char *label, size_t size);

/** A descriptor of the same memory that has locks of its own; needs /proc. */
int os_memory_reopen(int fd);

/** Map size bytes of fd, read and write, shared, anywhere; from its beginning or a page further on. */
int os_memory_map(int fd, size_t size, void **out);
int os_memory_map_from(int fd, size_t size, off_t offset, void **out);

/** Replace the pages at `at` (page-aligned, inside a mapping of ours) by those of fd at offset. */
int os_memory_overlay(void *at, size_t size, int fd, off_t offset);

/**
 * Map the pages at `from` once more, to `to`, which replaces what is there, or anywhere for NULL.
 * -EINVAL: the memory there is private, and cannot be had twice.
 */
int os_memory_again(void *from, size_t size, void *to, void **out);

void os_memory_unmap(void *base, size_t size);

/* ---- time ---- */

uint64_t os_now_ns(void); /* monotonic */
void os_wall_clock(struct timeval *out);
/**
 * Whether about five microseconds have passed since *last was set, which is then set anew. Cheap: a
 * cycle counter that does not order the instructions around it. Where there is none: always.
 */
bool os_tick_passed(uint64_t *last);
void os_cpu_relax(void); /* inside a spin loop */

/* ---- locks on bytes of a file: held by an open file, gone with its last descriptor ---- */

/** Take a lock without waiting: 0, or -EAGAIN when somebody else holds a conflicting one. */
int os_lock_byte(int fd, unsigned byte, bool exclusive);

/** Whether somebody else holds any lock on the byte: 1, 0, or a negative errno. */
int os_lock_held(int fd, unsigned byte);

/** Lock a directory for the short time of a change; waits up to timeout_ms; -ETIMEDOUT. */
int os_directory_lock(int dirfd, int timeout_ms);
void os_directory_unlock(int dirfd);

/** Default place for shared objects, without the user's part: a memory file system if there is one. */
const char *os_shared_root(void);

/* ---- wakeups: descriptors that become readable when signalled ---- */

int os_wake_create(void);                      /* private to the process and its children */
int os_wake_open(int dirfd, const char *name); /* by name, created if missing */
void os_wake_signal(int fd);    /* never blocks; the descriptor is readable until it is drained */
uint64_t os_wake_drain(int fd); /* how many signals there were */

/**
 * A descriptor of our own for a wakeup that a program made: 0 or more; -EBADF there is none, -EINVAL
 * it is something else.
 */
int os_wake_adopt(int fd);

/* ---- timers: descriptors that become readable at a time ---- */

int os_timer_create(void);
void os_timer_set(int fd, uint64_t at_ns); /* os_now_ns()'s; 0: never */

/* ---- one descriptor that is readable when any of several is ---- */

int os_pollset_create(void);
int os_pollset_add(int set, int fd, short events);
int os_pollset_change(int set, int fd, short events);
/** Readable once for every signal, whether or not somebody reads fd; until os_pollset_take(). */
int os_pollset_add_edge(int set, int fd);
void os_pollset_take(int set);

/* ---- packets ---- */

/**
 * Have a capturing descriptor not receive what is sent from here. Where the system has no means for that (Linux
 * before 4.20), it goes on receiving it.
 */
void os_capture_leave_out_own(int fd);

/* ---- sleeping ---- */

/**
 * Until a descriptor is ready, the time is over or a signal handler ran; signals are those held back
 * meanwhile. UINT64_MAX: for ever. 0, or a negative errno.
 */
int os_sleep(struct pollfd *fds, unsigned n, uint64_t timeout_ns, const sigset_t *signals);

#endif
