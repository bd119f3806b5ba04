/* SPDX-License-Identifier: BSD-2-Clause */
/* Lists of interests, and waking those who sleep on one when it changes. */
#include "interests.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>

#include "real.h"

#define MODES (EPOLLET | EPOLLONESHOT | EPOLLWAKEUP | EPOLLEXCLUSIVE)

struct interest {
	struct handle_id id;
	uint32_t events; /* EPOLL*; none after a one-shot has fired */
	epoll_data_t data;
	uint64_t seen; /* tails when it was last reported */
};

struct interests {
	/*
	 * The list changes under preload_lock() and this one, everything else under this one alone:
	 * it is taken for every wait, and holding back signals costs two system calls.
	 */
	uintptr_t owner;
	struct interest *list;
	uint32_t num, room;
	uint32_t turn; /* where the next collection starts: nobody starves */
	/* ---- the kick ---- */
	int own_fd; /* a descriptor of the instance that the program cannot close; -1 */
	int kick;   /* -1 */
	bool kicking, again;
	uint32_t epoch;
	uint32_t joined[2]; /* who joined in this epoch, and in the one before; by its lowest bit */
};

struct interests *interests_new(void)
{
	struct interests *in = calloc(1, sizeof *in);

	if (in)
		in->own_fd = in->kick = -1;
	return in;
}

void interests_free(struct interests *in)
{
	if (in->kick >= 0)
		real()->close(in->kick);
	if (in->own_fd >= 0)
		real()->close(in->own_fd);
	free(in->list);
	free(in);
}

void interests_after_fork(struct interests *in)
{
	in->owner = 0;
	in->kicking = in->again = false; /* the parent takes its kick out of the kernel's part */
	in->joined[0] = in->joined[1] = 0;
	in->kick = in->own_fd = -1;
}

/* False: this thread is inside already, and now in a signal handler that interrupted it. */
static bool enter(struct interests *in)
{
	uintptr_t self = (uintptr_t)pthread_self(), owner = 0;

	if (__atomic_load_n(&in->owner, __ATOMIC_RELAXED) == self)
		return false;
	while (!__atomic_compare_exchange_n(
	    &in->owner, &owner, self, false, __ATOMIC_ACQUIRE, __ATOMIC_RELAXED)) {
		sched_yield();
		owner = 0;
	}
	return true;
}

static void leave(struct interests *in)
{
	__atomic_store_n(&in->owner, 0, __ATOMIC_RELEASE);
}

/* ---- the kick ---- */

static void kick_start(struct interests *in, int epfd)
{
	struct epoll_event event = {.events = EPOLLIN, .data.ptr = in};

	if (in->own_fd < 0)
		in->own_fd = real()->fcntl(epfd, F_DUPFD_CLOEXEC, 0);
	if (in->kick < 0)
		in->kick = eventfd(1, EFD_CLOEXEC);
	real()->epoll_ctl(in->own_fd, EPOLL_CTL_ADD, in->kick, &event);
	in->kicking = true;
	in->epoch++;
}

/* Those who joined before the last kick have all left: what came up since is the next one's reason. */
static void kick_continue(struct interests *in)
{
	while (in->kicking && in->joined[(in->epoch - 1) & 1] == 0) {
		in->kicking = in->again;
		in->epoch += in->again;
		in->again = false;
		if (!in->kicking)
			real()->epoll_ctl(in->own_fd, EPOLL_CTL_DEL, in->kick, NULL);
	}
}

static void changed(struct interests *in, int epfd)
{
	if (in->kicking)
		in->again = true;
	else if (in->joined[in->epoch & 1] > 0)
		kick_start(in, epfd);
}

uint32_t interests_join(struct handle *set)
{
	struct interests *in = set->interests;
	bool entered = enter(in);
	uint32_t epoch = in->epoch;

	in->joined[epoch & 1]++;
	if (entered)
		leave(in);
	return epoch;
}

