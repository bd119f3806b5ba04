/* SPDX-License-Identifier: BSD-2-Clause */
/* poll, ppoll, select, pselect: they sync, wait, and mix with other descriptors. */
#include "support.h"

#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/select.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#include <linux/filter.h>
#include <linux/seccomp.h>

static short poll_one(int fd, short events, int timeout_ms)
{
	struct pollfd pfd = {.fd = fd, .events = events, .revents = 0x7fff};
	int n = poll(&pfd, 1, timeout_ms);

	assert_true(n >= 0);
	assert_int_equal(n, pfd.revents != 0);
	return pfd.revents;
}

/* ---- side effects ---- */

static void test_poll_moves_packets_both_ways(void **state)
{
	struct port master = port_open("w{sync"), slave = port_open("w}sync");

	(void)state;
	put_frames(&master, 2, 1);
	assert_int_equal(poll_one(slave.fd, POLLIN, 0), 0);
	assert_int_equal(poll_one(master.fd, POLLIN, 0), 0); /* flushes TX, does not tell of room */
	assert_int_equal(poll_one(slave.fd, POLLIN, 0), POLLIN);
	assert_int_equal(take_frame(&slave), 1);
	assert_int_equal(take_frame(&slave), 2);
	assert_int_equal(poll_one(slave.fd, POLLIN, 0), 0); /* gives back */
	assert_int_equal(poll_one(master.fd, POLLOUT, 0), POLLOUT);
	assert_int_equal(nm_ring_space(master.tx), master.tx->num_slots - 1);
	port_close(&master);
	port_close(&slave);
}

static void test_synonyms_of_events_are_answered_in_kind(void **state)
{
	struct port master = port_open("w{kind"), slave = port_open("w}kind");

	(void)state;
	send_frame(&master, 1);
	assert_int_equal(poll_one(slave.fd, POLLRDNORM, 0), POLLRDNORM);
	assert_int_equal(
	    poll_one(slave.fd, POLLIN | POLLRDNORM | POLLOUT | POLLWRNORM | POLLPRI, 0),
	    POLLIN | POLLRDNORM | POLLOUT | POLLWRNORM);
	port_close(&master);
	port_close(&slave);
}

static void test_an_unbound_descriptor_is_an_error(void **state)
{
	int fd = netmap_open();
	fd_set in, out;

	(void)state;
	assert_int_equal(poll_one(fd, POLLIN | POLLOUT, -1), POLLERR);
	assert_int_equal(poll_one(fd, 0, -1), POLLERR);
	FD_ZERO(&in);
	FD_ZERO(&out);
	FD_SET(fd, &in);
	FD_SET(fd, &out);
	assert_int_equal(select(fd + 1, &in, &out, NULL, NULL), 2);
	assert_true(FD_ISSET(fd, &in) && FD_ISSET(fd, &out));
	close(fd);
}

static void test_a_bad_head_is_told_once(void **state)
{
	struct port port = port_open("w{bad");

	(void)state;
	port.tx->head = port.tx->num_slots + 5;
	assert_int_equal(poll_one(port.fd, POLLOUT, 0), POLLOUT | POLLERR);
	assert_int_equal(poll_one(port.fd, POLLOUT, 0), POLLOUT);
	port_close(&port);
}

/* ---- time ---- */

static void test_time_runs_out(void **state)
{
	struct port port = port_open("w{time");
	const struct timespec time = {.tv_nsec = 30000000}, bad = {.tv_nsec = 1000000000};
	struct pollfd pfd = {.fd = port.fd, .events = POLLIN};
	struct timeval tv = {.tv_usec = 30000};
	uint64_t start = now_ms();
	fd_set in;

	(void)state;
	assert_int_equal(poll(&pfd, 1, 30), 0);
	assert_int_equal(ppoll(&pfd, 1, &time, NULL), 0);
	FD_ZERO(&in);
	FD_SET(port.fd, &in);
	assert_int_equal(select(port.fd + 1, &in, NULL, NULL, &tv), 0);
	assert_int_equal(tv.tv_sec + tv.tv_usec, 0);
	assert_false(FD_ISSET(port.fd, &in));
	FD_SET(port.fd, &in);
	assert_int_equal(pselect(port.fd + 1, &in, NULL, NULL, &time, NULL), 0);
	assert_in_range(now_ms() - start, 4 * 30 - 1, 4 * 30 + 2000);
	assert_errno(ppoll(&pfd, 1, &bad, NULL), EINVAL);
	port_close(&port);
}

