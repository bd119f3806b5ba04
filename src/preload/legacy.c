/* SPDX-License-Identifier: BSD-2-Clause */
/* Translating legacy requests: what is asked, and what is answered. */
#include "legacy.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "../base/error.h"
#include "user.h"

/* The request's shape is older, but a program of an older API looks for rings in other places. */
#define OLDEST_API 14u

union body {
	struct nmreq_register reg;
	struct nmreq_port_info_get info;
	struct nmreq_vale_attach attach;
	struct nmreq_vale_detach detach;
	struct nmreq_vale_list list;
	struct nmreq_port_hdr hdr;
	struct nmreq_vale_newif newif;
	struct nmreq_vale_polling polling;
};

struct translation {
	struct nmreq_header header;
	union body body;
};

/* The mode was once in the upper bits of nr_ringid. */
static uint32_t mode_of(const struct nmreq *old)
{
	uint32_t mode = old->nr_flags & NR_REG_MASK;

	if (mode != NR_REG_DEFAULT)
		return mode;
	if (old->nr_ringid & NETMAP_SW_RING)
		return NR_REG_SW;
	return old->nr_ringid & NETMAP_HW_RING ? NR_REG_ONE_NIC : NR_REG_ALL_NIC;
}

/* Pipes were a mode and a number; now they are a name. */
static void pipe_name(struct nmreq_header *header, struct nmreq_register *reg)
{
	size_t used = strlen(header->nr_name);
	char brace = reg->nr_mode == NR_REG_PIPE_MASTER ? '{' : '}';

	if (reg->nr_mode != NR_REG_PIPE_MASTER && reg->nr_mode != NR_REG_PIPE_SLAVE)
		return;
	snprintf(header->nr_name + used, sizeof header->nr_name - used, "%c%u", brace,
	    (unsigned)reg->nr_ringid);
	reg->nr_mode = NR_REG_ALL_NIC;
	reg->nr_ringid = 0;
}

static void register_in(
    const struct nmreq *old, struct nmreq_header *header, struct nmreq_register *reg)
{
	*reg = (struct nmreq_register){
	    .nr_offset = old->nr_offset,
	    .nr_memsize = old->nr_memsize,
	    .nr_tx_slots = old->nr_tx_slots,
	    .nr_rx_slots = old->nr_rx_slots,
	    .nr_tx_rings = old->nr_tx_rings,
	    .nr_rx_rings = old->nr_rx_rings,
	    .nr_mem_id = old->nr_arg2,
	    .nr_ringid = old->nr_ringid & NETMAP_RING_MASK,
	    .nr_mode = mode_of(old),
	    .nr_extra_bufs = old->nr_arg3,
	    .nr_flags = old->nr_flags & ~(uint32_t)NR_REG_MASK,
	};
	if (old->nr_ringid & NETMAP_NO_TX_POLL)
		reg->nr_flags |= NR_NO_TX_POLL;
	if (old->nr_ringid & NETMAP_DO_RX_POLL)
		reg->nr_flags |= NR_DO_RX_POLL;
	pipe_name(header, reg);
}

static void attach_in(const struct nmreq *old, struct translation *new)
{
	register_in(old, &new->header, &new->body.attach.reg);
	new->body.attach.reg.nr_mode =
	    old->nr_arg1 &NETMAP_BDG_HOST ? NR_REG_NIC_SW : NR_REG_ALL_NIC;
}

static void newif_in(const struct nmreq *old, struct nmreq_vale_newif *newif)
{
	*newif = (struct nmreq_vale_newif){
	    .nr_tx_slots = old->nr_tx_slots,
	    .nr_rx_slots = old->nr_rx_slots,
	    .nr_tx_rings = old->nr_tx_rings,
	    .nr_rx_rings = old->nr_rx_rings,
	    .nr_mem_id = old->nr_arg2,
	};
}

static void polling_in(const struct nmreq *old, struct nmreq_vale_polling *polling)
{
	uint32_t mode = old->nr_flags & NR_REG_MASK;

	polling->nr_mode = 0; /* of no meaning: the device refuses it */
	if (mode == NR_REG_ONE_NIC)
		polling->nr_mode = NETMAP_POLLING_MODE_MULTI_CPU;
	if (mode == NR_REG_ALL_NIC)
		polling->nr_mode = NETMAP_POLLING_MODE_SINGLE_CPU;
	polling->nr_first_cpu_id = old->nr_ringid & NETMAP_RING_MASK;
	polling->nr_num_polling_cpus = old->nr_arg1;
}

/* NIOCREGIF by nr_cmd; what nobody knows becomes request type 0, which no device knows either. */
static int regif_in(const struct nmreq *old, struct translation *new)
{
	struct nmreq_header *header = &new->header;

	switch (old->nr_cmd) {
	case 0:
		header->nr_reqtype = NETMAP_REQ_REGISTER;
		register_in(old, header, &new->body.reg);
		break;
	case NETMAP_BDG_ATTACH:
		header->nr_reqtype = NETMAP_REQ_VALE_ATTACH;
		attach_in(old, new);
		break;
	case NETMAP_BDG_DETACH:
		header->nr_reqtype = NETMAP_REQ_VALE_DETACH;
		break;
	case NETMAP_BDG_VNET_HDR:
	case NETMAP_VNET_HDR_GET:
		header->nr_reqtype = old->nr_cmd == NETMAP_BDG_VNET_HDR ? NETMAP_REQ_PORT_HDR_SET
									: NETMAP_REQ_PORT_HDR_GET;
		new->body.hdr.nr_hdr_len = old->nr_arg1;
		break;
	case NETMAP_BDG_NEWIF:
		header->nr_reqtype = NETMAP_REQ_VALE_NEWIF;
		newif_in(old, &new->body.newif);
		break;
	case NETMAP_BDG_DELIF:
		header->nr_reqtype = NETMAP_REQ_VALE_DELIF;
		header->nr_body = 0;
		break;
	case NETMAP_BDG_POLLING_ON:
	case NETMAP_BDG_POLLING_OFF:
		header->nr_reqtype = old->nr_cmd == NETMAP_BDG_POLLING_ON
					 ? NETMAP_REQ_VALE_POLLING_ENABLE
					 : NETMAP_REQ_VALE_POLLING_DISABLE;
		polling_in(old, &new->body.polling);
		break;
	case NETMAP_PT_HOST_CREATE:
	case NETMAP_PT_HOST_DELETE: /* the module has given these up, and answers so */
		return error_set(-ENOMEM, "there is no netmap pass-through");
	default:
		header->nr_body = 0;
	}
	return 0;
}

