/* SPDX-License-Identifier: BSD-2-Clause */
/* The side of a monitor's process: finding the board of a port and calling its process. */
#include "board.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../base/error.h"
#include "soft.h"

#define LOOK_EVERY_NS 100000000u

static int board_map(struct board_visit *visit, const struct share *share)
{
	const size_t page = os_page_size();
	struct stat st;
	void *board;
	int err;

	visit->fd = share_reopen(share);
	if (visit->fd < 0)
		return visit->fd;
	if (fstat(visit->fd, &st) != 0 || (size_t)st.st_size < page)
		return -EPROTO;
	err = os_memory_map(visit->fd, page, &board);
	if (!err)
		visit->board = board;
	return err;
}

/* Another program wrote it; it is read once. */
static int board_read(struct board_visit *visit, const char *name)
{
	const struct board *board = visit->board;
	struct monitor_shape *s = &visit->shape;

	visit->generation = __atomic_load_n(&board->generation, __ATOMIC_ACQUIRE);
	*s = board->shape;
	memcpy(visit->region, board->region, sizeof visit->region - 1);
	if (board->abi == MONITOR_ABI && visit->generation % 2 == 1 && s->nic_rings >= 1 &&
	    s->nic_rings <= SOFT_RINGS_MAX && s->host_rings <= SOFT_RINGS_MAX &&
	    s->buf_size >= SOFT_BUF_MIN && s->buf_size <= SOFT_BUF_MAX &&
	    s->buf_size % SOFT_BUF_UNIT == 0)
		return 0;
	return error_set(-EPROTO,
	    "the process that has \"%s\" open cannot show it to monitors of this one: both must "
	    "use "
	    "compatible versions of pktloom",
	    name);
}

/* Numbers of earlier monitors whose port has changed hands may still be taken. */
static int object_make(struct board_visit *visit, const struct port_request *request)
{
	char key[BOARD_KEY_MAX];

	for (unsigned tries = 0; tries < 1024; tries++) {
		int err;

		visit->number =
		    __atomic_add_fetch(&visit->board->made, 1, __ATOMIC_RELAXED) & ~BOARD_COMING;
		if (visit->number == 0)
			continue;
		board_key(request->name, visit->number, key);
		err = share_open(&visit->own, request->directory, key, SHARE_NO_END);
		if (err)
			return err;
		if (visit->own.created) {
			share_ready(&visit->own);
			return 0;
		}
		share_close(&visit->own);
	}
	return error_set(-EBUSY, "cannot find a number for a monitor of \"%s\"", request->name);
}

/* Whether the monitor behind an entry still lives. */
static bool is_alive(const struct board_visit *visit, const char *name, uint32_t number)
{
	char key[BOARD_KEY_MAX];
	bool alive;
	int fd;

	board_key(name, number & ~BOARD_COMING, key);
	fd = share_peek(&visit->own, key);
	/* What cannot be asked is taken for alive. */
	alive = fd >= 0 ? share_is_used(fd) : fd != -ENOENT;
	if (fd >= 0)
		close(fd);
	return alive;
}

static int entry_take(struct board_visit *visit, const char *name)
{
	for (uint32_t i = 0; i < BOARD_MONITORS; i++) {
		uint32_t *entry = &visit->board->entries[i];
		uint32_t number = __atomic_load_n(entry, __ATOMIC_RELAXED);

		if (number && is_alive(visit, name, number))
			continue;
		if (__atomic_compare_exchange_n(entry, &number, visit->number | BOARD_COMING, false,
			__ATOMIC_ACQ_REL, __ATOMIC_RELAXED)) {
			visit->entry = i;
			return 0;
		}
	}
	return error_set(-ENOMEM, "port \"%s\" has %u monitors in other processes already", name,
	    BOARD_MONITORS);
}

static void visit_unmap(struct board_visit *visit)
{
	if (visit->board)
		os_memory_unmap(visit->board, os_page_size());
	if (visit->fd >= 0)
		close(visit->fd);
}

/* The board stays in use until the entry is ours, so that its file is nobody else's by then. */
static int announce(struct board_visit *visit, const struct port_request *request)
{
	int err = object_make(visit, request);

	if (err)
		return err;
	err = entry_take(visit, request->name);
	if (err)
		share_close(&visit->own);
	return err;
}

int board_visit(struct board_visit *visit, const struct port_request *request)
{
	char key[BOARD_KEY_MAX];
	struct share share;
	int err, held;

	*visit = (struct board_visit){.fd = -1};
	board_key(request->name, 0, key);
	err = share_open_existing(&share, request->directory, key);
	if (err)
		return err;
	held = share_end_held(&share, 0);
	if (held == 0)
		err = -ENOENT;
	else
		err = held < 0 ? held : board_map(visit, &share);
	share_ready(&share);
	if (err && err != -ENOENT)
		error_format(
		    "cannot look at the board of \"%s\": %s", request->name, strerror(-err));
	if (!err)
		err = board_read(visit, request->name);
	if (!err)
		err = announce(visit, request);
	share_close(&share);
	if (err)
		visit_unmap(visit);
	return err;
}

void board_call(struct board_visit *visit)
{
	uint32_t number = visit->number | BOARD_COMING;

	/* Releases the memory's contents to the acquire in board.c; a lost entry is found out by itself. */
	__atomic_compare_exchange_n(&visit->board->entries[visit->entry], &number, visit->number,
	    false, __ATOMIC_SEQ_CST, __ATOMIC_RELAXED);
	__atomic_store_n(&visit->board->called, 1, __ATOMIC_SEQ_CST);
}

static bool is_ours(const struct board_visit *visit)
{
	uint32_t number = __atomic_load_n(&visit->board->entries[visit->entry], __ATOMIC_RELAXED);

	return (number & ~BOARD_COMING) == visit->number;
}

bool board_is_down(struct board_visit *visit)
{
	uint64_t now;

	if (__atomic_load_n(&visit->down, __ATOMIC_RELAXED))
		return true;
	/* Pairs with board_close(): what was shown before came before. */
	if (__atomic_load_n(&visit->board->generation, __ATOMIC_SEQ_CST) != visit->generation ||
	    !is_ours(visit)) {
		__atomic_store_n(&visit->down, true, __ATOMIC_RELAXED);
		return true;
	}
	now = os_now_ns();
	if (now - __atomic_load_n(&visit->looked_ns, __ATOMIC_RELAXED) < LOOK_EVERY_NS)
		return false;
	__atomic_store_n(&visit->looked_ns, now, __ATOMIC_RELAXED);
	if (!share_is_owned(visit->fd, 0))
		__atomic_store_n(&visit->down, true, __ATOMIC_RELAXED);
	return __atomic_load_n(&visit->down, __ATOMIC_RELAXED);
}

void board_leave(struct board_visit *visit)
{
	uint32_t *entry = &visit->board->entries[visit->entry];
	uint32_t number = __atomic_load_n(entry, __ATOMIC_RELAXED);

	if ((number & ~BOARD_COMING) == visit->number)
		__atomic_compare_exchange_n(
		    entry, &number, 0, false, __ATOMIC_SEQ_CST, __ATOMIC_RELAXED);
	__atomic_store_n(&visit->board->called, 1, __ATOMIC_SEQ_CST);
	visit_unmap(visit);
	share_close(&visit->own);
}
