/* SPDX-License-Identifier: BSD-2-Clause */
/* Netmap descriptors are descriptors: duplicates, flags, closing, forks. */
#include "support.h"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

static void test_opened_by_every_name_of_open(void **state)
{
	const int fds[] = {
	    open(NETMAP_DEVICE_NAME, O_RDWR),
	    open64(NETMAP_DEVICE_NAME, O_RDWR),
	    openat(AT_FDCWD, NETMAP_DEVICE_NAME, O_RDWR),
	    openat64(AT_FDCWD, NETMAP_DEVICE_NAME, O_RDWR),
	};

	(void)state;
	for (size_t i = 0; i < COUNT(fds); i++) {
		assert_true(fds[i] >= 0);
		assert_errno(ioctl(fds[i], NIOCTXSYNC), ENXIO);
		assert_int_equal(close(fds[i]), 0);
		assert_errno(ioctl(fds[i], NIOCTXSYNC), EBADF);
	}
}

static void test_other_files_open_as_ever(void **state)
{
	int fd = open("/tmp", O_RDONLY | O_DIRECTORY), in;
	char name[] = "/tmp/preload-file-XXXXXX";
	/* It says that it takes no NULL. */
	int (*const volatile unchecked)(const char *, int, ...) = open;
	const char *const volatile nowhere = NULL;

	(void)state;
	assert_true(fd >= 0);
	assert_errno(ioctl(fd, NIOCTXSYNC), ENOTTY);
	in = openat(fd, "no such file", O_RDONLY);
	assert_int_equal(in, -1);
	assert_int_equal(errno, ENOENT);
	close(fd);
	/* NOLINTNEXTLINE(clang-analyzer-core.NonNullParamChecker): as they are called */
	assert_errno(unchecked(nowhere, O_RDONLY), EFAULT);
	close(mkstemp(name));
	unlink(name);
	fd = open(name, O_RDWR | O_CREAT, 0640);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, "abc", 3), 3);
	close(fd);
	unlink(name);
}

static void test_flags_are_those_asked_for(void **state)
{
	int plain = open(NETMAP_DEVICE_NAME, O_RDWR);
	int both = open(NETMAP_DEVICE_NAME, O_RDWR | O_CLOEXEC | O_NONBLOCK);

	(void)state;
	assert_int_equal(fcntl(plain, F_GETFD), 0);
	assert_int_equal(fcntl(both, F_GETFD), FD_CLOEXEC);
	assert_int_equal(fcntl(plain, F_GETFL) & (O_ACCMODE | O_NONBLOCK), O_RDWR);
	assert_int_equal(fcntl(both, F_GETFL) & (O_ACCMODE | O_NONBLOCK), O_RDWR | O_NONBLOCK);
	assert_int_equal(fcntl(plain, F_SETFD, FD_CLOEXEC), 0);
	assert_int_equal(fcntl(plain, F_GETFD), FD_CLOEXEC);
	assert_int_equal(ioctl(plain, FIONCLEX), 0);
	assert_int_equal(fcntl(plain, F_GETFD), 0);
	close(plain);
	close(both);
}

static void test_reading_and_writing_is_refused(void **state)
{
	struct port port = port_open("d{read");
	char data[8] = "";
	const struct iovec part = {.iov_base = data, .iov_len = sizeof data};

	(void)state;
	assert_errno(read(port.fd, data, sizeof data), EINVAL);
	assert_errno(write(port.fd, data, sizeof data), EINVAL);
	assert_errno(readv(port.fd, &part, 1), EINVAL);
	assert_errno(writev(port.fd, &part, 1), EINVAL);
	port_close(&port);
}

static int by_dup(int fd)
{
	return dup(fd);
}

static int by_dup2(int fd)
{
	return dup2(fd, 200);
}

static int by_dup3(int fd)
{
	return dup3(fd, 201, O_CLOEXEC);
}

static int by_fcntl(int fd)
{
	return fcntl(fd, F_DUPFD, 202);
}

static int by_fcntl_cloexec(int fd)
{
	return fcntl(fd, F_DUPFD_CLOEXEC, 203);
}

