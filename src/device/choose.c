/* SPDX-License-Identifier: BSD-2-Clause */
/* Which device serves a port, and why the others did not. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "../base/error.h"
#include "device.h"

static int kernel_refusal(const char *name)
{
	if (access("/dev/netmap", F_OK) != 0)
		return error_set(-ENODEV,
		    "port \"%s\": no kernel device, /dev/netmap is missing (is netmap's module "
		    "loaded?)",
		    name);
	return error_set(
	    -EOPNOTSUPP, "port \"%s\": this version does not drive /dev/netmap yet", name);
}

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
	tried[0] = 0;
	if (prefer == LOOM_DEVICE_KERNEL)
		return kernel_refusal(header->nr_name);
	if (prefer == LOOM_DEVICE_ANY) {
		kernel_refusal(header->nr_name);
		snprintf(tried, tried_size, "kernel: %s", loom_error());
	}
	return soft_bind(header, soft, out);
}
