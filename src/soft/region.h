/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A region: one contiguous stretch of address space that holds what netmap maps, for one port or many.
 *
 *   base                                                                     base + size
 *   │ netmap_if … │ plain ring … │ pair 0: ring a │ ring b │ pair 1 … │ buffer 0 │ 1 │ 2 │ … │
 *                 ├────────┬──────────┤
 *                 │ header │ slot[]   │      header: one page, its last 256 bytes the netmap_ring,
 *                 └────────┴──────────┘      so that slot[] starts on a page of its own
 *
 * The two rings of a pair have the same slot pages: that is how a pipe's TX ring *is* its peer's RX
 * ring. Slot pages are counted in areas, one per plain ring and one per pair.
 *
 * Memory:
 * - netmap_ifs and ring headers belong to this process and those it shares descriptors with (`fd`).
 * - Slot pages and buffers of a named region come from a file that other processes map too:
 *
 *     │ struct region_control │ slots of area 0 │ 1 │ … │ buffers │
 *
 *   Without a name they stand in `fd`, where the program sees them, and the control block behind them.
 *
 * region.c lays out and maps, region_named.c finds regions of other processes, region_place.c says where
 * and in which pages, pool.c hands out.
 */
#ifndef SOFT_REGION_H
#define SOFT_REGION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include <pktloom/compat/net/netmap.h>

#include "share.h"

#define REGION_FIRST_BUFFER 2u /* 0 ends lists, 1 is reserved: neither is ever handed out */
#define REGION_IFS          64u
#define REGION_GLOBAL       1u /* id of the one that interfaces share */
#define REGION_GLOBAL_NAME  "(global)"
#define REGION_AREAS_MAX    1024u
#define REGION_HEADROOM     256u /* what AF_XDP keeps free before a packet */

/* netmap's header declares what a program must not write as const; its device writes it, once. */
#define CONST_SET(type, field, value) (*(type *)(uintptr_t) & (field) = (type)(value))

/** What a region has room for; fixed when it is made. */
struct region_shape {
	uint32_t plain, pairs; /* rings that stand alone, and pairs of rings */
	uint32_t ring_slots;   /* of each, at most */
	uint32_t num_bufs;     /* buffers 0 and 1 included */
	uint32_t buf_size;     /* from one buffer to the next */
	uint32_t if_size;      /* bytes of a netmap_if with its table of rings */
	uint32_t
	    headroom; /* of each buffer, before its packet: not the program's; 0 or REGION_HEADROOM */
};

/* What the users of a region share. Changed under region_lock(). */
struct region_control {
	uint64_t magic;
	uint32_t abi;
	uint32_t page_size;
	uint64_t size; /* of the file */
	uint32_t id;
	struct region_shape shape;
	uint32_t lowest;                  /* no buffer below it is free */
	uint32_t areas[REGION_AREAS_MAX]; /* odd: handed out; moves by one each time */
	uint64_t taken[];                 /* a bit per buffer */
};

struct region {
	struct region *next; /* all of this process; guarded by the registry's lock */
	unsigned references;
	uint32_t id;
	struct region_shape shape; /* checked copy */
	uint32_t num_bufs, buf_size;
	uint32_t
	    buf_room; /* bytes of a packet that one buffer takes: buf_size without the headroom */
	uint8_t *base;
	size_t size;
	size_t rings_at, ring_stride, bufs_at;
	int fd;              /* private memory: the region, or its control block alone */
	void *extmem;        /* a program's memory that the region was laid out in; NULL */
	bool borrowed;       /* … and its pages are those that the program had there */
	struct share share;  /* named: the object; its fd is -1 otherwise */
	char directory[128]; /* … and where it is looked for; "" the default */
	char name[NETMAP_REQ_IFNAMSIZ]; /* what processes find it by; "": they cannot */
	int shared_fd;                  /* named: what slots and buffers are mapped from; -1 */
	off_t file_slots, file_bufs;    /* where they stand there */
	uint8_t
	    mapped[REGION_AREAS_MAX / 8]; /* a bit per area whose slot pages are in place here */
	enum { REGION_HUGE_UNASKED, REGION_NOT_HUGE, REGION_HUGE } huge; /* its buffers' pages */
	struct region_control *control;
	size_t control_size; /* of its mapping; named: with the slots */
};

/* ---- region.c ---- */

/** A region without a name, for this process and its children. The registry's lock is held for all of this. */
int region_create(const struct region_shape *shape, struct region **out);

