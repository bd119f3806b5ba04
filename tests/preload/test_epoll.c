/* SPDX-License-Identifier: BSD-2-Clause */
/* epoll: levels and edges, nested instances, other descriptors beside, threads. */
#include "support.h"

#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <unistd.h>

struct pair {
	struct port master, slave;
	int epfd;
};

static struct pair pair_open(const char *id)
{
	char name[32];
	struct pair p;

	snprintf(name, sizeof name, "e{%s", id);
	p.master = port_open(name);
	snprintf(name, sizeof name, "e}%s", id);
	p.slave = port_open(name);
	p.epfd = epoll_create1(EPOLL_CLOEXEC);
	assert_true(p.epfd >= 0);
	return p;
}

static void pair_close(struct pair *p)
{
	close(p->epfd);
	port_close(&p->slave);
	port_close(&p->master);
}

static int ctl(int epfd, int operation, int fd, uint32_t events)
{
	struct epoll_event event = {.events = events, .data.fd = fd};

	return epoll_ctl(epfd, operation, fd, &event);
}

/** Wait for at most one event: its events, 0 when time is up. */
static uint32_t wait_one(int epfd, int timeout_ms)
{
	struct epoll_event event;
	int n = epoll_wait(epfd, &event, 1, timeout_ms);

	assert_in_range(n, 0, 1);
	return n ? event.events : 0;
}

static void test_a_level_is_reported_until_it_is_gone(void **state)
{
	struct pair p = pair_open("level");
	struct epoll_event event;

	(void)state;
	assert_int_equal(ctl(p.epfd, EPOLL_CTL_ADD, p.slave.fd, EPOLLIN), 0);
	assert_int_equal(wait_one(p.epfd, 20), 0);
	send_frame(&p.master, 1);
	assert_int_equal(epoll_wait(p.epfd, &event, 1, -1), 1);
	assert_int_equal(event.events, EPOLLIN);
	assert_int_equal(event.data.fd, p.slave.fd);
	assert_int_equal(nm_ring_space(p.slave.rx), 1); /* waiting has synced */
	assert_int_equal(wait_one(p.epfd, 0), EPOLLIN);
	assert_int_equal(take_frame(&p.slave), 1);
	assert_int_equal(wait_one(p.epfd, 0), 0);
	pair_close(&p);
}

static void test_control_is_as_strict_as_the_kernel(void **state)
{
	struct pair p = pair_open("ctl");
	int fd = p.slave.fd, file = open("/dev/null", O_RDWR);
	int *volatile nowhere = NULL;

	(void)state;
	assert_errno(ctl(p.epfd, EPOLL_CTL_MOD, fd, EPOLLIN), ENOENT);
	assert_errno(ctl(p.epfd, EPOLL_CTL_DEL, fd, 0), ENOENT);
	assert_int_equal(ctl(p.epfd, EPOLL_CTL_ADD, fd, EPOLLIN), 0);
	assert_errno(ctl(p.epfd, EPOLL_CTL_ADD, fd, EPOLLIN), EEXIST);
	assert_int_equal(ctl(p.epfd, EPOLL_CTL_MOD, fd, EPOLLOUT), 0);
	assert_int_equal(wait_one(p.epfd, 0), EPOLLOUT);
	assert_int_equal(ctl(p.epfd, EPOLL_CTL_MOD, fd, 0), 0);
	assert_int_equal(wait_one(p.epfd, 0), 0);
	assert_int_equal(epoll_ctl(p.epfd, EPOLL_CTL_DEL, fd, NULL), 0);
	assert_errno(ctl(p.epfd, EPOLL_CTL_DEL, fd, 0), ENOENT);
	assert_errno(ctl(p.epfd, 77, fd, EPOLLIN), EINVAL);
	assert_errno(epoll_ctl(p.epfd, EPOLL_CTL_ADD, fd, (void *)nowhere), EFAULT);
	assert_errno(ctl(file, EPOLL_CTL_ADD, fd, EPOLLIN), EINVAL);
	assert_errno(ctl(-1, EPOLL_CTL_ADD, fd, EPOLLIN), EBADF);
	assert_errno(ctl(fd, EPOLL_CTL_ADD, p.epfd, EPOLLIN), EINVAL);
	assert_errno(epoll_wait(fd, (void *)nowhere, 1, 0), EINVAL);
	assert_errno(epoll_wait(p.epfd, (void *)nowhere, 0, 0), EINVAL);
	close(file);
	pair_close(&p);
}

