/* SPDX-License-Identifier: BSD-2-Clause */
/* Regions of one process: where things lie, what is shared with what, and what is handed out. */
#include "support.h"

#include "os/os.h"
#include "regions.h"
#include "soft/pool.h"
#include "soft/region.h"

#include <signal.h>
#include <sys/mman.h>
#include <unistd.h>

#define BUF 2048u

static struct region *region_of(uint32_t plain, uint32_t pairs, uint32_t slots, uint32_t bufs)
{
	const struct region_shape shape = {.plain = plain,
	    .pairs = pairs,
	    .ring_slots = slots,
	    .num_bufs = bufs,
	    .buf_size = BUF,
	    .if_size = 1024};
	struct region *region = NULL;

	assert_ok(region_create(&shape, &region));
	for (uint32_t area = 0; area < region_areas(&shape); area++)
		assert_ok(region_area_map(region, area));
	for (uint32_t i = 0; i < region_rings(&shape); i++)
		region_ring_init(region, i, slots, i % 2 == 0, (uint16_t)(i / 2));
	return region;
}

static bool inside(const struct region *region, const void *at, size_t len)
{
	const uint8_t *p = at;

	return p >= region->base && p + len <= region->base + region->size;
}

/* ---- where things lie ---- */

static void slots_begin_on_a_page_and_the_header_ends_before_it(void **state)
{
	static const uint32_t slots[] = {2, 100, 256, 257, 1024, 4096};
	const size_t page = os_page_size();

	(void)state;
	for (size_t k = 0; k < COUNT(slots); k++) {
		struct region *region = region_of(3, 2, slots[k], 64);
		const uint8_t *end = region->base + (size_t)region->shape.if_size * REGION_IFS;

		for (uint32_t i = 0; i < region_rings(&region->shape); i++) {
			struct netmap_ring *ring = region_ring(region, i);

			assert_int_equal((uintptr_t)ring->slot % page, 0);
			assert_int_equal((uintptr_t)ring % 128, 0);
			assert_true((const uint8_t *)ring >= end);
			end = (const uint8_t *)&ring->slot[slots[k]];
			assert_true(inside(region, ring, (size_t)(end - (const uint8_t *)ring)));
			assert_int_equal(ring->num_slots, slots[k]);
			assert_int_equal(ring->nr_buf_size, BUF);
			assert_int_equal(ring->dir, i % 2 == 0);
			assert_int_equal(ring->ringid, i / 2);
			assert_ptr_equal((uint8_t *)ring + ring->buf_ofs, region_buffer(region, 0));
		}
		assert_true(region_buffer(region, 0) >= end);
		region_drop(region);
	}
}

static void buffers_are_aligned_and_follow_each_other(void **state)
{
	struct region *region = region_of(1, 0, 16, 100);

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
	region_drop(region);
}

static void rings_of_a_pair_have_their_slots_in_common_and_nothing_else(void **state)
{
	struct region *region = region_of(1, 2, 300, 16);
	struct netmap_ring *plain = region_ring(region, region_ring_of(region, 0, false));
	struct netmap_ring *a = region_ring(region, region_ring_of(region, 1, false));
	struct netmap_ring *b = region_ring(region, region_ring_of(region, 1, true));
	struct netmap_ring *c = region_ring(region, region_ring_of(region, 2, false));
	struct netmap_ring *d = region_ring(region, region_ring_of(region, 2, true));

	(void)state;
	for (uint32_t i = 0; i < 300; i++) {
		plain->slot[i].ptr = 7;
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
		assert_int_equal(plain->slot[i].buf_idx, 0);
	}
	assert_ptr_equal(region_slots(region, 0), plain->slot);
	assert_int_equal(region_slots(region, 2)[299].buf_idx, 1299);
	a->head = 7;
	assert_int_equal(b->head, 0);
	region_drop(region);
}

static void a_region_that_is_mapped_again_is_the_same_everywhere(void **state)
{
	struct region *region = region_of(1, 1, 256, 16);
	void *again;
	size_t at;

	(void)state;
	assert_ok(os_memory_map(region->fd, region->size, &again));
	assert_ok(
	    region_map_at(region, again, region->size, PROT_READ | PROT_WRITE, MAP_SHARED, 0));
	region_ring(region, 2)->slot[255].len = 99;
	at = (size_t)((uint8_t *)&region_ring(region, 1)->slot[255].len - region->base);
	assert_int_equal(*(uint16_t *)(void *)((uint8_t *)again + at), 99);
	at = (size_t)((uint8_t *)&region_ring(region, 2)->slot[255].len - region->base);
	assert_int_equal(*(uint16_t *)(void *)((uint8_t *)again + at), 99);
	at = (size_t)(region_buffer(region, 15) - region->base);
	((uint8_t *)again)[at] = 55;
	assert_int_equal(region_buffer(region, 15)[0], 55);
	assert_refused(region_map_at(region, again, region->size + 1, PROT_READ, MAP_SHARED, 0),
	    -EINVAL, "more than the region");
	os_memory_unmap(again, region->size);
	region_drop(region);
}

