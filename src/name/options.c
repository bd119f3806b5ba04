/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Memory regions and options of a port name. An option is a table of keys; the first key is the
 * one that "@option=value" sets.
 */
#include "options.h"

#include "device_name.h"

#include <string.h>

enum value { NUMBER, FILE_NAME, DEVICE_NAME };

struct key {
	const char *name;
	enum value value;
	uint32_t min, max; /* of a number */
	size_t field[2]; /* offsets in struct name; a second one, if not 0, gets the same number */
};

#define FIELD(member) offsetof(struct name, member)

/* Keys for both directions come before those for one: the latter win, in whatever order given. */
static const struct key conf_keys[] = {
    {"rings", NUMBER, 0, UINT16_MAX, {FIELD(conf.tx_rings), FIELD(conf.rx_rings)}},
    {"tx-rings", NUMBER, 0, UINT16_MAX, {FIELD(conf.tx_rings)}},
    {"rx-rings", NUMBER, 0, UINT16_MAX, {FIELD(conf.rx_rings)}},
    {"host-rings", NUMBER, 0, UINT16_MAX, {FIELD(conf.host_tx_rings), FIELD(conf.host_rx_rings)}},
    {"host-tx-rings", NUMBER, 0, UINT16_MAX, {FIELD(conf.host_tx_rings)}},
    {"host-rx-rings", NUMBER, 0, UINT16_MAX, {FIELD(conf.host_rx_rings)}},
    {"slots", NUMBER, 0, UINT32_MAX, {FIELD(conf.tx_slots), FIELD(conf.rx_slots)}},
    {"tx-slots", NUMBER, 0, UINT32_MAX, {FIELD(conf.tx_slots)}},
    {"rx-slots", NUMBER, 0, UINT32_MAX, {FIELD(conf.rx_slots)}},
};

static const struct key extmem_keys[] = {
    {"file", FILE_NAME, 0, 0, {FIELD(extmem.file)}},
    {"if-num", NUMBER, 0, UINT32_MAX, {FIELD(extmem.if_num)}},
    {"if-size", NUMBER, 0, UINT32_MAX, {FIELD(extmem.if_size)}},
    {"ring-num", NUMBER, 0, UINT32_MAX, {FIELD(extmem.ring_num)}},
    {"ring-size", NUMBER, 0, UINT32_MAX, {FIELD(extmem.ring_size)}},
    {"buf-num", NUMBER, 0, UINT32_MAX, {FIELD(extmem.buf_num)}},
    {"buf-size", NUMBER, 0, UINT32_MAX, {FIELD(extmem.buf_size)}},
};

static const struct key offset_keys[] = {
    {"initial", NUMBER, 0, UINT32_MAX, {FIELD(offset.initial)}},
    {"bits", NUMBER, 1, 64, {FIELD(offset.bits)}},
};

static const struct key share_keys[] = {
    {"port", DEVICE_NAME, 0, 0, {FIELD(share)}},
};

enum { MAX_KEYS = sizeof(conf_keys) / sizeof(conf_keys[0]) };

enum part { MEM_ID = 1, SHARE = 2, CONF = 4, EXTMEM = 8, OFFSET = 16 };

static const struct option {
	const char *name;
	enum part part;
	const char *missing; /* what to say when the first key, which must be there, is not */
	struct scan_words keys;
} options[] = {
    {"share", SHARE, "port=", SCAN_WORDS(share_keys)},
    {"conf", CONF, NULL, SCAN_WORDS(conf_keys)},
    {"extmem", EXTMEM, "file=", SCAN_WORDS(extmem_keys)},
    {"offset", OFFSET, "initial=", SCAN_WORDS(offset_keys)},
};

static int read_device(struct scan *scan, char *field)
{
	struct name peer = {.mode = 0};
	struct scan inner = *scan;
	int rc;

	inner.name = &peer;
	rc = device_name_read(&inner);
	if (rc < 0)
		return rc;
	scan->at = inner.at;
	memcpy(field, peer.device, sizeof(peer.device));
	return 0;
}

static int read_file(struct scan *scan, char *field)
{
	const char *begin = scan->at;
	int rc = scan_free_text(scan, ",@", "a file name without ,@ and control characters");

	return rc < 0 ? rc : scan_copy(scan, begin, field, NAME_FILE_SIZE);
}

/* Numbers go to *number for now, texts where they belong. */
static int read_value(struct scan *scan, const struct key *key, uint32_t *number)
{
	char *field = (char *)scan->name + key->field[0];

	scan_enter(scan, "option value", NULL);
	switch (key->value) {
	case FILE_NAME:
		return read_file(scan, field);
	case DEVICE_NAME:
		return read_device(scan, field);
	case NUMBER:
		break;
	}
	return scan_number(scan, key->min, key->max, number);
}

