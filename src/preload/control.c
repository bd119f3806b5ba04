/* SPDX-License-Identifier: BSD-2-Clause */
/* ioctl: netmap's own on netmap descriptors, interface questions on any other. */
#include <errno.h>
#include <stdarg.h>
#include <sys/ioctl.h>

#include "interface.h"
#include "legacy.h"
#include "real.h"
#include "request.h"
#include "table.h"

/* What the kernel answers for every descriptor before it asks a device. */
static bool is_generic(unsigned long command)
{
	return command == FIOCLEX || command == FIONCLEX || command == FIONBIO ||
	       command == FIOASYNC;
}

static int device_ioctl(struct handle *handle, unsigned long command, void *argument)
{
	uint64_t address = (uintptr_t)argument;

	switch ((unsigned)command) { /* as the kernel, which takes 32 bits of it */
	case NIOCCTRL:
		return request_control(handle, address);
	case NIOCREGIF:
		return legacy_control(handle, true, address);
	case NIOCGINFO:
		return legacy_control(handle, false, address);
	default:
		return -EOPNOTSUPP;
	}
}

static int failed(int err, int saved)
{
	errno = err < 0 ? -err : saved;
	return err < 0 ? -1 : 0;
}

/* From a signal handler inside a sync, nothing: that sync goes on when the handler returns. */
static int sync_ioctl(int fd, bool tx)
{
	int saved = errno, err = 0;
	bool entered;
	struct handle *handle = table_enter(fd, &entered);

	if (!handle)
		return real()->ioctl(fd, tx ? NIOCTXSYNC : NIOCRXSYNC, NULL);
	if (entered) {
		err = handle->device->ops->sync(handle->device, tx);
		handle_leave(handle);
	}
	return failed(err, saved);
}

static int netmap_ioctl(int fd, unsigned long command, void *argument)
{
	struct handle *handle;
	int saved = errno, err;

	if ((unsigned)command == NIOCTXSYNC || (unsigned)command == NIOCRXSYNC)
		return sync_ioctl(fd, (unsigned)command == NIOCTXSYNC);
	handle = is_generic(command) ? NULL : table_get_device(fd);
	if (!handle)
		return real()->ioctl(fd, command, argument);
	err = device_ioctl(handle, command, argument);
	handle_put(handle);
	return failed(err, saved);
}

INTERPOSE(int, ioctl, (int fd, unsigned long command, ...))
{
	int saved = errno, result;
	void *argument;
	va_list list;

	va_start(list, command);
	argument = va_arg(list, void *);
	va_end(list);
	if (table_is_device(fd))
		return netmap_ioctl(fd, command, argument);
	result = real()->ioctl(fd, command, argument);
	if (result == 0 || errno != ENODEV || preload_inside)
		return result;
	if (!interface_answer(command, argument))
		return result;
	errno = saved;
	return 0;
}
