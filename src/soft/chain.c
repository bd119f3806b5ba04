/* SPDX-License-Identifier: BSD-2-Clause */
/* Chains of slots, checked slot by slot. */
#include "chain.h"

#include <net/ethernet.h>
#include <string.h>

enum chain chain_describe(struct ring *r, uint32_t *at, struct iovec **part)
{
	const struct iovec *const first = *part;
	uint32_t total = 0, slots, len;
	uint16_t flags;

	do {
		uint8_t *data = ring_slot_data(r, *at, &len, &flags);

		if (!data)
			return CHAIN_BAD;
		*(*part)++ = (struct iovec){.iov_base = data, .iov_len = len};
		*at = ring_next(r, *at);
		total += len;
		slots = (uint32_t)(*part - first);
	} while (flags & NS_MOREFRAG && *at != r->rhead && slots < NETMAP_MAX_FRAGS);
	if (!(flags & NS_MOREFRAG) && total >= ETHER_HDR_LEN)
		return CHAIN_WHOLE;
	/* A chain that can never be finished would block the ring for ever. */
	if (flags & NS_MOREFRAG && slots < NETMAP_MAX_FRAGS && slots < r->num_slots - 1)
		return CHAIN_UNFINISHED;
	ring_drop(r, LOOM_DROP_BAD_LENGTH, 1);
	return CHAIN_BAD;
}

void chain_pass(struct ring *r, uint32_t *rest)
{
	uint16_t flags = NS_MOREFRAG;

	while (flags & NS_MOREFRAG && r->hwcur != r->rhead) {
		flags = (uint16_t)(loom_slot_word(&r->common.ring->slot[r->hwcur]) >> 48);
		r->hwcur = ring_next(r, r->hwcur);
	}
	*rest = flags & NS_MOREFRAG ? r->hwcur : CHAIN_NONE;
}

uint32_t chain_put(struct ring *r, uint32_t at, const uint8_t *data, uint32_t len, uint32_t most)
{
	struct netmap_slot *slots = r->common.ring->slot;

	for (uint32_t used = 1; used <= most; used++, at = ring_next(r, at)) {
		uint32_t room, n;
		uint8_t *to = ring_slot_space(r, at, &room);

		if (!to || room == 0)
			return 0;
		n = len < room ? len : room;
		memcpy(to, data, n);
		data += n;
		len -= n;
		slots[at].len = (uint16_t)n;
		slots[at].flags = len ? NS_MOREFRAG : 0;
		if (len == 0)
			return used;
	}
	return 0;
}
