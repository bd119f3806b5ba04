/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Requests about switches that are no ports: the control interface calls these with bodies that it has
 * copied. Names are device names, without "netmap:". They work on switches of any process.
 */
#ifndef SOFT_PORTS_SWITCH_CONTROL_H
#define SOFT_PORTS_SWITCH_CONTROL_H

#include "../port.h"

#define SWITCH_NO_PORT 255u

/**
 * VALE_LIST. With a name "valeS:p": the indexes of the switch and of the port (SWITCH_NO_PORT if that
 * is not there). With an empty name: the first port at or after the indexes given, and its name.
 *
 * @param directory  of shared objects; NULL: the user's own
 * @return 0; -ENOENT no such switch, or no further port; -EINVAL another kind of name
 */
int switch_list(
    const char *directory, char name[NETMAP_REQ_IFNAMSIZ], struct nmreq_vale_list *list);

/** PORT_HDR_SET, PORT_HDR_GET. -EINVAL: not 0, 10 or 12; -ENXIO no such port. */
int switch_header_set(const char *directory, const char *name, uint32_t len);
int switch_header_get(const char *directory, const char *name, uint32_t *len);

/** struct port_kind's header. */
uint32_t switch_header_of(const struct port *port);

/** PORT_INFO_GET of a port that is open in another process; -ENXIO there is none. */
int switch_info(const char *directory, const char *name, struct nmreq_port_info_get *info);

/* ---- persistent ports ---- */

/** VALE_NEWIF: shape and defaults are written back. -EEXIST; -EINVAL a name that cannot be one. */
int switch_kept_create(const char *directory, const char *name, struct nmreq_vale_newif *request);

/** VALE_DELIF. -ENXIO there is none; -EBUSY it is open or attached. */
int switch_kept_remove(const char *directory, const char *name);

/** Whether a plain name is that of a persistent port: the kind "switch" then opens it. */
bool switch_kept_exists(const char *directory, const char *name);

/**
 * VALE_ATTACH and VALE_DETACH of a persistent port p, as "valeS:p". Attached, its place and name are
 * reserved whether it is open or not.
 * @return 0; -EINVAL (attach) or -ENXIO (detach) there is no such port; -EBUSY it is open, or attached elsewhere
 */
int switch_kept_attach(const char *directory, const char *name, uint32_t *number);
int switch_kept_detach(const char *directory, const char *name, uint32_t *number);

#endif
