/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A sync loop at work: round after round over all bound rings; with eventfds it spins for a while when
 * nothing happens, then sleeps until the program kicks, a ring has news, or somebody stops it.
 */
#include "kloop_run.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../base/error.h"
#include "options.h"
#include "soft.h"

#define LOOK_NS 1000000u  /* how often a loop that is busy looks for signals */
#define NAP_NS  1000000u  /* where it cannot sleep soundly */
#define DOWN_NS 10000000u /* how often it looks whether a link is up again */
#define VAIN    4u        /* news in a row that come to nothing */

/* The fixed places in loop.fds; the ports' wakeups follow. */
enum { AT_STOP, AT_KICKS, AT_PORTS };

struct entry {
	struct ring *ring;
	struct nm_csb_atok *atok;
	struct nm_csb_ktoa *ktoa;
	uint32_t seen; /* the head that was read last */
	int io, irq;   /* our own descriptors of the program's eventfds, -1: none */
	bool kicks;    /* what kern_need_kick says */
};

struct loop {
	const struct kloop_call *call;
	struct entry *entries;
	uint32_t n;
	struct pollfd *fds;
	int kicks; /* pollset of all ioeventfds; -1: look every sleep_ns instead */
	uint64_t sleep_ns, spin_ns;
	uint64_t idle_since, looked; /* os_now_ns() */
	uint32_t vain;
	bool down; /* a ring's link was, in the last round */
};

/* ---- rings ---- */

/*
 * Pairs with the program, which sets appl_need_kick and then looks at hwtail once more: both sides
 * sequentially consistent, so that either it sees the hwtail of csb_publish() or we see its mark.
 */
static void notify(const struct entry *e)
{
	if (e->irq >= 0 && __atomic_load_n(&e->atok->appl_need_kick, __ATOMIC_SEQ_CST))
		os_wake_signal(e->irq);
}

static void kicks_set(struct entry *e, bool wanted)
{
	e->kicks = wanted;
	__atomic_store_n(&e->ktoa->kern_need_kick, wanted, __ATOMIC_SEQ_CST);
}

/*
 * One sync, with the program's head and cur where ring_begin() looks for them. sync_flags are the
 * module's own hints about how much work to do; a sync here does all there is.
 */
static int serve(struct entry *e, bool *progress)
{
	struct netmap_ring *user = e->ring->common.ring;
	struct loom_sync *sync = &e->ring->common.sync;
	uint32_t tail = e->ring->hwtail, head, cur;
	int err;

	if (e->kicks)
		kicks_set(e, false);
	head = csb_read(e->atok, &cur);
	__atomic_store_n(&user->head, head, __ATOMIC_RELAXED);
	__atomic_store_n(&user->cur, cur, __ATOMIC_RELAXED);
	err = sync->sync(sync);
	csb_publish(e->ktoa, e->ring->hwcur, e->ring->hwtail);
	if (e->ring->hwtail != tail)
		notify(e);
	if (head != e->seen || e->ring->hwtail != tail)
		*progress = true;
	e->seen = head;
	return err == -EINVAL ? 0
			      : err; /* a bad head is the program's affair: the ring was reset */
}

/* A link that is down ends no loop of the module's either: it may be up again later. */
static int serve_all(struct loop *loop, bool *progress)
{
	int err = 0;

	loop->down = false;
	for (uint32_t i = 0; i < loop->n && !err; i++) {
		err = serve(&loop->entries[i], progress);
		if (err == -ENETDOWN) {
			loop->down = true;
			err = 0;
		}
	}
	return err;
}

/* ---- sleeping ---- */

/* Ask for kicks where the program can do something: TX always, RX if it holds slots to give back. */
static void allow_kicks(const struct loop *loop)
{
	for (uint32_t i = 0; i < loop->n; i++) {
		struct entry *e = &loop->entries[i];

		if (e->ring->tx || e->ring->rhead != e->ring->hwtail)
			kicks_set(e, true);
	}
}

/*
 * Pairs with the program, which stores head and then looks at kern_need_kick: both sides sequentially
 * consistent, so that either it sees the mark of allow_kicks() or we see its head here.
 */
static bool has_moved(const struct loop *loop)
{
	for (uint32_t i = 0; i < loop->n; i++)
		if (__atomic_load_n(&loop->entries[i].atok->head, __ATOMIC_SEQ_CST) !=
		    loop->entries[i].seen)
			return true;
	return false;
}

