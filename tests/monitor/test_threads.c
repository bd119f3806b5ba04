/* SPDX-License-Identifier: BSD-2-Clause */
/* A sender, a receiver and their monitors in threads of their own; monitors that come and go. */
#include "scene.h"

#include <pthread.h>
#include <sched.h>

#define BATCH 64u

struct traffic {
	struct scene *scene;
	unsigned packets; /* 0: until it is told to stop */
	bool stop;
	unsigned sent, received;
	bool wrong; /* a packet came that is not the next one */
	pthread_t sender, receiver;
};

static void number_write(struct loom_frame *frame, uint32_t number)
{
	packet_fill(frame->data, PACKET_HEADER, 0);
	memcpy((uint8_t *)frame->data + PACKET_HEADER, &number, sizeof number);
	frame->len = 60;
	frame->flags = 0;
}

static uint32_t number_read(const struct loom_frame *frame)
{
	uint32_t number;

	memcpy(&number, (const uint8_t *)frame->data + PACKET_HEADER, sizeof number);
	return frame->len == 60 ? number : UINT32_MAX;
}

static bool is_over(const struct traffic *traffic)
{
	return __atomic_load_n(&traffic->stop, __ATOMIC_RELAXED);
}

static void *send_all(void *arg)
{
	struct traffic *traffic = arg;
	const struct loom_txring *tx = &traffic->scene->tx;
	struct loom_frame frames[BATCH];

	while (!is_over(traffic) && (traffic->packets == 0 || traffic->sent < traffic->packets)) {
		unsigned left = traffic->packets ? traffic->packets - traffic->sent : BATCH;
		unsigned n = loom_reserve(tx, frames, left < BATCH ? left : BATCH);

		for (unsigned i = 0; i < n; i++)
			number_write(&frames[i], traffic->sent + i);
		if (loom_commit(tx, frames, n) != 0 || loom_tx_sync(tx) != 0)
			return arg;
		traffic->sent += n;
		if (n == 0)
			sched_yield();
	}
	return NULL;
}

/* Lossless kinds lose nothing for being watched. */
static void *receive_all(void *arg)
{
	struct traffic *traffic = arg;
	const struct loom_rxring *rx = &traffic->scene->rx;
	struct loom_frame frame = {0};

	while (
	    !is_over(traffic) && (traffic->packets == 0 || traffic->received < traffic->packets)) {
		if (loom_rx_sync(rx) != 0)
			return arg;
		if (!loom_recv(rx, &frame)) {
			sched_yield();
			continue;
		}
		do
			traffic->wrong |= number_read(&frame) != traffic->received++;
		while (loom_recv(rx, &frame));
	}
	loom_rx_sync(rx);
	return NULL;
}

static void traffic_start(struct traffic *traffic)
{
	assert_int_equal(pthread_create(&traffic->sender, NULL, send_all, traffic), 0);
	if (traffic->scene->receiver)
		assert_int_equal(pthread_create(&traffic->receiver, NULL, receive_all, traffic), 0);
}

static void traffic_join(struct traffic *traffic)
{
	void *failed = NULL;

	pthread_join(traffic->sender, &failed);
	assert_null(failed);
	if (!traffic->scene->receiver)
		return;
	pthread_join(traffic->receiver, &failed);
	assert_null(failed);
}

/* What a monitor of one direction sees comes in order; gaps are counted drops. */
struct account {
	struct monitor monitor;
	uint32_t next;
	uint64_t seen;
};

static void account_take(struct account *account)
{
	struct loom_frame frame = {0};

	assert_ok(loom_rx_sync(&account->monitor.rx));
	for (; loom_recv(&account->monitor.rx, &frame); account->seen++) {
		uint32_t number = number_read(&frame);

		assert_true(number >= account->next);
		account->next = number + 1;
	}
}

static uint64_t all_drops(const struct account *account)
{
	return monitor_drops(&account->monitor, LOOM_DROP_NO_ROOM);
}

