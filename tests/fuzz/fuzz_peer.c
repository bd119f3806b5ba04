/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A pipe whose other end writes anything into what is shared: headers, indexes, slots, lists of what is
 * free, while this end goes through all verbs. Nothing is accessed outside the region, nothing hangs, and
 * what had arrived whole before the nonsense began is received.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <stdbool.h>
#include <sys/stat.h>
#include <unistd.h>

#include <pktloom.h>
#include <pktloom/batch.h>

#include "fuzz.h"
#include "helpers.h"
#include "os/os.h"
#include "soft/region.h"

#define SLOTS  8u
#define BUFFER 64u
#define BATCH  16u

/* Of struct pipe_header in src/soft/ports/pipe_memory.h, and of pool.c. */
#define AT_AREAS     120
#define AT_EXCHANGES 8192
#define AREA_BYTE    1024u
#define SLOT_BYTES   65536 /* of an area: 4,096 slots */

struct victim {
	struct loom_port *port;
	struct loom_txring tx;
	struct loom_rxring rx;
	uint32_t offset; /* where its packets start in their buffers */
};

struct object {
	int fd; /* held as another end holds it */
	off_t size;
};

struct peer {
	struct object pipe, region;
	uint32_t plain;    /* areas before those of pairs */
	uint32_t areas[2]; /* of the pipe's two pairs */
	off_t slots_at, bufs_at;
};

static char found[PATH_MAX];

static void note_pipe(const char *path)
{
	struct stat st;

	if (stat(path, &st) == 0 && S_ISREG(st.st_mode) && !strstr(path, "/loom-mem"))
		snprintf(found, sizeof found, "%s", path);
}

static void note_region(const char *path)
{
	if (strstr(path, "/loom-mem"))
		snprintf(found, sizeof found, "%s", path);
}

/* ---- the victim ---- */

static int victim_open(struct victim *victim)
{
	int err = loom_open("pipe{fz}",
	    LOOM_CONFIG(.tx_slots = SLOTS, .buffer_size = BUFFER, .extra_buffers = 4,
		.spin_us = LOOM_SPIN_NONE, .offset = victim->offset),
	    &victim->port);

	if (err) {
		CHECK(loom_error()[0] != 0);
		victim->port = NULL;
		return err;
	}
	CHECK(loom_tx(victim->port, 0, &victim->tx) == 0);
	CHECK(loom_rx(victim->port, 0, &victim->rx) == 0);
	return 0;
}

/* The sanitizer does not see the end of a mapping: that is looked at here. */
static void frame_holds(const struct victim *victim, const struct loom_frame *frame)
{
	const struct loom_rxring *rx = &victim->rx;
	const uint8_t *end = rx->buffers + rx->num_bufs * rx->buf_size;
	volatile uint8_t sum = 0;

	CHECK(frame->data >= rx->buffers && frame->data < end);
	CHECK(frame->len <= frame->cap && frame->data + frame->cap <= end);
	for (uint32_t i = 0; i < frame->len; i++)
		sum = (uint8_t)(sum + frame->data[i]);
	memset(frame->data, 0x5a, frame->cap);
}

static void ring_holds(const struct netmap_ring *ring)
{
	CHECK(ring->head < ring->num_slots && ring->tail < ring->num_slots);
}

static void receive(struct victim *victim)
{
	struct loom_frame frame;
	unsigned n = 0;

	while (loom_recv(&victim->rx, &frame) == 1) {
		frame_holds(victim, &frame);
		CHECK(++n <= victim->rx.num_slots);
	}
}

static void receive_copies(struct victim *victim, size_t cap)
{
	uint8_t data[64 * BUFFER];
	size_t needed;

	for (unsigned n = 0;; n++) {
		ssize_t len = loom_recv_copy(&victim->rx, data, cap, &needed);

		CHECK(n <= victim->rx.num_slots);
		if (len < 0)
			return;
		CHECK((size_t)len <= cap);
	}
}

