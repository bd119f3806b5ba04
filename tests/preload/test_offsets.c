/* SPDX-License-Identifier: BSD-2-Clause */
/* A classic program that lets its packets start at offsets: the option of REGISTER, and the macros. */
#include "support.h"

#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#define BUF 2048u
#define LEN 60u

static struct nmreq_opt_offsets offsets_of(uint64_t max, uint64_t initial, uint32_t bits)
{
	return (struct nmreq_opt_offsets){
	    .nro_opt = {.nro_reqtype = NETMAP_REQ_OPT_OFFSETS, .nro_status = 77},
	    .nro_max_offset = max,
	    .nro_initial_offset = initial,
	    .nro_offset_bits = bits};
}

static int bind_offsets(
    struct port *port, const char *name, struct nmreq_register *reg, struct nmreq_opt_offsets *opt)
{
	int err;

	port->fd = netmap_open();
	reg->nr_mode = NR_REG_ALL_NIC;
	err = control(port->fd, name, NETMAP_REQ_REGISTER, reg, opt);
	if (err)
		close(port->fd);
	return err;
}

static struct port open_with(const char *name, struct nmreq_opt_offsets opt)
{
	struct nmreq_register reg = {.nr_tx_slots = 32, .nr_rx_slots = 32};
	struct port port;

	assert_int_equal(bind_offsets(&port, name, &reg, &opt), 0);
	assert_int_equal(opt.nro_opt.nro_status, 0);
	port.size = reg.nr_memsize;
	port.memory = mmap(NULL, port.size, PROT_READ | PROT_WRITE, MAP_SHARED, port.fd, 0);
	assert_true(port.memory != MAP_FAILED);
	port.nifp = NETMAP_IF(port.memory, reg.nr_offset);
	port.tx = NETMAP_TXRING(port.nifp, 0);
	port.rx = NETMAP_RXRING(port.nifp, 0);
	return port;
}

static void test_each_request_is_answered_as_the_module_answers(void **state)
{
	static const struct {
		uint64_t max, initial;
		uint32_t bits;
		int error;
	} rows[] = {
	    {128, 64, 0, 0},
	    {0, 0, 0, 0},
	    {2047, 2047, 11, 0},
	    {2047, 0, 64, 0},
	    {1 << 20, 64, 0, EINVAL},
	    {2048, 0, 0, EINVAL},
	    {UINT64_MAX, 0, 0, EINVAL},
	    {1ull << 32, 0, 0, EINVAL},
	    {32, 64, 0, EINVAL},
	    {0, 1, 0, EINVAL},
	    {128, 64, 7, EINVAL},
	    {127, 64, 7, 0},
	    {128, 64, 65, EINVAL},
	    {128, 64, UINT32_MAX, EINVAL},
	};
	static const char *const names[] = {"o{1", "o}1", "vale9:o", "loop:o"};

	(void)state;
	for (size_t i = 0; i < COUNT(rows) * COUNT(names); i++) {
		size_t row = i / COUNT(names);
		struct nmreq_opt_offsets opt =
		    offsets_of(rows[row].max, rows[row].initial, rows[row].bits);
		struct nmreq_register reg = {.nr_tx_slots = 4};
		struct port port;
		int err = bind_offsets(&port, names[i % COUNT(names)], &reg, &opt);

		assert_int_equal(err, rows[row].error);
		assert_int_equal(opt.nro_opt.nro_status, rows[row].error);
		assert_true(opt.nro_max_offset == rows[row].max);
		assert_true(opt.nro_initial_offset == rows[row].initial);
		assert_int_equal(opt.nro_offset_bits, rows[row].bits);
		if (!err)
			close(port.fd);
	}
}

static void test_offsets_twice_are_refused(void **state)
{
	struct nmreq_opt_offsets one = offsets_of(64, 64, 0), two = offsets_of(64, 64, 0);
	struct nmreq_register reg = {0};
	struct port port;

	(void)state;
	one.nro_opt.nro_next = (uintptr_t)&two;
	assert_int_equal(bind_offsets(&port, "o{1", &reg, &one), EINVAL);
	assert_int_equal(one.nro_opt.nro_status, EINVAL);
	assert_int_equal(two.nro_opt.nro_status, EINVAL);
}

