/* SPDX-License-Identifier: BSD-2-Clause */
#include "support.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>

#include <cmocka.h>

static char private_dir[] = "/tmp/pktloom-cost-XXXXXX";

int private_dir_setup(void **state)
{
	(void)state;
	if (!mkdtemp(private_dir))
		return -1;
	return setenv("PKTLOOM_DIR", private_dir, 1);
}

int private_dir_teardown(void **state)
{
	(void)state;
	return rmdir(private_dir);
}

size_t count_entries(const char *path)
{
	DIR *dir = opendir(path ? path : private_dir);
	size_t n = 0;

	assert_non_null(dir);
	while (readdir(dir))
		n++;
	closedir(dir);
	return n - 2;
}

size_t count_descriptors(void)
{
	return count_entries("/proc/self/fd") - 1; /* the one that reads the directory */
}

size_t count_mappings(void)
{
	FILE *maps = fopen("/proc/self/maps", "re");
	size_t n = 0;
	int c;

	assert_non_null(maps);
	while ((c = fgetc(maps)) != EOF)
		n += c == '\n';
	fclose(maps);
	return n;
}

size_t resident_bytes(const char *field)
{
	FILE *rollup = fopen("/proc/self/smaps_rollup", "re");
	size_t len = strlen(field), found = 0;
	char line[256];

	assert_non_null(rollup);
	while (fgets(line, sizeof line, rollup))
		if (strncmp(line, field, len) == 0 && line[len] == ':')
			found = strtoul(line + len + 1, NULL, 10) * 1024;
	fclose(rollup);
	assert_int_not_equal(found, 0);
	return found;
}
