/* SPDX-License-Identifier: BSD-2-Clause */
/* Reading a fault port's name: key=value, separated by commas, up to the first '@'. */
#include "fault_settings.h"

#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <string.h>

#include "../../base/error.h"

#define DELAY_MOST 60000000000u /* a minute, in nanoseconds */

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

/* A decimal number times 10^digits; strtod() would read the locale's decimal point. */
static bool read_decimal(const char **at, unsigned digits, uint64_t *out)
{
	uint64_t value = 0;
	bool point = false;

	if (!is_digit(**at))
		return false;
	for (; is_digit(**at) || (**at == '.' && !point); ++*at) {
		if (**at == '.') {
			point = true;
			continue;
		}
		if (value > UINT32_MAX || (point && digits == 0))
			return false;
		value = value * 10 + (uint64_t)(**at - '0');
		digits -= point;
	}
	while (digits-- > 0)
		value *= 10;
	*out = value;
	return true;
}

static bool skip(const char **at, const char *word)
{
	size_t len = strlen(word);

	if (strncmp(*at, word, len) != 0)
		return false;
	*at += len;
	return true;
}

/* Percent, with four decimals. */
static bool read_rate(const char **at, uint32_t *out)
{
	uint64_t value;

	if (!read_decimal(at, 4, &value) || value > FAULT_CERTAIN)
		return false;
	skip(at, "%");
	*out = (uint32_t)value;
	return true;
}

/* Milliseconds, or microseconds if it says so. */
static bool read_delay(const char **at, uint64_t *out)
{
	uint64_t value;

	if (!read_decimal(at, 6, &value))
		return false;
	if (skip(at, "us"))
		value /= 1000;
	else
		skip(at, "ms");
	*out = value;
	return value <= DELAY_MOST;
}

static bool read_setting(const char **at, struct fault_settings *out)
{
	static const struct {
		const char *key;
		enum loom_fault fault;
	} rates[] = {
	    {"loss=", LOOM_FAULT_LOSS},
	    {"corrupt=", LOOM_FAULT_CORRUPT},
	    {"dup=", LOOM_FAULT_DUP},
	    {"reorder=", LOOM_FAULT_REORDER},
	};

	for (size_t i = 0; i < sizeof rates / sizeof rates[0]; i++)
		if (skip(at, rates[i].key))
			return read_rate(at, &out->rate[rates[i].fault]);
	if (skip(at, "delay="))
		return read_delay(at, &out->delay_ns);
	return skip(at, "seed=") && read_decimal(at, 0, &out->seed);
}

int fault_settings_read(const char *text, struct fault_settings *out, const char **inner)
{
	const char *at = text, *part = text;
	bool good = true;

	*out = (struct fault_settings){.seed = 1};
	while (good && *at != '@') { /* a comma has a setting behind it */
		part = at;
		good = read_setting(&at, out) && (*at == '@' || (skip(&at, ",") && *at != '@'));
	}
	if (!good)
		return error_set(-EINVAL,
		    "port \"fault:%s\": \"%s\" is not loss=, dup=, reorder=, corrupt= (percent up "
		    "to "
		    "100), delay= (ms or us, up to a minute) or seed=, and then @PORT",
		    text, part);
	*inner = at + 1;
	if (**inner)
		return 0;
	return error_set(-EINVAL, "port \"fault:%s\": no port is named behind the '@'", text);
}
