/* SPDX-License-Identifier: BSD-2-Clause */
/* netmap without a library: the functions of raw.h. */
#include "raw.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/select.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#define ROUND_MS 1000

static void give_up(const char *what, const char *name)
{
	fprintf(stderr, "%s \"%s\": %s\n", what, name, strerror(errno));
	exit(1);
}

static void number_set(struct nmreq_register *reg, const char *word, size_t len, unsigned value)
{
	if (strncmp(word, "one", len) == 0) {
		reg->nr_mode = NR_REG_ONE_NIC;
		reg->nr_ringid = (uint16_t)value;
	} else if (strncmp(word, "rings", len) == 0) {
		reg->nr_tx_rings = reg->nr_rx_rings = (uint16_t)value;
	} else if (strncmp(word, "host", len) == 0) {
		reg->nr_host_tx_rings = reg->nr_host_rx_rings = (uint16_t)value;
	} else if (strncmp(word, "slots", len) == 0) {
		reg->nr_tx_slots = reg->nr_rx_slots = value;
	} else {
		errno = EINVAL;
		give_up("no such word of a mode:", word);
	}
}

static void word_set(struct nmreq_register *reg, const char *word)
{
	const char *value = strchr(word, '=');

	if (value)
		number_set(
		    reg, word, (size_t)(value - word), (unsigned)strtoul(value + 1, NULL, 10));
	else if (strcmp(word, "sw") == 0)
		reg->nr_mode = NR_REG_SW;
	else if (strcmp(word, "nicsw") == 0)
		reg->nr_mode = NR_REG_NIC_SW;
	else if (strcmp(word, "tx") == 0)
		reg->nr_flags |= NR_TX_RINGS_ONLY;
	else if (strcmp(word, "rx") == 0)
		reg->nr_flags |= NR_RX_RINGS_ONLY;
	else if (strcmp(word, "excl") == 0)
		reg->nr_flags |= NR_EXCLUSIVE;
	else if (strcmp(word, "all") != 0)
		number_set(reg, word, strlen(word), 0);
}

static void mode_parse(struct nmreq_register *reg, const char *mode)
{
	char words[64], *word, *rest;

	*reg = (struct nmreq_register){.nr_mode = NR_REG_ALL_NIC};
	snprintf(words, sizeof words, "%s", mode);
	for (word = strtok_r(words, ",", &rest); word; word = strtok_r(NULL, ",", &rest))
		word_set(reg, word);
}

static void map(struct raw *raw, const char *name, const struct raw *share)
{
	raw->size = raw->reg.nr_memsize;
	raw->own_memory = !share || share->reg.nr_mem_id != raw->reg.nr_mem_id;
	raw->memory = raw->own_memory
			  ? mmap(NULL, raw->size, PROT_READ | PROT_WRITE, MAP_SHARED, raw->fd, 0)
			  : share->memory;
	if (raw->memory == MAP_FAILED)
		give_up("cannot map", name);
	raw->nifp = NETMAP_IF(raw->memory, raw->reg.nr_offset);
	raw->num_tx = raw->nifp->ni_tx_rings + raw->nifp->ni_host_tx_rings;
	raw->num_rx = raw->nifp->ni_rx_rings + raw->nifp->ni_host_rx_rings;
}

/* One descriptor and what its REGISTER had answered. */
union control {
	struct cmsghdr header;
	char room[CMSG_SPACE(sizeof(int))];
};

void raw_hand(const struct raw *raw, int socket)
{
	union control control;
	struct nmreq_register reg = raw->reg;
	struct iovec part = {.iov_base = &reg, .iov_len = sizeof reg};
	struct msghdr message = {.msg_iov = &part,
	    .msg_iovlen = 1,
	    .msg_control = &control,
	    .msg_controllen = sizeof control};

	memset(&control, 0, sizeof control);
	control.header.cmsg_level = SOL_SOCKET;
	control.header.cmsg_type = SCM_RIGHTS;
	control.header.cmsg_len = CMSG_LEN(sizeof raw->fd);
	memcpy(CMSG_DATA(&control.header), &raw->fd, sizeof raw->fd);
	if (sendmsg(socket, &message, 0) != (ssize_t)sizeof reg)
		give_up("cannot hand over", "a port");
}

