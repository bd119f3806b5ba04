/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Kinds of ports, identifiers, pipes. A kind is one row of the table below.
 *
 * The one ambiguity: '-' belongs to identifiers, and "-3" at the end of a name is ring 3. A device
 * name must read back as itself, so all "-digits" groups at the end are left to the mode, which
 * takes one: eth0-3-4 is an error and not ring 4 of a port that nobody could name otherwise.
 */
#include "device_name.h"

#include <stdio.h>
#include <string.h>

#define SWITCH_PREFIX "vale"
#define PIPE_PREFIX   "pipe"

#define NEED_IDENT  "a letter, a digit or '_'"
#define AFTER_IDENT "a letter, a digit, end or one of _.-{}^*/@"
#define AFTER_PIPE  "a letter, a digit, end or one of _.-^*/@"
#define AFTER_COLON "a letter, a digit, end or one of _-^*/@"

static bool is_word(char c)
{
	return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') ||
	       c == '_';
}

static bool is_pipe(char c)
{
	return c == '{' || c == '}';
}

static bool starts(const char *text, const char *prefix)
{
	return strncmp(text, prefix, strlen(prefix)) == 0;
}

/* Not "..", not "-x": identifiers become file names and arguments. */
static size_t ident_len(const char *text)
{
	size_t len = 0;

	if (is_word(text[0]))
		while (is_word(text[len]) || text[len] == '.' || text[len] == '-')
			len++;
	return len;
}

/* The length of a "-digits" that ends text[0, len), 0 if there is none. */
static size_t ring_suffix_len(const char *text, size_t len)
{
	size_t digits = 0;

	while (digits < len && text[len - digits - 1] >= '0' && text[len - digits - 1] <= '9')
		digits++;
	if (digits > 0 && digits < len && text[len - digits - 1] == '-')
		return digits + 1;
	return 0;
}

static size_t last_ident_len(const char *text)
{
	size_t len = ident_len(text), suffix;

	if (is_pipe(text[len]))
		return len;
	while ((suffix = ring_suffix_len(text, len)) > 0)
		len -= suffix;
	return len;
}

/* Every part is inside the device name, so that one's limit is the one to report. */
static int keep(struct scan *scan, const char *from, char field[NETMAP_REQ_IFNAMSIZ])
{
	const size_t max_len = NETMAP_REQ_IFNAMSIZ - 1;

	if ((size_t)(scan->at - scan->device) > max_len) {
		scan_enter(scan, "device name", NULL);
		return scan_fail_long(scan, scan->device + max_len, max_len);
	}
	return scan_copy(scan, from, field, NETMAP_REQ_IFNAMSIZ);
}

/* "x" of "eth0{x", or nothing */
static int read_classic_pipe(struct scan *scan)
{
	const char *begin;

	if (!is_pipe(*scan->at))
		return 0;
	scan->name->pipe_role = *scan->at++;
	scan_enter(scan, "pipe name", AFTER_PIPE);
	begin = scan->at;
	scan->at += last_ident_len(begin);
	if (scan->at == begin)
		return scan_fail_here(scan, NEED_IDENT);
	return keep(scan, begin, scan->name->pipe_id);
}

/* The identifier that starts at `begin`; its last component is still to be read. */
static int read_ident_from(struct scan *scan, const char *begin)
{
	int rc;

	scan_enter(scan, "port name", AFTER_IDENT);
	if (!is_word(*scan->at))
		return scan_fail_here(scan, NEED_IDENT);
	scan->at += last_ident_len(scan->at);
	rc = keep(scan, begin, scan->name->ident);
	return rc < 0 ? rc : read_classic_pipe(scan);
}

static int read_ident(struct scan *scan)
{
	return read_ident_from(scan, scan->at);
}

static int read_optional_ident(struct scan *scan)
{
	if (is_word(*scan->at))
		return read_ident(scan);
	scan_enter(scan, "port name", AFTER_COLON);
	return 0;
}

/* valeS:p, where S may be empty; the identifier is all of it */
static int read_switch(struct scan *scan)
{
	const char *begin = scan->at;

	scan_enter(scan, "switch name", NULL);
	while (is_word(*scan->at))
		scan->at++;
	if (*scan->at != ':')
		return scan_fail_here(scan, "a letter, a digit, '_' or ':'");
	scan->at++;
	return read_ident_from(scan, begin);
}

