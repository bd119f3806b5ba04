/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * switch: ports valeS:p of a learning Ethernet switch. A sender's sync copies its packets into the RX
 * rings of their destinations, in this process or in others; a full destination drops, and no sender
 * ever waits for one. What is shared is described in switch_shared.h.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../../base/error.h"
#include "../offsets.h"
#include "../parcel.h"
#include "../soft.h"
#include "switch_control.h"
#include "switch_forward.h"
#include "switch_table.h"

/* What an RX ring needs; ring->state points to its first member, which exchange.h looks for there. */
struct switch_rx {
	struct exchange_end end;
	struct switch_inbox *inbox;
	uint64_t drops_total,
	    drops[LOOM_DROP_REASONS]; /* as already counted in the ring's statistics */
};

_Static_assert(LOOM_DROP_REASONS <= SWITCH_REASONS, "struct switch_inbox has no room for a reason");

#define LOCK_TIMEOUT_MS 5000

/* ---- receiving ---- */

static void take_over_drops(struct ring *r, struct switch_rx *rx, uint64_t total)
{
	rx->drops_total = total;
	for (unsigned i = 0; i < LOOM_DROP_REASONS; i++) {
		uint64_t now = __atomic_load_n(&rx->inbox->drops[i], __ATOMIC_RELAXED);

		ring_drop(r, (enum loom_drop)i, now - rx->drops[i]);
		rx->drops[i] = now;
	}
}

static int switch_rxsync(struct ring *r)
{
	struct switch_rx *rx = (struct switch_rx *)r->state;
	struct exchange *x = rx->end.exchange;
	uint64_t total = __atomic_load_n(&rx->inbox->drops_total, __ATOMIC_RELAXED);

	if (LOOM_UNLIKELY(total != rx->drops_total))
		take_over_drops(r, rx, total);
	/* Senders never sleep. So, unlike exchange_rxsync(), no look at a mark has to come after this store. */
	if (r->rhead != r->hwcur) {
		r->hwcur = r->rhead;
		/* Releases our reads of the slots to the acquire of `released` in outlet_begin(). */
		__atomic_store_n(&x->receiver.released, r->rhead, __ATOMIC_RELEASE);
	}
	/* Pairs with outlet_publish(): slots and payload are visible. */
	exchange_receive(r, __atomic_load_n(&x->sender.published, __ATOMIC_ACQUIRE));
	return 0;
}

static int switch_wake_open(struct ring *r, bool own)
{
	const struct switch_port *sw = r->port->state;
	char name[NAME_MAX + 32];

	if (!own)
		return -EINVAL; /* senders never sleep: a mark that says so is nonsense */
	switch_wake_name(&sw->share, sw->number, sw->own->generation, r->index, name);
	return os_wake_open(sw->share.dirfd, name);
}

#define switch_txsync switch_forward
RING_SYNCS(switch)

/* A sync leaves a TX ring all the room it has: nothing ever comes that would be worth waking for. */
static int switch_arm(struct ring *r, struct pollfd *out)
{
	if (!r->tx)
		return exchange_arm(r, out);
	out->fd = -1;
	out->events = 0;
	return 0;
}

static void switch_disarm(struct ring *r)
{
	if (!r->tx)
		exchange_disarm(r);
}

/* ---- offsets ---- */

/*
 * The inbox's lock is ours: no sender is half-way through a packet. Slots that hold one are [released,
 * published), whatever this side has seen of them.
 */
static void inbox_offsets_start(
    struct ring *r, struct switch_inbox *inbox, const struct offsets *offsets)
{
	const struct exchange *x = &inbox->exchange;
	uint32_t published = __atomic_load_n(&x->sender.published, __ATOMIC_RELAXED);

	/* An index that somebody wrote nonsense to is not followed: nothing will be received. */
	if (!offsets->in_use && published < r->num_slots)
		offsets_fill_rx(r, offsets, r->hwcur, ring_distance(r, r->hwcur, published));
	__atomic_store_n(&inbox->offset_room, r->offset_room, __ATOMIC_RELAXED);
	__atomic_store_n(&inbox->offset_mask, r->offset_mask, __ATOMIC_RELAXED);
}

static int switch_offsets_start(struct ring *r, const struct offsets *offsets)
{
	struct switch_port *sw = r->port->state;
	struct switch_locker locker = {.port = NULL};
	struct switch_inbox *inbox;
	int err;

	if (r->tx)
		return offsets_start_tx(r, offsets);
	inbox = sw->rx[r->index].inbox;
	switch_locker_init(&locker, sw, SWITCH_RINGS);
	err = robust_lock_take(&inbox->lock, &locker.user);
	if (err)
		return error_set(err,
		    "\"%s\": a sender does not let go of RX ring %u, so that it cannot be given "
		    "offsets; try again",
		    r->port->name, r->index);
	inbox_offsets_start(r, inbox, offsets);
	robust_lock_give(&inbox->lock, locker.user.id);
	return 0;
}

/* ---- coming ---- */

