/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What a pipe believes of its surroundings: the directory and the objects in it may be wrong, of
 * another version, or somebody else's, and a peer may write anything into what it shares.
 */
#include "support.h"

#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

/* The object's header; see struct pipe_header in src/soft/ports/pipe_memory.h. */
#define AT_MAGIC      0
#define AT_ABI        8
#define AT_PAGE_SIZE  12
#define AT_SIZE       16
#define AT_TX_RINGS   24
#define AT_RX_RINGS   28
#define AT_TX_SLOTS   32
#define AT_RX_SLOTS   36
#define AT_REGION     40 /* 64 bytes */
#define AT_REGION_ID  104
#define AT_AREA       120 /* of the master's first TX ring */
#define AT_GENERATION 124
#define AT_EXCHANGES  8192 /* the first page after the header */

/* The header of the region's object; see struct region_control in src/soft/region.h. */
#define AT_REGION_SIZE  16
#define AT_IN_REGION_ID 24
#define AT_PLAIN        28
#define AT_PAIRS        32
#define AT_RING_SLOTS   36
#define AT_NUM_BUFS     40
#define AT_BUF_SIZE     44
#define AT_IF_SIZE      48

/* ---- the directory ---- */

static void a_directory_that_others_can_write_is_refused(void **state)
{
	static const unsigned modes[] = {0777, 0770, 0720, 0702, 01777};

	(void)state;
	for (size_t i = 0; i < COUNT(modes); i++) {
		struct loom_port *port = NULL;
		char name[16];
		const char *path;

		snprintf(name, sizeof name, "mode%zu", i);
		path = scratch_subdirectory(name, modes[i]);
		assert_refused(
		    loom_open("pipe{t}", LOOM_CONFIG(.directory = path), &port), -EPERM, path);
		assert_refused(loom_open("pipe{t}", LOOM_CONFIG(.directory = path), &port), -EPERM,
		    "chmod 700");
		assert_null(port);
		assert_int_equal(chmod(path, 0700), 0);
		assert_ok(loom_open("pipe{t}", LOOM_CONFIG(.directory = path), &port));
		loom_close(port);
	}
}

static void a_symbolic_link_is_no_directory(void **state)
{
	char path[PATH_MAX];
	struct loom_port *port = NULL;
	const char *real = scratch_subdirectory("real", 0700);

	(void)state;
	snprintf(path, sizeof path, "%s-link", real);
	assert_int_equal(symlink(real, path), 0);
	assert_refused(loom_open("pipe{t}", LOOM_CONFIG(.directory = path), &port), -ENOTDIR, path);
	assert_null(port);
	assert_int_equal(unlink(path), 0);
}

static void a_directory_that_is_missing_is_made_for_its_user_alone(void **state)
{
	char path[PATH_MAX];
	struct loom_port *port;
	struct stat st;
	mode_t before = umask(0);

	(void)state;
	snprintf(path, sizeof path, "%s/new", scratch_subdirectory("parent", 0700));
	assert_ok(loom_open("pipe{t}", LOOM_CONFIG(.directory = path), &port));
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0700);
	loom_close(port);
	umask(before);
	assert_int_equal(rmdir(path), 0);
}

static void a_directory_that_cannot_be_is_reported(void **state)
{
	static const char *const paths[] = {"/nonexistent/deep/down", "/proc/self/status"};

	(void)state;
	for (size_t i = 0; i < COUNT(paths); i++) {
		struct loom_port *port = NULL;

		assert_true(loom_open("pipe{t}", LOOM_CONFIG(.directory = paths[i]), &port) < 0);
		assert_non_null(strstr(loom_error(), paths[i]));
		assert_null(port);
	}
}