struct later {
	struct port *port;
	unsigned delay_ms;
	int fd;
};

static void *sends_later(void *arg)
{
	const struct later *later = arg;

	sleep_ms(later->delay_ms);
	if (later->port)
		send_frame(later->port, 9);
	else
		assert_int_equal(write(later->fd, "x", 1), 1);
	return NULL;
}

static void test_a_sleeper_is_woken_by_a_packet(void **state)
{
	struct port master = port_open("w{wake"), slave = port_open("w}wake");
	struct later later = {.port = &master, .delay_ms = 20};
	pthread_t thread;
	fd_set in;

	(void)state;
	for (int round = 0; round < 4; round++) {
		assert_int_equal(pthread_create(&thread, NULL, sends_later, &later), 0);
		if (round & 1) {
			FD_ZERO(&in);
			FD_SET(slave.fd, &in);
			assert_int_equal(select(slave.fd + 1, &in, NULL, NULL, NULL), 1);
			assert_true(FD_ISSET(slave.fd, &in));
		} else {
			assert_int_equal(poll_one(slave.fd, POLLIN, -1), POLLIN);
		}
		assert_int_equal(take_frame(&slave), 9);
		pthread_join(thread, NULL);
	}
	port_close(&master);
	port_close(&slave);
}

static void test_a_full_sender_is_woken_by_room(void **state)
{
	struct port master = port_open("w{room"), slave = port_open("w}room");
	struct later later = {.port = &slave, .delay_ms = 20};
	pthread_t thread;

	(void)state;
	put_frames(&master, master.tx->num_slots - 1, 0);
	assert_int_equal(poll_one(master.fd, POLLOUT, 10), 0);
	sync_rx(&slave);
	slave.rx->head = slave.rx->cur = slave.rx->tail;
	/* The other side gives back in its next sync of RX; here that is a poll. */
	assert_int_equal(pthread_create(&thread, NULL, sends_later, &later), 0);
	assert_int_equal(poll_one(master.fd, POLLOUT | POLLIN, 5000), POLLIN);
	pthread_join(thread, NULL);
	assert_int_equal(poll_one(slave.fd, POLLIN, 0), 0);
	assert_int_equal(poll_one(master.fd, POLLOUT, -1), POLLOUT);
	port_close(&master);
	port_close(&slave);
}

/* ---- together with others ---- */

static void test_other_descriptors_are_reported_with_it(void **state)
{
	struct port master = port_open("w{mix"), slave = port_open("w}mix");
	struct pollfd pfds[] = {{.fd = slave.fd, .events = POLLIN}, {.fd = -1, .events = POLLIN},
	    {.events = POLLIN}, {.fd = 4000, .events = POLLIN}};
	int ends[2];

	(void)state;
	assert_int_equal(pipe(ends), 0);
	pfds[2].fd = ends[0];
	assert_int_equal(poll(pfds, 3, 0), 0);
	assert_int_equal(write(ends[1], "x", 1), 1);
	assert_int_equal(poll(pfds, 3, -1), 1);
	assert_int_equal(pfds[2].revents, POLLIN);
	send_frame(&master, 1);
	assert_int_equal(poll(pfds, 4, -1), 3);
	assert_int_equal(pfds[0].revents, POLLIN);
	assert_int_equal(pfds[1].revents, 0);
	assert_int_equal(pfds[2].revents, POLLIN);
	assert_int_equal(pfds[3].revents, POLLNVAL);
	close(ends[0]);
	close(ends[1]);
	port_close(&master);
	port_close(&slave);
}

static void test_a_sleeper_is_woken_by_any_of_them(void **state)
{
	struct port slave = port_open("w}any");
	int ends[2];
	struct later later = {.delay_ms = 20};
	pthread_t thread;
	fd_set in, out;

	(void)state;
	assert_int_equal(pipe(ends), 0);
	later.fd = ends[1];
	assert_int_equal(pthread_create(&thread, NULL, sends_later, &later), 0);
	FD_ZERO(&in);
	FD_ZERO(&out);
	FD_SET(slave.fd, &in);
	FD_SET(ends[0], &in);
	assert_int_equal(select(64, &in, &out, NULL, NULL), 1);
	assert_true(FD_ISSET(ends[0], &in));
	assert_false(FD_ISSET(slave.fd, &in));
	pthread_join(thread, NULL);
	FD_SET(slave.fd, &in);
	FD_SET(63, &in);
	assert_errno(select(64, &in, NULL, NULL, NULL), EBADF);
	close(ends[0]);
	close(ends[1]);
	port_close(&slave);
}

