/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Descriptors in messages (SCM_RIGHTS). A netmap descriptor is replaced by a carrier (carrier.h) on the
 * way out, and a carrier by a netmap descriptor on the way in; the number of descriptors, their order
 * and the program's own buffers stay what they are.
 */
#include <errno.h>
#include <string.h>
#include <sys/socket.h>

#include "carrier.h"
#include "real.h"
#include "table.h"
#include "user.h"

#define CONTROL_MAX 4096u /* more than the 253 descriptors that the kernel lets through need */
#define FDS_MAX     253u

/* A message of the program's with carriers in it. */
struct outgoing {
	struct msghdr message;
	unsigned num_carriers;
	int carriers[FDS_MAX];
	_Alignas(struct cmsghdr) uint8_t control[CONTROL_MAX];
};

static unsigned fds_in(const struct cmsghdr *cmsg)
{
	if (cmsg->cmsg_level != SOL_SOCKET || cmsg->cmsg_type != SCM_RIGHTS ||
	    cmsg->cmsg_len < CMSG_LEN(0))
		return 0;
	return (unsigned)((cmsg->cmsg_len - CMSG_LEN(0)) / sizeof(int));
}

static int fd_get(const struct cmsghdr *cmsg, unsigned i)
{
	int fd;

	memcpy(&fd, CMSG_DATA(cmsg) + i * sizeof fd, sizeof fd);
	return fd;
}

/* Whether all of it lies in the message; the program wrote its length. */
static bool is_whole(const struct msghdr *message, const struct cmsghdr *cmsg)
{
	size_t at = (size_t)((const uint8_t *)cmsg - (const uint8_t *)message->msg_control);

	return cmsg->cmsg_len >= sizeof *cmsg && cmsg->cmsg_len <= message->msg_controllen - at;
}

/* ---- sending ---- */

static int fd_replace(struct outgoing *out, struct cmsghdr *cmsg, unsigned i)
{
	struct handle *handle = table_get_device(fd_get(cmsg, i));
	int carrier;

	if (!handle)
		return 0;
	carrier = out->num_carriers < FDS_MAX ? carrier_make(handle) : -EINVAL;
	handle_put(handle);
	if (carrier < 0)
		return carrier;
	out->carriers[out->num_carriers++] = carrier;
	memcpy(CMSG_DATA(cmsg) + i * sizeof carrier, &carrier, sizeof carrier);
	return 0;
}

/* What the kernel will refuse is left as it is. */
static int fds_replace(struct outgoing *out)
{
	int err = 0;

	for (struct cmsghdr *cmsg = CMSG_FIRSTHDR(&out->message);
	     cmsg && is_whole(&out->message, cmsg) && !err; cmsg = CMSG_NXTHDR(&out->message, cmsg))
		for (unsigned i = 0; i < fds_in(cmsg) && !err; i++)
			err = fd_replace(out, cmsg, i);
	return err;
}

/* Whether the message may have descriptors; it is copied if so. */
static bool message_copy(const struct msghdr *message, struct outgoing *out)
{
	out->num_carriers = 0;
	if (user_read(&out->message, (uintptr_t)message, sizeof out->message) != 0 ||
	    out->message.msg_controllen < sizeof(struct cmsghdr) ||
	    out->message.msg_controllen > sizeof out->control ||
	    user_read(out->control, (uintptr_t)out->message.msg_control,
		out->message.msg_controllen) != 0)
		return false;
	out->message.msg_control = out->control;
	return true;
}

static ssize_t send_replaced(int fd, const struct msghdr *message, int flags)
{
	struct outgoing out;
	int saved = errno, err;
	ssize_t n = -1;

	if (!message_copy(message, &out)) {
		errno = saved;
		return real()->sendmsg(fd, message, flags);
	}
	err = fds_replace(&out);
	errno = err ? -err : saved;
	if (!err)
		n = real()->sendmsg(fd, out.num_carriers ? &out.message : message, flags);
	saved = errno;
	for (unsigned i = 0; i < out.num_carriers; i++)
		real()->close(out.carriers[i]);
	errno = saved;
	return n;
}

static bool is_plain(const struct msghdr *message)
{
	return !message || message->msg_controllen < sizeof(struct cmsghdr);
}

INTERPOSE(ssize_t, sendmsg, (int fd, const struct msghdr *message, int flags))
{
	if (preload_inside || handle_none())
		return real()->sendmsg(fd, message, flags);
	return send_replaced(fd, message, flags);
}

static int send_each(int fd, struct mmsghdr *messages, unsigned n, int flags)
{
	unsigned sent = 0;

	for (; sent < n; sent++) {
		ssize_t len = send_replaced(fd, &messages[sent].msg_hdr, flags);

		if (len < 0)
			break;
		messages[sent].msg_len = (unsigned)len;
	}
	return sent || n == 0 ? (int)sent : -1;
}

INTERPOSE(int, sendmmsg, (int fd, struct mmsghdr *messages, unsigned n, int flags))
{
	unsigned i = 0;

	if (preload_inside || handle_none())
		return real()->sendmmsg(fd, messages, n, flags);
	while (i < n && is_plain(&messages[i].msg_hdr))
		i++;
	return i == n ? real()->sendmmsg(fd, messages, n, flags)
		      : send_each(fd, messages, n, flags);
}

/* ---- receiving ---- */

/* Numbers that were closed behind our back are somebody else's now. */
static void fds_unpack(struct msghdr *message)
{
	for (struct cmsghdr *cmsg = CMSG_FIRSTHDR(message); cmsg && is_whole(message, cmsg);
	     cmsg = CMSG_NXTHDR(message, cmsg))
		for (unsigned i = 0; i < fds_in(cmsg); i++) {
			table_clear(fd_get(cmsg, i));
			carrier_unpack(fd_get(cmsg, i));
		}
}

static inline void received(struct msghdr *message)
{
	if (message->msg_controllen >= sizeof(struct cmsghdr) && !preload_inside)
		fds_unpack(message);
}

INTERPOSE(ssize_t, recvmsg, (int fd, struct msghdr *message, int flags))
{
	ssize_t n = real()->recvmsg(fd, message, flags);

	if (n >= 0)
		received(message);
	return n;
}

INTERPOSE(int, recvmmsg,
    (int fd, struct mmsghdr *messages, unsigned n, int flags, struct timespec *timeout))
{
	int got = real()->recvmmsg(fd, messages, n, flags, timeout);

	for (int i = 0; i < got; i++)
		received(&messages[i].msg_hdr);
	return got;
}
