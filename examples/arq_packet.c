/* SPDX-License-Identifier: BSD-2-Clause */
/* Writing, checking and reading the protocol's packets. */
#include "arq_packet.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>

#define VERSION    1u
#define POLYNOMIAL 0x82f63b78u /* Castagnoli's, lowest bit first */
#define SLICES     8

/* tables[k][b]: what byte b does to the checksum when k bytes follow it in a step of eight. */
static uint32_t tables[SLICES][256];

__attribute__((constructor)) static void tables_fill(void)
{
	for (uint32_t byte = 0; byte < 256; byte++) {
		uint32_t crc = byte;

		for (int bit = 0; bit < 8; bit++)
			crc = crc >> 1 ^ (crc & 1 ? POLYNOMIAL : 0);
		tables[0][byte] = crc;
	}
	for (int k = 1; k < SLICES; k++)
		for (uint32_t byte = 0; byte < 256; byte++) {
			uint32_t crc = tables[k - 1][byte];

			tables[k][byte] = crc >> 8 ^ tables[0][crc & 0xff];
		}
}

/* ---- numbers in bytes ---- */

static uint16_t get16(const uint8_t *at)
{
	return (uint16_t)(at[0] | at[1] << 8);
}

static uint32_t get32(const uint8_t *at)
{
	return (uint32_t)at[0] | (uint32_t)at[1] << 8 | (uint32_t)at[2] << 16 |
	       (uint32_t)at[3] << 24;
}

static void put16(uint8_t *at, uint16_t value)
{
	at[0] = (uint8_t)value;
	at[1] = (uint8_t)(value >> 8);
}

static void put32(uint8_t *at, uint32_t value)
{
	put16(at, (uint16_t)value);
	put16(at + 2, (uint16_t)(value >> 16));
}

uint64_t arq_packet_word(const struct arq_packet *packet, unsigned i)
{
	const uint8_t *at = packet->body + i * sizeof(uint64_t);

	return get32(at) | (uint64_t)get32(at + 4) << 32;
}

void arq_word_write(uint8_t *body, unsigned i, uint64_t word)
{
	put32(body + i * sizeof word, (uint32_t)word);
	put32(body + i * sizeof word + 4, (uint32_t)(word >> 32));
}

/* ---- checksum ---- */

uint32_t arq_crc(uint32_t crc, const uint8_t *data, size_t len)
{
	crc = ~crc;
	for (; len >= SLICES; data += SLICES, len -= SLICES) {
		uint32_t low = get32(data) ^ crc, high = get32(data + 4);

		crc = tables[7][low & 0xff] ^ tables[6][low >> 8 & 0xff] ^
		      tables[5][low >> 16 & 0xff] ^ tables[4][low >> 24] ^ tables[3][high & 0xff] ^
		      tables[2][high >> 8 & 0xff] ^ tables[1][high >> 16 & 0xff] ^
		      tables[0][high >> 24];
	}
	for (; len > 0; data++, len--)
		crc = crc >> 8 ^ tables[0][(crc ^ *data) & 0xff];
	return ~crc;
}

/* ---- packets ---- */

static size_t body_size(const struct arq_packet *packet)
{
	return packet->len + packet->words * sizeof(uint64_t);
}

size_t arq_packet_write(const struct arq_packet *packet, uint8_t *out)
{
	size_t size = body_size(packet);
	uint8_t *body = out + ARQ_HEADER;

	out[4] = VERSION;
	out[5] = packet->flags;
	put16(out + 6, 0);
	put32(out + 8, packet->number);
	put32(out + 12, packet->transmission);
	put32(out + 16, packet->next);
	put32(out + 20, packet->newest);
	put32(out + 24, packet->room);
	put16(out + 28, packet->len);
	put16(out + 30, packet->words);
	if (size && packet->body != body)
		memcpy(body, packet->body, size);
	put32(out, arq_crc(0, out + 4, ARQ_HEADER - 4 + size));
	return ARQ_HEADER + size;
}

static bool flags_fit(const struct arq_packet *packet)
{
	switch (packet->flags) {
	case ARQ_DATA:
	case ARQ_DATA | ARQ_ACK:
		return packet->words == 0;
	case ARQ_DATA | ARQ_FIN:
	case ARQ_DATA | ARQ_FIN | ARQ_ACK:
		return packet->words == 0 && packet->len == 0;
	case ARQ_ACK:
	case ARQ_ACK | ARQ_ASK:
	case ARQ_ACK | ARQ_BYE:
	case ARQ_ACK | ARQ_ASK | ARQ_BYE:
		return packet->len == 0;
	default:
		return false;
	}
}

static bool fields_fit(const struct arq_packet *packet, size_t body)
{
	return flags_fit(packet) && body == body_size(packet) && packet->words <= ARQ_WORDS_MAX &&
	       packet->room <= ARQ_WINDOW_MAX &&
	       (packet->words == 0 || arq_packet_word(packet, packet->words - 1u) != 0);
}

int arq_packet_read(const uint8_t *data, size_t len, struct arq_packet *packet)
{
	uint8_t header[ARQ_HEADER];
	uint32_t crc;

	if (len < ARQ_HEADER)
		return -EBADMSG;
	memcpy(header, data, sizeof header);
	crc = arq_crc(0, header + 4, sizeof header - 4);
	if (arq_crc(crc, data + ARQ_HEADER, len - ARQ_HEADER) != get32(header))
		return -EBADMSG;
	*packet = (struct arq_packet){
	    .flags = header[5],
	    .number = get32(header + 8),
	    .transmission = get32(header + 12),
	    .next = get32(header + 16),
	    .newest = get32(header + 20),
	    .room = get32(header + 24),
	    .len = get16(header + 28),
	    .words = get16(header + 30),
	    .body = data + ARQ_HEADER,
	};
	if (header[4] != VERSION || get16(header + 6) != 0 || !fields_fit(packet, len - ARQ_HEADER))
		return -EPROTO;
	return 0;
}
