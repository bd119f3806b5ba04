/* SPDX-License-Identifier: BSD-2-Clause */
/* Handles: counting references, holding threads and signals apart. */
#include "handle.h"

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <stdlib.h>
#include <sys/random.h>
#include <time.h>
#include <unistd.h>

#include <pktloom/hint.h>

#include "../os/os.h"
#include "interests.h"

#define IN  (POLLIN | POLLRDNORM)
#define OUT (POLLOUT | POLLWRNORM)

unsigned handle_devices;
_Thread_local unsigned preload_inside;

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
/* Guarded by the lock; those to be used again by kind, which a handle keeps for ever. */
static struct handle *all, *unused[HANDLE_EPOLL + 1];
static pid_t process;

/* ---- threads, signals, forks ---- */

void guard_enter(struct guard *guard)
{
	sigset_t every;

	sigfillset(&every);
	pthread_sigmask(SIG_SETMASK, &every, &guard->signals);
	pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &guard->cancel_state);
}

void guard_leave(const struct guard *guard)
{
	int unneeded;

	pthread_setcancelstate(guard->cancel_state, &unneeded);
	pthread_sigmask(SIG_SETMASK, &guard->signals, NULL);
}

void preload_lock(struct guard *guard)
{
	guard_enter(guard);
	pthread_mutex_lock(&lock);
}

void preload_unlock(const struct guard *guard)
{
	pthread_mutex_unlock(&lock);
	guard_leave(guard);
}

bool preload_is_ours(void)
{
	return getpid() == process;
}

static struct guard fork_guard;

static void fork_prepare(void)
{
	struct guard guard;

	preload_lock(&guard);
	fork_guard = guard;
}

static void fork_parent(void)
{
	struct guard guard = fork_guard;

	preload_unlock(&guard);
}

/* The other threads are gone, and whatever they were in the middle of. */
static void fork_child(void)
{
	process = getpid();
	for (struct handle *h = all; h; h = h->next) {
		h->owner = 0;
		h->looping = 0;
		if (h->interests)
			interests_after_fork(h->interests);
	}
	fork_parent();
}

static void __attribute__((constructor)) start(void)
{
	process = getpid();
	soft_children_share();
	loom_hint_set(loom_hint_print); /* its programs cannot ask for them */
	pthread_atfork(fork_prepare, fork_parent, fork_child);
}

/* ---- references ---- */

static struct handle *unused_take(enum handle_kind kind)
{
	struct handle *h = unused[kind];

	if (h) {
		unused[kind] = h->next_free;
		return h;
	}
	h = calloc(1, sizeof *h);
	if (h) {
		h->kind = kind;
		h->next = all;
		all = h;
	}
	return h;
}

struct handle *handle_new(enum handle_kind kind, struct device *device, struct interests *interests)
{
	struct guard guard;
	struct handle *h;

	preload_lock(&guard);
	h = unused_take(kind);
	if (h) {
		h->device = device;
		h->interests = interests;
		__atomic_store_n(&h->identity, 0, __ATOMIC_RELAXED);
		__atomic_store_n(&h->mixed, false, __ATOMIC_RELAXED);
		__atomic_store_n(&h->interested, 0, __ATOMIC_RELAXED);
		__atomic_store_n(&h->references, 1, __ATOMIC_RELEASE);
		if (kind == HANDLE_DEVICE)
			__atomic_add_fetch(&handle_devices, 1, __ATOMIC_RELAXED);
	}
	preload_unlock(&guard);
	return h;
}

void handle_get(struct handle *handle)
{
	__atomic_add_fetch(&handle->references, 1, __ATOMIC_RELAXED);
}

bool handle_try_get(struct handle *handle)
{
	uint32_t n = __atomic_load_n(&handle->references, __ATOMIC_RELAXED);

	do {
		if (n == 0)
			return false;
	} while (!__atomic_compare_exchange_n(
	    &handle->references, &n, n + 1, true, __ATOMIC_ACQUIRE, __ATOMIC_RELAXED));
	return true;
}

