/* SPDX-License-Identifier: BSD-2-Clause */
/* loom_thread_pin(): the calling thread alone, on the CPU asked for, or a reason and no change. */
#include "support.h"

#include <pktloom/thread.h>

#include <pthread.h>
#include <sched.h>
#include <stdio.h>

static cpu_set_t everywhere;

static int remember(void **state)
{
	(void)state;
	return pthread_getaffinity_np(pthread_self(), sizeof everywhere, &everywhere);
}

static int unpin(void **state)
{
	(void)state;
	return pthread_setaffinity_np(pthread_self(), sizeof everywhere, &everywhere);
}

static cpu_set_t mask_now(void)
{
	cpu_set_t set;

	assert_int_equal(pthread_getaffinity_np(pthread_self(), sizeof set, &set), 0);
	return set;
}

static void assert_only(unsigned cpu)
{
	cpu_set_t set = mask_now();

	assert_int_equal(CPU_COUNT(&set), 1);
	assert_true(CPU_ISSET((size_t)cpu, &set));
	assert_int_equal(sched_getcpu(), cpu);
}

static void every_usable_cpu_can_be_pinned_to(void **state)
{
	(void)state;
	for (unsigned cpu = 0; cpu < CPU_SETSIZE; cpu++) {
		if (!CPU_ISSET((size_t)cpu, &everywhere))
			continue;
		assert_int_equal(loom_thread_pin(cpu), 0);
		assert_only(cpu);
	}
}

static void *pin_to(void *argument)
{
	const unsigned *cpu = argument;

	assert_int_equal(loom_thread_pin(*cpu), 0);
	assert_only(*cpu);
	return NULL;
}

static void other_threads_stay_where_they_were(void **state)
{
	unsigned cpu = 0;
	cpu_set_t set;
	pthread_t other;

	(void)state;
	while (!CPU_ISSET((size_t)cpu, &everywhere))
		cpu++;
	assert_int_equal(pthread_create(&other, NULL, pin_to, &cpu), 0);
	assert_int_equal(pthread_join(other, NULL), 0);
	set = mask_now();
	assert_true(CPU_EQUAL(&set, &everywhere));
}

/* The first one is a number that a mask has room for, where no machine of the tests has a CPU. */
static void a_cpu_that_is_not_there_is_refused_and_nothing_changes(void **state)
{
	static const unsigned absent[] = {CPU_SETSIZE - 1, CPU_SETSIZE, UINT32_MAX};

	(void)state;
	for (size_t i = 0; i < sizeof absent / sizeof *absent; i++) {
		char number[16], first[16];
		cpu_set_t set;
		unsigned cpu = 0;

		assert_int_equal(loom_thread_pin(absent[i]), -EINVAL);
		snprintf(number, sizeof number, "CPU %u:", absent[i]);
		assert_non_null(strstr(loom_error(), number));
		while (!CPU_ISSET((size_t)cpu, &everywhere))
			cpu++;
		snprintf(first, sizeof first, "CPUs %u", cpu);
		assert_non_null(strstr(loom_error(), first));
		set = mask_now();
		assert_true(CPU_EQUAL(&set, &everywhere));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_teardown(every_usable_cpu_can_be_pinned_to, unpin),
	    cmocka_unit_test_teardown(other_threads_stay_where_they_were, unpin),
	    cmocka_unit_test_teardown(
		a_cpu_that_is_not_there_is_refused_and_nothing_changes, unpin),
	};

	return cmocka_run_group_tests(tests, remember, NULL);
}
