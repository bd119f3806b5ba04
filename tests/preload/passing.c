/* SPDX-License-Identifier: BSD-2-Clause */
/* The helpers of passing.h. */
#include "passing.h"

#include <stdlib.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#define FDS_MAX 64u

struct place {
	size_t size;
	uint64_t nifp;
};

struct peer peer_start(int (*body)(int socket))
{
	struct peer peer;
	int ends[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, ends), 0);
	peer.socket = ends[0];
	peer.pid = fork();
	assert_true(peer.pid >= 0);
	if (peer.pid == 0) {
		close(ends[0]);
		_exit(body(ends[1]));
	}
	close(ends[1]);
	return peer;
}

int peer_end(struct peer *peer)
{
	close(peer->socket);
	return child_wait(peer->pid);
}

void pass_fds(int socket, const int *fds, unsigned n, const void *data, size_t len)
{
	_Alignas(struct cmsghdr) char control[CMSG_SPACE(FDS_MAX * sizeof(int))] = {0};
	struct iovec part = {.iov_base = (void *)(uintptr_t)data, .iov_len = len};
	struct msghdr message = {.msg_iov = &part,
	    .msg_iovlen = 1,
	    .msg_control = control,
	    .msg_controllen = CMSG_SPACE(n * sizeof(int))};
	struct cmsghdr *cmsg = CMSG_FIRSTHDR(&message);

	cmsg->cmsg_level = SOL_SOCKET;
	cmsg->cmsg_type = SCM_RIGHTS;
	cmsg->cmsg_len = CMSG_LEN(n * sizeof(int));
	memcpy(CMSG_DATA(cmsg), fds, n * sizeof(int));
	assert_int_equal(sendmsg(socket, &message, 0), len);
	/* The program's own message is as it was. */
	assert_memory_equal(CMSG_DATA(cmsg), fds, n * sizeof(int));
}

unsigned take_fds(int socket, int *fds, unsigned n, void *data, size_t len, int flags)
{
	_Alignas(struct cmsghdr) char control[CMSG_SPACE(FDS_MAX * sizeof(int))] = {0};
	struct iovec part = {.iov_base = data, .iov_len = len};
	struct msghdr message = {.msg_iov = &part,
	    .msg_iovlen = 1,
	    .msg_control = control,
	    .msg_controllen = CMSG_LEN(n * sizeof(int))};
	const struct cmsghdr *cmsg;
	size_t bytes = 0;

	assert_int_equal(recvmsg(socket, &message, flags), len);
	cmsg = CMSG_FIRSTHDR(&message);
	if (cmsg)
		bytes = cmsg->cmsg_len - CMSG_LEN(0);
	memset(fds, 0xff, n * sizeof(int));
	if (cmsg)
		memcpy(fds, CMSG_DATA(cmsg), bytes);
	return message.msg_flags & MSG_CTRUNC ? 1000u + (unsigned)(bytes / sizeof(int))
					      : (unsigned)(bytes / sizeof(int));
}

void pass_port(int socket, const struct port *port)
{
	struct place place = {
	    .size = port->size, .nifp = (uint64_t)((uint8_t *)port->nifp - port->memory)};

	pass_fds(socket, &port->fd, 1, &place, sizeof place);
}

struct port take_port(int socket)
{
	struct port port = {.fd = -1};
	struct place place;

	assert_int_equal(take_fds(socket, &port.fd, 1, &place, sizeof place, 0), 1);
	port.size = place.size;
	port.memory = mmap(NULL, port.size, PROT_READ | PROT_WRITE, MAP_SHARED, port.fd, 0);
	assert_true(port.memory != MAP_FAILED);
	port.nifp = NETMAP_IF(port.memory, place.nifp);
	port.tx = NETMAP_TXRING(port.nifp, 0);
	port.rx = NETMAP_RXRING(port.nifp, 0);
	return port;
}

void say(int socket)
{
	assert_int_equal(send(socket, "!", 1, MSG_NOSIGNAL), 1);
}

void hear(int socket)
{
	char word;

	assert_int_equal(recv(socket, &word, 1, 0), 1);
}
