/* SPDX-License-Identifier: BSD-2-Clause */
/* Host rings one by one: what they carry, when they exist, and that nothing is left of them. */
#include "wire.h"

#include <arpa/inet.h>
#include <dirent.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#define PACKETS 200u
#define LIFE_S  20 /* of a child, whose test may fail */

/* The host ring pair k of a port. */
static void host_rings(struct end *end, unsigned k)
{
	assert_ok(loom_tx(end->port, loom_tx_rings(end->port) + k, &end->tx));
	assert_ok(loom_rx(end->port, loom_rx_rings(end->port) + k, &end->rx));
}

static void host_open(struct end *end, const char *name)
{
	assert_ok(loom_open(name, NULL, &end->port));
	host_rings(end, 0);
}

/* Interfaces in the namespace. */
static unsigned interfaces(void)
{
	DIR *folder = opendir("/proc/sys/net/ipv4/conf");
	unsigned n = 0;

	assert_non_null(folder);
	while (readdir(folder))
		n++;
	closedir(folder);
	return n;
}

static int scene_setup(void **state)
{
	wire_setup(state);
	assert_int_equal(netns_address(NEAR, HOST_ADDRESS), 0);
	return 0;
}

static void expect_mode(const struct end *end, const char *word, bool there)
{
	struct loom_info info;

	assert_ok(loom_port_info(end->port, &info));
	if (!strstr(info.mode, word) == there)
		fail_msg("\"%s\" in \"%s\": should %sbe", word, info.mode, there ? "" : "not ");
}

/* Broadcasts of the host, numbered. */
static void sends_arrive_in_order(struct end *host)
{
	int fd = host_socket();
	struct loom_frame frame;

	for (uint32_t i = 0; i < PACKETS; i++)
		host_broadcast(fd, 4000, &i, sizeof i);
	for (uint32_t i = 0; i < PACKETS; i++) {
		host_expect(host, 4000, &frame);
		assert_int_equal(frame.len, 42 + sizeof i);
		assert_memory_equal(frame.data + 42, &i, sizeof i);
	}
	close(fd);
}

static void what_the_host_sends_comes_to_the_host_ring(void **state)
{
	struct wire *wire = *state;

	host_open(&wire->near, TRIED "*");
	end_open(&wire->far, FAR, NULL);
	sends_arrive_in_order(&wire->near);
	end_expect_none(&wire->far);
}

static int receiver(uint16_t port)
{
	const struct sockaddr_in at = {.sin_family = AF_INET, .sin_port = htons(port)};
	const struct timeval patience = {.tv_sec = PATIENCE_MS / 1000};
	int fd = socket(AF_INET, SOCK_DGRAM, 0);

	assert_true(fd >= 0);
	assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience), 0);
	assert_int_equal(bind(fd, (const struct sockaddr *)&at, sizeof at), 0);
	return fd;
}

/* A UDP broadcast of 10.7.7.2 with a number as its payload and no UDP checksum. */
static uint32_t datagram(uint8_t *frame, uint16_t port, uint32_t number)
{
	static const uint8_t headers[42] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 2, 0, 0, 0, 0, 9, 8,
	    0, 0x45, 0, 0, 32, 0, 0, 0, 0, 64, 17, 0x57, 0xbd, 10, 7, 7, 2, 10, 7, 7, 255, 0, 9, 0,
	    0, 0, 12, 0, 0};
	uint32_t sum = 0;

	memcpy(frame, headers, sizeof headers);
	frame[24] = frame[25] = 0;
	for (unsigned i = 14; i < 34; i += 2)
		sum += (uint32_t)frame[i] << 8 | frame[i + 1];
	sum = ~((sum & 0xffff) + (sum >> 16));
	frame[24] = (uint8_t)(sum >> 8);
	frame[25] = (uint8_t)sum;
	frame[36] = (uint8_t)(port >> 8);
	frame[37] = (uint8_t)port;
	memcpy(frame + 42, &number, sizeof number);
	return 42 + sizeof number;
}

static void send_datagrams(struct end *end, uint16_t port)
{
	uint8_t frame[64];

	for (uint32_t i = 0; i < PACKETS; i++)
		assert_int_equal(loom_send(&end->tx, frame, datagram(frame, port, i)), 1);
	end_flush(end);
}

static void what_goes_to_the_host_ring_is_received_by_the_host(void **state)
{
	struct wire *wire = *state;
	int fd = receiver(4000);

	host_open(&wire->near, TRIED "*");
	send_datagrams(&wire->near, 4000);
	for (uint32_t i = 0; i < PACKETS; i++) {
		uint32_t got;

		assert_int_equal(recv(fd, &got, sizeof got, 0), sizeof got);
		assert_int_equal(got, i);
	}
	close(fd);
	/* It came from no wire: the NIC's ring does not show it. */
	assert_ok(loom_rx(wire->near.port, 0, &wire->near.rx));
	for (struct loom_frame frame; loom_recv(&wire->near.rx, &frame);)
		assert_false(host_sent(&frame, 4000));
}

