/* SPDX-License-Identifier: BSD-2-Clause */
/* Packets through sync loops at both ends of a pipe, and what the loops cost meanwhile. */
#include "end.h"

#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#define PACKETS 120000u

struct way {
	struct guest *guest;
	uint32_t n;
	bool done;
};

static void *sender(void *arg)
{
	struct way *way = arg;

	way->done = guest_send(way->guest, 1, way->n);
	return NULL;
}

static void *receiver(void *arg)
{
	struct way *way = arg;

	way->done = guest_receive(way->guest, 1, way->n);
	return NULL;
}

static void join(pthread_t thread)
{
	struct timespec deadline;

	clock_gettime(CLOCK_REALTIME, &deadline);
	deadline.tv_sec += 100;
	assert_int_equal(pthread_timedjoin_np(thread, NULL, &deadline), 0);
}

/* From one guest to the other, each with a thread of its own. */
static void transfer(struct guest *from, struct guest *to, uint32_t n)
{
	struct way out = {.guest = from, .n = n}, in = {.guest = to, .n = n};
	pthread_t threads[2];

	assert_int_equal(pthread_create(&threads[0], NULL, receiver, &in), 0);
	assert_int_equal(pthread_create(&threads[1], NULL, sender, &out), 0);
	join(threads[1]);
	join(threads[0]);
	assert_false(to->damaged);
	assert_false(from->lost);
	assert_false(to->lost);
	assert_true(out.done);
	assert_true(in.done);
}

struct pair {
	struct end a, b;
};

static void pair_open(struct pair *pair, bool eventfds)
{
	end_open(&pair->a, "k{1", 1);
	end_open(&pair->b, "k}1", 1);
	pair->a.sleep_us = pair->b.sleep_us = 20;
	if (eventfds) {
		end_eventfds(&pair->a);
		end_eventfds(&pair->b);
	}
	end_start(&pair->a);
	end_start(&pair->b);
}

static void pair_close(struct pair *pair)
{
	assert_ok(end_stop(&pair->a));
	assert_ok(end_stop(&pair->b));
	assert_int_equal(end_join(&pair->a), 0);
	assert_int_equal(end_join(&pair->b), 0);
	end_close(&pair->a);
	end_close(&pair->b);
}

static void packets_arrive(bool eventfds)
{
	struct pair pair;

	pair_open(&pair, eventfds);
	transfer(&pair.a.tx, &pair.b.rx, scaled(PACKETS));
	transfer(&pair.b.tx, &pair.a.rx, scaled(PACKETS));
	pair_close(&pair);
}

static void packets_arrive_with_eventfds(void **state)
{
	(void)state;
	packets_arrive(true);
}

static void packets_arrive_without(void **state)
{
	(void)state;
	packets_arrive(false);
}

/* Both programs and both loops fall asleep between any two packets: no wakeup is lost on the way. */
static void every_packet_wakes_whoever_sleeps(void **state)
{
	const uint32_t n = scaled(1000);
	struct pair pair;

	(void)state;
	pair_open(&pair, true);
	pair.a.tx.pause_each = 1;
	transfer(&pair.a.tx, &pair.b.rx, n);
	assert_in_range(pair.b.rx.sleeps, n / 2, 4 * n);
	assert_in_range(pair.a.tx.kicks, n / 2, n);
	pair_close(&pair);
}

/* A receiver that sleeps longer than its ring is long: the sender waits for room, and is told of it. */
static void a_sender_is_told_of_room(void **state)
{
	struct pair pair;

	(void)state;
	pair_open(&pair, true);
	for (unsigned i = 0; i < scaled(50); i++) {
		struct way out = {.guest = &pair.a.tx, .n = 600};
		const struct timespec while_full = {.tv_nsec = 2000000};
		pthread_t thread;

		assert_int_equal(pthread_create(&thread, NULL, sender, &out), 0);
		nanosleep(&while_full, NULL);
		assert_true(guest_receive(&pair.b.rx, 1, 600));
		join(thread);
		assert_true(out.done);
	}
	assert_true(pair.a.tx.sleeps > 0);
	pair_close(&pair);
}

/* A loop that is awake wants no kicks, and a program that is awake gets no interrupts. */
static void who_is_awake_is_not_kicked(void **state)
{
	const uint32_t n = scaled(PACKETS);
	struct pair pair;

	(void)state;
	pair_open(&pair, true);
	transfer(&pair.a.tx, &pair.b.rx, n);
	assert_true(pair.a.tx.kicks + pair.b.rx.kicks < n / 4);
	assert_true(pair.a.tx.sleeps + pair.b.rx.sleeps < n / 4);
	pair_close(&pair);
}

