/* SPDX-License-Identifier: BSD-2-Clause */
/* Checksums and segmentation; see offload.h. */
#include "offload.h"

#include <stddef.h>
#include <string.h>

#define ETHERNET     14u
#define VLAN         4u
#define IPV4         20u /* without options */
#define IPV6         40u
#define TCP          20u /* without options */
#define UDP          8u
#define PROTOCOL_TCP 6u
#define PROTOCOL_UDP 17u
#define TCP_FIN_PSH  0x09u
#define TCP_CWR      0x80u

/* ---- numbers in network order ---- */

static uint32_t get16(const uint8_t *at)
{
	return (uint32_t)at[0] << 8 | at[1];
}

static void put16(uint8_t *at, uint32_t value)
{
	at[0] = (uint8_t)(value >> 8);
	at[1] = (uint8_t)value;
}

static uint32_t get32(const uint8_t *at)
{
	return get16(at) << 16 | get16(at + 2);
}

static void put32(uint8_t *at, uint32_t value)
{
	put16(at, value >> 16);
	put16(at + 2, value & 0xffff);
}

/* ---- checksums ---- */

/* The sum of 16-bit words in the machine's own order, which commutes with swapping their bytes. */
static uint64_t sum(const uint8_t *at, uint32_t len, uint64_t so_far)
{
	uint32_t word;

	for (; len >= 4; at += 4, len -= 4) {
		memcpy(&word, at, sizeof word);
		so_far += word;
	}
	word = 0;
	memcpy(&word, at, len);
	return so_far + word;
}

static uint16_t fold(uint64_t total)
{
	while (total >> 16)
		total = (total & 0xffff) + (total >> 16);
	return (uint16_t)~total;
}

static void store(uint8_t *at, uint16_t checksum)
{
	memcpy(at, &checksum, sizeof checksum);
}

bool offload_checksum(uint8_t *frame, uint32_t len, uint32_t start, uint32_t offset)
{
	uint16_t checksum;

	if (start + offset + sizeof checksum > len)
		return false;
	checksum = fold(sum(frame + start, len - start, 0));
	store(frame + start + offset, checksum ? checksum : 0xffff);
	return true;
}

/* ---- the headers of a frame ---- */

/* Where the IP header begins; 0: there is none. */
static uint32_t find_ip(const uint8_t *frame, uint32_t len, bool *v6)
{
	uint32_t at = ETHERNET - 2;

	while (at + 2 + VLAN <= len && (get16(frame + at) == 0x8100 || get16(frame + at) == 0x88a8))
		at += VLAN;
	if (at + 2 > len)
		return 0;
	*v6 = get16(frame + at) == 0x86dd;
	return *v6 || get16(frame + at) == 0x0800 ? at + 2 : 0;
}

/* What follows the IP header, and where that begins; 0: nothing of a whole packet. */
static uint32_t pass_ipv4(const uint8_t *frame, uint32_t len, uint32_t ip, uint32_t *protocol)
{
	uint32_t header;

	if (ip + IPV4 > len)
		return 0;
	header = (frame[ip] & 15u) * 4;
	*protocol = frame[ip + 9];
	return header >= IPV4 && !(get16(frame + ip + 6) & 0x3fff) ? ip + header : 0;
}

static bool is_extension(uint32_t protocol)
{
	return protocol == 0 || protocol == 43 || protocol == 60; /* hops, routing, destination */
}

static uint32_t pass_ipv6(const uint8_t *frame, uint32_t len, uint32_t ip, uint32_t *protocol)
{
	uint32_t at = ip + IPV6;

	if (at > len)
		return 0;
	*protocol = frame[ip + 6];
	for (; is_extension(*protocol) && at + 8 <= len; at += (frame[at + 1] + 1u) * 8)
		*protocol = frame[at];
	return at;
}

static bool is_tcp(uint8_t gso_type)
{
	return gso_type == OFFLOAD_GSO_TCPV4 || gso_type == OFFLOAD_GSO_TCPV6;
}

static bool is_known(uint8_t gso_type, bool v6)
{
	return gso_type == OFFLOAD_GSO_UDP_L4 ||
	       gso_type == (v6 ? OFFLOAD_GSO_TCPV6 : OFFLOAD_GSO_TCPV4) ||
	       (gso_type == OFFLOAD_GSO_UDP && !v6);
}

/* Where the transport's header begins, which has to be the one that is meant; 0: it is not. */
static uint32_t find_transport(
    const uint8_t *frame, uint32_t len, const struct offload_cut *cut, const struct offload *what)
{
	uint32_t protocol = 0, at = cut->v6 ? pass_ipv6(frame, len, cut->ip, &protocol)
					    : pass_ipv4(frame, len, cut->ip, &protocol);

	if (protocol != (cut->tcp ? PROTOCOL_TCP : PROTOCOL_UDP) ||
	    ((what->flags & OFFLOAD_NEEDS_CSUM) && what->csum_start != at))
		return 0;
	return at;
}

