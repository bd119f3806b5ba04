/* SPDX-License-Identifier: BSD-2-Clause */
/* Starting keepers and asking them; keeper/main.c is the program. */
#include "keeper.h"

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <spawn.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../base/error.h"
#include "ports/switch_attach.h"
#include "ports/switch_control.h"
#include "share.h"

#define PROGRAM "pktloom-keeper"
#define NUMBERS 7 /* of an attachment's request */

/* ---- finding the program ---- */

/* Seen from the library's directory: installed, and where the library and the preload library are built. */
static const char *const places[] = {KEEPER_FROM_LIB, "keeper", "../keeper"};

static bool is_program(const char *path)
{
	return access(path, X_OK) == 0;
}

/* Where the library is linked into a program, its place is what the program's caller says. */
static bool program_beside(char *out, size_t size)
{
	const char *slash;
	Dl_info here;

	if (getauxval(AT_SECURE) || dladdr(places, &here) == 0 ||
	    !(slash = strrchr(here.dli_fname, '/')))
		return false;
	for (size_t i = 0; i < sizeof places / sizeof *places; i++) {
		snprintf(out, size, "%.*s/%s/%s", (int)(slash - here.dli_fname), here.dli_fname,
		    places[i], PROGRAM);
		if (is_program(out))
			return true;
	}
	return false;
}

static bool program_find(char *out, size_t size)
{
	const char *chosen = secure_getenv("PKTLOOM_KEEPER");

	if (!chosen && program_beside(out, size))
		return true;
	snprintf(out, size, "%s", chosen ? chosen : KEEPER_INSTALLED "/" PROGRAM);
	return is_program(out);
}

/* ---- talking ---- */

/* The whole of an answer; -EIO: there is none. */
static int answer_read(int fd, struct keeper_answer *answer)
{
	size_t done = 0;

	while (done < sizeof *answer) {
		ssize_t n = read(fd, (char *)answer + done, sizeof *answer - done);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return -EIO;
		done += (size_t)n;
	}
	answer->message[sizeof answer->message - 1] = 0;
	return answer->version == KEEPER_VERSION && answer->err <= 0 ? 0 : -EIO;
}

int keeper_address(const char *name, struct sockaddr_un *out, socklen_t *size)
{
	struct share share;
	struct stat st;
	int n, err = share_enter(&share, NULL);

	if (err)
		return err;
	err = fstat(share.dirfd, &st) == 0 ? 0 : -errno;
	share_leave(&share);
	if (err)
		return err;
	*out = (struct sockaddr_un){.sun_family = AF_UNIX};
	/* Without a file: gone with its process, however that ends. */
	n = snprintf(out->sun_path + 1, sizeof out->sun_path - 1, "pktloom/%llx.%llx/%s",
	    (unsigned long long)st.st_dev, (unsigned long long)st.st_ino, name);
	if (n < 0 || (size_t)n >= sizeof out->sun_path - 1)
		return -ENAMETOOLONG;
	*size = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 + (size_t)n);
	return 0;
}

/* Anybody can take an address without a file: only our user's word counts. */
static bool is_ours(int fd)
{
	struct ucred peer;
	socklen_t size = sizeof peer;

	return getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) == 0 &&
	       (peer.uid == geteuid() || peer.uid == 0);
}

/* A connection to the keeper of that port; -ENXIO, without a message: there is none. */
static int keeper_connect(const char *name)
{
	struct sockaddr_un address;
	socklen_t size;
	int fd;

	if (keeper_address(name, &address, &size) != 0)
		return -ENXIO;
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -ENXIO;
	if (connect(fd, (const struct sockaddr *)&address, size) == 0 && is_ours(fd))
		return fd;
	close(fd);
	return -ENXIO;
}

/* -ENXIO, without a message: nobody keeps it. */
static int ask(const char *name, const struct keeper_call *call, struct keeper_answer *answer)
{
	int err = -EIO, fd = keeper_connect(name);

	if (fd < 0)
		return fd;
	if (send(fd, call, sizeof *call, MSG_NOSIGNAL) == (ssize_t)sizeof *call)
		err = answer_read(fd, answer);
	close(fd);
	if (err)
		return -ENXIO; /* it was about to end */
	return answer->err ? error_set(answer->err, "%s", answer->message) : 0;
}

/* ---- starting ---- */

/* Not what this process is preloaded with: the keeper has no use for it. */
static char **environment(void)
{
	size_t n = 0, used = 0;
	char **copy;

	while (environ && environ[n])
		n++;
	copy = calloc(n + 1, sizeof *copy);
	for (size_t i = 0; copy && i < n; i++)
		if (strncmp(environ[i], "LD_PRELOAD=", 11) != 0)
			copy[used++] = environ[i];
	return copy;
}

