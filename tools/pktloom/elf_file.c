/* SPDX-License-Identifier: BSD-2-Clause */
/* Reading ELF headers of either class. Nothing in the file is believed to be there before it is read. */
#include "elf_file.h"

#include <elf.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define OUR_DATA (__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__ ? ELFDATA2LSB : ELFDATA2MSB)

/* The program headers, and the one that names the loader, alike for both classes. */
struct table {
	uint64_t offset;
	uint32_t entry_size, num;
};

struct segment {
	uint32_t type;
	uint64_t offset, size;
};

static int read_at(int fd, uint64_t offset, void *out, size_t len)
{
	ssize_t n = offset > INT64_MAX ? 0 : pread(fd, out, len, (off_t)offset);

	if (n < 0)
		return -errno;
	return (size_t)n == len ? 0 : -EINVAL;
}

/* clang-format off */
#define READERS(bits)                                                                              \
	static int read_header_##bits(int fd, struct elf *out, struct table *table)                \
	{                                                                                          \
		Elf##bits##_Ehdr header;                                                           \
		int err = read_at(fd, 0, &header, sizeof header);                                  \
                                                                                                   \
		if (err)                                                                           \
			return err;                                                                \
		out->type = header.e_type;                                                         \
		out->machine = header.e_machine;                                                   \
		*table = (struct table){header.e_phoff, sizeof(Elf##bits##_Phdr), header.e_phnum}; \
		return header.e_phentsize == table->entry_size || !table->num ? 0 : -EINVAL;       \
	}                                                                                          \
                                                                                                   \
	static int read_segment_##bits(int fd, uint64_t at, struct segment *out)                   \
	{                                                                                          \
		Elf##bits##_Phdr header;                                                           \
		int err = read_at(fd, at, &header, sizeof header);                                 \
                                                                                                   \
		if (!err)                                                                          \
			*out = (struct segment){header.p_type, header.p_offset, header.p_filesz};  \
		return err;                                                                        \
	}
/* clang-format on */

READERS(32)
READERS(64)

static int read_loader(int fd, const struct segment *segment, struct elf *out)
{
	int err;

	if (segment->size == 0 || segment->size > sizeof out->loader)
		return -EINVAL;
	err = read_at(fd, segment->offset, out->loader, segment->size);
	out->loader[segment->size - 1] = 0;
	return err;
}

static int read_segments(int fd, const struct table *table, struct elf *out)
{
	for (uint64_t i = 0; i < table->num; i++) {
		uint64_t at = table->offset + i * table->entry_size;
		struct segment segment;
		int err = out->class == ELFCLASS32 ? read_segment_32(fd, at, &segment)
						   : read_segment_64(fd, at, &segment);

		if (!err && segment.type == PT_INTERP)
			err = read_loader(fd, &segment, out);
		if (err)
			return err;
		out->dynamic |= segment.type == PT_DYNAMIC;
	}
	return 0;
}

int elf_read(int fd, struct elf *out)
{
	unsigned char ident[EI_NIDENT];
	struct table table;
	int err = read_at(fd, 0, ident, sizeof ident);

	if (err == -EINVAL || (!err && memcmp(ident, ELFMAG, SELFMAG) != 0))
		return -ENOEXEC;
	if (!err && ident[EI_CLASS] != ELFCLASS32 && ident[EI_CLASS] != ELFCLASS64)
		err = -EINVAL;
	if (err)
		return err;
	*out = (struct elf){.class = ident[EI_CLASS], .data = ident[EI_DATA]};
	if (out->data != OUR_DATA)
		return 0;
	err = out->class == ELFCLASS32 ? read_header_32(fd, out, &table)
				       : read_header_64(fd, out, &table);
	return err ? err : read_segments(fd, &table, out);
}

bool elf_same_machine(const struct elf *a, const struct elf *b)
{
	return a->class == b->class && a->data == b->data && a->machine == b->machine;
}

static const char *machine_name(uint16_t machine)
{
	switch (machine) {
	case EM_386:
		return "x86";
	case EM_X86_64:
		return "x86-64";
	case EM_ARM:
		return "ARM";
	case EM_AARCH64:
		return "AArch64";
	case EM_RISCV:
		return "RISC-V";
	case EM_PPC64:
		return "PowerPC";
	case EM_S390:
		return "S/390";
	default:
		return NULL;
	}
}

const char *elf_describe(const struct elf *elf, char *out, size_t size)
{
	const char *name = elf->data == OUR_DATA ? machine_name(elf->machine) : NULL;
	int bits = elf->class == ELFCLASS32 ? 32 : 64;

	if (elf->data != OUR_DATA)
		snprintf(out, size, "%d-bit of the other byte order", bits);
	else if (name)
		snprintf(out, size, "%d-bit %s", bits, name);
	else
		snprintf(out, size, "%d-bit, machine %u", bits, (unsigned)elf->machine);
	return out;
}
