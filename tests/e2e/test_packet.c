/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The packet kind's data path: what comes, in which shape and order, what is dropped and counted.
 */
#include <pthread.h>
#include <unistd.h>

#include "wire.h"

/* ---- order and content ---- */

#define IN_FLIGHT 8192u /* what the kernel's blocks hold many times over */

struct flow {
	struct end *end;
	uint32_t packets;
	uint32_t received; /* atomic: by the other thread, so that nothing is lost on the way */
};

static uint32_t flow_length(uint32_t number)
{
	return number % 16 ? 60 + number % 67 : 1514 - number % 101;
}

static void *flow_send(void *arg)
{
	struct flow *flow = arg;
	uint64_t deadline = now_ms() + 60000;
	uint8_t frame[1514];

	for (uint32_t i = 0; i < flow->packets && now_ms() < deadline;) {
		if (i - __atomic_load_n(&flow->received, __ATOMIC_ACQUIRE) >= IN_FLIGHT) {
			usleep(200);
			continue;
		}
		packet_fill(frame, flow_length(i), i);
		if (loom_send(&flow->end->tx, frame, flow_length(i)))
			i++;
		if (i % 256 == 0 || loom_tx_space(&flow->end->tx) == 0)
			loom_tx_sync(&flow->end->tx);
	}
	while (loom_tx_sync(&flow->end->tx) == 0 && now_ms() < deadline &&
	       loom_tx_space(&flow->end->tx) < flow->end->tx.num_slots - 1)
		;
	return NULL;
}

static void flow_run(struct end *from, struct end *to, uint32_t packets)
{
	struct flow flow = {.end = from, .packets = packets};
	pthread_t sender;

	assert_int_equal(pthread_create(&sender, NULL, flow_send, &flow), 0);
	for (uint32_t i = 0; i < packets; i++) {
		end_expect(to, i, flow_length(i));
		__atomic_store_n(&flow.received, i + 1, __ATOMIC_RELEASE);
	}
	pthread_join(sender, NULL);
	end_expect_none(to);
}

static void packets_arrive_in_order_and_whole_both_ways(void **state)
{
	struct wire *wire = *state;
	struct loom_stats tx, rx;

	wire_open(wire);
	flow_run(&wire->near, &wire->far, scaled(200000));
	flow_run(&wire->far, &wire->near, scaled(200000));
	assert_ok(loom_port_stats(wire->far.port, &tx, &rx));
	assert_int_equal(tx.packets, scaled(200000));
	assert_int_equal(rx.packets, scaled(200000));
	for (unsigned i = 0; i < LOOM_DROP_REASONS; i++)
		assert_int_equal(tx.drops[i] + rx.drops[i], 0);
}

static void a_lone_packet_does_not_wait_for_company(void **state)
{
	struct wire *wire = *state;

	wire_open(wire);
	for (uint32_t i = 0; i < 20; i++) {
		uint64_t sent;

		usleep(3000);
		end_send(&wire->near, i, 60);
		end_flush(&wire->near);
		sent = now_ms();
		end_expect(&wire->far, i, 60);
		assert_in_range(now_ms() - sent, 0, 500);
	}
}

static void every_legal_length_passes(void **state)
{
	struct wire *wire = *state;

	wire_open(wire);
	for (uint32_t len = 14; len <= 1514; len++) {
		end_send(&wire->near, len, len);
		end_flush(&wire->near);
		end_expect(&wire->far, len, len);
		if (len == 80)
			len = 1440;
	}
}

static void receiving_stamps_the_ring(void **state)
{
	struct wire *wire = *state;
	struct timeval now;

	wire_open(wire);
	end_send(&wire->near, 1, 60);
	end_flush(&wire->near);
	end_expect(&wire->far, 1, 60);
	gettimeofday(&now, NULL);
	assert_in_range(loom_rx_time(&wire->far.rx).tv_sec, now.tv_sec - 10, now.tv_sec);
}

/* ---- what does not fit ---- */

