/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Copying without faulting: the kernel does it for us. It is asked to copy between two places of
 * this process; where that is forbidden (a sandbox), through a pipe.
 */
#include "user.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/uio.h>
#include <unistd.h>

#include "real.h"

static void *pointer(uint64_t address)
{
	return (void *)(uintptr_t)address;
}

/* write() tells us when `from` cannot be read, read() when `to` cannot be written. */
static int copy_through_pipe(void *to, void *from, size_t len)
{
	int ends[2], err = 0;

	if (len > USER_MAX)
		return -EMSGSIZE;
	if (pipe2(ends, O_CLOEXEC | O_NONBLOCK) != 0)
		return -errno;
	if (real()->write(ends[1], from, len) != (ssize_t)len ||
	    real()->read(ends[0], to, len) != (ssize_t)len)
		err = -EFAULT;
	real()->close(ends[0]);
	real()->close(ends[1]);
	return err;
}

/* Between the program's memory and ours: in, or out. */
static int copy(bool in, void *ours, uint64_t theirs, size_t len)
{
	const struct iovec here = {.iov_base = ours, .iov_len = len};
	const struct iovec there = {.iov_base = pointer(theirs), .iov_len = len};
	int saved = errno, err = -EFAULT;
	ssize_t n = (in ? process_vm_readv : process_vm_writev)(getpid(), &here, 1, &there, 1, 0);

	if (n == (ssize_t)len)
		err = 0;
	else if (n < 0 && errno != EFAULT)
		err = copy_through_pipe(
		    in ? ours : pointer(theirs), in ? pointer(theirs) : ours, len);
	errno = saved;
	return err;
}

int user_read(void *to, uint64_t from, size_t len)
{
	return copy(true, to, from, len);
}

int user_write(uint64_t to, const void *from, size_t len)
{
	return copy(false, (void *)(uintptr_t)from, to, len);
}