/* A directory may hold other things, such as a user's files: they are none of ours. */
static void foreign_files_are_left_alone(void **state)
{
	static const char *const files[] = {
	    "notes.txt", "notes", "thesis.tex", ".profile", "a{b", "pipe{t}.0t0"};
	const char *path = scratch_subdirectory("mixed", 0700);
	struct loom_port *port;
	char name[PATH_MAX];
	struct stat st;

	(void)state;
	for (size_t i = 0; i < COUNT(files); i++) {
		int fd;

		snprintf(name, sizeof name, "%s/%s", path, files[i]);
		fd = open(name, O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
		assert_int_equal(write(fd, "precious", 8), 8);
		close(fd);
	}
	assert_ok(loom_open("pipe{t}", LOOM_CONFIG(.directory = path), &port));
	loom_port_wait(port, LOOM_RX, 1);
	loom_close(port);
	for (size_t i = 0; i < COUNT(files); i++) {
		snprintf(name, sizeof name, "%s/%s", path, files[i]);
		if (stat(name, &st) != 0 || st.st_size != 8)
			fail_msg("%s is gone", files[i]);
		unlink(name);
	}
}

static void is_for_its_user_alone(const char *path)
{
	struct stat st;

	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 077, 0);
}

static void objects_are_for_their_user_alone(void **state)
{
	struct loom_port *port;
	mode_t before = umask(0);

	(void)state;
	assert_ok(loom_open("pipe{t}", NULL, &port));
	assert_true(loom_port_fd(port) >= 0); /* makes the wakeups */
	umask(before);
	assert_true(scratch_visit(is_for_its_user_alone) > 1);
	loom_close(port);
}

/* ---- the object ---- */

static char object[PATH_MAX];

static void note_pipe(const char *path)
{
	struct stat st;

	if (stat(path, &st) == 0 && S_ISREG(st.st_mode) && !strstr(path, "/loom-mem"))
		snprintf(object, sizeof object, "%s", path);
}

static void note_region(const char *path)
{
	if (strstr(path, "/loom-mem"))
		snprintf(object, sizeof object, "%s", path);
}

static int object_open(void (*note)(const char *path))
{
	int fd;

	object[0] = 0;
	scratch_visit(note);
	fd = open(object, O_RDWR | O_CLOEXEC);
	assert_true(fd >= 0);
	return fd;
}

static void patch32(int fd, off_t at, uint32_t value)
{
	assert_int_equal(pwrite(fd, &value, sizeof value, at), sizeof value);
}

/*
 * Somebody else has the pipe open: within one process the second end would find its memory mapped
 * already, and not look at the header again.
 */
struct holder {
	pid_t child;
	int fd; /* the object */
};

static int child_holds(void *arg)
{
	const int *ends = arg;
	struct loom_port *port;
	char byte = (char)loom_open("pipe{t}", NULL, &port);

	alarm(20);
	close(ends[0]);
	if (write(ends[1], &byte, 1) != 1)
		return 1;
	for (;;)
		pause();
}

static struct holder holder_start(void)
{
	struct holder holder;
	int ends[2];
	char byte = 1;

	assert_int_equal(pipe(ends), 0);
	holder.child = child_start(child_holds, ends);
	assert_int_equal(read(ends[0], &byte, 1), 1);
	assert_int_equal(byte, 0);
	close(ends[0]);
	close(ends[1]);
	holder.fd = object_open(note_pipe);
	return holder;
}

static void holder_end(const struct holder *holder)
{
	close(holder->fd);
	kill(holder->child, SIGKILL);
	child_wait(holder->child);
}

static int try_open(void)
{
	struct loom_port *port = NULL;
	int err = loom_open("pipe{t}", NULL, &port);

	if (err == 0)
		loom_close(port);
	else
		assert_null(port);
	return err;
}

static uint32_t read32(int fd, off_t at)
{
	uint32_t value = 0;

	assert_int_equal(pread(fd, &value, sizeof value, at), sizeof value);
	return value;
}

static void refused_with(const struct holder *holder, off_t at, uint32_t value, const char *word)
{
	uint32_t before = read32(holder->fd, at);

	patch32(holder->fd, at, value);
	assert_refused(try_open(), -EPROTO, "pipe{t}");
	assert_refused(try_open(), -EPROTO, word);
	patch32(holder->fd, at, before);
	assert_ok(try_open());
}

static void another_version_is_told_apart(void **state)
{
	struct holder holder = holder_start();
	uint32_t abi = read32(holder.fd, AT_ABI);

	(void)state;
	assert_ok(try_open());
	refused_with(&holder, AT_ABI, abi + 1, "compatible versions");
	refused_with(&holder, AT_ABI, 0, "compatible versions");
	refused_with(&holder, AT_PAGE_SIZE, 123, "page size 123");
	holder_end(&holder);
}

