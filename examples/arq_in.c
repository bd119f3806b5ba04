/* SPDX-License-Identifier: BSD-2-Clause */
/* The receiving half: keeping what comes out of order, and saying what has come. */
#include "arq_in.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

int arq_in_open(struct arq_in *in, uint32_t first, uint32_t window, uint32_t most)
{
	*in = (struct arq_in){
	    .data = malloc((size_t)window * most),
	    .lens = calloc(window, sizeof *in->lens),
	    .arrived = {calloc(window / 64, sizeof(uint64_t)), window - 1},
	    .window = window,
	    .most = most,
	    .read = first,
	    .next = first,
	    .end = first,
	    .newest = first - 1,
	    .promised = first + window,
	};
	return in->data && in->lens && in->arrived.words ? 0 : -ENOMEM;
}

void arq_in_close(struct arq_in *in)
{
	free(in->data);
	free(in->lens);
	free(in->arrived.words);
}

static uint32_t place(const struct arq_in *in, uint32_t number)
{
	return number & (in->window - 1);
}

/* Whether the stream can have such a packet, by what is known of its end. */
static bool is_possible(const struct arq_in *in, const struct arq_packet *packet)
{
	bool fin = packet->flags & ARQ_FIN;

	if (packet->len > in->most)
		return false;
	if (in->fin_known)
		return arq_after(in->fin, packet->number) ? !fin : packet->number == in->fin && fin;
	return !fin || !arq_after(in->end, packet->number + 1);
}

static void store(struct arq_in *in, const struct arq_packet *packet)
{
	uint32_t at = place(in, packet->number);

	if (packet->len)
		memcpy(in->data + (size_t)at * in->most, packet->body, packet->len);
	in->lens[at] = packet->len;
	arq_bit_set(&in->arrived, packet->number);
	if (packet->flags & ARQ_FIN) {
		in->fin = packet->number;
		in->fin_known = true;
	}
	if (arq_after(packet->number + 1, in->end))
		in->end = packet->number + 1;
	for (; arq_bit(&in->arrived, in->next); in->next++)
		arq_bit_clear(&in->arrived, in->next);
}

enum arq_arrival arq_in_take(struct arq_in *in, const struct arq_packet *packet)
{
	bool is_old = arq_after(in->next, packet->number);

	if (!is_possible(in, packet))
		return ARQ_WRONG;
	in->owed = true;
	if (!is_old && packet->number - in->read >= in->window)
		return ARQ_OUTSIDE;
	if (arq_after(packet->transmission, in->newest))
		in->newest = packet->transmission;
	if (is_old || arq_bit(&in->arrived, packet->number))
		return ARQ_AGAIN;
	store(in, packet);
	return ARQ_NEW;
}

static void release(struct arq_in *in)
{
	in->lent = false;
	in->read++;
	/* A sender that stands still learns of the room before it asks. */
	if (in->read + in->window - in->promised >= in->window / 2)
		in->owed = true;
}

int arq_in_next(struct arq_in *in, const uint8_t **data, size_t *len)
{
	uint32_t at;

	if (in->lent)
		release(in);
	if (in->read == in->next || (in->fin_known && in->read == in->fin))
		return 0;
	at = place(in, in->read);
	*data = in->data + (size_t)at * in->most;
	*len = in->lens[at];
	in->lent = true;
	return 1;
}

void arq_in_acknowledge(struct arq_in *in, struct arq_packet *packet, uint8_t *body)
{
	in->promised = in->read + in->window;
	in->owed = false;
	packet->flags |= ARQ_ACK;
	packet->next = in->next;
	packet->newest = in->newest;
	packet->room = in->promised - in->next;
	if (!body)
		return;
	packet->body = body;
	packet->words = (uint16_t)((in->end - in->next + 63) / 64);
	for (unsigned i = 0; i < packet->words; i++)
		arq_word_write(body, i, arq_bits_word(&in->arrived, in->next + 64 * i));
}
