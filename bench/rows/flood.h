/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What rows over a veth share: who sends to a receiver, when a receiver is done, and how a sender's
 * packets are counted. Contender k's pair is k, unless its row says otherwise.
 */
#ifndef BENCH_FLOOD_H
#define BENCH_FLOOD_H

#include <string.h>

#include "../bench.h"
#include "packet_net.h"

#define FLOOD_BATCH   256u
#define FLOOD_POLL_MS 5

/** What a row's `job` says. */
struct flood_job {
	const char *kind; /* of our port: "packet", "xdp" */
	uint32_t len;     /* of every frame, without checksum */
	bool spins;       /* our port only syncs; else it waits when there is nothing */
	const char *mode; /* what the port's own mode must begin with; NULL: anything */
};

struct flood;

/** Sendmmsg past the queueing discipline, as fast as it goes: the same for all receivers. */
struct flood *flood_open(unsigned pair, uint32_t len);
uint64_t flood_burst(struct flood *flood, struct bench_turn *turn);
void flood_close(struct flood *flood);

/**
 * A receiver's burst: step() takes what is there, sleeps a little if nothing is, and says how many packets
 * that were. What was sent and has not come a while after the sender's end is lost.
 */
uint64_t flood_receive(struct bench_turn *turn, void *end, unsigned (*step)(void *end));

/**
 * A sender's burst into a pair: step() sends a batch and says how many packets it was rid of. What the
 * pair's other end did not count is lost. Side 1 has nothing to do.
 */
uint64_t flood_send(
    unsigned pair, unsigned side, struct bench_turn *turn, void *end, unsigned (*step)(void *end));

/** Every receiver looks into each packet. */
static inline void flood_look(const uint8_t *data)
{
	uint64_t word;

	memcpy(&word, data, sizeof word);
	bench_use(word);
}

struct loom_port;

/** A port of ours at one side of a pair, for one direction ('R', 'T'). Skips if there is none of the mode. */
struct loom_port *flood_port_open(
    const struct flood_job *job, unsigned side, unsigned pair, char direction);

/* Ours, of whatever kind, at the far end of pair 0: for a row's first contender. Side 0 sends. */
void *port_rx_open(const struct bench_row *row, unsigned side);
/* The same, for a fourth contender at pair 3 that waits whatever the job says. */
void *port_rx_waiting_open(const struct bench_row *row, unsigned side);
uint64_t port_rx_burst(void *end, unsigned side, struct bench_turn *turn);
void port_rx_close(void *end);

/* Ours at its near end, sending; side 1 has nothing to do. */
void *port_tx_open(const struct bench_row *row, unsigned side);
uint64_t port_tx_burst(void *end, unsigned side, struct bench_turn *turn);
void port_tx_close(void *end);

#endif
