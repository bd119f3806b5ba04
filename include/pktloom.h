/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * pktloom: netmap's packet I/O on any machine.
 *
 *	struct loom_port *port;
 *	struct loom_txring tx;
 *
 *	if (loom_open("loop:demo", NULL, &port) < 0 || loom_tx(port, 0, &tx) < 0)
 *		errx(1, "%s", loom_error());
 *	loom_send(&tx, "hello", 5);
 *	loom_tx_sync(&tx);
 *	loom_close(port);
 *
 * <pktloom/port.h>   open, close, wait, information, statistics
 * <pktloom/ring.h>   the data path: send, recv, reserve, commit, peek, release, forward, sync
 * <pktloom/batch.h>  the same for whole bursts, in registers: the fastest way
 * <pktloom/stream.h> a port as a stream of bytes
 * <pktloom/frame.h>  a borrowed view of one slot's buffer
 * <pktloom/thread.h> a thread on a CPU of its own
 * <pktloom/error.h>  what went wrong, in words
 * <pktloom/hint.h>   what works, but is hardly meant so
 *
 * <pktloom/uv.h>, of a library of its own, puts ports into libuv's loops.
 */
#ifndef PKTLOOM_H
#define PKTLOOM_H

#include <pktloom/batch.h>
#include <pktloom/error.h>
#include <pktloom/frame.h>
#include <pktloom/hint.h>
#include <pktloom/port.h>
#include <pktloom/ring.h>
#include <pktloom/stream.h>
#include <pktloom/thread.h>

#endif
