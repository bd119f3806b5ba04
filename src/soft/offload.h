/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What a network card would have done, in software: a checksum that a sender left open is completed, a packet
 * that is several in one is cut into them. A virtio-net header in front of a packet says what is left to do:
 * virtual machines write one, and so does the kernel for sockets that see packets before the card does.
 */
#ifndef SOFT_OFFLOAD_H
#define SOFT_OFFLOAD_H

#include <stdbool.h>
#include <stdint.h>

/** The header, as virtio defines it; numbers in the machine's own byte order. */
struct offload {
	uint8_t flags, gso_type;
	uint16_t header_len, gso_size, csum_start, csum_offset;
};

_Static_assert(sizeof(struct offload) == 10, "a virtio-net header has 10 bytes");

#define OFFLOAD_NEEDS_CSUM 1u
#define OFFLOAD_GSO_NONE   0u
#define OFFLOAD_GSO_TCPV4  1u
#define OFFLOAD_GSO_UDP    3u /* IP fragments */
#define OFFLOAD_GSO_TCPV6  4u
#define OFFLOAD_GSO_UDP_L4 5u /* datagrams */
#define OFFLOAD_GSO_ECN    0x80u

#define OFFLOAD_HEADERS_MAX 256u /* Ethernet, IP with its extensions, TCP with its options */

/**
 * Fill in the checksum at start + offset over frame[start, len), where that of the pseudo-header is; it
 * becomes ones rather than zero, which in UDP says that there is none. False: it lies outside.
 */
bool offload_checksum(uint8_t *frame, uint32_t len, uint32_t start, uint32_t offset);

/** A packet of several, and how it is cut. */
struct offload_cut {
	const uint8_t *frame;
	uint32_t headers_len; /* bytes at its beginning that begin each segment, too */
	uint32_t payload_len;
	uint32_t
	    each; /* bytes of payload in each segment but the last; IP fragments: a multiple of 8 */
	uint32_t segments;      /* 1 at least */
	uint32_t ip, transport; /* where these headers begin */
	bool v6, tcp;
	bool fragments; /* of one datagram, whose checksum must be complete */
};

/** One of the packets; its payload is in the frame it was cut from. */
struct offload_segment {
	uint8_t headers[OFFLOAD_HEADERS_MAX];
	const uint8_t *payload;
	uint32_t payload_len;
};

/**
 * Find out how a frame is to be cut; it is read only, and has to stay as long as its segments are made.
 * @return false: it is not what the header says, or nothing that is known here: tunnels, TCP inside of
 * IP fragments, headers beyond the frame
 */
bool offload_cut(
    struct offload_cut *cut, const uint8_t *frame, uint32_t len, const struct offload *what);

/** Make segment number 0 … segments - 1, in any order. */
void offload_segment(const struct offload_cut *cut, uint32_t number, struct offload_segment *out);

#endif