static void request_clip(struct port_request *request)
{
	if (request->tx_rings > SWITCH_RINGS)
		request->tx_rings = SWITCH_RINGS;
	if (request->rx_rings > SWITCH_RINGS)
		request->rx_rings = SWITCH_RINGS;
	request->host_tx_rings = request->host_rx_rings = 0;
}

/* The directory is locked. Ports whose process was killed are forgotten first. */
static int number_take(struct switch_port *sw, const char *name)
{
	struct switch_table *table = sw->view->table;
	int err;

	switch_table_sweep(&sw->share, table, 0);
	sw->number = switch_table_find(table, name);
	if (sw->number && switch_is_live(switch_table_generation(table, sw->number)))
		return error_set(-EBUSY,
		    "\"%s\" is open in another process: close it there, or choose another port "
		    "name",
		    name);
	if (sw->number == 0) /* else it is kept, and not open */
		sw->number = switch_table_vacant(&sw->share, table);
	if (sw->number == 0)
		return error_set(
		    -ENOMEM, "\"%s\": the switch has %u ports already", name, SWITCH_PORTS);
	err = share_take(&sw->share, sw->number - 1);
	if (err)
		return error_set(err, "\"%s\": cannot lock the port's place on the switch: %s",
		    name, strerror(-err));
	return 0;
}

static int states_allocate(struct port *port, struct switch_port *sw)
{
	sw->tx = calloc(port->num_tx, sizeof *sw->tx);
	sw->rx = calloc(port->num_rx, sizeof *sw->rx);
	if (!sw->tx || !sw->rx)
		return error_set(-ENOMEM, "out of memory for \"%s\"", port->name);
	return 0;
}

static void rings_attach(struct port *port, struct switch_port *sw, bool resume)
{
	for (uint32_t i = 0; i < port->num_tx; i++)
		switch_tx_init(&sw->tx[i], sw, &port->tx[i]);
	for (uint32_t i = 0; i < port->num_rx; i++) {
		struct switch_rx *rx = &sw->rx[i];

		rx->inbox = sw->own->rings[i].inbox;
		exchange_end_init(&rx->end, &rx->inbox->exchange, switch_wake_open);
		port->rx[i].state = rx;
		if (resume)
			exchange_resume(&port->rx[i]);
	}
}

static void mode_describe(struct port *port, const struct switch_port *sw)
{
	snprintf(port->mode, sizeof port->mode, "port %u of the switch", sw->number);
}

/* The port's rings, in the region that was asked for or in one of its own that others can map. */
static int build(struct port *port, struct switch_port *sw, const struct port_request *request,
    struct region **region)
{
	struct region_shape shape;
	int err;

	*region = port_region(request);
	if (!*region) {
		port_region_shape(request, &shape);
		err = region_open(&sw->share, request->directory, request->name, &shape, region);
		if (err)
			return err;
	}
	region_reference(*region);
	err = port_build_own(port, request, *region, false);
	if (err)
		return err;
	err = states_allocate(port, sw);
	if (err)
		port_unbuild(port);
	return err;
}

/* Memory comes before the part that describes it, the part before the entry that shows it. */
static int place_take(struct port *port, struct switch_port *sw)
{
	uint32_t generation = switch_table_generation(sw->view->table, sw->number) + 1;
	int err;

	switch_table_announce(sw->view->table, sw->number);
	err = switch_target_create(&sw->share, sw->number, generation, port, &sw->own);
	if (err)
		return err;
	switch_view_add(sw->view, sw->own);
	rings_attach(port, sw, true);
	port->state = sw;
	port->indirect = true;
	mode_describe(port, sw);
	switch_table_enter(sw->view->table, sw->number, sw->admission.name);
	return 0;
}

/*
 * What is done while the directory is locked; switch_free() undoes it. A region that was found is the
 * caller's to release, when the directory is not locked any more.
 */
static int join(struct port *port, struct switch_port *sw, const struct port_request *request,
    struct region **region)
{
	int err = sw->share.created ? switch_table_create(&sw->share) : 0;

	if (!err)
		err = switch_view_get(&sw->share, sw->admission.key, &sw->view);
	if (!err)
		err = number_take(sw, sw->admission.name);
	if (!err)
		err = build(port, sw, request, region);
	if (!err) {
		err = place_take(port, sw);
		if (err)
			port_unbuild(port);
	}
	return err;
}

static void switch_free(struct switch_port *sw)
{
	if (sw->own)
		switch_view_remove(sw->view, sw->own);
	if (sw->view)
		switch_view_put(sw->view);
	share_close(&sw->share);
	switch_dismiss(&sw->admission);
	free(sw->tx);
	free(sw->rx);
	free(sw);
}

static int switch_open(struct port *port, const struct port_request *wanted)
{
	struct port_request request = *wanted;
	struct region *region = NULL;
	struct switch_port *sw = calloc(1, sizeof *sw);
	int err;

	if (!sw)
		return error_set(-ENOMEM, "out of memory for \"%s\"", request.name);
	err = switch_admit(&request, &sw->admission);
	if (!err) {
		err = share_open(&sw->share, request.directory, sw->admission.key, SHARE_NO_END);
		if (err)
			switch_dismiss(&sw->admission);
	}
	if (err) {
		free(sw);
		return err;
	}
	request_clip(&request);
	err = join(port, sw, &request, &region);
	if (err)
		switch_free(sw);
	else
		share_ready(&sw->share);
	if (region)
		region_release(region);
	return err;
}

