/* SPDX-License-Identifier: BSD-2-Clause */
/* nm_inject(), nm_dispatch(), nm_nextpkt(): how packets go into rings and come out of them. */
#include "fake_device.h"

/* ---- sending ---- */

static void injected_packet_fills_one_slot(void **state)
{
	struct nm_desc *d = open_port("netmap:a");
	struct netmap_ring *ring = NETMAP_TXRING(d->nifp, 0);
	char data[60];

	(void)state;
	memset(data, 'x', sizeof(data));
	assert_int_equal(nm_inject(d, data, sizeof(data)), 60);
	assert_int_equal(ring->head, 1);
	assert_int_equal(ring->cur, 1);
	assert_int_equal(ring->slot[0].len, 60);
	assert_int_equal(ring->slot[0].flags, 0);
	assert_memory_equal(NETMAP_BUF(ring, ring->slot[0].buf_idx), data, 60);
	nm_close(d);
}

static void large_packet_is_cut_into_a_chain_of_slots(void **state)
{
	struct nm_desc *d = open_port("netmap:a-0");
	struct netmap_ring *ring = NETMAP_TXRING(d->nifp, 0);
	static char data[2 * FAKE_BUF_SIZE + 10];
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(data); i++)
		data[i] = (char)(i / 100);
	ring->head = ring->cur = SLOTS - 2;
	ring->tail = SLOTS - 3;
	assert_int_equal(nm_inject(d, data, sizeof(data)), sizeof(data));
	assert_int_equal(ring->head, 1);
	for (i = 0; i < 3; i++) {
		struct netmap_slot *slot = &ring->slot[(SLOTS - 2 + i) % SLOTS];

		assert_int_equal(slot->len, i < 2 ? FAKE_BUF_SIZE : 10);
		assert_int_equal(slot->flags, i < 2 ? NS_MOREFRAG : 0);
		assert_memory_equal(
		    NETMAP_BUF(ring, slot->buf_idx), data + i * FAKE_BUF_SIZE, slot->len);
	}
	nm_close(d);
}

static void packet_of_exactly_one_buffer_takes_one_slot(void **state)
{
	struct nm_desc *d = open_port("netmap:a-0");
	struct netmap_ring *ring = NETMAP_TXRING(d->nifp, 0);
	static char data[FAKE_BUF_SIZE];

	(void)state;
	assert_int_equal(nm_inject(d, data, sizeof(data)), sizeof(data));
	assert_int_equal(ring->head, 1);
	assert_int_equal(ring->slot[0].flags, 0);
	nm_close(d);
}

static void full_ring_sends_packets_to_the_next_and_then_nowhere(void **state)
{
	struct nm_desc *d = open_port("netmap:a");
	char data[60] = {0};
	int i;

	(void)state;
	for (i = 0; i < TX * (SLOTS - 1); i++)
		assert_int_equal(nm_inject(d, data, sizeof(data)), 60);
	assert_int_equal(nm_inject(d, data, sizeof(data)), 0);
	for (i = 0; i < TX; i++)
		assert_int_equal(nm_ring_space(NETMAP_TXRING(d->nifp, i)), 0);
	assert_int_equal(
	    nm_ring_space(NETMAP_TXRING(d->nifp, TX)), SLOTS - 1); /* host: not bound */
	nm_close(d);
}

static void packet_without_enough_slots_leaves_the_ring_alone(void **state)
{
	struct nm_desc *d = open_port("netmap:a-0");
	struct netmap_ring *ring = NETMAP_TXRING(d->nifp, 0);
	static char data[FAKE_BUF_SIZE + 1];

	(void)state;
	ring->tail = 1;
	assert_int_equal(nm_inject(d, data, sizeof(data)), 0);
	assert_int_equal(ring->head, 0);
	assert_int_equal(ring->slot[0].len, 0);
	assert_int_equal(nm_inject(d, data, 0), 0);
	assert_int_equal(ring->head, 0);
	nm_close(d);
}

/* ---- receiving ---- */

/* The device's side: one slot more for the program. */
static struct netmap_slot *arrive(uint32_t rx, char fill, uint16_t len, uint16_t flags)
{
	struct netmap_ring *ring = fake_port_ring(&device.port, TX + HOST_TX + rx);
	struct netmap_slot *slot = &ring->slot[ring->tail];

