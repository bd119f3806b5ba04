/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Packets that are several in one, as a virtual machine or the kernel hands them over, and what they are when
 * somebody has cut them. Everything asserts.
 */
#ifndef CONTRACT_LARGE_H
#define CONTRACT_LARGE_H

#include "support.h"

#include "soft/offload.h"

#define LARGE_MAX (14u + 65535u)

struct large_kind {
	const char *name;
	uint8_t gso_type;
	bool v6, tcp;
};

extern const struct large_kind large_tcp4, large_tcp6, large_udp4, large_udp6;
extern const struct large_kind large_ufo4; /* IP fragments */

/** The four that are not fragments. */
#define LARGE_KINDS 4u
extern const struct large_kind *const large_kinds[LARGE_KINDS];

/** Ethernet, IP and transport. */
uint32_t large_headers_len(const struct large_kind *kind);

/** What the frame's header asks for; gso_size 0: only its checksum. */
struct offload large_offload(const struct large_kind *kind, uint16_t gso_size);

/** A frame whose checksum is only begun. @return its length */
uint32_t large_write(uint8_t *frame, const struct large_kind *kind, uint32_t payload);

/** IP and transport headers of a received frame are right. @return the payload's length */
uint32_t large_check_frame(const uint8_t *frame, uint32_t len, const struct large_kind *kind);

/** How much of a large packet has come in segments. */
struct large_progress {
	const struct large_kind *kind;
	uint32_t payload; /* in all */
	uint32_t gso_size;
	uint32_t at, number; /* 0 at first */
};

/** That this is the next segment. @return whether it was the last */
bool large_check_segment(struct large_progress *progress, const uint8_t *frame, uint32_t len);

/** Sums for other checks: RFC 1071, and of a pseudo-header. */
uint32_t large_sum(const uint8_t *at, uint32_t len, uint32_t start);
uint32_t large_pseudo_sum(const uint8_t *ip, bool v6, bool tcp, uint32_t len);

uint32_t be16(const uint8_t *at);
uint32_t be32(const uint8_t *at);

#endif
