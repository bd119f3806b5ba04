/* SPDX-License-Identifier: BSD-2-Clause */
#include "xdp_bare.h"

#include <bpf/bpf.h>
#include <errno.h>
#include <linux/bpf.h>
#include <linux/if_link.h>
#include <poll.h>
#include <stddef.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

/* Newer than the headers of some systems (Linux 6.17): packets that one call sends; 32 without it. */
#define SEND_BUDGET 9

bool bare_is_native(const char *mode)
{
	if (strcmp(mode, "native") != 0 && strcmp(mode, "generic") != 0)
		bench_die("\"%s\" is not native or generic", mode);
	return mode[0] == 'n';
}

/* veth refuses native programs to the end with fewer queues than its peer sends from. */
void bare_make_pairs(unsigned n, bool native)
{
	net_make_pairs(n, native ? 1 : 2);
}

/* return bpf_redirect_map(map, ctx->rx_queue_index, XDP_PASS) */
static int program_load(int map)
{
	const struct bpf_insn code[] = {
	    {.code = BPF_LDX | BPF_MEM | BPF_W,
		.dst_reg = BPF_REG_2,
		.src_reg = BPF_REG_1,
		.off = offsetof(struct xdp_md, rx_queue_index)},
	    {.code = BPF_DW | BPF_IMM, /* and BPF_LD: both are 0 */
		.dst_reg = BPF_REG_1,
		.src_reg = BPF_PSEUDO_MAP_FD,
		.imm = map},
	    {0}, /* the second half of the load */
	    {.code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = BPF_REG_3, .imm = XDP_PASS},
	    {.code = BPF_JMP | BPF_CALL, .imm = BPF_FUNC_redirect_map},
	    {.code = BPF_JMP | BPF_EXIT},
	};

	return bpf_prog_load(BPF_PROG_TYPE_XDP, "bench_xdp", "Dual BSD/GPL", code,
	    sizeof code / sizeof code[0], NULL);
}

static void attach(struct bare *bare, const char *interface, bool native)
{
	const struct bpf_link_create_opts options = {
	    .sz = sizeof options, .flags = native ? XDP_FLAGS_DRV_MODE : XDP_FLAGS_SKB_MODE};
	const uint32_t queue = 0;
	int program;

	bare->map =
	    bpf_map_create(BPF_MAP_TYPE_XSKMAP, "bench_queues", sizeof queue, sizeof(int), 1, NULL);
	program = bare->map < 0 ? -1 : program_load(bare->map);
	if (program < 0)
		bench_skip("an XDP program cannot be loaded here: %s", strerror(errno));
	bare->link = bpf_link_create(program, net_index(interface), BPF_XDP, &options);
	if (bare->link < 0 || bpf_map_update_elem(bare->map, &queue, &bare->fd, 0) != 0)
		bench_skip("cannot attach a %s XDP program to %s: %s",
		    native ? "native" : "generic", interface, strerror(errno));
	close(program);
}

