/* SPDX-License-Identifier: BSD-2-Clause */
/* Copying requests in and answers out. */
#include "request.h"

#include <errno.h>
#include <string.h>

#include "../base/error.h"
#include "user.h"

#define OPTIONS_MAX (USER_MAX / (unsigned)sizeof(struct nmreq_option))

struct option_copy {
	uint64_t theirs; /* where the program has it */
	uint64_t next;   /* what its nro_next said */
	struct nmreq_option *ours;
	uint32_t size;
	uint32_t type; /* what the program wrote */
};

struct request {
	struct nmreq_header header; /* nr_body and nr_options point into this struct */
	struct nmreq_header theirs;
	uint32_t body_size;
	uint32_t used; /* of storage */
	uint32_t num_options;
	struct option_copy options[OPTIONS_MAX];
	uint64_t storage[USER_MAX / sizeof(uint64_t)];
};

static uint32_t body_size(uint16_t reqtype)
{
	switch (reqtype) {
	case NETMAP_REQ_REGISTER:
		return sizeof(struct nmreq_register);
	case NETMAP_REQ_PORT_INFO_GET:
		return sizeof(struct nmreq_port_info_get);
	case NETMAP_REQ_VALE_ATTACH:
		return sizeof(struct nmreq_vale_attach);
	case NETMAP_REQ_VALE_DETACH:
		return sizeof(struct nmreq_vale_detach);
	case NETMAP_REQ_VALE_LIST:
		return sizeof(struct nmreq_vale_list);
	case NETMAP_REQ_PORT_HDR_SET:
	case NETMAP_REQ_PORT_HDR_GET:
		return sizeof(struct nmreq_port_hdr);
	case NETMAP_REQ_VALE_NEWIF:
		return sizeof(struct nmreq_vale_newif);
	case NETMAP_REQ_VALE_POLLING_ENABLE:
	case NETMAP_REQ_VALE_POLLING_DISABLE:
		return sizeof(struct nmreq_vale_polling);
	case NETMAP_REQ_POOLS_INFO_GET:
		return sizeof(struct nmreq_pools_info);
	case NETMAP_REQ_SYNC_KLOOP_START:
		return sizeof(struct nmreq_sync_kloop_start);
	default: /* those without a body, and those that nobody knows */
		return 0;
	}
}

static uint64_t option_size(const struct nmreq_option *option)
{
	switch (option->nro_reqtype) {
	case NETMAP_REQ_OPT_EXTMEM:
		return sizeof(struct nmreq_opt_extmem);
	case NETMAP_REQ_OPT_SYNC_KLOOP_EVENTFDS: /* as many as the program says */
		return option->nro_size < sizeof *option ? sizeof *option : option->nro_size;
	case NETMAP_REQ_OPT_CSB:
		return sizeof(struct nmreq_opt_csb);
	case NETMAP_REQ_OPT_SYNC_KLOOP_MODE:
		return sizeof(struct nmreq_opt_sync_kloop_mode);
	case NETMAP_REQ_OPT_OFFSETS:
		return sizeof(struct nmreq_opt_offsets);
	default:
		return sizeof *option;
	}
}

static void *storage_take(struct request *request, uint64_t size)
{
	uint8_t *at = (uint8_t *)request->storage + request->used;

	if (size > sizeof request->storage - request->used)
		return NULL;
	request->used += ((uint32_t)size + 7u) & ~7u;
	return at;
}

static int body_in(struct request *request)
{
	void *body;

	request->body_size = body_size(request->theirs.nr_reqtype);
	if ((request->body_size == 0) != (request->theirs.nr_body == 0))
		return error_set(-EINVAL, request->body_size
					      ? "the request has no body"
					      : "a request of this type has no body");
	if (request->body_size == 0)
		return 0;
	body = storage_take(request, request->body_size);
	request->header.nr_body = (uint64_t)(uintptr_t)body;
	return user_read(body, request->theirs.nr_body, request->body_size);
}

/*
 * pktloom's own option holds pointers that the device follows: it is not for programs that think they
 * talk to a kernel, and to them it is as unknown as to a kernel.
 */
