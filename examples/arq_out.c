/* SPDX-License-Identifier: BSD-2-Clause */
/* The sending half: what to send again, and when to stop waiting for an answer. */
#include "arq_out.h"

#include <errno.h>
#include <stdlib.h>

int arq_out_open(struct arq_out *out, uint32_t first, uint32_t window)
{
	*out = (struct arq_out){
	    .packets = calloc(window, sizeof *out->packets),
	    .arrived = {calloc(window / 64, sizeof(uint64_t)), window - 1},
	    .window = window,
	    .first = first,
	    .next = first,
	    .end = first,
	    .limit = first + window,
	    .sent = calloc(2 * (size_t)window, sizeof *out->sent),
	    .oldest = first,
	    .coming = first,
	    .newest = first - 1,
	    .lost = calloc(window, sizeof *out->lost),
	};
	return out->packets && out->arrived.words && out->sent && out->lost ? 0 : -ENOMEM;
}

void arq_out_close(struct arq_out *out)
{
	free(out->packets);
	free(out->arrived.words);
	free(out->sent);
	free(out->lost);
}

static struct arq_outgoing *packet_at(const struct arq_out *out, uint32_t number)
{
	return &out->packets[number & (out->window - 1)];
}

static struct arq_transmission *sent_at(const struct arq_out *out, uint32_t transmission)
{
	return &out->sent[transmission & (2 * out->window - 1)];
}

/* One place is the end's: finishing never has to wait. */
int arq_out_add(struct arq_out *out, const void *data, uint16_t len, bool fin)
{
	if (out->end - out->first >= out->window - !fin)
		return 0;
	*packet_at(out, out->end++) = (struct arq_outgoing){.data = data, .len = len, .fin = fin};
	out->finished = fin;
	return 1;
}

/* ---- losses ---- */

static bool is_open(const struct arq_out *out, uint32_t number)
{
	return number - out->first < out->next - out->first && !arq_bit(&out->arrived, number);
}

static bool lives(const struct arq_out *out, uint32_t transmission)
{
	uint32_t number = sent_at(out, transmission)->number;
	const struct arq_outgoing *packet = packet_at(out, number);

	return is_open(out, number) && !packet->lost && packet->transmission == transmission;
}

/* No packet is in the queue twice, and all lost ones leave it before a new one is sent: it has room. */
static void declare_lost(struct arq_out *out, uint32_t number)
{
	packet_at(out, number)->lost = true;
	out->lost[(out->lost_at + out->lost_count++) & (out->window - 1)] = number;
}

static void forget_dead(struct arq_out *out)
{
	while (out->oldest != out->coming && !lives(out, out->oldest))
		out->oldest++;
}

static void find_lost(struct arq_out *out)
{
	while (
	    out->oldest != out->coming && arq_after(out->newest, out->oldest + (ARQ_REORDER - 1))) {
		if (lives(out, out->oldest))
			declare_lost(out, sent_at(out, out->oldest)->number);
		out->oldest++;
	}
	forget_dead(out);
}

bool arq_out_expire(struct arq_out *out)
{
	forget_dead(out);
	if (out->oldest == out->coming)
		return false;
	declare_lost(out, sent_at(out, out->oldest)->number);
	forget_dead(out);
	return true;
}

/* ---- acknowledgements ---- */

/* RFC 6298, section 2, in nanoseconds. */
static void measured(struct arq_out *out, uint64_t rtt_ns)
{
	uint64_t off = rtt_ns > out->srtt_ns ? rtt_ns - out->srtt_ns : out->srtt_ns - rtt_ns;

	if (out->srtt_ns == 0) {
		out->srtt_ns = rtt_ns;
		out->rttvar_ns = rtt_ns / 2;
	} else {
		out->rttvar_ns = (3 * out->rttvar_ns + off) / 4;
		out->srtt_ns = (7 * out->srtt_ns + rtt_ns) / 8;
	}
	out->rto_ns = out->srtt_ns + 4 * out->rttvar_ns;
	if (out->rto_ns < out->rto_least_ns)
		out->rto_ns = out->rto_least_ns;
	if (out->rto_ns > out->rto_most_ns)
		out->rto_ns = out->rto_most_ns;
}

