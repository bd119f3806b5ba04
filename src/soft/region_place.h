/* SPDX-License-Identifier: BSD-2-Clause */
/* Where a region's memory is to be, see os/placement.h. All of it under the registry's lock. */
#ifndef SOFT_REGION_PLACE_H
#define SOFT_REGION_PLACE_H

#include "region.h"

/** What the port that is being opened would like; of regions that it makes or is the first here to map. */
struct region_wish {
	const char *near; /* an interface; anything else, or NULL: the calling thread */
	bool huge_pages;
};

/** Set it, before and after a port is opened. @return what it was, to be set again */
struct region_wish region_wish(struct region_wish wish);

/** Map fd as the region's base, so that its buffers can have huge pages if they are wanted. */
int region_base_map(const struct region *region, void **out);

/** The region is mapped and nobody has touched its buffers if it is new. */
void region_place(struct region *region, bool made);

/** Of a region whose port wanted huge pages: what came of it, for people. */
const char *region_huge_pages(const struct region *region);

#endif
