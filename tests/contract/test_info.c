/* SPDX-License-Identifier: BSD-2-Clause */
/* What a port says of itself: handles, information, statistics, extra buffers. */
#include "pair.h"

#include <pktloom/compat/net/netmap_user.h>

#include <stdio.h>

#include "name/name.h"

#define LEN 60u

/* ---- handles ---- */

static void a_handle_beyond_the_rings_is_refused_with_their_number(void **state)
{
	struct loom_port *port;
	struct loom_txring tx, no_tx;
	struct loom_rxring rx, no_rx;

	(void)state;
	memset(&no_tx, 0x5a, sizeof no_tx);
	memset(&no_rx, 0x5a, sizeof no_rx);
	tx = no_tx;
	rx = no_rx;
	assert_ok(loom_open("i{1", LOOM_CONFIG(.tx_rings = 3, .rx_rings = 1), &port));
	assert_int_equal(loom_tx_rings(port), 3);
	assert_int_equal(loom_rx_rings(port), 1);
	assert_int_equal(loom_host_tx_rings(port), 0);
	assert_int_equal(loom_host_rx_rings(port), 0);
	assert_false(loom_port_is_host(port));
	assert_refused(loom_tx(port, 3, &tx), -EINVAL, "3 TX rings, there is no ring 3");
	assert_refused(loom_rx(port, 1, &rx), -EINVAL, "1 RX ring, there is no ring 1");
	assert_refused(loom_rx(port, UINT32_MAX, &rx), -EINVAL, "no ring 4294967295");
	assert_memory_equal(&tx, &no_tx, sizeof tx);
	assert_memory_equal(&rx, &no_rx, sizeof rx);
	for (unsigned i = 0; i < 3; i++)
		assert_ok(loom_tx(port, i, &tx));
	assert_ok(loom_rx(port, 0, &rx));
	loom_close(port);
}

static void rings_of_one_direction_only(void **state)
{
	struct loom_port *port;
	struct loom_txring tx;
	struct loom_rxring rx;

	(void)state;
	assert_ok(loom_open("i{2/T", NULL, &port));
	assert_ok(loom_tx(port, 0, &tx));
	assert_refused(loom_rx(port, 0, &rx), -EINVAL, "not bound");
	loom_close(port);
	assert_ok(loom_open("i{2/R", NULL, &port));
	assert_ok(loom_rx(port, 0, &rx));
	assert_refused(loom_tx(port, 0, &tx), -EINVAL, "not bound");
	assert_int_equal(loom_port_wait(port, LOOM_RX, 1), 0);
	loom_close(port);
}

static void copies_of_a_handle_speak_of_the_same_ring(void **state)
{
	struct pair *pair = pair_open(*state, NULL);
	struct loom_txring copy = pair->near.tx, again;
	uint8_t data[LEN];

	assert_ok(loom_tx(pair->near.port, 0, &again));
	for (uint32_t i = 0; i < 9; i++) {
		const struct loom_txring *tx = i % 3 ? i % 3 == 1 ? &copy : &again : &pair->near.tx;

		packet_fill(data, LEN, i);
		assert_int_equal(loom_send(tx, data, LEN), 1);
	}
	assert_ok(loom_tx_sync(&copy));
	assert_int_equal(FAR(pair, far_take, 9, 0, LEN), 9);
}

