/* SPDX-License-Identifier: BSD-2-Clause */
/* The soft device as the waist sees it. */
#include "soft.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../base/error.h"
#include "region_place.h"

static struct soft *soft_of(struct device *device)
{
	return (struct soft *)(void *)device;
}

static int soft_map(struct device *device, struct device_map *out)
{
	const struct soft *soft = soft_of(device);
	const struct region *region;

	if (!soft->port)
		return error_set(-EINVAL, "the descriptor is not bound to a port");
	region = soft->port->region;
	*out = (struct device_map){
	    .base = region->base,
	    .size = region->size,
	    .nifp = soft->nifp,
	    .buffers = region_buffer(region, 0),
	    .num_bufs = region->num_bufs,
	    .buf_size = region->buf_size,
	    .buf_room = region->buf_room,
	    .chain_max = soft->port->chain_max,
	    .region = region,
	};
	return 0;
}

static int soft_map_at(
    struct device *device, void *at, size_t len, int prot, int flags, off_t offset)
{
	const struct soft *soft = soft_of(device);

	if (!soft->port)
		return error_set(-EINVAL, "the descriptor is not bound to a port");
	return region_map_at(soft->port->region, at, len, prot, flags, offset);
}

static struct device_ring *soft_ring(struct device *device, bool tx, unsigned index)
{
	const struct soft *soft = soft_of(device);
	const struct soft_range *bound = tx ? &soft->tx : &soft->rx;
	struct ring *rings = tx ? soft->port->tx : soft->port->rx;

	return index >= bound->first && index < bound->end ? &rings[index].common : NULL;
}

static void soft_close(struct device *device)
{
	struct soft *soft = soft_of(device);

	soft_unregister(soft);
	free(soft);
}

static int soft_sibling(struct device *device, struct nmreq_register *reg, struct device **out)
{
	const struct soft *soft = soft_of(device);
	struct device *sibling;
	int err = soft_open(&sibling);

	if (err)
		return err;
	soft_of(sibling)->spin_us = soft->spin_us;
	memcpy(soft_of(sibling)->tried, soft->tried, sizeof soft->tried);
	err = soft_register_sibling(soft_of(sibling), soft, reg);
	if (err)
		soft_close(sibling);
	else
		*out = sibling;
	return err;
}

static void append(char *text, size_t size, const char *more)
{
	size_t used = strlen(text);

	snprintf(text + used, size - used, "%s%s", used ? ", " : "", more);
}

static void soft_describe(const struct device *device, struct loom_info *info)
{
	const struct soft *soft = (const struct soft *)(const void *)device;
	const struct port *port = soft->port;
	size_t used = strlen(info->tried);

	snprintf(info->device, sizeof info->device, "soft");
	snprintf(info->kind, sizeof info->kind, "%s", port->kind->name);
	snprintf(info->mode, sizeof info->mode, "%s", port->mode);
	if (port->huge_pages)
		append(info->mode, sizeof info->mode, region_huge_pages(port->region));
	if (soft->tried[0])
		snprintf(info->tried + used, sizeof info->tried - used, "%s%s", used ? "; " : "",
		    soft->tried);
	info->zero_copy = port->zero_copy;
	info->region = port->region->id;
	info->region_size = port->region->size;
}

static const struct device_ops soft_ops = {
    .name = "soft",
    .control = soft_control,
    .map = soft_map,
    .ring = soft_ring,
    .sync = soft_sync,
    .poll = soft_poll,
    .arm = soft_arm,
    .map_at = soft_map_at,
    .fd = soft_fd,
    .sibling = soft_sibling,
    .pack = soft_pack,
    .describe = soft_describe,
    .close = soft_close,
};

int soft_open(struct device **out)
{
	struct soft *soft = calloc(1, sizeof *soft);

	if (!soft)
		return error_set(-ENOMEM, "out of memory for a soft device");
	soft->device.ops = &soft_ops;
	soft->pollset = -1;
	soft->kloop.wake = -1;
	soft->spin_us = SOFT_SPIN_US;
	*out = &soft->device;
	return 0;
}
