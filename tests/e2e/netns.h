/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A network of the test's own: a namespace that dies with the process, virtual cables in it.
 * Nothing outside it is touched.
 *
 * Functions return 0 or a negative errno.
 */
#ifndef E2E_NETNS_H
#define E2E_NETNS_H

#include <stdbool.h>

/**
 * Move the calling process, which must have one thread only, to a new network namespace; without
 * privileges, to a new user namespace as well, as its root. On failure nothing has changed, or
 * (with -EXDEV) the process is in a namespace that it cannot use.
 */
int netns_enter(void);

#define NETNS_SKIP 77 /* what the build's test runner takes for a skipped test */

/**
 * For a program that can test nothing without a namespace and a cable in it: enter one, and lay the cable.
 *
 * @return 0; or NETNS_SKIP for main() to return, and the reason was printed
 */
int netns_enter_with_cable(const char *one, const char *other);

/** A cable: two interfaces, up, without addresses, on which nothing is sent by itself. */
int netns_cable(const char *one, const char *other);

/** The same, with so many queues of either direction at both ends. */
int netns_cable_queues(const char *one, const char *other, unsigned queues);

/** Take an interface away, and with it the other end of its cable. */
int netns_remove(const char *name);

int netns_up(const char *name, bool up);
int netns_rename(const char *name, const char *to);
int netns_mtu(const char *name, int bytes);

/** Move an interface to the network namespace of a process; it is down there. */
int netns_give(const char *name, int process);

/** Let the host segment and checksum what it sends by an interface, and receive it as it came. */
int netns_plain(const char *name);

/** Give the host's side of an interface an IPv4 address, "10.1.1.1", with a mask of 24 bits. */
int netns_address(const char *name, const char *address);

/** How many filters of queueing disciplines there are on either way of an interface; or a negative errno. */
int netns_filters(const char *name);

/** Give all capabilities away, for good. */
int netns_capabilities_drop(void);

#endif
