/* SPDX-License-Identifier: BSD-2-Clause */
/* What an ELF file says about who can load it. */
#ifndef ELF_FILE_H
#define ELF_FILE_H

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/** Of a file in another byte order, class and data only. */
struct elf {
	uint8_t class, data; /* ELFCLASS…, ELFDATA… */
	uint16_t type, machine;
	bool dynamic;          /* has a dynamic section */
	char loader[PATH_MAX]; /* PT_INTERP; empty: none */
};

/** 0; -ENOEXEC: it is no ELF file; -EINVAL: a broken one; another -errno from reading it. */
int elf_read(int fd, struct elf *out);

/** Whether code of both can be in one process. */
bool elf_same_machine(const struct elf *a, const struct elf *b);

/** "64-bit x86-64"; @return out */
const char *elf_describe(const struct elf *elf, char *out, size_t size);

#endif
