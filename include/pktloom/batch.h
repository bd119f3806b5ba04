/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Batches: the fastest way through a ring. A batch is a cursor over the slots that a ring offers now;
 * it lives in registers while a function walks it, and touches the ring once, at its end.
 *
 *	struct loom_rxbatch in = loom_rxbatch_begin(&rx);
 *	struct loom_frame frame;
 *
 *	while (loom_rxbatch_next(&in, &frame))
 *		handle(frame.data, frame.len);
 *	loom_rxbatch_end(&in);
 *	loom_rx_sync(&rx);
 *
 *	struct loom_txbatch out = loom_txbatch_begin(&tx);
 *
 *	while (have_work() && loom_txbatch_next(&out, &frame))
 *		loom_txbatch_put(&out, write_packet(frame.data, frame.cap), 0);
 *	loom_txbatch_end(&out);
 *	loom_tx_sync(&tx);
 *
 * Between begin and end use no other verb of that ring, and keep the handle: the batch points to it.
 * A batch that is not ended leaves the ring as it
 * was, except where a slot needed a closer look: what came before it is then done.
 * On a port with offsets a batch begins with a look at every free slot; few packets go better with send.
 */
#ifndef PKTLOOM_BATCH_H
#define PKTLOOM_BATCH_H

#include <pktloom/ring.h>

