/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the processes of one switch share: files in the directory of shared objects (share.h).
 *
 *   loom-valeS        struct switch_table: who is there, and which MAC address was seen where
 *   loom-valeS.N-G    port number N in its generation G: │ struct switch_part │ struct switch_inbox × RX rings │
 *                     Its slots and buffers are in a region (region.h), of its own name if no other was
 *                     asked for.
 *
 *   loom-valeS.N-GrK  wakeup of its RX ring K, a FIFO
 *
 * Every sender of the switch maps the parts and regions of all others too, and writes into their RX slots
 * and buffers; nobody else looks at TX slots. An RX
 * ring is an exchange (exchange.h) with many senders, who take turns by a lock. Only the indexes of the
 * exchange say what is valid, and they move once at the end of a turn, so a sender may die at any point.
 *
 * The table changes only under the directory's lock, and then moves `epoch`. Port number N holds the
 * lock of end N - 1 of the object as long as its process lives. A part is made before its entry says so;
 * `coming` tells whose that was if its maker is killed in between.
 */
#ifndef SOFT_PORTS_SWITCH_SHARED_H
#define SOFT_PORTS_SWITCH_SHARED_H

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "../../os/robust_lock.h"
#include "../exchange.h"

#define SWITCH_TABLE_MAGIC 0x6863746977736b70ull
#define SWITCH_PART_MAGIC  0x74726f7077736b70ull
/* Raise it when a struct of this file or the meaning of a slot changes. */
#define SWITCH_ABI         2u

#define SWITCH_PORTS   254u /* numbers 1 … 254: 0 would mean "nobody" in a slot's flags */
#define SWITCH_NUMBERS 256u
#define SWITCH_RINGS   16u
#define SWITCH_MACS    1024u
#define SWITCH_KEY_MAX                                                                             \
	16u /* of a switch's name, with the final NUL; of a port's after the colon too */
#define SWITCH_NAME_MAX 32u
#define SWITCH_REASONS  8u /* room for enum loom_drop to grow */

struct switch_entry {
	uint32_t generation; /* odd while a port is there; moves by one when it comes and goes */
	uint16_t header_len; /* of the virtio-net header before each of its frames: 0, 10 or 12 */
	uint16_t kept;       /* the number and the name stay reserved when the port goes */
	char name[SWITCH_NAME_MAX];
};

struct switch_header {
	uint64_t magic;
	uint32_t abi;
	uint32_t size; /* of the table */
};

struct switch_table {
	struct switch_header header;
	uint32_t epoch __attribute__((aligned(EXCHANGE_LINE)));
	uint32_t coming; /* number of a port whose memory is being made, or 0 */
	/* MAC address in bits 0-47, number of the port that it was last seen at in 48-55; 0: empty. */
	uint64_t macs[SWITCH_MACS] __attribute__((aligned(EXCHANGE_LINE)));
	struct switch_entry entries[SWITCH_NUMBERS];
};

struct switch_shape {
	uint32_t tx_rings, rx_rings;
	uint32_t tx_slots, rx_slots;
};

struct switch_part {
	uint64_t magic;
	uint32_t abi;
	uint32_t page_size;
	uint64_t size; /* of the file */
	uint32_t number, generation;
	struct switch_shape shape;
	char region[NAME_MAX + 1];    /* the region's file; "": no other process can map it */
	uint32_t areas[SWITCH_RINGS]; /* of its RX rings there */
};

struct switch_inbox {
	struct exchange exchange; /* its sender is whoever has the lock */
	struct robust_lock lock __attribute__((aligned(EXCHANGE_LINE)));
	uint32_t
	    closed; /* its port gives slots and buffers back: changed and read under the lock */
	/* Of the RX ring (struct ring); changed and believed by whoever has the lock. */
	uint64_t offset_mask;
	uint32_t offset_room;
	/* What senders dropped, by enum loom_drop; a line of its own that is seldom written. */
	uint64_t drops[SWITCH_REASONS] __attribute__((aligned(EXCHANGE_LINE)));
	uint64_t drops_total;
};

static inline bool switch_is_live(uint32_t generation)
{
	return generation & 1;
}

/* Count at the destination, with or without its lock. */
static inline void switch_inbox_drop(struct switch_inbox *inbox, enum loom_drop reason, uint64_t n)
{
	__atomic_fetch_add(&inbox->drops[reason], n, __ATOMIC_RELAXED);
	__atomic_fetch_add(&inbox->drops_total, n, __ATOMIC_RELAXED);
}

#endif
