/* SPDX-License-Identifier: BSD-2-Clause */
/* Sync loops on interfaces, whose rings go on having news while a program leaves packets in them. */
#include "end.h"

#include <stdio.h>
#include <sys/resource.h>
#include <time.h>

#include "../e2e/netns.h"

static struct end near, far;

static int pair_open(void **state)
{
	(void)state;
	end_open(&near, "packet:loom0", 1);
	end_open(&far, "packet:loom1", 1);
	end_eventfds(&near);
	end_eventfds(&far);
	end_start(&near);
	end_start(&far);
	return 0;
}

static int pair_close(void **state)
{
	(void)state;
	assert_ok(end_stop(&near));
	assert_ok(end_stop(&far));
	assert_int_equal(end_join(&near), 0);
	assert_int_equal(end_join(&far), 0);
	end_close(&near);
	end_close(&far);
	return 0;
}

/* No more at once than the sockets hold: there is no back-pressure on a cable. */
static void packets_pass_between_interfaces(void **state)
{
	uint32_t number = 1;

	(void)state;
	for (unsigned i = 0; i < scaled(100); i++, number += 100) {
		assert_true(guest_send(&near.tx, number, 100));
		assert_true(guest_receive(&far.rx, number, 100));
		assert_true(guest_send(&far.tx, number, 100));
		assert_true(guest_receive(&near.rx, number, 100));
	}
}

static uint64_t cpu_us(void)
{
	struct rusage usage;

	assert_int_equal(getrusage(RUSAGE_SELF, &usage), 0);
	return (uint64_t)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) * 1000000u +
	       (uint64_t)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec);
}

static uint64_t cost_of(unsigned ms)
{
	const struct timespec settle = {.tv_nsec = 20000000};
	const struct timespec watch = {.tv_nsec = (long)ms * 1000000};
	uint64_t before;

	nanosleep(&settle, NULL);
	before = cpu_us();
	nanosleep(&watch, NULL);
	return cpu_us() - before;
}

static void an_idle_loop_sleeps(void **state)
{
	(void)state;
	assert_true(guest_send(&near.tx, 1, 100));
	assert_true(guest_receive(&far.rx, 1, 100));
	assert_true(cost_of(300) < 10000);
}

static void packets_left_in_the_ring_do_not_keep_it_awake(void **state)
{
	(void)state;
	assert_true(guest_send(&near.tx, 1, 100));
	assert_true(guest_receive(&far.rx, 1, 10));
	assert_true(cost_of(300) < 100000);
	/* … nor do they hide what comes after them. */
	assert_true(guest_send(&near.tx, 101, 100));
	assert_true(guest_receive(&far.rx, 11, 190));
}

/* Nor does it keep it awake: the loop looks now and then. */
static void a_link_that_is_down_does_not_end_it(void **state)
{
	(void)state;
	assert_int_equal(netns_up("loom0", false), 0);
	assert_true(cost_of(300) < 100000);
	assert_int_equal(netns_up("loom0", true), 0);
	assert_true(guest_send(&near.tx, 1, 100));
	assert_true(guest_receive(&far.rx, 1, 100));
}

static void an_interface_that_goes_away_leaves_it_to_be_stopped(void **state)
{
	struct end end;

	(void)state;
	assert_int_equal(netns_cable("loom2", "loom3"), 0);
	end_open(&end, "packet:loom2", 1);
	end_eventfds(&end);
	end_start(&end);
	assert_int_equal(netns_remove("loom2"), 0);
	assert_true(cost_of(100) < 50000);
	assert_ok(end_stop(&end));
	assert_int_equal(end_join(&end), 0);
	end_close(&end);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(packets_pass_between_interfaces, pair_open, pair_close),
	    cmocka_unit_test_setup_teardown(an_idle_loop_sleeps, pair_open, pair_close),
	    cmocka_unit_test_setup_teardown(
		packets_left_in_the_ring_do_not_keep_it_awake, pair_open, pair_close),
	    cmocka_unit_test_setup_teardown(
		a_link_that_is_down_does_not_end_it, pair_open, pair_close),
	    cmocka_unit_test(an_interface_that_goes_away_leaves_it_to_be_stopped),
	};
	int skip = netns_enter_with_cable("loom0", "loom1");

	if (skip)
		return skip;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
