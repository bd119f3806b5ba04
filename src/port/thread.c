/* SPDX-License-Identifier: BSD-2-Clause */
/* <pktloom/thread.h>: the system's part is os/thread.h, the words are here. */
#include <errno.h>
#include <pktloom/thread.h>
#include <string.h>

#include "../base/error.h"
#include "../os/thread.h"

int loom_thread_pin(unsigned cpu)
{
	char cpus[128];
	int err = os_thread_pin(pthread_self(), cpu);

	if (err == 0)
		return 0;
	os_thread_processors(cpus, sizeof cpus);
	return error_set(err, "cannot pin this thread to CPU %u: %s; this process uses CPUs %s",
	    cpu, err == -EINVAL ? "there is none, or it may not be used here" : strerror(-err),
	    cpus);
}
