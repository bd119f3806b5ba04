/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The host's own TCP and ping over an interface whose packets all pass a program, which forwards them between
 * the NIC's rings and the host's; and what becomes of a connection when that program is killed.
 */
#include "wire.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/ip_icmp.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#define FAR_ADDRESS "10.7.7.2"
#define PORT        7777
#define BYTES       (2u << 20)
#define STALL_MS    20000 /* a connection that rests for so long is dead */

static pid_t far_host, program;

/* ---- the far host: echoes what it is sent ---- */

static void echo(int fd)
{
	static uint8_t data[65536];
	ssize_t n;

	while ((n = read(fd, data, sizeof data)) > 0)
		for (ssize_t done = 0, more; done < n; done += more) {
			more = write(fd, data + done, (size_t)(n - done));
			if (more < 0)
				return;
		}
}

static int far_serve(int ready)
{
	const struct sockaddr_in at = {.sin_family = AF_INET, .sin_port = htons(PORT)};
	int listener = socket(AF_INET, SOCK_STREAM, 0), fd;

	/* What a veth leaves in one piece the packet kind cuts; AF_XDP's programs have to have it cut. */
	if ((strncmp(TRIED, "xdp", 3) == 0 && netns_plain(FAR)) ||
	    netns_address(FAR, FAR_ADDRESS) || netns_up(FAR, true) ||
	    bind(listener, (const struct sockaddr *)&at, sizeof at) || listen(listener, 1))
		return 1;
	if (write(ready, "r", 1) != 1)
		return 1;
	while ((fd = accept(listener, NULL, NULL)) >= 0) {
		echo(fd);
		close(fd);
	}
	return 0;
}

/* Dies with the test. */
static pid_t child(void)
{
	pid_t pid = fork();

	assert_true(pid >= 0);
	if (pid == 0)
		alarm(60);
	return pid;
}

static void expect_byte(int fd)
{
	struct pollfd wait = {.fd = fd, .events = POLLIN};
	char byte;

	assert_int_equal(poll(&wait, 1, PATIENCE_MS), 1);
	assert_int_equal(read(fd, &byte, 1), 1);
}

static void far_start(void)
{
	int up[2], down[2];
	char byte;

	assert_int_equal(pipe(up), 0);
	assert_int_equal(pipe(down), 0);
	far_host = child();
	if (far_host == 0) {
		if (unshare(CLONE_NEWNET) || write(up[1], "u", 1) != 1 ||
		    read(down[0], &byte, 1) != 1)
			_exit(1);
		_exit(far_serve(up[1]));
	}
	expect_byte(up[0]);
	assert_int_equal(netns_give(FAR, far_host), 0);
	assert_int_equal(write(down[1], "g", 1), 1);
	expect_byte(up[0]);
	for (int i = 0; i < 2; i++) {
		close(up[i]);
		close(down[i]);
	}
}

/* ---- the program ---- */

static void rings_get(struct loom_port *nic, struct loom_port *host, struct end *n, struct end *h)
{
	*n = (struct end){.port = nic};
	*h = (struct end){.port = host};
	if (loom_tx(nic, 0, &n->tx) || loom_rx(nic, 0, &n->rx) || loom_tx(host, 1, &h->tx) ||
	    loom_rx(host, 1, &h->rx))
		_exit(2);
}

static void bridge(struct loom_port *nic, struct loom_port *host)
{
	struct end n, h;

	rings_get(nic, host, &n, &h);
	for (;;) {
		if (loom_tx_sync(&n.tx) || loom_tx_sync(&h.tx) || loom_rx_sync(&n.rx) ||
		    loom_rx_sync(&h.rx))
			_exit(3);
		if (loom_forward(&n.rx, &h.tx, 256) + loom_forward(&h.rx, &n.tx, 256) == 0)
			usleep(200);
	}
}

/* name^ and name, or both by name*. */
static void program_start(const char *name, bool one)
{
	struct loom_port *nic, *host;
	char host_name[64];
	int ready[2];

	assert_int_equal(pipe(ready), 0);
	snprintf(host_name, sizeof host_name, "%s%s", name, one ? "*" : "^");
	program = child();
	if (program == 0) {
		int err = loom_open(host_name, NULL, &host);

		if (!err && one)
			nic = host;
		else if (!err)
			err = loom_open(name, NULL, &nic);
		if (err) {
			fprintf(stderr, "%s: %s\n", host_name, loom_error());
			_exit(1);
		}
		if (write(ready[1], "r", 1) != 1)
			_exit(1);
		bridge(nic, host);
	}
	expect_byte(ready[0]);
	close(ready[0]);
	close(ready[1]);
}

static void kill_and_wait(pid_t *pid)
{
	int status;

	if (*pid <= 0)
		return;
	kill(*pid, SIGKILL);
	waitpid(*pid, &status, 0);
	*pid = 0;
}

/* ---- the near host ---- */

static int tcp_connect(void)
{
	const struct sockaddr_in to = {.sin_family = AF_INET,
	    .sin_port = htons(PORT),
	    .sin_addr.s_addr = inet_addr(FAR_ADDRESS)};
	const struct timeval patience = {.tv_sec = STALL_MS / 1000};
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	assert_true(fd >= 0);
	setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);
	assert_int_equal(connect(fd, (const struct sockaddr *)&to, sizeof to), 0);
	assert_int_equal(fcntl(fd, F_SETFL, O_NONBLOCK), 0);
	return fd;
}

static uint8_t byte_at(uint32_t i)
{
	return (uint8_t)(i * 2654435761u >> 24);
}

