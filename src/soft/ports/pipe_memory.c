/* SPDX-License-Identifier: BSD-2-Clause */
/* Making, joining and mapping what the ends of a pipe share; the picture is in pipe_memory.h. */
#include "pipe_memory.h"

#include <errno.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../../base/error.h"

#define PIPE_MAGIC 0x6570697074736b70ull
/* Raise it when the header, struct exchange or the meaning of a slot changes. */
#define PIPE_ABI   2u

/* Header and exchanges as this process sees them, with one of the ends or both. */
struct pipe_map {
	struct pipe_map *next; /* guarded by the registry's lock */
	unsigned references;
	dev_t device;
	ino_t file;
	size_t size;
	void *control; /* only the exchanges are read twice */
};

static struct pipe_map *maps;

static size_t pages(size_t bytes)
{
	const size_t page = os_page_size();

	return (bytes + page - 1) / page * page;
}

static size_t exchanges_at(void)
{
	return pages(sizeof(struct pipe_header));
}

static uint32_t pairs_of(const struct pipe_shape *shape)
{
	return shape->tx_rings + shape->rx_rings;
}

static size_t size_of(const struct pipe_shape *shape)
{
	return exchanges_at() + pages(pairs_of(shape) * sizeof(struct exchange));
}

static void shape_from_request(
    const struct port_request *request, unsigned end, struct pipe_shape *shape)
{
	bool master = end == 0;

	shape->tx_rings = master ? request->tx_rings : request->rx_rings;
	shape->rx_rings = master ? request->rx_rings : request->tx_rings;
	shape->tx_slots = master ? request->tx_slots : request->rx_slots;
	shape->rx_slots = master ? request->rx_slots : request->tx_slots;
}

static bool shape_is_sane(const struct pipe_shape *s)
{
	return port_counts_are_sane(s->tx_rings, SOFT_RINGS_MAX, s->tx_slots, SOFT_SLOTS_MAX) &&
	       port_counts_are_sane(s->rx_rings, SOFT_RINGS_MAX, s->rx_slots, SOFT_SLOTS_MAX);
}

/* Another program wrote the header: believe nothing that does not add up. */
static int header_read(const struct share *share, const char *name, struct pipe_header *header)
{
	struct stat st;

	if (fstat(share->fd, &st) != 0 ||
	    pread(share->fd, header, sizeof *header, 0) != (ssize_t)sizeof *header ||
	    header->magic != PIPE_MAGIC)
		return error_set(
		    -EPROTO, "the shared object of \"%s\" is not a pipe of pktloom", name);
	if (header->abi != PIPE_ABI || header->page_size != os_page_size())
		return error_set(-EPROTO,
		    "\"%s\" was made by a program with pipe version %u (page size %u), this one "
		    "has %u (%zu): "
		    "both ends must use compatible versions of pktloom",
		    name, header->abi, header->page_size, PIPE_ABI, os_page_size());
	if (!shape_is_sane(&header->shape) || header->size != size_of(&header->shape) ||
	    (uint64_t)st.st_size < header->size ||
	    memchr(header->region, 0, sizeof header->region) == NULL)
		return error_set(-EPROTO, "the header of \"%s\" does not match its size", name);
	return 0;
}

/* ---- whose memory ---- */

/* "x" of "x{1"; all of "pipe{name}", which has no parent. */
static void parent_of(const struct port_request *request, char out[NETMAP_REQ_IFNAMSIZ])
{
	size_t len = strlen(request->name);
	bool whole = request->name[len - 1] == '}';

	snprintf(out, NETMAP_REQ_IFNAMSIZ, "%.*s",
	    (int)(whole ? len : strcspn(request->name, "{}")), request->name);
}

/* No two files that are open anywhere have the same number. */
static uint64_t region_file(const struct region *region)
{
	struct stat st;

	return fstat(region->fd, &st) == 0 ? st.st_ino : 0;
}

static int region_reuse(struct region *region, struct region **out)
{
	region_reference(region);
	*out = region;
	return 0;
}

/* The memory of all interfaces; but a kind with its own is to have made it first. */
static int region_of_interfaces(const struct pipe_memory *memory,
    const struct port_request *request, const char *parent, struct region **out)
{
	if (request->parent && request->parent->own_memory)
		return error_set(-ENXIO,
		    "\"%s\": its memory comes with \"%s\", which is not open here; open that first",
		    request->name, parent);
	return region_open(
	    &memory->share, request->directory, REGION_GLOBAL_NAME, &region_global_shape, out);
}

