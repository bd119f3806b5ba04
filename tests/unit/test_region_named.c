/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Regions that processes find by name: what they see of each other, who comes after a process that was
 * killed, ids, and files that are wrong.
 */
#include "support.h"

#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "regions.h"
#include "soft/pool.h"
#include "soft/region.h"

#define BUF  2048u
#define BUFS 66u
#define FREE (BUFS - REGION_FIRST_BUFFER)

static const struct region_shape shape = {
    .plain = 2, .pairs = 2, .ring_slots = 32, .num_bufs = BUFS, .buf_size = BUF, .if_size = 1024};

static struct region *open_named(const char *name)
{
	struct region *region = NULL;

	assert_ok(region_open(NULL, NULL, name, &shape, &region));
	return region;
}

/* ---- another process ---- */

/* What a holder says when it is there. */
struct word {
	uint32_t area, generation;
};

struct holder {
	pid_t child;
	const char *name;
	int say[2];
	struct word word;
};

/* Takes eight slots of a plain ring of the region, and holds them. */
static int holder_run(void *arg)
{
	const uint32_t slots[] = {8};
	struct holder *holder = arg;
	struct region_claim claim;
	struct region *region;
	struct word word;

	alarm(20);
	close(holder->say[0]);
	if (region_open(NULL, NULL, holder->name, &shape, &region) != 0 ||
	    region_areas_take(region, 1, 0, slots, &claim) != 0)
		return 1;
	region_ring_init(region, claim.areas[0], 8, true, 0);
	region_ring(region, claim.areas[0])->head = 5;
	region_slots(region, claim.areas[0])[7].ptr = 77;
	memset(region_buffer(region, BUFS - 1), 99, BUF);
	word = (struct word){claim.areas[0], region_area_generation(region, claim.areas[0])};
	if (write(holder->say[1], &word, sizeof word) != sizeof word)
		return 1;
	for (;;)
		pause();
}

static void holder_start(struct holder *holder, const char *name)
{
	scratch_directory();
	holder->name = name;
	assert_int_equal(pipe(holder->say), 0);
	holder->child = child_start(holder_run, holder);
	close(holder->say[1]);
	assert_int_equal(
	    read(holder->say[0], &holder->word, sizeof holder->word), sizeof holder->word);
	close(holder->say[0]);
}

static void holder_kill(const struct holder *holder)
{
	kill(holder->child, SIGKILL);
	assert_int_equal(child_wait(holder->child), -SIGKILL);
}

static void processes_share_slots_and_buffers_and_no_headers(void **state)
{
	struct region_claim claim;
	struct holder holder;
	struct region *region;

	(void)state;
	holder_start(&holder, "r");
	region = open_named("r");
	assert_int_equal(region_buffers_free(region), FREE - 8);
	assert_ok(region_areas_join(region, 1, &holder.word.area, &holder.word.generation, &claim));
	assert_int_equal(region_slots(region, claim.areas[0])[7].ptr, 77);
	assert_int_equal(region_ring(region, claim.areas[0])->slot[7].ptr, 77);
	assert_int_equal(region_buffer(region, BUFS - 1)[BUF - 1], 99);
	assert_int_equal(region_ring(region, claim.areas[0])->head, 0);
	assert_int_equal(region_ring(region, claim.areas[0])->num_slots, 0);
	holder_kill(&holder);
	region_areas_give(region, &claim);
	assert_int_equal(region_buffers_free(region), FREE);
	region_drop(region);
	assert_int_equal(scratch_files(), 0);
}

