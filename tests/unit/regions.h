/* SPDX-License-Identifier: BSD-2-Clause */
/* What the tests of regions have in common. */
#ifndef UNIT_REGIONS_H
#define UNIT_REGIONS_H

#include "soft/region.h"

/* As registry_unlock() does in the end. */
static inline void region_drop(struct region *region)
{
	region_release(region);
	region_reap();
}

#endif
