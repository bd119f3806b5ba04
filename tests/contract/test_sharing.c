/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Ports that share a region: packets go from one to another by swapping buffers, in one process or several;
 * whoever is killed in there harms nobody, and its buffers come back.
 */
#include "support.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "soft/pool.h"
#include "soft/region.h"

#define LEN 60u

struct end {
	struct loom_port *port;
	struct loom_txring tx;
	struct loom_rxring rx;
};

static bool end_try(struct end *end, const char *name, const struct loom_config *config)
{
	return loom_open(name, config, &end->port) == 0 && loom_tx(end->port, 0, &end->tx) == 0 &&
	       loom_rx(end->port, 0, &end->rx) == 0;
}

static void end_open(struct end *end, const char *name)
{
	if (!end_try(end, name, LOOM_CONFIG(.tx_slots = 16)))
		fail_msg("%s: %s", name, loom_error());
}

static uint32_t region_id(const struct end *end)
{
	struct loom_info info;

	assert_ok(loom_port_info(end->port, &info));
	return info.region;
}

static struct region *region_of(const struct end *end)
{
	struct region *region = region_mapped(region_id(end));

	assert_non_null(region);
	return region;
}

static void send_one(struct end *end, uint32_t number)
{
	uint8_t data[LEN];

	packet_fill(data, LEN, number);
	assert_int_equal(loom_send(&end->tx, data, LEN), 1);
	assert_ok(loom_tx_sync(&end->tx));
}

/* The buffer that holds the next packet to be received. */
static uint32_t buffer_at_head(struct end *end)
{
	assert_ok(loom_rx_sync(&end->rx));
	assert_true(loom_rx_space(&end->rx) > 0);
	return end->rx.ring->slot[end->rx.ring->head].buf_idx;
}

static void expect_one(struct end *end, uint32_t number)
{
	struct loom_frame frame = {.len = 0};

	assert_ok(loom_rx_sync(&end->rx));
	assert_int_equal(loom_recv(&end->rx, &frame), 1);
	assert_int_equal(frame.len, LEN);
	assert_true(packet_is(frame.data, frame.len, number));
	assert_ok(loom_rx_sync(&end->rx));
}

/* A packet that arrived at `from` goes on to `to`, and arrives at `at` in the very same buffer. */
static void passes_without_a_copy(struct end *from, struct end *to, struct end *at, uint32_t number)
{
	uint32_t buffer = buffer_at_head(from);

	assert_int_equal(loom_forward_how(&from->rx, &to->tx), LOOM_FORWARD_SWAP);
	assert_ok(loom_tx_sync(&to->tx));
	assert_int_equal(loom_forward(&from->rx, &to->tx, 1), 1);
	assert_ok(loom_tx_sync(&to->tx));
	assert_ok(loom_rx_sync(&from->rx));
	assert_int_equal(buffer_at_head(at), buffer);
	expect_one(at, number);
}

/* ---- in one process ---- */

static void pipes_of_one_parent_swap(void **state)
{
	struct end a, b, c, d;

	(void)state;
	end_open(&a, "x{1");
	end_open(&b, "x}1");
	end_open(&c, "x{2");
	end_open(&d, "x}2");
	assert_int_equal(region_id(&a), region_id(&d));
	for (uint32_t i = 0; i < 100; i++) {
		send_one(&a, i);
		passes_without_a_copy(&b, &c, &d, i);
		assert_ok(loom_tx_sync(&a.tx));
	}
	loom_close(a.port);
	loom_close(b.port);
	loom_close(c.port);
	loom_close(d.port);
	assert_int_equal(scratch_files(), 0);
}

static void pipes_of_different_parents_copy(void **state)
{
	struct end a, b;

	(void)state;
	end_open(&a, "x{1");
	end_open(&b, "y{1");
	assert_int_not_equal(region_id(&a), region_id(&b));
	assert_int_equal(loom_forward_how(&a.rx, &b.tx), LOOM_FORWARD_COPY);
	loom_close(a.port);
	loom_close(b.port);
	assert_int_equal(scratch_files(), 0);
}

