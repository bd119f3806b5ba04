/* SPDX-License-Identifier: BSD-2-Clause */
/* A switch whose ports are in several processes. */
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <unistd.h>

#include "station.h"

/* A child's port; it does what the test says, and then waits to be ended. */
struct task {
	const char *name;
	uint8_t address;
	unsigned frames;
	int ready[2], go[2]; /* pipes */
};

static void task_make(struct task *task, const char *name, uint8_t address, unsigned frames)
{
	*task = (struct task){.name = name, .address = address, .frames = frames};
	assert_int_equal(pipe(task->ready), 0);
	assert_int_equal(pipe(task->go), 0);
}

static void task_free(struct task *task)
{
	for (unsigned i = 0; i < 2; i++) {
		close(task->ready[i]);
		close(task->go[i]);
	}
}

static void tell(int fd)
{
	assert_int_equal(write(fd, "", 1), 1);
}

static void hear(int fd)
{
	struct pollfd news = {.fd = fd, .events = POLLIN};
	char byte;

	assert_int_equal(poll(&news, 1, 10000), 1);
	assert_int_equal(read(fd, &byte, 1), 1);
}

static bool task_open(struct task *task, struct station *station)
{
	station->address = task->address;
	if (loom_open(task->name, NULL, &station->port) != 0 ||
	    loom_tx(station->port, 0, &station->tx) != 0 ||
	    loom_rx(station->port, 0, &station->rx) != 0)
		return false;
	return write(task->ready[1], "", 1) == 1;
}

/* Take frames, asleep in between; the exit status says how many were whole. */
static int receive(void *arg)
{
	struct task *task = arg;
	struct station me;
	struct loom_frame got = {0};
	struct frame frame;
	unsigned good = 0;

	if (!task_open(task, &me))
		return -1;
	for (unsigned n = 0; n < task->frames;) {
		if (loom_port_wait(me.port, LOOM_RX, 10000) != LOOM_RX)
			return -2;
		for (; loom_recv(&me.rx, &got); n++)
			good += frame_read(got.data, got.len, &frame) && frame.number == n;
	}
	loom_close(me.port);
	return (int)good;
}

static int hold(void *arg)
{
	struct task *task = arg;
	struct station me;
	char byte;

	close(task->go[1]); /* so that it ends when the test does, whatever becomes of that */
	if (!task_open(task, &me))
		return -1;
	if (read(task->go[0], &byte, 1) != 1)
		return -2;
	loom_close(me.port);
	return 0;
}

/* ---- tests ---- */

static void frames_cross_processes_and_wake_who_sleeps(void **state)
{
	struct station a;
	struct task task;
	pid_t child;

	(void)state;
	station_open(&a, "vale0:a", 1, LOOM_CONFIG(.spin_us = LOOM_SPIN_NONE));
	task_make(&task, "vale0:b", 2, 100);
	child = child_start(receive, &task);
	hear(task.ready[0]);
	for (unsigned i = 0; i < task.frames; i++) {
		if (i % 4 == 0)
			usleep(2000);
		station_send(&a, BROADCAST, i, 60 + i * 14);
	}
	assert_int_equal(child_wait(child), task.frames);
	station_close(&a);
	assert_int_equal(scratch_files(), 0);
	task_free(&task);
}

static void port_of_another_process_is_busy(void **state)
{
	struct loom_port *port;
	struct task task;
	pid_t child;

	(void)state;
	scratch_directory();
	task_make(&task, "vale0:a", 1, 0);
	child = child_start(hold, &task);
	hear(task.ready[0]);
	assert_refused(loom_open("vale0:a", NULL, &port), -EBUSY, "another process");
	tell(task.go[1]);
	assert_int_equal(child_wait(child), 0);
	assert_ok(loom_open("vale0:a", NULL, &port));
	loom_close(port);
	assert_int_equal(scratch_files(), 0);
	task_free(&task);
}

