/* SPDX-License-Identifier: BSD-2-Clause */
/* A network namespace of the bench's own, with veth pairs that nobody else sees. */
#ifndef BENCH_PACKET_NET_H
#define BENCH_PACKET_NET_H

#include <stdint.h>
#include <stdio.h>

#define NET_FRAME_MAX 1514u

/**
 * Leave for a fresh namespace and make pairs a0–b0, a1–b1, …; skips if that is not allowed here.
 *
 * @param queues  from which the a's send; there is one of every other sort
 */
void net_make_pairs(unsigned n, unsigned queues);

/**
 * The same, but with the b's in a namespace of their own, and with an address at each end.
 *
 * @return a descriptor of that namespace, for setns(2)
 */
int net_make_apart(unsigned n);

/** 10.9.PAIR.1 or .2, as a number. */
static inline uint32_t net_address(unsigned side, unsigned pair)
{
	return 10u << 24 | 9u << 16 | pair << 8 | (side + 1);
}

/** Run a program, which has to succeed; argv ends with NULL. */
void net_run(const char *const argv[]);

/** "a0", "b1": side 0 or 1 of a pair. Writes at most 8 bytes. */
static inline void net_name(char name[8], unsigned side, unsigned pair)
{
	snprintf(name, 8, "%c%u", side == 0 ? 'a' : 'b', pair % 10);
}

int net_index(const char *name);

/** Packets that an interface has received. */
uint64_t net_received(const char *name);

/** A packet socket that sends past the queueing discipline. */
int net_sender(const char *name);

/** An Ethernet frame of an experimental type, which no protocol takes. */
void net_frame(uint8_t *frame, uint32_t len);

#endif
