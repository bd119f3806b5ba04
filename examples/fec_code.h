/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Forward error correction of packets: k data packets and m parity packets make a block, and any k of
 * them bring all data packets back (Reed-Solomon by ISA-L). Payloads may differ in length.
 *
 *        0        4        8      9   10  11         12       14
 *        ┌────────┬────────┬───────┬───┬───┬─────────┬────────┬───────────────┐
 *   data │ CRC32C │ block  │ index │ k │ m │ version │ length │ payload       │ (zeros)
 *        ├────────┼────────┼───────┼───┼───┼─────────┼────────┴───────────────┴───────┐
 * parity │ CRC32C │ block  │ index │ k │ m │ version │ parity of lengths and payloads │
 *        └────────┴────────┴───────┴───┴───┴─────────┴────────────────────────────────┘
 *                                                    └ the shard: what is protected
 *
 * Numbers are big-endian. The CRC covers the whole packet: one that was changed on the way is a loss. A
 * shorter payload counts as if zeros followed up to the block's longest; they are not sent. Packets stay
 * where they are, in the rings' buffers: the library takes arrays of pointers.
 */
#ifndef FEC_CODE_H
#define FEC_CODE_H

#include <stdint.h>

#include <pktloom/frame.h>

#define FEC_K_MAX      32u
#define FEC_M_MAX      16u
#define FEC_TOTAL_MAX  (FEC_K_MAX + FEC_M_MAX)
#define FEC_SHARD      12u
#define FEC_HEADER     14u /* bytes before a payload */
#define FEC_PACKET_MAX 2048u

/** What k and m say once and for all. About 20 KB. One thread at a time. */
struct fec_code {
	unsigned k, m;
	uint8_t matrix[FEC_TOTAL_MAX * FEC_K_MAX]; /* packet i of a block is row i times the data */
	uint8_t tables[32 * FEC_K_MAX * FEC_M_MAX];
};

/** @return 0; -EINVAL k is not in 1 … FEC_K_MAX or m not in 1 … FEC_M_MAX */
int fec_code_init(struct fec_code *code, unsigned k, unsigned m);

/* ---- sending ---- */

/** Finish data packet `index` of a block, whose payload of len bytes stands at data + FEC_HEADER. */
void fec_data(const struct fec_code *code, uint32_t block, unsigned index,
    struct loom_frame *packet, uint16_t len);

/**
 * Make a block's parity packets.
 *
 * @param packets  k data packets, of which the lengths must be set, and m to be filled. What follows a data
 *                 packet in its buffer is overwritten, up to the longest one's length.
 * @return 0; -EMSGSIZE the longest packet has more than FEC_PACKET_MAX bytes, or than a buffer holds
 */
int fec_parity(struct fec_code *code, uint32_t block, struct loom_frame *packets);

/* ---- receiving ---- */

struct fec_header {
	uint32_t block;
	uint8_t index, k, m;
};

/**
 * Look at a packet that came. Its bytes must not change meanwhile, or later: who sends into shared memory
 * is trusted that far.
 *
 * @return 0; -EBADMSG it is not whole, or no packet of this kind
 */
int fec_open(const struct loom_frame *packet, struct fec_header *header);

/** What came of a block. The packets' buffers are borrowed until the block has been recovered. */
struct fec_block {
	uint32_t number;
	unsigned k, m, got;
	struct loom_frame packets[FEC_TOTAL_MAX]; /* data is NULL: it did not come */
};

void fec_block_begin(struct fec_block *block, uint32_t number, unsigned k, unsigned m);

/** Add an opened packet. @return 0; -EEXIST it is there already; -EBADMSG it is not of this block */
int fec_block_add(
    struct fec_block *block, const struct fec_header *header, const struct loom_frame *packet);

/**
 * Bring back a block's lost data packets.
 *
 * What follows a shorter packet in its buffer is overwritten with zeros.
 *
 * @param code   made for the block's k and m
 * @param space  room for m packets of FEC_PACKET_MAX bytes: what was lost stands there afterwards
 * @return how many were brought back: packets[0 … k) are then complete; -ENODATA fewer than k packets came;
 *         -EBADMSG the packets contradict each other (nothing was added to the block in either case)
 */
int fec_recover(const struct fec_code *code, struct fec_block *block, uint8_t *space);

#endif
