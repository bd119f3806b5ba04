/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Where memory is asked for: by a system with several nodes, which the linker's wraps make of any; and what
 * the asking itself does to a mapping, which the system tells.
 */
#include "os/placement.h"
#include "soft/region_place.h"
#include "support.h"

#include <linux/mempolicy.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#define NODE_OF_INTERFACE 5
#define NODE_HERE         3

/* What the linker makes of the calls. NOLINTBEGIN(bugprone-reserved-identifier) */
bool __wrap_os_has_nodes(void);
int __wrap_os_node_of_interface(const char *name);
int __wrap_os_node_here(void);
void __wrap_os_memory_prefer_node(void *at, size_t size, int node);
void __real_os_memory_prefer_node(void *at, size_t size, int node);
int __real_os_node_of_interface(const char *name);
int __real_os_node_here(void);

static struct {
	bool nodes;
	unsigned asked;
	int node;
	uint8_t *from, *end; /* the first stretch */
} system_is;

bool __wrap_os_has_nodes(void)
{
	return system_is.nodes;
}

int __wrap_os_node_of_interface(const char *name)
{
	return strcmp(name, "eth9") == 0 ? NODE_OF_INTERFACE : -1;
}

int __wrap_os_node_here(void)
{
	return NODE_HERE;
}

void __wrap_os_memory_prefer_node(void *at, size_t size, int node)
{
	if (system_is.asked++ == 0) {
		system_is.from = at;
		system_is.end = system_is.from + size;
	}
	system_is.node = node;
}
/* NOLINTEND(bugprone-reserved-identifier) */

static const struct region_shape shape = {.plain = 2,
    .ring_slots = 64,
    .num_bufs = 128 + REGION_FIRST_BUFFER,
    .buf_size = 2048,
    .if_size = 1024};

static void asked_for(const char *near, const char *name, struct region **out)
{
	struct region_wish before = region_wish((struct region_wish){.near = near});

	system_is.asked = 0;
	if (name)
		assert_ok(region_open(NULL, NULL, name, &shape, out));
	else
		assert_ok(region_create(&shape, out));
	region_wish(before);
}

static void done_with(struct region *region)
{
	region_release(region);
	region_reap();
}

static void memory_is_near_its_interface_else_near_its_thread(void **state)
{
	static const struct {
		const char *near, *name;
		int node;
	} rows[] = {{"eth9", NULL, NODE_OF_INTERFACE}, {"pipe{x}", NULL, NODE_HERE},
	    {NULL, NULL, NODE_HERE}, {"eth9", "near", NODE_OF_INTERFACE}, {"x", "near", NODE_HERE}};

	(void)state;
	system_is.nodes = true;
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct region *region;

		asked_for(rows[i].near, rows[i].name, &region);
		assert_true(system_is.asked > 0);
		assert_int_equal(system_is.node, rows[i].node);
		assert_ptr_equal(system_is.from, region->base);
		assert_true(system_is.end >= region_buffer(region, shape.num_bufs - 1));
		done_with(region);
	}
}

static void memory_that_is_there_stays_where_it_is(void **state)
{
	struct region *region, *again;

	(void)state;
	system_is.nodes = true;
	asked_for("eth9", "there", &region);
	asked_for("x", "there", &again);
	assert_int_equal(system_is.asked, 0);
	assert_ptr_equal(again, region);
	done_with(again);
	done_with(region);
}

static void with_one_node_nothing_is_asked(void **state)
{
	struct region *region;

	(void)state;
	system_is.nodes = false;
	asked_for("eth9", NULL, &region);
	assert_int_equal(system_is.asked, 0);
	done_with(region);
}

/* ---- the system's own ---- */

static int policy_of(void *at)
{
	int policy = -1;

	if (syscall(SYS_get_mempolicy, &policy, NULL, 0ul, at, (unsigned long)MPOL_F_ADDR) != 0)
		return -errno;
	return policy;
}

static void *shared_memory(size_t size)
{
	void *at = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	assert_ptr_not_equal(at, MAP_FAILED);
	return at;
}

/* A kernel without NUMA has no policies, and nothing is what has to happen. */
static void a_node_is_preferred_unless_the_program_chose_otherwise(void **state)
{
	const size_t size = 1u << 20;
	unsigned long all = 1;
	void *at = shared_memory(size);
	int before = policy_of(at);

	(void)state;
	__real_os_memory_prefer_node(at, size, __real_os_node_here());
	assert_int_equal(policy_of(at), before == -ENOSYS ? -ENOSYS : MPOL_PREFERRED);
	munmap(at, size);
	if (before == -ENOSYS)
		return;
	at = shared_memory(size);
	assert_int_equal(syscall(SYS_set_mempolicy, MPOL_INTERLEAVE, &all, 8 * sizeof all), 0);
	__real_os_memory_prefer_node(at, size, __real_os_node_here());
	assert_int_equal(policy_of(at), before);
	assert_int_equal(syscall(SYS_set_mempolicy, MPOL_DEFAULT, NULL, 0ul), 0);
	munmap(at, size);
}

static void what_is_no_node_is_no_error(void **state)
{
	static const int wrong[] = {-1, 1023, 1024, 1 << 30};
	static const char *const names[] = {"", "lo", "no-such-one", "../net/lo", ".", "a/b",
	    "a-name-that-is-longer-than-any-interface"};
	void *at = shared_memory(4096);

	(void)state;
	for (size_t i = 0; i < COUNT(wrong); i++)
		__real_os_memory_prefer_node(at, 4096, wrong[i]);
	memset(at, 1, 4096);
	munmap(at, 4096);
	for (size_t i = 0; i < COUNT(names); i++)
		assert_int_equal(__real_os_node_of_interface(names[i]), -1);
}

static void an_address_can_be_had_anywhere_above_a_multiple(void **state)
{
	const size_t page = (size_t)sysconf(_SC_PAGESIZE), align = 2u << 20;
	const size_t phases[] = {0, page, align / 2, align - page};
	const size_t size = 3 * page;
	int fd = memfd_create("placement", MFD_CLOEXEC);

	(void)state;
	assert_int_equal(ftruncate(fd, (off_t)size), 0);
	for (size_t i = 0; i < COUNT(phases); i++) {
		void *at;

		assert_int_equal(os_memory_map_aligned(fd, size, align, phases[i], &at), 0);
		assert_int_equal((uintptr_t)at % align, phases[i]);
		memset(at, 1, size);
		munmap(at, size);
	}
	close(fd);
	assert_int_equal(os_memory_map_aligned(fd, size, align, 0, &(void *){NULL}), -EBADF);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(memory_is_near_its_interface_else_near_its_thread),
	    cmocka_unit_test(memory_that_is_there_stays_where_it_is),
	    cmocka_unit_test(with_one_node_nothing_is_asked),
	    cmocka_unit_test(a_node_is_preferred_unless_the_program_chose_otherwise),
	    cmocka_unit_test(what_is_no_node_is_no_error),
	    cmocka_unit_test(an_address_can_be_had_anywhere_above_a_multiple),
	};

	scratch_directory();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
