/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Port names made of any bytes: the parser neither crashes nor returns anything inconsistent, and
 * the device name of an accepted name reads back as the same port.
 */
#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "name/name.h"
#include "name/request.h"

#define CHECK(condition)                                                                           \
	do {                                                                                       \
		if (!(condition))                                                                  \
			abort();                                                                   \
	} while (0)

#define UNTOUCHED 0x5a

#define IS_TEXT(field) (memchr((field), '\0', sizeof(field)) != NULL)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_texts(const struct name *name)
{
	CHECK(IS_TEXT(name->kind) && name->kind[0] != '\0');
	CHECK(IS_TEXT(name->device) && name->device[0] != '\0');
	CHECK(IS_TEXT(name->ident) && strstr(name->device, name->ident) != NULL);
	CHECK(IS_TEXT(name->pipe_id) && strstr(name->device, name->pipe_id) != NULL);
	CHECK(IS_TEXT(name->body) && strstr(name->device, name->body) != NULL);
	CHECK(IS_TEXT(name->share));
	CHECK(IS_TEXT(name->extmem.file));
}

static void check_numbers(const struct name *name)
{
	CHECK(name->mode == NR_REG_ALL_NIC || name->mode == NR_REG_SW ||
	      name->mode == NR_REG_NIC_SW || name->mode == NR_REG_ONE_NIC ||
	      name->mode == NR_REG_ONE_SW);
	CHECK(name->ring < NETMAP_RING_MASK);
	CHECK(name->ring == 0 || name->mode == NR_REG_ONE_NIC || name->mode == NR_REG_ONE_SW);
	CHECK((name->pipe_role != 0) == (name->pipe_id[0] != '\0'));
	CHECK((name->mem_id != 0) + (name->share[0] != '\0') + name->extmem.present <= 1);
	CHECK(name->extmem.present == (name->extmem.file[0] != '\0'));
	CHECK(name->offset.bits <= 64);
}

static void check_same_port(const struct name *name, const struct name *again)
{
	/* "kernel:" chooses a device and is no part of the port's own name */
	CHECK(strcmp(again->kind, name->kind) == 0 || strcmp(name->kind, "kernel") == 0);
	CHECK(strcmp(again->device, name->device) == 0);
	CHECK(strcmp(again->ident, name->ident) == 0);
	CHECK(strcmp(again->pipe_id, name->pipe_id) == 0);
	CHECK(strcmp(again->body, name->body) == 0);
	CHECK(again->pipe_role == name->pipe_role);
	CHECK(again->mode == NR_REG_ALL_NIC && again->flags == 0);
	CHECK(again->mem_id == 0 && again->share[0] == '\0' && !again->extmem.present);
}

static void check_accepted(const struct name *name)
{
	struct name again;
	struct nmreq_header header;
	struct nmreq_register body;

	check_texts(name);
	check_numbers(name);
	CHECK(name_parse(name->device, &again, NULL) == 0);
	check_same_port(name, &again);
	CHECK(name->share[0] == '\0' || name_parse(name->share, &again, NULL) == 0);
	CHECK(name_format_request(name, &header, &body) == 0);
	CHECK(strcmp(header.nr_name, name->device) == 0);
}

static void check_refused(int rc, const char *text, const struct name_error *error)
{
	CHECK(rc == -EINVAL || rc == -ENAMETOOLONG);
	CHECK(error->offset <= strlen(text));
	CHECK(error->part != NULL && error->part[0] != '\0');
	CHECK(IS_TEXT(error->message) && strstr(error->message, ": expected ") != NULL);
	for (const char *c = error->message; *c != '\0'; c++)
		CHECK(*c >= ' ' && *c <= '~');
}

static void check_untouched(const struct name *name)
{
	const unsigned char *bytes = (const unsigned char *)name;

	for (size_t i = 0; i < sizeof(*name); i++)
		CHECK(bytes[i] == UNTOUCHED);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct name name;
	struct name_error error;
	char *text = malloc(size + 1); /* of exactly this size: the sanitizer sees its end */
	int rc;

	CHECK(text != NULL);
	if (size > 0)
		memcpy(text, data, size);
	text[size] = '\0';
	memset(&name, UNTOUCHED, sizeof(name));
	memset(&error, UNTOUCHED, sizeof(error));
	rc = name_parse(text, &name, &error);
	if (rc == 0) {
		check_accepted(&name);
	} else {
		check_refused(rc, text, &error);
		check_untouched(&name);
	}
	free(text);
	return 0;
}
