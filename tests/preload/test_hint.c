/* SPDX-License-Identifier: BSD-2-Clause */
/* A program for netmap that opens host rings to which nothing comes: its user reads why, once. */
#include "support.h"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "../e2e/netns.h"

static void bind_host_rings(const char *interface)
{
	struct nmreq_register request = {.nr_mode = NR_REG_SW};
	int fd = netmap_open();

	assert_int_equal(control(fd, interface, NETMAP_REQ_REGISTER, &request, NULL), 0);
	close(fd);
}

/* Lines on standard error that opening twice leads to. */
static unsigned lines_of_two_visits(const char *interface)
{
	int kept = dup(STDERR_FILENO), fd = memfd_create("stderr", MFD_CLOEXEC);
	char text[4096] = "";
	unsigned lines = 0;

	assert_true(kept >= 0 && fd >= 0);
	dup2(fd, STDERR_FILENO);
	bind_host_rings(interface);
	bind_host_rings(interface);
	dup2(kept, STDERR_FILENO);
	assert_true(pread(fd, text, sizeof text - 1, 0) >= 0);
	close(kept);
	close(fd);
	for (const char *at = text; (at = strchr(at, '\n')); at++)
		lines++;
	assert_int_equal(strncmp(text, "pktloom: hint: host RX rings of", 31) == 0, lines > 0);
	return lines;
}

static void test_host_rings_alone_give_a_hint_once(void **state)
{
	(void)state;
	assert_int_equal(lines_of_two_visits("loom0"), 1);
}

static void test_the_variable_silences_it(void **state)
{
	(void)state;
	setenv("PKTLOOM_HINTS", "0", 1);
	assert_int_equal(lines_of_two_visits("loom1"), 0);
	unsetenv("PKTLOOM_HINTS");
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_host_rings_alone_give_a_hint_once),
	    cmocka_unit_test(test_the_variable_silences_it),
	};
	int err = geteuid() == 0 ? netns_enter() : -EPERM;

	if (!err)
		err = netns_cable("loom0", "loom1");
	if (err) {
		printf("SKIP: preload-hint: host rings need root, and a network namespace with a "
		       "veth pair: %s\n",
		    strerror(-err));
		return NETNS_SKIP;
	}
	return cmocka_run_group_tests(tests, group_start, group_end);
}
