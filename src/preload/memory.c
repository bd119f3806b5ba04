/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * mmap and its kin. A mapping of a device's memory keeps its handle, and with that the binding, as a
 * mapping of /dev/netmap does; so we have to know what becomes of it.
 */
#include <errno.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "../os/os.h"
#include "real.h"
#include "table.h"

/* A stretch of one mapping that is still there; a hole in the middle makes two of it. */
struct mapping {
	struct mapping *next;
	struct handle *handle;
	uintptr_t start, end;
};

static struct mapping *mappings; /* guarded by preload_lock() */

/* All of them lie in between; read without the lock, to leave other memory alone. */
static uintptr_t lowest = UINTPTR_MAX, highest;

static uintptr_t round_up(size_t len)
{
	return (len + os_page_size() - 1) / os_page_size() * os_page_size();
}

/* Whether any of ours has a part in [at, at + len). Devices never map over a program's mapping. */
static bool touches(const void *at, size_t len)
{
	uintptr_t start = (uintptr_t)at, end = start + len;
	const struct mapping *m;
	struct guard guard;

	if (start >= __atomic_load_n(&highest, __ATOMIC_RELAXED) ||
	    end <= __atomic_load_n(&lowest, __ATOMIC_RELAXED) || preload_inside)
		return false;
	preload_lock(&guard);
	for (m = mappings; m && (start >= m->end || end <= m->start); m = m->next)
		;
	preload_unlock(&guard);
	return m != NULL;
}

static void bounds_update(void)
{
	uintptr_t low = UINTPTR_MAX, high = 0;

	for (const struct mapping *m = mappings; m; m = m->next) {
		low = m->start < low ? m->start : low;
		high = m->end > high ? m->end : high;
	}
	__atomic_store_n(&lowest, low, __ATOMIC_RELAXED);
	__atomic_store_n(&highest, high, __ATOMIC_RELAXED);
}

/*
 * [start, end) is no longer what it was: cut it out. What falls away whole is moved to *gone; *spare is
 * used up where a hole makes two pieces of one.
 */
static void cut(uintptr_t start, uintptr_t end, struct mapping **gone, struct mapping **spare)
{
	struct mapping **at = &mappings;

	while (*at) {
		struct mapping *m = *at;

		if (m->start >= start && m->end <= end) {
			*at = m->next;
			m->next = *gone;
			*gone = m;
			continue;
		}
		if (m->start < start && m->end > end) {
			**spare = (struct mapping){
			    .next = m->next, .handle = m->handle, .start = end, .end = m->end};
			handle_get(m->handle);
			m->next = *spare;
			m->end = start;
			*spare = NULL;
			break; /* mappings do not overlap: no other has a part in the hole */
		}
		if (m->start < start && m->end > start)
			m->end = start;
		else if (m->start < end && m->end > end)
			m->start = end;
		at = &m->next;
	}
	bounds_update();
}

static struct mapping *mapping_new(void)
{
	struct guard guard;
	struct mapping *m;

	guard_enter(&guard);
	m = malloc(sizeof *m);
	guard_leave(&guard);
	return m;
}

static void mapping_free(struct mapping *m)
{
	struct guard guard;

	guard_enter(&guard);
	free(m);
	guard_leave(&guard);
}

/* Outside the lock: the last reference closes a device, which unmaps its own memory. */
static void let_go(struct mapping *gone)
{
	while (gone) {
		struct mapping *m = gone;

		gone = m->next;
		handle_put(m->handle);
		mapping_free(m);
	}
}

/* ---- mmap ---- */

/* [at, at + len) belongs to the handle now, and to nobody else. Takes over *m and *spare. */
static void record(
    struct handle *handle, void *at, size_t len, struct mapping *m, struct mapping *spare)
{
	struct mapping *gone = NULL;
	struct guard guard;

	handle_get(handle);
	*m = (struct mapping){
	    .handle = handle, .start = (uintptr_t)at, .end = (uintptr_t)at + round_up(len)};
	preload_lock(&guard);
	cut(m->start, m->end, &gone, &spare);
	m->next = mappings;
	mappings = m;
	bounds_update();
	preload_unlock(&guard);
	mapping_free(spare);
	let_go(gone);
}

/*
 * Where the program wants it: address and flags mean what they always mean, so the kernel finds the
 * place, and the device's memory then goes there.
 */
static void *map_device(
    struct handle *handle, void *hint, size_t len, int prot, int flags, off_t offset)
{
	const int placement =
	    flags & ~(MAP_TYPE | MAP_POPULATE | MAP_LOCKED | MAP_HUGETLB | MAP_SYNC);
	bool fixed = (flags & MAP_FIXED) && !(flags & MAP_FIXED_NOREPLACE);
	void *at = hint;
	int err;

