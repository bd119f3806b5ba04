/* SPDX-License-Identifier: BSD-2-Clause */
/* A descriptor that a child has inherited: loops are stopped from there, and outlived. */
#include "end.h"

#include <signal.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static int stop_in_child(void *arg)
{
	return end_stop(arg) == 0 ? 0 : 1;
}

static void a_child_stops_its_parents_loop(void **state)
{
	struct end end;

	(void)state;
	for (unsigned i = 0; i < 2; i++) {
		end_open(&end, "k{1", 1);
		end.sleep_us = 1000000;
		if (i)
			end_eventfds(&end);
		end_start(&end);
		assert_int_equal(child_wait(child_start(stop_in_child, &end)), 0);
		assert_int_equal(end_join(&end), 0);
		end_close(&end);
	}
}

static int close_in_child(void *arg)
{
	struct end *end = arg;

	end->device->ops->close(end->device);
	return 0;
}

static void a_child_that_closes_leaves_it_alone(void **state)
{
	const struct timespec moment = {.tv_nsec = 20000000};
	struct end end;

	(void)state;
	end_open(&end, "k{1", 1);
	end_eventfds(&end);
	end_start(&end);
	assert_int_equal(child_wait(child_start(close_in_child, &end)), 0);
	nanosleep(&moment, NULL);
	assert_refused(end_run(&end), -EBUSY, "running");
	assert_ok(end_stop(&end));
	assert_int_equal(end_join(&end), 0);
	end_close(&end);
}

static int run_in_child(void *arg)
{
	return -end_run(arg);
}

/* The child's place is free again, although nobody gave it back. */
static void a_killed_runner_is_none(void **state)
{
	struct end end;
	pid_t child;

	(void)state;
	end_open(&end, "k{1", 1);
	end_eventfds(&end);
	end_expect(&end);
	child = child_start(run_in_child, &end);
	end_await(&end);
	assert_refused(end_run(&end), -EBUSY, "running");
	kill(child, SIGKILL);
	assert_int_equal(child_wait(child), -SIGKILL);
	end_start(&end);
	assert_ok(end_stop(&end));
	assert_int_equal(end_join(&end), 0);
	end_close(&end);
}

static void a_stop_for_a_killed_runner_returns(void **state)
{
	struct end end;
	pid_t child;

	(void)state;
	end_open(&end, "k{1", 1);
	end_eventfds(&end);
	end_expect(&end);
	child = child_start(run_in_child, &end);
	end_await(&end);
	kill(child, SIGKILL);
	assert_int_equal(child_wait(child), -SIGKILL);
	assert_ok(end_stop(&end));
	end_close(&end);
	assert_int_equal(scratch_files(), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(a_child_stops_its_parents_loop),
	    cmocka_unit_test(a_child_that_closes_leaves_it_alone),
	    cmocka_unit_test(a_killed_runner_is_none),
	    cmocka_unit_test(a_stop_for_a_killed_runner_returns),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
