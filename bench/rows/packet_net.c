/* SPDX-License-Identifier: BSD-2-Clause */
#include "packet_net.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <sched.h>
#include <signal.h>
#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../bench.h"

#define ETHERTYPE_EXPERIMENT 0x88b5

static bool write_file(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);
	ssize_t len = (ssize_t)strlen(text);
	bool good = fd >= 0 && write(fd, text, (size_t)len) == len;

	if (fd >= 0)
		close(fd);
	return good;
}

/* Root makes the namespace directly; others inside a user namespace, where they are root. */
static void leave(void)
{
	unsigned uid = (unsigned)geteuid(), gid = (unsigned)getegid();
	char map[32];

	if (unshare(CLONE_NEWNET | CLONE_NEWNS) == 0)
		return;
	if (unshare(CLONE_NEWUSER | CLONE_NEWNET | CLONE_NEWNS) != 0)
		bench_skip("a network namespace is needed: %s", strerror(errno));
	write_file("/proc/self/setgroups", "deny");
	snprintf(map, sizeof map, "0 %u 1", uid);
	if (!write_file("/proc/self/uid_map", map))
		bench_skip("a user namespace is needed: %s", strerror(errno));
	snprintf(map, sizeof map, "0 %u 1", gid);
	write_file("/proc/self/gid_map", map);
}

void net_run(const char *const argv[])
{
	pid_t pid;
	int status;

	if (posix_spawnp(&pid, argv[0], NULL, NULL, (char *const *)(uintptr_t)argv, environ) != 0)
		bench_skip("%s(8) is needed", argv[0]);
	if (waitpid(pid, &status, 0) != pid || status != 0)
		bench_die("%s %s %s failed", argv[0], argv[1], argv[2]);
}

static void make_pair(unsigned pair, unsigned queues)
{
	char a[8], b[8], number[12];

	net_name(a, 0, pair);
	net_name(b, 1, pair);
	snprintf(number, sizeof number, "%u", queues);
	net_run((const char *const[]){"ip", "link", "add", a, "numtxqueues", number, "numrxqueues",
	    "1", "type", "veth", "peer", "name", b, "numtxqueues", "1", "numrxqueues", "1", NULL});
	net_run((const char *const[]){"ip", "link", "set", a, "up", NULL});
	net_run((const char *const[]){"ip", "link", "set", b, "up", NULL});
}

void net_make_pairs(unsigned n, unsigned queues)
{
	leave();
	/* The host's view of /sys lists the host's interfaces. */
	mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL);
	if (mount("sysfs", "/sys", "sysfs", 0, NULL) != 0)
		bench_skip("cannot mount /sys in a namespace: %s", strerror(errno));
	/* No router solicitations among the packets; there may be no IPv6 at all. */
	write_file("/proc/sys/net/ipv6/conf/default/disable_ipv6", "1");
	for (unsigned pair = 0; pair < n; pair++)
		make_pair(pair, queues);
}

/* A process that is in a namespace of its own, and does nothing. */
static pid_t namespace_keep(int *fd)
{
	char path[32], byte;
	int ready[2];
	pid_t pid;

	if (pipe(ready) != 0 || (pid = fork()) < 0)
		bench_die("cannot fork: %s", strerror(errno));
	if (pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		if (unshare(CLONE_NEWNET) != 0 || write(ready[1], "", 1) != 1)
			_exit(1);
		for (;;)
			pause();
	}
	close(ready[1]);
	if (read(ready[0], &byte, 1) != 1)
		bench_skip("a second network namespace is needed");
	close(ready[0]);
	snprintf(path, sizeof path, "/proc/%d/ns/net", (int)pid);
	*fd = open(path, O_RDONLY | O_CLOEXEC);
	if (*fd < 0)
		bench_die("cannot open %s: %s", path, strerror(errno));
	return pid;
}

static void address_set(unsigned side, unsigned pair)
{
	char name[8], address[32];

	net_name(name, side, pair);
	snprintf(address, sizeof address, "10.9.%u.%u/24", pair, side + 1);
	net_run((const char *const[]){"ip", "addr", "add", address, "dev", name, NULL});
	net_run((const char *const[]){"ip", "link", "set", name, "up", NULL});
}

int net_make_apart(unsigned n)
{
	int here, there;
	pid_t keeper;

	net_make_pairs(n, 1);
	here = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
	keeper = namespace_keep(&there);
	for (unsigned pair = 0; pair < n; pair++) {
		char b[8], pid[12];

		net_name(b, 1, pair);
		snprintf(pid, sizeof pid, "%d", (int)keeper);
		net_run((const char *const[]){"ip", "link", "set", b, "netns", pid, NULL});
		address_set(0, pair);
	}
	if (here < 0 || setns(there, CLONE_NEWNET) != 0)
		bench_die("cannot enter the other namespace: %s", strerror(errno));
	for (unsigned pair = 0; pair < n; pair++)
		address_set(1, pair);
	if (setns(here, CLONE_NEWNET) != 0)
		bench_die("cannot come back: %s", strerror(errno));
	close(here);
	kill(keeper, SIGKILL);
	waitpid(keeper, NULL, 0);
	return there;
}

int net_index(const char *name)
{
	unsigned index = if_nametoindex(name);

	if (index == 0)
		bench_die("no interface %s: %s", name, strerror(errno));
	return (int)index;
}

uint64_t net_received(const char *name)
{
	char path[64], line[32] = "";
	FILE *file;

	snprintf(path, sizeof path, "/sys/class/net/%s/statistics/rx_packets", name);
	file = fopen(path, "re");
	if (!file || !fgets(line, sizeof line, file))
		bench_die("cannot read %s", path);
	fclose(file);
	return strtoull(line, NULL, 10);
}

int net_sender(const char *name)
{
	const struct sockaddr_ll to = {.sll_family = AF_PACKET, .sll_ifindex = net_index(name)};
	int fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0), on = 1;

	if (fd < 0 || setsockopt(fd, SOL_PACKET, PACKET_QDISC_BYPASS, &on, sizeof on) != 0 ||
	    bind(fd, (const struct sockaddr *)&to, sizeof to) != 0)
		bench_die("cannot make a packet socket on %s: %s", name, strerror(errno));
	return fd;
}

void net_frame(uint8_t *frame, uint32_t len)
{
	const uint16_t type = htons(ETHERTYPE_EXPERIMENT);

	memset(frame, 0x02, len); /* locally administered, unicast: from 02:02:… to itself */
	memcpy(frame + offsetof(struct ethhdr, h_proto), &type, sizeof type);
}