static void test_an_edge_is_reported_once(void **state)
{
	struct pair p = pair_open("edge");

	(void)state;
	assert_int_equal(ctl(p.epfd, EPOLL_CTL_ADD, p.slave.fd, EPOLLIN | EPOLLET), 0);
	send_frame(&p.master, 1);
	assert_int_equal(wait_one(p.epfd, 0), EPOLLIN);
	assert_int_equal(wait_one(p.epfd, 20), 0);
	send_frame(&p.master, 2);
	assert_int_equal(wait_one(p.epfd, 0), EPOLLIN);
	assert_int_equal(wait_one(p.epfd, 0), 0);
	assert_int_equal(ctl(p.epfd, EPOLL_CTL_MOD, p.slave.fd, EPOLLIN | EPOLLET), 0);
	assert_int_equal(wait_one(p.epfd, 0), EPOLLIN); /* armed anew */
	assert_int_equal(wait_one(p.epfd, 0), 0);
	pair_close(&p);
}

static void test_an_edge_of_room_does_not_spin(void **state)
{
	struct port port = port_open("null:edge");
	int epfd = epoll_create1(0);

	(void)state;
	assert_int_equal(ctl(epfd, EPOLL_CTL_ADD, port.fd, EPOLLOUT | EPOLLET), 0);
	assert_int_equal(wait_one(epfd, 0), EPOLLOUT);
	assert_int_equal(wait_one(epfd, 30), 0);
	close(epfd);
	port_close(&port);
}

static void test_one_shot_fires_once(void **state)
{
	struct pair p = pair_open("shot");

	(void)state;
	assert_int_equal(ctl(p.epfd, EPOLL_CTL_ADD, p.slave.fd, EPOLLIN | EPOLLONESHOT), 0);
	send_frame(&p.master, 1);
	assert_int_equal(wait_one(p.epfd, 0), EPOLLIN);
	assert_int_equal(wait_one(p.epfd, 20), 0);
	assert_int_equal(ctl(p.epfd, EPOLL_CTL_MOD, p.slave.fd, EPOLLIN | EPOLLONESHOT), 0);
	assert_int_equal(wait_one(p.epfd, 0), EPOLLIN);
	pair_close(&p);
}

static void test_an_unbound_descriptor_is_an_error(void **state)
{
	int epfd = epoll_create(1), fd = netmap_open();

	(void)state;
	assert_int_equal(ctl(epfd, EPOLL_CTL_ADD, fd, EPOLLIN), 0);
	assert_int_equal(wait_one(epfd, -1), EPOLLERR);
	close(fd);
	close(epfd);
}

static void test_closing_removes(void **state)
{
	struct pair p = pair_open("close");
	int duplicate = dup(p.slave.fd);

	(void)state;
	send_frame(&p.master, 1);
	assert_int_equal(ctl(p.epfd, EPOLL_CTL_ADD, p.slave.fd, EPOLLIN), 0);
	assert_int_equal(wait_one(p.epfd, 0), EPOLLIN);
	close(p.slave.fd); /* a duplicate keeps it, and the mapping does not */
	assert_int_equal(wait_one(p.epfd, 0), EPOLLIN);
	close(duplicate);
	assert_int_equal(wait_one(p.epfd, 0), 0);
	p.slave.fd = netmap_open();
	assert_int_equal(ctl(p.epfd, EPOLL_CTL_ADD, p.slave.fd, EPOLLIN), 0);
	assert_int_equal(wait_one(p.epfd, 0), EPOLLERR);
	pair_close(&p);
}

static void test_an_instance_may_have_duplicates(void **state)
{
	struct pair p = pair_open("dup");
	int duplicate = dup(p.epfd);

	(void)state;
	assert_int_equal(ctl(p.epfd, EPOLL_CTL_ADD, p.slave.fd, EPOLLIN), 0);
	send_frame(&p.master, 1);
	close(p.epfd);
	assert_int_equal(wait_one(duplicate, 0), EPOLLIN);
	p.epfd = duplicate;
	pair_close(&p);
}

/* ---- beside others ---- */

