/* SPDX-License-Identifier: BSD-2-Clause */
/* The table of rows, and what carries out orders at the far end. */
#include "pair.h"

#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#ifdef WITH_NETNS
#include "../e2e/netns.h"
#endif

#define ARRIVAL_MS 5000 /* how long a packet may take before it counts as lost */

/* ---- rows ---- */

static const struct row rows[] = {
    {"loop", "loop", "loop:t%u", NULL, PLACE_HERE, VIA_MEMORY},
    {"loop", "loop, two threads", "loop:t%u", NULL, PLACE_THREAD, VIA_MEMORY},
    {"pipe", "pipe, master to slave", "t%u{p", "t%u}p", PLACE_HERE, VIA_MEMORY},
    {"pipe", "pipe, slave to master", "t%u}p", "t%u{p", PLACE_HERE, VIA_MEMORY},
    {"pipe", "pipe, two threads", "pipe{t%u}", "pipe{t%u}", PLACE_THREAD, VIA_MEMORY},
    {"pipe", "pipe, two processes", "pipe{t%u}", "pipe{t%u}", PLACE_PROCESS, VIA_MEMORY},
    {"fault", "fault, before a pipe's sender", "fault:loss=0@t%u{p", "t%u}p", PLACE_HERE,
	VIA_MEMORY},
    {"fault", "fault, before a pipe's receiver", "t%u{p", "fault:loss=0@t%u}p", PLACE_HERE,
	VIA_MEMORY},
    {"fault", "fault, two threads", "fault:loss=0@pipe{t%u}", "fault:loss=0@pipe{t%u}",
	PLACE_THREAD, VIA_MEMORY},
    {"fault", "fault, two processes", "fault:loss=0@pipe{t%u}", "fault:loss=0@pipe{t%u}",
	PLACE_PROCESS, VIA_MEMORY},
    {"fault", "fault, before a loop", "fault:loss=0@loop:t%u", NULL, PLACE_HERE, VIA_MEMORY},
    {"pipe", "kernel's device, master to slave", "kernel:t%u{k", "kernel:t%u}k", PLACE_HERE,
	VIA_KERNEL},
    {"pipe", "kernel's device, slave to master", "kernel:t%u}k", "kernel:t%u{k", PLACE_HERE,
	VIA_KERNEL},
    {"pipe", "kernel's device, two threads", "kernel:t%u{k", "kernel:t%u}k", PLACE_THREAD,
	VIA_KERNEL},
    {"pipe", "kernel's device, two processes", "kernel:t%u{k", "kernel:t%u}k", PLACE_PROCESS,
	VIA_KERNEL},
#ifdef WITH_NETNS
    {"packet", "packet, over a cable", "packet:n%u", "packet:f%u", PLACE_HERE, VIA_CABLE},
    {"packet", "packet, two threads", "packet:n%u", "packet:f%u", PLACE_THREAD, VIA_CABLE},
    {"packet", "packet, behind fault ports", "fault:loss=0@packet:n%u", "fault:loss=0@packet:f%u",
	PLACE_THREAD, VIA_CABLE},
#ifdef WITH_XDP
    {"xdp", "xdp, over a cable", "xdp:n%u", "xdp:f%u", PLACE_HERE, VIA_CABLE},
    {"xdp", "xdp, two threads", "xdp:n%u", "xdp:f%u", PLACE_THREAD, VIA_CABLE},
#endif
#ifdef WITH_TAP
    {"tap", "tap, host's side through AF_PACKET", "tap:n%u", "packet:n%u", PLACE_HERE, VIA_HOST},
    {"tap", "tap, two threads", "tap:n%u", "packet:n%u", PLACE_THREAD, VIA_HOST},
#endif
#ifdef WITH_PCAP
    {"pcap", "pcap, over a cable", "pcap:n%u", "pcap:f%u", PLACE_HERE, VIA_CABLE},
    {"pcap", "pcap, two threads", "pcap:n%u", "pcap:f%u", PLACE_THREAD, VIA_CABLE},
#endif
#endif
};

/* Kinds that have tests of another form, and where. */
static const struct {
	const char *kind, *tested_in;
} elsewhere[] = {
    {"null", "test_null.c"},
    {"packet", "tests/e2e"},
    {"xdp", "tests/e2e"},
    {"pcap", "tests/e2e"},
    {"switch", "tests/switch"},
    {"tap", "tests/e2e"},
};

static bool is_known(const char *kind)
{
	for (size_t i = 0; i < COUNT(rows); i++)
		if (strcmp(rows[i].kind, kind) == 0)
			return true;
	for (size_t i = 0; i < COUNT(elsewhere); i++)
		if (strcmp(elsewhere[i].kind, kind) == 0)
			return true;
	return false;
}

