/* SPDX-License-Identifier: BSD-2-Clause */
/* Checksums and segmentation in software, for packets whose sender left them to the network card. */
#include <string.h>

#include "switch_vnet.h"

#define HEADERS_MAX  256u /* Ethernet, IP with its extensions, TCP with its options */
#define ETHERNET     14u
#define VLAN         4u
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
	for (; len >= 4; at += 4, len -= 4) {
		uint32_t word;

		memcpy(&word, at, sizeof word);
		so_far += word;
	}
	if (len > 0) {
		uint8_t rest[4] = {0};
		uint32_t word;

		memcpy(rest, at, len);
		memcpy(&word, rest, sizeof word);
		so_far += word;
	}
	return so_far;
}

static void store_checksum(uint8_t *at, uint64_t total)
{
	uint16_t folded;

	while (total >> 16)
		total = (total & 0xffff) + (total >> 16);
	folded = (uint16_t)~total;
	memcpy(at, &folded, sizeof folded);
}

bool switch_offload_checksum(uint8_t *frame, uint32_t len, uint32_t start, uint32_t offset)
{
	if (start + offset + 2 > len)
		return false;
	/* The field holds the sum of the pseudo-header already. */
	store_checksum(frame + start + offset, sum(frame + start, len - start, 0));
	return true;
}

/* ---- headers of a large packet ---- */

struct headers {
	uint32_t ip, transport, len; /* where they begin; all of them */
	bool v6, tcp;
	bool fragments; /* of one datagram, instead of datagrams */
};

/* Where the IP header begins; 0: there is none. */
static uint32_t find_ip(const uint8_t *frame, uint32_t len, bool *v6)
{
	uint32_t at = ETHERNET - 2;

	while (at + 2 + VLAN <= len && (get16(frame + at) == 0x8100 || get16(frame + at) == 0x88a8))
		at += VLAN;
	*v6 = get16(frame + at) == 0x86dd;
	return *v6 || get16(frame + at) == 0x0800 ? at + 2 : 0;
}

static bool is_tcp(uint8_t gso_type)
{
	return gso_type == VNET_GSO_TCPV4 || gso_type == VNET_GSO_TCPV6;
}

static bool is_known(uint8_t gso_type, bool v6)
{
	return gso_type == VNET_GSO_UDP_L4 || gso_type == (v6 ? VNET_GSO_TCPV6 : VNET_GSO_TCPV4) ||
	       (gso_type == VNET_GSO_UDP && !v6);
}

/* Where the transport's header begins: the sender says it along with the checksum's place. */
static uint32_t find_transport(
    const uint8_t *frame, uint32_t len, const struct headers *h, const struct switch_vnet *vnet)
{
	if (vnet->flags & VNET_NEEDS_CSUM)
		return vnet->csum_start;
	if (h->v6)
		return h->ip + 40;
	return h->ip + 20 <= len ? h->ip + (frame[h->ip] & 15u) * 4 : len;
}

/* Believes nothing that does not fit inside the frame. */
static bool parse(
    const uint8_t *frame, uint32_t len, const struct switch_vnet *vnet, struct headers *h)
{
	uint8_t gso_type = vnet->gso_type & (uint8_t)~VNET_GSO_ECN;
	uint32_t transport_len;

	h->ip = find_ip(frame, len, &h->v6);
	if (h->ip == 0 || !is_known(gso_type, h->v6))
		return false;
	h->tcp = is_tcp(gso_type);
	h->fragments = gso_type == VNET_GSO_UDP;
	h->transport = find_transport(frame, len, h, vnet);
	if (h->transport < h->ip + (h->v6 ? 40 : 20) || h->transport + (h->tcp ? 20 : 8) > len)
		return false;
	transport_len = h->tcp ? (frame[h->transport + 12] >> 4) * 4u : 8;
	h->len = h->fragments ? h->transport : h->transport + transport_len;
	return transport_len >= (h->tcp ? 20 : 8) && h->len < len && h->len <= HEADERS_MAX;
}

/* ---- one segment ---- */

struct segment {
	uint8_t headers[HEADERS_MAX];
	uint32_t offset; /* of its payload in the packet's */
	const uint8_t *payload;
	uint32_t len;
	uint32_t number;
	bool last;
};

