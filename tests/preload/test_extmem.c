/* SPDX-License-Identifier: BSD-2-Clause */
/* Ports in memory that the program has: the option EXTMEM of REGISTER. */
#include "support.h"

#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#define SIZE   ((size_t)32 << 20)
#define FRAMES 3000u

static struct nmreq_opt_extmem extmem_of(void *memory, size_t size)
{
	return (struct nmreq_opt_extmem){
	    .nro_opt = {.nro_reqtype = NETMAP_REQ_OPT_EXTMEM, .nro_status = 77},
	    .nro_usrptr = (uintptr_t)memory,
	    .nro_info = {.nr_memsize = size}};
}

static int bind_try(
    int fd, const char *name, struct nmreq_opt_extmem *option, struct nmreq_register *reg)
{
	reg->nr_mode = NR_REG_ALL_NIC;
	return control(fd, name, NETMAP_REQ_REGISTER, reg, option);
}

/* Bind in that memory, which is all the mapping that the program makes. */
static struct port bind_in(
    const char *name, struct nmreq_opt_extmem *option, struct nmreq_register *reg)
{
	struct port port = {.fd = netmap_open()};

	assert_int_equal(bind_try(port.fd, name, option, reg), 0);
	port.memory = (uint8_t *)(uintptr_t)option->nro_usrptr;
	port.nifp = NETMAP_IF(port.memory, reg->nr_offset);
	port.tx = NETMAP_TXRING(port.nifp, 0);
	port.rx = NETMAP_RXRING(port.nifp, 0);
	return port;
}

static int refusal(const char *name, void *memory, size_t size)
{
	struct nmreq_opt_extmem option = extmem_of(memory, size);
	struct nmreq_register reg = {0};
	int fd = netmap_open(), err = bind_try(fd, name, &option, &reg);

	close(fd);
	/* Memory that is large enough for rings may have too few buffers for those of this port. */
	if (err != ENOMEM || option.nro_opt.nro_status != 0)
		assert_int_equal(option.nro_opt.nro_status, err);
	return err;
}

static void *memory_of(int flags, int fd)
{
	void *memory = mmap(NULL, SIZE, PROT_READ | PROT_WRITE, flags, fd, 0);

	assert_true(memory != MAP_FAILED);
	return memory;
}

static bool is_in(const void *at, const uint8_t *memory)
{
	return (const uint8_t *)at >= memory && (const uint8_t *)at < memory + SIZE;
}

static void rings_are_in(const struct port *port, const uint8_t *memory)
{
	assert_true(is_in(port->tx, memory) && is_in(port->rx, memory));
	assert_true(is_in(&port->tx->slot[port->tx->num_slots], memory));
	for (uint32_t i = 0; i < port->tx->num_slots; i++)
		assert_true(is_in(NETMAP_BUF(port->tx, port->tx->slot[i].buf_idx), memory));
}

/* Both ends in the same memory: what one sends there, the other finds there. */
static void traffic_flows(struct port *from, struct port *to)
{
	for (uint32_t i = 0; i < FRAMES; i++) {
		send_frame(from, i);
		sync_rx(to);
		assert_int_equal(take_frame(to), i);
		sync_rx(to);
		sync_tx(from);
	}
}

static void pipe_runs_in(uint8_t *memory)
{
	struct nmreq_opt_extmem option = extmem_of(memory, SIZE);
	struct nmreq_register reg = {0}, peer_reg = {0};
	struct port port, peer;

	port = bind_in("e{1", &option, &reg);
	assert_int_equal(option.nro_opt.nro_status, 0);
	peer = bind_in("e}1", &option, &peer_reg);
	assert_int_equal(peer_reg.nr_mem_id, reg.nr_mem_id);
	assert_true(reg.nr_memsize <= SIZE);
	rings_are_in(&port, memory);
	traffic_flows(&port, &peer);
	traffic_flows(&peer, &port);
	close(port.fd);
	close(peer.fd);
}

static void test_private_memory_serves(void **state)
{
	uint8_t *memory = memory_of(MAP_PRIVATE | MAP_ANONYMOUS, -1);

	(void)state;
	pipe_runs_in(memory);
	pipe_runs_in(memory); /* and once more, when all of it was given back */
	munmap(memory, SIZE);
}

