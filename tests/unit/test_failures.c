/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Every call to the system that opening a port makes is made to fail, one after the other: the error
 * comes back with a message, nothing leaks, and the next attempt succeeds. The linker wraps the calls.
 */
#include "device/device.h"
#include "support.h"

#ifdef WITH_NETNS
#include "../e2e/netns.h"
#endif

#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/timerfd.h>
#include <unistd.h>

static struct {
	unsigned fail_at; /* which call is to fail, from 1; 0: none */
	unsigned calls;
	const char *culprit; /* the call that failed; NULL: it did not come to that */
	int error;
} injection;

static bool fails(const char *call, int error)
{
	if (injection.fail_at == 0 || ++injection.calls != injection.fail_at)
		return false;
	injection.culprit = call;
	errno = injection.error = error;
	return true;
}

/* What the linker makes of calloc and so on. NOLINTBEGIN(bugprone-reserved-identifier) */
void *__real_calloc(size_t n, size_t size);
void *__wrap_calloc(size_t n, size_t size);
int __real_posix_memalign(void **out, size_t align, size_t size);
int __wrap_posix_memalign(void **out, size_t align, size_t size);
void *__real_mmap(void *at, size_t size, int prot, int flags, int fd, off_t offset);
void *__wrap_mmap(void *at, size_t size, int prot, int flags, int fd, off_t offset);
int __real_memfd_create(const char *name, unsigned flags);
int __wrap_memfd_create(const char *name, unsigned flags);
int __real_ftruncate(int fd, off_t size);
int __wrap_ftruncate(int fd, off_t size);
int __real_open(const char *path, int flags, ...);
int __wrap_open(const char *path, int flags, ...);
int __real_openat(int dirfd, const char *path, int flags, ...);
int __wrap_openat(int dirfd, const char *path, int flags, ...);
int __real_fcntl(int fd, int command, ...);
int __wrap_fcntl(int fd, int command, ...);
int __real_eventfd(unsigned count, int flags);
int __wrap_eventfd(unsigned count, int flags);
int __real_epoll_create1(int flags);
int __wrap_epoll_create1(int flags);
int __real_epoll_ctl(int set, int op, int fd, struct epoll_event *event);
int __wrap_epoll_ctl(int set, int op, int fd, struct epoll_event *event);
int __real_timerfd_create(int clock, int flags);
int __wrap_timerfd_create(int clock, int flags);
int __real_mkfifoat(int dirfd, const char *path, mode_t mode);
int __wrap_mkfifoat(int dirfd, const char *path, mode_t mode);
int __real_socket(int family, int type, int protocol);
int __wrap_socket(int family, int type, int protocol);
int __real_setsockopt(int fd, int level, int name, const void *value, socklen_t len);
int __wrap_setsockopt(int fd, int level, int name, const void *value, socklen_t len);
int __real_bind(int fd, const struct sockaddr *address, socklen_t len);
int __wrap_bind(int fd, const struct sockaddr *address, socklen_t len);
ssize_t __real_pwrite(int fd, const void *data, size_t size, off_t at);
ssize_t __wrap_pwrite(int fd, const void *data, size_t size, off_t at);

void *__wrap_calloc(size_t n, size_t size)
{
	return fails("calloc", ENOMEM) ? NULL : __real_calloc(n, size);
}

int __wrap_posix_memalign(void **out, size_t align, size_t size)
{
	return fails("posix_memalign", ENOMEM) ? ENOMEM : __real_posix_memalign(out, align, size);
}

void *__wrap_mmap(void *at, size_t size, int prot, int flags, int fd, off_t offset)
{
	return fails("mmap", ENOMEM) ? MAP_FAILED : __real_mmap(at, size, prot, flags, fd, offset);
}

int __wrap_memfd_create(const char *name, unsigned flags)
{
	return fails("memfd_create", EMFILE) ? -1 : __real_memfd_create(name, flags);
}

int __wrap_ftruncate(int fd, off_t size)
{
	return fails("ftruncate", ENOSPC) ? -1 : __real_ftruncate(fd, size);
}

int __wrap_open(const char *path, int flags, ...)
{
	va_list args;
	mode_t mode;

	va_start(args, flags);
	mode = flags & O_CREAT ? (mode_t)va_arg(args, int) : 0;
	va_end(args);
	return fails("open", EMFILE) ? -1 : __real_open(path, flags, mode);
}

