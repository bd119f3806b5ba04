/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Linked into a program, this makes its kernel an older one for host rings, by libbpf's calls: none has tcx, and
 * with OLD_KERNEL=5.10 in the environment no program can ask for an interface's MTU.
 */
#include <bpf/bpf.h>
#include <errno.h>
#include <linux/bpf.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#define FUNC_check_mtu 163

int __real_bpf_link_create(int program, int interface, enum bpf_attach_type type,
    const struct bpf_link_create_opts *options);
int __wrap_bpf_link_create(int program, int interface, enum bpf_attach_type type,
    const struct bpf_link_create_opts *options);
int __real_bpf_prog_load(enum bpf_prog_type type, const char *name, const char *license,
    const struct bpf_insn *code, size_t size, struct bpf_prog_load_opts *options);
int __wrap_bpf_prog_load(enum bpf_prog_type type, const char *name, const char *license,
    const struct bpf_insn *code, size_t size, struct bpf_prog_load_opts *options);

static int refuse(void)
{
	errno = EINVAL;
	return -EINVAL;
}

int __wrap_bpf_link_create(int program, int interface, enum bpf_attach_type type,
    const struct bpf_link_create_opts *options)
{
	return type == BPF_XDP ? __real_bpf_link_create(program, interface, type, options)
			       : refuse();
}

static bool asks(const struct bpf_insn *code, size_t size)
{
	for (size_t i = 0; i < size; i++)
		if (code[i].code == (BPF_JMP | BPF_CALL) && code[i].imm == FUNC_check_mtu)
			return true;
	return false;
}

int __wrap_bpf_prog_load(enum bpf_prog_type type, const char *name, const char *license,
    const struct bpf_insn *code, size_t size, struct bpf_prog_load_opts *options)
{
	const char *version = getenv("OLD_KERNEL");

	if (version && strcmp(version, "5.10") == 0 && asks(code, size))
		return refuse();
	return __real_bpf_prog_load(type, name, license, code, size, options);
}
