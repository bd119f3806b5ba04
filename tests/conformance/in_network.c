/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Runs a program in a network of its own, in which veth0 and veth1 are the ends of a cable, and without
 * locked memory, which AF_XDP takes: the packet kind serves both ends then. Host rings need root.
 *
 *   in_network PROGRAM [ARGUMENT...]
 */
#include <errno.h>
#include <linux/capability.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

#include "netns.h"

int main(int argc, char **argv)
{
	const struct rlimit none = {0, 0};
	int skip = argc > 1 ? netns_enter_with_cable("veth0", "veth1") : 2;

	if (skip)
		return skip;
	prctl(PR_CAPBSET_DROP, CAP_IPC_LOCK, 0, 0, 0);
	setrlimit(RLIMIT_MEMLOCK, &none);
	execv(argv[1], argv + 1);
	perror(argv[1]);
	return 1;
}
