/* SPDX-License-Identifier: BSD-2-Clause */
/* One program attaches an interface to a switch and ends, another one finds it, a third one detaches it. */
#include "support.h"

#include <stdlib.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "../e2e/netns.h"

#define INTERFACE "loom0"
#define PORT      "vale0:" INTERFACE

/* ---- programs ---- */

static int attaches(void *arg)
{
	struct nmreq_vale_attach request = {.reg = {.nr_mode = NR_REG_ALL_NIC}};

	(void)arg;
	return control(netmap_open(), PORT, NETMAP_REQ_VALE_ATTACH, &request, NULL);
}

static int detaches(void *arg)
{
	struct nmreq_vale_detach request = {0};

	(void)arg;
	return control(netmap_open(), PORT, NETMAP_REQ_VALE_DETACH, &request, NULL);
}

static int finds(void *arg)
{
	struct nmreq_vale_list request = {0};

	(void)arg;
	return control(netmap_open(), PORT, NETMAP_REQ_VALE_LIST, &request, NULL);
}

/* By the older request, as a program of netmap's earlier days does it. */
static int asks_the_old_way(uint16_t command)
{
	struct nmreq request = {
	    .nr_version = NETMAP_API, .nr_cmd = command, .nr_flags = NR_REG_ALL_NIC};

	snprintf(request.nr_name, sizeof request.nr_name, PORT);
	return ioctl(netmap_open(), NIOCREGIF, &request) == 0 ? 0 : errno;
}

static int attaches_the_old_way(void *arg)
{
	(void)arg;
	return asks_the_old_way(NETMAP_BDG_ATTACH);
}

static int detaches_the_old_way(void *arg)
{
	(void)arg;
	return asks_the_old_way(NETMAP_BDG_DETACH);
}

static int run(int (*program)(void *))
{
	return child_wait(child_start(program, NULL));
}

/* ---- tests ---- */

static void test_an_attached_interface_outlives_the_program_that_asked(void **state)
{
	(void)state;
	assert_int_equal(run(finds), ENOENT);
	assert_int_equal(run(attaches), 0);
	assert_int_equal(run(finds), 0);
	assert_int_equal(run(attaches), EBUSY);
	assert_int_equal(run(detaches), 0);
	assert_int_equal(run(finds), ENOENT);
	assert_int_equal(run(detaches), ENXIO);
}

static void test_older_requests_do_the_same(void **state)
{
	(void)state;
	assert_int_equal(run(attaches_the_old_way), 0);
	assert_int_equal(run(finds), 0);
	assert_int_equal(run(detaches_the_old_way), 0);
	assert_int_equal(run(finds), ENOENT);
}

/* A keeper that a failed test leaves ends with the namespace's last other process. */
int main(void)
{
	static const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_an_attached_interface_outlives_the_program_that_asked),
	    cmocka_unit_test(test_older_requests_do_the_same),
	};
	int skip = netns_enter_with_cable(INTERFACE, "loom1");

	if (skip)
		return skip;
	return cmocka_run_group_tests(tests, group_start, group_end);
}
