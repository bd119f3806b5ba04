/* SPDX-License-Identifier: BSD-2-Clause */
/* hint.h: one hint per thread on its way, and a table of those that were said. */
#include "hint.h"

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Who was told of so many ports has understood. */
#define SAID_MAX 64u

static _Thread_local char offered[512];
static loom_hint *chosen;
static uint64_t
    said[SAID_MAX]; /* hashes of sentences; 0: free. No lock that a fork could leave taken */

void loom_hint_set(loom_hint *function)
{
	/* Releases what the program prepared for its function to the load in listener(). */
	__atomic_store_n(&chosen, function, __ATOMIC_RELEASE);
}

void loom_hint_print(const char *hint)
{
	fprintf(stderr, "pktloom: hint: %s\n", hint);
}

static loom_hint *listener(void)
{
	const char *fromenv = getenv("PKTLOOM_HINTS");
	/* Pairs with the store in loom_hint_set(). */
	loom_hint *function = __atomic_load_n(&chosen, __ATOMIC_ACQUIRE);

	if (fromenv && strcmp(fromenv, "0") == 0)
		return NULL;
	return !function && fromenv && strcmp(fromenv, "1") == 0 ? loom_hint_print : function;
}

/* FNV-1a. */
static uint64_t hash(const char *text)
{
	uint64_t sum = 0xcbf29ce484222325u;

	for (; *text; text++)
		sum = (sum ^ (uint8_t)*text) * 0x100000001b3u;
	return sum ? sum : 1;
}

/* True for one caller in the process's life; relaxed: nothing else goes with the table's words. */
static bool is_news(const char *text)
{
	uint64_t sum = hash(text);

	for (size_t i = 0; i < SAID_MAX; i++) {
		uint64_t there = 0;

		if (__atomic_compare_exchange_n(
			&said[i], &there, sum, false, __ATOMIC_RELAXED, __ATOMIC_RELAXED))
			return true;
		if (there == sum)
			return false;
	}
	return false;
}

void hint_offer(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(offered, sizeof offered, format, args);
	va_end(args);
}

/* The function may open ports, and be offered hints while it looks at this one. */
void hint_end(bool say)
{
	char text[sizeof offered];
	loom_hint *function;

	if (!offered[0])
		return;
	memcpy(text, offered, sizeof text);
	offered[0] = 0;
	function = say ? listener() : NULL;
	if (function && is_news(text))
		function(text);
}
