/* SPDX-License-Identifier: BSD-2-Clause */
/* Asking the kernel device for a port: NIOCCTRL, or what older modules understand. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "../base/error.h"
#include "kernel.h"

/* The layouts of rings and slots have been the same since this version of the API. */
#define OLDEST_API 11

static int device_open(const char *name)
{
	int fd = open(NETMAP_DEVICE_NAME, O_RDWR | O_CLOEXEC);

	if (fd >= 0)
		return fd;
	if (errno == ENOENT || errno == ENODEV || errno == ENXIO)
		return error_set(-ENODEV, "no %s (is netmap's module loaded?)", NETMAP_DEVICE_NAME);
	if (errno == EACCES || errno == EPERM)
		return error_set(-EACCES,
		    "no permission to open %s (be root, or change its owner or mode)",
		    NETMAP_DEVICE_NAME);
	return error_set(
	    -errno, "cannot open %s for \"%s\": %s", NETMAP_DEVICE_NAME, name, strerror(errno));
}

static int refusal(const struct nmreq_header *header, int err)
{
	const char *why = strerror(err);

	if (err == ENXIO || err == ENODEV)
		why = "no such interface, or its driver cannot be used by this module";
	if (err == EBUSY)
		why = "rings in use by somebody else, exclusively";
	return error_set(-err, "%s refused \"%s\": %s", NETMAP_DEVICE_NAME, header->nr_name, why);
}

/* A pipe in the old request is its parent's name, a mode, and a number. */
static int legacy_pipe(struct nmreq *old, char *name)
{
	char *brace = strpbrk(name, "{}"), *end;
	unsigned long id;

	if (!brace)
		return 0;
	id = strtoul(brace + 1, &end, 10);
	if (end == brace + 1 || *end || id > NETMAP_RING_MASK)
		return -EOPNOTSUPP;
	old->nr_flags = *brace == '{' ? NR_REG_PIPE_MASTER : NR_REG_PIPE_SLAVE;
	old->nr_ringid = (uint16_t)id;
	*brace = 0;
	return 0;
}

static int legacy_fill(struct nmreq *old, const struct nmreq_header *header)
{
	const struct nmreq_register *reg = (const void *)(uintptr_t)header->nr_body;
	char name[NETMAP_REQ_IFNAMSIZ];
	int err;

	memset(old, 0, sizeof *old);
	old->nr_flags = reg->nr_mode;
	old->nr_ringid = reg->nr_ringid & NETMAP_RING_MASK;
	memcpy(name, header->nr_name, sizeof name);
	name[sizeof name - 1] = 0;
	err = legacy_pipe(old, name);
	if (err || strlen(name) >= sizeof old->nr_name)
		return -EOPNOTSUPP;
	memcpy(old->nr_name, name, strlen(name));
	old->nr_flags |= (uint32_t)reg->nr_flags;
	if (reg->nr_flags & NR_NO_TX_POLL)
		old->nr_ringid |= NETMAP_NO_TX_POLL;
	if (reg->nr_flags & NR_DO_RX_POLL)
		old->nr_ringid |= NETMAP_DO_RX_POLL;
	old->nr_tx_slots = reg->nr_tx_slots;
	old->nr_rx_slots = reg->nr_rx_slots;
	old->nr_tx_rings = reg->nr_tx_rings;
	old->nr_rx_rings = reg->nr_rx_rings;
	old->nr_arg2 = reg->nr_mem_id;
	old->nr_arg3 = reg->nr_extra_bufs;
	return 0;
}

static void legacy_answer(const struct nmreq *old, struct nmreq_register *reg)
{
	reg->nr_offset = old->nr_offset;
	reg->nr_memsize = old->nr_memsize;
	reg->nr_tx_slots = old->nr_tx_slots;
	reg->nr_rx_slots = old->nr_rx_slots;
	reg->nr_tx_rings = old->nr_tx_rings;
	reg->nr_rx_rings = old->nr_rx_rings;
	reg->nr_mem_id = old->nr_arg2;
	reg->nr_extra_bufs = old->nr_arg3;
	/* The old answer does not count host rings; they were one pair, where there were any. */
	reg->nr_host_tx_rings = reg->nr_host_rx_rings = strpbrk(old->nr_name, ":") ? 0 : 1;
}

static int legacy_register(int fd, struct nmreq_header *header)
{
	struct nmreq old;
	int err = legacy_fill(&old, header);

	if (err)
		return error_set(err,
		    "\"%s\" cannot be asked of a module as old as this one (it knows no NIOCCTRL)",
		    header->nr_name);
	for (uint32_t version = NETMAP_API; version >= OLDEST_API; version--) {
		old.nr_version = version;
		if (ioctl(fd, NIOCREGIF, &old) == 0) {
			legacy_answer(&old, (void *)(uintptr_t)header->nr_body);
			return 0;
		}
		if (errno != EINVAL)
			break;
	}
	return refusal(header, errno);
}

static bool knows_no_nioctl(int err)
{
	return err == ENOTTY || err == EOPNOTSUPP || err == ENOSYS;
}

int kernel_bind(struct nmreq_header *header)
{
	int fd = device_open(header->nr_name);
	int err = 0;

	if (fd < 0)
		return fd;
	if (ioctl(fd, NIOCCTRL, header) != 0)
		err = knows_no_nioctl(errno) && header->nr_options == 0
			  ? legacy_register(fd, header)
			  : refusal(header, errno);
	if (!err)
		return fd;
	close(fd);
	return err;
}

int kernel_port_info(struct nmreq_header *header)
{
	int fd = device_open(header->nr_name), err;

	if (fd < 0)
		return fd;
	err = ioctl(fd, NIOCCTRL, header) == 0 ? 0 : refusal(header, errno);
	close(fd);
	return err;
}
