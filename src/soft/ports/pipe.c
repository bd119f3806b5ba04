/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * pipe: two ends, in one process or two, over one shared object. The TX ring k of one end and the
 * RX ring k of the other are the same slot pages; descriptors never move, nor does data.
 *
 * The object (offsets in pages; T, R: the master's TX and RX rings):
 *
 *   │ header │ exchanges: T + R │ slots of T rings │ slots of R rings │ buffers │
 *
 * Its first user creates it in the shape that it asks for; whoever comes later takes that shape,
 * mirrored for the slave. Positions live in the exchanges, so an end that leaves, or is killed, and comes
 * back goes on where it was, and packets that were sent stay receivable.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../../base/error.h"
#include "../exchange.h"
#include "../port.h"
#include "../share.h"
#include "../soft.h"

#define PIPE_MAGIC 0x6570697074736b70ull
/* Raise it when the header, struct exchange or the meaning of a slot changes. */
#define PIPE_ABI   1u
#define PARENT_MAX 15 /* the kernel's limit for the names of interfaces */

/* What both ends must agree on. Shapes are the master's. */
struct pipe_shape {
	uint32_t tx_rings, rx_rings;
	uint32_t tx_slots, rx_slots;
	uint32_t buf_size, num_bufs;
};

struct pipe_header {
	uint64_t magic;
	uint32_t abi;
	uint32_t page_size;
	uint64_t size; /* of the object */
	struct pipe_shape shape;
	uint32_t next_buffer; /* first one never handed out; changed atomically */
};

struct pipe_layout {
	size_t exchanges, tx_slots, rx_slots, buffers, size;
};

/* The object's memory in this process: both ends share it if both are open here. */
struct pipe_memory {
	struct pipe_memory *next;
	dev_t device;
	ino_t inode;
	unsigned references;
	int fd;
	struct pipe_header *control; /* header and exchanges */
	size_t control_size;
	struct pipe_shape shape; /* checked copy */
	struct pipe_layout layout;
	struct region *region;
};

struct pipe {
	struct share share;
	struct pipe_memory *memory;
	struct exchange_end *ends; /* TX rings, then RX rings */
};

static struct pipe_memory *memories; /* guarded by the registry's lock */

static void layout_of(const struct pipe_shape *shape, struct pipe_layout *out)
{
	const size_t page = os_page_size();
	size_t exchanges = (shape->tx_rings + shape->rx_rings) * sizeof(struct exchange);

	out->exchanges = page;
	out->tx_slots = page + (exchanges + page - 1) / page * page;
	out->rx_slots = out->tx_slots + shape->tx_rings * region_slot_bytes(shape->tx_slots);
	out->buffers = out->rx_slots + shape->rx_rings * region_slot_bytes(shape->rx_slots);
	out->size = out->buffers + (size_t)shape->num_bufs * shape->buf_size;
	out->size = (out->size + page - 1) / page * page;
}

static void shape_from_request(
    const struct port_request *request, unsigned end, struct pipe_shape *shape)
{
	bool master = end == 0;
	uint64_t bufs;

	shape->tx_rings = master ? request->tx_rings : request->rx_rings;
	shape->rx_rings = master ? request->rx_rings : request->tx_rings;
	shape->tx_slots = master ? request->tx_slots : request->rx_slots;
	shape->rx_slots = master ? request->rx_slots : request->tx_slots;
	shape->buf_size = request->buf_size;
	bufs = (uint64_t)shape->tx_rings * shape->tx_slots +
	       (uint64_t)shape->rx_rings * shape->rx_slots;
	/* As many extra buffers again, for the end that comes later. */
	shape->num_bufs = port_buffers_for(bufs + 2 * (uint64_t)request->extra_bufs);
}

static bool shape_is_sane(const struct pipe_shape *s)
{
	return s->tx_rings >= 1 && s->tx_rings <= SOFT_RINGS_MAX && s->rx_rings >= 1 &&
	       s->rx_rings <= SOFT_RINGS_MAX && s->tx_slots >= 1 && s->tx_slots <= SOFT_SLOTS_MAX &&
	       s->rx_slots >= 1 && s->rx_slots <= SOFT_SLOTS_MAX && s->buf_size >= SOFT_BUF_MIN &&
	       s->buf_size <= SOFT_BUF_MAX && s->buf_size % SOFT_BUF_UNIT == 0 &&
	       s->num_bufs > REGION_FIRST_BUFFER;
}

static int create_object(const struct share *share, const struct port_request *request)
{
	struct pipe_header header = {
	    .magic = PIPE_MAGIC,
	    .abi = PIPE_ABI,
	    .page_size = (uint32_t)os_page_size(),
	    .next_buffer = REGION_FIRST_BUFFER,
	};
	struct pipe_layout layout;

	shape_from_request(request, share->end, &header.shape);
	layout_of(&header.shape, &layout);
	header.size = layout.size;
	if (ftruncate(share->fd, (off_t)layout.size) != 0 ||
	    pwrite(share->fd, &header, sizeof header, 0) != (ssize_t)sizeof header)
		return error_set(-errno, "cannot make %zu bytes of shared memory for \"%s\": %s",
		    layout.size, request->name, strerror(errno));
	return 0;
}

/* Another program wrote the header: believe nothing that does not add up. */
static int read_object(const struct share *share, const char *name, struct pipe_shape *shape)
{
	struct pipe_header header;
	struct pipe_layout layout;
	struct stat st;

	if (fstat(share->fd, &st) != 0 ||
	    pread(share->fd, &header, sizeof header, 0) != (ssize_t)sizeof header ||
	    header.magic != PIPE_MAGIC)
		return error_set(
		    -EPROTO, "the shared object of \"%s\" is not a pipe of pktloom", name);
	if (header.abi != PIPE_ABI || header.page_size != os_page_size())
		return error_set(-EPROTO,
		    "\"%s\" was made by a program with pipe version %u (page size %u), this one "
		    "has %u (%zu): "
		    "both ends must use compatible versions of pktloom",
		    name, header.abi, header.page_size, PIPE_ABI, os_page_size());
	if (shape_is_sane(&header.shape)) {
		layout_of(&header.shape, &layout);
		if (header.size == layout.size && (uint64_t)st.st_size >= header.size) {
			*shape = header.shape;
			return 0;
		}
	}
	return error_set(-EPROTO, "the header of \"%s\" does not match its size", name);
}

/* Ring order in the region: master TX, master RX, slave TX, slave RX. */
static int region_map(struct pipe_memory *memory, int fd)
{
	const struct pipe_shape *s = &memory->shape;
	uint32_t half = s->tx_rings + s->rx_rings, n = 0;
	struct region_ring *rings = calloc((size_t)half * 2, sizeof *rings);
	struct region_plan plan = {.rings = rings,
	    .num_rings = half * 2,
	    .num_bufs = s->num_bufs,
	    .buf_size = s->buf_size,
	    .shared_fd = fd,
	    .bufs_at = (off_t)memory->layout.buffers,
	    .next_buffer = &memory->control->next_buffer};
	int err;

	if (!rings)
		return error_set(-ENOMEM, "out of memory for a pipe's rings");
	for (int slave = 0; slave < 2; slave++)
		for (int part = 0; part < 2; part++) {
			/* Parts 0, 1 of the master are the T and the R rings; of the slave R and T. */
			bool t = part == slave;
			size_t at = t ? memory->layout.tx_slots : memory->layout.rx_slots;
			uint32_t slots = t ? s->tx_slots : s->rx_slots;

			for (uint32_t i = 0; i < (t ? s->tx_rings : s->rx_rings); i++)
				rings[n++] = (struct region_ring){.num_slots = slots,
				    .slots_at = (off_t)(at + i * region_slot_bytes(slots)),
				    .same_as = -1};
		}
	err = region_create(&plan, &memory->region);
	free(rings);
	return err;
}

static void memory_free(struct pipe_memory *memory)
{
	if (memory->region)
		region_release(memory->region);
	if (memory->control)
		os_memory_unmap(memory->control, memory->control_size);
	if (memory->fd >= 0)
		close(memory->fd);
	free(memory);
}

static int memory_new(const struct share *share, const char *name, struct pipe_memory **out)
{
	struct pipe_memory *memory = calloc(1, sizeof *memory);
	void *control;
	int err;

	if (!memory)
		return error_set(-ENOMEM, "out of memory for \"%s\"", name);
	memory->fd = share_reopen(share);
	err = memory->fd < 0 ? memory->fd : read_object(share, name, &memory->shape);
	if (!err) {
		layout_of(&memory->shape, &memory->layout);
		memory->control_size = memory->layout.tx_slots;
		err = os_memory_map(memory->fd, memory->control_size, &control);
		if (err)
			error_format("cannot map \"%s\": %s", name, strerror(-err));
	}
	if (!err) {
		memory->control = control;
		err = region_map(memory, memory->fd);
	}
	if (err) {
		memory_free(memory);
		return err;
	}
	*out = memory;
	return 0;
}

static int memory_get(const struct share *share, const char *name, struct pipe_memory **out)
{
	struct pipe_memory *memory;
	struct stat st;
	int err;

	if (fstat(share->fd, &st) != 0)
		return error_set(-errno, "cannot look at the shared object of \"%s\"", name);
	for (memory = memories; memory; memory = memory->next)
		if (memory->device == st.st_dev && memory->inode == st.st_ino)
			break;
	if (!memory) {
		err = memory_new(share, name, &memory);
		if (err)
			return err;
		memory->device = st.st_dev;
		memory->inode = st.st_ino;
		memory->next = memories;
		memories = memory;
	}
	memory->references++;
	*out = memory;
	return 0;
}

static void memory_put(struct pipe_memory *memory)
{
	struct pipe_memory **at = &memories;

	if (--memory->references > 0)
		return;
	while (*at != memory)
		at = &(*at)->next;
	*at = memory->next;
	memory_free(memory);
}

static int pipe_wake_open(struct ring *r, bool own)
{
	const struct pipe *pipe = r->port->state;
	unsigned end = own ? pipe->share.end : 1 - pipe->share.end;
	char name[NAME_MAX + 32];

	snprintf(name, sizeof name, "%s.%u%c%u", pipe->share.file, end, own == r->tx ? 't' : 'r',
	    r->index);
	return os_wake_open(pipe->share.dirfd, name);
}

static struct exchange *exchange_at(const struct pipe_memory *memory, uint32_t index)
{
	uint8_t *base = (uint8_t *)memory->control + memory->layout.exchanges;

	return (struct exchange *)(void *)base + index;
}

/* Exchanges are in the master's order: T rings, then R rings. */
static void rings_attach(struct port *port, struct pipe *pipe)
{
	uint32_t t = pipe->memory->shape.tx_rings;
	bool master = pipe->share.end == 0;

	for (uint32_t i = 0; i < port->num_tx + port->num_rx; i++) {
		bool tx = i < port->num_tx;
		uint32_t k = tx ? i : i - port->num_tx;
		struct ring *r = tx ? &port->tx[k] : &port->rx[k];

		exchange_end_init(&pipe->ends[i],
		    exchange_at(pipe->memory, tx == master ? k : t + k), pipe_wake_open);
		r->state = &pipe->ends[i];
		exchange_resume(r);
	}
}

static void slots_create(const struct pipe_memory *memory)
{
	struct region *region = memory->region;
	uint32_t rings = memory->shape.tx_rings + memory->shape.rx_rings;

	for (uint32_t i = 0; i < rings; i++) {
		region_slots_fill(region_ring(region, i)->slot, region->ring_slots[i],
		    *region->next_buffer, (uint16_t)region->buf_size);
		*region->next_buffer += region->ring_slots[i];
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

static int build(struct port *port, struct pipe *pipe, const struct port_request *wanted)
{
	struct pipe_memory *memory = pipe->memory;
	bool master = pipe->share.end == 0;
	uint32_t t = memory->shape.tx_rings, n = memory->shape.rx_rings;
	struct port_layout at = {.region = memory->region,
	    .first_tx = master ? 0 : t + n,
	    .first_rx = master ? t : t + n + n};
	struct port_request request = *wanted;
	int err;

	request_adopt(&request, &memory->shape, master);
	pipe->ends = calloc((size_t)t + n, sizeof *pipe->ends);
	if (!pipe->ends)
		return error_set(-ENOMEM, "out of memory for \"%s\"", wanted->name);
	region_reference(memory->region);
	err = port_build(port, &request, &at);
	if (err)
		return err;
	if (pipe->share.created)
		slots_create(memory);
	port->state = pipe;
	rings_attach(port, pipe);
	return 0;
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

static int pipe_open(struct port *port, const struct port_request *request)
{
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
	if (pipe->share.created)
		err = create_object(&pipe->share, request);
	if (!err)
		err = memory_get(&pipe->share, request->name, &pipe->memory);
	if (!err)
		err = build(port, pipe, request);
	if (err) {
		if (pipe->memory)
			memory_put(pipe->memory);
		share_close(&pipe->share); /* before anybody saw a half-made object */
		free(pipe->ends);
		free(pipe);
		return err;
	}
	share_ready(&pipe->share);
	port->zero_copy = true;
	snprintf(port->mode, sizeof port->mode, "%s", pipe->share.end == 0 ? "master" : "slave");
	return 0;
}

static void pipe_close(struct port *port)
{
	struct pipe *pipe = port->state;

	for (uint32_t i = 0; i < port->num_tx + port->num_rx; i++)
		exchange_end_close(&pipe->ends[i]);
	memory_put(pipe->memory);
	share_close(&pipe->share);
	free(pipe->ends);
	free(pipe);
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
    .tx_entry = pipe_tx_entry,
    .rx_entry = pipe_rx_entry,
    .arm = exchange_arm,
    .disarm = exchange_disarm,
};
