/* SPDX-License-Identifier: BSD-2-Clause */
/* Making carriers, and opening them again. */
#include "carrier.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include "real.h"
#include "table.h"

#define CARRIER_MAGIC 0x7265697272616370ull

struct carrier_head {
	uint64_t magic;
	uint64_t identity; /* of the open file that the descriptor stands for */
	uint32_t size, num_fds;
};

struct carrier {
	struct carrier_head head;
	struct device_parcel parcel;
	_Alignas(struct cmsghdr) uint8_t control[CMSG_SPACE(DEVICE_PARCEL_FDS * sizeof(int))];
};

/* ---- making ---- */

/* Head and data, and room for the descriptors. */
static void message_prepare(struct carrier *c, struct iovec parts[2], struct msghdr *out)
{
	parts[0] = (struct iovec){.iov_base = &c->head, .iov_len = sizeof c->head};
	parts[1] = (struct iovec){.iov_base = c->parcel.data, .iov_len = c->head.size};
	*out = (struct msghdr){.msg_iov = parts, .msg_iovlen = 2};
	if (c->head.num_fds == 0)
		return;
	out->msg_control = c->control;
	out->msg_controllen = CMSG_SPACE(c->head.num_fds * sizeof(int));
}

static int carrier_fill(struct carrier *c, int fd)
{
	struct iovec parts[2];
	struct msghdr message;
	struct cmsghdr *cmsg;

	c->head.size = c->parcel.size;
	c->head.num_fds = c->parcel.num_fds;
	message_prepare(c, parts, &message);
	cmsg = CMSG_FIRSTHDR(&message);
	if (cmsg) {
		cmsg->cmsg_level = SOL_SOCKET;
		cmsg->cmsg_type = SCM_RIGHTS;
		cmsg->cmsg_len = CMSG_LEN(c->head.num_fds * sizeof(int));
		memcpy(CMSG_DATA(cmsg), c->parcel.fds, c->head.num_fds * sizeof(int));
	}
	return real()->sendmsg(fd, &message, MSG_DONTWAIT | MSG_NOSIGNAL) < 0 ? -errno : 0;
}

static int carrier_new(struct carrier *c)
{
	int ends[2], err;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) != 0)
		return -errno;
	err = carrier_fill(c, ends[0]);
	real()->close(ends[0]);
	if (!err)
		return ends[1];
	real()->close(ends[1]);
	return err;
}

/* Packed and sent while we are inside: its descriptors are not closed in between. */
static int device_send(struct handle *handle, struct carrier *c)
{
	int err = -EBUSY;

	if (!handle_enter(handle))
		return err;
	err = handle->device->ops->pack ? handle->device->ops->pack(handle->device, &c->parcel)
					: -EOPNOTSUPP;
	if (!err)
		err = carrier_new(c);
	handle_leave(handle);
	return err;
}

int carrier_make(struct handle *handle)
{
	struct guard guard;
	struct carrier *c;
	int fd = -ENOMEM;

	guard_enter(&guard);
	c = calloc(1, sizeof *c);
	if (c) {
		c->head.magic = CARRIER_MAGIC;
		c->head.identity = handle_identity(handle);
		fd = device_send(handle, c);
	}
	free(c);
	guard_leave(&guard);
	return fd;
}

/* ---- opening ---- */

/* Whoever could make this process believe something could do as much with the shared objects. */
static bool is_trusted(int fd)
{
	struct ucred peer;
	socklen_t size = sizeof peer;

	return getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) == 0 &&
	       (peer.uid == geteuid() || peer.uid == 0);
}

static bool is_carrier(int fd, struct carrier_head *head)
{
	struct iovec part = {.iov_base = head, .iov_len = sizeof *head};
	struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1};
	int type = 0;
	socklen_t size = sizeof type;

	memset(head, 0, sizeof *head);
	return getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &size) == 0 && type == SOCK_SEQPACKET &&
	       real()->recvmsg(fd, &message, MSG_PEEK | MSG_DONTWAIT) == (ssize_t)sizeof *head &&
	       head->magic == CARRIER_MAGIC && head->identity != 0 &&
	       head->size <= DEVICE_PARCEL_SIZE && head->num_fds <= DEVICE_PARCEL_FDS &&
	       is_trusted(fd);
}

static void fds_take(struct carrier *c, struct msghdr *message)
{
	struct cmsghdr *cmsg = CMSG_FIRSTHDR(message);

	c->parcel.num_fds = 0;
	if (!cmsg || cmsg->cmsg_level != SOL_SOCKET || cmsg->cmsg_type != SCM_RIGHTS)
		return;
	c->parcel.num_fds = (uint32_t)((cmsg->cmsg_len - CMSG_LEN(0)) / sizeof(int));
	memcpy(c->parcel.fds, CMSG_DATA(cmsg), c->parcel.num_fds * sizeof(int));
}

/* The carrier keeps its message: a program that only peeked finds the descriptor again. */
static int carrier_read(int fd, struct carrier *c)
{
	const struct carrier_head head = c->head;
	struct iovec parts[2];
	struct msghdr message;
	ssize_t n;

	message_prepare(c, parts, &message);
	n = real()->recvmsg(fd, &message, MSG_PEEK | MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
	if (n < 0)
		return -errno;
	fds_take(c, &message);
	if (n == (ssize_t)(sizeof head + head.size) && c->parcel.num_fds == head.num_fds &&
	    memcmp(&c->head, &head, sizeof head) == 0) {
		c->parcel.size = head.size;
		return 0;
	}
	for (uint32_t i = 0; i < c->parcel.num_fds; i++)
		real()->close(c->parcel.fds[i]);
	return -EPROTO;
}

/* What this process has already stays one open file. */
static struct handle *handle_unpack(int fd, struct carrier *c)
{
	struct handle *handle = handle_identified(c->head.identity);
	struct device *device = NULL;

	if (handle)
		return handle;
	preload_inside++;
	if (carrier_read(fd, c) != 0 || soft_unpack(&c->parcel, &device) != 0)
		device = NULL;
	preload_inside--;
	if (!device)
		return NULL;
	handle = handle_new(HANDLE_DEVICE, device, NULL);
	if (handle)
		handle_identify(handle, c->head.identity);
	else
		device->ops->close(device);
	return handle;
}

/* The same number, but what stands behind it is what stands behind all netmap descriptors. */
static void descriptor_replace(int fd, struct handle *handle)
{
	bool cloexec = real()->fcntl(fd, F_GETFD) & FD_CLOEXEC;
	int own = eventfd(0, EFD_CLOEXEC);

	if (own < 0)
		return;
	if (real()->dup3(own, fd, cloexec ? O_CLOEXEC : 0) >= 0)
		table_set(fd, handle);
	real()->close(own);
}

void carrier_unpack(int fd)
{
	struct carrier_head head;
	struct handle *handle;
	struct guard guard;
	int saved = errno;
	struct carrier *c;

	if (!is_carrier(fd, &head)) {
		errno = saved;
		return;
	}
	guard_enter(&guard);
	c = calloc(1, sizeof *c);
	if (c) {
		c->head = head;
		handle = handle_unpack(fd, c);
		if (handle) {
			descriptor_replace(fd, handle);
			handle_put(handle);
		}
	}
	free(c);
	guard_leave(&guard);
	errno = saved;
}
