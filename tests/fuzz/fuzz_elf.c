/* SPDX-License-Identifier: BSD-2-Clause */
/* Files that claim to be ELF: the reader neither crashes nor returns anything inconsistent. */
#include <errno.h>
#include <sys/mman.h>
#include <unistd.h>

#include "../../tools/pktloom/elf_file.h"
#include "fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	int fd = memfd_create("fuzz-elf", MFD_CLOEXEC), err;
	struct elf elf;
	char text[40];

	CHECK(fd >= 0 && write(fd, data, size) == (ssize_t)size);
	memset(&elf, 0x5a, sizeof elf);
	err = elf_read(fd, &elf);
	close(fd);
	CHECK(err == 0 || err == -ENOEXEC || err == -EINVAL);
	if (err)
		return 0;
	CHECK(memchr(elf.loader, 0, sizeof elf.loader) != NULL);
	CHECK(strlen(elf.loader) < size);
	CHECK(elf_same_machine(&elf, &elf));
	CHECK(strlen(elf_describe(&elf, text, sizeof text)) > strlen("64-bit"));
	return 0;
}
