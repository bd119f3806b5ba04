/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Control requests made of any bytes, on descriptors in any state: each is answered or refused, what
 * is answered holds together, and nothing stays behind.
 */
#include <errno.h>
#include <poll.h>
#include <sched.h>

#include <pktloom/error.h>

#include "device/device.h"
#include "fuzz.h"
#include "helpers.h"

#define DESCRIPTORS 3
#define OPTIONS     4

/* Names begin with one of these, so that none is that of a real interface. */
static const char *const names[] = {"null:", "loop:", "fz{", "fz}", "pipe{fz", "pipe{fz}", "fz",
    "vale", "kernel:fz", "packet:fz", "", "fz{a", "fz}a", "loop:a", "null:a"};

static void name_read(struct input *input, char *out, size_t size)
{
	uint8_t kind = input_u8(input), more = input_u8(input);
	size_t len;

	memset(out, 0, size);
	len = (size_t)snprintf(out, size, "%s", names[kind % (sizeof names / sizeof names[0])]);
	if (more < size - len && len > 0)
		input_bytes(input, out + len, more);
	if (kind & 0x80)
		memset(out, 'f', size); /* no end */
}

/* Mostly plain requests: what is wrong should not all be wrong at once. */
static void register_read(struct input *input, struct nmreq_register *reg)
{
	uint8_t odd = input_u8(input);

	*reg = (struct nmreq_register){.nr_mode = NR_REG_ALL_NIC};
	reg->nr_tx_slots = input_u8(input);
	reg->nr_rx_slots = input_u8(input);
	reg->nr_tx_rings = input_u8(input) % 8;
	reg->nr_rx_rings = input_u8(input) % 8;
	if (odd & 1)
		reg->nr_mode = input_u8(input);
	if (odd & 2)
		reg->nr_flags = input_u64(input);
	if (odd & 4)
		reg->nr_ringid = input_u16(input);
	if (odd & 8)
		reg->nr_extra_bufs = input_u32(input) % 5000;
	if (odd & 16)
		reg->nr_mem_id = input_u16(input);
	if (odd & 32)
		reg->nr_host_tx_rings = reg->nr_host_rx_rings = input_u8(input) % 8;
	if (odd & 64)
		reg->nr_tx_slots = input_u32(input);
	if (odd & 128)
		reg->nr_tx_rings = input_u16(input) % 300;
}

union option {
	struct nmreq_option head;
	struct device_opt_soft soft;
	struct nmreq_opt_csb csb;
	struct nmreq_opt_offsets offsets;
};

/* An option may say that it is longer than it is: there is room for all that 16 bits can say. */
static struct {
	union option options[OPTIONS];
	uint8_t after[65536];
} room;

/* Entries for as many rings as there can be: CSB mode is not to fail for their address alone. */
static uint8_t entries[2][512 * 64] __attribute__((aligned(64)));

static void offsets_read(struct input *input, struct nmreq_opt_offsets *offsets)
{
	uint8_t odd = input_u8(input);

	offsets->nro_max_offset = odd & 1 ? input_u64(input) : input_u16(input) % 2100;
	offsets->nro_initial_offset = odd & 2 ? input_u64(input) : offsets->nro_max_offset / 2;
	offsets->nro_offset_bits = odd & 4 ? input_u8(input) : 0;
	offsets->nro_min_gap = odd & 8 ? input_u64(input) : odd & 16 ? input_u8(input) : 0;
}

static void option_read(struct input *input, uint8_t type, union option *option)
{
	memset(option, 0, sizeof *option);
	option->head.nro_reqtype = type & 0x80 ? DEVICE_OPT_SOFT : type & 0x1f;
	option->head.nro_size = input_u16(input);
	if (option->head.nro_reqtype == NETMAP_REQ_OPT_CSB && !(type & 0x40)) {
		option->csb.csb_atok = (uintptr_t)entries[0];
		option->csb.csb_ktoa = (uintptr_t)entries[1];
	} else if (option->head.nro_reqtype == NETMAP_REQ_OPT_OFFSETS) {
		offsets_read(input, &option->offsets);
	} else {
		option->soft.spin_us = LOOM_SPIN_NONE;
		option->soft.buffer_size = type & 0x40 ? 64 : 2048;
	}
}

static uint64_t options_read(struct input *input)
{
	union option *options = room.options;
	unsigned n = input_u8(input) % OPTIONS;

	for (unsigned i = 0; i < n; i++) {
		uint8_t type = input_u8(input);

		option_read(input, type, &options[i]);
		/* The last one may point back: a list without an end. */
		options[i].head.nro_next = i + 1 < n     ? (uintptr_t)&options[i + 1]
					   : type & 0x20 ? (uintptr_t)&options[0]
							 : 0;
	}
	return n ? (uintptr_t)options : 0;
}

static void rings_hold(const struct device_map *map, unsigned n, const ssize_t *offsets)
{
	for (unsigned i = 0; i < n; i++) {
		const struct netmap_ring *ring;
		const uint8_t *at = (const uint8_t *)map->nifp + offsets[i];

		if (offsets[i] == 0)
			continue;
		CHECK(at >= map->base && at + sizeof *ring <= map->base + map->size);
		ring = (const void *)at;
		CHECK(at + sizeof *ring + ring->num_slots * sizeof ring->slot[0] <=
		      map->base + map->size);
		CHECK(ring->head < ring->num_slots && ring->tail < ring->num_slots);
		CHECK(ring->nr_buf_size == map->buf_size);
		for (uint32_t k = 0; k < ring->num_slots; k++)
			CHECK(ring->slot[k].buf_idx >= 2 && ring->slot[k].buf_idx < map->num_bufs);
	}
}