/* Bytes of headers; 0: they make no sense. */
static uint32_t measure_headers(const uint8_t *frame, uint32_t len, const struct offload_cut *cut)
{
	const uint32_t at = cut->transport, least = cut->tcp ? TCP : UDP;
	uint32_t header;

	if (at == 0 || at + least > len)
		return 0;
	header = cut->tcp ? (frame[at + 12] >> 4) * 4u : UDP;
	return header < least ? 0 : cut->fragments ? at : at + header;
}

bool offload_cut(
    struct offload_cut *cut, const uint8_t *frame, uint32_t len, const struct offload *what)
{
	const uint8_t gso_type = what->gso_type & (uint8_t)~OFFLOAD_GSO_ECN;

	*cut = (struct offload_cut){.frame = frame};
	cut->ip = find_ip(frame, len, &cut->v6);
	if (cut->ip == 0 || !is_known(gso_type, cut->v6))
		return false;
	cut->tcp = is_tcp(gso_type);
	cut->fragments = gso_type == OFFLOAD_GSO_UDP;
	cut->transport = find_transport(frame, len, cut, what);
	cut->headers_len = measure_headers(frame, len, cut);
	cut->each = cut->fragments ? what->gso_size & ~7u : what->gso_size;
	if (cut->headers_len == 0 || cut->headers_len >= len ||
	    cut->headers_len > OFFLOAD_HEADERS_MAX || cut->each == 0)
		return false;
	cut->payload_len = len - cut->headers_len;
	cut->segments = (cut->payload_len + cut->each - 1) / cut->each;
	return true;
}

/* ---- one segment ---- */

/* Where in the payload it begins, and whether it is the last. */
struct place {
	uint32_t number, offset;
	bool last;
};

static void fix_ip(
    const struct offload_cut *cut, struct offload_segment *s, const struct place *place)
{
	uint8_t *ip = s->headers + cut->ip;

	if (cut->v6) {
		put16(ip + 4, cut->headers_len - cut->ip - IPV6 + s->payload_len);
		return;
	}
	put16(ip + 2, cut->headers_len - cut->ip + s->payload_len);
	if (cut->fragments)
		put16(ip + 6, place->offset / 8 | (place->last ? 0 : 0x2000));
	else
		put16(ip + 4, get16(ip + 4) + place->number);
	put16(ip + 10, 0);
	store(ip + 10, fold(sum(ip, cut->transport - cut->ip, 0)));
}

static uint64_t pseudo_header(const struct offload_cut *cut, const struct offload_segment *s)
{
	const uint8_t *ip = s->headers + cut->ip;
	uint8_t rest[8] = {0};

	put32(rest, cut->headers_len - cut->transport + s->payload_len);
	rest[7] = cut->tcp ? PROTOCOL_TCP : PROTOCOL_UDP;
	return sum(rest, sizeof rest, cut->v6 ? sum(ip + 8, 32, 0) : sum(ip + 12, 8, 0));
}

static void fix_transport(
    const struct offload_cut *cut, struct offload_segment *s, const struct place *place)
{
	uint8_t *at = s->headers + cut->transport;
	const uint32_t header = cut->headers_len - cut->transport, field = cut->tcp ? 16 : 6;
	uint16_t checksum;

	if (cut->tcp) {
		put32(at + 4, get32(at + 4) + place->offset);
		if (!place->last)
			at[13] &= (uint8_t)~TCP_FIN_PSH;
		if (place->number > 0)
			at[13] &= (uint8_t)~TCP_CWR;
	} else {
		put16(at + 4, header + s->payload_len);
	}
	put16(at + field, 0);
	/* Transport headers have an even length: the payload's words stay where they are. */
	checksum = fold(sum(s->payload, s->payload_len, sum(at, header, pseudo_header(cut, s))));
	store(at + field, !cut->tcp && checksum == 0 ? 0xffff : checksum);
}

void offload_segment(const struct offload_cut *cut, uint32_t number, struct offload_segment *out)
{
	const struct place place = {
	    .number = number, .offset = number * cut->each, .last = number + 1 == cut->segments};

	memcpy(out->headers, cut->frame, cut->headers_len);
	out->payload = cut->frame + cut->headers_len + place.offset;
	out->payload_len = place.last ? cut->payload_len - place.offset : cut->each;
	fix_ip(cut, out, &place);
	if (!cut->fragments)
		fix_transport(cut, out, &place);
}
