/* SPDX-License-Identifier: BSD-2-Clause */
/* The monitor's side: its rings and what they watch. Filling them is watch.c's. */
#include "monitor.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../base/error.h"
#include "board.h"
#include "soft.h"

/* What an RX ring needs; ring->state points to its first member, which exchange.h looks for there. */
struct monitor_rx {
	struct exchange_end end;
	struct watch_box *box;
	uint64_t drops_total,
	    drops[LOOM_DROP_REASONS]; /* as already counted in the ring's statistics */
};

_Static_assert(LOOM_DROP_REASONS <= WATCH_REASONS, "struct watch_box has no room for a reason");

struct monitor {
	struct port *port;
	struct watch_choice choice;
	bool joined; /* its rings are in the watched port's region */
	bool paired; /* watch_is_paired() of that port */
	struct monitor_rx *rings;
	/* Of a port of this process: */
	struct monitor *next; /* that watches the same port */
	struct port *watched; /* NULL when it is gone; guarded by the registry's lock */
	bool orphaned;        /* the same for syncs; changed atomically */
	struct watch_box *boxes;
	struct watch_sink *sinks; /* one for each RX ring, as of the boxes */
	uint32_t num_sinks;
	struct watch_tap *taps;
	uint32_t num_taps; /* begun */
	/* Of a port of another process: */
	bool elsewhere;
	struct board_visit visit;
	struct monitor_memory memory;
	int fd; /* what that is mapped from */
};

/* ---- syncing ---- */

static bool is_orphaned(struct monitor *monitor)
{
	if (monitor->elsewhere)
		return board_is_down(&monitor->visit);
	/* Pairs with monitor_orphan(): what was shown before came before. */
	return __atomic_load_n(&monitor->orphaned, __ATOMIC_SEQ_CST);
}

static int check_watched(const struct ring *r)
{
	if (!is_orphaned(r->port->state))
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
		uint64_t now = __atomic_load_n(&rx->box->drops[i], __ATOMIC_RELAXED);

		ring_drop(r, (enum loom_drop)i, now - rx->drops[i]);
		rx->drops[i] = now;
	}
}

