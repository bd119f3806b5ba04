/* SPDX-License-Identifier: BSD-2-Clause */
/* The subcommands of `pktloom`: one file and one line in main.c's table each. */
#ifndef COMMAND_H
#define COMMAND_H

#include "../args.h"

struct command {
	const char *name;
	/** argv[0] is "pktloom NAME"; returns the exit status. */
	int (*run)(int argc, char **argv);
	const char *help;
};

int command_info(int argc, char **argv);
int command_list(int argc, char **argv);
int command_recv(int argc, char **argv);
int command_run(int argc, char **argv);
int command_send(int argc, char **argv);
int command_version(int argc, char **argv);

#endif
