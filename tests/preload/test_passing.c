/* SPDX-License-Identifier: BSD-2-Clause */
/* Netmap descriptors that one program hands to another (SCM_RIGHTS). */
#include "passing.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#define FRAMES 100u

/* A child's way to fail: cmocka's asserts would go on in its copy of the parent's tests. */
#define CHECK(what)                                                                                \
	do {                                                                                       \
		if (!(what)) {                                                                     \
			fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #what);                 \
			_exit(1);                                                                  \
		}                                                                                  \
	} while (0)

static void send_frames(struct port *port, unsigned n, uint32_t first)
{
	put_frames(port, n, first);
	sync_tx(port);
}

static void take_frames(struct port *port, unsigned n, uint32_t first)
{
	struct pollfd wait = {.fd = port->fd, .events = POLLIN};

	for (unsigned i = 0; i < n; i++) {
		if (nm_ring_space(port->rx) == 0)
			assert_int_equal(poll(&wait, 1, 10000), 1);
		assert_int_equal(wait.revents & POLLERR, 0);
		assert_int_equal(take_frame(port), first + i);
	}
	sync_rx(port);
}

/* ---- what the other program does ---- */

static int sends(int socket)
{
	struct port port = take_port(socket);

	send_frames(&port, FRAMES, 1000);
	port_close(&port);
	return 0;
}

static int receives(int socket)
{
	struct port port = take_port(socket);

	say(socket);
	take_frames(&port, FRAMES, 1000);
	port_close(&port);
	return 0;
}

static int sends_and_returns(int socket)
{
	struct port port = take_port(socket);

	send_frames(&port, FRAMES, 1000);
	pass_port(socket, &port);
	port_close(&port);
	return 0;
}

static int waits(int socket)
{
	struct port port = take_port(socket);
	char word;

	send_frames(&port, 1, 7);
	say(socket);
	CHECK(recv(socket, &word, 1, 0) >= 0); /* killed, or left */
	port_close(&port);
	return 0;
}

/* ---- in one process ---- */

static void within_a_process_it_is_the_same_open_file(void **state)
{
	struct port port = port_open("null:a");
	unsigned before = open_descriptors();
	int ends[2], fd;
	char byte = 0;

	(void)state;
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, ends), 0);
	pass_fds(ends[0], &port.fd, 1, "x", 1);
	assert_int_equal(take_fds(ends[1], &fd, 1, &byte, 1, 0), 1);
	assert_int_equal(byte, 'x');
	assert_int_not_equal(fd, port.fd);
	assert_int_equal(open_descriptors(), before + 3);
	assert_int_equal(netmap_bind(fd, "null:b", 0), EBUSY);
	assert_int_equal(ioctl(fd, NIOCTXSYNC, NULL), 0);
	close(fd);
	close(ends[0]);
	close(ends[1]);
	assert_int_equal(open_descriptors(), before);
	port_close(&port);
}

static void an_unbound_one_passes_too(void **state)
{
	struct peer peer;
	int fd = netmap_open(), ends[2], copy;
	char byte;

	(void)state;
	(void)peer;
	assert_int_equal(socketpair(AF_UNIX, SOCK_DGRAM, 0, ends), 0);
	pass_fds(ends[0], &fd, 1, "x", 1);
	assert_int_equal(take_fds(ends[1], &copy, 1, &byte, 1, 0), 1);
	assert_int_equal(netmap_bind(copy, "null:a", 0), 0);
	assert_int_equal(ioctl(fd, NIOCTXSYNC, NULL), 0); /* one open file */
	close(fd);
	close(copy);
	close(ends[0]);
	close(ends[1]);
}

static int binds_an_unbound_one(int socket)
{
	char byte;
	int fd;

	CHECK(take_fds(socket, &fd, 1, &byte, 1, 0) == 1);
	CHECK(ioctl(fd, NIOCTXSYNC, NULL) == -1 && errno == ENXIO);
	CHECK(netmap_bind(fd, "null:a", 0) == 0);
	CHECK(ioctl(fd, NIOCTXSYNC, NULL) == 0);
	CHECK(close(fd) == 0);
	return 0;
}

static void another_process_binds_an_unbound_one(void **state)
{
	struct peer peer = peer_start(binds_an_unbound_one);
	int fd = netmap_open();

	(void)state;
	pass_fds(peer.socket, &fd, 1, "x", 1);
	assert_int_equal(peer_end(&peer), 0);
	close(fd);
}

