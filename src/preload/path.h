/* SPDX-License-Identifier: BSD-2-Clause */
/* The one path that this library answers for. It is compared as it is written. */
#ifndef PRELOAD_PATH_H
#define PRELOAD_PATH_H

#include <stdbool.h>
#include <string.h>

#include "../device/device.h"

/** A program may pass NULL: the kernel says EFAULT to it. */
static inline bool path_is_netmap(const char *path)
{
	return path && strcmp(path, NETMAP_DEVICE_NAME) == 0;
}

#endif
