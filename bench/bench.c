/* SPDX-License-Identifier: BSD-2-Clause */
/* Running a row's bursts on two pinned workers, and telling what came of it. */
#include "bench.h"

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <pktloom/error.h>

#define START_LIMIT_S 20u /* for opening and warming up, on a busy machine */

/* Memory of the parent and both workers. */
struct control {
	struct bench_turn turn;
	struct {
		uint32_t arrived;
		uint32_t out; /* gave up waiting: the other worker is gone */
	} side[2] __attribute__((aligned(BENCH_LINE)));
	uint32_t round; /* for the progress line */
	double values[BENCH_CONTENDERS][BENCH_ROUNDS];
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

uint64_t bench_now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

void bench_die(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vfprintf(stderr, format, args);
	va_end(args);
	fputc('\n', stderr);
	exit(1);
}

void bench_skip(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	fputs("SKIP: ", stdout);
	vprintf(format, args);
	va_end(args);
	putchar('\n');
	exit(77);
}

void *bench_shared_memory(size_t size)
{
	void *base = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	if (base == MAP_FAILED)
		bench_die("cannot map %zu bytes: %s", size, strerror(errno));
	return base;
}

/* ---- a private directory ---- */

static char private_dir[64];
static pid_t private_owner;

static void private_dir_remove(void)
{
	if (getpid() == private_owner && rmdir(private_dir) != 0)
		fprintf(stderr, "%s was not left empty: %s\n", private_dir, strerror(errno));
}

void bench_private_dir(void)
{
	const char *root = access("/dev/shm", W_OK | X_OK) == 0 ? "/dev/shm" : "/tmp";

	snprintf(private_dir, sizeof private_dir, "%s/pktloom-bench-XXXXXX", root);
	if (!mkdtemp(private_dir))
		bench_die("cannot make %s: %s", private_dir, strerror(errno));
	private_owner = getpid();
	atexit(private_dir_remove);
	setenv("PKTLOOM_DIR", private_dir, 1);
}

/* ---- workers ---- */

/* The first two cores that this process may use. */
static void cores_find(int cores[2])
{
	cpu_set_t set;
	int found = 0;

	if (sched_getaffinity(0, sizeof set, &set) != 0)
		bench_die("cannot read the set of cores: %s", strerror(errno));
	for (int i = 0; i < CPU_SETSIZE && found < 2; i++)
		if (CPU_ISSET((size_t)i, &set))
			cores[found++] = i;
	if (found < 2)
		bench_skip("two cores are needed, one may be used here");
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
	uint64_t start, units;

	meet(w);
	start = bench_now_ns();
	if (w->side == 0) {
		turn->closed = 0;
		turn->lost = 0;
		turn->deadline_ns = start + (uint64_t)w->row->burst_ms * 1000000u;
	}
	meet(w);
	start = bench_now_ns();
	units = w->row->contenders[contender].burst(end, w->side, turn);
	if (w->side == w->row->measured_side) {
		*value = value_of(w->row, units, bench_now_ns() - start);
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

static void *worker_run(void *argument)
{
	struct worker *w = argument;
	const struct bench_row *row = w->row;
	unsigned n = contenders(row);
	void *ends[BENCH_CONTENDERS];
	double unused;

	core_pin(w->core);
	for (unsigned i = 0; i < n; i++) {
		if (w->side == 1)
			meet(w);
		ends[i] = row->contenders[i].open(row, w->side);
		if (w->side == 0)
			meet(w);
	}
	for (unsigned i = 0; i < n; i++) /* memory touched, caches and clocks warm */
		burst(w, i, ends[i], &unused);
	for (unsigned round = 0; round < row->rounds; round++) {
		for (unsigned i = 0; i < n; i++) {
			unsigned contender = round % 2 ? n - 1 - i : i;

			burst(w, contender, ends[contender], &w->control->values[contender][round]);
		}
		if (w->side == 0)
			__atomic_store_n(&w->control->round, round + 1, __ATOMIC_RELAXED);
	}
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
	unsigned tenth = __atomic_load_n(&control->round, __ATOMIC_RELAXED) * 10 / row->rounds;

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

/* Wait for both workers; one that fails takes the other with it. */
static bool processes_wait(const struct bench_row *row, const struct control *control, pid_t pids[2])
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
				fprintf(stderr, "%s: worker %d failed (status 0x%x)\n", row->name,
				    i, (unsigned)status);
				stop_all(pids);
				return false;
			}
		}
		progress(row, control, &last);
		nanosleep(&pause, NULL);
	}
	return true;
}

static bool processes_run(const struct bench_row *row, struct worker workers[2], unsigned limit_s)
{
	pid_t pids[2];

	for (int i = 0; i < 2; i++)
		pids[i] = worker_fork(&workers[i], limit_s);
	if (pids[0] < 0 || pids[1] < 0) {
		stop_all(pids);
		bench_die("cannot fork: %s", strerror(errno));
	}
	return processes_wait(row, workers[0].control, pids);
}

