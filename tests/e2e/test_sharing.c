/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Interfaces share a region, the global one as a rule, with each other and with their pipes: what goes
 * between them is not copied.
 */
#include "wire.h"

#include <stdio.h>
#include <unistd.h>

#include "soft/region.h"

#define LEN     60u
#define PACKETS 100u

#ifdef WITH_HOST
#define FILES 4
#else
#define FILES 2
#endif

static void expect_together(const struct end *one, const struct end *other)
{
	struct loom_info here, there;

	assert_ok(loom_port_info(one->port, &here));
	assert_ok(loom_port_info(other->port, &there));
	assert_int_equal(here.region, there.region);
}

static void expect_in_global(const struct end *end)
{
	struct loom_info info;

	assert_ok(loom_port_info(end->port, &info));
	assert_int_equal(info.region, REGION_GLOBAL);
}

/* Wait for a packet of ours, and pass over what the system sends. */
static uint32_t wait_for_packet(struct end *end, uint32_t number)
{
	const uint64_t deadline = now_ms() + PATIENCE_MS;

	for (;;) {
		const struct netmap_ring *ring = end->rx.ring;
		struct loom_frame frame;

		assert_true(now_ms() < deadline);
		loom_port_wait(end->port, LOOM_RX, 100);
		if (loom_peek(&end->rx, &frame, 1) == 0)
			continue;
		if (frame.len == LEN && packet_is(frame.data, LEN, number))
			return ring->slot[ring->head].buf_idx;
		loom_release(&end->rx, 1);
	}
}

static void send_packet(struct end *end, uint32_t number)
{
	uint8_t data[LEN];

	packet_fill(data, LEN, number);
	assert_ok(loom_tx_sync(&end->tx));
	assert_int_equal(loom_send(&end->tx, data, LEN), 1);
	assert_ok(loom_tx_sync(&end->tx));
}

static void swap_on(struct end *from, struct end *to, uint32_t buffer)
{
	uint32_t slot = to->tx.ring->head;

	assert_int_equal(loom_forward_how(&from->rx, &to->tx), LOOM_FORWARD_SWAP);
	assert_ok(loom_tx_sync(&to->tx));
	assert_int_equal(loom_forward(&from->rx, &to->tx, 1), 1);
	assert_int_equal(to->tx.ring->slot[slot].buf_idx, buffer);
	assert_ok(loom_tx_sync(&to->tx));
	assert_ok(loom_rx_sync(&from->rx));
}

/* What comes in at the far end of one cable goes out at the near end of another. */
static void interfaces_forward_without_moving_a_byte(void **state)
{
	struct wire *wire = *state;
	struct end in, out;

	assert_int_equal(netns_cable("east0", "east1"), 0);
	end_open(&wire->near, NEAR, NULL);
	end_open(&wire->far, FAR, NULL);
	end_open(&in, "east0", NULL);
	end_open(&out, "east1", NULL);
	if (strcmp(wire_kind, "packet") == 0)
		expect_in_global(&wire->near);
	expect_together(&wire->near, &wire->far);
	expect_together(&wire->near, &in);
	for (uint32_t i = 0; i < PACKETS; i++) {
		send_packet(&wire->near, i);
		swap_on(&wire->far, &in, wait_for_packet(&wire->far, i));
		wait_for_packet(&out, i);
		loom_release(&out.rx, 1);
	}
	loom_close(in.port);
	loom_close(out.port);
	assert_int_equal(netns_remove("east0"), 0);
}

/* ---- a pipe of an interface, and another process ---- */

struct task {
	int go[2], ready[2];
};

static int takes_from_the_slave(void *arg)
{
	struct task *task = arg;
	struct end end;
	char byte;

	alarm(20);
	if (read(task->go[0], &byte, 1) != 1 || loom_open(NEAR "}3", NULL, &end.port) != 0 ||
	    loom_rx(end.port, 0, &end.rx) != 0 || write(task->ready[1], &byte, 1) != 1)
		return 1;
	for (uint32_t i = 0; i < PACKETS; i++) {
		struct loom_frame frame;

		if (loom_port_wait(end.port, LOOM_RX, PATIENCE_MS) != LOOM_RX)
			return 2;
		if (loom_recv(&end.rx, &frame) != 1 || frame.len != LEN ||
		    !packet_is(frame.data, LEN, i) || loom_rx_sync(&end.rx) != 0)
			return 3;
	}
	loom_close(end.port);
	return 0;
}

static void what_an_interface_receives_reaches_another_process_without_a_copy(void **state)
{
	struct wire *wire = *state;
	struct end pipe_end;
	struct task task;
	pid_t child;
	char byte = 0;

	scratch_directory();
	assert_int_equal(pipe(task.go), 0);
	assert_int_equal(pipe(task.ready), 0);
	child = child_start(takes_from_the_slave, &task);
	end_open(&wire->near, NEAR, NULL);
	end_open(&wire->far, FAR, NULL);
	end_open(&pipe_end, NEAR "{3", NULL);
	expect_in_global(&pipe_end);
	assert_int_equal(write(task.go[1], &byte, 1), 1);
	assert_int_equal(read(task.ready[0], &byte, 1), 1);
	for (uint32_t i = 0; i < PACKETS; i++) {
		send_packet(&wire->far, i);
		swap_on(&wire->near, &pipe_end, wait_for_packet(&wire->near, i));
	}
	assert_int_equal(child_wait(child), 0);
	loom_close(pipe_end.port);
	for (unsigned i = 0; i < 2; i++) {
		close(task.go[i]);
		close(task.ready[i]);
	}
}

