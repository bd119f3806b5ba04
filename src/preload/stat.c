/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Asking about /dev/netmap: whether it is there, what it is, whether it may be opened.
 *
 * Such questions are asked about /dev/null instead. What is true of that one is what there is to say:
 * a character device that everybody may read and write. And the C library fills in the answer, in the
 * layout that goes with the function's name.
 */
#include <fcntl.h>

#include "path.h"
#include "real.h"
#include "table.h"

#ifndef AT_EMPTY_PATH
#define AT_EMPTY_PATH 0x1000
#endif

#define STAND_IN "/dev/null"

static const char *instead(const char *path)
{
	return path_is_netmap(path) ? STAND_IN : path;
}

/* Without a path, the descriptor itself is meant. */
static const char *instead_at(int directory, const char *path, int flags)
{
	bool itself = (flags & AT_EMPTY_PATH) && (!path || !*path);

	return itself && table_is_device(directory) ? STAND_IN : instead(path);
}

#define ACCESS(name)                                                                               \
	INTERPOSE(int, name, (const char *path, int mode))                                         \
	{                                                                                          \
		return real()->name(instead(path), mode);                                          \
	}

ACCESS(access)
ACCESS(eaccess)
ACCESS(euidaccess)

INTERPOSE(int, faccessat, (int directory, const char *path, int mode, int flags))
{
	return real()->faccessat(directory, instead_at(directory, path, flags), mode, flags);
}

#define STAT(name)                                                                                 \
	INTERPOSE(int, name, (const char *path, void *out))                                        \
	{                                                                                          \
		return real()->name(instead(path), out);                                           \
	}

STAT(stat)
STAT(stat64)
STAT(lstat)
STAT(lstat64)

#define FSTAT(name, by_path)                                                                       \
	INTERPOSE(int, name, (int fd, void *out))                                                  \
	{                                                                                          \
		if (table_is_device(fd))                                                           \
			return real()->by_path(STAND_IN, out);                                     \
		return real()->name(fd, out);                                                      \
	}

FSTAT(fstat, stat)
FSTAT(fstat64, stat64)

#define FSTATAT(name)                                                                              \
	INTERPOSE(int, name, (int directory, const char *path, void *out, int flags))              \
	{                                                                                          \
		return real()->name(directory, instead_at(directory, path, flags), out, flags);    \
	}

FSTATAT(fstatat)
FSTATAT(fstatat64)

INTERPOSE(int, statx, (int directory, const char *path, int flags, unsigned mask, void *out))
{
	return real()->statx(directory, instead_at(directory, path, flags), flags, mask, out);
}

/* ---- what programs call that were built with a C library before glibc 2.33 ---- */

#define OLD_STAT(name)                                                                             \
	INTERPOSE(int, name, (int version, const char *path, void *out))                           \
	{                                                                                          \
		return real()->name(version, instead(path), out);                                  \
	}

OLD_STAT(__xstat)
OLD_STAT(__xstat64)
OLD_STAT(__lxstat)
OLD_STAT(__lxstat64)

#define OLD_FSTAT(name, by_path)                                                                   \
	INTERPOSE(int, name, (int version, int fd, void *out))                                     \
	{                                                                                          \
		if (table_is_device(fd))                                                           \
			return real()->by_path(version, STAND_IN, out);                            \
		return real()->name(version, fd, out);                                             \
	}

OLD_FSTAT(__fxstat, __xstat)
OLD_FSTAT(__fxstat64, __xstat64)

#define OLD_FSTATAT(name)                                                                          \
	INTERPOSE(int, name, (int version, int directory, const char *path, void *out, int flags)) \
	{                                                                                          \
		path = instead_at(directory, path, flags);                                         \
		return real()->name(version, directory, path, out, flags);                         \
	}

OLD_FSTATAT(__fxstatat)
OLD_FSTATAT(__fxstatat64)
