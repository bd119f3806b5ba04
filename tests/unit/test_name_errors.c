/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What is said about names outside the port-name grammar, and where its limits are.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "name/name.h"

#define COUNT(table) (sizeof(table) / sizeof((table)[0]))

struct refusal {
	const char *text;
	size_t offset;
	const char *found, *part, *expected;
};

static void assert_refused(const struct refusal *want, int rc)
{
	struct name name;
	struct name_error error;
	char message[512];
	const char *end;

	assert_int_equal(name_parse(want->text, &name, &error), rc);
	snprintf(message, sizeof(message), "\": character %zu (%s) in the %s: expected %s",
	    want->offset + 1, want->found, want->part, want->expected);
	end = strstr(error.message, "\": character ");
	assert_string_equal(end == NULL ? error.message : end, message);
	assert_int_equal(error.offset, want->offset);
	assert_string_equal(error.part, want->part);
}

static void assert_all_refused(const struct refusal *rows, size_t count)
{
	for (size_t i = 0; i < count; i++)
		assert_refused(&rows[i], -EINVAL);
}

#define NUMBER_FROM "a number from "
#define MORE        "a letter, a digit, end or one of "
#define SWITCH      "a letter, a digit, '_' or ':'"
#define WORD        "a letter, a digit or '_'"

static void a_refusal_of_a_device_names_the_character(void **state)
{
#define KINDS                                                                                      \
	"a valeNAME switch or one of netmap, kernel, xdp, packet, pcap, tap, host, null, loop, "   \
	"fault"
#define PATH    "a path without ^*@{} and control characters"
#define FAULT   "text without control characters"
#define IN_PIPE "a letter, a digit, one of _.- or '}'"
	static const struct refusal rows[] = {
	    {"eth0:1", 0, "\"eth0\"", "kind", KINDS},
	    {"pipe:x", 0, "\"pipe\"", "kind", KINDS},
	    {":x", 0, "':'", "kind", KINDS},
	    {"netmap:netmap:a", 7, "\"netmap\"", "kind", "at most one netmap: prefix"},
	    {"", 0, "end", "port name", WORD},
	    {"netmap:", 7, "end", "port name", WORD},
	    {"kernel:", 7, "end", "port name", WORD},
	    {"xdp:", 4, "end", "port name", WORD},
	    {"packet:^", 7, "'^'", "port name", WORD},
	    {"..", 0, "'.'", "port name", WORD},
	    {"-3", 0, "'-'", "port name", WORD},
	    {"{1", 0, "'{'", "port name", WORD},
	    {"vale0:", 6, "end", "port name", WORD},
	    {"eth 0", 3, "' '", "port name", MORE "_.-{}^*/@"},
	    {"eth\"", 3, "'\\\"'", "port name", MORE "_.-{}^*/@"},
	    {"eth\xff", 3, "'\\xff'", "port name", MORE "_.-{}^*/@"},
	    {"kernel:xdp:a", 10, "':'", "port name", MORE "_.-{}^*/@"},
	    {"vale0:p:q", 7, "':'", "port name", MORE "_.-{}^*/@"},
	    {"null:{1", 5, "'{'", "port name", MORE "_-^*/@"},
	    {"kernel:pipe{a}", 7, "\"pipe\"", "port name",
		"an interface or a switch port: pipe{NAME} is not the kernel's"},
	    {"vale0", 5, "end", "switch name", SWITCH},
	    {"vale-1:p", 4, "'-'", "switch name", SWITCH},
	    {"eth0{", 5, "end", "pipe name", WORD},
	    {"eth0{-1", 5, "'-'", "pipe name", WORD},
	    {"eth0{a}", 6, "'}'", "pipe name", MORE "_.-^*/@"},
	    {"eth0{a{b", 6, "'{'", "pipe name", MORE "_.-^*/@"},
	    {"pipe{}", 5, "'}'", "pipe name", WORD},
	    {"pipe{../x}", 5, "'.'", "pipe name", WORD},
	    {"pipe{a", 6, "end", "pipe name", IN_PIPE},
	    {"pipe{a/x", 6, "'/'", "pipe name", IN_PIPE},
	    {"pipe{a}m", 7, "'m'", "pipe name", "end or one of -^*/@"},
	    {"pipe}a", 4, "'}'", "pipe name", "'{'"},
	    {"pcap:", 5, "end", "path", PATH},
	    {"pcap:a\nb", 6, "'\\x0a'", "path", PATH},
	    {"pcap:a{b", 6, "'{'", "path", "end or one of ^*@"},
	    {"fault:", 6, "end", "fault", FAULT},
	    {"fault:a\x7f", 7, "'\\x7f'", "fault", FAULT},
	};

	(void)state;
	assert_all_refused(rows, COUNT(rows));
}

