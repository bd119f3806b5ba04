/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The packet kind's parts: packet_rx.c and packet_tx.c move packets, packet.c opens and closes.
 *
 * Every ring has a socket of its own, so that rings can be synced by different threads, and so that
 * an error that the receive path met is not handed to a sender.
 */
#ifndef SOFT_PORTS_PACKET_H
#define SOFT_PORTS_PACKET_H

#include <sys/socket.h>
#include <sys/uio.h>

#include "../port.h"
#include "link.h"
#include "retry.h"

#define PACKET_TX_BATCH 256u /* packets per system call: bench/rows/packet_tx */

struct packet_rx {
	int fd;
	uint8_t *blocks;
	uint32_t num_blocks;
	uint32_t block;         /* the one that is read, or comes next */
	uint32_t left;          /* its packets not yet taken */
	const uint8_t *packet;  /* the first of them */
	uint32_t segment;       /* … of which, if it is several, so many were taken */
	bool losing;            /* the kernel has drops to report */
	struct link_watch link; /* by the same socket */
} __attribute__((aligned(128)));

struct packet_tx {
	int fd;
	struct retry retry;
	bool blocked;  /* the system took less than there was */
	uint32_t skip; /* the packet that begins here is dropped, and counted already */
	struct mmsghdr messages[PACKET_TX_BATCH];
	struct iovec parts[PACKET_TX_BATCH + NETMAP_MAX_FRAGS];
	uint32_t after[PACKET_TX_BATCH]; /* the slot behind each message */
} __attribute__((aligned(128)));

/* packet.c */

/** setsockopt() on the level of AF_PACKET. */
int packet_option_set(int fd, int option, const void *value, socklen_t size);

/** A socket that receives nothing before it is bound. */
int packet_socket_open(int *fd);
int packet_socket_bind(int fd, int interface, uint16_t protocol);

/* packet_rx.c; opening sets no message */

/** Open for a port of num_rings; nothing comes before packet_rx_start(). */
int packet_rx_open(struct packet_rx *rx, int interface, uint32_t num_rings);
int packet_rx_start(const struct packet_rx *rx);
void packet_rx_close(struct packet_rx *rx);
int packet_rxsync(struct ring *r);
/** Take a socket over that another process has opened for a port of num_rings. */
int packet_rx_adopt(struct packet_rx *rx, int fd, uint32_t num_rings);
/** struct port_kind's show and take. */
void packet_rx_show(const struct packet_rx *rx, void *own);
void packet_rx_take(struct packet_rx *rx, const void *own);
int packet_rx_arm(struct ring *r, struct pollfd *out);

/* packet_tx.c */
int packet_tx_open(struct packet_tx *tx, int interface);
void packet_tx_close(struct packet_tx *tx);
int packet_tx_adopt(struct packet_tx *tx, int fd);
int packet_txsync(struct ring *r);
int packet_tx_arm(struct ring *r, struct pollfd *out);
void packet_tx_disarm(struct ring *r);

#endif
