/* SPDX-License-Identifier: BSD-2-Clause */
/* nm_open() and its kin: what a name, a request and a parent make of the request to the device. */
#include "fake_device.h"

/* ---- names ---- */

static void each_name_becomes_the_request_that_it_stands_for(void **state)
{
	static const struct {
		const char *name, *ident;
		uint32_t flags;
		uint16_t ringid, region;
	} cases[] = {
	    {"netmap:eth0", "eth0", NR_REG_ALL_NIC, 0, 0},
	    {"netmap:eth0^", "eth0", NR_REG_SW, 0, 0},
	    {"netmap:eth0^1", "eth0", NR_REG_ONE_SW, 1, 0},
	    {"netmap:eth0*", "eth0", NR_REG_NIC_SW, 0, 0},
	    {"netmap:eth0-3", "eth0", NR_REG_ONE_NIC, 3, 0},
	    {"netmap:eth0-4094", "eth0", NR_REG_ONE_NIC, 4094, 0},
	    {"netmap:eth0{1", "eth0", NR_REG_PIPE_MASTER, 1, 0},
	    {"netmap:eth0}12", "eth0", NR_REG_PIPE_SLAVE, 12, 0},
	    {"netmap:eth0/x", "eth0", NR_REG_ALL_NIC | NR_EXCLUSIVE, 0, 0},
	    {"netmap:eth0/ztr", "eth0",
		NR_REG_ALL_NIC | NR_ZCOPY_MON | NR_MONITOR_TX | NR_MONITOR_RX, 0, 0},
	    {"netmap:eth0/R", "eth0", NR_REG_ALL_NIC | NR_RX_RINGS_ONLY, 0, 0},
	    {"netmap:eth0-1/T", "eth0", NR_REG_ONE_NIC | NR_TX_RINGS_ONLY, 1, 0},
	    {"netmap:eth0@5", "eth0", NR_REG_ALL_NIC, 0, 5},
	    {"netmap:eth0^/x@65535", "eth0", NR_REG_SW | NR_EXCLUSIVE, 0, 65535},
	    {"netmap:eth0{3@2/x", "eth0", NR_REG_PIPE_MASTER | NR_EXCLUSIVE, 3, 2},
	    {"vale0:1", "vale0:1", NR_REG_ALL_NIC, 0, 0},
	    {"valeA:b{2", "valeA:b", NR_REG_PIPE_MASTER, 2, 0},
	    {"netmap:fifteen_letters", "fifteen_letters", NR_REG_ALL_NIC, 0, 0},
	};
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		assert_int_equal(nm_close(open_port(cases[i].name)), 0);
		assert_string_equal(device.asked.nr_name, cases[i].ident);
		assert_int_equal(device.asked.nr_version, NETMAP_API);
		assert_int_equal(device.asked.nr_flags, cases[i].flags);
		assert_int_equal(device.asked.nr_ringid, cases[i].ringid);
		assert_int_equal(device.asked.nr_arg2, cases[i].region);
		assert_int_equal(device.asked.nr_cmd, 0);
	}
}

static void bad_names_are_refused_before_the_device_is_opened(void **state)
{
	static const char *const names[] = {"netmap:", "netmap:^", "netmap:sixteen_letters_",
	    "vale0", "netmap:a-", "netmap:a-x", "netmap:a-4095", "netmap:a-99999999999999999999",
	    "netmap:a{", "netmap:a}-1", "netmap:a*1", "netmap:a^^", "netmap:a/", "netmap:a/q",
	    "netmap:a/xq", "netmap:a@", "netmap:a@0", "netmap:a@65536", "netmap:a@1@2",
	    "netmap:a{1{2"};
	size_t i;

	(void)state;
	device.open_error = ENOENT;
	for (i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		assert_null(nm_open(names[i], NULL, 0, NULL));
		assert_int_equal(errno, EINVAL);
	}
}

static void names_of_other_kinds_leave_errno_0(void **state)
{
	(void)state;
	errno = EIO;
	assert_null(nm_open("eth0", NULL, 0, NULL));
	assert_int_equal(errno, 0);
}