static void memory_make(struct bare *bare, const struct bare *with)
{
	/* The kernel says only after it has handed packets over which entries of the fill ring it took. */
	const struct xsk_umem_config config = {
	    .fill_size = 2 * BARE_RING, .comp_size = BARE_RING, .frame_size = BARE_FRAME};
	const size_t size = (size_t)BARE_FRAMES * BARE_FRAME;
	int err;

	if (with) {
		bare->shares = true;
		bare->umem = with->umem;
		bare->memory = with->memory;
		return;
	}
	bare->memory = mmap(
	    NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
	if (bare->memory == MAP_FAILED)
		bench_die("cannot map %zu bytes: %s", size, strerror(errno));
	err = xsk_umem__create(&bare->umem, bare->memory, size, &bare->fill, &bare->done, &config);
	if (err)
		bench_skip("AF_XDP has no memory here: %s", strerror(-err));
}

static void fill_all(struct bare *bare)
{
	uint32_t at;

	if (xsk_ring_prod__reserve(&bare->fill, BARE_RING, &at) != BARE_RING)
		bench_die("the fill ring is too short");
	for (unsigned i = 0; i < BARE_RING; i++)
		*xsk_ring_prod__fill_addr(&bare->fill, at + i) = (uint64_t)i * BARE_FRAME;
	xsk_ring_prod__submit(&bare->fill, BARE_RING);
}

static void socket_open(struct bare *bare, const char *interface)
{
	const struct xsk_socket_config config = {.rx_size = BARE_RING,
	    .tx_size = BARE_RING,
	    .libxdp_flags = XSK_LIBXDP_FLAGS__INHIBIT_PROG_LOAD,
	    .bind_flags = XDP_COPY | XDP_USE_NEED_WAKEUP};
	const uint32_t budget = BARE_RING;
	int err = xsk_socket__create_shared(&bare->socket, interface, 0, bare->umem, &bare->rx,
	    &bare->tx, &bare->fill, &bare->done, &config);

	if (err)
		bench_skip("AF_XDP cannot be bound to %s: %s", interface, strerror(-err));
	bare->fd = xsk_socket__fd(bare->socket);
	setsockopt(bare->fd, SOL_XDP, SEND_BUDGET, &budget, sizeof budget);
}

struct bare *bare_open(
    unsigned side, unsigned pair, bool receives, bool native, const struct bare *with)
{
	struct bare *bare = calloc(1, sizeof *bare);
	char interface[8];

	if (!bare)
		bench_die("out of memory");
	bare->map = bare->link = -1;
	net_name(interface, side, pair);
	memory_make(bare, with);
	socket_open(bare, interface);
	for (; bare->num_free < BARE_RING; bare->num_free++)
		bare->free[bare->num_free] = (uint64_t)(BARE_RING + bare->num_free) * BARE_FRAME;
	if (receives) {
		fill_all(bare);
		attach(bare, interface, native);
	}
	return bare;
}

void bare_close(struct bare *bare)
{
	if (!bare)
		return;
	if (bare->link >= 0)
		close(bare->link);
	if (bare->map >= 0)
		close(bare->map);
	xsk_socket__delete(bare->socket);
	if (!bare->shares) {
		xsk_umem__delete(bare->umem);
		munmap(bare->memory, (size_t)BARE_FRAMES * BARE_FRAME);
	}
	free(bare);
}

/* Descriptors that the kernel has not taken yet. */
static uint32_t left(const struct bare *bare)
{
	return __atomic_load_n(bare->tx.producer, __ATOMIC_RELAXED) -
	       __atomic_load_n(bare->tx.consumer, __ATOMIC_ACQUIRE);
}

void bare_kick(struct bare *bare)
{
	uint32_t now = left(bare), before = now + 1;

	while (now > 0 && now < before && xsk_ring_prod__needs_wakeup(&bare->tx)) {
		if (sendto(bare->fd, NULL, 0, MSG_DONTWAIT, NULL, 0) < 0 && errno != EAGAIN &&
		    errno != EBUSY && errno != ENOBUFS)
			bench_die("AF_XDP does not send: %s", strerror(errno));
		before = now;
		now = left(bare);
	}
}

unsigned bare_reclaim(struct bare *bare)
{
	uint32_t at, n = xsk_ring_cons__peek(&bare->done, BARE_RING - bare->num_free, &at);

	for (uint32_t i = 0; i < n; i++)
		bare->free[bare->num_free++] = *xsk_ring_cons__comp_addr(&bare->done, at + i);
	if (n)
		xsk_ring_cons__release(&bare->done, n);
	return n;
}

void bare_wait(struct bare *bare, bool sleeps)
{
	struct pollfd ready = {.fd = bare->fd, .events = POLLIN};

	if (sleeps)
		poll(&ready, 1, FLOOD_POLL_MS); /* tells the driver, too */
	else if (xsk_ring_prod__needs_wakeup(&bare->fill))
		recvfrom(bare->fd, NULL, 0, MSG_DONTWAIT, NULL, NULL);
	else
		bench_relax();
}
