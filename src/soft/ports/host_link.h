/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The BPF programs of host rings, and where they are attached: by tcx links (Linux 6.6), which go
 * with the process that holds them, or as filters of a clsact queueing discipline on older kernels.
 * Those stay when a process is killed; the discipline, empty, in any case.
 *
 * Functions return 0 or a negative errno and set no message.
 */
#ifndef SOFT_PORTS_HOST_LINK_H
#define SOFT_PORTS_HOST_LINK_H

#include <stdbool.h>
#include <stdint.h>

/** One attached program. */
struct host_hook {
	int link;      /* tcx: its descriptor; -1 */
	int interface; /* clsact: where; 0: not attached */
	bool way_in;
	uint32_t handle, priority;
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

/** What comes in by `interface` marked passes, without the mark; the rest passes, too, or is dropped. */
int host_link_admit(struct host_hook *hook, int interface, bool drop);

/** Undo; harmless on HOST_HOOK_NONE. */
void host_link_remove(struct host_hook *hook);

#endif
