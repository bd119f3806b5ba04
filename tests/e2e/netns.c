/* SPDX-License-Identifier: BSD-2-Clause */
/* The namespace and its interfaces, by netlink and ioctl: no tool has to be installed. */
#include "netns.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <linux/ethtool.h>
#include <linux/pkt_sched.h>
#include <linux/rtnetlink.h>
#include <linux/sockios.h>
#include <linux/veth.h>
#include <net/if.h>
#include <sched.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

/* ---- the namespace ---- */

static int file_write(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);
	ssize_t n;

	if (fd < 0)
		return -errno;
	n = write(fd, text, strlen(text));
	close(fd);
	return n == (ssize_t)strlen(text) ? 0 : -EIO;
}

static int map_root(const char *path, unsigned id)
{
	char line[32];

	snprintf(line, sizeof line, "0 %u 1", id);
	return file_write(path, line);
}

static int enter_as_user(void)
{
	unsigned uid = getuid(), gid = getgid();

	if (unshare(CLONE_NEWUSER | CLONE_NEWNET) != 0)
		return -errno;
	if (file_write("/proc/self/setgroups", "deny") != 0 ||
	    map_root("/proc/self/uid_map", uid) != 0 || map_root("/proc/self/gid_map", gid) != 0)
		return -EXDEV;
	return 0;
}

int netns_enter(void)
{
	int err = unshare(CLONE_NEWNET) == 0 ? 0 : enter_as_user();

	/* No neighbour discovery; there may be no IPv6 at all. */
	if (!err)
		file_write("/proc/sys/net/ipv6/conf/default/disable_ipv6", "1");
	return err;
}

/* ---- netlink: making and removing ---- */

struct message {
	struct nlmsghdr header;
	struct ifinfomsg link;
	uint8_t attributes[256];
};

static void *message_end(struct message *m)
{
	return (uint8_t *)m + NLMSG_ALIGN(m->header.nlmsg_len);
}

/*
 * Append an attribute; what it contains may be appended after it, and closed with attribute_end().
 */
static struct rtattr *attribute(struct message *m, unsigned type, const void *data, size_t len)
{
	struct rtattr *a = message_end(m);

	a->rta_type = (unsigned short)type;
	a->rta_len = (unsigned short)RTA_LENGTH(len);
	if (len)
		memcpy(RTA_DATA(a), data, len);
	m->header.nlmsg_len = NLMSG_ALIGN(m->header.nlmsg_len) + (uint32_t)RTA_SPACE(len);
	return a;
}

static void attribute_end(struct message *m, struct rtattr *a)
{
	a->rta_len = (unsigned short)((uint8_t *)message_end(m) - (uint8_t *)a);
}

/* Send a request and read the kernel's verdict. */
static int request(struct message *m, uint16_t type, uint16_t flags)
{
	struct {
		struct nlmsghdr header;
		struct nlmsgerr verdict;
		uint8_t rest[512];
	} answer;
	int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
	int err = 0;

	if (fd < 0)
		return -errno;
	m->header.nlmsg_type = type;
	m->header.nlmsg_flags = (uint16_t)(NLM_F_REQUEST | NLM_F_ACK | flags);
	if (send(fd, m, m->header.nlmsg_len, 0) < 0 || recv(fd, &answer, sizeof answer, 0) < 0)
		err = -errno;
	else if (answer.header.nlmsg_type == NLMSG_ERROR)
		err = answer.verdict.error;
	close(fd);
	return err;
}

static struct message message_new(void)
{
	return (struct message){.header.nlmsg_len = NLMSG_LENGTH(sizeof(struct ifinfomsg))};
}

static void attributes_of_end(struct message *m, const char *name, uint32_t queues)
{
	attribute(m, IFLA_IFNAME, name, strlen(name) + 1);
	attribute(m, IFLA_NUM_TX_QUEUES, &queues, sizeof queues);
	attribute(m, IFLA_NUM_RX_QUEUES, &queues, sizeof queues);
}

int netns_cable_queues(const char *one, const char *other, unsigned queues)
{
	struct message m = message_new();
	const struct ifinfomsg link = {0};
	struct rtattr *info, *data, *peer;
	int err;

	attributes_of_end(&m, one, queues);
	info = attribute(&m, IFLA_LINKINFO, NULL, 0);
	attribute(&m, IFLA_INFO_KIND, "veth", strlen("veth"));
	data = attribute(&m, IFLA_INFO_DATA, NULL, 0);
	peer = attribute(&m, VETH_INFO_PEER, &link, sizeof link);
	attributes_of_end(&m, other, queues);
	attribute_end(&m, peer);
	attribute_end(&m, data);
	attribute_end(&m, info);
	err = request(&m, RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL);
	if (!err)
		err = netns_up(one, true);
	if (!err)
		err = netns_up(other, true);
	return err;
}

int netns_cable(const char *one, const char *other)
{
	return netns_cable_queues(one, other, 1);
}