/* A TX ring with nothing under way has nothing to say; an RX ring always may. */
static bool has_to_wake(const struct ring *r)
{
	return !r->tx || r->hwtail != ring_prev(r, r->rhead);
}

/*
 * Arm the rings. Out: the ports' descriptors, how many, and how long the sleep may be. A ring may go on
 * having news for a program that does not take them, or be out of descriptors: such a one is looked
 * at now and then instead.
 *
 * @return whether to look again at once
 */
static bool arm(struct loop *loop, unsigned *n, uint64_t *timeout_ns)
{
	for (uint32_t i = 0; i < loop->n; i++) {
		struct ring *r = loop->entries[i].ring;
		struct pollfd wake = {.fd = -1};
		int news = has_to_wake(r) ? r->port->kind->arm(r, &wake) : 0;

		if (news > 0 && loop->vain++ < VAIN)
			return true;
		if (news != 0)
			*timeout_ns = NAP_NS;
		else if (wake.fd >= 0)
			loop->fds[(*n)++] = wake;
	}
	return false;
}

/* The thread's signals may come in here and nowhere else, so none is overlooked. */
static int rest_for(struct loop *loop, unsigned n, uint64_t timeout_ns)
{
	int err = os_sleep(loop->fds, n, timeout_ns, loop->call->signals);

	loop->looked = os_now_ns();
	if (err)
		return error_set(err, "sync loop: %s", strerror(-err));
	if (loop->fds[AT_STOP].revents)
		os_wake_drain(loop->call->wake);
	if (loop->kicks >= 0 && loop->fds[AT_KICKS].revents)
		os_pollset_take(loop->kicks);
	return 0;
}

static int sleep_soundly(struct loop *loop)
{
	uint64_t timeout_ns = UINT64_MAX;
	unsigned n = AT_PORTS;

	allow_kicks(loop);
	if (has_moved(loop) || arm(loop, &n, &timeout_ns))
		return 0;
	return rest_for(loop, n, timeout_ns);
}

static int rest(struct loop *loop, bool progress)
{
	uint64_t now;

	if (loop->down)
		return rest_for(loop, AT_PORTS, DOWN_NS);
	if (loop->kicks < 0)
		return rest_for(loop, AT_PORTS, loop->sleep_ns);
	now = os_now_ns();
	if (progress) {
		loop->idle_since = now;
		loop->vain = 0;
	}
	if (now - loop->idle_since >= loop->spin_ns && !progress)
		return sleep_soundly(loop);
	os_cpu_relax();
	return now - loop->looked < LOOK_NS ? 0 : rest_for(loop, AT_PORTS, 0);
}

static bool is_stopped(const struct loop *loop)
{
	return __atomic_load_n(loop->call->word, __ATOMIC_ACQUIRE) & KLOOP_STOPPING;
}

static int run(struct loop *loop)
{
	int err = 0;

	while (!err && !is_stopped(loop)) {
		bool progress = false;

		err = serve_all(loop, &progress);
		if (!err)
			err = rest(loop, progress);
	}
	return err == -EINTR && is_stopped(loop) ? 0 : err; /* the signal handler stopped it */
}

/* ---- eventfds ---- */

/* 0 and *own is -1 for one that is not given. */
static int adopt(int fd, int *own)
{
	int got = fd < 0 ? -1 : os_wake_adopt(fd);

	if (fd >= 0 && got < 0)
		return error_set(got, "sync loop: descriptor %d is not an eventfd to use: %s", fd,
		    strerror(-got));
	*own = got;
	return 0;
}

static int kicks_add(const struct loop *loop, int fd)
{
	int err = os_pollset_add_edge(loop->kicks, fd);

	return err ? error_set(err, "sync loop: cannot wait for an eventfd: %s", strerror(-err))
		   : 0;
}

static int adopt_all(struct loop *loop, const struct nmreq_opt_sync_kloop_eventfds *option)
{
	int err = 0;

	for (uint32_t i = 0; i < loop->n && !err; i++) {
		struct entry *e = &loop->entries[i];

		err = adopt(option->eventfds[i].irqfd, &e->irq);
		if (!err && loop->kicks >= 0)
			err = adopt(option->eventfds[i].ioeventfd, &e->io);
		if (!err && loop->kicks >= 0)
			err = kicks_add(loop, e->io);
	}
	return err;
}

