/* SPDX-License-Identifier: BSD-2-Clause */
/* What threads need of the system beyond POSIX. */
#ifndef OS_THREAD_H
#define OS_THREAD_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/** Let a thread run on one processor only; -EINVAL there is no such processor. */
int os_thread_pin(pthread_t thread, unsigned processor);

/** Let it run anywhere again. */
void os_thread_unpin(pthread_t thread);

/** The processors that this process's first thread may run on, as "0-3,8"; "?" where that is unknown. */
void os_thread_processors(char *text, size_t size);

/** The system's number of the calling thread: of no other one that lives. */
uint32_t os_thread_number(void);

/** Whether the thread of that number lives, in whatever process. */
bool os_thread_lives(uint32_t number);

/** The name of a thread of this process, "?" where that is unknown; false: it is none, or has ended. */
bool os_thread_name(uint32_t number, char *text, size_t size);

#endif
