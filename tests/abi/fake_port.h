/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A port's memory as a program would map it, without a device: interface, rings and buffers in
 * one allocation, so that the inline helpers can be tested on their own.
 */
#ifndef PKTLOOM_TESTS_ABI_FAKE_PORT_H
#define PKTLOOM_TESTS_ABI_FAKE_PORT_H

#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <pktloom/compat/net/netmap.h>

#define FAKE_IF_OFFSET 256 /* not 0: nr_offset has to count */
#define FAKE_BUF_SIZE  2048

struct fake_port {
	char *mem;
	size_t size;
	uint32_t rings; /* of all four kinds */
	uint32_t slots;
};

/* In heap memory, so that fields which are const for programs may be written. */
#define FAKE_SET(type, field, value) (*(type *)(uintptr_t) & (field) = (type)(value))

static inline struct netmap_if *fake_port_if(const struct fake_port *port)
{
	return (struct netmap_if *)(void *)(port->mem + FAKE_IF_OFFSET);
}

static inline size_t fake_port_ring_bytes(const struct fake_port *port)
{
	size_t bytes = sizeof(struct netmap_ring) + port->slots * sizeof(struct netmap_slot);

	return (bytes + NM_CACHE_ALIGN - 1) / NM_CACHE_ALIGN * NM_CACHE_ALIGN;
}

/** Ring k in the order of ring_ofs[]: NIC TX, host TX, NIC RX, host RX. */
static inline struct netmap_ring *fake_port_ring(const struct fake_port *port, uint32_t k)
{
	return (struct netmap_ring *)(void *)(port->mem + 1024 + k * fake_port_ring_bytes(port));
}

static inline size_t fake_port_buffers(const struct fake_port *port)
{
	return 1024 + port->rings * fake_port_ring_bytes(port);
}

static inline void fake_port_init_ring(const struct fake_port *port, uint32_t k, int tx)
{
	struct netmap_ring *ring = fake_port_ring(port, k);
	size_t at = (size_t)((char *)ring - port->mem);
	uint32_t i;

	FAKE_SET(int64_t, ring->buf_ofs, fake_port_buffers(port) - at);
	FAKE_SET(uint32_t, ring->num_slots, port->slots);
	FAKE_SET(uint32_t, ring->nr_buf_size, FAKE_BUF_SIZE);
	FAKE_SET(uint16_t, ring->dir, tx);
	ring->tail = tx ? port->slots - 1 : 0;
	for (i = 0; i < port->slots; i++)
		ring->slot[i].buf_idx = 2 + k * port->slots + i;
	FAKE_SET(ssize_t, fake_port_if(port)->ring_ofs[k], at - FAKE_IF_OFFSET);
}

static inline void fake_port_init(struct fake_port *port, uint32_t tx, uint32_t host_tx,
    uint32_t rx, uint32_t host_rx, uint32_t slots)
{
	struct netmap_if *nifp;
	uint32_t k;

	port->rings = tx + host_tx + rx + host_rx;
	port->slots = slots;
	port->size = fake_port_buffers(port) + (2 + (size_t)port->rings * slots) * FAKE_BUF_SIZE;
	port->size = (port->size + 4095) / 4096 * 4096;
	port->mem = (char *)aligned_alloc(4096, port->size);
	if (port->mem == NULL || port->rings > 16)
		abort();
	memset(port->mem, 0, port->size);
	nifp = fake_port_if(port);
	FAKE_SET(uint32_t, nifp->ni_tx_rings, tx);
	FAKE_SET(uint32_t, nifp->ni_rx_rings, rx);
	FAKE_SET(uint32_t, nifp->ni_host_tx_rings, host_tx);
	FAKE_SET(uint32_t, nifp->ni_host_rx_rings, host_rx);
	for (k = 0; k < port->rings; k++)
		fake_port_init_ring(port, k, k < tx + host_tx);
}

static inline void fake_port_free(struct fake_port *port)
{
	free(port->mem);
}

#endif /* PKTLOOM_TESTS_ABI_FAKE_PORT_H */
