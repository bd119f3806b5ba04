/* SPDX-License-Identifier: BSD-2-Clause */
/* What a port that is no interface answers when it is asked as one. */
#include "interface.h"

#include <errno.h>
#include <net/if.h>
#include <net/if_arp.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>

#include <linux/ethtool.h>
#include <linux/sockios.h>

#include "user.h"

#define MTU 1500

/* The kernel allows neither ':' (an alias) nor '/' in a name, and pipes have braces. */
static bool is_port_name(const char *name)
{
	static const char *const prefixes[] = {"vale", "pipe", "loop", "null"};

	if (strpbrk(name, "{}:"))
		return true;
	for (size_t i = 0; i < sizeof prefixes / sizeof prefixes[0]; i++)
		if (strncmp(name, prefixes[i], strlen(prefixes[i])) == 0)
			return true;
	return false;
}

/* A locally administered address that is the same whenever the name is. */
static void address_of(const char *name, struct sockaddr *out)
{
	uint32_t hash = 2166136261u;

	for (; *name; name++)
		hash = (hash ^ (uint8_t)*name) * 16777619u;
	memset(out, 0, sizeof *out);
	out->sa_family = ARPHRD_ETHER;
	out->sa_data[0] = 0x02;
	memcpy(&out->sa_data[2], &hash, sizeof hash);
}

/* Offloads and their like are off, and may be set to anything. */
static bool ethtool_answer(uint64_t theirs)
{
	struct ethtool_drvinfo driver = {.driver = "pktloom", .bus_info = "user space"};
	struct ethtool_value value;

	if (user_read(&value.cmd, theirs, sizeof value.cmd) != 0)
		return false;
	switch (value.cmd) {
	case ETHTOOL_GDRVINFO:
		driver.cmd = value.cmd;
		return user_write(theirs, &driver, sizeof driver) == 0;
	case ETHTOOL_GLINK:
		value.data = 1;
		return user_write(theirs, &value, sizeof value) == 0;
	case ETHTOOL_GRXCSUM:
	case ETHTOOL_GTXCSUM:
	case ETHTOOL_GSG:
	case ETHTOOL_GTSO:
	case ETHTOOL_GGSO:
	case ETHTOOL_GGRO:
	case ETHTOOL_GUFO:
	case ETHTOOL_GFLAGS:
		value.data = 0;
		return user_write(theirs, &value, sizeof value) == 0;
	case ETHTOOL_SRXCSUM:
	case ETHTOOL_STXCSUM:
	case ETHTOOL_SSG:
	case ETHTOOL_STSO:
	case ETHTOOL_SGSO:
	case ETHTOOL_SGRO:
	case ETHTOOL_SUFO:
	case ETHTOOL_SFLAGS:
		return true;
	default:
		return false;
	}
}

static bool is_interface_command(unsigned long command)
{
	switch (command) {
	case SIOCGIFFLAGS:
	case SIOCSIFFLAGS:
	case SIOCGIFMTU:
	case SIOCSIFMTU:
	case SIOCGIFHWADDR:
	case SIOCETHTOOL:
		return true;
	default:
		return false;
	}
}

/* The kernel has read the request before it refused it: it is there. Answers may still not be welcome. */
bool interface_answer(unsigned long command, void *argument)
{
	const uint64_t theirs = (uintptr_t)argument;
	struct ifreq request;

	if (!is_interface_command(command) || user_read(&request, theirs, sizeof request) != 0)
		return false;
	request.ifr_name[IFNAMSIZ - 1] = 0;
	if (!is_port_name(request.ifr_name))
		return false;
	switch (command) {
	case SIOCSIFFLAGS:
	case SIOCSIFMTU:
		return true;
	case SIOCETHTOOL:
		return ethtool_answer((uintptr_t)request.ifr_data);
	case SIOCGIFFLAGS:
		request.ifr_flags =
		    (short)(IFF_UP | IFF_RUNNING | IFF_BROADCAST | IFF_MULTICAST | IFF_PROMISC);
		break;
	case SIOCGIFMTU:
		request.ifr_mtu = MTU;
		break;
	default: /* SIOCGIFHWADDR */
		address_of(request.ifr_name, &request.ifr_hwaddr);
		break;
	}
	return user_write(theirs, &request, sizeof request) == 0;
}
