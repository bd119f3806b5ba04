/* SPDX-License-Identifier: BSD-2-Clause */
/* Mappings of a port's memory: where they go, what they show, and that they keep the binding. */
#include "support.h"

#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#define RW (PROT_READ | PROT_WRITE)

static size_t page(void)
{
	return (size_t)sysconf(_SC_PAGESIZE);
}

/* Whether the port could be had exclusively: nobody is bound to it. */
static bool is_free(const char *name)
{
	int fd = netmap_open(), err = netmap_bind(fd, name, NR_EXCLUSIVE);

	close(fd);
	assert_true(err == 0 || err == EBUSY);
	return err == 0;
}

static void test_every_mapping_shows_the_same_memory(void **state)
{
	struct port port = port_open("m{same");
	size_t slots = (size_t)((uint8_t *)port.tx->slot - port.memory);
	size_t whole_pages = slots / page() * page();
	uint8_t *again = mmap(NULL, port.size, RW, MAP_SHARED, port.fd, 0);
	uint8_t *part = mmap(NULL, page(), RW, MAP_SHARED, port.fd, (off_t)whole_pages);

	(void)state;
	assert_true(again != MAP_FAILED && part != MAP_FAILED);
	assert_true(again != port.memory);
	put_frames(&port, 1, 42);
	assert_memory_equal(again + slots, port.tx->slot, sizeof port.tx->slot[0]);
	assert_memory_equal(part + (slots - whole_pages), port.tx->slot, sizeof port.tx->slot[0]);
	munmap(again, port.size);
	munmap(part, page());
	port_close(&port);
}

static void test_a_private_mapping_is_private(void **state)
{
	struct port port = port_open("m{private");
	uint8_t *copy = mmap(NULL, port.size, RW, MAP_PRIVATE, port.fd, 0);
	struct netmap_ring *ring = (void *)(copy + ((uint8_t *)port.tx - port.memory));

	(void)state;
	assert_true(copy != MAP_FAILED);
	assert_int_equal(ring->num_slots, port.tx->num_slots);
	ring->head = 17;
	assert_int_equal(port.tx->head, 0);
	munmap(copy, port.size);
	port_close(&port);
}

static void test_what_is_not_there_cannot_be_mapped(void **state)
{
	struct port port = port_open("m{beyond");
	int unbound = netmap_open();
	const off_t size = (off_t)port.size;

	(void)state;
	errno = 0;
	assert_ptr_equal(mmap(NULL, port.size + page(), RW, MAP_SHARED, port.fd, 0), MAP_FAILED);
	assert_int_equal(errno, EINVAL);
	assert_ptr_equal(mmap(NULL, page(), RW, MAP_SHARED, port.fd, size), MAP_FAILED);
	assert_ptr_equal(mmap(NULL, port.size, RW, MAP_SHARED, port.fd, 4096), MAP_FAILED);
	assert_ptr_equal(mmap(NULL, 0, RW, MAP_SHARED, port.fd, 0), MAP_FAILED);
	assert_ptr_equal(mmap(NULL, page(), RW, MAP_SHARED, port.fd, 1), MAP_FAILED);
	errno = 0;
	assert_ptr_equal(mmap(NULL, page(), RW, MAP_SHARED, unbound, 0), MAP_FAILED);
	assert_int_equal(errno, EINVAL);
	close(unbound);
	port_close(&port);
}