/* Who is inside without a reference leaves first; from a handler that interrupted him, he does it. */
static bool close_device(struct handle *h)
{
	struct guard guard;

	guard_enter(&guard);
	if (!handle_enter(h)) {
		__atomic_store_n(&h->doomed, true, __ATOMIC_RELAXED);
		guard_leave(&guard);
		return false;
	}
	h->device->ops->close(h->device);
	h->device = NULL;
	handle_release(h);
	guard_leave(&guard);
	return true;
}

/* Nobody can find the handle any more; whoever tries gets no reference. */
void handle_destroy(struct handle *h)
{
	struct guard guard;
	int saved = errno;

	if (h->device && !close_device(h))
		return;
	preload_lock(&guard);
	if (h->interests)
		interests_free(h->interests);
	else
		__atomic_sub_fetch(&handle_devices, 1, __ATOMIC_RELAXED);
	h->interests = NULL;
	__atomic_add_fetch(&h->generation, 1, __ATOMIC_RELAXED);
	h->next_free = unused[h->kind];
	unused[h->kind] = h;
	preload_unlock(&guard);
	errno = saved;
}

void handle_put(struct handle *handle)
{
	if (__atomic_sub_fetch(&handle->references, 1, __ATOMIC_ACQ_REL) == 0)
		handle_destroy(handle);
}

struct handle_id handle_id(struct handle *handle)
{
	return (struct handle_id){
	    .handle = handle, .generation = __atomic_load_n(&handle->generation, __ATOMIC_RELAXED)};
}

bool handle_find(const struct handle_id *id, struct handle **out)
{
	struct handle *h = id->handle;

	*out = handle_try_get(h) ? h : NULL;
	return *out && __atomic_load_n(&h->generation, __ATOMIC_RELAXED) == id->generation &&
	       __atomic_load_n(&h->descriptors, __ATOMIC_ACQUIRE) > 0;
}

/* ---- identities ---- */

/* Random numbers meet once in many lives of the universe; without any, the clock has to do. */
static uint64_t identity_new(void)
{
	uint64_t identity = 0;

	if (getrandom(&identity, sizeof identity, GRND_NONBLOCK) != (ssize_t)sizeof identity)
		identity = os_now_ns() ^ (uint64_t)getpid() << 40;
	return identity ? identity : 1;
}

uint64_t handle_identity(struct handle *handle)
{
	uint64_t fresh = identity_new(), none = 0;

	if (__atomic_compare_exchange_n(
		&handle->identity, &none, fresh, false, __ATOMIC_RELAXED, __ATOMIC_RELAXED))
		return fresh;
	return none;
}

void handle_identify(struct handle *handle, uint64_t identity)
{
	__atomic_store_n(&handle->identity, identity, __ATOMIC_RELAXED);
}

struct handle *handle_identified(uint64_t identity)
{
	struct guard guard;
	struct handle *h;

	preload_lock(&guard);
	for (h = all; h; h = h->next)
		if (__atomic_load_n(&h->identity, __ATOMIC_RELAXED) == identity &&
		    handle_try_get(h))
			break;
	preload_unlock(&guard);
	return h;
}

/* ---- calls into the device ---- */

/* What others hold, they hold for a sync; only REGISTER takes longer. */
static void wait_for_owner(unsigned round)
{
	const struct timespec moment = {.tv_nsec = 50000};

	if (round < 100)
		os_cpu_relax();
	else if (round < 200)
		sched_yield();
	else
		nanosleep(&moment, NULL);
}

void handle_enter_shared(struct handle *h, uintptr_t self)
{
	uintptr_t owner = 0;
	int cancel_state;

	pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &cancel_state);
	for (unsigned round = 0; !__atomic_compare_exchange_n(
		 &h->owner, &owner, self, false, __ATOMIC_ACQUIRE, __ATOMIC_RELAXED);
	     round++) {
		wait_for_owner(round);
		owner = 0;
	}
	h->cancelable = cancel_state == PTHREAD_CANCEL_ENABLE;
}

/* A sync loop runs inside its START until another thread sends STOP, so these two exclude nobody. */
static int sync_loop_control(struct handle *handle, struct nmreq_header *header)
{
	int err;

	preload_inside++;
	err = handle->device->ops->control(handle->device, header);
	preload_inside--;
	return err;
}

