/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * pktloom-keeper: keeps one interface attached to a switch; soft/keeper.h says when it begins and ends. People do
 * not call it.
 *
 *	pktloom-keeper valeS:eth0 MODE TX_RINGS RX_RINGS HOST_TX_RINGS HOST_RX_RINGS TX_SLOTS RX_SLOTS
 */
#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <net/if.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <pktloom/error.h>

#include "base/error.h"
#include "soft/keeper.h"
#include "soft/ports/switch_attach.h"
#include "soft/share.h"

#define LOOK_MS   1000 /* how often to look whether there is still a reason to be */
#define ANSWER_MS 1000 /* for a caller to say what it wants */

struct keeper {
	const char *name;
	unsigned interface;
	int listener, directory;
	struct stat network, program;
};

/* ---- reasons to end ---- */

static bool is_same(const char *path, const struct stat *what)
{
	struct stat st;

	return stat(path, &st) == 0 && st.st_dev == what->st_dev && st.st_ino == what->st_ino;
}

/* Two keepers must not keep each other. */
static bool is_keeper(const char *process, const struct keeper *keeper)
{
	char path[512];

	snprintf(path, sizeof path, "/proc/%s/exe", process);
	return is_same(path, &keeper->program);
}

/* Whether an entry of a directory is our network namespace. */
static bool directory_has(
    const char *directory, const char *suffix, bool processes, const struct keeper *keeper)
{
	const struct dirent *entry;
	char path[512];
	DIR *dir = opendir(directory);
	bool found = false;

	while (dir && !found && (entry = readdir(dir))) {
		if (processes && !isdigit((unsigned char)entry->d_name[0]))
			continue;
		snprintf(path, sizeof path, "%s/%s%s", directory, entry->d_name, suffix);
		found = is_same(path, &keeper->network) &&
			!(processes && is_keeper(entry->d_name, keeper));
	}
	if (dir)
		closedir(dir);
	return found;
}

/* Otherwise our interface would keep alive what nobody can reach any more. */
static bool somebody_is_here(const struct keeper *keeper)
{
	return directory_has("/proc", "/ns/net", true, keeper) ||
	       directory_has("/run/netns", "", false, keeper);
}

static bool is_wanted(const struct keeper *keeper)
{
	struct stat st;

	return if_nametoindex(strchr(keeper->name, ':') + 1) == keeper->interface &&
	       fstat(keeper->directory, &st) == 0 && st.st_nlink > 0 && somebody_is_here(keeper);
}

/* ---- answering ---- */

static void answer_send(int fd, int err, uint32_t index)
{
	struct keeper_answer answer = {.version = KEEPER_VERSION, .err = err, .port_index = index};

	if (err)
		snprintf(answer.message, sizeof answer.message, "%s", loom_error());
	if (write(fd, &answer, sizeof answer) < 0)
		return; /* nobody listens */
}

static bool may_ask(int fd)
{
	struct pollfd wait = {.fd = fd, .events = POLLIN};
	struct ucred peer;
	socklen_t size = sizeof peer;

	return getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) == 0 &&
	       (peer.uid == geteuid() || peer.uid == 0) && poll(&wait, 1, ANSWER_MS) > 0;
}

/* @return whether the interface is detached now */
static bool serve(const struct keeper *keeper, int fd)
{
	struct nmreq_vale_detach detach = {0};
	struct keeper_call call;
	int err = -EINVAL;
	bool done = false;

	if (!may_ask(fd) || recv(fd, &call, sizeof call, 0) != (ssize_t)sizeof call ||
	    call.version != KEEPER_VERSION)
		return false;
	if (call.type == NETMAP_REQ_VALE_DETACH) {
		err = switch_detach(NULL, keeper->name, &detach);
		done = err == 0;
	} else if (call.type == NETMAP_REQ_VALE_POLLING_ENABLE) {
		err = switch_polling_enable(NULL, keeper->name, &call.polling);
	} else if (call.type == NETMAP_REQ_VALE_POLLING_DISABLE) {
		err = switch_polling_disable(NULL, keeper->name);
	}
	if (done)
		close(keeper->listener); /* whoever hears of it finds no keeper any more */
	answer_send(fd, err, detach.port_index);
	return done;
}

static void leave(const struct keeper *keeper)
{
	struct nmreq_vale_detach detach = {0};

	switch_polling_disable(NULL, keeper->name);
	switch_detach(NULL, keeper->name, &detach);
}

