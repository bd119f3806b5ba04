/* SPDX-License-Identifier: BSD-2-Clause */
/* A port as the out-of-line half of the API keeps it. */
#ifndef PORT_PORT_H
#define PORT_PORT_H

#include "../device/device.h"

struct loom_port {
	struct device *device;
	struct device_map map;
	struct nmreq_register reg; /* as the device answered */
	char name[64];             /* as given to the device */
	char tried[512];
	uint32_t offset; /* where packets start in their buffers, unless slots say otherwise */
	uint32_t id;     /* of its handles, for debug builds */
};

/** All rings of a direction, host rings included. */
unsigned port_rings(const struct loom_port *port, bool tx);

/** Ids by which a debug build knows handles of closed ports; 0 when 65,535 ports are open. */
uint32_t port_id_take(void);
void port_id_give(uint32_t id);

#endif
