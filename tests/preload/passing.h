/* SPDX-License-Identifier: BSD-2-Clause */
/* Passing netmap descriptors through sockets, as programs for /dev/netmap do. */
#ifndef PRELOAD_PASSING_H
#define PRELOAD_PASSING_H

#include "support.h"

/** A peer in a process of its own, forked before this one had any port. */
struct peer {
	pid_t pid;
	int socket;
};

/** Run body with the other end of a socket in a child. */
struct peer peer_start(int (*body)(int socket));

/** Close the socket and wait: the child's exit status, or -signal. */
int peer_end(struct peer *peer);

/** Send n descriptors in one message, with so many bytes of data. */
void pass_fds(int socket, const int *fds, unsigned n, const void *data, size_t len);

/** Receive up to n descriptors, -1 in the place of those that did not come; recvmsg's flags. */
unsigned take_fds(int socket, int *fds, unsigned n, void *data, size_t len, int flags);

/** The same for a bound port and all that its memory must be found by. */
void pass_port(int socket, const struct port *port);
struct port take_port(int socket);

/** One byte, to say that something is done. */
void say(int socket);
void hear(int socket);

#endif
