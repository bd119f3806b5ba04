/* SPDX-License-Identifier: BSD-2-Clause */
/* The code half of the example fec: every pattern of losses, every damaged bit, odd lengths. */
#include "support.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "fec_code.h"

#define BLOCK 77u

/* A block's packets; what follows one in its buffer is garbage, another one when it is received. */
struct sample {
	struct fec_code code;
	uint8_t buffers[FEC_TOTAL_MAX][FEC_PACKET_MAX];
	struct loom_frame packets[FEC_TOTAL_MAX];
	uint8_t space[FEC_M_MAX * FEC_PACKET_MAX];
};

typedef uint16_t length_fn(unsigned index);

static uint16_t lengths_differ(unsigned index)
{
	return (uint16_t)(index * 97 % 400); /* the first one is empty */
}

static uint16_t lengths_are_largest(unsigned index)
{
	(void)index;
	return FEC_PACKET_MAX - FEC_HEADER;
}

static uint16_t lengths_are_nothing(unsigned index)
{
	(void)index;
	return 0;
}

static struct sample *sample_new(unsigned k, unsigned m, length_fn *length)
{
	struct sample *s = malloc(sizeof *s);

	assert_non_null(s);
	memset(s->buffers, 0xa5, sizeof s->buffers);
	assert_ok(fec_code_init(&s->code, k, m));
	for (unsigned i = 0; i < k + m; i++)
		s->packets[i] = (struct loom_frame){.data = s->buffers[i], .cap = FEC_PACKET_MAX};
	for (unsigned i = 0; i < k; i++) {
		packet_fill(s->packets[i].data + FEC_HEADER, length(i), i + 1);
		fec_data(&s->code, BLOCK, i, &s->packets[i], length(i));
	}
	assert_ok(fec_parity(&s->code, BLOCK, s->packets));
	return s;
}

/* The block as it comes when the packets of a mask are lost. */
static struct fec_block block_without(const struct sample *s, uint64_t lost)
{
	struct fec_header header;
	struct fec_block block;

	fec_block_begin(&block, BLOCK, s->code.k, s->code.m);
	for (unsigned i = s->code.k + s->code.m; i-- > 0;) { /* backwards: order does not matter */
		if (lost >> i & 1)
			continue;
		memset(s->packets[i].data + s->packets[i].len, 0x3c,
		    FEC_PACKET_MAX - s->packets[i].len);
		assert_ok(fec_open(&s->packets[i], &header));
		assert_ok(fec_block_add(&block, &header, &s->packets[i]));
	}
	return block;
}

static bool is_sent(const struct loom_frame *packet, unsigned index, length_fn *length)
{
	return packet->data && packet->len == FEC_HEADER + length(index) &&
	       packet_is(packet->data + FEC_HEADER, length(index), index + 1);
}

/* With so many losses as there are parity packets all data come back; with one more, nothing does. */
static void lose(struct sample *s, uint64_t lost, length_fn *length)
{
	unsigned k = s->code.k, data_lost = 0;
	struct fec_block block;

	for (unsigned i = 0; i < k + s->code.m; i++) /* what is lost may not be looked at */
		if (lost >> i & 1)
			memset(s->buffers[i], 0xee, FEC_PACKET_MAX);
	block = block_without(s, lost);
	memset(s->space, 0x11, sizeof s->space);
	for (unsigned i = 0; i < k; i++)
		data_lost += lost >> i & 1;
	if ((unsigned)__builtin_popcountll(lost) > s->code.m) {
		assert_int_equal(fec_recover(&s->code, &block, s->space), -ENODATA);
		for (unsigned i = 0; i < k; i++)
			assert_int_equal(block.packets[i].data == NULL, lost >> i & 1);
		return;
	}
	assert_int_equal(fec_recover(&s->code, &block, s->space), data_lost);
	for (unsigned i = 0; i < k; i++)
		assert_true(is_sent(&block.packets[i], i, length));
}

static void every_pattern(unsigned k, unsigned m, length_fn *length)
{
	for (uint64_t lost = 0; lost < 1u << (k + m); lost++) {
		struct sample *s = sample_new(k, m, length);

		lose(s, lost, length);
		free(s);
	}
}

static void any_losses_up_to_m_are_recovered_and_more_are_refused(void **state)
{
	(void)state;
	every_pattern(4, 2, lengths_differ);
	every_pattern(1, 1, lengths_differ);
	every_pattern(1, 4, lengths_differ);
	every_pattern(5, 1, lengths_differ);
	every_pattern(3, 5, lengths_differ);
	every_pattern(3, 2, lengths_are_largest);
	every_pattern(3, 2, lengths_are_nothing);
}

/* Windows of lost packets, wherever they stand, in the largest block. */
static void the_largest_block_is_recovered(void **state)
{
	(void)state;
	for (unsigned at = 0; at + FEC_M_MAX <= FEC_TOTAL_MAX; at++) {
		struct sample *s = sample_new(FEC_K_MAX, FEC_M_MAX, lengths_differ);

		lose(s, ((UINT64_C(1) << FEC_M_MAX) - 1) << at, lengths_differ);
		free(s);
	}
}