/* ---- to another process ---- */

static void the_receiver_sends(void **state)
{
	const char *const *ends = *state;
	struct peer peer = peer_start(sends);
	unsigned before = open_descriptors();
	struct port a = port_open(ends[0]), b = port_open(ends[1]);

	pass_port(peer.socket, &a);
	take_frames(&b, FRAMES, 1000);
	/* ours goes on behind it */
	a.tx->head = a.tx->cur = (FRAMES) % a.tx->num_slots;
	send_frames(&a, 10, 2000);
	take_frames(&b, 10, 2000);
	port_close(&a);
	port_close(&b);
	assert_int_equal(open_descriptors(), before);
	assert_int_equal(peer_end(&peer), 0);
}

static void the_receiver_receives(void **state)
{
	const char *const *ends = *state;
	struct peer peer = peer_start(receives);
	struct port a = port_open(ends[0]), b = port_open(ends[1]);

	pass_port(peer.socket, &b);
	port_close(&b); /* the port is the receiver's alone */
	hear(peer.socket);
	send_frames(&a, FRAMES, 1000);
	assert_int_equal(peer_end(&peer), 0);
	port_close(&a);
	/* and gone with it: the name is free again */
	b = port_open(ends[1]);
	port_close(&b);
}

static void it_comes_back(void **state)
{
	const char *const *ends = *state;
	struct peer peer = peer_start(sends_and_returns);
	struct port a = port_open(ends[0]), b = port_open(ends[1]);

	pass_port(peer.socket, &a);
	port_close(&a);
	take_frames(&b, FRAMES, 1000);
	a = take_port(peer.socket);
	assert_int_equal(peer_end(&peer), 0);
	assert_int_equal(a.tx->head, FRAMES);
	send_frames(&a, 10, 2000);
	take_frames(&b, 10, 2000);
	port_close(&a);
	port_close(&b);
}

/* What it opens and sends outlives it in the socket alone. */
static int opens_and_exits(int socket)
{
	struct port port = port_open("x{passed");

	send_frames(&port, 3, 50);
	pass_port(socket, &port);
	return 0;
}

static void the_sender_exits(void **state)
{
	struct peer peer = peer_start(opens_and_exits);
	struct port a, b;

	(void)state;
	assert_int_equal(child_wait(peer.pid), 0);
	b = port_open("x}passed");
	assert_int_equal(netmap_bind(netmap_open(), "x{passed", 0), EBUSY);
	a = take_port(peer.socket);
	take_frames(&b, 3, 50);
	send_frames(&a, 3, 53);
	take_frames(&b, 3, 53);
	port_close(&a);
	port_close(&b);
	close(peer.socket);
}

static void the_receiver_is_killed(void **state)
{
	const char *const *ends = *state;
	struct peer peer = peer_start(waits);
	struct port a = port_open(ends[0]), b = port_open(ends[1]);

	pass_port(peer.socket, &a);
	hear(peer.socket);
	assert_int_equal(kill(peer.pid, SIGKILL), 0);
	assert_int_equal(peer_end(&peer), -SIGKILL);
	take_frames(&b, 1, 7);
	send_frames(&a, 10, 8);
	take_frames(&b, 10, 8);
	port_close(&a);
	port_close(&b);
	a = port_open(ends[0]);
	port_close(&a);
}

static int passes_on(int socket)
{
	struct port port = take_port(socket);

	pass_port(socket, &port);
	port_close(&port);
	return 0;
}

static void three_programs_in_a_row(void **state)
{
	const char *const *ends = *state;
	struct peer second = peer_start(passes_on), third = peer_start(sends);
	struct port a = port_open(ends[0]), b = port_open(ends[1]);
	struct port between;

	pass_port(second.socket, &a);
	port_close(&a);
	between = take_port(second.socket);
	assert_int_equal(peer_end(&second), 0);
	pass_port(third.socket, &between);
	port_close(&between);
	take_frames(&b, FRAMES, 1000);
	assert_int_equal(peer_end(&third), 0);
	port_close(&b);
}

static int opens_and_syncs_for_ever(int socket)
{
	struct port port = port_open("x{killed");

	send_frames(&port, 3, 50);
	pass_port(socket, &port);
	for (;;)
		ioctl(port.fd, NIOCTXSYNC, NULL);
	return 0;
}