static void peek(struct victim *victim, unsigned n)
{
	struct loom_frame frames[BATCH];
	unsigned got = loom_peek(&victim->rx, frames, n % BATCH);

	for (unsigned i = 0; i < got; i++)
		frame_holds(victim, &frames[i]);
	loom_release(&victim->rx, got ? n % (got + 1) : 0);
}

static void reserve(struct victim *victim, unsigned n)
{
	struct loom_frame frames[BATCH];
	unsigned got = loom_reserve(&victim->tx, frames, n % BATCH);

	for (unsigned i = 0; i < got; i++) {
		frames[i].len = (uint16_t)(n % (frames[i].cap + 1));
		frame_holds(victim, &frames[i]);
	}
	CHECK(loom_commit(&victim->tx, frames, got) == 0);
}

static void batches(struct victim *victim)
{
	struct loom_rxbatch in = loom_rxbatch_begin(&victim->rx);
	struct loom_txbatch out;
	struct loom_frame frame;
	unsigned n = 0;

	for (; loom_rxbatch_next(&in, &frame); n++)
		frame_holds(victim, &frame);
	loom_rxbatch_end(&in);
	CHECK(n < victim->rx.num_slots);
	out = loom_txbatch_begin(&victim->tx);
	for (n = 0; n < 3 && loom_txbatch_next(&out, &frame); n++) {
		frame_holds(victim, &frame);
		CHECK(loom_txbatch_put(&out, frame.cap, n < 2 ? NS_MOREFRAG : 0) == 0);
	}
	loom_txbatch_end(&out);
}

/* All waits are short, and must be, whatever the shared words say. */
static void wait(struct victim *victim, uint8_t how)
{
	uint64_t before = now_ms();
	struct pollfd fd = {.fd = -1, .events = POLLIN};
	int got = loom_port_wait(victim->port, how & 3 ? how & 3 : LOOM_RX, how & 4 ? 1 : 0);

	CHECK(got >= 0 || got == -EINTR);
	if (how & 8) {
		fd.fd = loom_port_fd(victim->port);
		CHECK(fd.fd >= 0);
		poll(&fd, 1, 0);
	}
	CHECK(now_ms() - before < 5000);
}

static void victim_acts(struct victim *victim, uint8_t verb, uint8_t how)
{
	static const uint8_t data[64 * BUFFER];

	switch (verb % 10) {
	case 0:
		loom_send(&victim->tx, data, how % 3 ? how : (size_t)how * 16);
		break;
	case 1:
		receive(victim);
		break;
	case 2:
		receive_copies(victim, (size_t)how * 4);
		break;
	case 3:
		peek(victim, how);
		break;
	case 4:
		reserve(victim, how);
		break;
	case 5:
		batches(victim);
		break;
	case 6:
		wait(victim, how);
		break;
	case 7:
		CHECK(loom_forward(&victim->rx, &victim->tx, how) <= victim->rx.num_slots);
		break;
	case 8:
		loom_tx_sync(&victim->tx);
		break;
	default:
		loom_rx_sync(&victim->rx);
	}
	ring_holds(victim->tx.ring);
	ring_holds(victim->rx.ring);
}

/* ---- the peer ---- */

static struct object object_open(void (*note)(const char *path))
{
	struct object object;
	struct stat st;

	found[0] = 0;
	scratch_visit(note);
	object.fd = open(found, O_RDWR | O_CLOEXEC);
	CHECK(object.fd >= 0 && fstat(object.fd, &st) == 0);
	CHECK(os_lock_byte(object.fd, 0, false) == 0); /* a user: the object stays */
	object.size = st.st_size;
	return object;
}

static uint32_t read32(const struct object *object, off_t at)
{
	uint32_t value;

	CHECK(pread(object->fd, &value, sizeof value, at) == sizeof value);
	return value;
}

static off_t pages(size_t bytes)
{
	const size_t page = os_page_size();

	return (off_t)((bytes + page - 1) / page * page);
}

