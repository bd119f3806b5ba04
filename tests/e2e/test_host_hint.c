/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Host rings to which nothing comes say so, once for each interface, to who asked for hints. So that each test
 * has a first time, each has an interface by a name of its own.
 */
#include "wire.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#define WORDS "host RX rings of"

static const char *command; /* the tool */
static char port_name[32];
static int stderr_kept = -1;

static unsigned heard;
static char last[512];

static int scene_setup(void **state)
{
	static unsigned n;
	const char *interface = port_name + sizeof KIND;

	wire_setup(state);
	snprintf(port_name, sizeof port_name, KIND ":hint%u", ++n);
	heard = 0;
	unsetenv("PKTLOOM_HINTS");
	return netns_up(NEAR, false) || netns_rename(NEAR, interface) || netns_up(interface, true);
}

static int scene_teardown(void **state)
{
	loom_hint_set(NULL);
	if (stderr_kept >= 0) {
		dup2(stderr_kept, STDERR_FILENO);
		close(stderr_kept);
		stderr_kept = -1;
	}
	wire_teardown(state);
	return netns_remove(FAR);
}

/* Nothing is locked while it is called. */
static void hear(const char *hint)
{
	struct loom_port *port;

	heard++;
	snprintf(last, sizeof last, "%s", hint);
	if (loom_open("null:", NULL, &port) == 0)
		loom_close(port);
}

static int try_open(const char *rest, struct loom_port **port)
{
	char name[64];

	snprintf(name, sizeof name, "%s%s", port_name, rest);
	return loom_open(name, NULL, port);
}

static void visit(const char *rest)
{
	struct loom_port *port;

	assert_ok(try_open(rest, &port));
	loom_close(port);
}

/* ---- what the library says to a function ---- */

static void it_is_said_once(void **state)
{
	(void)state;
	loom_hint_set(hear);
	visit("^");
	assert_int_equal(heard, 1);
	assert_non_null(strstr(last, WORDS));
	assert_non_null(strstr(last, port_name));
	visit("^");
	visit("^/R");
	assert_int_equal(heard, 1);
}

static void it_is_not_said_beside_a_nic_tx_ring(void **state)
{
	struct loom_port *nic;

	(void)state;
	loom_hint_set(hear);
	visit("*");
	assert_ok(try_open("/T", &nic));
	visit("^");
	assert_int_equal(heard, 0);
	loom_close(nic);
	visit("^");
	assert_int_equal(heard, 1);
}

static int have_nic_tx(void *arg)
{
	const int *ends = arg; /* to say that it is open, to be told to end */
	struct loom_port *nic;
	char byte;

	if (try_open("/T", &nic) != 0 || write(ends[0], "o", 1) != 1)
		return 1;
	return read(ends[1], &byte, 1) == 1 ? 0 : 2;
}

static void nor_beside_one_of_another_process(void **state)
{
	int up[2], down[2], ends[2];
	char byte;
	pid_t other;

	(void)state;
	assert_int_equal(pipe(up), 0);
	assert_int_equal(pipe(down), 0);
	ends[0] = up[1];
	ends[1] = down[0];
	other = child_start(have_nic_tx, ends);
	close(up[1]); /* so that the next read ends if the child does */
	assert_int_equal(read(up[0], &byte, 1), 1);
	loom_hint_set(hear);
	visit("^");
	assert_int_equal(heard, 0);
	assert_int_equal(write(down[1], "e", 1), 1);
	assert_int_equal(child_wait(other), 0);
	close(up[0]);
	close(down[0]);
	close(down[1]);
}

static void it_is_not_said_of_other_rings(void **state)
{
	(void)state;
	loom_hint_set(hear);
	visit("");
	visit("^/T");
	assert_int_equal(heard, 0);
}

static void it_is_not_said_by_an_open_that_fails(void **state)
{
	struct loom_port *port, *none;

	(void)state;
	loom_hint_set(hear);
	assert_ok(try_open("^/xT", &port));
	assert_int_equal(try_open("^", &none), -EBUSY);
	assert_int_equal(heard, 0);
	loom_close(port);
}

static void it_is_said_later_to_who_asks_later(void **state)
{
	(void)state;
	visit("^");
	loom_hint_set(hear);
	visit("^");
	assert_int_equal(heard, 1);
}

/* ---- the environment ---- */

static void it_is_silenced_by_the_variable(void **state)
{
	(void)state;
	loom_hint_set(hear);
	setenv("PKTLOOM_HINTS", "0", 1);
	visit("^");
	assert_int_equal(heard, 0);
}

/* Standard error is a file until the test ends. */
static int capture_start(void)
{
	int fd = memfd_create("stderr", MFD_CLOEXEC);

	assert_true(fd >= 0);
	if (stderr_kept < 0)
		stderr_kept = dup(STDERR_FILENO);
	assert_int_equal(dup2(fd, STDERR_FILENO), STDERR_FILENO);
	return fd;
}

static unsigned lines_captured(int fd)
{
	char text[4096] = "";
	unsigned lines = 0;

	assert_true(pread(fd, text, sizeof text - 1, 0) >= 0);
	for (const char *at = text; (at = strstr(at, "pktloom: hint: " WORDS)); at++)
		lines++;
	return lines;
}

static void it_is_printed_where_the_variable_says_so(void **state)
{
	int fd = capture_start();

	(void)state;
	visit("^");
	assert_int_equal(lines_captured(fd), 0);
	setenv("PKTLOOM_HINTS", "1", 1);
	visit("^");
	visit("^");
	assert_int_equal(lines_captured(fd), 1);
	close(fd);
}

/* ---- programs ---- */

static int run_command(void *arg)
{
	char name[64];
	int null = open("/dev/null", O_WRONLY);

	(void)arg;
	snprintf(name, sizeof name, "%s^", port_name);
	if (null < 0 || dup2(null, STDOUT_FILENO) != STDOUT_FILENO)
		return 126;
	execl(command, "pktloom", "info", name, (char *)NULL);
	return 127;
}

static unsigned lines_of_command(void)
{
	int fd = capture_start();
	unsigned lines;

	assert_int_equal(child_wait(child_start(run_command, NULL)), 0);
	lines = lines_captured(fd);
	close(fd);
	return lines;
}

static void it_is_printed_by_the_command(void **state)
{
	(void)state;
	assert_int_equal(lines_of_command(), 1);
	setenv("PKTLOOM_HINTS", "0", 1);
	assert_int_equal(lines_of_command(), 0);
}

#define HINT_TEST(function) cmocka_unit_test_setup_teardown(function, scene_setup, scene_teardown)

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
	    HINT_TEST(it_is_said_once),
	    HINT_TEST(it_is_not_said_beside_a_nic_tx_ring),
	    HINT_TEST(nor_beside_one_of_another_process),
	    HINT_TEST(it_is_not_said_of_other_rings),
	    HINT_TEST(it_is_not_said_by_an_open_that_fails),
	    HINT_TEST(it_is_said_later_to_who_asks_later),
	    HINT_TEST(it_is_silenced_by_the_variable),
	    HINT_TEST(it_is_printed_where_the_variable_says_so),
	    HINT_TEST(it_is_printed_by_the_command),
	};

	if (geteuid() != 0) {
		printf("SKIP: host rings need root: BPF programs are not for user namespaces\n");
		return 77;
	}
	if (argc != 2) {
		fprintf(stderr, "usage: %s PKTLOOM\n", argv[0]);
		return 2;
	}
	command = argv[1];
	return WIRE_TESTS(tests);
}
