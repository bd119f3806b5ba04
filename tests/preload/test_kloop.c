/* SPDX-License-Identifier: BSD-2-Clause */
/* CSB mode and the sync loop for programs: START blocks its ioctl, and nothing else. */
#include "support.h"

#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "../kloop/guest.h"

#define PACKETS 100000u

/* One port with one ring each way, in CSB mode, and its loop. */
struct end {
	struct port port;
	struct nm_csb_atok atok[2] __attribute__((aligned(64)));
	struct nm_csb_ktoa ktoa[2] __attribute__((aligned(64)));
	int io[2], irq[2];
	struct guest tx, rx;
	pthread_t thread;
	int result;
};

static struct guest guest_of(struct end *end, bool tx)
{
	struct guest g = {.ring = tx ? end->port.tx : end->port.rx,
	    .atok = &end->atok[!tx],
	    .ktoa = &end->ktoa[!tx],
	    .io = end->io[!tx],
	    .irq = end->irq[!tx]};

	guest_begin(&g);
	return g;
}

static int csb_enable(struct end *end)
{
	struct nmreq_opt_csb option = {.nro_opt = {.nro_reqtype = NETMAP_REQ_OPT_CSB},
	    .csb_atok = (uintptr_t)end->atok,
	    .csb_ktoa = (uintptr_t)end->ktoa};

	return control(end->port.fd, "", NETMAP_REQ_CSB_ENABLE, NULL, &option);
}

