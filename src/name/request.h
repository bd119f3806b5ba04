/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * From a parsed port name to the REGISTER request that the device understands.
 */
#ifndef PKTLOOM_NAME_REQUEST_H
#define PKTLOOM_NAME_REQUEST_H

#include "name.h"

/**
 * Fill a NETMAP_REQ_REGISTER request from a name: device, mode, ring, flags, memory region, ring
 * and slot counts. Everything else is zero. Options (@share, @extmem, @offset) are the caller's to
 * resolve and attach.
 *
 * Ownership: header->nr_body points at *body, which must outlive the request.
 *
 * @return 0; -EINVAL no device name, or a ring count too large for its field (both untouched)
 */
int name_format_request(
    const struct name *name, struct nmreq_header *header, struct nmreq_register *body);

#endif
