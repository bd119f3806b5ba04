/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Reliable, ordered packets in both directions over a link that loses, doubles, reorders and damages them: a
 * sliding window with selective repeat.
 *
 * This is one end of it, and nothing but a state: it has no clock and no link. The program brings it the
 * packets that come and the time, takes packets to send from it, and looks again at arq_deadline():
 *
 *	arq_send(), arq_finish() ──▶ ┌─────┐ ──▶ arq_output()      each turn: input what has come, tick,
 *	                             │ arq │                        recv and send as the program likes,
 *	              arq_recv() ◀── └─────┘ ◀── arq_input()       output until there is no more
 *
 * Both ends are made with the same first number, window and packet size. Each direction ends by itself
 * (arq_finish()); the other one goes on. An end is over (arq_is_over()) when both directions are through,
 * the other side knows, and has not asked for a while; or it has failed (arq_error()) because that one is silent.
 *
 * The window limits what is under way, and nothing else does: there is no congestion control. It is for links
 * that the two have to themselves.
 *
 * Threads: one at a time. Times: nanoseconds of any clock that does not go back; all calls use the same one.
 */
#ifndef ARQ_H
#define ARQ_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct arq;

/** How an end is made; 0 is the default. */
struct arq_config {
	uint32_t first;  /* number of the first packet in either direction; any */
	uint32_t window; /* packets under way, a power of two from 64 to 4096; default 2048 */
	uint32_t most;   /* bytes of a packet's payload, 1 to 65535; default 1440 */
	uint32_t tries;  /* give up after so many timeouts without any answer; default 20 */
	/* the timer before a round trip was measured (default 100 ms), and its limits (1, 200 ms) */
	uint64_t rto_first_ns, rto_least_ns, rto_most_ns;
	/* ask a side that owes nothing whether it is there; default 1 s */
	uint64_t idle_ns;
	/* all is done: stay and answer until nobody has asked for so long, several round trips; default 100 ms */
	uint64_t linger_ns;
};

struct arq_stats {
	uint64_t sent;     /* data packets, without those sent again */
	uint64_t resent;   /* of which the timer expired for some: */
	uint64_t timeouts; /* times that the timer expired */
	uint64_t acks;     /* packets sent without data */
	uint64_t received; /* data packets that were new */
	uint64_t again;    /* data packets that were there already */
	uint64_t outside;  /* data packets for which there was no room */
	uint64_t damaged;  /* packets that were not as sent */
	uint64_t wrong;    /* whole packets that make no sense */
	uint64_t rtt_ns;   /* smoothed round trip; 0: not measured */
	uint64_t rto_ns;   /* the timer, without backing off */
};

/** @return 0; -EINVAL a field is out of range; -ENOMEM. Ends with arq_free(), which ignores NULL. */
int arq_new(const struct arq_config *config, uint64_t now_ns, struct arq **out);
void arq_free(struct arq *arq);

/** Bytes that the largest packet has: room that arq_output() needs. */
size_t arq_packet_most(const struct arq *arq);

/**
 * Queue a packet; 0 bytes are one, too.
 *
 * Ownership: data stays the caller's, and stays unchanged until it is acknowledged: until
 *            arq_unacknowledged() has sunk to the number of packets queued after it.
 * @return 1; 0 the window is full; -EMSGSIZE; -EPIPE after arq_finish()
 */
int arq_send(struct arq *arq, const void *data, size_t len);

/** No more packets follow in this direction. Again: nothing happens. */
void arq_finish(struct arq *arq);

/** Packets queued, an end included, that are not known to have arrived with all before them. */
uint32_t arq_unacknowledged(const struct arq *arq);

/** The next packet, borrowed until the next call. @return 1; 0 none now */
int arq_recv(struct arq *arq, const uint8_t **data, size_t *len);

/** The other side has finished, and everything was given out by arq_recv(). */
bool arq_has_ended(const struct arq *arq);

/** A packet has come, of any content. */
void arq_input(struct arq *arq, const uint8_t *data, size_t len, uint64_t now_ns);

/** Time has passed. */
void arq_tick(struct arq *arq, uint64_t now_ns);

/**
 * The next packet to send, written to out.
 *
 * @param cap  bytes at out; arq_packet_most() at least
 * @return its bytes; 0 there is none now
 */
size_t arq_output(struct arq *arq, uint8_t *out, size_t cap, uint64_t now_ns);

/** Whether arq_output() would give a packet. */
bool arq_has_output(struct arq *arq);

/** When arq_tick() is due; UINT64_MAX never. */
uint64_t arq_deadline(const struct arq *arq);

/** Both directions are through: no call is needed any more. */
bool arq_is_over(const struct arq *arq);

/** 0; -ETIMEDOUT the other side is silent: nothing is sent any more. */
int arq_error(const struct arq *arq);

struct arq_stats arq_stats(const struct arq *arq);

#endif