static void the_classic_view_shows_the_same_rings(void **state)
{
	struct loom_port *port;
	struct netmap_if *nifp;

	(void)state;
	assert_ok(loom_open("loop:classic", LOOM_CONFIG(.tx_rings = 3, .tx_slots = 10), &port));
	nifp = loom_port_netmap_if(port);
	assert_string_equal(nifp->ni_name, "loop:classic");
	assert_int_equal(nifp->ni_tx_rings, 3);
	assert_int_equal(nifp->ni_rx_rings, 3);
	for (unsigned i = 0; i < 3; i++) {
		struct loom_txring tx;
		struct loom_rxring rx;

		assert_ok(loom_tx(port, i, &tx));
		assert_ok(loom_rx(port, i, &rx));
		assert_ptr_equal(NETMAP_TXRING(nifp, i), tx.ring);
		assert_ptr_equal(NETMAP_RXRING(nifp, i), rx.ring);
		assert_int_equal(tx.ring->dir, 1);
		assert_int_equal(rx.ring->dir, 0);
		assert_int_equal(tx.ring->ringid, i);
		assert_int_equal(rx.ring->ringid, i);
		assert_int_equal(tx.ring->num_slots, 10);
		assert_int_equal(tx.ring->nr_buf_size, 2048);
		assert_ptr_equal(NETMAP_BUF(tx.ring, LOOM_FIRST_BUFFER), tx.buffers);
		assert_ptr_equal(NETMAP_BUF(rx.ring, LOOM_FIRST_BUFFER), rx.buffers);
	}
	loom_close(port);
}

/* ---- information ---- */

static void info_says_what_was_opened(void **state)
{
	static const struct {
		const char *name, *kind, *mode;
		bool zero_copy, only_here; /* no other device was tried */
	} known[] = {{"loop:i", "loop", "", true, true}, {"null:i", "null", "", false, true},
	    {"pipe{i}", "pipe", "master", true, true}, {"i{3", "pipe", "master", true, false},
	    {"i}3", "pipe", "slave", true, false}};

	(void)state;
	for (size_t i = 0; i < COUNT(known); i++) {
		struct loom_port *port;
		struct loom_info info;

		assert_ok(loom_open(known[i].name,
		    LOOM_CONFIG(.tx_rings = 2, .tx_slots = 10, .buffer_size = 100), &port));
		memset(&info, 0xff, sizeof info);
		assert_ok(loom_port_info(port, &info));
		assert_string_equal(info.name, known[i].name);
		assert_string_equal(info.device, "soft");
		assert_string_equal(info.kind, known[i].kind);
		assert_string_equal(info.mode, known[i].mode);
		assert_int_equal(info.tried[0] == 0, known[i].only_here);
		assert_int_equal(info.zero_copy, known[i].zero_copy);
		assert_false(info.host);
		assert_int_equal(info.tx_rings, 2);
		assert_int_equal(info.rx_rings, 2);
		assert_int_equal(info.host_tx_rings, 0);
		assert_int_equal(info.host_rx_rings, 0);
		assert_int_equal(info.tx_slots, 10);
		assert_int_equal(info.rx_slots, 10);
		assert_int_equal(info.buffer_size, 128);
		assert_int_equal(info.max_payload, 9 * 128);
		assert_int_equal(info.extra_buffers, 0);
		assert_true(info.region > 0);
		assert_true(info.region_size > 5120); /* its buffers alone */
		loom_close(port);
	}
}

static void equal_regions_have_equal_ids(void **state)
{
	static const char *const names[] = {"i{4", "i}4", "i{5", "j{5", "loop:i", "loop:j"};
	struct loom_port *ports[COUNT(names)];
	struct loom_info info[COUNT(names)];

	(void)state;
	for (size_t i = 0; i < COUNT(names); i++) {
		assert_ok(loom_open(names[i], NULL, &ports[i]));
		assert_ok(loom_port_info(ports[i], &info[i]));
	}
	assert_int_equal(info[0].region, info[1].region);
	assert_int_equal(
	    info[0].region, info[2].region); /* pipes of one parent are in its memory */
	for (size_t i = 2; i < COUNT(names); i++)
		for (size_t k = i + 1; k < COUNT(names); k++)
			assert_int_not_equal(info[i].region, info[k].region);
	for (size_t i = 0; i < COUNT(names); i++)
		loom_close(ports[i]);
}

