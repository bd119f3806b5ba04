/* SPDX-License-Identifier: BSD-2-Clause */
/* Ports of one process whose packets start at an offset in their buffers: one packet there and back. */
#ifndef CONTRACT_OFFSET_ENDS_H
#define CONTRACT_OFFSET_ENDS_H

#include "pair.h"

#define BUF 2048u
#define LEN 60u

static inline void open_end(struct end *end, const char *name, const struct loom_config *config)
{
	assert_ok(loom_open(name, config, &end->port));
	assert_ok(loom_tx(end->port, 0, &end->tx));
	assert_ok(loom_rx(end->port, 0, &end->rx));
}

static inline bool offset_send(const struct loom_txring *tx, uint32_t number, uint32_t len)
{
	uint8_t data[BUF];

	packet_fill(data, len, number);
	return loom_send(tx, data, len) == 1;
}

/** Send one packet, here and now. */
static inline void pass_to(struct end *from, uint32_t number, uint32_t len)
{
	assert_ok(loom_tx_sync(&from->tx));
	assert_true(offset_send(&from->tx, number, len));
	assert_ok(loom_tx_sync(&from->tx));
}

/** Take it, and see that it starts there in its buffer. */
static inline void expect_at(struct end *end, uint32_t number, uint32_t len, uint32_t offset)
{
	struct loom_frame frame = {.len = 0};

	assert_ok(loom_rx_sync(&end->rx));
	assert_int_equal(loom_recv(&end->rx, &frame), 1);
	assert_int_equal(frame.len, len);
	assert_true(packet_is(frame.data, len, number));
	assert_int_equal((size_t)(frame.data - end->rx.buffers) % BUF, offset);
	assert_int_equal(frame.cap, BUF - offset);
	assert_ok(loom_rx_sync(&end->rx));
}

#endif
