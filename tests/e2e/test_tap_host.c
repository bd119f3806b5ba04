/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The host's own network stack at a tap port: echo requests answered by a program, and a TCP connection
 * between two hosts, in namespaces of their own, that have nothing in common but a program that forwards.
 */
#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/ip_icmp.h>
#include <poll.h>
#include <sched.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../../examples/answer.h"
#include "wire.h"

#define PEER  "10.7.7.2"
#define PORT  4711
#define BYTES (2u << 20)

/* ---- ping ---- */

static void answer_present(struct end *end, const struct identity *self)
{
	struct loom_frame frame;

	while (loom_tx_space(&end->tx) > 0 && loom_peek(&end->rx, &frame, 1) == 1) {
		if (answer_frame(frame.data, frame.len, self) < ANSWERS)
			loom_forward(&end->rx, &end->tx, 1);
		else
			loom_release(&end->rx, 1);
	}
}

static void the_host_pings_a_program(void **state)
{
	const struct sockaddr_in to = {
	    .sin_family = AF_INET, .sin_addr.s_addr = inet_addr("10.7.7.9")};
	uint8_t request[8] = {ICMP_ECHO, 0, 0, 0, 0, 7, 0, 1};
	struct wire *wire = *state;
	struct identity self;
	uint8_t reply[256] = {0};
	uint64_t deadline = now_ms() + PATIENCE_MS;
	ssize_t n = -1;
	uint16_t sum;
	int fd;

	identity_set(&self, to.sin_addr);
	end_open(&wire->near, "tap:t0", NULL);
	assert_ok(netns_address("t0", HOST_ADDRESS));
	fd = socket(AF_INET, SOCK_RAW | SOCK_NONBLOCK, IPPROTO_ICMP);
	assert_true(fd >= 0);
	sum = inet_checksum(request, sizeof request);
	memcpy(request + 2, &sum, sizeof sum);
	assert_true(
	    sendto(fd, request, sizeof request, 0, (const struct sockaddr *)&to, sizeof to) > 0);
	while (n < 0 && now_ms() < deadline) {
		assert_true(loom_port_wait(wire->near.port, LOOM_RX, 10) >= 0);
		answer_present(&wire->near, &self);
		assert_ok(loom_tx_sync(&wire->near.tx));
		n = recv(fd, reply, sizeof reply, 0);
	}
	close(fd);
	assert_int_equal(n, 20 + sizeof request);
	assert_int_equal(reply[20], ICMP_ECHOREPLY);
}

/* ---- TCP ---- */

static uint8_t content(uint32_t at)
{
	return (uint8_t)(at * 2654435761u >> 24);
}

static struct sockaddr_in server(void)
{
	return (struct sockaddr_in){.sin_family = AF_INET,
	    .sin_port = htons(PORT),
	    .sin_addr.s_addr = inet_addr(HOST_ADDRESS)};
}

/* Descriptors of pipes that are readable when the interfaces are there. */
struct starts {
	int receiver[2], sender[2];
};

static void start_await(const int pipe[2])
{
	uint8_t byte;

	close(pipe[1]);
	if (read(pipe[0], &byte, 1) != 1)
		_exit(9);
}

static int receive_all(void *arg)
{
	const struct starts *starts = arg;
	const struct sockaddr_in at = server();
	int listener = socket(AF_INET, SOCK_STREAM, 0), fd;
	static uint8_t data[16384];
	uint32_t got = 0;
	ssize_t n;

	start_await(starts->receiver);
	if (bind(listener, (const struct sockaddr *)&at, sizeof at) != 0 ||
	    listen(listener, 1) != 0)
		return 2;
	fd = accept(listener, NULL, NULL);
	while ((n = read(fd, data, sizeof data)) > 0)
		for (ssize_t i = 0; i < n; i++)
			if (data[i] != content(got++))
				return 3;
	return n == 0 && got == BYTES ? 0 : 4;
}

static int send_all(void *arg)
{
	const struct starts *starts = arg;
	const struct sockaddr_in to = server();
	static uint8_t data[BYTES];
	int fd = -1, err = -1;

	for (uint32_t i = 0; i < BYTES; i++)
		data[i] = content(i);
	start_await(starts->sender);
	for (unsigned tries = 0; err && tries < 100; tries++) {
		fd = socket(AF_INET, SOCK_STREAM, 0);
		err = connect(fd, (const struct sockaddr *)&to, sizeof to);
		if (err)
			usleep(50000);
	}
	for (uint32_t sent = 0; !err && sent < BYTES;) {
		ssize_t n = write(fd, data + sent, BYTES - sent);

		err = n <= 0;
		sent += n > 0 ? (uint32_t)n : 0;
	}
	return err ? 2 : close(fd);
}

static void forward(struct end *from, struct end *to)
{
	assert_ok(loom_rx_sync(&from->rx));
	while (loom_forward(&from->rx, &to->tx, 64) > 0)
		continue;
	assert_ok(loom_tx_sync(&to->tx));
}

/* Until the child has ended; what becomes of it is for child_wait(). */
static void forward_until_end(struct wire *wire, pid_t child)
{
	const uint64_t deadline = now_ms() + 30000;
	siginfo_t info = {0};

	while (info.si_pid == 0 && now_ms() < deadline) {
		struct pollfd fds[] = {{.fd = loom_port_fd(wire->near.port), .events = POLLIN},
		    {.fd = loom_port_fd(wire->far.port), .events = POLLIN}};

		poll(fds, 2, 50);
		forward(&wire->near, &wire->far);
		forward(&wire->far, &wire->near);
		waitid(P_PID, (id_t)child, &info, WEXITED | WNOHANG | WNOWAIT);
	}
}

static void tcp_passes_between_two_hosts(void **state)
{
	struct wire *wire = *state;
	struct starts starts;
	pid_t receiver, sender;
	int home = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);

	assert_int_equal(pipe(starts.receiver), 0);
	assert_int_equal(pipe(starts.sender), 0);
	receiver = child_start(receive_all, &starts);
	end_open(&wire->near, "tap:t0", NULL);
	assert_ok(netns_address("t0", HOST_ADDRESS));
	assert_int_equal(unshare(CLONE_NEWNET), 0);
	sender = child_start(send_all, &starts);
	end_open(&wire->far, "tap:t1", NULL);
	assert_ok(netns_address("t1", PEER));
	assert_int_equal(setns(home, CLONE_NEWNET), 0);
	close(home);
	assert_int_equal(write(starts.receiver[1], "", 1), 1);
	assert_int_equal(write(starts.sender[1], "", 1), 1);
	forward_until_end(wire, receiver);
	for (unsigned i = 0; i < 2; i++) {
		close(starts.receiver[i]);
		close(starts.sender[i]);
	}
	assert_int_equal(child_wait(receiver), 0);
	assert_int_equal(child_wait(sender), 0);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
	    WIRE_TEST(the_host_pings_a_program),
	    WIRE_TEST(tcp_passes_between_two_hosts),
	};

	return WIRE_TESTS(tests);
}