static void an_area_that_another_process_uses_stays_taken(void **state)
{
	const uint32_t slots[] = {4, 4};
	struct region_claim joined, taken;
	struct holder holder;
	struct region *region;

	(void)state;
	holder_start(&holder, "r");
	region = open_named("r");
	assert_ok(
	    region_areas_join(region, 1, &holder.word.area, &holder.word.generation, &joined));
	region_areas_give(region, &joined);
	assert_int_equal(region_area_generation(region, holder.word.area), holder.word.generation);
	assert_int_equal(region_buffers_free(region), FREE - 8);
	assert_int_equal(region_areas_take(region, 2, 0, slots, &taken), -ENOMEM); /* of two */
	assert_ok(region_areas_take(region, 1, 0, slots, &taken));
	assert_int_not_equal(taken.areas[0], holder.word.area);
	region_areas_give(region, &taken);
	holder_kill(&holder);
	region_drop(region);
	assert_int_equal(scratch_files(), 0);
}

static void what_a_killed_process_had_is_found_by_the_next_to_take(void **state)
{
	const uint32_t slots[] = {32, 32};
	struct region_claim claim;
	struct holder holder;
	struct region *region;

	(void)state;
	holder_start(&holder, "r");
	region = open_named("r");
	holder_kill(&holder);
	assert_int_equal(region_buffers_free(region), FREE - 8);   /* nobody has looked yet */
	assert_ok(region_areas_take(region, 2, 0, slots, &claim)); /* all rings and buffers */
	assert_int_equal(region_buffers_free(region), 0);
	region_areas_give(region, &claim);
	assert_int_equal(region_buffers_free(region), FREE);
	region_drop(region);
	assert_int_equal(scratch_files(), 0);
}

/* Its descriptors are the child's too, and with them its locks. */
static int keeps_on(void *arg)
{
	(void)arg;
	alarm(20);
	pause();
	return 1;
}

static void an_area_is_kept_while_a_child_has_it(void **state)
{
	const uint32_t slots[] = {8};
	struct region_claim claim;
	struct region *region;
	uint32_t area;
	pid_t child;

	(void)state;
	scratch_directory();
	region = open_named("r");
	assert_ok(region_areas_take(region, 1, 0, slots, &claim));
	area = claim.areas[0];
	child = child_start(keeps_on, NULL);
	region_areas_give(region, &claim);
	assert_int_equal(region_area_generation(region, area) & 1, 1);
	assert_int_not_equal(region_slots(region, area)[0].buf_idx, 0);
	kill(child, SIGKILL);
	assert_int_equal(child_wait(child), -SIGKILL);
	assert_ok(region_areas_take(region, 1, 0, slots, &claim));
	assert_int_equal(claim.areas[0], area);
	region_areas_give(region, &claim);
	assert_int_equal(region_buffers_free(region), FREE);
	region_drop(region);
	assert_int_equal(scratch_files(), 0);
}

/* ---- killed at any point ---- */

static int takes_and_gives(void *arg)
{
	uint32_t random = *(uint32_t *)arg;

	alarm(20);
	for (;;) {
		const uint32_t slots[] = {1 + random_next(&random) % 4, 4};
		struct region_claim claim;
		struct region *region;
		uint32_t extra, n;

		if (region_open(NULL, NULL, "r", &shape, &region) != 0 ||
		    region_areas_take(region, 1, 1, slots, &claim) != 0)
			return 1;
		n = region_buffers_take(region, random_next(&random) % 4, &extra);
		region_buffers_give(region, extra, n);
		region_areas_give(region, &claim);
		region_drop(region);
	}
}

/* All that can be lost with a process is a buffer list that it had, and what it was just taking. */
static void killing_whoever_takes_and_gives_loses_no_area(void **state)
{
	const uint32_t slots[] = {1, 1, 1, 1};
	struct region_claim claim;
	uint32_t random = 3, lost = 0;
	struct region *region;

	(void)state;
	scratch_directory();
	for (unsigned i = 0; i < scaled(300); i++) {
		pid_t child;

		region = open_named("r");
		child = child_start(takes_and_gives, &random);
		usleep(random_next(&random) % 3000);
		kill(child, SIGKILL);
		assert_int_equal(child_wait(child), -SIGKILL);
		assert_ok(region_areas_take(region, 2, 2, slots, &claim));
		region_areas_give(region, &claim);
		for (uint32_t area = 0; area < 4; area++)
			assert_int_equal(region_area_generation(region, area) & 1, 0);
		assert_true(region_buffers_free(region) >= FREE - 5);
		lost += region_buffers_free(region) < FREE;
		region_drop(region);
		assert_int_equal(scratch_files(), 0);
	}
	assert_true(lost <= scaled(300) / 2);
}

