/* SPDX-License-Identifier: BSD-2-Clause */
/* The fixture of scene.h. */
#include "scene.h"

#include <stdio.h>
#include <stdlib.h>

const struct way scene_ways[] = {
    {"null", "null:m", NULL, true, false},
    {"loop", "loop:m", "loop:m", false, false},
    {"pipe, master to slave", "m{1", "m}1", false, false},
    {"pipe, slave to master", "m}1", "m{1", false, false},
    {"switch", "vale9:a", "vale9:b", true, true},
};
const size_t scene_num_ways = COUNT(scene_ways);

struct run {
	const struct scene_test *test;
	struct scene scene;
	char name[128];
};

static int scene_setup(void **state)
{
	struct run *run = *state;
	struct scene *scene = &run->scene;
	const struct way *way = scene->way;

	assert_ok(loom_open(way->sender, NULL, &scene->sender));
	assert_ok(loom_tx(scene->sender, 0, &scene->tx));
	if (!way->receiver)
		return 0;
	assert_ok(loom_open(way->receiver, NULL, &scene->receiver));
	assert_ok(loom_rx(scene->receiver, 0, &scene->rx));
	return 0;
}

void scene_close(struct scene *scene)
{
	loom_close(scene->sender);
	loom_close(scene->receiver);
	scene->sender = scene->receiver = NULL;
}

static int scene_teardown(void **state)
{
	struct run *run = *state;

	scene_close(&run->scene);
	return scratch_files() == 0 ? 0 : -1;
}

static void scene_test(void **state)
{
	struct run *run = *state;
	void *scene = &run->scene;

	run->test->test(&scene);
}

static unsigned way_has(const struct way *way)
{
	unsigned has = way->lossy ? 0 : SCENE_LOSSLESS;

	if (!way->receiver)
		return has;
	if (strcmp(way->sender, way->receiver) == 0)
		has |= SCENE_ONE_PORT;
	return has | SCENE_RECEIVER;
}

int scene_run(const char *name, const struct way *ways, size_t num_ways,
    const struct scene_test *tests, size_t num_tests)
{
	struct CMUnitTest *all = calloc(num_ways * num_tests, sizeof *all);
	struct run *runs = calloc(num_ways * num_tests, sizeof *runs);
	size_t n = 0;
	int failed;

	if (!all || !runs)
		abort();
	scratch_directory();
	for (size_t t = 0; t < num_tests; t++)
		for (size_t w = 0; w < num_ways; w++) {
			struct run *run = &runs[n];

			if (tests[t].needs & ~way_has(&ways[w]))
				continue;
			run->test = &tests[t];
			run->scene.way = &ways[w];
			snprintf(
			    run->name, sizeof run->name, "%s (%s)", tests[t].name, ways[w].label);
			all[n++] = (struct CMUnitTest){.name = run->name,
			    .test_func = scene_test,
			    .setup_func = scene_setup,
			    .teardown_func = scene_teardown,
			    .initial_state = run};
		}
	failed = _cmocka_run_group_tests(name, all, n, NULL, NULL);
	free(all);
	free(runs);
	return failed;
}

void monitor_open(
    struct monitor *monitor, const char *port, const char *flags, const struct loom_config *config)
{
	char name[64];

	snprintf(name, sizeof name, "%s/%s", port, flags);
	assert_ok(loom_open(name, config, &monitor->port));
	assert_ok(loom_rx(monitor->port, 0, &monitor->rx));
}

void monitor_close(struct monitor *monitor)
{
	loom_close(monitor->port);
	monitor->port = NULL;
}

uint32_t packet_len(uint32_t number)
{
	return 60 + number * 37 % 1440;
}

void packets_queue(const struct loom_txring *tx, uint32_t first, unsigned n)
{
	uint8_t data[1500];

	for (uint32_t number = first; number < first + n; number++) {
		packet_fill(data, packet_len(number), number);
		assert_int_equal(loom_send(tx, data, packet_len(number)), 1);
	}
}

void packets_send(const struct loom_txring *tx, uint32_t first, unsigned n)
{
	packets_queue(tx, first, n);
	assert_ok(loom_tx_sync(tx));
}

void packets_expect(const struct loom_rxring *rx, uint32_t first, unsigned n, uint16_t txmon)
{
	struct loom_frame frame = {0};

	assert_ok(loom_rx_sync(rx));
	for (uint32_t number = first; number < first + n; number++) {
		assert_int_equal(loom_recv(rx, &frame), 1);
		assert_int_equal(frame.len, packet_len(number));
		assert_true(packet_is(frame.data, frame.len, number));
		assert_int_equal(frame.flags & NS_TXMON, txmon);
	}
	assert_int_equal(loom_recv(rx, &frame), 0);
}

void nothing_expect(const struct loom_rxring *rx)
{
	assert_ok(loom_rx_sync(rx));
	assert_int_equal(loom_rx_space(rx), 0);
}

void scene_receive(struct scene *scene, uint32_t first, unsigned n)
{
	if (scene->receiver) {
		packets_expect(&scene->rx, first, n, 0);
		assert_ok(loom_rx_sync(&scene->rx));
	}
	assert_ok(loom_tx_sync(&scene->tx));
	assert_int_equal(loom_tx_space(&scene->tx), scene->tx.num_slots - 1);
}

uint64_t monitor_drops(const struct monitor *monitor, enum loom_drop reason)
{
	struct loom_stats rx;

	assert_ok(loom_port_stats(monitor->port, NULL, &rx));
	return rx.drops[reason];
}