#ifdef __cplusplus
extern "C" {
#endif

/* A run of slots without a wrap: [at, stop), and where the offered slots end. */
struct loom_run {
	struct netmap_slot *at, *stop;
	uint32_t tail;
};

/** The free slots of a TX ring, being filled. */
struct loom_txbatch {
	const struct loom_txring *handle; /* for the unusual path; the rest are its scalars, */
	struct netmap_ring *ring;         /* which clang only keeps in registers as copies */
	uint8_t *buffers;
	size_t buf_size;
	uint32_t num_slots, num_bufs, frame_max;
	struct loom_run run;
	uint64_t bytes, fragments;
};

/** The packets of an RX ring, being taken. */
struct loom_rxbatch {
	const struct loom_rxring *handle;
	struct netmap_ring *ring;
	uint8_t *buffers;
	size_t buf_size;
	uint64_t unusual;
	uint32_t num_slots;
	struct loom_run run;
	uint64_t bytes;
};

LOOM_INLINE struct loom_run loom_run_begin(struct netmap_ring *ring, uint32_t num_slots)
{
	uint32_t head = ring->head, tail = ring->tail;
	struct loom_run run = {
	    &ring->slot[head], &ring->slot[head <= tail ? tail : num_slots], tail};

	return run;
}

/* At the end of a run: go on at slot 0 if the ring offers more there. */
LOOM_INLINE bool loom_run_wrap(struct loom_run *run, struct netmap_ring *ring, uint32_t num_slots)
{
	if (run->stop != &ring->slot[num_slots])
		return false;
	run->at = &ring->slot[0];
	run->stop = &ring->slot[run->tail];
	return run->at != run->stop;
}

LOOM_INLINE void loom_run_end(
    const struct loom_run *run, struct netmap_ring *ring, uint32_t num_slots)
{
	uint32_t head = (uint32_t)(run->at - &ring->slot[0]);

	ring->head = head == num_slots ? 0 : head;
}

/* ---- TX ---- */

LOOM_INLINE struct loom_txbatch loom_txbatch_begin(const struct loom_txring *tx)
{
	LOOM_RING(ring, tx);
	struct loom_txbatch batch = {tx, ring, tx->buffers, tx->buf_size, tx->num_slots,
	    tx->num_bufs, tx->frame_max, loom_run_begin(ring, tx->num_slots), 0, 0};

	return batch;
}

/** Queue what was put: it leaves at the ring's next sync. */
LOOM_INLINE void loom_txbatch_end(struct loom_txbatch *batch)
{
	struct netmap_ring *ring = batch->ring;

	loom_counters(ring)->bytes += batch->bytes;
	loom_counters(ring)->fragments += batch->fragments;
	batch->bytes = batch->fragments = 0;
	loom_run_end(&batch->run, ring, batch->num_slots);
}

/**
 * Borrow the next free slot, to be filled in place and put. Again without a put: the same slot.
 *
 * @param frame  data and cap are set; len and flags are 0
 * @return 1; 0 no free slot is left
 */
LOOM_INLINE int loom_txbatch_next(struct loom_txbatch *batch, struct loom_frame *frame)
{
	struct netmap_ring *ring = batch->ring;
	uint32_t index;

	for (;;) {
		if (batch->run.at == batch->run.stop &&
		    !loom_run_wrap(&batch->run, ring, batch->num_slots))
			return 0;
		index =
		    __atomic_load_n(&batch->run.at->buf_idx, __ATOMIC_RELAXED) - LOOM_FIRST_BUFFER;
		if (!LOOM_UNLIKELY(index >= batch->num_bufs))
			break;
		loom_txbatch_end(batch);
		batch->num_bufs = loom_tx_slots_unusual(*batch->handle);
		batch->run = loom_run_begin(ring, batch->num_slots);
	}
	frame->data = batch->buffers + index * batch->buf_size;
	frame->len = 0;
	frame->flags = 0;
	frame->cap = batch->frame_max;
	return 1;
}

/**
 * Queue the slot of the last loom_txbatch_next() with len bytes.
 *
 * @param flags  NS_MOREFRAG if the packet goes on in the next slot, else 0
 * @return 0; -EMSGSIZE len is above frame.cap: the slot is not queued
 */
LOOM_INLINE int loom_txbatch_put(struct loom_txbatch *batch, uint32_t len, uint16_t flags)
{
	if (LOOM_UNLIKELY(len > batch->frame_max))
		return loom_put_refused(len, batch->frame_max);
	loom_slot_set(batch->run.at, (uint16_t)len, flags);
	batch->bytes += len;
	batch->fragments += (flags & NS_MOREFRAG) != 0;
	batch->run.at++;
	return 0;
}

/* ---- RX ---- */

LOOM_INLINE struct loom_rxbatch loom_rxbatch_begin(const struct loom_rxring *rx)
{
	LOOM_RING(ring, rx);
	struct loom_rxbatch batch = {rx, ring, rx->buffers, rx->buf_size, rx->unusual,
	    rx->num_slots, loom_run_begin(ring, rx->num_slots), 0};

	return batch;
}

/** Release what was taken; its frames stay valid until the ring's next sync. */
LOOM_INLINE void loom_rxbatch_end(struct loom_rxbatch *batch)
{
	struct netmap_ring *ring = batch->ring;

	loom_counters(ring)->bytes += batch->bytes;
	batch->bytes = 0;
	loom_run_end(&batch->run, ring, batch->num_slots);
}

/** Take the next frame, as loom_recv() does. @return 1; 0 none is left */
LOOM_INLINE int loom_rxbatch_next(struct loom_rxbatch *batch, struct loom_frame *frame)
{
	struct netmap_ring *ring = batch->ring;
	uint64_t word;

	if (batch->run.at == batch->run.stop && !loom_run_wrap(&batch->run, ring, batch->num_slots))
		return 0;
	word = loom_slot_word(batch->run.at) - LOOM_FIRST_BUFFER;
	if (LOOM_UNLIKELY(word & batch->unusual)) {
		struct loom_frame found;
		int got;

		loom_rxbatch_end(batch);
		got = loom_recv_unusual(*batch->handle, &found);
		batch->run = loom_run_begin(ring, batch->num_slots);
		if (got)
			*frame = found;
		return got;
	}
	frame->data = batch->buffers + (uint32_t)word * batch->buf_size;
	frame->len = (uint16_t)(word >> 32);
	frame->flags = (uint16_t)(word >> 48);
	frame->cap = (uint32_t)batch->buf_size;
	batch->bytes += frame->len;
	batch->run.at++;
	return 1;
}

#ifdef __cplusplus
}
#endif
#endif
