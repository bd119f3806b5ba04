/* SPDX-License-Identifier: BSD-2-Clause */
/* What AF_XDP refuses, what it says then, and that the packet kind comes next where no kind was named. */
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <linux/bpf.h>
#include <linux/capability.h>
#include <linux/if_link.h>
#include <net/if.h>
#include <sched.h>
#include <stdio.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "wire.h"

static int open_xdp(const char *name, struct loom_port **out)
{
	return loom_open(name, LOOM_CONFIG(.xdp_mode = wire_xdp_mode), out);
}

static void what_cannot_be_opened_is_refused_with_a_reason(void **state)
{
	struct loom_port *port = NULL;

	(void)state;
	assert_refused(open_xdp("xdp:nosuch0", &port), -ENXIO, "\"nosuch0\"");
	assert_refused(open_xdp("xdp:lo", &port), -EINVAL, "loopback");
	assert_refused(open_xdp("xdp:" NEAR "-1", &port), -EINVAL, "no ring 1");
	assert_refused(
	    loom_open("xdp:" NEAR, LOOM_CONFIG(.buffer_size = 256), &port), -EINVAL, "2048");
	assert_refused(loom_open("xdp:" NEAR, LOOM_CONFIG(.xdp_mode = LOOM_XDP_ZERO_COPY), &port),
	    -EOPNOTSUPP, "queue 0");
	assert_refused(
	    loom_open("xdp:" NEAR, LOOM_CONFIG(.xdp_mode = (enum loom_xdp_mode)9), &port), -EINVAL,
	    "xdp_mode");
	assert_null(port);
}

/* ---- another program ---- */

/* Lets everything pass. Returns the descriptor that holds it there. */
static int program_attach(const char *name)
{
	const struct bpf_insn code[] = {
	    {.code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = BPF_REG_0, .imm = XDP_PASS},
	    {.code = BPF_JMP | BPF_EXIT},
	};
	const struct bpf_link_create_opts options = {
	    .sz = sizeof options, .flags = XDP_FLAGS_SKB_MODE};
	int program = bpf_prog_load(BPF_PROG_TYPE_XDP, "somebody", "GPL", code, 2, NULL);
	int link = bpf_link_create(program, (int)if_nametoindex(name), BPF_XDP, &options);

	close(program);
	assert_true(link >= 0);
	return link;
}

static void another_xdp_program_is_left_alone(void **state)
{
	struct loom_port *port = NULL;
	struct loom_info info;
	int link = program_attach(NEAR);

	(void)state;
	assert_refused(open_xdp("xdp:" NEAR, &port), -EBUSY, "is attached to the interface");
	assert_ok(loom_open(NEAR, NULL, &port));
	assert_ok(loom_port_info(port, &info));
	assert_string_equal(info.kind, "packet");
	assert_non_null(strstr(info.tried, "xdp: port"));
	loom_close(port);
	close(link);
	assert_ok(open_xdp("xdp:" NEAR, &port));
	loom_close(port);
}

static void what_is_taken_in_one_mode_is_not_had_in_the_other(void **state)
{
	struct wire *wire = *state;
	struct loom_port *port = NULL;
	enum loom_xdp_mode other =
	    wire_xdp_mode == LOOM_XDP_NATIVE ? LOOM_XDP_GENERIC : LOOM_XDP_NATIVE;

	end_open(&wire->near, NEAR, NULL);
	/* By another name: it would be the same port else. */
	assert_refused(loom_open("xdp:" NEAR "-0",
			   LOOM_CONFIG(.directory = "/tmp/elsewhere", .xdp_mode = other), &port),
	    -EBUSY, "use the same");
}

/* ---- rights and limits ---- */

static int keep_capabilities(uint64_t kept)
{
	struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
	struct __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3] = {0};

	for (unsigned i = 0; i < 2; i++)
		data[i].effective = data[i].permitted = (uint32_t)(kept >> 32 * i);
	return (int)syscall(SYS_capset, &header, data);
}

static int refuses_without_rights(void *arg)
{
	struct loom_port *port = NULL;
	struct loom_info info;

	(void)arg;
	if (keep_capabilities(1ull << CAP_NET_RAW) != 0)
		return 2;
	if (open_xdp("xdp:" NEAR, &port) != -EPERM || !strstr(loom_error(), "CAP_BPF"))
		return 3;
	if (loom_open(NEAR, NULL, &port) != 0 || loom_port_info(port, &info) != 0)
		return 4;
	loom_close(port);
	return strcmp(info.kind, "packet") == 0 && strstr(info.tried, "CAP_BPF") ? 0 : 5;
}