/* Numbers from packet->next on that it speaks of. */
static uint32_t extent(const struct arq_packet *packet)
{
	uint64_t last = packet->words ? arq_packet_word(packet, packet->words - 1u) : 0;

	return last ? 64u * packet->words - (uint32_t)__builtin_clzll(last) : 0;
}

static bool is_sense(const struct arq_out *out, const struct arq_packet *packet)
{
	uint32_t sent = out->next - out->first;
	bool is_old = arq_after(out->first, packet->next);

	if (!arq_after(out->coming, packet->newest) || packet->room > out->window)
		return false;
	return is_old ||
	       (packet->next - out->first <= sent && extent(packet) <= out->next - packet->next);
}

static bool take_all_before(struct arq_out *out, uint32_t next)
{
	bool some = out->first != next;

	for (; out->first != next; out->first++)
		arq_bit_clear(&out->arrived, out->first);
	return some;
}

/* The words' bits that are new. Those behind [first, next) are of numbers that are known to be neither. */
static bool take_words(struct arq_out *out, const struct arq_packet *packet)
{
	bool some = false;

	for (unsigned i = 0; i < packet->words; i++) {
		uint32_t number = packet->next + 64 * i;
		uint64_t fresh = arq_packet_word(packet, i) & ~arq_bits_word(&out->arrived, number);

		some = some || fresh;
		for (; fresh; fresh &= fresh - 1)
			arq_bit_set(&out->arrived, number + (uint32_t)__builtin_ctzll(fresh));
	}
	return some;
}

enum arq_progress arq_out_acknowledged(
    struct arq_out *out, const struct arq_packet *packet, uint64_t now_ns)
{
	bool progress;

	if (!is_sense(out, packet))
		return ARQ_NONSENSE;
	if (arq_after(out->first, packet->next))
		return ARQ_NOTHING; /* overtaken by another, which said all that it says */
	progress = take_all_before(out, packet->next);
	progress = take_words(out, packet) || progress;
	if (arq_after(packet->next + packet->room, out->limit))
		out->limit = packet->next + packet->room;
	if (arq_after(packet->newest, out->newest)) {
		if (out->coming - packet->newest <= 2 * out->window)
			measured(out, now_ns - sent_at(out, packet->newest)->sent_ns);
		out->newest = packet->newest;
		progress = true;
	}
	find_lost(out);
	return progress ? ARQ_PROGRESS : ARQ_NOTHING;
}

/* ---- sending ---- */

static void skip_arrived(struct arq_out *out)
{
	while (out->lost_count && !is_open(out, out->lost[out->lost_at])) {
		out->lost_at = (out->lost_at + 1) & (out->window - 1);
		out->lost_count--;
	}
}

/* Numbers beyond what is remembered could not be told from older ones: then the oldest has to expire first. */
bool arq_out_has_next(struct arq_out *out)
{
	skip_arrived(out);
	if (out->coming - out->oldest >= 2 * out->window)
		return false;
	return out->lost_count || (out->next != out->end && arq_after(out->limit, out->next));
}

bool arq_out_next(struct arq_out *out, struct arq_packet *packet, uint64_t now_ns)
{
	bool again = out->lost_count > 0;
	uint32_t number = again ? out->lost[out->lost_at] : out->next++;
	struct arq_outgoing *outgoing = packet_at(out, number);

	if (again) {
		out->lost_at = (out->lost_at + 1) & (out->window - 1);
		out->lost_count--;
	}
	outgoing->lost = false;
	outgoing->transmission = out->coming;
	*sent_at(out, out->coming) = (struct arq_transmission){number, now_ns};
	packet->flags |= outgoing->fin ? ARQ_DATA | ARQ_FIN : ARQ_DATA;
	packet->number = number;
	packet->transmission = out->coming++;
	packet->len = outgoing->len;
	packet->body = outgoing->data;
	return again;
}
