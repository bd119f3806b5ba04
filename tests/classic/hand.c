/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A server that opens a port for another program: it hands the descriptor over through a socket and is
 * gone, and the other program goes on as if it had opened the port itself.
 *
 *	hand PROGRAM NAME COUNT STYLE MODE
 */
#include <libgen.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "raw.h"

static int serve(int socket, const char *name, const char *mode)
{
	struct raw raw;

	raw_open(&raw, name, mode, NULL);
	raw_hand(&raw, socket);
	return 0;
}

int main(int argc, char **argv)
{
	char path[4096], own[4096], name[16];
	char *command[] = {path, name, NULL, NULL, NULL, NULL};
	int ends[2];
	pid_t server;

	if (argc != 6) {
		fprintf(stderr, "usage: hand PROGRAM NAME COUNT STYLE MODE\n");
		return 2;
	}
	signal(SIGCHLD, SIG_IGN);
	if (socketpair(AF_UNIX, SOCK_STREAM, 0, ends) != 0 || (server = fork()) < 0) {
		perror("hand");
		return 1;
	}
	if (server == 0)
		return serve(ends[0], argv[2], argv[5]);
	close(ends[0]);
	snprintf(own, sizeof own, "%s", argv[0]);
	snprintf(path, sizeof path, "%.4000s/%s", dirname(own), argv[1]);
	snprintf(name, sizeof name, "@%d", ends[1]);
	for (int i = 3; i < argc; i++)
		command[i - 1] = argv[i];
	execv(path, command);
	perror(path);
	return 1;
}