static void store(struct name *name, const struct key *key, uint32_t number)
{
	for (size_t i = 0; i < 2; i++)
		if (i == 0 || key->field[i] != 0)
			memcpy((char *)name + key->field[i], &number, sizeof(number));
}

static int read_key(
    struct scan *scan, const struct option *option, uint32_t *numbers, uint32_t *given)
{
	const struct key *keys = option->keys.rows;
	size_t len = strcspn(scan->at, "=,:@"), row;
	int rc;

	scan_enter(scan, "option key", "'='");
	rc = scan_word(scan, len, "", option->keys, &row);
	if (rc < 0)
		return rc;
	if (*given & 1U << row)
		return scan_fail(scan, scan->at, len, "each key once");
	*given |= 1U << row;
	scan->at += len;
	if (*scan->at != '=')
		return scan_fail_here(scan, scan->expected);
	scan->at++;
	return read_value(scan, &keys[row], &numbers[row]);
}

static int read_keys(
    struct scan *scan, const struct option *option, uint32_t *numbers, uint32_t *given)
{
	int rc;

	do {
		scan->at++;
		rc = read_key(scan, option, numbers, given);
	} while (rc == 0 && *scan->at == ',');
	if (rc == 0)
		scan_enter(scan, "option value", "end, ',' or '@'");
	return rc;
}

static int read_first_key(
    struct scan *scan, const struct option *option, uint32_t *numbers, uint32_t *given)
{
	int rc;

	scan->at++;
	*given = 1;
	rc = read_value(scan, option->keys.rows, &numbers[0]);
	if (rc == 0)
		scan_enter(scan, "option value", "end or '@'");
	return rc;
}

static int check_body(struct scan *scan, const struct option *option, uint32_t given)
{
	if (*scan->at != '\0' && *scan->at != '@')
		return scan_fail_here(scan, scan->expected);
	if (option->missing == NULL || (given & 1) != 0)
		return 0;
	scan_enter(scan, "option key", NULL);
	return scan_fail_here(scan, option->missing);
}

static int read_body(struct scan *scan, const struct option *option)
{
	const struct key *keys = option->keys.rows;
	uint32_t numbers[MAX_KEYS] = {0}, given = 0;
	int rc;

	if (*scan->at == ':')
		rc = read_keys(scan, option, numbers, &given);
	else if (*scan->at == '=')
		rc = read_first_key(scan, option, numbers, &given);
	else
		return scan_fail_here(scan, scan->expected);
	if (rc == 0)
		rc = check_body(scan, option, given);
	for (size_t i = 0; rc == 0 && i < option->keys.count; i++)
		if ((given & 1U << i) != 0 && keys[i].value == NUMBER)
			store(scan->name, &keys[i], numbers[i]);
	return rc;
}

/* Each part once, and one memory for a port. */
static int claim(struct scan *scan, size_t span, enum part part, uint32_t *seen)
{
	const uint32_t memory = MEM_ID | SHARE | EXTMEM;

	if ((*seen & part) != 0)
		return scan_fail(scan, scan->at, span, "each option once");
	if ((part & memory) != 0 && (*seen & memory) != 0)
		return scan_fail(scan, scan->at, span, "only one of @n, @share and @extmem");
	*seen |= part;
	return 0;
}

static int read_option(struct scan *scan, uint32_t *seen)
{
	static const struct scan_words words = SCAN_WORDS(options);
	size_t len = strcspn(scan->at, "=:@"), row;
	int rc;

	scan_enter(scan, "option", "':' or '='");
	rc = scan_word(scan, len, "a memory region number or ", words, &row);
	if (rc == 0)
		rc = claim(scan, len, options[row].part, seen);
	if (rc < 0)
		return rc;
	scan->at += len;
	return read_body(scan, &options[row]);
}

static int read_mem_id(struct scan *scan, uint32_t *seen)
{
	uint32_t id;
	int rc;

	scan_enter(scan, "memory region", "a digit, end, '/' or '@'");
	rc = claim(scan, 1, MEM_ID, seen);
	if (rc == 0)
		rc = scan_number(scan, 1, UINT16_MAX, &id);
	if (rc == 0)
		scan->name->mem_id = (uint16_t)id;
	return rc;
}

int options_read(struct scan *scan, uint32_t *seen)
{
	int rc = *scan->at >= '0' && *scan->at <= '9' ? read_mem_id(scan, seen)
						      : read_option(scan, seen);

	scan->name->extmem.present = (*seen & EXTMEM) != 0;
	scan->name->offset.present = (*seen & OFFSET) != 0;
	return rc;
}
