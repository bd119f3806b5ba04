/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * epoll. Netmap descriptors are kept here (interests.h), all others in the kernel; waiting looks at both.
 * Edge-triggered means: reported when a bound ring's tail has moved since the last report.
 */
#include <errno.h>
#include <pthread.h>

#include "../os/os.h"
#include "interests.h"
#include "real.h"
#include "table.h"

/* ---- epoll_create, epoll_ctl ---- */

/* An instance that we have not seen before: its descriptor came from somewhere else. */
static struct handle *set_new(int epfd)
{
	struct interests *interests;
	struct handle *set = NULL;
	struct guard guard;

	guard_enter(&guard);
	interests = interests_new();
	if (interests)
		set = handle_new(HANDLE_EPOLL, NULL, interests);
	if (interests && !set)
		interests_free(interests);
	guard_leave(&guard);
	if (set && table_set(epfd, set))
		return set;
	if (set)
		handle_put(set);
	return NULL;
}

/* Known from the start, so that one that is added to another is recognised. */
static int created(int epfd)
{
	struct handle *set = epfd >= 0 && !preload_inside ? set_new(epfd) : NULL;

	if (set)
		handle_put(set);
	return epfd;
}

INTERPOSE(int, epoll_create, (int size))
{
	return created(real()->epoll_create(size));
}

INTERPOSE(int, epoll_create1, (int flags))
{
	return created(real()->epoll_create1(flags));
}

static struct handle *set_of(int epfd)
{
	struct handle *set = table_get(epfd);

	if (set)
		return set;
	set = set_new(epfd);
	if (set)
		__atomic_store_n(&set->mixed, true, __ATOMIC_RELAXED);
	return set;
}

/*
 * A netmap descriptor does not go into the kernel's part, but the kernel is asked all the same: for one
 * that is not there it answers ENOENT, once it has found everything else in order.
 */
static int device_ctl(
    int epfd, int operation, int fd, struct handle *target, struct epoll_event *event)
{
	int probe = operation == EPOLL_CTL_ADD ? EPOLL_CTL_MOD : operation;
	int saved = errno, err;
	struct handle *set;

	if (real()->epoll_ctl(epfd, probe, fd, event) == 0 || errno != ENOENT)
		return errno == ENOENT ? 0 : -1;
	set = set_of(epfd);
	if (!set) {
		errno = ENOMEM;
		return -1;
	}
	err = interests_change(set, epfd, operation, target, event);
	handle_put(set);
	errno = err ? -err : saved;
	return err ? -1 : 0;
}

/* An instance inside another one is in the kernel's part, and in ours for what it may have of netmap. */
static int nested_ctl(
    int epfd, int operation, int fd, struct handle *target, struct epoll_event *event)
{
	int result = real()->epoll_ctl(epfd, operation, fd, event);
	struct handle *set = result == 0 ? set_of(epfd) : NULL;

	if (!set)
		return result;
	__atomic_store_n(&set->mixed, true, __ATOMIC_RELAXED);
	interests_change(set, epfd, operation, target, event);
	handle_put(set);
	return result;
}

INTERPOSE(int, epoll_ctl, (int epfd, int operation, int fd, struct epoll_event *event))
{
	struct handle *target = table_get(fd), *set;
	int result;

	if (!target) {
		set = table_peek(epfd);
		if (set && operation == EPOLL_CTL_ADD)
			__atomic_store_n(&set->mixed, true, __ATOMIC_RELAXED);
		return real()->epoll_ctl(epfd, operation, fd, event);
	}
	result = (target->kind == HANDLE_DEVICE ? device_ctl : nested_ctl)(
	    epfd, operation, fd, target, event);
	handle_put(target);
	return result;
}

/* ---- waiting ---- */

enum epoll_form { FORM_WAIT, FORM_PWAIT, FORM_PWAIT2 };

/* One call of epoll_wait or its kin, as the program made it. */
struct epoll_call {
	enum epoll_form form;
	int epfd;
	struct epoll_event *events;
	int room;
	int timeout_ms;
	const struct timespec *timeout;
	const sigset_t *mask;
	uint64_t deadline;
};

static int real_wait(const struct epoll_call *c)
{
	switch (c->form) {
	case FORM_WAIT:
		return real()->epoll_wait(c->epfd, c->events, c->room, c->timeout_ms);
	case FORM_PWAIT:
		return real()->epoll_pwait(c->epfd, c->events, c->room, c->timeout_ms, c->mask);
	default:
		return real()->epoll_pwait2(c->epfd, c->events, c->room, c->timeout, c->mask);
	}
}

/*
 * With room for both, neither side can push the other out: the kernel's part gets at least half,
 * netmap's what is left. With room for one event they take turns.
 */
static int netmap_room(struct handle *set, int room)
{
	bool turn = __atomic_load_n(&set->turn, __ATOMIC_RELAXED);

	if (room > 1)
		return room / 2;
	__atomic_store_n(&set->turn, !turn, __ATOMIC_RELAXED);
	return turn;
}

