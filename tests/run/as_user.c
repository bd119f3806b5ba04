/* SPDX-License-Identifier: BSD-2-Clause */
/* as_user ID [-n] PROGRAM [ARGUMENT...]: as that user and group, -n: and with no new privileges. */
#include <err.h>
#include <grp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

int main(int argc, char **argv)
{
	unsigned id;
	int at = 2;

	if (argc < 3)
		errx(99, "usage: as_user ID [-n] PROGRAM [ARGUMENT...]");
	id = (unsigned)strtoul(argv[1], NULL, 10);
	if (setgroups(0, NULL) != 0 || setresgid(id, id, id) != 0 || setresuid(id, id, id) != 0)
		err(99, "becoming user %u", id);
	if (strcmp(argv[2], "-n") == 0 && argc > 3) {
		at = 3;
		if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0)
			err(99, "no new privileges");
	}
	execv(argv[at], argv + at);
	err(99, "%s", argv[at]);
}
