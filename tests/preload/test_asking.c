/* SPDX-License-Identifier: BSD-2-Clause */
/* Programs that ask about /dev/netmap before they open it see a device that they may open. */
#include "support.h"

#include <dlfcn.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

/* The mode is looked at after the call whose result this is. */
static void assert_is_device(int result, const mode_t *mode)
{
	assert_int_equal(result, 0);
	assert_true(S_ISCHR(*mode));
	assert_int_equal(*mode & 0666, 0666);
}

static void assert_statx_is_device(int directory, const char *path, int flags)
{
	struct statx x = {0};
	mode_t mode;

	assert_int_equal(statx(directory, path, flags, STATX_BASIC_STATS, &x), 0);
	mode = x.stx_mode;
	assert_is_device(0, &mode);
}

static void test_it_may_be_read_and_written_but_not_run(void **state)
{
	const char *const name = NETMAP_DEVICE_NAME;

	(void)state;
	assert_int_equal(access(name, F_OK), 0);
	assert_int_equal(access(name, R_OK | W_OK), 0);
	assert_int_equal(eaccess(name, R_OK | W_OK), 0);
	assert_int_equal(euidaccess(name, R_OK | W_OK), 0);
	assert_int_equal(faccessat(AT_FDCWD, name, R_OK | W_OK, AT_EACCESS), 0);
	assert_int_equal(faccessat(-1, name, R_OK, 0), 0);
	assert_errno(access(name, X_OK), EACCES);
}

static void test_it_is_a_character_device(void **state)
{
	const char *const name = NETMAP_DEVICE_NAME;
	struct stat st;
	struct stat64 st64;

	(void)state;
	assert_is_device(stat(name, &st), &st.st_mode);
	assert_is_device(lstat(name, &st), &st.st_mode);
	assert_is_device(fstatat(AT_FDCWD, name, &st, 0), &st.st_mode);
	assert_is_device(stat64(name, &st64), &st64.st_mode);
	assert_is_device(lstat64(name, &st64), &st64.st_mode);
	assert_is_device(fstatat64(AT_FDCWD, name, &st64, AT_SYMLINK_NOFOLLOW), &st64.st_mode);
	assert_statx_is_device(AT_FDCWD, name, 0);
}

static void assert_same(const struct stat *a, const struct stat *b)
{
	assert_int_equal(a->st_mode, b->st_mode);
	assert_int_equal(a->st_dev, b->st_dev);
	assert_int_equal(a->st_ino, b->st_ino);
}

static void test_a_descriptor_is_the_file_that_was_asked_about(void **state)
{
	int fd = netmap_open(), copy = dup(fd);
	struct stat named, st;
	struct stat64 st64;

	(void)state;
	assert_int_equal(stat(NETMAP_DEVICE_NAME, &named), 0);
	assert_int_equal(fstat(fd, &st), 0);
	assert_same(&named, &st);
	assert_int_equal(fstat(copy, &st), 0);
	assert_same(&named, &st);
	assert_int_equal(fstatat(fd, "", &st, AT_EMPTY_PATH), 0);
	assert_same(&named, &st);
	assert_is_device(fstat64(fd, &st64), &st64.st_mode);
	assert_statx_is_device(fd, "", AT_EMPTY_PATH);
	close(copy);
	close(fd);
	assert_errno(fstat(fd, &st), EBADF);
}

/* Names that headers no longer have, but programs built long ago still call. */
typedef int by_path(int version, const char *path, struct stat *out);
typedef int by_descriptor(int version, int fd, struct stat *out);
typedef int by_place(int version, int directory, const char *path, struct stat *out, int flags);

#if defined(__x86_64__)
#define VERSION 1
#else
#define VERSION 0
#endif

static void *symbol(const char *name)
{
	void *found = dlsym(RTLD_DEFAULT, name);

	assert_non_null(found);
	return found;
}

static void test_programs_built_long_ago_are_told_the_same(void **state)
{
	const char *const paths[] = {"__xstat", "__xstat64", "__lxstat", "__lxstat64"};
	const char *const descriptors[] = {"__fxstat", "__fxstat64"};
	const char *const places[] = {"__fxstatat", "__fxstatat64"};
	int fd = netmap_open();
	struct stat st;

	(void)state;
	for (size_t i = 0; i < COUNT(paths); i++) {
		by_path *call = (by_path *)symbol(paths[i]);

		assert_is_device(call(VERSION, NETMAP_DEVICE_NAME, &st), &st.st_mode);
		assert_int_equal(call(VERSION, "/", &st), 0);
		assert_true(S_ISDIR(st.st_mode));
	}
	for (size_t i = 0; i < COUNT(descriptors); i++) {
		by_descriptor *call = (by_descriptor *)symbol(descriptors[i]);

		assert_is_device(call(VERSION, fd, &st), &st.st_mode);
	}
	for (size_t i = 0; i < COUNT(places); i++) {
		by_place *call = (by_place *)symbol(places[i]);

		assert_is_device(call(VERSION, AT_FDCWD, NETMAP_DEVICE_NAME, &st, 0), &st.st_mode);
		assert_is_device(call(VERSION, fd, "", &st, AT_EMPTY_PATH), &st.st_mode);
	}
	close(fd);
}

static void test_other_files_are_what_they_are(void **state)
{
	int directory = open("/", O_RDONLY | O_DIRECTORY), fd = netmap_open();
	struct statx x = {0};
	struct stat st;

	(void)state;
	assert_errno(access(NETMAP_DEVICE_NAME "x", F_OK), ENOENT);
	assert_errno(stat("/dev/netma", &st), ENOENT);
	assert_errno(faccessat(directory, "no such file", F_OK, 0), ENOENT);
	assert_int_equal(access("/", X_OK), 0);
	assert_int_equal(fstat(directory, &st), 0);
	assert_true(S_ISDIR(st.st_mode));
	assert_int_equal(fstatat(directory, "", &st, AT_EMPTY_PATH), 0);
	assert_true(S_ISDIR(st.st_mode));
	assert_int_equal(statx(directory, "dev", 0, STATX_TYPE, &x), 0);
	assert_true(S_ISDIR(x.stx_mode));
	assert_errno(fstatat(fd, "", &st, 0), ENOENT);
	assert_errno(fstat(-1, &st), EBADF);
	close(fd);
	close(directory);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_it_may_be_read_and_written_but_not_run),
	    cmocka_unit_test(test_it_is_a_character_device),
	    cmocka_unit_test(test_a_descriptor_is_the_file_that_was_asked_about),
	    cmocka_unit_test(test_programs_built_long_ago_are_told_the_same),
	    cmocka_unit_test(test_other_files_are_what_they_are),
	};

	return cmocka_run_group_tests(tests, group_start, group_end);
}
