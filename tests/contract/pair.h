/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Two ends that traffic passes between, in every way there is: the contract tests walk a table of
 * rows (pair.c), and the same test runs with its far end here, in another thread, or in another
 * process.
 *
 * A test sends at the near end itself. What happens at the far end is an order: a function that is
 * carried out where the far end lives. It cannot assert; it reports.
 */
#ifndef CONTRACT_PAIR_H
#define CONTRACT_PAIR_H

#include "support.h"

enum place { PLACE_HERE, PLACE_THREAD, PLACE_PROCESS };

/* What is between the ends: memory; a cable of ours; the host's network; or memory behind the kernel's device. */
enum via { VIA_MEMORY, VIA_CABLE, VIA_HOST, VIA_KERNEL };

struct row {
	const char *kind; /* in src/soft/ports/ports.def */
	const char *label;
	const char *near; /* a name, %u: a number of its own */
	const char *far;  /* NULL: one port, its own peer */
	enum place place;
	enum via via;
};

/** Whether the system carries the packets, as Ethernet frames and some milliseconds at a time. */
static inline bool row_is_networked(const struct row *row)
{
	return row->via == VIA_CABLE || row->via == VIA_HOST;
}

/** Ring 0 of both directions of an open port. */
struct end {
	struct loom_port *port;
	struct loom_txring tx;
	struct loom_rxring rx;
};

struct report {
	int64_t value;
	char problem[192]; /* "": none */
};

typedef void far_order(struct end *far, const int64_t *args, struct report *report);

struct pair {
	const struct row *row;
	struct end near;
	struct end far; /* to be used by orders only, except where row->place is PLACE_HERE */
	struct mailbox *mailbox;
	unsigned number;
};

/**
 * Open a row's two ends with this configuration. Closed by the test's teardown.
 *
 * @param config  NULL: the defaults
 */
struct pair *pair_open(const struct row *row, const struct loom_config *config);

/** Close the far end alone, or all. */
void pair_close_far(struct pair *pair);
void pair_close(struct pair *pair);

/** Carry out an order at the far end; a problem fails the test, else its value is returned. */
#define FAR(pair, order, ...) pair_far((pair), (order), (const int64_t[4]){__VA_ARGS__})
int64_t pair_far(struct pair *pair, far_order *call, const int64_t args[4]);

/** Give an order now, fetch its report later: meanwhile the near end is busy as well. */
void pair_far_begin(struct pair *pair, far_order *call, const int64_t args[4]);
int64_t pair_far_end(struct pair *pair);

/* ---- orders that many tests give ---- */

/** Take args[0] packets, the first of number args[1], of args[2] bytes each; release, sync. Value: how many came. */
far_order far_take;
/** Sync the RX ring. Value: packets there. */
far_order far_look;
/** Take whatever is there, unseen. Value: frames. */
far_order far_drain;

/* ---- the near end ---- */

/** Queue up to n packets of len bytes, the first of number first. Returns how many fitted. */
uint32_t near_send(struct pair *pair, uint32_t n, uint32_t first, uint32_t len);

/* ---- running ---- */

struct body {
	const char *name;
	void (*run)(void **state); /* *state: the row */
	unsigned needs;            /* rows that have not all of it are left out */
};

#define NEEDS_TWO_PORTS   1u
#define NEEDS_ONE_THREAD  2u /* in this process */
#define NEEDS_CONCURRENCY 4u
#define NEEDS_MEMORY                                                                               \
	8u /* between the ends: what is synced is there at once, and stays in its slot */
#define NEEDS_SIZES                                                                                \
	16u /* buffers as large as was asked for: the kernel's device and AF_XDP have their own */
#define NEEDS_PATIENCE                                                                             \
	64u /* what comes to a full ring waits somewhere: AF_XDP loses it, as interfaces do, and libpcap after 2 MiB */
#define NEEDS_SLOTS                                                                                \
	128u /* a buffer comes back in the slot that it left in: a fault port's change places with others */
#define NEEDS_COUNTS 32u /* of sleeps and wakeups, which the kernel's device does not tell */

struct suite {
	const char *name;
	const struct body *bodies; /* run on every row */
	size_t num_bodies;
	const struct CMUnitTest *plain; /* run once, in one process */
	size_t num_plain;
};

/**
 * Run the rows of the places that the command line names: here, thread, process; none: all of these.
 * "packet" and "xdp" stand for the rows over a cable; 77 where none can be laid. "kernel" stands for those on the
 * kernel's device, for which the program runs under the preload library.
 */
int suite_run(const struct suite *suite, int argc, char **argv);

#define BODY(function)                                                                             \
	{                                                                                          \
#function, function, NEEDS_MEMORY                                                  \
	}
#define BODY_IF(function, needs)                                                                   \
	{                                                                                          \
#function, function, NEEDS_MEMORY | (needs)                                        \
	}
#define BODY_ANY(function)                                                                         \
	{                                                                                          \
#function, function, 0                                                             \
	}
#define BODY_ANY_IF(function, needs)                                                               \
	{                                                                                          \
#function, function, (needs)                                                       \
	}

#endif
