/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Command lines of the project's own programs (examples, tools): a table of options from which
 * both the parsing and the --help text come. Mistakes end the program with status 2.
 */
#ifndef ARGS_H
#define ARGS_H

#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/** One option; exactly one of number, text, flag and rest is set, and holds the default before. */
struct arg {
	const char *name; /* "count": --count N; "x": -x; "PORT": a word that is no option */
	const char *help;
	uint64_t *number;
	uint64_t min, max; /* of a number; max 0: no limit */
	const char **text; /* of a word in capitals: NULL before means that it must be given */
	bool *flag;
	char ***rest; /* the last word, in capitals: takes all that follow it, too */
};

static inline bool args_is_word(const struct arg *arg)
{
	return (arg->text || arg->rest) && isupper((unsigned char)arg->name[0]);
}

/* A word that may be left out. */
static inline bool args_is_optional(const struct arg *arg)
{
	return arg->text ? *arg->text != NULL : *arg->rest != NULL;
}

static inline void args_print_option(const struct arg *arg)
{
	char left[40];
	const char *value = arg->number ? " N" : arg->text ? " TEXT" : "";
	const char *dashes = arg->name[1] ? "--" : "-";

	if (args_is_word(arg))
		dashes = value = "";
	snprintf(left, sizeof left, "%s%s%s", dashes, arg->name, value);
	printf("  %-14s %s", left, arg->help);
	if (arg->number)
		printf(" (default %" PRIu64 ")", *arg->number);
	else if (arg->text && *arg->text)
		printf(" (default %s)", *arg->text);
	putchar('\n');
}

static inline void args_help(const char *program, const char *summary, const struct arg *table)
{
	printf("usage: %s [OPTION...]", program);
	for (const struct arg *arg = table; arg->name; arg++)
		if (args_is_word(arg))
			printf(args_is_optional(arg) ? " [%s]%s" : " %s%s", arg->name,
			    arg->rest ? " [ARGUMENT...]" : "");
	printf("\n\n%s\n\n", summary);
	for (const struct arg *arg = table; arg->name; arg++)
		args_print_option(arg);
	printf("  %-14s this text\n", "--help");
}

__attribute__((noreturn, format(printf, 2, 3))) static inline void args_wrong(
    const char *program, const char *format, ...)
{
	va_list list;

	fprintf(stderr, "%s: ", program);
	va_start(list, format);
	vfprintf(stderr, format, list);
	va_end(list);
	fprintf(stderr, "; --help lists the options\n");
	exit(2);
}

static inline void args_number(const char *program, const struct arg *arg, const char *value)
{
	char *end;
	uint64_t number;

	errno = 0;
	number = strtoull(value, &end, 10);
	if (errno || !isdigit((unsigned char)*value) || *end)
		args_wrong(program, "--%s takes a number, not \"%s\"", arg->name, value);
	if (number < arg->min)
		args_wrong(program, "--%s is %" PRIu64 ", expected %" PRIu64 " or more", arg->name,
		    number, arg->min);
	if (arg->max && number > arg->max)
		args_wrong(program, "--%s is %" PRIu64 ", expected %" PRIu64 " or less", arg->name,
		    number, arg->max);
	*arg->number = number;
}

/* The option that a word beginning with a dash names; *value is what follows a '=', or NULL. */
static inline const struct arg *args_find(
    const char *word, const struct arg *table, const char **value)
{
	bool is_long = word[1] == '-';
	const char *name = word + (is_long ? 2 : 1);
	size_t len = strcspn(name, "=");

	*value = name[len] ? name + len + 1 : NULL;
	for (const struct arg *arg = table; arg->name; arg++)
		if (!args_is_word(arg) && strlen(arg->name) == len && (len > 1) == is_long &&
		    memcmp(arg->name, name, len) == 0)
			return arg;
	return NULL;
}

/* Set one option; returns how many words of argv it took. */
static inline int args_option(const char *program, char **argv, const struct arg *table)
{
	const char *value;
	const struct arg *arg = args_find(argv[0], table, &value);
	int taken = 1;

	if (!arg)
		args_wrong(program, "there is no option %s", argv[0]);
	if (arg->flag) {
		if (value)
			args_wrong(program, "%s: no value is expected", argv[0]);
		*arg->flag = true;
		return taken;
	}
	if (!value) {
		value = argv[1];
		taken = 2;
	}
	if (!value)
		args_wrong(program, "%s needs a value", argv[0]);
	if (arg->number)
		args_number(program, arg, value);
	else if (arg->text)
		*arg->text = value;
	return taken;
}

/* Store a word that is no option, and what follows it where that belongs to it; returns how many. */
static inline int args_word(
    const char *program, int argc, char **argv, const struct arg *table, unsigned *taken)
{
	const struct arg *arg = table;

	for (unsigned before = 0; arg->name; arg++)
		if (args_is_word(arg) && before++ == *taken)
			break;
	if (!arg->name)
		args_wrong(program, "\"%s\" is one word too many", argv[0]);
	(*taken)++;
	if (arg->rest) {
		*arg->rest = argv;
		return argc;
	}
	*arg->text = argv[0];
	return 1;
}

/**
 * Parse a command line into the variables that the table points to. After "--" there are no options.
 *
 * @param argv   argv[0] is the program's name in messages
 * @param table  ends with an entry of zeros; must outlive the call only
 */
static inline void args_parse(int argc, char **argv, const char *summary, const struct arg *table)
{
	const char *program = strrchr(argv[0], '/') ? strrchr(argv[0], '/') + 1 : argv[0];
	bool options = true;
	unsigned words = 0;

	for (int i = 1; i < argc;) {
		if (options && strcmp(argv[i], "--") == 0) {
			options = false;
			i++;
			continue;
		}
		if (options && (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0)) {
			args_help(program, summary, table);
			exit(0);
		}
		if (options && argv[i][0] == '-')
			i += args_option(program, &argv[i], table);
		else
			i += args_word(program, argc - i, &argv[i], table, &words);
	}
	for (const struct arg *arg = table; arg->name; arg++)
		if (args_is_word(arg) && !args_is_optional(arg))
			args_wrong(program, "%s is missing", arg->name);
}

#endif