static void parser_alone_gives_a_reason(void **state)
{
	struct nm_desc d;
	char err[MAXERRMSG] = "";

	(void)state;
	memset(&d, 0, sizeof(d));
	assert_int_equal(nm_parse("netmap:a/q", &d, err), -1);
	assert_true(strlen(err) > 0);
	assert_false(IS_NETMAP_DESC(&d));
	assert_int_equal(nm_parse("netmap:a-1", &d, NULL), 0);
	assert_true(IS_NETMAP_DESC(&d));
	assert_int_equal(d.req.nr_flags, NR_REG_ONE_NIC);
}

/* ---- opening ---- */

static void failures_pass_on_errno_and_leave_nothing_open(void **state)
{
	(void)state;
	device.open_error = ENOENT;
	assert_null(nm_open("netmap:a", NULL, 0, NULL));
	assert_int_equal(errno, ENOENT);
	device.open_error = 0;
	device.register_error = EBUSY;
	assert_null(nm_open("netmap:a", NULL, 0, NULL));
	assert_int_equal(errno, EBUSY);
	device.register_error = 0;
	device.map_error = ENOMEM;
	assert_null(nm_open("netmap:a", NULL, 0, NULL));
	assert_int_equal(errno, ENOMEM);
	assert_int_equal(device.open_fds, 0);
}

static void request_and_poll_flags_reach_the_device(void **state)
{
	struct nmreq req;

	(void)state;
	memset(&req, 0, sizeof(req));
	req.nr_tx_slots = 512;
	req.nr_arg3 = 8;
	req.nr_flags = NR_ACCEPT_VNET_HDR | NR_REG_ONE_NIC; /* the name overrides the mode */
	req.nr_ringid = NETMAP_NO_TX_POLL | 3;
	nm_close(nm_open("netmap:a", &req, NETMAP_DO_RX_POLL, NULL));
	assert_int_equal(device.asked.nr_tx_slots, 512);
	assert_int_equal(device.asked.nr_arg3, 8);
	assert_int_equal(device.asked.nr_flags, NR_ACCEPT_VNET_HDR | NR_REG_ALL_NIC);
	assert_int_equal(device.asked.nr_ringid, NETMAP_NO_TX_POLL | NETMAP_DO_RX_POLL);
}

static void child_inherits_what_its_flags_name(void **state)
{
	struct nm_desc *parent = open_port("netmap:a"), *child;

	(void)state;
	parent->req.nr_arg1 = 11;
	parent->req.nr_arg2 = 12;
	parent->req.nr_arg3 = 13;
	parent->req.nr_rx_slots = 99;
	parent->req.nr_flags = NR_REG_ONE_NIC;
	parent->req.nr_ringid = 1;
	nm_close(nm_open("netmap:b", NULL, NM_OPEN_ARG1 | NM_OPEN_ARG3, parent));
	assert_string_equal(device.asked.nr_name, "b");
	assert_int_equal(device.asked.nr_arg1, 11);
	assert_int_equal(device.asked.nr_arg2, 0);
	assert_int_equal(device.asked.nr_arg3, 13);
	assert_int_equal(device.asked.nr_rx_slots, 0);
	child = nm_open("netmap:b", NULL, NM_OPEN_IFNAME | NM_OPEN_ARG2 | NM_OPEN_RING_CFG, parent);
	assert_string_equal(device.asked.nr_name, "a");
	assert_int_equal(device.asked.nr_arg1, 0);
	assert_int_equal(device.asked.nr_arg2, 12);
	assert_int_equal(device.asked.nr_rx_slots, 99);
	assert_int_equal(device.asked.nr_flags, NR_REG_ONE_NIC);
	assert_int_equal(child->first_tx_ring, 1);
	nm_close(child);
	nm_close(parent);
}

