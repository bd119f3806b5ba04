/* SPDX-License-Identifier: BSD-2-Clause */
/* The monitor's side: its rings and what they watch. Filling them is watch.c's. */
#include "monitor.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../base/error.h"
#include "soft.h"
#include "watch.h"

/* What an RX ring needs; ring->state points to its first member, which exchange.h looks for there. */
struct monitor_rx {
	struct exchange_end end;
	struct watch_sink sink;
	uint64_t drops_total,
	    drops[LOOM_DROP_REASONS]; /* as already counted in the ring's statistics */
};

_Static_assert(LOOM_DROP_REASONS <= WATCH_REASONS, "struct watch_box has no room for a reason");

struct monitor {
	struct port *port;
	struct monitor *next;    /* of the same watched port */
	struct port *watched;    /* NULL when it is gone; guarded by the registry's lock */
	bool orphaned;           /* the same for syncs; changed atomically */
	uint64_t flags;          /* NR_MONITOR_*, NR_ZCOPY_MON */
	struct watch_box *boxes; /* one for each RX ring */
	struct monitor_rx *rings;
	uint32_t num_rings;
	struct watch_tap *taps;
	uint32_t num_taps; /* begun */
};

/* ---- syncing ---- */

static int check_watched(const struct ring *r)
{
	const struct monitor *monitor = r->port->state;

	/* Pairs with monitor_orphan(): what it was shown before came before. */
	if (!__atomic_load_n(&monitor->orphaned, __ATOMIC_SEQ_CST))
		return 0;
	return error_set(-EIO,
	    "the port that \"%s\" watched is closed: close the monitor, and open it again when the "
	    "port is there",
	    r->port->name);
}

static void take_over_drops(struct ring *r, struct monitor_rx *rx, uint64_t total)
{
	rx->drops_total = total;
	for (unsigned i = 0; i < LOOM_DROP_REASONS; i++) {
		uint64_t now = __atomic_load_n(&rx->sink.box->drops[i], __ATOMIC_RELAXED);

		ring_drop(r, (enum loom_drop)i, now - rx->drops[i]);
		rx->drops[i] = now;
	}
}

/* What was shown before the watched port went stays receivable, though the sync says that it is gone. */
static int monitor_rxsync(struct ring *r)
{
	struct monitor_rx *rx = (struct monitor_rx *)r->state;
	int gone = check_watched(r), err = exchange_rxsync(r);
	uint64_t total = __atomic_load_n(&rx->sink.box->drops_total, __ATOMIC_RELAXED);

	if (LOOM_UNLIKELY(total != rx->drops_total))
		take_over_drops(r, rx, total);
	return gone ? gone : err;
}

/* Slots are taken over but never sent: the ring is there because netmap's monitors have one. */
static int monitor_txsync(struct ring *r)
{
	return check_watched(r);
}

RING_SYNCS(monitor)

static int wake_open(struct ring *r, bool own)
{
	struct monitor_rx *rx = (struct monitor_rx *)r->state;
	int fd = own ? os_wake_create() : -EINVAL; /* those who show never sleep */

	if (fd >= 0)
		__atomic_store_n(&rx->sink.wake, fd, __ATOMIC_RELEASE);
	return fd;
}

static int monitor_arm(struct ring *r, struct pollfd *out)
{
	const struct monitor *monitor = r->port->state;
	int news = 0;

	out->fd = -1;
	out->events = 0;
	if (!r->tx)
		news = exchange_arm(r, out);
	/* After the mark of exchange_arm(), as monitor_orphan() looks for the mark after its store. */
	return news ? news : __atomic_load_n(&monitor->orphaned, __ATOMIC_SEQ_CST);
}

static void monitor_disarm(struct ring *r)
{
	if (!r->tx)
		exchange_disarm(r);
}

/* ---- coming ---- */

static uint32_t larger(uint32_t a, uint32_t b)
{
	return a > b ? a : b;
}

