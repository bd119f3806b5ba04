/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Runs a program in a network of its own, in which veth0 and veth1 are the ends of a cable, and without the
 * right to load BPF programs: the packet kind serves both ends then, with or without privileges.
 *
 *   in_network PROGRAM [ARGUMENT...]
 */
#include <errno.h>
#include <linux/capability.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "netns.h"

#define EXIT_SKIP 77 /* what the build's test runner takes for a skipped test */

int main(int argc, char **argv)
{
	int err = argc > 1 ? netns_enter() : -EINVAL;

	if (!err)
		err = netns_cable("veth0", "veth1");
	if (err) {
		printf("SKIP: no network namespace with a veth pair can be made here: %s\n",
		    strerror(-err));
		return EXIT_SKIP;
	}
	/* Without effect for who is not root. */
	prctl(PR_CAPBSET_DROP, CAP_BPF, 0, 0, 0);
	prctl(PR_CAPBSET_DROP, CAP_SYS_ADMIN, 0, 0, 0);
	execv(argv[1], argv + 1);
	perror(argv[1]);
	return 1;
}