/* ---- ids and names ---- */

static void a_name_is_one_region_in_a_process(void **state)
{
	struct region *one, *two;

	(void)state;
	scratch_directory();
	one = open_named("r");
	two = open_named("r");
	assert_ptr_equal(one, two);
	region_drop(two);
	region_buffer(one, 2)[0] = 1; /* still mapped */
	assert_int_equal(scratch_files(), 1);
	region_drop(one);
	assert_int_equal(scratch_files(), 0);
}

static void ids_are_the_lowest_free_from_2_and_1_is_the_global_one(void **state)
{
	struct region *a, *b, *c, *global, *again = NULL;

	(void)state;
	scratch_directory();
	a = open_named("a");
	b = open_named("b:1%2{3");
	global = open_named(REGION_GLOBAL_NAME);
	c = open_named("c");
	assert_int_equal(a->id, 2);
	assert_int_equal(b->id, 3);
	assert_int_equal(c->id, 4);
	assert_int_equal(global->id, REGION_GLOBAL);
	region_drop(b);
	b = open_named("d");
	assert_int_equal(b->id, 3);
	assert_ptr_equal(region_mapped(3), b);
	assert_ok(region_by_id(NULL, 3, &again));
	assert_ptr_equal(again, b);
	region_drop(again);
	assert_refused(region_by_id(NULL, 5, &again), -EINVAL, "no memory region 5");
	region_drop(a);
	region_drop(b);
	region_drop(c);
	region_drop(global);
	assert_int_equal(scratch_files(), 0);
}

static void ids_of_other_processes_are_taken_too_and_found(void **state)
{
	struct holder holder;
	struct region *own, *theirs = NULL;

	(void)state;
	holder_start(&holder, "theirs{1");
	own = open_named("own");
	assert_int_equal(own->id, 3);
	assert_null(region_mapped(2));
	assert_ok(region_by_id(NULL, 2, &theirs));
	assert_int_equal(theirs->id, 2);
	assert_string_equal(theirs->name, "theirs{1");
	assert_int_equal(region_buffer(theirs, BUFS - 1)[0], 99);
	holder_kill(&holder);
	region_drop(theirs);
	region_drop(own);
	assert_int_equal(scratch_files(), 0);
}

static void the_global_region_is_made_when_it_is_asked_for(void **state)
{
	struct region *region = NULL;

	(void)state;
	scratch_directory();
	assert_ok(region_by_id(NULL, REGION_GLOBAL, &region));
	assert_int_equal(region->id, REGION_GLOBAL);
	assert_int_equal(region->buf_size, 2048);
	region_drop(region);
	assert_int_equal(scratch_files(), 0);
}

static void joining_makes_nothing(void **state)
{
	struct region *region = NULL;
	unsigned descriptors;

	(void)state;
	scratch_directory();
	descriptors = open_descriptors();
	assert_int_equal(region_join(NULL, NULL, "nobody", &region), -ENOENT);
	assert_null(region);
	assert_int_equal(scratch_files(), 0);
	assert_int_equal(open_descriptors(), descriptors);
}

static void directories_are_worlds_apart(void **state)
{
	char elsewhere[PATH_MAX];
	struct region *here, *there = NULL;

	(void)state;
	scratch_directory();
	snprintf(elsewhere, sizeof elsewhere, "%s", scratch_subdirectory("elsewhere", 0700));
	here = open_named("r");
	assert_ok(region_open(NULL, elsewhere, "r", &shape, &there));
	assert_ptr_not_equal(here, there);
	assert_int_not_equal(here->id, there->id); /* one process has both */
	region_buffer(here, 2)[0] = 1;
	assert_int_equal(region_buffer(there, 2)[0], 0);
	region_drop(here);
	region_drop(there);
	assert_int_equal(rmdir(elsewhere), 0);
}