/* In memory that children share. */
static struct end *end_open(const char *name)
{
	struct end *end =
	    mmap(NULL, sizeof *end, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	assert_true(end != MAP_FAILED);
	end->port = port_open_flags(name, NR_EXCLUSIVE);
	assert_int_equal(csb_enable(end), 0);
	for (unsigned i = 0; i < 2; i++) {
		end->io[i] = eventfd(0, EFD_CLOEXEC);
		end->irq[i] = eventfd(0, EFD_CLOEXEC);
	}
	end->tx = guest_of(end, true);
	end->rx = guest_of(end, false);
	return end;
}

static void end_free(struct end *end)
{
	for (unsigned i = 0; i < 2; i++) {
		close(end->io[i]);
		close(end->irq[i]);
	}
	munmap(end, sizeof *end);
}

static void end_close(struct end *end)
{
	port_close(&end->port);
	end_free(end);
}

static int start(struct end *end)
{
	struct nmreq_sync_kloop_start body = {.sleep_us = 100};
	struct {
		struct nmreq_option head;
		int32_t fds[4];
	} option = {
	    .head = {.nro_reqtype = NETMAP_REQ_OPT_SYNC_KLOOP_EVENTFDS, .nro_size = sizeof option},
	    .fds = {end->io[0], end->irq[0], end->io[1], end->irq[1]}};

	return control(end->port.fd, "", NETMAP_REQ_SYNC_KLOOP_START, &body, &option);
}

static void *loop(void *arg)
{
	struct end *end = arg;

	end->result = start(end);
	return NULL;
}

static bool has_begun(const struct end *end)
{
	return __atomic_load_n(&end->ktoa[0].kern_need_kick, __ATOMIC_ACQUIRE) != 2;
}

static void loop_start(struct end *end)
{
	__atomic_store_n(&end->ktoa[0].kern_need_kick, 2, __ATOMIC_RELAXED);
	assert_int_equal(pthread_create(&end->thread, NULL, loop, end), 0);
	for (unsigned i = 0; i < 10000 && !has_begun(end); i++)
		sleep_ms(1);
	assert_true(has_begun(end));
}

static int loop_join(struct end *end)
{
	struct timespec deadline;

	clock_gettime(CLOCK_REALTIME, &deadline);
	deadline.tv_sec += 20;
	assert_int_equal(pthread_timedjoin_np(end->thread, NULL, &deadline), 0);
	return end->result;
}

static int stop(int fd)
{
	return control(fd, "", NETMAP_REQ_SYNC_KLOOP_STOP, NULL, NULL);
}

/* ---- packets ---- */

static void *receive_all(void *arg)
{
	struct end *end = arg;

	end->result = guest_receive(&end->rx, 1, PACKETS);
	return NULL;
}

static void test_packets_pass_through_two_loops(void **state)
{
	struct end *a = end_open("k{1"), *b = end_open("k}1");
	struct end *receiving = b;
	pthread_t receiver;

	(void)state;
	loop_start(a);
	loop_start(b);
	assert_int_equal(pthread_create(&receiver, NULL, receive_all, receiving), 0);
	assert_true(guest_send(&a->tx, 1, PACKETS));
	pthread_join(receiver, NULL);
	assert_false(b->rx.damaged);
	assert_false(b->rx.lost);
	assert_int_equal(b->result, true);
	assert_int_equal(stop(a->port.fd), 0);
	assert_int_equal(stop(b->port.fd), 0);
	assert_int_equal(loop_join(a), 0);
	assert_int_equal(loop_join(b), 0);
	end_close(a);
	end_close(b);
}

/* ---- errors ---- */

static void test_errors_are_those_of_the_module(void **state)
{
	struct nmreq_sync_kloop_start body = {.sleep_us = 1};
	struct nmreq_opt_csb option = {.nro_opt = {.nro_reqtype = NETMAP_REQ_OPT_CSB}};
	int fd = netmap_open();

	(void)state;
	assert_int_equal(control(fd, "", NETMAP_REQ_SYNC_KLOOP_START, &body, NULL), ENXIO);
	assert_int_equal(control(fd, "", NETMAP_REQ_SYNC_KLOOP_STOP, NULL, NULL), ENXIO);
	assert_int_equal(control(fd, "", NETMAP_REQ_CSB_ENABLE, NULL, NULL), EINVAL);
	assert_int_equal(netmap_bind(fd, "k{1", NR_EXCLUSIVE), 0);
	assert_int_equal(control(fd, "", NETMAP_REQ_SYNC_KLOOP_START, &body, NULL), EINVAL);
	option.csb_atok = option.csb_ktoa = 4096;
	assert_int_equal(control(fd, "", NETMAP_REQ_CSB_ENABLE, NULL, &option), EFAULT);
	assert_int_equal(option.nro_opt.nro_status, EFAULT);
	option.csb_atok = 1;
	assert_int_equal(control(fd, "", NETMAP_REQ_CSB_ENABLE, NULL, &option), EINVAL);
	assert_int_equal(option.nro_opt.nro_status, EINVAL);
	close(fd);
}

static void test_other_calls_are_refused_and_do_not_wait(void **state)
{
	struct end *end = end_open("k{1");
	struct pollfd fd = {.fd = end->port.fd, .events = POLLIN | POLLOUT};
	uint64_t before = now_ms();

	(void)state;
	loop_start(end);
	assert_errno(ioctl(end->port.fd, NIOCTXSYNC, NULL), EBUSY);
	assert_errno(ioctl(end->port.fd, NIOCRXSYNC, NULL), EBUSY);
	assert_int_equal(poll(&fd, 1, 1000), 1);
	assert_int_equal(fd.revents, POLLERR);
	assert_int_equal(start(end), EBUSY);
	assert_int_equal(csb_enable(end), EBUSY);
	assert_int_equal(netmap_bind(end->port.fd, "k{1", 0), EBUSY);
	assert_true(now_ms() - before < 1000);
	assert_int_equal(stop(end->port.fd), 0);
	assert_int_equal(loop_join(end), 0);
	end_close(end);
}

/* ---- stopping ---- */

static void test_a_duplicate_stops_it(void **state)
{
	struct end *end = end_open("k{1");
	int twin = dup(end->port.fd);

	(void)state;
	loop_start(end);
	assert_int_equal(close(end->port.fd), 0);
	sleep_ms(5);
	assert_errno(ioctl(twin, NIOCTXSYNC, NULL), EBUSY); /* the loop goes on */
	assert_int_equal(stop(twin), 0);
	assert_int_equal(loop_join(end), 0);
	munmap(end->port.memory, end->port.size);
	close(twin);
	end_free(end);
}

static int stop_in_child(void *arg)
{
	const struct end *end = arg;

	return stop(end->port.fd);
}

static void test_a_child_stops_it(void **state)
{
	struct end *end = end_open("k{1");

	(void)state;
	loop_start(end);
	assert_int_equal(child_wait(child_start(stop_in_child, end)), 0);
	assert_int_equal(loop_join(end), 0);
	end_close(end);
}

static int close_in_child(void *arg)
{
	const struct end *end = arg;

	return close(end->port.fd);
}

static void test_a_childs_last_close_is_not_ours(void **state)
{
	struct end *end = end_open("k{1");

	(void)state;
	loop_start(end);
	assert_int_equal(child_wait(child_start(close_in_child, end)), 0);
	sleep_ms(5);
	assert_int_equal(start(end), EBUSY);
	assert_int_equal(stop(end->port.fd), 0);
	assert_int_equal(loop_join(end), 0);
	end_close(end);
}

static void test_the_last_close_ends_it(void **state)
{
	unsigned before = open_descriptors();

	(void)state;
	for (unsigned i = 0; i < 20; i++) {
		struct end *end = end_open("k{1");

		loop_start(end);
		assert_int_equal(munmap(end->port.memory, end->port.size), 0);
		assert_int_equal(close(end->port.fd), 0);
		assert_int_equal(loop_join(end), 0);
		end_free(end);
	}
	assert_int_equal(open_descriptors(), before);
}

static void nothing(int number)
{
	(void)number;
}

static void test_a_signal_ends_it(void **state)
{
	const struct sigaction action = {.sa_handler = nothing};
	struct end *end = end_open("k{1");
	struct sigaction before;

	(void)state;
	assert_int_equal(sigaction(SIGUSR1, &action, &before), 0);
	loop_start(end);
	pthread_kill(end->thread, SIGUSR1);
	assert_int_equal(loop_join(end), EINTR);
	end_close(end);
	sigaction(SIGUSR1, &before, NULL);
}

static int closed_by_handler;

static void close_it(int number)
{
	(void)number;
	close(closed_by_handler);
}

static void test_a_handler_below_the_loop_closes_its_descriptor(void **state)
{
	const struct sigaction action = {.sa_handler = close_it};
	struct end *end = end_open("k{1");
	unsigned before = open_descriptors();
	struct sigaction old;

	(void)state;
	assert_int_equal(sigaction(SIGUSR1, &action, &old), 0);
	closed_by_handler = end->port.fd;
	assert_int_equal(munmap(end->port.memory, end->port.size), 0);
	loop_start(end);
	pthread_kill(end->thread, SIGUSR1);
	assert_int_equal(loop_join(end), 0);
	assert_true(open_descriptors() < before);
	assert_int_equal(netmap_bind(end->port.fd = netmap_open(), "k{1", NR_EXCLUSIVE), 0);
	close(end->port.fd);
	end_free(end);
	sigaction(SIGUSR1, &old, NULL);
}

/* START is no cancellation point; the thread goes after it. */
static void test_a_cancelled_thread_leaves_it_in_order(void **state)
{
	struct end *end = end_open("k{1");

	(void)state;
	loop_start(end);
	pthread_cancel(end->thread);
	sleep_ms(5);
	assert_int_equal(start(end), EBUSY);
	assert_int_equal(stop(end->port.fd), 0);
	loop_join(end);
	loop_start(end);
	assert_int_equal(stop(end->port.fd), 0);
	assert_int_equal(loop_join(end), 0);
	end_close(end);
}

static int run_until_killed(void *arg)
{
	return start(arg);
}

static void test_a_killed_process_leaves_the_other_end_alive(void **state)
{
	struct end *end = end_open("k{1");
	struct port peer = port_open("k}1");
	pid_t child;

	(void)state;
	__atomic_store_n(&end->ktoa[0].kern_need_kick, 2, __ATOMIC_RELAXED);
	child = child_start(run_until_killed, end);
	for (unsigned i = 0; i < 10000 && !has_begun(end); i++)
		sleep_ms(1);
	assert_true(has_begun(end));
	kill(child, SIGKILL);
	assert_int_equal(child_wait(child), -SIGKILL);
	send_frame(&peer, 1);
	loop_start(end); /* the place is free again */
	assert_int_equal(stop(end->port.fd), 0);
	assert_int_equal(loop_join(end), 0);
	port_close(&peer);
	end_close(end);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_packets_pass_through_two_loops),
	    cmocka_unit_test(test_errors_are_those_of_the_module),
	    cmocka_unit_test(test_other_calls_are_refused_and_do_not_wait),
	    cmocka_unit_test(test_a_duplicate_stops_it),
	    cmocka_unit_test(test_a_child_stops_it),
	    cmocka_unit_test(test_a_childs_last_close_is_not_ours),
	    cmocka_unit_test(test_the_last_close_ends_it),
	    cmocka_unit_test(test_a_signal_ends_it),
	    cmocka_unit_test(test_a_handler_below_the_loop_closes_its_descriptor),
	    cmocka_unit_test(test_a_cancelled_thread_leaves_it_in_order),
	    cmocka_unit_test(test_a_killed_process_leaves_the_other_end_alive),
	};

	return cmocka_run_group_tests(tests, group_start, group_end);
}
