/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A virtio-net header and a frame of any bytes: what is cut is inside the frame, in order and all of it; the
 * sanitizer sees whatever else is read or written.
 */
#include "fuzz.h"
#include "soft/offload.h"

static void check_segments(const struct offload_cut *cut, uint32_t len)
{
	struct offload_segment segment;
	uint32_t payload = 0;

	CHECK(cut->headers_len > 0 && cut->headers_len <= OFFLOAD_HEADERS_MAX);
	CHECK(cut->segments > 0 && cut->each > 0);
	for (uint32_t i = 0; i < cut->segments; i++) {
		offload_segment(cut, i, &segment);
		CHECK(segment.payload == cut->frame + cut->headers_len + payload);
		CHECK(segment.payload_len > 0 && segment.payload_len <= cut->each);
		payload += segment.payload_len;
	}
	CHECK(cut->headers_len + payload == len);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct input input = {data, size};
	struct offload_cut cut;
	struct offload what;
	uint32_t len;
	uint8_t *frame;

	input_bytes(&input, &what, sizeof what);
	if (input.size == 0 || input.size > UINT16_MAX)
		return 0;
	len = (uint32_t)input.size;
	frame = malloc(len); /* of exactly this size: the sanitizer sees its end */
	CHECK(frame != NULL);
	input_bytes(&input, frame, len);
	if (offload_cut(&cut, frame, len, &what))
		check_segments(&cut, len);
	if (offload_checksum(frame, len, what.csum_start, what.csum_offset))
		CHECK(what.csum_start + what.csum_offset + 2u <= len);
	free(frame);
	return 0;
}
