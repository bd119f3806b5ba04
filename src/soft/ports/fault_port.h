/* SPDX-License-Identifier: BSD-2-Clause */
/* A fault port: the port behind it, and a lane for each ring. */
#ifndef PORTS_FAULT_PORT_H
#define PORTS_FAULT_PORT_H

#include "fault_lane.h"

struct fault {
	struct fault_settings settings;
	struct port *inner;
	struct lane *lanes;        /* TX rings, then RX rings */
	struct lane_state *states; /* theirs, in memory that children share */
	size_t states_size;
};

/** struct port_kind.open and .close. */
int fault_open(struct port *port, const struct port_request *request);
void fault_close(struct port *port);

#endif