static void a_file_that_is_no_pipe_is_refused(void **state)
{
	struct holder holder = holder_start();

	(void)state;
	refused_with(&holder, AT_MAGIC, 0, "not a pipe");
	refused_with(&holder, AT_MAGIC + 4, 0xffffffff, "not a pipe");
	holder_end(&holder);
}

static void a_shape_that_does_not_add_up_is_refused(void **state)
{
	static const struct {
		off_t at;
		uint32_t value;
	} wrong[] = {{AT_TX_RINGS, 0}, {AT_TX_RINGS, 2}, {AT_TX_RINGS, 257},
	    {AT_TX_RINGS, UINT32_MAX}, {AT_RX_RINGS, 0}, {AT_RX_RINGS, 0x80000000},
	    {AT_TX_SLOTS, 0}, {AT_TX_SLOTS, 4097}, {AT_TX_SLOTS, UINT32_MAX}, {AT_RX_SLOTS, 0},
	    {AT_RX_SLOTS, 1u << 28}, {AT_SIZE, 0}, {AT_SIZE, 1}, {AT_SIZE, UINT32_MAX}};
	struct holder holder = holder_start();

	(void)state;
	for (size_t i = 0; i < COUNT(wrong); i++)
		refused_with(&holder, wrong[i].at, wrong[i].value, "");
	holder_end(&holder);
}

/* Where in the region the rings are: nowhere, where no pairs are, where somebody else's are. */
static void rings_that_are_not_there_are_refused(void **state)
{
	struct holder holder = holder_start();
	uint32_t generation = read32(holder.fd, AT_GENERATION);
	uint32_t area = read32(holder.fd, AT_AREA);

	(void)state;
	refused_with(&holder, AT_AREA, 0, "not for pipes");
	refused_with(&holder, AT_AREA, area + 2, "given back");
	refused_with(&holder, AT_AREA, 1024, "given back");
	refused_with(&holder, AT_AREA, UINT32_MAX, "given back");
	refused_with(&holder, AT_GENERATION, generation + 1, "given back");
	refused_with(&holder, AT_GENERATION, generation - 2, "given back");
	holder_end(&holder);
}

static void a_region_that_is_not_there_is_refused(void **state)
{
	static const char names[][64] = {
	    "other", "../pipe", "a name of sixty-four characters without a NUL at its end, honest"};
	struct holder holder = holder_start();
	char before[64];

	(void)state;
	assert_int_equal(pread(holder.fd, before, sizeof before, AT_REGION), sizeof before);
	for (size_t i = 0; i < COUNT(names); i++) {
		assert_int_equal(pwrite(holder.fd, names[i], 64, AT_REGION), 64);
		assert_refused(try_open(), -EPROTO, "pipe{t}");
	}
	memset(before, 0, sizeof before);
	assert_int_equal(pwrite(holder.fd, before, sizeof before, AT_REGION), sizeof before);
	assert_refused(try_open(), -EXDEV, "pipe{t}");
	holder_end(&holder);
}

static void a_region_that_does_not_add_up_is_refused(void **state)
{
	static const struct {
		off_t at;
		uint32_t value;
	} wrong[] = {{AT_MAGIC, 0}, {AT_ABI, 0}, {AT_ABI, 999}, {AT_PAGE_SIZE, 123},
	    {AT_REGION_SIZE, 0}, {AT_REGION_SIZE, 1}, {AT_REGION_SIZE, UINT32_MAX},
	    {AT_IN_REGION_ID, 0}, {AT_IN_REGION_ID, 1}, {AT_IN_REGION_ID, UINT32_MAX},
	    {AT_PLAIN, 0}, {AT_PLAIN, UINT32_MAX}, {AT_PAIRS, 0}, {AT_PAIRS, 1025},
	    {AT_RING_SLOTS, 0}, {AT_RING_SLOTS, 256}, {AT_RING_SLOTS, UINT32_MAX}, {AT_BUF_SIZE, 0},
	    {AT_BUF_SIZE, 63}, {AT_BUF_SIZE, 65536}, {AT_BUF_SIZE, UINT32_MAX}, {AT_NUM_BUFS, 0},
	    {AT_NUM_BUFS, 2}, {AT_NUM_BUFS, UINT32_MAX}, {AT_IF_SIZE, 0}, {AT_IF_SIZE, UINT32_MAX}};
	struct holder holder = holder_start();

	(void)state;
	close(holder.fd);
	holder.fd = object_open(note_region);
	for (size_t i = 0; i < COUNT(wrong); i++)
		refused_with(&holder, wrong[i].at, wrong[i].value, "not a region");
	holder_end(&holder);
}

