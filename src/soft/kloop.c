/* SPDX-License-Identifier: BSD-2-Clause */
/* Starting and stopping sync loops; what they do is in kloop_run.c. */
#include "kloop.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "../base/error.h"
#include "../os/os.h"
#include "kloop_run.h"
#include "soft.h"

#define SLEEP_US_MAX 1000000u /* the module's own limit */
#define NAP_NS       200000

/* Shared by a descriptor and those that forks made of it. */
struct kloop_state {
	uint32_t word; /* the process that runs a loop, 0: none; and KLOOP_STOPPING */
};

/* The loop that this thread is in, below the signal handler that asks. */
static _Thread_local const struct kloop_state *inside;

int kloop_prepare(struct kloop *kloop)
{
	void *memory = NULL;
	int fd, err;

	if (kloop->state)
		return 0;
	kloop->wake = os_wake_create();
	if (kloop->wake < 0)
		return error_set(
		    kloop->wake, "sync loop: cannot make a wakeup: %s", strerror(-kloop->wake));
	fd = os_memory_create("pktloom-kloop", os_page_size());
	err = fd < 0 ? fd : os_memory_map(fd, os_page_size(), &memory);
	if (fd >= 0)
		close(fd);
	if (err) {
		close(kloop->wake);
		return error_set(err, "sync loop: no memory to share: %s", strerror(-err));
	}
	kloop->state = memory;
	return 0;
}

static bool is_alive(uint32_t process)
{
	return process != 0 && (kill((pid_t)process, 0) == 0 || errno != ESRCH);
}

static bool has_runner(uint32_t word)
{
	return is_alive(word & ~KLOOP_STOPPING);
}

static uint32_t word_of(const struct kloop *kloop)
{
	/* Acquires what the loop did before its release(). */
	return __atomic_load_n(&kloop->state->word, __ATOMIC_ACQUIRE);
}

bool kloop_is_running(const struct kloop *kloop)
{
	return kloop->state && has_runner(word_of(kloop));
}

/* A runner that was killed, and whose place a child of its inherited, is none. */
static bool claim(struct kloop *kloop)
{
	uint32_t word = word_of(kloop);

	while (!has_runner(word))
		if (__atomic_compare_exchange_n(&kloop->state->word, &word,
			(word & KLOOP_STOPPING) | (uint32_t)getpid(), false, __ATOMIC_ACQUIRE,
			__ATOMIC_ACQUIRE))
			return true;
	return false;
}

static void release(const struct kloop *kloop)
{
	/* Releases the loop's last stores to word_of(): whoever stopped it may use the rings. */
	__atomic_store_n(&kloop->state->word, 0, __ATOMIC_RELEASE);
}

static int claim_for(struct soft *soft, uint32_t sleep_us)
{
	if (sleep_us > SLEEP_US_MAX)
		return error_set(-EINVAL, "sync loop: sleep_us is %u, at most %u is possible",
		    sleep_us, SLEEP_US_MAX);
	if (!soft->port)
		return error_set(-ENXIO, "sync loop: the descriptor is not bound to a port");
	if (!soft->csb.atok)
		return error_set(-EINVAL,
		    "sync loop: \"%s\" is not in CSB mode; ask for it with the option CSB",
		    soft->port->name);
	if (!claim(&soft->kloop))
		return error_set(
		    -EBUSY, "sync loop: one is running for \"%s\" already", soft->port->name);
	return 0;
}

static int start(struct soft *soft, const struct nmreq_header *header, const sigset_t *signals)
{
	const struct nmreq_sync_kloop_start *body = (const void *)(uintptr_t)header->nr_body;
	const struct kloop_state *outer = inside;
	uint32_t sleep_us = body->sleep_us;
	int err;

	registry_lock();
	err = claim_for(soft, sleep_us);
	registry_unlock();
	if (err)
		return err;
	inside = soft->kloop.state;
	err = kloop_run(soft, header, sleep_us,
	    &(struct kloop_call){
		.wake = soft->kloop.wake, .word = &soft->kloop.state->word, .signals = signals});
	inside = outer;
	release(&soft->kloop);
	return err;
}

/* The mark is gone when the loop is, even if another one runs by then. */
static void stop_and_wait(const struct kloop *kloop)
{
	const struct timespec nap = {.tv_nsec = NAP_NS};
	uint32_t word = __atomic_or_fetch(&kloop->state->word, KLOOP_STOPPING, __ATOMIC_ACQ_REL);

	os_wake_signal(kloop->wake);
	while (inside != kloop->state && (word & KLOOP_STOPPING) && has_runner(word)) {
		nanosleep(&nap, NULL);
		word = word_of(kloop);
	}
}

static int stop(struct soft *soft)
{
	struct kloop kloop;
	bool bound;

	registry_lock();
	bound = soft->port != NULL;
	kloop = soft->kloop;
	registry_unlock();
	if (!bound)
		return error_set(-ENXIO, "sync loop: the descriptor is not bound to a port");
	if (kloop.state)
		stop_and_wait(&kloop);
	return 0;
}

/*
 * As system calls, START and STOP are no places to be cancelled in: what they hold would stay held. Nor
 * may a handler come in between that sends STOP itself, but where the loop lets it in.
 */
struct hold {
	sigset_t signals;
	int cancel_state;
};

/* What the processor itself sends must come at once, or the process ends without its handler. */
static void hold_begin(struct hold *hold)
{
	static const int own[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP, SIGSYS};
	sigset_t most;

	sigfillset(&most);
	for (size_t i = 0; i < sizeof own / sizeof own[0]; i++)
		sigdelset(&most, own[i]);
	pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &hold->cancel_state);
	pthread_sigmask(SIG_SETMASK, &most, &hold->signals);
}

static void hold_end(struct hold *hold)
{
	pthread_sigmask(SIG_SETMASK, &hold->signals, NULL);
	pthread_setcancelstate(hold->cancel_state, &hold->cancel_state);
}

int kloop_start(struct soft *soft, const struct nmreq_header *header)
{
	struct hold hold;
	int err;

	hold_begin(&hold);
	err = start(soft, header, &hold.signals);
	hold_end(&hold);
	return err;
}

int kloop_stop(struct soft *soft)
{
	struct hold hold;
	int err;

	hold_begin(&hold);
	err = stop(soft);
	hold_end(&hold);
	return err;
}

void kloop_close(struct kloop *kloop)
{
	if (!kloop->state)
		return;
	if ((word_of(kloop) & ~KLOOP_STOPPING) == (uint32_t)getpid())
		stop_and_wait(kloop);
	os_memory_unmap(kloop->state, os_page_size());
	close(kloop->wake);
	*kloop = (struct kloop){.wake = -1};
}
