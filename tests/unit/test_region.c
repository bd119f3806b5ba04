/* SPDX-License-Identifier: BSD-2-Clause */
/* Regions: where things lie, what is shared with what, and buffers that are handed out. */
#include "support.h"

#include "os/os.h"
#include "soft/region.h"

#include <unistd.h>

#define BUF 2048u

static struct region *region_of(const struct region_ring *rings, uint32_t n, uint32_t bufs)
{
	struct region_plan plan = {
	    .rings = rings, .num_rings = n, .num_bufs = bufs, .buf_size = BUF, .shared_fd = -1};
	struct region *region = NULL;

	assert_ok(region_create(&plan, &region));
	for (uint32_t i = 0; i < n; i++)
		region_ring_init(region, i, i % 2 == 0, (uint16_t)(i / 2));
	return region;
}

static bool inside(const struct region *region, const void *at, size_t len)
{
	const uint8_t *p = at;

	return p >= region->base && p + len <= region->base + region->size;
}

static void slots_begin_on_a_page_and_the_header_ends_before_it(void **state)
{
	static const uint32_t slots[] = {2, 100, 256, 257, 1024, 4096};
	const size_t page = os_page_size();
	struct region_ring rings[COUNT(slots)];
	struct region *region;
	const uint8_t *end;

	(void)state;
	for (size_t i = 0; i < COUNT(slots); i++)
		rings[i] = (struct region_ring){.num_slots = slots[i], .same_as = -1};
	region = region_of(rings, COUNT(slots), 64);
	end = region->base + region->if_size * REGION_MAX_IFS;
	for (uint32_t i = 0; i < COUNT(slots); i++) {
		struct netmap_ring *ring = region_ring(region, i);

		assert_int_equal((uintptr_t)ring->slot % page, 0);
		assert_int_equal((uintptr_t)ring % 128, 0);
		assert_true((const uint8_t *)ring >= end);
		end = (const uint8_t *)&ring->slot[slots[i]];
		assert_true(inside(region, ring, sizeof *ring + slots[i] * sizeof ring->slot[0]));
		assert_int_equal(ring->num_slots, slots[i]);
		assert_int_equal(ring->nr_buf_size, BUF);
		assert_int_equal(ring->dir, i % 2 == 0);
		assert_int_equal(ring->ringid, i / 2);
		assert_ptr_equal((uint8_t *)ring + ring->buf_ofs, region_buffer(region, 0));
	}
	assert_true(region_buffer(region, 0) >= end);
	region_release(region);
}

static void buffers_are_aligned_and_follow_each_other(void **state)
{
	const struct region_ring ring = {.num_slots = 16, .same_as = -1};
	struct region *region = region_of(&ring, 1, 100);

	(void)state;
	for (uint32_t i = 0; i < 100; i++) {
		uint8_t *buffer = region_buffer(region, i);

		assert_int_equal((uintptr_t)buffer % 64, 0);
		assert_ptr_equal(buffer, region_buffer(region, 0) + (size_t)i * BUF);
		assert_true(inside(region, buffer, BUF));
		memset(buffer, (int)i, BUF);
	}
	for (uint32_t i = 0; i < 100; i++)
		assert_int_equal(region_buffer(region, i)[BUF - 1], i);
	region_release(region);
}

static void rings_given_the_same_slots_have_them_in_common_and_nothing_else(void **state)
{
	const struct region_ring rings[] = {{.num_slots = 300, .same_as = -1},
	    {.num_slots = 300, .same_as = 0}, {.num_slots = 300, .same_as = -1},
	    {.num_slots = 300, .same_as = 2}};
	struct region *region = region_of(rings, COUNT(rings), 16);
	struct netmap_ring *a = region_ring(region, 0), *b = region_ring(region, 1);
	struct netmap_ring *c = region_ring(region, 2), *d = region_ring(region, 3);

	(void)state;
	for (uint32_t i = 0; i < 300; i++) {
		a->slot[i].buf_idx = i;
		c->slot[i].buf_idx = 1000 + i;
		b->slot[i].len = (uint16_t)i;
		d->slot[i].ptr = i;
	}
	for (uint32_t i = 0; i < 300; i++) {
		assert_int_equal(b->slot[i].buf_idx, i);
		assert_int_equal(a->slot[i].len, i);
		assert_int_equal(a->slot[i].ptr, 0);
		assert_int_equal(d->slot[i].buf_idx, 1000 + i);
		assert_int_equal(c->slot[i].ptr, i);
		assert_int_equal(c->slot[i].len, 0);
	}
	a->head = 7;
	assert_int_equal(b->head, 0);
	region_release(region);
}

static void a_shared_file_has_slots_and_buffers_and_no_headers(void **state)
{
	const size_t slots = region_slot_bytes(32);
	const struct region_ring there = {.num_slots = 32, .slots_at = (off_t)slots, .same_as = -1};
	const int fd = os_memory_create("test", 2 * slots + 64 * (size_t)BUF);
	uint32_t next = 2;
	struct region_plan plan = {.rings = &there,
	    .num_rings = 1,
	    .num_bufs = 64,
	    .buf_size = BUF,
	    .shared_fd = fd,
	    .bufs_at = (off_t)(2 * slots),
	    .next_buffer = &next};
	struct region *one = NULL, *two = NULL;

	(void)state;
	assert_true(fd >= 0);
	assert_ok(region_create(&plan, &one));
	assert_ok(region_create(&plan, &two));
	assert_ptr_not_equal(one->base, two->base);
	assert_int_not_equal(one->id, two->id);
	region_ring(one, 0)->slot[31].buf_idx = 77;
	assert_int_equal(region_ring(two, 0)->slot[31].buf_idx, 77);
	region_buffer(two, 63)[BUF - 1] = 99;
	assert_int_equal(region_buffer(one, 63)[BUF - 1], 99);
	region_ring(one, 0)->head = 5;
	assert_int_equal(region_ring(two, 0)->head, 0);
	region_release(one);
	region_ring(two, 0)->slot[0].len = 1; /* still mapped */
	region_release(two);
	close(fd);
}

