/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The same job by netmap's macros and by each kind of the API's verbs: fill a TX ring with packets of
 * 60 bytes, take them out of the RX ring they arrive in. test_instructions.sh counts the instructions of
 * each function; this program makes sure that they all do the job, and prints how many packets each
 * function moved.
 *
 *	loops ROUNDS
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <pktloom.h>
#include <pktloom/compat/net/netmap_user.h>

#define LEN   60u
#define BATCH 256u

#define COUNTED __attribute__((noinline))

/* Not static, and prototypes for that reason: callgrind finds them by name. */
void raw_tx(struct netmap_ring *ring, const uint8_t *packet);
uint64_t raw_rx(struct netmap_ring *ring, uint8_t *packet);
void raw_tx_bare(struct netmap_ring *ring);
uint64_t raw_rx_bare(struct netmap_ring *ring);
void safe_tx(const struct loom_txring *ring, const uint8_t *packet);
uint64_t safe_rx(const struct loom_rxring *ring, uint8_t *packet);
void batch_tx(const struct loom_txring *ring, const uint8_t *packet);
uint64_t batch_rx(const struct loom_rxring *ring, uint8_t *packet);
void batch_tx_bare(const struct loom_txring *ring);
uint64_t batch_rx_bare(const struct loom_rxring *ring);
void array_tx(const struct loom_txring *ring, const uint8_t *packet);
uint64_t array_rx(const struct loom_rxring *ring, uint8_t *packet);

/* ---- netmap's own way ---- */

COUNTED void raw_tx(struct netmap_ring *ring, const uint8_t *packet)
{
	while (!nm_ring_empty(ring)) {
		uint32_t cur = ring->cur;
		struct netmap_slot *slot = &ring->slot[cur];

		memcpy(NETMAP_BUF(ring, slot->buf_idx), packet, LEN);
		slot->len = LEN;
		slot->flags = 0;
		ring->head = ring->cur = nm_ring_next(ring, cur);
	}
}

COUNTED uint64_t raw_rx(struct netmap_ring *ring, uint8_t *packet)
{
	uint64_t bytes = 0;

	while (!nm_ring_empty(ring)) {
		uint32_t cur = ring->cur;
		const struct netmap_slot *slot = &ring->slot[cur];

		memcpy(packet, NETMAP_BUF(ring, slot->buf_idx), LEN);
		bytes += slot->len;
		ring->head = ring->cur = nm_ring_next(ring, cur);
	}
	return bytes;
}

/* The same, and the payload is not touched. */
COUNTED void raw_tx_bare(struct netmap_ring *ring)
{
	while (!nm_ring_empty(ring)) {
		uint32_t cur = ring->cur;
		struct netmap_slot *slot = &ring->slot[cur];

		slot->len = LEN;
		slot->flags = 0;
		ring->head = ring->cur = nm_ring_next(ring, cur);
	}
}

COUNTED uint64_t raw_rx_bare(struct netmap_ring *ring)
{
	uint64_t bytes = 0;

	while (!nm_ring_empty(ring)) {
		uint32_t cur = ring->cur;

		bytes += ring->slot[cur].len;
		ring->head = ring->cur = nm_ring_next(ring, cur);
	}
	return bytes;
}

/* ---- packet by packet ---- */

COUNTED void safe_tx(const struct loom_txring *ring, const uint8_t *packet)
{
	const struct loom_txring tx = *ring;

	while (loom_send(&tx, packet, LEN) == 1)
		;
}

COUNTED uint64_t safe_rx(const struct loom_rxring *ring, uint8_t *packet)
{
	const struct loom_rxring rx = *ring;
	struct loom_frame frame;
	uint64_t bytes = 0;

	while (loom_recv(&rx, &frame)) {
		memcpy(packet, frame.data, LEN);
		bytes += frame.len;
	}
	return bytes;
}

/* ---- batches ---- */

COUNTED void batch_tx(const struct loom_txring *ring, const uint8_t *packet)
{
	struct loom_txbatch batch = loom_txbatch_begin(ring);
	struct loom_frame frame;

	while (loom_txbatch_next(&batch, &frame)) {
		memcpy(frame.data, packet, LEN);
		loom_txbatch_put(&batch, LEN, 0);
	}
	loom_txbatch_end(&batch);
}