static const char *elsewhere; /* inherited */

static int holds_in_another_directory(void *arg)
{
	struct holder *holder = arg;

	return setenv("PKTLOOM_DIR", elsewhere, 1) == 0 ? holder_run(holder) : 1;
}

/* Programs take equal ids for one memory. */
static void ids_differ_in_a_process_whatever_other_directories_say(void **state)
{
	struct region *here, *there = NULL;
	struct holder holder = {.name = "r"};

	(void)state;
	elsewhere = scratch_subdirectory("other", 0700);
	assert_int_equal(pipe(holder.say), 0);
	holder.child = child_start(holds_in_another_directory, &holder);
	close(holder.say[1]);
	assert_int_equal(read(holder.say[0], &holder.word, sizeof holder.word), sizeof holder.word);
	close(holder.say[0]);
	here = open_named("r");
	assert_ok(region_open(NULL, elsewhere, "r", &shape, &there)); /* with the holder's id */
	assert_int_equal(there->control->id, here->id);
	assert_int_not_equal(there->id, here->id);
	assert_ptr_equal(region_mapped(there->id), there);
	assert_int_equal(region_buffer(there, BUFS - 1)[0], 99);
	holder_kill(&holder);
	region_drop(here);
	region_drop(there);
	assert_int_equal(rmdir(elsewhere), 0);
}

static void the_first_user_is_gone_and_the_others_go_on(void **state)
{
	struct holder holder;
	struct region *region;

	(void)state;
	holder_start(&holder, "r");
	region = open_named("r");
	holder_kill(&holder);
	assert_int_equal(scratch_files(), 1);
	assert_int_equal(region_buffer(region, BUFS - 1)[0], 99);
	region_drop(region);
	assert_int_equal(scratch_files(), 0);
}

/* ---- files that are wrong ---- */

static char file[PATH_MAX];

static void note_file(const char *path)
{
	snprintf(file, sizeof file, "%s", path);
}

static int file_open(void)
{
	int fd;

	scratch_visit(note_file);
	fd = open(file, O_RDWR | O_CLOEXEC);
	assert_true(fd >= 0);
	return fd;
}

static int try_join(void)
{
	struct region *region = NULL;
	int err = region_join(NULL, NULL, "r", &region);

	if (err == 0)
		region_drop(region);
	else
		assert_null(region);
	return err;
}

#define AT(field)                                                                                  \
	offsetof(struct region_control, field), sizeof(((struct region_control *)0)->field)
#define AT_SHAPE(field) AT(shape.field)

static void every_field_of_a_header_that_does_not_add_up_is_refused(void **state)
{
	static const struct {
		size_t at, size;
		uint64_t value;
	} wrong[] = {{AT(magic), 0}, {AT(magic), UINT64_MAX}, {AT(abi), 0}, {AT(abi), UINT32_MAX},
	    {AT(page_size), 0}, {AT(page_size), 123}, {AT(size), 0}, {AT(size), 1},
	    {AT(size), UINT64_MAX}, {AT(size), 1u << 20}, {AT(id), 0}, {AT(id), REGION_GLOBAL},
	    {AT(id), 3}, {AT(id), 0x10002}, {AT(id), UINT32_MAX}, {AT_SHAPE(plain), 3},
	    {AT_SHAPE(plain), REGION_AREAS_MAX}, {AT_SHAPE(plain), UINT32_MAX},
	    {AT_SHAPE(pairs), 0}, {AT_SHAPE(pairs), REGION_AREAS_MAX},
	    {AT_SHAPE(pairs), UINT32_MAX}, {AT_SHAPE(ring_slots), 0}, {AT_SHAPE(ring_slots), 4096},
	    {AT_SHAPE(ring_slots), UINT32_MAX}, {AT_SHAPE(num_bufs), 0}, {AT_SHAPE(num_bufs), 2},
	    {AT_SHAPE(num_bufs), BUFS + 2}, {AT_SHAPE(num_bufs), UINT32_MAX},
	    {AT_SHAPE(buf_size), 0}, {AT_SHAPE(buf_size), 63}, {AT_SHAPE(buf_size), BUF + 64},
	    {AT_SHAPE(buf_size), UINT32_MAX}, {AT_SHAPE(if_size), 0}, {AT_SHAPE(if_size), 1025},
	    {AT_SHAPE(if_size), 1u << 20}, {AT_SHAPE(if_size), UINT32_MAX}};
	struct holder holder;
	unsigned descriptors;
	int fd;

	(void)state;
	holder_start(&holder, "r");
	fd = file_open();
	descriptors = open_descriptors();
	for (size_t i = 0; i < COUNT(wrong); i++) {
		const off_t at = (off_t)wrong[i].at;
		uint64_t before = 0;

		assert_int_equal(pread(fd, &before, wrong[i].size, at), wrong[i].size);
		assert_int_equal(pwrite(fd, &wrong[i].value, wrong[i].size, at), wrong[i].size);
		if (try_join() != -EPROTO)
			fail_msg("row %zu is believed", i);
		assert_non_null(strstr(loom_error(), "\"r\""));
		assert_int_equal(open_descriptors(), descriptors);
		assert_int_equal(pwrite(fd, &before, wrong[i].size, at), wrong[i].size);
		assert_ok(try_join());
	}
	close(fd);
	holder_kill(&holder);
}

