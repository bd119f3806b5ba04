/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * pktloom run: starts a program with libpktloom-preload.so in it. What cannot work is refused here, with
 * a reason: the system's loader would leave the library out, and the program would only miss /dev/netmap.
 */
#include <err.h>
#include <fcntl.h>
#include <limits.h>
#include <unistd.h>

#include "command.h"
#include "program.h"

#define LIBRARY "libpktloom-preload.so"

/* Seen from this program's directory: installed, in a build tree; and at last where it was to be installed. */
static const char *const places[] = {
    PRELOAD_FROM_BIN "/" LIBRARY, "../src/preload/" LIBRARY, PRELOAD_INSTALLED "/" LIBRARY};

#define NUM_PLACES (sizeof places / sizeof places[0])

struct run {
	const char *directory;
	char **words;
	bool verbose;
	char *library;
	struct elf machine; /* of the library */
};

__attribute__((format(printf, 1, 2))) static char *text(const char *format, ...)
{
	char *out;
	va_list list;

	va_start(list, format);
	if (vasprintf(&out, format, list) < 0)
		errx(PROGRAM_UNSTARTED, "no memory");
	va_end(list);
	return out;
}

/* The program may change its directory, and then start others. */
static char *absolute(const char *path)
{
	char here[PATH_MAX];

	if (path[0] == '/' || !getcwd(here, sizeof here))
		return text("%s", path);
	return text("%s/%s", here, path);
}

/* ---- the library ---- */

/* NULL: it is not there. */
static char *library_at(const char *place)
{
	char *self = realpath("/proc/self/exe", NULL), *path, *resolved;

	if (!self)
		return NULL;
	*strrchr(self, '/') = 0;
	path = place[0] == '/' ? text("%s", place) : text("%s/%s", self, place);
	resolved = realpath(path, NULL);
	free(path);
	free(self);
	return resolved;
}

static char *library_find(void)
{
	const char *fromenv = getenv("PKTLOOM_PRELOAD");
	char *found = NULL;

	if (fromenv && *fromenv)
		return absolute(fromenv);
	for (size_t i = 0; i < NUM_PLACES && !found; i++)
		found = library_at(places[i]);
	if (!found)
		errx(PROGRAM_UNSTARTED,
		    LIBRARY " is neither beside this program nor in " PRELOAD_INSTALLED
			    ": install it (meson install), or name it in PKTLOOM_PRELOAD");
	return found;
}

/* The loader only complains about a library that it cannot load, and goes on without. */
static void library_check(struct run *run)
{
	int fd = open(run->library, O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		err(PROGRAM_UNSTARTED, "the preload library %s (PKTLOOM_PRELOAD names another one)",
		    run->library);
	if (elf_read(fd, &run->machine) != 0 || !run->machine.dynamic)
		errx(PROGRAM_UNSTARTED,
		    "%s is not a shared library: PKTLOOM_PRELOAD names " LIBRARY " itself",
		    run->library);
	close(fd);
	if (strpbrk(run->library, ": "))
		errx(PROGRAM_UNSTARTED,
		    "the preload library %s has a colon or a blank in its path, where LD_PRELOAD "
		    "would end: name a link without them in PKTLOOM_PRELOAD",
		    run->library);
}

/* ---- the program ---- */

static void set(const struct run *run, const char *name, const char *value)
{
	if (setenv(name, value, 1) != 0)
		err(PROGRAM_UNSTARTED, "%s", name);
	if (run->verbose)
		warnx("%s=%s", name, value);
}

/* In front of what others preload: they see what this library does not keep to itself. */
static void environment_set(const struct run *run)
{
	const char *others = getenv("LD_PRELOAD");
	bool more = others && *others;
	char *value = text("%s%s%s", run->library, more ? ":" : "", more ? others : "");

	set(run, "LD_PRELOAD", value);
	free(value);
	if (!run->directory)
		return;
	value = absolute(run->directory);
	set(run, "PKTLOOM_DIR", value);
	free(value);
}

/* Like a shell, execvp() has the shell run what is neither a program nor says who runs it. */
static int start(const struct run *run, const char *path)
{
	int why;

	environment_set(run);
	if (run->verbose)
		warnx("starting %s", path);
	execvp(path, run->words);
	why = errno;
	warnx("%s: %s", path, strerror(why));
	return why == ENOENT ? PROGRAM_MISSING : PROGRAM_REFUSED;
}

int command_run(int argc, char **argv)
{
	struct run run = {0};
	const struct arg args[] = {
	    {"dir", "where shared objects live, instead of PKTLOOM_DIR", .text = &run.directory},
	    {"d", "the same", .text = &run.directory},
	    {"v", "tell what is done", .flag = &run.verbose},
	    {"PROGRAM", "what to start; its arguments follow", .rest = &run.words},
	    {0},
	};
	char path[PATH_MAX];
	int status;

	args_parse(argc, argv,
	    "Starts a program that knows /dev/netmap, and gives it that device in user space,\n"
	    "with libpktloom-preload.so in front of its C library.",
	    args);
	run.library = library_find();
	library_check(&run);
	status = program_find(run.words[0], path, sizeof path);
	if (!status)
		status = program_check(path, &run.machine);
	if (!status)
		status = start(&run, path);
	free(run.library);
	return status;
}
