/* SPDX-License-Identifier: BSD-2-Clause */
/* One end: its two halves, the timer, and how it ends. */
#include "arq.h"

#include <errno.h>
#include <stdlib.h>

#include "arq_in.h"
#include "arq_out.h"

#define MILLISECOND UINT64_C(1000000)
#define BACKOFF_MAX 16u
#define LINGER_ASKS 8u
#define TIME_MAX    (3600000 * MILLISECOND) /* can be doubled so often */

struct arq {
	struct arq_config config;
	struct arq_out out;
	struct arq_in in;
	struct arq_stats stats;
	uint64_t restarted_ns; /* the timer */
	unsigned backoff;
	uint32_t tries; /* timeouts since something came */
	bool asks;      /* an answer is wanted */
	bool through;   /* both directions are, as far as we know */
	bool
	    parting; /* the other side has said so, too: it needs nothing but perhaps to hear it again */
	bool over;
	int error;
};

static uint64_t or_default(uint64_t value, uint64_t fallback)
{
	return value ? value : fallback;
}

static struct arq_config config_complete(const struct arq_config *given)
{
	return (struct arq_config){
	    .first = given->first,
	    .window = given->window ? given->window : 2048,
	    .most = given->most ? given->most : 1440,
	    .rto_first_ns = or_default(given->rto_first_ns, 100 * MILLISECOND),
	    .rto_least_ns = or_default(given->rto_least_ns, MILLISECOND),
	    .rto_most_ns = or_default(given->rto_most_ns, 200 * MILLISECOND),
	    .idle_ns = or_default(given->idle_ns, 1000 * MILLISECOND),
	    .linger_ns = or_default(given->linger_ns, 100 * MILLISECOND),
	    .tries = given->tries ? given->tries : 20,
	};
}

int arq_new(const struct arq_config *config, uint64_t now_ns, struct arq **out)
{
	struct arq_config whole = config_complete(config);
	struct arq *arq;
	int err;

	if (whole.window < 64 || whole.window > ARQ_WINDOW_MAX ||
	    whole.window & (whole.window - 1) || whole.most > UINT16_MAX ||
	    whole.rto_first_ns > TIME_MAX || whole.rto_most_ns > TIME_MAX ||
	    whole.idle_ns > TIME_MAX || whole.linger_ns > TIME_MAX ||
	    whole.rto_least_ns > whole.rto_most_ns)
		return -EINVAL;
	arq = calloc(1, sizeof *arq);
	if (!arq)
		return -ENOMEM;
	arq->config = whole;
	arq->restarted_ns = now_ns;
	err = arq_out_open(&arq->out, whole.first, whole.window);
	if (arq_in_open(&arq->in, whole.first, whole.window, whole.most) < 0 || err < 0) {
		arq_free(arq);
		return -ENOMEM;
	}
	arq->out.rto_ns = whole.rto_first_ns;
	arq->out.rto_least_ns = whole.rto_least_ns;
	arq->out.rto_most_ns = whole.rto_most_ns;
	*out = arq;
	return 0;
}

void arq_free(struct arq *arq)
{
	if (!arq)
		return;
	arq_out_close(&arq->out);
	arq_in_close(&arq->in);
	free(arq);
}

size_t arq_packet_most(const struct arq *arq)
{
	uint32_t words = arq->config.window / 8;

	return ARQ_HEADER + (arq->config.most > words ? arq->config.most : words);
}

/* ---- the program's side ---- */

int arq_send(struct arq *arq, const void *data, size_t len)
{
	if (len > arq->config.most)
		return -EMSGSIZE;
	if (arq->out.finished)
		return -EPIPE;
	return arq_out_add(&arq->out, data, (uint16_t)len, false);
}

void arq_finish(struct arq *arq)
{
	if (!arq->out.finished)
		arq_out_add(&arq->out, NULL, 0, true);
}

uint32_t arq_unacknowledged(const struct arq *arq)
{
	return arq->out.end - arq->out.first;
}

int arq_recv(struct arq *arq, const uint8_t **data, size_t *len)
{
	return arq_in_next(&arq->in, data, len);
}

bool arq_has_ended(const struct arq *arq)
{
	return arq_in_complete(&arq->in) && arq->in.read == arq->in.fin;
}

bool arq_is_over(const struct arq *arq)
{
	return arq->over;
}

int arq_error(const struct arq *arq)
{
	return arq->error;
}

struct arq_stats arq_stats(const struct arq *arq)
{
	struct arq_stats stats = arq->stats;

	stats.rtt_ns = arq->out.srtt_ns;
	stats.rto_ns = arq->out.rto_ns;
	return stats;
}

/* ---- time ---- */

/* Something is under way that the other side has to answer. */
static bool waits(const struct arq *arq)
{
	return arq_out_waits(&arq->out) || arq_out_is_blocked(&arq->out);
}

static bool is_finished(const struct arq *arq)
{
	return arq->over || arq->error;
}

