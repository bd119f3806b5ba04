/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The BPF programs of host rings, and where they are attached: by tcx links (Linux 6.6), which go
 * with the process that holds them, or as filters (host_filter.h) on older kernels. Those stay when a process
 * is killed, and let everything pass then, from Linux 5.12 on.
 *
 * Functions return 0 or a negative errno and set no message.
 */
#ifndef SOFT_PORTS_HOST_LINK_H
#define SOFT_PORTS_HOST_LINK_H

#include <stdbool.h>

/** One attached program. */
struct host_hook {
	int link;      /* tcx: its descriptor; -1 */
	int interface; /* a filter: where; 0: not attached */
	bool way_in;
	int tap; /* a filter's: the device that it is for */
};

#define HOST_HOOK_NONE ((struct host_hook){.link = -1})

static inline bool host_hook_attached(const struct host_hook *hook)
{
	return hook->link >= 0 || hook->interface > 0;
}

/** What `interface` would send goes out by `tap` instead. */
int host_link_divert(struct host_hook *hook, int interface, int tap);

/** What comes in by `tap` comes in by `interface`, marked. */
int host_link_inject(struct host_hook *hook, int tap, int interface);

/**
 * What comes in by `interface` marked passes, without the mark; the rest passes, too, or is dropped.
 *
 * @param tap  a device that is there as long as the program is to be
 */
int host_link_admit(struct host_hook *hook, int interface, bool drop, int tap);

/**
 * Undo; harmless on HOST_HOOK_NONE.
 *
 * @param held_elsewhere  other processes go on with it: only let go. Else it ends, though a child may have a copy
 */
void host_link_remove(struct host_hook *hook, bool held_elsewhere);

#endif
