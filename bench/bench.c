/* SPDX-License-Identifier: BSD-2-Clause */
/* Running a row's bursts on two pinned workers, and telling what came of it. */
#include "bench.h"

#include <dirent.h>
#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <pktloom/error.h>

#define GRACE_S      20u /* for opening, and for a last round on a busy machine */
#define ATTEMPTS     3u  /* so many times as many rounds as wanted, at most */
#define ATTEMPTS_MAX (ATTEMPTS * BENCH_ROUNDS)
#define ENOUGH       4u       /* a quarter of the rounds wanted, undisturbed, is enough */
#define SHORT_NS     1000000u /* one side has nothing to do in some rows */
#define OWN_CORE     0.98     /* of the time: less, and somebody else was on the core */

/* Memory of the parent and both workers. */
struct control {
	struct bench_turn turn;
	struct {
		uint32_t arrived;
		bool disturbed; /* in this round */
	} side[2] __attribute__((aligned(BENCH_LINE)));
	uint32_t progress; /* rounds that count */
	bool late;         /* it takes too long: make do with what there is */
	uint64_t deadline_ns;
	unsigned attempts;
	bool good[ATTEMPTS_MAX]; /* nobody disturbed it */
	double values[BENCH_CONTENDERS][ATTEMPTS_MAX];
	uint64_t lost[BENCH_CONTENDERS];
	uint64_t moved[BENCH_CONTENDERS];
};

struct worker {
	const struct bench_row *row;
	struct control *control;
	unsigned side;
	int core;
	uint32_t arrived;
};

static uint64_t clock_ns(clockid_t clock)
{
	struct timespec now;

	clock_gettime(clock, &now);
	return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

uint64_t bench_now_ns(void)
{
	return clock_ns(CLOCK_MONOTONIC);
}

unsigned bench_number(const char *text, unsigned least, unsigned most)
{
	char *end;
	unsigned long value = strtoul(text, &end, 10);

	if (end == text || *end || value < least || value > most)
		bench_die("\"%s\" is not a number from %u to %u", text, least, most);
	return (unsigned)value;
}

void *bench_shared_memory(size_t size)
{
	void *base = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	if (base == MAP_FAILED)
		bench_die("cannot map %zu bytes: %s", size, strerror(errno));
	return base;
}

/* ---- a private directory ---- */

static char private_dir[256];
static pid_t private_owner;

/* With what workers that were killed have left in it. */
static void private_dir_remove(void)
{
	DIR *dir = getpid() == private_owner ? opendir(private_dir) : NULL;
	const struct dirent *entry;

	if (!dir)
		return;
	while ((entry = readdir(dir)) != NULL)
		unlinkat(dirfd(dir), entry->d_name, 0);
	closedir(dir);
	rmdir(private_dir);
}

void bench_private_dir(void)
{
	const char *root = getenv("BENCH_TMP"); /* run.sh removes it, whatever becomes of us */

	if (!root)
		root = access("/dev/shm", W_OK | X_OK) == 0 ? "/dev/shm" : "/tmp";
	snprintf(private_dir, sizeof private_dir, "%s/pktloom-bench-XXXXXX", root);
	if (!mkdtemp(private_dir))
		bench_die("cannot make %s: %s", private_dir, strerror(errno));
	private_owner = getpid();
	atexit(private_dir_remove);
	setenv("PKTLOOM_DIR", private_dir, 1);
}

/* ---- workers ---- */

/* Of those that this process could use when it asked first: later it is pinned to one. */
int bench_core(unsigned side)
{
	static int cores[2];
	static int found;
	cpu_set_t set;

	if (!found && sched_getaffinity(getpid(), sizeof set, &set) != 0)
		bench_die("cannot read the set of cores: %s", strerror(errno));
	for (int i = 0; i < CPU_SETSIZE && found < 2; i++)
		if (CPU_ISSET((size_t)i, &set))
			cores[found++] = i;
	if (found <= (int)side)
		bench_skip("two cores are needed, one may be used here");
	return cores[side];
}

static void core_pin(int core)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET((size_t)core, &set);
	if (sched_setaffinity(0, sizeof set, &set) != 0)
		bench_die("cannot pin to core %d: %s", core, strerror(errno));
}

