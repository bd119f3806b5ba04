/* SPDX-License-Identifier: BSD-2-Clause */
/* The fixture of wire.h. */
#include "wire.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <sys/socket.h>

#define QUIET_MS  50 /* nothing that is on its way takes so long */
#define FRAME_MAX 9216u

int wire_run(const char *name, const struct CMUnitTest *tests, size_t n)
{
	int skip = netns_enter_with_cable(NEAR, FAR);

	if (skip)
		return skip;
	netns_remove(NEAR);
	scratch_directory();
	return _cmocka_run_group_tests(name, tests, n, NULL, NULL);
}

int wire_setup(void **state)
{
	static struct wire wire;

	memset(&wire, 0, sizeof wire);
	*state = &wire;
	return netns_cable(NEAR, FAR);
}

int wire_teardown(void **state)
{
	struct wire *wire = *state;

	end_close(&wire->near);
	end_close(&wire->far);
	netns_remove(NEAR); /* a test may have done so already */
	return 0;
}

const char *wire_kind = "packet";
enum loom_xdp_mode wire_xdp_mode = LOOM_XDP_ANY;

void wire_choose(int argc, char **argv)
{
	const char *kind = argc > 1 ? argv[1] : "packet";

	if (strcmp(kind, "packet") == 0)
		return;
	wire_kind = "xdp";
	wire_xdp_mode = strcmp(kind, "generic") == 0 ? LOOM_XDP_GENERIC : LOOM_XDP_NATIVE;
}

/* An interface's plain name is opened as the program's kind. */
static const char *full_name(const char *name, char *out, size_t size)
{
	if (strpbrk(name, ":{}"))
		return name;
	snprintf(out, size, "%s:%s", wire_kind, name);
	return out;
}

void end_open(struct end *end, const char *name, const struct loom_config *config)
{
	struct loom_config with = config ? *config : *LOOM_CONFIG(.tx_rings = 0);
	char full[64];

	with.xdp_mode = wire_xdp_mode;
	assert_ok(loom_open(full_name(name, full, sizeof full), &with, &end->port));
	if (loom_tx_rings(end->port))
		assert_ok(loom_tx(end->port, 0, &end->tx));
	if (loom_rx_rings(end->port))
		assert_ok(loom_rx(end->port, 0, &end->rx));
}

void end_close(struct end *end)
{
	loom_close(end->port);
	end->port = NULL;
}

void wire_open(struct wire *wire)
{
	end_open(&wire->near, NEAR, NULL);
	end_open(&wire->far, FAR, NULL);
}

void end_send(struct end *end, uint32_t number, uint32_t len)
{
	uint8_t frame[FRAME_MAX];
	uint64_t deadline = now_ms() + PATIENCE_MS;

	packet_fill(frame, len, number);
	while (loom_send(&end->tx, frame, len) == 0) {
		assert_ok(loom_tx_sync(&end->tx));
		if (now_ms() > deadline)
			fail_msg("the TX ring has had no room for %d ms", PATIENCE_MS);
	}
}

void end_flush(struct end *end)
{
	uint64_t deadline = now_ms() + PATIENCE_MS;

	do {
		assert_ok(loom_tx_sync(&end->tx));
		if (now_ms() > deadline)
			fail_msg("slots are still pending after %d ms", PATIENCE_MS);
	} while (loom_tx_space(&end->tx) != end->tx.num_slots - 1);
}

/* A frame that a test sent, from any ring. */
static bool take(struct end *end, struct loom_frame *frame)
{
	for (unsigned i = 0; i < loom_rx_rings(end->port); i++) {
		struct loom_rxring rx;

		assert_ok(loom_rx(end->port, i, &rx));
		while (loom_recv(&rx, frame))
			if (packet_is_ours(frame->data, frame->len))
				return true;
	}
	return false;
}

int end_receive(struct end *end, uint8_t *data, size_t cap, int timeout_ms)
{
	uint64_t deadline = now_ms() + (uint64_t)timeout_ms;
	struct loom_frame frame;

	while (!take(end, &frame)) {
		uint64_t now = now_ms();
		int events;

		if (now > deadline)
			return -1;
		events = loom_port_wait(end->port, LOOM_RX, (int)(deadline - now));
		if (events < 0 || (unsigned)events & LOOM_ERROR)
			fail_msg("waiting failed: %d, %s", events, loom_error());
	}
	assert_true(frame.len <= cap);
	memcpy(data, frame.data, frame.len);
	return (int)frame.len;
}

void end_expect(struct end *end, uint32_t number, uint32_t len)
{
	uint8_t frame[FRAME_MAX];
	int got = end_receive(end, frame, sizeof frame, PATIENCE_MS);

	if (got < 0)
		fail_msg("packet %u has not come", number);
	if ((uint32_t)got != len || !packet_is(frame, len, number))
		fail_msg("a packet of %d bytes came that is not number %u of %u", got, number, len);
}

void end_expect_none(struct end *end)
{
	uint8_t frame[FRAME_MAX];
	int got = end_receive(end, frame, sizeof frame, QUIET_MS);

	if (got >= 0)
		fail_msg("a packet of %d bytes came that should not have", got);
}

uint64_t end_tx_drops(const struct end *end, enum loom_drop reason)
{
	struct loom_stats tx;

	assert_ok(loom_port_stats(end->port, &tx, NULL));
	return tx.drops[reason];
}

uint64_t end_rx_drops(const struct end *end, enum loom_drop reason)
{
	struct loom_stats rx;

	assert_ok(loom_port_stats(end->port, NULL, &rx));
	return rx.drops[reason];
}

/* ---- the host ---- */

int host_socket(void)
{
	const struct sockaddr_in from = {
	    .sin_family = AF_INET, .sin_addr.s_addr = inet_addr(HOST_ADDRESS)};
	int fd = socket(AF_INET, SOCK_DGRAM, 0), on = 1;

	assert_true(fd >= 0);
	assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_BROADCAST, &on, sizeof on), 0);
	assert_int_equal(bind(fd, (const struct sockaddr *)&from, sizeof from), 0);
	return fd;
}

/* A broadcast of the host itself needs no neighbour. */
void host_broadcast(int fd, uint16_t port, const void *data, size_t len)
{
	const struct sockaddr_in to = {.sin_family = AF_INET,
	    .sin_port = htons(port),
	    .sin_addr.s_addr = inet_addr("10.7.7.255")};

	assert_int_equal(
	    sendto(fd, data, len, 0, (const struct sockaddr *)&to, sizeof to), (ssize_t)len);
}

bool host_sent(const struct loom_frame *frame, uint16_t port)
{
	return frame->len >= 42 && frame->data[12] == 0x08 && frame->data[13] == 0x00 &&
	       frame->data[23] == IPPROTO_UDP && frame->data[36] == port >> 8 &&
	       frame->data[37] == (uint8_t)port;
}

void host_next(struct end *end, struct loom_frame *frame)
{
	while (loom_recv(&end->rx, frame) == 0)
		assert_int_equal(loom_port_wait(end->port, LOOM_RX, PATIENCE_MS), LOOM_RX);
}

void host_expect(struct end *end, uint16_t port, struct loom_frame *frame)
{
	do
		host_next(end, frame);
	while (!host_sent(frame, port));
}
