/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The receiving half: a stream's packets in any order, given out in theirs.
 *
 *	   given out    in order, not given out yet     some of these have arrived
 *	────────────┬──────────────────────────────┬────────────────────────────────┬────────
 *	           read                           next                        read + window
 */
#ifndef ARQ_IN_H
#define ARQ_IN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "arq_bits.h"
#include "arq_packet.h"

struct arq_in {
	uint8_t *data; /* window places of `most` bytes; a number's place is number % window */
	uint16_t *lens;
	struct arq_bits arrived; /* of [next, read + window) */
	uint32_t window, most;
	uint32_t read, next;
	uint32_t end;      /* behind the last number that has arrived */
	uint32_t newest;   /* transmission that has arrived */
	uint32_t promised; /* what the other side knows of read + window */
	uint32_t fin;      /* number of the stream's end, if fin_known */
	bool fin_known;
	bool lent; /* the packet at read is with the program */
	bool owed; /* an acknowledgement */
};

enum arq_arrival { ARQ_NEW, ARQ_AGAIN, ARQ_OUTSIDE, ARQ_WRONG };

/** @return 0; -ENOMEM. To be closed in either case. */
int arq_in_open(struct arq_in *in, uint32_t first, uint32_t window, uint32_t most);
void arq_in_close(struct arq_in *in);

/** A data packet has come. WRONG: it contradicts what came before, and nothing was changed. */
enum arq_arrival arq_in_take(struct arq_in *in, const struct arq_packet *packet);

/** @see arq_recv() */
int arq_in_next(struct arq_in *in, const uint8_t **data, size_t *len);

/** All has arrived. */
static inline bool arq_in_complete(const struct arq_in *in)
{
	return in->fin_known && in->next == in->fin + 1;
}

/** Numbers are missing before some that have arrived. */
static inline bool arq_in_has_gaps(const struct arq_in *in)
{
	return in->end != in->next;
}

/** Fill in an acknowledgement's fields, and its words, if there is a body for them. Nothing is owed then. */
void arq_in_acknowledge(struct arq_in *in, struct arq_packet *packet, uint8_t *body);

#endif
