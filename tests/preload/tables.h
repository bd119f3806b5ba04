/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Requests as tables: a row is a line, and says what netmap's module answers. Where the device under test
 * does not answer so yet, `today` is what it says instead; a row that has outlived that fails.
 */
#ifndef PRELOAD_TABLES_H
#define PRELOAD_TABLES_H

#include "support.h"

/** A port that is open while a table is walked. */
struct holder {
	const char *name;
	uint32_t mode;
	uint64_t flags;
	uint16_t rings;  /* of each direction */
	uint32_t header; /* length of its virtio header */
};

#define HOLDERS_MAX 8u

/** Open them; closed by holders_close(), whatever happens in between. */
void holders_open(const struct holder *holders, size_t n);
void holders_close(void);

/** The descriptor of the n-th, from 1 on. */
int holder_fd(size_t n);

/** Compare an answer with its row; rows are counted, and failures listed, until table_end(). */
void table_check(const char *table, size_t row, const char *what, int got, int error, int today);

/** Fails if a row did. */
void table_end(void);

const char *error_name(int error);

#endif
