/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What stands behind a descriptor that this library knows: a netmap device, or the netmap part of an
 * epoll instance. It lives as long as something refers to it: descriptors (table.h), mappings of
 * the device's memory, calls under way.
 *
 * The structs themselves are never given back, only used again, with another generation, for the
 * same kind of thing. A reference can therefore be taken without a lock from a pointer that may be
 * out of date, and looked at once more afterwards.
 */
#ifndef PRELOAD_HANDLE_H
#define PRELOAD_HANDLE_H

#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>

#include "../device/device.h"

enum handle_kind { HANDLE_DEVICE = 1, HANDLE_EPOLL = 2 };

struct interests;

struct handle {
	enum handle_kind kind;
	uint32_t references;
	uint32_t descriptors; /* how many of the references are descriptors */
	uint32_t generation;
	uint64_t identity;           /* of the open file, once it has left the process; 0 before */
	uint32_t looping;            /* HANDLE_DEVICE: threads inside SYNC_KLOOP_START */
	uintptr_t owner;             /* the thread that is inside the device, 0: none */
	bool cancelable;             /* the owner is so again when it leaves */
	bool doomed;                 /* given up by a signal handler that interrupted the owner */
	bool mixed;                  /* HANDLE_EPOLL: the kernel's part may hold something, */
	bool turn;                   /* … whose turn it is where there is room for one event, */
	uint32_t interested;         /* … and how much there is in ours */
	struct device *device;       /* HANDLE_DEVICE */
	struct interests *interests; /* HANDLE_EPOLL */
	struct handle *next;         /* of all that there are */
	struct handle *next_free;
};

/** A way back to a handle that does not keep it. */
struct handle_id {
	struct handle *handle;
	uint32_t generation;
};

/** Devices that there are. */
extern unsigned handle_devices;

static inline bool handle_none(void)
{
	return __atomic_load_n(&handle_devices, __ATOMIC_RELAXED) == 0;
}

/**
 * What must not be interrupted half-way: signals (their handlers may call us) and cancellation are held
 * back until guard_leave().
 */
struct guard {
	sigset_t signals;
	int cancel_state;
};

void guard_enter(struct guard *guard);
void guard_leave(const struct guard *guard);

/**
 * The lock of everything in this folder but the devices. No device is called under it, and nothing
 * that a device calls takes it: see preload_inside.
 */
void preload_lock(struct guard *guard);
void preload_unlock(const struct guard *guard);

/**
 * > 0 while this thread is inside a device: what it opens, maps and closes is the device's own affair and
 * goes straight to the C library.
 */
extern _Thread_local unsigned preload_inside __attribute__((tls_model("initial-exec")));

/** Whether this is the process that the structs speak of, not a vfork() child in its memory. */
bool preload_is_ours(void);

/* <sys/single_threaded.h>; C libraries that do not have it are taken to have threads. */
extern char __libc_single_threaded __attribute__((weak));

/** Whether no other thread can be there. */
static inline bool preload_alone(void)
{
	return &__libc_single_threaded && __libc_single_threaded;
}

/** A new handle with one reference, the caller's. Takes over the device or the interests. */
struct handle *handle_new(
    enum handle_kind kind, struct device *device, struct interests *interests);

/** One more reference; the caller has one already. */
void handle_get(struct handle *handle);

/** One more reference, unless the last one is gone. */
bool handle_try_get(struct handle *handle);

/** The last one closes the device. errno is kept. */
void handle_put(struct handle *handle);

struct handle_id handle_id(struct handle *handle);

/** What tells an open file from all others, in this process and in others; made when first asked for. */
uint64_t handle_identity(struct handle *handle);
void handle_identify(struct handle *handle, uint64_t identity);

/** The handle of that identity, with a reference; NULL if this process has none. */
struct handle *handle_identified(uint64_t identity);

/** One descriptor less. Nobody could stop a sync loop any more after the last one: it ends with it. */
void handle_forget_descriptor(struct handle *handle);

/**
 * Whether the handle is there and has a descriptor. Takes a reference into *out, or sets it to NULL; a
 * handle that has none may come with a reference too, to be put like any other.
 */
bool handle_find(const struct handle_id *id, struct handle **out);

/* ---- calls into the device, one thread at a time ---- */

void handle_enter_shared(struct handle *handle, uintptr_t self);
void handle_destroy(struct handle *handle);

/**
 * Be the one thread inside the device; cancellation waits until it has left, for devices read and
 * write descriptors. Who is inside needs no reference: the device is not closed before he has left.
 *
 * @return false: this thread is inside already, and now in a signal handler that interrupted it
 */
static inline bool handle_enter(struct handle *h)
{
	uintptr_t self = (uintptr_t)&preload_inside;

	if (__atomic_load_n(&h->owner, __ATOMIC_RELAXED) == self)
		return false;
	if (__builtin_expect(preload_alone(), 1)) {
		h->cancelable = false; /* by whom? */
		__atomic_store_n(&h->owner, self, __ATOMIC_RELAXED);
		__atomic_signal_fence(__ATOMIC_SEQ_CST);
	} else {
		handle_enter_shared(h, self);
	}
	preload_inside++;
	return true;
}

static inline void handle_release(struct handle *h)
{
	bool cancelable = h->cancelable;
	int unneeded;

	preload_inside--;
	__atomic_store_n(&h->owner, 0, __ATOMIC_RELEASE);
	if (__builtin_expect(cancelable, 0))
		pthread_setcancelstate(PTHREAD_CANCEL_ENABLE, &unneeded);
}

/*
 * A handler that interrupts the owner up to here gives the device up, later ones enter it themselves:
 * only now it is known whether it was given up, and whoever takes the mark destroys it.
 */
static inline void handle_leave(struct handle *h)
{
	handle_release(h);
	__atomic_signal_fence(__ATOMIC_SEQ_CST);
	if (__builtin_expect(__atomic_load_n(&h->doomed, __ATOMIC_RELAXED), 0) &&
	    __atomic_exchange_n(&h->doomed, false, __ATOMIC_ACQ_REL))
		handle_destroy(h);
}

int handle_control(struct handle *handle, struct nmreq_header *header);

int handle_map_at(struct handle *handle, void *at, size_t len, int prot, int flags, off_t offset);

/**
 * Sync and look, without sleeping.
 *
 * @param events  POLLIN, POLLOUT and their normal-data synonyms
 * @param tails   NULL, or out: a value that changes whenever a bound ring's tail does
 * @return those of the events that are there, and POLLERR
 */
short handle_look(struct handle *handle, short events, uint64_t *tails);

/** The same for who is inside already. */
short handle_look_inside(struct handle *handle, short events);

/** device_ops.arm. */
int handle_arm(struct handle *handle, short events, struct pollfd *out, unsigned room);

#endif
