/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The xdp kind's parts: xdp_rx.c and xdp_tx.c move packets, xdp_queue.c opens the sockets, xdp.c is the
 * kind; xdp_umem.h has the memory, xdp_program.h what is attached to the interface, xdp_check.h what is
 * asked about it.
 *
 * Every queue of the interface has a ring of either direction and one socket for both, which is there
 * while one of the two rings has a user.
 *
 * Slots and buffers: a slot that the kernel has for receiving shows the buffer that stands in for it. Packets
 * may come in other buffers than the slots' turn would have it; then the two slots swap theirs, so that at
 * any time each buffer is shown by one slot, and closing has nothing to put in order.
 */
#ifndef SOFT_PORTS_XDP_H
#define SOFT_PORTS_XDP_H

#include <xdp/xsk.h>

#include <pktloom/port.h>

#include "../port.h"
#include "host.h"
#include "link.h"
#include "retry.h"
#include "xdp_program.h"
#include "xdp_umem.h"

/* Newer than the headers of some systems: Linux 6.6. */
#define XDP_BIND_SG        (1u << 4)
#define XDP_DESC_CONTINUED (1u << 0)

/* Descriptors of one packet: the kernel's MAX_SKB_FRAGS, and the first. */
#define XDP_FRAGS_MAX 17u

struct xdp_port;

struct xdp_rx {
	struct xsk_ring_cons ring;
	struct xsk_ring_prod fill;
	uint32_t *held; /* by slot: the buffer that stands in for it; forked children see it */
	const struct xdp_umem *umem;
	int fd;           /* the queue's socket; -1 */
	bool running;     /* the socket is in the program's map … */
	bool filled;      /* … and has buffers, which stay when it leaves */
	bool skipping;    /* the rest of a chain that no ring holds */
	bool busy_poll;   /* receiving is the caller's work, by a system call */
	uint64_t counted; /* of the kernel's drops */
	struct link_watch link;
	int pollset; /* socket and link; -1 until somebody sleeps */
} __attribute__((aligned(128)));

struct xdp_tx {
	struct xsk_ring_prod ring;
	struct xsk_ring_cons done;
	uint32_t *held; /* by slot: the buffer that the kernel sends; 0 when it has */
	const struct xdp_umem *umem;
	int fd;      /* the queue's socket; -1 */
	int link_fd; /* for messages about the link */
	bool fragments;
	bool over; /* what comes first is the rest of a packet that was dropped */
	struct retry retry;
} __attribute__((aligned(128)));

struct xdp_queue {
	struct xdp_rx rx;
	struct xdp_tx tx;
	uint32_t number;
	unsigned users; /* of its two rings */
	struct xsk_umem *umem;
	struct xsk_socket *socket;
} __attribute__((aligned(128)));

struct xdp_port {
	struct host *host; /* NULL: none in this build */
	int interface;
	enum loom_xdp_mode mode; /* as asked for */
	uint32_t busy_poll_us;
	int no_busy_poll; /* why there is none although it was asked for; 0 */
	unsigned way;     /* to bind: those before it were refused */
	bool zero_copy, fragments;
	int no_zero_copy, no_native; /* why a better mode was refused; 0 */
	char hurts[64];              /* offloads that change what is received; "" */
	char rings[80];              /* the driver's, for people; "" */
	uint32_t num_queues;
	struct xdp_umem *umem;
	struct xdp_program program;
	struct xdp_queue *queues;
	uint32_t *held; /* all queues' */
	size_t held_size;
};

/* ---- xdp_queue.c ---- */

/** Open a queue's socket before it has a user, so that what stands against it is known in time. */
int xdp_queue_open(struct port *port, struct xdp_queue *q);
/** Close it, if it is open. */
void xdp_queue_close(struct xdp_queue *q);

/** struct port_kind's begin and end. */
int xdp_begin(struct ring *r);
void xdp_end(struct ring *r);

/* ---- xdp_rx.c ---- */

int xdp_rxsync(struct ring *r);
int xdp_rx_arm(struct ring *r, struct pollfd *out);
/** Give the kernel buffers for the slots that it has; packets of an earlier user are thrown away. */
void xdp_rx_start(struct ring *r);
/** The socket is closed: the slots get their buffers back. */
void xdp_rx_stop(struct ring *r);
/** struct port_kind's take. */
void xdp_rx_take(struct xdp_rx *rx);

/* ---- xdp_tx.c ---- */

int xdp_txsync(struct ring *r);
int xdp_tx_arm(struct ring *r, struct pollfd *out);
void xdp_tx_disarm(struct ring *r);
void xdp_tx_stop(struct ring *r);
void xdp_tx_take(struct xdp_tx *tx);

#endif
