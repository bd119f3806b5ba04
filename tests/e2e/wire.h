/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the tests of interface ports share: a cable between "loom0" and "loom1" in a namespace of
 * the test's own, and ports on its ends. Everything asserts; everything that waits gives up in
 * seconds.
 */
#ifndef E2E_WIRE_H
#define E2E_WIRE_H

#include "support.h"

#include "netns.h"

#define NEAR "loom0"
#define FAR  "loom1"

#define PATIENCE_MS 5000 /* what takes longer is a hang */

/** An open port and its rings 0. */
struct end {
	struct loom_port *port;
	struct loom_txring tx;
	struct loom_rxring rx;
};

struct wire {
	struct end near, far; /* closed by wire_teardown() if they are open */
};

/** The main function of such a test: enters a namespace, or skips the program with a reason. */
#define WIRE_TESTS(tests) wire_run(#tests, (tests), COUNT(tests))
int wire_run(const char *name, const struct CMUnitTest *tests, size_t n);

#define WIRE_TEST(function)                                                                        \
	{                                                                                          \
		.name = #function, .test_func = (function), .setup_func = wire_setup,              \
		.teardown_func = wire_teardown                                                     \
	}
int wire_setup(void **state); /* *state: a struct wire without ports, the cable plugged in */
int wire_teardown(void **state);

/** What end_open() opens interfaces as: "packet", unless a program says otherwise before its tests. */
extern const char *wire_kind;
extern enum loom_xdp_mode wire_xdp_mode;

/** By a program's first argument: "packet", or "native" or "generic" for AF_XDP. */
void wire_choose(int argc, char **argv);

/** The name of an interface, without a kind, or of any port. */
void end_open(struct end *end, const char *name, const struct loom_config *config);
void end_close(struct end *end);

/** Open both ends with the defaults. */
void wire_open(struct wire *wire);

/** Queue packet `number` of packet_fill(), waiting for room. */
void end_send(struct end *end, uint32_t number, uint32_t len);

/** Sync until nothing is pending. */
void end_flush(struct end *end);

/** The next packet that a test sent, from any RX ring: its length, or -1 after timeout_ms. */
int end_receive(struct end *end, uint8_t *data, size_t cap, int timeout_ms);

/** That the next packet is this one. */
void end_expect(struct end *end, uint32_t number, uint32_t len);

/** That nothing more comes. */
void end_expect_none(struct end *end);

/* ---- traffic of the host itself: UDP broadcasts, which need no neighbour ---- */

#define HOST_ADDRESS "10.7.7.1" /* for netns_address() */

int host_socket(void);
void host_broadcast(int fd, uint16_t port, const void *data, size_t len);

/** Whether that is a broadcast to this port, without a VLAN tag. */
bool host_sent(const struct loom_frame *frame, uint16_t port);

/** The next frame of ring 0, or the next broadcast to this port; borrowed. */
void host_next(struct end *end, struct loom_frame *frame);
void host_expect(struct end *end, uint16_t port, struct loom_frame *frame);

/* ---- counters ---- */

uint64_t end_tx_drops(const struct end *end, enum loom_drop reason);
uint64_t end_rx_drops(const struct end *end, enum loom_drop reason);

#endif