static void fix_ip(struct segment *s, const struct headers *h)
{
	uint8_t *ip = s->headers + h->ip;
	uint32_t header = h->transport - h->ip;

	if (h->v6) {
		put16(ip + 4, h->len - h->ip - 40 + s->len);
		return;
	}
	put16(ip + 2, h->len - h->ip + s->len);
	if (h->fragments)
		put16(ip + 6, s->offset / 8 | (s->last ? 0 : 0x2000));
	else
		put16(ip + 4, get16(ip + 4) + s->number);
	put16(ip + 10, 0);
	store_checksum(ip + 10, sum(ip, header, 0));
}

static uint64_t pseudo_header(const struct segment *s, const struct headers *h)
{
	const uint8_t *ip = s->headers + h->ip;
	uint8_t rest[8] = {0};

	put32(rest, h->len - h->transport + s->len);
	rest[7] = h->tcp ? PROTOCOL_TCP : PROTOCOL_UDP;
	return sum(rest, sizeof rest, h->v6 ? sum(ip + 8, 32, 0) : sum(ip + 12, 8, 0));
}

static void fix_transport(struct segment *s, const struct headers *h)
{
	uint8_t *at = s->headers + h->transport;
	uint32_t header = h->len - h->transport, field = h->tcp ? 16 : 6;

	if (h->tcp) {
		put32(at + 4, get32(at + 4) + s->offset);
		if (!s->last)
			at[13] &= (uint8_t)~TCP_FIN_PSH;
		if (s->number > 0)
			at[13] &= (uint8_t)~TCP_CWR;
	} else {
		put16(at + 4, header + s->len);
	}
	put16(at + field, 0);
	/* Transport headers have an even length: the payload's words stay where they are. */
	store_checksum(at + field, sum(s->payload, s->len, sum(at, header, pseudo_header(s, h))));
	if (!h->tcp && get16(at + field) == 0)
		put16(at + field, 0xffff); /* zero would say that there is none */
}

static void put_segment(struct switch_outlet *out, struct segment *s, const struct headers *h)
{
	const struct switch_piece pieces[2] = {
	    {.data = s->headers, .len = (uint16_t)h->len},
	    {.data = s->payload, .len = (uint16_t)s->len},
	};

	fix_ip(s, h);
	if (!h->fragments)
		fix_transport(s, h);
	switch_outlet_put_joined(out, pieces, 2);
}

/* Payload of each segment but the last; that of IP fragments is a multiple of 8. */
static uint32_t segment_len(const struct switch_vnet *vnet, const struct headers *h)
{
	return h->fragments ? vnet->gso_size & ~7u : vnet->gso_size;
}

static void put_segments(struct switch_outlet *out, const uint8_t *frame, uint32_t len,
    const struct headers *h, uint32_t each)
{
	struct segment s = {.offset = 0};

	for (; h->len + s.offset < len; s.offset += each, s.number++) {
		uint32_t left = len - h->len - s.offset;

		memcpy(s.headers, frame, h->len);
		s.payload = frame + h->len + s.offset;
		s.last = left <= each;
		s.len = s.last ? left : each;
		put_segment(out, &s, h);
	}
}

/* IP fragments carry one datagram, whose checksum is its own affair: complete it before it is cut. */
static bool prepare(uint8_t *frame, uint32_t len, const struct switch_vnet *vnet, struct headers *h)
{
	if (!parse(frame, len, vnet, h) || segment_len(vnet, h) == 0)
		return false;
	return !h->fragments || !(vnet->flags & VNET_NEEDS_CSUM) ||
	       switch_offload_checksum(frame, len, vnet->csum_start, vnet->csum_offset);
}

void switch_offload_segment(
    struct switch_outlet *out, uint8_t *frame, uint32_t len, const struct switch_vnet *vnet)
{
	struct headers h;
	uint32_t each, segments, slots_each;

	if (!prepare(frame, len, vnet, &h)) {
		out->refused++;
		return;
	}
	each = segment_len(vnet, &h);
	segments = (len - h.len + each - 1) / each;
	slots_each = (h.len + each + out->slot_max - 1) / out->slot_max;
	if (slots_each > NETMAP_MAX_FRAGS)
		out->oversized++;
	else if ((uint64_t)segments * slots_each > out->room)
		out->no_room++;
	else
		put_segments(out, frame, len, &h, each);
}
