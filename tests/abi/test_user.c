/* SPDX-License-Identifier: BSD-2-Clause */
/* The helpers that programs use on rings, slots and buffers, on memory of the test's own. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include <cmocka.h>
#include <pktloom/compat/net/netmap_user.h>

#include "fake_port.h"

enum { TX = 3, HOST_TX = 2, RX = 4, HOST_RX = 1, SLOTS = 7 };

static int setup(void **state)
{
	struct fake_port *port = malloc(sizeof(*port));

	if (port == NULL)
		return -1;
	fake_port_init(port, TX, HOST_TX, RX, HOST_RX, SLOTS);
	*state = port;
	return 0;
}

static int teardown(void **state)
{
	fake_port_free(*state);
	free(*state);
	return 0;
}

static void interface_is_at_its_offset_in_the_mapping(void **state)
{
	struct fake_port *port = *state;

	assert_ptr_equal(NETMAP_IF(port->mem, FAKE_IF_OFFSET), fake_port_if(port));
}

static void tx_lookup_counts_nic_then_host_rings(void **state)
{
	struct fake_port *port = *state;
	struct netmap_if *nifp = fake_port_if(port);
	uint32_t i;

	for (i = 0; i < TX + HOST_TX; i++) {
		assert_ptr_equal(NETMAP_TXRING(nifp, i), fake_port_ring(port, i));
		assert_int_equal(NETMAP_TXRING(nifp, i)->dir, 1);
	}
}

static void rx_lookup_skips_nic_and_host_tx_rings(void **state)
{
	struct fake_port *port = *state;
	struct netmap_if *nifp = fake_port_if(port);
	int i; /* signed, as programs often have it */

	for (i = 0; i < RX + HOST_RX; i++) {
		assert_ptr_equal(
		    NETMAP_RXRING(nifp, i), fake_port_ring(port, TX + HOST_TX + (uint32_t)i));
		assert_int_equal(NETMAP_RXRING(nifp, i)->dir, 0);
	}
}

static void next_slot_wraps_at_a_count_that_is_no_power_of_two(void **state)
{
	struct netmap_ring *ring = fake_port_ring(*state, 0);
	uint32_t i;

	for (i = 0; i + 1 < SLOTS; i++)
		assert_int_equal(nm_ring_next(ring, i), i + 1);
	assert_int_equal(nm_ring_next(ring, SLOTS - 1), 0);
}

static void space_and_empty_agree_for_every_head_and_tail(void **state)
{
	struct netmap_ring *ring = fake_port_ring(*state, 0);
	uint32_t head, n;

	for (head = 0; head < SLOTS; head++) {
		for (n = 0; n < SLOTS; n++) {
			ring->head = head;
			ring->tail = (head + n) % SLOTS;
			ring->cur = ring->tail; /* does not count */
			assert_int_equal(nm_ring_space(ring), n);
			assert_int_equal(nm_ring_empty(ring), n == 0);
		}
	}
}

static void tx_is_pending_unless_all_slots_but_one_are_free(void **state)
{
	struct netmap_ring *ring = fake_port_ring(*state, 0);
	uint32_t head, n;

	for (head = 0; head < SLOTS; head++) {
		for (n = 0; n < SLOTS; n++) {
			ring->head = ring->cur = head;
			ring->tail = (head + n) % SLOTS;
			assert_int_equal(nm_tx_pending(ring), n != SLOTS - 1);
		}
	}
}

static void buffer_index_and_address_convert_both_ways(void **state)
{
	struct fake_port *port = *state;
	struct netmap_ring *ring = fake_port_ring(port, TX), *other = fake_port_ring(port, 0);
	uint32_t i;

	for (i = 0; i < 2 + port->rings * SLOTS; i++) {
		char *buf = NETMAP_BUF(ring, i);

		assert_ptr_equal(
		    buf, port->mem + fake_port_buffers(port) + (size_t)i * FAKE_BUF_SIZE);
		assert_int_equal(NETMAP_BUF_IDX(ring, buf), i);
		assert_int_equal(NETMAP_BUF_IDX(ring, buf + FAKE_BUF_SIZE - 1), i);
		assert_ptr_equal(NETMAP_BUF(other, i), buf);
	}
}