static void every_kind_of_the_table_describes_itself(void **state)
{
	static const char *const kinds[] = {
#define PORT_KIND(kind) #kind,
#include "soft/ports/ports.def"
#undef PORT_KIND
	};
	struct loom_kind kind = {.name = "untouched"};
	struct name name;

	(void)state;
	for (unsigned i = 0; i < COUNT(kinds); i++) {
		assert_ok(loom_kind_at(i, &kind));
		assert_string_equal(kind.name, kinds[i]);
		assert_int_equal(name_parse(kind.example, &name, NULL), 0);
		assert_true(strlen(kind.help) > 10);
		assert_null(strchr(kind.help, '\n'));
	}
	kind.name = "untouched";
	assert_int_equal(loom_kind_at(COUNT(kinds), &kind), -ENOENT);
	assert_int_equal(loom_kind_at(UINT32_MAX, &kind), -ENOENT);
	assert_string_equal(kind.name, "untouched");
}

static void drops_have_names(void **state)
{
	(void)state;
	for (enum loom_drop a = LOOM_DROP_BAD_INDEX; a < LOOM_DROP_REASONS; a++)
		for (enum loom_drop b = LOOM_DROP_BAD_INDEX; b < a; b++)
			assert_string_not_equal(loom_drop_name(a), loom_drop_name(b));
	assert_string_equal(loom_drop_name(LOOM_DROP_BAD_INDEX), "bad-index");
	assert_string_equal(loom_drop_name(LOOM_DROP_REASONS), "unknown");
}

/* ---- statistics ---- */

/* Value: the far end's received packets (args[0] 0), bytes (1), syncs (2), or drops of all reasons (3). */
static void far_stats(struct end *far, const int64_t *args, struct report *report)
{
	struct loom_stats rx, ring;

	loom_port_stats(far->port, NULL, &rx);
	loom_rx_stats(&far->rx, &ring);
	if (memcmp(&rx, &ring, sizeof rx) != 0)
		strcpy(report->problem, "the port's sum is not its only ring's");
	if (args[0] == 3)
		for (int i = 0; i < LOOM_DROP_REASONS; i++)
			report->value += (int64_t)rx.drops[i];
	else
		report->value = (int64_t)(args[0] == 0   ? rx.packets
					  : args[0] == 1 ? rx.bytes
							 : rx.syncs);
}

static void packets_bytes_and_syncs_are_counted(void **state)
{
	struct pair *pair = pair_open(*state, LOOM_CONFIG(.tx_slots = 50));
	struct loom_stats tx, ring;

	for (uint32_t lap = 1; lap <= 10; lap++) {
		assert_int_equal(near_send(pair, 10, 0, LEN), 10);
		assert_ok(loom_tx_sync(&pair->near.tx));
		assert_int_equal(FAR(pair, far_take, 10, 0, LEN), 10);
		assert_ok(loom_port_stats(pair->near.port, &tx, NULL));
		assert_int_equal(tx.packets, 10 * lap);
		assert_int_equal(tx.bytes, 10 * LEN * lap);
		assert_int_equal(tx.syncs, lap);
		assert_ok(loom_tx_stats(&pair->near.tx, &ring));
		assert_memory_equal(&tx, &ring, sizeof tx);
		assert_int_equal(FAR(pair, far_stats, 0), 10 * lap);
		assert_int_equal((uint64_t)FAR(pair, far_stats, 1), tx.bytes);
		assert_true(FAR(pair, far_stats, 2) > lap);
	}
	assert_int_equal(FAR(pair, far_stats, 3), 0);
}

/* Receive args[0] packets through loom_recv_copy. */
static void far_take_copies(struct end *far, const int64_t *args, struct report *report)
{
	uint8_t data[1024];

	loom_rx_sync(&far->rx);
	while (report->value < args[0] && loom_recv_copy(&far->rx, data, sizeof data, NULL) >= 0)
		report->value++;
	loom_rx_sync(&far->rx);
}

