/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Processes that are killed at random points: while they open a port, send, receive or close. Whoever is
 * left goes on, gets only whole frames, keeps all its buffers, and cleans up after the dead.
 */
#include <signal.h>
#include <stdio.h>
#include <unistd.h>

#include "station.h"

#define VICTIMS 3u
#define KILLS   1500u

/* ---- a victim: all that a port can do, until it is killed ---- */

static int victim_round(unsigned victim, uint32_t *random)
{
	const struct loom_config config = {.size = sizeof config,
	    .tx_slots = 64u << random_next(random) % 4,
	    .rx_slots = 64u << random_next(random) % 4,
	    .tx_rings = 1 + random_next(random) % 2};
	struct station me = {.address = (uint8_t)(10 + victim)};
	struct loom_frame got = {0};
	struct frame frame;
	uint8_t data[1500];
	char name[32];

	snprintf(name, sizeof name, "vale0:v%u", victim);
	if (loom_open(name, &config, &me.port) != 0 || loom_tx(me.port, 0, &me.tx) != 0 ||
	    loom_rx(me.port, 0, &me.rx) != 0)
		return 1;
	for (unsigned burst = random_next(random) % 50; burst > 0; burst--) {
		for (unsigned n = random_next(random) % 64; n > 0; n--) {
			frame = (struct frame){.to = n % 8 ? 1 : BROADCAST,
			    .from = me.address,
			    .number = n,
			    .len = 60 + random_next(random) % 1440};
			frame_write(data, &frame);
			if (loom_send(&me.tx, data, frame.len) < 0)
				return 2;
		}
		if (loom_tx_sync(&me.tx) != 0 || loom_rx_sync(&me.rx) != 0)
			return 3;
		while (loom_recv(&me.rx, &got))
			if (!frame_read(got.data, got.len, &frame))
				return 4;
	}
	loom_close(me.port);
	return 0;
}

static int victim_run(void *arg)
{
	const unsigned *seed = arg;
	uint32_t random = *seed;
	int result;

	while ((result = victim_round(*seed % VICTIMS, &random)) == 0)
		;
	fprintf(stderr, "a victim gave up: %d, %s\n", result, loom_error());
	return result;
}

/* ---- the survivors ---- */

static void drain(struct station *station)
{
	struct loom_frame got = {0};
	struct frame frame;

	assert_ok(loom_rx_sync(&station->rx));
	while (loom_recv(&station->rx, &got))
		assert_true(frame_read(got.data, got.len, &frame));
	assert_ok(loom_rx_sync(&station->rx));
}

/* A frame to the receiver that everybody sends to; among theirs it must come through. */
static void check_passage(struct station *from, struct station *to, uint32_t number)
{
	const uint64_t deadline = now_ms() + 5000;
	struct loom_frame got = {0};
	struct frame frame;

	for (bool found = false; !found;) {
		assert_true(now_ms() < deadline);
		drain(to);
		station_send(from, to->address, number, 60);
		assert_ok(loom_rx_sync(&to->rx));
		while (loom_recv(&to->rx, &got)) {
			assert_true(frame_read(got.data, got.len, &frame));
			found = found || (frame.from == from->address && frame.number == number);
		}
	}
}

static void kill_one(pid_t victim)
{
	kill(victim, SIGKILL);
	assert_int_equal(child_wait(victim), -SIGKILL);
}

static void killed_ports_leave_no_trace(void **state)
{
	struct station source, sink;
	pid_t victims[VICTIMS] = {0};
	unsigned seeds[VICTIMS], kills = scaled(KILLS), descriptors;
	uint32_t random = 5;

	(void)state;
	station_open(&source, "vale0:source", 2, NULL);
	station_open(&sink, "vale0:sink", 1, NULL);
	station_announce(&sink, (struct station *const[]){&source}, 1);
	descriptors = open_descriptors();
	for (unsigned i = 0; i < kills + VICTIMS; i++) {
		unsigned v = i % VICTIMS;

		if (i >= VICTIMS)
			kill_one(victims[v]);
		check_passage(&source, &sink, i);
		seeds[v] = i;
		victims[v] = child_start(victim_run, &seeds[v]);
		usleep(random_next(&random) % 2500);
		drain(&source);
	}
	for (unsigned v = 0; v < VICTIMS; v++)
		kill_one(victims[v]);
	check_passage(&source, &sink, kills);
	station_check_buffers(&source);
	station_check_buffers(&sink);
	/* The next one to come forgets the dead: a switch, and three ports. */
	assert_true(open_descriptors() <= descriptors + VICTIMS);
	station_close(&source);
	assert_int_equal(scratch_files(), FILES_OF(1) + 1); /* the sink may be sending to it */
	station_close(&sink);
	assert_int_equal(scratch_files(), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(killed_ports_leave_no_trace)};

	return cmocka_run_group_tests_name("switch kill", tests, NULL, NULL);
}
