/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the tests of monitors share: a port that sends, one that receives what it sends (for some kinds
 * the same, for one none), and the ways in which different kinds do so.
 */
#ifndef MONITOR_SCENE_H
#define MONITOR_SCENE_H

#include "../contract/support.h"

#define PATIENCE_MS 5000 /* what takes longer is a hang */

struct way {
	const char *label;
	const char *sender, *receiver; /* port names; no receiver: NULL */
	bool at_once;                  /* the sender's sync completes its slots */
	bool lossy;                    /* a receiver that is slow loses packets */
};

struct scene {
	const struct way *way;
	struct loom_port *sender, *receiver;
	struct loom_txring tx;
	struct loom_rxring rx;
};

/** An open monitor and its RX ring 0. */
struct monitor {
	struct loom_port *port;
	struct loom_rxring rx;
};

/** Run each test once for each way that has what it needs; the state of a test is a struct scene. */
struct scene_test {
	const char *name;
	void (*test)(void **state);
	unsigned needs; /* SCENE_… of what a way must have */
};
#define SCENE_ANY      0x0
#define SCENE_RECEIVER 0x1
#define SCENE_LOSSLESS 0x2
#define SCENE_ONE_PORT 0x4 /* that sends and receives */
int scene_run(const char *name, const struct way *ways, size_t num_ways,
    const struct scene_test *tests, size_t num_tests);

/** Close the ports of a scene early. */
void scene_close(struct scene *scene);

/** Open a monitor of a port, with flags as in names: "rt", "zt", … */
void monitor_open(
    struct monitor *monitor, const char *port, const char *flags, const struct loom_config *config);
void monitor_close(struct monitor *monitor);

/** Queue packets of packet_fill(), numbers first to first + n - 1 with lengths of packet_len(). */
void packets_queue(const struct loom_txring *tx, uint32_t first, unsigned n);
/** … and sync. */
void packets_send(const struct loom_txring *tx, uint32_t first, unsigned n);
uint32_t packet_len(uint32_t number);

/** Sync, and take exactly these packets; every slot carries the flags given, of NS_TXMON. */
void packets_expect(const struct loom_rxring *rx, uint32_t first, unsigned n, uint16_t txmon);
void nothing_expect(const struct loom_rxring *rx);

/** The receiver takes these packets, releases them, and both sides sync until all is settled. */
void scene_receive(struct scene *scene, uint32_t first, unsigned n);

uint64_t monitor_drops(const struct monitor *monitor, enum loom_drop reason);

/** The ways of every kind that needs no interface. */
extern const struct way scene_ways[];
extern const size_t scene_num_ways;

/** The test programs' main functions: the tests for all of those. */
#define SCENE_TESTS(tests) scene_run(#tests, scene_ways, scene_num_ways, (tests), COUNT(tests))
#define SCENE_TEST(function, what)                                                                 \
	{                                                                                          \
		.name = #function, .test = (function), .needs = (what)                             \
	}

#endif
