/* SPDX-License-Identifier: BSD-2-Clause */
/* The code half of the example fec: packets into parity, and back. */
#include "fec_code.h"

#include <arpa/inet.h>
#include <errno.h>
#include <isa-l.h>
#include <stdbool.h>
#include <stddef.h>
#include <string.h>

#define VERSION 1u

/* As it stands before the shard. */
struct wire {
	uint32_t check, block;
	uint8_t index, k, m, version;
};

_Static_assert(sizeof(struct wire) == FEC_SHARD, "the header has holes");
_Static_assert(FEC_TOTAL_MAX <= 256, "a field of 256 elements has no more rows");

int fec_code_init(struct fec_code *code, unsigned k, unsigned m)
{
	if (k < 1 || k > FEC_K_MAX || m < 1 || m > FEC_M_MAX)
		return -EINVAL;
	code->k = k;
	code->m = m;
	/* Of a Cauchy matrix any k rows can be inverted; of gf_gen_rs_matrix()'s not for all k and m. */
	gf_gen_cauchy1_matrix(code->matrix, (int)(k + m), (int)k);
	ec_init_tables((int)k, (int)m, code->matrix + (size_t)k * k, code->tables);
	return 0;
}

static uint8_t *shard(const struct loom_frame *packet)
{
	return packet->data + FEC_SHARD;
}

/*
 * Of the whole packet: the header is what the CRC begins with, in a way that no change of either word alone
 * goes unseen. To read it where it has just been written, in other pieces, would cost as much as 200 bytes.
 */
static uint32_t check(const struct wire *wire, const struct loom_frame *packet)
{
	uint32_t kind = (uint32_t)wire->index << 24 | (uint32_t)wire->k << 16 |
			(uint32_t)wire->m << 8 | wire->version;

	return htonl(crc32_iscsi(shard(packet), (int)(packet->len - FEC_SHARD),
	    ntohl(wire->block) ^ ~(kind * 0x9e3779b1u)));
}

static void seal(
    const struct fec_code *code, uint32_t block, unsigned index, const struct loom_frame *packet)
{
	struct wire wire = {.block = htonl(block),
	    .index = (uint8_t)index,
	    .k = (uint8_t)code->k,
	    .m = (uint8_t)code->m,
	    .version = VERSION};

	wire.check = check(&wire, packet);
	memcpy(packet->data, &wire, sizeof wire);
}

void fec_data(const struct fec_code *code, uint32_t block, unsigned index,
    struct loom_frame *packet, uint16_t len)
{
	uint16_t length = htons(len);

	memcpy(shard(packet), &length, sizeof length);
	packet->len = (uint16_t)(FEC_HEADER + len);
	seal(code, block, index, packet);
}

/* Zeros up to the end of the longest shard; false: the packet is longer, or its buffer shorter. */
static bool pad(const struct loom_frame *packet, size_t shard_len)
{
	size_t end = FEC_SHARD + shard_len;

	if (packet->len > end || packet->cap < end)
		return false;
	memset(packet->data + packet->len, 0, end - packet->len);
	return true;
}

int fec_parity(struct fec_code *code, uint32_t block, struct loom_frame *packets)
{
	uint8_t *shards[FEC_TOTAL_MAX];
	unsigned k = code->k, total = code->k + code->m;
	uint16_t longest = FEC_HEADER;

	for (unsigned i = 0; i < k; i++)
		if (packets[i].len > longest)
			longest = packets[i].len;
	if (longest > FEC_PACKET_MAX)
		return -EMSGSIZE;
	for (unsigned i = 0; i < total; i++) {
		if (i >= k)
			packets[i].len = longest;
		if (!pad(&packets[i], longest - FEC_SHARD))
			return -EMSGSIZE;
		shards[i] = shard(&packets[i]);
	}
	ec_encode_data(
	    (int)(longest - FEC_SHARD), (int)k, (int)code->m, code->tables, shards, shards + k);
	for (unsigned i = k; i < total; i++)
		seal(code, block, i, &packets[i]);
	return 0;
}

static size_t shard_length(const uint8_t *shard)
{
	uint16_t length;

	memcpy(&length, shard, sizeof length);
	return ntohs(length);
}

