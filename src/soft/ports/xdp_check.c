/* SPDX-License-Identifier: BSD-2-Clause */
/* Asking an interface for its queues, its rings, its frames and its offloads. */
#include "xdp_check.h"

#include <errno.h>
#include <linux/ethtool.h>
#include <linux/if_ether.h>
#include <linux/sockios.h>
#include <net/if.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "../../base/error.h"

#define VLAN_TAG 4u

static int ask(int fd, struct ifreq *request, void *question)
{
	request->ifr_data = question;
	return ioctl(fd, SIOCETHTOOL, request) == 0 ? 0 : -errno;
}

/* A driver that cannot say has one queue. */
static void read_queues(int fd, struct ifreq *request, struct xdp_facts *out)
{
	struct ethtool_channels channels = {.cmd = ETHTOOL_GCHANNELS};

	if (ask(fd, request, &channels) == 0) {
		out->rx_queues = channels.combined_count + channels.rx_count;
		out->tx_queues = channels.combined_count + channels.tx_count;
	}
	out->rx_queues += out->rx_queues == 0;
	out->tx_queues += out->tx_queues == 0;
}

/* Virtual interfaces have none. */
static void read_rings(int fd, struct ifreq *request, struct xdp_facts *out)
{
	struct ethtool_ringparam rings = {.cmd = ETHTOOL_GRINGPARAM};

	if (ask(fd, request, &rings) != 0)
		return;
	out->rx_ring = rings.rx_pending;
	out->tx_ring = rings.tx_pending;
}

static bool flag(int fd, struct ifreq *request, uint32_t command)
{
	struct ethtool_value value = {.cmd = command};

	return ask(fd, request, &value) == 0 && value.data != 0;
}

static void note(struct xdp_facts *out, const char *word)
{
	size_t used = strlen(out->hurts);

	snprintf(out->hurts + used, sizeof out->hurts - used, "%s%s", used ? " " : "", word);
}

/* Merged packets are larger than what was on the wire; a stripped tag is lost. */
static void read_offloads(int fd, struct ifreq *request, struct xdp_facts *out)
{
	struct ethtool_value flags = {.cmd = ETHTOOL_GFLAGS};

	if (flag(fd, request, ETHTOOL_GGRO))
		note(out, "gro");
	if (ask(fd, request, &flags) != 0)
		return;
	if (flags.data & ETH_FLAG_LRO)
		note(out, "lro");
	if (flags.data & ETH_FLAG_RXVLAN)
		note(out, "rxvlan");
}

int xdp_facts_read(int interface, struct xdp_facts *out)
{
	struct ifreq request = {.ifr_ifindex = interface};
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	int err = fd < 0 ? -errno : 0;

	*out = (struct xdp_facts){.rx_queues = 0};
	if (!err && ioctl(fd, SIOCGIFNAME, &request) != 0)
		err = -errno;
	memcpy(out->name, request.ifr_name, sizeof out->name);
	if (!err && ioctl(fd, SIOCGIFMTU, &request) != 0)
		err = -errno;
	if (!err) {
		out->frame_max = (uint32_t)request.ifr_mtu + ETH_HLEN + 2 * VLAN_TAG;
		read_queues(fd, &request, out);
		read_rings(fd, &request, out);
		read_offloads(fd, &request, out);
	}
	if (fd >= 0)
		close(fd);
	return err;
}

void xdp_check_rings(const struct xdp_facts *facts, uint32_t rx_slots, char *out, size_t size)
{
	char longer[48] = "";

	out[0] = 0;
	if (facts->rx_ring == 0 && facts->tx_ring == 0)
		return;
	/* One slot always stays empty. */
	if (facts->rx_ring >= rx_slots)
		snprintf(longer, sizeof longer, " (the port has %u slots)", rx_slots);
	snprintf(out, size, "rx %u%s, tx %u", facts->rx_ring, longer, facts->tx_ring);
}

int xdp_check_frames(const struct xdp_facts *facts, const char *name, uint32_t room, bool fragments)
{
	if (fragments || facts->frame_max <= room)
		return 0;
	return error_set(-EMSGSIZE,
	    "port \"%s\": frames of %u bytes do not fit its buffers' %u, and this kernel has no "
	    "AF_XDP packets of several buffers: lower the MTU (ip link set %s mtu %u), or open "
	    "the port with buffers of 4096 bytes",
	    name, facts->frame_max, room, facts->name, room - (uint32_t)ETH_HLEN - 2 * VLAN_TAG);
}
