/* SPDX-License-Identifier: BSD-2-Clause */
/* A link of nothing but time and chance. */
#include "link.h"

#include "support.h"

#define BYTES 65536u

struct flying {
	uint64_t due_ns;
	unsigned to;
	uint32_t len;
	uint8_t data[LINK_PACKET];
};

static struct flying flying[LINK_FLYING];
static uint32_t waiting[LINK_FLYING]; /* places of flying, as a heap by due_ns; free ones behind */
static uint8_t bytes[BYTES];          /* payloads are pieces of it */

void link_open(struct link *link, const struct arq_config *config, const struct link_faults *faults,
    uint32_t seed)
{
	uint32_t random = 1;

	for (uint32_t i = 0; i < BYTES; i++)
		bytes[i] = (uint8_t)random_next(&random);
	for (uint32_t i = 0; i < LINK_FLYING; i++)
		waiting[i] = i;
	*link = (struct link){
	    .faults = *faults, .random = seed * 2 + 1, .now_ns = 1000000, .most = config->most};
	for (unsigned i = 0; i < 2; i++) {
		link->ends[i].stream = seed * 2 + i;
		assert_int_equal(arq_new(config, link->now_ns, &link->ends[i].arq), 0);
	}
}

void link_close(struct link *link)
{
	for (unsigned i = 0; i < 2; i++)
		arq_free(link->ends[i].arq);
}

/* ---- what is sent: known from its stream and its number ---- */

struct piece {
	const uint8_t *data;
	size_t len;
};

static struct piece piece_of(const struct link *link, uint32_t stream, uint32_t number)
{
	uint32_t random = stream * 0x9e3779b9u + number * 0x85ebca6bu + 1;
	uint32_t at = random_next(&random) % (BYTES - link->most);
	uint32_t len = random_next(&random) % (link->most + 1);

	/* Often the shortest, and the longest. */
	if (random_next(&random) % 8 == 0)
		len = random_next(&random) % 2 ? link->most : 0;
	return (struct piece){bytes + at, len};
}

static void end_send(struct link *link, struct link_end *end)
{
	while (end->sent < end->to_send) {
		struct piece piece = piece_of(link, end->stream, end->sent);

		if (arq_send(end->arq, piece.data, piece.len) == 0)
			return;
		end->sent++;
	}
	if (!end->holds_on)
		arq_finish(end->arq);
}

static void end_receive(struct link *link, struct link_end *end, uint32_t stream)
{
	const uint8_t *data;
	size_t len;

	while (!end->rests && arq_recv(end->arq, &data, &len) == 1) {
		struct piece piece = piece_of(link, stream, end->received++);

		assert_int_equal(len, piece.len);
		assert_memory_equal(data, piece.data, len);
	}
	if (arq_has_ended(end->arq) && end->ended_ns == 0)
		end->ended_ns = link->now_ns;
}

/* ---- what is under way ---- */

static bool comes_before(uint32_t a, uint32_t b)
{
	return flying[waiting[a]].due_ns < flying[waiting[b]].due_ns;
}

static void swap(uint32_t a, uint32_t b)
{
	uint32_t other = waiting[a];

	waiting[a] = waiting[b];
	waiting[b] = other;
}

static void launch(struct link *link, unsigned to, const uint8_t *data, uint32_t len, uint64_t due)
{
	uint32_t at = link->flying++;
	struct flying *new;

	assert_true(at < LINK_FLYING);
	new = &flying[waiting[at]];
	*new = (struct flying){.due_ns = due, .to = to, .len = len};
	memcpy(new->data, data, len);
	for (; at > 0 && comes_before(at, (at - 1) / 2); at = (at - 1) / 2)
		swap(at, (at - 1) / 2);
}

static const struct flying *land(struct link *link)
{
	uint32_t last = --link->flying, at = 0, child;

	swap(0, last);
	while ((child = 2 * at + 1) < last) {
		if (child + 1 < last && comes_before(child + 1, child))
			child++;
		if (!comes_before(child, at))
			break;
		swap(child, at);
		at = child;
	}
	return &flying[waiting[last]];
}

