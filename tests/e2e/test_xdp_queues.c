/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Queues of an interface under AF_XDP: which of them the host keeps, ports and processes that have one each,
 * and what is left when a process is killed.
 */
#include <arpa/inet.h>
#include <signal.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "wire.h"

#define QUEUES   4u
#define PORT     7700
#define RESTARTS 120u

/* Cables of several queues, instead of the fixture's. */
static void cable_renew(void)
{
	assert_int_equal(netns_remove(NEAR), 0);
	assert_int_equal(netns_cable_queues(NEAR, FAR, QUEUES), 0);
}

/* A port without a ring 0, perhaps; the name without the kind. */
static void queue_open(struct end *end, const char *name)
{
	char full[32];

	snprintf(full, sizeof full, "xdp:%s", name);
	assert_ok(loom_open(full, LOOM_CONFIG(.xdp_mode = wire_xdp_mode), &end->port));
}

/*
 * The TX queue whose packets come to an RX queue of the other end. Generic receiving takes the number that a
 * packet was sent with for one that a driver has noted, which are one larger.
 */
static unsigned towards(unsigned queue)
{
	return wire_xdp_mode == LOOM_XDP_GENERIC && queue > 0 ? queue + 1 : queue;
}

/* Packet or datagram, whatever comes next on this ring. */
static void next_on(struct end *end, unsigned queue, struct loom_frame *frame)
{
	const uint64_t deadline = now_ms() + PATIENCE_MS;

	assert_ok(loom_rx(end->port, queue, &end->rx));
	while (loom_recv(&end->rx, frame) == 0) {
		assert_ok(loom_rx_sync(&end->rx));
		if (now_ms() > deadline)
			fail_msg("nothing came to queue %u", queue);
	}
}

static void goes_over(struct wire *wire, unsigned queue, uint32_t number)
{
	struct loom_frame frame = {.len = 0};

	assert_ok(loom_tx(wire->near.port, towards(queue), &wire->near.tx));
	end_send(&wire->near, number, 60);
	end_flush(&wire->near);
	next_on(&wire->far, queue, &frame);
	assert_true(packet_is(frame.data, frame.len, number));
}

static void every_queue_has_a_ring(void **state)
{
	struct wire *wire = *state;

	cable_renew();
	wire_open(wire);
	assert_int_equal(loom_tx_rings(wire->near.port), QUEUES);
	assert_int_equal(loom_rx_rings(wire->near.port), QUEUES);
	for (unsigned i = 0; i < QUEUES - 1; i++)
		goes_over(wire, i, i);
}

static void fewer_rings_than_queues_can_be_had(void **state)
{
	struct wire *wire = *state;

	cable_renew();
	end_open(&wire->near, NEAR, LOOM_CONFIG(.tx_rings = 2));
	assert_int_equal(loom_tx_rings(wire->near.port), 2);
	assert_int_equal(loom_rx_rings(wire->near.port), 2);
	end_close(&wire->near);
	end_open(&wire->near, NEAR, LOOM_CONFIG(.tx_rings = 100));
	assert_int_equal(loom_tx_rings(wire->near.port), QUEUES);
}

/* ---- what the host gets: broadcasts, which a queue of the far end receives ---- */

static int host_listen(void)
{
	const struct sockaddr_in any = {.sin_family = AF_INET, .sin_port = htons(PORT)};
	const struct timeval patience = {.tv_sec = PATIENCE_MS / 1000};
	int fd = socket(AF_INET, SOCK_DGRAM, 0);

	assert_true(fd >= 0);
	assert_int_equal(bind(fd, (const struct sockaddr *)&any, sizeof any), 0);
	assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience), 0);
	assert_int_equal(netns_address(FAR, "10.7.7.2"), 0);
	return fd;
}

static uint16_t checksum(const uint8_t *data, size_t len)
{
	uint32_t sum = 0;

	for (size_t i = 0; i < len; i += 2)
		sum += (uint32_t)(data[i] << 8 | data[i + 1]);
	sum = (sum >> 16) + (sum & 0xffff);
	return (uint16_t) ~(sum + (sum >> 16));
}

/* An UDP datagram of one byte to everybody, through a queue. */
static void datagram_send(struct end *near, unsigned queue, uint8_t byte)
{
	uint8_t frame[60] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 2, 0, 0, 0, 0, 1, 8, 0, 0x45, 0, 0,
	    29, 0, 0, 0, 0, 64, IPPROTO_UDP, 0, 0, 10, 7, 7, 1, 255, 255, 255, 255, 0, 9, PORT >> 8,
	    PORT & 0xff, 0, 9, 0, 0, byte};
	uint16_t sum = checksum(frame + 14, 20);

	frame[24] = (uint8_t)(sum >> 8);
	frame[25] = (uint8_t)sum;
	assert_ok(loom_tx(near->port, towards(queue), &near->tx));
	assert_int_equal(loom_send(&near->tx, frame, sizeof frame), 1);
	end_flush(near);
}