static void port_opened_twice_in_a_process_is_one_port(void **state)
{
	struct station a, again, b;

	(void)state;
	station_open(&a, "vale0:a", 1, NULL);
	station_open(&again, "vale0:a", 1, NULL);
	station_open(&b, "vale0:b", 2, NULL);
	assert_ptr_equal(a.tx.ring, again.tx.ring);
	station_close(&a);
	station_send(&b, BROADCAST, 1, 60);
	station_expect(&again, 2, 1);
	station_close(&again);
	station_close(&b);
	assert_int_equal(scratch_files(), 0);
}

static void place_of_a_killed_port_is_free_again(void **state)
{
	struct station a, b;
	struct task task;
	pid_t child;

	(void)state;
	station_open(&a, "vale0:a", 1, NULL);
	task_make(&task, "vale0:b", 2, 0);
	child = child_start(hold, &task);
	hear(task.ready[0]);
	station_send(&a, BROADCAST, 1, 60); /* its memory is mapped here now */
	kill(child, SIGKILL);
	assert_int_equal(child_wait(child), -SIGKILL);
	station_open(&b, "vale0:b", 2, NULL);
	station_send(&a, BROADCAST, 2, 60);
	station_expect(&b, 1, 2);
	assert_int_equal(scratch_files(), FILES_OF(2));
	station_close(&a);
	station_close(&b);
	assert_int_equal(scratch_files(), 0);
	task_free(&task);
}

/* A child that inherits descriptors keeps their locks, though the port is closed. */
static void place_that_a_child_still_locks_is_passed_over(void **state)
{
	struct station a, b;
	struct task task;
	pid_t child;

	(void)state;
	station_open(&a, "vale0:a", 1, NULL);
	station_open(&b, "vale0:b", 2, NULL);
	task_make(&task, "vale1:c", 3, 0);
	child = child_start(hold, &task);
	hear(task.ready[0]);
	station_close(&a);
	station_open(&a, "vale0:a", 1, NULL);
	station_send(&a, BROADCAST, 1, 60);
	station_expect(&b, 1, 1);
	tell(task.go[1]);
	assert_int_equal(child_wait(child), 0);
	station_close(&a);
	station_close(&b);
	assert_int_equal(scratch_files(), 0);
	task_free(&task);
}

static void sender_notices_that_a_full_destination_is_dead(void **state)
{
	struct station a;
	struct task task;
	uint64_t deadline;
	pid_t child;

	(void)state;
	station_open(&a, "vale0:a", 1, NULL);
	task_make(&task, "vale0:b", 2, 0);
	child = child_start(hold, &task);
	hear(task.ready[0]);
	assert_int_equal(scratch_files(), FILES_OF(2));
	kill(child, SIGKILL);
	assert_int_equal(child_wait(child), -SIGKILL);
	for (deadline = now_ms() + 10000; scratch_files() == FILES_OF(2);) {
		assert_true(now_ms() < deadline);
		for (unsigned i = 0; i < 1000; i++)
			station_queue(&a, BROADCAST, i, 60);
		assert_ok(loom_tx_sync(&a.tx));
	}
	assert_int_equal(scratch_files(), FILES_OF(1));
	station_close(&a);
	assert_int_equal(scratch_files(), 0);
	task_free(&task);
}

static void descriptor_tells_of_frames_from_elsewhere(void **state)
{
	struct station a;
	struct task task;
	struct pollfd news = {.events = POLLIN};
	pid_t child;

	(void)state;
	station_open(&a, "vale0:a", 1, NULL);
	news.fd = loom_port_fd(a.port);
	assert_true(news.fd >= 0);
	assert_ok(loom_rx_sync(&a.rx));
	assert_int_equal(poll(&news, 1, 0), 0);
	task_make(&task, "vale0:b", 2, 0);
	child = child_start(hold, &task);
	hear(task.ready[0]);
	for (unsigned i = 0; i < 3; i++) {
		struct station sender;

		station_open(&sender, "vale0:c", 3, NULL);
		station_send(&sender, BROADCAST, i, 60);
		assert_int_equal(poll(&news, 1, 1000), 1);
		station_expect(&a, 3, i);
		assert_ok(loom_rx_sync(&a.rx));
		assert_int_equal(poll(&news, 1, 0), 0);
		station_close(&sender);
	}
	tell(task.go[1]);
	assert_int_equal(child_wait(child), 0);
	station_close(&a);
	assert_int_equal(scratch_files(), 0);
	task_free(&task);
}