int __wrap_openat(int dirfd, const char *path, int flags, ...)
{
	va_list args;
	mode_t mode;

	va_start(args, flags);
	mode = flags & O_CREAT ? (mode_t)va_arg(args, int) : 0;
	va_end(args);
	return fails("openat", EMFILE) ? -1 : __real_openat(dirfd, path, flags, mode);
}

int __wrap_fcntl(int fd, int command, ...)
{
	va_list args;
	void *arg;

	va_start(args, command);
	arg = va_arg(args, void *);
	va_end(args);
	return fails("fcntl", ENOLCK) ? -1 : __real_fcntl(fd, command, arg);
}

int __wrap_eventfd(unsigned count, int flags)
{
	return fails("eventfd", EMFILE) ? -1 : __real_eventfd(count, flags);
}

int __wrap_epoll_create1(int flags)
{
	return fails("epoll_create1", EMFILE) ? -1 : __real_epoll_create1(flags);
}

int __wrap_epoll_ctl(int set, int op, int fd, struct epoll_event *event)
{
	return fails("epoll_ctl", ENOSPC) ? -1 : __real_epoll_ctl(set, op, fd, event);
}

int __wrap_timerfd_create(int clock, int flags)
{
	return fails("timerfd_create", EMFILE) ? -1 : __real_timerfd_create(clock, flags);
}

int __wrap_mkfifoat(int dirfd, const char *path, mode_t mode)
{
	return fails("mkfifoat", ENOSPC) ? -1 : __real_mkfifoat(dirfd, path, mode);
}

int __wrap_socket(int family, int type, int protocol)
{
	return fails("socket", EMFILE) ? -1 : __real_socket(family, type, protocol);
}

int __wrap_setsockopt(int fd, int level, int name, const void *value, socklen_t len)
{
	return fails("setsockopt", ENOMEM) ? -1 : __real_setsockopt(fd, level, name, value, len);
}

int __wrap_bind(int fd, const struct sockaddr *address, socklen_t len)
{
	return fails("bind", ENODEV) ? -1 : __real_bind(fd, address, len);
}

ssize_t __wrap_pwrite(int fd, const void *data, size_t size, off_t at)
{
	return fails("pwrite", ENOSPC) ? -1 : __real_pwrite(fd, data, size, at);
}
/* NOLINTEND(bugprone-reserved-identifier) */

/* ---- attempts: 0, or the first error ---- */

static int open_only(const char *name)
{
	struct loom_port *port;
	int err = loom_open(name, LOOM_CONFIG(.tx_slots = 16, .extra_buffers = 3), &port);

	if (!err)
		loom_close(port);
	return err;
}

static int open_and_wait(const char *name)
{
	struct loom_port *port;
	int err = loom_open(name, LOOM_CONFIG(.tx_slots = 16, .spin_us = LOOM_SPIN_NONE), &port);

	if (err)
		return err;
	err = loom_port_wait(port, LOOM_RX, 1);
	loom_close(port);
	return err;
}

static int open_and_take_the_descriptor(const char *name)
{
	struct loom_port *port;
	int fd, err = loom_open(name, LOOM_CONFIG(.tx_slots = 16), &port);

	if (err)
		return err;
	fd = loom_port_fd(port);
	if (fd >= 0)
		assert_int_equal(loom_port_fd(port), fd);
	loom_close(port);
	return fd < 0 ? fd : 0;
}

/* ---- a sync loop: stopped before it starts, it comes back after all its preparations ---- */

static int kicks[4]; /* an eventfd pair for each of two rings */

static int ask(struct device *device, const char *name, unsigned type, void *body, void *options)
{
	struct nmreq_header header = {.nr_version = NETMAP_API,
	    .nr_reqtype = (uint16_t)type,
	    .nr_body = (uintptr_t)body,
	    .nr_options = (uintptr_t)options};

	snprintf(header.nr_name, sizeof header.nr_name, "%s", name);
	return device->ops->control(device, &header);
}