static void old_ring_bits_choose_the_mode_when_nothing_else_does(void **state)
{
	static const struct {
		uint16_t bits;
		uint32_t mode;
	} cases[] = {
	    {0, NR_REG_ALL_NIC}, {NETMAP_SW_RING, NR_REG_SW}, {NETMAP_HW_RING | 1, NR_REG_ONE_NIC}};
	struct nmreq req;
	size_t i;

	(void)state;
	for (i = 0; i < 3; i++) {
		memset(&req, 0, sizeof(req));
		memcpy(req.nr_name, "a", 2);
		req.nr_ringid = cases[i].bits;
		nm_close(nm_open("netmap:ignored", &req, NM_OPEN_IFNAME, NULL));
		assert_string_equal(device.asked.nr_name, "a");
		assert_int_equal(device.asked.nr_flags, cases[i].mode);
	}
}

static void child_in_the_same_region_shares_its_parents_mapping(void **state)
{
	struct nm_desc *parent = open_port("netmap:a");
	struct nm_desc *same = nm_open("netmap:b", NULL, NM_OPEN_NO_MMAP, parent);
	struct nm_desc *other = nm_open("netmap:b@3", NULL, NM_OPEN_NO_MMAP, parent);

	(void)state;
	assert_ptr_equal(same->mem, parent->mem);
	assert_int_equal(same->done_mmap, 0);
	assert_ptr_equal(same->nifp, parent->nifp);
	assert_int_equal(other->done_mmap, 1);
	assert_int_equal(device.maps, 2);
	nm_close(same);
	assert_int_equal(device.maps, 2);
	nm_close(other);
	nm_close(parent);
}

static void mapping_can_be_put_off(void **state)
{
	struct nm_desc *d = nm_open("netmap:a", NULL, NM_OPEN_NO_MMAP, NULL);

	(void)state;
	assert_null(d->nifp);
	assert_int_equal(nm_mmap(d, NULL), 0);
	assert_ptr_equal(d->nifp, fake_port_if(&device.port));
	assert_int_equal(nm_mmap(d, NULL), 0); /* once is enough */
	assert_int_equal(device.maps, 1);
	nm_close(d);
}

static void only_descriptors_are_closed(void **state)
{
	struct nm_desc d;

	(void)state;
	memset(&d, 0, sizeof(d));
	assert_int_equal(nm_close(NULL), EINVAL);
	assert_int_equal(nm_close(&d), EINVAL);
}

static void ring_range_follows_the_mode(void **state)
{
	static const struct {
		const char *name;
		int tx_first, tx_last, rx_first, rx_last;
	} cases[] = {
	    {"netmap:a", 0, TX - 1, 0, RX - 1},
	    {"netmap:a^", TX, TX + HOST_TX - 1, RX, RX + HOST_RX - 1},
	    {"netmap:a^0", TX, TX, RX, RX},
	    {"netmap:a*", 0, TX + HOST_TX - 1, 0, RX + HOST_RX - 1},
	    {"netmap:a-1", 1, 1, 1, 1},
	    {"netmap:a{5", 0, 0, 0, 0},
	};
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct nm_desc *d = open_port(cases[i].name);

		assert_int_equal(d->first_tx_ring, cases[i].tx_first);
		assert_int_equal(d->last_tx_ring, cases[i].tx_last);
		assert_int_equal(d->first_rx_ring, cases[i].rx_first);
		assert_int_equal(d->last_rx_ring, cases[i].rx_last);
		nm_close(d);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    TEST(each_name_becomes_the_request_that_it_stands_for),
	    TEST(bad_names_are_refused_before_the_device_is_opened),
	    TEST(names_of_other_kinds_leave_errno_0),
	    TEST(parser_alone_gives_a_reason),
	    TEST(failures_pass_on_errno_and_leave_nothing_open),
	    TEST(request_and_poll_flags_reach_the_device),
	    TEST(child_inherits_what_its_flags_name),
	    TEST(old_ring_bits_choose_the_mode_when_nothing_else_does),
	    TEST(child_in_the_same_region_shares_its_parents_mapping),
	    TEST(mapping_can_be_put_off),
	    TEST(only_descriptors_are_closed),
	    TEST(ring_range_follows_the_mode),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
