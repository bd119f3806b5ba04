/* SPDX-License-Identifier: BSD-2-Clause */
/* Opening and closing 10,000 ports leaves nothing behind: in this process, nor in the shared directory. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <pktloom.h>

#include "support.h"

#define PORTS 5000u /* of each of two kinds */

/* What may grow a little: the heap's own housekeeping. */
#define RSS_SLACK ((size_t)1 << 20)

struct held {
	size_t descriptors, mappings, files, resident;
};

static struct held held_now(void)
{
	return (struct held){.descriptors = count_descriptors(),
	    .mappings = count_mappings(),
	    .files = count_entries(NULL),
	    .resident = resident_bytes("Rss")};
}

static struct loom_port *open_port(const char *name)
{
	struct loom_port *port = NULL;

	if (loom_open(name, NULL, &port) < 0)
		fail_msg("%s", loom_error());
	return port;
}

static void move_a_packet(struct loom_port *from, struct loom_port *to)
{
	struct loom_txring tx;
	struct loom_rxring rx;
	struct loom_frame frame;

	assert_int_equal(loom_tx(from, 0, &tx), 0);
	assert_int_equal(loom_rx(to, 0, &rx), 0);
	assert_int_equal(loom_send(&tx, "hello", 5), 1);
	assert_int_equal(loom_tx_sync(&tx), 0);
	assert_int_equal(loom_rx_sync(&rx), 0);
	assert_int_equal(loom_recv(&rx, &frame), 1);
}

/* Wakeups are made on first use: every eighth port waits for the packet that comes next. */
static void use_wakeups(struct loom_port *port)
{
	assert_true(loom_port_fd(port) >= 0);
	assert_int_equal(loom_port_wait(port, LOOM_RX, 1), 0);
}

static void churn_pipes(unsigned ports)
{
	for (unsigned i = 0; i < ports; i += 2) {
		struct loom_port *master = open_port("leak{1"), *slave = open_port("leak}1");

		if (i % 16 == 0) {
			use_wakeups(master);
			use_wakeups(slave);
		}
		move_a_packet(master, slave);
		loom_close(i % 4 ? master : slave);
		loom_close(i % 4 ? slave : master);
	}
}

static void churn_loops(unsigned ports)
{
	for (unsigned i = 0; i < ports; i++) {
		struct loom_port *port = open_port("loop:leak");

		if (i % 8 == 0)
			use_wakeups(port);
		move_a_packet(port, port);
		loom_close(port);
	}
}

static void churn_refused(unsigned ports)
{
	struct loom_port *port = NULL;

	for (unsigned i = 0; i < ports; i++)
		assert_true(loom_open("leak{1", LOOM_CONFIG(.tx_rings = 300), &port) < 0);
}

static void assert_nothing_left(void (*churn)(unsigned ports))
{
	struct held before, after;

	churn(128); /* what is made once and kept */
	before = held_now();
	churn(PORTS);
	after = held_now();
	assert_int_equal(after.descriptors, before.descriptors);
	assert_int_equal(after.mappings, before.mappings);
	assert_int_equal(after.files, 0);
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__) && !defined(SANITIZED)
	/* Sanitizers keep freed memory on purpose. */
	if (after.resident > before.resident + RSS_SLACK)
		fail_msg("%u ports left %zu KiB resident", PORTS,
		    (after.resident - before.resident) / 1024);
#endif
}

static void pipes_leave_nothing_behind(void **state)
{
	(void)state;
	assert_nothing_left(churn_pipes);
}

static void loops_leave_nothing_behind(void **state)
{
	(void)state;
	assert_nothing_left(churn_loops);
}

static void refused_opens_leave_nothing_behind(void **state)
{
	(void)state;
	assert_nothing_left(churn_refused);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(pipes_leave_nothing_behind),
	    cmocka_unit_test(loops_leave_nothing_behind),
	    cmocka_unit_test(refused_opens_leave_nothing_behind),
	};

	return cmocka_run_group_tests(tests, private_dir_setup, private_dir_teardown);
}
