/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A classic generator and a classic sink, which know /dev/netmap and its ioctls alone, on a pipe
 * under the preload library: how does their rate compare with the same program on the library's API?
 * Each packet is written by the one and read by the other.
 *
 *	preload_pipe NAME LEN BATCH [MOST]
 *
 * With MOST, packets have LEN to MOST bytes in turn: each slot's length changes from lap to lap, as traffic's
 * does, and so everybody stores it. MOST - LEN + 1 must not divide the ring's slots, or it would not.
 *
 * The program starts itself once more with the preload library (PRELOAD_LIBRARY, from the build), which
 * leaves the library's own ports alone.
 */
#include <fcntl.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <pktloom.h>
#include <pktloom/compat/net/netmap_user.h>

#include "../bench.h"

#define SLOTS     1024u
#define BUFFER    2048u
#define BATCH_MAX 512u

struct job {
	uint32_t len, most;
	uint32_t batch;
};

static inline uint32_t len_after(const struct job *job, uint32_t len)
{
	return len == job->most ? job->len : len + 1;
}

/* What the sender copies from and the receiver copies to: private, and warm. */
static uint8_t source[BUFFER], sink[BUFFER];

static inline void payload_in(const void *data, uint32_t len)
{
	memcpy(sink, data, len < BUFFER ? len : BUFFER);
	__asm__ volatile("" : : "m"(sink));
}

/* ---- one side of one burst; a step moves up to a batch and says how many packets it moved ---- */

typedef uint32_t step_fn(void *end);

static inline __attribute__((always_inline)) uint64_t run_sender(
    void *end, step_fn *step, struct bench_turn *turn)
{
	uint64_t sent = 0;

	while (!bench_over(turn))
		for (int i = 0; i < 16; i++) {
			uint32_t n = step(end);

			sent += n;
			if (!n)
				bench_relax();
		}
	bench_finish(turn, sent);
	return sent;
}

static inline __attribute__((always_inline)) uint64_t run_receiver(
    void *end, step_fn *step, struct bench_turn *turn)
{
	uint64_t got = 0;

	for (;;) {
		uint32_t n = step(end);

		got += n;
		if (n)
			continue;
		if (bench_finished(turn, got))
			return got;
		bench_relax();
	}
}

