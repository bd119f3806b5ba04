/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The sending half: a stream's packets until they are acknowledged.
 *
 *	   acknowledged    sent, some acknowledged    given by the program
 *	────────────────┬──────────────────────────┬───────────────────────┬────────
 *	              first                       next                    end
 *
 * Each transmission has a number, also that of a packet sent before. The other side reports the newest one
 * that has arrived, so it is known which transmissions are lost, and a round trip is measured by any of them.
 * Transmissions [oldest, coming) are remembered. One lives while nothing is known of it: its packet was
 * neither acknowledged nor declared lost since.
 */
#ifndef ARQ_OUT_H
#define ARQ_OUT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "arq_bits.h"
#include "arq_packet.h"

/** So many transmissions may overtake another before that is taken for lost. */
#define ARQ_REORDER 3

struct arq_outgoing {
	const uint8_t *data;
	uint16_t len;
	bool fin, lost;
	uint32_t transmission; /* the last one */
};

struct arq_transmission {
	uint32_t number;
	uint64_t sent_ns;
};

struct arq_out {
	struct arq_outgoing *packets; /* window places, by number % window */
	struct arq_bits arrived;      /* of [first, next) */
	uint32_t window;
	uint32_t first, next, end;
	uint32_t limit; /* the other side takes numbers before it */
	bool finished;

	struct arq_transmission *sent; /* twice window places, by transmission */
	uint32_t oldest, coming, newest;

	uint32_t *lost; /* a queue of numbers; some may have arrived since. window places */
	uint32_t lost_at, lost_count;

	uint64_t srtt_ns, rttvar_ns, rto_ns; /* 0: not measured yet; without backing off */
	uint64_t rto_least_ns, rto_most_ns;
};

/** What an acknowledgement brought. */
enum arq_progress { ARQ_NOTHING, ARQ_PROGRESS, ARQ_NONSENSE };

/** @return 0; -ENOMEM. To be closed in either case. */
int arq_out_open(struct arq_out *out, uint32_t first, uint32_t window);
void arq_out_close(struct arq_out *out);

/** Add a packet, fin: the last one. @return 1; 0 the window is full */
int arq_out_add(struct arq_out *out, const void *data, uint16_t len, bool fin);

/** An acknowledgement has come. NONSENSE: it speaks of what was never sent, and nothing was changed. */
enum arq_progress arq_out_acknowledged(
    struct arq_out *out, const struct arq_packet *packet, uint64_t now_ns);

/** Whether there is a packet to send now: one that is lost, or a new one. */
bool arq_out_has_next(struct arq_out *out);

/** Fill in its fields. @return whether it was sent before. Only after arq_out_has_next(). */
bool arq_out_next(struct arq_out *out, struct arq_packet *packet, uint64_t now_ns);

/** The time is over: take the oldest transmission for lost. @return whether there was one */
bool arq_out_expire(struct arq_out *out);

/** Packets were sent and are not acknowledged. */
static inline bool arq_out_waits(const struct arq_out *out)
{
	return out->first != out->next;
}

/** There are packets that the other side has no room for. */
static inline bool arq_out_is_blocked(const struct arq_out *out)
{
	return out->next != out->end && !arq_after(out->limit, out->next);
}

/** All that there will ever be has arrived. */
static inline bool arq_out_complete(const struct arq_out *out)
{
	return out->finished && out->first == out->end;
}

#endif
