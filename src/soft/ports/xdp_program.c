/* SPDX-License-Identifier: BSD-2-Clause */
/* Loading, attaching and joining the program; xdp_program.h says what it is for. */
#include "xdp_program.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <linux/bpf.h>
#include <linux/if_link.h>
#include <string.h>
#include <unistd.h>

#include "../../base/error.h"
#include "../soft.h"

/* Others of ours find the map by it; the kernel keeps 15 characters. */
#define MAP_NAME     "pktloom_queues"
#define PROGRAM_NAME "pktloom_xdp"

/* A program that goes while it is joined: try again, from the beginning. */
#define TRIES 20u

/* Not all kernel headers have it: Linux 5.18. */
#ifndef BPF_F_XDP_HAS_FRAGS
#define BPF_F_XDP_HAS_FRAGS (1u << 5)
#endif

static void close_if_open(int *fd)
{
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
}

static int map_create(int *map)
{
	*map = bpf_map_create(
	    BPF_MAP_TYPE_XSKMAP, MAP_NAME, sizeof(uint32_t), sizeof(int), SOFT_RINGS_MAX, NULL);
	return *map < 0 ? -errno : 0;
}

/* return bpf_redirect_map(map, ctx->rx_queue_index, XDP_PASS) */
static int load(int map, uint32_t flags)
{
	const struct bpf_insn code[] = {
	    {.code = BPF_LDX | BPF_MEM | BPF_W,
		.dst_reg = BPF_REG_2,
		.src_reg = BPF_REG_1,
		.off = offsetof(struct xdp_md, rx_queue_index)},
	    {.code = BPF_DW | BPF_IMM, /* BPF_LD, which is 0 */
		.dst_reg = BPF_REG_1,
		.src_reg = BPF_PSEUDO_MAP_FD,
		.imm = map},
	    {.imm = 0}, /* the second half of the load */
	    {.code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = BPF_REG_3, .imm = XDP_PASS},
	    {.code = BPF_JMP | BPF_CALL, .imm = BPF_FUNC_redirect_map},
	    {.code = BPF_JMP | BPF_EXIT},
	};
	struct bpf_prog_load_opts options;
	int fd;

	memset(&options, 0, sizeof options); /* libbpf refuses structs whose padding is not zero */
	options.sz = sizeof options;
	options.prog_flags = flags;
	fd = bpf_prog_load(BPF_PROG_TYPE_XDP, PROGRAM_NAME, "Dual BSD/GPL", code,
	    sizeof code / sizeof code[0], &options);

	return fd < 0 ? -errno : fd;
}

/*
 * In the driver, packets of several buffers need a program that says it takes them. A generic one must not say
 * so: before it runs such a program the kernel copies every packet to pages of its own, which costs the
 * sender a tenth of its rate. Else it makes the packet one piece, and a socket that takes several buffers
 * gets it in several all the same.
 */
static int program_load(bool native, struct xdp_program *out)
{
	int fd;

	if (!native) {
		out->fragments = true;
		return load(out->map, 0);
	}
	fd = load(out->map, BPF_F_XDP_HAS_FRAGS);
	out->fragments = fd >= 0;
	return fd == -EINVAL ? load(out->map, 0) : fd;
}

static int attach_new(int interface, bool native, struct xdp_program *out)
{
	struct bpf_link_create_opts options;
	int err = map_create(&out->map), program;

	if (err)
		return err;
	program = program_load(native, out);
	if (program < 0)
		return program;
	memset(&options, 0, sizeof options);
	options.sz = sizeof options;
	options.flags = native ? XDP_FLAGS_DRV_MODE : XDP_FLAGS_SKB_MODE;
	out->link = bpf_link_create(program, interface, BPF_XDP, &options);
	err = out->link < 0 ? -errno : 0;
	out->native = native;
	close(program); /* the link has it */
	return err;
}

/* ---- joining one that another process, or another port, has attached ---- */

static bool is_our_map(int map)
{
	struct bpf_map_info info = {0};
	uint32_t size = sizeof info;

	return bpf_obj_get_info_by_fd(map, &info, &size) == 0 && info.type == BPF_MAP_TYPE_XSKMAP &&
	       strcmp(info.name, MAP_NAME) == 0;
}