static void there_are_16_interfaces_and_no_more(void **state)
{
	const struct region_ring ring = {.num_slots = 16, .same_as = -1};
	struct region *region = region_of(&ring, 1, 16);
	struct netmap_if *taken[REGION_MAX_IFS];

	(void)state;
	for (uint32_t i = 0; i < REGION_MAX_IFS; i++) {
		taken[i] = region_if_take(region);
		assert_non_null(taken[i]);
		assert_true(inside(region, taken[i], region->if_size));
		memset(taken[i], 0xff, region->if_size);
	}
	assert_null(region_if_take(region));
	assert_int_equal(region_ring(region, 0)->num_slots, 16);
	region_if_give(region, taken[9]);
	assert_ptr_equal(region_if_take(region), taken[9]);
	assert_int_equal(taken[9]->ni_bufs_head, 0);
	region_release(region);
}

static uint32_t list_length(const struct region *region, uint32_t head)
{
	uint32_t n = 0;

	for (; head != 0 && n <= region->num_bufs; n++)
		memcpy(&head, region_buffer(region, head), sizeof head);
	return n;
}

static void buffers_are_handed_out_once_until_given_back(void **state)
{
	const struct region_ring ring = {.num_slots = 16, .same_as = -1};
	struct region *region = region_of(&ring, 1, 34);
	uint32_t a, b, c;

	(void)state;
	assert_int_equal(region_buffers_take(region, 10, &a), 10);
	assert_int_equal(region_buffers_take(region, 30, &b), 22); /* 32 there were */
	assert_int_equal(list_length(region, a), 10);
	assert_int_equal(list_length(region, b), 22);
	assert_int_equal(region_buffers_take(region, 1, &c), 0);
	assert_int_equal(c, 0);
	region_buffers_give(region, a, 10);
	assert_int_equal(region_buffers_take(region, 50, &c), 10);
	assert_int_equal(region_buffers_take(region, 0, &c), 0);
	region_release(region);
}

/* The lists are in memory that programs write. */
static void a_list_that_lies_is_taken_as_far_as_it_is_true(void **state)
{
	static const uint32_t lies[] = {1, 34, 0x80000000, UINT32_MAX};
	const struct region_ring ring = {.num_slots = 16, .same_as = -1};

	(void)state;
	for (size_t i = 0; i < COUNT(lies); i++) {
		struct region *region = region_of(&ring, 1, 34);
		uint32_t head, again;

		assert_int_equal(region_buffers_take(region, 5, &head), 5);
		memcpy(region_buffer(region, head), &lies[i], sizeof lies[i]);
		region_buffers_give(region, head, 5);
		memcpy(region_buffer(region, head), &lies[i], sizeof lies[i]);
		assert_in_range(region_buffers_take(region, 40, &again), 1, 40);
		region_buffers_give(region, lies[i], 40);
		region_release(region);
	}
}

/* A list that bites its tail gives back what it holds, as often as it was granted, and ends. */
static void a_list_in_a_circle_ends(void **state)
{
	const struct region_ring ring = {.num_slots = 16, .same_as = -1};
	struct region *region = region_of(&ring, 1, 34);
	uint32_t head;

	(void)state;
	assert_int_equal(region_buffers_take(region, 5, &head), 5);
	memcpy(region_buffer(region, head), &head, sizeof head);
	region_buffers_give(region, head, 5);
	assert_true(region_buffers_take(region, 100, &head) <= 100);
	region_release(region);
}

static void what_cannot_be_mapped_is_refused_and_given_back(void **state)
{
	const struct region_ring ring = {.num_slots = 16, .same_as = -1};
	struct region_plan plan = {.rings = &ring,
	    .num_rings = 1,
	    .num_bufs = UINT32_MAX,
	    .buf_size = UINT32_MAX,
	    .shared_fd = -1};
	struct region *region = NULL;
	unsigned before = open_descriptors();

	(void)state;
	assert_refused(region_create(&plan, &region), -ENOMEM, "1 rings");
	assert_null(region);
	assert_int_equal(open_descriptors(), before);
}

static void the_last_reference_gives_everything_back(void **state)
{
	const struct region_ring ring = {.num_slots = 16, .same_as = -1};
	unsigned before = open_descriptors();
	struct region *region = region_of(&ring, 1, 16);

	(void)state;
	region_reference(region);
	region_release(region);
	memset(region_buffer(region, 15), 1, BUF);
	region_release(region);
	assert_int_equal(open_descriptors(), before);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(slots_begin_on_a_page_and_the_header_ends_before_it),
	    cmocka_unit_test(buffers_are_aligned_and_follow_each_other),
	    cmocka_unit_test(rings_given_the_same_slots_have_them_in_common_and_nothing_else),
	    cmocka_unit_test(a_shared_file_has_slots_and_buffers_and_no_headers),
	    cmocka_unit_test(there_are_16_interfaces_and_no_more),
	    cmocka_unit_test(buffers_are_handed_out_once_until_given_back),
	    cmocka_unit_test(a_list_that_lies_is_taken_as_far_as_it_is_true),
	    cmocka_unit_test(a_list_in_a_circle_ends),
	    cmocka_unit_test(what_cannot_be_mapped_is_refused_and_given_back),
	    cmocka_unit_test(the_last_reference_gives_everything_back),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
