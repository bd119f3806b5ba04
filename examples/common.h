/* SPDX-License-Identifier: BSD-2-Clause */
/* What the examples share and what is not their subject: clock, rates, checkable payloads. */
#ifndef COMMON_H
#define COMMON_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "../tools/args.h"

#define SECOND_NS 1000000000u

static inline uint64_t now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * SECOND_NS + (uint64_t)now.tv_nsec;
}

static inline void print_rate(const char *who, uint64_t packets, uint64_t bytes, uint64_t ns)
{
	double seconds = (double)(ns ? ns : 1) / 1e9;

	printf("%s: %" PRIu64 " packets of %" PRIu64
	       " bytes in %.3f s: %.2f million packets/s, %.2f Gbit/s\n",
	    who, packets, (packets ? bytes / packets : 0), seconds, (double)packets / seconds / 1e6,
	    (double)bytes * 8 / seconds / 1e9);
}

/* Payloads start with their number, and every other byte depends on it. */

#define PAYLOAD_MIN 8u
#define PAYLOAD_END UINT64_MAX /* the number that says: no more */

static inline uint64_t payload_word(uint64_t number, size_t at)
{
	return at == 0 ? number : (number + at) * 0x9e3779b97f4a7c15u;
}

static inline void payload_fill(uint8_t *data, size_t len, uint64_t number)
{
	size_t at = 0;
	uint64_t word;

	for (; at + sizeof word <= len; at += sizeof word) {
		word = payload_word(number, at);
		memcpy(data + at, &word, sizeof word);
	}
	word = payload_word(number, at);
	memcpy(data + at, &word, len - at);
}

static inline bool payload_is(const uint8_t *data, size_t len, uint64_t number)
{
	uint64_t differs = 0, word;
	size_t at = 0;

	for (; at + sizeof word <= len; at += sizeof word) {
		memcpy(&word, data + at, sizeof word);
		differs |= word ^ payload_word(number, at);
	}
	word = payload_word(number, at);
	return !differs && memcmp(data + at, &word, len - at) == 0;
}

static inline uint64_t payload_number(const uint8_t *data)
{
	uint64_t number;

	memcpy(&number, data, sizeof number);
	return number;
}

#endif
