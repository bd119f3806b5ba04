/* SPDX-License-Identifier: BSD-2-Clause */
/* Shared objects: found by name, made and removed without a race, taken over from the dead. */
#include "support.h"

#include "soft/share.h"

#include <signal.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

static void the_first_creates_and_the_last_removes(void **state)
{
	struct share a, b;

	(void)state;
	assert_ok(share_open(&a, NULL, "k", SHARE_ANY_END));
	share_ready(&a);
	assert_true(a.created);
	assert_int_equal(a.end, 0);
	assert_ok(share_open(&b, NULL, "k", SHARE_ANY_END));
	share_ready(&b);
	assert_false(b.created);
	assert_int_equal(b.end, 1);
	share_close(&a);
	assert_int_equal(scratch_files(), 1);
	share_close(&b);
	assert_int_equal(scratch_files(), 0);
}

static void a_taken_end_is_refused_and_nothing_is_lost(void **state)
{
	struct share a, b, c;
	unsigned before = open_descriptors();

	(void)state;
	assert_ok(share_open(&a, NULL, "k", 1));
	share_ready(&a);
	assert_refused(share_open(&b, NULL, "k", 1), -EBUSY, "taken");
	assert_ok(share_open(&b, NULL, "k", SHARE_ANY_END));
	share_ready(&b);
	assert_int_equal(b.end, 0);
	assert_refused(share_open(&c, NULL, "k", SHARE_ANY_END), -EBUSY, "both ends");
	share_close(&a);
	assert_ok(share_open(&c, NULL, "k", SHARE_ANY_END));
	share_ready(&c);
	assert_int_equal(c.end, 1);
	share_close(&b);
	share_close(&c);
	assert_int_equal(open_descriptors(), before);
}

static void what_cannot_be_a_file_name_is_encoded(void **state)
{
	static const char *const keys[] = {
	    ".", "..", "a/b", "a%2fb", "a b", "A", "a", "{", "\xc3\xa4"};
	struct share shares[COUNT(keys)];

	(void)state;
	for (size_t i = 0; i < COUNT(keys); i++) {
		assert_ok(share_open(&shares[i], NULL, keys[i], 0));
		share_ready(&shares[i]);
		assert_true(shares[i].created);
		assert_null(strchr(shares[i].file, '/'));
	}
	assert_int_equal(scratch_files(), COUNT(keys));
	for (size_t i = 0; i < COUNT(keys); i++)
		share_close(&shares[i]);
	assert_int_equal(scratch_files(), 0);
}

static void a_reopened_descriptor_does_not_hold_the_end(void **state)
{
	struct share a, b;
	int fd;

	(void)state;
	assert_ok(share_open(&a, NULL, "k", 0));
	share_ready(&a);
	fd = share_reopen(&a);
	assert_true(fd >= 0);
	share_close(&a);
	assert_ok(share_open(&b, NULL, "k", 0));
	share_ready(&b);
	assert_true(b.created); /* and not the dead one, which fd still has */
	close(fd);
	share_close(&b);
}

/* ---- the dead ---- */

static int child_dies_with_an_end(void *arg)
{
	struct share a;

	if (share_open(&a, NULL, arg, 0) != 0)
		return 1;
	share_ready(&a);
	if (write(a.fd, "old", 3) != 3)
		return 1;
	raise(SIGKILL);
	return 1;
}

static void an_object_of_the_dead_is_made_anew(void **state)
{
	char key[] = "k";
	struct share a;
	struct stat st;

	(void)state;
	assert_int_equal(child_wait(child_start(child_dies_with_an_end, key)), -SIGKILL);
	assert_int_equal(scratch_files(), 1);
	assert_ok(share_open(&a, NULL, "k", 0));
	share_ready(&a);
	assert_true(a.created);
	assert_int_equal(fstat(a.fd, &st), 0);
	assert_int_equal(st.st_size, 0);
	share_close(&a);
	assert_int_equal(scratch_files(), 0);
}

static void whoever_comes_next_clears_up_after_the_dead(void **state)
{
	static char keys[20][8];
	struct share a;

	(void)state;
	for (size_t i = 0; i < COUNT(keys); i++) {
		snprintf(keys[i], sizeof keys[i], "dead%zu", i);
		assert_int_equal(
		    child_wait(child_start(child_dies_with_an_end, keys[i])), -SIGKILL);
	}
	assert_ok(share_open(&a, NULL, "alive", 0));
	share_ready(&a);
	assert_int_equal(scratch_files(), 1);
	share_close(&a);
	assert_int_equal(scratch_files(), 0);
}

static int child_dies_half_way(void *arg)
{
	struct share a;

	if (share_open(&a, NULL, arg, 0) != 0)
		return 1;
	raise(SIGKILL); /* never made ready: the directory is locked */
	return 1;
}