static uint32_t slots_within(uint32_t wanted, uint32_t fallback)
{
	uint32_t slots = wanted ? wanted : fallback;

	return slots < SOFT_SLOTS_MIN   ? SOFT_SLOTS_MIN
	       : slots < SOFT_SLOTS_MAX ? slots
					: SOFT_SLOTS_MAX;
}

/* The watched port's shape; only the numbers of slots may be asked for. */
static void request_shape(struct port_request *request)
{
	const struct port *watched = request->watched;

	request->tx_rings = 1;
	request->rx_rings =
	    larger(watched->num_tx - watched->host_tx, watched->num_rx - watched->host_rx);
	request->host_tx_rings = 0;
	request->host_rx_rings = larger(watched->host_tx, watched->host_rx);
	request->tx_slots = slots_within(request->tx_slots, watched->tx_slots);
	request->rx_slots =
	    slots_within(request->rx_slots, larger(watched->tx_slots, watched->rx_slots));
	request->buf_size = watched->region->buf_size;
}

static void monitor_free(struct monitor *monitor)
{
	for (uint32_t i = 0; i < monitor->num_rings; i++) {
		exchange_end_close(&monitor->rings[i].end);
		watch_sink_destroy(&monitor->rings[i].sink);
	}
	free(monitor->boxes);
	free(monitor->rings);
	free(monitor->taps);
	free(monitor);
}

static int monitor_allocate(struct monitor *monitor, const struct port *port, uint32_t taps)
{
	void *boxes = NULL;

	monitor->rings = calloc(port->num_rx, sizeof *monitor->rings);
	monitor->taps = calloc(taps, sizeof *monitor->taps);
	if (posix_memalign(&boxes, EXCHANGE_LINE, port->num_rx * sizeof *monitor->boxes) == 0)
		monitor->boxes = memset(boxes, 0, port->num_rx * sizeof *monitor->boxes);
	return monitor->rings && monitor->taps && monitor->boxes ? 0 : -ENOMEM;
}

static int ring_attach(struct monitor *monitor, struct ring *r)
{
	struct monitor_rx *rx = &monitor->rings[r->index];
	const struct region *region = r->port->region;
	int err = watch_sink_init(&rx->sink);

	if (err)
		return err;
	monitor->num_rings++;
	rx->sink.box = &monitor->boxes[r->index];
	rx->sink.slots = r->common.ring->slot;
	rx->sink.num_slots = r->num_slots;
	rx->sink.buffers = region_buffer(region, 0);
	rx->sink.num_bufs = region->num_bufs;
	rx->sink.buf_size = region->buf_size;
	exchange_end_init(&rx->end, &rx->sink.box->exchange, wake_open);
	r->state = rx;
	return 0;
}

static int monitor_build(struct port *port, struct monitor *monitor, struct port *watched)
{
	int err = monitor_allocate(monitor, port, watched->num_tx + watched->num_rx);

	for (uint32_t i = 0; i < port->num_rx && !err; i++)
		err = ring_attach(monitor, &port->rx[i]);
	if (err)
		return error_set(err, "out of memory for a monitor of \"%s\"", watched->name);
	return watch_prepare(watched);
}

/* netmap's own names: what is watched, how, and the how manieth monitor of that port it is. */
static void name_and_mode(struct port *port, struct port *watched, uint64_t flags)
{
	snprintf(port->name, sizeof port->name, "%.*s/%s%s%s#%u", (int)(sizeof port->name - 16),
	    watched->name, flags & NR_ZCOPY_MON ? "z" : "", flags & NR_MONITOR_RX ? "r" : "",
	    flags & NR_MONITOR_TX ? "t" : "", watched->monitors_made++);
	snprintf(port->mode, sizeof port->mode, "packets %s their consumer, by copy",
	    flags & NR_ZCOPY_MON ? "after" : "before");
}

