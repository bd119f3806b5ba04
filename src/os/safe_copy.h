/* SPDX-License-Identifier: BSD-2-Clause */
/* Memory whose address a program gave and that may not be there. */
#ifndef OS_SAFE_COPY_H
#define OS_SAFE_COPY_H

#include <stdbool.h>
#include <stddef.h>

/** Copy len bytes from an address of this process; false if not all of them can be read. A system call. */
bool os_safe_copy(void *to, const void *from, size_t len);

/** Copy len bytes to such an address; false if not all of them could be written. */
bool os_safe_write(void *to, const void *from, size_t len);

#endif
