/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What tests need, in cmocka or not: a private directory for shared objects, shorter runs where the build
 * is slow, children that do not outlive a failure, packets that can be recognised.
 */
#ifndef CONTRACT_HELPERS_H
#define CONTRACT_HELPERS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/** A private directory, named by PKTLOOM_DIR from the first call on; gone when the program ends. */
const char *scratch_directory(void);

/** Files in it; visit, if not NULL, is called with the path of each. */
unsigned scratch_visit(void (*visit)(const char *path));
#define scratch_files() scratch_visit(NULL)

/** An empty directory beside it, with that mode; valid until the next call. */
const char *scratch_subdirectory(const char *name, unsigned mode);

/** n, or less of it under a sanitizer, or as PKTLOOM_TEST_SCALE (percent) says; 1 at least. */
unsigned scaled(unsigned n);

uint64_t now_ms(void);

/** Open descriptors of this process. */
unsigned open_descriptors(void);

/** A pseudo-random sequence that is the same in every run. */
uint32_t random_next(uint32_t *state);

/** Run body in a child; its result is the exit status. */
pid_t child_start(int (*body)(void *arg), void *arg);

/** Exit status of a child, -signal if one ended it; a child that takes over 60 s is killed. */
int child_wait(pid_t child);

/* ---- packets with content that can be checked ---- */

#define PACKET_HEADER 14u /* shorter ones carry no Ethernet header, longer ones do */

void packet_fill(uint8_t *data, uint32_t len, uint32_t number);
bool packet_is(const uint8_t *data, uint32_t len, uint32_t number);

/** Whether a test sent it, and not the system. */
bool packet_is_ours(const uint8_t *data, uint32_t len);

#endif
