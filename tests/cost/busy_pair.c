/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Two processes that are busy with a pipe: one sends, the other sends back, millions of packets.
 * Each writes the line "steady" when it has settled, and "done" when the packets are through; test_busy.sh looks
 * at the system calls between the two.
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <pktloom.h>

#define WARM    20000u
#define PACKETS 2000000u
#define BATCH   64u
#define LIMIT_S 120u

struct end {
	struct loom_port *port;
	struct loom_txring tx;
	struct loom_rxring rx;
};

static void end_open(struct end *end, const char *name)
{
	if (loom_open(name, NULL, &end->port) < 0 || loom_tx(end->port, 0, &end->tx) < 0 ||
	    loom_rx(end->port, 0, &end->rx) < 0) {
		fprintf(stderr, "%s\n", loom_error());
		exit(1);
	}
}

static void say(const char *line)
{
	if (write(STDERR_FILENO, line, strlen(line)) < 0)
		exit(1);
}

/* Send n packets of 60 bytes and take as many back. */
static void ping(struct end *end, unsigned n)
{
	static const uint8_t packet[60] = {1};
	unsigned sent = 0, back = 0;
	struct loom_frame frame;

	while (back < n) {
		for (unsigned i = 0; i < BATCH && sent < n; i++)
			sent += loom_send(&end->tx, packet, sizeof packet) == 1;
		loom_tx_sync(&end->tx);
		loom_rx_sync(&end->rx);
		while (loom_recv(&end->rx, &frame))
			back++;
	}
}

static void pong(struct end *end, unsigned n)
{
	for (unsigned back = 0; back < n;) {
		loom_rx_sync(&end->rx);
		back += loom_forward(&end->rx, &end->tx, BATCH);
		loom_tx_sync(&end->tx);
	}
}

static void run(const char *name, void (*part)(struct end *, unsigned))
{
	struct end end;

	end_open(&end, name);
	part(&end, WARM);
	say("steady\n");
	part(&end, PACKETS);
	say("done\n");
	loom_close(end.port);
}

int main(void)
{
	pid_t parent = getpid(), other = fork();
	int status = 1;

	if (other < 0)
		return 1;
	if (other == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		if (getppid() != parent)
			_exit(1);
		alarm(LIMIT_S);
		run("busy}1", pong);
		_exit(0);
	}
	alarm(LIMIT_S);
	run("busy{1", ping);
	if (waitpid(other, &status, 0) != other)
		return 1;
	return status == 0 ? 0 : 1;
}