static void test_neither_side_starves_the_other(void **state)
{
	struct pair p = pair_open("fair");
	struct epoll_event events[8];
	unsigned netmap = 0, others = 0;
	int ends[2];

	(void)state;
	assert_int_equal(pipe(ends), 0);
	assert_int_equal(ctl(p.epfd, EPOLL_CTL_ADD, p.slave.fd, EPOLLIN), 0);
	assert_int_equal(ctl(p.epfd, EPOLL_CTL_ADD, ends[0], EPOLLIN), 0);
	assert_int_equal(write(ends[1], "x", 1), 1);
	assert_int_equal(epoll_wait(p.epfd, events, 8, 0), 1);
	send_frame(&p.master, 1);
	assert_int_equal(epoll_wait(p.epfd, events, 8, 0), 2);
	for (int i = 0; i < 10; i++) {
		assert_int_equal(epoll_wait(p.epfd, events, 1, 0), 1);
		netmap += events[0].data.fd == p.slave.fd;
		others += events[0].data.fd == ends[0];
	}
	assert_int_equal(netmap, 5);
	assert_int_equal(others, 5);
	close(ends[0]);
	close(ends[1]);
	pair_close(&p);
}

static void test_no_netmap_descriptor_starves_another(void **state)
{
	struct pair a = pair_open("a"), b = pair_open("b");
	unsigned seen[2] = {0, 0};
	struct epoll_event event;

	(void)state;
	ctl(a.epfd, EPOLL_CTL_ADD, a.slave.fd, EPOLLIN);
	ctl(a.epfd, EPOLL_CTL_ADD, b.slave.fd, EPOLLIN);
	send_frame(&a.master, 1);
	send_frame(&b.master, 1);
	for (int i = 0; i < 10; i++) {
		assert_int_equal(epoll_wait(a.epfd, &event, 1, 0), 1);
		seen[event.data.fd == b.slave.fd]++;
	}
	assert_int_equal(seen[0], 5);
	assert_int_equal(seen[1], 5);
	pair_close(&a);
	pair_close(&b);
}

struct action {
	struct pair *pair;
	int fd;
	int epfd;
};

static void *sends_later(void *arg)
{
	const struct action *action = arg;

	sleep_ms(20);
	if (action->fd >= 0)
		assert_int_equal(write(action->fd, "x", 1), 1);
	else
		send_frame(&action->pair->master, 1);
	return NULL;
}

static void test_a_sleeper_is_woken_by_either(void **state)
{
	struct pair p = pair_open("either");
	int ends[2];
	struct action action = {.pair = &p};
	struct epoll_event event;
	const struct timespec long_time = {.tv_sec = 10};
	pthread_t thread;

	(void)state;
	assert_int_equal(pipe(ends), 0);
	assert_int_equal(ctl(p.epfd, EPOLL_CTL_ADD, p.slave.fd, EPOLLIN), 0);
	assert_int_equal(ctl(p.epfd, EPOLL_CTL_ADD, ends[0], EPOLLIN | EPOLLET), 0);
	action.fd = ends[1];
	pthread_create(&thread, NULL, sends_later, &action);
	assert_int_equal(epoll_pwait(p.epfd, &event, 1, -1, NULL), 1);
	assert_int_equal(event.data.fd, ends[0]);
	pthread_join(thread, NULL);
	action.fd = -1;
	pthread_create(&thread, NULL, sends_later, &action);
	assert_int_equal(epoll_pwait2(p.epfd, &event, 1, &long_time, NULL), 1);
	assert_int_equal(event.data.fd, p.slave.fd);
	pthread_join(thread, NULL);
	close(ends[0]);
	close(ends[1]);
	pair_close(&p);
}

/* ---- instances inside others ---- */

static void test_an_instance_is_readable_when_netmap_in_it_is(void **state)
{
	struct pair p = pair_open("nest");
	int outer = epoll_create1(0), outermost = epoll_create1(0);
	struct pollfd pfd = {.fd = p.epfd, .events = POLLIN};

	(void)state;
	/* Put together before there is any netmap in it. */
	assert_int_equal(ctl(outermost, EPOLL_CTL_ADD, outer, EPOLLIN), 0);
	assert_int_equal(ctl(outer, EPOLL_CTL_ADD, p.epfd, EPOLLIN), 0);
	assert_errno(ctl(p.epfd, EPOLL_CTL_ADD, outermost, EPOLLIN), ELOOP);
	assert_int_equal(ctl(p.epfd, EPOLL_CTL_ADD, p.slave.fd, EPOLLIN), 0);
	assert_int_equal(poll(&pfd, 1, 0), 0);
	assert_int_equal(wait_one(outermost, 0), 0);
	send_frame(&p.master, 1);
	assert_int_equal(poll(&pfd, 1, -1), 1);
	assert_int_equal(pfd.revents, POLLIN);
	assert_int_equal(wait_one(outer, 0), EPOLLIN);
	assert_int_equal(wait_one(outermost, -1), EPOLLIN);
	assert_int_equal(wait_one(p.epfd, 0), EPOLLIN);
	assert_int_equal(take_frame(&p.slave), 1);
	assert_int_equal(wait_one(outermost, 0), 0);
	assert_int_equal(ctl(outer, EPOLL_CTL_DEL, p.epfd, 0), 0);
	send_frame(&p.master, 2);
	assert_int_equal(wait_one(outermost, 0), 0);
	close(outer);
	close(outermost);
	pair_close(&p);
}

