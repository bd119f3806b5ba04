/* SPDX-License-Identifier: BSD-2-Clause */
/* host_presence.h: no object has contents, its locks say it all. */
#include "host_presence.h"

#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#define KEY_MAX 64

/* An interface's number is one of its network namespace's. */
static void key_of(char key[KEY_MAX], int interface, bool tx)
{
	struct stat space = {0};

	stat("/proc/self/ns/net", &space);
	snprintf(key, KEY_MAX, "nic-%s-%lu-%d", tx ? "tx" : "rx", (unsigned long)space.st_ino,
	    interface);
}

void host_presence_tell(
    struct host_presence *presence, const char *directory, int interface, bool tx, bool there)
{
	char key[KEY_MAX];

	if (there == presence->told)
		return;
	if (there) {
		key_of(key, interface, tx);
		if (share_open(&presence->share, directory, key, SHARE_NO_END) != 0)
			return;
		share_ready(&presence->share);
	} else {
		share_close(&presence->share);
	}
	presence->told = there;
}

bool host_presence_ask(const char *directory, int interface, bool tx)
{
	struct share beside;
	char key[KEY_MAX];
	bool used = false;
	int fd;

	if (share_enter(&beside, directory) != 0)
		return false;
	key_of(key, interface, tx);
	fd = share_peek(&beside, key);
	if (fd >= 0) {
		used = share_is_used(fd);
		close(fd);
	}
	share_leave(&beside);
	return used;
}