static int loop_briefly(struct device *device)
{
	struct nmreq_sync_kloop_start start = {.sleep_us = 0};
	struct {
		struct nmreq_option head;
		int32_t fds[4];
	} eventfds = {.head = {.nro_reqtype = NETMAP_REQ_OPT_SYNC_KLOOP_EVENTFDS,
			  .nro_size = sizeof eventfds}};
	int err = ask(device, "", NETMAP_REQ_SYNC_KLOOP_STOP, NULL, NULL);

	memcpy(eventfds.fds, kicks, sizeof kicks);
	return err ? err : ask(device, "", NETMAP_REQ_SYNC_KLOOP_START, &start, &eventfds);
}

static int open_and_loop(const char *name)
{
	static struct nm_csb_atok atok[2] __attribute__((aligned(64)));
	static struct nm_csb_ktoa ktoa[2] __attribute__((aligned(64)));
	struct nmreq_opt_csb csb = {.nro_opt = {.nro_reqtype = NETMAP_REQ_OPT_CSB},
	    .csb_atok = (uintptr_t)atok,
	    .csb_ktoa = (uintptr_t)ktoa};
	struct nmreq_register reg = {.nr_mode = NR_REG_ALL_NIC, .nr_flags = NR_EXCLUSIVE};
	struct device *device;
	int err = soft_open(&device);

	if (err)
		return err;
	err = ask(device, name, NETMAP_REQ_REGISTER, &reg, &csb);
	if (!err)
		err = loop_briefly(device);
	device->ops->close(device);
	return err;
}

/* Some message that is not the one expected. */
static void spoil_the_message(void)
{
	struct loom_port *port;

	assert_refused(loom_open("pipe{", NULL, &port), -EINVAL, "pipe{");
}

/* Make the attempt with its first call failing, then its second, until it makes no more calls. */
static void each_call_may_fail(const char *name, int (*attempt)(const char *name))
{
	const unsigned before = open_descriptors(), files = scratch_files();
	unsigned failed = 0;

	for (unsigned at = 1;; at++) {
		int err;

		assert_true(at < 1000);
		spoil_the_message();
		injection.culprit = NULL;
		injection.calls = 0;
		injection.fail_at = at;
		err = attempt(name);
		injection.fail_at = 0;
		if (!injection.culprit)
			break;
		/* Some calls may fail without harm: a sweep that is left to the next one to come. */
		if (err != 0 && (err != -injection.error || strstr(loom_error(), "pipe{\"")))
			fail_msg("%s: when %s failed: %d, %s", name, injection.culprit, err,
			    loom_error());
		failed += err != 0;
		if (open_descriptors() != before)
			fail_msg(
			    "%s: when %s failed, a descriptor leaked", name, injection.culprit);
		assert_ok(attempt(name));
		assert_int_equal(open_descriptors(), before);
		assert_int_equal(scratch_files(), files);
	}
	assert_true(failed > 5);
}

static const char *names[] = {
    "null:f", "loop:f", "f{1", "pipe{f}", "fault:delay=1@loop:f", "fault:loss=1@f{1"};
static size_t num_names = COUNT(names);

static void opening_may_fail_at_every_call(void **state)
{
	(void)state;
	for (size_t i = 0; i < num_names; i++)
		each_call_may_fail(names[i], open_only);
}

static void waiting_may_fail_at_every_call(void **state)
{
	(void)state;
	for (size_t i = 0; i < num_names; i++)
		each_call_may_fail(names[i], open_and_wait);
}

static void the_descriptor_may_fail_at_every_call(void **state)
{
	(void)state;
	for (size_t i = 0; i < num_names; i++)
		each_call_may_fail(names[i], open_and_take_the_descriptor);
}

static void a_sync_loop_may_fail_at_every_call(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(kicks); i++) {
		kicks[i] = eventfd(0, EFD_CLOEXEC);
		assert_true(kicks[i] >= 0);
	}
	each_call_may_fail("f{1", open_and_loop);
	for (size_t i = 0; i < COUNT(kicks); i++)
		close(kicks[i]);
}

/* The other end is alive meanwhile, and must not notice. */
/* A wait that could not be prepared leaves nothing half-made: the next one on the same port sleeps and wakes. */
static void a_wait_is_prepared_anew_after_a_failure(void **state)
{
	struct loom_port *port;
	struct loom_txring tx;
	unsigned failed = 0;

	(void)state;
	for (unsigned at = 1; at < 20; at++) {
		assert_ok(loom_open(
		    "fault:delay=20@loop:f", LOOM_CONFIG(.spin_us = LOOM_SPIN_NONE), &port));
		injection.calls = 0;
		injection.fail_at = at;
		failed += loom_port_wait(port, LOOM_RX, 1) < 0;
		injection.fail_at = 0;
		assert_ok(loom_tx(port, 0, &tx));
		assert_int_equal(loom_send(&tx, "later", 5), 1);
		assert_int_equal(loom_port_wait(port, LOOM_RX, 10000), LOOM_RX);
		loom_close(port);
	}
	assert_true(failed > 3);
}

