/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * pipe: two ends, in one process or two. The TX ring k of one end and the RX ring k of the other are a
 * pair of their region: the same slot pages behind two headers. Descriptors never move, nor does data.
 *
 * What the ends share beyond the region is an object of two or more pages:
 *
 *   │ struct pipe_header │ exchanges: T + R │      T, R: the master's TX and RX rings
 *
 * Its first user creates it in the shape that it asks for; whoever comes later takes that shape,
 * mirrored for the slave. Positions live in the exchanges, so an end that leaves, or is killed, and comes
 * back goes on where it was, and packets that were sent stay receivable.
 *
 * The region is the parent port's: of "x{1" that of x, so that buffers can be swapped between them.
 */
#include <errno.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../../base/error.h"
#include "../exchange.h"
#include "../offsets.h"
#include "../parcel.h"
#include "../port.h"
#include "../share.h"
#include "../soft.h"

#define PIPE_MAGIC 0x6570697074736b70ull
/* Raise it when the header, struct exchange or the meaning of a slot changes. */
#define PIPE_ABI   2u
#define PARENT_MAX 15 /* the kernel's limit for the names of interfaces */

/* What both ends must agree on. Shapes are the master's. */
struct pipe_shape {
	uint32_t tx_rings, rx_rings;
	uint32_t tx_slots, rx_slots;
};

/* An area of the region, and which of its uses: whoever comes later must find the same one. */
struct pipe_area {
	uint32_t area, generation;
};

struct pipe_header {
	uint64_t magic;
	uint32_t abi;
	uint32_t page_size;
	uint64_t size; /* of the object */
	struct pipe_shape shape;
	char region[NETMAP_REQ_IFNAMSIZ];           /* its name; "": private to one process */
	uint32_t region_id;                         /* tells which, if it has no name … */
	uint64_t region_file;                       /* … by its number and its file's */
	struct pipe_area areas[2 * SOFT_RINGS_MAX]; /* of T rings, then of R rings */
};

/* Header and exchanges as this process sees them, with one of the ends or both. */
struct pipe_map {
	struct pipe_map *next; /* guarded by the registry's lock */
	unsigned references;
	dev_t device;
	ino_t file;
	size_t size;
	void *control; /* only the exchanges are read twice */
};

struct pipe {
	struct share share;
	struct pipe_map *map;
	struct pipe_header header; /* checked copy */
	struct exchange_end *ends; /* TX rings, then RX rings */
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

/* A new pipe's: what was asked for, the parent's, or a new one by the parent's name. */
static int region_choose(
    const struct pipe *pipe, const struct port_request *request, struct region **out)
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
	err = region_join(&pipe->share, request->directory, parent, out);
	if (err != -ENOENT)
		return err;
	if (if_nametoindex(parent) != 0)
		return region_open(&pipe->share, request->directory, REGION_GLOBAL_NAME,
		    &region_global_shape, out);
	port_region_shape(request, &shape);
	return region_open(&pipe->share, request->directory, parent, &shape, out);
}

/* The one that the pipe lives in. */
static int region_of(
    const struct pipe *pipe, const struct port_request *request, struct region **out)
{
	const struct pipe_header *header = &pipe->header;
	struct region *here = region_mapped(header->region_id);
	int err;

	if (!header->region[0] && here && region_file(here) == header->region_file)
		return region_reuse(here, out);
	if (!header->region[0])
		return error_set(-EXDEV,
		    "\"%s\" is in memory that its other end has for itself; open that end's parent "
		    "by a name that processes can share",
		    request->name);
	err = region_join(&pipe->share, request->directory, header->region, out);
	return err == -ENOENT ? error_set(-EPROTO, "the memory of \"%s\" is gone", request->name)
			      : err;
}

/* ---- making and joining ---- */

static int areas_take(struct pipe *pipe, struct region *region, struct region_claim *claim)
{
	const struct pipe_shape *shape = &pipe->header.shape;
	uint32_t n = pairs_of(shape), slots[2 * SOFT_RINGS_MAX] = {0};
	int err;

	for (uint32_t i = 0; i < n; i++)
		slots[i] = i < shape->tx_rings ? shape->tx_slots : shape->rx_slots;
	err = region_areas_take(region, 0, n, slots, claim);
	for (uint32_t i = 0; i < n && !err; i++)
		pipe->header.areas[i] = (struct pipe_area){
		    claim->areas[i], region_area_generation(region, claim->areas[i])};
	return err;
}

