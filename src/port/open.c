/* SPDX-License-Identifier: BSD-2-Clause */
/* loom_open and loom_close: a name and a configuration become a request to a device. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../base/error.h"
#include "../name/name.h"
#include "../name/request.h"
#include "extmem.h"
#include "port.h"

#define BUFFER_UNIT 64u
#define BUFFER_MAX  65472u

static int field_error(const char *name, const char *field, uint64_t value, const char *expected)
{
	return error_set(-EINVAL, "port \"%s\": config.%s is %llu, expected %s", name, field,
	    (unsigned long long)value, expected);
}

/* A caller built against a shorter or longer struct: what it does not have is zero. */
static int config_copy(const char *name, const struct loom_config *config, struct loom_config *out)
{
	static const size_t least = offsetof(struct loom_config, tx_rings);
	const uint8_t *bytes = (const uint8_t *)config;

	memset(out, 0, sizeof *out);
	if (!config)
		return 0;
	if (config->size < least || config->size > 4096)
		return field_error(
		    name, "size", config->size, "sizeof(struct loom_config); use LOOM_CONFIG()");
	for (size_t i = sizeof *out; i < config->size; i++)
		if (bytes[i])
			return error_set(-EINVAL,
			    "port \"%s\": the configuration has fields that this version of the "
			    "library "
			    "does not know (at byte %zu)",
			    name, i);
	memcpy(out, config, config->size < sizeof *out ? config->size : sizeof *out);
	return 0;
}

static int config_check(const char *name, struct loom_config *config)
{
	if (config->tx_rings > 256 || config->rx_rings > 256)
		return field_error(name, config->tx_rings > 256 ? "tx_rings" : "rx_rings",
		    config->tx_rings > 256 ? config->tx_rings : config->rx_rings, "1 to 256");
	if (config->tx_slots == 1 || config->rx_slots == 1)
		return field_error(name, config->tx_slots == 1 ? "tx_slots" : "rx_slots", 1,
		    "2 or more: one slot always stays empty");
	if (config->buffer_size > BUFFER_MAX ||
	    (config->buffer_size && config->buffer_size < BUFFER_UNIT))
		return field_error(name, "buffer_size", config->buffer_size, "64 to 65472 bytes");
	config->buffer_size = (config->buffer_size + BUFFER_UNIT - 1) / BUFFER_UNIT * BUFFER_UNIT;
	if ((unsigned)config->device > LOOM_DEVICE_SOFT)
		return field_error(
		    name, "device", (unsigned)config->device, "a LOOM_DEVICE_… value");
	if ((unsigned)config->xdp_mode > LOOM_XDP_GENERIC)
		return field_error(
		    name, "xdp_mode", (unsigned)config->xdp_mode, "a LOOM_XDP_… value");
	if (config->huge_pages > 1)
		return field_error(name, "huge_pages", config->huge_pages, "0 or 1");
	return 0;
}

/* What the name says wins; zero in the request is the device's default. */
static void request_complete(struct nmreq_register *reg, const struct loom_config *config)
{
	uint32_t rx_rings = config->rx_rings ? config->rx_rings : config->tx_rings;
	uint32_t rx_slots = config->rx_slots ? config->rx_slots : config->tx_slots;

	if (!reg->nr_tx_rings)
		reg->nr_tx_rings = (uint16_t)config->tx_rings;
	if (!reg->nr_rx_rings)
		reg->nr_rx_rings = (uint16_t)rx_rings;
	if (!reg->nr_tx_slots)
		reg->nr_tx_slots = config->tx_slots;
	if (!reg->nr_rx_slots)
		reg->nr_rx_slots = rx_slots;
	reg->nr_extra_bufs = config->extra_buffers;
	reg->nr_flags |= config->flags;
}

/* The option that asks for offsets; false: nobody does. */
static bool offsets_wanted(
    struct nmreq_opt_offsets *out, const struct name *name, const struct loom_config *config)
{
	uint32_t initial = name->offset.present ? name->offset.initial : config->offset;

	*out = (struct nmreq_opt_offsets){
	    .nro_opt = {.nro_reqtype = NETMAP_REQ_OPT_OFFSETS, .nro_size = sizeof *out},
	    .nro_max_offset = config->offset_max > initial ? config->offset_max : initial,
	    .nro_initial_offset = initial,
	    .nro_offset_bits = name->offset.bits,
	};
	return name->offset.present || out->nro_max_offset > 0;
}

/* Kinds that only one device knows decide; otherwise the configuration, or the environment, does. */
static enum loom_device device_wanted(const struct name *name, const struct loom_config *config)
{
	const char *fromenv = getenv("PKTLOOM_DEVICE");

