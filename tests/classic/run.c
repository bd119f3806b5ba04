/* SPDX-License-Identifier: BSD-2-Clause */
/* Starting programs, reading what they say, and ending them whatever happens. */
#include "run.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "packet.h"

#define WORDS_MAX   16u
#define PATIENCE_MS 40000u /* longer than the programs have themselves */

struct program {
	const char *command;
	unsigned first, step; /* of the packets that it is to report */
	pid_t pid;
	int out;
	char said[256];
};

static const char *folder, *library;
static struct program running[2 * RUN_PROGRAMS];
static unsigned num_running;

/* ---- one program ---- */

/* Both ways in which people do it: a variable of the process, and env(1). */
static void become(const char *command, bool through_env)
{
	char words[256], path[4096], variable[4096], env[] = "env",
						     *argv[WORDS_MAX + 3] = {env, variable}, *rest;
	char **own = argv + 2;
	unsigned n = 1;

	snprintf(words, sizeof words, "%s", command);
	snprintf(path, sizeof path, "%s/%s", folder, strtok_r(words, " ", &rest));
	snprintf(variable, sizeof variable, "LD_PRELOAD=%s", library);
	own[0] = path;
	while (n < WORDS_MAX && (own[n] = strtok_r(NULL, " ", &rest)))
		n++;
	if (through_env)
		execvp("env", argv);
	else if (setenv("LD_PRELOAD", library, 1) == 0)
		execv(path, own);
	perror(path);
	_exit(126);
}

static void program_start(const char *command)
{
	struct program *p = &running[num_running];
	const char *share = strchr(command, '/');
	int ends[2];

	*p = (struct program){.command = command, .step = 1};
	if (share) {
		char *rest;

		p->first = (unsigned)strtoul(command, NULL, 10);
		p->step = (unsigned)strtoul(share + 1, &rest, 10);
		p->command = command = rest + 1;
	}
	assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
	p->pid = fork();
	assert_true(p->pid >= 0);
	if (p->pid == 0) {
		dup2(ends[1], STDOUT_FILENO);
		become(command, num_running % 2 == 1);
	}
	close(ends[1]);
	p->out = ends[0];
	num_running++;
}

/* Read on until it has said that word; false: it ended, or took too long. */
static bool program_says(struct program *p, const char *word)
{
	const uint64_t deadline = now_ms() + PATIENCE_MS;
	struct pollfd fd = {.fd = p->out, .events = POLLIN};
	size_t used;
	ssize_t n;

	while (!strstr(p->said, word)) {
		used = strlen(p->said);
		if (now_ms() > deadline || used + 1 >= sizeof p->said)
			return false;
		if (poll(&fd, 1, 1000) <= 0)
			continue;
		n = read(p->out, p->said + used, sizeof p->said - 1 - used);
		if (n <= 0)
			return false;
	}
	return true;
}

static int program_end(struct program *p, bool at_once)
{
	int status = 0;

	if (p->pid <= 0)
		return 0;
	if (at_once)
		kill(p->pid, SIGKILL);
	waitpid(p->pid, &status, 0);
	close(p->out);
	p->pid = 0;
	return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
}

static int end_all(void **state)
{
	(void)state;
	for (unsigned i = 0; i < num_running; i++)
		program_end(&running[i], true);
	num_running = 0;
	return 0;
}

/* ---- a scenario ---- */

static void start_some(const char *const *commands, bool receivers)
{
	for (unsigned i = 0; i < RUN_PROGRAMS && commands[i]; i++) {
		program_start(commands[i]);
		if (receivers && !program_says(&running[num_running - 1], "ready\n"))
			fail_msg("\"%s\" does not get ready", commands[i]);
	}
}

/* Of packets first, first + step, … */
static void expected_report(char *text, size_t size, uint32_t first, uint32_t step, uint32_t end)
{
	unsigned long bytes = 0, packets = 0;

	for (uint32_t i = first; i < end; i += step, packets++)
		bytes += packet_len(i);
	snprintf(text, size, "%lu packets %lu bytes\n", packets, bytes);
}

static void check(struct program *p, uint32_t packets)
{
	char report[128];
	bool said;
	int status;

	expected_report(report, sizeof report, p->first, p->step, packets);
	said = program_says(p, report);
	status = program_end(p, !said);
	if (!said || status != 0)
		fail_msg("\"%s\" ends with %d and says \"%s\"", p->command, status, p->said);
}

static void run(void **state)
{
	const struct scenario *scenario = *state;

	start_some(scenario->receivers, true);
	start_some(scenario->senders, false);
	for (unsigned i = 0; i < num_running; i++)
		check(&running[i], (uint32_t)scenario->packets);
}

int run_scenarios(const char *group, const struct scenario *scenarios, size_t n, char **argv)
{
	struct CMUnitTest *tests = calloc(n, sizeof *tests);
	int failed;

	folder = argv[1];
	library = getenv("CLASSIC_PRELOAD");
	if (!tests || !folder || !library) {
		fprintf(stderr, "usage: CLASSIC_PRELOAD=LIBRARY %s FOLDER\n", argv[0]);
		free(tests);
		return 2;
	}
	scratch_directory();
	for (size_t i = 0; i < n; i++)
		tests[i] = (struct CMUnitTest){
		    scenarios[i].name, run, NULL, end_all, (void *)(uintptr_t)&scenarios[i]};
	failed = _cmocka_run_group_tests(group, tests, n, NULL, NULL);
	free(tests);
	return failed;
}