static void every_port_kind_is_tested(void **state)
{
	static const char *const kinds[] = {
#define PORT_KIND(kind) #kind,
#include "soft/ports/ports.def"
#undef PORT_KIND
	};

	(void)state;
	for (size_t i = 0; i < COUNT(kinds); i++)
		if (!is_known(kinds[i]))
			fail_msg("the port kind \"%s\" has no row in pair.c", kinds[i]);
}

/* ---- the far end ---- */

struct order {
	far_order *call; /* NULL: close and leave */
	int64_t args[4];
};

struct mailbox {
	int near, far; /* a socket pair */
	pthread_t thread;
	pid_t child;
	struct pair *pair;
	const struct loom_config *config;
	char name[64];
};

static int end_open(struct end *end, const char *name, const struct loom_config *config)
{
	int err = loom_open(name, config, &end->port);

	if (!err && loom_tx_rings(end->port) > 0)
		err = loom_tx(end->port, 0, &end->tx);
	if (!err && loom_rx_rings(end->port) > 0)
		err = loom_rx(end->port, 0, &end->rx);
	return err;
}

static bool send_all(int fd, const void *data, size_t size)
{
	return send(fd, data, size, MSG_NOSIGNAL) == (ssize_t)size;
}

static bool receive_all(int fd, void *data, size_t size)
{
	return recv(fd, data, size, MSG_WAITALL) == (ssize_t)size;
}

static void far_open(struct mailbox *box, struct report *report)
{
	struct end *far = &box->pair->far;

	*report = (struct report){.value = 0};
	if (!box->pair->row->far)
		*far = box->pair->near;
	else if (end_open(far, box->name, box->config) != 0)
		snprintf(report->problem, sizeof report->problem, "%s", loom_error());
}

static void far_close(struct pair *pair)
{
	if (pair->row->far)
		loom_close(pair->far.port);
	pair->far.port = NULL;
}

/* The far end's life, in its thread or process: open when first told to, obey, close. */
static void far_live(struct mailbox *box)
{
	struct report report;
	struct order order;

	if (!receive_all(box->far, &order, sizeof order))
		return;
	far_open(box, &report);
	while (send_all(box->far, &report, sizeof report) &&
	       receive_all(box->far, &order, sizeof order) && order.call) {
		report = (struct report){.value = 0};
		order.call(&box->pair->far, order.args, &report);
	}
	far_close(box->pair);
}

static void *far_thread(void *arg)
{
	far_live(arg);
	return NULL;
}

static int far_child(void *arg)
{
	struct mailbox *box = arg;

	close(box->near);
	far_live(box);
	return 0;
}

static void mailbox_open(struct pair *pair, const struct loom_config *config)
{
	struct mailbox *box = calloc(1, sizeof *box);
	int fds[2];

	assert_non_null(box);
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
	box->near = fds[0];
	box->far = fds[1];
	box->pair = pair;
	box->config = config;
	pair->mailbox = box;
}

static void mailbox_close(struct pair *pair)
{
	struct mailbox *box = pair->mailbox;
	const struct order leave = {.call = NULL};

	if (!box)
		return;
	send_all(box->near, &leave, sizeof leave);
	if (pair->row->place == PLACE_THREAD)
		pthread_join(box->thread, NULL);
	close(box->near);
	if (box->far >= 0)
		close(box->far);
	if (pair->row->place == PLACE_PROCESS)
		child_wait(box->child);
	free(box);
	pair->mailbox = NULL;
}

/* A child is made before the near end is open, so that it inherits nothing of it. */
static void far_start(struct pair *pair)
{
	struct mailbox *box = pair->mailbox;

	if (pair->row->place == PLACE_PROCESS) {
		box->child = child_start(far_child, box);
		close(box->far);
		box->far = -1;
	}
}

static void far_enter(struct pair *pair)
{
	struct mailbox *box = pair->mailbox;
	const struct order begin = {.call = far_look};
	struct report report;

	if (pair->row->place == PLACE_HERE) {
		far_open(box, &report);
	} else {
		if (pair->row->place == PLACE_THREAD)
			assert_int_equal(pthread_create(&box->thread, NULL, far_thread, box), 0);
		assert_true(send_all(box->near, &begin, sizeof begin));
		assert_true(receive_all(box->near, &report, sizeof report));
	}
	if (report.problem[0])
		fail_msg("%s: %s", pair->row->label, report.problem);
}