static void test_a_nested_instance_is_reported_once(void **state)
{
	struct pair p = pair_open("once");
	int outer = epoll_create1(0), ends[2];
	struct epoll_event events[4];

	(void)state;
	assert_int_equal(pipe(ends), 0);
	ctl(outer, EPOLL_CTL_ADD, p.epfd, EPOLLIN);
	ctl(p.epfd, EPOLL_CTL_ADD, p.slave.fd, EPOLLIN);
	ctl(p.epfd, EPOLL_CTL_ADD, p.master.fd, EPOLLOUT);
	ctl(p.epfd, EPOLL_CTL_ADD, ends[0], EPOLLIN);
	send_frame(&p.master, 1);
	assert_int_equal(write(ends[1], "x", 1), 1);
	assert_int_equal(epoll_wait(outer, events, 4, 0), 1);
	close(ends[0]);
	close(ends[1]);
	close(outer);
	pair_close(&p);
}

/* ---- threads ---- */

static void *waits(void *arg)
{
	const struct action *action = arg;

	return (void *)(uintptr_t)wait_one(action->epfd, 10000);
}

static void *polls(void *arg)
{
	struct pollfd pfd = {.fd = ((const struct action *)arg)->epfd, .events = POLLIN};

	poll(&pfd, 1, 10000);
	return (void *)(uintptr_t)pfd.revents;
}

/*
 * Another thread adds to an instance that somebody sleeps on, first when there is nothing of netmap in
 * it, then when there is; directly, through poll(), and through an instance around it.
 */
static void test_what_is_added_during_sleep_wakes(void **state)
{
	(void)state;
	for (int round = 0; round < 6; round++) {
		struct pair p = pair_open("during"), other = pair_open("silent");
		int outer = epoll_create1(0);
		struct action action = {.epfd = round % 3 == 2 ? outer : p.epfd};
		uint64_t start = now_ms();
		pthread_t thread;
		void *result;

		ctl(outer, EPOLL_CTL_ADD, p.epfd, EPOLLIN);
		if (round >= 3)
			ctl(p.epfd, EPOLL_CTL_ADD, other.slave.fd, EPOLLIN);
		pthread_create(&thread, NULL, round % 3 == 1 ? polls : waits, &action);
		sleep_ms(20);
		send_frame(&p.master, 1);
		assert_int_equal(ctl(p.epfd, EPOLL_CTL_ADD, p.slave.fd, EPOLLIN), 0);
		pthread_join(thread, &result);
		assert_int_equal((uintptr_t)result, EPOLLIN);
		assert_true(now_ms() - start < 5000);
		assert_int_equal(
		    wait_one(p.epfd, 0), EPOLLIN); /* the instance is quiet otherwise */
		take_frame(&p.slave);
		assert_int_equal(wait_one(p.epfd, 0), 0);
		assert_int_equal(wait_one(outer, 0), 0);
		close(outer);
		pair_close(&p);
		pair_close(&other);
	}
}

struct crowd {
	struct pair *pair;
	unsigned reported; /* atomic */
	bool stop;         /* atomic */
};

static void *one_shot_worker(void *arg)
{
	struct crowd *crowd = arg;

	while (!__atomic_load_n(&crowd->stop, __ATOMIC_ACQUIRE))
		if (wait_one(crowd->pair->epfd, 5))
			__atomic_add_fetch(&crowd->reported, 1, __ATOMIC_RELAXED);
	return NULL;
}

static void test_one_shot_is_one_among_threads(void **state)
{
	struct pair p = pair_open("crowd");
	struct crowd crowd = {.pair = &p};
	pthread_t threads[4];

	(void)state;
	send_frame(&p.master, 1);
	for (size_t i = 0; i < COUNT(threads); i++)
		pthread_create(&threads[i], NULL, one_shot_worker, &crowd);
	ctl(p.epfd, EPOLL_CTL_ADD, p.slave.fd, EPOLLIN | EPOLLONESHOT);
	for (unsigned shot = 1; shot <= 50; shot++) {
		uint64_t start = now_ms();

		while (__atomic_load_n(&crowd.reported, __ATOMIC_RELAXED) < shot)
			assert_true(now_ms() - start < 5000);
		assert_int_equal(__atomic_load_n(&crowd.reported, __ATOMIC_RELAXED), shot);
		ctl(p.epfd, EPOLL_CTL_MOD, p.slave.fd, EPOLLIN | EPOLLONESHOT);
	}
	sleep_ms(20);
	assert_int_equal(__atomic_load_n(&crowd.reported, __ATOMIC_RELAXED), 51);
	__atomic_store_n(&crowd.stop, true, __ATOMIC_RELEASE);
	for (size_t i = 0; i < COUNT(threads); i++)
		pthread_join(threads[i], NULL);
	pair_close(&p);
}