/* Pairs with handle_forget_descriptor(): it sees that we loop, or we see that nothing is left. */
static int sync_loop_start(struct handle *handle, struct nmreq_header *header)
{
	int err = -EBADF;

	__atomic_add_fetch(&handle->looping, 1, __ATOMIC_SEQ_CST);
	if (__atomic_load_n(&handle->descriptors, __ATOMIC_SEQ_CST) > 0)
		err = sync_loop_control(handle, header);
	__atomic_sub_fetch(&handle->looping, 1, __ATOMIC_SEQ_CST);
	return err;
}

void handle_forget_descriptor(struct handle *handle)
{
	struct nmreq_header stop = {
	    .nr_version = NETMAP_API, .nr_reqtype = NETMAP_REQ_SYNC_KLOOP_STOP};

	if (__atomic_sub_fetch(&handle->descriptors, 1, __ATOMIC_SEQ_CST) == 0 &&
	    __atomic_load_n(&handle->looping, __ATOMIC_SEQ_CST) > 0)
		sync_loop_control(handle, &stop);
}

int handle_control(struct handle *handle, struct nmreq_header *header)
{
	struct guard guard;
	int err = -EBUSY;

	if (header->nr_reqtype == NETMAP_REQ_SYNC_KLOOP_START)
		return sync_loop_start(handle, header);
	if (header->nr_reqtype == NETMAP_REQ_SYNC_KLOOP_STOP)
		return sync_loop_control(handle, header);
	guard_enter(&guard);
	if (handle_enter(handle)) {
		err = handle->device->ops->control(handle->device, header);
		handle_leave(handle);
	}
	guard_leave(&guard);
	return err;
}

int handle_map_at(struct handle *handle, void *at, size_t len, int prot, int flags, off_t offset)
{
	struct guard guard;
	int err = -EBUSY;

	guard_enter(&guard);
	if (handle_enter(handle)) {
		err = handle->device->ops->map_at(handle->device, at, len, prot, flags, offset);
		handle_leave(handle);
	}
	guard_leave(&guard);
	return err;
}

static uint64_t tails_of(struct device *device, bool tx, uint32_t num_rings)
{
	uint64_t sum = 0;

	for (uint32_t i = 0; i < num_rings && i <= NETMAP_RING_MASK; i++) {
		const struct device_ring *r = device->ops->ring(device, tx, i);

		sum = sum * 0x100000001b3u + (r ? r->ring->tail + 1u : 0);
	}
	return sum;
}

static uint64_t tails(struct device *device, short events)
{
	struct device_map map;
	uint64_t sum = 0;

	if (device->ops->map(device, &map) != 0)
		return 0;
	if (events & IN)
		sum = tails_of(device, false, map.nifp->ni_rx_rings + map.nifp->ni_host_rx_rings);
	if (events & OUT)
		sum += 0x9e3779b97f4a7c15u *
		       tails_of(device, true, map.nifp->ni_tx_rings + map.nifp->ni_host_tx_rings);
	return sum;
}

/* The device knows POLLIN and POLLOUT; their synonyms mean the same. */
static short device_events(short events)
{
	return (short)((events & IN ? POLLIN : 0) | (events & OUT ? POLLOUT : 0));
}

short handle_look_inside(struct handle *handle, short events)
{
	struct device *device = handle->device;
	int found = device->ops->poll(device, device_events(events), 0);
	short answer = 0;

	if (found < 0 || (found & POLLERR))
		answer = POLLERR;
	if (found > 0 && (found & POLLIN))
		answer |= (short)(events & IN);
	if (found > 0 && (found & POLLOUT))
		answer |= (short)(events & OUT);
	return answer;
}

short handle_look(struct handle *handle, short events, uint64_t *tails_out)
{
	short found;

	if (!handle_enter(handle))
		return 0;
	found = handle_look_inside(handle, events);
	if (tails_out)
		*tails_out = tails(handle->device, events);
	handle_leave(handle);
	return found;
}

int handle_arm(struct handle *handle, short events, struct pollfd *out, unsigned room)
{
	int n = -EAGAIN;

	if (handle_enter(handle)) {
		n = handle->device->ops->arm(handle->device, device_events(events), out, room);
		handle_leave(handle);
	}
	return n;
}