static bool threads_run(struct worker workers[2], unsigned limit_s)
{
	pthread_t second;

	alarm(limit_s);
	if (pthread_create(&second, NULL, worker_run, &workers[1]) != 0)
		bench_die("cannot make a thread");
	worker_run(&workers[0]);
	pthread_join(second, NULL);
	alarm(0);
	return true;
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

static struct spread spread_of(const double *values, unsigned n)
{
	double sorted[BENCH_ROUNDS];
	struct spread spread;

	memcpy(sorted, values, n * sizeof *values);
	qsort(sorted, n, sizeof *sorted, compare);
	spread.p10 = sorted[n / 10];
	spread.median = n % 2 ? sorted[n / 2] : (sorted[n / 2 - 1] + sorted[n / 2]) / 2;
	spread.p90 = sorted[n - 1 - n / 10];
	return spread;
}

/* Of several floors, the one that is hardest to reach. */
static unsigned floor_of(const struct bench_row *row, const struct control *control)
{
	unsigned best = 1;

	for (unsigned i = 2; i <= row->floors; i++) {
		double it = spread_of(control->values[i], row->rounds).median;
		double other = spread_of(control->values[best], row->rounds).median;

		if (is_time(row) ? it < other : it > other)
			best = i;
	}
	return best;
}

/* A contender against the floor, round by round: above 1 it is better. */
static struct spread ratio_of(const struct bench_row *row, const struct control *control,
    unsigned contender, unsigned against)
{
	double ratios[BENCH_ROUNDS];

	for (unsigned i = 0; i < row->rounds; i++) {
		double it = control->values[contender][i], floor = control->values[against][i];

		if (is_time(row)) {
			it = floor;
			floor = control->values[contender][i];
		}
		ratios[i] = floor > 0 ? it / floor : 0;
	}
	return spread_of(ratios, row->rounds);
}

static void print_contender(
    const struct bench_row *row, const struct control *control, unsigned i, FILE *json)
{
	unsigned against = floor_of(row, control);
	struct spread value = spread_of(control->values[i], row->rounds);
	struct spread ratio = ratio_of(row, control, i, against);

	printf("  %-28s %10.2f %-4s (%.2f .. %.2f)", row->contenders[i].name, value.median, row->unit,
	    value.p10, value.p90);
	if (i != against)
		printf("   x floor %.3f (%.3f .. %.3f)", ratio.median, ratio.p10, ratio.p90);
	if (control->lost[i])
		printf("   lost %llu of %llu", (unsigned long long)control->lost[i],
		    (unsigned long long)(control->lost[i] + control->moved[i]));
	putchar('\n');
	if (json)
		fprintf(json,
		    "%s{\"name\":\"%s\",\"value\":[%.4f,%.4f,%.4f],\"ratio\":[%.4f,%.4f,%.4f],"
		    "\"lost\":%llu,\"moved\":%llu}",
		    i ? "," : "", row->contenders[i].name, value.p10, value.median, value.p90,
		    ratio.p10, ratio.median, ratio.p90, (unsigned long long)control->lost[i],
		    (unsigned long long)control->moved[i]);
}

static void report(const struct bench_row *row, const struct control *control)
{
	const char *out = getenv("BENCH_OUT");
	char path[512];
	FILE *json = NULL;

	printf("%s: %s\n", row->name, row->question);
	if (out) {
		snprintf(path, sizeof path, "%s/%s.json", out, row->name);
		json = fopen(path, "w");
		if (!json)
			bench_die("cannot write %s: %s", path, strerror(errno));
		fprintf(json,
		    "{\"name\":\"%s\",\"unit\":\"%s\",\"question\":\"%s\",\"rounds\":%u,"
		    "\"burst_ms\":%u,\"floor\":%u,\"contenders\":[",
		    row->name, row->unit, row->question, row->rounds, row->burst_ms,
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

static unsigned from_environment(const char *name, unsigned fallback, unsigned limit)
{
	const char *text = getenv(name);
	unsigned long value = text ? strtoul(text, NULL, 10) : 0;

	return value ? (unsigned)(value < limit ? value : limit) : fallback;
}

void bench_options(struct bench_row *row)
{
	row->rounds = from_environment("BENCH_ROUNDS", row->rounds ? row->rounds : 40, BENCH_ROUNDS);
	row->burst_ms = from_environment("BENCH_BURST_MS", row->burst_ms ? row->burst_ms : 50, 1000);
}

int bench_main(struct bench_row *row)
{
	struct control *control = bench_shared_memory(sizeof *control);
	struct worker workers[2];
	int cores[2];
	unsigned limit_s;
	bool good;

	bench_options(row);
	cores_find(cores);
	if (row->memory_size)
		row->memory = bench_shared_memory(row->memory_size);
	for (unsigned i = 0; i < 2; i++)
		workers[i] = (struct worker){
		    .row = row, .control = control, .side = i, .core = cores[i]};
	/* Three times what it takes: others may use the cores too. */
	limit_s = START_LIMIT_S + row->rounds * contenders(row) * row->burst_ms * 3 / 1000;
	good = row->threads ? threads_run(workers, limit_s)
			    : processes_run(row, workers, limit_s);
	if (good)
		report(row, control);
	return good ? 0 : 1;
}
