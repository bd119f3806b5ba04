/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * monitor: an extra port whose RX ring i shows what passes rings i of another port, of this process or
 * (board.h) of another.
 * Not chosen by a name of its own but by NR_MONITOR_TX and NR_MONITOR_RX at the registration of the
 * watched port's name; every registration makes a port. The registry's lock is held in all of these.
 */
#ifndef SOFT_MONITOR_H
#define SOFT_MONITOR_H

#include "port.h"

struct soft_range;

extern const struct port_kind port_kind_monitor;

/** Show what passes from now on in those of a monitor's RX rings. */
void monitor_start(struct port *port, const struct soft_range *rings);

/** The port whose packets a port carries: what a monitor watches, else itself. */
const struct port *monitor_shown(const struct port *port);

/** The port goes away: nothing watches it from now on, syncs of its monitors say -EIO. */
void monitor_orphan(struct port *watched);

#endif
