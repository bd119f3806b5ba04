/* SPDX-License-Identifier: BSD-2-Clause */
/* Monitors of interfaces. */
#include "wire.h"

#include <sys/wait.h>
#include <unistd.h>

#define SOME 100u

static void what_passes_an_interface_is_seen(void **state)
{
	struct wire *wire = *state;
	struct end sent, received, late;

	wire_open(wire);
	end_open(&sent, NEAR "/t", NULL);
	end_open(&received, FAR "/r", NULL);
	end_open(&late, FAR "/zr", NULL);
	for (uint32_t i = 0; i < SOME; i++)
		end_send(&wire->near, i, 60 + i * 11);
	end_flush(&wire->near);
	for (uint32_t i = 0; i < SOME; i++)
		end_expect(&sent, i, 60 + i * 11);
	for (uint32_t i = 0; i < SOME; i++)
		end_expect(&wire->far, i, 60 + i * 11);
	for (uint32_t i = 0; i < SOME; i++)
		end_expect(&received, i, 60 + i * 11);
	assert_ok(loom_rx_sync(&wire->far.rx));
	for (uint32_t i = 0; i < SOME; i++)
		end_expect(&late, i, 60 + i * 11);
	end_expect_none(&sent);
	end_close(&sent);
	end_close(&received);
	end_close(&late);
}

static void a_monitor_of_an_interface_ends_with_its_port(void **state)
{
	struct wire *wire = *state;
	struct end monitor;

	wire_open(wire);
	end_open(&monitor, NEAR "/rt", NULL);
	end_close(&wire->near);
	assert_int_equal(loom_rx_sync(&monitor.rx), -EIO);
	end_close(&monitor);
}

/* What was shown and could not leave is taken back by the program: what it sends instead is seen, too. */
static void what_is_sent_instead_is_seen(void **state)
{
	struct wire *wire = *state;
	struct end monitor;

	wire_open(wire);
	end_open(&monitor, NEAR "/t", NULL);
	assert_int_equal(netns_up(NEAR, false), 0);
	end_send(&wire->near, 1, 100);
	assert_int_equal(loom_tx_sync(&wire->near.tx), -ENETDOWN);
	end_expect(&monitor, 1, 100);
	assert_int_equal(loom_tx_sync(&wire->near.tx), -ENETDOWN);
	end_expect_none(&monitor);
	wire->near.tx.ring->head = UINT32_MAX;
	assert_int_equal(loom_tx_sync(&wire->near.tx), -EINVAL);
	assert_int_equal(netns_up(NEAR, true), 0);
	end_send(&wire->near, 2, 200);
	end_flush(&wire->near);
	end_expect(&monitor, 2, 200);
	end_expect_none(&monitor);
	end_close(&monitor);
}

static int watch_from_outside(void *arg)
{
	const uint64_t deadline = now_ms() + PATIENCE_MS;
	struct loom_port *port;
	struct loom_rxring rx;
	struct loom_frame frame = {0};

	(void)arg;
	/* Its port is opened at the same time. */
	while (loom_open("packet:" NEAR "/t", NULL, &port) != 0)
		if (now_ms() > deadline)
			return 1;
	if (loom_rx(port, 0, &rx) != 0)
		return 2;
	while (loom_rx_sync(&rx) == 0 && now_ms() < deadline)
		if (loom_recv(&rx, &frame) && packet_is(frame.data, frame.len, 1)) {
			loom_close(port);
			return 0;
		}
	return 3;
}

static void an_interface_is_watched_from_outside(void **state)
{
	struct wire *wire = *state;
	pid_t child = child_start(watch_from_outside, NULL);
	int status = 0;

	wire_open(wire);
	while (waitpid(child, &status, WNOHANG) == 0) {
		end_send(&wire->near, 1, 100);
		end_flush(&wire->near);
		usleep(1000);
	}
	assert_int_equal(status, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    WIRE_TEST(what_passes_an_interface_is_seen),
	    WIRE_TEST(what_is_sent_instead_is_seen),
	    WIRE_TEST(an_interface_is_watched_from_outside),
	    WIRE_TEST(a_monitor_of_an_interface_ends_with_its_port),
	};

	return WIRE_TESTS(tests);
}