static uint64_t cpu_us(void)
{
	struct rusage usage;

	assert_int_equal(getrusage(RUSAGE_SELF, &usage), 0);
	return (uint64_t)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) * 1000000u +
	       (uint64_t)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec);
}

static void an_idle_loop_with_eventfds_sleeps(void **state)
{
	const struct timespec settle = {.tv_nsec = 20000000}, watch = {.tv_nsec = 500000000};
	uint64_t before;
	struct pair pair;

	(void)state;
	pair_open(&pair, true);
	transfer(&pair.a.tx, &pair.b.rx, 100);
	nanosleep(&settle, NULL);
	before = cpu_us();
	nanosleep(&watch, NULL);
	assert_true(cpu_us() - before < 10000); /* of 500,000 in each of two loops */
	pair_close(&pair);
}

/* Also when the program leaves packets in the ring, or never sends what it has filled. */
static void a_loop_with_a_lazy_program_sleeps(void **state)
{
	const struct timespec settle = {.tv_nsec = 20000000}, watch = {.tv_nsec = 300000000};
	uint64_t before;
	struct pair pair;

	(void)state;
	pair_open(&pair, true);
	assert_true(guest_send(&pair.a.tx, 1, 100));
	assert_true(guest_receive(&pair.b.rx, 1, 10));
	nanosleep(&settle, NULL);
	before = cpu_us();
	nanosleep(&watch, NULL);
	assert_true(cpu_us() - before < 30000);
	assert_true(guest_receive(&pair.b.rx, 11, 90));
	pair_close(&pair);
}

static void a_stop_is_prompt(void **state)
{
	const struct timespec settle = {.tv_nsec = 5000000};

	(void)state;
	for (unsigned i = 0; i < 3; i++) {
		uint64_t before;
		struct end end;

		end_open(&end, "k{1", 1);
		end.sleep_us = i == 0 ? 0 : 1000000;
		if (i == 2)
			end_eventfds(&end);
		end_start(&end);
		nanosleep(&settle, NULL);
		before = now_ms();
		assert_ok(end_stop(&end));
		assert_true(now_ms() - before < 500);
		assert_int_equal(end_join(&end), 0);
		end_close(&end);
	}
}

/* As in netmap: without all ioeventfds the loop looks now and then, and still interrupts. */
static void irqfds_work_without_ioeventfds(void **state)
{
	struct pair pair;

	(void)state;
	end_open(&pair.a, "k{1", 1);
	end_open(&pair.b, "k}1", 1);
	pair.a.sleep_us = pair.b.sleep_us = 100;
	end_eventfds(&pair.a);
	end_eventfds(&pair.b);
	close(pair.b.io[1]);
	pair.b.io[1] = pair.b.rx.io = -1;
	end_start(&pair.a);
	end_start(&pair.b);
	transfer(&pair.a.tx, &pair.b.rx, scaled(20000));
	assert_true(pair.b.rx.sleeps > 0);
	assert_int_equal(pair.b.rx.kicks, 0);
	pair_close(&pair);
}

/* One eventfd for all rings: a kick is nobody's to read, so it cannot be read twice. */
static void rings_may_share_an_eventfd(void **state)
{
	struct pair pair;
	int own;

	(void)state;
	end_open(&pair.a, "k{1", 1);
	end_open(&pair.b, "k}1", 1);
	end_eventfds(&pair.a);
	end_eventfds(&pair.b);
	own = pair.b.io[1];
	pair.b.io[1] = pair.b.rx.io = pair.b.io[0];
	end_start(&pair.a);
	end_start(&pair.b);
	pair.a.tx.pause_each = pair.b.tx.pause_each = 1;
	transfer(&pair.a.tx, &pair.b.rx, scaled(200));
	transfer(&pair.b.tx, &pair.a.rx, scaled(200));
	assert_ok(end_stop(&pair.b));
	assert_int_equal(end_join(&pair.b), 0);
	pair.b.io[1] = own;
	end_start(&pair.b);
	pair_close(&pair);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(packets_arrive_with_eventfds),
	    cmocka_unit_test(packets_arrive_without),
	    cmocka_unit_test(every_packet_wakes_whoever_sleeps),
	    cmocka_unit_test(a_sender_is_told_of_room),
	    cmocka_unit_test(who_is_awake_is_not_kicked),
	    cmocka_unit_test(an_idle_loop_with_eventfds_sleeps),
	    cmocka_unit_test(a_loop_with_a_lazy_program_sleeps),
	    cmocka_unit_test(a_stop_is_prompt),
	    cmocka_unit_test(irqfds_work_without_ioeventfds),
	    cmocka_unit_test(rings_may_share_an_eventfd),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