static void peer_open(struct peer *peer)
{
	uint32_t areas, words;

	peer->pipe = object_open(note_pipe);
	peer->region = object_open(note_region);
	peer->plain = read32(&peer->region, offsetof(struct region_control, shape.plain));
	areas = peer->plain + read32(&peer->region, offsetof(struct region_control, shape.pairs));
	words = (read32(&peer->region, offsetof(struct region_control, shape.num_bufs)) + 63) / 64;
	peer->slots_at = pages(sizeof(struct region_control) + words * sizeof(uint64_t));
	peer->bufs_at = peer->slots_at + (off_t)areas * SLOT_BYTES;
	for (unsigned i = 0; i < 2; i++) {
		peer->areas[i] = read32(&peer->pipe, AT_AREAS + 8 * (off_t)i);
		CHECK(peer->areas[i] >= peer->plain && peer->areas[i] < areas);
		CHECK(os_lock_byte(peer->region.fd, AREA_BYTE + peer->areas[i], false) == 0);
	}
}

static void peer_close(struct peer *peer)
{
	close(peer->pipe.fd);
	close(peer->region.fd);
}

static void peer_write(const struct object *object, off_t at, const void *data, size_t size)
{
	if (at >= 0 && at + (off_t)size <= object->size)
		CHECK(pwrite(object->fd, data, size, at) == (ssize_t)size);
}

/* Something to upset an index: near it, at the edges, or anything. */
static uint32_t nasty(struct input *input)
{
	static const uint32_t edges[] = {SLOTS - 1, SLOTS, UINT32_MAX, 0x80000000, 0x7fffffff, 100};
	uint8_t kind = input_u8(input);

	if (kind < 100)
		return kind % (SLOTS + 1);
	if (kind < 200)
		return edges[kind % (sizeof edges / sizeof edges[0])];
	return input_u32(input);
}

/* The words of the exchanges are at the beginnings of lines of 128 bytes, on a page behind the header. */
static void peer_writes_index(const struct peer *peer, struct input *input)
{
	uint8_t where = input_u8(input);
	uint32_t value = nasty(input);
	off_t line = where / 2 % 4, word = where % 2;

	peer_write(&peer->pipe, AT_EXCHANGES + line * 128 + word * 4, &value, sizeof value);
}

static off_t slot_at(const struct peer *peer, unsigned ring, unsigned slot)
{
	return peer->slots_at + (off_t)peer->areas[ring] * SLOT_BYTES + 16 * (off_t)slot;
}

static void peer_writes_slot(const struct peer *peer, struct input *input)
{
	uint8_t where = input_u8(input), field = input_u8(input);
	off_t at = slot_at(peer, where / 16 % 2, where % 16);
	uint32_t value = nasty(input);
	uint64_t offset = field & 0x20 ? (uint64_t)value << 32 : value % (BUFFER + 4);

	if (field & 0x80)
		value = NS_MOREFRAG;
	if (field & 0x40)
		peer_write(&peer->region, at + 8, &offset, sizeof offset);
	else if (field % 3 == 0)
		peer_write(&peer->region, at, &value, 4);
	else
		peer_write(&peer->region, at + (field % 3 == 1 ? 4 : 6), &value, 2);
}

/* The list of extra buffers is linked through the first words of buffers. */
static void peer_writes_link(const struct peer *peer, struct input *input)
{
	off_t at = peer->bufs_at + 64 + input_u8(input) % 32 * (off_t)BUFFER;
	uint32_t value = nasty(input);

	peer_write(&peer->region, at, &value, sizeof value);
}

static void peer_writes_anywhere(const struct peer *peer, struct input *input)
{
	uint16_t where = input_u16(input);
	uint32_t value = input_u32(input);

	peer_write(where & 1 ? &peer->region : &peer->pipe, where, &value, sizeof value);
}

/* Who has which area, which buffers are taken, where the search for one begins. */
static void peer_writes_control(const struct peer *peer, struct input *input)
{
	uint8_t where = input_u8(input);
	uint32_t value = nasty(input);
	off_t at = offsetof(struct region_control, lowest);

	if (where % 3 == 0)
		at = (off_t)offsetof(struct region_control, areas) +
		     4 * ((off_t)peer->plain + where / 3 % 8);
	if (where % 3 == 1)
		at = (off_t)offsetof(struct region_control, taken) + (off_t)(where / 3 % 8) * 4;
	peer_write(&peer->region, at, &value, sizeof value);
}