static void test_rings_say_which_bits_and_slots_where(void **state)
{
	static const char *const names[] = {"o{1", "vale9:o", "loop:o"};

	(void)state;
	for (size_t i = 0; i < COUNT(names); i++) {
		struct port port = open_with(names[i], offsets_of(128, 64, 16));

		assert_true(port.tx->offset_mask == 0xffff);
		assert_true(port.rx->offset_mask == 0xffff);
		assert_true(port.tx->buf_align == 0);
		for (uint32_t k = 0; k < port.tx->num_slots; k++) {
			struct netmap_slot *slot = &port.tx->slot[k];

			assert_int_equal(NETMAP_ROFFSET(port.tx, slot), 64);
			assert_ptr_equal(NETMAP_BUF_OFFSET(port.tx, slot),
			    NETMAP_BUF(port.tx, slot->buf_idx) + 64);
		}
		if (strchr(names[i], ':')) /* else they are the other end's */
			for (uint32_t k = 0; k < port.rx->num_slots; k++)
				assert_true(port.rx->slot[k].ptr == 64);
		port_close(&port);
	}
}

static void test_a_ring_in_use_grants_what_it_has_and_no_more(void **state)
{
	struct port port = open_with("loop:o", offsets_of(128, 64, 16));
	struct nmreq_opt_offsets more = offsets_of(129, 64, 16), wider = offsets_of(64, 64, 17),
				 less = offsets_of(64, 32, 8);
	struct nmreq_register reg = {0};
	struct port other;

	(void)state;
	assert_int_equal(bind_offsets(&other, "loop:o", &reg, &more), EBUSY);
	assert_int_equal(more.nro_opt.nro_status, EBUSY);
	assert_int_equal(bind_offsets(&other, "loop:o", &reg, &wider), EBUSY);
	assert_int_equal(bind_offsets(&other, "loop:o", &reg, &less), 0);
	assert_true(less.nro_max_offset == 128);
	assert_true(port.tx->slot[0].ptr == 64);
	close(other.fd);
	port_close(&port);
}

/* ---- traffic ---- */

/* A broadcast frame of LEN bytes behind the slot's offset. */
static void put_at(struct port *port, uint32_t number, uint64_t offset)
{
	struct netmap_ring *ring = port->tx;
	struct netmap_slot *slot = &ring->slot[ring->head];
	char *data;

	NETMAP_WOFFSET(ring, slot, offset);
	data = NETMAP_BUF_OFFSET(ring, slot);
	memset(data, 0xff, 6);
	memset(data + 6, 2, LEN - 6);
	memcpy(data + 14, &number, sizeof number);
	slot->len = LEN;
	slot->flags = 0;
	ring->head = ring->cur = nm_ring_next(ring, ring->head);
	sync_tx(port);
}

/* The next frame; its offset. */
static uint64_t take_at(struct port *port, uint32_t number)
{
	struct netmap_ring *ring = port->rx;
	struct netmap_slot *slot = &ring->slot[ring->head];
	uint64_t offset;
	uint32_t got;

	sync_rx(port);
	assert_true(nm_ring_space(ring) > 0);
	offset = NETMAP_ROFFSET(ring, slot);
	assert_int_equal(slot->len, LEN);
	memcpy(&got, NETMAP_BUF_OFFSET(ring, slot) + 14, sizeof got);
	assert_int_equal(got, number);
	ring->head = ring->cur = nm_ring_next(ring, ring->head);
	return offset;
}

