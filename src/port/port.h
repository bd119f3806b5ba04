/* SPDX-License-Identifier: BSD-2-Clause */
/* A port as the out-of-line half of the API keeps it. */
#ifndef PORT_PORT_H
#define PORT_PORT_H

#include "../device/device.h"
#include "extmem.h"

struct loom_port {
	struct device *device;
	struct device_map map;
	struct nmreq_register reg; /* as the device answered */
	char name[64];             /* as given to the device */
	char tried[512];
	struct port_extmem extmem;
	uint32_t offset; /* where packets start in their buffers, unless slots say otherwise */
	uint32_t id;     /* of its handles, for debug builds */
	struct lending *lends;   /* rings that have ports of their own; NULL: never any */
	struct lending *borrows; /* … and this is one of them: */
	unsigned borrowed_index; /* its rings' index */
	bool borrowed_tx, borrowed_rx;
};

/** All rings of a direction, host rings included; one of them by its index, NULL if it is not bound. */
unsigned port_rings(const struct loom_port *port, bool tx);
struct device_ring *port_ring_at(const struct loom_port *port, bool tx, unsigned index);

/** A bound ring by its index; -EINVAL with the reason if there is none. */
int port_ring(const struct loom_port *port, bool tx, unsigned index, struct device_ring **out);

/** The map of an opened device, and an id; on failure the device is closed. */
int port_finish(struct loom_port *port);

/* lending.c */

/** Whether the ring has been opened by itself; -EBUSY with a message, or 0. */
int lending_check_ring(const struct loom_port *port, bool tx, unsigned index);

/** The same of any ring, before all are touched. */
int lending_check(const struct loom_port *port);

/** The port is closed: what it borrowed goes back. */
void lending_end(struct loom_port *port);

/* handle_check.c */

/**
 * Ids by which a debug build knows handles of closed ports; 0 when 65,535 ports are open.
 *
 * @param name  stays where it is until the id is given back
 */
uint32_t port_id_take(const char *name);
void port_id_give(uint32_t id);

/** Stop the program if a verb's port is closed. */
void port_id_check(uint32_t id, const char *verb);

/** Of a port that is open, else what is known of it. */
const char *port_id_name(uint32_t id);

/* ring_users.c */

/**
 * A verb that is not inline begins; in programs without LOOM_DEBUG that is port_id_check() and no more.
 *
 * @return for loom_ring_leave()
 */
struct loom_sync *port_verb_begin(struct loom_sync *sync, uint32_t id, const char *verb);

/**
 * A wait for these events begins: it has the rings that the device will sync.
 *
 * @return whether it has to be ended
 */
bool port_wait_begin(const struct loom_port *port, int events);
void port_wait_end(const struct loom_port *port, int events);

#endif
