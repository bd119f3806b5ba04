/* SPDX-License-Identifier: BSD-2-Clause */
/* The loop behind every waiting call. */
#include "wait.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "../os/os.h"
#include "interests.h"
#include "real.h"

#define SPIN_US 50u /* about what a sleep and a wakeup cost: bench row pipe_rtt_sleep */
#define NAP_NS  1000000u
#define STALE   4u

/* ---- what to wait for ---- */

void wait_begin(struct wait *w)
{
	w->sources = w->few_sources;
	w->fds = w->few_fds;
	w->source_room = w->fd_room = WAIT_FEW;
	w->num_sources = w->num_fds = w->num_real = w->num_devices = w->stale = 0;
}

static void give_back(const struct source *source)
{
	if (source->kind == SOURCE_SET)
		interests_leave(source->handle, source->epoch);
	handle_put(source->handle);
}

void wait_end(struct wait *w)
{
	int saved = errno;

	for (uint32_t i = 0; i < w->num_sources; i++)
		give_back(&w->sources[i]);
	if (w->sources != w->few_sources)
		real()->munmap(w->sources, w->source_room * sizeof *w->sources);
	if (w->fds != w->few_fds)
		real()->munmap(w->fds, w->fd_room * sizeof *w->fds);
	wait_begin(w);
	errno = saved;
}