/* A new pipe's: what was asked for, the parent's, or a new one by the parent's name. */
static int region_choose(
    const struct pipe_memory *memory, const struct port_request *request, struct region **out)
{
	char parent[NETMAP_REQ_IFNAMSIZ];
	struct region_shape shape;
	const struct port *port;
	int err;

	parent_of(request, parent);
	if (request->region)
		return region_reuse(request->region, out);
	port = registry_find(parent, request->directory);
	if (port)
		return region_reuse(port->region, out);
	err = region_join(&memory->share, request->directory, parent, out);
	if (err != -ENOENT)
		return err;
	if (request->parent || if_nametoindex(parent) != 0)
		return region_of_interfaces(memory, request, parent, out);
	port_region_shape(request, &shape);
	return region_open(&memory->share, request->directory, parent, &shape, out);
}

/* The one that the pipe lives in. */
static int region_of(
    const struct pipe_memory *memory, const struct port_request *request, struct region **out)
{
	const struct pipe_header *header = &memory->header;
	struct region *here = region_mapped(header->region_id);
	int err;

	if (!header->region[0] && here && region_file(here) == header->region_file)
		return region_reuse(here, out);
	if (!header->region[0])
		return error_set(-EXDEV,
		    "\"%s\" is in memory that its other end has for itself; open that end's parent "
		    "by a name that processes can share",
		    request->name);
	err = region_join(&memory->share, request->directory, header->region, out);
	return err == -ENOENT ? error_set(-EPROTO, "the memory of \"%s\" is gone", request->name)
			      : err;
}

/* ---- making and joining ---- */

static int areas_take(struct pipe_memory *memory, struct region *region, struct region_claim *claim)
{
	const struct pipe_shape *shape = &memory->header.shape;
	uint32_t n = pairs_of(shape), slots[2 * SOFT_RINGS_MAX] = {0};
	int err;

	for (uint32_t i = 0; i < n; i++)
		slots[i] = i < shape->tx_rings ? shape->tx_slots : shape->rx_slots;
	err = region_areas_take(region, 0, n, slots, claim);
	for (uint32_t i = 0; i < n && !err; i++)
		memory->header.areas[i] = (struct pipe_area){
		    claim->areas[i], region_area_generation(region, claim->areas[i])};
	return err;
}

static int areas_join(
    struct pipe_memory *memory, const char *name, struct region *region, struct region_claim *claim)
{
	uint32_t areas[2 * SOFT_RINGS_MAX] = {0}, generations[2 * SOFT_RINGS_MAX] = {0};
	const struct pipe_shape *shape = &memory->header.shape;
	uint32_t n = pairs_of(shape), most = region->shape.ring_slots;
	int err;

	if (shape->tx_slots > most || shape->rx_slots > most)
		return error_set(-EPROTO, "the rings of \"%s\" do not fit its memory", name);
	for (uint32_t i = 0; i < n; i++) {
		areas[i] = memory->header.areas[i].area;
		generations[i] = memory->header.areas[i].generation;
		if (areas[i] < region->shape.plain)
			return error_set(-EPROTO,
			    "the header of \"%s\" names memory that is not for pipes", name);
	}
	err = region_areas_join(region, n, areas, generations, claim);
	return err == -EPROTO
		   ? error_set(
			 err, "the memory of \"%s\" was given back: close its other end", name)
		   : err;
}

static int header_write(const struct share *share, const struct pipe_header *header)
{
	const uint8_t *bytes = (const uint8_t *)header;
	size_t done = 0;

	if (ftruncate(share->fd, (off_t)header->size) != 0)
		return -errno;
	while (done < sizeof *header) {
		ssize_t n = pwrite(share->fd, bytes + done, sizeof *header - done, (off_t)done);

		if (n <= 0)
			return n < 0 ? -errno : -EIO;
		done += (size_t)n;
	}
	return 0;
}

/* The object is written last: until then it has no magic, and nobody sees it before share_ready(). */
static int create(struct pipe_memory *memory, const struct port_request *request,
    struct region **region, struct region_claim *claim)
{
	struct pipe_header *header = &memory->header;
	int err;

