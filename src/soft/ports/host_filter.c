/* SPDX-License-Identifier: BSD-2-Clause */
/* host_filter.h: attaching by libbpf; finding what is attached, for which libbpf has no call, by netlink. */
#include "host_filter.h"

#include <bpf/libbpf.h>
#include <errno.h>
#include <linux/pkt_cls.h>
#include <linux/pkt_sched.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define PRIORITY   1u
#define STALE_MAX  64u /* more, at once, are left for the next time */
#define BATCH_SIZE 32768u

/* libbpf refuses structs whose padding is not zero. */
static void hook_fill(struct bpf_tc_hook *hook, int interface, bool way_in)
{
	memset(hook, 0, sizeof *hook);
	hook->sz = sizeof *hook;
	hook->ifindex = interface;
	hook->attach_point = way_in ? BPF_TC_INGRESS : BPF_TC_EGRESS;
}

static void options_fill(struct bpf_tc_opts *options, int tap)
{
	memset(options, 0, sizeof *options);
	options->sz = sizeof *options;
	options->handle = (uint32_t)tap;
	options->priority = PRIORITY;
}

void host_filter_detach(int interface, bool way_in, int tap)
{
	struct bpf_tc_opts options;
	struct bpf_tc_hook hook;

	hook_fill(&hook, interface, way_in);
	options_fill(&options, tap);
	bpf_tc_detach(&hook, &options);
}

/* ---- those that were left behind ---- */

struct stale {
	int taps[STALE_MAX];
	unsigned n;
};

/* Nothing here is changed: netlink's macros have no const. */
static struct rtattr *attribute_find(struct rtattr *at, size_t left, unsigned type)
{
	for (; RTA_OK(at, left); at = RTA_NEXT(at, left))
		if ((at->rta_type & NLA_TYPE_MASK) == type)
			return at;
	return NULL;
}

/* Its kind's options hold the program's name. */
static bool is_ours(struct nlmsghdr *message)
{
	struct tcmsg *filter = NLMSG_DATA(message);
	struct rtattr *options, *name;

	if (TC_H_MAJ(filter->tcm_info) >> 16 != PRIORITY || filter->tcm_handle == 0)
		return false;
	options = attribute_find(TCA_RTA(filter), TCA_PAYLOAD(message), TCA_OPTIONS);
	name =
	    options ? attribute_find(RTA_DATA(options), RTA_PAYLOAD(options), TCA_BPF_NAME) : NULL;
	return name && RTA_PAYLOAD(name) > strlen(HOST_PROGRAM_PREFIX) &&
	       strncmp(RTA_DATA(name), HOST_PROGRAM_PREFIX, strlen(HOST_PROGRAM_PREFIX)) == 0;
}

static void look_at(struct nlmsghdr *message, struct stale *stale)
{
	const struct tcmsg *filter = NLMSG_DATA(message);
	char name[IF_NAMESIZE];

	if (message->nlmsg_type == RTM_NEWTFILTER && is_ours(message) &&
	    !if_indextoname(filter->tcm_handle, name) && stale->n < STALE_MAX)
		stale->taps[stale->n++] = (int)filter->tcm_handle;
}

/* True: there is more to come. */
static bool batch_read(int fd, struct stale *stale)
{
	union {
		struct nlmsghdr first;
		uint8_t bytes[BATCH_SIZE];
	} batch;
	ssize_t got = recv(fd, &batch, sizeof batch, 0);
	size_t left = got > 0 ? (size_t)got : 0;
	bool any = NLMSG_OK(&batch.first, left);

	for (struct nlmsghdr *at = &batch.first; NLMSG_OK(at, left); at = NLMSG_NEXT(at, left)) {
		if (at->nlmsg_type == NLMSG_DONE || at->nlmsg_type == NLMSG_ERROR)
			return false;
		look_at(at, stale);
	}
	return any;
}

static void stale_find(int interface, bool way_in, struct stale *stale)
{
	const struct {
		struct nlmsghdr header;
		struct tcmsg filter;
	} request = {
	    .header = {.nlmsg_len = sizeof request,
		.nlmsg_type = RTM_GETTFILTER,
		.nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP},
	    .filter = {.tcm_ifindex = interface,
		.tcm_parent = TC_H_MAKE(TC_H_CLSACT, way_in ? TC_H_MIN_INGRESS : TC_H_MIN_EGRESS)},
	};
	int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);

	if (fd < 0)
		return;
	if (send(fd, &request, sizeof request, 0) == (ssize_t)sizeof request)
		while (batch_read(fd, stale))
			;
	close(fd);
}

static void sweep(int interface, bool way_in)
{
	struct stale stale = {.n = 0};

	stale_find(interface, way_in, &stale);
	for (unsigned i = 0; i < stale.n; i++)
		host_filter_detach(interface, way_in, stale.taps[i]);
}

int host_filter_attach(int interface, bool way_in, int tap, int program)
{
	struct bpf_tc_opts options;
	struct bpf_tc_hook hook;
	int err;

	hook_fill(&hook, interface, way_in);
	err = bpf_tc_hook_create(&hook);
	if (err && err != -EEXIST)
		return err;
	sweep(interface, true);
	sweep(interface, false);
	options_fill(&options, tap);
	options.prog_fd = program;
	options.flags = BPF_TC_F_REPLACE;
	return bpf_tc_attach(&hook, &options);
}