/* Both workers leave it at the same time, within a cache line's journey. */
static void meet(struct worker *w)
{
	struct control *c = w->control;
	uint32_t mine = ++w->arrived;

	if (w->row->alone)
		return;
	__atomic_store_n(&c->side[w->side].arrived, mine, __ATOMIC_RELEASE);
	while (__atomic_load_n(&c->side[!w->side].arrived, __ATOMIC_ACQUIRE) < mine)
		bench_relax();
}

static bool is_time(const struct bench_row *row)
{
	return strcmp(row->unit, "ns") == 0;
}

static double value_of(const struct bench_row *row, uint64_t units, uint64_t ns)
{
	if (units == 0)
		return 0;
	if (is_time(row))
		return (double)ns / (double)units;
	return (double)units * 1e3 / (double)ns;
}

static void burst(struct worker *w, unsigned contender, void *end, double *value)
{
	struct bench_turn *turn = &w->control->turn;
	uint64_t start, units, took, ran;

	meet(w);
	start = bench_now_ns();
	if (w->side == 0) {
		turn->closed = 0;
		turn->lost = 0;
		turn->end_ns = 0;
		turn->deadline_ns = start + (uint64_t)w->row->burst_ms * 1000000u;
	}
	meet(w);
	start = bench_now_ns();
	ran = clock_ns(CLOCK_THREAD_CPUTIME_ID);
	units = w->row->contenders[contender].burst(end, w->side, turn);
	took = bench_now_ns() - start;
	ran = clock_ns(CLOCK_THREAD_CPUTIME_ID) - ran;
	if (w->row->polls && took > SHORT_NS && (double)ran < (double)took * OWN_CORE)
		w->control->side[w->side].disturbed = true;
	if (w->side == w->row->measured_side) {
		if (turn->end_ns)
			took = turn->end_ns - start;
		*value = value_of(w->row, units, took);
		w->control->moved[contender] += units;
	}
	meet(w);
	if (w->side == 0)
		w->control->lost[contender] += turn->lost;
}

static unsigned contenders(const struct bench_row *row)
{
	unsigned n = 0;

	while (n < BENCH_CONTENDERS && row->contenders[n].name)
		n++;
	return n;
}

/* One burst of every contender; false: one worker was disturbed. Both come to the same answer. */
static bool round_run(struct worker *w, unsigned n, void *ends[], unsigned attempt)
{
	struct control *c = w->control;
	bool good;

	c->side[w->side].disturbed = false;
	for (unsigned i = 0; i < n; i++) {
		unsigned contender = attempt % 2 ? n - 1 - i : i;

		burst(w, contender, ends[contender], &c->values[contender][attempt]);
	}
	if (w->side == 0)
		c->late = bench_now_ns() > c->deadline_ns;
	meet(w);
	good = !c->side[0].disturbed && !c->side[1].disturbed;
	meet(w);
	return good;
}

static void rounds_run(struct worker *w, unsigned n, void *ends[])
{
	struct control *c = w->control;
	unsigned attempt = 0, count = 0;
	double unused;

	for (unsigned i = 0; i < n; i++) /* memory touched, caches and clocks warm */
		burst(w, i, ends[i], &unused);
	while (attempt < w->row->rounds * ATTEMPTS && count < w->row->rounds && !c->late) {
		bool good = round_run(w, n, ends, attempt);

		count += good;
		attempt++;
		if (w->side == 1)
			continue;
		c->good[attempt - 1] = good;
		c->attempts = attempt;
		__atomic_store_n(&c->progress, count, __ATOMIC_RELAXED);
	}
}

static void *worker_run(void *argument)
{
	struct worker *w = argument;
	const struct bench_row *row = w->row;
	unsigned n = contenders(row);
	void *ends[BENCH_CONTENDERS];

	core_pin(w->core);
	for (unsigned i = 0; i < n; i++) {
		if (w->side == 1)
			meet(w);
		ends[i] = row->contenders[i].open(row, w->side);
		if (w->side == 0)
			meet(w);
	}
	rounds_run(w, n, ends);
	for (unsigned i = 0; i < n; i++)
		row->contenders[i].close(ends[i]);
	return NULL;
}

static pid_t worker_fork(struct worker *w, unsigned limit_s)
{
	pid_t parent = getpid(), pid;

	fflush(stdout);
	pid = fork();
	if (pid != 0)
		return pid;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != parent)
		_exit(1);
	alarm(limit_s);
	worker_run(w);
	_exit(0);
}