static void packets_larger_than_a_buffer_are_counted(void **state)
{
	struct wire *wire = *state;

	assert_int_equal(netns_mtu(NEAR, 9000), 0);
	assert_int_equal(netns_mtu(FAR, 9000), 0);
	wire_open(wire);
	end_send(&wire->near, 1, 2048);
	end_send(&wire->near, 2, 2049);
	end_send(&wire->near, 3, 9014);
	end_send(&wire->near, 4, 60);
	end_flush(&wire->near);
	end_expect(&wire->far, 1, 2048);
	end_expect(&wire->far, 4, 60);
	assert_int_equal(end_rx_drops(&wire->far, LOOM_DROP_OVERSIZED), 2);
}

static void a_chain_of_slots_leaves_as_one_packet(void **state)
{
	struct wire *wire = *state;

	assert_int_equal(netns_mtu(NEAR, 9000), 0);
	assert_int_equal(netns_mtu(FAR, 9000), 0);
	end_open(&wire->near, NEAR, LOOM_CONFIG(.tx_slots = 128, .buffer_size = 256));
	end_open(&wire->far, FAR, LOOM_CONFIG(.buffer_size = 9216));
	for (uint32_t i = 0; i < 300; i++) {
		uint32_t len = 100 + i * 29 % 8900;

		end_send(&wire->near, i, len);
		if (i % 3 == 0)
			end_flush(&wire->near);
		end_send(&wire->near, i + 1000, 60);
		end_flush(&wire->near);
		end_expect(&wire->far, i, len);
		end_expect(&wire->far, i + 1000, 60);
	}
}

static void an_unfinished_chain_waits_for_its_end(void **state)
{
	struct wire *wire = *state;
	uint8_t data[600];

	wire_open(wire);
	packet_fill(data, sizeof data, 7);
	end_send(&wire->near, 6, 60);
	for (size_t part = 0; part < 3; part++) {
		struct netmap_ring *ring = wire->near.tx.ring;
		struct netmap_slot *slot = &ring->slot[ring->head];

		assert_int_equal(loom_send(&wire->near.tx, data + part * 200, 200), 1);
		slot->flags = part < 2 ? NS_MOREFRAG : 0;
		assert_ok(loom_tx_sync(&wire->near.tx));
		if (part == 0)
			end_expect(&wire->far, 6, 60);
		if (part < 2)
			end_expect_none(&wire->far);
	}
	end_expect(&wire->far, 7, 600);
}

static void packets_too_short_or_too_long_for_the_link_are_counted_and_passed(void **state)
{
	static const uint32_t lengths[] = {60, 0, 1, 13, 61, 1600, 1519, 62, 2000, 63};
	struct wire *wire = *state;

	wire_open(wire);
	for (uint32_t i = 0; i < COUNT(lengths); i++)
		end_send(&wire->near, i, lengths[i]);
	end_flush(&wire->near);
	for (uint32_t i = 0; i < COUNT(lengths); i++)
		if (lengths[i] >= 60 && lengths[i] <= 63)
			end_expect(&wire->far, i, lengths[i]);
	assert_int_equal(end_tx_drops(&wire->near, LOOM_DROP_BAD_LENGTH), 3);
	assert_int_equal(end_tx_drops(&wire->near, LOOM_DROP_REFUSED), 3);
	end_expect_none(&wire->far);
}

/* Queue packets 0 to 9; the test then spoils slots of theirs before the sync. */
static struct netmap_slot *queue_ten(struct end *end)
{
	for (uint32_t i = 0; i < 10; i++)
		end_send(end, i, 60);
	return end->tx.ring->slot;
}