int fec_open(const struct loom_frame *packet, struct fec_header *header)
{
	struct wire wire;

	if (packet->len < FEC_HEADER || packet->len > FEC_PACKET_MAX || packet->flags & NS_MOREFRAG)
		return -EBADMSG;
	memcpy(&wire, packet->data, sizeof wire);
	if (wire.check != check(&wire, packet) || wire.version != VERSION || wire.k < 1 ||
	    wire.k > FEC_K_MAX || wire.m < 1 || wire.m > FEC_M_MAX || wire.index >= wire.k + wire.m)
		return -EBADMSG;
	if (wire.index < wire.k && shard_length(shard(packet)) + FEC_HEADER != packet->len)
		return -EBADMSG;
	*header = (struct fec_header){
	    .block = ntohl(wire.block), .index = wire.index, .k = wire.k, .m = wire.m};
	return 0;
}

void fec_block_begin(struct fec_block *block, uint32_t number, unsigned k, unsigned m)
{
	*block = (struct fec_block){.number = number, .k = k, .m = m};
}

int fec_block_add(
    struct fec_block *block, const struct fec_header *header, const struct loom_frame *packet)
{
	if (header->block != block->number || header->k != block->k || header->m != block->m)
		return -EBADMSG;
	if (block->packets[header->index].data)
		return -EEXIST;
	block->packets[header->index] = *packet;
	block->got++;
	return 0;
}

/* What a lost shard is made from: k packets that came, the first ones. */
struct mix {
	uint8_t *from[FEC_K_MAX], *to[FEC_M_MAX];
	unsigned lost[FEC_M_MAX], losses;
	size_t shard_len;
	uint8_t rows[FEC_K_MAX * FEC_K_MAX]; /* their rows of the matrix */
};

/* A parity packet's length is that of the block's shards; where data were lost, one came. */
static bool mix_gather(struct mix *mix, const struct fec_code *code, const struct fec_block *block)
{
	unsigned n = 0, k = block->k;

	for (unsigned i = 0; i < k + block->m; i++) {
		const struct loom_frame *packet = &block->packets[i];

		if (!packet->data) {
			if (i < k)
				mix->lost[mix->losses++] = i;
			continue;
		}
		if (i >= k && mix->shard_len && packet->len != FEC_SHARD + mix->shard_len)
			return false;
		if (i >= k)
			mix->shard_len = packet->len - FEC_SHARD;
		if (n == k)
			continue;
		memcpy(mix->rows + (size_t)n * k, code->matrix + (size_t)i * k, k);
		mix->from[n++] = shard(packet);
	}
	for (unsigned i = 0; mix->losses && i < k; i++)
		if (block->packets[i].data && !pad(&block->packets[i], mix->shard_len))
			return false;
	return true;
}

/* The inverse's rows of the lost packets say how to make them from those that came. */
static bool mix_run(struct mix *mix, unsigned k)
{
	uint8_t inverse[FEC_K_MAX * FEC_K_MAX], wanted[FEC_M_MAX * FEC_K_MAX];
	uint8_t tables[32 * FEC_K_MAX * FEC_M_MAX];

	if (gf_invert_matrix(mix->rows, inverse, (int)k) != 0)
		return false;
	for (unsigned i = 0; i < mix->losses; i++)
		memcpy(wanted + (size_t)i * k, inverse + (size_t)mix->lost[i] * k, k);
	ec_init_tables((int)k, (int)mix->losses, wanted, tables);
	ec_encode_data((int)mix->shard_len, (int)k, (int)mix->losses, tables, mix->from, mix->to);
	for (unsigned i = 0; i < mix->losses; i++)
		if (shard_length(mix->to[i]) > mix->shard_len - (FEC_HEADER - FEC_SHARD))
			return false;
	return true;
}

int fec_recover(const struct fec_code *code, struct fec_block *block, uint8_t *space)
{
	struct mix mix = {.losses = 0};

	if (block->got < block->k)
		return -ENODATA;
	for (unsigned i = 0; i < FEC_M_MAX && i < block->m; i++)
		mix.to[i] = space + (size_t)i * FEC_PACKET_MAX + FEC_SHARD;
	if (!mix_gather(&mix, code, block))
		return -EBADMSG;
	if (mix.losses == 0)
		return 0;
	if (!mix_run(&mix, block->k))
		return -EBADMSG;
	for (unsigned i = 0; i < mix.losses; i++)
		block->packets[mix.lost[i]] = (struct loom_frame){
		    .data = mix.to[i] - FEC_SHARD,
		    .cap = FEC_PACKET_MAX,
		    .len = (uint16_t)(FEC_HEADER + shard_length(mix.to[i])),
		};
	return (int)mix.losses;
}