static void every_packet_is_seen_or_counted(void **state)
{
	struct traffic traffic = {.scene = *state, .packets = scaled(200000)};
	struct account sent = {0}, received = {0};
	const uint64_t deadline = now_ms() + 60000;
	const struct scene *scene = traffic.scene;

	monitor_open(&sent.monitor, scene->way->sender, "t", NULL);
	if (scene->receiver)
		monitor_open(&received.monitor, scene->way->receiver, "r", NULL);
	traffic_start(&traffic);
	while (sent.seen + all_drops(&sent) < traffic.packets ||
	       (scene->receiver && received.seen + all_drops(&received) < traffic.packets)) {
		account_take(&sent);
		if (scene->receiver)
			account_take(&received);
		assert_true(now_ms() < deadline);
	}
	traffic_join(&traffic);
	assert_int_equal(traffic.sent, traffic.packets);
	assert_false(traffic.wrong);
	if (scene->receiver)
		assert_int_equal(traffic.received, traffic.packets);
	assert_true(sent.seen > 0);
	monitor_close(&sent.monitor);
	if (scene->receiver)
		monitor_close(&received.monitor);
}

/* Both directions of one port into one ring: two threads fill it. */
static void two_threads_show_to_one_monitor(void **state)
{
	struct traffic traffic = {.scene = *state, .packets = scaled(200000)};
	const struct scene *scene = traffic.scene;
	const uint64_t deadline = now_ms() + 60000;
	struct monitor monitor;
	uint32_t next[2] = {0};
	uint64_t seen = 0;

	monitor_open(&monitor, scene->way->sender, "rt", LOOM_CONFIG(.rx_slots = 4096));
	traffic_start(&traffic);
	while (seen + monitor_drops(&monitor, LOOM_DROP_NO_ROOM) < 2 * (uint64_t)traffic.packets) {
		struct loom_frame frame = {0};

		assert_ok(loom_rx_sync(&monitor.rx));
		for (; loom_recv(&monitor.rx, &frame); seen++) {
			uint32_t *expected = &next[frame.flags & NS_TXMON ? 0 : 1];

			assert_true(number_read(&frame) >= *expected);
			*expected = number_read(&frame) + 1;
		}
		assert_true(now_ms() < deadline);
	}
	traffic_join(&traffic);
	assert_false(traffic.wrong);
	assert_true(seen > 0);
	monitor_close(&monitor);
}

static void monitors_come_and_go_under_traffic(void **state)
{
	static const char *const flags[] = {"rt", "t", "r", "zrt", "zt"};
	struct traffic traffic = {.scene = *state};
	const struct scene *scene = traffic.scene;

	traffic_start(&traffic);
	for (unsigned i = 0; i < scaled(500); i++) {
		const uint64_t deadline = now_ms() + PATIENCE_MS;
		struct account accounts[2] = {0};

		for (unsigned k = 0; k < 2; k++)
			monitor_open(&accounts[k].monitor,
			    i % 2 && scene->receiver ? scene->way->receiver : scene->way->sender,
			    flags[(i + k) % COUNT(flags)], LOOM_CONFIG(.rx_slots = 64));
		/* Once round all flags and both ports, the first one sees both directions of the sender. */
		while (i % 10 == 0 && accounts[0].seen == 0) {
			struct loom_frame frame = {0};

			assert_ok(loom_rx_sync(&accounts[0].monitor.rx));
			while (loom_recv(&accounts[0].monitor.rx, &frame))
				accounts[0].seen++;
			assert_true(now_ms() < deadline);
		}
		monitor_close(&accounts[0].monitor);
		monitor_close(&accounts[1].monitor);
	}
	__atomic_store_n(&traffic.stop, true, __ATOMIC_RELAXED);
	traffic_join(&traffic);
	assert_true(traffic.sent > 0);
	if (!scene->way->lossy)
		assert_false(traffic.wrong);
}

int main(void)
{
	static const struct scene_test threads[] = {
	    SCENE_TEST(every_packet_is_seen_or_counted, SCENE_LOSSLESS),
	    SCENE_TEST(two_threads_show_to_one_monitor, SCENE_ONE_PORT),
	    SCENE_TEST(monitors_come_and_go_under_traffic, SCENE_ANY),
	};

	return SCENE_TESTS(threads);
}