static void *changes_all_the_time(void *arg)
{
	struct crowd *crowd = arg;
	int fd = crowd->pair->slave.fd;

	while (!__atomic_load_n(&crowd->stop, __ATOMIC_ACQUIRE)) {
		ctl(crowd->pair->epfd, EPOLL_CTL_ADD, fd, EPOLLIN);
		ctl(crowd->pair->epfd, EPOLL_CTL_MOD, fd, EPOLLIN | EPOLLET);
		ctl(crowd->pair->epfd, EPOLL_CTL_DEL, fd, 0);
	}
	return NULL;
}

static void test_changing_under_waits_is_safe(void **state)
{
	struct pair p = pair_open("change");
	struct crowd crowd = {.pair = &p};
	pthread_t threads[4];

	(void)state;
	send_frame(&p.master, 1);
	for (size_t i = 0; i < COUNT(threads); i++)
		pthread_create(
		    &threads[i], NULL, i == 0 ? changes_all_the_time : one_shot_worker, &crowd);
	sleep_ms(200);
	__atomic_store_n(&crowd.stop, true, __ATOMIC_RELEASE);
	for (size_t i = 0; i < COUNT(threads); i++)
		pthread_join(threads[i], NULL);
	ctl(p.epfd, EPOLL_CTL_ADD, p.slave.fd, EPOLLIN);
	assert_int_equal(wait_one(p.epfd, 0), EPOLLIN);
	take_frame(&p.slave);
	assert_int_equal(wait_one(p.epfd, 20), 0); /* the kick has been taken back */
	pair_close(&p);
}

static int waits_in_child(void *arg)
{
	struct pair *p = arg;

	return wait_one(p->epfd, 5000) == EPOLLIN && take_frame(&p->slave) == 4 ? 0 : 1;
}

static void test_a_child_has_the_instance_too(void **state)
{
	struct pair p = pair_open("child");
	pid_t child;

	(void)state;
	ctl(p.epfd, EPOLL_CTL_ADD, p.slave.fd, EPOLLIN);
	child = child_start(waits_in_child, &p);
	sleep_ms(10);
	send_frame(&p.master, 4);
	assert_int_equal(child_wait(child), 0);
	pair_close(&p);
}

static void test_nothing_is_left_open(void **state)
{
	unsigned before = open_descriptors();

	(void)state;
	for (int i = 0; i < 10; i++) {
		struct pair p = pair_open("leak");

		ctl(p.epfd, EPOLL_CTL_ADD, p.slave.fd, EPOLLIN);
		wait_one(p.epfd, 1);
		pair_close(&p);
	}
	assert_int_equal(open_descriptors(), before);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_a_level_is_reported_until_it_is_gone),
	    cmocka_unit_test(test_control_is_as_strict_as_the_kernel),
	    cmocka_unit_test(test_an_edge_is_reported_once),
	    cmocka_unit_test(test_an_edge_of_room_does_not_spin),
	    cmocka_unit_test(test_one_shot_fires_once),
	    cmocka_unit_test(test_an_unbound_descriptor_is_an_error),
	    cmocka_unit_test(test_closing_removes),
	    cmocka_unit_test(test_an_instance_may_have_duplicates),
	    cmocka_unit_test(test_neither_side_starves_the_other),
	    cmocka_unit_test(test_no_netmap_descriptor_starves_another),
	    cmocka_unit_test(test_a_sleeper_is_woken_by_either),
	    cmocka_unit_test(test_an_instance_is_readable_when_netmap_in_it_is),
	    cmocka_unit_test(test_a_nested_instance_is_reported_once),
	    cmocka_unit_test(test_what_is_added_during_sleep_wakes),
	    cmocka_unit_test(test_one_shot_is_one_among_threads),
	    cmocka_unit_test(test_changing_under_waits_is_safe),
	    cmocka_unit_test(test_a_child_has_the_instance_too),
	    cmocka_unit_test(test_nothing_is_left_open),
	};

	return cmocka_run_group_tests(tests, group_start, group_end);
}
