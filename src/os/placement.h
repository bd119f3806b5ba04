/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Where memory is, and in pages of which size: near one of several processors' memories (nodes), in huge
 * pages. All of it is asked for and may not be had; nothing here fails.
 */
#ifndef OS_PLACEMENT_H
#define OS_PLACEMENT_H

#include <stdbool.h>
#include <stddef.h>

/** Whether the system has memory in more than one node. */
bool os_has_nodes(void);

/** The node that a network interface is at; -1: at none, or there is no such interface. */
int os_node_of_interface(const char *name);

/** The node of the processor that the calling thread runs on; -1: unknown. */
int os_node_here(void);

/**
 * Take pages of a shared mapping from that node, as long as it has any: pages that nobody touched yet, for
 * all processes that map them. A program that chose a policy of its own (numactl(8)) keeps that.
 */
void os_memory_prefer_node(void *at, size_t size, int node);

/** Bytes of a huge page; 0: the system has none. */
size_t os_huge_page_size(void);

/** As os_memory_map(), with an address that is `phase` above a multiple of `align`, a power of two. */
int os_memory_map_aligned(int fd, size_t size, size_t align, size_t phase, void **out);

/**
 * Ask for huge pages in a mapping, and take in the first one.
 *
 * @return whether that is one: it says what can be expected of the others
 */
bool os_memory_make_huge(void *at, size_t size);

#endif
