/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What every test of ports needs: cmocka, a private directory for shared objects, shorter runs
 * where the build is slow, children that do not outlive a failure.
 */
#ifndef CONTRACT_SUPPORT_H
#define CONTRACT_SUPPORT_H

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/types.h>

#include <cmocka.h>
#include <pktloom.h>

#define COUNT(table) (sizeof(table) / sizeof((table)[0]))

/** The call failed with this error, and its message says what a person has to know. */
#define assert_refused(call, error, word)                                                          \
	do {                                                                                       \
		assert_int_equal((call), (error));                                                 \
		if (!strstr(loom_error(), (word)))                                                 \
			fail_msg("\"%s\" is not in the message: %s", (word), loom_error());        \
	} while (0)

/** The call returned 0; if not, say what the library said. */
#define assert_ok(call)                                                                            \
	do {                                                                                       \
		int result_ = (call);                                                              \
		if (result_ != 0)                                                                  \
			fail_msg("%s: %d, %s", #call, result_, loom_error());                      \
	} while (0)

/** A private directory, named by PKTLOOM_DIR from the first call on; gone when the program ends. */
const char *scratch_directory(void);

/** Files in it. */
unsigned scratch_files(void);

/** An empty directory beside it, with that mode; valid until the next call. */
const char *scratch_subdirectory(const char *name, unsigned mode);

/** n, or less of it under a sanitizer, or as PKTLOOM_TEST_SCALE (percent) says; 1 at least. */
unsigned scaled(unsigned n);

uint64_t now_ms(void);

/** Open descriptors of this process. */
unsigned open_descriptors(void);

/** Run body in a child; its result is the exit status. */
pid_t child_start(int (*body)(void *arg), void *arg);

/** Exit status of a child, -signal if one ended it; a child that takes over 60 s is killed. */
int child_wait(pid_t child);

/** A pseudo-random sequence that is the same in every run. */
uint32_t random_next(uint32_t *state);

/* ---- packets with content that can be checked ---- */

#define PACKET_HEADER 14u /* shorter ones carry no Ethernet header, longer ones do */

void packet_fill(uint8_t *data, uint32_t len, uint32_t number);
bool packet_is(const uint8_t *data, uint32_t len, uint32_t number);

/** Whether a test sent it, and not the system. */
bool packet_is_ours(const uint8_t *data, uint32_t len);

#endif
