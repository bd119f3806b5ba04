/* SPDX-License-Identifier: BSD-2-Clause */
/* Interfaces by name, and whether they are up. */
#include "link.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "../../base/error.h"
#include "../port.h"

/* How often a ring that is synced without ever sleeping asks how the link and the kernel are. */
#define LOOK_SYNCS 32u
#define LOOK_NS    20000000u

/* No frame is of this type (it is reserved), so that the socket costs the others' packets nothing. */
#define NO_PROTOCOL 0xffffu

int link_check(const struct port *port, int fd)
{
	struct sockaddr_ll bound = {0};
	socklen_t size = sizeof bound;
	struct ifreq request = {0};

	/* The kernel unbinds the socket when its interface goes. */
	if (getsockname(fd, (struct sockaddr *)&bound, &size) == 0)
		request.ifr_ifindex = bound.sll_ifindex;
	if (request.ifr_ifindex <= 0 || ioctl(fd, SIOCGIFNAME, &request) != 0 ||
	    ioctl(fd, SIOCGIFFLAGS, &request) != 0)
		return error_set(-ENETDOWN,
		    "port \"%s\": the interface is gone; close the port, and open it again when "
		    "there is one",
		    port->name);
	if (request.ifr_flags & IFF_UP)
		return 0;
	return error_set(-ENETDOWN,
	    "port \"%s\": the interface is down; the port goes on when it is up (ip link set %s "
	    "up)",
	    port->name, request.ifr_name);
}

/* 0, -ENODEV without such an interface, or why that could not be found out. */
static int interface_ask(const char *name, int *index, short *flags)
{
	struct ifreq request = {0};
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	int err = 0;

	if (fd < 0)
		return -errno;
	snprintf(request.ifr_name, sizeof request.ifr_name, "%s", name);
	if (strcmp(request.ifr_name, name) != 0)
		err = -ENODEV; /* too long to be one */
	if (!err && ioctl(fd, SIOCGIFINDEX, &request) != 0)
		err = -errno;
	*index = request.ifr_ifindex;
	if (!err && ioctl(fd, SIOCGIFFLAGS, &request) != 0)
		err = -errno;
	*flags = request.ifr_flags;
	close(fd);
	return err;
}

int link_find(const struct port_request *request, int *index)
{
	short flags = 0;
	int err = interface_ask(request->ident, index, &flags);

	if (err == -ENODEV)
		return error_set(-ENXIO,
		    "port \"%s\": there is no interface \"%s\" in this network namespace (\"ip "
		    "link\" lists them)",
		    request->name, request->ident);
	if (err)
		return error_set(err, "port \"%s\": cannot look for the interface \"%s\": %s",
		    request->name, request->ident, strerror(-err));
	if (flags & IFF_LOOPBACK) /* netmap refuses it with this error, too */
		return error_set(-EINVAL,
		    "port \"%s\": a loopback interface has no link; use \"loop:\" or a pipe",
		    request->name);
	return 0;
}

/* ---- watching ---- */

void link_watch_init(struct link_watch *watch, int fd)
{
	*watch = (struct link_watch){.fd = fd, .doubtful = true};
}

int link_socket_open(int index)
{
	const struct sockaddr_ll to = {
	    .sll_family = AF_PACKET, .sll_protocol = htons(NO_PROTOCOL), .sll_ifindex = index};
	int fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0), err;

	if (fd < 0)
		return -errno;
	if (bind(fd, (const struct sockaddr *)&to, sizeof to) == 0)
		return fd;
	err = -errno;
	close(fd);
	return err;
}

int link_look(const struct port *port, struct link_watch *watch)
{
	int happened = 0, err = 0;
	socklen_t size = sizeof happened;

	getsockopt(watch->fd, SOL_SOCKET, SO_ERROR, &happened, &size);
	if (happened || watch->doubtful)
		err = link_check(port, watch->fd);
	watch->doubtful = err != 0;
	return err;
}

bool link_look_is_due(struct link_watch *watch)
{
	uint64_t now;

	if (watch->doubtful)
		return true;
	if (++watch->idle % LOOK_SYNCS)
		return false;
	now = os_now_ns();
	if (now - watch->looked_ns < LOOK_NS)
		return false;
	watch->looked_ns = now;
	return true;
}
