/* SPDX-License-Identifier: BSD-2-Clause */
/* Mapping the file that a name gives as a port's memory. */
#include "extmem.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../base/error.h"
#include "../os/os.h"

static int file_map(int fd, struct port_extmem *out)
{
	struct stat st;
	void *base;
	int err;

	if (fstat(fd, &st) != 0)
		return -errno;
	if (st.st_size == 0)
		return -ENODATA;
	err = os_memory_map(fd, (size_t)st.st_size, &base);
	if (err)
		return err;
	*out = (struct port_extmem){.base = base, .size = (size_t)st.st_size};
	return 0;
}

int extmem_map(const char *text, const struct name_extmem *wanted, struct port_extmem *out,
    struct nmreq_opt_extmem *option)
{
	int fd = open(wanted->file, O_RDWR | O_CLOEXEC);
	int err = fd < 0 ? -errno : file_map(fd, out);

	if (fd >= 0)
		close(fd);
	if (err)
		return error_set(err, "port \"%s\": cannot use \"%s\" as memory: %s", text,
		    wanted->file,
		    err == -ENODATA ? "it is empty (give it a size: truncate -s 64M FILE)"
				    : strerror(-err));
	*option = (struct nmreq_opt_extmem){
	    .nro_opt = {.nro_reqtype = NETMAP_REQ_OPT_EXTMEM, .nro_size = sizeof *option},
	    .nro_usrptr = (uint64_t)(uintptr_t)out->base,
	    .nro_info = {.nr_memsize = out->size,
		.nr_if_pool_objtotal = wanted->if_num,
		.nr_if_pool_objsize = wanted->if_size,
		.nr_ring_pool_objtotal = wanted->ring_num,
		.nr_ring_pool_objsize = wanted->ring_size,
		.nr_buf_pool_objtotal = wanted->buf_num,
		.nr_buf_pool_objsize = wanted->buf_size}};
	return 0;
}

void extmem_unmap(struct port_extmem *extmem)
{
	if (extmem->base)
		os_memory_unmap(extmem->base, extmem->size);
	extmem->base = NULL;
}