static void take(struct raw *raw, const char *name)
{
	union control control;
	struct iovec part = {.iov_base = &raw->reg, .iov_len = sizeof raw->reg};
	struct msghdr message = {.msg_iov = &part,
	    .msg_iovlen = 1,
	    .msg_control = &control,
	    .msg_controllen = sizeof control};
	int socket = (int)strtol(name + 1, NULL, 10);

	if (recvmsg(socket, &message, 0) != (ssize_t)sizeof raw->reg || !CMSG_FIRSTHDR(&message))
		give_up("nobody hands us a port through", name);
	memcpy(&raw->fd, CMSG_DATA(CMSG_FIRSTHDR(&message)), sizeof raw->fd);
	close(socket);
}

void raw_open(struct raw *raw, const char *name, const char *mode, const struct raw *share)
{
	struct nmreq_header header = {.nr_version = NETMAP_API,
	    .nr_reqtype = NETMAP_REQ_REGISTER,
	    .nr_body = (uintptr_t)&raw->reg};

	memset(raw, 0, sizeof *raw);
	if (name[0] == '@') {
		take(raw, name);
		map(raw, name, share);
		return;
	}
	mode_parse(&raw->reg, mode);
	snprintf(header.nr_name, sizeof header.nr_name, "%s", name);
	raw->fd = open("/dev/netmap", O_RDWR);
	if (raw->fd < 0 || ioctl(raw->fd, NIOCCTRL, &header) != 0)
		give_up("cannot open", name);
	map(raw, name, share);
}

void raw_close(struct raw *raw)
{
	if (raw->own_memory)
		munmap(raw->memory, raw->size);
	close(raw->fd);
}

struct netmap_ring *raw_tx(const struct raw *raw, unsigned index)
{
	return raw->nifp->ring_ofs[index] ? NETMAP_TXRING(raw->nifp, index) : NULL;
}

struct netmap_ring *raw_rx(const struct raw *raw, unsigned index)
{
	return raw->nifp->ring_ofs[raw->num_tx + index] ? NETMAP_RXRING(raw->nifp, index) : NULL;
}

/* ---- waiting ---- */

enum style raw_style(const char *word)
{
	static const char *const words[] = {"ioctl", "poll", "select"};

	for (unsigned i = 0; i < sizeof words / sizeof words[0]; i++)
		if (strcmp(word, words[i]) == 0)
			return (enum style)i;
	errno = EINVAL;
	give_up("no such style:", word);
	return STYLE_IOCTL;
}

static int select_one(int fd, int tx)
{
	struct timeval time = {.tv_sec = ROUND_MS / 1000};
	fd_set set;

	FD_ZERO(&set);
	FD_SET(fd, &set);
	return select(fd + 1, tx ? NULL : &set, tx ? &set : NULL, NULL, &time);
}

void raw_sync(const struct raw *raw, enum style style, int tx)
{
	struct pollfd fd = {.fd = raw->fd, .events = tx ? POLLOUT : POLLIN};
	int n = 0;

	if (style == STYLE_SELECT)
		n = select_one(raw->fd, tx);
	else if (style == STYLE_POLL)
		n = poll(&fd, 1, ROUND_MS);
	else
		n = ioctl(raw->fd, tx ? NIOCTXSYNC : NIOCRXSYNC, NULL);
	if (n < 0 || (fd.revents & POLLERR))
		give_up(tx ? "cannot send to" : "cannot receive from", raw->nifp->ni_name);
	if (style == STYLE_IOCTL)
		sched_yield();
}