/* ---- netmap_ifs ---- */

static void there_are_64_interfaces_and_no_more(void **state)
{
	struct region *region = region_of(1, 0, 16, 16);
	struct netmap_if *taken[REGION_IFS], *again = NULL;
	int locks[REGION_IFS], lock;

	(void)state;
	for (uint32_t i = 0; i < REGION_IFS; i++) {
		assert_ok(region_if_take(region, &taken[i], &locks[i]));
		for (uint32_t k = 0; k < i; k++)
			assert_ptr_not_equal(taken[k], taken[i]);
		assert_true(inside(region, taken[i], region->shape.if_size));
		memset(taken[i], 0xff, region->shape.if_size);
	}
	assert_refused(region_if_take(region, &again, &lock), -ENOMEM, "64 times");
	assert_null(again);
	assert_int_equal(region_ring(region, 0)->num_slots, 16);
	assert_true(region_if_give(region, taken[9], locks[9]));
	assert_ok(region_if_take(region, &again, &locks[9]));
	assert_ptr_equal(again, taken[9]);
	assert_int_equal(again->ni_bufs_head, 0);
	for (uint32_t i = 0; i < REGION_IFS; i++)
		assert_true(region_if_give(region, taken[i], locks[i]));
	region_drop(region);
}

/* ---- buffers ---- */

static uint32_t list_length(const struct region *region, uint32_t head)
{
	uint32_t n = 0;

	for (; head != 0 && n <= region->num_bufs; n++)
		memcpy(&head, region_buffer(region, head), sizeof head);
	return n;
}

static void buffers_are_handed_out_once_until_given_back(void **state)
{
	struct region *region = region_of(1, 0, 16, 34);
	uint32_t a, b, c;

	(void)state;
	assert_int_equal(region_buffers_free(region), 32);
	assert_int_equal(region_buffers_take(region, 10, &a), 10);
	assert_int_equal(region_buffers_take(region, 30, &b), 22);
	assert_int_equal(list_length(region, a), 10);
	assert_int_equal(list_length(region, b), 22);
	assert_int_equal(region_buffers_take(region, 1, &c), 0);
	assert_int_equal(c, 0);
	region_buffers_give(region, a, 10);
	assert_int_equal(region_buffers_take(region, 50, &c), 10);
	assert_int_equal(region_buffers_take(region, 0, &c), 0);
	region_drop(region);
}

static void every_buffer_is_handed_out_whatever_their_number(void **state)
{
	static const uint32_t numbers[] = {3, 63, 64, 65, 66, 127, 128, 130, 1000};

	(void)state;
	for (size_t i = 0; i < COUNT(numbers); i++) {
		struct region *region = region_of(1, 0, 16, numbers[i]);
		bool seen[1000] = {false};
		uint32_t head, n = numbers[i] - REGION_FIRST_BUFFER;

		assert_int_equal(region_buffers_take(region, UINT32_MAX, &head), n);
		assert_int_equal(region_buffers_free(region), 0);
		for (; n > 0; n--) {
			assert_in_range(head, REGION_FIRST_BUFFER, numbers[i] - 1);
			assert_false(seen[head]);
			seen[head] = true;
			memcpy(&head, region_buffer(region, head), sizeof head);
		}
		assert_int_equal(head, 0);
		region_drop(region);
	}
}

/* The lists are in memory that programs write. */
static void a_list_that_lies_is_taken_as_far_as_it_is_true(void **state)
{
	static const uint32_t lies[] = {0, 1, 34, 64, 0x80000000, UINT32_MAX};

	(void)state;
	for (size_t i = 0; i < COUNT(lies); i++) {
		struct region *region = region_of(1, 0, 16, 34);
		uint32_t head;

		assert_int_equal(region_buffers_take(region, 5, &head), 5);
		memcpy(region_buffer(region, head), &lies[i], sizeof lies[i]);
		region_buffers_give(region, head, 5);
		assert_int_equal(region_buffers_free(region), 32 - 4);
		region_buffers_give(region, lies[i], 40);
		assert_int_equal(region_buffers_free(region), 32 - 4);
		region_drop(region);
	}
}

