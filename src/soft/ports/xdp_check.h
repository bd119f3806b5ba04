/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What AF_XDP needs to know of an interface before it is used. Reading only; nothing is changed.
 */
#ifndef SOFT_PORTS_XDP_CHECK_H
#define SOFT_PORTS_XDP_CHECK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct xdp_facts {
	char name[16]; /* now: it may have been renamed */
	uint32_t rx_queues, tx_queues;
	uint32_t rx_ring, tx_ring; /* the driver's descriptors in each queue; 0: it does not say */
	uint32_t frame_max;        /* bytes, with two VLAN tags */
	char hurts[64];            /* offloads that change what is received: "gro lro rxvlan"; "" */
};

/** 0; or why the interface cannot be asked (it is gone, for example). */
int xdp_facts_read(int interface, struct xdp_facts *out);

/**
 * The driver's rings for people, at most size bytes: "rx 512, tx 256"; "" when it does not say. One from
 * which more can come at once than the port has slots for is named with that.
 */
void xdp_check_rings(const struct xdp_facts *facts, uint32_t rx_slots, char *out, size_t size);

/** Frames that fit no buffer are refused, with the remedy; name is the port's. */
int xdp_check_frames(
    const struct xdp_facts *facts, const char *name, uint32_t room, bool fragments);

#endif
