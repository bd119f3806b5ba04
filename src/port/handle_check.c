/* SPDX-License-Identifier: BSD-2-Clause */
/* Knowing handles of closed ports, for programs built with -DLOOM_DEBUG. */
#include <stdio.h>
#include <stdlib.h>

#include "port.h"

#define LIVE_IDS 65536u

/* live[id % LIVE_IDS] is id while the port is open: a stale handle finds 0 or a later id. */
static uint32_t live[LIVE_IDS];
static const char *names[LIVE_IDS];
static uint32_t last_id;

uint32_t port_id_take(const char *name)
{
	for (uint32_t tries = 0; tries < LIVE_IDS; tries++) {
		uint32_t id = __atomic_add_fetch(&last_id, 1, __ATOMIC_RELAXED);
		uint32_t none = 0;

		if (id != 0 && __atomic_compare_exchange_n(&live[id % LIVE_IDS], &none, id, false,
				   __ATOMIC_RELAXED, __ATOMIC_RELAXED)) {
			__atomic_store_n(&names[id % LIVE_IDS], name, __ATOMIC_RELAXED);
			return id;
		}
	}
	return 0;
}

void port_id_give(uint32_t id)
{
	if (id != 0)
		__atomic_store_n(&live[id % LIVE_IDS], 0, __ATOMIC_RELAXED);
}

static bool is_open(uint32_t id)
{
	return __atomic_load_n(&live[id % LIVE_IDS], __ATOMIC_RELAXED) == id;
}

const char *port_id_name(uint32_t id)
{
	return id != 0 && is_open(id) ? __atomic_load_n(&names[id % LIVE_IDS], __ATOMIC_RELAXED)
				      : "?";
}

void port_id_check(uint32_t id, const char *verb)
{
	if (id == 0 || is_open(id))
		return;
	fprintf(stderr, "pktloom: %s on a ring of a port that is closed\n", verb);
	abort();
}

void loom_release_check(unsigned n, unsigned held)
{
	if (n <= held)
		return;
	fprintf(stderr, "pktloom: loom_release of %u slots, but only %u are held\n", n, held);
	abort();
}