/* ---- going ---- */

/*
 * Slots and buffers are about to go back to the region: a turn in progress ends first, and no sender
 * begins another one, whatever its snapshot says.
 */
static void inboxes_close(struct port *port, struct switch_port *sw)
{
	struct switch_locker locker = {.port = NULL};

	switch_locker_init(&locker, sw, SWITCH_RINGS);
	for (uint32_t i = 0; i < port->num_rx; i++) {
		struct switch_inbox *inbox = sw->rx[i].inbox;
		bool mine = robust_lock_take(&inbox->lock, &locker.user) == 0;

		__atomic_store_n(&inbox->closed, 1, __ATOMIC_RELAXED);
		if (mine)
			robust_lock_give(&inbox->lock, locker.user.id);
	}
}

static void switch_close(struct port *port)
{
	struct switch_port *sw = port->state;
	bool locked = os_directory_lock(sw->share.dirfd, LOCK_TIMEOUT_MS) == 0;
	bool last = !locked || !port->held_elsewhere || share_end_is_mine(&sw->share);

	if (last)
		inboxes_close(port, sw);
	for (uint32_t i = 0; i < port->num_tx; i++)
		switch_tx_close(&sw->tx[i]);
	for (uint32_t i = 0; i < port->num_rx; i++)
		exchange_end_close(&sw->rx[i].end);
	/* Where the lock cannot be had, the next one to come finds that we are gone. */
	if (locked && last) {
		switch_table_sweep(&sw->share, sw->view->table, sw->number);
		switch_table_leave(&sw->share, sw->view->table, sw->number);
	}
	switch_free(sw);
}

/* ---- passing on ---- */

static int switch_pack(struct port *port, struct parcel *parcel)
{
	const struct switch_port *sw = port->state;
	const struct switch_admission *admission = &sw->admission;
	bool fits = parcel_put_share(parcel, &sw->share, &parcel->own.share[0]);

	if (fits && admission->is_kept)
		fits = parcel_put_share(parcel, &admission->kept, &parcel->own.share[1]);
	parcel->own.words[0] = sw->number;
	parcel->own.words[1] = sw->own->generation;
	parcel->own.words[2] = admission->is_kept;
	return fits ? 0 : error_set(-EOPNOTSUPP, "\"%s\" is too large to be passed on", port->name);
}

static int shares_take(struct switch_port *sw, struct parcel *parcel)
{
	int err = parcel_take_share(parcel, &parcel->own.share[0], &sw->share);

	if (err)
		return err;
	if (parcel->own.words[2])
		err = parcel_take_share(parcel, &parcel->own.share[1], &sw->admission.kept);
	sw->admission.is_kept = parcel->own.words[2] && !err;
	share_key(&sw->share, sw->admission.key, sizeof sw->admission.key);
	return err;
}

static int switch_join(struct port *port, struct switch_port *sw, uint32_t generation)
{
	int err = switch_view_get(&sw->share, sw->admission.key, &sw->view);

	if (err)
		return err;
	if (sw->number == 0 || sw->number > SWITCH_PORTS || port->num_tx > SWITCH_RINGS ||
	    port->num_rx > SWITCH_RINGS || port->claim.num_areas < port->num_tx + port->num_rx ||
	    switch_table_generation(sw->view->table, sw->number) != generation)
		return error_set(-EPROTO, "\"%s\" is not on its switch any more", port->name);
	switch_table_name(sw->view->table, sw->number, sw->admission.name);
	err = states_allocate(port, sw);
	if (!err)
		err = switch_target_adopt(&sw->share, sw->number, generation, port, &sw->own);
	return err;
}

static int switch_adopt(struct port *port, struct parcel *parcel)
{
	struct switch_port *sw = calloc(1, sizeof *sw);
	int err;

	if (!sw)
		return error_set(-ENOMEM, "out of memory for \"%s\"", port->name);
	sw->share.fd = sw->share.dirfd = -1;
	sw->number = parcel->own.words[0];
	err = shares_take(sw, parcel);
	if (!err)
		err = switch_join(port, sw, parcel->own.words[1]);
	if (err) {
		switch_free(sw);
		return err;
	}
	switch_view_add(sw->view, sw->own);
	rings_attach(port, sw, false);
	port->state = sw;
	return 0;
}

const struct port_kind port_kind_switch = {
    .name = "switch",
    .example = "vale0:a",
    .help = "a port of a learning switch between any processes of one user, one copy per packet",
    .open = switch_open,
    .header = switch_header_of,
    .close = switch_close,
    .pack = switch_pack,
    .adopt = switch_adopt,
    .tx_entry = switch_tx_entry,
    .rx_entry = switch_rx_entry,
    .arm = switch_arm,
    .disarm = switch_disarm,
    .offsets_start = switch_offsets_start,
};