/* While host rings are in use the host has what the program gives it, and nothing beside. */
static void the_host_does_not_receive_by_itself(void **state)
{
	struct wire *wire = *state;
	int fd = receiver(4000);
	uint32_t got;

	host_open(&wire->near, TRIED "*");
	end_open(&wire->far, "packet:" FAR, NULL);
	send_datagrams(&wire->far, 4000);
	usleep(50000);
	assert_int_equal(recv(fd, &got, sizeof got, MSG_DONTWAIT), -1);
	assert_ok(loom_rx(wire->near.port, 0, &wire->near.rx));
	for (uint32_t i = 0; i < PACKETS; i++) {
		struct loom_frame frame;

		host_expect(&wire->near, 4000, &frame);
		assert_memory_equal(frame.data + 42, &i, sizeof i);
	}
	end_close(&wire->near);
	send_datagrams(&wire->far, 4000);
	assert_int_equal(recv(fd, &got, sizeof got, 0), sizeof got);
	close(fd);
}

static void without_a_nic_tx_ring_the_host_sends_as_ever(void **state)
{
	struct wire *wire = *state;
	struct loom_port *nic;
	struct loom_frame frame;
	int fd;

	host_open(&wire->near, TRIED "^");
	expect_mode(&wire->near, "while no NIC TX ring", true);
	end_open(&wire->far, "packet:" FAR, NULL);
	fd = host_socket();
	host_broadcast(fd, 4000, "a", 1);
	host_expect(&wire->far, 4000, &frame);
	assert_ok(loom_open(TRIED "/T", NULL, &nic));
	expect_mode(&wire->near, "while no NIC TX ring", false);
	host_broadcast(fd, 4001, "b", 1);
	host_expect(&wire->near, 4001, &frame);
	loom_close(nic);
	expect_mode(&wire->near, "while no NIC TX ring", true);
	host_broadcast(fd, 4002, "c", 1);
	host_expect(&wire->far, 4002, &frame);
	close(fd);
}

static int have_nic(void *arg)
{
	struct loom_port *nic;
	char byte;

	if (read(*(int *)arg, &byte, 1) != 1 || loom_open(TRIED, NULL, &nic) != 0)
		return 1;
	return read(*(int *)arg, &byte, 1) == 1 ? 0 : 2;
}

static bool comes_within(struct end *end, int fd, uint16_t port, int timeout_ms)
{
	uint64_t deadline = now_ms() + (uint64_t)timeout_ms;
	struct loom_frame frame;

	do {
		host_broadcast(fd, port, "x", 1);
		loom_port_wait(end->port, LOOM_RX, 50);
		while (loom_recv(&end->rx, &frame))
			if (host_sent(&frame, port))
				return true;
	} while (now_ms() < deadline);
	return false;
}

/* The NIC in one process, the host's side in another; nobody asks who came first. */
static void rings_of_other_processes_count(void **state)
{
	struct wire *wire = *state;
	int tell[2], fd;
	pid_t other;

	assert_int_equal(pipe(tell), 0);
	other = child_start(have_nic, &tell[0]); /* first: it must not inherit the port */
	host_open(&wire->near, TRIED "^");
	end_open(&wire->far, "packet:" FAR, NULL);
	fd = host_socket();
	assert_true(comes_within(&wire->far, fd, 4000, PATIENCE_MS));
	assert_int_equal(write(tell[1], "o", 1), 1);
	assert_true(comes_within(&wire->near, fd, 4001, PATIENCE_MS));
	assert_int_equal(kill(other, SIGKILL), 0);
	child_wait(other);
	usleep(150000); /* looks are 100 ms apart */
	assert_ok(loom_rx_sync(&wire->near.rx));
	assert_true(comes_within(&wire->far, fd, 4002, PATIENCE_MS));
	close(tell[0]);
	close(tell[1]);
	close(fd);
}