static void host_expect_byte(int fd, uint8_t byte)
{
	uint8_t got = 0;

	assert_int_equal(recv(fd, &got, 1, 0), 1);
	assert_int_equal(got, byte);
}

static void host_expect_nothing(int fd)
{
	uint8_t got;

	usleep(50000);
	assert_int_equal(recv(fd, &got, 1, MSG_DONTWAIT), -1);
}

static void queues_without_a_user_stay_the_hosts(void **state)
{
	struct wire *wire = *state;
	struct loom_frame frame = {.len = 0};
	int fd;

	cable_renew();
	fd = host_listen();
	end_open(&wire->near, NEAR, NULL);
	queue_open(&wire->far, FAR "-1");
	datagram_send(&wire->near, 0, 10);
	host_expect_byte(fd, 10);
	datagram_send(&wire->near, 1, 11);
	next_on(&wire->far, 1, &frame);
	assert_true(host_sent(&frame, PORT));
	host_expect_nothing(fd);
	end_close(&wire->far);
	datagram_send(&wire->near, 1, 12);
	host_expect_byte(fd, 12);
	close(fd);
}

static void sending_alone_takes_nothing_from_the_host(void **state)
{
	struct wire *wire = *state;
	int fd = host_listen();

	end_open(&wire->near, NEAR, NULL);
	queue_open(&wire->far, FAR "/T");
	datagram_send(&wire->near, 0, 1);
	host_expect_byte(fd, 1);
	close(fd);
}

/* ---- processes ---- */

struct child {
	pid_t pid;
	int ready, go; /* pipes' ends */
};

struct task {
	int ready[2], go[2];
	const char *name;
};

/* Has a port open until told to go, or killed. */
static int holds_a_port(void *arg)
{
	const struct task *task = arg;
	struct end end = {.port = NULL};
	char byte = 0;

	alarm(60);
	queue_open(&end, task->name);
	if (write(task->ready[1], &byte, 1) != 1 || read(task->go[0], &byte, 1) != 1)
		return 1;
	loom_close(end.port);
	return 0;
}

static void child_open(struct child *child, const char *name)
{
	struct task task = {.name = name};
	char byte;

	assert_int_equal(pipe(task.ready) | pipe(task.go), 0);
	child->pid = child_start(holds_a_port, &task);
	close(task.ready[1]);
	close(task.go[0]);
	child->ready = task.ready[0];
	child->go = task.go[1];
	assert_int_equal(read(child->ready, &byte, 1), 1);
}

static void child_kill(struct child *child)
{
	assert_int_equal(kill(child->pid, SIGKILL), 0);
	assert_int_equal(waitpid(child->pid, NULL, 0), child->pid);
	close(child->ready);
	close(child->go);
}

static void killing_a_process_gives_the_host_its_traffic_back(void **state)
{
	struct wire *wire = *state;
	struct child child;
	int fd = host_listen();

	end_open(&wire->near, NEAR, NULL);
	child_open(&child, FAR);
	datagram_send(&wire->near, 0, 1);
	host_expect_nothing(fd);
	child_kill(&child);
	datagram_send(&wire->near, 0, 2);
	host_expect_byte(fd, 2);
	end_open(&wire->far, FAR, NULL);
	goes_over(wire, 0, 3);
	close(fd);
}

/* Whoever was first: the other one's traffic goes on, and nothing else of the interface changes. */
static void two_processes_have_a_queue_each(void **state)
{
	struct wire *wire = *state;
	struct child child;
	int fd;

	cable_renew();
	fd = host_listen();
	end_open(&wire->near, NEAR, NULL);
	child_open(&child, FAR "-2");
	queue_open(&wire->far, FAR "-1");
	goes_over(wire, 1, 1);
	datagram_send(&wire->near, 2, 20);
	host_expect_nothing(fd);
	child_kill(&child);
	goes_over(wire, 1, 2);
	datagram_send(&wire->near, 2, 21);
	host_expect_byte(fd, 21);
	child_open(&child, FAR "-2");
	goes_over(wire, 1, 3);
	end_close(&wire->far);
	datagram_send(&wire->near, 1, 22);
	host_expect_byte(fd, 22);
	datagram_send(&wire->near, 2, 23);
	host_expect_nothing(fd);
	child_kill(&child);
	close(fd);
}