static void peer_writes_header(const struct peer *peer, struct input *input)
{
	uint8_t where = input_u8(input);
	uint32_t value = nasty(input);

	peer_write(where & 0x80 ? &peer->region : &peer->pipe, where & 0x7c, &value, sizeof value);
}

/* Truncation while it is mapped is out of scope, as is the kernel's answer to it. */
static void peer_resizes(struct peer *peer, struct input *input)
{
	uint32_t how = input_u32(input);
	struct object *object = how >> 31 ? &peer->region : &peer->pipe;

	object->size = (off_t)(how % (1u << 20));
	CHECK(ftruncate(object->fd, object->size) == 0);
}

/* ---- together ---- */

static void turmoil(struct victim *victim, struct peer *peer, struct input *input)
{
	for (unsigned steps = 0; steps < 300 && input->size > 0; steps++) {
		uint8_t what = input_u8(input);

		if (what < 150) {
			victim_acts(victim, what, input_u8(input));
		} else if (what < 190) {
			peer_writes_index(peer, input);
		} else if (what < 225) {
			peer_writes_slot(peer, input);
		} else if (what < 228) {
			peer_writes_anywhere(peer, input);
		} else if (what < 231) {
			peer_writes_link(peer, input);
		} else if (what < 235) {
			peer_writes_control(peer, input);
		} else if (what < 245) {
			peer_writes_header(peer, input);
		} else {
			loom_close(victim->port);
			if (what > 252)
				peer_resizes(peer, input);
			peer_writes_header(peer, input);
			if (victim_open(victim) != 0)
				return;
		}
	}
}

/* k good packets arrive; then only words behind them go wrong: they must be received as they were. */
static void good_before_bad(struct victim *victim, struct peer *peer, struct input *input)
{
	struct loom_port *good;
	struct loom_txring tx;
	uint8_t k = (uint8_t)(1 + input_u8(input) % (SLOTS - 1)), data[BUFFER];

	CHECK(loom_open("pipe{fz}", NULL, &good) == 0 && loom_tx(good, 0, &tx) == 0);
	for (uint8_t i = 0; i < k; i++) {
		memset(data, i, sizeof data);
		CHECK(loom_send(&tx, data, BUFFER - i) == 1);
	}
	CHECK(loom_tx_sync(&tx) == 0);
	loom_close(good);
	CHECK(loom_rx_sync(&victim->rx) == 0);
	for (unsigned steps = input_u8(input) % 20; steps > 0; steps--) {
		if (input_u8(input) % 4) {
			peer_writes_index(peer, input);
		} else {
			/* The slave's TX slots are those of the second pair. */
			unsigned slot = k + input_u8(input) / 16u % (SLOTS - k);
			uint32_t value = nasty(input);

			peer_write(&peer->region, slot_at(peer, 1, slot), &value, sizeof value);
		}
		loom_rx_sync(&victim->rx);
		loom_port_wait(victim->port, LOOM_RX, 0);
	}
	for (uint8_t i = 0; i < k; i++) {
		struct loom_frame frame;

		CHECK(loom_recv(&victim->rx, &frame) == 1);
		CHECK(frame.len == BUFFER - i && frame.data[0] == i &&
		      frame.data[frame.len - 1] == i);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct input input = {data, size};
	struct victim victim;
	struct peer peer;
	uint8_t what = input_u8(&input);
	bool orderly = what % 4 == 0;

	victim.offset = what & 0x40 ? BUFFER / 4 : 0;
	scratch_directory();
	CHECK(victim_open(&victim) == 0);
	peer_open(&peer);
	if (orderly)
		good_before_bad(&victim, &peer, &input);
	turmoil(&victim, &peer, &input);
	peer_close(&peer);
	if (victim.port) {
		loom_close(victim.port);
		victim.port = NULL;
	}
	/* The last to go clears up; where that was the peer, the next to come does. */
	if (victim_open(&victim) == 0)
		loom_close(victim.port);
	CHECK(scratch_files() == 0);
	return 0;
}