void interests_leave(struct handle *set, uint32_t epoch)
{
	struct interests *in = set->interests;
	int saved = errno;
	bool entered = enter(in);

	if (in->joined[epoch & 1] > 0) /* a fork() in a signal handler has set it to 0 */
		in->joined[epoch & 1]--;
	kick_continue(in);
	if (entered)
		leave(in);
	errno = saved;
}

int interests_filter(const struct handle *set, struct epoll_event *events, int n)
{
	int kept = 0;

	for (int i = 0; i < n; i++)
		if (events[i].data.ptr != set->interests)
			events[kept++] = events[i];
	return kept;
}

/* ---- changing the list ---- */

static bool is_of(const struct interest *interest, const struct handle_id *id)
{
	return interest->id.handle == id->handle && interest->id.generation == id->generation;
}

static struct interest *find(struct interests *in, const struct handle_id *id)
{
	for (uint32_t i = 0; i < in->num; i++)
		if (is_of(&in->list[i], id))
			return &in->list[i];
	return NULL;
}

static void drop(struct interests *in, struct interest *interest)
{
	*interest = in->list[--in->num];
}

/* A closed descriptor is no interest any more, as in the kernel. No reference is needed to see that. */
static void drop_closed(struct interests *in)
{
	for (uint32_t i = in->num; i-- > 0;) {
		const struct handle_id *id = &in->list[i].id;

		if (__atomic_load_n(&id->handle->generation, __ATOMIC_RELAXED) != id->generation ||
		    __atomic_load_n(&id->handle->descriptors, __ATOMIC_RELAXED) == 0)
			drop(in, &in->list[i]);
	}
}

static int add(struct interests *in, const struct handle_id *id, const struct epoll_event *event)
{
	if (in->num == in->room) {
		uint32_t room = in->room ? in->room * 2 : 8;
		struct interest *list = realloc(in->list, room * sizeof *list);

		if (!list)
			return -ENOMEM;
		in->list = list;
		in->room = room;
	}
	in->list[in->num++] = (struct interest){
	    .id = *id, .events = event->events, .data = event->data, .seen = WAIT_FRESH};
	return 0;
}

static int change(struct interests *in, int operation, const struct handle_id *id,
    const struct epoll_event *event)
{
	struct interest *interest;

	drop_closed(in);
	interest = find(in, id);
	if (operation == EPOLL_CTL_ADD)
		return interest ? -EEXIST : add(in, id, event);
	if (!interest)
		return -ENOENT;
	if (operation == EPOLL_CTL_DEL) {
		drop(in, interest);
		return 0;
	}
	interest->events = event->events;
	interest->data = event->data;
	interest->seen = WAIT_FRESH;
	return 0;
}

int interests_change(struct handle *set, int epfd, int operation, struct handle *target,
    const struct epoll_event *event)
{
	struct handle_id id = handle_id(target);
	struct interests *in = set->interests;
	struct guard guard;
	int err = -EBUSY;

	if (operation != EPOLL_CTL_ADD && operation != EPOLL_CTL_MOD && operation != EPOLL_CTL_DEL)
		return -EINVAL;
	preload_lock(&guard);
	if (enter(in)) {
		err = change(in, operation, &id, event);
		__atomic_store_n(&set->interested, in->num, __ATOMIC_RELEASE);
		if (!err && operation != EPOLL_CTL_DEL)
			changed(in, epfd);
		leave(in);
	}
	preload_unlock(&guard);
	return err;
}

/* ---- watching and collecting ---- */

static int watch(struct handle *set, struct wait *wait, uint32_t index);

static void watch_device(const struct interest *interest, struct source *source)
{
	source->events = (short)(interest->events & ~MODES & 0x7fff);
	source->edge = interest->events & EPOLLET;
	source->seen = interest->seen;
}

/* Whatever reference handle_find() gives goes into the wait, which puts it when no lock is held. */
/* NOLINTNEXTLINE(misc-no-recursion): the kernel lets instances be nested five deep, and no deeper */
static int watch_one(const struct interest *interest, struct wait *wait, uint32_t index)
{
	struct handle *handle;
	struct source *source;
	bool alive;

	if ((interest->events & ~MODES) == 0)
		return 0;
	if (wait_reserve(wait, 1) != 0)
		return -ENOMEM;
	alive = handle_find(&interest->id, &handle);
	if (!handle)
		return 0;
	source = wait_add_source(
	    wait, handle, alive && handle->kind == HANDLE_DEVICE ? SOURCE_DEVICE : SOURCE_NONE);
	source->index = index;
	if (source->kind == SOURCE_DEVICE)
		watch_device(interest, source);
	else if (alive)
		return watch(handle, wait, index);
	return 0;
}

