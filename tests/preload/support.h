/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the tests of the preload library share. Nothing here or in the tests knows of pktloom: they
 * are programs for /dev/netmap, written against its classic headers.
 */
#ifndef PRELOAD_SUPPORT_H
#define PRELOAD_SUPPORT_H

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/types.h>

#include <cmocka.h>
#include <net/netmap.h>
#include <net/netmap_user.h>

#define COUNT(table) (sizeof(table) / sizeof((table)[0]))

/** The call returns -1 and says so. */
#define assert_errno(call, error)                                                                  \
	do {                                                                                       \
		errno = 0;                                                                         \
		assert_int_equal((call), -1);                                                      \
		assert_int_equal(errno, (error));                                                  \
	} while (0)

/** A bound descriptor and its memory. */
struct port {
	int fd;
	uint8_t *memory;
	size_t size;
	struct netmap_if *nifp;
	struct netmap_ring *tx, *rx; /* the first of each; NULL if not bound */
};

/** cmocka's group set-up and tear-down: a private directory for the shared objects of this program. */
int group_start(void **state);
int group_end(void **state);

/** An unbound descriptor. */
int netmap_open(void);

/** NIOCCTRL: 0 or the errno. */
int control(int fd, const char *name, unsigned type, void *body, void *options);

/** REGISTER of all NIC rings: 0 or the errno. */
int netmap_bind(int fd, const char *name, uint64_t flags);

/** Open, bind and map; the test fails if that fails. */
struct port port_open_flags(const char *name, uint64_t flags);
struct port port_open(const char *name);
void port_close(struct port *port);

/** Fill n slots of the TX ring with frames of 60 bytes, numbered from `first`; no sync. */
void put_frames(struct port *port, unsigned n, uint32_t first);

/** Send one frame: fill and sync. */
void send_frame(struct port *port, uint32_t number);

/** The number of the frame at the RX ring's head, which is released; no sync. */
uint32_t take_frame(struct port *port);

void sync_tx(const struct port *port);
void sync_rx(const struct port *port);

uint64_t now_ms(void);
void sleep_ms(unsigned ms);

/** Open descriptors of this process. */
unsigned open_descriptors(void);

/** Run body in a child; it ends by returning its exit status. */
pid_t child_start(int (*body)(void *), void *arg);

/** Exit status, or -signal; a child that takes over 60 s is killed. */
int child_wait(pid_t child);

#endif