static void a_refusal_of_a_mode_or_flag_names_the_character(void **state)
{
#define AFTER_MODE "end, '/' or '@'"
#define FLAG       "one of x z t r R T"
#define RING       NUMBER_FROM "0 to 4094"
	static const struct refusal rows[] = {
	    {"netmap:eth0^^", 12, "'^'", "mode", AFTER_MODE},
	    {"eth0**", 5, "'*'", "mode", AFTER_MODE},
	    {"eth0*3", 5, "'3'", "mode", AFTER_MODE},
	    {"eth0-4095", 5, "\"4095\"", "ring number", RING},
	    {"eth0^4095", 5, "\"4095\"", "ring number", RING},
	    {"eth0-4294967299", 5, "\"4294967299\"", "ring number", RING},
	    {"eth0^18446744073709551619x", 5, "\"18446744073709551619\"", "ring number", RING},
	    {"null:-x", 6, "'x'", "ring number", RING},
	    {"pipe{a}-", 8, "end", "ring number", RING},
	    {"eth0^3x", 6, "'x'", "ring number", "a digit, " AFTER_MODE},
	    {"eth0-3-4", 6, "'-'", "ring number", "a digit, " AFTER_MODE},
	    {"veth-1^", 6, "'^'", "ring number", "a digit, " AFTER_MODE},
	    {"eth0/", 5, "end", "flag", FLAG},
	    {"eth0/@1", 5, "'@'", "flag", FLAG},
	    {"eth0/X", 5, "'X'", "flag", FLAG},
	    {"eth0/xtq", 7, "'q'", "flag", FLAG ", end or '@'"},
	    {"eth0/x/t", 6, "'/'", "flag", FLAG ", end or '@'"},
	};

	(void)state;
	assert_all_refused(rows, COUNT(rows));
}

static void a_refusal_of_an_option_names_the_character(void **state)
{
#define OPTIONS    "a memory region number or one of share, conf, extmem, offset"
#define ONE_MEMORY "only one of @n, @share and @extmem"
#define CONF                                                                                       \
	"one of rings, tx-rings, rx-rings, host-rings, host-tx-rings, host-rx-rings, slots, "      \
	"tx-slots, rx-slots"
	static const struct refusal rows[] = {
	    {"eth0@0", 5, "'0'", "memory region", NUMBER_FROM "1 to 65535"},
	    {"eth0@65536", 5, "\"65536\"", "memory region", NUMBER_FROM "1 to 65535"},
	    {"eth0@1x", 6, "'x'", "memory region", "a digit, end, '/' or '@'"},
	    {"eth0@1@1", 7, "'1'", "memory region", "each option once"},
	    {"eth0@share=a@1", 13, "'1'", "memory region", ONE_MEMORY},
	    {"eth0@1@share=a", 7, "\"share\"", "option", ONE_MEMORY},
	    {"eth0@extmem=a@share=a", 14, "\"share\"", "option", ONE_MEMORY},
	    {"eth0@conf=1@conf=2", 12, "\"conf\"", "option", "each option once"},
	    {"eth0@", 5, "end", "option", OPTIONS},
	    {"eth0@@1", 5, "'@'", "option", OPTIONS},
	    {"eth0@cnof:rings=1", 5, "\"cnof\"", "option", OPTIONS},
	    {"eth0@conf", 9, "end", "option", "':' or '='"},
	    {"eth0@conf@1", 9, "'@'", "option", "':' or '='"},
	    {"eth0@conf:", 10, "end", "option key", CONF},
	    {"eth0@conf:ring=1", 10, "\"ring\"", "option key", CONF},
	    {"eth0@conf:slots=1,", 18, "end", "option key", CONF},
	    {"eth0@conf:slots=1,=", 18, "'='", "option key", CONF},
	    {"eth0@extmem:fiel=x", 12, "\"fiel\"", "option key",
		"one of file, if-num, if-size, ring-num, ring-size, buf-num, buf-size"},
	    {"eth0@offset:bit=1", 12, "\"bit\"", "option key", "one of initial, bits"},
	    {"eth0@share:name=x", 11, "\"name\"", "option key", "one of port"},
	    {"eth0@conf:rings", 15, "end", "option key", "'='"},
	    {"eth0@conf:rings:1", 15, "':'", "option key", "'='"},
	    {"eth0@conf:rings=1,rings=1", 18, "\"rings\"", "option key", "each key once"},
	    {"eth0@extmem:buf-num=9", 21, "end", "option key", "file="},
	    {"eth0@offset:bits=9@1", 18, "'@'", "option key", "initial="},
	};

	(void)state;
	assert_all_refused(rows, COUNT(rows));
}

