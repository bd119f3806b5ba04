/* SPDX-License-Identifier: BSD-2-Clause */
/* The packets of large.h. */
#include "large.h"

const struct large_kind large_tcp4 = {"TCP over IPv4", OFFLOAD_GSO_TCPV4, false, true};
const struct large_kind large_tcp6 = {"TCP over IPv6", OFFLOAD_GSO_TCPV6, true, true};
const struct large_kind large_udp4 = {"UDP over IPv4", OFFLOAD_GSO_UDP_L4, false, false};
const struct large_kind large_udp6 = {"UDP over IPv6", OFFLOAD_GSO_UDP_L4, true, false};
const struct large_kind large_ufo4 = {"IPv4 fragments", OFFLOAD_GSO_UDP, false, false};

const struct large_kind *const large_kinds[LARGE_KINDS] = {
    &large_tcp4, &large_tcp6, &large_udp4, &large_udp6};

uint32_t be16(const uint8_t *at)
{
	return (uint32_t)at[0] << 8 | at[1];
}

uint32_t be32(const uint8_t *at)
{
	return be16(at) << 16 | be16(at + 2);
}

static void set16(uint8_t *at, uint32_t value)
{
	at[0] = (uint8_t)(value >> 8);
	at[1] = (uint8_t)value;
}

/* One's complement sum of 16-bit words, as RFC 1071 has it, byte by byte. */
uint32_t large_sum(const uint8_t *at, uint32_t len, uint32_t start)
{
	uint64_t total = start;

	for (uint32_t i = 0; i < len; i++)
		total += i % 2 ? at[i] : (uint32_t)at[i] << 8;
	while (total >> 16)
		total = (total & 0xffff) + (total >> 16);
	return (uint32_t)total;
}

uint32_t large_pseudo_sum(const uint8_t *ip, bool v6, bool tcp, uint32_t len)
{
	uint32_t total = v6 ? large_sum(ip + 8, 32, 0) : large_sum(ip + 12, 8, 0);
	uint8_t rest[4] = {0, tcp ? 6 : 17, (uint8_t)(len >> 8), (uint8_t)len};

	return large_sum(rest, 4, total);
}

static uint32_t ip_len(const struct large_kind *kind)
{
	return kind->v6 ? 40 : 20;
}

static uint32_t transport_len(const struct large_kind *kind)
{
	return kind->tcp ? 32 : 8;
}

uint32_t large_headers_len(const struct large_kind *kind)
{
	return 14 + ip_len(kind) + transport_len(kind);
}

static uint8_t payload_byte(uint32_t i)
{
	return (uint8_t)(i * 13 + (i >> 8));
}

static void write_ip(uint8_t *ip, const struct large_kind *kind, uint32_t len)
{
	for (uint32_t i = 8; i < ip_len(kind); i++)
		ip[i] = (uint8_t)(i - 7); /* addresses, and more */
	if (kind->v6) {
		ip[0] = 0x60;
		set16(ip + 4, len & 0xffff);
		ip[6] = kind->tcp ? 6 : 17;
	} else {
		ip[0] = 0x45;
		set16(ip + 2, (20 + len) & 0xffff);
		set16(ip + 4, 0xfffe); /* its id will wrap */
		set16(ip + 6, 0);
		ip[9] = kind->tcp ? 6 : 17;
		set16(ip + 10, 0);
		set16(ip + 10, ~large_sum(ip, 20, 0));
	}
}

struct offload large_offload(const struct large_kind *kind, uint16_t gso_size)
{
	return (struct offload){.flags = OFFLOAD_NEEDS_CSUM,
	    .gso_type = gso_size ? kind->gso_type : OFFLOAD_GSO_NONE,
	    .header_len = (uint16_t)large_headers_len(kind),
	    .gso_size = gso_size,
	    .csum_start = (uint16_t)(14 + ip_len(kind)),
	    .csum_offset = kind->tcp ? 16 : 6};
}

uint32_t large_write(uint8_t *frame, const struct large_kind *kind, uint32_t payload)
{
	uint32_t len = transport_len(kind) + payload;
	uint8_t *ip = frame + 14, *transport = ip + ip_len(kind);

	memset(frame, 0, large_headers_len(kind));
	memset(frame, 0xff, 6);
	frame[6] = 2;
	set16(frame + 12, kind->v6 ? 0x86dd : 0x0800);
	write_ip(ip, kind, len);
	set16(transport + 2, 80);
	if (kind->tcp) {
		set16(transport + 4, 0xffff); /* the sequence number will wrap */
		set16(transport + 6, 0xf000);
		transport[12] = 8 << 4;
		transport[13] = 0x80 | 0x10 | 0x08 | 0x01; /* CWR ACK PSH FIN */
	} else {
		set16(transport + 4, len);
	}
	set16(transport + (kind->tcp ? 16 : 6), large_pseudo_sum(ip, kind->v6, kind->tcp, len));
	for (uint32_t i = 0; i < payload; i++)
		transport[transport_len(kind) + i] = payload_byte(i);
	return large_headers_len(kind) + payload;
}

uint32_t large_check_frame(const uint8_t *frame, uint32_t len, const struct large_kind *kind)
{
	const uint8_t *ip = frame + 14, *transport = ip + ip_len(kind);
	uint32_t below = len - 14 - ip_len(kind);

	assert_true(len >= large_headers_len(kind));
	if (kind->v6) {
		assert_int_equal(be16(ip + 4), below);
	} else {
		assert_int_equal(be16(ip + 2), len - 14);
		assert_int_equal(large_sum(ip, 20, 0), 0xffff);
	}
	if (!kind->tcp)
		assert_int_equal(be16(transport + 4), below);
	assert_int_equal(
	    large_sum(transport, below, large_pseudo_sum(ip, kind->v6, kind->tcp, below)), 0xffff);
	return len - large_headers_len(kind);
}

static void check_tcp(const uint8_t *tcp, uint32_t at, bool last)
{
	assert_int_equal(be32(tcp + 4), (uint32_t)(0xfffff000u + at));
	assert_int_equal(tcp[13] & 0x80, at == 0 ? 0x80 : 0);
	assert_int_equal(tcp[13] & 0x09, last ? 0x09 : 0);
	assert_int_equal(tcp[13] & 0x10, 0x10);
}

bool large_check_segment(struct large_progress *progress, const uint8_t *frame, uint32_t len)
{
	const struct large_kind *kind = progress->kind;
	const uint32_t part = large_check_frame(frame, len, kind), at = progress->at;
	const bool last = at + part == progress->payload;

	assert_true(part == progress->gso_size || (last && part <= progress->gso_size));
	for (uint32_t i = 0; i < part; i++)
		assert_int_equal(frame[large_headers_len(kind) + i], payload_byte(at + i));
	if (kind->tcp)
		check_tcp(frame + 14 + ip_len(kind), at, last);
	if (!kind->v6)
		assert_int_equal(be16(frame + 14 + 4), (0xfffe + progress->number) & 0xffff);
	progress->at += part;
	progress->number++;
	return last;
}