static void a_list_in_a_circle_ends(void **state)
{
	struct region *region = region_of(1, 0, 16, 34);
	uint32_t head;

	(void)state;
	assert_int_equal(region_buffers_take(region, 5, &head), 5);
	memcpy(region_buffer(region, head), &head, sizeof head);
	region_buffers_give(region, head, 5);
	assert_int_equal(region_buffers_free(region), 32 - 4);
	region_drop(region);
}

static void a_list_given_back_twice_counts_once(void **state)
{
	struct region *region = region_of(1, 0, 16, 34);
	uint32_t head, other;

	(void)state;
	assert_int_equal(region_buffers_take(region, 8, &head), 8);
	region_buffers_give(region, head, 8);
	region_buffers_give(region, head, 8);
	assert_int_equal(region_buffers_free(region), 32);
	assert_int_equal(region_buffers_take(region, 40, &other), 32);
	assert_int_equal(list_length(region, other), 32);
	region_drop(region);
}

static void no_more_is_taken_back_than_was_granted(void **state)
{
	struct region *region = region_of(1, 0, 16, 34);
	uint32_t head;

	(void)state;
	assert_int_equal(region_buffers_take(region, 8, &head), 8);
	region_buffers_give(region, head, 3);
	assert_int_equal(region_buffers_free(region), 32 - 5);
	region_drop(region);
}

/* ---- areas ---- */

static void a_taken_area_has_a_buffer_in_each_slot_and_gives_them_back(void **state)
{
	struct region *region = region_of(2, 2, 16, 130);
	const uint32_t slots[] = {16, 4, 8};
	bool seen[130] = {false};
	struct region_claim claim;

	(void)state;
	assert_ok(region_areas_take(region, 1, 2, slots, &claim));
	assert_int_equal(claim.num_areas, 3);
	assert_int_equal(claim.areas[0], 0);
	assert_in_range(claim.areas[1], 2, 3);
	assert_int_equal(region_buffers_free(region), 128 - 28);
	for (uint32_t i = 0; i < 3; i++) {
		const struct netmap_slot *slot = region_slots(region, claim.areas[i]);

		assert_true(region_area_generation(region, claim.areas[i]) & 1);
		for (uint32_t k = 0; k < slots[i]; k++) {
			assert_in_range(slot[k].buf_idx, REGION_FIRST_BUFFER, 129);
			assert_false(seen[slot[k].buf_idx]);
			seen[slot[k].buf_idx] = true;
			assert_int_equal(slot[k].len, BUF);
		}
	}
	region_areas_give(region, &claim);
	assert_int_equal(region_buffers_free(region), 128);
	for (uint32_t area = 0; area < 4; area++)
		assert_int_equal(region_area_generation(region, area) & 1, 0);
	region_drop(region);
}

/* What a program swapped into the slots goes back, not what was there in the beginning. */
static void an_area_gives_back_the_buffers_that_are_in_its_slots(void **state)
{
	struct region *region = region_of(2, 0, 8, 34);
	const uint32_t slots[] = {8};
	struct region_claim claim;
	uint32_t extra, was;

	(void)state;
	assert_ok(region_areas_take(region, 1, 0, slots, &claim));
	assert_int_equal(region_buffers_take(region, 1, &extra), 1);
	was = region_slots(region, claim.areas[0])[3].buf_idx;
	region_slots(region, claim.areas[0])[3].buf_idx = extra;
	region_areas_give(region, &claim);
	assert_int_equal(region_buffers_free(region), 31);
	memset(region_buffer(region, was), 0, sizeof(uint32_t));
	region_buffers_give(region, was, 1);
	assert_int_equal(region_buffers_free(region), 32);
	region_drop(region);
}

static void slots_that_lie_give_back_nothing_that_is_not_there(void **state)
{
	static const uint32_t lies[] = {0, 1, 34, 63, 64, 0x80000000, UINT32_MAX};
	struct region *region = region_of(1, 0, 16, 34);
	const uint32_t slots[] = {16};
	struct region_claim claim;

	(void)state;
	assert_ok(region_areas_take(region, 1, 0, slots, &claim));
	for (size_t i = 0; i < COUNT(lies); i++)
		region_slots(region, 0)[i].buf_idx = lies[i];
	region_slots(region, 0)[COUNT(lies)].buf_idx = region_slots(region, 0)[15].buf_idx;
	region_areas_give(region, &claim);
	assert_int_equal(region_buffers_free(region), 32 - COUNT(lies) - 1);
	region_drop(region);
}

