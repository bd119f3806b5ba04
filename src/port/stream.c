/* SPDX-License-Identifier: BSD-2-Clause */
/* Streams of bytes over a port's rings. */
#include <pktloom/stream.h>

#include <inttypes.h>

#include "../base/error.h"

int loom_stream_init(struct loom_stream *stream, struct loom_port *port, unsigned index)
{
	struct loom_stats stats;
	int tx, rx;

	*stream = (struct loom_stream){.writes = false};
	tx = loom_tx(port, index, &stream->tx);
	rx = loom_rx(port, index, &stream->rx);
	if (tx == -EBUSY || (tx && rx))
		return tx;
	if (rx == -EBUSY)
		return rx;
	stream->writes = tx == 0;
	stream->reads = rx == 0;
	if (!stream->reads)
		return 0;
	loom_rx_stats(&stream->rx, &stats);
	for (unsigned i = 0; i < LOOM_DROP_REASONS; i++)
		stream->drops += stats.drops[i];
	return 0;
}

/* ---- writing ---- */

static int no_ring(const char *direction)
{
	return error_set(-EINVAL, "the stream's port has no ring to %s", direction);
}

/* As much as there is room for; bytes. */
static size_t queue(const struct loom_txring *tx, const uint8_t *data, size_t len)
{
	size_t queued = 0;

	while (queued < len) {
		size_t part = len - queued < tx->frame_max ? len - queued : tx->frame_max;

		if (loom_send(tx, data + queued, part) != 1)
			break;
		queued += part;
	}
	return queued;
}

ssize_t loom_stream_write(struct loom_stream *stream, const void *data, size_t len)
{
	size_t queued;
	int err;

	if (!stream->writes)
		return no_ring("write to");
	if (len == 0)
		return 0;
	queued = queue(&stream->tx, data, len);
	err = loom_tx_sync(&stream->tx);
	if (!err && queued == 0) { /* the sync may have given room */
		queued = queue(&stream->tx, data, len);
		if (queued == 0)
			return -EAGAIN;
		err = loom_tx_sync(&stream->tx);
	}
	return err ? err : (ssize_t)queued;
}

int loom_stream_end(struct loom_stream *stream)
{
	int err = 0;

	if (!stream->writes)
		return no_ring("write to");
	if (loom_tx_space(&stream->tx) == 0)
		err = loom_tx_sync(&stream->tx);
	if (err)
		return err;
	return loom_send(&stream->tx, "", 0) == 1 ? loom_tx_sync(&stream->tx) : -EAGAIN;
}

/* ---- reading ---- */

/* Whether packets were dropped since the reader was last told of it. */
static bool has_hole(struct loom_stream *stream, uint64_t *drops)
{
	struct loom_stats stats;

	*drops = 0;
	loom_rx_stats(&stream->rx, &stats);
	for (unsigned i = 0; i < LOOM_DROP_REASONS; i++)
		*drops += stats.drops[i];
	return *drops != stream->drops;
}

static void next_frame(struct loom_stream *stream)
{
	loom_release(&stream->rx, 1);
	stream->consumed = 0;
}

/* From the ring's first frame, of which a peer may have changed the length since the last look. */
static size_t take(
    struct loom_stream *stream, const struct loom_frame *frame, uint8_t *to, size_t cap)
{
	size_t left = frame->len > stream->consumed ? frame->len - stream->consumed : 0;
	size_t part = left < cap ? left : cap;

	memcpy(to, frame->data + stream->consumed, part);
	stream->consumed += (uint32_t)part;
	if (part == left)
		next_frame(stream);
	return part;
}

/* What is in the ring. -EAGAIN: nothing. */
static ssize_t read_ring(struct loom_stream *stream, uint8_t *data, size_t cap)
{
	struct loom_frame frame;
	size_t got = 0;

	while (got < cap) {
		unsigned n = loom_peek(&stream->rx, &frame, 1);
		uint64_t drops;

		if (has_hole(stream, &drops)) {
			if (got > 0)
				break; /* the next call says so */
			stream->drops = drops;
			stream->consumed = 0;
			return error_set(-EBADMSG,
			    "the stream has a hole: its port dropped packets (pktloom counts "
			    "%" PRIu64 ")",
			    drops);
		}
		if (n == 0)
			break;
		if (frame.len == 0 && !(frame.flags & NS_MOREFRAG)) {
			if (got == 0)
				next_frame(stream);
			return (ssize_t)got;
		}
		got += take(stream, &frame, data + got, cap - got);
	}
	return got > 0 ? (ssize_t)got : -EAGAIN;
}

ssize_t loom_stream_read(struct loom_stream *stream, void *data, size_t cap)
{
	ssize_t got;
	int err;

	if (!stream->reads)
		return no_ring("read from");
	if (cap == 0)
		return 0;
	got = read_ring(stream, data, cap);
	if (got != -EAGAIN)
		return got;
	/* Gives back what was read, too; leaves the ring armed if nothing came. */
	err = loom_rx_sync(&stream->rx);
	return err ? err : read_ring(stream, data, cap);
}
