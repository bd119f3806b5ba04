/* SPDX-License-Identifier: BSD-2-Clause */
/* Numbers that wrap, and one bit for each of those in a window. */
#ifndef ARQ_BITS_H
#define ARQ_BITS_H

#include <stdbool.h>
#include <stdint.h>

/* Whether a comes after b. Right as long as they are less than half of all numbers apart. */
static inline bool arq_after(uint32_t a, uint32_t b)
{
	return (int32_t)(a - b) > 0;
}

/** As many bits as the window has numbers, a power of two from 64 on; a number has bit number % window. */
struct arq_bits {
	uint64_t *words;
	uint32_t mask; /* window - 1 */
};

static inline bool arq_bit(const struct arq_bits *bits, uint32_t number)
{
	uint32_t at = number & bits->mask;

	return bits->words[at / 64] >> at % 64 & 1;
}

static inline void arq_bit_set(struct arq_bits *bits, uint32_t number)
{
	uint32_t at = number & bits->mask;

	bits->words[at / 64] |= UINT64_C(1) << at % 64;
}

static inline void arq_bit_clear(struct arq_bits *bits, uint32_t number)
{
	uint32_t at = number & bits->mask;

	bits->words[at / 64] &= ~(UINT64_C(1) << at % 64);
}

/** The bits of 64 numbers from this one on, the first in bit 0. */
static inline uint64_t arq_bits_word(const struct arq_bits *bits, uint32_t number)
{
	uint32_t at = number & bits->mask, shift = at % 64;
	uint64_t word = bits->words[at / 64] >> shift;

	if (shift)
		word |= bits->words[(at / 64 + 1) & (bits->mask / 64)] << (64 - shift);
	return word;
}

#endif
