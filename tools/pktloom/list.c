/* SPDX-License-Identifier: BSD-2-Clause */
/* pktloom list: the port kinds of this build. */
#include <pktloom.h>

#include "command.h"

int command_list(int argc, char **argv)
{
	const struct arg args[] = {{0}};
	struct loom_kind kind;

	args_parse(argc, argv, "Lists the port kinds of this build, with an example each.", args);
	printf("%-8s %-12s %s\n", "KIND", "NAME", "WHAT IT IS");
	for (unsigned i = 0; loom_kind_at(i, &kind) == 0; i++)
		printf("%-8s %-12s %s\n", kind.name, kind.example, kind.help);
	return 0;
}
