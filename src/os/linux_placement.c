/* SPDX-License-Identifier: BSD-2-Clause */
/* placement.h on Linux: what sysfs says, and mbind() and getcpu() themselves, which need no libnuma. */
#include "placement.h"

#include <errno.h>
#include <linux/mempolicy.h>
#include <net/if.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "os.h"
#include "safe_copy.h"

#define NODES_MAX 1024u
#define WORD_BITS (8 * sizeof(unsigned long))

/* "0", "0-1", "0,2" … */
bool os_has_nodes(void)
{
	char line[64];

	return os_line_read("/sys/devices/system/node/has_memory", line, sizeof line) &&
	       strpbrk(line, ",-");
}

int os_node_of_interface(const char *name)
{
	char path[sizeof "/sys/class/net//device/numa_node" + IF_NAMESIZE], line[16];

	if (strlen(name) >= IF_NAMESIZE || strchr(name, '/') || name[0] == '.')
		return -1;
	snprintf(path, sizeof path, "/sys/class/net/%s/device/numa_node", name);
	return os_line_read(path, line, sizeof line) ? (int)strtol(line, NULL, 10) : -1;
}

int os_node_here(void)
{
	unsigned processor, node;

	return syscall(SYS_getcpu, &processor, &node, NULL) == 0 ? (int)node : -1;
}

void os_memory_prefer_node(void *at, size_t size, int node)
{
	unsigned long nodes[NODES_MAX / WORD_BITS] = {0};
	int policy;

	if (node < 0 || (unsigned)node >= NODES_MAX ||
	    syscall(SYS_get_mempolicy, &policy, NULL, 0, NULL, 0) != 0 || policy != MPOL_DEFAULT)
		return;
	nodes[(unsigned)node / WORD_BITS] = 1ul << (unsigned)node % WORD_BITS;
	syscall(SYS_mbind, at, size, MPOL_PREFERRED, nodes, (unsigned long)NODES_MAX, 0);
}

size_t os_huge_page_size(void)
{
	char line[32];

	return os_line_read("/sys/kernel/mm/transparent_hugepage/hpage_pmd_size", line, sizeof line)
		   ? (size_t)strtoull(line, NULL, 10)
		   : 0;
}

/* A stretch in which the place can be found, of which the rest is given back. */
int os_memory_map_aligned(int fd, size_t size, size_t align, size_t phase, void **out)
{
	uint8_t *all =
	    mmap(NULL, size + align, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	size_t before;
	int err;

	if (all == MAP_FAILED)
		return -errno;
	before = (phase - (uintptr_t)all) & (align - 1);
	err = os_memory_overlay(all + before, size, fd, 0);
	if (err) {
		munmap(all, size + align);
		return err;
	}
	if (before > 0)
		munmap(all, before);
	munmap(all + before + size, align - before);
	*out = all + before;
	return 0;
}

static bool is_range_with(const char *line, uintptr_t at, bool *with)
{
	char *end;
	uintptr_t from = strtoull(line, &end, 16), to;

	if (end == line || *end != '-')
		return false;
	to = strtoull(end + 1, NULL, 16);
	*with = at >= from && at < to;
	return true;
}

static bool is_some_of(const char *line, const char *field)
{
	size_t len = strlen(field);

	return strncmp(line, field, len) == 0 && strtoull(line + len, NULL, 10) > 0;
}

/* A line "<from>-<to> …" for each mapping, then one for each number. */
static bool is_huge_there(FILE *maps, uintptr_t at)
{
	char line[512];
	bool inside = false;

	while (fgets(line, sizeof line, maps)) {
		if (is_range_with(line, at, &inside))
			continue;
		if (inside &&
		    (is_some_of(line, "ShmemPmdMapped:") || is_some_of(line, "FilePmdMapped:")))
			return true;
	}
	return false;
}

static bool is_huge(const void *at)
{
	FILE *maps = fopen("/proc/self/smaps", "re");
	bool found = maps && is_huge_there(maps, (uintptr_t)at);

	if (maps)
		fclose(maps);
	return found;
}

bool os_memory_make_huge(void *at, size_t size)
{
	size_t huge = os_huge_page_size();
	size_t before = huge ? -(uintptr_t)at & (huge - 1) : 0;
	uint8_t byte;

	if (huge == 0 || size < before || size - before < huge ||
	    madvise(at, size, MADV_HUGEPAGE) != 0)
		return false;
	/* Safely: the file system may be full. */
	return os_safe_copy(&byte, (uint8_t *)at + before, 1) && is_huge((uint8_t *)at + before);
}
