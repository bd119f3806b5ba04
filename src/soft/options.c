/* SPDX-License-Identifier: BSD-2-Clause */
/* Sorting a request's options. */
#include "options.h"

#include <errno.h>
#include <stddef.h>

#include "../base/error.h"
#include "extmem.h"
#include "offsets.h"

/* As many as fit netmap's limit for a whole request; also ends a list that bites its tail. */
#define OPTIONS_MAX (NETMAP_REQ_MAXSIZE / (unsigned)sizeof(struct nmreq_option))

#define COUNT(table) (sizeof(table) / sizeof((table)[0]))

struct option_kind {
	uint16_t request; /* NETMAP_REQ_*: where it may stand */
	uint32_t type;    /* NETMAP_REQ_OPT_* */
	/** Check what can be checked without a port, and note it in out. */
	int (*parse)(struct soft_options *out, struct nmreq_option *option);
};

static int parse_soft(struct soft_options *out, struct nmreq_option *option)
{
	out->soft = (const void *)option;
	return 0;
}

static int parse_csb(struct soft_options *out, struct nmreq_option *option)
{
	out->csb = (void *)option;
	return 0;
}

/* How many entries there have to be depends on the rings. */
static int parse_eventfds(struct soft_options *out, struct nmreq_option *option)
{
	if (option->nro_size < sizeof *out->eventfds)
		return error_set(-EINVAL, "option SYNC_KLOOP_EVENTFDS: nro_size is %llu, too small",
		    (unsigned long long)option->nro_size);
	out->eventfds = (void *)option;
	return 0;
}

static int parse_mode(struct soft_options *out, struct nmreq_option *option)
{
	const struct nmreq_opt_sync_kloop_mode *mode = (const void *)option;

	if (mode->mode & ~(uint32_t)(NM_OPT_SYNC_KLOOP_DIRECT_TX | NM_OPT_SYNC_KLOOP_DIRECT_RX))
		return error_set(
		    -EINVAL, "option SYNC_KLOOP_MODE: there is no mode %#x", mode->mode);
	out->mode = mode;
	return 0;
}

static const struct option_kind kinds[] = {
    {NETMAP_REQ_REGISTER, DEVICE_OPT_SOFT, parse_soft},
    {NETMAP_REQ_PORT_INFO_GET, DEVICE_OPT_SOFT, parse_soft},
    {NETMAP_REQ_REGISTER, NETMAP_REQ_OPT_CSB, parse_csb},
    {NETMAP_REQ_CSB_ENABLE, NETMAP_REQ_OPT_CSB, parse_csb},
    {NETMAP_REQ_SYNC_KLOOP_START, NETMAP_REQ_OPT_SYNC_KLOOP_EVENTFDS, parse_eventfds},
    {NETMAP_REQ_SYNC_KLOOP_START, NETMAP_REQ_OPT_SYNC_KLOOP_MODE, parse_mode},
    {NETMAP_REQ_REGISTER, NETMAP_REQ_OPT_OFFSETS, offsets_parse},
    {NETMAP_REQ_REGISTER, NETMAP_REQ_OPT_EXTMEM, extmem_parse},
};

static size_t kind_find(uint16_t request, uint32_t type)
{
	size_t i = 0;

	while (i < COUNT(kinds) && (kinds[i].request != request || kinds[i].type != type))
		i++;
	return i;
}

/* As the module: of two options of one kind, neither is right. */
static int refuse_both(struct nmreq_option *first, uint32_t type)
{
	first->nro_status = EINVAL;
	return error_set(-EINVAL, "option %u is there twice", type);
}

/* first: of each kind, the one that was seen before. */
static int option_read(uint16_t request, struct soft_options *out, struct nmreq_option *option,
    struct nmreq_option **first)
{
	uint32_t type = option->nro_reqtype;
	size_t kind = kind_find(request, type);

	if (type == 0)
		return error_set(-EINVAL, "there is no option 0");
	if (kind == COUNT(kinds))
		return error_set(-EOPNOTSUPP,
		    "option %u with request %u is not served by the soft device", type, request);
	if (first[kind])
		return refuse_both(first[kind], type);
	first[kind] = option;
	return kinds[kind].parse(out, option);
}

int soft_options_read(const struct nmreq_header *header, struct soft_options *out)
{
	struct nmreq_option *option = (void *)(uintptr_t)header->nr_options;
	struct nmreq_option *first[COUNT(kinds)] = {NULL};
	unsigned n = 0;
	int err = 0;

	*out = (struct soft_options){0};
	for (; option; option = (void *)(uintptr_t)option->nro_next) {
		int one;

		if (++n > OPTIONS_MAX)
			return error_set(
			    -EMSGSIZE, "the request has more than %u options", OPTIONS_MAX);
		one = option_read(header->nr_reqtype, out, option, first);
		option->nro_status = (uint32_t)-one;
		if (one)
			err = one;
	}
	return err;
}
