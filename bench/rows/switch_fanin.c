/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * How many packets a second does a port of the switch get from eight senders that share one core, against
 * one sender that has the core to itself? Sending degrades linearly if that is as much: each of eight
 * then gets an eighth through. What is lost at the destination, which never holds senders up, does
 * not count.
 */
#include <pthread.h>
#include <string.h>

#include <pktloom.h>

#include "../bench.h"

#define SENDERS 8u
#define BATCH   256u
#define LEN     60u
#define STEPS   16u /* between looks at the clock */

static const uint8_t destination[6] = {2, 0, 0, 0, 7, 1};

struct sender {
	pthread_t thread;
	const struct bench_turn *turn;
	struct loom_port *port;
	struct loom_txring tx;
	uint64_t sent;
};

struct receiver {
	struct loom_port *port;
	struct loom_rxring rx;
};

/* One side: several senders, or the receiver. */
struct fan {
	unsigned n;
	struct sender senders[SENDERS];
	struct receiver receiver;
};

/* ---- sending ---- */

static uint32_t send_batch(const struct sender *sender)
{
	struct loom_txbatch out = loom_txbatch_begin(&sender->tx);
	struct loom_frame frame;
	uint32_t n = 0;

	for (; n < BATCH && loom_txbatch_next(&out, &frame); n++)
		loom_txbatch_put(&out, LEN, 0);
	loom_txbatch_end(&out);
	loom_tx_sync(&sender->tx);
	return n;
}

static void *send_all(void *arg)
{
	struct sender *sender = arg;

	sender->sent = 0;
	while (!bench_over(sender->turn))
		for (unsigned i = 0; i < STEPS; i++)
			sender->sent += send_batch(sender);
	return NULL;
}

/* Threads inherit the core of the one that makes them. */
static uint64_t senders_burst(struct fan *all, struct bench_turn *turn)
{
	uint64_t sent = 0;

	for (unsigned i = 0; i < all->n; i++) {
		all->senders[i].turn = turn;
		if (pthread_create(&all->senders[i].thread, NULL, send_all, &all->senders[i]) != 0)
			bench_die("cannot make a thread");
	}
	for (unsigned i = 0; i < all->n; i++) {
		pthread_join(all->senders[i].thread, NULL);
		sent += all->senders[i].sent;
	}
	bench_finish(turn, sent);
	return sent;
}

/* Every slot is filled once, with nobody there to receive. */
static void sender_open(struct sender *sender, unsigned count, unsigned index)
{
	uint8_t packet[LEN] = {0};
	char name[16];

	snprintf(name, sizeof name, "vale%u:s%u", count, index);
	if (loom_open(name, NULL, &sender->port) < 0 || loom_tx(sender->port, 0, &sender->tx) < 0)
		bench_die("%s", loom_error());
	memcpy(packet, destination, sizeof destination);
	packet[6] = 2;
	packet[11] = (uint8_t)(index + 2);
	for (unsigned i = 0; i < 2 * sender->tx.num_slots; i++)
		if (loom_send(&sender->tx, packet, LEN) != 1 || loom_tx_sync(&sender->tx) < 0)
			bench_die("a ring that must have room has none");
}

/* ---- receiving ---- */

static uint64_t receive_batch(const struct receiver *r)
{
	struct loom_rxbatch in = loom_rxbatch_begin(&r->rx);
	struct loom_frame frame;
	uint64_t n = 0;

	for (; loom_rxbatch_next(&in, &frame); n++)
		bench_use(frame.len);
	loom_rxbatch_end(&in);
	loom_rx_sync(&r->rx);
	return n;
}

static uint64_t receiver_burst(const struct receiver *r, struct bench_turn *turn)
{
	uint64_t moved = 0, n;
	bool finished;

	do {
		finished = bench_finished(turn, UINT64_MAX); /* what is lost does not come */
		n = receive_batch(r);
		moved += n;
		if (n == 0)
			bench_relax();
	} while (!finished || n > 0);
	turn->lost = turn->total - moved;
	return moved;
}

/* Known to the switch from its first packet. */
static void receiver_open(struct receiver *r, unsigned count)
{
	uint8_t packet[LEN] = {0};
	struct loom_txring tx;
	char name[16];

	snprintf(name, sizeof name, "vale%u:r", count);
	if (loom_open(name, NULL, &r->port) < 0 || loom_rx(r->port, 0, &r->rx) < 0 ||
	    loom_tx(r->port, 0, &tx) < 0)
		bench_die("%s", loom_error());
	memset(packet, 0xff, 6);
	memcpy(packet + 6, destination, sizeof destination);
	if (loom_send(&tx, packet, LEN) != 1 || loom_tx_sync(&tx) < 0)
		bench_die("a ring that must have room has none");
}

/* ---- both ---- */

static void *fan_open(unsigned count, unsigned side)
{
	struct fan *fan = calloc(1, sizeof *fan);

	if (!fan)
		bench_die("out of memory");
	if (side == 1) {
		receiver_open(&fan->receiver, count);
		return fan;
	}
	fan->n = count;
	for (unsigned i = 0; i < count; i++)
		sender_open(&fan->senders[i], count, i);
	return fan;
}

static uint64_t fan_burst(void *end, unsigned side, struct bench_turn *turn)
{
	struct fan *fan = end;

	return side == 0 ? senders_burst(fan, turn) : receiver_burst(&fan->receiver, turn);
}

static void fan_close(void *end)
{
	struct fan *fan = end;

	for (unsigned i = 0; i < fan->n; i++)
		loom_close(fan->senders[i].port);
	loom_close(fan->receiver.port);
	free(fan);
}

/* Defines open_n for n senders. */
#define OPEN(n)                                                                                    \
	static void *open_##n(const struct bench_row *row, unsigned side)                          \
	{                                                                                          \
		(void)row;                                                                         \
		return fan_open(n, side);                                                          \
	}

OPEN(8)
OPEN(4)
OPEN(2)
OPEN(1)

int main(void)
{
	struct bench_row row = {
	    .name = "switch_fanin",
	    .unit = "Mpps",
	    .question = "packets that one port gets from several senders on one core",
	    .measured_side = 1,
	    .burst_ms = 40,
	    .rounds = 40,
	    .contenders = {{"eight senders", open_8, fan_burst, fan_close},
		{"one sender", open_1, fan_burst, fan_close},
		{"four senders", open_4, fan_burst, fan_close},
		{"two senders", open_2, fan_burst, fan_close}},
	};

	bench_private_dir();
	return bench_main(&row);
}
