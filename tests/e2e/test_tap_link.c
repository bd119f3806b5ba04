/* SPDX-License-Identifier: BSD-2-Clause */
/* A tap port's device: made, joined, gone, down, refused. */
#include <linux/if_tun.h>
#include <net/if.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "os/tap.h"
#include "wire.h"

#define TAP "tap:t0"

/* A device of the test's own; its only queue, or one of several. */
static int device_make(bool many)
{
	const struct tap_shape shape = {.many = many};
	char name[TAP_NAME_SIZE] = "t0";
	int fd = tap_queue_open(name, &shape);

	assert_true(fd >= 0);
	return fd;
}

static void the_interface_is_there_and_up_while_the_port_is_open(void **state)
{
	struct wire *wire = *state;
	struct loom_info info;
	struct ifreq request = {.ifr_name = "t0"};
	int fd = socket(AF_UNIX, SOCK_DGRAM, 0);

	end_open(&wire->near, TAP, LOOM_CONFIG(.rx_rings = 2, .tx_rings = 3));
	assert_int_equal(ioctl(fd, SIOCGIFFLAGS, &request), 0);
	assert_true(request.ifr_flags & IFF_UP);
	close(fd);
	assert_ok(loom_port_info(wire->near.port, &info));
	assert_string_equal(info.kind, "tap");
	assert_non_null(strstr(info.mode, "2 queues"));
	end_close(&wire->near);
	assert_int_equal(if_nametoindex("t0"), 0);
}

static void a_pipe_of_the_device_is_in_its_memory(void **state)
{
	struct wire *wire = *state;
	struct loom_info device, pipe;
	struct end master;

	end_open(&wire->near, TAP, NULL);
	end_open(&master, TAP "{1", NULL);
	assert_ok(loom_port_info(wire->near.port, &device));
	assert_ok(loom_port_info(master.port, &pipe));
	assert_string_equal(pipe.kind, "pipe");
	assert_int_equal(pipe.region, device.region);
	loom_close(master.port);
}

static void a_persistent_device_stays(void **state)
{
	struct wire *wire = *state;
	int fd = device_make(true);

	assert_int_equal(ioctl(fd, TUNSETPERSIST, 1ul), 0);
	close(fd);
	end_open(&wire->near, TAP, NULL); /* of several queues: one of them */
	end_close(&wire->near);
	end_open(&wire->near, TAP, LOOM_CONFIG(.rx_rings = 3));
	end_close(&wire->near);
	assert_int_not_equal(if_nametoindex("t0"), 0);
	assert_ok(netns_remove("t0"));
}

static void what_cannot_be_opened_is_refused_with_a_reason(void **state)
{
	struct loom_port *port = NULL;
	int fd;

	(void)state;
	assert_refused(loom_open("tap:" NEAR, NULL, &port), -EINVAL, "no TAP device");
	assert_refused(loom_open("tap:a-name-too-long-for-one", NULL, &port), -EINVAL, "15");
	assert_refused(
	    loom_open("tap:t0^@conf:host-rings=1", NULL, &port), -EOPNOTSUPP, "host rings");
	fd = device_make(false);
	assert_refused(loom_open(TAP, NULL, &port), -EBUSY, "another program");
	assert_refused(loom_open(TAP, LOOM_CONFIG(.rx_rings = 2), &port), -EINVAL, "multi_queue");
	close(fd);
	assert_null(port);
}

static int open_without_capabilities(void *arg)
{
	struct loom_port *port;

	(void)arg;
	if (netns_capabilities_drop() != 0)
		return 2;
	if (loom_open(TAP, NULL, &port) != -EPERM)
		return 3;
	return strstr(loom_error(), "CAP_NET_ADMIN") && strstr(loom_error(), "ip tuntap") ? 0 : 4;
}

static void without_privileges_the_message_says_what_is_missing(void **state)
{
	(void)state;
	assert_int_equal(child_wait(child_start(open_without_capabilities, NULL)), 0);
}