/* Flows are spread over the pairs that are in use. */
static void several_pairs_share_what_the_host_sends(void **state)
{
	struct wire *wire = *state;
	unsigned seen[3] = {0}, all = 0;
	int fd;

	assert_ok(loom_open(TRIED "*@conf:host-rings=3", NULL, &wire->near.port));
	assert_int_equal(loom_host_rx_rings(wire->near.port), 3);
	assert_int_equal(loom_host_tx_rings(wire->near.port), 3);
	fd = host_socket();
	for (uint16_t i = 0; i < PACKETS; i++)
		host_broadcast(fd, (uint16_t)(5000 + i), &i, sizeof i);
	for (uint64_t end = now_ms() + PATIENCE_MS; all < PACKETS && now_ms() < end;) {
		loom_port_wait(wire->near.port, LOOM_RX, 100);
		for (unsigned k = 0; k < 3; k++) {
			host_rings(&wire->near, k);
			for (struct loom_frame frame; loom_recv(&wire->near.rx, &frame);)
				if (frame.len == 44 && frame.data[23] == IPPROTO_UDP)
					seen[k]++;
		}
		all = seen[0] + seen[1] + seen[2];
	}
	assert_int_equal(all, PACKETS);
	for (unsigned k = 0; k < 3; k++)
		assert_true(seen[k] > 0);
	close(fd);
}

static void every_pair_reaches_the_host(void **state)
{
	struct wire *wire = *state;
	int fd = receiver(4000);
	uint32_t got;

	assert_ok(loom_open(TRIED "^@conf:host-rings=3", NULL, &wire->near.port));
	for (unsigned k = 0; k < 3; k++) {
		uint8_t frame[64];

		host_rings(&wire->near, k);
		assert_int_equal(loom_send(&wire->near.tx, frame, datagram(frame, 4000, k)), 1);
		end_flush(&wire->near);
		assert_int_equal(recv(fd, &got, sizeof got, 0), sizeof got);
		assert_int_equal(got, k);
	}
	close(fd);
}

static void one_pair_can_be_bound_alone(void **state)
{
	struct wire *wire = *state;
	struct loom_port *nic;

	assert_ok(loom_open(TRIED "@conf:host-rings=2", NULL, &nic));
	assert_ok(loom_open(TRIED "^1", NULL, &wire->near.port));
	host_rings(&wire->near, 1);
	sends_arrive_in_order(&wire->near);
	loom_close(nic);
}

static void bad_frames_are_dropped_and_counted(void **state)
{
	struct wire *wire = *state;
	uint8_t frame[64] = {0};

	host_open(&wire->near, TRIED "^");
	assert_int_equal(loom_send(&wire->near.tx, frame, 13), 1);
	assert_int_equal(loom_send(&wire->near.tx, frame, datagram(frame, 4000, 1)), 1);
	end_flush(&wire->near);
	assert_int_equal(end_tx_drops(&wire->near, LOOM_DROP_BAD_LENGTH), 1);
}

static void closing_leaves_nothing(void **state)
{
	struct wire *wire = *state;
	unsigned links, files = 0;
	struct loom_frame frame;
	int fd;

	links = interfaces();
	for (unsigned i = 0; i < 20; i++) {
		host_open(&wire->near, TRIED "*");
		assert_int_equal(interfaces(), links + 2);
		end_close(&wire->near);
		assert_int_equal(interfaces(), links);
		if (i == 0)
			files = open_descriptors();
	}
	assert_int_equal(open_descriptors(), files);
	assert_int_equal(netns_filters(NEAR), 0);
	end_open(&wire->far, "packet:" FAR, NULL);
	fd = host_socket();
	host_broadcast(fd, 4000, "a", 1);
	host_expect(&wire->far, 4000, &frame);
	close(fd);
}

/* ---- ends without a close ---- */

static int hold_all(void *arg)
{
	struct loom_port *port;

	alarm(LIFE_S);
	if (loom_open(TRIED "*", NULL, &port) != 0 || write(*(int *)arg, "o", 1) != 1)
		return 1;
	pause();
	return 0;
}

static void open_and_be_killed(void)
{
	int ready[2];
	pid_t program;
	char byte;

	assert_int_equal(pipe(ready), 0);
	program = child_start(hold_all, &ready[1]);
	close(ready[1]); /* a child that fails ends the read */
	assert_int_equal(read(ready[0], &byte, 1), 1);
	assert_int_equal(kill(program, SIGKILL), 0);
	child_wait(program);
	close(ready[0]);
}

static void expect_network(struct wire *wire)
{
	int fd = host_socket(), from = receiver(4001);
	struct loom_frame frame;
	uint32_t got;

	host_broadcast(fd, 4000, "a", 1);
	host_expect(&wire->far, 4000, &frame);
	send_datagrams(&wire->far, 4001);
	for (uint32_t i = 0; i < PACKETS; i++)
		assert_int_equal(recv(from, &got, sizeof got, 0), sizeof got);
	close(fd);
	close(from);
}

/* Kernels that leave the programs behind, and cannot be asked for an interface. */
static bool kernel_is_ancient(void)
{
	const char *version = getenv("OLD_KERNEL");

	return version && strcmp(version, "5.10") == 0;
}

