/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Which descriptors are ours. A netmap descriptor is a real one, an eventfd, so that whatever the
 * kernel does with descriptors works; the table says by number which handle stands behind it. For
 * all others the answer is one load.
 */
#ifndef PRELOAD_TABLE_H
#define PRELOAD_TABLE_H

#include "handle.h"

#define TABLE_SIZE 65536u /* higher numbers are refused with EMFILE; untouched pages cost nothing */

extern struct handle *table_slots[TABLE_SIZE];

/** The handle, without a reference: good for asking whether there is one, and its kind. */
static inline struct handle *table_peek(int fd)
{
	return (unsigned)fd < TABLE_SIZE ? __atomic_load_n(&table_slots[fd], __ATOMIC_ACQUIRE)
					 : NULL;
}

static inline bool table_is_device(int fd)
{
	const struct handle *h = table_peek(fd);

	return __builtin_expect(h != NULL, 0) && h->kind == HANDLE_DEVICE;
}

/** The handle with a reference, NULL if the descriptor is not ours. */
struct handle *table_get(int fd);

/** The same, for netmap descriptors only. */
struct handle *table_get_device(int fd);

/**
 * Enter the device of a netmap descriptor, for a moment and without a reference (handle_enter()).
 *
 * @param entered  out: false if this thread is inside already, below the signal handler that it is in
 * @return NULL if it is not a netmap descriptor
 */
static inline struct handle *table_enter(int fd, bool *entered)
{
	struct handle *h;

	while ((h = table_peek(fd)) && h->kind == HANDLE_DEVICE) {
		*entered = handle_enter(h);
		if (!*entered || table_peek(fd) == h)
			return h;
		handle_leave(h); /* closed, and perhaps opened anew, before we were inside */
	}
	return NULL;
}

/**
 * fd is a descriptor of the handle from now on, whatever it was before.
 *
 * @return false: the number is too high
 */
bool table_set(int fd, struct handle *handle);

/** fd is, or is about to be, no descriptor of ours. errno is kept. */
void table_clear(int fd);
void table_clear_range(unsigned first, unsigned last);

#endif