/* ---- cables ---- */

#ifdef WITH_NETNS
static int cables_refused(void)
{
	int skip = netns_enter_with_cable("n0", "f0");

	if (!skip)
		netns_remove("n0");
	return skip;
}

static void cable_lay(unsigned number)
{
	char near[16], far[16];

	snprintf(near, sizeof near, "n%u", number);
	snprintf(far, sizeof far, "f%u", number);
	assert_int_equal(netns_cable(near, far), 0);
}

static void cable_remove(unsigned number)
{
	char near[16];

	snprintf(near, sizeof near, "n%u", number);
	netns_remove(near);
}
#else
static int cables_refused(void)
{
	puts("SKIP: this build has no network namespaces");
	return 77;
}

static void cable_lay(unsigned number)
{
	fail_msg("no cable %u in this build", number);
}

static void cable_remove(unsigned number)
{
	(void)number;
}
#endif

/* ---- pairs ---- */

static struct pair current; /* closed by the teardown when a test fails half-way */

struct pair *pair_open(const struct row *row, const struct loom_config *config)
{
	static unsigned number; /* a name of its own: what one test leaves is not the next one's */
	char name[64];

	number++;
	current = (struct pair){.row = row, .number = number};
	mailbox_open(&current, config);
	if (row->via == VIA_CABLE)
		cable_lay(number);
	/* Formats of the table above. NOLINTNEXTLINE(clang-diagnostic-format-nonliteral) */
	snprintf(name, sizeof name, row->near, number);
	if (row->far)
		/* NOLINTNEXTLINE(clang-diagnostic-format-nonliteral) */
		snprintf(current.mailbox->name, sizeof current.mailbox->name, row->far, number);
	far_start(&current);
	if (end_open(&current.near, name, config) != 0)
		fail_msg("%s: %s", name, loom_error());
	far_enter(&current);
	return &current;
}

void pair_close_far(struct pair *pair)
{
	if (pair->row->place == PLACE_HERE && pair->far.port)
		far_close(pair);
	mailbox_close(pair);
}

void pair_close(struct pair *pair)
{
	if (!pair->row)
		return;
	pair_close_far(pair);
	loom_close(pair->near.port);
	if (pair->row->via == VIA_CABLE)
		cable_remove(pair->number);
	*pair = (struct pair){.row = NULL};
}

void pair_far_begin(struct pair *pair, far_order *call, const int64_t args[4])
{
	struct order order = {.call = call};

	memcpy(order.args, args, sizeof order.args);
	assert_true(send_all(pair->mailbox->near, &order, sizeof order));
}

int64_t pair_far_end(struct pair *pair)
{
	struct mailbox *box = pair->mailbox;
	struct report report = {.value = 0};
	struct order order;

	if (pair->row->place == PLACE_HERE) {
		assert_true(receive_all(box->far, &order, sizeof order));
		order.call(&pair->far, order.args, &report);
	} else if (!receive_all(box->near, &report, sizeof report)) {
		fail_msg("%s: the far end died", pair->row->label);
	}
	if (report.problem[0])
		fail_msg("%s: at the far end: %s", pair->row->label, report.problem);
	return report.value;
}

int64_t pair_far(struct pair *pair, far_order *call, const int64_t args[4])
{
	pair_far_begin(pair, call, args);
	return pair_far_end(pair);
}

/* ---- orders ---- */

/* Takes the frames that are there now; -1 when one is not what was sent. */
static int64_t take_present(
    struct end *far, const int64_t *args, int64_t done, struct report *report)
{
	struct loom_frame frame;

	while (done < args[0] && loom_recv(&far->rx, &frame) == 1) {
		const uint32_t number = (uint32_t)(args[1] + done);

		if (!packet_is_ours(frame.data, frame.len))
			continue;
		if (frame.len != args[2] || !packet_is(frame.data, frame.len, number)) {
			snprintf(report->problem, sizeof report->problem,
			    "packet %u has %u bytes or is not what was sent", number, frame.len);
			return -1;
		}
		done++;
	}
	return done;
}

void far_take(struct end *far, const int64_t *args, struct report *report)
{
	const uint64_t deadline = now_ms() + ARRIVAL_MS;
	int64_t done = 0;

	do {
		if (loom_rx_space(&far->rx) == 0)
			loom_rx_sync(&far->rx);
		if (loom_rx_space(&far->rx) == 0)
			sched_yield(); /* the sender may need this core */
		done = take_present(far, args, done, report);
		if (done < 0)
			return;
	} while (done < args[0] && now_ms() < deadline);
	loom_rx_sync(&far->rx);
	report->value = done;
}