static void a_device_that_is_removed_is_told(void **state)
{
	struct wire *wire = *state;

	end_open(&wire->near, TAP, NULL);
	assert_ok(netns_remove("t0"));
	assert_true((unsigned)loom_port_wait(wire->near.port, LOOM_RX, PATIENCE_MS) & LOOM_ERROR);
	assert_refused(loom_rx_sync(&wire->near.rx), -ENETDOWN, "gone");
	assert_int_equal(loom_send(&wire->near.tx, "0123456789abcdef", 16), 1);
	assert_refused(loom_tx_sync(&wire->near.tx), -ENETDOWN, "gone");
	end_close(&wire->near);
	end_open(&wire->near, TAP, NULL);
	assert_ok(loom_rx_sync(&wire->near.rx));
}

static void what_waits_while_the_device_is_down_leaves_when_it_is_up(void **state)
{
	struct wire *wire = *state;
	uint64_t deadline = now_ms() + PATIENCE_MS;
	int err = 0;

	end_open(&wire->near, TAP, NULL);
	end_open(&wire->far, "packet:t0", NULL);
	assert_ok(netns_up("t0", false));
	end_send(&wire->near, 7, 60);
	assert_refused(loom_tx_sync(&wire->near.tx), -ENETDOWN, "is down");
	assert_true((unsigned)loom_port_wait(wire->near.port, LOOM_RX, PATIENCE_MS) & LOOM_ERROR);
	while (!err && now_ms() < deadline) /* it does not look each time */
		err = loom_rx_sync(&wire->near.rx);
	assert_refused(err, -ENETDOWN, "is down");
	assert_ok(netns_up("t0", true));
	end_flush(&wire->near);
	end_expect(&wire->far, 7, 60);
	assert_ok(loom_rx_sync(&wire->near.rx));
}

static void closing_gives_everything_back(void **state)
{
	struct wire *wire = *state;
	unsigned before;

	end_open(&wire->near, TAP, NULL);
	end_close(&wire->near);
	before = open_descriptors();
	for (unsigned i = 0; i < 9; i++) {
		end_open(
		    &wire->near, TAP, LOOM_CONFIG(.rx_rings = 1 + i % 3, .tx_rings = 1 + i % 2));
		if (i % 2)
			loom_port_fd(wire->near.port);
		end_close(&wire->near);
	}
	assert_int_equal(open_descriptors(), before);
}

/* The host rings of an interface use such a device: nothing may be sent on it by itself. */
static void a_silenced_device_sends_nothing_by_itself(void **state)
{
	char name[TAP_NAME_SIZE] = "quiet%d";
	const struct tap_shape shape = {.many = false};
	int fd = tap_queue_open(name, &shape);
	uint8_t frame[2048];

	(void)state;
	assert_true(fd >= 0);
	assert_string_equal(name, "quiet0");
	assert_int_equal(tap_index(fd), (int)if_nametoindex(name));
	assert_int_equal(tap_is_up(fd), 0);
	assert_int_equal(tap_mtu_set(name, 1400), 0);
	assert_int_equal(tap_silence(name), 0);
	assert_int_equal(tap_up(name, true), 0);
	assert_int_equal(tap_is_up(fd), 1);
	assert_ok(netns_address(name, HOST_ADDRESS));
	assert_int_equal(read(fd, frame, sizeof frame), -1);
	assert_int_equal(errno, EAGAIN);
	close(fd);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
	    WIRE_TEST(the_interface_is_there_and_up_while_the_port_is_open),
	    WIRE_TEST(a_pipe_of_the_device_is_in_its_memory),
	    WIRE_TEST(a_persistent_device_stays),
	    WIRE_TEST(what_cannot_be_opened_is_refused_with_a_reason),
	    WIRE_TEST(without_privileges_the_message_says_what_is_missing),
	    WIRE_TEST(a_device_that_is_removed_is_told),
	    WIRE_TEST(what_waits_while_the_device_is_down_leaves_when_it_is_up),
	    WIRE_TEST(closing_gives_everything_back),
	    WIRE_TEST(a_silenced_device_sends_nothing_by_itself),
	};

	return WIRE_TESTS(tests);
}