static void a_chain_counts_once(void **state)
{
	struct pair *pair = pair_open(*state, LOOM_CONFIG(.tx_slots = 50, .buffer_size = 64));
	struct loom_stats tx;

	assert_int_equal(near_send(pair, 2, 0, LEN), 2);
	assert_int_equal(near_send(pair, 1, 2, 300), 1);
	assert_int_equal(near_send(pair, 1, 3, 65), 1);
	assert_ok(loom_tx_sync(&pair->near.tx));
	assert_ok(loom_port_stats(pair->near.port, &tx, NULL));
	assert_int_equal(tx.packets, 4);
	assert_int_equal(tx.bytes, 2 * LEN + 300 + 65);
	assert_int_equal(FAR(pair, far_take_copies, 4), 4);
	assert_int_equal(FAR(pair, far_stats, 0), 4);
	assert_int_equal(FAR(pair, far_stats, 1), 2 * LEN + 300 + 65);
}

/* Between a send and its sync, and while a chain is held back, packets that left still count. */
static void what_is_queued_takes_nothing_from_what_was_sent(void **state)
{
	struct pair *pair = pair_open(*state, LOOM_CONFIG(.tx_slots = 50, .buffer_size = 64));
	struct loom_stats tx;

	assert_int_equal(near_send(pair, 5, 0, LEN), 5);
	assert_ok(loom_tx_sync(&pair->near.tx));
	assert_int_equal(near_send(pair, 1, 5, 300), 1);
	assert_ok(loom_port_stats(pair->near.port, &tx, NULL));
	assert_int_equal(tx.packets, 5);
	assert_ok(loom_tx_sync(&pair->near.tx));
	assert_ok(loom_port_stats(pair->near.port, &tx, NULL));
	assert_int_equal(tx.packets, 6);
}

static void rings_are_counted_apart_and_summed(void **state)
{
	struct loom_port *port;
	struct loom_stats tx, rx;

	(void)state;
	assert_ok(loom_open("loop:many", LOOM_CONFIG(.tx_rings = 3), &port));
	for (unsigned i = 0; i < 3; i++) {
		struct loom_txring out;
		struct loom_rxring in;

		assert_ok(loom_tx(port, i, &out));
		assert_ok(loom_rx(port, i, &in));
		for (unsigned k = 0; k <= i; k++)
			assert_int_equal(loom_send(&out, "12345", 5), 1);
		assert_ok(loom_tx_sync(&out));
		assert_ok(loom_rx_sync(&in));
		assert_ok(loom_tx_stats(&out, &tx));
		assert_int_equal(tx.packets, i + 1);
		assert_ok(loom_rx_stats(&in, &rx));
		assert_int_equal(rx.packets, i + 1);
		assert_int_equal(rx.bytes, 0); /* nothing was taken yet */
	}
	assert_ok(loom_port_stats(port, &tx, &rx));
	assert_int_equal(tx.packets, 6);
	assert_int_equal(tx.bytes, 30);
	assert_int_equal(rx.packets, 6);
	loom_close(port);
}

/* ---- extra buffers ---- */

static uint32_t walk(struct loom_port *port, uint32_t *seen, uint32_t most)
{
	struct netmap_if *nifp = loom_port_netmap_if(port);
	struct netmap_ring *ring = NETMAP_TXRING(nifp, 0);
	uint32_t n = 0;

	for (uint32_t at = nifp->ni_bufs_head; at != 0; n++) {
		assert_true(n < most);
		assert_true(at >= LOOM_FIRST_BUFFER);
		for (uint32_t i = 0; i < ring->num_slots; i++)
			assert_int_not_equal(ring->slot[i].buf_idx, at);
		for (uint32_t i = 0; i < n; i++)
			assert_int_not_equal(seen[i], at);
		seen[n] = at;
		memcpy(&at, NETMAP_BUF(ring, at), sizeof at);
	}
	return n;
}

