/* SPDX-License-Identifier: BSD-2-Clause */
/* The side of the port's process: putting up a board, and showing packets to those who call. */
#include "board.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../base/error.h"
#include "soft.h"

#define LOOK_EVERY_NS 100000000u

/** A monitor of another process. */
struct guest {
	struct board_owner *owner;
	uint32_t number;
	int fd; /* its object, to ask whether it lives */
	char file[NAME_MAX + 1];
	struct monitor_memory memory;
	struct watch_sink *sinks;
	uint32_t num_sinks;
	struct watch_tap *taps;
	uint32_t num_taps;
	uint64_t looked_ns; /* changed atomically, as is the next */
	bool dead;
};

struct board_owner {
	struct port *port;
	struct share share;
	struct board *board;
	pthread_mutex_t lock; /* guests: syncs of several rings may answer at once */
	struct guest *guests[BOARD_MONITORS];
};

/* ---- names, and a guest's sinks ---- */

void board_key(const char *name, uint32_t number, char out[BOARD_KEY_MAX])
{
	if (number)
		snprintf(out, BOARD_KEY_MAX, "mon-%s#%u", name, number);
	else
		snprintf(out, BOARD_KEY_MAX, "mon-%s", name);
}

void board_wake_name(const char *file, uint32_t ring, char out[NAME_MAX + 32])
{
	snprintf(out, NAME_MAX + 32, "%s.%u", file, ring);
}

static int guest_wake_open(struct watch_sink *sink)
{
	const struct guest *guest = sink->owner;
	char name[NAME_MAX + 32];

	board_wake_name(guest->file, sink->index, name);
	return os_wake_open(guest->owner->share.dirfd, name);
}

/* One that stays full may have been killed. */
static void guest_was_full(struct watch_sink *sink)
{
	struct guest *guest = sink->owner;
	uint64_t now = os_now_ns(), looked = __atomic_load_n(&guest->looked_ns, __ATOMIC_RELAXED);

	if (now - looked < LOOK_EVERY_NS)
		return;
	__atomic_store_n(&guest->looked_ns, now, __ATOMIC_RELAXED);
	if (share_is_used(guest->fd))
		return;
	__atomic_store_n(&guest->dead, true, __ATOMIC_RELAXED);
	__atomic_store_n(&guest->owner->board->called, 1, __ATOMIC_RELEASE);
}

/* ---- guests come and go ---- */

static void guest_free(struct guest *guest)
{
	watch_end(guest->taps, guest->num_taps);
	for (uint32_t i = 0; i < guest->num_sinks; i++) {
		if (guest->sinks[i].wake >= 0)
			close(guest->sinks[i].wake);
		watch_sink_destroy(&guest->sinks[i]);
	}
	monitor_memory_unmap(&guest->memory);
	if (guest->fd >= 0)
		close(guest->fd);
	free(guest->sinks);
	free(guest->taps);
	free(guest);
}

static int guest_map(struct guest *guest, const struct port *port)
{
	const struct monitor_shape *shape = &guest->memory.shape;
	int err =
	    monitor_memory_map(guest->owner->share.dirfd, guest->fd, port->region, &guest->memory);

	if (!err && (shape->nic_rings != watch_nic_rings(port) ||
			shape->host_rings != watch_host_rings(port)))
		err = -EPROTO;
	return err;
}

static int guest_sinks_make(struct guest *guest)
{
	uint32_t n = guest->memory.shape.nic_rings + guest->memory.shape.host_rings;

	guest->sinks = calloc(n, sizeof *guest->sinks);
	if (!guest->sinks)
		return -ENOMEM;
	for (uint32_t i = 0; i < n; i++) {
		struct watch_sink *sink = &guest->sinks[i];
		int err = watch_sink_init(sink);

		if (err)
			return err;
		guest->num_sinks++;
		err = monitor_memory_sink(&guest->memory, i, sink);
		if (err)
			return err;
		sink->wake_open = guest_wake_open;
		sink->was_full = guest_was_full;
		sink->owner = guest;
		sink->index = i;
	}
	return 0;
}

static int guest_watch(struct guest *guest, struct port *port)
{
	const struct watch_choice choice = guest->memory.header->choice;
	int err = watch_prepare(port);

	guest->taps = calloc((size_t)port->num_tx + port->num_rx, sizeof *guest->taps);
	if (err || !guest->taps)
		return -ENOMEM;
	guest->num_taps = watch_begin(port, &choice, guest->sinks, guest->taps);
	return 0;
}

/* NULL: it died meanwhile, or is not what it should be. */
static struct guest *guest_new(struct board_owner *owner, uint32_t number)
{
	struct guest *guest = calloc(1, sizeof *guest);
	char key[BOARD_KEY_MAX];
	int err;

	if (!guest)
		return NULL;
	guest->owner = owner;
	guest->number = number;
	board_key(owner->port->name, number, key);
	share_file_name(key, guest->file);
	guest->fd = share_peek(&owner->share, key);
	err = guest->fd < 0 || !share_is_used(guest->fd) ? -ENOENT : guest_map(guest, owner->port);
	if (!err)
		err = guest_sinks_make(guest);
	if (!err)
		err = guest_watch(guest, owner->port);
	if (!err)
		return guest;
	guest_free(guest);
	return NULL;
}