static void without_rights_the_packet_kind_comes_next(void **state)
{
	(void)state;
	assert_int_equal(child_wait(child_start(refuses_without_rights, NULL)), 0);
}

/* What capabilities are worth over a namespace of one's own: a packet socket, and no BPF. */
static int refuses_to_own_root(void *arg)
{
	struct loom_port *port = NULL;
	struct loom_info info;

	(void)arg;
	/* Without CAP_SYS_ADMIN it takes a user namespace; to be root there takes CAP_SETFCAP. */
	if (keep_capabilities(1ull << CAP_SETFCAP) != 0)
		return 2;
	if (netns_enter() != 0)
		return NETNS_SKIP;
	if (netns_cable(NEAR, FAR) != 0)
		return 3;
	if (open_xdp("xdp:" NEAR, &port) != -EPERM || !strstr(loom_error(), "CAP_BPF") ||
	    !strstr(loom_error(), "initial user namespace"))
		return 4;
	if (loom_open("netmap:" NEAR, NULL, &port) != 0 || loom_port_info(port, &info) != 0)
		return 5;
	loom_close(port);
	return strcmp(info.kind, "packet") == 0 && strstr(info.tried, "CAP_BPF") ? 0 : 6;
}

/* The interface is somebody else's: no kind can have it, and the message says what is missing. */
static int refuses_to_strangers(void *arg)
{
	struct loom_port *port = NULL;

	(void)arg;
	if (keep_capabilities(0) != 0)
		return 2;
	if (unshare(CLONE_NEWUSER) != 0)
		return NETNS_SKIP;
	if (open_xdp("xdp:" NEAR, &port) != -EPERM || !strstr(loom_error(), "CAP_BPF"))
		return 4;
	if (loom_open("netmap:" NEAR, NULL, &port) != -EPERM)
		return 5;
	return strstr(loom_error(), "CAP_NET_RAW") ? 0 : 6;
}

static void in_a_user_namespace(int (*body)(void *arg))
{
	int status = child_wait(child_start(body, NULL));

	if (status == NETNS_SKIP) {
		print_message("SKIP: no user namespace can be made here\n");
		skip();
	}
	assert_int_equal(status, 0);
}

static void in_a_user_namespace_of_its_own_root_gets_the_packet_kind(void **state)
{
	(void)state;
	in_a_user_namespace(refuses_to_own_root);
}

static void an_interface_of_another_user_namespace_is_refused_with_what_is_missing(void **state)
{
	(void)state;
	in_a_user_namespace(refuses_to_strangers);
}

static int refuses_to_pin(void *arg)
{
	const struct rlimit limit = {.rlim_cur = 1 << 20, .rlim_max = 1 << 20};
	struct loom_port *port = NULL;

	(void)arg;
	if (setrlimit(RLIMIT_MEMLOCK, &limit) != 0 ||
	    keep_capabilities(1ull << CAP_NET_RAW | 1ull << CAP_NET_ADMIN | 1ull << CAP_BPF |
			      1ull << CAP_SYS_ADMIN) != 0)
		return 2;
	if (open_xdp("xdp:" NEAR, &port) == 0)
		return 3;
	return strstr(loom_error(), "RLIMIT_MEMLOCK is 1024 KiB") &&
		       strstr(loom_error(), "ulimit -l")
		   ? 0
		   : 4;
}

static void a_small_memory_lock_limit_is_named_with_its_remedy(void **state)
{
	(void)state;
	assert_int_equal(child_wait(child_start(refuses_to_pin, NULL)), 0);
}

int main(int argc, char **argv)
{
	static const struct CMUnitTest xdp_refused[] = {
	    WIRE_TEST(what_cannot_be_opened_is_refused_with_a_reason),
	    WIRE_TEST(another_xdp_program_is_left_alone),
	    WIRE_TEST(what_is_taken_in_one_mode_is_not_had_in_the_other),
	    WIRE_TEST(without_rights_the_packet_kind_comes_next),
	    WIRE_TEST(in_a_user_namespace_of_its_own_root_gets_the_packet_kind),
	    WIRE_TEST(an_interface_of_another_user_namespace_is_refused_with_what_is_missing),
	    WIRE_TEST(a_small_memory_lock_limit_is_named_with_its_remedy),
	};

	wire_choose(argc, argv);
	return WIRE_TESTS(xdp_refused);
}
