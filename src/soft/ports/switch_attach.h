/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * VALE_ATTACH, VALE_DETACH and VALE_POLLING_* with interfaces: "valeS:eth0" makes eth0 a port of the
 * switch, and with its host rings (NR_REG_NIC_SW) also "valeS:eth0^", the host's side. Threads of the
 * attaching process carry frames between the interface and the switch ports, so the interface stays attached
 * as long as this process lives and does not detach it; keeper.h lets it outlive who asked.
 */
#ifndef SOFT_PORTS_SWITCH_ATTACH_H
#define SOFT_PORTS_SWITCH_ATTACH_H

#include <pktloom/compat/net/netmap.h>

/**
 * Attach an interface, or a persistent port (switch_control.h). request->reg says how many rings;
 * port_index is written back.
 *
 * @param directory  of shared objects; NULL: the user's own
 * @return 0; -EINVAL nothing is called so, or a mode other than ALL_NIC and NIC_SW; -EBUSY open or attached
 *         already; or why the interface, or its host rings, cannot be opened
 */
int switch_attach(const char *directory, const char *name, struct nmreq_vale_attach *request);

/** -ENXIO it is not attached, or not by this process; -EBUSY polling is on, or the port is open. */
int switch_detach(const char *directory, const char *name, struct nmreq_vale_detach *request);

/**
 * Let the interface's thread poll instead of sleeping, on one processor of its own; or sleep again.
 *
 * @return 0; -ENXIO no such port; -EOPNOTSUPP the port is not an attached interface; -EINVAL a mode or
 *         a number of processors other than one, or none left for others; -EFAULT it is that way already
 */
int switch_polling_enable(
    const char *directory, const char *name, const struct nmreq_vale_polling *request);
int switch_polling_disable(const char *directory, const char *name);

#endif
