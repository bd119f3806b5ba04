/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Packets of 60 bytes from one port of a switch to another, and the same by hand: descriptors of 16 bytes
 * and one memcpy. test_switch_instructions.sh counts the instructions of both; this program makes
 * sure that the packets come, and prints how many each function moved.
 *
 *	switch_loop ROUNDS
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <pktloom.h>

#define LEN     60u
#define BATCH   256u
#define SLOTS   1024u
#define BUFFER  2048u
#define COUNTED __attribute__((noinline))

/* Not static, and prototypes for that reason: callgrind finds them by name. */
uint64_t switch_round(const struct loom_txring *tx, const struct loom_rxring *rx);
uint64_t hand_round(void);

/* Send, sync, sync, receive and release: all that a switched packet costs. */
COUNTED uint64_t switch_round(const struct loom_txring *tx, const struct loom_rxring *rx)
{
	struct loom_txbatch out = loom_txbatch_begin(tx);
	struct loom_rxbatch in;
	struct loom_frame frame;
	uint64_t bytes = 0;

	for (unsigned i = 0; i < BATCH && loom_txbatch_next(&out, &frame); i++)
		loom_txbatch_put(&out, LEN, 0);
	loom_txbatch_end(&out);
	loom_tx_sync(tx);
	loom_rx_sync(rx);
	in = loom_rxbatch_begin(rx);
	while (loom_rxbatch_next(&in, &frame))
		bytes += frame.len;
	loom_rxbatch_end(&in);
	return bytes;
}

/* ---- by hand ---- */

struct desc {
	uint32_t index;
	uint16_t len, flags;
	uint64_t user;
};

static struct desc from[SLOTS], to[SLOTS];
static uint8_t *from_buffers, *to_buffers;
static uint32_t at;

COUNTED uint64_t hand_round(void)
{
	uint64_t bytes = 0;

	for (uint32_t i = 0; i < BATCH; i++)
		from[(at + i) % SLOTS] = (struct desc){.index = (at + i) % SLOTS, .len = LEN};
	for (uint32_t i = 0; i < BATCH; i++) {
		const struct desc *in = &from[(at + i) % SLOTS];
		uint32_t index = (at + i) % SLOTS;

		memcpy(to_buffers + (size_t)index * BUFFER,
		    from_buffers + (size_t)in->index * BUFFER, in->len);
		to[index] = (struct desc){.index = index, .len = in->len};
	}
	for (uint32_t i = 0; i < BATCH; i++)
		bytes += to[(at + i) % SLOTS].len;
	at = (at + BATCH) % SLOTS;
	return bytes;
}

/* ---- the job ---- */

static struct loom_port *sender, *receiver;
static struct loom_txring tx;
static struct loom_rxring rx;

static void fail(const char *why)
{
	fprintf(stderr, "%s\n", why);
	exit(1);
}

static void open_ports(void)
{
	if (loom_open("vale0:cost-a", NULL, &sender) < 0 ||
	    loom_open("vale0:cost-b", NULL, &receiver) < 0 || loom_tx(sender, 0, &tx) < 0 ||
	    loom_rx(receiver, 0, &rx) < 0)
		fail(loom_error());
	from_buffers = calloc(SLOTS, BUFFER);
	to_buffers = calloc(SLOTS, BUFFER);
	if (!from_buffers || !to_buffers)
		fail("out of memory");
}

/* The receiver makes itself known; then a frame for it goes into every slot of the sender. */
static void prepare(void)
{
	uint8_t hello[LEN] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 2, 0, 0, 0, 0, 1};
	uint8_t packet[LEN] = {2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2};
	struct loom_txring back;
	struct loom_frame frame;

	if (loom_tx(receiver, 0, &back) < 0 || loom_send(&back, hello, sizeof hello) != 1 ||
	    loom_tx_sync(&back) < 0)
		fail(loom_error());
	for (unsigned i = 0; i < tx.num_slots; i++) {
		if (loom_send(&tx, packet, sizeof packet) != 1 || loom_tx_sync(&tx) < 0 ||
		    loom_rx_sync(&rx) < 0 || loom_recv(&rx, &frame) != 1)
			fail("a packet did not come");
		loom_rx_sync(&rx);
	}
}

int main(int argc, char **argv)
{
	unsigned rounds = argc > 1 ? (unsigned)strtoul(argv[1], NULL, 10) : 1;

	open_ports();
	prepare();
	for (unsigned i = 0; i < rounds; i++)
		if (switch_round(&tx, &rx) != (uint64_t)LEN * BATCH ||
		    hand_round() != (uint64_t)LEN * BATCH)
			fail("not all bytes came");
	printf("%u\n", BATCH * rounds);
	loom_close(sender);
	loom_close(receiver);
	free(from_buffers);
	free(to_buffers);
	return 0;
}
