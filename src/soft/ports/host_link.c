/* SPDX-License-Identifier: BSD-2-Clause */
/* host_link.h: programs of a few instructions each, as arrays: nothing has to be compiled or found. */
#include "host_link.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <linux/bpf.h>
#include <linux/pkt_cls.h>
#include <stddef.h>
#include <string.h>
#include <unistd.h>

#include "host.h"
#include "host_filter.h"

/* Newer than the headers of some systems: Linux 6.6. */
#define TCX_INGRESS    ((enum bpf_attach_type)46)
#define TCX_EGRESS     ((enum bpf_attach_type)47)
#define MPROG_FIRST    (1u << 3) /* BPF_F_BEFORE without a program that is meant: all others */
/* Linux 5.12. */
#define FUNC_check_mtu 163

#define CODE_MAX 8u /* instructions of a program */

#define COUNT(array) (sizeof(array) / sizeof(array)[0])

#define MOVE(reg, value)                                                                           \
	{                                                                                          \
		.code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = (reg), .imm = (value)              \
	}
#define COPY(reg, from)                                                                            \
	{                                                                                          \
		.code = BPF_ALU64 | BPF_MOV | BPF_X, .dst_reg = (reg), .src_reg = (from)           \
	}
#define ADD(reg, value)                                                                            \
	{                                                                                          \
		.code = BPF_ALU64 | BPF_ADD | BPF_K, .dst_reg = (reg), .imm = (value)              \
	}
/* Eight bytes, to the top of the stack. */
#define PUSH(reg)                                                                                  \
	{                                                                                          \
		.code = BPF_STX | BPF_MEM | BPF_DW, .dst_reg = BPF_REG_10, .src_reg = (reg),       \
		.off = -8                                                                          \
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
#define SKIP_UNLESS_EQUAL(reg, value, n)                                                           \
	{                                                                                          \
		.code = BPF_JMP32 | BPF_JNE | BPF_K, .dst_reg = (reg), .off = (n), .imm = (value)  \
	}
#define CALL(function)                                                                             \
	{                                                                                          \
		.code = BPF_JMP | BPF_CALL, .imm = (function)                                      \
	}
#define RETURN                                                                                     \
	{                                                                                          \
		.code = BPF_JMP | BPF_EXIT                                                         \
	}

/* A program, ready to be loaded. */
struct program {
	const char *name;
	const struct bpf_insn *code;
	size_t size;
	int tap; /* while there is no such interface any more, it lets everything pass */
};

#define PROGRAM(name, code, tap)                                                                   \
	(&(const struct program){HOST_PROGRAM_PREFIX name, code, COUNT(code), tap})

static int load(const char *name, const struct bpf_insn *code, size_t n)
{
	int fd = bpf_prog_load(BPF_PROG_TYPE_SCHED_CLS, name, "Dual BSD/GPL", code, n, NULL);

	return fd < 0 ? -errno : fd;
}

/* To ask for an interface's MTU is a way to ask whether there is one. Before Linux 5.12 there is none: -EINVAL. */
static int load_guarded(const struct program *program)
{
	const struct bpf_insn guard[] = {
	    COPY(BPF_REG_6, BPF_REG_1),
	    MOVE(BPF_REG_2, 0),
	    PUSH(BPF_REG_2),
	    MOVE(BPF_REG_2, program->tap),
	    COPY(BPF_REG_3, BPF_REG_10),
	    ADD(BPF_REG_3, -8),
	    MOVE(BPF_REG_4, 0),
	    MOVE(BPF_REG_5, 0),
	    CALL(FUNC_check_mtu),
	    SKIP_UNLESS_EQUAL(BPF_REG_0, -ENODEV, 2),
	    MOVE(BPF_REG_0, TC_ACT_UNSPEC),
	    RETURN,
	    COPY(BPF_REG_1, BPF_REG_6),
	};
	struct bpf_insn all[COUNT(guard) + CODE_MAX];

	memcpy(all, guard, sizeof guard);
	memcpy(all + COUNT(guard), program->code, program->size * sizeof *all);
	return load(program->name, all, COUNT(guard) + program->size);
}

/* ---- attaching ---- */

static int tcx_attach(
    struct host_hook *hook, const struct program *program, int interface, bool way_in)
{
	struct bpf_link_create_opts options;
	int fd = load(program->name, program->code, program->size);

	if (fd < 0)
		return fd;
	memset(&options, 0,
	    sizeof options); /* a union that initialisers need not clear is part of it */
	options.sz = sizeof options;
	options.flags = MPROG_FIRST;
	hook->link = bpf_link_create(fd, interface, way_in ? TCX_INGRESS : TCX_EGRESS, &options);
	if (hook->link < 0)
		hook->link = -errno;
	close(fd);
	return hook->link < 0 ? hook->link : 0;
}

static int clsact_attach(
    struct host_hook *hook, const struct program *program, int interface, bool way_in)
{
	int fd = load_guarded(program), err;

	if (fd == -EINVAL)
		fd = load(program->name, program->code, program->size);
	if (fd < 0)
		return fd;
	err = host_filter_attach(interface, way_in, program->tap, fd);
	close(fd);
	if (err)
		return err;
	hook->interface = interface;
	hook->way_in = way_in;
	hook->tap = program->tap;
	return 0;
}

/* A kernel that does not know tcx says that the arguments are invalid. */
static int attach(struct host_hook *hook, const struct program *program, int interface, bool way_in)
{
	libbpf_print_fn_t print;
	int err;

	*hook = HOST_HOOK_NONE;
	err = tcx_attach(hook, program, interface, way_in);
	if (err == -EINVAL || err == -EOPNOTSUPP) {
		*hook = HOST_HOOK_NONE;
		print = libbpf_set_print(NULL); /* that there is a clsact is no news */
		err = clsact_attach(hook, program, interface, way_in);
		libbpf_set_print(print);
	}
	return err;
}

/* A child has the link's descriptor, too: closing ours would not end it. */
void host_link_remove(struct host_hook *hook, bool held_elsewhere)
{
	if (hook->link >= 0 && !held_elsewhere)
		bpf_link_detach(hook->link);
	if (hook->link >= 0)
		close(hook->link);
	if (hook->interface > 0 && !held_elsewhere)
		host_filter_detach(hook->interface, hook->way_in, hook->tap);
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

	return attach(hook, PROGRAM("divert", code, tap), interface, false);
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

	return attach(hook, PROGRAM("inject", code, tap), tap, true);
}

/* The mark is only ours between the two interfaces: the host's rules must not meet it. */
int host_link_admit(struct host_hook *hook, int interface, bool drop, int tap)
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

	return attach(hook, PROGRAM("admit", code, tap), interface, true);
}