/* A product of two 32-bit numbers; the address space is reserved, not used. */
static void buffer_address_does_not_wrap_at_4_gib(void **state)
{
	const size_t size = (size_t)8 << 30;
	const uint32_t idx = 0x300000;
	struct netmap_ring *ring;
	void *mem = mmap(NULL, size, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	(void)state;
	assert_true(mem != MAP_FAILED);
	assert_int_equal(mprotect(mem, 4096, PROT_READ | PROT_WRITE), 0);
	ring = (struct netmap_ring *)mem;
	FAKE_SET(int64_t, ring->buf_ofs, 4096);
	FAKE_SET(uint32_t, ring->nr_buf_size, FAKE_BUF_SIZE);
	assert_ptr_equal(NETMAP_BUF(ring, idx), (char *)mem + 4096 + (size_t)idx * FAKE_BUF_SIZE);
	assert_int_equal(NETMAP_BUF_IDX(ring, (char *)mem + 4096 + UINT64_C(0x180000000)), idx);
	munmap(mem, size);
}

static void offset_changes_only_the_bits_of_the_mask(void **state)
{
	struct netmap_ring *ring = fake_port_ring(*state, 0);
	struct netmap_slot *slot = &ring->slot[1];

	FAKE_SET(uint64_t, ring->offset_mask, 0xffff);
	slot->ptr = UINT64_C(0xabcdef0123456789);
	NETMAP_WOFFSET(ring, slot, 0x1f040); /* too large for the mask */
	assert_true(slot->ptr == UINT64_C(0xabcdef012345f040));
	assert_int_equal(NETMAP_ROFFSET(ring, slot), 0xf040);
	NETMAP_WOFFSET(ring, slot, 64);
	assert_ptr_equal(NETMAP_BUF_OFFSET(ring, slot), NETMAP_BUF(ring, slot->buf_idx) + 64);
}

static void without_a_mask_packets_start_where_buffers_start(void **state)
{
	struct netmap_ring *ring = fake_port_ring(*state, 0);
	struct netmap_slot *slot = &ring->slot[1];

	slot->ptr = UINT64_MAX;
	assert_ptr_equal(NETMAP_BUF_OFFSET(ring, slot), NETMAP_BUF(ring, slot->buf_idx));
	NETMAP_WOFFSET(ring, slot, 64);
	assert_true(slot->ptr == UINT64_MAX);
}

static void fragment_count_is_the_high_byte_of_the_flags(void **state)
{
	struct netmap_slot *slot = &fake_port_ring(*state, 0)->slot[0];

	slot->flags = (uint16_t)(0xa5 << NS_PORT_SHIFT | NS_MOREFRAG | NS_BUF_CHANGED);
	assert_int_equal(NS_RFRAGS(slot), 0xa5);
}

static void packet_copy_writes_exactly_len_bytes(void **state)
{
	enum { MAX = 1600, GUARD = 64 };
	unsigned char from[MAX], to[MAX + GUARD];
	int len, i;

	(void)state;
	for (i = 0; i < MAX; i++)
		from[i] = (unsigned char)(i % 251 + 1);
	for (len = 0; len <= MAX; len++) {
		memset(to, 0, sizeof(to));
		nm_pkt_copy(from, to, len);
		assert_memory_equal(from, to, (size_t)len);
		for (i = len; i < len + GUARD; i++)
			assert_int_equal(to[i], 0);
	}
}

static void packet_copy_of_a_negative_length_does_nothing(void **state)
{
	char from = 'a', to = 'b';

	(void)state;
	nm_pkt_copy(&from, &to, -1);
	assert_int_equal(to, 'b');
}

static void loop_entries_carry_head_and_cur_and_come_back_as_tail_and_cur(void **state)
{
	struct nm_csb_atok atok;
	struct nm_csb_ktoa ktoa;
	uint32_t tail = 0, cur = 0;

	(void)state;
	memset(&atok, 0, sizeof(atok));
	memset(&ktoa, 0, sizeof(ktoa));
	nm_sync_kloop_appl_write(&atok, 5, 3);
	assert_int_equal(atok.cur, 5);
	assert_int_equal(atok.head, 3);
	ktoa.hwtail = 6;
	ktoa.hwcur = 4;
	nm_sync_kloop_appl_read(&ktoa, &tail, &cur);
	assert_int_equal(tail, 6);
	assert_int_equal(cur, 4);
}

static void messages_are_limited_to_their_rate(void **state)
{
	struct nm_user_rate rate = {0, 0};
	int i, passed = 0;

	(void)state;
	for (i = 0; i < 1000; i++)
		passed += nm_user_rate_ok(&rate, 3);
	assert_in_range(passed, 3, 6); /* the second may change once while this runs */
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
	    TEST(interface_is_at_its_offset_in_the_mapping),
	    TEST(tx_lookup_counts_nic_then_host_rings),
	    TEST(rx_lookup_skips_nic_and_host_tx_rings),
	    TEST(next_slot_wraps_at_a_count_that_is_no_power_of_two),
	    TEST(space_and_empty_agree_for_every_head_and_tail),
	    TEST(tx_is_pending_unless_all_slots_but_one_are_free),
	    TEST(buffer_index_and_address_convert_both_ways),
	    TEST(buffer_address_does_not_wrap_at_4_gib),
	    TEST(offset_changes_only_the_bits_of_the_mask),
	    TEST(without_a_mask_packets_start_where_buffers_start),
	    TEST(fragment_count_is_the_high_byte_of_the_flags),
	    TEST(packet_copy_writes_exactly_len_bytes),
	    TEST(packet_copy_of_a_negative_length_does_nothing),
	    TEST(loop_entries_carry_head_and_cur_and_come_back_as_tail_and_cur),
	    TEST(messages_are_limited_to_their_rate),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