static void a_file_that_is_too_short_is_refused(void **state)
{
	struct holder holder;
	struct stat st;
	off_t sizes[5];
	int fd;

	(void)state;
	holder_start(&holder, "r");
	fd = file_open();
	assert_int_equal(fstat(fd, &st), 0);
	memcpy(sizes, (off_t[]){st.st_size - 1, st.st_size - 4096, 4096, 40, 0}, sizeof sizes);
	for (size_t i = 0; i < COUNT(sizes); i++) {
		assert_int_equal(ftruncate(fd, sizes[i]), 0);
		assert_refused(try_join(), -EPROTO, "\"r\"");
	}
	close(fd);
	holder_kill(&holder);
}

/* Another process wrote the lists: what is in them may harm those who share the region, but nobody else. */
static void a_control_block_full_of_nonsense_is_survived(void **state)
{
	const uint32_t slots[] = {4, 4};
	uint32_t random = 9;
	struct region *region;

	(void)state;
	scratch_directory();
	for (unsigned i = 0; i < 200; i++) {
		uint32_t head = 0, n, at = random_next(&random);
		struct region_claim claim;

		region = open_named("r");
		region->control->lowest = at % 3 ? at << 8 : UINT32_MAX;
		region->control->taken[0] = (uint64_t)at << 40 | at;
		region->control->taken[1] = at % 2 ? UINT64_MAX : at;
		for (uint32_t area = 0; area < 4; area++) {
			region->control->areas[area] = random_next(&random);
			for (uint32_t k = 0; k < shape.ring_slots; k++)
				region_slots(region, area)[k].buf_idx = random_next(&random) % 200;
		}
		if (region_areas_take(region, 1, 1, slots, &claim) == 0) {
			for (uint32_t k = 0; k < 4; k++)
				assert_in_range(region_slots(region, claim.areas[0])[k].buf_idx,
				    REGION_FIRST_BUFFER, BUFS - 1);
			region_areas_give(region, &claim);
		}
		n = region_buffers_take(region, 100, &head);
		assert_true(n <= FREE);
		region_buffers_give(region, head, 100);
		region_buffers_give(region, at, 100);
		assert_true(region_buffers_free(region) <= FREE);
		region_drop(region);
	}
	assert_int_equal(scratch_files(), 0);
}