	if (strcmp(name->kind, "kernel") == 0)
		return LOOM_DEVICE_KERNEL;
	if (strcmp(name->kind, "netmap") != 0 && strcmp(name->kind, "vale") != 0)
		return LOOM_DEVICE_SOFT;
	if (config->device != LOOM_DEVICE_ANY || !fromenv)
		return config->device;
	if (strcmp(fromenv, "kernel") == 0)
		return LOOM_DEVICE_KERNEL;
	return strcmp(fromenv, "soft") == 0 ? LOOM_DEVICE_SOFT : LOOM_DEVICE_ANY;
}

/* "@share=PORT" is the id of that port's memory. */
static int share_resolve(const char *text, const struct name *name, enum loom_device wanted,
    const struct device_opt_soft *soft, struct nmreq_register *reg)
{
	struct nmreq_port_info_get info = {0};
	int err;

	if (!name->share[0])
		return 0;
	err = device_port_info(wanted, name->share, soft, &info);
	if (err)
		return error_set(err, "port \"%s\": cannot share the memory of \"%s\": %s", text,
		    name->share, strerror(-err));
	reg->nr_mem_id = info.nr_mem_id;
	return 0;
}

static void option_add(struct nmreq_header *header, struct nmreq_option *option)
{
	option->nro_next = header->nr_options;
	header->nr_options = (uint64_t)(uintptr_t)option;
}

/* What a request carries beside its body; alive as long as that is under way. */
struct extras {
	struct device_opt_soft soft;
	struct nmreq_opt_offsets offsets;
	struct nmreq_opt_extmem extmem;
};

static int request_make(struct loom_port *port, const char *text, const struct name *name,
    const struct loom_config *config, struct nmreq_header *header, struct extras *extras)
{
	int err = name_format_request(name, header, &port->reg);

	if (!err)
		err = share_resolve(
		    text, name, device_wanted(name, config), &extras->soft, &port->reg);
	if (!err && name->extmem.present)
		err = extmem_map(text, &name->extmem, &port->extmem, &extras->extmem);
	if (err)
		return err;
	request_complete(&port->reg, config);
	if (port->reg.nr_tx_slots == 1 || port->reg.nr_rx_slots == 1)
		return error_set(
		    -EINVAL, "port \"%s\": slots must be 2 or more: one always stays empty", text);
	if (offsets_wanted(&extras->offsets, name, config))
		option_add(header, &extras->offsets.nro_opt);
	if (name->extmem.present)
		option_add(header, &extras->extmem.nro_opt);
	port->offset = (uint32_t)extras->offsets.nro_initial_offset;
	return 0;
}

static int open_device(struct loom_port *port, const char *text, const struct loom_config *config)
{
	struct extras extras = {
	    .soft = {.option = {.nro_reqtype = DEVICE_OPT_SOFT, .nro_size = sizeof extras.soft},
		.buffer_size = config->buffer_size,
		.spin_us = config->spin_us,
		.directory = config->directory,
		.xdp_mode = (uint32_t)config->xdp_mode,
		.xdp_busy_poll_us = config->xdp_busy_poll_us,
		.huge_pages = config->huge_pages}};
	struct nmreq_header header;
	struct name_error error;
	struct name name;
	int err = name_parse(text, &name, &error);

	if (err)
		return error_set(err, "%s", error.message);
	err = request_make(port, text, &name, config, &header, &extras);
	snprintf(port->name, sizeof port->name, "%s", name.device);
	if (!err)
		err = device_choose(device_wanted(&name, config), &header, &extras.soft,
		    port->tried, sizeof port->tried, &port->device);
	if (err)
		extmem_unmap(&port->extmem);
	return err;
}

int port_finish(struct loom_port *port)
{
	int err = port->device->ops->map(port->device, &port->map);

	if (!err && port->offset >= port->map.buf_room)
		err = error_set(-EINVAL,
		    "port \"%s\": an offset of %u leaves no room in buffers of %u bytes",
		    port->name, port->offset, port->map.buf_room);
	if (!err) {
		port->id = port_id_take(port->name);
		return 0;
	}
	port->device->ops->close(port->device);
	extmem_unmap(&port->extmem);
	return err;
}

int loom_open(const char *name, const struct loom_config *config, struct loom_port **out)
{
	struct loom_config checked;
	struct loom_port *port;
	int err;

	if (!name || !out)
		return error_set(
		    -EINVAL, "loom_open: the name and the place for the port must not be NULL");
	err = config_copy(name, config, &checked);
	if (!err)
		err = config_check(name, &checked);
	if (err)
		return err;
	port = calloc(1, sizeof *port);
	if (!port)
		return error_set(-ENOMEM, "out of memory for port \"%s\"", name);
	err = open_device(port, name, &checked);
	if (!err)
		err = port_finish(port);
	if (err) {
		free(port);
		return err;
	}
	*out = port;
	return 0;
}

void loom_close(struct loom_port *port)
{
	if (!port)
		return;
	port->device->ops->close(port->device);
	port_id_give(port->id);
	lending_end(port);
	extmem_unmap(&port->extmem);
	free(port);
}
