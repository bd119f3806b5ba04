/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Rings opened by themselves. A port lends a ring to another port, which gives it back when it is closed;
 * either may be closed first, so what is lent is noted in a struct of its own.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "../base/error.h"
#include "port.h"

struct lending {
	unsigned references; /* the port that lends, and those that borrow */
	unsigned lent;
	unsigned num_tx;
	bool taken[]; /* TX rings, then RX rings */
};

/* ---- what is lent; borrowers may be closed by other threads ---- */

static bool *place(struct lending *lending, bool tx, unsigned index)
{
	return &lending->taken[tx ? index : lending->num_tx + index];
}

static void lending_put(struct lending *lending)
{
	if (lending && __atomic_sub_fetch(&lending->references, 1, __ATOMIC_ACQ_REL) == 0)
		free(lending);
}

static int lending_make(struct loom_port *port)
{
	unsigned num_tx = port_rings(port, true), num_rx = port_rings(port, false);

	if (port->lends)
		return 0;
	port->lends = calloc(1, sizeof *port->lends + (num_tx + num_rx) * sizeof(bool));
	if (!port->lends)
		return error_set(-ENOMEM, "out of memory for rings of port \"%s\"", port->name);
	port->lends->references = 1;
	port->lends->num_tx = num_tx;
	return 0;
}

static void lend(struct loom_port *port, struct loom_port *borrower)
{
	struct lending *lending = port->lends;

	if (borrower->borrowed_tx)
		__atomic_store_n(
		    place(lending, true, borrower->borrowed_index), true, __ATOMIC_RELAXED);
	if (borrower->borrowed_rx)
		__atomic_store_n(
		    place(lending, false, borrower->borrowed_index), true, __ATOMIC_RELAXED);
	__atomic_add_fetch(&lending->references, 1, __ATOMIC_RELAXED);
	__atomic_add_fetch(&lending->lent, 1, __ATOMIC_RELAXED);
	borrower->borrows = lending;
}

/*
 * Release: who sees the ring free again, in lending_check() and lending_check_ring(), sees also what the
 * borrower's thread left in it.
 */
static void give_back(struct loom_port *borrower)
{
	struct lending *lending = borrower->borrows;

	if (borrower->borrowed_tx)
		__atomic_store_n(
		    place(lending, true, borrower->borrowed_index), false, __ATOMIC_RELEASE);
	if (borrower->borrowed_rx)
		__atomic_store_n(
		    place(lending, false, borrower->borrowed_index), false, __ATOMIC_RELEASE);
	__atomic_sub_fetch(&lending->lent, 1, __ATOMIC_RELEASE);
	lending_put(lending);
}

/* Acquire: pairs with give_back(). */
int lending_check_ring(const struct loom_port *port, bool tx, unsigned index)
{
	if (!port->lends || !__atomic_load_n(place(port->lends, tx, index), __ATOMIC_ACQUIRE))
		return 0;
	return error_set(-EBUSY,
	    "%s ring %u of port \"%s\" was opened by itself: use that port, or close it first",
	    tx ? "TX" : "RX", index, port->name);
}

int lending_check(const struct loom_port *port)
{
	unsigned lent = port->lends ? __atomic_load_n(&port->lends->lent, __ATOMIC_ACQUIRE) : 0;

	if (lent == 0)
		return 0;
	return error_set(-EBUSY,
	    "port \"%s\" rests while rings of it are opened by themselves (%u): wait on those",
	    port->name, lent);
}

void lending_end(struct loom_port *port)
{
	lending_put(port->lends);
	if (port->borrows)
		give_back(port);
}

/* ---- loom_port_open_ring ---- */

