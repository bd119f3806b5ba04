/* SPDX-License-Identifier: BSD-2-Clause */
/* Forwarding, learning, dropping. */
#include "model_switch.h"

#include <errno.h>
#include <string.h>

#include <pktloom/compat/net/netmap.h>

#define HEADER       14u
#define PACKET_MAX   (MODEL_SLOTS * 65536u)
#define MULTICAST    0x01
#define FIRST_BUFFER 2u

/* A packet on its way: its bytes, and how the sender had cut them. */
struct packet {
	uint32_t num_parts, total, largest;
	uint32_t parts[MODEL_SLOTS];
	bool first_is_indirect;
	uint16_t flags; /* of its first slot */
	uint8_t data[PACKET_MAX];
};

/* ---- addresses ---- */

static uint32_t where_is(const struct model_switch *sw, const uint8_t *mac)
{
	for (uint32_t i = 0; i < sw->num_seen; i++)
		if (memcmp(sw->seen[i].mac, mac, 6) == 0)
			return sw->seen[i].port;
	return 0;
}

static void learn(struct model_switch *sw, const uint8_t *mac, uint32_t port)
{
	uint32_t i = 0;

	while (i < sw->num_seen && memcmp(sw->seen[i].mac, mac, 6) != 0)
		i++;
	if (i == MODEL_SWITCH_MACS)
		return;
	if (i == sw->num_seen)
		sw->num_seen++;
	memcpy(sw->seen[i].mac, mac, 6);
	sw->seen[i].port = port;
}

void model_switch_leave(struct model_switch *sw, uint32_t number)
{
	bool anybody = false;

	sw->ports[number].live = false;
	for (uint32_t i = 0; i < sw->num_seen; i++)
		if (sw->seen[i].port == number)
			sw->seen[i].port = 0;
	for (uint32_t i = 1; i < MODEL_SWITCH_PORTS; i++)
		anybody |= sw->ports[i].live;
	if (!anybody)
		sw->num_seen = 0;
}

/* ---- to one port ---- */

/* The switch is the sender of this link: slots that were released are its own again. */
static uint32_t room(struct model_link *link)
{
	for (; link->reclaimed != link->released;
	     link->reclaimed = model_next(link, link->reclaimed))
		link->tx[link->reclaimed] = link->rx[link->reclaimed];
	return link->n - 1 - model_distance(link, link->released, link->published);
}

static void put(struct model_link *link, const uint8_t *data, uint32_t len, uint16_t flags)
{
	struct model_slot *slot = &link->tx[link->published];

	slot->len = (uint16_t)len;
	slot->flags = flags;
	memcpy(slot->data, data, len);
	link->rx[link->published] = *slot;
	link->published = model_next(link, link->published);
}

/* As the sender had cut it, or, if that does not fit into buffers, in as few as possible. */
static void deliver(struct model_link *link, const struct packet *packet)
{
	bool as_is = packet->largest <= link->buf_size;
	uint32_t slots =
	    as_is ? packet->num_parts : (packet->total + link->buf_size - 1) / link->buf_size;
	uint32_t at = 0;

	if (slots > NETMAP_MAX_FRAGS || slots > room(link))
		return;
	for (uint32_t i = 0; i < slots; i++) {
		uint32_t left = packet->total - at;
		uint32_t part = left < link->buf_size ? left : link->buf_size;
		uint16_t more = i + 1 < slots ? NS_MOREFRAG : 0;

		if (as_is)
			part = packet->parts[i];
		put(link, packet->data + at, part, (uint16_t)(slots << NS_PORT_SHIFT | more));
		at += part;
	}
}

static void deliver_to(
    struct model_switch *sw, uint32_t from, uint32_t to, uint32_t ring, const struct packet *packet)
{
	struct model_switch_port *port = &sw->ports[to];

	if (to != from && port->live)
		deliver(&port->rx[ring % port->num_rx], packet);
}

/* ---- from one port ---- */

static bool take_slot(
    const struct model_link *link, const struct model_slot *slot, struct packet *packet)
{
	const void *from = slot->data;

	if (slot->flags & NS_INDIRECT)
		from = (const void *)(uintptr_t)slot->ptr;
	else if (slot->buf_idx < FIRST_BUFFER || slot->buf_idx >= link->num_bufs ||
		 slot->len > link->buf_size)
		return false;
	if (!from && slot->len)
		return false;
	if (slot->len)
		memcpy(packet->data + packet->total, from, slot->len);
	packet->total += slot->len;
	packet->parts[packet->num_parts++] = slot->len;
	if (slot->len > packet->largest)
		packet->largest = slot->len;
	return true;
}

static bool take_packet(
    const struct model_link *link, uint32_t at, uint32_t n, struct packet *packet)
{
	packet->num_parts = packet->total = packet->largest = 0;
	packet->flags = link->tx[at].flags;
	for (uint32_t i = 0; i < n; i++) {
		if (!take_slot(link, &link->tx[at], packet))
			return false;
		at = model_next(link, at);
	}
	return packet->total >= HEADER;
}

static void forward(
    struct model_switch *sw, uint32_t from, uint32_t ring, const struct packet *packet)
{
	const uint8_t *to = packet->data, *source = packet->data + 6;
	uint32_t forced = packet->flags >> NS_PORT_SHIFT, known;

	if (!(packet->flags & NS_NO_LEARN) && !(source[0] & MULTICAST))
		learn(sw, source, from);
	known = to[0] & MULTICAST ? 0 : where_is(sw, to);
	if (forced) {
		if (forced < MODEL_SWITCH_PORTS)
			deliver_to(sw, from, forced, ring, packet);
	} else if (known) {
		deliver_to(sw, from, known, ring, packet);
	} else {
		for (uint32_t i = 1; i < MODEL_SWITCH_PORTS; i++)
			deliver_to(sw, from, i, 0, packet);
	}
}

/* Slots of the packet at `at`; 0: its end has not come. */
static uint32_t packet_slots(const struct model_ring *ring, uint32_t at)
{
	uint32_t n = 0;

	while (at != ring->rhead) {
		n++;
		if (!(ring->link->tx[at].flags & NS_MOREFRAG))
			return n;
		at = model_next(ring->link, at);
	}
	return 0;
}

/* Packets from hwcur on; returns where the first one stands that has to wait. */
static uint32_t send_all(
    struct model_switch *sw, uint32_t number, uint32_t ring_index, struct model_ring *ring)
{
	static struct packet packet;
	bool *skipping = &sw->ports[number].skipping[ring_index];
	uint32_t at = ring->hwcur;

	while (at != ring->rhead) {
		uint32_t n = packet_slots(ring, at);

		if (n == 0) {
			if (!*skipping &&
			    model_distance(ring->link, at, ring->rhead) + 1 < ring->link->n)
				return at;
			*skipping = true;
			return ring->rhead;
		}
		if (!*skipping && take_packet(ring->link, at, n, &packet))
			forward(sw, number, ring_index, &packet);
		*skipping = false;
		at = (at + n) % ring->link->n;
	}
	return at;
}

int model_switch_send(
    struct model_switch *sw, uint32_t number, uint32_t ring_index, struct model_ring *ring)
{
	struct model_link *link = ring->link;

	if (!model_acceptable(ring))
		return model_sync(ring); /* refuses it */
	ring->rhead = ring->head;
	ring->rcur = ring->cur;
	ring->hwcur = send_all(sw, number, ring_index, ring);
	link->published = link->released = link->reclaimed = ring->hwcur;
	ring->hwtail = (ring->hwcur + link->n - 1) % link->n;
	ring->tail = ring->hwtail;
	return 0;
}