static void areas_are_taken_whole_or_not_at_all(void **state)
{
	static const struct {
		uint32_t plain, pairs, slots;
		const char *word;
	} rows[] = {{3, 0, 4, "no room for another ring"}, {1, 3, 4, "another pair of rings"},
	    {1, 1, 17, "17 slots"}, {2, 2, 16, "no buffers left"}};
	struct region *region = region_of(2, 2, 16, 34);
	unsigned descriptors = open_descriptors();
	struct region_claim claim;

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		uint32_t slots[8];

		for (size_t k = 0; k < COUNT(slots); k++)
			slots[k] = rows[i].slots;
		assert_refused(
		    region_areas_take(region, rows[i].plain, rows[i].pairs, slots, &claim), -ENOMEM,
		    rows[i].word);
		assert_int_equal(region_buffers_free(region), 32);
		for (uint32_t area = 0; area < 4; area++)
			assert_int_equal(region_area_generation(region, area) & 1, 0);
		assert_int_equal(open_descriptors(), descriptors);
	}
	region_drop(region);
}

static void an_area_is_joined_only_in_the_generation_that_it_has(void **state)
{
	struct region *region = region_of(1, 1, 16, 34);
	const uint32_t slots[] = {4}, other = 0, beyond = 2, huge = UINT32_MAX;
	struct region_claim claim, joined;
	uint32_t generation, wrong;

	(void)state;
	assert_ok(region_areas_take(region, 0, 1, slots, &claim));
	generation = region_area_generation(region, claim.areas[0]);
	wrong = generation + 2;
	assert_refused(
	    region_areas_join(region, 1, claim.areas, &wrong, &joined), -EPROTO, "went away");
	assert_refused(region_areas_join(region, 1, &other, &generation, &joined), -EPROTO, "");
	assert_refused(region_areas_join(region, 1, &beyond, &generation, &joined), -EPROTO, "");
	assert_refused(region_areas_join(region, 1, &huge, &generation, &joined), -EPROTO, "");
	assert_int_equal(region_buffers_free(region), 28);
	assert_int_equal(region_area_generation(region, claim.areas[0]), generation);
	region_areas_give(region, &claim);
	region_drop(region);
}

/* ---- children: they have the region too ---- */

static int takes_an_interface(void *arg)
{
	struct netmap_if *nifp;
	int lock;

	alarm(20);
	return region_if_take(arg, &nifp, &lock) == 0 ? pause() : 1;
}

static void an_interface_of_a_killed_child_is_free_again(void **state)
{
	struct region *region = region_of(1, 0, 16, 16);

	(void)state;
	for (unsigned i = 0; i < 2 * REGION_IFS; i++) {
		pid_t child = child_start(takes_an_interface, region);
		struct netmap_if *nifp;
		int lock;

		usleep(500);
		kill(child, SIGKILL);
		assert_int_equal(child_wait(child), -SIGKILL);
		assert_ok(region_if_take(region, &nifp, &lock));
		assert_ptr_equal(nifp, region->base);
		assert_true(region_if_give(region, nifp, lock));
	}
	region_drop(region);
}

static int keeps_on(void *arg)
{
	(void)arg;
	alarm(20);
	return pause();
}

static void what_a_child_still_uses_is_not_given_back(void **state)
{
	struct region *region = region_of(1, 0, 16, 34);
	const uint32_t slots[] = {16};
	struct netmap_if *nifp, *other;
	struct region_claim claim;
	int lock, another;
	pid_t child;

	(void)state;
	assert_ok(region_areas_take(region, 1, 0, slots, &claim));
	assert_ok(region_if_take(region, &nifp, &lock));
	child = child_start(keeps_on, NULL);
	region_areas_give(region, &claim);
	assert_false(region_if_give(region, nifp, lock));
	assert_int_equal(region_area_generation(region, 0) & 1, 1);
	assert_int_not_equal(region_slots(region, 0)[15].buf_idx, 0);
	assert_int_equal(region_buffers_free(region), 16);
	assert_ok(region_if_take(region, &other, &another));
	assert_ptr_not_equal(other, nifp);
	assert_true(region_if_give(region, other, another));
	kill(child, SIGKILL);
	assert_int_equal(child_wait(child), -SIGKILL);
	assert_ok(region_areas_take(region, 1, 0, slots, &claim));
	region_areas_give(region, &claim);
	assert_int_equal(region_buffers_free(region), 32);
	region_drop(region);
}

/* ---- life ---- */

static void what_cannot_be_mapped_is_refused_and_given_back(void **state)
{
	const struct region_shape shape = {.plain = 1,
	    .ring_slots = 16,
	    .num_bufs = UINT32_MAX,
	    .buf_size = UINT16_MAX / 64 * 64,
	    .if_size = 1024};
	struct region *region = NULL;
	unsigned before = open_descriptors();

	(void)state;
	assert_refused(region_create(&shape, &region), -ENOMEM, "1 rings");
	assert_null(region);
	assert_int_equal(open_descriptors(), before);
}