static void test_a_duplicate_keeps_the_binding(void **state)
{
	int (*const ways[])(int) = {by_dup, by_dup2, by_dup3, by_fcntl, by_fcntl_cloexec};

	(void)state;
	for (size_t i = 0; i < COUNT(ways); i++) {
		int fd = netmap_open(), other, duplicate;

		assert_int_equal(netmap_bind(fd, "d{dup", NR_EXCLUSIVE), 0);
		duplicate = ways[i](fd);
		assert_true(duplicate >= 0);
		assert_int_equal(close(fd), 0);
		assert_int_equal(ioctl(duplicate, NIOCTXSYNC), 0);
		other = netmap_open();
		assert_int_equal(netmap_bind(other, "d{dup", NR_EXCLUSIVE), EBUSY);
		assert_int_equal(close(duplicate), 0);
		assert_int_equal(netmap_bind(other, "d{dup", NR_EXCLUSIVE), 0);
		close(other);
	}
}

static void test_dup2_replaces_and_is_replaced(void **state)
{
	int file = open("/dev/null", O_RDWR), fd = netmap_open(), other = netmap_open();

	(void)state;
	assert_int_equal(netmap_bind(fd, "d{a", NR_EXCLUSIVE), 0);
	assert_int_equal(netmap_bind(other, "d{b", NR_EXCLUSIVE), 0);
	assert_int_equal(dup2(fd, fd), fd);
	assert_int_equal(ioctl(fd, NIOCTXSYNC), 0);
	/* A file becomes netmap, one port becomes another, netmap becomes a file. */
	assert_int_equal(dup2(fd, file), file);
	assert_int_equal(ioctl(file, NIOCTXSYNC), 0);
	assert_int_equal(dup2(fd, other), other);
	close(fd);
	assert_int_equal(ioctl(other, NIOCTXSYNC), 0);
	fd = netmap_open();
	assert_int_equal(netmap_bind(fd, "d{b", NR_EXCLUSIVE), 0);
	close(fd);
	fd = open("/dev/null", O_RDWR);
	assert_int_equal(dup2(fd, file), file);
	assert_int_equal(dup2(fd, other), other);
	assert_int_equal(write(file, "x", 1), 1);
	close(file);
	close(other);
	assert_errno(dup2(-1, fd), EBADF);
	close(fd);
	fd = netmap_open();
	assert_int_equal(netmap_bind(fd, "d{a", NR_EXCLUSIVE), 0);
	close(fd);
}

static void test_close_range_closes_ports(void **state)
{
	int low = netmap_open(), fd = fcntl(low, F_DUPFD, 300), other;

	(void)state;
	assert_true(fd >= 300);
	close(low);
	assert_int_equal(netmap_bind(fd, "d{range", NR_EXCLUSIVE), 0);
	assert_int_equal(close_range(250, 400, CLOSE_RANGE_CLOEXEC), 0);
	assert_int_equal(ioctl(fd, NIOCTXSYNC), 0);
	assert_int_equal(fcntl(fd, F_GETFD), FD_CLOEXEC);
	assert_int_equal(close_range(250, 400, 0), 0);
	assert_errno(ioctl(fd, NIOCTXSYNC), EBADF);
	other = netmap_open();
	assert_int_equal(netmap_bind(other, "d{range", NR_EXCLUSIVE), 0);
	close(other);
}

static void test_a_number_closed_behind_our_back_is_an_ordinary_file_again(void **state)
{
	int fd = netmap_open(), file;

	(void)state;
	assert_int_equal(syscall(SYS_close, fd), 0);
	file = open("/dev/null", O_RDWR);
	assert_int_equal(file, fd);
	assert_int_equal(write(file, "x", 1), 1);
	close(file);
}

static void test_errno_is_kept(void **state)
{
	struct port port;

	(void)state;
	errno = ERANGE;
	port = port_open("d{errno");
	sync_tx(&port);
	put_frames(&port, 3, 0);
	sync_rx(&port);
	port_close(&port);
	assert_int_equal(errno, ERANGE);
}

