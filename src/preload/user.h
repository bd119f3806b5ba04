/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The program's memory, read and written as a kernel would: an address that is not there is EFAULT,
 * not a fault.
 */
#ifndef PRELOAD_USER_H
#define PRELOAD_USER_H

#include <stddef.h>
#include <stdint.h>

#define USER_MAX 4096u /* bytes at once; netmap's own limit for a request */

/** 0, or -EFAULT; or another error when the system lets us do neither of two ways. errno is kept. */
int user_read(void *to, uint64_t from, size_t len);
int user_write(uint64_t to, const void *from, size_t len);

#endif
