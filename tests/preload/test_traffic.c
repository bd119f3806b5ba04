/* SPDX-License-Identifier: BSD-2-Clause */
/* Classic programs, small: generators, sinks and bridges by nm_open and by raw ioctls. */
#define NETMAP_WITH_LIBS
#include "support.h"

#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/select.h>
#include <sys/time.h>
#include <unistd.h>

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define PACKETS 20000u
#else
#define PACKETS 200000u
#endif

static struct nm_desc *classic_open(const char *name, uint64_t flags)
{
	struct nm_desc *d = nm_open(name, NULL, flags, NULL);

	assert_non_null(d);
	return d;
}

/* ---- the pcap-like calls ---- */

static void count_in_order(
    unsigned char *arg, const struct nm_pkthdr *hdr, const unsigned char *data)
{
	uint32_t *expected = (uint32_t *)(void *)arg, number;

	assert_int_equal(hdr->caplen, 60);
	memcpy(&number, data, sizeof number);
	assert_int_equal(number, *expected);
	++*expected;
}

static void test_inject_and_dispatch(void **state)
{
	struct nm_desc *master = classic_open("netmap:t{1", 0);
	struct nm_desc *slave = classic_open("netmap:t}1", 0);
	uint32_t sent = 0, received = 0;
	uint8_t frame[60] = {0};

	(void)state;
	while (received < 5000) {
		memcpy(frame, &sent, sizeof sent);
		while (nm_inject(master, frame, sizeof frame)) {
			sent++;
			memcpy(frame, &sent, sizeof sent);
		}
		assert_int_equal(ioctl(master->fd, NIOCTXSYNC, NULL), 0);
		assert_int_equal(ioctl(slave->fd, NIOCRXSYNC, NULL), 0);
		nm_dispatch(slave, -1, count_in_order, (void *)&received);
	}
	assert_int_equal(sent, received);
	nm_close(slave);
	nm_close(master);
}

/* The settings are in the name alone: the program is the same. (nm_open()'s 15 characters do not hold such a name.) */
static void test_a_link_with_faults(void **state)
{
	struct port near = port_open("fault:loss=50,seed=7@pipe{bad}");
	struct port far = port_open("fault:dup=100@pipe{bad}");
	struct pollfd ready = {.fd = far.fd, .events = POLLIN};
	unsigned received = 0;

	(void)state;
	for (uint32_t sent = 0; sent < 1000; sent++) {
		send_frame(&near, sent);
		if (poll(&ready, 1, 0) != 1)
			continue;
		assert_int_equal(nm_ring_space(far.rx), 2);
		assert_int_equal(take_frame(&far), sent);
		assert_int_equal(take_frame(&far), sent);
		received++;
	}
	assert_in_range(received, 400, 600);
	port_close(&far);
	port_close(&near);
}

static void test_a_child_descriptor_shares_its_parents_mapping(void **state)
{
	struct nm_desc *master = classic_open("netmap:t{2", 0), *slave;
	struct nm_pkthdr hdr;

	(void)state;
	slave = nm_open("netmap:t}2", NULL, 0, master);
	assert_non_null(slave);
	assert_ptr_equal(slave->mem, master->mem);
	assert_int_equal(nm_inject(master, "abc", 4), 4);
	ioctl(master->fd, NIOCTXSYNC, NULL);
	ioctl(slave->fd, NIOCRXSYNC, NULL);
	assert_string_equal((const char *)nm_nextpkt(slave, &hdr), "abc");
	nm_close(slave);
	nm_close(master);
}