static void test_what_was_in_the_buffers_stays(void **state)
{
	uint8_t *memory = memory_of(MAP_PRIVATE | MAP_ANONYMOUS, -1);
	struct nmreq_opt_extmem option = extmem_of(memory, SIZE);
	struct nmreq_register reg = {0};
	struct port port;

	(void)state;
	memset(memory, 0x5a, SIZE);
	port = bind_in("null:e", &option, &reg);
	for (uint32_t i = 0; i < port.tx->num_slots; i++)
		assert_int_equal(*(uint8_t *)NETMAP_BUF(port.tx, port.tx->slot[i].buf_idx), 0x5a);
	close(port.fd);
	munmap(memory, SIZE);
}

static int file_open(void)
{
	char name[] = "/tmp/pktloom-extmem-XXXXXX";
	int fd = mkstemp(name);

	assert_true(fd >= 0);
	unlink(name);
	assert_int_equal(ftruncate(fd, (off_t)SIZE), 0);
	return fd;
}

static void test_a_files_memory_stays_the_files(void **state)
{
	int fd = file_open();
	uint8_t *memory = memory_of(MAP_SHARED, fd), *again = memory_of(MAP_SHARED, fd);
	struct nmreq_opt_extmem option = extmem_of(memory, SIZE);
	struct nmreq_register reg = {0};
	struct port port;
	uint32_t number = 0;
	off_t at;

	(void)state;
	pipe_runs_in(memory);
	port = bind_in("loop:e", &option, &reg);
	at = (off_t)((uint8_t *)NETMAP_BUF(port.tx, port.tx->slot[0].buf_idx) - memory);
	send_frame(&port, 4711);
	assert_int_equal(pread(fd, &number, sizeof number, at), sizeof number);
	assert_int_equal(number, 4711);
	assert_memory_equal(again + at, memory + at, 60);
	close(port.fd);
	munmap(memory, SIZE);
	munmap(again, SIZE);
	close(fd);
}

static void test_the_same_pages_at_another_address_are_the_same_region(void **state)
{
	int fd = file_open();
	uint8_t *memory = memory_of(MAP_SHARED, fd), *again = memory_of(MAP_SHARED, fd);
	struct nmreq_opt_extmem option = extmem_of(memory, SIZE), other = extmem_of(again, SIZE);
	struct nmreq_register reg = {0}, reg_again = {0};
	struct port port, peer;

	(void)state;
	port = bind_in("f{1", &option, &reg);
	peer = bind_in("f}1", &other, &reg_again);
	assert_int_equal(reg.nr_mem_id, reg_again.nr_mem_id);
	rings_are_in(&port, memory);
	rings_are_in(&peer, again);
	traffic_flows(&port, &peer);
	close(port.fd);
	close(peer.fd);
	munmap(memory, SIZE);
	munmap(again, SIZE);
	close(fd);
}

static void test_ports_of_all_kinds_share_it(void **state)
{
	static const char *const names[] = {"g{1", "vale3:g", "null:g", "loop:g", "h{1"};
	uint8_t *memory = memory_of(MAP_SHARED | MAP_ANONYMOUS, -1);
	struct nmreq_opt_extmem option = extmem_of(memory, SIZE);
	struct nmreq_register regs[COUNT(names)] = {{0}};
	struct port ports[COUNT(names)];

	(void)state;
	for (size_t i = 0; i < COUNT(names); i++) {
		ports[i] = bind_in(names[i], &option, &regs[i]);
		assert_int_equal(regs[i].nr_mem_id, regs[0].nr_mem_id);
		rings_are_in(&ports[i], memory);
	}
	for (size_t i = 0; i < COUNT(names); i++)
		close(ports[i].fd);
	munmap(memory, SIZE);
}

static void test_the_answer_says_how_it_was_divided(void **state)
{
	uint8_t *memory = memory_of(MAP_PRIVATE | MAP_ANONYMOUS, -1);
	struct nmreq_opt_extmem option = extmem_of(memory, SIZE);
	struct nmreq_register reg = {0};
	struct port port;
	const struct nmreq_pools_info *info = &option.nro_info;

	(void)state;
	option.nro_info.nr_buf_pool_objsize = 4096;
	option.nro_info.nr_buf_pool_objtotal = 2100;
	option.nro_info.nr_ring_pool_objtotal = 20;
	port = bind_in("null:i", &option, &reg);
	assert_int_equal(info->nr_memsize, reg.nr_memsize);
	assert_int_equal(info->nr_mem_id, reg.nr_mem_id);
	assert_int_equal(info->nr_buf_pool_objsize, 4096);
	assert_int_equal(port.tx->nr_buf_size, 4096);
	assert_in_range(info->nr_buf_pool_objtotal, 2048, 2103);
	assert_in_range(info->nr_ring_pool_objtotal, 2, 20);
	assert_true(info->nr_ring_pool_offset > info->nr_if_pool_offset);
	assert_true(info->nr_buf_pool_offset > info->nr_ring_pool_offset);
	close(port.fd);
	munmap(memory, SIZE);
}