static void slots_that_name_no_buffer_are_counted_once_and_passed(void **state)
{
	struct wire *wire = *state;
	struct netmap_slot *slot;

	wire_open(wire);
	slot = queue_ten(&wire->near);
	slot[0].buf_idx = 0;
	slot[3].buf_idx = 0xffffffff;
	slot[4].buf_idx = 1;
	slot[9].len = 2049;
	end_flush(&wire->near);
	for (uint32_t i = 1; i < 9; i++)
		if (i != 3 && i != 4)
			end_expect(&wire->far, i, 60);
	end_expect_none(&wire->far);
	assert_int_equal(end_tx_drops(&wire->near, LOOM_DROP_BAD_INDEX), 3);
	assert_int_equal(end_tx_drops(&wire->near, LOOM_DROP_BAD_LENGTH), 1);
}

static void a_chain_with_a_bad_slot_is_dropped_whole(void **state)
{
	struct wire *wire = *state;
	struct netmap_slot *slot;

	wire_open(wire);
	slot = queue_ten(&wire->near);
	slot[2].flags = slot[3].flags = slot[4].flags = NS_MOREFRAG; /* 2, 3, 4, 5 */
	slot[3].buf_idx = 0;
	end_flush(&wire->near);
	for (uint32_t i = 0; i < 10; i++)
		if (i < 2 || i > 5)
			end_expect(&wire->far, i, 60);
	end_expect_none(&wire->far);
	assert_int_equal(end_tx_drops(&wire->near, LOOM_DROP_BAD_INDEX), 1);
}

/* Fill n slots that all claim to be continued. */
static void queue_fragments(struct end *end, unsigned n)
{
	struct netmap_ring *ring = end->tx.ring;

	for (; n > 0; n--) {
		assert_true(loom_tx_space(&end->tx) > 0);
		ring->slot[ring->head].len = 20;
		ring->slot[ring->head].flags = NS_MOREFRAG;
		ring->head = loom_ring_next(ring->head, ring->num_slots);
	}
}

static void a_chain_that_is_too_long_is_dropped_to_its_end(void **state)
{
	struct wire *wire = *state;

	wire_open(wire);
	end_send(&wire->near, 1, 60);
	queue_fragments(&wire->near, 100);
	assert_ok(loom_tx_sync(&wire->near.tx));
	queue_fragments(&wire->near, 30);
	assert_ok(loom_tx_sync(&wire->near.tx));
	end_send(&wire->near, 2, 60); /* its last slot */
	end_send(&wire->near, 3, 60);
	end_flush(&wire->near);
	end_expect(&wire->far, 1, 60);
	end_expect(&wire->far, 3, 60);
	assert_int_equal(end_tx_drops(&wire->near, LOOM_DROP_BAD_LENGTH), 1);
}

static void a_chain_that_fills_the_ring_does_not_block_it(void **state)
{
	struct wire *wire = *state;

	end_open(&wire->near, NEAR, LOOM_CONFIG(.tx_slots = 16));
	end_open(&wire->far, FAR, NULL);
	queue_fragments(&wire->near, 15);
	end_flush(&wire->near);
	end_send(&wire->near, 1, 60); /* ends the chain */
	end_send(&wire->near, 2, 60);
	end_flush(&wire->near);
	end_expect(&wire->far, 2, 60);
	assert_int_equal(end_tx_drops(&wire->near, LOOM_DROP_BAD_LENGTH), 1);
}

static void a_receive_slot_without_a_buffer_costs_no_packet(void **state)
{
	struct wire *wire = *state;

	end_open(&wire->near, NEAR, NULL);
	end_open(&wire->far, FAR, LOOM_CONFIG(.rx_slots = 8));
	wire->far.rx.ring->slot[0].buf_idx = 0;
	wire->far.rx.ring->slot[5].buf_idx = 0x7fffffff;
	for (uint32_t i = 0; i < 20; i++)
		end_send(&wire->near, i, 60);
	end_flush(&wire->near);
	for (uint32_t i = 0; i < 20; i++)
		end_expect(&wire->far, i, 60);
}

/* ---- room ---- */