static void a_death_half_way_leaves_no_lock(void **state)
{
	char key[] = "k";
	uint64_t before = now_ms();
	struct share a;

	(void)state;
	for (int i = 0; i < 10; i++) {
		assert_int_equal(child_wait(child_start(child_dies_half_way, key)), -SIGKILL);
		assert_ok(share_open(&a, NULL, "k", 0));
		share_ready(&a);
		assert_true(a.created);
		share_close(&a);
	}
	assert_true(now_ms() - before < 4000);
	assert_int_equal(scratch_files(), 0);
}

/* ---- many at once ---- */

struct tally {
	unsigned rounds, opened, busy, failed;
	int last; /* error */
};

/* Each object has its creator's mark once it is ready: whoever else finds none came too early. */
static bool round_of(struct tally *tally, unsigned i)
{
	struct share a;
	uint32_t mark = 0;
	int err = share_open(
	    &a, NULL, i % 3 ? "race" : "other", i % 2 ? SHARE_ANY_END : (int)(i / 2 % 2));

	if (err == -EBUSY) {
		__atomic_add_fetch(&tally->busy, 1, __ATOMIC_RELAXED);
		return true;
	}
	if (err) {
		tally->last = err;
		return false;
	}
	if (a.created) {
		mark = 0xfeedu;
		if (pwrite(a.fd, &mark, sizeof mark, 0) != sizeof mark)
			return false;
	}
	share_ready(&a);
	if (pread(a.fd, &mark, sizeof mark, 0) != sizeof mark || mark != 0xfeedu)
		return false;
	__atomic_add_fetch(&tally->opened, 1, __ATOMIC_RELAXED);
	share_close(&a);
	return true;
}

static int child_opens_and_closes(void *arg)
{
	struct tally *tally = arg;

	for (unsigned i = 0; i < tally->rounds; i++)
		if (!round_of(tally, i * 7 + (unsigned)getpid())) {
			__atomic_add_fetch(&tally->failed, 1, __ATOMIC_RELAXED);
			return 1;
		}
	return 0;
}

static void processes_that_come_and_go_at_once_never_fail_and_leave_nothing(void **state)
{
	struct tally *tally =
	    mmap(NULL, sizeof *tally, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	pid_t children[6];

	(void)state;
	assert_ptr_not_equal(tally, MAP_FAILED);
	*tally = (struct tally){.rounds = scaled(2000)};
	for (size_t i = 0; i < COUNT(children); i++)
		children[i] = child_start(child_opens_and_closes, tally);
	for (size_t i = 0; i < COUNT(children); i++)
		assert_int_equal(child_wait(children[i]), 0);
	if (tally->failed)
		fail_msg("%u of them failed, with %d", tally->failed, tally->last);
	assert_int_equal(tally->opened + tally->busy, COUNT(children) * tally->rounds);
	assert_true(tally->opened > tally->busy / 4);
	assert_int_equal(scratch_files(), 0);
	munmap(tally, sizeof *tally);
}

/* The same with ports, and some of the processes are killed in the middle of it. */
static int child_opens_ports(void *arg)
{
	unsigned rounds = *(unsigned *)arg;

	for (unsigned i = 0; i < rounds; i++) {
		struct loom_port *port;
		int err =
		    loom_open("pipe{race}", LOOM_CONFIG(.tx_slots = 8, .buffer_size = 64), &port);

		if (err == -EBUSY)
			continue;
		if (err)
			return 1;
		loom_port_wait(port, LOOM_RX, 0);
		loom_close(port);
	}
	return 0;
}

static void ports_survive_the_same_with_murder(void **state)
{
	unsigned rounds = scaled(1000), endless = UINT32_MAX;
	uint32_t seed = 1;
	pid_t steady[3];

	(void)state;
	for (size_t i = 0; i < COUNT(steady); i++)
		steady[i] = child_start(child_opens_ports, &rounds);
	for (unsigned i = 0; i < scaled(50); i++) {
		pid_t victim = child_start(child_opens_ports, &endless);

		usleep(random_next(&seed) % 3000);
		kill(victim, SIGKILL);
		assert_int_equal(child_wait(victim), -SIGKILL);
	}
	for (size_t i = 0; i < COUNT(steady); i++)
		assert_int_equal(child_wait(steady[i]), 0);
	rounds = 1;
	assert_int_equal(child_wait(child_start(child_opens_ports, &rounds)), 0);
	assert_int_equal(scratch_files(), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(the_first_creates_and_the_last_removes),
	    cmocka_unit_test(a_taken_end_is_refused_and_nothing_is_lost),
	    cmocka_unit_test(what_cannot_be_a_file_name_is_encoded),
	    cmocka_unit_test(a_reopened_descriptor_does_not_hold_the_end),
	    cmocka_unit_test(an_object_of_the_dead_is_made_anew),
	    cmocka_unit_test(whoever_comes_next_clears_up_after_the_dead),
	    cmocka_unit_test(a_death_half_way_leaves_no_lock),
	    cmocka_unit_test(processes_that_come_and_go_at_once_never_fail_and_leave_nothing),
	    cmocka_unit_test(ports_survive_the_same_with_murder),
	};

	scratch_directory();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