static void keep(const struct keeper *keeper)
{
	struct pollfd wait = {.fd = keeper->listener, .events = POLLIN};
	bool done = false;

	while (!done) {
		int fd, n = poll(&wait, 1, LOOK_MS);

		if (n == 0 && !is_wanted(keeper)) {
			leave(keeper);
			return;
		}
		fd = n > 0 ? accept4(keeper->listener, NULL, NULL, SOCK_CLOEXEC) : -1;
		if (fd < 0)
			continue;
		done = serve(keeper, fd);
		close(fd);
	}
}

/* ---- beginning ---- */

static int listener_open(struct keeper *keeper)
{
	struct sockaddr_un address;
	socklen_t size;
	int err = keeper_address(keeper->name, &address, &size);

	if (err)
		return err;
	keeper->listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (keeper->listener < 0 ||
	    bind(keeper->listener, (const struct sockaddr *)&address, size) != 0 ||
	    listen(keeper->listener, 16) != 0)
		return errno == EADDRINUSE
			   ? error_set(-EBUSY, "\"%s\" is attached already", keeper->name)
			   : error_set(-errno, "cannot listen for \"%s\": %s", keeper->name,
				 strerror(errno));
	return 0;
}

/* Else we would keep somebody's file system from being unmounted; the directory's name may start there. */
static int move_to_root(int directory)
{
	char link[64], path[PATH_MAX];
	ssize_t len;

	snprintf(link, sizeof link, "/proc/self/fd/%d", directory);
	len = readlink(link, path, sizeof path - 1);
	if (len <= 0)
		return -1;
	path[len] = 0;
	return setenv("PKTLOOM_DIR", path, 1) == 0 ? chdir("/") : -1;
}

static int surroundings_note(struct keeper *keeper)
{
	struct share share;
	int err = share_enter(&share, NULL);

	if (err)
		return err;
	keeper->directory = fcntl(share.dirfd, F_DUPFD_CLOEXEC, 3);
	share_leave(&share);
	keeper->interface = if_nametoindex(strchr(keeper->name, ':') + 1);
	if (keeper->directory < 0 || move_to_root(keeper->directory) != 0 ||
	    stat("/proc/self/ns/net", &keeper->network) != 0 ||
	    stat("/proc/self/exe", &keeper->program) != 0)
		return error_set(
		    -errno, "cannot look around to keep \"%s\": %s", keeper->name, strerror(errno));
	return 0;
}

static uint32_t number(const char *text)
{
	return (uint32_t)strtoul(text, NULL, 10);
}

static int begin(struct keeper *keeper, char **argv, uint32_t *index)
{
	struct nmreq_vale_attach request = {.reg = {.nr_mode = number(argv[0]),
						.nr_tx_rings = (uint16_t)number(argv[1]),
						.nr_rx_rings = (uint16_t)number(argv[2]),
						.nr_host_tx_rings = (uint16_t)number(argv[3]),
						.nr_host_rx_rings = (uint16_t)number(argv[4]),
						.nr_tx_slots = number(argv[5]),
						.nr_rx_slots = number(argv[6])}};
	int err = listener_open(keeper);

	if (!err)
		err = surroundings_note(keeper);
	if (err)
		return err;
	err = switch_attach(NULL, keeper->name, &request);
	*index = request.port_index;
	return err;
}

/* Nobody's child, and with nothing of whoever asked. */
static void go_away(void)
{
	pid_t child;

	close_range(STDERR_FILENO + 1, ~0u, 0);
	child = fork();
	if (child != 0)
		_exit(child < 0);
	setsid();
	signal(SIGPIPE, SIG_IGN); /* whoever asked may be gone before the answer */
}

int main(int argc, char **argv)
{
	struct keeper keeper = {.name = argc > 1 ? argv[1] : "", .listener = -1, .directory = -1};
	uint32_t index = 0;
	int err;

	if (argc != 9 || !strchr(keeper.name, ':')) {
		fprintf(
		    stderr, "%s is started where an interface is attached to a switch\n", argv[0]);
		return 2;
	}
	go_away();
	err = begin(&keeper, argv + 2, &index);
	if (err && keeper.listener >= 0)
		close(keeper.listener); /* before anybody hears that there is no attachment */
	answer_send(STDOUT_FILENO, err, index);
	close(STDOUT_FILENO);
	open("/dev/null", O_WRONLY | O_CLOEXEC);
	if (!err)
		keep(&keeper);
	return err != 0;
}
