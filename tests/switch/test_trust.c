/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A process that writes nonsense into all that a switch's processes share. The others may lose packets and
 * wait a little; they do not crash, hang, or leave their own memory.
 */
#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "station.h"

#define FILES_MAX 8u
#define ROUNDS    5000u
#define PATIENCE_MS                                                                                \
	3000u /* for one call; a lock that is not given costs 20 ms, and there are a few */

struct target {
	uint8_t *at;
	size_t size; /* what is worth spoiling: tables, indexes, slots; not buffers */
};

struct spoiler {
	struct target targets[FILES_MAX];
	unsigned n;
};

static void spoiler_map(struct spoiler *spoiler, const char *path)
{
	struct target *target = &spoiler->targets[spoiler->n];
	struct stat st;
	int fd = open(path, O_RDWR | O_NOFOLLOW | O_NONBLOCK);

	if (fd < 0)
		return;
	if (fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && st.st_size > 0) {
		target->size = st.st_size < 40000 ? (size_t)st.st_size : 40000;
		target->at = mmap(NULL, target->size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
		spoiler->n += target->at != MAP_FAILED;
	}
	close(fd);
}

static void spoiler_open(struct spoiler *spoiler)
{
	DIR *dir = opendir(scratch_directory());
	const struct dirent *entry;
	char path[600];

	spoiler->n = 0;
	while (dir && (entry = readdir(dir)) && spoiler->n < FILES_MAX)
		if (snprintf(path, sizeof path, "%s/%s", scratch_directory(), entry->d_name) <
			(int)sizeof path &&
		    entry->d_name[0] != '.')
			spoiler_map(spoiler, path);
	if (dir)
		closedir(dir);
}

static void spoiler_close(struct spoiler *spoiler)
{
	while (spoiler->n > 0) {
		spoiler->n--;
		munmap(spoiler->targets[spoiler->n].at, spoiler->targets[spoiler->n].size);
	}
}

/* Small numbers are what indexes are made of, large ones what checks are for. */
static uint32_t nonsense(uint32_t *random)
{
	switch (random_next(random) % 4) {
	case 0:
		return random_next(random) % 2048;
	case 1:
		return UINT32_MAX - random_next(random) % 16;
	case 2:
		return 0;
	default:
		return random_next(random) << 8 ^ random_next(random);
	}
}

static int spoil(void *arg)
{
	const struct timespec pause = {.tv_nsec = 20000};
	struct spoiler spoiler;
	uint32_t random = *(const uint32_t *)arg;

	for (;;) {
		spoiler_open(&spoiler);
		for (unsigned i = 0; i < 2000 && spoiler.n > 0; i++) {
			const struct target *target =
			    &spoiler.targets[random_next(&random) % spoiler.n];
			size_t at = random_next(&random) % (target->size / 4) * 4;
			uint32_t value = nonsense(&random);

			memcpy(target->at + at, &value, sizeof value);
			if (i % 50 == 0)
				nanosleep(&pause, NULL);
		}
		spoiler_close(&spoiler);
	}
	return 0;
}

/* ---- those who go on ---- */

static void try_all(struct station *station, uint32_t number)
{
	struct loom_frame got = {0};
	uint8_t data[300] = {0};
	struct frame frame = {
	    .to = number % 3 ? 2 : BROADCAST, .from = station->address, .number = number};

	for (frame.len = 60; frame.len < sizeof data; frame.len += 20) {
		frame_write(data, &frame);
		loom_send(&station->tx, data, frame.len);
	}
	assert_ok(loom_tx_sync(&station->tx));
	assert_ok(loom_rx_sync(&station->rx));
	while (loom_recv(&station->rx, &got))
		__asm__ volatile("" : : "r"(got.data[got.len - (got.len > 0)]) : "memory");
	loom_port_wait(station->port, LOOM_RX, 0);
}

static void try_to_open(void)
{
	struct loom_port *port;

	if (loom_open("vale0:guest", NULL, &port) == 0)
		loom_close(port);
}

static void nonsense_in_shared_memory_stops_nobody(void **state)
{
	struct net net;
	uint32_t seed = 1;
	pid_t child;

	(void)state;
	for (unsigned round = 0; round < 3; round++, seed++) {
		net_open(&net, NULL);
		child = child_start(spoil, &seed);
		for (uint32_t i = 0; i < scaled(ROUNDS); i++) {
			uint64_t begin = now_ms();

			try_all(&net.at[i % STATIONS], i);
			if (i % 16 == 0)
				try_to_open();
			assert_true(now_ms() - begin < PATIENCE_MS);
		}
		kill(child, SIGKILL);
		assert_int_equal(child_wait(child), -SIGKILL);
		for (unsigned i = 0; i < STATIONS; i++)
			station_close(&net.at[i]);
		assert_int_equal(scratch_files(), 0);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(nonsense_in_shared_memory_stops_nobody)};

	return cmocka_run_group_tests_name("switch trust", tests, NULL, NULL);
}