static void progress(const struct bench_row *row, const struct control *control, unsigned *last)
{
	unsigned tenth = __atomic_load_n(&control->progress, __ATOMIC_RELAXED) * 10 / row->rounds;

	if (tenth == *last)
		return;
	*last = tenth;
	fprintf(stderr, "%s: %u %%\n", row->name, tenth * 10);
}

static void stop_all(const pid_t pids[2])
{
	for (int i = 0; i < 2; i++)
		if (pids[i] > 0) {
			kill(pids[i], SIGKILL);
			waitpid(pids[i], NULL, 0);
		}
}

static int worker_failed(const struct bench_row *row, int side, int status)
{
	if (WIFEXITED(status) && WEXITSTATUS(status) == 77)
		return 77; /* it said why */
	fprintf(stderr, "%s: worker %d failed (status 0x%x)\n", row->name, side, (unsigned)status);
	return 1;
}

/* Wait for both workers; one that fails takes the other with it. The exit status for all. */
static int processes_wait(const struct bench_row *row, const struct control *control, pid_t pids[2])
{
	const struct timespec pause = {.tv_nsec = 50000000};
	unsigned last = 0;

	while (pids[0] > 0 || pids[1] > 0) {
		for (int i = 0; i < 2; i++) {
			int status = 0;

			if (pids[i] <= 0 || waitpid(pids[i], &status, WNOHANG) != pids[i])
				continue;
			pids[i] = 0;
			if (status != 0) {
				stop_all(pids);
				return worker_failed(row, i, status);
			}
		}
		progress(row, control, &last);
		nanosleep(&pause, NULL);
	}
	return 0;
}

static int processes_run(const struct bench_row *row, struct worker workers[2], unsigned limit_s)
{
	pid_t pids[2] = {0};

	for (int i = 0; i < (row->alone ? 1 : 2); i++)
		pids[i] = worker_fork(&workers[i], limit_s);
	if (pids[0] < 0 || pids[1] < 0) {
		stop_all(pids);
		bench_die("cannot fork: %s", strerror(errno));
	}
	return processes_wait(row, workers[0].control, pids);
}

static int threads_run(struct worker workers[2], unsigned limit_s)
{
	pthread_t second;

	alarm(limit_s);
	if (pthread_create(&second, NULL, worker_run, &workers[1]) != 0)
		bench_die("cannot make a thread");
	worker_run(&workers[0]);
	pthread_join(second, NULL);
	alarm(0);
	return 0;
}

/* ---- results ---- */

struct spread {
	double p10, median, p90;
};

static int compare(const void *a, const void *b)
{
	const double *x = a, *y = b;

	return (*x > *y) - (*x < *y);
}

static struct spread spread_of(double *values, unsigned n)
{
	struct spread spread;

	qsort(values, n, sizeof *values, compare);
	spread.p10 = values[n / 10];
	spread.median = n % 2 ? values[n / 2] : (values[n / 2 - 1] + values[n / 2]) / 2;
	spread.p90 = values[n - 1 - n / 10];
	return spread;
}

static unsigned good_rounds(const struct control *control)
{
	unsigned n = 0;

	for (unsigned i = 0; i < control->attempts; i++)
		n += control->good[i];
	return n;
}

/* Whether an attempt counts: the undisturbed ones do, or all if there are too few of those. */
static bool counts(const struct bench_row *row, const struct control *control, unsigned attempt)
{
	return control->good[attempt] || good_rounds(control) * ENOUGH < row->rounds;
}

static struct spread value_spread(
    const struct bench_row *row, const struct control *control, unsigned contender)
{
	double values[ATTEMPTS_MAX] = {0};
	unsigned n = 0;

	for (unsigned i = 0; i < control->attempts; i++)
		if (counts(row, control, i))
			values[n++] = control->values[contender][i];
	return spread_of(values, n);
}

/* Of several floors, the one that is hardest to reach. */
static unsigned floor_of(const struct bench_row *row, const struct control *control)
{
	unsigned best = 1;

	for (unsigned i = 2; i <= row->floors; i++) {
		double it = value_spread(row, control, i).median;
		double other = value_spread(row, control, best).median;

		if (is_time(row) ? it < other : it > other)
			best = i;
	}
	return best;
}

/* A contender against the floor, round by round: above 1 it is better. */
static struct spread ratio_of(const struct bench_row *row, const struct control *control,
    unsigned contender, unsigned against)
{
	double ratios[ATTEMPTS_MAX] = {0};
	unsigned n = 0;

	for (unsigned i = 0; i < control->attempts; i++) {
		double it = control->values[contender][i], floor = control->values[against][i];

		if (!counts(row, control, i))
			continue;
		if (is_time(row)) {
			it = floor;
			floor = control->values[contender][i];
		}
		ratios[n++] = floor > 0 ? it / floor : 0;
	}
	return spread_of(ratios, n);
}