/* Of many objects a sweep looks at some: what it passes over is found when it is wanted. */
static void what_is_left_of_a_dead_maker_is_made_anew_among_hundreds(void **state)
{
	enum { OTHERS = 300, TRIES = 8 };
	struct share *others = calloc(OTHERS, sizeof *others);
	char name[PATH_MAX];

	(void)state;
	assert_non_null(others);
	for (unsigned i = 0; i < OTHERS; i++) {
		snprintf(name, sizeof name, "other%u", i);
		assert_ok(share_open(&others[i], NULL, name, 0));
		share_ready(&others[i]);
	}
	snprintf(name, sizeof name, "%s/loom-mem%%3a2%%3ar", scratch_directory());
	for (unsigned i = 0; i < TRIES; i++) {
		int fd = open(name, O_CREAT | O_RDWR | O_CLOEXEC, 0600);
		struct region *region;

		assert_true(fd >= 0);
		close(fd);
		region = open_named("r");
		assert_int_equal(region_buffers_free(region), FREE);
		region_drop(region);
		assert_int_equal(access(name, F_OK), -1);
	}
	for (unsigned i = 0; i < OTHERS; i++)
		share_close(&others[i]);
	assert_int_equal(scratch_files(), 0);
	free(others);
}

/* ---- a sender's view ---- */

static void a_view_has_the_slots_and_buffers_of_the_region(void **state)
{
	struct region_view view = {.base = NULL};
	const uint32_t slots[] = {8};
	struct region_claim claim;
	struct region *region;
	const struct netmap_slot *slot;

	(void)state;
	scratch_directory();
	region = open_named("r");
	assert_ok(region_areas_take(region, 0, 1, slots, &claim));
	assert_ok(region_view_map(region->share.dirfd, region->share.file, &view));
	assert_memory_equal(&view.shape, &shape, sizeof shape);
	slot = (const void *)(view.base + view.slots_at +
			      claim.areas[0] * region_slot_bytes(shape.ring_slots));
	region_slots(region, claim.areas[0])[7].ptr = 1234;
	assert_int_equal(slot[7].ptr, 1234);
	memset(region_buffer(region, BUFS - 1), 7, BUF);
	assert_int_equal(view.base[view.bufs_at + (size_t)BUFS * BUF - 1], 7);
	assert_true(view.bufs_at + (size_t)BUFS * BUF <= view.size);
	region_view_unmap(&view);
	region_view_unmap(&view);
	assert_int_equal(region_view_map(region->share.dirfd, "nobody", &view), -ENOENT);
	region->control->magic++;
	assert_int_equal(region_view_map(region->share.dirfd, region->share.file, &view), -EPROTO);
	region_areas_give(region, &claim);
	region_drop(region);
	assert_int_equal(scratch_files(), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(processes_share_slots_and_buffers_and_no_headers),
	    cmocka_unit_test(an_area_that_another_process_uses_stays_taken),
	    cmocka_unit_test(what_a_killed_process_had_is_found_by_the_next_to_take),
	    cmocka_unit_test(an_area_is_kept_while_a_child_has_it),
	    cmocka_unit_test(killing_whoever_takes_and_gives_loses_no_area),
	    cmocka_unit_test(a_name_is_one_region_in_a_process),
	    cmocka_unit_test(ids_are_the_lowest_free_from_2_and_1_is_the_global_one),
	    cmocka_unit_test(ids_of_other_processes_are_taken_too_and_found),
	    cmocka_unit_test(the_global_region_is_made_when_it_is_asked_for),
	    cmocka_unit_test(joining_makes_nothing),
	    cmocka_unit_test(directories_are_worlds_apart),
	    cmocka_unit_test(ids_differ_in_a_process_whatever_other_directories_say),
	    cmocka_unit_test(the_first_user_is_gone_and_the_others_go_on),
	    cmocka_unit_test(every_field_of_a_header_that_does_not_add_up_is_refused),
	    cmocka_unit_test(a_file_that_is_too_short_is_refused),
	    cmocka_unit_test(a_control_block_full_of_nonsense_is_survived),
	    cmocka_unit_test(what_is_left_of_a_dead_maker_is_made_anew_among_hundreds),
	    cmocka_unit_test(a_view_has_the_slots_and_buffers_of_the_region),
	};

	scratch_directory();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