static void test_many_descriptors_at_once(void **state)
{
	enum { PORTS = 40, OTHERS = 200 };
	struct port ports[PORTS], peer = port_open("w}39");
	struct pollfd pfds[PORTS + OTHERS];
	char name[16];
	int ends[2];

	(void)state;
	assert_int_equal(pipe(ends), 0);
	for (int i = 0; i < PORTS + OTHERS; i++) {
		if (i < PORTS) {
			snprintf(name, sizeof name, "w{%d", i);
			ports[i] = port_open(name);
		}
		pfds[i] =
		    (struct pollfd){.fd = i < PORTS ? ports[i].fd : ends[0], .events = POLLIN};
	}
	assert_int_equal(poll(pfds, COUNT(pfds), 20), 0);
	send_frame(&peer, 3);
	assert_int_equal(poll(pfds, COUNT(pfds), -1), 1);
	assert_int_equal(pfds[PORTS - 1].revents, POLLIN);
	for (int i = 0; i < PORTS; i++)
		port_close(&ports[i]);
	close(ends[0]);
	close(ends[1]);
	port_close(&peer);
}

static void test_only_other_descriptors_are_left_to_the_kernel(void **state)
{
	struct port port = port_open("w{alone");
	int ends[2];

	(void)state;
	assert_int_equal(pipe(ends), 0);
	assert_int_equal(poll_one(ends[1], POLLOUT, 0), POLLOUT);
	assert_int_equal(poll(NULL, 0, 1), 0);
	close(ends[0]);
	assert_int_equal(poll_one(ends[1], POLLIN, 0), POLLERR);
	close(ends[1]);
	port_close(&port);
}

/* ---- signals ---- */

static volatile sig_atomic_t alarms;

static void on_alarm(int number)
{
	(void)number;
	alarms++;
}

static void alarm_in(unsigned ms)
{
	const struct itimerval timer = {.it_value.tv_usec = (suseconds_t)ms * 1000};

	alarms = 0;
	assert_int_equal(setitimer(ITIMER_REAL, &timer, NULL), 0);
}

static void test_a_signal_interrupts(void **state)
{
	const struct sigaction action = {.sa_handler = on_alarm, .sa_flags = SA_RESTART};
	struct port port = port_open("w{signal");
	struct pollfd pfd = {.fd = port.fd, .events = POLLIN};
	fd_set in;

	(void)state;
	sigaction(SIGALRM, &action, NULL);
	alarm_in(20);
	assert_errno(poll(&pfd, 1, 5000), EINTR);
	assert_int_equal(alarms, 1);
	alarm_in(20);
	FD_ZERO(&in);
	FD_SET(port.fd, &in);
	assert_errno(select(port.fd + 1, &in, NULL, NULL, NULL), EINTR);
	port_close(&port);
}

static void test_masks_hold_while_waiting_only(void **state)
{
	const struct sigaction action = {.sa_handler = on_alarm};
	const struct timespec none = {0};
	struct port port = port_open("w{mask");
	struct pollfd pfd = {.fd = port.fd, .events = POLLIN};
	sigset_t blocked, open;

	(void)state;
	sigaction(SIGALRM, &action, NULL);
	sigemptyset(&blocked);
	sigaddset(&blocked, SIGALRM);
	sigprocmask(SIG_BLOCK, &blocked, &open);
	/* It comes while it is blocked, and is let in by the wait: no window in which it is lost. */
	alarm_in(1);
	sleep_ms(10);
	assert_int_equal(alarms, 0);
	assert_errno(ppoll(&pfd, 1, NULL, &open), EINTR);
	assert_int_equal(alarms, 1);
	alarm_in(1);
	sleep_ms(10);
	assert_errno(ppoll(&pfd, 1, &none, &open), EINTR);
	assert_int_equal(alarms, 1);
	sigprocmask(SIG_SETMASK, &open, NULL);
	port_close(&port);
}

/* ---- without the kernel ---- */

/* From here on, any system call but the one that ends the process ends it too, less gracefully. */
static int forbid_system_calls(void)
{
	struct sock_filter code[] = {
	    BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
	    BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_exit_group, 0, 1),
	    BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	    BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS),
	};
	const struct sock_fprog program = {.len = COUNT(code), .filter = code};

	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0)
		return -1;
	return prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program);
}

