/* SPDX-License-Identifier: BSD-2-Clause */
/* See program.h. */
#include "program.h"

#include <elf.h>
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "rights.h"

#define FIRST_LINE  255 /* how much of a script the kernel looks at */
#define SCRIPTS_MAX 5   /* scripts that interpret scripts: the kernel goes no further, either */

/* `return refuse(STATUS, "what, and what to do about it", …)`. */
__attribute__((format(printf, 2, 3))) static int refuse(int status, const char *format, ...)
{
	va_list list;

	va_start(list, format);
	vwarnx(format, list);
	va_end(list);
	return status;
}

/* ---- finding ---- */

static bool is_file(const char *path)
{
	struct stat st;

	return stat(path, &st) == 0 && S_ISREG(st.st_mode);
}

/* The next directory of a PATH, as a path to the name in it; an empty one is the current. */
static const char *next_candidate(const char *at, const char *name, char *path, size_t size)
{
	int len = (int)strcspn(at, ":");

	snprintf(path, size, "%.*s/%s", len ? len : 1, len ? at : ".", name);
	return at[len] ? at + len + 1 : NULL;
}

static int find_in_path(const char *name, char *path, size_t size)
{
	const char *at = getenv("PATH");
	char refused[PATH_MAX] = "";

	if (!at)
		at = "/bin:/usr/bin";
	while (at) {
		at = next_candidate(at, name, path, size);
		if (!is_file(path))
			continue;
		if (access(path, X_OK) == 0)
			return 0;
		snprintf(refused, sizeof refused, "%s", path);
	}
	if (*refused)
		return refuse(PROGRAM_REFUSED,
		    "%s is not executable for you (chmod +x makes it so)", refused);
	return refuse(PROGRAM_MISSING, "there is no program %s in the directories of PATH", name);
}

int program_find(const char *name, char *path, size_t size)
{
	if (!strchr(name, '/'))
		return find_in_path(name, path, size);
	snprintf(path, size, "%s", name);
	if (access(path, F_OK) != 0)
		return refuse(PROGRAM_MISSING, "%s: %s", name, strerror(errno));
	if (!is_file(path))
		return refuse(PROGRAM_REFUSED, "%s is not a program", name);
	if (access(path, X_OK) != 0)
		return refuse(
		    PROGRAM_REFUSED, "%s is not executable for you (chmod +x makes it so)", name);
	return 0;
}

/* ---- looking into the file ---- */

/* The interpreter that a script names in its first line; empty if it is none. */
static void read_interpreter(int fd, char *out, size_t size)
{
	char line[FIRST_LINE + 1];
	ssize_t n = pread(fd, line, FIRST_LINE, 0);
	const char *at;

	*out = 0;
	if (n < 2)
		return;
	line[n] = 0;
	if (line[0] != '#' || line[1] != '!')
		return;
	at = line + 2 + strspn(line + 2, " \t");
	snprintf(out, size, "%.*s", (int)strcspn(at, " \t\n"), at);
}

static const char *base_name(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash ? slash + 1 : path;
}

static bool is_same_file(const char *a, const char *b)
{
	struct stat sa, sb;

	return stat(a, &sa) == 0 && stat(b, &sb) == 0 && sa.st_dev == sb.st_dev &&
	       sa.st_ino == sb.st_ino;
}

/* Every C library has a loader of its own. Ours is the one of the library, too, if it is of our kind. */
static int check_loader(const char *path, const struct elf *program, const struct elf *library)
{
	int fd = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
	struct elf self;
	bool known = fd >= 0 && elf_read(fd, &self) == 0 && elf_same_machine(&self, library);

	if (fd >= 0)
		close(fd);
	if (access(program->loader, F_OK) != 0)
		return refuse(PROGRAM_MISSING,
		    "%s needs the loader %s, which is not here: install its C library", path,
		    program->loader);
	if (!known || strcmp(base_name(program->loader), base_name(self.loader)) == 0 ||
	    is_same_file(program->loader, self.loader))
		return 0;
	return refuse(PROGRAM_REFUSED,
	    "%s uses another C library: its loader is %s, pktloom's is %s. Build pktloom with "
	    "that one, too, and name its libpktloom-preload.so in PKTLOOM_PRELOAD",
	    path, program->loader, self.loader);
}

static int check_rights(const char *path)
{
	const char *change = rights_changed_by(path);

	if (!change)
		return 0;
	return refuse(PROGRAM_REFUSED,
	    "%s %s: the system preloads nothing into a program that changes its user's rights. "
	    "Run a copy of it (which changes none) as the user it needs",
	    path, change);
}

static int check_elf(const char *path, const struct elf *program, const struct elf *library)
{
	char theirs[40], ours[40];
	int status;

	if (!elf_same_machine(program, library))
		return refuse(PROGRAM_REFUSED,
		    "%s is %s, but the preload library is %s: build pktloom for that, too, "
		    "and name its libpktloom-preload.so in PKTLOOM_PRELOAD",
		    path, elf_describe(program, theirs, sizeof theirs),
		    elf_describe(library, ours, sizeof ours));
	if (program->type != ET_EXEC && program->type != ET_DYN)
		return refuse(PROGRAM_REFUSED, "%s is an ELF file, but no program", path);
	if (!*program->loader || !program->dynamic)
		return refuse(PROGRAM_REFUSED,
		    "%s is statically linked (or a library): nothing can get between it and the "
		    "system. Link it dynamically (without -static)",
		    path);
	status = check_rights(path);
	return status ? status : check_loader(path, program, library);
}

/* ---- the whole of it ---- */

int program_check(const char *path, const struct elf *library)
{
	char at[PATH_MAX], interpreter[FIRST_LINE + 1];
	struct elf program;

	snprintf(at, sizeof at, "%s", path);
	for (int depth = 0; depth <= SCRIPTS_MAX; depth++) {
		int fd = open(at, O_RDONLY | O_CLOEXEC), err = fd < 0 ? -errno : 0;

		if (err == -ENOENT)
			return refuse(PROGRAM_MISSING,
			    "%s wants to be run by %s, which is not here", path, at);
		if (err)
			return check_rights(at);
		err = elf_read(fd, &program);
		read_interpreter(fd, interpreter, sizeof interpreter);
		close(fd);
		if (!err)
			return check_elf(at, &program, library);
		if (err == -EINVAL)
			return refuse(PROGRAM_REFUSED, "%s is a broken ELF file", at);
		if (!*interpreter)
			return 0;
		snprintf(at, sizeof at, "%s", interpreter);
	}
	return 0;
}