static void test_an_address_means_what_it_always_means(void **state)
{
	struct port port = port_open("m{fixed");
	uint8_t *place = mmap(NULL, port.size, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	uint8_t *at;

	(void)state;
	errno = 0;
	at = mmap(place, port.size, RW, MAP_SHARED | MAP_FIXED_NOREPLACE, port.fd, 0);
	assert_ptr_equal(at, MAP_FAILED);
	assert_int_equal(errno, EEXIST);
	at = mmap(place, port.size, RW, MAP_SHARED | MAP_FIXED, port.fd, 0);
	assert_ptr_equal(at, place);
	assert_memory_equal(at, port.memory, page());
	munmap(at, port.size);
	at = mmap(place, port.size, RW, MAP_SHARED | MAP_FIXED_NOREPLACE, port.fd, 0);
	assert_ptr_equal(at, place);
	munmap(at, port.size);
	port_close(&port);
}

static void test_a_mapping_keeps_the_binding(void **state)
{
	struct port port = port_open_flags("m{keep", NR_EXCLUSIVE);

	(void)state;
	assert_false(is_free("m{keep"));
	assert_int_equal(close(port.fd), 0);
	assert_false(is_free("m{keep"));
	assert_int_equal(munmap(port.memory, port.size), 0);
	assert_true(is_free("m{keep"));
}

static void test_a_piece_of_a_mapping_keeps_it_too(void **state)
{
	struct port port = port_open_flags("m{piece", NR_EXCLUSIVE);
	uint8_t *end = port.memory + port.size;

	(void)state;
	assert_int_equal(close(port.fd), 0);
	/* A hole in the middle, then the front, then what is left but one page, then that. */
	assert_int_equal(munmap(port.memory + 2 * page(), page()), 0);
	assert_false(is_free("m{piece"));
	assert_int_equal(munmap(port.memory, 2 * page()), 0);
	assert_false(is_free("m{piece"));
	assert_int_equal(munmap(port.memory + 3 * page(), port.size - 4 * page()), 0);
	assert_false(is_free("m{piece"));
	assert_int_equal(munmap(end - page(), page()), 0);
	assert_true(is_free("m{piece"));
}

static void test_mapping_something_over_it_is_unmapping(void **state)
{
	struct port port = port_open_flags("m{over", NR_EXCLUSIVE);
	void *at;

	(void)state;
	assert_int_equal(close(port.fd), 0);
	at = mmap(port.memory, port.size, RW, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
	assert_ptr_equal(at, port.memory);
	assert_true(is_free("m{over"));
	munmap(at, port.size);
}

static void test_mapping_another_port_over_it_is_too(void **state)
{
	struct port port = port_open_flags("m{first", NR_EXCLUSIVE);
	struct port other = port_open_flags("m{second", NR_EXCLUSIVE);
	void *at;

	(void)state;
	assert_int_equal(port.size, other.size);
	assert_int_equal(close(port.fd), 0);
	at = mmap(port.memory, other.size, RW, MAP_SHARED | MAP_FIXED, other.fd, 0);
	assert_ptr_equal(at, port.memory);
	assert_true(is_free("m{first"));
	port_close(&other);
	assert_false(is_free("m{second"));
	munmap(at, port.size);
	assert_true(is_free("m{second"));
}

static void test_a_mapping_shrinks_but_does_not_grow_or_move(void **state)
{
	struct port port = port_open_flags("m{remap", NR_EXCLUSIVE);
	void *at;

	(void)state;
	assert_int_equal(close(port.fd), 0);
	at = mremap(port.memory, port.size, port.size + page(), MREMAP_MAYMOVE);
	assert_ptr_equal(at, MAP_FAILED);
	assert_false(is_free("m{remap"));
	at = mremap(port.memory, port.size, page(), 0);
	assert_ptr_equal(at, port.memory);
	assert_int_equal(munmap(port.memory + page(), port.size - page()), 0);
	assert_false(is_free("m{remap"));
	assert_int_equal(munmap(port.memory, page()), 0);
	assert_true(is_free("m{remap"));
}

static void test_other_memory_moves_as_ever(void **state)
{
	struct port below = port_open("m{below"), above = port_open("m{above");
	uint8_t *at = mmap(NULL, page(), RW, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	(void)state;
	at[0] = 7;
	at = mremap(at, page(), 64 * page(), MREMAP_MAYMOVE);
	assert_true(at != MAP_FAILED);
	assert_int_equal(at[0], 7);
	assert_int_equal(munmap(at, 64 * page()), 0);
	assert_errno(munmap(below.memory + 1, 1), EINVAL);
	port_close(&below);
	port_close(&above);
}

/* Both ends of a pipe are one region: a program that knows maps it once. */
static void test_one_mapping_serves_every_port_of_its_region(void **state)
{
	struct port master = port_open("m{region");
	struct nmreq_register reg = {.nr_mode = NR_REG_ALL_NIC};
	struct port slave = {.fd = netmap_open()};

	(void)state;
	assert_int_equal(control(slave.fd, "m}region", NETMAP_REQ_REGISTER, &reg, NULL), 0);
	assert_int_equal(reg.nr_memsize, master.size);
	slave.nifp = NETMAP_IF(master.memory, reg.nr_offset);
	slave.rx = NETMAP_RXRING(slave.nifp, 0);
	send_frame(&master, 5);
	sync_rx(&slave);
	assert_int_equal(take_frame(&slave), 5);
	close(slave.fd);
	port_close(&master);
}

static void test_a_port_is_gone_only_when_all_is(void **state)
{
	struct port port = port_open_flags("m{all", NR_EXCLUSIVE);
	void *again = mmap(NULL, page(), PROT_READ, MAP_SHARED, port.fd, 0);
	int duplicate = dup(port.fd);

	(void)state;
	port_close(&port);
	assert_false(is_free("m{all"));
	assert_int_equal(ioctl(duplicate, NIOCTXSYNC), 0);
	munmap(again, page());
	assert_false(is_free("m{all"));
	close(duplicate);
	assert_true(is_free("m{all"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_every_mapping_shows_the_same_memory),
	    cmocka_unit_test(test_a_private_mapping_is_private),
	    cmocka_unit_test(test_what_is_not_there_cannot_be_mapped),
	    cmocka_unit_test(test_an_address_means_what_it_always_means),
	    cmocka_unit_test(test_a_mapping_keeps_the_binding),
	    cmocka_unit_test(test_a_piece_of_a_mapping_keeps_it_too),
	    cmocka_unit_test(test_mapping_something_over_it_is_unmapping),
	    cmocka_unit_test(test_mapping_another_port_over_it_is_too),
	    cmocka_unit_test(test_a_mapping_shrinks_but_does_not_grow_or_move),
	    cmocka_unit_test(test_other_memory_moves_as_ever),
	    cmocka_unit_test(test_one_mapping_serves_every_port_of_its_region),
	    cmocka_unit_test(test_a_port_is_gone_only_when_all_is),
	};

	return cmocka_run_group_tests(tests, group_start, group_end);
}