static void a_queue_of_another_process_is_refused(void **state)
{
	struct wire *wire = *state;
	struct loom_port *port = NULL;
	struct child child;

	(void)wire;
	child_open(&child, FAR);
	assert_refused(loom_open("xdp:" FAR, LOOM_CONFIG(.xdp_mode = wire_xdp_mode), &port), -EBUSY,
	    "queue 0");
	child_kill(&child);
	assert_ok(loom_open("xdp:" FAR, LOOM_CONFIG(.xdp_mode = wire_xdp_mode), &port));
	loom_close(port);
}

/* ---- pipes ---- */

/* The other end of the port's pipe, in a process that has nothing else open: opened when told to. */
static int takes_from_the_pipe(void *arg)
{
	const struct task *task = arg;
	struct loom_frame frame = {.len = 0};
	struct loom_port *port = NULL;
	struct loom_rxring rx;
	char byte = 0;

	alarm(60);
	if (read(task->go[0], &byte, 1) != 1 || loom_open(NEAR "}1", NULL, &port) != 0 ||
	    loom_rx(port, 0, &rx) != 0)
		return 1;
	if (write(task->ready[1], &byte, 1) != 1 ||
	    loom_port_wait(port, LOOM_RX, PATIENCE_MS) <= 0 || loom_recv(&rx, &frame) != 1)
		return 2;
	byte = (char)frame.data[0];
	loom_close(port);
	return byte;
}

/* As those of other interfaces: a packet goes from the port to a pipe by a swap, whoever has its other end. */
static void pipes_of_a_port_are_in_its_memory(void **state)
{
	struct task task = {.name = NULL};
	struct loom_info port_info, pipe_info;
	struct wire *wire = *state;
	struct loom_port *pipe_port;
	struct loom_txring tx;
	pid_t child;
	char byte = 0;

	assert_int_equal(pipe(task.ready) | pipe(task.go), 0);
	child = child_start(takes_from_the_pipe, &task);
	assert_ok(
	    loom_open("netmap:" NEAR, LOOM_CONFIG(.xdp_mode = wire_xdp_mode), &wire->near.port));
	assert_ok(loom_open(NEAR "{1", NULL, &pipe_port));
	assert_ok(loom_port_info(wire->near.port, &port_info));
	assert_ok(loom_port_info(pipe_port, &pipe_info));
	assert_string_equal(port_info.kind, "xdp");
	assert_int_equal(pipe_info.region, port_info.region);
	assert_int_equal(write(task.go[1], &byte, 1), 1);
	assert_int_equal(read(task.ready[0], &byte, 1), 1);
	assert_ok(loom_tx(pipe_port, 0, &tx));
	assert_int_equal(loom_send(&tx, "*", 1), 1);
	assert_ok(loom_tx_sync(&tx));
	assert_int_equal(child_wait(child), '*');
	loom_close(pipe_port);
	close(task.ready[0]);
	close(task.ready[1]);
	close(task.go[0]);
	close(task.go[1]);
}

/* ---- buffers ---- */

/* Another port keeps the memory: what is not given back is missing in the end. */
static void opening_again_and_again_loses_no_buffer(void **state)
{
	struct wire *wire = *state;
	struct loom_info info;
	unsigned descriptors;

	end_open(&wire->near, NEAR, NULL);
	end_open(&wire->far, FAR, NULL);
	descriptors = open_descriptors();
	for (unsigned i = 0; i < RESTARTS; i++) {
		end_send(&wire->near, i, 60);
		end_flush(&wire->near);
		if (i % 2)
			end_expect(&wire->far, i, 60);
		end_send(&wire->far, i, 60);
		assert_ok(loom_tx_sync(&wire->far.tx));
		end_close(&wire->far);
		end_open(&wire->far, FAR, NULL);
	}
	assert_int_equal(open_descriptors(), descriptors);
	assert_ok(loom_port_info(wire->far.port, &info));
	assert_null(strstr(info.mode, "memory of its own"));
}

int main(int argc, char **argv)
{
	static const struct CMUnitTest xdp_queues[] = {
	    WIRE_TEST(every_queue_has_a_ring),
	    WIRE_TEST(fewer_rings_than_queues_can_be_had),
	    WIRE_TEST(queues_without_a_user_stay_the_hosts),
	    WIRE_TEST(sending_alone_takes_nothing_from_the_host),
	    WIRE_TEST(killing_a_process_gives_the_host_its_traffic_back),
	    WIRE_TEST(two_processes_have_a_queue_each),
	    WIRE_TEST(a_queue_of_another_process_is_refused),
	    WIRE_TEST(pipes_of_a_port_are_in_its_memory),
	    WIRE_TEST(opening_again_and_again_loses_no_buffer),
	};

	wire_choose(argc, argv);
	return WIRE_TESTS(xdp_queues);
}