static void print_contender(
    const struct bench_row *row, const struct control *control, unsigned i, FILE *json)
{
	unsigned against = floor_of(row, control);
	struct spread value = value_spread(row, control, i);
	struct spread ratio = ratio_of(row, control, i, against);

	printf("  %-28s %10.2f %-4s (%.2f .. %.2f)", row->contenders[i].name, value.median,
	    row->unit, value.p10, value.p90);
	if (i != against)
		printf("   x floor %.3f (%.3f .. %.3f)", ratio.median, ratio.p10, ratio.p90);
	if (control->lost[i])
		printf("   lost %" PRIu64 " of %" PRIu64, control->lost[i],
		    control->lost[i] + control->moved[i]);
	putchar('\n');
	if (json)
		fprintf(json,
		    "%s{\"name\":\"%s\",\"value\":[%.4f,%.4f,%.4f],\"ratio\":[%.4f,%.4f,%.4f],"
		    "\"lost\":%" PRIu64 ",\"moved\":%" PRIu64 "}",
		    i ? "," : "", row->contenders[i].name, value.p10, value.median, value.p90,
		    ratio.p10, ratio.median, ratio.p90, control->lost[i], control->moved[i]);
}

static void report(const struct bench_row *row, const struct control *control)
{
	const char *out = getenv("BENCH_OUT");
	unsigned good = good_rounds(control);
	char path[512];
	FILE *json = NULL;

	printf("%s: %s (%u rounds of %u ms", row->name, row->question,
	    good * ENOUGH < row->rounds ? control->attempts : good, row->burst_ms);
	if (good < control->attempts)
		printf(", %s %u disturbed by other work",
		    good * ENOUGH < row->rounds ? "of these" : "not counting",
		    control->attempts - good);
	puts(")");
	if (out) {
		snprintf(path, sizeof path, "%s/%s.json", out, row->name);
		json = fopen(path, "w");
		if (!json)
			bench_die("cannot write %s: %s", path, strerror(errno));
		fprintf(json,
		    "{\"name\":\"%s\",\"unit\":\"%s\",\"question\":\"%s\",\"attempts\":%u,"
		    "\"good\":%u,\"counted\":%u,"
		    "\"burst_ms\":%u,\"floor\":%u,\"contenders\":[",
		    row->name, row->unit, row->question, control->attempts, good,
		    good * ENOUGH < row->rounds ? control->attempts : good, row->burst_ms,
		    floor_of(row, control));
	}
	for (unsigned i = 0; i < contenders(row); i++)
		print_contender(row, control, i, json);
	if (json) {
		fputs("]}\n", json);
		fclose(json);
	}
}

/* ---- */

static unsigned from_environment(const char *name, unsigned fallback, unsigned most)
{
	const char *text = getenv(name);

	return text ? bench_number(text, 1, most) : fallback;
}

void bench_options(struct bench_row *row)
{
	row->rounds =
	    from_environment("BENCH_ROUNDS", row->rounds ? row->rounds : 100, BENCH_ROUNDS);
	row->burst_ms =
	    from_environment("BENCH_BURST_MS", row->burst_ms ? row->burst_ms : 10, 1000);
}

int bench_main(struct bench_row *row)
{
	struct control *control = bench_shared_memory(sizeof *control);
	struct worker workers[2];
	unsigned limit_s;
	int code;

#ifndef __OPTIMIZE__
	bench_skip("built without optimisation: configure with -Dbuildtype=debugoptimized");
#endif
	bench_options(row);
	if (row->memory_size)
		row->memory = bench_shared_memory(row->memory_size);
	for (unsigned i = 0; i < (row->alone ? 1 : 2); i++)
		workers[i] = (struct worker){
		    .row = row, .control = control, .side = i, .core = bench_core(i)};
	limit_s = 1 + row->rounds * ATTEMPTS * contenders(row) * row->burst_ms / 1000;
	control->deadline_ns = bench_now_ns() + (uint64_t)limit_s * 1000000000u;
	limit_s += GRACE_S;
	code = row->threads ? threads_run(workers, limit_s) : processes_run(row, workers, limit_s);
	if (code == 0)
		report(row, control);
	return code;
}