void far_look(struct end *far, const int64_t *args, struct report *report)
{
	(void)args;
	if (loom_rx_sync(&far->rx) != 0)
		snprintf(report->problem, sizeof report->problem, "sync: %s", loom_error());
	report->value = loom_rx_space(&far->rx);
}

void far_drain(struct end *far, const int64_t *args, struct report *report)
{
	struct loom_frame frame;

	(void)args;
	loom_rx_sync(&far->rx);
	while (loom_recv(&far->rx, &frame) == 1)
		report->value++;
	loom_rx_sync(&far->rx);
}

uint32_t near_send(struct pair *pair, uint32_t n, uint32_t first, uint32_t len)
{
	static uint8_t data[65536];
	uint32_t sent = 0;

	for (; sent < n; sent++) {
		packet_fill(data, len, first + sent);
		if (loom_send(&pair->near.tx, data, len) != 1)
			break;
	}
	return sent;
}

/* ---- running ---- */

static bool is_named(const char *word, int argc, char **argv)
{
	for (int i = 1; i < argc; i++)
		if (strcmp(argv[i], word) == 0)
			return true;
	return false;
}

/* Whether a row is wanted for which a namespace is needed. */
static bool wants_network(int argc, char **argv)
{
	return is_named("packet", argc, argv) || is_named("xdp", argc, argv) ||
	       is_named("tap", argc, argv) || is_named("pcap", argc, argv);
}

static bool is_wanted(const struct row *row, int argc, char **argv)
{
	static const char *const names[] = {"here", "thread", "process"};

	if (row_is_networked(row))
		return is_named(row->kind, argc, argv);
	if (row->via == VIA_KERNEL)
		return is_named("kernel", argc, argv);
	return argc <= 1 || is_named(names[row->place], argc, argv);
}

static int teardown(void **state)
{
	(void)state;
	pair_close(&current);
	return 0;
}

static bool is_impatient(const struct row *row)
{
	return strcmp(row->kind, "xdp") == 0 || strcmp(row->kind, "pcap") == 0;
}

static unsigned has(const struct row *row)
{
	return (row->far ? NEEDS_TWO_PORTS : 0) |
	       (row->place != PLACE_THREAD ? NEEDS_ONE_THREAD : 0) |
	       (row->place != PLACE_HERE ? NEEDS_CONCURRENCY : 0) |
	       (row_is_networked(row) ? 0 : NEEDS_MEMORY) |
	       (strcmp(row->kind, "fault") == 0 ? 0 : NEEDS_SLOTS) |
	       (row->via == VIA_KERNEL ? 0 : NEEDS_COUNTS) |
	       (row->via == VIA_KERNEL || strcmp(row->kind, "xdp") == 0 ? 0 : NEEDS_SIZES) |
	       (is_impatient(row) && row->place != PLACE_HERE ? 0 : NEEDS_PATIENCE);
}

static size_t add_rows(struct CMUnitTest *tests, const struct body *body, int argc, char **argv)
{
	static char names[512][96];
	static size_t used;
	size_t n = 0;

	for (size_t i = 0; i < COUNT(rows) && used < COUNT(names); i++) {
		if (!is_wanted(&rows[i], argc, argv) || (body->needs & ~has(&rows[i])))
			continue;
		snprintf(names[used], sizeof names[used], "%s (%s)", body->name, rows[i].label);
		tests[n++] = (struct CMUnitTest){
		    names[used++], body->run, NULL, teardown, (void *)(uintptr_t)&rows[i]};
	}
	return n;
}

int suite_run(const struct suite *suite, int argc, char **argv)
{
	size_t most = suite->num_bodies * COUNT(rows) + suite->num_plain + 1, n = 0;
	struct CMUnitTest *tests = calloc(most, sizeof *tests);
	int failed;

	if (!tests)
		return 1;
	if (wants_network(argc, argv) && (failed = cables_refused()) != 0) {
		free(tests);
		return failed;
	}
	scratch_directory();
	for (size_t i = 0; i < suite->num_bodies; i++)
		n += add_rows(tests + n, &suite->bodies[i], argc, argv);
	if (argc <= 1 || is_named("here", argc, argv)) {
		tests[n++] = (struct CMUnitTest)cmocka_unit_test(every_port_kind_is_tested);
		if (suite->num_plain)
			memcpy(tests + n, suite->plain, suite->num_plain * sizeof *tests);
		n += suite->num_plain;
	}
	failed = _cmocka_run_group_tests(suite->name, tests, n, NULL, NULL);
	free(tests);
	return failed;
}
