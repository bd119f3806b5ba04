/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Two ends of the sliding-window protocol with a link between them that exists in this program only, as
 * does its time: whatever happens, happens in the same way for the same seed.
 */
#ifndef ARQ_TEST_LINK_H
#define ARQ_TEST_LINK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "../../examples/arq.h"

#define LINK_PACKET  2048u
#define LINK_FLYING  8192u
#define LINK_FOREVER UINT32_MAX /* numbers of packets: no limit */

/** What the link does, in percent of the packets, and when they arrive. */
struct link_faults {
	uint32_t loss, dup, reorder, corrupt;
	uint64_t delay_ns, jitter_ns; /* jitter: up to so much more; reorder: as much again */
	uint64_t spacing_ns;          /* between two packets of one direction; 0: none */
};

struct link_end {
	struct arq *arq;
	uint32_t stream;  /* of what this end sends; the other end checks it */
	uint32_t to_send; /* packets, before it finishes */
	uint32_t sent, received;
	bool holds_on;     /* does not finish, though all is sent */
	bool is_deaf;      /* nothing arrives here */
	bool rests;        /* does not receive */
	uint64_t free_ns;  /* when the link takes the next packet */
	uint64_t ended_ns; /* when everything of the other end was received */
	uint64_t lost;     /* packets of this end that the link has lost */
};

struct link {
	struct link_faults faults;
	uint32_t random;
	uint64_t now_ns;
	uint32_t most; /* of a payload */
	struct link_end ends[2];
	uint32_t flying;
};

/** One link at a time. */
void link_open(struct link *link, const struct arq_config *config, const struct link_faults *faults,
    uint32_t seed);
void link_close(struct link *link);

/**
 * Until both ends are over, or one has failed, or so many steps were made.
 * @return whether both are over, without an error
 */
bool link_run(struct link *link, uint32_t steps);

/** Until the time has come, or nothing will happen any more. */
void link_run_until(struct link *link, uint64_t time_ns);

#endif
