/* SPDX-License-Identifier: BSD-2-Clause */
/* The per-thread message behind loom_error(). */
#include "error.h"

#include <stdarg.h>
#include <stdio.h>

#include <pktloom/error.h>

static _Thread_local char message[512];

void error_format(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(message, sizeof message, format, args);
	va_end(args);
}

const char *loom_error(void)
{
	return message;
}
