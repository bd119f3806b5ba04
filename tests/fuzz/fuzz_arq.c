/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The sliding-window protocol of the examples against a peer that sends anything: bytes without sense, packets
 * with a right checksum and fields of any value, and among them those of an honest peer. Whatever
 * comes, what an end sends is a packet, and it keeps within its window.
 */
#include "../../examples/arq.h"
#include "../../examples/arq_packet.h"
#include "fuzz.h"

#define WINDOW 64u
#define STEPS  4000u

static uint8_t wire[ARQ_HEADER + 0xffff + 8 * ARQ_WORDS_MAX];
static const uint8_t source[0x100];

struct scene {
	struct input input;
	struct arq *ends[2]; /* of which the first hears what is forged, too */
	uint32_t first, most;
	uint64_t now_ns;
};

static void check(const struct scene *scene, struct arq *arq)
{
	CHECK(arq_unacknowledged(arq) <= WINDOW);
	CHECK(!(arq_is_over(arq) || arq_error(arq)) || !arq_has_output(arq));
	CHECK(arq_packet_most(arq) >= ARQ_HEADER + scene->most);
}

static void random_bytes(struct scene *scene)
{
	size_t len = input_u8(&scene->input);

	input_bytes(&scene->input, wire, len);
	arq_input(scene->ends[0], wire, len, scene->now_ns);
}

/* Numbers near those in use, or any. */
static uint32_t number(struct scene *scene)
{
	uint8_t kind = input_u8(&scene->input);

	return kind == 0xff ? input_u32(&scene->input) : scene->first + kind - 16u;
}

static void forged(struct scene *scene)
{
	static uint8_t body[0x100 + 8 * ARQ_WORDS_MAX];
	struct arq_packet packet = {.flags = input_u8(&scene->input) & 0x1f, .body = body};

	packet.number = number(scene);
	packet.transmission = number(scene);
	packet.next = number(scene);
	packet.newest = number(scene);
	packet.room = input_u8(&scene->input);
	if (packet.flags & ARQ_DATA)
		packet.len = input_u8(&scene->input);
	else
		packet.words = input_u8(&scene->input) % 4;
	input_bytes(&scene->input, body, packet.words * sizeof(uint64_t));
	arq_input(scene->ends[0], wire, arq_packet_write(&packet, wire), scene->now_ns);
}

static void receive(const struct scene *scene, struct arq *arq)
{
	const uint8_t *data;
	size_t len;
	uint32_t n = 0;

	for (; arq_recv(arq, &data, &len) == 1; n++) {
		CHECK(len <= scene->most);
		if (len)
			__asm__ volatile("" : : "r"(data[len - 1])); /* a sanitizer looks */
	}
	CHECK(n <= WINDOW);
}

/* A packet of one end goes to the other one, or is lost. */
static void honest(struct scene *scene, unsigned from, bool arrives)
{
	size_t len = arq_output(scene->ends[from], wire, sizeof wire, scene->now_ns);
	struct arq_packet packet;

	if (len == 0)
		return;
	CHECK(len <= arq_packet_most(scene->ends[from]));
	CHECK(arq_packet_read(wire, len, &packet) == 0);
	if (arrives)
		arq_input(scene->ends[!from], wire, len, scene->now_ns);
}

static void step(struct scene *scene)
{
	uint8_t what = input_u8(&scene->input);
	struct arq *arq = scene->ends[what >> 7];

	switch (what % 8) {
	case 0:
		random_bytes(scene);
		break;
	case 1:
		forged(scene);
		break;
	case 2:
		arq_send(arq, source, input_u8(&scene->input));
		break;
	case 3:
		receive(scene, arq);
		break;
	case 4:
	case 5:
		honest(scene, what >> 7, what % 8 == 4);
		break;
	case 6:
		scene->now_ns += input_u32(&scene->input);
		arq_tick(scene->ends[0], scene->now_ns);
		arq_tick(scene->ends[1], scene->now_ns);
		break;
	default:
		if (what & 0x40)
			arq_finish(arq);
		break;
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct scene scene = {.input = {data, size}};
	struct arq_config config = {.window = WINDOW};

	scene.first = config.first = input_u32(&scene.input);
	scene.most = config.most = 1u + input_u8(&scene.input) % 64;
	for (unsigned i = 0; i < 2; i++)
		CHECK(arq_new(&config, 0, &scene.ends[i]) == 0);
	for (unsigned n = 0; n < STEPS && scene.input.size > 0; n++) {
		step(&scene);
		check(&scene, scene.ends[0]);
		check(&scene, scene.ends[1]);
	}
	arq_free(scene.ends[0]);
	arq_free(scene.ends[1]);
	return 0;
}
