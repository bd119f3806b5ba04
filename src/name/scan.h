/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The reader that all parts of the port-name grammar share: one position in the text, what is
 * being read there, and the error report.
 */
#ifndef PKTLOOM_NAME_SCAN_H
#define PKTLOOM_NAME_SCAN_H

#include "name.h"

struct scan {
	const char *text;   /* the whole name */
	const char *at;     /* first unread character */
	const char *device; /* where the device name begins: behind prefixes that are not its own */
	const char *part;   /* what is being read, */
	const char *expected; /* and what may follow what was read of it, for reports */
	struct name *name;    /* the result so far */
	struct name_error *error;
};

/** A table whose rows begin with a `const char *` name. */
struct scan_words {
	const void *rows;
	size_t count, stride;
};

#define SCAN_WORDS(table)                                                                          \
	{                                                                                          \
		(table), sizeof(table) / sizeof((table)[0]), sizeof((table)[0])                    \
	}

/** From here on we are in `part`; `expected` says what may follow what was read. */
void scan_enter(struct scan *scan, const char *part, const char *expected);

/** Report the `span` characters at `at` (0: the name ends there). Returns -EINVAL. */
int scan_fail(struct scan *scan, const char *at, size_t span, const char *expected);

/** Report that `at` is the first character too many. Returns -ENAMETOOLONG. */
int scan_fail_long(struct scan *scan, const char *at, size_t max_len);

/** Report the next character, or the end. Returns -EINVAL. */
int scan_fail_here(struct scan *scan, const char *expected);

/** Read a decimal number in [min, max], max at least 9. The caller checks what follows it. */
int scan_number(struct scan *scan, uint32_t min, uint32_t max, uint32_t *out);

/**
 * Look up the next len characters (not read yet) in a table. When they are not there, reports
 * `lead` and the names that are.
 */
int scan_word(
    struct scan *scan, size_t len, const char *lead, struct scan_words words, size_t *index);

/** Copy [from, scan->at) to a field of `size` bytes and end it with a NUL. */
int scan_copy(struct scan *scan, const char *from, char *field, size_t size);

/** Read up to a character of `stops` or the end; refuses control characters and empty text. */
int scan_free_text(struct scan *scan, const char *stops, const char *expected);

#endif
