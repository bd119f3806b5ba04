/* SPDX-License-Identifier: BSD-2-Clause */
/* A soft device in CSB mode, and the thread that runs its sync loop. */
#ifndef KLOOP_END_H
#define KLOOP_END_H

#include <pthread.h>

#include "device/device.h"
#include "guest.h"
#include "support.h"

#define END_RINGS 4u /* entries of each array */

struct end {
	struct device *device;
	char name[64];
	struct nm_csb_atok *atok;
	struct nm_csb_ktoa *ktoa;
	unsigned num_tx, num_rx;
	int io[END_RINGS], irq[END_RINGS]; /* -1 until end_eventfds() */
	struct guest tx, rx;               /* of the first rings */
	uint32_t sleep_us, mode;
	pthread_t thread;
	int result; /* of START, once end_join() has returned */
};

/** A request with a body and options, as NIOCCTRL. */
int request(struct device *device, const char *name, unsigned type, void *body, void *options);

/** REGISTER of all NIC rings, with as many as asked for. */
int bind_rings(
    struct device *device, const char *name, uint64_t flags, unsigned rings, void *options);

struct device *device_new(void);

/** Memory for both arrays; freed by end_close(). */
void end_arrays(struct end *end);

/** An option CSB for them. */
struct nmreq_opt_csb end_csb(const struct end *end);

/** Bound exclusively and in CSB mode. */
void end_open(struct end *end, const char *name, unsigned rings);
void end_close(struct end *end);

/** Make an eventfd pair for each ring, and use them. */
void end_eventfds(struct end *end);

/** The option for them; valid until the next call. */
struct nmreq_opt_sync_kloop_eventfds *end_option(const struct end *end);

/** Start a loop in a thread of its own; returns when it runs. */
void end_start(struct end *end);

/** The same for a loop that somebody else starts in between, in this process or a child. */
void end_expect(struct end *end);
void end_await(const struct end *end);

/** START in this thread, with the end's eventfds and mode; its result. */
int end_run(struct end *end);

int end_stop(struct end *end);

/** Wait for the thread, for a bounded time; the result of START. */
int end_join(struct end *end);

#endif