static uint32_t option_type(uint32_t type)
{
	return type == DEVICE_OPT_SOFT ? UINT32_MAX : type;
}

static int option_in(struct request *request, uint64_t theirs, struct option_copy *out)
{
	struct nmreq_option head;
	uint64_t size;
	int err = user_read(&head, theirs, sizeof head);

	if (err)
		return err;
	size = option_size(&head);
	*out =
	    (struct option_copy){.theirs = theirs, .next = head.nro_next, .type = head.nro_reqtype};
	out->ours = size > USER_MAX ? NULL : storage_take(request, size);
	if (!out->ours)
		return error_set(-EMSGSIZE, "the request has more than %u bytes", USER_MAX);
	out->size = (uint32_t)size;
	err = user_read(out->ours, theirs, size);
	if (err)
		return err;
	*out->ours = head; /* read twice, believed once */
	out->ours->nro_reqtype = option_type(head.nro_reqtype);
	out->ours->nro_next = 0;
	out->ours->nro_status = EOPNOTSUPP;
	return 0;
}

static int options_in(struct request *request)
{
	uint64_t *link = &request->header.nr_options;
	uint64_t theirs = request->theirs.nr_options;

	*link = 0;
	while (theirs) {
		struct option_copy *option = &request->options[request->num_options];
		int err;

		if (request->num_options == OPTIONS_MAX)
			return error_set(-EMSGSIZE, "the request has too many options");
		err = option_in(request, theirs, option);
		if (err)
			return err;
		request->num_options++;
		*link = (uint64_t)(uintptr_t)option->ours;
		link = &option->ours->nro_next;
		theirs = option->next;
	}
	return 0;
}

static int request_in(struct request *request, uint64_t header)
{
	int err;

	request->used = request->num_options = request->body_size = 0;
	if (header == 0)
		return error_set(-EINVAL, "the request has no header");
	err = user_read(&request->theirs, header, sizeof request->theirs);
	if (err)
		return err;
	if (request->theirs.nr_version < NETMAP_MIN_API ||
	    request->theirs.nr_version > NETMAP_MAX_API || request->theirs.nr_reserved != 0)
		return error_set(-EINVAL, "netmap API %u is not understood, or nr_reserved is set",
		    request->theirs.nr_version);
	request->header = request->theirs;
	err = body_in(request);
	return err ? err : options_in(request);
}

/* Each option's status; what else it says only if the request and the option itself succeeded. */
static int option_out(const struct option_copy *option, bool succeeded)
{
	const uint8_t *ours = (const uint8_t *)option->ours;
	const size_t status = offsetof(struct nmreq_option, nro_status);
	int err =
	    user_write(option->theirs + status, ours + status, sizeof option->ours->nro_status);

	if (err || !succeeded || option->ours->nro_status != 0)
		return err;
	return user_write(option->theirs + sizeof(struct nmreq_option),
	    ours + sizeof(struct nmreq_option), option->size - sizeof(struct nmreq_option));
}

/* VALE_LIST answers in the header's name. */
static int name_out(const struct request *request, uint64_t header)
{
	if (memcmp(request->header.nr_name, request->theirs.nr_name,
		sizeof request->theirs.nr_name) == 0)
		return 0;
	return user_write(header + offsetof(struct nmreq_header, nr_name), request->header.nr_name,
	    sizeof request->header.nr_name);
}

static int request_out(const struct request *request, uint64_t header, int result)
{
	int err = 0;

	for (uint32_t i = 0; i < request->num_options && !err; i++)
		err = option_out(&request->options[i], result == 0);
	if (!err && result == 0 && request->body_size)
		err = user_write(request->theirs.nr_body,
		    (const void *)(uintptr_t)request->header.nr_body, request->body_size);
	if (!err && result == 0)
		err = name_out(request, header);
	return err ? err : result;
}

int request_control(struct handle *handle, uint64_t header)
{
	struct request request;
	int err = request_in(&request, header);

	if (err)
		return err;
	return request_out(&request, header, handle_control(handle, &request.header));
}