static void test_a_pipe_carries_each_packets_offset(void **state)
{
	struct port one = open_with("o{1", offsets_of(1000, 64, 0));
	struct port other = open_with("o}1", offsets_of(1000, 64, 0));

	(void)state;
	for (uint32_t i = 0; i < 200; i++) {
		put_at(&one, i, (uint64_t)i * 5);
		assert_int_equal(take_at(&other, i), i * 5);
		sync_rx(&other);
		sync_tx(&one);
	}
	port_close(&one);
	port_close(&other);
}

static void test_a_switch_delivers_to_the_receivers_offset(void **state)
{
	struct port one = open_with("vale9:one", offsets_of(1000, 64, 16));
	struct port other = open_with("vale9:other", offsets_of(200, 100, 8));

	(void)state;
	for (uint32_t i = 0; i < 200; i++) {
		put_at(&one, i, (uint64_t)i * 5);
		assert_int_equal(take_at(&other, i), 100);
		put_at(&other, i, i);
		assert_int_equal(take_at(&one, i), 64);
	}
	port_close(&one);
	port_close(&other);
}

/* Slots that share a buffer, 256 bytes each. */
static void test_no_more_than_the_gap_is_written_to_a_slot(void **state)
{
	struct nmreq_opt_offsets gap = offsets_of(1792, 0, 0);
	struct port one = port_open("vale9:one"), other;
	struct netmap_slot *slots;
	uint32_t number = 0x1234;

	(void)state;
	gap.nro_min_gap = 256;
	other = open_with("vale9:other", gap);
	slots = other.rx->slot;
	for (uint32_t i = 0; i < 4; i++) {
		slots[i].buf_idx = slots[0].buf_idx;
		slots[i].ptr = (uint64_t)i * 256;
	}
	memset(NETMAP_BUF(one.tx, one.tx->slot[0].buf_idx), 0xff, 600);
	memcpy(NETMAP_BUF(one.tx, one.tx->slot[0].buf_idx) + 596, &number, sizeof number);
	one.tx->slot[0].len = 600;
	one.tx->head = one.tx->cur = 1;
	sync_tx(&one);
	sync_rx(&other);
	assert_int_equal(nm_ring_space(other.rx), 3);
	assert_int_equal(slots[0].len, 256);
	assert_int_equal(slots[1].len, 256);
	assert_int_equal(slots[2].len, 88);
	assert_memory_equal(NETMAP_BUF(other.rx, slots[0].buf_idx) + 596, &number, sizeof number);
	port_close(&one);
	port_close(&other);
}

static void test_an_offset_outside_the_buffer_carries_nothing(void **state)
{
	static const uint64_t hostile[] = {BUF - LEN + 1, BUF, 1 << 20, UINT32_MAX, UINT64_MAX};
	struct port one = open_with("vale9:one", offsets_of(64, 64, 0));
	struct port other = open_with("vale9:other", offsets_of(64, 64, 0));

	(void)state;
	for (uint32_t i = 0; i < COUNT(hostile); i++) {
		struct netmap_ring *ring = one.tx;

		ring->slot[ring->head].len = LEN;
		ring->slot[ring->head].ptr = hostile[i];
		ring->head = ring->cur = nm_ring_next(ring, ring->head);
		sync_tx(&one);
		sync_rx(&other);
		assert_int_equal(nm_ring_space(other.rx), 0);
	}
	put_at(&one, 9, 64);
	assert_int_equal(take_at(&other, 9), 64);
	port_close(&one);
	port_close(&other);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_each_request_is_answered_as_the_module_answers),
	    cmocka_unit_test(test_offsets_twice_are_refused),
	    cmocka_unit_test(test_rings_say_which_bits_and_slots_where),
	    cmocka_unit_test(test_a_ring_in_use_grants_what_it_has_and_no_more),
	    cmocka_unit_test(test_a_pipe_carries_each_packets_offset),
	    cmocka_unit_test(test_a_switch_delivers_to_the_receivers_offset),
	    cmocka_unit_test(test_no_more_than_the_gap_is_written_to_a_slot),
	    cmocka_unit_test(test_an_offset_outside_the_buffer_carries_nothing),
	};

	return cmocka_run_group_tests(tests, group_start, group_end);
}
