/* SPDX-License-Identifier: BSD-2-Clause */
/* thread.h on Linux. */
#include "thread.h"

#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "os.h"

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

/* The end of the run of members that begins at `first`. */
static size_t run_end(const cpu_set_t *set, size_t first)
{
	while (first < CPU_SETSIZE && CPU_ISSET(first, set))
		first++;
	return first;
}

void os_thread_processors(char *text, size_t size)
{
	cpu_set_t set;
	size_t used = 0;

	snprintf(text, size, "?");
	if (sched_getaffinity(getpid(), sizeof set, &set) != 0)
		return;
	for (size_t at = 0, end; at < CPU_SETSIZE && used < size; at = end + 1) {
		char range[24] = "";
		int more;

		end = run_end(&set, at);
		if (end == at)
			continue;
		if (end > at + 1)
			snprintf(range, sizeof range, "-%zu", end - 1);
		more = snprintf(text + used, size - used, "%s%zu%s", used ? "," : "", at, range);
		used += more > 0 ? (size_t)more : 0;
	}
}

uint32_t os_thread_number(void)
{
	return (uint32_t)syscall(SYS_gettid);
}

bool os_thread_lives(uint32_t number)
{
	return number <= INT32_MAX && number > 0 && (kill((pid_t)number, 0) == 0 || errno != ESRCH);
}

/* Not by pthread_getname_np(), which wants the thread's pthread_t. */
bool os_thread_name(uint32_t number, char *text, size_t size)
{
	char path[64], line[64];

	snprintf(text, size, "?");
	if (syscall(SYS_tgkill, getpid(), (pid_t)number, 0) != 0)
		return false;
	snprintf(path, sizeof path, "/proc/self/task/%u/comm", number);
	if (os_line_read(path, line, sizeof line))
		snprintf(text, size, "%.*s", (int)strcspn(line, "\n"), line);
	return true;
}
