/* SPDX-License-Identifier: BSD-2-Clause */
/* Which device serves a port, and why the others did not. */
#include <errno.h>
#include <stdio.h>

#include "../base/error.h"
#include "kernel.h"

static int soft_bind(
    struct nmreq_header *header, const struct device_opt_soft *soft, struct device **out)
{
	struct device_opt_soft option = *soft;
	struct device *device;
	int err = soft_open(&device);

	if (err)
		return err;
	option.option.nro_next = header->nr_options;
	header->nr_options = (uint64_t)(uintptr_t)&option;
	err = device->ops->control(device, header);
	header->nr_options = option.option.nro_next;
	if (err) {
		device->ops->close(device);
		return err;
	}
	*out = device;
	return 0;
}

int device_choose(enum loom_device prefer, struct nmreq_header *header,
    const struct device_opt_soft *soft, char *tried, size_t tried_size, struct device **out)
{
	int err = 0;

	tried[0] = 0;
	if (prefer != LOOM_DEVICE_SOFT) {
		err = kernel_open(header, out);
		if (!err || prefer == LOOM_DEVICE_KERNEL)
			return err;
		snprintf(tried, tried_size, "kernel: %s", loom_error());
	}
	return soft_bind(header, soft, out);
}

static int soft_port_info(struct nmreq_header *header, const struct device_opt_soft *soft)
{
	struct device_opt_soft option = *soft;
	struct device *device;
	int err = soft_open(&device);

	if (err)
		return err;
	option.option.nro_next = 0;
	header->nr_options = (uint64_t)(uintptr_t)&option;
	err = device->ops->control(device, header);
	header->nr_options = 0;
	device->ops->close(device);
	return err;
}

int device_port_info(enum loom_device prefer, const char *port, const struct device_opt_soft *soft,
    struct nmreq_port_info_get *info)
{
	struct nmreq_header header = {.nr_version = NETMAP_API,
	    .nr_reqtype = NETMAP_REQ_PORT_INFO_GET,
	    .nr_body = (uint64_t)(uintptr_t)info};
	int err = -ENODEV;

	snprintf(header.nr_name, sizeof header.nr_name, "%s", port);
	if (prefer != LOOM_DEVICE_SOFT)
		err = kernel_port_info(&header);
	return !err || prefer == LOOM_DEVICE_KERNEL ? err : soft_port_info(&header, soft);
}