static void answer_holds(struct device *device, const struct nmreq_register *reg)
{
	struct device_map map;
	const struct netmap_if *nifp;

	CHECK(device->ops->map(device, &map) == 0);
	CHECK(reg->nr_memsize == map.size && reg->nr_offset < map.size);
	CHECK((const uint8_t *)map.nifp == map.base + reg->nr_offset);
	CHECK(map.buffers + (size_t)map.num_bufs * map.buf_size <= map.base + map.size);
	CHECK(reg->nr_tx_rings <= 256 && reg->nr_rx_rings <= 256);
	nifp = map.nifp;
	rings_hold(&map,
	    nifp->ni_tx_rings + nifp->ni_host_tx_rings + nifp->ni_rx_rings + nifp->ni_host_rx_rings,
	    nifp->ring_ofs);
}

/* What outlives its descriptor by intent, to be undone after each input: NEWIF and ATTACH. */
#define STEPS 24
static struct {
	uint16_t type;
	char name[NETMAP_REQ_IFNAMSIZ];
} made[STEPS];
static unsigned num_made;

static void note_made(const struct nmreq_header *header)
{
	if (header->nr_reqtype != NETMAP_REQ_VALE_NEWIF &&
	    header->nr_reqtype != NETMAP_REQ_VALE_ATTACH)
		return;
	made[num_made].type = header->nr_reqtype;
	memcpy(made[num_made++].name, header->nr_name, sizeof made[0].name);
}

static void undo(struct device *device, uint16_t made_by, uint16_t undone_by)
{
	struct nmreq_vale_detach body = {0};

	for (unsigned i = 0; i < num_made; i++) {
		struct nmreq_header header = {
		    .nr_version = NETMAP_API, .nr_reqtype = undone_by, .nr_body = (uintptr_t)&body};

		if (made[i].type != made_by)
			continue;
		memcpy(header.nr_name, made[i].name, sizeof header.nr_name);
		device->ops->control(device, &header); /* the input may have undone it itself */
	}
}

/* A sync loop would never end; one that was stopped before it began ends after its options were read. */
static void stop_before(struct device *device)
{
	struct nmreq_header header = {
	    .nr_version = NETMAP_API, .nr_reqtype = NETMAP_REQ_SYNC_KLOOP_STOP};

	device->ops->control(device, &header);
}

static void request(struct input *input, struct device *device)
{
	union {
		struct nmreq_register reg;
		uint8_t bytes[NETMAP_REQ_MAXSIZE];
	} body = {.bytes = {0}};
	struct nmreq_header header = {.nr_version = NETMAP_API, .nr_reqtype = NETMAP_REQ_REGISTER};
	uint8_t odd = input_u8(input);
	int err;

	if (odd & 1)
		header.nr_reqtype = input_u8(input) % 20;
	if ((odd & 6) == 6)
		header.nr_version = input_u16(input);
	if ((odd & 24) == 24)
		header.nr_reserved = input_u32(input);
	header.nr_body = (odd & 96) == 96 ? 0 : (uintptr_t)&body;
	name_read(input, header.nr_name, sizeof header.nr_name);
	register_read(input, &body.reg);
	header.nr_options = odd & 128 ? options_read(input) : 0;
	if (header.nr_reqtype == NETMAP_REQ_SYNC_KLOOP_START)
		stop_before(device);
	err = device->ops->control(device, &header);
	CHECK(err <= 0 && err > -4096);
	CHECK(err == 0 || loom_error()[0] != 0);
	if (err == 0 && header.nr_reqtype == NETMAP_REQ_REGISTER)
		answer_holds(device, &body.reg);
	if (err == 0)
		note_made(&header);
}

static void use(struct input *input, struct device *device)
{
	struct device_map map;

	switch (input_u8(input) % 4) {
	case 0:
		device->ops->sync(device, true);
		return;
	case 1:
		device->ops->sync(device, false);
		return;
	case 2:
		device->ops->poll(device, input_u8(input) & (POLLIN | POLLOUT), 0);
		return;
	default:
		device->ops->map(device, &map);
	}
}

/*
 * Names that are made up here may be those of the machine's interfaces: where interfaces could be opened
 * at all, there must be none but lo.
 */
static void leave_the_network(void)
{
	static bool left;

	if (!left && unshare(CLONE_NEWNET) != 0)
		CHECK(errno == EPERM); /* then AF_PACKET is out of reach, too */
	left = true;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct input input = {data, size};
	struct device *devices[DESCRIPTORS];

	leave_the_network();
	scratch_directory();
	for (int i = 0; i < DESCRIPTORS; i++)
		CHECK(soft_open(&devices[i]) == 0);
	num_made = 0;
	for (int steps = 0; steps < STEPS && input.size > 0; steps++) {
		uint8_t what = input_u8(&input);
		struct device **device = &devices[what % DESCRIPTORS];

		if (what & 0x80) {
			use(&input, *device);
		} else if ((what & 0x70) == 0x70) {
			(*device)->ops->close(*device);
			CHECK(soft_open(device) == 0);
		} else {
			request(&input, *device);
		}
	}
	for (int i = 0; i < DESCRIPTORS; i++)
		devices[i]->ops->close(devices[i]);
	CHECK(soft_open(&devices[0]) == 0);
	undo(devices[0], NETMAP_REQ_VALE_ATTACH, NETMAP_REQ_VALE_DETACH);
	undo(devices[0], NETMAP_REQ_VALE_NEWIF, NETMAP_REQ_VALE_DELIF);
	devices[0]->ops->close(devices[0]);
	CHECK(scratch_files() == 0);
	return 0;
}
