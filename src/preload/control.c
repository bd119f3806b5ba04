/* SPDX-License-Identifier: BSD-2-Clause */
/* ioctl: netmap's own on netmap descriptors, interface questions on any other. */
#include <errno.h>
#include <sys/ioctl.h>

#include "interface.h"
#include "legacy.h"
#include "real.h"
#include "request.h"
#include "table.h"
#include "user.h"

/* What the kernel answers for every descriptor before it asks a device. */
static bool is_generic(unsigned long command)
{
	return command == FIOCLEX || command == FIONCLEX || command == FIONBIO ||
	       command == FIOASYNC;
}

/* What it is for, a switch's function that another kernel module brings along, no switch here has. */
static int config_control(uint64_t address)
{
	struct nm_ifreq request;
	int err = address ? user_read(&request, address, sizeof request) : 0;

	return err ? err : -EINVAL;
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
	case NIOCCONFIG:
		return config_control(address);
	default:
		return -EOPNOTSUPP;
	}
}

static int failed(int err, int saved)
{
	errno = err < 0 ? -err : saved;
	return err < 0 ? -1 : 0;
}

static int netmap_ioctl(int fd, unsigned long command, void *argument)
{
	struct handle *handle = is_generic(command) ? NULL : table_get_device(fd);
	int saved = errno, err;

	if (!handle)
		return real()->ioctl(fd, command, argument);
	err = device_ioctl(handle, command, argument);
	handle_put(handle);
	return failed(err, saved);
}

/* Not inlined: what it needs registers for is no concern of a sync. */
static __attribute__((noinline)) int any_ioctl(int fd, unsigned long command, void *argument)
{
	int saved = errno, result;

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

/*
 * The call that classic programs make for every batch: the way to the device and nothing else, in so few
 * instructions that tests/cost counts them. From a signal handler inside a sync, nothing: that
 * sync goes on when the handler returns.
 */
static __attribute__((noinline)) int sync_ioctl(
    struct handle *handle, struct handle *const *slot, bool tx)
{
	int *error = &errno, saved = *error, err;

	if (__builtin_expect(!handle_enter(handle), 0))
		return 0;
	if (__builtin_expect(__atomic_load_n(slot, __ATOMIC_ACQUIRE) != handle, 0)) {
		handle_leave(handle); /* closed, and perhaps opened anew, before we were inside */
		return ioctl((int)(slot - table_slots), tx ? NIOCTXSYNC : NIOCRXSYNC, NULL);
	}
	err = handle->device->ops->sync(handle->device, tx);
	handle_leave(handle);
	*error = saved;
	return __builtin_expect(err, 0) ? failed(err, saved) : 0;
}

/*
 * Variadic to its callers, but with one argument more at most: by every calling convention of Linux that is in
 * the same place, and to look for it as a variadic function does is work in front of each sync.
 */
INTERPOSE(int, ioctl, (int fd, unsigned long command, void *argument))
{
	unsigned sync = (unsigned)command - NIOCTXSYNC;
	struct handle *handle;

	_Static_assert(NIOCRXSYNC == NIOCTXSYNC + 1, "sync is 0 for the one and 1 for the other");
	if (sync <= 1 && (handle = table_peek(fd)) && handle->kind == HANDLE_DEVICE)
		return sync_ioctl(handle, &table_slots[fd], sync == 0);
	return any_ioctl(fd, command, argument);
}
