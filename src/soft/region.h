/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A region: one contiguous stretch of address space that holds what netmap maps.
 *
 *   base                                                            base + size
 *   │ netmap_if … │ ring 0            │ ring 1            │ … │ buffer 0 │ 1 │ 2 │ … │
 *                 ├────────┬──────────┤
 *                 │ header │ slot[]   │      header: one page, its last 256 bytes the netmap_ring,
 *                 └────────┴──────────┘      so that slot[] starts on a page of its own
 *
 * Private memory (the netmap_ifs and the ring headers) belongs to this process and those it shares
 * descriptors with. Slot pages and buffers may come from a file that other processes map too, and
 * two rings may be given the same slot pages: that is how a pipe's TX ring *is* its peer's RX ring.
 */
#ifndef SOFT_REGION_H
#define SOFT_REGION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include <pktloom/compat/net/netmap.h>

#define REGION_FIRST_BUFFER 2u /* 0 ends lists, 1 is reserved: neither is ever handed out */
#define REGION_MAX_IFS      16u

struct region_ring {
	uint32_t num_slots;
	off_t slots_at; /* offset of its slot pages in the shared file, if there is one */
	int same_as;    /* without a shared file: use the slot pages of this earlier ring, or -1 */
};

/** What to lay out. With shared_fd >= 0 slots and buffers come from that file. */
struct region_plan {
	const struct region_ring *rings;
	uint32_t num_rings;
	uint32_t num_bufs; /* buffers 0 and 1 included */
	uint32_t buf_size;
	int shared_fd; /* kept by the caller; -1: all memory is private */
	off_t bufs_at;
	uint32_t *next_buffer; /* in the shared file; NULL: all memory is private */
};

struct region_overlay {
	size_t at; /* offset from base */
	size_t len;
	int fd;
	off_t offset;
};

struct region {
	uint8_t *base;
	size_t size;
	int fd; /* private memory, as long as the whole region */
	uint32_t id;
	unsigned references;
	uint32_t num_bufs;
	uint32_t buf_size;
	size_t bufs_at;
	size_t if_size;
	uint32_t ifs_in_use; /* bit per netmap_if */
	uint32_t num_rings;
	size_t *ring_at; /* offset of each netmap_ring */
	uint32_t *ring_slots;
	struct region_overlay *overlays;
	uint32_t num_overlays;
	uint32_t *next_buffer; /* first buffer never handed out; shared where the buffers are */
	uint32_t own_next;     /* … and its place where they are not */
	uint32_t free_buffers; /* list of those given back to this process, 0 ends it */
};

int region_create(const struct region_plan *plan, struct region **out);
void region_reference(struct region *region);
void region_release(struct region *region);

/**
 * Map [offset, offset + len) of the region once more, to `at`, which replaces what is there; prot and
 * flags are mmap's.
 */
int region_map_at(
    const struct region *region, void *at, size_t len, int prot, int flags, off_t offset);

/** Bytes of slot pages for a ring of n slots. */
size_t region_slot_bytes(uint32_t num_slots);

struct netmap_ring *region_ring(const struct region *region, uint32_t index);
uint8_t *region_buffer(const struct region *region, uint32_t index);

/** Write a ring's header as its owner first sees it; slots are left alone. */
void region_ring_init(struct region *region, uint32_t index, bool tx, uint16_t ringid);

/** Give fresh slots the buffers first, first + 1, … */
void region_slots_fill(struct netmap_slot *slots, uint32_t num_slots, uint32_t first, uint16_t len);

/** A netmap_if for one descriptor, zeroed; NULL when REGION_MAX_IFS are in use. */
struct netmap_if *region_if_take(struct region *region);
void region_if_give(struct region *region, struct netmap_if *nifp);

/**
 * Hand out up to n buffers as netmap's extra buffers: a list linked through the first word of each.
 *
 * @param head  the first one, 0 if none
 * @return how many
 */
uint32_t region_buffers_take(struct region *region, uint32_t n, uint32_t *head);

/**
 * Take back a list of at most n buffers. A program wrote it: an index outside the region, or one that was
 * there already, ends it.
 */
void region_buffers_give(struct region *region, uint32_t head, uint32_t n);

#endif