static int ginfo_in(const struct nmreq *old, struct translation *new)
{
	if (old->nr_cmd == NETMAP_BDG_LIST) {
		new->header.nr_reqtype = NETMAP_REQ_VALE_LIST;
		new->body.list.nr_bridge_idx = old->nr_arg1;
		new->body.list.nr_port_idx = old->nr_arg2;
		return 0;
	}
	new->header.nr_reqtype = NETMAP_REQ_PORT_INFO_GET;
	new->body.info = (struct nmreq_port_info_get){
	    .nr_memsize = old->nr_memsize,
	    .nr_tx_slots = old->nr_tx_slots,
	    .nr_rx_slots = old->nr_rx_slots,
	    .nr_tx_rings = old->nr_tx_rings,
	    .nr_rx_rings = old->nr_rx_rings,
	    .nr_mem_id = old->nr_arg2,
	};
	return 0;
}

/* nr_flags and nr_ringid stay what the program wrote, as with the module. */
static void register_out(const struct nmreq_register *reg, struct nmreq *old)
{
	old->nr_offset = (uint32_t)reg->nr_offset;
	old->nr_memsize = (uint32_t)reg->nr_memsize;
	old->nr_tx_slots = reg->nr_tx_slots;
	old->nr_rx_slots = reg->nr_rx_slots;
	old->nr_tx_rings = reg->nr_tx_rings;
	old->nr_rx_rings = reg->nr_rx_rings;
	old->nr_arg2 = reg->nr_mem_id;
	old->nr_arg3 = reg->nr_extra_bufs;
}

static void info_out(const struct nmreq_port_info_get *info, struct nmreq *old)
{
	old->nr_memsize = (uint32_t)info->nr_memsize;
	old->nr_tx_slots = info->nr_tx_slots;
	old->nr_rx_slots = info->nr_rx_slots;
	old->nr_tx_rings = info->nr_tx_rings;
	old->nr_rx_rings = info->nr_rx_rings;
	old->nr_arg2 = info->nr_mem_id;
}

static void newif_out(const struct nmreq_vale_newif *newif, struct nmreq *old)
{
	old->nr_tx_slots = newif->nr_tx_slots;
	old->nr_rx_slots = newif->nr_rx_slots;
	old->nr_tx_rings = newif->nr_tx_rings;
	old->nr_rx_rings = newif->nr_rx_rings;
	old->nr_arg2 = newif->nr_mem_id;
}

static void answer_out(const struct translation *new, struct nmreq *old)
{
	switch (new->header.nr_reqtype) {
	case NETMAP_REQ_REGISTER:
		register_out(&new->body.reg, old);
		break;
	case NETMAP_REQ_PORT_INFO_GET:
		info_out(&new->body.info, old);
		break;
	case NETMAP_REQ_VALE_ATTACH:
		register_out(&new->body.attach.reg, old);
		break;
	case NETMAP_REQ_VALE_LIST:
		snprintf(old->nr_name, sizeof old->nr_name, "%.*s", (int)sizeof old->nr_name - 1,
		    new->header.nr_name);
		old->nr_arg1 = new->body.list.nr_bridge_idx;
		old->nr_arg2 = (uint16_t) new->body.list.nr_port_idx;
		break;
	case NETMAP_REQ_PORT_HDR_SET:
	case NETMAP_REQ_PORT_HDR_GET:
		old->nr_arg1 = (uint16_t) new->body.hdr.nr_hdr_len;
		break;
	case NETMAP_REQ_VALE_NEWIF:
		newif_out(&new->body.newif, old);
		break;
	default: /* nothing to say */
		break;
	}
}

static int translate_in(const struct nmreq *old, bool regif, struct translation *out)
{
	*out = (struct translation){.header.nr_version = NETMAP_API};
	out->header.nr_body = (uint64_t)(uintptr_t)&out->body;
	snprintf(out->header.nr_name, sizeof out->header.nr_name, "%.*s",
	    (int)sizeof old->nr_name - 1, old->nr_name);
	return regif ? regif_in(old, out) : ginfo_in(old, out);
}

int legacy_control(struct handle *handle, bool regif, uint64_t request)
{
	struct translation new;
	struct nmreq old;
	int err;

	if (request == 0)
		return error_set(-EINVAL, "the request is missing");
	err = user_read(&old, request, sizeof old);
	if (err)
		return err;
	if (old.nr_version < OLDEST_API)
		return error_set(-EINVAL, "netmap API %u, but %u is the oldest understood",
		    old.nr_version, OLDEST_API);
	err = translate_in(&old, regif, &new);
	if (!err)
		err = handle_control(handle, &new.header);
	if (err)
		return err;
	answer_out(&new, &old);
	return user_write(request, &old, sizeof old);
}