static void entry_clear(struct board *board, uint32_t i, uint32_t number)
{
	__atomic_compare_exchange_n(
	    &board->entries[i], &number, 0, false, __ATOMIC_ACQ_REL, __ATOMIC_RELAXED);
}

/* It left, or was killed: then the entry has its number still, or that of who came in its place. */
static bool is_over(const struct guest *guest, uint32_t number)
{
	return guest->number != number || __atomic_load_n(&guest->dead, __ATOMIC_RELAXED);
}

static void entry_answer(struct board_owner *owner, uint32_t i)
{
	struct guest **at = &owner->guests[i];
	/* Pairs with board_call(): the monitor's memory is complete. */
	uint32_t number = __atomic_load_n(&owner->board->entries[i], __ATOMIC_ACQUIRE);

	if (*at && is_over(*at, number)) {
		uint32_t gone = (*at)->number;

		entry_clear(owner->board, i, gone);
		guest_free(*at);
		*at = NULL;
		if (number == gone)
			return;
	}
	if (*at || number == 0 || number & BOARD_COMING)
		return;
	*at = guest_new(owner, number);
	if (!*at)
		entry_clear(owner->board, i, number); /* which tells it, if it lives */
}

void board_answer(struct port *port)
{
	struct board_owner *owner = port->board;

	if (pthread_mutex_trylock(&owner->lock) != 0)
		return; /* another ring's sync is at it */
	/* Before the look at the entries: who comes during that calls again. */
	__atomic_store_n(&owner->board->called, 0, __ATOMIC_SEQ_CST);
	for (uint32_t i = 0; i < BOARD_MONITORS; i++)
		entry_answer(owner, i);
	pthread_mutex_unlock(&owner->lock);
}

/* ---- the board itself ---- */

void monitor_shape_of(const struct port *port, struct monitor_shape *out)
{
	*out = (struct monitor_shape){
	    .nic_rings = watch_nic_rings(port),
	    .host_rings = watch_host_rings(port),
	    .tx_slots = port->tx_slots,
	    .rx_slots = port->tx_slots > port->rx_slots ? port->tx_slots : port->rx_slots,
	    .buf_size = port->region->buf_size,
	    .paired = watch_is_paired(port),
	};
}

uint32_t board_number(struct port *port)
{
	if (port->board)
		return __atomic_fetch_add(&port->board->board->made, 1, __ATOMIC_RELAXED);
	return port->monitors_made++;
}

static void board_fill(struct board *board, const struct port *port)
{
	monitor_shape_of(port, &board->shape);
	memcpy(board->region, port->region->name, sizeof board->region);
	/* What an owner that was killed has left; its monitors see the generation. */
	memset(board->entries, 0, sizeof board->entries);
	board->called = 0;
	board->abi = MONITOR_ABI;
	__atomic_add_fetch(&board->generation, board->generation % 2 ? 2 : 1, __ATOMIC_SEQ_CST);
}

static bool board_map(struct board_owner *owner)
{
	void *board;
	int fd, err;

	if (owner->share.created && ftruncate(owner->share.fd, (off_t)os_page_size()) != 0)
		return false;
	fd = share_reopen(&owner->share);
	if (fd < 0)
		return false;
	err = os_memory_map(fd, os_page_size(), &board);
	close(fd);
	if (!err)
		owner->board = board;
	return !err;
}

static void owner_free(struct board_owner *owner)
{
	if (owner->board)
		os_memory_unmap(owner->board, os_page_size());
	pthread_mutex_destroy(&owner->lock);
	share_close(&owner->share);
	free(owner);
}

static void rings_call(const struct port *port, const uint32_t *called)
{
	for (uint32_t i = 0; i < port->num_tx; i++)
		port->tx[i].called = called;
	for (uint32_t i = 0; i < port->num_rx; i++)
		port->rx[i].called = called;
}

void board_open(struct port *port)
{
	struct board_owner *owner;
	char key[BOARD_KEY_MAX];

	if (port->kind->local)
		return;
	owner = calloc(1, sizeof *owner);
	if (!owner)
		return;
	board_key(port->name, 0, key);
	if (share_open(&owner->share, port->directory[0] ? port->directory : NULL, key, 0) != 0) {
		free(owner);
		return;
	}
	owner->port = port;
	pthread_mutex_init(&owner->lock, NULL);
	if (!board_map(owner)) {
		owner_free(owner);
		return;
	}
	board_fill(owner->board, port);
	share_ready(&owner->share);
	port->board = owner;
	rings_call(port, &owner->board->called);
}

static void guest_dismiss(struct guest *guest)
{
	/* After the generation has moved: see board_is_down(). */
	for (uint32_t i = 0; i < guest->num_sinks; i++)
		watch_wake(&guest->sinks[i]);
	guest_free(guest);
}

void board_close(struct port *port)
{
	struct board_owner *owner = port->board;

	if (!owner)
		return;
	__atomic_add_fetch(&owner->board->generation, 1, __ATOMIC_SEQ_CST);
	for (uint32_t i = 0; i < BOARD_MONITORS; i++)
		if (owner->guests[i])
			guest_dismiss(owner->guests[i]);
	rings_call(port, &ring_never_called);
	port->board = NULL;
	owner_free(owner);
}