int netns_enter_with_cable(const char *one, const char *other)
{
	int err = netns_enter();

	if (!err)
		err = netns_cable(one, other);
	if (!err)
		return 0;
	printf(
	    "SKIP: no network namespace with a veth pair can be made here: %s\n", strerror(-err));
	return NETNS_SKIP;
}

int netns_remove(const char *name)
{
	struct message m = message_new();

	m.link.ifi_index = (int)if_nametoindex(name);
	return m.link.ifi_index ? request(&m, RTM_DELLINK, 0) : -ENODEV;
}

int netns_give(const char *name, int process)
{
	struct message m = message_new();
	const uint32_t pid = (uint32_t)process;

	m.link.ifi_index = (int)if_nametoindex(name);
	attribute(&m, IFLA_NET_NS_PID, &pid, sizeof pid);
	return m.link.ifi_index ? request(&m, RTM_NEWLINK, 0) : -ENODEV;
}

/* ---- ioctl: changing ---- */

static int change(const char *name, unsigned long what, struct ifreq *to)
{
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	int err;

	if (fd < 0)
		return -errno;
	snprintf(to->ifr_name, sizeof to->ifr_name, "%s", name);
	err = ioctl(fd, what, to) == 0 ? 0 : -errno;
	close(fd);
	return err;
}

int netns_up(const char *name, bool up)
{
	struct ifreq flags = {.ifr_flags = up ? IFF_UP : 0};

	return change(name, SIOCSIFFLAGS, &flags);
}

int netns_rename(const char *name, const char *to)
{
	struct ifreq names = {0};

	snprintf(names.ifr_newname, sizeof names.ifr_newname, "%s", to);
	return change(name, SIOCSIFNAME, &names);
}

int netns_mtu(const char *name, int bytes)
{
	struct ifreq mtu = {.ifr_mtu = bytes};

	return change(name, SIOCSIFMTU, &mtu);
}

int netns_plain(const char *name)
{
	static const uint32_t offloads[] = {
	    ETHTOOL_STSO, ETHTOOL_SGSO, ETHTOOL_SGRO, ETHTOOL_STXCSUM};
	int err = 0;

	for (size_t i = 0; i < sizeof offloads / sizeof offloads[0] && !err; i++) {
		struct ethtool_value off = {.cmd = offloads[i]};
		struct ifreq to = {.ifr_data = (void *)&off};

		err = change(name, SIOCETHTOOL, &to);
	}
	return err;
}

static int address_change(const char *name, unsigned long what, const char *address)
{
	struct sockaddr_in at = {.sin_family = AF_INET};
	struct ifreq to = {0};

	if (inet_pton(AF_INET, address, &at.sin_addr) != 1)
		return -EINVAL;
	memcpy(&to.ifr_addr, &at, sizeof at);
	return change(name, what, &to);
}

int netns_address(const char *name, const char *address)
{
	int err = address_change(name, SIOCSIFADDR, address);

	return err ? err : address_change(name, SIOCSIFNETMASK, "255.255.255.0");
}

/* ---- filters ---- */

/* Of one answer; *more: others follow. The first message of a priority stands for no filter. */
static int filters_count(struct nlmsghdr *at, size_t left, bool *more)
{
	int n = 0;

	for (; NLMSG_OK(at, left); at = NLMSG_NEXT(at, left)) {
		const struct tcmsg *filter = NLMSG_DATA(at);

		*more = at->nlmsg_type == RTM_NEWTFILTER;
		if (!*more)
			return n;
		n += filter->tcm_handle != 0;
	}
	return n;
}

/* Without a discipline there is an error for an answer, and no filter. */
static int filters_of(int interface, uint32_t way)
{
	static union {
		struct nlmsghdr first;
		uint8_t bytes[32768];
	} answer;
	const struct {
		struct nlmsghdr header;
		struct tcmsg filter;
	} request = {
	    .header = {.nlmsg_len = sizeof request,
		.nlmsg_type = RTM_GETTFILTER,
		.nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP},
	    .filter = {.tcm_ifindex = interface, .tcm_parent = TC_H_MAKE(TC_H_CLSACT, way)},
	};
	int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE), n = 0;
	bool more = fd >= 0 && send(fd, &request, sizeof request, 0) > 0;

	while (more) {
		ssize_t got = recv(fd, &answer, sizeof answer, 0);

		more = false;
		n += filters_count(&answer.first, got > 0 ? (size_t)got : 0, &more);
	}
	if (fd >= 0)
		close(fd);
	return n;
}

int netns_filters(const char *name)
{
	int interface = (int)if_nametoindex(name);

	return interface ? filters_of(interface, TC_H_MIN_INGRESS) +
			       filters_of(interface, TC_H_MIN_EGRESS)
			 : -ENODEV;
}

int netns_capabilities_drop(void)
{
	struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
	struct __user_cap_data_struct none[_LINUX_CAPABILITY_U32S_3] = {0};

	return syscall(SYS_capset, &header, none) == 0 ? 0 : -errno;
}
