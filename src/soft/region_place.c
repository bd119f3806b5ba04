/* SPDX-License-Identifier: BSD-2-Clause */
/* Regions near their interface or thread, and in huge pages. */
#include "region_place.h"

#include "../os/os.h"
#include "../os/placement.h"

static struct region_wish wished;

struct region_wish region_wish(struct region_wish wish)
{
	struct region_wish before = wished;

	wished = wish;
	return before;
}

/* A huge page of a file is one in memory, too, where both begin at multiples of its size. */
int region_base_map(const struct region *region, void **out)
{
	size_t huge = wished.huge_pages ? os_huge_page_size() : 0;
	size_t bufs_in_file = region->shared_fd < 0 ? region->bufs_at : (size_t)region->file_bufs;

	if (huge == 0)
		return os_memory_map(region->fd, region->size, out);
	return os_memory_map_aligned(
	    region->fd, region->size, huge, (bufs_in_file - region->bufs_at) & (huge - 1), out);
}

static void prefer_node(struct region *region)
{
	int node = wished.near ? os_node_of_interface(wished.near) : -1;

	if (node < 0)
		node = os_node_here();
	os_memory_prefer_node(region->base, region->size, node);
	os_memory_prefer_node(region->control, region->control_size, node);
}

void region_place(struct region *region, bool made)
{
	if (made && os_has_nodes())
		prefer_node(region);
	if (!wished.huge_pages)
		return;
	region->huge = os_memory_make_huge(region_chunks(region), region->size - region->bufs_at)
			   ? REGION_HUGE
			   : REGION_NOT_HUGE;
}

const char *region_huge_pages(const struct region *region)
{
	static const char *const words[] = {
	    [REGION_HUGE_UNASKED] = "no huge pages: its memory was there before",
	    [REGION_NOT_HUGE] =
		"no huge pages: too little memory, or shmem_enabled or huge= forbids",
	    [REGION_HUGE] = "huge pages",
	};

	return words[region->huge];
}