static void a_packet_with_any_bit_changed_is_no_packet(void **state)
{
	struct sample *s = sample_new(3, 2, lengths_differ);
	struct fec_header header;

	(void)state;
	for (unsigned i = 0; i < 5; i++) {
		struct loom_frame *packet = &s->packets[i];

		for (unsigned bit = 0; bit < 8u * packet->len; bit++) {
			packet->data[bit / 8] ^= (uint8_t)(1u << bit % 8);
			assert_int_equal(fec_open(packet, &header), -EBADMSG);
			packet->data[bit / 8] ^= (uint8_t)(1u << bit % 8);
		}
		assert_ok(fec_open(packet, &header));
	}
	free(s);
}

static void a_packet_of_another_length_is_no_packet(void **state)
{
	struct sample *s = sample_new(3, 2, lengths_differ);
	struct fec_header header;

	(void)state;
	for (unsigned i = 0; i < 5; i++) {
		struct loom_frame packet = s->packets[i];

		for (unsigned len = 0; len <= FEC_PACKET_MAX; len++) {
			packet.len = (uint16_t)len;
			assert_int_equal(
			    fec_open(&packet, &header), len == s->packets[i].len ? 0 : -EBADMSG);
		}
		packet.len = s->packets[i].len;
		packet.flags = NS_MOREFRAG; /* the rest of it is in another slot */
		assert_int_equal(fec_open(&packet, &header), -EBADMSG);
	}
	free(s);
}

static void packets_that_come_twice_or_from_elsewhere_are_told(void **state)
{
	struct sample *s = sample_new(3, 2, lengths_differ);
	struct fec_block block = block_without(s, 1);
	struct fec_header header;

	(void)state;
	assert_ok(fec_open(&s->packets[2], &header));
	assert_int_equal(fec_block_add(&block, &header, &s->packets[2]), -EEXIST);
	assert_int_equal(block.got, 4);
	header.block++;
	assert_int_equal(fec_block_add(&block, &header, &s->packets[2]), -EBADMSG);
	header.block--;
	header.m++;
	assert_int_equal(fec_block_add(&block, &header, &s->packets[2]), -EBADMSG);
	header.m--;
	header.k--;
	assert_int_equal(fec_block_add(&block, &header, &s->packets[2]), -EBADMSG);
	free(s);
}

/* Whole packets that cannot belong together: a sender's mistake, which no CRC shows. */
static void packets_that_contradict_each_other_bring_nothing_back(void **state)
{
	struct sample *s = sample_new(3, 2, lengths_differ);
	struct fec_block block = block_without(s, 1);

	(void)state;
	block.packets[4].len--; /* parity packets of two lengths */
	assert_int_equal(fec_recover(&s->code, &block, s->space), -EBADMSG);
	assert_null(block.packets[0].data);
	block = block_without(s, 1);
	block.packets[3].len = block.packets[4].len = FEC_HEADER; /* data longer than parity */
	assert_int_equal(fec_recover(&s->code, &block, s->space), -EBADMSG);
	block = block_without(s, 1);
	block.packets[1].cap = block.packets[1].len; /* no room for zeros */
	assert_int_equal(fec_recover(&s->code, &block, s->space), -EBADMSG);
	block = block_without(s, 1);
	block.packets[3].data[FEC_SHARD] ^= 0x80; /* a length that is too large comes out */
	assert_int_equal(fec_recover(&s->code, &block, s->space), -EBADMSG);
	assert_null(block.packets[0].data);
	free(s);
}

static void codes_and_packets_out_of_range_are_refused(void **state)
{
	struct sample *s = sample_new(3, 2, lengths_differ);

	(void)state;
	s->packets[4].cap = 100;
	assert_int_equal(fec_parity(&s->code, BLOCK, s->packets), -EMSGSIZE);
	s->packets[4].cap = FEC_PACKET_MAX;
	s->packets[1].len = FEC_PACKET_MAX + 1;
	assert_int_equal(fec_parity(&s->code, BLOCK, s->packets), -EMSGSIZE);
	assert_int_equal(fec_code_init(&s->code, 0, 2), -EINVAL);
	assert_int_equal(fec_code_init(&s->code, FEC_K_MAX + 1, 2), -EINVAL);
	assert_int_equal(fec_code_init(&s->code, 3, 0), -EINVAL);
	assert_int_equal(fec_code_init(&s->code, 3, FEC_M_MAX + 1), -EINVAL);
	free(s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(any_losses_up_to_m_are_recovered_and_more_are_refused),
	    cmocka_unit_test(the_largest_block_is_recovered),
	    cmocka_unit_test(a_packet_with_any_bit_changed_is_no_packet),
	    cmocka_unit_test(a_packet_of_another_length_is_no_packet),
	    cmocka_unit_test(packets_that_come_twice_or_from_elsewhere_are_told),
	    cmocka_unit_test(packets_that_contradict_each_other_bring_nothing_back),
	    cmocka_unit_test(codes_and_packets_out_of_range_are_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
