/* SPDX-License-Identifier: BSD-2-Clause */
/* The helpers of helpers.h: without cmocka, which fuzz targets do without. */
#include "helpers.h"

#include <dirent.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "os/os.h"

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define SLOW_BUILD 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define SLOW_BUILD 1
#endif
#endif
#ifndef SLOW_BUILD
#define SLOW_BUILD 0
#endif

static char scratch[PATH_MAX - 64]; /* holds PKTLOOM_DIR and what tests make beside it */
static char shared[PATH_MAX];
static pid_t owner;

/* Calls visit for each entry, given its path; returns how many there are. */
static unsigned walk(const char *path, void (*visit)(const char *))
{
	DIR *dir = opendir(path);
	const struct dirent *entry;
	unsigned n = 0;

	while (dir && (entry = readdir(dir))) {
		char name[PATH_MAX];

		if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
			continue;
		n++;
		if (visit && snprintf(name, sizeof name, "%s/%s", path, entry->d_name) < PATH_MAX)
			visit(name);
	}
	if (dir)
		closedir(dir);
	return n;
}

static void remove_file(const char *path)
{
	remove(path);
}

static void remove_entry(const char *path)
{
	walk(path, remove_file);
	remove(path);
}

/* One level of subdirectories is all that tests make. */
static void scratch_remove(void)
{
	if (getpid() != owner)
		return;
	walk(scratch, remove_entry);
	remove(scratch);
}

static void scratch_make(void)
{
	snprintf(scratch, sizeof scratch, "%s/pktloom-test-XXXXXX", os_shared_root());
	if (mkdtemp(scratch)) {
		owner = getpid();
		atexit(scratch_remove);
		snprintf(shared, sizeof shared, "%s/shared", scratch);
		if (mkdir(shared, 0700) == 0 && setenv("PKTLOOM_DIR", shared, 1) == 0)
			return;
	}
	perror(scratch);
	exit(1);
}

const char *scratch_directory(void)
{
	if (!scratch[0])
		scratch_make();
	return shared;
}

unsigned scratch_visit(void (*visit)(const char *path))
{
	return walk(scratch_directory(), visit);
}

const char *scratch_subdirectory(const char *name, unsigned mode)
{
	static char path[PATH_MAX + 64];

	scratch_directory();
	snprintf(path, sizeof path, "%s/%s", scratch, name);
	if (mkdir(path, 0700) == 0 &&
	    chmod(path, (mode_t)mode) == 0) /* mkdir would apply the umask */
		return path;
	perror(path);
	exit(1);
}

unsigned scaled(unsigned n)
{
	const char *percent = getenv("PKTLOOM_TEST_SCALE");
	unsigned long scale = percent ? strtoul(percent, NULL, 10) : SLOW_BUILD ? 10 : 100;
	unsigned long result = (unsigned long)n * scale / 100;

	return result ? (unsigned)result : 1;
}

uint64_t now_ms(void)
{
	return os_now_ns() / 1000000u;
}

unsigned open_descriptors(void)
{
	return walk("/proc/self/fd", NULL) - 1; /* the one it takes to look */
}

uint32_t random_next(uint32_t *state)
{
	*state = *state * 1664525u + 1013904223u;
	return *state >> 8;
}

pid_t child_start(int (*body)(void *arg), void *arg)
{
	pid_t child = fork();

	if (child == 0)
		_exit(body(arg));
	if (child > 0)
		return child;
	perror("fork");
	exit(1);
}

int child_wait(pid_t child)
{
	const struct timespec pause = {.tv_nsec = 1000000};
	const uint64_t deadline = now_ms() + 60000;
	int status = 0;

	while (waitpid(child, &status, WNOHANG) == 0) {
		if (now_ms() > deadline) {
			kill(child, SIGKILL);
			waitpid(child, &status, 0);
			break;
		}
		nanosleep(&pause, NULL);
	}
	return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
}

/* A header of an ethertype for experiments, so that a real link carries it and nobody answers. */
static const uint8_t header[PACKET_HEADER] = {2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 1, 0x88, 0xb5};

/* Four bytes in a row tell every number from every other one. */
static uint8_t pattern(uint32_t number, uint32_t i)
{
	return (uint8_t)((number * 2654435761u >> i % 4 * 8) + i * 7);
}

void packet_fill(uint8_t *data, uint32_t len, uint32_t number)
{
	uint32_t i = 0;

	if (len >= PACKET_HEADER)
		memcpy(data, header, i = PACKET_HEADER);
	for (; i < len; i++)
		data[i] = pattern(number, i);
}

bool packet_is(const uint8_t *data, uint32_t len, uint32_t number)
{
	uint32_t i = 0;

	if (len >= PACKET_HEADER) {
		if (memcmp(data, header, PACKET_HEADER) != 0)
			return false;
		i = PACKET_HEADER;
	}
	for (; i < len; i++)
		if (data[i] != pattern(number, i))
			return false;
	return true;
}

bool packet_is_ours(const uint8_t *data, uint32_t len)
{
	return len < PACKET_HEADER || memcmp(data, header, PACKET_HEADER) == 0;
}