static bool chance(struct link *link, uint32_t percent)
{
	return random_next(&link->random) % 100 < percent;
}

static uint64_t arrival(struct link *link, uint64_t departure)
{
	uint64_t due = departure + link->faults.delay_ns;

	if (link->faults.jitter_ns)
		due += random_next(&link->random) % link->faults.jitter_ns;
	if (chance(link, link->faults.reorder))
		due += link->faults.delay_ns + link->faults.jitter_ns + 1;
	return due;
}

static void transmit(struct link *link, unsigned from, uint8_t *data, uint32_t len)
{
	struct link_end *end = &link->ends[from];

	if (end->free_ns < link->now_ns)
		end->free_ns = link->now_ns;
	end->free_ns += link->faults.spacing_ns;
	if (chance(link, link->faults.loss) || link->ends[!from].is_deaf) {
		end->lost++;
		return;
	}
	if (chance(link, link->faults.corrupt))
		data[random_next(&link->random) % len] ^=
		    (uint8_t)(1u << random_next(&link->random) % 8);
	launch(link, !from, data, len, arrival(link, end->free_ns));
	if (chance(link, link->faults.dup))
		launch(link, !from, data, len, arrival(link, end->free_ns));
}

/* A link that is slower than its sender holds it up: packets do not pile up before it. */
static void end_output(struct link *link, unsigned i)
{
	static uint8_t packet[LINK_PACKET];
	struct link_end *end = &link->ends[i];

	while (end->free_ns <= link->now_ns) {
		size_t len = arq_output(end->arq, packet, sizeof packet, link->now_ns);

		if (len == 0)
			return;
		assert_true(len <= arq_packet_most(end->arq));
		transmit(link, i, packet, (uint32_t)len);
	}
}

/* ---- time ---- */

static uint64_t sooner(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

static uint64_t next_event(const struct link *link)
{
	uint64_t next = link->flying ? flying[waiting[0]].due_ns : UINT64_MAX;

	for (unsigned i = 0; i < 2; i++) {
		const struct link_end *end = &link->ends[i];

		next = sooner(next, arq_deadline(end->arq));
		if (arq_has_output(end->arq) && end->free_ns > link->now_ns)
			next = sooner(next, end->free_ns);
	}
	return next;
}

static void arrivals(struct link *link)
{
	while (link->flying && flying[waiting[0]].due_ns <= link->now_ns) {
		const struct flying *packet = land(link);
		const struct link_end *end = &link->ends[packet->to];

		if (!end->is_deaf)
			arq_input(end->arq, packet->data, packet->len, link->now_ns);
	}
}

/* The next thing, unless it is later than that. */
static bool step(struct link *link, uint64_t until_ns)
{
	uint64_t next;

	for (unsigned i = 0; i < 2; i++) {
		struct link_end *end = &link->ends[i];

		arq_tick(end->arq, link->now_ns);
		end_receive(link, end, link->ends[!i].stream);
		end_send(link, end);
		end_output(link, i);
	}
	next = next_event(link);
	if (next == UINT64_MAX)
		return false;
	next = sooner(next, until_ns);
	if (next > link->now_ns)
		link->now_ns = next;
	arrivals(link);
	return true;
}

bool link_run(struct link *link, uint32_t steps)
{
	const struct link_end *ends = link->ends;
	bool goes_on = true;

	while (goes_on && steps-- > 0 && !arq_error(ends[0].arq) && !arq_error(ends[1].arq))
		goes_on = step(link, UINT64_MAX);
	return arq_is_over(ends[0].arq) && arq_is_over(ends[1].arq);
}

void link_run_until(struct link *link, uint64_t time_ns)
{
	while (link->now_ns < time_ns && step(link, time_ns))
		continue;
}
