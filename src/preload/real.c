/* SPDX-License-Identifier: BSD-2-Clause */
/* Finding the C library's own functions. */
#include "real.h"

#include <dlfcn.h>
#include <errno.h>
#include <string.h>

struct real real_functions;
bool real_ready;

/* Takes the place of functions that this C library does not have; long, as ssize_t and pointers are. */
static long absent(void)
{
	errno = ENOSYS;
	return -1;
}

/* An object pointer from dlsym() into a function pointer: ISO C has no cast for it, POSIX promises it. */
static void resolve_one(const char *name, void *out)
{
	void *symbol = dlsym(RTLD_NEXT, name);
	long (*fallback)(void) = absent;

	if (symbol)
		memcpy(out, &symbol, sizeof symbol);
	else
		memcpy(out, &fallback, sizeof fallback);
}

/* Two threads may do this at the same time; both write the same. */
void real_resolve(void)
{
	struct real found;
	int saved = errno;

#define REAL_RESOLVE(type, name, arguments) resolve_one(#name, &found.name);
	REAL_FUNCTIONS(REAL_RESOLVE)
#undef REAL_RESOLVE
	real_functions = found;
	__atomic_store_n(&real_ready, true, __ATOMIC_RELEASE);
	errno = saved;
}

static void __attribute__((constructor)) resolve_early(void)
{
	real();
}