static void the_sender_is_killed(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 10; i++) {
		struct peer peer = peer_start(opens_and_syncs_for_ever);
		struct port a = take_port(peer.socket), b = port_open("x}killed");

		sleep_ms(i % 3);
		assert_int_equal(kill(peer.pid, SIGKILL), 0);
		assert_int_equal(peer_end(&peer), -SIGKILL);
		take_frames(&b, 3, 50);
		send_frames(&a, FRAMES, 60);
		take_frames(&b, FRAMES, 60);
		port_close(&a);
		port_close(&b);
	}
}

/* ---- who knows nothing of this library ---- */

static int becomes_plain(int socket)
{
	char number[16];

	snprintf(number, sizeof number, "%d", socket);
	unsetenv("LD_PRELOAD");
	execl("/proc/self/exe", "plain", number, (char *)NULL);
	return 126;
}

/* It gets one descriptor that has nothing to do with anything, and the other as it was sent. */
static int plain(int socket)
{
	struct pollfd wait;
	int fds[2];
	char byte;

	CHECK(take_fds(socket, fds, 2, &byte, 1, 0) == 2);
	CHECK(ioctl(fds[0], NIOCTXSYNC, NULL) == -1);
	wait = (struct pollfd){.fd = fds[0], .events = POLLIN};
	CHECK(poll(&wait, 1, 0) >= 0);
	CHECK(write(fds[1], "!", 1) == 1);
	pass_fds(socket, fds, 1, "x", 1);
	CHECK(close(fds[0]) == 0);
	return 0;
}

static void a_program_without_the_library_can_only_pass_it_on(void **state)
{
	struct peer peer = peer_start(becomes_plain);
	struct port a = port_open("x{plain"), b = port_open("x}plain");
	int pipes[2], fds[2];
	char byte;

	(void)state;
	assert_int_equal(pipe(pipes), 0);
	fds[0] = a.fd;
	fds[1] = pipes[1];
	pass_fds(peer.socket, fds, 2, "x", 1);
	assert_int_equal(read(pipes[0], &byte, 1), 1);
	assert_int_equal(take_fds(peer.socket, fds, 1, &byte, 1, 0), 1);
	assert_int_equal(ioctl(fds[0], NIOCTXSYNC, NULL), 0);
	assert_int_equal(peer_end(&peer), 0);
	close(fds[0]);
	close(pipes[0]);
	close(pipes[1]);
	send_frames(&a, 1, 5);
	take_frames(&b, 1, 5);
	port_close(&a);
	port_close(&b);
}

static void sending_is_refused(int fd)
{
	_Alignas(struct cmsghdr) char control[CMSG_SPACE(sizeof(int))] = {0};
	struct cmsghdr *cmsg = (struct cmsghdr *)(void *)control;
	char byte = 0;
	struct iovec part = {.iov_base = &byte, .iov_len = 1};
	struct msghdr message = {.msg_iov = &part,
	    .msg_iovlen = 1,
	    .msg_control = control,
	    .msg_controllen = sizeof control};
	int ends[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, ends), 0);
	*cmsg = (struct cmsghdr){
	    .cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS, .cmsg_len = CMSG_LEN(sizeof fd)};
	memcpy(CMSG_DATA(cmsg), &fd, sizeof fd);
	assert_errno(sendmsg(ends[0], &message, 0), EOPNOTSUPP);
	assert_errno(recv(ends[1], &byte, 1, MSG_DONTWAIT), EAGAIN); /* nothing was sent */
	close(ends[0]);
	close(ends[1]);
}

static void what_cannot_be_passed_on_is_refused(void **state)
{
	struct port watched = port_open("null:w");
	int fd = netmap_open();

	(void)state;
	assert_int_equal(netmap_bind(fd, "null:w", NR_MONITOR_TX), 0);
	sending_is_refused(fd);
	close(fd);
	port_close(&watched);
}

/* What its lanes hold is in the memory of one program. */
static void a_fault_port_stays_and_goes_on(void **state)
{
	struct port near = port_open("fault:loss=0@x{f"), far = port_open("x}f");

	(void)state;
	send_frames(&near, 1, 5);
	sending_is_refused(near.fd);
	take_frames(&far, 1, 5);
	send_frames(&near, 6, 5);
	take_frames(&far, 6, 5);
	port_close(&near);
	port_close(&far);
}

/* ---- null and loop: within the receiver ---- */