/* What was shown before the watched port went stays receivable, though the sync says that it is gone. */
static int monitor_rxsync(struct ring *r)
{
	struct monitor_rx *rx = (struct monitor_rx *)r->state;
	int gone = check_watched(r), err = exchange_rxsync(r);
	uint64_t total = __atomic_load_n(&rx->box->drops_total, __ATOMIC_RELAXED);

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

static int wake_open_elsewhere(const struct monitor *monitor, const struct ring *r)
{
	const struct share *own = &monitor->visit.own;
	char name[NAME_MAX + 32];

	board_wake_name(own->file, r->index, name);
	return os_wake_open(own->dirfd, name);
}

static int wake_open(struct ring *r, bool own)
{
	struct monitor *monitor = r->port->state;
	int fd;

	if (!own)
		return -EINVAL; /* those who show never sleep */
	if (monitor->elsewhere)
		return wake_open_elsewhere(monitor, r);
	fd = os_wake_create();
	if (fd >= 0)
		__atomic_store_n(&monitor->sinks[r->index].wake, fd, __ATOMIC_RELEASE);
	return fd;
}

static int monitor_arm(struct ring *r, struct pollfd *out)
{
	int news = 0;

	out->fd = -1;
	out->events = 0;
	if (!r->tx)
		news = exchange_arm(r, out);
	/* After the mark of exchange_arm(), as those who orphan it look for the mark after their store. */
	return news ? news : is_orphaned(r->port->state);
}

static void monitor_disarm(struct ring *r)
{
	if (!r->tx)
		exchange_disarm(r);
}

/* ---- coming ---- */

static uint32_t slots_within(uint32_t wanted, uint32_t fallback)
{
	uint32_t slots = wanted ? wanted : fallback;

	return slots < SOFT_SLOTS_MIN   ? SOFT_SLOTS_MIN
	       : slots < SOFT_SLOTS_MAX ? slots
					: SOFT_SLOTS_MAX;
}

/* The watched port's shape; only the numbers of slots may be asked for. */
static void request_shape(struct port_request *request, const struct monitor_shape *shape)
{
	request->tx_rings = 1;
	request->rx_rings = shape->nic_rings;
	request->host_tx_rings = 0;
	request->host_rx_rings = shape->host_rings;
	request->tx_slots = slots_within(request->tx_slots, shape->tx_slots);
	request->rx_slots = slots_within(request->rx_slots, shape->rx_slots);
	request->buf_size = shape->buf_size;
}

/* netmap's own names: what is watched, how, and the how manieth monitor of that port it is. */
static void name_it(struct port *port, const char *watched, uint32_t number)
{
	const struct monitor *monitor = port->state;
	uint64_t flags = monitor->choice.flags;

	snprintf(port->name, sizeof port->name, "%.*s/%s%s%s#%u", (int)(sizeof port->name - 16),
	    watched, flags & NR_ZCOPY_MON ? "z" : "", flags & NR_MONITOR_RX ? "r" : "",
	    flags & NR_MONITOR_TX ? "t" : "", number);
}

/* How the packets come: what can be swapped is in watch.c. */
static void mode_say(struct port *port)
{
	const struct monitor *monitor = port->state;
	const uint64_t flags = monitor->choice.flags;
	bool swaps = flags & NR_ZCOPY_MON && monitor->joined;
	bool sent = swaps && flags & NR_MONITOR_TX;

	port->zero_copy = swaps && !(monitor->paired && flags & NR_MONITOR_RX);
	snprintf(port->mode, sizeof port->mode, "packets %s their consumer, %s%s",
	    flags & NR_ZCOPY_MON ? "after" : "before",
	    port->zero_copy ? "by swap"
	    : sent          ? "swap if sent"
			    : "by copy",
	    monitor->elsewhere ? ", of another process" : "");
}

static int rings_attach(struct port *port, struct monitor *monitor)
{
	monitor->rings = calloc(port->num_rx, sizeof *monitor->rings);
	if (!monitor->rings)
		return error_set(-ENOMEM, "out of memory for a monitor's rings");
	for (uint32_t i = 0; i < port->num_rx; i++) {
		struct monitor_rx *rx = &monitor->rings[i];

		rx->box = monitor->elsewhere ? monitor_memory_box(&monitor->memory, i)
					     : &monitor->boxes[i];
		exchange_end_init(&rx->end, &rx->box->exchange, wake_open);
		port->rx[i].state = rx;
	}
	return 0;
}

/* ---- … to a port of this process ---- */

static void sinks_free(struct monitor *monitor)
{
	for (uint32_t i = 0; i < monitor->num_sinks; i++)
		watch_sink_destroy(&monitor->sinks[i]);
	free(monitor->boxes);
	free(monitor->sinks);
	free(monitor->taps);
}

static int sink_make(struct monitor *monitor, const struct ring *r)
{
	struct watch_sink *sink = &monitor->sinks[r->index];
	const struct region *region = r->port->region;
	int err = watch_sink_init(sink);

	if (err)
		return err;
	monitor->num_sinks++;
	sink->box = &monitor->boxes[r->index];
	sink->slots = r->common.ring->slot;
	sink->num_slots = r->num_slots;
	sink->buffers = region_buffer(region, 0);
	sink->num_bufs = region->num_bufs;
	sink->buf_size = region->buf_size;
	return 0;
}

static int sinks_make(struct port *port, struct monitor *monitor)
{
	const struct port *watched = monitor->watched;
	void *boxes = NULL;
	int err = -ENOMEM;

	monitor->sinks = calloc(port->num_rx, sizeof *monitor->sinks);
	monitor->taps = calloc((size_t)watched->num_tx + watched->num_rx, sizeof *monitor->taps);
	if (posix_memalign(&boxes, EXCHANGE_LINE, port->num_rx * sizeof *monitor->boxes) == 0)
		monitor->boxes = memset(boxes, 0, port->num_rx * sizeof *monitor->boxes);
	if (monitor->sinks && monitor->taps && monitor->boxes)
		err = 0;
	for (uint32_t i = 0; i < port->num_rx && !err; i++)
		err = sink_make(monitor, &port->rx[i]);
	if (err)
		return error_set(err, "out of memory for a monitor of \"%s\"", watched->name);
	return watch_prepare(monitor->watched);
}

/*
 * To show packets by swapping buffers the rings must be in the watched port's region, as the module has it;
 * where that is full they are elsewhere and show copies. Copies alone stay out of the way of other ports.
 */
static int rings_make_here(
    struct port *port, struct monitor *monitor, const struct port_request *request)
{
	struct region *region = request->watched->region;

	if (request->monitor_flags & NR_ZCOPY_MON) {
		region_reference(region);
		monitor->joined = port_build_own(port, request, region, false) == 0;
	}
	return monitor->joined ? 0 : port_build_own(port, request, NULL, false);
}

static int open_here(struct port *port, struct monitor *monitor, struct port_request *request)
{
	struct port *watched = request->watched;
	struct monitor_shape shape;
	int err;

	monitor_shape_of(watched, &shape);
	request_shape(request, &shape);
	err = rings_make_here(port, monitor, request);
	if (err)
		return err;
	monitor->watched = watched;
	monitor->paired = shape.paired;
	err = sinks_make(port, monitor);
	if (!err)
		err = rings_attach(port, monitor);
	if (err) {
		port_unbuild(port);
		sinks_free(monitor);
		free(monitor->rings);
		return err;
	}
	monitor->next = watched->monitors;
	watched->monitors = monitor;
	name_it(port, watched->name, board_number(watched));
	mode_say(port);
	return 0;
}

/* ---- … to a port of another process ---- */

/* The rings, in the port's region: as in rings_make_here(). */
static bool rings_join(
    struct port *port, const struct monitor *monitor, const struct port_request *request)
{
	struct region *region;

	return request->monitor_flags & NR_ZCOPY_MON && monitor->visit.region[0] &&
	       region_join(NULL, request->directory, monitor->visit.region, &region) == 0 &&
	       port_build_own(port, request, region, false) == 0;
}

/* … or in another one that the port's process can map. */
static int rings_make(
    struct port *port, const struct monitor *monitor, const struct port_request *request)
{
	struct region_shape shape;
	struct region *region;
	char name[NETMAP_REQ_IFNAMSIZ];
	int err;

	snprintf(name, sizeof name, "%.48s#%u", request->name, monitor->visit.number);
	port_region_shape(request, &shape);
	err = region_open(NULL, request->directory, name, &shape, &region);
	return err ? err : port_build_own(port, request, region, false);
}

static int memory_make(
    struct port *port, struct monitor *monitor, const struct port_request *request)
{
	int err = 0;

	monitor->joined = rings_join(port, monitor, request);
	if (!monitor->joined)
		err = rings_make(port, monitor, request);
	if (err)
		return err;
	monitor->fd = share_reopen(&monitor->visit.own);
	err = monitor->fd < 0 ? monitor->fd
			      : monitor_memory_create(monitor->fd, port, &monitor->memory);
	if (err)
		port_unbuild(port);
	return err;
}

static void memory_free(struct monitor *monitor)
{
	monitor_memory_unmap(&monitor->memory);
	if (monitor->fd >= 0)
		close(monitor->fd);
	board_leave(&monitor->visit);
}

static int open_elsewhere(struct port *port, struct monitor *monitor, struct port_request *request)
{
	int err = board_visit(&monitor->visit, request);

	if (err == -ENOENT)
		return error_set(-EINVAL,
		    "port \"%s\" is not open: a monitor needs a port to watch, open that first%s",
		    request->name,
		    strchr(request->name, ':')
			? ", in this process if its name is known in no other"
			: "");
	if (err)
		return err;
	monitor->fd = -1;
	monitor->elsewhere = true;
	monitor->paired = monitor->visit.shape.paired;
	request_shape(request, &monitor->visit.shape);
	err = memory_make(port, monitor, request);
	if (!err) {
		err = rings_attach(port, monitor);
		if (err)
			port_unbuild(port);
	}
	if (err) {
		memory_free(monitor);
		return err;
	}
	name_it(port, request->name, monitor->visit.number - 1);
	mode_say(port);
	return 0;
}

static int monitor_open(struct port *port, const struct port_request *wanted)
{
	struct monitor *monitor = calloc(1, sizeof *monitor);
	struct port_request request = *wanted;
	int err;

	if (!monitor)
		return error_set(-ENOMEM, "out of memory for a monitor of \"%s\"", request.name);
	monitor->port = port;
	monitor->choice.flags = request.monitor_flags;
	port->state = monitor;
	err = request.watched ? open_here(port, monitor, &request)
			      : open_elsewhere(port, monitor, &request);
	if (err)
		free(monitor);
	return err;
}

void monitor_start(struct port *port, const struct soft_range *rings)
{
	struct monitor *monitor = port->state;

	monitor->choice.first = rings->first;
	monitor->choice.end = rings->end;
	if (monitor->elsewhere) {
		monitor->memory.header->choice = monitor->choice;
		board_call(&monitor->visit);
	} else {
		monitor->num_taps =
		    watch_begin(monitor->watched, &monitor->choice, monitor->sinks, monitor->taps);
	}
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

	watch_end(monitor->taps, monitor->num_taps);
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
	for (uint32_t i = 0; i < port->num_rx; i++)
		exchange_end_close(&monitor->rings[i].end);
	if (monitor->elsewhere)
		memory_free(monitor);
	else
		sinks_free(monitor);
	free(monitor->rings);
	free(monitor);
}

void monitor_orphan(struct port *watched)
{
	while (watched->monitors) {
		struct monitor *monitor = watched->monitors;

		watch_no_more(monitor);
		/* Before the look at who sleeps: see monitor_arm(). */
		__atomic_store_n(&monitor->orphaned, true, __ATOMIC_SEQ_CST);
		for (uint32_t i = 0; i < monitor->num_sinks; i++)
			watch_wake(&monitor->sinks[i]);
	}
	board_close(watched);
	watch_forget(watched);
}

const struct port_kind port_kind_monitor = {
    .name = "monitor",
    .example = "vale0:a/rt",
    .help = "shows the packets that pass another port",
    .local = true,
    .open = monitor_open,
    .close = monitor_close,
    .tx_entry = monitor_tx_entry,
    .rx_entry = monitor_rx_entry,
    .arm = monitor_arm,
    .disarm = monitor_disarm,
};