/* pipe{NAME} */
static int read_pipe(struct scan *scan)
{
	struct name *name = scan->name;
	const char *begin;
	int rc;

	scan->at += strlen(PIPE_PREFIX);
	scan_enter(scan, "pipe name", "a letter, a digit, one of _.- or '}'");
	if (*scan->at != '{')
		return scan_fail_here(scan, "'{'");
	begin = ++scan->at;
	scan->at += ident_len(begin);
	if (scan->at == begin)
		return scan_fail_here(scan, NEED_IDENT);
	if (*scan->at != '}')
		return scan_fail_here(scan, scan->expected);
	rc = keep(scan, begin, name->ident);
	if (rc < 0)
		return rc;
	memcpy(name->pipe_id, name->ident, sizeof(name->pipe_id));
	name->pipe_role = '*';
	scan->at++;
	scan_enter(scan, "pipe name", "end or one of -^*/@");
	return 0;
}

/* A file may be named almost anything: '-' and '/' are its own here. */
static int read_path(struct scan *scan)
{
	const char *begin = scan->at;
	int rc;

	scan_enter(scan, "path", "end or one of ^*@");
	rc = scan_free_text(scan, "^*@{}", "a path without ^*@{} and control characters");
	return rc < 0 ? rc : keep(scan, begin, scan->name->ident);
}

/* Ends in the name of another port, with suffixes of its own: nothing here is ours to split. */
static int read_body(struct scan *scan)
{
	const char *begin = scan->at;
	int rc;

	scan_enter(scan, "fault", "end");
	rc = scan_free_text(scan, "", "text without control characters");
	return rc < 0 ? rc : keep(scan, begin, scan->name->body);
}

static bool is_reserved(const char *text)
{
	return starts(text, PIPE_PREFIX) && is_pipe(text[strlen(PIPE_PREFIX)]);
}

/* What the kernel knows: switches, interfaces and their pipes */
static int read_kernel(struct scan *scan)
{
	if (starts(scan->at, SWITCH_PREFIX))
		return read_switch(scan);
	scan_enter(scan, "port name", NULL);
	if (is_reserved(scan->at))
		return scan_fail(scan, scan->at, strlen(PIPE_PREFIX),
		    "an interface or a switch port: pipe{NAME} is not the kernel's");
	return read_ident(scan);
}

static const struct kind {
	const char *name;
	int (*read)(struct scan *scan);
	bool stripped; /* the prefix is ours, the device does not know it */
} kinds[] = {
    {"netmap", NULL, true}, /* handled before: any other kind may follow it */
    {"kernel", read_kernel, true},
    {"xdp", read_ident, false},
    {"packet", read_ident, false},
    {"pcap", read_path, false},
    {"tap", read_ident, false},
    {"host", read_ident, false},
    {"null", read_optional_ident, false},
    {"loop", read_optional_ident, false},
    {"fault", read_body, false},
};

static void set_kind(struct scan *scan, const char *kind)
{
	snprintf(scan->name->kind, sizeof(scan->name->kind), "%s", kind);
}

/* prefix:rest, with a prefix of len characters */
static int read_prefixed(struct scan *scan, size_t len)
{
	static const struct scan_words words = SCAN_WORDS(kinds);
	size_t row;
	int rc;

	scan_enter(scan, "kind", NULL);
	rc = scan_word(scan, len, "a " SWITCH_PREFIX "NAME switch or ", words, &row);
	if (rc < 0)
		return rc;
	if (kinds[row].read == NULL)
		return scan_fail(scan, scan->at, len, "at most one netmap: prefix");
	scan->at += len + strlen(":");
	if (kinds[row].stripped)
		scan->device = scan->at;
	set_kind(scan, kinds[row].name);
	return kinds[row].read(scan);
}

static int read_kind(struct scan *scan)
{
	size_t len = ident_len(scan->at);

	if (starts(scan->at, SWITCH_PREFIX)) {
		set_kind(scan, SWITCH_PREFIX);
		return read_switch(scan);
	}
	if (is_reserved(scan->at)) {
		set_kind(scan, PIPE_PREFIX);
		return read_pipe(scan);
	}
	if (scan->at[len] == ':')
		return read_prefixed(scan, len);
	set_kind(scan, "netmap");
	return read_ident(scan);
}

int device_name_read(struct scan *scan)
{
	int rc;

	if (starts(scan->at, "netmap:"))
		scan->at += strlen("netmap:");
	scan->device = scan->at;
	rc = read_kind(scan);
	return rc < 0 ? rc : keep(scan, scan->device, scan->name->device);
}
