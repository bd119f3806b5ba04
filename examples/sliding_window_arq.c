/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A file through a link that loses, doubles, reorders and damages packets: two threads with one end of a pipe
 * each, a fault port on one of them, and the sliding-window protocol of arq.h at both. What arrives is
 * compared with what was sent.
 */
#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <pktloom.h>

#include "arq_link.h"

#define PAYLOAD 1440u

struct bytes {
	uint8_t *data;
	size_t len;
};

struct end {
	const char *who, *port;
	struct arq_config config;
	struct bytes to_send, expected;
	size_t sent, received;
	uint64_t took_ns;
	struct arq_stats stats;
	struct loom_stats tx, rx;
};

/* ---- what is sent ---- */

/* From a file, or without one (-1) zeroes that can be written. */
static struct bytes bytes_map(size_t len, int fd)
{
	int prot = fd < 0 ? PROT_READ | PROT_WRITE : PROT_READ;
	int flags = fd < 0 ? MAP_PRIVATE | MAP_ANONYMOUS : MAP_SHARED;
	struct bytes bytes = {.len = len};

	if (len > 0)
		bytes.data = mmap(NULL, len, prot, flags, fd, 0);
	if (bytes.data == MAP_FAILED)
		err(1, "no memory for %zu bytes", len);
	return bytes;
}

static void bytes_unmap(struct bytes bytes)
{
	if (bytes.len > 0)
		munmap(bytes.data, bytes.len);
}

static struct bytes file_map(const char *path)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	struct bytes file;
	struct stat status;

	if (fd < 0 || fstat(fd, &status) < 0)
		err(1, "%s", path);
	if (!S_ISREG(status.st_mode))
		errx(1, "%s: only a regular file can be sent", path);
	file = bytes_map((size_t)status.st_size, fd);
	close(fd);
	return file;
}

static struct bytes generate(size_t len, uint64_t number)
{
	struct bytes bytes = bytes_map(len, -1);

	if (len > 0)
		payload_fill(bytes.data, len, number);
	return bytes;
}

/* ---- one end ---- */

static void give(struct end *end, struct arq *arq)
{
	while (end->sent < end->to_send.len) {
		size_t left = end->to_send.len - end->sent;
		size_t len = left < PAYLOAD ? left : PAYLOAD;

		if (arq_send(arq, end->to_send.data + end->sent, len) == 0)
			return;
		end->sent += len;
	}
	arq_finish(arq); /* this direction only: the other one goes on */
}

static void take(struct end *end, struct arq *arq)
{
	const uint8_t *data;
	size_t len;

	for (; arq_recv(arq, &data, &len) == 1; end->received += len)
		if (len > end->expected.len - end->received ||
		    memcmp(data, end->expected.data + end->received, len) != 0)
			errx(1,
			    "%s: something else than was sent, within %zu bytes behind byte %zu",
			    end->who, len, end->received);
}

static void *drive(void *arg)
{
	struct end *end = arg;
	struct arq_link link = arq_link_open(end->port, &end->config);
	uint64_t start = now_ns();

	while (!arq_is_over(link.arq)) {
		unsigned moved = arq_link_input(&link);

		if (arq_error(link.arq) < 0)
			errx(1, "%s: the other end is silent", end->who);
		take(end, link.arq);
		if (arq_has_ended(link.arq) && end->took_ns == 0)
			end->took_ns = now_ns() - start;
		give(end, link.arq);
		moved += arq_link_output(&link);
		if (moved == 0)
			arq_link_wait(&link);
	}
	if (end->received != end->expected.len)
		errx(1, "%s: %zu bytes of %zu", end->who, end->received, end->expected.len);
	end->stats = arq_stats(link.arq);
	loom_port_stats(link.port, &end->tx, &end->rx);
	arq_link_close(&link);
	return NULL;
}

/* ---- both ---- */

static void print_end(const struct end *end)
{
	const struct arq_stats *s = &end->stats;

	if (end->expected.len)
		print_rate(end->who, s->received, end->received, end->took_ns);
	printf("%s: sent %" PRIu64 " packets, %" PRIu64 " again (%.1f %%), %" PRIu64
	       " timeouts, %" PRIu64 " acknowledgements; round trip %.0f us, timer %.0f us\n",
	    end->who, s->sent, s->resent,
	    100.0 * (double)s->resent / (double)(s->sent ? s->sent : 1), s->timeouts, s->acks,
	    (double)s->rtt_ns / 1000, (double)s->rto_ns / 1000);
	printf("%s: received %" PRIu64 " packets, %" PRIu64 " more were there already, %" PRIu64
	       " damaged\n",
	    end->who, s->received, s->again, s->damaged);
}

static void print_faults(const struct end *end)
{
	printf("faults:");
	for (int i = 0; i < LOOM_FAULTS; i++)
		printf(" %s %" PRIu64, loom_fault_name((enum loom_fault)i),
		    end->tx.faults[i] + end->rx.faults[i]);
	putchar('\n');
}

struct plan {
	const char *file, *faults;
	uint64_t megabytes, first, window;
	bool both;
};

static void plan_read(struct plan *plan, int argc, char **argv)
{
	const struct arg args[] = {
	    {"megabytes", "million bytes to send, if it is no file", .number = &plan->megabytes,
		.max = 10000},
	    {"file", "what to send instead", .text = &plan->file},
	    {"both", "send it in both directions at the same time", .flag = &plan->both},
	    {"faults", "what the link does (see fault: in docs/names.md)", .text = &plan->faults},
	    {"first", "number of the first packet: 4294967290 wraps soon", .number = &plan->first,
		.max = UINT32_MAX},
	    {"window", "packets under way, a power of two", .number = &plan->window, .min = 64,
		.max = 4096},
	    {0},
	};

	args_parse(argc, argv,
	    "Sends a file, or so many bytes, through a bad link, whole and in order.", args);
	if (plan->window & (plan->window - 1))
		args_wrong(argv[0], "--window is %" PRIu64 ", no power of two", plan->window);
}

int main(int argc, char **argv)
{
	struct plan plan = {
	    .faults = "loss=20,dup=1,reorder=5,corrupt=1", .megabytes = 100, .window = 2048};
	struct end ends[2] = {{.who = "near end"}, {.who = "far end"}};
	struct bytes bytes;
	char bad[128], good[32];
	pthread_t far;

	plan_read(&plan, argc, argv);
	snprintf(good, sizeof good, "pipe{arq-%ld}", (long)getpid());
	snprintf(bad, sizeof bad, "fault:%s@%s", plan.faults, good);
	bytes = plan.file ? file_map(plan.file) : generate(plan.megabytes * 1000000, 1);
	ends[0].to_send = ends[1].expected = bytes;
	if (plan.both)
		ends[1].to_send = ends[0].expected = bytes;
	for (int i = 0; i < 2; i++) {
		ends[i].port = i == 0 ? bad : good;
		ends[i].config = (struct arq_config){.first = (uint32_t)plan.first,
		    .window = (uint32_t)plan.window,
		    .most = PAYLOAD};
	}
	if (pthread_create(&far, NULL, drive, &ends[1]) != 0)
		errx(1, "cannot start a thread");
	drive(&ends[0]);
	pthread_join(far, NULL);
	for (int i = 0; i < 2; i++)
		print_end(&ends[i]);
	print_faults(&ends[0]);
	puts("everything arrived bit for bit");
	bytes_unmap(bytes);
	return 0;
}
