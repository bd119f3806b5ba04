/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A pipe whose other end writes anything into what is shared: header, indexes, slots, while this end goes
 * through all verbs. Nothing is accessed outside the region, nothing hangs, and what had arrived whole
 * before the nonsense began is received.
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

#define SLOTS  8u
#define BUFFER 64u
#define BATCH  16u

struct victim {
	struct loom_port *port;
	struct loom_txring tx;
	struct loom_rxring rx;
	uint32_t offset; /* where its packets start in their buffers */
};

struct peer {
	int fd; /* the object, held as another end holds it */
	off_t size;
};

static char object[PATH_MAX];

static void note_object(const char *path)
{
	struct stat st;

	if (stat(path, &st) == 0 && S_ISREG(st.st_mode))
		snprintf(object, sizeof object, "%s", path);
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

static void peer_open(struct peer *peer)
{
	struct stat st;

	object[0] = 0;
	scratch_visit(note_object);
	peer->fd = open(object, O_RDWR | O_CLOEXEC);
	CHECK(peer->fd >= 0 && fstat(peer->fd, &st) == 0);
	CHECK(os_lock_byte(peer->fd, 0, false) == 0); /* a user: the object stays */
	peer->size = st.st_size;
}

static void peer_write(const struct peer *peer, off_t at, const void *data, size_t size)
{
	if (at >= 0 && at + (off_t)size <= peer->size)
		CHECK(pwrite(peer->fd, data, size, at) == (ssize_t)size);
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

/* The words of the exchanges are at the beginnings of lines of 128 bytes, from the second page on. */
static void peer_writes_index(const struct peer *peer, struct input *input)
{
	uint8_t where = input_u8(input);
	uint32_t value = nasty(input);
	off_t line = where / 2 % 4, word = where % 2;
	off_t at = (off_t)os_page_size() + line * 128 + word * 4;

	peer_write(peer, at, &value, sizeof value);
}

/* Slots of both rings follow, a page each. */
static void peer_writes_slot(const struct peer *peer, struct input *input)
{
	uint8_t where = input_u8(input), field = input_u8(input);
	off_t page = 2 + where / 16 % 2, slot = where % 16;
	off_t at = (off_t)os_page_size() * page + slot * 16;
	uint32_t value = nasty(input);
	uint64_t offset = field & 0x20 ? (uint64_t)value << 32 : value % (BUFFER + 4);

	if (field & 0x80)
		value = NS_MOREFRAG;
	if (field & 0x40)
		peer_write(peer, at + 8, &offset, sizeof offset);
	else if (field % 3 == 0)
		peer_write(peer, at, &value, 4);
	else
		peer_write(peer, at + (field % 3 == 1 ? 4 : 6), &value, 2);
}

static void peer_writes_anywhere(const struct peer *peer, struct input *input)
{
	uint16_t where = input_u16(input);
	uint32_t value = input_u32(input);

	peer_write(peer, where, &value, sizeof value);
}

static void peer_writes_header(const struct peer *peer, struct input *input)
{
	uint8_t where = input_u8(input);
	uint32_t value = nasty(input);

	peer_write(peer, where & 0x3c, &value, sizeof value);
}

/* Truncation while it is mapped is out of scope, as is the kernel's answer to it. */
static void peer_resizes(struct peer *peer, struct input *input)
{
	off_t size = (off_t)(input_u32(input) % (1u << 20));

	CHECK(ftruncate(peer->fd, size) == 0);
	peer->size = size;
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
		} else if (what < 235) {
			peer_writes_anywhere(peer, input);
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
			/* The slave's TX slots are the second page of slots. */
			off_t slot = k + input_u8(input) / 16 % (SLOTS - k);
			off_t at = (off_t)os_page_size() * 3 + slot * 16;
			uint32_t value = nasty(input);

			peer_write(peer, at, &value, sizeof value);
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
	close(peer.fd);
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