struct transfer {
	int fd;
	uint32_t sent, received;
};

static void transfer_send(struct transfer *t, uint32_t end)
{
	uint8_t data[16384];
	uint32_t n = end - t->sent < sizeof data ? end - t->sent : sizeof data;
	ssize_t went;

	for (uint32_t i = 0; i < n; i++)
		data[i] = byte_at(t->sent + i);
	went = write(t->fd, data, n);
	if (went > 0)
		t->sent += (uint32_t)went;
	else
		assert_int_equal(errno, EAGAIN);
}

static void transfer_receive(struct transfer *t)
{
	uint8_t data[16384];
	ssize_t came = read(t->fd, data, sizeof data);

	if (came < 0) {
		assert_int_equal(errno, EAGAIN);
		return;
	}
	assert_true(came > 0);
	for (ssize_t i = 0; i < came; i++)
		if (data[i] != byte_at(t->received + (uint32_t)i))
			fail_msg("byte %u of the echo is wrong", t->received + (uint32_t)i);
	t->received += (uint32_t)came;
}

/* Until that many bytes have come back. */
static void transfer_go(struct transfer *t, uint32_t send_to, uint32_t receive_to)
{
	while (t->received < receive_to) {
		struct pollfd wait = {
		    .fd = t->fd, .events = t->sent < send_to ? POLLIN | POLLOUT : POLLIN};

		if (poll(&wait, 1, STALL_MS) != 1)
			fail_msg("the connection rests after %u bytes sent, %u received", t->sent,
			    t->received);
		if (wait.revents & POLLOUT)
			transfer_send(t, send_to);
		if (wait.revents & ~POLLOUT)
			transfer_receive(t);
	}
}

static uint16_t icmp_sum(const uint16_t *word, size_t n)
{
	uint32_t sum = 0;

	for (size_t i = 0; i < n; i++)
		sum += word[i];
	sum = (sum & 0xffff) + (sum >> 16);
	return (uint16_t) ~(sum + (sum >> 16));
}

/* Several times: the first may be lost while addresses are resolved. */
static void ping(void)
{
	const struct sockaddr_in to = {
	    .sin_family = AF_INET, .sin_addr.s_addr = inet_addr(FAR_ADDRESS)};
	int fd = socket(AF_INET, SOCK_RAW, IPPROTO_ICMP);
	bool answered = false;

	assert_true(fd >= 0);
	for (uint16_t i = 0; i < 10 && !answered; i++) {
		uint16_t out[4] = {htons(ICMP_ECHO << 8), 0, htons(77), htons(i)};
		struct pollfd wait = {.fd = fd, .events = POLLIN};
		uint8_t in[128];

		out[1] = icmp_sum(out, 4);
		sendto(fd, out, sizeof out, 0, (const struct sockaddr *)&to, sizeof to);
		while (!answered && poll(&wait, 1, 1000) == 1)
			answered = read(fd, in, sizeof in) >= 28 && in[20] == ICMP_ECHOREPLY &&
				   memcmp(in + 24, &out[2], 2) == 0;
	}
	close(fd);
	assert_true(answered);
}

static int scene_setup(void **state)
{
	wire_setup(state);
	assert_int_equal(netns_address(NEAR, HOST_ADDRESS), 0);
	far_start();
	return 0;
}

static int scene_teardown(void **state)
{
	kill_and_wait(&program);
	kill_and_wait(&far_host);
	return wire_teardown(state);
}

/* ---- tests ---- */

static void transfer_through(const char *name, bool one)
{
	struct transfer t = {0};

	program_start(name, one);
	ping();
	t.fd = tcp_connect();
	transfer_go(&t, BYTES, BYTES);
	close(t.fd);
}

static void tcp_and_ping_pass_one_port(void **state)
{
	(void)state;
	transfer_through(TRIED, true);
}

static void tcp_and_ping_pass_two_ports(void **state)
{
	(void)state;
	transfer_through(TRIED, false);
}

/* That it is the program they pass shows when it stands still. */
static void nothing_passes_a_program_that_stands_still(void **state)
{
	struct transfer t = {0};
	struct pollfd wait;

	(void)state;
	program_start(TRIED, true);
	t.fd = tcp_connect();
	transfer_go(&t, 1000, 1000);
	assert_int_equal(kill(program, SIGSTOP), 0);
	transfer_send(&t, 2000);
	wait = (struct pollfd){.fd = t.fd, .events = POLLIN};
	assert_int_equal(poll(&wait, 1, 300), 0);
	assert_int_equal(kill(program, SIGCONT), 0);
	transfer_go(&t, 2000, 2000);
	close(t.fd);
}

static void a_connection_outlives_the_program(void **state)
{
	struct transfer t = {0};

	(void)state;
	program_start(TRIED, true);
	t.fd = tcp_connect();
	transfer_go(&t, BYTES, BYTES / 4);
	kill_and_wait(&program);
	transfer_go(&t, BYTES, BYTES);
	ping();
	close(t.fd);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(
		tcp_and_ping_pass_one_port, scene_setup, scene_teardown),
	    cmocka_unit_test_setup_teardown(
		tcp_and_ping_pass_two_ports, scene_setup, scene_teardown),
	    cmocka_unit_test_setup_teardown(
		nothing_passes_a_program_that_stands_still, scene_setup, scene_teardown),
	    cmocka_unit_test_setup_teardown(
		a_connection_outlives_the_program, scene_setup, scene_teardown),
	};

	if (geteuid() != 0) {
		printf("SKIP: host rings need root: BPF programs are not for user namespaces\n");
		return 77;
	}
	return WIRE_TESTS(tests);
}