static void test_nothing_is_left_open(void **state)
{
	unsigned before = open_descriptors();

	(void)state;
	for (int i = 0; i < 20; i++) {
		struct port master = port_open("d{leak"), slave = port_open("d}leak");
		int duplicate = dup(master.fd);

		send_frame(&master, 1);
		sync_rx(&slave);
		port_close(&master);
		close(duplicate);
		port_close(&slave);
	}
	assert_int_equal(open_descriptors(), before);
}

/* ---- children ---- */

static int sends_in_child(void *arg)
{
	send_frame(arg, 7);
	port_close(arg);
	return 0;
}

static void test_a_child_uses_what_it_inherited(void **state)
{
	struct port master = port_open("d{fork"), slave = port_open("d}fork");

	(void)state;
	assert_int_equal(child_wait(child_start(sends_in_child, &master)), 0);
	sync_rx(&slave);
	assert_int_equal(take_frame(&slave), 7);
	port_close(&slave);
	port_close(&master);
}

static int opens_another(void *arg)
{
	struct port slave;

	close(*(int *)arg);
	slave = port_open("d}child");
	send_frame(&slave, 8);
	port_close(&slave);
	return 0;
}

static void test_a_child_that_closes_leaves_the_parent_its_port(void **state)
{
	struct port master = port_open("d{child");
	int unbound = netmap_open();

	(void)state;
	assert_int_equal(child_wait(child_start(opens_another, &unbound)), 0);
	sync_rx(&master);
	assert_int_equal(take_frame(&master), 8);
	assert_errno(ioctl(unbound, NIOCTXSYNC), ENXIO);
	close(unbound);
	port_close(&master);
}

static int closes_its_copy(void *arg)
{
	port_close(arg);
	return 0;
}

static void test_others_can_open_after_a_child_has_closed_its_copy(void **state)
{
	struct port master = port_open("d{copy"), other;

	(void)state;
	assert_int_equal(child_wait(child_start(closes_its_copy, &master)), 0);
	other = port_open("d{other");
	port_close(&other);
	port_close(&master);
}

/*
 * What a program does that starts another one: close all, then exec. vfork() shares its memory, which is
 * the point here.
 */
static void test_a_vfork_child_that_closes_all_leaves_the_parent_its_port(void **state)
{
	struct port port = port_open("d{vfork");
	char *const environment[] = {NULL};
	pid_t child;

	(void)state;
	child = vfork(); /* NOLINT(clang-analyzer-security.insecureAPI.vfork) */
	if (child == 0) {
		close(port.fd); /* NOLINT(clang-analyzer-unix.Vfork): programs do so */
		close_range(3, ~0u, 0);
		execle("/bin/true", "true", (char *)NULL, environment);
		_exit(1);
	}
	assert_int_equal(child_wait(child), 0);
	sync_tx(&port);
	port_close(&port);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_opened_by_every_name_of_open),
	    cmocka_unit_test(test_other_files_open_as_ever),
	    cmocka_unit_test(test_flags_are_those_asked_for),
	    cmocka_unit_test(test_reading_and_writing_is_refused),
	    cmocka_unit_test(test_a_duplicate_keeps_the_binding),
	    cmocka_unit_test(test_dup2_replaces_and_is_replaced),
	    cmocka_unit_test(test_close_range_closes_ports),
	    cmocka_unit_test(test_a_number_closed_behind_our_back_is_an_ordinary_file_again),
	    cmocka_unit_test(test_errno_is_kept),
	    cmocka_unit_test(test_nothing_is_left_open),
	    cmocka_unit_test(test_a_child_uses_what_it_inherited),
	    cmocka_unit_test(test_a_child_that_closes_leaves_the_parent_its_port),
	    cmocka_unit_test(test_others_can_open_after_a_child_has_closed_its_copy),
	    cmocka_unit_test(test_a_vfork_child_that_closes_all_leaves_the_parent_its_port),
	};

	return cmocka_run_group_tests(tests, group_start, group_end);
}
