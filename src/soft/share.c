/* SPDX-License-Identifier: BSD-2-Clause */
/* Finding, making and removing shared objects; the rules are in share.h. */
#include "share.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../base/error.h"
#include "../os/os.h"

#define LOCK_TIMEOUT_MS 5000
#define PREFIX          "loom-"
#define USER_BYTE       0u
#define END_BYTE        1u
#define LOOKS           64u /* objects per sweep: bounds what opening costs where there are many */
#define KEPT            S_IXUSR /* the mark of an object that outlives its users */

/* File names keep letters, digits and the braces of pipes; anything else becomes %xx. */
static void encode(const char *key, char *out, size_t size)
{
	size_t used = (size_t)snprintf(out, size, PREFIX);

	for (; *key && used + 4 < size; key++) {
		unsigned char c = (unsigned char)*key;

		if (isalnum(c) || strchr("_-{}", c))
			out[used++] = (char)c;
		else
			used += (size_t)snprintf(out + used, size - used, "%%%02x", c);
	}
	out[used] = 0;
}

static void decode(const char *file, char *out, size_t size)
{
	for (file += strlen(PREFIX); *file && size > 1; size--) {
		bool escaped = *file == '%' && isxdigit((unsigned char)file[1]) &&
			       isxdigit((unsigned char)file[2]);
		const char hex[] = {file[escaped], escaped ? file[2] : 0, 0};

		*out++ = escaped ? (char)strtoul(hex, NULL, 16) : *file;
		file += escaped ? 3 : 1;
	}
	*out = 0;
}

void share_key(const struct share *share, char *out, size_t size)
{
	decode(share->file, out, size);
}

static void directory_name(const char *wanted, char *out, size_t size)
{
	const char *fromenv = getenv("PKTLOOM_DIR");

	if (!wanted && fromenv && *fromenv)
		wanted = fromenv;
	if (wanted)
		snprintf(out, size, "%s", wanted);
	else
		snprintf(out, size, "%s/pktloom-%u", os_shared_root(), (unsigned)geteuid());
}

/*
 * Only a directory that nobody else can write may hold objects: who can write it could put files
 * there that are truncated while they are mapped, which kills a reader.
 */
