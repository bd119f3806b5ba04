/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Waiting for netmap descriptors and others together: what poll, select and epoll_wait share.
 *
 * Devices are looked at first, which syncs them as netmap's poll does. What is ready at once
 * costs no system call if nothing else is waited for. Only then the thread spins for a while,
 * and at last sleeps on the devices' wakeups and the program's other descriptors.
 */
#ifndef PRELOAD_WAIT_H
#define PRELOAD_WAIT_H

#include "handle.h"

#define WAIT_FEW   32u        /* more of them need memory of their own */
#define WAIT_NOT   0u         /* as a deadline: only look */
#define WAIT_EVER  UINT64_MAX /* as a deadline: there is none */
#define WAIT_FRESH UINT64_MAX /* as source.seen: nothing has been */

enum source_kind {
	SOURCE_DEVICE,
	SOURCE_SET,  /* sleeps as this epoll instance: told when it changes (interests.h) */
	SOURCE_NONE, /* only a reference to give back */
};

struct source {
	struct handle *handle; /* a reference is held */
	enum source_kind kind;
	short events, found;
	bool edge;      /* only what is new since `seen` counts */
	uint32_t index; /* whose it is: the caller's business */
	uint32_t epoch; /* SOURCE_SET: when it was joined */
	uint64_t seen, tails;
};

struct wait {
	struct source *sources;
	struct pollfd
	    *fds; /* the caller's, in its order (-1: nothing to ask the kernel), then wakeups */
	uint32_t num_sources, source_room;
	uint32_t num_fds, fd_room;
	uint32_t num_real;    /* of the caller's, those that are not -1 */
	uint32_t num_devices; /* of the sources */
	uint32_t stale;       /* how often in a row news came to nothing */
	struct source few_sources[WAIT_FEW];
	struct pollfd few_fds[WAIT_FEW];
};

void wait_begin(struct wait *wait);

/** Give back references and memory. errno is kept. */
void wait_end(struct wait *wait);

/** 0 or -ENOMEM. Adding a source after reserving for it does not fail. */
int wait_reserve(struct wait *wait, uint32_t num_sources);
int wait_add_fd(struct wait *wait, int fd, short events);

/** Takes over the caller's reference. */
struct source *wait_add_source(struct wait *wait, struct handle *handle, enum source_kind kind);

/**
 * Look, and wait until something is found.
 *
 * @param deadline  os_now_ns() when to give up; WAIT_NOT, WAIT_EVER
 * @param mask      signals to hold back while asleep, as ppoll; or NULL
 * @return > 0 something is in sources[].found or fds[].revents; 0 time is up; -EINTR; …
 */
int wait_run(struct wait *wait, uint64_t deadline, const sigset_t *mask);

/** Deadlines from what the calls are given; negative milliseconds and NULL: WAIT_EVER. */
uint64_t wait_deadline_ms(int timeout_ms);
uint64_t wait_deadline(const struct timespec *timeout);

/** Whether the kernel would take it for a time. */
bool wait_time_is_valid(const struct timespec *time);

#endif
