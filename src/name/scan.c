/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Reading and error reports for the port-name grammar. Characters are tested by value: the
 * grammar is ASCII whatever the locale.
 */
#include "scan.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define QUOTED_SIZE   128 /* of the name in a message; longer ones are cut */
#define FOUND_SIZE    48  /* of the offending word */
#define EXPECTED_SIZE 192

void scan_enter(struct scan *scan, const char *part, const char *expected)
{
	scan->part = part;
	scan->expected = expected;
}

/* Printable ASCII for one byte. Returns its length. */
static size_t escape(char out[sizeof("\\xff")], char c)
{
	unsigned char byte = (unsigned char)c;
	const char *format = "%c";

	if (byte < 0x20 || byte > 0x7e)
		format = "\\x%02x";
	else if (byte == '"' || byte == '\\')
		format = "\\%c";
	return (size_t)snprintf(out, sizeof("\\xff"), format, byte);
}

/* Escapes any bytes, cut with "..." before `size` is exceeded. */
static void quote(char *out, size_t size, const char *text, size_t len)
{
	const size_t room = size - sizeof("...");
	size_t used = 0;

	for (size_t i = 0; i < len; i++) {
		char shown[sizeof("\\xff")];
		size_t shown_len = escape(shown, text[i]);

		if (used + shown_len > room) {
			memcpy(out + used, "...", strlen("..."));
			used += strlen("...");
			break;
		}
		memcpy(out + used, shown, shown_len);
		used += shown_len;
	}
	out[used] = '\0';
}

static void report(struct scan *scan, const char *at, size_t span, const char *expected)
{
	struct name_error *error = scan->error;
	size_t offset = (size_t)(at - scan->text);
	char name[QUOTED_SIZE], found[FOUND_SIZE];
	const char *mark = span == 0 ? "" : span == 1 ? "'" : "\"";

	if (error == NULL)
		return;
	quote(name, sizeof(name), scan->text, strlen(scan->text));
	quote(found, sizeof(found), span > 0 ? at : "end", span > 0 ? span : strlen("end"));
	error->offset = offset;
	error->part = scan->part;
	snprintf(error->message, sizeof(error->message),
	    "port name \"%s\": character %zu (%s%s%s) in the %s: expected %s", name, offset + 1,
	    mark, found, mark, scan->part, expected);
}

int scan_fail(struct scan *scan, const char *at, size_t span, const char *expected)
{
	report(scan, at, span, expected);
	return -EINVAL;
}

int scan_fail_long(struct scan *scan, const char *at, size_t max_len)
{
	char expected[EXPECTED_SIZE];

	snprintf(expected, sizeof(expected), "at most %zu characters", max_len);
	report(scan, at, 1, expected);
	return -ENAMETOOLONG;
}

int scan_fail_here(struct scan *scan, const char *expected)
{
	return scan_fail(scan, scan->at, *scan->at != '\0', expected);
}

int scan_number(struct scan *scan, uint32_t min, uint32_t max, uint32_t *out)
{
	const char *begin = scan->at;
	uint32_t value = 0;
	bool over = false;
	char expected[EXPECTED_SIZE];

	for (; *scan->at >= '0' && *scan->at <= '9'; scan->at++) {
		uint32_t digit = (uint32_t)(*scan->at - '0');

		over = over || value > (max - digit) / 10;
		value = over ? 0 : value * 10 + digit;
	}
	if (scan->at > begin && !over && value >= min) {
		*out = value;
		return 0;
	}
	snprintf(expected, sizeof(expected), "a number from %lu to %lu", (unsigned long)min,
	    (unsigned long)max);
	if (scan->at == begin)
		return scan_fail_here(scan, expected);
	return scan_fail(scan, begin, (size_t)(scan->at - begin), expected);
}

static const char *word_name(struct scan_words words, size_t index)
{
	const char *name;

	memcpy(&name, (const char *)words.rows + index * words.stride, sizeof(name));
	return name;
}

static int fail_word(struct scan *scan, size_t len, const char *lead, struct scan_words words)
{
	char expected[EXPECTED_SIZE];
	size_t used = (size_t)snprintf(expected, sizeof(expected), "%sone of ", lead);

	for (size_t i = 0; i < words.count && used < sizeof(expected); i++)
		used += (size_t)snprintf(expected + used, sizeof(expected) - used, "%s%s",
		    i > 0 ? ", " : "", word_name(words, i));
	if (len == 0)
		return scan_fail_here(scan, expected);
	return scan_fail(scan, scan->at, len, expected);
}

int scan_word(
    struct scan *scan, size_t len, const char *lead, struct scan_words words, size_t *index)
{
	for (size_t i = 0; i < words.count; i++) {
		const char *name = word_name(words, i);

		if (strlen(name) == len && memcmp(name, scan->at, len) == 0) {
			*index = i;
			return 0;
		}
	}
	return fail_word(scan, len, lead, words);
}

int scan_copy(struct scan *scan, const char *from, char *field, size_t size)
{
	size_t len = (size_t)(scan->at - from);

	if (len >= size)
		return scan_fail_long(scan, from + size - 1, size - 1);
	memcpy(field, from, len);
	field[len] = '\0';
	return 0;
}

int scan_free_text(struct scan *scan, const char *stops, const char *expected)
{
	const char *begin = scan->at;

	for (; *scan->at != '\0' && strchr(stops, *scan->at) == NULL; scan->at++) {
		unsigned char byte = (unsigned char)*scan->at;

		if (byte < 0x20 || byte == 0x7f)
			return scan_fail(scan, scan->at, 1, expected);
	}
	if (scan->at == begin)
		return scan_fail_here(scan, expected);
	return 0;
}
