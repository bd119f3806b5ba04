/* SPDX-License-Identifier: BSD-2-Clause */
/* What fuzz targets share: a check that ends the program, and an input read bit by bit. */
#ifndef FUZZ_FUZZ_H
#define FUZZ_FUZZ_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CHECK(condition) ((condition) ? (void)0 : check_failed(__FILE__, __LINE__, #condition))

static inline void check_failed(const char *file, int line, const char *condition)
{
	fprintf(stderr, "%s:%d: %s\n", file, line, condition);
	abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/** What is left of an input; behind its end there are zeroes. */
struct input {
	const uint8_t *data;
	size_t size;
};

static inline void input_bytes(struct input *input, void *out, size_t n)
{
	size_t have = input->size < n ? input->size : n;

	memset(out, 0, n);
	if (have)
		memcpy(out, input->data, have);
	input->data += have;
	input->size -= have;
}

static inline uint8_t input_u8(struct input *input)
{
	uint8_t value;

	input_bytes(input, &value, sizeof value);
	return value;
}

static inline uint16_t input_u16(struct input *input)
{
	uint16_t value;

	input_bytes(input, &value, sizeof value);
	return value;
}

static inline uint32_t input_u32(struct input *input)
{
	uint32_t value;

	input_bytes(input, &value, sizeof value);
	return value;
}

static inline uint64_t input_u64(struct input *input)
{
	uint64_t value;

	input_bytes(input, &value, sizeof value);
	return value;
}

#endif
