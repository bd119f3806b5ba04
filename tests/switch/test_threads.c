/* SPDX-License-Identifier: BSD-2-Clause */
/* Many senders to one port, in threads and in processes; ports that come and go under traffic. */
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "station.h"

#define SENDERS 8u
#define SINK    1u

struct sender {
	unsigned index;
	unsigned frames;
	const bool *stop; /* NULL: until all frames are sent */
};

static int send_all(const struct sender *sender)
{
	const uint8_t address = (uint8_t)(2 + sender->index);
	struct station me = {.address = address};
	uint32_t random = sender->index;
	uint8_t data[1500];
	char name[32];

	snprintf(name, sizeof name, "vale0:s%u", sender->index);
	if (loom_open(name, NULL, &me.port) != 0 || loom_tx(me.port, 0, &me.tx) != 0)
		return 1;
	for (unsigned i = 0; i < sender->frames;) {
		for (unsigned n = random_next(&random) % 64; n > 0 && i < sender->frames;
		     n--, i++) {
			struct frame frame = {.to = SINK,
			    .from = address,
			    .number = i,
			    .len = 60 + random_next(&random) % 1440};

			frame_write(data, &frame);
			if (loom_send(&me.tx, data, frame.len) != 1)
				return 2;
		}
		if (loom_tx_sync(&me.tx) != 0)
			return 3;
		sched_yield();
	}
	loom_close(me.port);
	return 0;
}

static void *sender_thread(void *arg)
{
	return (void *)(intptr_t)send_all(arg);
}

static int sender_process(void *arg)
{
	return send_all(arg);
}

/* What came from whom; each sender's frames must come in order. */
struct account {
	uint64_t received;
	uint32_t next[SENDERS];
};

static void take(struct station *sink, struct account *account)
{
	struct loom_frame got = {0};
	struct frame frame;

	assert_ok(loom_rx_sync(&sink->rx));
	for (; loom_recv(&sink->rx, &got); account->received++) {
		assert_true(frame_read(got.data, got.len, &frame));
		assert_in_range(frame.from, 2, 1 + SENDERS);
		assert_true(frame.number >= account->next[frame.from - 2]);
		account->next[frame.from - 2] = frame.number + 1;
	}
}

static void check_account(const struct station *sink, const struct account *account, uint64_t sent)
{
	uint64_t dropped = station_drops(sink, false, LOOM_DROP_NO_ROOM);

	assert_int_equal(account->received + dropped, sent);
	assert_true(account->received > 0);
}

static void threads_send_to_one_port(void **state)
{
	struct sender senders[SENDERS];
	pthread_t threads[SENDERS];
	struct account account = {0};
	struct station sink;
	const unsigned frames = scaled(50000);

	(void)state;
	station_open(&sink, "vale0:sink", SINK, NULL);
	station_announce(&sink, NULL, 0);
	for (unsigned i = 0; i < SENDERS; i++) {
		senders[i] = (struct sender){.index = i, .frames = frames};
		assert_int_equal(pthread_create(&threads[i], NULL, sender_thread, &senders[i]), 0);
	}
	for (unsigned i = 0; i < SENDERS; i++) {
		void *result;

		while (pthread_tryjoin_np(threads[i], &result) != 0)
			take(&sink, &account);
		assert_null(result);
	}
	take(&sink, &account);
	take(&sink, &account);
	check_account(&sink, &account, (uint64_t)frames * SENDERS);
	station_check_buffers(&sink);
	station_close(&sink);
	assert_int_equal(scratch_files(), 0);
}

static void processes_send_to_one_port(void **state)
{
	struct sender senders[SENDERS];
	pid_t children[SENDERS];
	struct account account = {0};
	struct station sink;
	const unsigned frames = scaled(50000);

	(void)state;
	station_open(&sink, "vale0:sink", SINK, NULL);
	station_announce(&sink, NULL, 0);
	for (unsigned i = 0; i < SENDERS; i++) {
		senders[i] = (struct sender){.index = i, .frames = frames};
		children[i] = child_start(sender_process, &senders[i]);
	}
	for (unsigned i = 0; i < SENDERS; i++) {
		int status;

		while (waitpid(children[i], &status, WNOHANG) == 0)
			take(&sink, &account);
		assert_int_equal(status, 0);
	}
	take(&sink, &account);
	take(&sink, &account);
	check_account(&sink, &account, (uint64_t)frames * SENDERS);
	station_close(&sink);
	assert_int_equal(scratch_files(), 0);
}

/* ---- ports that come and go ---- */

static void *flood_until_told(void *arg)
{
	const struct sender *sender = arg;
	struct station me = {.address = (uint8_t)(2 + sender->index)};
	uint8_t data[200];
	char name[32];

	snprintf(name, sizeof name, "vale0:s%u", sender->index);
	if (loom_open(name, NULL, &me.port) != 0 || loom_tx(me.port, 0, &me.tx) != 0)
		return (void *)1;
	for (uint32_t i = 0; !__atomic_load_n(sender->stop, __ATOMIC_RELAXED); i++) {
		struct frame frame = {
		    .to = BROADCAST, .from = me.address, .number = i, .len = sizeof data};

		frame_write(data, &frame);
		if (loom_send(&me.tx, data, frame.len) != 1 || loom_tx_sync(&me.tx) != 0)
			return (void *)2;
		if (i % 16 == 0)
			sched_yield();
	}
	loom_close(me.port);
	return NULL;
}

static void ports_come_and_go_while_others_send(void **state)
{
	struct sender senders[2];
	pthread_t threads[2];
	bool stop = false;

	(void)state;
	scratch_directory();
	for (unsigned i = 0; i < 2; i++) {
		senders[i] = (struct sender){.index = i, .stop = &stop};
		assert_int_equal(
		    pthread_create(&threads[i], NULL, flood_until_told, &senders[i]), 0);
	}
	for (unsigned i = 0; i < scaled(1000); i++) {
		struct station guest;
		struct account account = {0};
		const uint64_t deadline = now_ms() + 10000;

		station_open(
		    &guest, "vale0:guest", 40, LOOM_CONFIG(.rx_slots = 64, .tx_slots = 64));
		while (account.received == 0) {
			take(&guest, &account);
			assert_true(now_ms() < deadline);
		}
		station_check_buffers(&guest);
		station_close(&guest);
	}
	__atomic_store_n(&stop, true, __ATOMIC_RELAXED);
	for (unsigned i = 0; i < 2; i++) {
		void *result;

		pthread_join(threads[i], &result);
		assert_null(result);
	}
	assert_int_equal(scratch_files(), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(threads_send_to_one_port),
	    cmocka_unit_test(processes_send_to_one_port),
	    cmocka_unit_test(ports_come_and_go_while_others_send),
	};

	return cmocka_run_group_tests_name("switch threads", tests, NULL, NULL);
}
