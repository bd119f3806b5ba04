/* SPDX-License-Identifier: BSD-2-Clause */
/* The table of descriptors. */
#include "table.h"

struct handle *table_slots[TABLE_SIZE];

/* No descriptor above has ever been ours: close_range(3, ~0) need not walk the whole table. */
static unsigned highest;

struct handle *table_get(int fd)
{
	struct handle *h;

	while ((h = table_peek(fd))) {
		if (!handle_try_get(h))
			continue; /* its last descriptor is being closed: the entry has changed */
		if (table_peek(fd) == h)
			return h;
		handle_put(h);
	}
	return NULL;
}

struct handle *table_get_device(int fd)
{
	struct handle *h = table_get(fd);

	if (!h || h->kind == HANDLE_DEVICE)
		return h;
	handle_put(h);
	return NULL;
}

static void forget(struct handle *h)
{
	if (!h)
		return;
	handle_forget_descriptor(h);
	handle_put(h);
}

static void note_highest(unsigned fd)
{
	unsigned known = __atomic_load_n(&highest, __ATOMIC_RELAXED);

	while (known < fd && !__atomic_compare_exchange_n(
				 &highest, &known, fd, true, __ATOMIC_RELAXED, __ATOMIC_RELAXED))
		;
}

bool table_set(int fd, struct handle *handle)
{
	if ((unsigned)fd >= TABLE_SIZE)
		return false;
	if (!preload_is_ours())
		return true;
	note_highest((unsigned)fd);
	handle_get(handle);
	__atomic_add_fetch(&handle->descriptors, 1, __ATOMIC_RELAXED);
	forget(__atomic_exchange_n(&table_slots[fd], handle, __ATOMIC_ACQ_REL));
	return true;
}

void table_clear(int fd)
{
	if (table_peek(fd) && preload_is_ours())
		forget(__atomic_exchange_n(&table_slots[fd], NULL, __ATOMIC_ACQ_REL));
}

void table_clear_range(unsigned first, unsigned last)
{
	unsigned end = __atomic_load_n(&highest, __ATOMIC_RELAXED);

	for (unsigned fd = first; fd <= last && fd <= end; fd++)
		table_clear((int)fd);
}