static void test_extra_buffers_replace_received_ones(void **state)
{
	struct nmreq req = {.nr_arg3 = 8};
	struct port sender;
	struct nm_desc *d;
	struct netmap_ring *ring;
	uint32_t spare, held[8] = {0}, n = 0;

	(void)state;
	d = nm_open("netmap:t{3", &req, 0, NULL);
	assert_non_null(d);
	sender = port_open("t}3");
	ring = NETMAP_RXRING(d->nifp, 0);
	assert_int_equal(d->req.nr_arg3, 8);
	put_frames(&sender, 8, 100);
	sync_tx(&sender);
	ioctl(d->fd, NIOCRXSYNC, NULL);
	/* Hold on to what came, and give the ring the extra buffers in its place. */
	for (spare = d->nifp->ni_bufs_head; spare && nm_ring_space(ring); n++) {
		struct netmap_slot *slot = &ring->slot[ring->head];

		held[n] = slot->buf_idx;
		slot->buf_idx = spare;
		slot->flags |= NS_BUF_CHANGED;
		memcpy(&spare, NETMAP_BUF(ring, spare), sizeof spare);
		ring->head = ring->cur = nm_ring_next(ring, ring->head);
	}
	assert_int_equal(n, 8);
	for (uint32_t i = 0; i < n; i++) {
		uint32_t number, next = i + 1 < n ? held[i + 1] : 0;

		memcpy(&number, NETMAP_BUF(ring, held[i]), sizeof number);
		assert_int_equal(number, 100 + i);
		memcpy(NETMAP_BUF(ring, held[i]), &next, sizeof next);
	}
	d->nifp->ni_bufs_head = held[0];
	ioctl(d->fd, NIOCRXSYNC, NULL);
	nm_close(d);
	port_close(&sender);
}

/* ---- two processes ---- */

static void generate(struct port *port, uint32_t packets)
{
	struct pollfd pfd = {.fd = port->fd, .events = POLLOUT};
	uint32_t sent = 0;

	while (sent < packets) {
		uint32_t room;

		assert_int_equal(poll(&pfd, 1, 10000), 1);
		room = nm_ring_space(port->tx);
		room = room < packets - sent ? room : packets - sent;
		put_frames(port, room, sent);
		sent += room;
	}
	sync_tx(port);
}

static uint32_t drain(struct port *port, uint32_t expected)
{
	while (nm_ring_space(port->rx))
		assert_int_equal(take_frame(port), expected++);
	return expected;
}

static void sink_by_poll(struct port *port, uint32_t packets)
{
	struct pollfd pfd = {.fd = port->fd, .events = POLLIN};
	uint32_t received = 0;

	while (received < packets) {
		assert_int_equal(poll(&pfd, 1, 10000), 1);
		received = drain(port, received);
	}
	sync_rx(port);
}

static void sink_by_select(struct port *port, uint32_t packets)
{
	uint32_t received = 0;
	fd_set in;

	while (received < packets) {
		struct timeval timeout = {.tv_sec = 10};

		FD_ZERO(&in);
		FD_SET(port->fd, &in);
		assert_int_equal(select(port->fd + 1, &in, NULL, NULL, &timeout), 1);
		received = drain(port, received);
	}
	sync_rx(port);
}

static void sink_by_epoll(struct port *port, uint32_t packets)
{
	struct epoll_event event = {.events = EPOLLIN};
	uint32_t received = 0;
	int epfd = epoll_create1(0);

	assert_int_equal(epoll_ctl(epfd, EPOLL_CTL_ADD, port->fd, &event), 0);
	while (received < packets) {
		assert_int_equal(epoll_wait(epfd, &event, 1, 10000), 1);
		received = drain(port, received);
	}
	sync_rx(port);
	close(epfd);
}

static void sink_by_epoll_edge(struct port *port, uint32_t packets)
{
	struct epoll_event event = {.events = EPOLLIN | EPOLLET};
	uint32_t received = 0;
	int epfd = epoll_create1(0);

	assert_int_equal(epoll_ctl(epfd, EPOLL_CTL_ADD, port->fd, &event), 0);
	while (received < packets) {
		assert_int_equal(epoll_wait(epfd, &event, 1, 10000), 1);
		received = drain(port, received);
	}
	sync_rx(port);
	close(epfd);
}

static int generator_process(void *arg)
{
	struct port port = port_open(arg);

	generate(&port, PACKETS);
	port_close(&port);
	return 0;
}

static void two_processes(char *name, void (*sink)(struct port *, uint32_t))
{
	char other[16];
	struct port port;
	pid_t child;

	snprintf(other, sizeof other, "%s", name);
	*strchr(other, '{') = '}';
	port = port_open(other);
	child = child_start(generator_process, name);
	sink(&port, PACKETS);
	assert_int_equal(child_wait(child), 0);
	port_close(&port);
}