/**
 * The same in a program's memory, all of which must be there: in its very pages where they are shared (a
 * file's, say), else in new ones with the same content, which take their place.
 *
 * @param memory  begins a page; at least as long as a region of that shape is
 * @return -EFAULT the memory cannot be read
 */
int region_create_in(const struct region_shape *shape, void *memory, struct region **out);

void region_reference(struct region *region);
void region_release(struct region *region);

/** The region whose private memory that is, or NULL; no reference is taken. */
struct region *region_of_memory(int fd);

/** Another process's region without a name, from its private memory; the descriptor is taken over. */
int region_adopt(const struct region_shape *shape, int fd, struct region **out);

/**
 * The same for one with a name: it has the shape that its object says.
 *
 * @param share  becomes the region's, also on failure
 * @param fd     private memory; is taken over
 */
int region_adopt_named(
    struct share *share, const char *directory, const char *name, int fd, struct region **out);

/**
 * Give back what region_release() found without users. That locks the directory of shared objects, which
 * whoever releases may have locked already, so it is left to the end: registry_unlock() does it.
 */
void region_reap(void);

/** The regions that were laid out in memory of the program: NULL begins and ends them. */
struct region *region_extmem_next(struct region *region);

/** Bytes of a region of that shape. */
size_t region_bytes(const struct region_shape *shape);

/** The region of that id, if this process has it mapped; no reference is taken. */
struct region *region_mapped(uint32_t id);

/**
 * Map [offset, offset + len) of the region once more, to `at`, which replaces what is there; prot and
 * flags are mmap's.
 */
int region_map_at(
    const struct region *region, void *at, size_t len, int prot, int flags, off_t offset);

/** Bytes of slot pages for a ring of n slots. */
size_t region_slot_bytes(uint32_t num_slots);

/** Ring objects: plain ones first, then pairs a, b, a, b … */
static inline uint32_t region_rings(const struct region_shape *shape)
{
	return shape->plain + 2 * shape->pairs;
}

static inline uint32_t region_areas(const struct region_shape *shape)
{
	return shape->plain + shape->pairs;
}

/** The ring object of an area; `second` of a pair. */
static inline uint32_t region_ring_of(const struct region *region, uint32_t area, bool second)
{
	uint32_t plain = region->shape.plain;

	return area < plain ? area : plain + 2 * (area - plain) + second;
}

struct netmap_ring *region_ring(const struct region *region, uint32_t index);
uint8_t *region_buffer(const struct region *region, uint32_t index);

/** Whether a number that anybody may have written is that of a buffer. */
static inline bool region_has_buffer(const struct region *region, uint32_t index)
{
	return index >= REGION_FIRST_BUFFER && index < region->num_bufs;
}

/** Where a buffer of a list has the number of the next one; 0 there ends it. */
uint32_t *region_buffer_link(const struct region *region, uint32_t buffer);

/** Where all buffers begin, headroom included: a page's beginning. */
uint8_t *region_chunks(const struct region *region);

/** Slots of an area, whichever rings use them. */
struct netmap_slot *region_slots(const struct region *region, uint32_t area);

/** Make an area's slot pages appear behind its ring headers in this process. */
int region_area_map(struct region *region, uint32_t area);

/** Write a ring's header as its owner first sees it; slots are left alone. */
void region_ring_init(
    struct region *region, uint32_t index, uint32_t num_slots, bool tx, uint16_t ringid);

/* ---- region_named.c ---- */

/** Room for the rings of some hundred interfaces and pipes; what is not used costs no memory. */
extern const struct region_shape region_global_shape;

/**
 * The region of that name: one that this process has, that others have, or a new one of that shape.
 *
 * @param outer  a share whose directory is locked, or NULL
 */
int region_open(const struct share *outer, const char *directory, const char *name,
    const struct region_shape *shape, struct region **out);

/** The same, if there is one: else -ENOENT, without a message. */
int region_join(
    const struct share *outer, const char *directory, const char *name, struct region **out);

/** The region of that id, here or in the directory; -EINVAL (and a message) if there is none. */
int region_by_id(const char *directory, uint32_t id, struct region **out);

/* Another process's region as a sender sees it: checked, mapped linearly. */
struct region_view {
	uint8_t *base;
	size_t size;
	struct region_shape shape;
	size_t slots_at, bufs_at;
};

/** No message: senders go on without it. */
int region_view_map(int dirfd, const char *file, struct region_view *out);
void region_view_unmap(struct region_view *view);

#endif