static int uses_null(int socket)
{
	struct port port = take_port(socket);

	for (unsigned i = 0; i < 50; i++) {
		send_frames(&port, FRAMES, 0);
		CHECK(nm_ring_space(port.tx) == port.tx->num_slots - 1);
	}
	port_close(&port);
	return 0;
}

static void null_goes_on_swallowing(void **state)
{
	struct peer peer = peer_start(uses_null);
	struct port port = port_open("null:a");

	(void)state;
	send_frames(&port, 10, 0);
	pass_port(peer.socket, &port);
	port_close(&port);
	assert_int_equal(peer_end(&peer), 0);
}

static void loop_between_two_programs(void **state)
{
	struct peer peer = peer_start(receives);
	struct port port = port_open("loop:a");

	(void)state;
	pass_port(peer.socket, &port);
	hear(peer.socket);
	sleep_ms(50); /* it sleeps */
	send_frames(&port, FRAMES, 1000);
	assert_int_equal(peer_end(&peer), 0);
	port_close(&port);
}

/* ---- messages ---- */

static void the_rest_of_the_message_is_as_it_was(void **state)
{
	struct port port = port_open("null:a");
	int pipes[2], ends[2], fds[4], got[4];
	char word[6];

	(void)state;
	assert_int_equal(pipe(pipes), 0);
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, ends), 0);
	fds[0] = pipes[0];
	fds[1] = port.fd;
	fds[2] = pipes[1];
	fds[3] = port.fd;
	pass_fds(ends[0], fds, 4, "hello", 6);
	assert_int_equal(take_fds(ends[1], got, 4, word, 6, MSG_CMSG_CLOEXEC), 4);
	assert_string_equal(word, "hello");
	assert_int_equal(write(got[2], "ab", 2), 2);
	assert_int_equal(read(got[0], word, 2), 2);
	assert_int_equal(ioctl(got[1], NIOCTXSYNC, NULL), 0);
	assert_int_equal(ioctl(got[3], NIOCTXSYNC, NULL), 0);
	for (unsigned i = 0; i < 4; i++) {
		assert_int_equal(fcntl(got[i], F_GETFD) & FD_CLOEXEC, FD_CLOEXEC);
		close(got[i]);
	}
	/* room for two of three */
	pass_fds(ends[0], fds, 3, "hello", 6);
	assert_int_equal(take_fds(ends[1], got, 2, word, 6, 0), 1002);
	assert_int_equal(ioctl(got[1], NIOCTXSYNC, NULL), 0);
	assert_int_equal(fcntl(got[1], F_GETFD) & FD_CLOEXEC, 0);
	close(got[0]);
	close(got[1]);
	/* a look, and the real thing */
	pass_fds(ends[0], fds, 2, "hello", 6);
	assert_int_equal(take_fds(ends[1], got, 2, word, 6, MSG_PEEK), 2);
	assert_int_equal(take_fds(ends[1], got + 2, 2, word, 6, 0), 2);
	assert_int_equal(ioctl(got[1], NIOCTXSYNC, NULL), 0);
	close(got[1]);
	assert_int_equal(ioctl(got[3], NIOCTXSYNC, NULL), 0);
	close(got[0]);
	close(got[2]);
	close(got[3]);
	for (unsigned i = 0; i < 2; i++) {
		close(pipes[i]);
		close(ends[i]);
	}
	port_close(&port);
}

static int looks_at_what_it_got(int socket)
{
	struct port port = take_port(socket);
	struct pollfd another = {.fd = socket, .events = POLLIN};

	CHECK(ioctl(port.fd, NIOCTXSYNC, NULL) == 0);
	CHECK(poll(&another, 1, 10000) == 1); /* and leaves it there */
	return 0;
}