static void a_switch_port_and_its_pipes_swap(void **state)
{
	struct end other, port, master, slave;

	(void)state;
	end_open(&other, "vale0:q");
	end_open(&port, "vale0:p");
	end_open(&master, "vale0:p{1");
	end_open(&slave, "vale0:p}1");
	assert_int_equal(region_id(&port), region_id(&master));
	assert_int_equal(region_id(&port), region_id(&slave));
	assert_int_not_equal(region_id(&port), region_id(&other));
	for (uint32_t i = 0; i < 100; i++) {
		send_one(&other, i);
		passes_without_a_copy(&port, &master, &slave, i);
		send_one(&slave, i);
		assert_ok(loom_rx_sync(&master.rx));
		assert_int_equal(loom_forward_how(&master.rx, &port.tx), LOOM_FORWARD_SWAP);
		assert_int_equal(loom_forward(&master.rx, &port.tx, 1), 1);
		assert_ok(loom_tx_sync(&port.tx));
		assert_ok(loom_rx_sync(&master.rx));
		expect_one(&other, i);
	}
	loom_close(port.port); /* its pipes go on */
	send_one(&master, 7);
	expect_one(&slave, 7);
	loom_close(master.port);
	loom_close(slave.port);
	loom_close(other.port);
	assert_int_equal(scratch_files(), 0);
}

static void extra_buffers_are_different_ones_and_go_back(void **state)
{
	struct end holder, a, b;
	bool seen[1u << 20] = {false};
	struct region *region;
	uint32_t before;

	(void)state;
	end_open(&holder, "x{0");
	region = region_of(&holder);
	before = region_buffers_free(region);
	assert_true(end_try(&a, "x{1", LOOM_CONFIG(.tx_slots = 16, .extra_buffers = 40)));
	assert_true(end_try(&b, "x}1", LOOM_CONFIG(.tx_slots = 16, .extra_buffers = 50)));
	assert_int_equal(region_buffers_free(region), before - 32 - 90);
	for (unsigned i = 0; i < 2; i++) {
		uint32_t n = 0, at = loom_port_netmap_if(i ? b.port : a.port)->ni_bufs_head;

		for (; at != 0; n++) {
			assert_true(at < region->num_bufs && !seen[at]);
			seen[at] = true;
			memcpy(&at, region_buffer(region, at), sizeof at);
		}
		assert_int_equal(n, i ? 50 : 40);
	}
	loom_close(a.port);
	loom_close(b.port);
	assert_int_equal(region_buffers_free(region), before);
	loom_close(holder.port);
	assert_int_equal(scratch_files(), 0);
}

/* ---- asked for by id ---- */

static void a_pipe_goes_where_it_is_told(void **state)
{
	struct end a, b, c;
	char name[32];

	(void)state;
	end_open(&a, "x{1");
	snprintf(name, sizeof name, "y{1@%u", region_id(&a));
	end_open(&b, name);
	end_open(&c, "y}1");
	assert_int_equal(region_id(&b), region_id(&a));
	assert_int_equal(region_id(&c), region_id(&a));
	assert_int_equal(loom_forward_how(&a.rx, &b.tx), LOOM_FORWARD_SWAP);
	send_one(&b, 1);
	expect_one(&c, 1);
	loom_close(a.port);
	loom_close(b.port);
	loom_close(c.port);
	assert_int_equal(scratch_files(), 0);
}

static void a_name_may_say_whose_memory(void **state)
{
	struct end a, b, c, d;

	(void)state;
	end_open(&a, "x{1");
	end_open(&b, "x}1");
	end_open(&c, "y{1@share=x{1");
	end_open(&d, "y}1");
	assert_int_equal(region_id(&a), region_id(&c));
	assert_int_equal(region_id(&c), region_id(&d));
	send_one(&a, 7);
	passes_without_a_copy(&b, &c, &d, 7);
	loom_close(a.port);
	loom_close(b.port);
	loom_close(c.port);
	loom_close(d.port);
	assert_int_equal(scratch_files(), 0);
}

