/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * BPF programs as filters of a clsact queueing discipline, for kernels without tcx. Such a filter stays when
 * its process is killed. So each has the number of the TAP device that it is for, which does go: a program looks
 * whether that is there (host_link.c), and who attaches the next filter removes those that have lost theirs.
 *
 * The discipline itself stays: others may have filters there by the time that ours go.
 *
 * Functions return 0 or a negative errno and set no message.
 */
#ifndef SOFT_PORTS_HOST_FILTER_H
#define SOFT_PORTS_HOST_FILTER_H

#include <stdbool.h>

/** What names of host rings' programs begin with: by it filters are known as theirs. */
#define HOST_PROGRAM_PREFIX "pktloom_"

/** In front of all others, in the place of the one for that device, if there is one. */
int host_filter_attach(int interface, bool way_in, int tap, int program);
void host_filter_detach(int interface, bool way_in, int tap);

#endif
