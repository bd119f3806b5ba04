/* SPDX-License-Identifier: BSD-2-Clause */
/* tap.h on Linux: /dev/net/tun. */
#include "tap.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

static int call(int fd, unsigned long what, void *argument)
{
	return ioctl(fd, what, argument) == 0 ? 0 : -errno;
}

int tap_offload(int queue, bool on)
{
	unsigned long what = on ? TUN_F_CSUM | TUN_F_TSO4 | TUN_F_TSO6 : 0;

	return ioctl(queue, TUNSETOFFLOAD, what) == 0 ? 0 : -errno;
}

static int shape_set(int fd, uint32_t header)
{
	int size = (int)header;
	int err = tap_offload(fd, false);

	return err || !header ? err : call(fd, TUNSETVNETHDRSZ, &size);
}

int tap_queue_open(char name[TAP_NAME_SIZE], const struct tap_shape *shape)
{
	int fd = open("/dev/net/tun", O_RDWR | O_NONBLOCK | O_CLOEXEC);
	struct ifreq request = {0};
	int err;

	if (fd < 0)
		return -errno;
	snprintf(request.ifr_name, sizeof request.ifr_name, "%s", name);
	request.ifr_flags = (short)(IFF_TAP | IFF_NO_PI | (shape->many ? IFF_MULTI_QUEUE : 0) |
				    (shape->header ? IFF_VNET_HDR : 0));
	err = call(fd, TUNSETIFF, &request);
	if (!err)
		err = shape_set(fd, shape->header);
	if (err) {
		close(fd);
		return err;
	}
	memcpy(name, request.ifr_name, TAP_NAME_SIZE);
	return fd;
}

int tap_name(int queue, char name[TAP_NAME_SIZE])
{
	struct ifreq request = {0};
	int err = call(queue, TUNGETIFF, &request);

	if (!err)
		memcpy(name, request.ifr_name, TAP_NAME_SIZE);
	return err;
}

/* Ask for, or change, something of an interface: any socket will do. */
static int interface_call(const char *name, unsigned long what, struct ifreq *request)
{
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	int err;

	if (fd < 0)
		return -errno;
	snprintf(request->ifr_name, sizeof request->ifr_name, "%s", name);
	err = call(fd, what, request);
	close(fd);
	return err;
}

int tap_index(int queue)
{
	struct ifreq request = {0};
	char name[TAP_NAME_SIZE];
	int err = tap_name(queue, name);

	if (!err)
		err = interface_call(name, SIOCGIFINDEX, &request);
	return err ? err : request.ifr_ifindex;
}

/* By its name it is looked for where the caller is: it may be elsewhere. */
int tap_is_up(int queue)
{
	struct ifreq request = {0};
	char name[TAP_NAME_SIZE];
	int err = tap_name(queue, name);

	if (err)
		return err;
	return interface_call(name, SIOCGIFFLAGS, &request) != 0 || request.ifr_flags & IFF_UP;
}

static int flags_change(const char *name, short add, short remove)
{
	struct ifreq request = {0};
	int err = interface_call(name, SIOCGIFFLAGS, &request);
	short flags = (short)((request.ifr_flags | add) & ~remove);

	if (err || flags == request.ifr_flags)
		return err; /* a device that is so already takes no privilege */
	request.ifr_flags = flags;
	return interface_call(name, SIOCSIFFLAGS, &request);
}

int tap_up(const char *name, bool up)
{
	return up ? flags_change(name, IFF_UP, 0) : flags_change(name, 0, IFF_UP);
}

int tap_mtu_set(const char *name, uint32_t bytes)
{
	struct ifreq request = {.ifr_mtu = (int)bytes};

	return interface_call(name, SIOCSIFMTU, &request);
}

/* -ENOENT: a system without IPv6 sends none. */
static int ipv6_off(const char *name)
{
	char path[64];
	int fd, err = 0;

	snprintf(path, sizeof path, "/proc/sys/net/ipv6/conf/%s/disable_ipv6", name);
	fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd < 0)
		return errno == ENOENT ? 0 : -errno;
	if (write(fd, "1", 1) != 1)
		err = -errno;
	close(fd);
	return err;
}

int tap_silence(const char *name)
{
	int err = flags_change(name, IFF_NOARP, 0);

	return err ? err : ipv6_off(name);
}
