/* SPDX-License-Identifier: BSD-2-Clause */
/* A program in CSB mode. */
#include "guest.h"

#include <poll.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define NAP_NS   50000
#define PAUSE_NS 1000000

static void nap(long ns)
{
	const struct timespec time = {.tv_nsec = ns};

	nanosleep(&time, NULL);
}

void guest_begin(struct guest *g)
{
	g->head = g->atok->head;
	g->tail = __atomic_load_n(&g->ktoa->hwtail, __ATOMIC_ACQUIRE);
}

/* cur before head, both after the slots; then the kick, if it is wanted. */
static void publish(struct guest *g)
{
	const uint64_t one = 1;

	__atomic_store_n(&g->atok->cur, g->head, __ATOMIC_RELAXED);
	__atomic_store_n(&g->atok->head, g->head, __ATOMIC_SEQ_CST);
	if (g->io < 0 || !__atomic_load_n(&g->ktoa->kern_need_kick, __ATOMIC_SEQ_CST))
		return;
	g->kicks++;
	if (write(g->io, &one, sizeof one) != sizeof one)
		g->lost = true;
}

static bool look(struct guest *g)
{
	g->tail = __atomic_load_n(&g->ktoa->hwtail, __ATOMIC_SEQ_CST);
	return g->tail != g->head;
}

static void sleep_for_irq(struct guest *g)
{
	struct pollfd fd = {.fd = g->irq, .events = POLLIN};
	uint64_t count;

	g->sleeps++;
	if (poll(&fd, 1, GUEST_WAIT_MS) != 1 || read(g->irq, &count, sizeof count) < 0)
		g->lost = true;
}

/* With an irqfd: say that a kick is wanted, look once more, sleep. */
static bool wait_for_slots(struct guest *g)
{
	for (long naps = 0; g->irq < 0 && naps < GUEST_WAIT_MS * 1000000L / NAP_NS; naps++) {
		if (look(g))
			return true;
		nap(NAP_NS);
	}
	while (g->irq >= 0 && !g->lost) {
		__atomic_store_n(&g->atok->appl_need_kick, 1, __ATOMIC_SEQ_CST);
		if (!look(g))
			sleep_for_irq(g);
		__atomic_store_n(&g->atok->appl_need_kick, 0, __ATOMIC_RELAXED);
		if (look(g))
			return true;
	}
	g->lost = true;
	return false;
}

static void fill(const struct guest *g, uint32_t number)
{
	struct netmap_slot *slot = &g->ring->slot[g->head];
	uint8_t *data = (uint8_t *)NETMAP_BUF(g->ring, slot->buf_idx);

	slot->len = (uint16_t)(60 + number % 64);
	slot->flags = 0;
	memcpy(data, &number, sizeof number);
	memset(data + sizeof number, (int)(number % 251), slot->len - sizeof number);
}

static bool is_right(const struct guest *g, uint32_t number)
{
	const struct netmap_slot *slot = &g->ring->slot[g->head];
	const uint8_t *data = (const uint8_t *)NETMAP_BUF(g->ring, slot->buf_idx);
	uint32_t got;

	memcpy(&got, data, sizeof got);
	return got == number && slot->len == 60 + number % 64 && data[sizeof got] == number % 251 &&
	       data[slot->len - 1u] == number % 251;
}

static void pause_at(const struct guest *g, uint32_t i)
{
	if (g->pause_each && i % g->pause_each == 0)
		nap(PAUSE_NS);
}

/* Slots of this batch: what there is, but no more than a few dozen, so that both sides work at once. */
static uint32_t batch(struct guest *g, uint32_t left)
{
	uint32_t space = (g->tail + g->ring->num_slots - g->head) % g->ring->num_slots;

	space = space > 64 ? 64 : space;
	return space > left ? left : space;
}

bool guest_send(struct guest *g, uint32_t first, uint32_t n)
{
	uint32_t sent = 0;

	while (sent < n && (look(g) || wait_for_slots(g))) {
		uint32_t k = g->pause_each ? 1 : batch(g, n - sent);

		for (uint32_t i = 0; i < k; i++) {
			fill(g, first + sent++);
			g->head = nm_ring_next(g->ring, g->head);
		}
		publish(g);
		pause_at(g, sent);
	}
	return sent == n && !g->lost;
}

bool guest_receive(struct guest *g, uint32_t first, uint32_t n)
{
	uint32_t got = 0;

	while (got < n && !g->damaged && (look(g) || wait_for_slots(g))) {
		uint32_t k = batch(g, n - got);

		for (uint32_t i = 0; i < k && !g->damaged; i++) {
			g->damaged = !is_right(g, first + got++);
			g->head = nm_ring_next(g->ring, g->head);
		}
		publish(g);
	}
	return got == n && !g->lost && !g->damaged;
}
