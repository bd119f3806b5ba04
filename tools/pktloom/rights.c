/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * When the kernel starts a program in secure mode: the rules of execve(2), capabilities(7) and
 * user_namespaces(7). A set-uid file of the user's own changes nothing, nor does any under
 * no_new_privs, on a mount without set-uid, or of an owner that the user namespace does not know.
 */
#include "rights.h"

#include <endian.h>
#include <linux/capability.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/xattr.h>
#include <unistd.h>

/* Whether the id is one that the map of this user namespace has; where there is no map, it is. */
static bool is_mapped(const char *map, unsigned id)
{
	FILE *file = fopen(map, "re");
	bool found = !file;
	char line[128];

	while (!found && fgets(line, sizeof line, file)) {
		char *at;
		unsigned long first = strtoul(line, &at, 10), count;

		strtoul(at, &at, 10); /* what it is outside */
		count = strtoul(at, &at, 10);
		found = id >= first && id - first < count;
	}
	if (file)
		fclose(file);
	return found;
}

static const char *changed_by_mode(const struct stat *st)
{
	bool set_uid = st->st_mode & S_ISUID;
	bool set_gid = (st->st_mode & (S_ISGID | S_IXGRP)) == (S_ISGID | S_IXGRP);

	if (!set_uid && !set_gid)
		return NULL;
	if (prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) == 1 ||
	    !is_mapped("/proc/self/uid_map", st->st_uid) ||
	    !is_mapped("/proc/self/gid_map", st->st_gid))
		return NULL;
	if (set_uid && st->st_uid != getuid())
		return "is set-uid";
	return set_gid && st->st_gid != getgid() ? "is set-gid" : NULL;
}

/*
 * Root has all capabilities anyway. The effective flag alone makes the mode secure, also under
 * no_new_privs, where nothing is gained.
 */
static const char *changed_by_capabilities(const char *path)
{
	struct vfs_ns_cap_data caps = {0};
	uint32_t permitted;

	if (getuid() == 0 ||
	    getxattr(path, "security.capability", &caps, sizeof caps) < (ssize_t)XATTR_CAPS_SZ_1)
		return NULL;
	permitted = caps.data[0].permitted | caps.data[1].permitted;
	if (prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) == 1)
		permitted = 0;
	if (permitted || (le32toh(caps.magic_etc) & VFS_CAP_FLAGS_EFFECTIVE))
		return "has file capabilities";
	return NULL;
}

const char *rights_changed_by(const char *path)
{
	struct statvfs mount;
	struct stat st;
	const char *what;

	if (stat(path, &st) != 0 || statvfs(path, &mount) != 0 || (mount.f_flag & ST_NOSUID))
		return NULL;
	what = changed_by_mode(&st);
	return what ? what : changed_by_capabilities(path);
}
