/* SPDX-License-Identifier: BSD-2-Clause */
/* pktloom: looking at ports, and simple traffic, from the command line. */
#include <pktloom/hint.h>

#include "command.h"

static int command_help(int argc, char **argv);

static const struct command commands[] = {
    {"info", command_info, "what a port name opens here, and why that"},
    {"list", command_list, "the port kinds of this build"},
    {"send", command_send, "generate packets"},
    {"recv", command_recv, "receive and count packets, or show them"},
    {"run", command_run, "start a program for /dev/netmap, with that device in user space"},
    {"version", command_version, "the version of this build"},
    {"help", command_help, "this text"},
};

#define NUM_COMMANDS (sizeof commands / sizeof commands[0])

static void print_usage(FILE *to)
{
	fprintf(to, "usage: pktloom COMMAND [OPTION...] [NAME]\n\n");
	for (size_t i = 0; i < NUM_COMMANDS; i++)
		fprintf(to, "  %-9s %s\n", commands[i].name, commands[i].help);
	fprintf(to, "\npktloom COMMAND --help lists a command's options.\n");
}

static int command_help(int argc, char **argv)
{
	const struct arg args[] = {{0}};

	args_parse(argc, argv, "Lists the commands.", args);
	print_usage(stdout);
	return 0;
}

static const struct command *command_named(const char *name)
{
	if (strcmp(name, "--help") == 0 || strcmp(name, "-h") == 0)
		name = "help";
	if (strcmp(name, "--version") == 0)
		name = "version";
	for (size_t i = 0; i < NUM_COMMANDS; i++)
		if (strcmp(commands[i].name, name) == 0)
			return &commands[i];
	return NULL;
}

int main(int argc, char **argv)
{
	const struct command *command;
	char program[32];

	if (argc < 2) {
		print_usage(stderr);
		return 2;
	}
	command = command_named(argv[1]);
	if (!command) {
		fprintf(stderr, "pktloom: there is no command \"%s\"; pktloom help lists them\n",
		    argv[1]);
		return 2;
	}
	snprintf(program, sizeof program, "pktloom %s", command->name);
	argv[1] = program;
	loom_hint_set(loom_hint_print);
	return command->run(argc - 1, argv + 1);
}
