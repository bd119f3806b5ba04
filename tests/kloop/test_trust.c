/* SPDX-License-Identifier: BSD-2-Clause */
/* Programs that write anything into their arrays, and let go of things while a loop uses them. */
#include "end.h"

#include <time.h>
#include <unistd.h>

static void nap_us(unsigned us)
{
	const struct timespec time = {.tv_nsec = (long)us * 1000};

	nanosleep(&time, NULL);
}

static void kick(int fd)
{
	const uint64_t one = 1;

	assert_int_equal(write(fd, &one, sizeof one), sizeof one);
}

static void say(struct nm_csb_atok *atok, uint32_t head, uint32_t cur)
{
	__atomic_store_n(&atok->cur, cur, __ATOMIC_RELAXED);
	__atomic_store_n(&atok->head, head, __ATOMIC_SEQ_CST);
}

static bool has_taken(const struct end *end, uint32_t head)
{
	for (unsigned i = 0; i < 20000; i++) {
		if (__atomic_load_n(&end->ktoa[0].hwcur, __ATOMIC_ACQUIRE) == head)
			return true;
		nap_us(100);
	}
	return false;
}

/* Out of range or out of order: nothing is sent, and the loop goes on. */
static void a_bad_head_moves_nothing(void **state)
{
	static const struct {
		uint32_t head, cur;
	} bad[] = {{256, 256}, {UINT32_MAX, 0}, {0, 1000}, {0x80000000u, 0x80000000u}, {255, 255}};
	struct end end;

	(void)state;
	end_open(&end, "k{1", 1);
	end_eventfds(&end);
	end_start(&end);
	for (size_t i = 0; i < COUNT(bad); i++) {
		say(&end.atok[0], bad[i].head, bad[i].cur);
		say(&end.atok[1], bad[i].head, bad[i].cur);
		kick(end.io[0]);
		kick(end.io[1]);
		nap_us(2000);
		if (bad[i].head < 256 && bad[i].cur < 256)
			continue; /* as the module: in range, it is believed in the end */
		assert_int_equal(__atomic_load_n(&end.ktoa[0].hwcur, __ATOMIC_RELAXED), 0);
		assert_int_equal(__atomic_load_n(&end.ktoa[1].hwtail, __ATOMIC_RELAXED), 0);
	}
	say(&end.atok[0], 0, 0);
	say(&end.atok[1], 0, 0);
	kick(end.io[0]);
	assert_ok(end_stop(&end));
	assert_int_equal(end_join(&end), 0);
	end_close(&end);
}

static void a_good_head_after_a_bad_one_is_taken(void **state)
{
	struct end end;

	(void)state;
	end_open(&end, "k{1", 1);
	end_eventfds(&end);
	end_start(&end);
	say(&end.atok[0], 77777, 77777);
	kick(end.io[0]);
	nap_us(2000);
	say(&end.atok[0], 10, 10);
	kick(end.io[0]);
	assert_true(has_taken(&end, 10));
	assert_ok(end_stop(&end));
	assert_int_equal(end_join(&end), 0);
	end_close(&end);
}

static void arrays_full_of_rubbish_harm_nobody(void **state)
{
	struct end a, b;
	uint32_t seed = 1;

	(void)state;
	end_open(&a, "k{1", 1);
	end_open(&b, "k}1", 1);
	end_eventfds(&a);
	b.sleep_us = 0;
	end_start(&a);
	end_start(&b);
	for (unsigned i = 0; i < scaled(20000); i++) {
		struct end *end = i % 2 ? &a : &b;
		uint32_t *atok = (uint32_t *)end->atok, *ktoa = (uint32_t *)end->ktoa;
		uint32_t shift = random_next(&seed) % 32;

		__atomic_store_n(
		    &atok[random_next(&seed) % 32], random_next(&seed) >> shift, __ATOMIC_RELAXED);
		__atomic_store_n(
		    &ktoa[random_next(&seed) % 32], random_next(&seed) >> shift, __ATOMIC_RELAXED);
		if (i % 16 == 0)
			kick(a.io[i / 16 % 2]);
		if (i % 256 == 0)
			nap_us(50);
	}
	assert_ok(end_stop(&a));
	assert_ok(end_stop(&b));
	assert_int_equal(end_join(&a), 0);
	assert_int_equal(end_join(&b), 0);
	end_close(&a);
	end_close(&b);
}

/* What the loop tells the program is not what it believes itself. */
static void its_answers_are_not_its_memory(void **state)
{
	struct end end;

	(void)state;
	end_open(&end, "k{1", 1);
	end.sleep_us = 100;
	end_start(&end);
	__atomic_store_n(&end.ktoa[0].hwcur, 200, __ATOMIC_RELAXED);
	__atomic_store_n(&end.ktoa[0].hwtail, 3, __ATOMIC_RELAXED);
	say(&end.atok[0], 5, 5);
	assert_true(has_taken(&end, 5));
	nap_us(2000);
	assert_int_equal(__atomic_load_n(&end.ktoa[0].hwtail, __ATOMIC_ACQUIRE), 255);
	assert_ok(end_stop(&end));
	assert_int_equal(end_join(&end), 0);
	end_close(&end);
}

static void a_device_closed_under_a_loop_ends_it(void **state)
{
	(void)state;
	for (unsigned i = 0; i < scaled(50); i++) {
		struct end end;

		end_open(&end, "k{1", 1);
		end.sleep_us = 1000000;
		if (i % 2)
			end_eventfds(&end);
		end_start(&end);
		if (i % 3)
			nap_us(i * 10);
		end_close(&end); /* returns after the loop has */
		assert_int_equal(end_join(&end), 0);
	}
	assert_int_equal(scratch_files(), 0);
}

/* The loop has its own: a number that the program uses for something else is not written to. */
static void eventfds_closed_under_a_loop_stay_its_own(void **state)
{
	unsigned before = open_descriptors();
	struct end end;
	int ends[2];
	char byte;

	(void)state;
	end_open(&end, "k{1", 1);
	end_eventfds(&end);
	end_start(&end);
	assert_int_equal(pipe(ends), 0);
	assert_true(dup2(ends[1], end.irq[0]) >= 0);
	close(ends[1]);
	say(&end.atok[0], 5, 5);
	kick(end.io[0]);
	assert_true(has_taken(&end, 5));
	assert_ok(end_stop(&end));
	assert_int_equal(end_join(&end), 0);
	end_close(&end);
	assert_int_equal(read(ends[0], &byte, 1), 0);
	close(ends[0]);
	assert_int_equal(open_descriptors(), before);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(a_bad_head_moves_nothing),
	    cmocka_unit_test(a_good_head_after_a_bad_one_is_taken),
	    cmocka_unit_test(arrays_full_of_rubbish_harm_nobody),
	    cmocka_unit_test(its_answers_are_not_its_memory),
	    cmocka_unit_test(a_device_closed_under_a_loop_ends_it),
	    cmocka_unit_test(eventfds_closed_under_a_loop_stay_its_own),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
