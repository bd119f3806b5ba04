/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * How fast is TCP when every packet of it goes through a program on the interface's rings and its host rings,
 * compared with TCP over the same sort of interface without one? One connection, sent from the
 * program's side.
 *
 *	host_tcp [KIND]
 *
 *	here: sender ── the kernel ── host rings: program: a0 ── b0: the kernel ── receiver: in another namespace
 *
 * The kernel spares itself most of the work of bulk TCP by handing up to 64 KB over a veth in one piece, which
 * no frame on rings can hold. What is left without that is printed beside.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <pktloom.h>

#include "../bench.h"
#include "packet_net.h"

#define PIECE   (64u << 10)
#define TCP     5001
#define PAIRS   3u
#define WAIT_MS 100
#define STALL_S 5 /* a connection that moves nothing for so long has failed */

static const char *kind; /* of port, by which the program has the interface */
static int apart;        /* the namespace of the b's */

/* ---- the program ---- */

static void forward(const struct loom_rxring *rx, const struct loom_txring *tx)
{
	loom_forward(rx, tx, rx->num_slots);
	if (loom_rx_sync(rx) < 0 || loom_tx_sync(tx) < 0)
		bench_die("%s", loom_error());
}

/* The pair's NIC rings have index 0, the host's stand behind them. */
static void program_run(int ready)
{
	struct loom_port *port;
	struct loom_txring tx[2];
	struct loom_rxring rx[2];
	char name[32];

	snprintf(name, sizeof name, "%s:a0*", kind);
	if (loom_open(name, NULL, &port) < 0)
		bench_skip("%s", loom_error());
	if (loom_tx(port, 0, &tx[0]) < 0 || loom_tx(port, loom_tx_rings(port), &tx[1]) < 0 ||
	    loom_rx(port, 0, &rx[0]) < 0 || loom_rx(port, loom_rx_rings(port), &rx[1]) < 0)
		bench_die("%s", loom_error());
	if (write(ready, "", 1) != 1)
		bench_die("nobody waits for the program");
	for (;;) {
		forward(&rx[0], &tx[1]);
		forward(&rx[1], &tx[0]);
		if (loom_rx_space(&rx[0]) == 0 && loom_rx_space(&rx[1]) == 0 &&
		    loom_port_wait(port, LOOM_RX, WAIT_MS) < 0)
			bench_die("%s", loom_error());
	}
}

/* It has both cores to choose from, as it would have, and goes with this process. */
static pid_t program_start(void)
{
	cpu_set_t both;
	pid_t pid, parent = getpid();
	int ready[2], status;
	char byte;

	CPU_ZERO(&both);
	CPU_SET((size_t)bench_core(0), &both);
	CPU_SET((size_t)bench_core(1), &both);
	if (pipe(ready) != 0 || (pid = fork()) < 0)
		bench_die("cannot start the program: %s", strerror(errno));
	if (pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		if (getppid() != parent)
			_exit(1);
		sched_setaffinity(0, sizeof both, &both);
		program_run(ready[1]);
	}
	close(ready[1]);
	if (read(ready[0], &byte, 1) != 1) {
		waitpid(pid, &status, 0);
		exit(WIFEXITED(status) ? WEXITSTATUS(status) : 1); /* it has said why */
	}
	close(ready[0]);
	return pid;
}

/* ---- a connection ---- */

struct end {
	int listener, fd;
	pid_t program;
	uint8_t piece[PIECE];
};

static struct sockaddr_in address_of(unsigned pair, unsigned side)
{
	struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(TCP)};

	address.sin_addr.s_addr = htonl(net_address(side, pair));
	return address;
}

static int tcp_socket(void)
{
	const struct timeval patience = {.tv_sec = STALL_S};
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), on = 1;

	if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience) != 0 ||
	    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience) != 0 ||
	    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) != 0)
		bench_die("no socket: %s", strerror(errno));
	return fd;
}

