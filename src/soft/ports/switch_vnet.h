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

/* As virtio defines it; numbers in the machine's own byte order. */
struct switch_vnet {
	uint8_t flags, gso_type;
	uint16_t header_len, gso_size, csum_start, csum_offset;
};

#define VNET_NEEDS_CSUM 1u
#define VNET_GSO_NONE   0u
#define VNET_GSO_TCPV4  1u
#define VNET_GSO_UDP    3u /* IP fragments */
#define VNET_GSO_TCPV6  4u
#define VNET_GSO_UDP_L4 5u /* datagrams */
#define VNET_GSO_ECN    0x80u

/** Put a packet of a port whose header length differs: tx->source.header_len here, header_len there. */
void switch_vnet_put(struct switch_outlet *out, struct switch_tx *tx,
    const struct switch_piece *packet, uint32_t header_len);

/* switch_offload.c */

/** Fill in the checksum at start + offset over frame[start, len); false if it lies outside. */
bool switch_offload_checksum(uint8_t *frame, uint32_t len, uint32_t start, uint32_t offset);

/** Put a large packet as the segments that its header asks for, all of them or none. May change it. */
void switch_offload_segment(
    struct switch_outlet *out, uint8_t *frame, uint32_t len, const struct switch_vnet *vnet);

#endif
