/* SPDX-License-Identifier: BSD-2-Clause */
/* Frames between ports with virtio-net headers of different lengths, or none. */
#include "switch_vnet.h"

#include <stdlib.h>
#include <string.h>

#include "../offload.h"

static uint32_t length_of(const struct switch_piece *packet)
{
	uint32_t total = 0;

	for (uint32_t i = 0; i < packet->pieces; i++)
		total += packet[i].len;
	return total;
}

/* Copy a packet's first len bytes. */
static void gather(const struct switch_piece *packet, uint8_t *to, uint32_t len)
{
	for (; len > 0; packet++) {
		uint32_t part = packet->len < len ? packet->len : len;

		memcpy(to, packet->data, part);
		to += part;
		len -= part;
	}
}

/* The packet behind its first `skip` bytes, with `first` before it; returns the number of pieces. */
static uint32_t replace_header(struct switch_piece *out, const struct switch_piece *packet,
    uint32_t skip, const struct switch_piece *first)
{
	uint32_t n = 0;

	if (first->len > 0)
		out[n++] = *first;
	for (uint32_t i = 0; i < packet->pieces; i++) {
		uint32_t cut = packet[i].len < skip ? packet[i].len : skip;

		out[n] = packet[i];
		out[n].data += cut;
		out[n].len = (uint16_t)(packet[i].len - cut);
		skip -= cut;
		n += out[n].len > 0;
	}
	return n;
}

/* For a port with headers: what the sender's says, if it has one, else nothing. */
static void put_with_header(struct switch_outlet *out, const struct switch_tx *tx,
    const struct switch_piece *packet, uint32_t header_len)
{
	struct switch_piece pieces[NETMAP_MAX_FRAGS + 1];
	uint8_t header[SWITCH_VNET_MAX] = {0};
	const struct switch_piece first = {.data = header, .len = (uint16_t)header_len};

	if (tx->source.header_len > 0)
		gather(packet, header, sizeof(struct offload));
	switch_outlet_put_joined(
	    out, pieces, replace_header(pieces, packet, tx->source.header_len, &first));
}

static bool scratch_make(struct switch_tx *tx)
{
	if (!tx->scratch)
		tx->scratch = malloc(SWITCH_VNET_MAX + SWITCH_FRAME_MAX);
	return tx->scratch;
}

/* A piece's length has 16 bits, a frame may be a little longer. */
static void put_linear(struct switch_outlet *out, const uint8_t *frame, uint32_t len)
{
	uint32_t first = len < UINT16_MAX ? len : UINT16_MAX;
	const struct switch_piece pieces[2] = {
	    {.data = frame, .len = (uint16_t)first},
	    {.data = frame + first, .len = (uint16_t)(len - first)},
	};

	switch_outlet_put_joined(out, pieces, len > first ? 2 : 1);
}

static void put_segments(struct switch_outlet *out, const struct offload_cut *cut)
{
	struct offload_segment segment;

	for (uint32_t i = 0; i < cut->segments; i++) {
		struct switch_piece pieces[2];

		offload_segment(cut, i, &segment);
		pieces[0] = (struct switch_piece){
		    .data = segment.headers, .len = (uint16_t)cut->headers_len};
		pieces[1] = (struct switch_piece){
		    .data = segment.payload, .len = (uint16_t)segment.payload_len};
		switch_outlet_put_joined(out, pieces, 2);
	}
}

/* The checksum of a datagram that is sent in IP fragments is its own affair: it is completed before. */
static bool prepare(
    struct offload_cut *cut, uint8_t *frame, uint32_t len, const struct offload *what)
{
	if (!offload_cut(cut, frame, len, what))
		return false;
	return !cut->fragments || !(what->flags & OFFLOAD_NEEDS_CSUM) ||
	       offload_checksum(frame, len, what->csum_start, what->csum_offset);
}

/* All of its segments or none. */
static void put_cut(
    struct switch_outlet *out, uint8_t *frame, uint32_t len, const struct offload *what)
{
	struct offload_cut cut;
	uint32_t slots_each;

	if (!prepare(&cut, frame, len, what)) {
		out->refused++;
		return;
	}
	slots_each = (cut.headers_len + cut.each + out->slot_max - 1) / out->slot_max;
	if (slots_each > NETMAP_MAX_FRAGS)
		out->oversized++;
	else if ((uint64_t)cut.segments * slots_each > out->room)
		out->no_room++;
	else
		put_segments(out, &cut);
}

/* For a port without headers: the frame is copied, for it must not change at its sender. */
static void put_offloaded(struct switch_outlet *out, struct switch_tx *tx,
    const struct switch_piece *packet, const struct offload *what)
{
	uint32_t total = length_of(packet), len = total - tx->source.header_len;
	uint8_t *frame;

	if (len > SWITCH_FRAME_MAX || !scratch_make(tx)) {
		out->oversized++;
		return;
	}
	gather(packet, tx->scratch, total);
	frame = tx->scratch + tx->source.header_len;
	if (what->gso_type != OFFLOAD_GSO_NONE)
		put_cut(out, frame, len, what);
	else if (offload_checksum(frame, len, what->csum_start, what->csum_offset))
		put_linear(out, frame, len);
	else
		out->refused++;
}

static void put_without_header(
    struct switch_outlet *out, struct switch_tx *tx, const struct switch_piece *packet)
{
	static const struct switch_piece none = {.len = 0};
	struct switch_piece pieces[NETMAP_MAX_FRAGS + 1];
	struct offload what;

	gather(packet, (uint8_t *)&what, sizeof what);
	if (what.gso_type != OFFLOAD_GSO_NONE || (what.flags & OFFLOAD_NEEDS_CSUM))
		put_offloaded(out, tx, packet, &what);
	else
		switch_outlet_put_joined(
		    out, pieces, replace_header(pieces, packet, tx->source.header_len, &none));
}

/* Its length was checked when it was collected: a header and 14 bytes are there. */
void switch_vnet_put(struct switch_outlet *out, struct switch_tx *tx,
    const struct switch_piece *packet, uint32_t header_len)
{
	if (header_len > 0)
		put_with_header(out, tx, packet, header_len);
	else
		put_without_header(out, tx, packet);
}
