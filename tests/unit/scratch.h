/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What tests need that are not in cmocka, too: a private directory for shared objects, shorter runs
 * where the build is slow, time and numbers.
 */
#ifndef UNIT_SCRATCH_H
#define UNIT_SCRATCH_H

#include <stddef.h>
#include <stdint.h>

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

#endif
