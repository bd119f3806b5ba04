/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Interfaces stay attached to a switch after the process that asked for it: a program of ours, the keeper,
 * carries their frames, one process for each. It ends when somebody detaches the interface, when the
 * interface or the directory of shared objects is gone, or when nobody else is left in its network namespace.
 *
 *   asker ── posix_spawn ──► keeper: attaches, answers on its standard output
 *   anybody ── local socket, found by directory and port name ──► keeper: detach, polling
 *
 * Where the program cannot be started, the asking process attaches for itself, for as long as it lives;
 * loom_error() and a line on the standard error say so.
 */
#ifndef SOFT_KEEPER_H
#define SOFT_KEEPER_H

#include <sys/socket.h>
#include <sys/un.h>

#include <pktloom/compat/net/netmap.h>

/* What a keeper is asked, and what it answers: between processes of one user and version. */
struct keeper_call {
	uint32_t version;
	uint32_t type; /* NETMAP_REQ_VALE_DETACH, … _POLLING_ENABLE, … _POLLING_DISABLE */
	struct nmreq_vale_polling polling;
};

struct keeper_answer {
	uint32_t version;
	int32_t err;
	uint32_t port_index;
	char message[256];
};

#define KEEPER_VERSION 1u

/** The requests VALE_ATTACH, VALE_DETACH and VALE_POLLING_*; errors as switch_attach.h has them. */
int keeper_attach(const char *name, struct nmreq_vale_attach *request);
int keeper_detach(const char *name, struct nmreq_vale_detach *request);
int keeper_polling_enable(const char *name, const struct nmreq_vale_polling *request);
int keeper_polling_disable(const char *name);

/** The address of the keeper of that port in the directory that the environment names. */
int keeper_address(const char *name, struct sockaddr_un *out, socklen_t *size);

#endif