static void sender_listen(struct end *end, unsigned pair)
{
	const struct sockaddr_in own = address_of(pair, 0);

	end->listener = tcp_socket();
	if (bind(end->listener, (const struct sockaddr *)&own, sizeof own) != 0 ||
	    listen(end->listener, 1) != 0)
		bench_die("cannot listen: %s", strerror(errno));
}

static void receiver_connect(struct end *end, unsigned pair)
{
	const struct sockaddr_in other = address_of(pair, 0);

	if (setns(apart, CLONE_NEWNET) != 0)
		bench_die("cannot enter the other namespace: %s", strerror(errno));
	end->fd = tcp_socket();
	if (connect(end->fd, (const struct sockaddr *)&other, sizeof other) != 0)
		bench_die("pair %u: cannot connect: %s", pair, strerror(errno));
}

static void *end_open(unsigned side, unsigned pair)
{
	struct end *end = calloc(1, sizeof *end);

	if (!end)
		bench_die("out of memory");
	end->listener = end->fd = -1;
	if (side == 0)
		sender_listen(end, pair);
	else
		receiver_connect(end, pair);
	return end;
}

static void *through_open(const struct bench_row *row, unsigned side)
{
	pid_t program = side == 0 ? program_start() : 0;
	struct end *end = end_open(side, 0);

	(void)row;
	end->program = program;
	return end;
}

static void *without_open(const struct bench_row *row, unsigned side)
{
	(void)row;
	return end_open(side, 1);
}

static void *frames_open(const struct bench_row *row, unsigned side)
{
	(void)row;
	return end_open(side, 2);
}

static void end_close(void *argument)
{
	struct end *end = argument;

	if (end->fd >= 0)
		close(end->fd);
	if (end->listener >= 0)
		close(end->listener);
	if (end->program > 0) {
		kill(end->program, SIGKILL);
		waitpid(end->program, NULL, 0);
	}
	free(end);
}

static uint64_t end_send(struct end *end, struct bench_turn *turn)
{
	uint64_t sent = 0;

	if (end->fd < 0)
		end->fd = accept4(end->listener, NULL, NULL, SOCK_CLOEXEC);
	while (!bench_over(turn)) {
		ssize_t n = send(end->fd, end->piece, PIECE, MSG_NOSIGNAL);

		if (n <= 0)
			bench_die("TCP does not send: %s", strerror(errno));
		sent += (uint64_t)n;
	}
	bench_finish(turn, sent);
	return sent;
}

static uint64_t end_receive(struct end *end, struct bench_turn *turn)
{
	struct pollfd ready = {.fd = end->fd, .events = POLLIN};
	uint64_t got = 0, last = bench_now_ns();

	while (!bench_finished(turn, got)) {
		ssize_t n = recv(end->fd, end->piece, PIECE, MSG_DONTWAIT);

		if (n > 0) {
			got += (uint64_t)n;
			last = bench_now_ns();
		} else if (n == 0 || errno != EAGAIN ||
			   bench_now_ns() > last + STALL_S * 1000000000ull) {
			bench_die("the connection does not hold");
		} else {
			poll(&ready, 1, 1);
		}
	}
	turn->end_ns = last;
	return got;
}

static uint64_t end_burst(void *end, unsigned side, struct bench_turn *turn)
{
	return side == 0 ? end_send(end, turn) : end_receive(end, turn);
}

int main(int argc, char **argv)
{
	struct bench_row row = {
	    .name = "host_tcp",
	    .unit = "MB/s",
	    .question = "TCP through a program on host rings, against TCP without it",
	    .measured_side = 1,
	    .rounds = 20,
	    .burst_ms = 200,
	    .contenders = {{"through the program", through_open, end_burst, end_close},
		{"without it", without_open, end_burst, end_close},
		{"without it, frame by frame", frames_open, end_burst, end_close}},
	};

	kind = argc > 1 ? argv[1] : "netmap";
	bench_private_dir();
	apart = net_make_apart(PAIRS);
	net_run((const char *const[]){"ip", "link", "set", "a2", "gso_max_segs", "1", NULL});
	return bench_main(&row);
}
