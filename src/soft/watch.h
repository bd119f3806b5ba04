/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What it takes that somebody sees the traffic of a ring that is not his. Every sync of a watched ring
 * calls watch_before() and watch_after() around its port kind's move, so no kind knows of it; the sync
 * of a ring that nobody watches costs nothing more (struct ring.unusual).
 *
 *   watched TX ring i ──tap──┐
 *                            ├─► sink: slots, buffers, indexes ──► RX ring i of the monitor
 *   watched RX ring i ──tap──┘
 *
 * A tap belongs to one ring and one monitor. The thread that syncs the ring puts packets into the sink;
 * the monitor's own thread takes them out (exchange.h). Where there is no room a packet is dropped for
 * this monitor alone. Taps come and go under the lock of their ring, which only syncs of watched
 * rings take.
 */
#ifndef SOFT_WATCH_H
#define SOFT_WATCH_H

#include <pthread.h>

#include "exchange.h"

struct port;
struct region;

#define WATCH_REASONS 8u /* room for enum loom_drop to grow */

/** The part of a sink that both sides use. Its one receiver is a ring's exchange_end. */
struct watch_box {
	struct exchange exchange;
	/* What did not reach the monitor, by enum loom_drop; a line that is seldom written. */
	uint64_t drops[WATCH_REASONS] __attribute__((aligned(EXCHANGE_LINE)));
	uint64_t drops_total;
};

/** A monitor's RX ring as those see it who fill it. */
struct watch_sink {
	pthread_mutex_t lock; /* taps of a TX and of an RX ring fill the same sink */
	struct watch_box *box;
	struct netmap_slot *slots;
	uint8_t *buffers;
	uint32_t num_slots, num_bufs, buf_size;
	int wake; /* signalled when the monitor sleeps; -1 until it first did, changed atomically */
	/* Of a monitor in another process; NULL in this one. The first opens wake, or returns < 0. */
	int (*wake_open)(struct watch_sink *sink);
	void (*was_full)(struct watch_sink *sink);
	void *owner; /* for these two */
	uint32_t index;
};

/** What a monitor wants to see. */
struct watch_choice {
	uint64_t flags;      /* NR_MONITOR_*, NR_ZCOPY_MON */
	uint32_t first, end; /* its RX rings that are shown something */
};

/** One ring's traffic for one monitor. */
struct watch_tap {
	struct watch_tap *next;
	struct ring *ring;
	struct watch_sink *sink;
	bool consumed; /* packets are shown when their consumer is done with them, not before */
	bool swaps;    /* … and by changing buffers with the ring, if no other monitor does */
	bool fresh;    /* no sync since it came */
	bool torn;     /* the beginning of the packet that stands at `seen` was lost */
	uint32_t seen; /* slots before it were shown, or dropped */
	uint32_t
	    end; /* slots before it were looked at: what lies between is an incomplete packet */
};

int watch_sink_init(struct watch_sink *sink);
void watch_sink_destroy(struct watch_sink *sink);

/** How many NIC and host RX rings a monitor of the port has: one for each index there is. */
uint32_t watch_nic_rings(const struct port *port);
uint32_t watch_host_rings(const struct port *port);

/** Whether each of a port's rings has its slots in common with a ring of the other direction. */
bool watch_is_paired(const struct port *port);

/** Make the rings of a port fit to be watched; nobody watches them yet. */
int watch_prepare(struct port *port);

/**
 * Begin to show a monitor what it wants to see, by its sinks (one for each of its RX rings). taps has room
 * for all rings of the port. @return how many taps there are
 */
uint32_t watch_begin(struct port *port, const struct watch_choice *choice, struct watch_sink *sinks,
    struct watch_tap *taps);

/** After it no sync uses the taps. */
void watch_end(struct watch_tap *taps, uint32_t n);

/** Signal the monitor if it sleeps on the sink, whose lock is held or which nobody fills any more. */
void watch_wake(struct watch_sink *sink);

/** Undo watch_prepare(), for a port whose rings nobody syncs or watches any more. */
void watch_forget(struct port *port);

/* For ring.c: around the move of a sync. */
void watch_before(struct ring *r);
void watch_after(struct ring *r);

/** The device has taken rhead back: slots that were shown will be filled anew. */
void watch_rewind(struct ring *r);

#endif