/* Not malloc(): poll() may be called where malloc() may not, from a signal handler. */
static void *grow(
    void *old, size_t unit, uint32_t used, uint32_t *room, bool owned, uint32_t wanted)
{
	uint32_t more = *room * 2 > wanted ? *room * 2 : wanted;
	void *new = real()->mmap(
	    NULL, more * unit, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (new == MAP_FAILED)
		return NULL;
	memcpy(new, old, used * unit);
	if (owned)
		real()->munmap(old, *room * unit);
	*room = more;
	return new;
}

static int reserve_fds(struct wait *w, uint32_t wanted)
{
	void *fds;

	if (wanted <= w->fd_room)
		return 0;
	fds = grow(w->fds, sizeof *w->fds, w->num_fds, &w->fd_room, w->fds != w->few_fds, wanted);
	if (!fds)
		return -ENOMEM;
	w->fds = fds;
	return 0;
}

int wait_reserve(struct wait *w, uint32_t num_sources)
{
	uint32_t wanted = w->num_sources + num_sources;
	void *sources;

	if (wanted <= w->source_room)
		return 0;
	sources = grow(w->sources, sizeof *w->sources, w->num_sources, &w->source_room,
	    w->sources != w->few_sources, wanted);
	if (!sources)
		return -ENOMEM;
	w->sources = sources;
	return 0;
}

int wait_add_fd(struct wait *w, int fd, short events)
{
	int err = reserve_fds(w, w->num_fds + 1);

	if (err)
		return err;
	w->fds[w->num_fds++] = (struct pollfd){.fd = fd, .events = events};
	w->num_real += fd >= 0;
	return 0;
}

struct source *wait_add_source(struct wait *w, struct handle *handle, enum source_kind kind)
{
	struct source *source = &w->sources[w->num_sources++];

	*source = (struct source){.handle = handle, .kind = kind};
	w->num_devices += kind == SOURCE_DEVICE;
	return source;
}

/* ---- looking ---- */

static bool look_at(struct source *source)
{
	if (source->kind != SOURCE_DEVICE)
		return false;
	source->found =
	    handle_look(source->handle, source->events, source->edge ? &source->tails : NULL);
	if (source->edge && source->tails == source->seen)
		source->found = 0;
	return source->found != 0;
}

static int look(struct wait *w)
{
	int n = 0;

	for (uint32_t i = 0; i < w->num_sources; i++)
		n += look_at(&w->sources[i]);
	return n;
}

static void nothing_real(struct wait *w)
{
	for (uint32_t i = 0; i < w->num_fds; i++)
		w->fds[i].revents = 0;
}

/* n sources are ready: ask the kernel for the rest without waiting. */
static int look_at_others(struct wait *w, int n, const sigset_t *mask)
{
	const struct timespec now = {0};
	int r;

	if (w->num_real == 0 && (n || !mask))
		return n;
	r = real()->ppoll(w->fds, w->num_fds, &now, n ? NULL : mask);
	if (r >= 0)
		return n + r;
	nothing_real(w);
	return n ? n : -errno;
}

static uint64_t spin_ns(void)
{
	static uint64_t chosen = UINT64_MAX;
	uint64_t ns = __atomic_load_n(&chosen, __ATOMIC_RELAXED);
	const char *wanted;

	if (ns != UINT64_MAX)
		return ns;
	wanted = getenv("PKTLOOM_SPIN_US");
	ns = (wanted ? strtoul(wanted, NULL, 10) % 1000000 : SPIN_US) * 1000;
	__atomic_store_n(&chosen, ns, __ATOMIC_RELAXED);
	return ns;
}

static int spin(struct wait *w, uint64_t deadline)
{
	uint64_t end = os_now_ns() + spin_ns();
	int n = 0;

	if (end > deadline)
		end = deadline;
	while (n == 0 && os_now_ns() < end) {
		os_cpu_relax();
		n = look(w);
	}
	return n;
}

/* ---- sleeping ---- */

/* One source's wakeups after those that are there already. */
static int arm_one(struct wait *w, const struct source *source, uint32_t used)
{
	int n;

	if (source->kind != SOURCE_DEVICE)
		return 0;
	n = handle_arm(source->handle, source->events, &w->fds[used], w->fd_room - used);
	if (n < 0 || (uint32_t)n <= w->fd_room - used)
		return n;
	/* Arming once more does no harm, and now there is room. num_fds keeps what was armed before. */
	w->num_fds = used;
	if (reserve_fds(w, used + (uint32_t)n) != 0)
		return -ENOMEM;
	return handle_arm(source->handle, source->events, &w->fds[used], w->fd_room - used);
}

/* How many wakeups, or -EAGAIN: there is news, or another error. */
static int arm(struct wait *w)
{
	uint32_t own = w->num_fds, used = own;
	int n = 0;

	for (uint32_t i = 0; i < w->num_sources && n >= 0; i++) {
		n = arm_one(w, &w->sources[i], used);
		used += n > 0 ? (uint32_t)n : 0;
	}
	w->num_fds = own;
	return n < 0 ? n : (int)(used - own);
}

static struct timespec *time_left(uint64_t deadline, uint64_t most, struct timespec *out)
{
	uint64_t now = os_now_ns(), left = most;

	if (deadline != WAIT_EVER && (deadline < now || deadline - now < most))
		left = deadline > now ? deadline - now : 0;
	*out = (struct timespec){
	    .tv_sec = (time_t)(left / 1000000000u), .tv_nsec = (long)(left % 1000000000u)};
	return left == WAIT_EVER ? NULL : out;
}

static int count_real(struct wait *w, int polled)
{
	int n = 0;

	if (polled < 0)
		nothing_real(w);
	for (uint32_t i = 0; i < w->num_fds; i++)
		n += w->fds[i].revents != 0;
	return n;
}

/*
 * News that come to nothing are possible (an edge that was seen already); and descriptors for wakeups may
 * be used up. Then look again every now and then instead of sleeping soundly.
 */
static int sleep_once(struct wait *w, uint64_t deadline, const sigset_t *mask)
{
	int wakeups = arm(w), slept, err, n;
	struct timespec left;

	if (wakeups == -EAGAIN && w->stale++ < STALE) {
		n = look(w);
		return n ? look_at_others(w, n, mask) : 0;
	}
	if (wakeups >= 0)
		w->stale = 0;
	slept = real()->ppoll(w->fds, w->num_fds + (nfds_t)(wakeups > 0 ? wakeups : 0),
	    time_left(deadline, wakeups < 0 ? NAP_NS : WAIT_EVER, &left), mask);
	err = errno;
	n = look(w) + count_real(w, slept);
	return n == 0 && slept < 0 ? -err : n;
}

static int run(struct wait *w, uint64_t deadline, const sigset_t *mask)
{
	int n = look(w);

	if (n || deadline == WAIT_NOT)
		return look_at_others(w, n, mask);
	if (w->num_devices > 0) {
		n = look_at_others(w, 0, NULL);
		if (n)
			return n;
		n = spin(w, deadline);
		if (n)
			return look_at_others(w, n, NULL);
	}
	do
		n = sleep_once(w, deadline, mask);
	while (n == 0 && os_now_ns() < deadline);
	return n;
}

static void cancelled(void *wait)
{
	wait_end(wait);
}

int wait_run(struct wait *w, uint64_t deadline, const sigset_t *mask)
{
	int n;

	pthread_cleanup_push(cancelled, w);
	n = run(w, deadline, mask);
	pthread_cleanup_pop(0);
	return n;
}

/* ---- time ---- */

bool wait_time_is_valid(const struct timespec *time)
{
	return !time || (time->tv_sec >= 0 && time->tv_nsec >= 0 && time->tv_nsec < 1000000000);
}

uint64_t wait_deadline(const struct timespec *timeout)
{
	uint64_t seconds, now;

	if (!timeout)
		return WAIT_EVER;
	if (timeout->tv_sec == 0 && timeout->tv_nsec == 0)
		return WAIT_NOT;
	now = os_now_ns();
	seconds = (uint64_t)timeout->tv_sec;
	if (seconds >= (UINT64_MAX - now) / 1000000000u - 1)
		return WAIT_EVER;
	return now + seconds * 1000000000u + (uint64_t)timeout->tv_nsec;
}

uint64_t wait_deadline_ms(int timeout_ms)
{
	const struct timespec timeout = {
	    .tv_sec = timeout_ms / 1000, .tv_nsec = (long)(timeout_ms % 1000) * 1000000};

	return wait_deadline(timeout_ms < 0 ? NULL : &timeout);
}
