/* SPDX-License-Identifier: BSD-2-Clause */
/* thread.h on Linux. */
#include "thread.h"

#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <sys/syscall.h>
#include <unistd.h>

int os_thread_pin(pthread_t thread, unsigned processor)
{
	cpu_set_t set;

	if (processor >= CPU_SETSIZE)
		return -EINVAL;
	CPU_ZERO(&set);
	CPU_SET(processor, &set);
	return -pthread_setaffinity_np(thread, sizeof set, &set);
}

void os_thread_unpin(pthread_t thread)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	for (size_t i = 0; i < CPU_SETSIZE; i++)
		CPU_SET(i, &set);
	pthread_setaffinity_np(thread, sizeof set, &set);
}

uint32_t os_thread_number(void)
{
	return (uint32_t)syscall(SYS_gettid);
}

bool os_thread_lives(uint32_t number)
{
	return number <= INT32_MAX && number > 0 && (kill((pid_t)number, 0) == 0 || errno != ESRCH);
}