static void test_two_processes_by_poll(void **state)
{
	char name[] = "t{poll";

	(void)state;
	two_processes(name, sink_by_poll);
}

static void test_two_processes_by_select(void **state)
{
	char name[] = "t{select";

	(void)state;
	two_processes(name, sink_by_select);
}

static void test_two_processes_by_epoll(void **state)
{
	char name[] = "t{epoll";

	(void)state;
	two_processes(name, sink_by_epoll);
}

static void test_two_processes_by_edges(void **state)
{
	char name[] = "t{edge";

	(void)state;
	two_processes(name, sink_by_epoll_edge);
}

/* ---- a bridge: what comes goes back by exchanging buffers ---- */

static void swap(struct netmap_slot *rx, struct netmap_slot *tx)
{
	uint32_t index = tx->buf_idx;

	tx->buf_idx = rx->buf_idx;
	rx->buf_idx = index;
	tx->len = rx->len;
	tx->flags |= NS_BUF_CHANGED;
	rx->flags |= NS_BUF_CHANGED;
}

static uint32_t reflect(struct port *port)
{
	struct netmap_ring *rx = port->rx, *tx = port->tx;
	uint32_t n = 0;

	for (; nm_ring_space(rx) && nm_ring_space(tx); n++) {
		swap(&rx->slot[rx->head], &tx->slot[tx->head]);
		rx->head = rx->cur = nm_ring_next(rx, rx->head);
		tx->head = tx->cur = nm_ring_next(tx, tx->head);
	}
	return n;
}

static int reflector_process(void *arg)
{
	struct port port = port_open(arg);
	struct pollfd pfd = {.fd = port.fd};
	uint32_t done = 0;

	while (done < PACKETS) {
		pfd.events = nm_ring_space(port.tx) ? POLLIN : POLLOUT;
		if (poll(&pfd, 1, 10000) <= 0)
			return 1;
		done += reflect(&port);
	}
	sync_tx(&port);
	sync_rx(&port);
	port_close(&port);
	return 0;
}

static void test_a_bridge_by_swap(void **state)
{
	char name[] = "t}swap";
	struct port port = port_open("t{swap");
	struct pollfd pfd = {.fd = port.fd};
	uint32_t sent = 0, received = 0;
	pid_t child = child_start(reflector_process, name);

	(void)state;
	while (received < PACKETS) {
		uint32_t room = nm_ring_space(port.tx);

		room = room < PACKETS - sent ? room : PACKETS - sent;
		put_frames(&port, room, sent);
		sent += room;
		pfd.events = sent < PACKETS ? POLLIN | POLLOUT : POLLIN;
		assert_int_equal(poll(&pfd, 1, 10000), 1);
		received = drain(&port, received);
	}
	sync_rx(&port);
	assert_int_equal(child_wait(child), 0);
	port_close(&port);
}

/* ---- one descriptor per ring, one thread per descriptor ---- */

#define RINGS 4

struct worker {
	const char *name;
	uint16_t ring;
	bool sends;
	int failed;
};

static struct port ring_open(const struct worker *worker)
{
	struct nmreq_register reg = {.nr_mode = NR_REG_ONE_NIC,
	    .nr_ringid = worker->ring,
	    .nr_tx_rings = RINGS,
	    .nr_rx_rings = RINGS,
	    .nr_flags = NR_EXCLUSIVE};
	struct port port = {.fd = netmap_open()};

	assert_int_equal(control(port.fd, worker->name, NETMAP_REQ_REGISTER, &reg, NULL), 0);
	port.size = reg.nr_memsize;
	port.memory = mmap(NULL, port.size, PROT_READ | PROT_WRITE, MAP_SHARED, port.fd, 0);
	assert_true(port.memory != MAP_FAILED);
	port.nifp = NETMAP_IF(port.memory, reg.nr_offset);
	port.tx = NETMAP_TXRING(port.nifp, worker->ring);
	port.rx = NETMAP_RXRING(port.nifp, worker->ring);
	return port;
}