static void test_memory_that_will_not_do_is_refused(void **state)
{
	uint8_t *memory = memory_of(MAP_PRIVATE | MAP_ANONYMOUS, -1);
	const size_t page = (size_t)sysconf(_SC_PAGESIZE);
	int fd = file_open();
	uint8_t *file = memory_of(MAP_SHARED, fd);

	(void)state;
	assert_int_equal(refusal("k{1", memory, 0), EINVAL);
	assert_int_equal(refusal("k{1", NULL, SIZE), EINVAL);
	assert_int_equal(refusal("k{1", memory + 64, SIZE / 2), EINVAL);
	assert_int_equal(refusal("k{1", memory, page), ENOMEM);
	assert_int_equal(refusal("k{1", memory, 64 * page), ENOMEM);
	assert_int_equal(munmap(memory + SIZE / 2, page), 0);
	assert_int_equal(refusal("k{1", memory, SIZE), EFAULT);
	assert_int_equal(ftruncate(fd, (off_t)SIZE / 2), 0);
	assert_int_equal(refusal("k{1", file, SIZE), EFAULT);
	assert_int_equal(mprotect(memory, SIZE / 4, PROT_READ), 0);
	assert_int_equal(refusal("k{1", memory, SIZE / 2), EFAULT);
	munmap(memory, SIZE / 2);
	munmap(memory + SIZE / 2 + page, SIZE / 2 - page);
	munmap(file, SIZE);
	close(fd);
}

static void test_an_id_and_memory_are_one_too_many(void **state)
{
	uint8_t *memory = memory_of(MAP_PRIVATE | MAP_ANONYMOUS, -1);
	struct nmreq_opt_extmem option = extmem_of(memory, SIZE);
	struct nmreq_register reg = {.nr_mem_id = 1};
	int fd;

	(void)state;
	fd = netmap_open();
	assert_int_equal(bind_try(fd, "k{1", &option, &reg), EINVAL);
	close(fd);
	munmap(memory, SIZE);
}

static void test_the_descriptor_can_be_mapped_as_well(void **state)
{
	uint8_t *memory = memory_of(MAP_SHARED | MAP_ANONYMOUS, -1), *mapped;
	struct nmreq_opt_extmem option = extmem_of(memory, SIZE);
	struct nmreq_register reg = {0};
	struct netmap_ring *ring;
	struct port port;

	(void)state;
	port = bind_in("loop:m", &option, &reg);
	mapped = mmap(NULL, reg.nr_memsize, PROT_READ | PROT_WRITE, MAP_SHARED, port.fd, 0);
	assert_true(mapped != MAP_FAILED);
	ring = NETMAP_RXRING(NETMAP_IF(mapped, reg.nr_offset), 0);
	send_frame(&port, 12);
	sync_rx(&port);
	assert_int_equal(ring->tail, port.rx->tail);
	assert_memory_equal(NETMAP_BUF(ring, ring->slot[0].buf_idx),
	    NETMAP_BUF(port.rx, port.rx->slot[0].buf_idx), 60);
	munmap(mapped, reg.nr_memsize);
	close(port.fd);
	munmap(memory, SIZE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_private_memory_serves),
	    cmocka_unit_test(test_what_was_in_the_buffers_stays),
	    cmocka_unit_test(test_a_files_memory_stays_the_files),
	    cmocka_unit_test(test_the_same_pages_at_another_address_are_the_same_region),
	    cmocka_unit_test(test_ports_of_all_kinds_share_it),
	    cmocka_unit_test(test_the_answer_says_how_it_was_divided),
	    cmocka_unit_test(test_memory_that_will_not_do_is_refused),
	    cmocka_unit_test(test_an_id_and_memory_are_one_too_many),
	    cmocka_unit_test(test_the_descriptor_can_be_mapped_as_well),
	};

	return cmocka_run_group_tests(tests, group_start, group_end);
}