	memset(NETMAP_BUF(ring, slot->buf_idx), fill, len);
	slot->len = len;
	slot->flags = flags;
	ring->tail = nm_ring_next(ring, ring->tail);
	return slot;
}

struct seen {
	int n;
	struct nm_pkthdr hdr[16];
	unsigned char first[16];
};

static void remember(unsigned char *arg, const struct nm_pkthdr *hdr, const unsigned char *buf)
{
	struct seen *seen = (struct seen *)(void *)arg;

	assert_in_range(seen->n, 0, 15);
	assert_ptr_equal(hdr->buf, buf);
	seen->first[seen->n] = buf[0];
	seen->hdr[seen->n++] = *hdr;
}

static struct seen dispatch(struct nm_desc *d, int cnt, int expected)
{
	struct seen seen;

	memset(&seen, 0, sizeof(seen));
	assert_int_equal(nm_dispatch(d, cnt, remember, (unsigned char *)&seen), expected);
	assert_int_equal(seen.n, expected);
	return seen;
}

static void dispatch_hands_out_all_rings_and_marks_the_last_packet(void **state)
{
	struct nm_desc *d = open_port("netmap:a");
	struct seen seen;

	(void)state;
	arrive(0, 'a', 60, 0);
	arrive(0, 'b', 61, 0);
	arrive(1, 'c', 62, 0);
	arrive(2, 'h', 63, 0); /* host ring: not bound */
	seen = dispatch(d, 0, 3);
	assert_memory_equal(seen.first, "abc", 3);
	assert_int_equal(seen.hdr[0].len, 60);
	assert_int_equal(seen.hdr[2].caplen, 62);
	assert_int_equal(seen.hdr[0].flags, NM_MORE_PKTS);
	assert_int_equal(seen.hdr[1].flags, NM_MORE_PKTS);
	assert_int_equal(seen.hdr[2].flags, 0);
	assert_ptr_equal(seen.hdr[0].d, d);
	assert_int_equal(d->st.ps_recv, 3);
	assert_true(nm_ring_empty(NETMAP_RXRING(d->nifp, 0)));
	dispatch(d, -1, 0);
	nm_close(d);
}

static void dispatch_stops_at_its_count_and_goes_on_there(void **state)
{
	struct nm_desc *d = open_port("netmap:a");
	struct seen seen;

	(void)state;
	arrive(0, 'a', 60, 0);
	arrive(0, 'b', 60, 0);
	arrive(0, 'c', 60, 0);
	seen = dispatch(d, 2, 2);
	assert_int_equal(seen.hdr[1].flags, 0);
	assert_int_equal(nm_ring_space(NETMAP_RXRING(d->nifp, 0)), 1);
	seen = dispatch(d, 2, 1);
	assert_int_equal(seen.first[0], 'c');
	nm_close(d);
}

static void dispatch_joins_the_slots_of_a_packet(void **state)
{
	struct nm_desc *d = open_port("netmap:a");
	struct netmap_slot *first;
	struct seen seen;

	(void)state;
	first = arrive(0, 'a', FAKE_BUF_SIZE, NS_MOREFRAG); /* buffers are neighbours */
	arrive(0, 'b', 10, 0);
	arrive(0, 'c', 100, NS_MOREFRAG); /* neighbours, but with a gap after the data */
	arrive(0, 'd', 20, 0);
	seen = dispatch(d, 0, 2);
	assert_ptr_equal(seen.hdr[0].slot, first);
	assert_int_equal(seen.hdr[0].len, FAKE_BUF_SIZE + 10);
	assert_int_equal(seen.hdr[0].caplen, FAKE_BUF_SIZE + 10);
	assert_int_equal(seen.hdr[0].buf[FAKE_BUF_SIZE], 'b');
	assert_int_equal(seen.hdr[1].len, 120);
	assert_int_equal(seen.hdr[1].caplen, 100);
	nm_close(d);
}

static void dispatch_leaves_an_unfinished_packet_in_the_ring(void **state)
{
	struct nm_desc *d = open_port("netmap:a");

	(void)state;
	arrive(0, 'a', 60, 0);
	arrive(0, 'b', 60, NS_MOREFRAG);
	dispatch(d, 0, 1);
	assert_int_equal(nm_ring_space(NETMAP_RXRING(d->nifp, 0)), 1);
	arrive(0, 'c', 60, 0);
	dispatch(d, 0, 1);
	nm_close(d);
}

