/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * loom_config.huge_pages: the port works with and without, and its mode says what it got, which is what the
 * system has for anybody. Shared objects stand in file systems of this test's own, in a mount namespace.
 */
#include "os/placement.h"
#include "support.h"

#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <unistd.h>

#define NO_HUGE_PAGES "no huge pages: "
#define PROBE         ((size_t)8 << 20)

static const char *mode_of(const struct loom_port *port)
{
	static struct loom_info info;

	assert_ok(loom_port_info(port, &info));
	return info.mode;
}

static bool says_huge(const struct loom_port *port)
{
	const char *mode = mode_of(port);
	bool none = strstr(mode, NO_HUGE_PAGES) != NULL;

	if (!strstr(mode, "huge pages"))
		fail_msg("nothing of huge pages in \"%s\"", mode);
	return !none;
}

/* Kilobytes of all mappings of shared memory that are in huge pages. */
static size_t huge_kilobytes(void)
{
	FILE *maps = fopen("/proc/self/smaps", "re");
	static const char field[] = "ShmemPmdMapped:";
	size_t sum = 0;
	char line[512];

	assert_non_null(maps);
	while (fgets(line, sizeof line, maps))
		if (strncmp(line, field, strlen(field)) == 0)
			sum += strtoul(line + strlen(field), NULL, 10);
	fclose(maps);
	return sum;
}

/* What the system does for whoever asks for huge pages in a file. */
static bool file_gets_huge(int fd)
{
	const size_t before = huge_kilobytes();
	uint8_t *at;
	bool got;

	assert_int_equal(ftruncate(fd, (off_t)PROBE), 0);
	at = mmap(NULL, PROBE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	assert_ptr_not_equal(at, MAP_FAILED);
	madvise(at, PROBE, MADV_HUGEPAGE);
	at[PROBE / 2] = 1;
	got = huge_kilobytes() > before;
	munmap(at, PROBE);
	close(fd);
	return got;
}

static bool directory_gets_huge(const char *directory)
{
	char path[256];
	int fd;

	snprintf(path, sizeof path, "%s/probe", directory);
	fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	assert_true(fd >= 0);
	unlink(path);
	return file_gets_huge(fd);
}

/* All slots' buffers, there and back. */
static void carries(struct loom_port *from, struct loom_port *to)
{
	struct loom_txring tx;
	struct loom_rxring rx;
	uint32_t sent = 0, received = 0, len;
	uint8_t data[1500];

	assert_ok(loom_tx(from, 0, &tx));
	assert_ok(loom_rx(to, 0, &rx));
	len = tx.frame_max < sizeof data ? tx.frame_max : (uint32_t)sizeof data;
	for (; sent < tx.num_slots - 1; sent++) {
		packet_fill(data, len, sent);
		assert_int_equal(loom_send(&tx, data, len), 1);
	}
	assert_ok(loom_tx_sync(&tx));
	assert_ok(loom_rx_sync(&rx));
	for (struct loom_frame frame; loom_recv(&rx, &frame) == 1; received++)
		assert_true(packet_is(frame.data, frame.len, received));
	assert_int_equal(received, sent);
	assert_ok(loom_rx_sync(&rx));
}

static void memory_of_a_port_alone(void **state)
{
	const bool huge = file_gets_huge(memfd_create("probe", MFD_CLOEXEC));
	struct loom_port *port;

	(void)state;
	assert_ok(loom_open("loop:huge", LOOM_CONFIG(.huge_pages = 1, .tx_slots = 4096), &port));
	assert_int_equal(says_huge(port), huge);
	carries(port, port);
	loom_close(port);
}

static void nothing_is_said_where_nothing_was_asked(void **state)
{
	struct loom_port *port;

	(void)state;
	assert_ok(loom_open("loop:small", LOOM_CONFIG(.tx_slots = 4096), &port));
	assert_null(strstr(mode_of(port), "huge pages"));
	loom_close(port);
}

static void memory_smaller_than_a_huge_page(void **state)
{
	struct loom_port *port;

	(void)state;
	assert_ok(loom_open(
	    "loop:tiny", LOOM_CONFIG(.huge_pages = 1, .tx_slots = 4, .buffer_size = 64), &port));
	assert_false(says_huge(port));
	carries(port, port);
	loom_close(port);
}

static void values_other_than_yes_and_no_are_refused(void **state)
{
	struct loom_port *port;

	(void)state;
	assert_refused(loom_open("loop:two", LOOM_CONFIG(.huge_pages = 2), &port), -EINVAL,
	    "config.huge_pages is 2");
}

/* ---- shared objects ---- */

/* The second end maps the memory again in the same process; what it says is the region's. */
static void pipe_in(const char *directory, bool huge)
{
	const size_t before = huge_kilobytes();
	struct loom_port *ends[2];

	for (size_t i = 0; i < COUNT(ends); i++)
		assert_ok(loom_open("pipe{huge}",
		    LOOM_CONFIG(.huge_pages = 1, .directory = directory, .tx_slots = 1024),
		    &ends[i]));
	for (size_t i = 0; i < COUNT(ends); i++)
		assert_int_equal(says_huge(ends[i]), huge);
	assert_int_equal(huge_kilobytes() > before, huge);
	carries(ends[0], ends[1]);
	carries(ends[1], ends[0]);
	loom_close(ends[0]);
	loom_close(ends[1]);
}

/* In this program's own mount namespace, which goes with it. */
static void memory_that_processes_share(void **state)
{
	static const char *const options[] = {"huge=advise,mode=0700", "huge=never,mode=0700"};
	const char *directory = scratch_subdirectory("tmpfs", 0700);

	(void)state;
	for (size_t i = 0; i < COUNT(options); i++) {
		assert_int_equal(mount("tmpfs", directory, "tmpfs", 0, options[i]), 0);
		pipe_in(directory, directory_gets_huge(directory));
		assert_int_equal(umount2(directory, MNT_DETACH), 0);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(memory_of_a_port_alone),
	    cmocka_unit_test(nothing_is_said_where_nothing_was_asked),
	    cmocka_unit_test(memory_smaller_than_a_huge_page),
	    cmocka_unit_test(values_other_than_yes_and_no_are_refused),
	    cmocka_unit_test(memory_that_processes_share),
	};

	if (os_huge_page_size() == 0) {
		printf("SKIP: the kernel has no huge pages\n");
		return 77;
	}
	if (unshare(CLONE_NEWNS) != 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0) {
		printf("SKIP: mounting a file system takes root\n");
		return 77;
	}
	scratch_directory();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
