/* SPDX-License-Identifier: BSD-2-Clause */
/* Classic programs on interfaces: cables in a network namespace that this program makes for itself. */
#include "run.h"

#include <linux/capability.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>

#include "../e2e/netns.h"

/* No more than sockets hold while the other side sleeps: a link drops what nobody takes. */
static const struct scenario scenarios[] = {
    {"cable, poll to poll", 300, {"sink cb0 300 poll all"}, {"generate ca0 300 poll all"}},
    {"cable, ioctl to select", 300, {"sink cb0 300 select all"}, {"generate ca0 300 ioctl all"}},
    {"cable, to a level-triggered event loop", 300, {"events cb0 300 level"},
	{"generate ca0 300 poll all"}},
    {"cable, to an edge-triggered event loop", 300, {"events cb0 300 edge"},
	{"generate ca0 300 poll all"}},
    {"cable, nm_inject to nm_dispatch", 300, {"dispatch netmap:cb0 300 callback"},
	{"inject netmap:ca0 300"}},
    {"cable, nm_inject to both by turns", 300, {"dispatch netmap:cb0 300 both"},
	{"inject netmap:ca0 300"}},
    {"cable, one ring", 300, {"sink cb0 300 poll one=0"}, {"generate ca0 300 poll one=0"}},
    {"cable, TX rings only to RX rings only", 300, {"sink cb0 300 poll rx"},
	{"generate ca0 300 poll tx"}},
    {"cable, both ends exclusive", 300, {"sink cb0 300 poll excl"},
	{"generate ca0 300 ioctl excl"}},
    {"cable, legacy programs", 300, {"legacy receive cb0 300"}, {"legacy send ca0 300"}},
    {"cable, a thread for its ring", 300, {"sink cb0 300 poll all"}, {"threads netmap:ca0 300 1"}},
    {"cables, a bridge between two", 300,
	{"sink cb1 300 poll all", "bridge netmap:cb0 netmap:ca1 300 swap"},
	{"generate ca0 300 poll all"}},
    {"cable to switch to pipe", 300,
	{"sink x}1 300 poll all", "bridge vale5:b netmap:x{1 300 copy",
	    "bridge netmap:cb0 vale5:a 300 copy"},
	{"generate ca0 300 poll all"}},
};

/* An AF_XDP port stays in its process; pipes that were there before it are not in its memory. */
static const struct scenario packet_only[] = {
    {"cable, both ends handed over", 300, {"hand sink cb0 300 poll all"},
	{"hand generate ca0 300 poll all"}},
    {"cable, a balancer and two consumers", 300,
	{"0/2 sink cb0}0 150 poll rx", "1/2 events cb0}1 150 edge", "balance netmap:cb0 300 2 64"},
	{"generate ca0 300 poll all"}},
};

/* Without the right to load BPF programs the packet kind serves interfaces. */
static void keep_to_packet(void)
{
	prctl(PR_CAPBSET_DROP, CAP_BPF, 0, 0, 0);
	prctl(PR_CAPBSET_DROP, CAP_SYS_ADMIN, 0, 0, 0);
}

/* The second argument "best": by whatever serves interfaces here; without it, the packet kind. */
int main(int argc, char **argv)
{
	const bool best = argc > 2 && strcmp(argv[2], "best") == 0;
	int skip = netns_enter_with_cable("ca0", "cb0");

	if (skip)
		return skip;
	if (netns_cable("ca1", "cb1") != 0)
		return 1;
	if (!best)
		keep_to_packet();
	if (run_scenarios("classic programs, cables", scenarios, COUNT(scenarios), argv) != 0)
		return 1;
	return best ? 0
		    : run_scenarios(
			  "classic programs, packet", packet_only, COUNT(packet_only), argv);
}