static void shapes_that_cannot_be_are_refused(void **state)
{
	static const struct region_shape rows[] = {{0, 0, 16, 16, BUF, 1024, 0},
	    {REGION_AREAS_MAX + 1, 0, 16, 16, BUF, 1024, 0},
	    {1, REGION_AREAS_MAX, 16, 16, BUF, 1024, 0}, {1, UINT32_MAX, 16, 16, BUF, 1024, 0},
	    {1, 0, 0, 16, BUF, 1024, 0}, {1, 0, 1u << 20, 16, BUF, 1024, 0},
	    {1, 0, 16, 2, BUF, 1024, 0}, {1, 0, 16, 16, 0, 1024, 0}, {1, 0, 16, 16, 65, 1024, 0},
	    {1, 0, 16, 16, 1u << 17, 1024, 0}, {1, 0, 16, 16, BUF, 8, 0},
	    {1, 0, 16, 16, BUF, 1025, 0}, {1, 0, 16, 16, BUF, 1u << 20, 0},
	    {1, 0, 16, 16, BUF, 1024, 64}, {1, 0, 16, 16, REGION_HEADROOM, 1024, REGION_HEADROOM}};
	unsigned before = open_descriptors();

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct region *region = NULL;

		assert_int_equal(region_create(&rows[i], &region), -ENOMEM);
		assert_int_equal(
		    region_open(NULL, scratch_directory(), "x", &rows[i], &region), -ENOMEM);
		assert_null(region);
	}
	assert_int_equal(open_descriptors(), before);
	assert_int_equal(scratch_files(), 0);
}

static void the_last_reference_gives_everything_back(void **state)
{
	unsigned before = open_descriptors();
	struct region *region = region_of(1, 0, 16, 16);
	uint32_t id = region->id;

	(void)state;
	assert_ptr_equal(region_mapped(id), region);
	region_reference(region);
	region_drop(region);
	memset(region_buffer(region, 15), 1, BUF);
	region_drop(region);
	assert_null(region_mapped(id));
	assert_int_equal(open_descriptors(), before);
}

static void regions_without_a_name_have_ids_of_their_own_from_the_top(void **state)
{
	struct region *one = region_of(1, 0, 16, 16), *two = region_of(1, 0, 16, 16);

	(void)state;
	assert_int_not_equal(one->id, two->id);
	assert_in_range(one->id, UINT16_MAX / 2, UINT16_MAX);
	assert_in_range(two->id, UINT16_MAX / 2, UINT16_MAX);
	region_drop(one);
	region_drop(two);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(slots_begin_on_a_page_and_the_header_ends_before_it),
	    cmocka_unit_test(buffers_are_aligned_and_follow_each_other),
	    cmocka_unit_test(rings_of_a_pair_have_their_slots_in_common_and_nothing_else),
	    cmocka_unit_test(a_region_that_is_mapped_again_is_the_same_everywhere),
	    cmocka_unit_test(there_are_64_interfaces_and_no_more),
	    cmocka_unit_test(buffers_are_handed_out_once_until_given_back),
	    cmocka_unit_test(every_buffer_is_handed_out_whatever_their_number),
	    cmocka_unit_test(a_list_that_lies_is_taken_as_far_as_it_is_true),
	    cmocka_unit_test(a_list_in_a_circle_ends),
	    cmocka_unit_test(a_list_given_back_twice_counts_once),
	    cmocka_unit_test(no_more_is_taken_back_than_was_granted),
	    cmocka_unit_test(a_taken_area_has_a_buffer_in_each_slot_and_gives_them_back),
	    cmocka_unit_test(an_area_gives_back_the_buffers_that_are_in_its_slots),
	    cmocka_unit_test(slots_that_lie_give_back_nothing_that_is_not_there),
	    cmocka_unit_test(areas_are_taken_whole_or_not_at_all),
	    cmocka_unit_test(an_area_is_joined_only_in_the_generation_that_it_has),
	    cmocka_unit_test(an_interface_of_a_killed_child_is_free_again),
	    cmocka_unit_test(what_a_child_still_uses_is_not_given_back),
	    cmocka_unit_test(what_cannot_be_mapped_is_refused_and_given_back),
	    cmocka_unit_test(shapes_that_cannot_be_are_refused),
	    cmocka_unit_test(the_last_reference_gives_everything_back),
	    cmocka_unit_test(regions_without_a_name_have_ids_of_their_own_from_the_top),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
