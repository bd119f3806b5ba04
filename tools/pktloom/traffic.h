/* SPDX-License-Identifier: BSD-2-Clause */
/* What send and recv share: when to stop, and what to say at the end. */
#ifndef TRAFFIC_H
#define TRAFFIC_H

#include <stdbool.h>
#include <stdint.h>

#include <pktloom.h>

#define TRAFFIC_TICK_MS   200 /* how late a signal that just missed a wait is noticed */
#define TRAFFIC_SECOND_NS 1000000000u

struct traffic {
	uint64_t start_ns, end_ns, deadline_ns;
	uint64_t packets, bytes;
};

uint64_t traffic_now_ns(void);

/** End on SIGINT and SIGTERM, and after so many seconds (0: never). */
void traffic_begin(struct traffic *traffic, uint64_t seconds);
bool traffic_goes_on(const struct traffic *traffic);

/** The rate is that of the time from traffic_begin(), or the last traffic_restart(), to here. */
void traffic_restart(struct traffic *traffic);
void traffic_end(struct traffic *traffic);

/** Wait for LOOM_RX or LOOM_TX for a tick; ends the program where the port fails. */
void traffic_wait(struct loom_port *port, int events);

/** Packets, bytes, rate; and what the port dropped meanwhile, by name. */
void traffic_print(const struct traffic *traffic, const struct loom_port *port, bool sent);

#endif