static void a_peer_does_not_notice_what_fails_here(void **state)
{
	struct loom_port *peer;
	struct loom_txring tx;
	uint32_t sent = 0;

	(void)state;
	assert_ok(loom_open("f}1", LOOM_CONFIG(.tx_slots = 16), &peer));
	assert_ok(loom_tx(peer, 0, &tx));
	for (unsigned at = 1; at < 200; at++) {
		struct loom_port *port;
		struct loom_rxring rx;

		injection.calls = 0;
		injection.fail_at = at;
		open_only("f{1");
		injection.fail_at = 0;
		assert_int_equal(loom_send(&tx, &sent, sizeof sent), 1);
		assert_ok(loom_tx_sync(&tx));
		assert_ok(loom_open("f{1", NULL, &port));
		assert_ok(loom_rx(port, 0, &rx));
		assert_ok(loom_rx_sync(&rx));
		assert_int_equal(loom_rx_space(&rx), 1);
		loom_release(&rx, 1);
		assert_ok(loom_rx_sync(&rx));
		loom_close(port);
		assert_ok(loom_tx_sync(&tx));
	}
	loom_close(peer);
}

static void every_attempt(const char *name)
{
	each_call_may_fail(name, open_only);
	each_call_may_fail(name, open_and_wait);
	each_call_may_fail(name, open_and_take_the_descriptor);
}

static void a_monitor_may_fail_at_every_call(void **state)
{
	struct loom_port *port;

	(void)state;
	assert_ok(loom_open("null:w", NULL, &port));
	every_attempt("null:w/rt");
	loom_close(port);
}

static int hold_a_port(void *arg)
{
	struct loom_port *port;
	const int *ready = arg;

	if (loom_open("f{9", NULL, &port) != 0 || write(*ready, "", 1) != 1)
		return 1;
	pause();
	return 2;
}

static void a_monitor_of_another_process_may_fail_at_every_call(void **state)
{
	int ready[2];
	char byte;
	pid_t owner;

	(void)state;
	assert_int_equal(pipe(ready), 0);
	owner = child_start(hold_a_port, &ready[1]);
	assert_int_equal(read(ready[0], &byte, 1), 1);
	every_attempt("f{9/rt");
	kill(owner, SIGKILL);
	assert_int_equal(child_wait(owner), -SIGKILL);
	close(ready[0]);
	close(ready[1]);
	assert_int_equal(open_only("f{9/rt"), -EINVAL);
	assert_int_equal(scratch_files(), 0);
}

#ifdef WITH_NETNS
/* The packet kind instead, on a cable in a namespace of our own. */
static int run_on_a_cable(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(opening_may_fail_at_every_call),
	    cmocka_unit_test(waiting_may_fail_at_every_call),
	    cmocka_unit_test(the_descriptor_may_fail_at_every_call),
	};
	int skip = netns_enter_with_cable("fail0", "fail1");

	if (skip)
		return skip;
	names[0] = "packet:fail0";
	names[1] = "packet:fail0@conf:rings=2";
	num_names = 2;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
#endif

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(opening_may_fail_at_every_call),
	    cmocka_unit_test(waiting_may_fail_at_every_call),
	    cmocka_unit_test(the_descriptor_may_fail_at_every_call),
	    cmocka_unit_test(a_monitor_may_fail_at_every_call),
	    cmocka_unit_test(a_monitor_of_another_process_may_fail_at_every_call),
	    cmocka_unit_test(a_sync_loop_may_fail_at_every_call),
	    cmocka_unit_test(a_wait_is_prepared_anew_after_a_failure),
	    cmocka_unit_test(a_peer_does_not_notice_what_fails_here),
	};

	(void)argv;
	scratch_directory();
#ifdef WITH_NETNS
	if (argc > 1)
		return run_on_a_cable();
#endif
	(void)argc;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
