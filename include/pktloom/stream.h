/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A port as a stream of bytes, with the manners of read(2) and write(2) on a non-blocking
 * descriptor.
 *
 *	struct loom_stream stream;
 *
 *	loom_stream_init(&stream, port, 0);
 *	written = loom_stream_write(&stream, text, len);
 *	got = loom_stream_read(&stream, buffer, sizeof buffer);
 *
 * Packets and bytes:
 *
 * - A write becomes packets of one slot each, full ones and a rest; a packet never has bytes of two
 *   writes.
 * - A read takes bytes in order from as many packets as it needs, part of one included: boundaries
 *   of packets are not seen, and nothing is ever cut off. Who wants packets whole takes
 *   loom_recv_copy().
 * - An empty packet is the end of the stream (loom_stream_end()): read() gives 0. What comes after
 *   it is another stream.
 * - A packet that was dropped, because its slot was damaged or the port lost it, is a hole: read()
 *   says -EBADMSG once, between the bytes before it and those after it.
 *
 * It needs a port that carries bytes of any kind and number unchanged, and does not drop what the
 * other side has no room for yet: a pipe, a loop. On an interface or a switch a packet begins with
 * an Ethernet header.
 *
 * Both ends may be of different ways: packets sent by verbs are read as bytes, and the other way
 * round.
 *
 * Threads: one reader and one writer, which may be two. While a stream reads, or writes, that ring
 *          is its own.
 * Waiting: after -EAGAIN, by loom_port_wait() or loom_port_fd() (<pktloom/port.h>); both calls have
 *          then synced.
 */
#ifndef PKTLOOM_STREAM_H
#define PKTLOOM_STREAM_H

#include <pktloom/ring.h>

#ifdef __cplusplus
extern "C" {
#endif

/** Fields are the library's. Nothing has to be given back. */
struct loom_stream {
	struct loom_txring tx;
	struct loom_rxring rx;
	bool writes, reads; /* whether the port has that ring */
	uint32_t consumed;  /* bytes of the ring's first frame that were read */
	uint64_t drops;     /* that the reader was told of */
};

/**
 * A stream over TX ring `index` and RX ring `index` of an open port, as far as it has them.
 *
 * @return 0; -EINVAL it has neither; -EBUSY a ring is opened by itself
 */
int loom_stream_init(struct loom_stream *stream, struct loom_port *port, unsigned index);

/**
 * Send up to len bytes. They leave at once.
 *
 * @return how many were sent, fewer where there was no room for more; 0 only for len 0, which sends
 *         nothing; -EAGAIN there is no room at all; -EINVAL the port has no such ring; why the sync
 *         failed (what was sent of this call is then not known)
 */
ssize_t loom_stream_write(struct loom_stream *stream, const void *data, size_t len);

/**
 * Receive up to cap bytes.
 *
 * @return how many came; 0 the end of the stream (or cap 0); -EAGAIN there is nothing now; -EBADMSG
 *         packets were dropped here; -EINVAL the port has no such ring; why the sync failed
 */
ssize_t loom_stream_read(struct loom_stream *stream, void *data, size_t cap);

/** End the stream of what was written. @return 0; -EAGAIN no room; as loom_stream_write() */
int loom_stream_end(struct loom_stream *stream);

#ifdef __cplusplus
}
#endif
#endif