/* Sets inside sets are locked from the outside in; the kernel has refused circles (ELOOP). */
/* NOLINTNEXTLINE(misc-no-recursion): as above */
static int watch(struct handle *set, struct wait *wait, uint32_t index)
{
	struct interests *in = set->interests;
	struct source *joined;
	int err = wait_reserve(wait, 1);

	if (err)
		return err;
	if (!enter(in))
		return 0;
	handle_get(set);
	joined = wait_add_source(wait, set, SOURCE_SET);
	joined->epoch = in->epoch;
	joined->index = index;
	in->joined[in->epoch & 1]++;
	for (uint32_t i = 0; i < in->num && !err; i++)
		err = watch_one(&in->list[i], wait, index == INTEREST_OWN ? i : index);
	leave(in);
	return err;
}

int interests_watch(struct handle *set, struct wait *wait, uint32_t index)
{
	return watch(set, wait, index);
}

/* The interest at `index`, if it is still the one that was watched and wants this. */
static struct interest *collectable(struct interests *in, const struct source *source)
{
	struct interest *interest = source->index < in->num ? &in->list[source->index] : NULL;

	if (!interest || (interest->events & ~MODES) == 0)
		return NULL;
	if (interest->id.handle->kind == HANDLE_EPOLL)
		return interest->events & EPOLLIN ? interest : NULL;
	if (interest->id.handle != source->handle)
		return NULL;
	if ((interest->events & EPOLLET) && interest->seen == source->tails)
		return NULL; /* another thread was faster */
	return interest;
}

static void report(
    struct interest *interest, const struct source *source, struct epoll_event *event)
{
	*event = (struct epoll_event){.data = interest->data};
	event->events =
	    interest->id.handle->kind == HANDLE_EPOLL ? (uint32_t)EPOLLIN : (uint16_t)source->found;
	interest->seen = source->tails;
	if (interest->events & EPOLLONESHOT)
		interest->events &= MODES;
}

/* The kernel reports an instance as well, for what is in its part of it. */
static bool is_reported(const struct epoll_event *events, int n, const struct interest *interest)
{
	for (int i = 0; i < n; i++)
		if (events[i].data.u64 == interest->data.u64)
			return true;
	return false;
}

/* The first source of those whose turn it is; they are in the order of the list. */
static uint32_t first_source(const struct interests *in, const struct wait *wait)
{
	uint32_t i = 0;

	while (i < wait->num_sources &&
	       (wait->sources[i].kind != SOURCE_DEVICE || wait->sources[i].index < in->turn))
		i++;
	return i;
}

static int collect(struct interests *in, const struct wait *wait, enum handle_kind kind,
    struct epoll_event *events, int have, int room)
{
	uint32_t first = first_source(in, wait);
	int n = have;

	for (uint32_t i = 0; i < wait->num_sources && n < room; i++) {
		const struct source *source = &wait->sources[(first + i) % wait->num_sources];
		struct interest *interest;

		if (source->kind != SOURCE_DEVICE || !source->found)
			continue;
		interest = collectable(in, source);
		if (!interest || interest->id.handle->kind != kind)
			continue;
		if (kind == HANDLE_EPOLL && is_reported(events, n, interest))
			continue;
		report(interest, source, &events[n++]);
		in->turn = source->index + 1;
	}
	return n - have;
}

int interests_collect(struct handle *set, const struct wait *wait, enum handle_kind kind,
    struct epoll_event *events, int have, int room)
{
	struct interests *in = set->interests;
	int n;

	if (!enter(in))
		return 0;
	n = collect(in, wait, kind, events, have, room);
	leave(in);
	return n;
}