/* Its only map. -ESRCH: the program is not ours. */
static int map_join(int program, int *map)
{
	uint32_t ids[2] = {0};
	struct bpf_prog_info info = {
	    .nr_map_ids = sizeof ids / sizeof ids[0], .map_ids = (uintptr_t)ids};
	uint32_t size = sizeof info;

	if (bpf_obj_get_info_by_fd(program, &info, &size) != 0)
		return -errno;
	if (strcmp(info.name, PROGRAM_NAME) != 0 || info.nr_map_ids != 1)
		return -ESRCH;
	*map = bpf_map_get_fd_by_id(ids[0]);
	if (*map < 0)
		return -errno;
	return is_our_map(*map) ? 0 : -ESRCH;
}

static bool is_link_of(int link, uint32_t program)
{
	struct bpf_link_info info = {0};
	uint32_t size = sizeof info;

	return bpf_obj_get_info_by_fd(link, &info, &size) == 0 && info.type == BPF_LINK_TYPE_XDP &&
	       info.prog_id == program;
}

/* Each attachment has a program of its own, so that its number tells them apart in all namespaces. */
static int link_join(uint32_t program, int *link)
{
	uint32_t id = 0;

	while (bpf_link_get_next_id(id, &id) == 0) {
		*link = bpf_link_get_fd_by_id(id);
		if (*link < 0 && errno == EPERM)
			return -EPERM;
		if (*link >= 0 && is_link_of(*link, program))
			return 0;
		close_if_open(link);
	}
	return -ENOENT;
}

static int join(uint32_t id, struct xdp_program *out)
{
	int program = bpf_prog_get_fd_by_id(id), err;

	if (program < 0)
		return -errno;
	err = map_join(program, &out->map);
	if (!err)
		err = link_join(id, &out->link);
	close(program);
	return err;
}

static int refuse_other(const char *name, uint32_t id)
{
	return error_set(-EBUSY,
	    "port \"%s\": the XDP program %u is attached to the interface already (bpftool prog "
	    "show id %u says whose it is); detach it (ip link set dev IFACE xdp off, or end the "
	    "program that attached it), or use packet:",
	    name, id, id);
}

static int refuse_mode(const char *name, bool native)
{
	return error_set(-EBUSY,
	    "port \"%s\": other queues of the interface are in use in %s mode: use the same", name,
	    native ? "generic" : "native");
}

/* -ENOENT: it has gone meanwhile. */
static int join_attached(int interface, bool native, const char *name, struct xdp_program *out)
{
	struct bpf_xdp_query_opts there = {.sz = sizeof there};
	int err = bpf_xdp_query(interface, 0, &there);

	if (err)
		return err;
	if (there.prog_id == 0)
		return there.attach_mode == XDP_ATTACHED_MULTI
			   ? refuse_other(name, there.drv_prog_id)
			   : -ENOENT;
	err = join(there.prog_id, out);
	if (err == -ESRCH)
		return refuse_other(name, there.prog_id);
	if (err == -EPERM)
		return error_set(err,
		    "port \"%s\": to join the XDP program %u, which another process attached, "
		    "CAP_SYS_ADMIN is needed: run as root",
		    name, there.prog_id);
	out->native = there.attach_mode == XDP_ATTACHED_DRV;
	out->fragments = true;
	if (!err && out->native != native)
		return refuse_mode(name, native);
	return err;
}

static int refuse_attach(const char *name, bool native, int err)
{
	if (err == -EPERM || err == -EACCES)
		return error_set(err,
		    "port \"%s\": XDP programs need CAP_NET_ADMIN and CAP_BPF in the initial user "
		    "namespace: run as root, or use packet:",
		    name);
	return error_set(err, "port \"%s\": cannot attach a %s XDP program: %s", name,
	    native ? "native" : "generic", strerror(-err));
}

int xdp_program_attach(int interface, bool native, const char *name, struct xdp_program *out)
{
	int err = -ENOENT;

	*out = (struct xdp_program){.link = -1, .map = -1};
	for (unsigned i = 0; i < TRIES && err == -ENOENT; i++) {
		err = attach_new(interface, native, out);
		if (!err)
			return 0;
		xdp_program_detach(out);
		if (err != -EBUSY && err != -EEXIST)
			return refuse_attach(name, native, err);
		err = join_attached(interface, native, name, out);
		if (err)
			xdp_program_detach(out);
	}
	return err == -ENOENT ? refuse_attach(name, native, -EBUSY) : err;
}

void xdp_program_detach(struct xdp_program *program)
{
	close_if_open(&program->link);
	close_if_open(&program->map);
}

int xdp_program_take(const struct xdp_program *program, uint32_t queue, int socket)
{
	return bpf_map_update_elem(program->map, &queue, &socket, 0) == 0 ? 0 : -errno;
}

void xdp_program_leave(const struct xdp_program *program, uint32_t queue)
{
	bpf_map_delete_elem(program->map, &queue);
}
