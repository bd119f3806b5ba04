/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Where monitors of other processes announce themselves to the process of a port: an object that is
 * found by the port's name (share.h), one page.
 *
 *   loom-mon-NAME       struct board; its end 0 is held by the port's process
 *   loom-mon-NAME%23N   memory of the monitor number N (monitor_memory.h), its user is the monitor's process
 *   loom-mon-NAME%23N.K wakeup of its RX ring K
 *
 * A monitor makes its memory, enters its number and sets `called`. The port's next sync finds that
 * set (struct ring.called), maps the memory and shows packets into it from then on, as it does to monitors of
 * its own process (watch.h). Whoever dies is found out by its locks; nobody waits for anybody.
 */
#ifndef SOFT_BOARD_H
#define SOFT_BOARD_H

#include "monitor_memory.h"
#include "port.h"
#include "share.h"

#define BOARD_MONITORS 16u
#define BOARD_COMING   0x80000000u /* in an entry: its monitor is not ready to be shown anything */

/* Shared between processes. */
struct board {
	uint32_t called; /* the port's process has to look at the entries */
	uint32_t abi;
	uint32_t generation; /* odd while a process has the port; moves when one comes or goes */
	uint32_t made;       /* number of the last monitor; they count from 1 */
	struct monitor_shape shape;       /* what a monitor of the port has to have */
	char region[NETMAP_REQ_IFNAMSIZ]; /* name of the port's; "": only its process has it */
	uint32_t entries[BOARD_MONITORS];
};

/* ---- the port's process; the registry's lock is held, except by board_answer() ---- */

/**
 * Put up the board of a new port. Where that does not go (another process has one of that name, there is
 * no directory for shared objects), the port works without: it cannot be watched from outside.
 */
void board_open(struct port *port);

/** The number of a new monitor of a port of this process. They count from 0, wherever they are. */
uint32_t board_number(struct port *port);

/** Take it down, and let go of the monitors. */
void board_close(struct port *port);

/** Look who is new and who is gone; from a sync that found the port called. */
void board_answer(struct port *port);

/* ---- a monitor's process ---- */

/** What a monitor of a port of this process has to have; slots as many as the port's most. */
void monitor_shape_of(const struct port *port, struct monitor_shape *out);

/** A monitor's way to a port of another process. */
struct board_visit {
	struct board *board;
	int fd; /* the board's object, to ask for its owner; no lock on it is ours */
	uint32_t generation;
	uint32_t entry;
	uint64_t looked_ns; /* these two are changed atomically: each ring's sync may look */
	bool down;
	struct share own;           /* the monitor's object */
	struct monitor_shape shape; /* checked copies */
	char region[NETMAP_REQ_IFNAMSIZ];
	uint32_t number;
};

/**
 * Find the board of a port and make the object of a monitor, empty as yet. -ENOENT, without a message:
 * no process has that port.
 */
int board_visit(struct board_visit *visit, const struct port_request *request);

/** The monitor's memory is complete: call the port's process. */
void board_call(struct board_visit *visit);

/** Whether the port is gone. Costs a system call at times only. */
bool board_is_down(struct board_visit *visit);

void board_leave(struct board_visit *visit);

/** The key of a monitor's object; with number 0 that of the board. */
#define BOARD_KEY_MAX (NETMAP_REQ_IFNAMSIZ + 32u)
void board_key(const char *name, uint32_t number, char out[BOARD_KEY_MAX]);

/** The name of the wakeup of a monitor's RX ring; file is that of the monitor's object. */
void board_wake_name(const char *file, uint32_t ring, char out[NAME_MAX + 32]);

#endif
