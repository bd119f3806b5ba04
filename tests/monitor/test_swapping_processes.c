/* SPDX-License-Identifier: BSD-2-Clause */
/* Monitors that swap buffers with a port of another process; they may be killed. */
#include "talk.h"

#include <signal.h>
#include <unistd.h>

#include "soft/pool.h"

#define SOME TALK_SOME

/* Whether what was received last came in these very buffers. */
static bool came_in(const struct netmap_ring *ring, const uint32_t *buffers)
{
	uint32_t at = (ring->head + ring->num_slots - SOME) % ring->num_slots;

	for (unsigned i = 0; i < SOME; i++, at = (at + 1) % ring->num_slots)
		if (ring->slot[at].buf_idx != buffers[i] ||
		    !(ring->slot[at].flags & NS_BUF_CHANGED))
			return false;
	return true;
}

/* Leaves when it is told to, or waits to be killed. */
static int look_at_buffers(void *arg)
{
	struct loom_port *port;
	struct loom_rxring rx;
	struct loom_info info;

	if (!reached(&talk->start, 1) || loom_open("o{5/zt", NULL, &port) != 0 ||
	    loom_rx(port, 0, &rx) != 0)
		return 1;
	if (loom_port_info(port, &info) != 0 || info.region != talk->region || !info.zero_copy ||
	    !strstr(info.mode, "by swap, of another process"))
		return 2;
	if (!step_done(1) || !sees(&rx, 0, SOME, NS_TXMON))
		return 3;
	if (!came_in(rx.ring, talk->buffers))
		return 4;
	if (!step_done(2))
		return 5;
	if (arg)
		sleep(60); /* no longer, should nobody do it */
	loom_close(port);
	return 0;
}

/* Those of rings that nobody fills are found when somebody else takes rings of the region. */
static void buffers_come_back(const struct loom_txring *tx, const struct loom_rxring *rx,
    struct region *region, uint32_t before)
{
	const uint64_t deadline = now_ms() + PATIENCE_MS;

	for (uint32_t first = 0; region_buffers_free(region) != before; first += SOME) {
		struct monitor other;

		assert_true(now_ms() < deadline);
		round_trip(tx, rx, first, SOME);
		monitor_open(&other, "o{5", "zt", NULL);
		monitor_close(&other);
	}
}

static void swapped_with_a_child(bool killed)
{
	struct loom_port *from, *to;
	struct region *region;
	struct loom_txring tx;
	struct loom_rxring rx;
	struct loom_info info;
	uint32_t before;
	pid_t child = child_start(look_at_buffers, killed ? &talk : NULL);

	assert_ok(loom_open("o{5", NULL, &from));
	assert_ok(loom_open("o}5", NULL, &to));
	assert_ok(loom_tx(from, 0, &tx));
	assert_ok(loom_rx(to, 0, &rx));
	assert_ok(loom_port_info(from, &info));
	region = region_mapped(info.region);
	before = region_buffers_free(region);
	talk->region = info.region;
	for (unsigned i = 0; i < SOME; i++)
		talk->buffers[i] = tx.ring->slot[tx.ring->head + i].buf_idx;
	__atomic_store_n(&talk->start, 1, __ATOMIC_RELEASE);
	wait_for(1);
	round_trip(&tx, &rx, 0, SOME);
	go_on(1);
	wait_for(2);
	assert_int_not_equal(region_buffers_free(region), before);
	if (killed)
		kill(child, SIGKILL);
	else
		go_on(2);
	assert_int_equal(child_wait(child), killed ? -SIGKILL : 0);
	buffers_come_back(&tx, &rx, region, before);
	loom_close(from);
	loom_close(to);
	assert_int_equal(scratch_files(), 0);
}

static void buffers_change_places_with_a_monitor_outside(void **state)
{
	(void)state;
	swapped_with_a_child(false);
}

static void a_killed_monitors_buffers_come_back(void **state)
{
	(void)state;
	swapped_with_a_child(true);
}

int main(void)
{
	static const struct CMUnitTest swapping[] = {
	    cmocka_unit_test_setup(buffers_change_places_with_a_monitor_outside, talk_setup),
	    cmocka_unit_test_setup(a_killed_monitors_buffers_come_back, talk_setup),
	};

	return cmocka_run_group_tests(swapping, talk_group_setup, NULL);
}
