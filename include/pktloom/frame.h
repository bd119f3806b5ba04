/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A frame is a borrowed view of the buffer behind one slot. A packet is one frame, or a chain of
 * frames whose flags carry NS_MOREFRAG on all but the last.
 */
#ifndef PKTLOOM_FRAME_H
#define PKTLOOM_FRAME_H

#include <stdint.h>

#include <pktloom/compat/net/netmap.h>

#ifdef __cplusplus
extern "C" {
#endif

/**
 * Units:     len and cap in bytes; data is the first byte of the payload.
 * Ownership: the ring's. A received frame may be read and written until the sync that follows
 *            its release; a reserved one until its commit. Never free it.
 * Trust:     the payload may be shared with another process. len, cap and flags are copies that
 *            were checked; bytes behind data can still change under a hostile sender.
 */
struct loom_frame {
	uint8_t *data;
	uint32_t cap;   /* bytes from data to the end of the buffer; data may start at an offset */
	uint16_t len;   /* received: valid bytes. reserved: set it before the commit */
	uint16_t flags; /* NS_* as received; reserved: NS_MOREFRAG or 0 */
};

#ifdef __cplusplus
}
#endif
#endif