static int polls_without_system_calls(void *arg)
{
	struct port *port = arg;
	struct pollfd pfd = {.fd = port->fd, .events = POLLIN};
	struct epoll_event event = {.events = EPOLLIN};
	int ready = 0, epfd = epoll_create1(0);
	fd_set in;

	epoll_ctl(epfd, EPOLL_CTL_ADD, port->fd, &event);
	if (forbid_system_calls() != 0)
		return 2;
	for (int i = 0; i < 10; i++) {
		FD_ZERO(&in);
		FD_SET(port->fd, &in);
		ready += poll(&pfd, 1, i & 1 ? 1000 : 0);
		ready += select(FD_SETSIZE, &in, NULL, NULL, NULL);
		ready += epoll_wait(epfd, &event, 1, i & 1 ? 1000 : 0);
		ready += ioctl(port->fd, NIOCTXSYNC, NULL) == 0;
		ready += ioctl(port->fd, NIOCRXSYNC, NULL) == 0;
	}
	return (int)syscall(SYS_exit_group, ready == 50 ? 0 : 1);
}

static void test_what_is_ready_costs_no_system_call(void **state)
{
	struct port master = port_open("w{cheap"), slave = port_open("w}cheap");

	(void)state;
	send_frame(&master, 1);
	assert_int_equal(child_wait(child_start(polls_without_system_calls, &slave)), 0);
	port_close(&master);
	port_close(&slave);
}

/* ---- threads ---- */

static void *polls_until_closed(void *arg)
{
	struct pollfd pfd = {.fd = *(int *)arg, .events = POLLIN | POLLOUT};

	while (poll(&pfd, 1, 1) >= 0 && !(pfd.revents & POLLNVAL))
		;
	return NULL;
}

static void test_closing_under_a_poll_is_safe(void **state)
{
	(void)state;
	for (int round = 0; round < 30; round++) {
		struct port port = port_open("w{race");
		pthread_t threads[3];
		int fd = port.fd;

		for (size_t i = 0; i < COUNT(threads); i++)
			pthread_create(&threads[i], NULL, polls_until_closed, &fd);
		sleep_ms((unsigned)round % 4);
		port_close(&port);
		for (size_t i = 0; i < COUNT(threads); i++)
			pthread_join(threads[i], NULL);
	}
}

static void *sleeps_for_ever(void *arg)
{
	struct pollfd pfd = {.fd = *(int *)arg, .events = POLLIN};

	poll(&pfd, 1, -1);
	return NULL;
}

/*
 * The address sanitizer does not see that a cancelled thread has left its functions, and then stumbles over
 * their remains itself, when it takes down that thread's signal stack: no signal stack.
 */
const char *__asan_default_options(void);

const char *__asan_default_options(void)
{
	return "use_sigaltstack=0";
}

static void test_a_cancelled_sleeper_lets_go(void **state)
{
	struct port port = port_open_flags("w{cancel", NR_EXCLUSIVE);
	pthread_t thread;
	int again;

	(void)state;
	pthread_create(&thread, NULL, sleeps_for_ever, &port.fd);
	sleep_ms(20);
	pthread_cancel(thread);
	pthread_join(thread, NULL);
	port_close(&port);
	again = netmap_open();
	assert_int_equal(netmap_bind(again, "w{cancel", NR_EXCLUSIVE), 0);
	close(again);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_poll_moves_packets_both_ways),
	    cmocka_unit_test(test_synonyms_of_events_are_answered_in_kind),
	    cmocka_unit_test(test_an_unbound_descriptor_is_an_error),
	    cmocka_unit_test(test_a_bad_head_is_told_once),
	    cmocka_unit_test(test_time_runs_out),
	    cmocka_unit_test(test_a_sleeper_is_woken_by_a_packet),
	    cmocka_unit_test(test_a_full_sender_is_woken_by_room),
	    cmocka_unit_test(test_other_descriptors_are_reported_with_it),
	    cmocka_unit_test(test_a_sleeper_is_woken_by_any_of_them),
	    cmocka_unit_test(test_many_descriptors_at_once),
	    cmocka_unit_test(test_only_other_descriptors_are_left_to_the_kernel),
	    cmocka_unit_test(test_a_signal_interrupts),
	    cmocka_unit_test(test_masks_hold_while_waiting_only),
	    cmocka_unit_test(test_what_is_ready_costs_no_system_call),
	    cmocka_unit_test(test_closing_under_a_poll_is_safe),
	    cmocka_unit_test(test_a_cancelled_sleeper_lets_go),
	};

	return cmocka_run_group_tests(tests, group_start, group_end);
}
