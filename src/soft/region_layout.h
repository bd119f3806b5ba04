/* SPDX-License-Identifier: BSD-2-Clause */
/* What region.c and region_named.c have in common and nobody else needs. */
#ifndef SOFT_REGION_LAYOUT_H
#define SOFT_REGION_LAYOUT_H

#include "region.h"

#define REGION_MAGIC 0x6e6f6967656b70ull
/* Raise it when struct region_control or the layout of the file changes. */
#define REGION_ABI   2u

/*
 * Where buffers are copied to and from the kernel, they must not start where the kernel's own do:
 * 2 KiB boundaries alias there, and the copy stalls (bench/rows/packet_tx at 1,514 bytes: 18 %).
 */
#define REGION_BUFFERS_OFFSET 64u

/** How far behind a page's beginning buffer 0 stands: memory of AF_XDP has each packet behind its headroom. */
static inline size_t region_buffers_offset(const struct region_shape *shape)
{
	return shape->headroom ? shape->headroom : REGION_BUFFERS_OFFSET;
}

/** Whether a region of that shape can be: another process may have written it. */
bool region_shape_is_sane(const struct region_shape *shape);

/** Bytes of the control block, and of the buffers with what stands before them; whole pages. */
size_t region_control_bytes(const struct region_shape *shape);
size_t region_buffer_bytes(const struct region_shape *shape);

void region_control_init(
    struct region_control *control, const struct region_shape *shape, uint32_t id, uint64_t size);

/** A region with nothing mapped and one reference, on no list; NULL: out of memory. */
struct region *region_new(const struct region_shape *shape);

/** Make and map its private memory, with `behind` more bytes after it; or map region->fd, if it is there. */
int region_map_private(struct region *region, size_t behind);

/** Whether the memory of an adopted one holds it, and so much more. */
bool region_memory_is_enough(const struct region *region, size_t behind);

/** Map the shared buffers into it. */
int region_buffers_map(const struct region *region);

/** An id that no region of this process has, and no named one gets. */
uint32_t region_private_id(void);

/** The list of this process's regions; one of another process gets an id that no other has. */
void region_list_adopted(struct region *region);
void region_list(struct region *region);
struct region *region_first(void);

/** Undo whatever of it was done. */
void region_destroy(struct region *region);

/** Sets a message; returns err. */
int region_error(const struct region_shape *shape, int err);

#endif
