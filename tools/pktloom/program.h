/* SPDX-License-Identifier: BSD-2-Clause */
/* Finding a program, and telling whether a library can be preloaded into it. */
#ifndef PROGRAM_H
#define PROGRAM_H

#include <stdbool.h>
#include <stddef.h>

#include "elf_file.h"

/* Exit statuses of those who start programs: env(1) and its kin use the same. */
enum {
	PROGRAM_UNSTARTED = 125, /* it is not the program's fault */
	PROGRAM_REFUSED = 126,
	PROGRAM_MISSING = 127,
};

/**
 * Where the shell would find it: as it is if it has a '/', or by PATH.
 *
 * @return 0, PROGRAM_REFUSED (there, but not executable) or PROGRAM_MISSING; and why, to stderr
 */
int program_find(const char *name, char *path, size_t size);

/**
 * Whether the library would get into the program; a script stands for its interpreter. What is
 * neither, or cannot be read, is taken to be in order: the kernel may know more.
 *
 * @return 0, PROGRAM_REFUSED or PROGRAM_MISSING (the interpreter or loader); and why
 */
int program_check(const char *path, const struct elf *library);

#endif