static int areas_join(
    struct pipe *pipe, const char *name, struct region *region, struct region_claim *claim)
{
	uint32_t areas[2 * SOFT_RINGS_MAX] = {0}, generations[2 * SOFT_RINGS_MAX] = {0};
	const struct pipe_shape *shape = &pipe->header.shape;
	uint32_t n = pairs_of(shape), most = region->shape.ring_slots;
	int err;

	if (shape->tx_slots > most || shape->rx_slots > most)
		return error_set(-EPROTO, "the rings of \"%s\" do not fit its memory", name);
	for (uint32_t i = 0; i < n; i++) {
		areas[i] = pipe->header.areas[i].area;
		generations[i] = pipe->header.areas[i].generation;
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
static int create(struct pipe *pipe, const struct port_request *request, struct region **region,
    struct region_claim *claim)
{
	struct pipe_header *header = &pipe->header;
	int err;

	*header = (struct pipe_header){
	    .magic = PIPE_MAGIC, .abi = PIPE_ABI, .page_size = (uint32_t)os_page_size()};
	shape_from_request(request, pipe->share.end, &header->shape);
	header->size = size_of(&header->shape);
	err = region_choose(pipe, request, region);
	if (err)
		return err;
	snprintf(header->region, sizeof header->region, "%s", (*region)->name);
	header->region_id = (*region)->id;
	header->region_file = region_file(*region);
	err = areas_take(pipe, *region, claim);
	if (err)
		return err;
	err = header_write(&pipe->share, header);
	if (!err)
		return 0;
	error_format("cannot make %zu bytes of shared memory for \"%s\": %s", (size_t)header->size,
	    request->name, strerror(-err));
	region_areas_give(*region, claim);
	return err;
}

static int join(struct pipe *pipe, const struct port_request *request, struct region **region,
    struct region_claim *claim)
{
	int err = header_read(&pipe->share, request->name, &pipe->header);

	if (!err)
		err = region_of(pipe, request, region);
	return err ? err : areas_join(pipe, request->name, *region, claim);
}

static int map_new(const struct pipe *pipe, const struct stat *st, struct pipe_map **out)
{
	struct pipe_map *map = calloc(1, sizeof *map);
	int fd = share_reopen(&pipe->share), err = fd < 0 ? fd : 0;

	if (!map)
		err = -ENOMEM;
	if (!err)
		err = os_memory_map(fd, pipe->header.size, &map->control);
	if (fd >= 0)
		close(fd);
	if (err) {
		free(map);
		return err;
	}
	map->device = st->st_dev;
	map->file = st->st_ino;
	map->size = pipe->header.size;
	map->next = maps;
	maps = map;
	*out = map;
	return 0;
}

/*
 * Both ends in one process use one mapping: the thread sanitizer takes what is ordered by two addresses of
 * one word for unordered. A size that has changed since is another program's doing.
 */
static int control_map(struct pipe *pipe, const char *name)
{
	struct pipe_map *map = maps;
	struct stat st;
	int err = fstat(pipe->share.fd, &st) == 0 ? 0 : -errno;

	while (map && !err && (map->device != st.st_dev || map->file != st.st_ino))
		map = map->next;
	if (!err && !map)
		err = map_new(pipe, &st, &map);
	else if (!err && map->size != pipe->header.size)
		err = -EPROTO;
	if (err)
		return error_set(err, "cannot map \"%s\": %s", name, strerror(-err));
	map->references++;
	pipe->map = map;
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

/* ---- rings ---- */

static int pipe_wake_open(struct ring *r, bool own)
{
	const struct pipe *pipe = r->port->state;
	unsigned end = own ? pipe->share.end : 1 - pipe->share.end;
	char name[NAME_MAX + 32];

	snprintf(name, sizeof name, "%s.%u%c%u", pipe->share.file, end, own == r->tx ? 't' : 'r',
	    r->index);
	return os_wake_open(pipe->share.dirfd, name);
}

static struct exchange *exchange_at(const struct pipe *pipe, uint32_t index)
{
	uint8_t *base = (uint8_t *)pipe->map->control + exchanges_at();

	return (struct exchange *)(void *)base + index;
}

/* Pairs and exchanges are in the master's order: T rings, then R rings. */
static uint32_t pair_of(const struct pipe *pipe, bool tx, uint32_t index)
{
	bool master = pipe->share.end == 0;

	return tx == master ? index : pipe->header.shape.tx_rings + index;
}

static void rings_attach(struct port *port, struct pipe *pipe, bool resume)
{
	for (uint32_t i = 0; i < port->num_tx + port->num_rx; i++) {
		bool tx = i < port->num_tx;
		uint32_t k = tx ? i : i - port->num_tx;
		struct ring *r = tx ? &port->tx[k] : &port->rx[k];

		exchange_end_init(
		    &pipe->ends[i], exchange_at(pipe, pair_of(pipe, tx, k)), pipe_wake_open);
		r->state = &pipe->ends[i];
		if (!resume)
			continue;
		exchange_resume(r);
		if (tx) /* what the end's last user, who had offsets, left in the slots is not meant */
			offsets_write(
			    r, UINT64_MAX, r->rhead, ring_distance(r, r->rhead, r->hwtail) + 1, 0);
	}
}

/* The object's shape, from this end's point of view. */
static void request_adopt(struct port_request *request, const struct pipe_shape *s, bool master)
{
	request->tx_rings = master ? s->tx_rings : s->rx_rings;
	request->rx_rings = master ? s->rx_rings : s->tx_rings;
	request->tx_slots = master ? s->tx_slots : s->rx_slots;
	request->rx_slots = master ? s->rx_slots : s->tx_slots;
	request->host_tx_rings = request->host_rx_rings = 0;
}

/* The claim becomes the port's, also on failure. */
static int build(struct port *port, struct pipe *pipe, const struct port_request *wanted,
    struct region *region, struct region_claim *claim)
{
	struct port_request request = *wanted;
	uint32_t objects[2 * SOFT_RINGS_MAX], n = 0;
	bool master = pipe->share.end == 0;
	int err;

	request_adopt(&request, &pipe->header.shape, master);
	for (uint32_t i = 0; i < request.tx_rings; i++)
		objects[n++] =
		    region_ring_of(region, claim->areas[pair_of(pipe, true, i)], !master);
	for (uint32_t i = 0; i < request.rx_rings; i++)
		objects[n++] =
		    region_ring_of(region, claim->areas[pair_of(pipe, false, i)], !master);
	region_reference(region);
	err = port_build(port, &request, region, claim, objects);
	if (err)
		return err;
	pipe->ends = calloc((size_t)n + 1, sizeof *pipe->ends);
	if (!pipe->ends) {
		port_unbuild(port);
		return error_set(-ENOMEM, "out of memory for \"%s\"", wanted->name);
	}
	port->state = pipe;
	rings_attach(port, pipe, true);
	return 0;
}

/*
 * The last user of a pipe may be killed while we open it: then the object is ours, but its rings may have gone back
 * to the region before we could say that we use them, or the region itself. Nobody else has it: begin anew.
 */
static int join_or_begin(struct pipe *pipe, const struct port_request *request,
    struct region **region, struct region_claim *claim)
{
	int err = join(pipe, request, region, claim);

	if (err != -EPROTO || share_end_held(&pipe->share, 1 - pipe->share.end) != 0 ||
	    ftruncate(pipe->share.fd, 0) != 0)
		return err;
	if (*region)
		region_release(*region);
	*region = NULL;
	return create(pipe, request, region, claim);
}

/* A region that was found is the caller's to release, when the directory is not locked any more. */
static int enter(struct port *port, struct pipe *pipe, const struct port_request *request,
    struct region **region)
{
	struct region_claim claim;
	int err = pipe->share.created ? create(pipe, request, region, &claim)
				      : join_or_begin(pipe, request, region, &claim);

	if (err)
		return err;
	err = control_map(pipe, request->name);
	if (!err)
		return build(port, pipe, request, *region, &claim);
	region_areas_give(*region, &claim);
	return err;
}

/* "x{id" and "x}id" name an end; "pipe{name}" takes whichever is free. */
static int key_and_end(const char *name, char *key, size_t size)
{
	size_t len = strnlen(name, size - 1);
	char *brace;

	memcpy(key, name, len);
	key[len] = 0;
	if (strncmp(name, "pipe{", 5) == 0 && len > 6 && name[len - 1] == '}')
		return SHARE_ANY_END;
	brace = strpbrk(key, "{}");
	if (!brace || brace == key || !brace[1])
		return error_set(-EINVAL,
		    "\"%s\": a pipe is called parent{id (master), parent}id (slave) or pipe{name}",
		    name);
	if (brace - key > PARENT_MAX || strcspn(key, " \t\n\v\f\r") < (size_t)(brace - key))
		return error_set(-ENXIO,
		    "\"%s\": what stands before a pipe's brace is the name of an interface or of a "
		    "switch port, with at most %d characters and no space",
		    name, PARENT_MAX);
	if (*brace == '{')
		return 0;
	*brace = '{'; /* both ends are one object */
	return 1;
}

static void pipe_free(struct pipe *pipe)
{
	if (pipe->map)
		control_unmap(pipe->map);
	share_close(&pipe->share);
	free(pipe->ends);
	free(pipe);
}

static int pipe_open(struct port *port, const struct port_request *request)
{
	struct region *region = NULL;
	struct pipe *pipe;
	char key[NETMAP_REQ_IFNAMSIZ];
	int end = key_and_end(request->ident, key, sizeof key);
	int err;

	if (end < SHARE_ANY_END)
		return end;
	pipe = calloc(1, sizeof *pipe);
	if (!pipe)
		return error_set(-ENOMEM, "out of memory for \"%s\"", request->name);
	err = share_open(&pipe->share, request->directory, key, end);
	if (err) {
		free(pipe);
		return err;
	}
	err = enter(port, pipe, request, &region);
	if (err)
		pipe_free(pipe); /* before anybody saw a half-made object */
	else
		share_ready(&pipe->share);
	if (region)
		region_release(region);
	if (err)
		return err;
	port->zero_copy = true;
	snprintf(port->mode, sizeof port->mode, "%s", pipe->share.end == 0 ? "master" : "slave");
	return 0;
}

static void pipe_close(struct port *port)
{
	struct pipe *pipe = port->state;

	for (uint32_t i = 0; i < port->num_tx + port->num_rx; i++)
		exchange_end_close(&pipe->ends[i]);
	pipe_free(pipe);
}

/* ---- passing on ---- */

static int pipe_pack(struct port *port, struct parcel *parcel)
{
	const struct pipe *pipe = port->state;

	return parcel_put_share(parcel, &pipe->share, &parcel->own.share[0])
		   ? 0
		   : error_set(-EOPNOTSUPP, "\"%s\" is too large to be passed on", port->name);
}

static bool is_shaped(const struct port *port, const struct pipe *pipe)
{
	struct port_request request = {0};

	request_adopt(&request, &pipe->header.shape, pipe->share.end == 0);
	return request.tx_rings == port->num_tx && request.rx_rings == port->num_rx &&
	       request.tx_slots == port->tx_slots && request.rx_slots == port->rx_slots;
}

static int pipe_join(struct port *port, struct pipe *pipe)
{
	int err = header_read(&pipe->share, port->name, &pipe->header);

	if (!err && (pipe->share.end > 1 || !is_shaped(port, pipe)))
		err = error_set(-EPROTO, "\"%s\" was passed on in another shape", port->name);
	if (!err)
		err = control_map(pipe, port->name);
	if (err)
		return err;
	pipe->ends = calloc((size_t)port->num_tx + port->num_rx, sizeof *pipe->ends);
	return pipe->ends ? 0 : error_set(-ENOMEM, "out of memory for \"%s\"", port->name);
}

static int pipe_adopt(struct port *port, struct parcel *parcel)
{
	struct pipe *pipe = calloc(1, sizeof *pipe);
	int err;

	if (!pipe)
		return error_set(-ENOMEM, "out of memory for \"%s\"", port->name);
	err = parcel_take_share(parcel, &parcel->own.share[0], &pipe->share);
	if (err) {
		free(pipe);
		return err;
	}
	err = pipe_join(port, pipe);
	if (err) {
		pipe_free(pipe);
		return err;
	}
	port->state = pipe;
	rings_attach(port, pipe, false);
	return 0;
}

#define pipe_txsync exchange_txsync
#define pipe_rxsync exchange_rxsync
RING_SYNCS(pipe)

const struct port_kind port_kind_pipe = {
    .name = "pipe",
    .example = "pipe{demo}",
    .help = "two ends in any processes of one user, over shared memory, without a copy",
    .open = pipe_open,
    .close = pipe_close,
    .pack = pipe_pack,
    .adopt = pipe_adopt,
    .tx_entry = pipe_tx_entry,
    .rx_entry = pipe_rx_entry,
    .arm = exchange_arm,
    .disarm = exchange_disarm,
    .offsets_start = offsets_start_tx,
};