static int spawn_with(const char *program, char *const argv[], char *const env[], int out)
{
	posix_spawn_file_actions_t files;
	posix_spawnattr_t attributes;
	sigset_t all, none;
	pid_t child;
	int err;

	sigfillset(&all);
	sigemptyset(&none);
	posix_spawn_file_actions_init(&files);
	posix_spawnattr_init(&attributes);
	posix_spawn_file_actions_addopen(&files, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
	posix_spawn_file_actions_adddup2(&files, out, STDOUT_FILENO);
	posix_spawn_file_actions_addopen(&files, STDERR_FILENO, "/dev/null", O_WRONLY, 0);
	posix_spawnattr_setsigdefault(&attributes, &all);
	posix_spawnattr_setsigmask(&attributes, &none);
	posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETSIGMASK);
	err = posix_spawn(&child, program, &files, &attributes, argv, env);
	posix_spawn_file_actions_destroy(&files);
	posix_spawnattr_destroy(&attributes);
	if (err)
		return -err;
	/* It leaves the work to a child of its own at once; the program may have waited for it itself. */
	while (waitpid(child, NULL, 0) < 0 && errno == EINTR)
		;
	return 0;
}

static void numbers_of(const struct nmreq_register *reg, uint32_t out[NUMBERS])
{
	const uint32_t numbers[NUMBERS] = {reg->nr_mode, reg->nr_tx_rings, reg->nr_rx_rings,
	    reg->nr_host_tx_rings, reg->nr_host_rx_rings, reg->nr_tx_slots, reg->nr_rx_slots};

	memcpy(out, numbers, sizeof numbers);
}

static int keeper_start(
    const char *program, const char *name, struct nmreq_vale_attach *request, int pipe[2])
{
	char text[NUMBERS][12], program_copy[PATH_MAX], name_copy[NETMAP_REQ_IFNAMSIZ];
	char *argv[NUMBERS + 3] = {program_copy, name_copy};
	char **env = environment();
	uint32_t numbers[NUMBERS];
	int err;

	if (!env)
		return -ENOMEM;
	snprintf(program_copy, sizeof program_copy, "%s", program);
	snprintf(name_copy, sizeof name_copy, "%s", name);
	numbers_of(&request->reg, numbers);
	for (size_t i = 0; i < NUMBERS; i++) {
		snprintf(text[i], sizeof text[i], "%u", numbers[i]);
		argv[i + 2] = text[i];
	}
	err = spawn_with(program, argv, env, pipe[1]);
	free(env);
	return err;
}

/* Whether a keeper said yes or no (*err); one that was not there or said nothing has not attached. */
static bool attach_for_ever(
    const char *program, const char *name, struct nmreq_vale_attach *request, int *err)
{
	struct keeper_answer answer;
	bool heard = false;
	int ends[2];

	if (pipe2(ends, O_CLOEXEC) != 0) {
		*err = error_set(-errno, "out of descriptors to attach \"%s\"", name);
		return true;
	}
	*err = keeper_start(program, name, request, ends);
	close(ends[1]);
	if (!*err)
		heard = answer_read(ends[0], &answer) == 0;
	close(ends[0]);
	if (!heard)
		return false;
	*err = answer.err ? error_set(answer.err, "%s", answer.message) : 0;
	if (!answer.err)
		request->port_index = answer.port_index;
	return true;
}

/* ---- the requests ---- */

/* What needs nobody to carry frames, and what is refused at once, is this process's own affair. */
static bool needs_keeper(const char *name, const struct nmreq_vale_attach *request)
{
	const char *colon = strchr(name, ':');

	return colon && !switch_kept_exists(NULL, colon + 1) &&
	       (request->reg.nr_mode == NR_REG_ALL_NIC || request->reg.nr_mode == NR_REG_NIC_SW);
}

/* Programs for the kernel's device do not know loom_error(), and it is too late when they have ended. */
static int attach_for_now(const char *program, const char *name, struct nmreq_vale_attach *request)
{
	int err = switch_attach(NULL, name, request);

	if (err)
		return err;
	error_format("\"%s\" is attached only as long as this process lives: %s, which would keep "
		     "it, cannot be started (PKTLOOM_KEEPER names another one)",
	    name, program);
	fprintf(stderr, "pktloom: %s\n", loom_error());
	return 0;
}

int keeper_attach(const char *name, struct nmreq_vale_attach *request)
{
	char program[PATH_MAX];
	int err;

	if (!needs_keeper(name, request))
		return switch_attach(NULL, name, request);
	if (program_find(program, sizeof program) && attach_for_ever(program, name, request, &err))
		return err;
	return attach_for_now(program, name, request);
}

int keeper_detach(const char *name, struct nmreq_vale_detach *request)
{
	const struct keeper_call call = {.version = KEEPER_VERSION, .type = NETMAP_REQ_VALE_DETACH};
	struct keeper_answer answer;
	int err = ask(name, &call, &answer);

	if (err == -ENXIO)
		return switch_detach(NULL, name, request);
	if (!err)
		request->port_index = answer.port_index;
	return err;
}

int keeper_polling_enable(const char *name, const struct nmreq_vale_polling *request)
{
	const struct keeper_call call = {
	    .version = KEEPER_VERSION, .type = NETMAP_REQ_VALE_POLLING_ENABLE, .polling = *request};
	struct keeper_answer answer;
	int err = ask(name, &call, &answer);

	return err == -ENXIO ? switch_polling_enable(NULL, name, request) : err;
}

int keeper_polling_disable(const char *name)
{
	const struct keeper_call call = {
	    .version = KEEPER_VERSION, .type = NETMAP_REQ_VALE_POLLING_DISABLE};
	struct keeper_answer answer;
	int err = ask(name, &call, &answer);

	return err == -ENXIO ? switch_polling_disable(NULL, name) : err;
}
