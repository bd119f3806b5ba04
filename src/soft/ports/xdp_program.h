/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What makes an interface hand its packets to AF_XDP sockets: a program of a few instructions that looks
 * the receiving queue up in a map of sockets and, where there is none, lets the packet go on to the host.
 *
 * One program serves all queues of an interface, and all processes that have some of them: who finds
 * one of ours attached joins it. Each holds the attachment (a BPF link), so it goes with the last of
 * them, however that ends; a socket leaves the map when it is closed.
 *
 * Not thread-safe for one interface; kinds open and close under the registry's lock.
 */
#ifndef SOFT_PORTS_XDP_PROGRAM_H
#define SOFT_PORTS_XDP_PROGRAM_H

#include <stdbool.h>
#include <stdint.h>

struct xdp_program {
	int link, map;  /* descriptors; -1 */
	bool native;    /* runs in the driver, not on the host's own packet buffers */
	bool fragments; /* packets of several buffers come through, if the socket takes them */
};

/**
 * Attach to an interface, or join the program that is there.
 *
 * @param native   in the driver, else generic
 * @param name     of the port, for messages
 * @return 0; -EBUSY another program is there, or ours in the other mode; -EPERM; -EOPNOTSUPP; with a
 *         message
 */
int xdp_program_attach(int interface, bool native, const char *name, struct xdp_program *out);

/** Let go; harmless on one that never was attached. */
void xdp_program_detach(struct xdp_program *program);

/** From now on packets of a queue go to its socket, or to the host again. */
int xdp_program_take(const struct xdp_program *program, uint32_t queue, int socket);
void xdp_program_leave(const struct xdp_program *program, uint32_t queue);

#endif
