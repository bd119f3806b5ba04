/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The kernel device: a descriptor of the real /dev/netmap (the module on Linux, the base system on
 * FreeBSD). A descriptor syncs all the rings it has bound in one ioctl, so a handle's sync of one ring
 * syncs its siblings of the same direction too; loom_port_open_ring() gives a ring a descriptor of
 * its own.
 */
#ifndef DEVICE_KERNEL_H
#define DEVICE_KERNEL_H

#include "device.h"

/**
 * Open /dev/netmap and bind it as the REGISTER request says, which is written back.
 *
 * Falls back to the legacy NIOCREGIF where the module does not know NIOCCTRL.
 *
 * @return 0; -ENODEV no /dev/netmap; -EACCES no permission; what the module answered; with a message
 */
int kernel_open(struct nmreq_header *header, struct device **out);

/* kernel_request.c */

/** PORT_INFO_GET on a descriptor of its own. */
int kernel_port_info(struct nmreq_header *header);

/** A new descriptor of /dev/netmap bound by the request; or a negative errno with a message. */
int kernel_bind(struct nmreq_header *header);

#endif