static int monitor_open(struct port *port, const struct port_request *wanted)
{
	struct monitor *monitor = calloc(1, sizeof *monitor);
	struct port_request request = *wanted;
	int err;

	if (!monitor)
		return error_set(-ENOMEM, "out of memory for a monitor of \"%s\"", request.name);
	request_shape(&request);
	err = port_build_private(port, &request, false);
	if (!err) {
		err = monitor_build(port, monitor, request.watched);
		if (err)
			port_unbuild(port);
	}
	if (err) {
		monitor_free(monitor);
		return err;
	}
	port->state = monitor;
	monitor->port = port;
	monitor->flags = request.monitor_flags;
	monitor->watched = request.watched;
	monitor->next = request.watched->monitors;
	request.watched->monitors = monitor;
	name_and_mode(port, request.watched, request.monitor_flags);
	return 0;
}

/* Ring i shows NIC rings i, and the host rings behind them alike. */
static struct ring *shown_by(const struct port *monitor, const struct ring *r)
{
	const struct port *watched = r->port;
	uint32_t nic =
	    r->tx ? watched->num_tx - watched->host_tx : watched->num_rx - watched->host_rx;
	uint32_t own_nic = monitor->num_rx - monitor->host_rx;

	return &monitor->rx[r->index < nic ? r->index : own_nic + r->index - nic];
}

static void watch_rings(
    struct monitor *monitor, struct ring *rings, uint32_t n, const struct soft_range *wanted)
{
	for (uint32_t i = 0; i < n; i++) {
		const struct ring *own = shown_by(monitor->port, &rings[i]);
		struct watch_tap *tap = &monitor->taps[monitor->num_taps];

		if (own->index < wanted->first || own->index >= wanted->end)
			continue;
		*tap = (struct watch_tap){.ring = &rings[i],
		    .sink = &monitor->rings[own->index].sink,
		    .consumed = monitor->flags & NR_ZCOPY_MON};
		watch_begin(tap);
		monitor->num_taps++;
	}
}

void monitor_start(struct port *port, const struct soft_range *rings)
{
	struct monitor *monitor = port->state;
	const struct port *watched = monitor->watched;

	if (monitor->flags & NR_MONITOR_TX)
		watch_rings(monitor, watched->tx, watched->num_tx, rings);
	if (monitor->flags & NR_MONITOR_RX)
		watch_rings(monitor, watched->rx, watched->num_rx, rings);
}

const struct port *monitor_shown(const struct port *port)
{
	const struct monitor *monitor = port->state;

	return port->kind == &port_kind_monitor && monitor->watched ? monitor->watched : port;
}

/* ---- going ---- */

static void watch_no_more(struct monitor *monitor)
{
	struct monitor **at = &monitor->watched->monitors;

	for (uint32_t i = 0; i < monitor->num_taps; i++)
		watch_end(&monitor->taps[i]);
	monitor->num_taps = 0;
	while (*at != monitor)
		at = &(*at)->next;
	*at = monitor->next;
	monitor->watched = NULL;
}

static void monitor_close(struct port *port)
{
	struct monitor *monitor = port->state;

	if (monitor->watched)
		watch_no_more(monitor);
	monitor_free(monitor);
}

void monitor_orphan(struct port *watched)
{
	while (watched->monitors) {
		struct monitor *monitor = watched->monitors;

		watch_no_more(monitor);
		/* Before the look at who sleeps: see monitor_arm(). */
		__atomic_store_n(&monitor->orphaned, true, __ATOMIC_SEQ_CST);
		for (uint32_t i = 0; i < monitor->num_rings; i++)
			watch_wake(&monitor->rings[i].sink);
	}
	watch_forget(watched);
}

const struct port_kind port_kind_monitor = {
    .name = "monitor",
    .example = "vale0:a/rt",
    .help = "shows the packets that pass another port",
    .open = monitor_open,
    .close = monitor_close,
    .tx_entry = monitor_tx_entry,
    .rx_entry = monitor_rx_entry,
    .arm = monitor_arm,
    .disarm = monitor_disarm,
};