static void a_killed_program_leaves_the_host_its_network(void **state)
{
	struct wire *wire = *state;
	unsigned links = interfaces();

	open_and_be_killed();
	assert_int_equal(interfaces(), links);
	end_open(&wire->far, "packet:" FAR, NULL);
	if (kernel_is_ancient()) { /* then it takes the next one that opens */
		host_open(&wire->near, TRIED "*");
		end_close(&wire->near);
	}
	expect_network(wire);
}

static void what_killed_programs_left_goes_with_the_next_one(void **state)
{
	struct wire *wire = *state;

	for (unsigned i = 0; i < 3; i++)
		open_and_be_killed();
	/* The last one's: each has cleaned up after the one before. */
	assert_int_equal(netns_filters(NEAR), getenv("OLD_KERNEL") ? 2 : 0);
	host_open(&wire->near, TRIED "*");
	sends_arrive_in_order(&wire->near);
	end_close(&wire->near);
	assert_int_equal(netns_filters(NEAR), 0);
}

/* ---- forks ---- */

static int close_it(void *arg)
{
	loom_close(arg);
	return 0;
}

static void a_child_that_closes_leaves_the_rings_to_its_parent(void **state)
{
	struct wire *wire = *state;

	host_open(&wire->near, TRIED "*");
	assert_int_equal(child_wait(child_start(close_it, wire->near.port)), 0);
	sends_arrive_in_order(&wire->near);
	end_open(&wire->far, FAR, NULL);
	end_expect_none(&wire->far);
}

static int rest(void *arg)
{
	(void)arg;
	alarm(LIFE_S);
	pause();
	return 0;
}

/* The child has all descriptors, too, and closes none. */
static void a_child_does_not_keep_the_network_that_its_parent_gives_back(void **state)
{
	struct wire *wire = *state;
	pid_t child;

	host_open(&wire->near, TRIED "*");
	child = child_start(rest, NULL);
	end_close(&wire->near);
	end_open(&wire->far, "packet:" FAR, NULL);
	expect_network(wire);
	assert_int_equal(kill(child, SIGKILL), 0);
	child_wait(child);
}

/* ---- monitors ---- */

static void monitors_see_what_passes_host_rings(void **state)
{
	struct wire *wire = *state;
	struct end watch;
	struct loom_frame frame;
	uint8_t data[64];
	int fd;

	host_open(&wire->near, TRIED "*");
	assert_ok(loom_open(TRIED "^/rt", NULL, &watch.port));
	assert_ok(loom_rx(watch.port, loom_rx_rings(watch.port), &watch.rx));
	fd = host_socket();
	host_broadcast(fd, 4000, "abcd", 4);
	host_expect(&wire->near, 4000, &frame);
	host_expect(&watch, 4000, &frame);
	assert_memory_equal(frame.data + 42, "abcd", 4);
	assert_int_equal(loom_send(&wire->near.tx, data, datagram(data, 4001, 7)), 1);
	end_flush(&wire->near);
	host_expect(&watch, 4001, &frame);
	assert_memory_equal(frame.data, data, frame.len);
	close(fd);
	loom_close(watch.port);
}

static void nic_rings_alone_need_nothing_of_it(void **state)
{
	struct wire *wire = *state;
	unsigned links = interfaces();

	end_open(&wire->near, TRIED, NULL);
	assert_int_equal(interfaces(), links);
	expect_mode(&wire->near, ", host ring", false);
}

#define HOST_TEST(function) cmocka_unit_test_setup_teardown(function, scene_setup, wire_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
	    HOST_TEST(what_the_host_sends_comes_to_the_host_ring),
	    HOST_TEST(what_goes_to_the_host_ring_is_received_by_the_host),
	    HOST_TEST(the_host_does_not_receive_by_itself),
	    HOST_TEST(without_a_nic_tx_ring_the_host_sends_as_ever),
	    HOST_TEST(rings_of_other_processes_count),
	    HOST_TEST(several_pairs_share_what_the_host_sends),
	    HOST_TEST(every_pair_reaches_the_host),
	    HOST_TEST(one_pair_can_be_bound_alone),
	    HOST_TEST(bad_frames_are_dropped_and_counted),
	    HOST_TEST(closing_leaves_nothing),
	    HOST_TEST(nic_rings_alone_need_nothing_of_it),
	    HOST_TEST(a_killed_program_leaves_the_host_its_network),
	    HOST_TEST(what_killed_programs_left_goes_with_the_next_one),
	    HOST_TEST(a_child_that_closes_leaves_the_rings_to_its_parent),
	    HOST_TEST(a_child_does_not_keep_the_network_that_its_parent_gives_back),
	    HOST_TEST(monitors_see_what_passes_host_rings),
	};

	if (geteuid() != 0) {
		printf("SKIP: host rings need root: BPF programs are not for user namespaces\n");
		return 77;
	}
	return WIRE_TESTS(tests);
}
