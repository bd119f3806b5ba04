/* SPDX-License-Identifier: BSD-2-Clause */
/* A default pipe port costs under 8 MiB resident, with every slot of both directions filled and read. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <signal.h>

#include <cmocka.h>

#include <pktloom.h>

#include "support.h"

#define LIMIT  ((size_t)8 << 20)
#define WAIT_S 30 /* for the other end */

static uint8_t packet[2048];

static size_t fill(const struct loom_txring *tx)
{
	size_t n = 0;

	while (loom_send(tx, packet, sizeof packet) == 1)
		n++;
	loom_tx_sync(tx);
	return n;
}

/* Reads every byte of n packets; how many of them were right. */
static size_t drain(struct loom_port *port, const struct loom_rxring *rx, size_t n)
{
	struct loom_frame frame;
	size_t got = 0, right = 0;

	while (got < n && loom_port_wait(port, LOOM_RX, WAIT_S * 1000) > 0)
		for (; loom_recv(rx, &frame); got++)
			right += frame.len == sizeof packet &&
				 memcmp(frame.data, packet, sizeof packet) == 0;
	return right;
}

/* One end's whole life; the bytes that it cost this process, or 0 if packets went wrong. */
static size_t end_cost(const char *name)
{
	struct loom_port *port;
	struct loom_txring tx;
	struct loom_rxring rx;
	size_t before = resident_bytes("Rss"), after, sent;

	memset(packet, 0xa5, sizeof packet);
	if (loom_open(name, NULL, &port) < 0 || loom_tx(port, 0, &tx) < 0 ||
	    loom_rx(port, 0, &rx) < 0)
		return 0;
	sent = fill(&tx);
	if (sent != tx.num_slots - 1u || drain(port, &rx, sent) != sent)
		sent = 0;
	after = resident_bytes("Rss");
	loom_close(port);
	if (sent == 0)
		return 0;
	return after > before ? after - before : 1;
}

/* Another process at the other end; its exit status is 0 if it kept to the limit. */
static pid_t fork_other_end(void)
{
	pid_t parent = getpid(), pid = fork();
	size_t cost;

	if (pid != 0)
		return pid;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != parent)
		_exit(2);
	alarm(2 * WAIT_S);
	cost = end_cost("memory}1");
	_exit(cost > 0 && cost < LIMIT ? 0 : 1);
}

static void default_pipe_port_costs_under_8_mib(void **state)
{
	pid_t other = fork_other_end();
	size_t cost;
	int status = -1;

	(void)state;
	assert_true(other > 0);
	cost = end_cost("memory{1");
	if (cost == 0)
		kill(other, SIGKILL);
	assert_int_equal(waitpid(other, &status, 0), other);
	assert_int_not_equal(cost, 0);
	print_message("a default pipe port costs %zu KiB resident\n", cost / 1024);
	assert_true(cost < LIMIT);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(default_pipe_port_costs_under_8_mib),
	};

	return cmocka_run_group_tests(tests, private_dir_setup, private_dir_teardown);
}
