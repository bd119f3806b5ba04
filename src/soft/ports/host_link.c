/* SPDX-License-Identifier: BSD-2-Clause */
/* host_link.h: programs of a few instructions each, as arrays: nothing has to be compiled or found. */
#include "host_link.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <linux/bpf.h>
#include <linux/pkt_cls.h>
#include <stddef.h>
#include <unistd.h>

#include "host.h"

/* Newer than the headers of some systems: Linux 6.6. */
#define TCX_INGRESS ((enum bpf_attach_type)46)
#define TCX_EGRESS  ((enum bpf_attach_type)47)
#define MPROG_FIRST (1u << 3) /* BPF_F_BEFORE without a program that is meant: all others */

#define COUNT(array) (sizeof(array) / sizeof(array)[0])

#define MOVE(reg, value)                                                                           \
	{                                                                                          \
		.code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = (reg), .imm = (value)              \
	}
#define LOAD(reg, field)                                                                           \
	{                                                                                          \
		.code = BPF_LDX | BPF_MEM | BPF_W, .dst_reg = (reg), .src_reg = BPF_REG_1,         \
		.off = offsetof(struct __sk_buff, field)                                           \
	}
#define STORE(field, reg)                                                                          \
	{                                                                                          \
		.code = BPF_STX | BPF_MEM | BPF_W, .dst_reg = BPF_REG_1, .src_reg = (reg),         \
		.off = offsetof(struct __sk_buff, field)                                           \
	}
/* 32 bits are compared: the value may look negative. */
#define SKIP_IF_EQUAL(reg, value, n)                                                               \
	{                                                                                          \
		.code = BPF_JMP32 | BPF_JEQ | BPF_K, .dst_reg = (reg), .off = (n), .imm = (value)  \
	}
#define CALL(function)                                                                             \
	{                                                                                          \
		.code = BPF_JMP | BPF_CALL, .imm = (function)                                      \
	}
#define RETURN                                                                                     \
	{                                                                                          \
		.code = BPF_JMP | BPF_EXIT                                                         \
	}

static int load(const char *name, const struct bpf_insn *code, size_t n)
{
	int fd = bpf_prog_load(BPF_PROG_TYPE_SCHED_CLS, name, "Dual BSD/GPL", code, n, NULL);

	return fd < 0 ? -errno : fd;
}

/* ---- attaching ---- */

static int tcx_attach(struct host_hook *hook, int program, int interface, bool way_in)
{
	const struct bpf_link_create_opts options = {.sz = sizeof options, .flags = MPROG_FIRST};

	hook->link =
	    bpf_link_create(program, interface, way_in ? TCX_INGRESS : TCX_EGRESS, &options);
	return hook->link < 0 ? -errno : 0;
}

static struct bpf_tc_hook clsact(int interface, bool way_in)
{
	return (struct bpf_tc_hook){.sz = sizeof(struct bpf_tc_hook),
	    .ifindex = interface,
	    .attach_point = way_in ? BPF_TC_INGRESS : BPF_TC_EGRESS};
}

/* The discipline itself stays: others may have filters there by the time that ours go. */
static int clsact_attach(struct host_hook *hook, int program, int interface, bool way_in)
{
	struct bpf_tc_hook at = clsact(interface, way_in);
	struct bpf_tc_opts options = {.sz = sizeof options, .prog_fd = program, .priority = 1};
	int err = bpf_tc_hook_create(&at);

	if (!err || err == -EEXIST)
		err = bpf_tc_attach(&at, &options);
	if (err)
		return err;
	hook->interface = interface;
	hook->way_in = way_in;
	hook->handle = options.handle;
	hook->priority = options.priority;
	return 0;
}

/* Takes the program over. A kernel that does not know tcx says that the arguments are invalid. */
static int attach(struct host_hook *hook, int program, int interface, bool way_in)
{
	libbpf_print_fn_t print;
	int err;

	if (program < 0)
		return program;
	*hook = HOST_HOOK_NONE;
	err = tcx_attach(hook, program, interface, way_in);
	if (err == -EINVAL || err == -EOPNOTSUPP) {
		print = libbpf_set_print(NULL); /* that there is a clsact is no news */
		err = clsact_attach(hook, program, interface, way_in);
		libbpf_set_print(print);
	}
	close(program);
	return err;
}

void host_link_remove(struct host_hook *hook)
{
	if (hook->link >= 0)
		close(hook->link);
	if (hook->interface > 0) {
		struct bpf_tc_hook at = clsact(hook->interface, hook->way_in);
		struct bpf_tc_opts options = {
		    .sz = sizeof options, .handle = hook->handle, .priority = hook->priority};

		bpf_tc_detach(&at, &options);
	}
	*hook = HOST_HOOK_NONE;
}

/* ---- the programs ---- */

int host_link_divert(struct host_hook *hook, int interface, int tap)
{
	const struct bpf_insn code[] = {
	    MOVE(BPF_REG_1, tap),
	    MOVE(BPF_REG_2, 0),
	    CALL(BPF_FUNC_redirect),
	    RETURN,
	};

	return attach(hook, load("pktloom_divert", code, COUNT(code)), interface, false);
}

int host_link_inject(struct host_hook *hook, int tap, int interface)
{
	const struct bpf_insn code[] = {
	    MOVE(BPF_REG_2, HOST_MARK),
	    STORE(mark, BPF_REG_2),
	    MOVE(BPF_REG_1, interface),
	    MOVE(BPF_REG_2, BPF_F_INGRESS),
	    CALL(BPF_FUNC_redirect),
	    RETURN,
	};

	return attach(hook, load("pktloom_inject", code, COUNT(code)), tap, true);
}

/* The mark is only ours between the two interfaces: the host's rules must not meet it. */
int host_link_admit(struct host_hook *hook, int interface, bool drop)
{
	const struct bpf_insn code[] = {
	    LOAD(BPF_REG_2, mark),
	    SKIP_IF_EQUAL(BPF_REG_2, HOST_MARK, 2),
	    MOVE(BPF_REG_0, drop ? TC_ACT_SHOT : TC_ACT_UNSPEC),
	    RETURN,
	    MOVE(BPF_REG_2, 0),
	    STORE(mark, BPF_REG_2),
	    MOVE(BPF_REG_0, TC_ACT_UNSPEC),
	    RETURN,
	};

	return attach(hook, load("pktloom_admit", code, COUNT(code)), interface, true);
}