static int directory_open(const char *wanted)
{
	char name[PATH_MAX];
	struct stat st;
	int fd;

	directory_name(wanted, name, sizeof name);
	if (mkdir(name, 0700) != 0 && errno != EEXIST)
		return error_set(-errno, "cannot make the directory %s for shared objects: %s",
		    name, strerror(errno));
	fd = open(name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return error_set(-errno, "cannot open the directory %s for shared objects: %s",
		    name, strerror(errno));
	if (fstat(fd, &st) != 0 || st.st_uid != geteuid() || (st.st_mode & 022)) {
		close(fd);
		return error_set(-EPERM,
		    "the directory %s for shared objects must belong to you and be writable by "
		    "nobody "
		    "else (chmod 700); PKTLOOM_DIR names another one",
		    name);
	}
	return fd;
}

static bool in_use(int dirfd, const char *object)
{
	int fd = openat(dirfd, object, O_RDWR | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	int held;

	if (fd < 0)
		return errno != ENOENT; /* not ours to judge: leave it alone */
	held = os_lock_held(fd, USER_BYTE);
	close(fd);
	return held != 0;
}

/* What is of our making, and may go: an object, or a part or wakeup of one. */
static bool is_ours(int dirfd, const char *file)
{
	bool part = strchr(file, '.') != NULL;
	struct stat st;

	if (fstatat(dirfd, file, &st, AT_SYMLINK_NOFOLLOW) != 0 || st.st_uid != geteuid())
		return false;
	if (!part)
		return S_ISREG(st.st_mode) && !(st.st_mode & KEPT);
	return S_ISREG(st.st_mode) || S_ISFIFO(st.st_mode);
}

static DIR *directory_read(int dirfd)
{
	int fd = openat(dirfd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *dir = fd < 0 ? NULL : fdopendir(fd);

	if (!dir && fd >= 0)
		close(fd);
	return dir;
}

/* What a sweep found out last about an object with parts: nobody can take or leave it meanwhile. */
struct verdict {
	char object[NAME_MAX + 1];
	bool used;
};

static bool is_dead(int dirfd, const char *object, bool part, struct verdict *last)
{
	if (!part)
		return !in_use(dirfd, object);
	if (strcmp(last->object, object) != 0) {
		last->used = in_use(dirfd, object);
		snprintf(last->object, sizeof last->object, "%s", object);
	}
	return !last->used;
}

static unsigned count_objects(DIR *dir)
{
	const struct dirent *entry;
	unsigned n = 0;

	while ((entry = readdir(dir)))
		n += strncmp(entry->d_name, PREFIX, strlen(PREFIX)) == 0 &&
		     !strchr(entry->d_name, '.');
	rewinddir(dir);
	return n;
}

/* Looking at hundreds of objects at every opening and closing would make that slow: a share of them will do. */
static bool is_due(unsigned objects, uint64_t *random)
{
	*random = *random * 6364136223846793005u + 1442695040888963407u;
	return (*random >> 33) % objects < LOOKS;
}

/*
 * Remove dead objects, and parts without an object in use: `own` surely, of others that died alone at
 * least LOOKS on average. The directory is locked.
 */
static void sweep(int dirfd, const char *own)
{
	DIR *dir = directory_read(dirfd);
	struct verdict last = {.object = ""};
	uint64_t random = os_now_ns();
	const struct dirent *entry;
	unsigned objects;

	if (!dir)
		return;
	objects = count_objects(dir);
	while ((entry = readdir(dir))) {
		size_t len = strcspn(entry->d_name, ".");
		char object[NAME_MAX + 1];

		if (strncmp(entry->d_name, PREFIX, strlen(PREFIX)) != 0)
			continue;
		snprintf(object, sizeof object, "%.*s", (int)len, entry->d_name);
		if (objects > LOOKS && strcmp(object, own) != 0 && !is_due(objects, &random))
			continue;
		if (is_dead(dirfd, object, entry->d_name[len] != 0, &last) &&
		    is_ours(dirfd, entry->d_name))
			unlinkat(dirfd, entry->d_name, 0);
	}
	closedir(dir);
}

int share_take(struct share *share, unsigned end)
{
	share->end = end;
	return os_lock_byte(share->fd, END_BYTE + end, true);
}

int share_end_held(const struct share *share, unsigned end)
{
	return os_lock_held(share->fd, END_BYTE + end);
}

/* What cannot be asked is taken for alive. */
bool share_is_used(int fd)
{
	return os_lock_held(fd, USER_BYTE) != 0;
}

bool share_is_owned(int fd, unsigned end)
{
	return os_lock_held(fd, END_BYTE + end) != 0;
}

void share_file_name(const char *key, char out[NAME_MAX + 1])
{
	encode(key, out, NAME_MAX + 1);
}

int share_peek(const struct share *beside, const char *key)
{
	char file[NAME_MAX + 1];
	int fd;

	share_file_name(key, file);
	fd = openat(beside->dirfd, file, O_RDWR | O_NOFOLLOW | O_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

static int take_end(struct share *share, int end)
{
	int err;

	if (end == SHARE_NO_END)
		return 0;
	if (end != SHARE_ANY_END)
		return share_take(share, (unsigned)end);
	err = share_take(share, 0);
	return err == -EAGAIN ? share_take(share, 1) : err;
}

static int take(struct share *share, const char *key, int end, bool create)
{
	int err;

	share->fd = openat(share->dirfd, share->file, O_RDWR | O_NOFOLLOW | O_CLOEXEC);
	if (share->fd < 0 && errno == ENOENT && !create)
		return -ENOENT;
	if (share->fd < 0 && errno == ENOENT) {
		share->created = true;
		share->fd = openat(share->dirfd, share->file,
		    O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	}
	if (share->fd < 0)
		return error_set(
		    -errno, "cannot open the shared object of \"%s\": %s", key, strerror(errno));
	err = os_lock_byte(share->fd, USER_BYTE, false);
	if (!err)
		err = take_end(share, end);
	if (err == -EAGAIN)
		return error_set(-EBUSY,
		    end == SHARE_ANY_END
			? "both ends of \"%s\" are taken; close one, or choose another name"
			: "this end of \"%s\" is taken by another process; open the other end, or "
			  "choose another name",
		    key);
	if (err)
		return error_set(
		    err, "cannot lock the shared object of \"%s\": %s", key, strerror(-err));
	return 0;
}

/* The directory, locked and without what is dead. */
static int directory_enter(const char *wanted, const char *own)
{
	int dirfd = directory_open(wanted), err;

	if (dirfd < 0)
		return dirfd;
	err = os_directory_lock(dirfd, LOCK_TIMEOUT_MS);
	if (err) {
		close(dirfd);
		return error_set(err, "the directory of shared objects stays locked by another "
				      "process (is one stopped "
				      "while it opens a port?)");
	}
	sweep(dirfd, own);
	return dirfd;
}

static int locked_open(
    struct share *share, const char *directory, const char *key, int end, bool create)
{
	int err;

	*share = (struct share){.fd = -1};
	encode(key, share->file, sizeof share->file);
	share->dirfd = directory_enter(directory, share->file);
	if (share->dirfd < 0)
		return share->dirfd;
	err = take(share, key, end, create);
	if (err) {
		if (share->fd >= 0)
			close(share->fd);
		os_directory_unlock(share->dirfd);
		close(share->dirfd);
	}
	return err;
}

int share_open(struct share *share, const char *directory, const char *key, int end)
{
	return locked_open(share, directory, key, end, true);
}

int share_open_existing(struct share *share, const char *directory, const char *key)
{
	return locked_open(share, directory, key, SHARE_NO_END, false);
}

int share_enter(struct share *share, const char *directory)
{
	*share = (struct share){.fd = -1};
	share->dirfd = directory_enter(directory, "");
	return share->dirfd < 0 ? share->dirfd : 0;
}

void share_leave(struct share *share)
{
	os_directory_unlock(share->dirfd);
	close(share->dirfd);
}

void share_sweep(const struct share *share)
{
	sweep(share->dirfd, share->file);
}

int share_open_within(struct share *share, const struct share *outer, const char *key, bool create)
{
	int err;

	*share = (struct share){.fd = -1};
	encode(key, share->file, sizeof share->file);
	share->dirfd = openat(outer->dirfd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (share->dirfd < 0)
		return error_set(-errno, "cannot open the directory of shared objects again: %s",
		    strerror(errno));
	/* The sweep may have passed it over, and its maker may have been killed on the way. */
	if (!in_use(share->dirfd, share->file) && is_ours(share->dirfd, share->file))
		unlinkat(share->dirfd, share->file, 0);
	err = take(share, key, SHARE_NO_END, create);
	if (err)
		share_drop(share);
	return err;
}

void share_drop(struct share *share)
{
	if (share->fd >= 0)
		close(share->fd);
	if (share->created)
		unlinkat(share->dirfd, share->file, 0);
	close(share->dirfd);
}

void share_ready(const struct share *share)
{
	os_directory_unlock(share->dirfd);
}

/* A descriptor of the directory with locks of its own. */
static int directory_reopen(int dirfd)
{
	int own = openat(dirfd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct stat st;

	if (own >= 0 && fstat(own, &st) == 0 && st.st_uid == geteuid() && !(st.st_mode & 022))
		return own;
	if (own >= 0)
		close(own);
	return -EPERM;
}

static bool is_the_file(const struct share *share)
{
	struct stat named, open;

	return !strchr(share->file, '/') && strncmp(share->file, PREFIX, strlen(PREFIX)) == 0 &&
	       fstatat(share->dirfd, share->file, &named, AT_SYMLINK_NOFOLLOW) == 0 &&
	       fstat(share->fd, &open) == 0 && S_ISREG(open.st_mode) &&
	       named.st_dev == open.st_dev && named.st_ino == open.st_ino;
}

int share_adopt(struct share *share, int dirfd, int fd, const char *file, unsigned end)
{
	*share = (struct share){.dirfd = directory_reopen(dirfd), .fd = fd, .end = end};
	if (dirfd >= 0)
		close(dirfd);
	snprintf(share->file, sizeof share->file, "%s", file);
	if (share->dirfd >= 0 && is_the_file(share))
		return 0;
	if (share->dirfd >= 0)
		close(share->dirfd);
	if (fd >= 0)
		close(fd);
	return error_set(
	    -EPERM, "a port was passed on whose shared object this process cannot use: %s", file);
}

/* An open file's locks end with its last descriptor: what is locked still is somebody else's. */
bool share_end_is_mine(struct share *share)
{
	int fd = share_reopen(share);

	if (fd < 0)
		return false;
	os_lock_byte(fd, USER_BYTE, false);
	close(share->fd);
	share->fd = fd;
	return os_lock_byte(fd, END_BYTE + share->end, true) == 0;
}

int share_reopen(const struct share *share)
{
	int fd = openat(share->dirfd, share->file, O_RDWR | O_NOFOLLOW | O_CLOEXEC);

	return fd < 0 ? error_set(-errno, "cannot open %s again: %s", share->file, strerror(errno))
		      : fd;
}

void share_close(struct share *share)
{
	/* Where the lock cannot be had, the next one to come sweeps for us. */
	bool locked = os_directory_lock(share->dirfd, LOCK_TIMEOUT_MS) == 0;

	close(share->fd);
	if (locked)
		sweep(share->dirfd, share->file);
	/* Closing would not do where a child has inherited the descriptor. */
	os_directory_unlock(share->dirfd);
	close(share->dirfd);
}

int share_keep(const struct share *share, bool keep)
{
	return fchmod(share->fd, keep ? 0600 | KEPT : 0600) == 0 ? 0 : -errno;
}

bool share_exists(const char *directory, const char *key)
{
	char name[PATH_MAX], file[NAME_MAX + 1];
	bool exists;
	int dirfd;

	directory_name(directory, name, sizeof name);
	dirfd = open(name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (dirfd < 0)
		return false;
	encode(key, file, sizeof file);
	exists = faccessat(dirfd, file, F_OK, AT_SYMLINK_NOFOLLOW) == 0;
	close(dirfd);
	return exists;
}

int share_each(const char *directory, int (*visit)(void *arg, const char *key), void *arg)
{
	int dirfd = directory_enter(directory, ""), result = 0;
	const struct dirent *entry;
	DIR *dir;

	if (dirfd < 0)
		return dirfd;
	dir = directory_read(dirfd);
	while (dir && result == 0 && (entry = readdir(dir)))
		if (strncmp(entry->d_name, PREFIX, strlen(PREFIX)) == 0 &&
		    !strchr(entry->d_name, '.'))
			result = visit(arg, entry->d_name + strlen(PREFIX));
	if (dir)
		closedir(dir);
	os_directory_unlock(dirfd);
	close(dirfd);
	return result;
}

int share_scan(int dirfd, const char *prefix, int (*look)(void *arg, const char *key), void *arg)
{
	DIR *dir = directory_read(dirfd);
	const struct dirent *entry;
	char key[NAME_MAX + 1];
	int result = 0;

	while (dir && result == 0 && (entry = readdir(dir))) {
		if (strncmp(entry->d_name, PREFIX, strlen(PREFIX)) != 0 ||
		    strchr(entry->d_name, '.'))
			continue;
		decode(entry->d_name, key, sizeof key);
		if (strncmp(key, prefix, strlen(prefix)) == 0)
			result = look(arg, key);
	}
	if (dir)
		closedir(dir);
	return result;
}