static void slots_that_point_outside_the_mapping_are_dropped_and_counted(void **state)
{
	struct nm_desc *d = open_port("netmap:a");
	struct nm_pkthdr hdr;
	int round;

	(void)state;
	for (round = 0; round < 2; round++) {
		struct netmap_slot *index = arrive(0, 'a', 60, 0), *len = arrive(0, 'b', 60, 0);
		uint32_t good = index->buf_idx;

		index->buf_idx = round ? 1 : 999999999;
		len->len = FAKE_BUF_SIZE + 1;
		arrive(0, 'c', 60, 0);
		if (round) {
			unsigned char *data = nm_nextpkt(d, &hdr);

			assert_non_null(data);
			assert_int_equal(data[0], 'c');
			assert_null(nm_nextpkt(d, &hdr));
		} else {
			assert_int_equal(dispatch(d, 0, 1).first[0], 'c');
		}
		assert_int_equal(d->st.ps_drop, 2 * (round + 1));
		index->buf_idx = good;
	}
	nm_close(d);
}

static void nextpkt_takes_slots_in_turn_from_all_rings(void **state)
{
	struct nm_desc *d = open_port("netmap:a");
	struct nm_pkthdr hdr;
	struct netmap_ring *ring = NETMAP_RXRING(d->nifp, 1);
	unsigned char *data;

	(void)state;
	memset(&hdr, 0x5a, sizeof(hdr));
	arrive(1, 'b', 61, 0);
	ring->ts.tv_sec = 12345;
	data = nm_nextpkt(d, &hdr);
	assert_non_null(data);
	assert_int_equal(data[0], 'b');
	assert_int_equal(hdr.len, 61);
	assert_int_equal(hdr.caplen, 61);
	assert_int_equal(hdr.ts.tv_sec, 12345);
	assert_true(hdr.flags == UINT64_C(0x5a5a5a5a5a5a5a5a)); /* beyond a pcap_pkthdr */
	assert_int_equal(d->cur_rx_ring, 1);
	arrive(0, 'a', 60, 0);
	arrive(1, 'c', 60, 0);
	assert_int_equal(nm_nextpkt(d, &hdr)[0], 'c');
	assert_int_equal(nm_nextpkt(d, &hdr)[0], 'a');
	assert_null(nm_nextpkt(d, &hdr));
	nm_close(d);
}

static void rings_that_are_not_bound_are_never_touched(void **state)
{
	struct netmap_if *nifp = fake_port_if(&device.port);
	struct nm_pkthdr hdr;
	struct nm_desc *d;
	char data[60] = {0};

	(void)state;
	FAKE_SET(ssize_t, nifp->ring_ofs[TX + HOST_TX], 0);
	FAKE_SET(ssize_t, nifp->ring_ofs[TX + HOST_TX + 1], 0);
	d = open_port("netmap:a/T");
	assert_null(nm_nextpkt(d, &hdr));
	dispatch(d, 0, 0);
	assert_ptr_equal(d->some_ring, NETMAP_TXRING(nifp, 0));
	assert_ptr_equal(d->buf_start, NETMAP_BUF(d->some_ring, 0));
	nm_close(d);

	FAKE_SET(ssize_t, nifp->ring_ofs[0], 0);
	FAKE_SET(ssize_t, nifp->ring_ofs[1], 0);
	d = open_port("netmap:a");
	assert_int_equal(nm_inject(d, data, sizeof(data)), 0);
	assert_null(d->some_ring);
	nm_close(d);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    TEST(injected_packet_fills_one_slot),
	    TEST(large_packet_is_cut_into_a_chain_of_slots),
	    TEST(packet_of_exactly_one_buffer_takes_one_slot),
	    TEST(full_ring_sends_packets_to_the_next_and_then_nowhere),
	    TEST(packet_without_enough_slots_leaves_the_ring_alone),
	    TEST(dispatch_hands_out_all_rings_and_marks_the_last_packet),
	    TEST(dispatch_stops_at_its_count_and_goes_on_there),
	    TEST(dispatch_joins_the_slots_of_a_packet),
	    TEST(dispatch_leaves_an_unfinished_packet_in_the_ring),
	    TEST(slots_that_point_outside_the_mapping_are_dropped_and_counted),
	    TEST(nextpkt_takes_slots_in_turn_from_all_rings),
	    TEST(rings_that_are_not_bound_are_never_touched),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