static void a_switch_has_254_ports(void **state)
{
	static struct station at[254];
	const struct loom_config *config = LOOM_CONFIG(.tx_slots = 4, .rx_slots = 4);
	struct loom_port *port;
	unsigned descriptors;
	char name[32];

	(void)state;
	scratch_directory();
	descriptors = open_descriptors();
	for (unsigned i = 0; i < COUNT(at); i++) {
		snprintf(name, sizeof name, "vale0:p%u", i);
		station_open(&at[i], name, (uint8_t)i, config);
	}
	assert_refused(loom_open("vale0:more", config, &port), -ENOMEM, "254");
	station_send(&at[0], BROADCAST, 1, 60);
	for (unsigned i = 1; i < COUNT(at); i++) {
		station_expect(&at[i], 0, 1);
		station_check_buffers(&at[i]);
	}
	for (unsigned i = 0; i < COUNT(at); i++)
		station_close(&at[i]);
	assert_int_equal(open_descriptors(), descriptors);
	assert_int_equal(scratch_files(), 0);
}

static void names_that_are_none_are_refused(void **state)
{
	static const char *const names[] = {
	    "vale", "vale9", "vale-x:p", "vale9:averyveryverylongport"};
	struct loom_port *port;

	(void)state;
	scratch_directory();
	for (unsigned i = 0; i < COUNT(names); i++)
		assert_true(loom_open(names[i], NULL, &port) < 0);
	assert_int_equal(scratch_files(), 0);
}

static void shapes_are_those_asked_for(void **state)
{
	static const struct {
		struct loom_config config;
		uint32_t tx_rings, rx_rings, tx_slots, rx_slots;
	} rows[] = {
	    {{.size = sizeof(struct loom_config)}, 1, 1, 1024, 1024},
	    {{.size = sizeof(struct loom_config), .tx_slots = 512, .rx_slots = 512}, 1, 1, 512,
		512},
	    {{.size = sizeof(struct loom_config), .tx_slots = 100, .rx_slots = 100}, 1, 1, 100,
		100},
	    {{.size = sizeof(struct loom_config), .tx_rings = 4, .rx_rings = 1}, 4, 1, 1024, 1024},
	    {{.size = sizeof(struct loom_config), .tx_rings = 256, .rx_rings = 256}, 16, 16, 1024,
		1024},
	    {{.size = sizeof(struct loom_config), .tx_slots = 9999}, 1, 1, 4096, 4096},
	};
	struct loom_info info;
	struct loom_port *port;

	(void)state;
	scratch_directory();
	for (unsigned i = 0; i < COUNT(rows); i++) {
		assert_ok(loom_open("vale0:s", &rows[i].config, &port));
		assert_ok(loom_port_info(port, &info));
		assert_int_equal(info.tx_rings, rows[i].tx_rings);
		assert_int_equal(info.rx_rings, rows[i].rx_rings);
		assert_int_equal(info.tx_slots, rows[i].tx_slots);
		assert_int_equal(info.rx_slots, rows[i].rx_slots);
		assert_string_equal(info.kind, "switch");
		loom_close(port);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(frames_cross_processes_and_wake_who_sleeps),
	    cmocka_unit_test(port_of_another_process_is_busy),
	    cmocka_unit_test(port_opened_twice_in_a_process_is_one_port),
	    cmocka_unit_test(place_of_a_killed_port_is_free_again),
	    cmocka_unit_test(place_that_a_child_still_locks_is_passed_over),
	    cmocka_unit_test(sender_notices_that_a_full_destination_is_dead),
	    cmocka_unit_test(descriptor_tells_of_frames_from_elsewhere),
	    cmocka_unit_test(a_switch_has_254_ports),
	    cmocka_unit_test(names_that_are_none_are_refused),
	    cmocka_unit_test(shapes_are_those_asked_for),
	};

	return cmocka_run_group_tests_name("switch processes", tests, NULL, NULL);
}
