/* SPDX-License-Identifier: BSD-2-Clause */
/* The helpers of station.h. */
#include "station.h"

#include <stdlib.h>

void station_open(
    struct station *station, const char *name, uint8_t address, const struct loom_config *config)
{
	scratch_directory();
	station->address = address;
	assert_ok(loom_open(name, config, &station->port));
	assert_ok(loom_tx(station->port, 0, &station->tx));
	assert_ok(loom_rx(station->port, 0, &station->rx));
}

void station_close(struct station *station)
{
	loom_close(station->port);
	station->port = NULL;
}

static void mac_write(uint8_t *at, uint8_t address)
{
	static const uint8_t group[6] = {2, 0, 0, 0, 7, 0};

	if (address == BROADCAST) {
		memset(at, 0xff, 6);
	} else {
		memcpy(at, group, 6);
		at[5] = address;
	}
}

void frame_write(uint8_t *data, const struct frame *frame)
{
	mac_write(data, frame->to);
	mac_write(data + 6, frame->from);
	data[12] = 0x88;
	data[13] = 0xb5;
	memcpy(data + FRAME_DATA, &frame->number, sizeof frame->number);
	for (uint32_t i = FRAME_DATA + 4; i < frame->len; i++)
		data[i] = (uint8_t)(frame->number * 31 + i * 7 + frame->from);
}

bool frame_read(const uint8_t *data, uint32_t len, struct frame *frame)
{
	if (len < FRAME_DATA + 4)
		return false;
	frame->to = data[5];
	frame->from = data[11];
	frame->len = len;
	memcpy(&frame->number, data + FRAME_DATA, sizeof frame->number);
	for (uint32_t i = FRAME_DATA + 4; i < len; i++)
		if (data[i] != (uint8_t)(frame->number * 31 + i * 7 + frame->from))
			return false;
	return true;
}

void station_queue(struct station *station, uint8_t to, uint32_t number, uint32_t len)
{
	const struct frame frame = {
	    .to = to, .from = station->address, .number = number, .len = len};
	uint8_t *data = malloc(len);

	assert_non_null(data);
	frame_write(data, &frame);
	assert_int_equal(loom_send(&station->tx, data, len), 1);
	free(data);
}

void station_send(struct station *station, uint8_t to, uint32_t number, uint32_t len)
{
	station_queue(station, to, number, len);
	assert_ok(loom_tx_sync(&station->tx));
}

void station_expect(struct station *station, uint8_t from, uint32_t number)
{
	struct loom_frame got = {0};
	struct frame frame = {0};

	assert_ok(loom_rx_sync(&station->rx));
	assert_int_equal(loom_rx_space(&station->rx), 1);
	assert_int_equal(loom_recv(&station->rx, &got), 1);
	assert_true(frame_read(got.data, got.len, &frame));
	assert_int_equal(frame.from, from);
	assert_int_equal(frame.number, number);
}

void station_expect_nothing(struct station *station)
{
	assert_ok(loom_rx_sync(&station->rx));
	assert_int_equal(loom_rx_space(&station->rx), 0);
}

void station_announce(struct station *station, struct station *const *others, unsigned n)
{
	struct loom_frame frame;

	station_send(station, BROADCAST, 0, 60);
	for (unsigned i = 0; i < n; i++) {
		assert_ok(loom_rx_sync(&others[i]->rx));
		while (loom_recv(&others[i]->rx, &frame))
			;
		assert_ok(loom_rx_sync(&others[i]->rx));
	}
}

struct netmap_slot *station_last_slot(const struct station *station)
{
	struct netmap_ring *ring = station->tx.ring;

	return &ring->slot[ring->head == 0 ? ring->num_slots - 1 : ring->head - 1];
}

uint64_t station_drops(const struct station *station, bool tx, enum loom_drop reason)
{
	struct loom_stats stats;

	assert_ok(loom_port_stats(station->port, tx ? &stats : NULL, tx ? NULL : &stats));
	return stats.drops[reason];
}

static void ring_check(const struct netmap_ring *ring, uint32_t num_bufs, uint8_t *seen)
{
	for (uint32_t i = 0; i < ring->num_slots; i++) {
		uint32_t index = ring->slot[i].buf_idx;

		assert_in_range(index, LOOM_FIRST_BUFFER, num_bufs - 1);
		assert_int_equal(seen[index]++, 0);
	}
}

void station_check_buffers(const struct station *station)
{
	uint32_t num_bufs = station->tx.all_bufs + LOOM_FIRST_BUFFER;
	uint8_t *seen = calloc(num_bufs, 1);
	struct loom_txring tx;
	struct loom_rxring rx;

	assert_non_null(seen);
	for (unsigned i = 0; i < loom_tx_rings(station->port); i++) {
		assert_ok(loom_tx(station->port, i, &tx));
		ring_check(tx.ring, num_bufs, seen);
	}
	for (unsigned i = 0; i < loom_rx_rings(station->port); i++) {
		assert_ok(loom_rx(station->port, i, &rx));
		ring_check(rx.ring, num_bufs, seen);
	}
	free(seen);
}

/* ---- three of them ---- */

static const char *const names[STATIONS] = {"vale0:a", "vale0:b", "vale0:c"};

void net_open(struct net *net, const struct loom_config *config)
{
	for (unsigned i = 0; i < STATIONS; i++)
		station_open(&net->at[i], names[i], (uint8_t)(i + 1), config);
}

void net_close(struct net *net)
{
	for (unsigned i = 0; i < STATIONS; i++) {
		station_check_buffers(&net->at[i]);
		station_close(&net->at[i]);
	}
	assert_int_equal(scratch_files(), 0);
}

void net_teach(struct net *net)
{
	for (unsigned i = 0; i < STATIONS; i++) {
		struct station *others[STATIONS - 1];
		unsigned n = 0;

		for (unsigned j = 0; j < STATIONS; j++)
			if (j != i)
				others[n++] = &net->at[j];
		station_announce(&net->at[i], others, n);
	}
}