static void a_truncated_region_is_refused(void **state)
{
	struct holder holder = holder_start();
	struct stat st;

	(void)state;
	close(holder.fd);
	holder.fd = object_open(note_region);
	assert_int_equal(fstat(holder.fd, &st), 0);
	assert_int_equal(ftruncate(holder.fd, st.st_size - 1), 0);
	assert_refused(try_open(), -EPROTO, "pipe{t}");
	assert_int_equal(ftruncate(holder.fd, 0), 0);
	assert_refused(try_open(), -EPROTO, "pipe{t}");
	holder_end(&holder);
	assert_ok(try_open());
	assert_int_equal(scratch_files(), 0);
}

static void a_truncated_object_is_refused(void **state)
{
	struct holder holder = holder_start();
	struct stat st;

	(void)state;
	assert_int_equal(fstat(holder.fd, &st), 0);
	assert_int_equal(ftruncate(holder.fd, st.st_size - 1), 0);
	assert_refused(try_open(), -EPROTO, "size");
	assert_int_equal(ftruncate(holder.fd, 40), 0);
	assert_refused(try_open(), -EPROTO, "pipe{t}");
	assert_int_equal(ftruncate(holder.fd, 0), 0);
	assert_refused(try_open(), -EPROTO, "not a pipe");
	holder_end(&holder);
	assert_ok(try_open());
	assert_int_equal(scratch_files(), 0);
}

/* ---- a peer that writes nonsense while we wait ---- */

static void a_wait_ends_in_time_whatever_the_peer_wrote(void **state)
{
	static const uint32_t words[] = {1024, 99999, UINT32_MAX, 0x80000000};
	struct loom_port *port;
	int fd;

	(void)state;
	assert_ok(loom_open("pipe{t}", NULL, &port));
	fd = object_open(note_pipe);
	for (size_t i = 0; i < COUNT(words); i++) {
		uint64_t before = now_ms();

		for (off_t at = 0; at < 512; at += 128) /* the words of both exchanges */
			patch32(fd, AT_EXCHANGES + at, words[i]);
		assert_int_equal(loom_port_wait(port, LOOM_RX, 20), 0);
		assert_in_range(now_ms() - before, 19, 3000);
		assert_true(loom_port_wait(port, LOOM_TX, 20) >= 0);
	}
	close(fd);
	loom_close(port);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(a_directory_that_others_can_write_is_refused),
	    cmocka_unit_test(a_symbolic_link_is_no_directory),
	    cmocka_unit_test(a_directory_that_is_missing_is_made_for_its_user_alone),
	    cmocka_unit_test(a_directory_that_cannot_be_is_reported),
	    cmocka_unit_test(foreign_files_are_left_alone),
	    cmocka_unit_test(objects_are_for_their_user_alone),
	    cmocka_unit_test(another_version_is_told_apart),
	    cmocka_unit_test(a_file_that_is_no_pipe_is_refused),
	    cmocka_unit_test(a_shape_that_does_not_add_up_is_refused),
	    cmocka_unit_test(rings_that_are_not_there_are_refused),
	    cmocka_unit_test(a_region_that_is_not_there_is_refused),
	    cmocka_unit_test(a_region_that_does_not_add_up_is_refused),
	    cmocka_unit_test(a_truncated_region_is_refused),
	    cmocka_unit_test(a_truncated_object_is_refused),
	    cmocka_unit_test(a_wait_ends_in_time_whatever_the_peer_wrote),
	};

	scratch_directory();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