static void extra_buffers_come_as_a_list_and_are_in_no_slot(void **state)
{
	static const char *const names[] = {"loop:x", "null:x", "i{6", "pipe{i}"};
	static const uint32_t wanted[] = {0, 1, 8, 100, 1000};
	static uint32_t seen[1000];

	(void)state;
	for (size_t i = 0; i < COUNT(names) * COUNT(wanted); i++) {
		uint32_t n = wanted[i / COUNT(names)];
		struct loom_port *port;
		struct loom_info info;

		assert_ok(loom_open(names[i % COUNT(names)],
		    LOOM_CONFIG(.tx_slots = 16, .extra_buffers = n), &port));
		assert_ok(loom_port_info(port, &info));
		assert_int_equal(info.extra_buffers, n);
		assert_int_equal(walk(port, seen, n), n);
		loom_close(port);
	}
}

static void extra_buffers_that_are_given_back_are_granted_again(void **state)
{
	struct loom_port *keeper, *port;
	struct loom_info info;
	uint32_t seen[64];

	(void)state;
	assert_ok(loom_open("i{7", LOOM_CONFIG(.tx_slots = 16, .extra_buffers = 20), &keeper));
	for (unsigned i = 0; i < 50; i++) {
		assert_ok(loom_open("i}7", LOOM_CONFIG(.extra_buffers = 20), &port));
		assert_ok(loom_port_info(port, &info));
		assert_int_equal(info.extra_buffers, 20);
		assert_int_equal(walk(port, seen, 20), 20);
		loom_close(port);
	}
	loom_close(keeper);
}

/* A program may put a buffer into a slot, and what it finds in its list at the end is given back. */
static void a_list_that_the_program_broke_is_survived(void **state)
{
	static const uint32_t links[] = {1, 0xffffffff, 0x10000, 2};

	(void)state;
	for (size_t i = 0; i < COUNT(links); i++) {
		struct loom_port *keeper, *port;
		struct netmap_if *nifp;

		assert_ok(
		    loom_open("i{8", LOOM_CONFIG(.tx_slots = 16, .extra_buffers = 5), &keeper));
		assert_ok(loom_open("i}8", LOOM_CONFIG(.extra_buffers = 5), &port));
		nifp = loom_port_netmap_if(port);
		if (i % 2)
			nifp->ni_bufs_head = links[i];
		else
			memcpy(
			    NETMAP_BUF(NETMAP_TXRING(nifp, 0), nifp->ni_bufs_head), &links[i], 4);
		loom_close(port);
		assert_ok(loom_open("i}8", LOOM_CONFIG(.extra_buffers = 500000), &port));
		loom_close(port);
		loom_close(keeper);
	}
}

static const struct body bodies[] = {
    BODY(copies_of_a_handle_speak_of_the_same_ring),
    BODY(packets_bytes_and_syncs_are_counted),
    BODY(a_chain_counts_once),
    BODY(what_is_queued_takes_nothing_from_what_was_sent),
};

static const struct CMUnitTest plain[] = {
    cmocka_unit_test(a_handle_beyond_the_rings_is_refused_with_their_number),
    cmocka_unit_test(rings_of_one_direction_only),
    cmocka_unit_test(the_classic_view_shows_the_same_rings),
    cmocka_unit_test(info_says_what_was_opened),
    cmocka_unit_test(equal_regions_have_equal_ids),
    cmocka_unit_test(every_kind_of_the_table_describes_itself),
    cmocka_unit_test(drops_have_names),
    cmocka_unit_test(rings_are_counted_apart_and_summed),
    cmocka_unit_test(extra_buffers_come_as_a_list_and_are_in_no_slot),
    cmocka_unit_test(extra_buffers_that_are_given_back_are_granted_again),
    cmocka_unit_test(a_list_that_the_program_broke_is_survived),
};

int main(int argc, char **argv)
{
	const struct suite suite = {"info", bodies, COUNT(bodies), plain, COUNT(plain)};

	return suite_run(&suite, argc, argv);
}
