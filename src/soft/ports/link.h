/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the kinds that serve interfaces ask about them: whether there is one of that name, whether its
 * link is up. An interface that is down can be opened: syncs say -ENETDOWN until it is up. One that goes
 * away stays away, whatever comes by its name later.
 */
#ifndef SOFT_PORTS_LINK_H
#define SOFT_PORTS_LINK_H

#include <stdbool.h>
#include <stdint.h>

struct port;
struct port_request;

/* What an RX ring knows of its link. The socket is its owner's. */
struct link_watch {
	int fd;
	bool doubtful; /* it was down when last looked at, or never was looked at */
	uint32_t idle; /* syncs without packets since the last look */
	uint64_t looked_ns;
};

/**
 * The index of the interface that a request names (its ident).
 *
 * @return 0; -ENXIO there is none; -EINVAL it is a loopback interface; or why it could not be looked for
 */
int link_find(const struct port_request *request, int *index);

/** Whether the interface of a bound AF_PACKET socket is up; if not, -ENETDOWN and what can be done. */
int link_check(const struct port *port, int fd);

void link_watch_init(struct link_watch *watch, int fd);

/**
 * An AF_PACKET socket that gets no packets, but an error (readable) when the link goes down or away: for
 * rings whose own socket does not say so. Negative errno on failure.
 */
int link_socket_open(int index);

/** Whether the link is up, if there is reason to ask; answers as link_check(). */
int link_look(const struct port *port, struct link_watch *watch);

/** Whether a sync that found nothing has to look: seldom, since that is a system call. */
bool link_look_is_due(struct link_watch *watch);

#endif