/* The file outlives the ports: what was sent is still in it. */
static void a_name_may_say_which_file_is_the_memory(void **state)
{
	const char *directory = scratch_subdirectory("memory", 0700);
	char file[200], name[2][256], sent[LEN], found[LEN];
	struct end a, b;
	off_t at = 0;
	int fd;

	(void)state;
	snprintf(file, sizeof file, "%s/file", directory);
	fd = open(file, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	assert_true(fd >= 0);
	assert_int_equal(ftruncate(fd, 64 << 20), 0);
	snprintf(name[0], sizeof name[0], "x{1@extmem:file=%s,buf-num=8192", file);
	snprintf(name[1], sizeof name[1], "x}1@extmem:file=%s", file);
	end_open(&a, name[0]);
	end_open(&b, name[1]);
	assert_int_equal(region_id(&a), region_id(&b));
	at = (off_t)(a.tx.buffers - region_of(&a)->base) +
	     (off_t)(a.tx.ring->slot[0].buf_idx - REGION_FIRST_BUFFER) * (off_t)a.tx.buf_size;
	for (uint32_t i = 0; i < 100; i++) {
		send_one(&a, i);
		expect_one(&b, i);
		assert_ok(loom_tx_sync(&a.tx));
	}
	loom_close(a.port);
	loom_close(b.port);
	assert_int_equal(pread(fd, found, LEN, at), LEN);
	packet_fill((uint8_t *)sent, LEN, 96); /* 16 slots: the last one to be in slot 0 */
	assert_memory_equal(found, sent, LEN);
	close(fd);
	unlink(file);
	rmdir(directory);
	assert_int_equal(scratch_files(), 0);
}

static void an_unknown_region_is_refused(void **state)
{
	static const char *const names[] = {"x{1@7", "vale0:p@7", "pipe{t}@65535"};

	(void)state;
	for (size_t i = 0; i < COUNT(names); i++) {
		struct loom_port *port = NULL;

		assert_refused(loom_open(names[i], NULL, &port), -EINVAL, "no memory region");
		assert_null(port);
		assert_int_equal(scratch_files(), 0);
	}
}

static void a_port_that_is_open_elsewhere_is_refused(void **state)
{
	struct loom_port *port = NULL;
	struct end a, b, c;
	char name[32];

	(void)state;
	end_open(&a, "x{1");
	end_open(&b, "y{1");
	end_open(&c, "vale0:p");
	snprintf(name, sizeof name, "x{1@%u", region_id(&b));
	assert_refused(loom_open(name, NULL, &port), -EINVAL, "x{1");
	snprintf(name, sizeof name, "vale0:p@%u", region_id(&b));
	assert_refused(loom_open(name, NULL, &port), -EINVAL, "vale0:p");
	snprintf(name, sizeof name, "x}1@%u", region_id(&b)); /* its other end */
	assert_refused(loom_open(name, NULL, &port), -EINVAL, "x}1");
	assert_null(port);
	snprintf(name, sizeof name, "x{1@%u", region_id(&a));
	assert_ok(loom_open(name, NULL, &port));
	loom_close(port);
	loom_close(a.port);
	loom_close(b.port);
	loom_close(c.port);
	assert_int_equal(scratch_files(), 0);
}

static void ports_of_every_kind_can_be_in_the_global_region(void **state)
{
	struct end a, b, c, d;

	(void)state;
	end_open(&a, "vale0:p@1");
	end_open(&b, "z{1@1");
	end_open(&c, "z}1");
	end_open(&d, "vale0:q");
	assert_int_equal(region_id(&a), REGION_GLOBAL);
	assert_int_equal(region_id(&b), REGION_GLOBAL);
	assert_int_equal(region_id(&c), REGION_GLOBAL);
	send_one(&d, 5);
	passes_without_a_copy(&a, &b, &c, 5);
	loom_close(a.port);
	loom_close(b.port);
	loom_close(c.port);
	loom_close(d.port);
	assert_int_equal(scratch_files(), 0);
}

/* ---- across processes ---- */

#define PACKETS 200u

struct task {
	int go[2], done[2];
};

static void task_make(struct task *task)
{
	assert_int_equal(pipe(task->go), 0);
	assert_int_equal(pipe(task->done), 0);
}

static void task_free(struct task *task)
{
	for (unsigned i = 0; i < 2; i++) {
		close(task->go[i]);
		close(task->done[i]);
	}
}

/* Takes the slave end of a pipe whose region is the other process's, and tells which buffers came. */
static int takes_from_the_slave(void *arg)
{
	struct task *task = arg;
	struct end end;
	char byte;

	alarm(20);
	if (read(task->go[0], &byte, 1) != 1 ||
	    !end_try(&end, "vale0:p}1", LOOM_CONFIG(.tx_slots = 16)) ||
	    write(task->done[1], &byte, 1) != 1)
		return 1;
	for (uint32_t i = 0; i < PACKETS; i++) {
		struct loom_frame frame;
		uint32_t buffer;

		if (loom_port_wait(end.port, LOOM_RX, 5000) != LOOM_RX)
			return 2;
		buffer = end.rx.ring->slot[end.rx.ring->head].buf_idx;
		if (loom_recv(&end.rx, &frame) != 1 || frame.len != LEN ||
		    !packet_is(frame.data, frame.len, i) || loom_rx_sync(&end.rx) != 0 ||
		    write(task->done[1], &buffer, sizeof buffer) != sizeof buffer)
			return 3;
	}
	loom_close(end.port);
	return 0;
}

static void what_a_process_swaps_another_one_receives(void **state)
{
	struct end other, port, master;
	struct task task;
	pid_t child;
	char byte = 0;

	(void)state;
	scratch_directory();
	task_make(&task);
	child = child_start(takes_from_the_slave, &task);
	end_open(&port, "vale0:p");
	end_open(&other, "vale0:q");
	end_open(&master, "vale0:p{1");
	assert_int_equal(write(task.go[1], &byte, 1), 1);
	assert_int_equal(read(task.done[0], &byte, 1), 1);
	for (uint32_t i = 0; i < PACKETS; i++) {
		uint32_t buffer, theirs;

		send_one(&other, i);
		buffer = buffer_at_head(&port);
		assert_int_equal(loom_forward(&port.rx, &master.tx, 1), 1);
		assert_ok(loom_tx_sync(&master.tx));
		assert_ok(loom_rx_sync(&port.rx));
		assert_int_equal(read(task.done[0], &theirs, sizeof theirs), sizeof theirs);
		assert_int_equal(theirs, buffer);
		assert_ok(loom_tx_sync(&master.tx));
	}
	assert_int_equal(child_wait(child), 0);
	task_free(&task);
	loom_close(port.port);
	loom_close(other.port);
	loom_close(master.port);
	assert_int_equal(scratch_files(), 0);
}

/* ---- death ---- */

#define KILLS 400u

static bool swaps_for_a_while(struct end *ends, uint32_t *random)
{
	uint8_t data[LEN] = {0};

	for (unsigned n = random_next(random) % 30; n > 0; n--) {
		if (loom_send(&ends[0].tx, data, LEN) < 0 || loom_tx_sync(&ends[0].tx) != 0 ||
		    loom_rx_sync(&ends[1].rx) != 0 || loom_tx_sync(&ends[2].tx) != 0)
			return false;
		loom_forward(&ends[1].rx, &ends[2].tx, 8);
		if (loom_tx_sync(&ends[2].tx) != 0 || loom_rx_sync(&ends[3].rx) != 0)
			return false;
	}
	return true;
}

/* Opens, swaps and closes in the region, until it is killed. */
static int victim_run(void *arg)
{
	static const char *const names[] = {"k{1", "k}1", "k{2", "k}2"};
	uint32_t random = *(const uint32_t *)arg;

	alarm(20);
	for (;;) {
		struct end ends[4];

		for (unsigned i = 0; i < 4; i++)
			if (!end_try(&ends[i], names[i], LOOM_CONFIG(.tx_slots = 16))) {
				fprintf(stderr, "%s: %s\n", names[i], loom_error());
				return 1;
			}
		if (!swaps_for_a_while(ends, &random))
			return 2;
		for (unsigned i = 0; i < 4; i++)
			loom_close(ends[i].port);
	}
}

static uint32_t areas_taken(const struct region *region)
{
	uint32_t n = 0;

	for (uint32_t area = 0; area < region_areas(&region->shape); area++)
		n += region_area_generation(region, area) & 1;
	return n;
}

/* A kill between two steps of one taking, giving or swapping can cost a buffer or two; rings never. */
static void the_killed_harm_nobody_and_their_buffers_come_back(void **state)
{
	struct end a, b, probe;
	struct region *region;
	uint32_t before, after = 0, random = 17, seed;
	unsigned kills = scaled(KILLS);

	(void)state;
	end_open(&a, "k{0");
	end_open(&b, "k}0");
	region = region_of(&a);
	before = region_buffers_free(region);
	for (unsigned i = 0; i < kills; i++) {
		pid_t child;

		seed = i;
		child = child_start(victim_run, &seed);
		usleep(random_next(&random) % 3000);
		send_one(&a, i);
		expect_one(&b, i);
		assert_ok(loom_tx_sync(&a.tx));
		kill(child, SIGKILL);
		assert_int_equal(child_wait(child), -SIGKILL);
		end_open(&probe, "k{3"); /* the next taker */
		loom_close(probe.port);
		after = region_buffers_free(region);
		assert_true(after <= before);
		assert_true(before - after <= 2 * (i + 1));
		assert_int_equal(areas_taken(region), 2); /* of a and b */
	}
	print_message("%u kills cost %u buffers\n", kills, before - after);
	loom_close(a.port);
	loom_close(b.port);
	assert_int_equal(scratch_files(), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(pipes_of_one_parent_swap),
	    cmocka_unit_test(pipes_of_different_parents_copy),
	    cmocka_unit_test(a_switch_port_and_its_pipes_swap),
	    cmocka_unit_test(extra_buffers_are_different_ones_and_go_back),
	    cmocka_unit_test(a_pipe_goes_where_it_is_told),
	    cmocka_unit_test(a_name_may_say_whose_memory),
	    cmocka_unit_test(a_name_may_say_which_file_is_the_memory),
	    cmocka_unit_test(an_unknown_region_is_refused),
	    cmocka_unit_test(a_port_that_is_open_elsewhere_is_refused),
	    cmocka_unit_test(ports_of_every_kind_can_be_in_the_global_region),
	    cmocka_unit_test(what_a_process_swaps_another_one_receives),
	    cmocka_unit_test(the_killed_harm_nobody_and_their_buffers_come_back),
	};

	scratch_directory();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