static void many_messages_at_once(void **state)
{
	struct port port = port_open("null:a");
	_Alignas(struct cmsghdr) char control[2][CMSG_SPACE(sizeof(int))] = {{0}};
	struct mmsghdr messages[2] = {{.msg_len = 0}};
	char word = 'x';
	struct iovec part = {.iov_base = &word, .iov_len = 1};
	int ends[2], fd;

	(void)state;
	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, ends), 0);
	for (unsigned i = 0; i < 2; i++) {
		struct cmsghdr *cmsg = (struct cmsghdr *)(void *)control[i];

		messages[i].msg_hdr = (struct msghdr){.msg_iov = &part,
		    .msg_iovlen = 1,
		    .msg_control = control[i],
		    .msg_controllen = sizeof control[i]};
		*cmsg = (struct cmsghdr){.cmsg_level = SOL_SOCKET,
		    .cmsg_type = SCM_RIGHTS,
		    .cmsg_len = CMSG_LEN(sizeof fd)};
		memcpy(CMSG_DATA(cmsg), &port.fd, sizeof port.fd);
	}
	assert_int_equal(sendmmsg(ends[0], messages, 2, 0), 2);
	assert_int_equal(messages[1].msg_len, 1);
	memset(control, 0, sizeof control);
	assert_int_equal(recvmmsg(ends[1], messages, 2, MSG_DONTWAIT, NULL), 2);
	for (unsigned i = 0; i < 2; i++) {
		const struct cmsghdr *cmsg = CMSG_FIRSTHDR(&messages[i].msg_hdr);
		assert_non_null(cmsg);
		if (!cmsg)
			continue;
		memcpy(&fd, CMSG_DATA(cmsg), sizeof fd);
		assert_int_equal(ioctl(fd, NIOCTXSYNC, NULL), 0);
		close(fd);
		close(ends[i]);
	}
	port_close(&port);
}

static void descriptors_do_not_pile_up(void **state)
{
	struct peer peer;
	struct port port = port_open("x{1");
	unsigned before;

	(void)state;
	before = open_descriptors();
	for (unsigned i = 0; i < 20; i++) {
		struct port back;

		peer = peer_start(passes_on);
		pass_port(peer.socket, &port);
		back = take_port(peer.socket);
		assert_int_equal(peer_end(&peer), 0);
		port_close(&back);
	}
	assert_int_equal(open_descriptors(), before);
	/* a message that nobody takes */
	peer = peer_start(looks_at_what_it_got);
	pass_port(peer.socket, &port);
	pass_port(peer.socket, &port);
	assert_int_equal(peer_end(&peer), 0);
	port_close(&port);
	port = port_open("x{1");
	port_close(&port);
}

#define BETWEEN(test, a, b)                                                                        \
	{                                                                                          \
		.name = #test ": " a, .test_func = (test),                                         \
		.initial_state = (void *)(uintptr_t)(const char *const[])                          \
		{                                                                                  \
			a, b                                                                       \
		}                                                                                  \
	}

static int tests_run(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(within_a_process_it_is_the_same_open_file),
	    cmocka_unit_test(an_unbound_one_passes_too),
	    cmocka_unit_test(another_process_binds_an_unbound_one),
	    BETWEEN(the_receiver_sends, "x{1", "x}1"),
	    BETWEEN(the_receiver_sends, "pipe{a}", "pipe{a}"),
	    BETWEEN(the_receiver_sends, "vale0:a", "vale0:b"),
	    BETWEEN(the_receiver_receives, "x{1", "x}1"),
	    BETWEEN(the_receiver_receives, "vale0:a", "vale0:b"),
	    BETWEEN(the_receiver_receives, "vale0:a{1", "vale0:a}1"),
	    BETWEEN(it_comes_back, "x}1", "x{1"),
	    BETWEEN(it_comes_back, "vale0:a", "vale0:b"),
	    BETWEEN(the_receiver_is_killed, "x{1", "x}1"),
	    BETWEEN(the_receiver_is_killed, "vale0:a", "vale0:b"),
	    BETWEEN(three_programs_in_a_row, "x{1", "x}1"),
	    BETWEEN(three_programs_in_a_row, "vale0:a", "vale0:b"),
	    cmocka_unit_test(the_sender_exits),
	    cmocka_unit_test(the_sender_is_killed),
	    cmocka_unit_test(a_program_without_the_library_can_only_pass_it_on),
	    cmocka_unit_test(what_cannot_be_passed_on_is_refused),
	    cmocka_unit_test(a_fault_port_stays_and_goes_on),
	    cmocka_unit_test(null_goes_on_swallowing),
	    cmocka_unit_test(loop_between_two_programs),
	    cmocka_unit_test(the_rest_of_the_message_is_as_it_was),
	    cmocka_unit_test(many_messages_at_once),
	    cmocka_unit_test(descriptors_do_not_pile_up),
	};

	return cmocka_run_group_tests(tests, group_start, group_end);
}

/* Started anew without the library, as "plain", it is the receiver that knows nothing of it. */
int main(int argc, char **argv)
{
	if (argc == 2 && strcmp(argv[0], "plain") == 0)
		return plain((int)strtol(argv[1], NULL, 10));
	return tests_run();
}