/* What port_ring() says of it, unless a pair is wanted and it is its other ring that counts. */
static int choose_rings(
    const struct loom_port *port, enum loom_rings which, unsigned index, struct loom_port *child)
{
	struct device_ring *ring;
	int tx = which == LOOM_RING_RX ? -EINVAL : port_ring(port, true, index, &ring);
	int rx = which == LOOM_RING_TX ? -EINVAL : port_ring(port, false, index, &ring);

	if (tx == -EBUSY || (tx && which != LOOM_RING_RX && (rx || which == LOOM_RING_TX)))
		return tx;
	if (rx == -EBUSY || (rx && which == LOOM_RING_RX))
		return rx;
	child->borrowed_tx = tx == 0;
	child->borrowed_rx = rx == 0;
	child->borrowed_index = index;
	return 0;
}

/* Where the device counts a ring from: host rings have numbers of their own. */
static void request_ring(
    const struct loom_port *port, bool tx, unsigned index, struct nmreq_register *reg)
{
	unsigned nic = tx ? port->reg.nr_tx_rings : port->reg.nr_rx_rings;

	reg->nr_mode = index < nic ? NR_REG_ONE_NIC : NR_REG_ONE_SW;
	reg->nr_ringid = (uint16_t)(index < nic ? index : index - nic);
}

static int request_fill(const struct loom_port *port, struct loom_port *child)
{
	const uint64_t unwanted = NR_EXCLUSIVE | NR_TX_RINGS_ONLY | NR_RX_RINGS_ONLY;
	struct nmreq_register tx = {.nr_mode = 0}, rx = {.nr_mode = 0};

	request_ring(port, true, child->borrowed_index, &tx);
	request_ring(port, false, child->borrowed_index, &rx);
	if (child->borrowed_tx && child->borrowed_rx &&
	    (tx.nr_mode != rx.nr_mode || tx.nr_ringid != rx.nr_ringid))
		return error_set(-EINVAL,
		    "TX ring %u and RX ring %u of port \"%s\" are no pair: open one at a time",
		    child->borrowed_index, child->borrowed_index, port->name);
	child->reg = child->borrowed_tx ? tx : rx;
	child->reg.nr_flags = port->reg.nr_flags & ~unwanted;
	if (!child->borrowed_rx)
		child->reg.nr_flags |= NR_TX_RINGS_ONLY;
	if (!child->borrowed_tx)
		child->reg.nr_flags |= NR_RX_RINGS_ONLY;
	return 0;
}

static int arguments_check(
    const struct loom_port *port, enum loom_rings which, struct loom_port *const *out)
{
	if (!port || !out)
		return error_set(-EINVAL,
		    "loom_port_open_ring: the port and the place for the new one must not be NULL");
	if ((unsigned)which > LOOM_RING_RX)
		return error_set(
		    -EINVAL, "port \"%s\": rings to open are a LOOM_RING_… value", port->name);
	if (port->reg.nr_flags & NR_EXCLUSIVE)
		return error_set(-EBUSY,
		    "port \"%s\" is opened exclusively: open it without /x or NR_EXCLUSIVE",
		    port->name);
	return 0;
}

static int child_open(struct loom_port *port, struct loom_port *child)
{
	int err = request_fill(port, child);

	if (!err)
		err = lending_make(port);
	if (!err)
		err = port->device->ops->sibling(port->device, &child->reg, &child->device);
	if (!err)
		err = port_finish(child);
	if (err)
		return err;
	memcpy(child->name, port->name, sizeof child->name);
	memcpy(child->tried, port->tried, sizeof child->tried);
	lend(port, child);
	return 0;
}

int loom_port_open_ring(
    struct loom_port *port, enum loom_rings which, unsigned index, struct loom_port **out)
{
	struct loom_port *child;
	int err = arguments_check(port, which, out);

	if (err)
		return err;
	child = calloc(1, sizeof *child);
	if (!child)
		return error_set(-ENOMEM, "out of memory for a ring of port \"%s\"", port->name);
	child->offset = port->offset;
	err = choose_rings(port, which, index, child);
	if (!err)
		err = child_open(port, child);
	if (err)
		free(child);
	else
		*out = child;
	return err;
}