static void *work(void *arg)
{
	struct worker *worker = arg;
	struct port port = ring_open(worker);

	if (worker->sends)
		generate(&port, PACKETS / RINGS);
	else
		sink_by_poll(&port, PACKETS / RINGS);
	port_close(&port);
	return NULL;
}

static void test_a_thread_per_ring(void **state)
{
	struct worker workers[2 * RINGS];
	pthread_t threads[2 * RINGS];

	(void)state;
	for (unsigned i = 0; i < 2 * RINGS; i++) {
		workers[i] = (struct worker){.name = i % 2 ? "t{rings" : "t}rings",
		    .ring = (uint16_t)(i / 2),
		    .sends = i % 2};
		assert_int_equal(pthread_create(&threads[i], NULL, work, &workers[i]), 0);
	}
	for (unsigned i = 0; i < 2 * RINGS; i++)
		pthread_join(threads[i], NULL);
}

/* ---- one descriptor, two threads ---- */

static void *generates(void *arg)
{
	struct port *port = arg;
	uint32_t sent = 0;

	while (sent < PACKETS) {
		uint32_t room = nm_ring_space(port->tx);

		room = room < PACKETS - sent ? room : PACKETS - sent;
		put_frames(port, room, sent);
		sent += room;
		sync_tx(port);
	}
	return NULL;
}

/* Polling for packets flushes TX too, while the other thread syncs TX. */
static void test_a_sending_and_a_receiving_thread(void **state)
{
	struct port port = port_open("loop:threads");
	struct pollfd pfd = {.fd = port.fd, .events = POLLIN};
	uint32_t received = 0;
	pthread_t thread;

	(void)state;
	assert_int_equal(pthread_create(&thread, NULL, generates, &port), 0);
	while (received < PACKETS) {
		assert_int_equal(poll(&pfd, 1, 10000), 1);
		received = drain(&port, received);
	}
	sync_rx(&port);
	pthread_join(thread, NULL);
	port_close(&port);
}

/* ---- a signal handler that uses netmap ---- */

static struct port handlers_port;
static volatile sig_atomic_t handled;

static void on_alarm(int number)
{
	struct pollfd pfd = {.fd = handlers_port.fd, .events = POLLIN | POLLOUT};
	int saved = errno;

	(void)number;
	handled += poll(&pfd, 1, 0) >= 0 && ioctl(handlers_port.fd, NIOCTXSYNC, NULL) == 0;
	errno = saved;
}

static void test_a_handler_may_poll_what_it_interrupts(void **state)
{
	const struct sigaction action = {.sa_handler = on_alarm, .sa_flags = SA_RESTART};
	const struct itimerval often = {{.tv_usec = 100}, {.tv_usec = 100}}, never = {0};
	uint32_t received = 0;

	(void)state;
	handlers_port = port_open("loop:handler");
	sigaction(SIGALRM, &action, NULL);
	setitimer(ITIMER_REAL, &often, NULL);
	for (uint32_t sent = 0; received < PACKETS || handled < 20;) {
		uint32_t room = nm_ring_space(handlers_port.tx);

		put_frames(&handlers_port, room, sent);
		sent += room;
		sync_tx(&handlers_port);
		sync_rx(&handlers_port);
		received = drain(&handlers_port, received);
	}
	setitimer(ITIMER_REAL, &never, NULL);
	port_close(&handlers_port);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_inject_and_dispatch),
	    cmocka_unit_test(test_a_link_with_faults),
	    cmocka_unit_test(test_a_child_descriptor_shares_its_parents_mapping),
	    cmocka_unit_test(test_extra_buffers_replace_received_ones),
	    cmocka_unit_test(test_two_processes_by_poll),
	    cmocka_unit_test(test_two_processes_by_select),
	    cmocka_unit_test(test_two_processes_by_epoll),
	    cmocka_unit_test(test_two_processes_by_edges),
	    cmocka_unit_test(test_a_bridge_by_swap),
	    cmocka_unit_test(test_a_thread_per_ring),
	    cmocka_unit_test(test_a_sending_and_a_receiving_thread),
	    cmocka_unit_test(test_a_handler_may_poll_what_it_interrupts),
	};

	return cmocka_run_group_tests(tests, group_start, group_end);
}