static void a_refusal_of_a_value_names_the_character(void **state)
{
#define FILE_NAME "a file name without ,@ and control characters"
	static const struct refusal rows[] = {
	    {"eth0@conf=", 10, "end", "option value", NUMBER_FROM "0 to 65535"},
	    {"eth0@conf=-1", 10, "'-'", "option value", NUMBER_FROM "0 to 65535"},
	    {"eth0@conf:rings=65536", 16, "\"65536\"", "option value", NUMBER_FROM "0 to 65535"},
	    {"eth0@conf:slots=4294967296", 16, "\"4294967296\"", "option value",
		NUMBER_FROM "0 to 4294967295"},
	    {"eth0@offset:bits=0", 17, "'0'", "option value", NUMBER_FROM "1 to 64"},
	    {"eth0@offset:bits=65", 17, "\"65\"", "option value", NUMBER_FROM "1 to 64"},
	    {"eth0@conf:rings=1x", 17, "'x'", "option value", "end, ',' or '@'"},
	    {"eth0@conf=1,slots=2", 11, "','", "option value", "end or '@'"},
	    {"eth0@extmem=", 12, "end", "option value", FILE_NAME},
	    {"eth0@extmem=a\tb", 13, "'\\x09'", "option value", FILE_NAME},
	    {"eth0@share=eth1/x", 15, "'/'", "option value", "end or '@'"},
	    {"eth0@share=eth1-3", 15, "'-'", "option value", "end or '@'"},
	    {"eth0@share=", 11, "end", "port name", WORD},
	    {"eth0@share=vale0", 16, "end", "switch name", SWITCH},
	};

	(void)state;
	assert_all_refused(rows, COUNT(rows));
}

/* prefix, `len` letters, suffix */
static const char *long_name(const char *prefix, size_t len, const char *suffix)
{
	static char text[1024];
	size_t at = strlen(prefix);

	assert_true(at + len + strlen(suffix) < sizeof(text));
	memcpy(text, prefix, at);
	memset(text + at, 'a', len);
	memcpy(text + at + len, suffix, strlen(suffix) + 1);
	return text;
}