	if (!fixed)
		at = real()->mmap(
		    hint, len, PROT_NONE, placement | MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (at == MAP_FAILED)
		return MAP_FAILED;
	err = handle_map_at(handle, at, len, prot, flags, offset);
	if (!err)
		return at;
	if (!fixed)
		real()->munmap(at, round_up(len));
	errno = -err;
	return MAP_FAILED;
}

static void *mmap_device(
    struct handle *handle, void *hint, size_t len, int prot, int flags, off_t offset)
{
	struct mapping *m = mapping_new(), *spare = mapping_new();
	int saved = errno;
	void *at = MAP_FAILED;

	errno = ENOMEM;
	if (m && spare)
		at = map_device(handle, hint, len, prot, flags, offset);
	if (at != MAP_FAILED) {
		record(handle, at, len, m, spare);
		errno = saved;
	} else {
		mapping_free(m);
		mapping_free(spare);
	}
	return at;
}

/* Something else takes the place of a part of ours, or unmaps it: `call` does so, at [at, at + len). */
#define REPLACE(type, at, len, call, failed)                                                       \
	struct mapping *spare = mapping_new(), *gone = NULL;                                       \
	struct guard guard;                                                                        \
	int error;                                                                                 \
	type result;                                                                               \
                                                                                                   \
	if (!spare) {                                                                              \
		errno = ENOMEM;                                                                    \
		return failed;                                                                     \
	}                                                                                          \
	preload_lock(&guard);                                                                      \
	result = (call);                                                                           \
	error = errno;                                                                             \
	if (result != (failed))                                                                    \
		cut((uintptr_t)(at), (uintptr_t)(at) + round_up(len), &gone, &spare);              \
	preload_unlock(&guard);                                                                    \
	mapping_free(spare);                                                                       \
	let_go(gone);                                                                              \
	errno = error;                                                                             \
	return result

static void *mmap_over(void *at, size_t len, int prot, int flags, int fd, off_t offset)
{
	REPLACE(void *, at, len, real()->mmap(at, len, prot, flags, fd, offset), MAP_FAILED);
}

static void *mmap_any(void *at, size_t len, int prot, int flags, int fd, off_t offset)
{
	struct handle *handle = flags & MAP_ANONYMOUS ? NULL : table_get_device(fd);

	if (handle) {
		void *result = mmap_device(handle, at, len, prot, flags, offset);

		handle_put(handle);
		return result;
	}
	if ((flags & MAP_FIXED) && touches(at, len))
		return mmap_over(at, len, prot, flags, fd, offset);
	return real()->mmap(at, len, prot, flags, fd, offset);
}

INTERPOSE(void *, mmap, (void *at, size_t len, int prot, int flags, int fd, off_t offset))
{
	return mmap_any(at, len, prot, flags, fd, offset);
}

INTERPOSE(void *, mmap64, (void *at, size_t len, int prot, int flags, int fd, off_t offset))
{
	return mmap_any(at, len, prot, flags, fd, offset);
}

/* ---- munmap, mremap ---- */

static int munmap_ours(void *at, size_t len)
{
	REPLACE(int, at, len, real()->munmap(at, len), -1);
}

INTERPOSE(int, munmap, (void *at, size_t len))
{
	return touches(at, len) ? munmap_ours(at, len) : real()->munmap(at, len);
}

static void *shrink(void *at, size_t old_len, size_t new_len)
{
	size_t kept = round_up(new_len);

	if (kept < round_up(old_len) &&
	    munmap_ours((uint8_t *)at + kept, round_up(old_len) - kept) != 0)
		return MAP_FAILED;
	return at;
}

static void *mremap_over(void *at, size_t old_len, size_t new_len, int flags, void *new_at)
{
	REPLACE(void *, new_at, new_len, real()->mremap(at, old_len, new_len, flags, new_at),
	    MAP_FAILED);
}

/*
 * A device's memory neither grows nor moves: it is several mappings side by side, which the kernel
 * would not move together.
 */
INTERPOSE(void *, mremap, (void *at, size_t old_len, size_t new_len, int flags, ...))
{
	void *new_at = NULL;
	va_list list;

	va_start(list, flags);
	if (flags & MREMAP_FIXED)
		new_at = va_arg(list, void *);
	va_end(list);
	if (touches(at, old_len)) {
		if (new_len > 0 && new_len <= old_len && flags == (flags & MREMAP_MAYMOVE))
			return shrink(at, old_len, new_len);
		errno = EFAULT;
		return MAP_FAILED;
	}
	if (new_at && touches(new_at, new_len))
		return mremap_over(at, old_len, new_len, flags, new_at);
	return real()->mremap(at, old_len, new_len, flags, new_at);
}
