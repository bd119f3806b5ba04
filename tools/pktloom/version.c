/* SPDX-License-Identifier: BSD-2-Clause */
/* pktloom version */
#include <pktloom.h>

#include "command.h"

int command_version(int argc, char **argv)
{
	const struct arg args[] = {{0}};

	args_parse(argc, argv, "Prints the version of this build.", args);
	printf("pktloom %s, netmap API %d\n", PKTLOOM_VERSION, NETMAP_API);
	return 0;
}
