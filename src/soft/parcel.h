/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What of a bound descriptor goes to another process: words that describe it, and descriptors that hold it.
 * Locks are held by open files, so a port lives on while its descriptors are on their way, whatever
 * becomes of the sender. Whoever unpacks it shares memory and rings with the sender (place.h).
 *
 * Descriptors in the parcel stand in the order in which they are taken out: of the region, the claim, the
 * netmap_if, the kind's.
 */
#ifndef SOFT_PARCEL_H
#define SOFT_PARCEL_H

#include "../device/device.h"
#include "port.h"
#include "soft.h"

#define PARCEL_MAGIC    0x6c65637261706b70ull
#define PARCEL_ABI      2u
#define PARCEL_RINGS    512u /* of each direction: NIC's and host's */
#define PARCEL_WORD_MAX 128u /* names, with the final NUL */
#define PARCEL_MODE_MAX 256u

struct parcel_share {
	char file[NAME_MAX + 1];
	uint32_t end;
};

struct parcel_region {
	struct region_shape shape; /* without a name */
	struct parcel_share share; /* … with one */
	char name[PARCEL_WORD_MAX];
	char directory[PARCEL_WORD_MAX];
};

struct parcel_ring {
	uint32_t object; /* of the region */
	uint32_t offset_max, offset_room;
	uint64_t offset_mask;
};

struct parcel_port {
	char kind[PARCEL_WORD_MAX], name[PARCEL_WORD_MAX], mode[PARCEL_MODE_MAX];
	char directory[PARCEL_WORD_MAX];
	uint32_t zero_copy, indirect;
	uint32_t num_tx, num_rx, host_tx, host_rx, tx_slots, rx_slots;
	struct parcel_ring tx[PARCEL_RINGS], rx[PARCEL_RINGS];
	uint32_t num_areas, areas[REGION_AREAS_MAX];
};

struct parcel_binding {
	struct soft_range tx, rx;
	uint64_t flags;
	uint32_t mode, extra_bufs, spin_us;
	uint64_t nifp; /* offset in the region */
};

/** In device_parcel.data. */
struct parcel {
	uint64_t magic;
	uint32_t abi;
	uint32_t page_size;
	uint32_t bound; /* 0: nothing of what follows */
	struct parcel_region region;
	struct parcel_port port;
	struct parcel_binding binding;
	struct { /* the kind's */
		struct parcel_share share[2];
		uint32_t words[4];
	} own;
	/* Not sent: where its descriptors are. */
	struct device_parcel *outer;
	uint32_t next;
};

_Static_assert(sizeof(struct parcel) <= DEVICE_PARCEL_SIZE, "a parcel does not fit its envelope");

/** Put a descriptor in; false: there is no room. */
bool parcel_put(struct parcel *parcel, int fd);

/** Take the next one out, -1: there is none. It is the taker's. */
int parcel_take(struct parcel *parcel);

bool parcel_put_share(struct parcel *parcel, const struct share *share, struct parcel_share *out);
int parcel_take_share(struct parcel *parcel, const struct parcel_share *from, struct share *out);

#endif