static int gather(struct handle *set, const struct wait *wait, const struct epoll_call *c)
{
	bool others = wait->fds[0].revents != 0;
	int room = others ? netmap_room(set, c->room) : c->room, more;
	int n = interests_collect(set, wait, HANDLE_DEVICE, c->events, 0, room);

	if (others && n < c->room) {
		more = real()->epoll_wait(c->epfd, c->events + n, c->room - n, 0);
		if (more < 0 && n == 0)
			return -errno;
		n += more > 0 ? interests_filter(set, c->events + n, more) : 0;
	}
	return n + interests_collect(set, wait, HANDLE_EPOLL, c->events, n, c->room);
}

/* The kernel's part is always slept on (the kick comes through it), but only looked at for a reason. */
static int watch_set(struct handle *set, struct wait *wait, int epfd)
{
	int err = wait_add_fd(wait, epfd, POLLIN);

	if (!__atomic_load_n(&set->mixed, __ATOMIC_RELAXED))
		wait->num_real = 0;
	return err ? err : interests_watch(set, wait, INTEREST_OWN);
}

/* -EAGAIN: what was found has gone to another thread. */
static int wait_once(struct handle *set, const struct epoll_call *c)
{
	struct wait wait;
	int n, state;

	wait_begin(&wait);
	n = watch_set(set, &wait, c->epfd);
	if (!n)
		n = wait_run(&wait, c->deadline, c->mask);
	if (n > 0) {
		/* Asking the kernel is a cancellation point, and references are held. */
		pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &state);
		n = gather(set, &wait, c);
		pthread_setcancelstate(state, &state);
		if (n == 0)
			n = -EAGAIN;
	}
	wait_end(&wait);
	return n;
}

static int wait_both(struct handle *set, const struct epoll_call *c)
{
	int n;

	do
		n = wait_once(set, c);
	while (n == -EAGAIN && os_now_ns() < c->deadline);
	return n == -EAGAIN ? 0 : n;
}

struct joined {
	struct handle *set;
	uint32_t epoch;
};

static void leave(void *joined)
{
	const struct joined *j = joined;

	interests_leave(j->set, j->epoch);
}

/* Nothing of netmap in it yet, but another thread may add something meanwhile. -EAGAIN: it did. */
static int wait_kernel(struct handle *set, const struct epoll_call *c)
{
	struct joined joined = {.set = set, .epoch = interests_join(set)};
	int n, kept;

	if (interests_any(set)) {
		leave(&joined);
		return -EAGAIN;
	}
	pthread_cleanup_push(leave, &joined);
	n = real_wait(c);
	pthread_cleanup_pop(1);
	if (n < 0)
		return -errno;
	kept = interests_filter(set, c->events, n);
	return n > 0 && kept == 0 ? -EAGAIN : kept;
}

static void put(void *set)
{
	handle_put(set);
}

static int wait_any(const struct epoll_call *c)
{
	struct handle *set = table_get(c->epfd);
	int saved = errno, n = -EAGAIN;

	if (!set)
		return real_wait(c);
	pthread_cleanup_push(put, set);
	if (set->kind != HANDLE_EPOLL)
		n = -EINVAL;
	else if (!interests_any(set))
		n = wait_kernel(set, c);
	if (n == -EAGAIN)
		n = wait_both(set, c);
	pthread_cleanup_pop(1);
	errno = n < 0 ? -n : saved;
	return n < 0 ? -1 : n;
}

/* Whether the kernel alone can answer. Without other threads, nobody will add netmap to it meanwhile. */
static bool is_plain(int epfd, int room)
{
	const struct handle *set = table_peek(epfd);

	if (!set || room <= 0)
		return true;
	return preload_alone() && (handle_none() || !interests_any(set));
}

INTERPOSE(int, epoll_wait, (int epfd, struct epoll_event *events, int room, int timeout_ms))
{
	struct epoll_call c = {.form = FORM_WAIT,
	    .epfd = epfd,
	    .events = events,
	    .room = room,
	    .timeout_ms = timeout_ms};

	if (is_plain(epfd, room))
		return real_wait(&c);
	c.deadline = wait_deadline_ms(timeout_ms);
	return wait_any(&c);
}

INTERPOSE(int, epoll_pwait,
    (int epfd, struct epoll_event *events, int room, int timeout_ms, const sigset_t *mask))
{
	struct epoll_call c = {.form = FORM_PWAIT,
	    .epfd = epfd,
	    .events = events,
	    .room = room,
	    .timeout_ms = timeout_ms,
	    .mask = mask};

	if (is_plain(epfd, room))
		return real_wait(&c);
	c.deadline = wait_deadline_ms(timeout_ms);
	return wait_any(&c);
}

INTERPOSE(int, epoll_pwait2,
    (int epfd, struct epoll_event *events, int room, const struct timespec *timeout,
	const sigset_t *mask))
{
	struct epoll_call c = {.form = FORM_PWAIT2,
	    .epfd = epfd,
	    .events = events,
	    .room = room,
	    .timeout = timeout,
	    .mask = mask};

	if (is_plain(epfd, room) || !wait_time_is_valid(timeout))
		return real_wait(&c);
	c.deadline = wait_deadline(timeout);
	return wait_any(&c);
}