static void a_full_ring_leaves_the_rest_in_the_kernel(void **state)
{
	struct wire *wire = *state;
	uint32_t sent = 3000, most = 0;

	end_open(&wire->near, NEAR, NULL);
	end_open(&wire->far, FAR, LOOM_CONFIG(.rx_slots = 64));
	for (uint32_t i = 0; i < sent; i++)
		end_send(&wire->near, i, 60);
	end_flush(&wire->near);
	usleep(20000);
	for (uint32_t i = 0; i < sent; i++) {
		uint32_t there;

		end_expect(&wire->far, i, 60);
		there = loom_rx_space(&wire->far.rx);
		most = there > most ? there : most;
	}
	assert_int_equal(most, 62);
	assert_int_equal(end_rx_drops(&wire->far, LOOM_DROP_NO_ROOM), 0);
}

/* Take what is there. */
static uint32_t drain(struct end *end)
{
	struct loom_frame frame;
	uint32_t n = 0;

	while (loom_port_wait(end->port, LOOM_RX, 100) == LOOM_RX)
		while (loom_recv(&end->rx, &frame))
			n += packet_is_ours(frame.data, frame.len);
	return n;
}

static void what_the_kernel_drops_is_counted(void **state)
{
	struct wire *wire = *state;
	uint32_t sent = 12000, got;
	struct loom_stats rx;

	wire_open(wire);
	for (uint32_t i = 0; i < sent; i++)
		end_send(&wire->near, i, 1514);
	end_flush(&wire->near);
	got = drain(&wire->far);
	end_send(&wire->near, 1, 60);
	end_flush(&wire->near);
	got += drain(&wire->far);
	assert_ok(loom_port_stats(wire->far.port, NULL, &rx));
	assert_in_range(got, 1000, sent - 1000);
	assert_int_equal(got + rx.drops[LOOM_DROP_NO_ROOM], sent + 1);
	assert_int_equal(rx.packets, got);
}

/* ---- several rings ---- */

#define FLOWS    64u
#define PER_FLOW 50u

struct sharing {
	uint32_t next[FLOWS];    /* number that must come next */
	uint32_t ring_of[FLOWS]; /* where its first packet came */
	uint32_t seen[2];        /* per ring */
};

static void shared_packet(struct sharing *sharing, uint32_t ring, const struct loom_frame *frame)
{
	uint32_t flow, number;

	if (frame->len < 46)
		return;
	memcpy(&number, frame->data + 42, sizeof number);
	flow = number % FLOWS;
	if (!host_sent(frame, (uint16_t)(6000 + flow)))
		return;
	if (sharing->next[flow] == 0)
		sharing->ring_of[flow] = ring;
	assert_int_equal(sharing->ring_of[flow], ring);
	assert_int_equal(number / FLOWS, sharing->next[flow]++);
	sharing->seen[ring]++;
}

static void shared_take(struct sharing *sharing, const struct end *end, uint32_t ring)
{
	struct loom_frame frame;
	struct loom_rxring rx;

	assert_ok(loom_rx(end->port, ring, &rx));
	while (loom_recv(&rx, &frame))
		shared_packet(sharing, ring, &frame);
}

static void rings_share_the_traffic_by_flow(void **state)
{
	struct wire *wire = *state;
	uint64_t deadline = now_ms() + PATIENCE_MS;
	struct sharing sharing;
	int fd;

	memset(&sharing, 0, sizeof sharing);
	assert_int_equal(netns_address(NEAR, HOST_ADDRESS), 0);
	end_open(&wire->far, FAR, LOOM_CONFIG(.rx_rings = 2));
	fd = host_socket();
	for (uint32_t i = 0; i < FLOWS * PER_FLOW; i++)
		host_broadcast(fd, (uint16_t)(6000 + i % FLOWS), &i, sizeof i);
	close(fd);
	while (sharing.seen[0] + sharing.seen[1] < FLOWS * PER_FLOW && now_ms() < deadline) {
		loom_port_wait(wire->far.port, LOOM_RX, 100);
		shared_take(&sharing, &wire->far, 0);
		shared_take(&sharing, &wire->far, 1);
	}
	assert_int_equal(sharing.seen[0] + sharing.seen[1], FLOWS * PER_FLOW);
	assert_true(sharing.seen[0] > 0 && sharing.seen[1] > 0);
	assert_int_equal(loom_port_wait(wire->far.port, LOOM_RX, 50), 0);
}