#define BURST(name)                                                                                \
	static uint64_t name##_burst(void *end, unsigned side, struct bench_turn *turn)            \
	{                                                                                          \
		return side == 0 ? run_sender(end, name##_send, turn)                              \
				 : run_receiver(end, name##_receive, turn);                        \
	}

/* ---- the rings by netmap's macros, whoever syncs them ---- */

/*
 * Stores wait for each other: one to a slot, even of the value it has, waits behind those of the payloads before
 * it, whose lines are the receiver's. That the slot's line is shared with him, too, costs little beside it.
 */
static inline void slot_set(struct netmap_slot *slot, uint32_t len, bool sparing)
{
	if (sparing && slot->len == len && slot->flags == 0)
		return;
	slot->len = (uint16_t)len;
	slot->flags = 0;
}

static inline __attribute__((always_inline)) uint32_t fill(
    struct netmap_ring *ring, const struct job *job, uint32_t *next_len, bool sparing)
{
	uint32_t cur = ring->head, len = *next_len, n = 0;

	if (nm_ring_space(ring) >= job->batch)
		for (; n < job->batch; n++) {
			struct netmap_slot *slot = &ring->slot[cur];

			memcpy(NETMAP_BUF(ring, slot->buf_idx), source, len);
			slot_set(slot, len, sparing);
			len = len_after(job, len);
			cur = nm_ring_next(ring, cur);
		}
	ring->head = ring->cur = cur;
	*next_len = len;
	return n;
}

static inline uint32_t drain(struct netmap_ring *ring, const struct job *job)
{
	uint32_t cur = ring->head, n = 0;
	uint64_t bytes = 0;

	for (; n < job->batch && cur != ring->tail; n++) {
		const struct netmap_slot *slot = &ring->slot[cur];

		payload_in(NETMAP_BUF(ring, slot->buf_idx), slot->len);
		bytes += slot->len;
		cur = nm_ring_next(ring, cur);
	}
	ring->head = ring->cur = cur;
	bench_use(bytes);
	return n;
}

/* ---- a classic program ---- */

struct classic {
	const struct job *job;
	uint32_t len; /* of the next packet */
	int fd;
	void *memory;
	size_t size;
	struct netmap_ring *tx, *rx;
};

static void *classic_open_as(const struct bench_row *row, unsigned side, char id)
{
	struct classic *c = calloc(1, sizeof *c);
	struct nmreq_register reg = {.nr_mode = NR_REG_ALL_NIC, .nr_tx_slots = SLOTS};
	struct nmreq_header header = {.nr_version = NETMAP_API,
	    .nr_reqtype = NETMAP_REQ_REGISTER,
	    .nr_body = (uintptr_t)&reg};
	struct netmap_if *nifp;

	if (!c)
		bench_die("out of memory");
	snprintf(header.nr_name, sizeof header.nr_name, "b%c%c", side == 0 ? '{' : '}', id);
	c->job = row->job;
	c->len = c->job->len;
	c->fd = open(NETMAP_DEVICE_NAME, O_RDWR);
	if (c->fd < 0 || ioctl(c->fd, NIOCCTRL, &header) != 0)
		bench_die("%s does not serve \"%s\"", NETMAP_DEVICE_NAME, header.nr_name);
	c->size = reg.nr_memsize;
	c->memory = mmap(NULL, c->size, PROT_READ | PROT_WRITE, MAP_SHARED, c->fd, 0);
	if (c->memory == MAP_FAILED)
		bench_die("cannot map the memory of \"%s\"", header.nr_name);
	nifp = NETMAP_IF(c->memory, reg.nr_offset);
	c->tx = NETMAP_TXRING(nifp, 0);
	c->rx = NETMAP_RXRING(nifp, 0);
	return c;
}

static void *classic_open(const struct bench_row *row, unsigned side)
{
	return classic_open_as(row, side, 'c');
}

static void *sparing_open(const struct bench_row *row, unsigned side)
{
	return classic_open_as(row, side, 's');
}

static void classic_close(void *end)
{
	struct classic *c = end;

	munmap(c->memory, c->size);
	close(c->fd);
	free(c);
}

static inline uint32_t classic_send(void *end)
{
	struct classic *c = end;
	uint32_t n = fill(c->tx, c->job, &c->len, false);

	ioctl(c->fd, NIOCTXSYNC, NULL);
	return n;
}

static inline uint32_t sparing_send(void *end)
{
	struct classic *c = end;
	uint32_t n = fill(c->tx, c->job, &c->len, true);

	ioctl(c->fd, NIOCTXSYNC, NULL);
	return n;
}

static inline uint32_t classic_receive(void *end)
{
	struct classic *c = end;
	uint32_t n = drain(c->rx, c->job);

	ioctl(c->fd, NIOCRXSYNC, NULL);
	return n;
}

#define sparing_receive classic_receive

BURST(classic)
BURST(sparing)

/* ---- the same on the library's API ---- */

struct ours {
	const struct job *job;
	uint32_t len; /* of the next packet */
	struct loom_port *port;
	struct loom_txring tx;
	struct loom_rxring rx;
};

static void *ours_open_as(const struct bench_row *row, unsigned side, char id)
{
	struct ours *o = calloc(1, sizeof *o);
	const char name[] = {'b', side == 0 ? '{' : '}', id, '\0'};

	if (!o)
		bench_die("out of memory");
	o->job = row->job;
	o->len = o->job->len;
	if (loom_open(name, LOOM_CONFIG(.tx_slots = SLOTS, .device = LOOM_DEVICE_SOFT), &o->port) <
		0 ||
	    loom_tx(o->port, 0, &o->tx) < 0 || loom_rx(o->port, 0, &o->rx) < 0)
		bench_die("%s", loom_error());
	return o;
}

static void ours_close(void *end)
{
	struct ours *o = end;

	loom_close(o->port);
	free(o);
}

static void *batch_open(const struct bench_row *row, unsigned side)
{
	return ours_open_as(row, side, 'b');
}

static inline uint32_t batch_send(void *end)
{
	struct ours *o = end;
	struct loom_txbatch out;
	struct loom_frame frame;
	uint32_t len = o->len, n = 0;

	if (loom_tx_space(&o->tx) >= o->job->batch) {
		out = loom_txbatch_begin(&o->tx);
		for (; n < o->job->batch && loom_txbatch_next(&out, &frame); n++) {
			memcpy(frame.data, source, len);
			loom_txbatch_put(&out, len, 0);
			len = len_after(o->job, len);
		}
		loom_txbatch_end(&out);
		o->len = len;
	}
	loom_tx_sync(&o->tx);
	return n;
}

static inline uint32_t batch_receive(void *end)
{
	struct ours *o = end;
	struct loom_rxbatch in = loom_rxbatch_begin(&o->rx);
	struct loom_frame frame;
	uint64_t bytes = 0;
	uint32_t n = 0;

	for (; n < o->job->batch && loom_rxbatch_next(&in, &frame); n++) {
		payload_in(frame.data, frame.len);
		bytes += frame.len;
	}
	loom_rxbatch_end(&in);
	loom_rx_sync(&o->rx);
	bench_use(bytes);
	return n;
}

BURST(batch)

/* What is left between the two: the way of a sync through the ioctl. */
static void *macro_open(const struct bench_row *row, unsigned side)
{
	return ours_open_as(row, side, 'm');
}

static inline uint32_t macro_send(void *end)
{
	struct ours *o = end;
	uint32_t n = fill(o->tx.ring, o->job, &o->len, false);

	loom_tx_sync(&o->tx);
	return n;
}

static inline uint32_t macro_receive(void *end)
{
	struct ours *o = end;
	uint32_t n = drain(o->rx.ring, o->job);

	loom_rx_sync(&o->rx);
	return n;
}

BURST(macro)

static void run_preloaded(char **argv)
{
	const char *libraries = getenv("LD_PRELOAD");

	if (libraries && strstr(libraries, PRELOAD_LIBRARY))
		return;
	if (setenv("LD_PRELOAD", PRELOAD_LIBRARY, 1) == 0)
		execv("/proc/self/exe", argv);
	bench_die("cannot start again under %s", PRELOAD_LIBRARY);
}

int main(int argc, char **argv)
{
	struct job job;
	struct bench_row row;

	if (argc != 4 && argc != 5)
		bench_die("usage: preload_pipe NAME LEN BATCH [MOST]");
	run_preloaded(argv);
	job = (struct job){
	    .len = bench_number(argv[2], 1, BUFFER), .batch = bench_number(argv[3], 1, BATCH_MAX)};
	job.most = argc == 5 ? bench_number(argv[4], job.len, BUFFER) : job.len;
	row = (struct bench_row){
	    .name = argv[1],
	    .unit = "Mpps",
	    .question = "classic generator to classic sink over a pipe, under the preload library",
	    .polls = true,
	    .measured_side = 1,
	    .contenders = {{"classic, preloaded", classic_open, classic_burst, classic_close},
		{"pktloom's API", batch_open, batch_burst, ours_close},
		{"netmap's macros, pktloom's sync", macro_open, macro_burst, ours_close},
		{"classic, storing what changes", sparing_open, sparing_burst, classic_close}},
	    .job = &job,
	};
	bench_private_dir();
	return bench_main(&row);
}
