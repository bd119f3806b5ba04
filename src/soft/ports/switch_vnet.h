/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Frames that begin with a virtio-net header, as virtual machines exchange them. The header asks for
 * what a network card would do: complete a checksum, cut a large packet into segments. Between ports that
 * both have headers it is passed on; for a port that has none, the switch does what it asks for.
 */
#ifndef SOFT_PORTS_SWITCH_VNET_H
#define SOFT_PORTS_SWITCH_VNET_H

#include "switch_outlet.h"

#define SWITCH_VNET_MAX  12u /* lengths are 0, 10 and 12: the last has two bytes that nobody needs */
#define SWITCH_FRAME_MAX 65600u /* an IP packet of the largest size, Ethernet and VLAN headers */

/** Put a packet of a port whose header length differs: tx->source.header_len here, header_len there. */
void switch_vnet_put(struct switch_outlet *out, struct switch_tx *tx,
    const struct switch_piece *packet, uint32_t header_len);

#endif
