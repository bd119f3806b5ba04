/* SPDX-License-Identifier: BSD-2-Clause */
/* Packets of the sliding-window protocol: as written, so read; anything else is refused. */
#include "support.h"

#include <errno.h>

#include "../../examples/arq_packet.h"

#define LEN 100u

static uint8_t wire[ARQ_HEADER + 8 * ARQ_WORDS_MAX + 64];
static const uint8_t payload[LEN] = "something to carry";

static struct arq_packet data_packet(void)
{
	return (struct arq_packet){
	    .flags = ARQ_DATA | ARQ_ACK,
	    .len = LEN,
	    .number = 0xfffffffe,
	    .transmission = 0x01020304,
	    .next = 0xfffffffd,
	    .newest = 5,
	    .room = 64,
	    .body = payload,
	};
}

static void a_known_checksum(void **state)
{
	(void)state;
	assert_int_equal(arq_crc(0, (const uint8_t *)"123456789", 9), 0xe3069283u);
	assert_int_equal(
	    arq_crc(arq_crc(0, payload, 33), payload + 33, LEN - 33), arq_crc(0, payload, LEN));
}

static void what_is_written_is_read(void **state)
{
	struct arq_packet out = data_packet(), in;
	size_t len = arq_packet_write(&out, wire);

	(void)state;
	assert_int_equal(len, ARQ_HEADER + LEN);
	assert_int_equal(arq_packet_read(wire, len, &in), 0);
	assert_int_equal(in.flags, out.flags);
	assert_int_equal(in.number, out.number);
	assert_int_equal(in.transmission, out.transmission);
	assert_int_equal(in.next, out.next);
	assert_int_equal(in.newest, out.newest);
	assert_int_equal(in.room, out.room);
	assert_int_equal(in.len, LEN);
	assert_int_equal(in.words, 0);
	assert_memory_equal(in.body, payload, LEN);
}

static void words_are_read_as_written(void **state)
{
	struct arq_packet out = {.flags = ARQ_ACK, .words = ARQ_WORDS_MAX, .room = 1}, in;

	(void)state;
	out.body = wire + ARQ_HEADER;
	for (unsigned i = 0; i < ARQ_WORDS_MAX; i++)
		arq_word_write(wire + ARQ_HEADER, i, UINT64_MAX / (i + 1));
	assert_int_equal(arq_packet_read(wire, arq_packet_write(&out, wire), &in), 0);
	for (unsigned i = 0; i < ARQ_WORDS_MAX; i++)
		assert_true(arq_packet_word(&in, i) == UINT64_MAX / (i + 1));
}

static void every_changed_bit_is_noticed(void **state)
{
	struct arq_packet out = data_packet(), in;
	size_t len = arq_packet_write(&out, wire);

	(void)state;
	for (size_t bit = 0; bit < 8 * len; bit++) {
		wire[bit / 8] ^= (uint8_t)(1u << bit % 8);
		assert_int_equal(arq_packet_read(wire, len, &in), -EBADMSG);
		wire[bit / 8] ^= (uint8_t)(1u << bit % 8);
	}
	assert_int_equal(arq_packet_read(wire, len, &in), 0);
}

static void every_other_length_is_noticed(void **state)
{
	struct arq_packet out = data_packet(), in;
	size_t len = arq_packet_write(&out, wire);

	(void)state;
	for (size_t other = 0; other < sizeof wire; other++)
		if (other != len)
			assert_int_equal(arq_packet_read(wire, other, &in), -EBADMSG);
}

/* Written, with some bytes of the header changed and its checksum right all the same. */
static int read_changed(const struct arq_packet *out, size_t at, uint8_t value, size_t more)
{
	struct arq_packet in;
	size_t len = arq_packet_write(out, wire) + more;
	uint32_t crc;

	if (at)
		wire[at] = value;
	crc = arq_crc(0, wire + 4, len - 4);
	for (unsigned i = 0; i < 4; i++)
		wire[i] = (uint8_t)(crc >> 8 * i);
	return arq_packet_read(wire, len, &in);
}

static void whole_packets_of_another_kind_are_refused(void **state)
{
	static const uint8_t words[8] = {1}, nothing[8];
	struct arq_packet data = data_packet(), ack = {.flags = ARQ_ACK, .words = 1, .body = words};

	(void)state;
	assert_int_equal(read_changed(&data, 0, 0, 0), 0);
	assert_int_equal(read_changed(&ack, 0, 0, 0), 0);
	assert_int_equal(read_changed(&data, 4, 2, 0), -EPROTO); /* version */
	assert_int_equal(read_changed(&data, 6, 1, 0), -EPROTO); /* reserved */
	assert_int_equal(read_changed(&data, 7, 1, 0), -EPROTO);
	assert_int_equal(read_changed(&data, 0, 0, 1), -EPROTO); /* longer, and shorter than said */
	assert_int_equal(read_changed(&data, 28, LEN + 1, 0), -EPROTO);
	assert_int_equal(read_changed(&data, 28, LEN - 8, 0), -EPROTO);
	assert_int_equal(
	    read_changed(&data, 27, 1, 0), -EPROTO); /* room for more than any window */
	assert_int_equal(read_changed(&data, 5, ARQ_DATA | ARQ_FIN, 0), -EPROTO); /* with payload */
	assert_int_equal(read_changed(&data, 5, ARQ_ACK, 0), -EPROTO);
	assert_int_equal(read_changed(&ack, 5, ARQ_DATA | ARQ_ACK, 0), -EPROTO);
	ack.body = nothing; /* a last word of zero */
	assert_int_equal(read_changed(&ack, 0, 0, 0), -EPROTO);
}

static void flags_go_together_or_are_refused(void **state)
{
	static const uint8_t good[] = {ARQ_DATA, ARQ_DATA | ARQ_ACK, ARQ_DATA | ARQ_FIN,
	    ARQ_DATA | ARQ_FIN | ARQ_ACK, ARQ_ACK, ARQ_ACK | ARQ_ASK, ARQ_ACK | ARQ_BYE,
	    ARQ_ACK | ARQ_ASK | ARQ_BYE};
	struct arq_packet packet = {.flags = ARQ_ACK};

	(void)state;
	for (unsigned flags = 0; flags < 256; flags++) {
		bool is_good = memchr(good, (int)flags, sizeof good) != NULL;

		assert_int_equal(
		    read_changed(&packet, 5, (uint8_t)flags, 0), is_good ? 0 : -EPROTO);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(a_known_checksum),
	    cmocka_unit_test(what_is_written_is_read),
	    cmocka_unit_test(words_are_read_as_written),
	    cmocka_unit_test(every_changed_bit_is_noticed),
	    cmocka_unit_test(every_other_length_is_noticed),
	    cmocka_unit_test(whole_packets_of_another_kind_are_refused),
	    cmocka_unit_test(flags_go_together_or_are_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