static void device_names_have_up_to_63_characters(void **state)
{
	static const struct {
		const char *prefix, *begin; /* ahead of the device name; its beginning */
		const char *end, *suffix, *too_many;
	} rows[] = {
	    {"", "", "", "", "'a'"},
	    {"netmap:", "", "", "^", "'a'"},
	    {"kernel:", "", "", "/x", "'a'"},
	    {"netmap:", "vale0:", "", "-3", "'a'"},
	    {"", "packet:", "", "@conf=2", "'a'"},
	    {"", "null:", "", "*", "'a'"},
	    {"", "pcap:", "", "@1", "'a'"},
	    {"", "eth0{", "", "-3", "'a'"},
	    {"", "vale0:p}", "", "/xT", "'a'"},
	    {"", "pipe{", "}", "@1", "'}'"},
	    {"", "fault:", "", "", "'a'"},
	    {"eth0@share=", "vale0:", "", "@conf=2", "'a'"},
	};
	char prefix[32], suffix[32];

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		size_t fixed = strlen(rows[i].begin) + strlen(rows[i].end);
		struct name name;

		snprintf(prefix, sizeof(prefix), "%s%s", rows[i].prefix, rows[i].begin);
		snprintf(suffix, sizeof(suffix), "%s%s", rows[i].end, rows[i].suffix);
		assert_int_equal(name_parse(long_name(prefix, 63 - fixed, suffix), &name, NULL), 0);
		assert_true(strlen(name.device) == 63 || strlen(name.share) == 63);
		assert_refused(&(struct refusal){long_name(prefix, 64 - fixed, suffix),
				   strlen(rows[i].prefix) + 63, rows[i].too_many, "device name",
				   "at most 63 characters"},
		    -ENAMETOOLONG);
	}
	assert_refused(&(struct refusal){long_name("pipe{", 80, "}"), 63, "'a'", "device name",
			   "at most 63 characters"},
	    -ENAMETOOLONG);
}

static void files_have_up_to_255_characters(void **state)
{
	struct name name;

	(void)state;
	assert_int_equal(
	    name_parse(long_name("eth0@extmem:file=/", 254, ",if-num=1"), &name, NULL), 0);
	assert_int_equal(strlen(name.extmem.file), 255);
	assert_refused(&(struct refusal){long_name("eth0@extmem=/", 255, ""), 12 + 255, "'a'",
			   "option value", "at most 255 characters"},
	    -ENAMETOOLONG);
}

static void the_message_is_one_line_of_printable_ascii(void **state)
{
	struct name name;
	struct name_error error;

	(void)state;
	assert_int_equal(name_parse("netmap:eth0^^", &name, &error), -EINVAL);
	assert_string_equal(error.message, "port name \"netmap:eth0^^\": character 13 ('^') in the "
					   "mode: expected end, '/' or '@'");
	assert_int_equal(name_parse("a\n\"\\\x7f\x80", &name, &error), -EINVAL);
	assert_non_null(
	    strstr(error.message, "port name \"a\\x0a\\\"\\\\\\x7f\\x80\": character 2 "));
	assert_int_equal(name_parse(long_name("", 900, ""), &name, &error), -ENAMETOOLONG);
	assert_non_null(strstr(error.message, "aaa...\": character 64 ('a') in the device name"));
	assert_int_equal(name_parse(long_name("eth0@", 900, "=1"), &name, &error), -EINVAL);
	assert_non_null(strstr(error.message, "aaa...\") in the option: expected a memory region"));
}

static void failure_touches_nothing(void **state)
{
	struct name name, before;
	struct name_error error, untouched;

	(void)state;
	memset(&before, 0x5a, sizeof(before));
	memset(&name, 0x5a, sizeof(name));
	assert_int_equal(
	    name_parse("vale0:p{x-3/x@conf=1@extmem=f@nonsense", &name, &error), -EINVAL);
	assert_memory_equal(&name, &before, sizeof(name));
	assert_int_equal(name_parse("eth0/", &name, NULL), -EINVAL);
	assert_memory_equal(&name, &before, sizeof(name));
	memset(&error, 0x5a, sizeof(error));
	memset(&untouched, 0x5a, sizeof(untouched));
	assert_int_equal(name_parse("eth0", &name, &error), 0);
	assert_memory_equal(&error, &untouched, sizeof(error));
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
	    cmocka_unit_test(a_refusal_of_a_device_names_the_character),
	    cmocka_unit_test(a_refusal_of_a_mode_or_flag_names_the_character),
	    cmocka_unit_test(a_refusal_of_an_option_names_the_character),
	    cmocka_unit_test(a_refusal_of_a_value_names_the_character),
	    cmocka_unit_test(device_names_have_up_to_63_characters),
	    cmocka_unit_test(files_have_up_to_255_characters),
	    cmocka_unit_test(the_message_is_one_line_of_printable_ascii),
	    cmocka_unit_test(failure_touches_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