COUNTED uint64_t batch_rx(const struct loom_rxring *ring, uint8_t *packet)
{
	struct loom_rxbatch batch = loom_rxbatch_begin(ring);
	struct loom_frame frame;
	uint64_t bytes = 0;

	while (loom_rxbatch_next(&batch, &frame)) {
		memcpy(packet, frame.data, LEN);
		bytes += frame.len;
	}
	loom_rxbatch_end(&batch);
	return bytes;
}

COUNTED void batch_tx_bare(const struct loom_txring *ring)
{
	struct loom_txbatch batch = loom_txbatch_begin(ring);
	struct loom_frame frame;

	while (loom_txbatch_next(&batch, &frame))
		loom_txbatch_put(&batch, LEN, 0);
	loom_txbatch_end(&batch);
}

COUNTED uint64_t batch_rx_bare(const struct loom_rxring *ring)
{
	struct loom_rxbatch batch = loom_rxbatch_begin(ring);
	struct loom_frame frame;
	uint64_t bytes = 0;

	while (loom_rxbatch_next(&batch, &frame))
		bytes += frame.len;
	loom_rxbatch_end(&batch);
	return bytes;
}

/* ---- arrays of frames ---- */

COUNTED void array_tx(const struct loom_txring *ring, const uint8_t *packet)
{
	const struct loom_txring tx = *ring;
	struct loom_frame frames[BATCH];
	unsigned n;

	while ((n = loom_reserve(&tx, frames, BATCH)) > 0) {
		for (unsigned i = 0; i < n; i++) {
			memcpy(frames[i].data, packet, LEN);
			frames[i].len = LEN;
		}
		loom_commit(&tx, frames, n);
	}
}

COUNTED uint64_t array_rx(const struct loom_rxring *ring, uint8_t *packet)
{
	const struct loom_rxring rx = *ring;
	struct loom_frame frames[BATCH];
	uint64_t bytes = 0;
	unsigned n;

	while ((n = loom_peek(&rx, frames, BATCH)) > 0) {
		for (unsigned i = 0; i < n; i++) {
			memcpy(packet, frames[i].data, LEN);
			bytes += frames[i].len;
		}
		loom_release(&rx, n);
	}
	return bytes;
}

/* ---- the job ---- */

static struct loom_port *port;
static struct loom_txring tx;
static struct loom_rxring rx;
static uint8_t packet_out[64], packet_in[64];
static unsigned packets;

static void open_loop(void)
{
	if (loom_open("loop:cost", NULL, &port) < 0 || loom_tx(port, 0, &tx) < 0 ||
	    loom_rx(port, 0, &rx) < 0) {
		fprintf(stderr, "%s\n", loom_error());
		exit(1);
	}
	memset(packet_out, 0x5a, sizeof packet_out);
}

static void filled(void)
{
	packets = loom_tx_space(&tx);
	if (packets != 0) {
		fprintf(stderr, "%u slots were left free\n", packets);
		exit(1);
	}
	packets = tx.num_slots - 1;
	loom_tx_sync(&tx);
	loom_rx_sync(&rx);
}

static void emptied(const char *name, uint64_t bytes, bool payload)
{
	bool same = memcmp(packet_in, packet_out, LEN) == 0;

	if (bytes != (uint64_t)packets * LEN || same != payload) {
		fprintf(stderr, "%s: %llu bytes of %u packets, payload %s\n", name,
		    (unsigned long long)bytes, packets, same ? "read" : "not read");
		exit(1);
	}
	memset(packet_in, 0, sizeof packet_in);
	loom_rx_sync(&rx);
	loom_tx_sync(&tx);
}

int main(int argc, char **argv)
{
	unsigned rounds = argc > 1 ? (unsigned)strtoul(argv[1], NULL, 10) : 1;

	open_loop();
	for (unsigned i = 0; i < rounds; i++) {
		raw_tx(tx.ring, packet_out);
		filled();
		emptied("raw", raw_rx(rx.ring, packet_in), true);
		safe_tx(&tx, packet_out);
		filled();
		emptied("safe", safe_rx(&rx, packet_in), true);
		batch_tx(&tx, packet_out);
		filled();
		emptied("batch", batch_rx(&rx, packet_in), true);
		array_tx(&tx, packet_out);
		filled();
		emptied("array", array_rx(&rx, packet_in), true);
		raw_tx_bare(tx.ring);
		filled();
		emptied("raw_bare", raw_rx_bare(rx.ring), false);
		batch_tx_bare(&tx);
		filled();
		emptied("batch_bare", batch_rx_bare(&rx), false);
	}
	printf("%u\n", packets * rounds);
	loom_close(port);
	return 0;
}