static uint64_t least(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

/*
 * How long nothing may come before something is done about it. Who only wants to hear the farewell asks often
 * enough that the other one, which lingers, cannot miss it.
 */
static uint64_t patience(const struct arq *arq)
{
	uint64_t rto = least(arq->out.rto_ns << arq->backoff, arq->config.rto_most_ns);

	if (arq->parting)
		return arq->config.linger_ns;
	if (arq->through)
		return least(rto, arq->config.linger_ns / LINGER_ASKS);
	return waits(arq) ? rto : arq->config.idle_ns;
}

uint64_t arq_deadline(const struct arq *arq)
{
	return is_finished(arq) ? UINT64_MAX : arq->restarted_ns + patience(arq);
}

/* Of all that may be lost one packet goes out: its answer tells what has become of the others. */
void arq_tick(struct arq *arq, uint64_t now_ns)
{
	if (now_ns < arq_deadline(arq))
		return;
	if (arq->parting) {
		arq->over = true;
		return;
	}
	arq->restarted_ns = now_ns;
	arq->stats.timeouts++;
	if (arq->tries++ == arq->config.tries) {
		arq->over = arq->through; /* nothing is missing but the farewell */
		arq->error = arq->through ? 0 : -ETIMEDOUT;
		return;
	}
	if (arq->backoff < BACKOFF_MAX)
		arq->backoff++;
	if (!arq_out_expire(&arq->out))
		arq->asks = true;
}

/* ---- what comes ---- */

static void take_data(struct arq *arq, const struct arq_packet *packet)
{
	switch (arq_in_take(&arq->in, packet)) {
	case ARQ_NEW:
		arq->stats.received++;
		break;
	case ARQ_AGAIN:
		arq->stats.again++;
		break;
	case ARQ_OUTSIDE:
		arq->stats.outside++;
		break;
	case ARQ_WRONG:
		arq->stats.wrong++;
		break;
	}
}

/* @return whether it made sense */
static bool take_ack(struct arq *arq, const struct arq_packet *packet, uint64_t now_ns)
{
	switch (arq_out_acknowledged(&arq->out, packet, now_ns)) {
	case ARQ_NONSENSE:
		return false;
	case ARQ_PROGRESS:
		arq->restarted_ns = now_ns;
		arq->backoff = 0;
		break;
	case ARQ_NOTHING:
		break;
	}
	return true;
}

/*
 * Whoever has everything says so with each packet, and asks until the other one has said it, too. From then on
 * it only answers, and is over when nobody has asked for a while.
 */
static void look_for_end(struct arq *arq, const struct arq_packet *packet, uint64_t now_ns)
{
	if (!arq->through && arq_out_complete(&arq->out) && arq_in_complete(&arq->in)) {
		arq->through = true;
		arq->in.owed = true;
		arq->restarted_ns = now_ns;
		arq->backoff = 0;
	}
	if (!arq->through)
		return;
	if (arq->parting ? packet->flags & ARQ_ASK : packet->flags & ARQ_BYE) {
		arq->parting = true;
		arq->restarted_ns = now_ns;
	}
}

void arq_input(struct arq *arq, const uint8_t *data, size_t len, uint64_t now_ns)
{
	struct arq_packet packet;
	int err = arq_packet_read(data, len, &packet);

	if (is_finished(arq))
		return;
	if (err < 0) {
		*(err == -EPROTO ? &arq->stats.wrong : &arq->stats.damaged) += 1;
		return;
	}
	if (packet.flags & ARQ_ACK && !take_ack(arq, &packet, now_ns)) {
		arq->stats.wrong++;
		return;
	}
	arq->tries = 0;
	if (packet.flags & ARQ_DATA)
		take_data(arq, &packet);
	if (packet.flags & ARQ_ASK)
		arq->in.owed = true;
	look_for_end(arq, &packet, now_ns);
}

/* ---- what goes ---- */

/* Data takes an acknowledgement along, but not its words: with gaps it goes by itself. */
static bool needs_ack(struct arq *arq)
{
	return arq->asks ||
	       (arq->in.owed && (arq_in_has_gaps(&arq->in) || !arq_out_has_next(&arq->out)));
}

bool arq_has_output(struct arq *arq)
{
	return !is_finished(arq) && (needs_ack(arq) || arq_out_has_next(&arq->out));
}

static void write_ack(struct arq *arq, struct arq_packet *packet, uint8_t *out)
{
	arq_in_acknowledge(&arq->in, packet, out + ARQ_HEADER);
	if (arq->through)
		packet->flags |= ARQ_BYE;
	if (arq->asks)
		packet->flags |= ARQ_ASK;
	arq->asks = false;
	arq->stats.acks++;
}

static void write_data(struct arq *arq, struct arq_packet *packet, uint64_t now_ns)
{
	if (!arq_out_waits(&arq->out))
		arq->restarted_ns = now_ns;
	if (arq_out_next(&arq->out, packet, now_ns))
		arq->stats.resent++;
	else
		arq->stats.sent++;
	if (!arq_in_has_gaps(&arq->in))
		arq_in_acknowledge(&arq->in, packet, NULL);
}

size_t arq_output(struct arq *arq, uint8_t *out, size_t cap, uint64_t now_ns)
{
	struct arq_packet packet = {.flags = 0};

	if (is_finished(arq) || cap < arq_packet_most(arq))
		return 0;
	if (needs_ack(arq))
		write_ack(arq, &packet, out);
	else if (arq_out_has_next(&arq->out))
		write_data(arq, &packet, now_ns);
	else
		return 0;
	return arq_packet_write(&packet, out);
}