static bool kicks_are_complete(
    const struct loop *loop, const struct nmreq_opt_sync_kloop_eventfds *option)
{
	for (uint32_t i = 0; i < loop->n; i++)
		if (option->eventfds[i].ioeventfd < 0)
			return false;
	return true;
}

/* As the module: a ring without an ioeventfd makes the loop look for all of them. */
static int eventfds_use(struct loop *loop, const struct nmreq_opt_sync_kloop_eventfds *option)
{
	if (option->nro_opt.nro_size !=
	    sizeof *option + loop->n * (uint64_t)sizeof option->eventfds[0])
		return error_set(-EINVAL,
		    "sync loop: option SYNC_KLOOP_EVENTFDS has %llu bytes, which is not %u entries",
		    (unsigned long long)option->nro_opt.nro_size, loop->n);
	if (kicks_are_complete(loop, option)) {
		loop->kicks = os_pollset_create();
		if (loop->kicks < 0)
			return error_set(loop->kicks, "sync loop: %s", strerror(-loop->kicks));
	}
	loop->fds[AT_KICKS] = (struct pollfd){.fd = loop->kicks, .events = POLLIN};
	return adopt_all(loop, option);
}

static int options_use(struct loop *loop, const struct nmreq_header *header)
{
	struct soft_options options;
	int err = soft_options_read(header, &options);

	if (err)
		return err;
	if (options.eventfds) {
		err = eventfds_use(loop, options.eventfds);
		options.eventfds->nro_opt.nro_status = (uint32_t)-err;
	}
	if (!err && options.mode && options.mode->mode && loop->kicks < 0)
		err = error_set(
		    -EINVAL, "sync loop: a direct mode wants an ioeventfd for every ring");
	return err;
}

/* ---- beginning and end ---- */

static void entries_fill(struct loop *loop, struct soft *soft)
{
	struct port *port = soft->port;
	uint32_t n = 0;

	for (uint32_t i = soft->tx.first; i < soft->tx.end; i++)
		loop->entries[n++].ring = &port->tx[i];
	for (uint32_t i = soft->rx.first; i < soft->rx.end; i++)
		loop->entries[n++].ring = &port->rx[i];
	for (uint32_t i = 0; i < n; i++) {
		struct entry *e = &loop->entries[i];

		e->atok = &soft->csb.atok[i];
		e->ktoa = &soft->csb.ktoa[i];
		e->seen = UINT32_MAX; /* the first round is never in vain */
		e->io = e->irq = -1;
		e->kicks = true;
	}
}

static uint32_t count(const struct soft_range *range)
{
	return range->end > range->first ? range->end - range->first : 0;
}

static int loop_open(struct loop *loop, struct soft *soft)
{
	loop->n = count(&soft->tx) + count(&soft->rx);
	loop->kicks = -1;
	loop->spin_ns = (uint64_t)soft->spin_us * 1000u;
	loop->idle_since = loop->looked = os_now_ns();
	loop->fds = calloc(AT_PORTS + loop->n, sizeof *loop->fds);
	loop->entries = calloc(loop->n + 1u, sizeof *loop->entries);
	if (loop->entries)
		entries_fill(loop, soft);
	if (!loop->entries || !loop->fds)
		return error_set(-ENOMEM, "sync loop: out of memory for %u rings", loop->n);
	loop->fds[AT_STOP] = (struct pollfd){.fd = loop->call->wake, .events = POLLIN};
	loop->fds[AT_KICKS].fd = -1;
	return 0;
}

static void close_if_open(int fd)
{
	if (fd >= 0)
		close(fd);
}

static void loop_close(struct loop *loop)
{
	for (uint32_t i = 0; loop->entries && i < loop->n; i++) {
		close_if_open(loop->entries[i].io);
		close_if_open(loop->entries[i].irq);
	}
	close_if_open(loop->kicks);
	free(loop->entries);
	free(loop->fds);
}

int kloop_run(struct soft *soft, const struct nmreq_header *header, uint32_t sleep_us,
    const struct kloop_call *call)
{
	struct loop loop = {.call = call, .sleep_ns = (uint64_t)sleep_us * 1000u};
	int err = loop_open(&loop, soft);

	if (!err)
		err = options_use(&loop, header);
	if (!err)
		err = run(&loop);
	loop_close(&loop);
	return err;
}