	*header = (struct pipe_header){
	    .magic = PIPE_MAGIC, .abi = PIPE_ABI, .page_size = (uint32_t)os_page_size()};
	shape_from_request(request, memory->share.end, &header->shape);
	header->size = size_of(&header->shape);
	err = region_choose(memory, request, region);
	if (err)
		return err;
	snprintf(header->region, sizeof header->region, "%s", (*region)->name);
	header->region_id = (*region)->id;
	header->region_file = region_file(*region);
	err = areas_take(memory, *region, claim);
	if (err)
		return err;
	err = header_write(&memory->share, header);
	if (!err)
		return 0;
	error_format("cannot make %zu bytes of shared memory for \"%s\": %s", (size_t)header->size,
	    request->name, strerror(-err));
	region_areas_give(*region, claim);
	return err;
}

static int join(struct pipe_memory *memory, const struct port_request *request,
    struct region **region, struct region_claim *claim)
{
	int err = header_read(&memory->share, request->name, &memory->header);

	if (!err)
		err = region_of(memory, request, region);
	return err ? err : areas_join(memory, request->name, *region, claim);
}

static int map_new(const struct pipe_memory *memory, const struct stat *st, struct pipe_map **out)
{
	struct pipe_map *map = calloc(1, sizeof *map);
	int fd = share_reopen(&memory->share), err = fd < 0 ? fd : 0;

	if (!map)
		err = -ENOMEM;
	if (!err)
		err = os_memory_map(fd, memory->header.size, &map->control);
	if (fd >= 0)
		close(fd);
	if (err) {
		free(map);
		return err;
	}
	map->device = st->st_dev;
	map->file = st->st_ino;
	map->size = memory->header.size;
	map->next = maps;
	maps = map;
	*out = map;
	return 0;
}

/*
 * Both ends in one process use one mapping: the thread sanitizer takes what is ordered by two addresses of
 * one word for unordered. A size that has changed since is another program's doing.
 */
static int control_map(struct pipe_memory *memory, const char *name)
{
	struct pipe_map *map = maps;
	struct stat st;
	int err = fstat(memory->share.fd, &st) == 0 ? 0 : -errno;

	while (map && !err && (map->device != st.st_dev || map->file != st.st_ino))
		map = map->next;
	if (!err && !map)
		err = map_new(memory, &st, &map);
	else if (!err && map->size != memory->header.size)
		err = -EPROTO;
	if (err)
		return error_set(err, "cannot map \"%s\": %s", name, strerror(-err));
	map->references++;
	memory->map = map;
	return 0;
}

static void control_unmap(struct pipe_map *map)
{
	struct pipe_map **at = &maps;

	if (--map->references > 0)
		return;
	while (*at != map)
		at = &(*at)->next;
	*at = map->next;
	os_memory_unmap(map->control, map->size);
	free(map);
}

/*
 * The last user of a pipe may be killed while we open it: then the object is ours, but its rings may have gone back
 * to the region before we could say that we use them, or the region itself. Nobody else has it: begin anew.
 */
static int join_or_begin(struct pipe_memory *memory, const struct port_request *request,
    struct region **region, struct region_claim *claim)
{
	int err = join(memory, request, region, claim);

	if (err != -EPROTO || share_end_held(&memory->share, 1 - memory->share.end) != 0 ||
	    ftruncate(memory->share.fd, 0) != 0)
		return err;
	if (*region)
		region_release(*region);
	*region = NULL;
	return create(memory, request, region, claim);
}

int pipe_memory_get(struct pipe_memory *memory, const struct port_request *request,
    struct region **region, struct region_claim *claim)
{
	int err = memory->share.created ? create(memory, request, region, claim)
					: join_or_begin(memory, request, region, claim);

	if (err)
		return err;
	err = control_map(memory, request->name);
	if (err)
		region_areas_give(*region, claim);
	return err;
}

int pipe_memory_adopt(struct pipe_memory *memory, const char *name)
{
	int err = header_read(&memory->share, name, &memory->header);

	return err ? err : control_map(memory, name);
}

void pipe_memory_release(struct pipe_memory *memory)
{
	if (memory->map)
		control_unmap(memory->map);
	share_close(&memory->share);
}

struct exchange *pipe_memory_exchange(const struct pipe_memory *memory, uint32_t pair)
{
	uint8_t *base = (uint8_t *)memory->map->control + exchanges_at();

	return (struct exchange *)(void *)base + pair;
}
