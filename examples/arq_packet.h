/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The packets of the sliding-window protocol: 32 bytes, all numbers with the lowest byte first, and what
 * follows them.
 *
 *	 0  CRC-32C of everything behind it
 *	 4  version   5  flags   6  reserved, 0
 *	 8  number of the packet in its stream                 (data)
 *	12  number of this transmission, new for each          (data)
 *	16  next: every number before it has arrived           (ack)
 *	20  newest transmission that has arrived               (ack)
 *	24  room: so many numbers from next on are accepted    (ack)
 *	28  bytes of payload, which follow                     (data)
 *	30  words of 64 bits, which follow: bit i says that number next + i has arrived   (ack without data)
 *
 * A packet is data (DATA, perhaps with FIN, the end of its stream), or an acknowledgement (ACK), or both. Words
 * go with an acknowledgement alone, and the last of them is not 0.
 */
#ifndef ARQ_PACKET_H
#define ARQ_PACKET_H

#include <stddef.h>
#include <stdint.h>

#define ARQ_HEADER     32u
#define ARQ_WINDOW_MAX 4096u
#define ARQ_WORDS_MAX  (ARQ_WINDOW_MAX / 64)

#define ARQ_DATA 0x01u
#define ARQ_FIN  0x02u /* with DATA, and without payload */
#define ARQ_ACK  0x04u
#define ARQ_ASK  0x08u /* with ACK alone: an answer is wanted */
#define ARQ_BYE                                                                                    \
	0x10u /* with ACK alone: both streams have arrived whole, as far as I am concerned */

struct arq_packet {
	uint8_t flags;
	uint16_t len, words;
	uint32_t number, transmission;
	uint32_t next, newest, room;
	const uint8_t *body; /* len bytes, or words words */
};

/** CRC-32C (Castagnoli) of some bytes; crc is that of the bytes before them, or 0. */
uint32_t arq_crc(uint32_t crc, const uint8_t *data, size_t len);

/**
 * @param out  ARQ_HEADER bytes and the body's; the body is copied there, or there already
 * @return bytes written
 */
size_t arq_packet_write(const struct arq_packet *packet, uint8_t *out);

/**
 * Read and check. Everything but the body is read once: data may be memory that others can write.
 *
 * @param packet  its body points into data
 * @return 0; -EBADMSG damaged on its way, -EPROTO whole but not a packet of this protocol
 */
int arq_packet_read(const uint8_t *data, size_t len, struct arq_packet *packet);

/** Word i of an acknowledgement, i < words. */
uint64_t arq_packet_word(const struct arq_packet *packet, unsigned i);
void arq_word_write(uint8_t *body, unsigned i, uint64_t word);

#endif
