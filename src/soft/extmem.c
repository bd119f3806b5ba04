/* SPDX-License-Identifier: BSD-2-Clause */
/* Dividing a program's memory; laying it out is region.c's. */
#include "extmem.h"

#include <errno.h>
#include <sys/mman.h>

#include "../base/error.h"
#include "../os/os.h"
#include "../os/safe_copy.h"
#include "soft.h"

#define RINGS_DEFAULT 200u /* netmap's own, for the global region */

int extmem_parse(struct soft_options *out, struct nmreq_option *option)
{
	struct nmreq_opt_extmem *extmem = (void *)option;

	if (extmem->nro_info.nr_memsize == 0)
		return error_set(-EINVAL, "option EXTMEM: nr_memsize is 0");
	if (extmem->nro_usrptr == 0 || extmem->nro_usrptr % os_page_size() != 0)
		return error_set(-EINVAL,
		    "option EXTMEM: the memory at %#llx must begin a page (of %zu bytes)",
		    (unsigned long long)extmem->nro_usrptr, os_page_size());
	out->extmem = extmem;
	return 0;
}

static uint32_t larger(uint32_t a, uint32_t b)
{
	return a > b ? a : b;
}

static uint32_t round_up(uint32_t value, uint32_t unit)
{
	return (value + unit - 1) / unit * unit;
}

/* Of the rings that were asked for, half stand alone and the others are pairs; at least what the port needs. */
static void shape_of(const struct nmreq_pools_info *info, const struct port_request *request,
    struct region_shape *out)
{
	uint32_t rings = port_request_rings(request);
	uint32_t wanted = info->nr_ring_pool_objtotal ? info->nr_ring_pool_objtotal : RINGS_DEFAULT;
	uint32_t slots = larger(request->tx_slots, request->rx_slots);
	uint32_t buf_size =
	    info->nr_buf_pool_objsize ? info->nr_buf_pool_objsize : SOFT_BUF_DEFAULT;

	wanted = wanted < REGION_AREAS_MAX ? wanted : REGION_AREAS_MAX;
	if (info->nr_ring_pool_objsize > sizeof(struct netmap_ring))
		slots = larger(
		    slots, (info->nr_ring_pool_objsize - (uint32_t)sizeof(struct netmap_ring)) /
			       (uint32_t)sizeof(struct netmap_slot));
	*out = (struct region_shape){.plain = larger(wanted / 2, rings),
	    .pairs = larger(wanted / 4, rings),
	    .ring_slots = slots < SOFT_SLOTS_MAX ? slots : SOFT_SLOTS_MAX,
	    .num_bufs = REGION_FIRST_BUFFER + 1,
	    .buf_size = buf_size < SOFT_BUF_MAX ? round_up(buf_size, SOFT_BUF_UNIT) : SOFT_BUF_MAX,
	    .if_size = larger(round_up(info->nr_if_pool_objsize, 64), port_if_size(rings))};
	if (out->plain + out->pairs > REGION_AREAS_MAX)
		out->plain = REGION_AREAS_MAX - out->pairs;
}

/* The rings take what they need and at most half of the memory, buffers the rest. */
static int shape_fit(const struct nmreq_pools_info *info, const struct port_request *request,
    size_t size, struct region_shape *out)
{
	uint32_t rings = port_request_rings(request);
	size_t left;

	shape_of(info, request, out);
	while (region_bytes(out) > size / 2 && (out->plain > rings || out->pairs > rings)) {
		out->plain = larger(out->plain / 2, rings);
		out->pairs = larger(out->pairs / 2, rings);
	}
	if (region_bytes(out) > size)
		return error_set(-ENOMEM,
		    "option EXTMEM: %zu bytes are too few for \"%s\", its rings alone need %zu",
		    size, request->name, region_bytes(out));
	left = (size - region_bytes(out)) / out->buf_size;
	left = left < UINT32_MAX / 2 ? left : UINT32_MAX / 2;
	if (info->nr_buf_pool_objtotal && left > info->nr_buf_pool_objtotal)
		left = info->nr_buf_pool_objtotal;
	out->num_bufs += (uint32_t)left;
	return 0;
}

/* Pages beyond the end of a file, or that may not be written, are told before anybody relies on them. */
static bool is_there(uint8_t *memory, size_t size)
{
	uint8_t byte;

	for (size_t at = 0; at < size; at += os_page_size())
		if (!os_safe_copy(&byte, memory + at, 1) || !os_safe_write(memory + at, &byte, 1))
			return false;
	return true;
}

static int create(struct nmreq_opt_extmem *option, const struct port_request *request,
    uint8_t *memory, struct region **out)
{
	size_t size = option->nro_info.nr_memsize / os_page_size() * os_page_size();
	struct region_shape shape;
	int err = shape_fit(&option->nro_info, request, size, &shape);

	if (err)
		return err;
	if (!is_there(memory, region_bytes(&shape)))
		return error_set(-EFAULT,
		    "option EXTMEM: not all of the %zu bytes at %p can be written", size, memory);
	return region_create_in(&shape, memory, out);
}

/*
 * The same pages may be known at another address, as when a file is mapped again. A word that nobody uses,
 * before the first ring's header, tells.
 */
static bool is_same(const struct region *region, uint8_t *memory, size_t size)
{
	volatile uint64_t *word = (void *)(region->base + region->rings_at);
	uint64_t there, mark = os_now_ns() | 1;
	bool same;

	if (region->extmem == memory)
		return true;
	if (!region->borrowed || region->size > size)
		return false;
	*word = mark;
	same = os_safe_copy(&there, memory + region->rings_at, sizeof there) && there == mark;
	*word = 0;
	return same && is_there(memory, region->size);
}

static struct region *find(uint8_t *memory, size_t size)
{
	struct region *region = region_extmem_next(NULL);

	while (region && !is_same(region, memory, size))
		region = region_extmem_next(region);
	return region;
}

static int get(
    struct nmreq_opt_extmem *option, const struct port_request *request, struct region **out)
{
	uint8_t *memory = (uint8_t *)(uintptr_t)option->nro_usrptr;
	struct region *there = find(memory, option->nro_info.nr_memsize);
	int err = 0;

	if (!there)
		return create(option, request, memory, out);
	if (there->extmem != memory)
		err = region_map_at(
		    there, memory, there->size, PROT_READ | PROT_WRITE, MAP_SHARED, 0);
	if (err)
		return err;
	region_reference(there);
	*out = there;
	return 0;
}

int extmem_get(
    struct nmreq_opt_extmem *option, const struct port_request *request, struct region **out)
{
	int err = get(option, request, out);

	option->nro_opt.nro_status = (uint32_t)-err;
	if (!err)
		soft_pools_fill(*out, &option->nro_info);
	return err;
}