struct sender {
	struct loom_txring tx;
	uint32_t first;
	bool failed;
};

#define PER_SENDER 20000u

static void *sender_run(void *arg)
{
	struct sender *s = arg;
	uint64_t deadline = now_ms() + 30000;
	uint8_t frame[64];

	for (uint32_t i = 0; i < PER_SENDER && now_ms() < deadline;) {
		packet_fill(frame, sizeof frame, 0);
		const uint32_t number = s->first + i; /* a literal would be too much for cppcheck */

		memcpy(frame + 14, &number, 4);
		if (loom_send(&s->tx, frame, sizeof frame))
			i++;
		else if (loom_tx_sync(&s->tx))
			s->failed = true;
	}
	while (loom_tx_space(&s->tx) < s->tx.num_slots - 1 && now_ms() < deadline)
		s->failed |= loom_tx_sync(&s->tx) != 0;
	return NULL;
}

static void transmit_rings_are_used_by_two_threads_at_once(void **state)
{
	struct wire *wire = *state;
	struct sender senders[2];
	pthread_t threads[2];
	uint32_t next[2] = {0};
	uint8_t frame[2048];

	end_open(&wire->near, NEAR, LOOM_CONFIG(.tx_rings = 2));
	end_open(&wire->far, FAR, NULL);
	for (uint32_t k = 0; k < 2; k++) {
		senders[k] = (struct sender){.first = k << 24};
		assert_ok(loom_tx(wire->near.port, k, &senders[k].tx));
		assert_int_equal(pthread_create(&threads[k], NULL, sender_run, &senders[k]), 0);
	}
	while (next[0] + next[1] < 2 * PER_SENDER) {
		uint32_t number;

		assert_int_equal(end_receive(&wire->far, frame, sizeof frame, PATIENCE_MS), 64);
		memcpy(&number, frame + 14, 4);
		assert_int_equal(number & 0xffffff, next[number >> 24]++);
	}
	for (uint32_t k = 0; k < 2; k++) {
		pthread_join(threads[k], NULL);
		assert_false(senders[k].failed);
	}
}

int main(void)
{
	static const struct CMUnitTest packet[] = {
	    WIRE_TEST(packets_arrive_in_order_and_whole_both_ways),
	    WIRE_TEST(a_lone_packet_does_not_wait_for_company),
	    WIRE_TEST(every_legal_length_passes),
	    WIRE_TEST(receiving_stamps_the_ring),
	    WIRE_TEST(packets_larger_than_a_buffer_are_counted),
	    WIRE_TEST(a_chain_of_slots_leaves_as_one_packet),
	    WIRE_TEST(an_unfinished_chain_waits_for_its_end),
	    WIRE_TEST(packets_too_short_or_too_long_for_the_link_are_counted_and_passed),
	    WIRE_TEST(slots_that_name_no_buffer_are_counted_once_and_passed),
	    WIRE_TEST(a_chain_with_a_bad_slot_is_dropped_whole),
	    WIRE_TEST(a_chain_that_is_too_long_is_dropped_to_its_end),
	    WIRE_TEST(a_chain_that_fills_the_ring_does_not_block_it),
	    WIRE_TEST(a_receive_slot_without_a_buffer_costs_no_packet),
	    WIRE_TEST(a_full_ring_leaves_the_rest_in_the_kernel),
	    WIRE_TEST(what_the_kernel_drops_is_counted),
	    WIRE_TEST(rings_share_the_traffic_by_flow),
	    WIRE_TEST(transmit_rings_are_used_by_two_threads_at_once),
	};

	return WIRE_TESTS(packet);
}