/* ---- pipes of an interface that is named with its kind ---- */

static const char *kind_name(const char *rest)
{
	static char name[64];

	snprintf(name, sizeof name, "%s:%s", wire_kind, rest);
	return name;
}

/* Its ends meet by the interface's name, with the kind or without. */
static void a_pipe_of_a_named_kind_is_in_the_memory_of_that_port(void **state)
{
	struct wire *wire = *state;
	struct end master, slave;

	end_open(&wire->near, NEAR, NULL);
	end_open(&wire->far, FAR, NULL);
	end_open(&master, kind_name(NEAR "{4"), NULL);
	end_open(&slave, NEAR "}4", NULL);
	expect_together(&wire->near, &master);
	expect_together(&wire->near, &slave);
	for (uint32_t i = 0; i < PACKETS; i++) {
		send_packet(&wire->far, i);
		swap_on(&wire->near, &master, wait_for_packet(&wire->near, i));
		wait_for_packet(&slave, i);
		loom_release(&slave.rx, 1);
		assert_ok(loom_rx_sync(&slave.rx));
	}
	loom_close(master.port);
	loom_close(slave.port);
}

static void a_pipe_of_a_named_kind_may_be_there_first(void **state)
{
	struct wire *wire = *state;
	struct end master;

	end_open(&master, kind_name(NEAR "{5"), NULL);
	end_open(&wire->near, NEAR, NULL);
	expect_together(&wire->near, &master);
	loom_close(master.port);
}

/* Memory that the kernel pins is made with the interface's port. */
static void a_pipe_of_xdp_cannot_be_there_first(void **state)
{
	struct wire *wire = *state;
	struct loom_port *port;

	assert_refused(loom_open(kind_name(NEAR "{6"), NULL, &port), -ENXIO, "open that first");
	end_open(&wire->near, NEAR, NULL);
	assert_ok(loom_open(kind_name(NEAR "{6"), NULL, &port));
	loom_close(port);
}

static unsigned heard;

static void hear(const char *hint)
{
	heard += strstr(hint, NEAR "{7") != NULL;
}

/* By the plain name it can, in other memory, and that is said. */
static void a_pipe_that_was_there_before_its_interface_says_that_it_is_apart(void **state)
{
	struct loom_port *pipe, *port;
	struct loom_info here, there;

	(void)state;
	assert_ok(loom_open(NEAR "{7", NULL, &pipe));
	loom_hint_set(hear);
	assert_ok(loom_open(NEAR, LOOM_CONFIG(.xdp_mode = wire_xdp_mode), &port));
	loom_hint_set(NULL);
	assert_ok(loom_port_info(pipe, &here));
	assert_ok(loom_port_info(port, &there));
	assert_string_equal(there.kind, "xdp");
	assert_int_not_equal(here.region, there.region);
	assert_non_null(strstr(here.mode, "memory that interfaces share"));
	assert_int_equal(heard, 1);
	loom_close(port);
	loom_close(pipe);
}

static void interfaces_leave_no_region_behind(void **state)
{
	struct wire *wire = *state;

	end_open(&wire->near, NEAR, NULL);
	/* The region, the port's board for monitors, and for host rings the word that NIC rings are in use. */
	assert_int_equal(scratch_files(), FILES);
	loom_close(wire->near.port);
	wire->near.port = NULL;
	assert_int_equal(scratch_files(), 0);
}

int main(int argc, char **argv)
{
	/* AF_XDP's memory is its process's own. */
	static const struct CMUnitTest forwarding[] = {
	    WIRE_TEST(interfaces_forward_without_moving_a_byte),
	    WIRE_TEST(a_pipe_of_a_named_kind_is_in_the_memory_of_that_port),
	    WIRE_TEST(a_pipe_of_xdp_cannot_be_there_first),
	    WIRE_TEST(a_pipe_that_was_there_before_its_interface_says_that_it_is_apart),
	};
	static const struct CMUnitTest sharing[] = {
	    WIRE_TEST(interfaces_forward_without_moving_a_byte),
	    WIRE_TEST(what_an_interface_receives_reaches_another_process_without_a_copy),
	    WIRE_TEST(a_pipe_of_a_named_kind_is_in_the_memory_of_that_port),
	    WIRE_TEST(a_pipe_of_a_named_kind_may_be_there_first),
	    WIRE_TEST(interfaces_leave_no_region_behind),
	};

	scratch_directory();
	wire_choose(argc, argv);
	return strcmp(wire_kind, "xdp") == 0 ? WIRE_TESTS(forwarding) : WIRE_TESTS(sharing);
}
