/* SPDX-License-Identifier: BSD-2-Clause */
/* Cutting packets that are several; tests/fuzz has any bytes. */
#include <stdlib.h>

#include "large.h"

/* Memory of just that size, for the sanitizer to see a read beyond it. */
static uint8_t *frame_make(const struct large_kind *kind, uint32_t payload, uint32_t *len)
{
	uint8_t *frame;

	*len = large_headers_len(kind) + payload;
	frame = malloc(*len);
	assert_non_null(frame);
	assert_int_equal(large_write(frame, kind, payload), *len);
	return frame;
}

static uint32_t segment_join(const struct offload_cut *cut, uint32_t number, uint8_t *out)
{
	struct offload_segment segment;

	offload_segment(cut, number, &segment);
	memcpy(out, segment.headers, cut->headers_len);
	memcpy(out + cut->headers_len, segment.payload, segment.payload_len);
	return cut->headers_len + segment.payload_len;
}

static void segments_are_the_packet(void **state)
{
	static const uint32_t payloads[] = {1, 535, 536, 537, 1448, 9000, 65000};
	static uint8_t got[LARGE_MAX];

	(void)state;
	for (unsigned i = 0; i < LARGE_KINDS * COUNT(payloads); i++) {
		const struct large_kind *kind = large_kinds[i % LARGE_KINDS];
		const struct offload what = large_offload(kind, 536);
		struct large_progress progress = {
		    .kind = kind, .payload = payloads[i / LARGE_KINDS], .gso_size = 536};
		struct offload_cut cut;
		uint32_t len;
		uint8_t *frame = frame_make(kind, progress.payload, &len);

		assert_true(offload_cut(&cut, frame, len, &what));
		assert_int_equal(cut.segments, (progress.payload + 535) / 536);
		for (uint32_t k = 0; k < cut.segments; k++)
			assert_int_equal(
			    large_check_segment(&progress, got, segment_join(&cut, k, got)),
			    k + 1 == cut.segments);
		free(frame);
	}
}

/* Who was interrupted goes on at a later one. */
static void segments_are_the_same_in_any_order(void **state)
{
	static uint8_t first[2048], again[2048];
	const struct offload what = large_offload(&large_tcp4, 1000);
	struct offload_cut cut;
	uint32_t len;
	uint8_t *frame = frame_make(&large_tcp4, 9500, &len);

	(void)state;
	assert_true(offload_cut(&cut, frame, len, &what));
	for (uint32_t i = cut.segments; i-- > 0;) {
		uint32_t one = segment_join(&cut, i, first);

		assert_int_equal(segment_join(&cut, i, again), one);
		assert_memory_equal(first, again, one);
		assert_int_equal(be32(first + 38), 0xfffff000u + i * 1000);
	}
	free(frame);
}

/* A change of the frame or of what is asked for, after which it is not cut. */
struct lie {
	const char *name;
	const struct large_kind *kind;
	uint32_t at; /* of the frame */
	uint8_t byte;
};

static void what_is_not_as_it_says_is_not_cut(void **state)
{
	static const struct lie lies[] = {
	    {"no IP", &large_tcp4, 12, 0x88},
	    {"another IP", &large_tcp4, 12, 0x86},
	    {"an IP packet in an IP packet", &large_tcp4, 23, 4},
	    {"UDP that is said to be TCP", &large_tcp4, 23, 17},
	    {"TCP that is said to be UDP", &large_udp4, 23, 6},
	    {"a short IP header", &large_tcp4, 14, 0x44},
	    {"a longer IP header", &large_tcp4, 14, 0x46},
	    {"a fragment", &large_tcp4, 20, 0x20},
	    {"a later fragment", &large_udp4, 21, 1},
	    {"an IPv6 packet in an IPv6 packet", &large_tcp6, 20, 41},
	    {"an IPv6 fragment", &large_udp6, 20, 44},
	    {"an extension header that is none", &large_tcp6, 20, 0},
	    {"a short TCP header", &large_tcp6, 14 + 40 + 12, 4 << 4},
	    {"a TCP header beyond the frame", &large_tcp4, 14 + 20 + 12, 15 << 4},
	};

	(void)state;
	for (size_t i = 0; i < COUNT(lies); i++) {
		const struct large_kind *kind = lies[i].kind;
		const struct offload what = large_offload(kind, 10);
		struct offload_cut cut;
		uint32_t len;
		uint8_t *frame = frame_make(kind, 20, &len);

		assert_true(offload_cut(&cut, frame, len, &what));
		frame[lies[i].at] = lies[i].byte;
		if (offload_cut(&cut, frame, len, &what))
			fail_msg("%s is cut", lies[i].name);
		free(frame);
	}
}

static void what_asks_for_nonsense_is_not_cut(void **state)
{
	struct offload what = large_offload(&large_tcp4, 10);
	struct offload_cut cut;
	uint32_t len;
	uint8_t *frame = frame_make(&large_tcp4, 20, &len);

	(void)state;
	what.gso_size = 0;
	assert_false(offload_cut(&cut, frame, len, &what));
	what = large_offload(&large_tcp4, 10);
	what.csum_start += 20; /* that of a tunnel's inner header */
	assert_false(offload_cut(&cut, frame, len, &what));
	what = large_offload(&large_tcp4, 10);
	what.gso_type = OFFLOAD_GSO_TCPV6;
	assert_false(offload_cut(&cut, frame, len, &what));
	what.gso_type = 2;
	assert_false(offload_cut(&cut, frame, len, &what));
	what.gso_type = OFFLOAD_GSO_TCPV4 | OFFLOAD_GSO_ECN;
	assert_true(offload_cut(&cut, frame, len, &what));
	free(frame);
}

static void tags_and_extension_headers_are_passed(void **state)
{
	static const uint8_t tag[] = {0x81, 0x00, 0x00, 0x05}, hops[] = {6, 0, 5, 2, 0, 0, 1, 0};
	uint8_t frame[14 + 40 + 8 + 32 + 20 + 4];
	struct offload what = large_offload(&large_tcp6, 10);
	struct offload_segment segment;
	struct offload_cut cut;
	uint32_t len = large_write(frame, &large_tcp6, 20);

	(void)state;
	memmove(frame + 54 + sizeof hops, frame + 54, len - 54);
	memcpy(frame + 54, hops, sizeof hops);
	frame[20] = 0;
	memmove(frame + 12 + sizeof tag, frame + 12, len + sizeof hops - 12);
	memcpy(frame + 12, tag, sizeof tag);
	what.csum_start += sizeof hops + sizeof tag;
	assert_true(offload_cut(&cut, frame, sizeof frame, &what));
	assert_int_equal(cut.segments, 2);
	assert_int_equal(cut.headers_len, sizeof frame - 20);
	offload_segment(&cut, 1, &segment);
	assert_int_equal(be16(segment.headers + 18 + 4), 8 + 32 + 10);
	assert_int_equal(large_sum(segment.payload, 10,
			     large_sum(segment.headers + 66, 32,
				 large_pseudo_sum(segment.headers + 18, true, true, 32 + 10))),
	    0xffff);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(segments_are_the_packet),
	    cmocka_unit_test(segments_are_the_same_in_any_order),
	    cmocka_unit_test(what_is_not_as_it_says_is_not_cut),
	    cmocka_unit_test(what_asks_for_nonsense_is_not_cut),
	    cmocka_unit_test(tags_and_extension_headers_are_passed),
	};

	return cmocka_run_group_tests_name("offload", tests, NULL, NULL);
}
