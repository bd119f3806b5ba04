/* SPDX-License-Identifier: BSD-2-Clause */
/* ioctl: requests are copied before they are believed; legacy ones mean what they always meant. */
#include "support.h"

#include <fcntl.h>
#include <net/if.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include <linux/ethtool.h>
#include <linux/sockios.h>

/* ---- pointers ---- */

/* Two pages, of which the program may read and write only the first. */
static uint8_t *half_a_mapping(int second)
{
	long page = sysconf(_SC_PAGESIZE);
	uint8_t *at = mmap(
	    NULL, (size_t)page * 2, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	assert_true(at != MAP_FAILED);
	assert_int_equal(mprotect(at + page, (size_t)page, second), 0);
	return at + page;
}

static void half_a_mapping_end(uint8_t *at)
{
	long page = sysconf(_SC_PAGESIZE);

	munmap(at - page, (size_t)page * 2);
}

static const uint64_t wild[] = {1, 16, 4096, UINT64_MAX, UINT64_MAX - 4095, 0x7fffffffffff,
    0x8000000000000000u, 0xffff800000000000u};

static void test_a_wild_header_is_EFAULT(void **state)
{
	int fd = netmap_open();

	(void)state;
	for (size_t i = 0; i < COUNT(wild); i++) {
		assert_errno(ioctl(fd, NIOCCTRL, wild[i]), EFAULT);
		assert_errno(ioctl(fd, NIOCREGIF, wild[i]), EFAULT);
		assert_errno(ioctl(fd, NIOCGINFO, wild[i]), EFAULT);
	}
	assert_errno(ioctl(fd, NIOCCTRL, NULL), EINVAL);
	assert_errno(ioctl(fd, NIOCREGIF, NULL), EINVAL);
	assert_errno(ioctl(fd, NIOCTXSYNC, 16), ENXIO);
	close(fd);
}

static void test_a_wild_body_is_EFAULT(void **state)
{
	int fd = netmap_open();

	(void)state;
	for (unsigned type = NETMAP_REQ_REGISTER; type <= NETMAP_REQ_SYNC_KLOOP_START; type++) {
		if (type == NETMAP_REQ_VALE_DELIF)
			continue;
		for (size_t i = 0; i < COUNT(wild); i++)
			assert_int_equal(
			    control(fd, "r{1", type, (void *)(uintptr_t)wild[i], NULL), EFAULT);
		assert_int_equal(control(fd, "r{1", type, NULL, NULL), EINVAL);
	}
	close(fd);
}

static void test_a_body_where_none_belongs_is_EINVAL(void **state)
{
	uint8_t body[64] = {0};
	int fd = netmap_open();

	(void)state;
	assert_int_equal(control(fd, "r{1", NETMAP_REQ_VALE_DELIF, body, NULL), EINVAL);
	assert_int_equal(control(fd, "r{1", NETMAP_REQ_SYNC_KLOOP_STOP, body, NULL), EINVAL);
	assert_int_equal(control(fd, "r{1", 0, body, NULL), EINVAL);
	assert_int_equal(control(fd, "r{1", 77, body, NULL), EINVAL);
	assert_int_equal(control(fd, "r{1", 77, NULL, NULL), EINVAL);
	close(fd);
}

static void test_a_wild_option_is_EFAULT(void **state)
{
	struct nmreq_register reg = {.nr_mode = NR_REG_ALL_NIC};
	struct nmreq_option first = {.nro_reqtype = 99};
	int fd = netmap_open();

	(void)state;
	for (size_t i = 0; i < COUNT(wild); i++) {
		assert_int_equal(
		    control(fd, "r{1", NETMAP_REQ_REGISTER, &reg, (void *)(uintptr_t)wild[i]),
		    EFAULT);
		first.nro_next = wild[i];
		assert_int_equal(control(fd, "r{1", NETMAP_REQ_REGISTER, &reg, &first), EFAULT);
	}
	assert_int_equal(netmap_bind(fd, "r{1", 0), 0); /* nothing was bound by all that */
	close(fd);
}

static void test_a_request_that_ends_in_no_memory_is_EFAULT(void **state)
{
	uint8_t *edge = half_a_mapping(PROT_NONE);
	struct nmreq_header *header = (void *)(edge - 40);
	struct nmreq_register *reg = (void *)(edge - 24);
	struct nmreq_option *option = (void *)(edge - 8);
	struct nmreq_register whole = {.nr_mode = NR_REG_ALL_NIC};
	int fd = netmap_open();

	(void)state;
	header->nr_version = NETMAP_API;
	assert_errno(ioctl(fd, NIOCCTRL, header), EFAULT);
	assert_int_equal(control(fd, "r{1", NETMAP_REQ_REGISTER, reg, NULL), EFAULT);
	assert_int_equal(control(fd, "r{1", NETMAP_REQ_REGISTER, &whole, option), EFAULT);
	close(fd);
	half_a_mapping_end(edge);
}

static void test_an_answer_that_cannot_be_written_is_EFAULT(void **state)
{
	uint8_t *edge = half_a_mapping(PROT_READ);
	struct nmreq_port_info_get *info = (void *)edge;
	int fd = netmap_open();

	(void)state;
	assert_int_equal(control(fd, "r{1", NETMAP_REQ_PORT_INFO_GET, info, NULL), EFAULT);
	close(fd);
	half_a_mapping_end(edge);
}

/* ---- options ---- */

static void test_options_without_end_are_EMSGSIZE(void **state)
{
	struct nmreq_register reg = {.nr_mode = NR_REG_ALL_NIC};
	struct nmreq_option circle = {.nro_reqtype = 99};
	struct nmreq_option huge = {
	    .nro_reqtype = NETMAP_REQ_OPT_SYNC_KLOOP_EVENTFDS, .nro_size = UINT64_MAX};
	int fd = netmap_open();

	(void)state;
	circle.nro_next = (uintptr_t)&circle;
	assert_int_equal(control(fd, "r{1", NETMAP_REQ_REGISTER, &reg, &circle), EMSGSIZE);
	assert_int_equal(control(fd, "r{1", NETMAP_REQ_REGISTER, &reg, &huge), EMSGSIZE);
	close(fd);
}

static void test_every_option_gets_a_status(void **state)
{
	struct nmreq_register reg = {.nr_mode = NR_REG_ALL_NIC};
	struct nmreq_option second = {.nro_reqtype = 98}, first = {.nro_reqtype = 99};
	int fd = netmap_open();

	(void)state;
	first.nro_next = (uintptr_t)&second;
	assert_int_equal(control(fd, "r{1", NETMAP_REQ_REGISTER, &reg, &first), EOPNOTSUPP);
	assert_int_equal(first.nro_status, EOPNOTSUPP);
	assert_int_equal(second.nro_status, EOPNOTSUPP);
	assert_int_equal(first.nro_next, (uintptr_t)&second);
	assert_int_equal(first.nro_reqtype, 99);
	close(fd);
}

/* Whatever number an implementation may use among its own parts, a program has no access to it. */
static void test_no_number_opens_a_back_door(void **state)
{
	struct {
		struct nmreq_option option;
		uint64_t garbage[8];
	} option;
	struct nmreq_register reg = {.nr_mode = NR_REG_ALL_NIC};
	int fd = netmap_open();

	(void)state;
	memset(&option, 0x41, sizeof option);
	option.option = (struct nmreq_option){.nro_reqtype = 0x6c6f6f6d};
	assert_int_equal(control(fd, "r{1", NETMAP_REQ_REGISTER, &reg, &option), EOPNOTSUPP);
	assert_int_equal(option.option.nro_status, EOPNOTSUPP);
	close(fd);
}

/* ---- answers ---- */

static void test_answers_are_written_on_success_only(void **state)
{
	struct nmreq_register reg = {.nr_mode = NR_REG_ALL_NIC, .nr_mem_id = 999};
	struct nmreq_header header = {.nr_version = NETMAP_API + 1,
	    .nr_reqtype = NETMAP_REQ_REGISTER,
	    .nr_body = (uintptr_t)&reg,
	    .nr_name = "r{1"};
	int fd = netmap_open();

	(void)state;
	assert_errno(ioctl(fd, NIOCCTRL, &header), EINVAL);
	assert_int_equal(reg.nr_memsize, 0);
	reg.nr_mem_id = 0;
	assert_int_equal(ioctl(fd, NIOCCTRL, &header), 0);
	assert_int_equal(header.nr_version, NETMAP_API + 1);
	assert_ptr_equal((void *)(uintptr_t)header.nr_body, &reg);
	assert_true(reg.nr_memsize > 0);
	assert_int_equal(reg.nr_tx_slots, 1024);
	assert_int_equal(control(fd, "r{1", NETMAP_REQ_REGISTER, &reg, NULL), EBUSY);
	close(fd);
}

static void test_unknown_ioctls_are_EOPNOTSUPP(void **state)
{
	int fd = netmap_open();

	(void)state;
	assert_errno(ioctl(fd, _IO('i', 199), 0), EOPNOTSUPP);
	assert_errno(ioctl(fd, _IOWR('z', 1, int), 16), EOPNOTSUPP);
	assert_int_equal(ioctl(fd, FIOCLEX), 0);
	close(fd);
}

static void test_no_switch_has_a_function_to_configure(void **state)
{
	int fd = netmap_open();
	struct nm_ifreq request = {.nifr_name = "vale0:a"};

	(void)state;
	assert_errno(ioctl(fd, NIOCCONFIG, NULL), EINVAL);
	assert_errno(ioctl(fd, NIOCCONFIG, 16), EFAULT);
	assert_errno(ioctl(fd, NIOCCONFIG, &request), EINVAL);
	close(fd);
}

/* ---- legacy requests ---- */

static struct nmreq legacy(const char *name, uint32_t flags, uint16_t ringid)
{
	struct nmreq req = {.nr_version = NETMAP_API, .nr_flags = flags, .nr_ringid = ringid};

	snprintf(req.nr_name, sizeof req.nr_name, "%s", name);
	return req;
}

static void test_legacy_pipes_are_a_mode_and_a_number(void **state)
{
	struct nmreq master = legacy("l", NR_REG_PIPE_MASTER, 5);
	struct nmreq slave = legacy("l", NR_REG_PIPE_SLAVE, 5);
	struct nmreq_port_info_get info = {0};
	int a = netmap_open(), b = netmap_open(), c = netmap_open();

	(void)state;
	master.nr_tx_slots = 128;
	assert_int_equal(ioctl(a, NIOCREGIF, &master), 0);
	assert_int_equal(ioctl(b, NIOCREGIF, &slave), 0);
	assert_int_equal(master.nr_tx_slots, 128);
	assert_int_equal(slave.nr_rx_slots, 128);
	assert_int_equal(master.nr_tx_rings, 1);
	assert_int_equal(master.nr_arg2, slave.nr_arg2);
	assert_int_equal(master.nr_flags, NR_REG_PIPE_MASTER);
	assert_int_equal(slave.nr_ringid, 5);
	assert_true(master.nr_memsize > 0);
	assert_int_equal(control(c, "l{5", NETMAP_REQ_PORT_INFO_GET, &info, NULL), 0);
	assert_int_equal(info.nr_tx_slots, 128);
	close(a);
	close(b);
	close(c);
}

static void test_legacy_ringid_bits_choose_a_mode(void **state)
{
	struct nmreq all = legacy("l{ring", 0, 0);
	struct nmreq one = legacy("l{ring", 0, NETMAP_HW_RING | 1);
	struct nmreq none = legacy("l{ring", 0, NETMAP_HW_RING | 2);
	struct nmreq host = legacy("l{ring", 0, NETMAP_SW_RING);
	int a = netmap_open(), b = netmap_open();

	(void)state;
	all.nr_tx_rings = all.nr_rx_rings = 2;
	all.nr_ringid = NETMAP_NO_TX_POLL | NETMAP_DO_RX_POLL;
	assert_int_equal(ioctl(a, NIOCREGIF, &all), 0);
	assert_int_equal(all.nr_ringid, NETMAP_NO_TX_POLL | NETMAP_DO_RX_POLL);
	assert_int_equal(all.nr_flags, NR_REG_DEFAULT);
	assert_errno(ioctl(b, NIOCREGIF, &none), EINVAL);
	assert_errno(ioctl(b, NIOCREGIF, &host), EINVAL);
	assert_int_equal(ioctl(b, NIOCREGIF, &one), 0);
	assert_int_equal(one.nr_flags, NR_REG_DEFAULT);
	assert_int_equal(one.nr_ringid, NETMAP_HW_RING | 1);
	close(a);
	close(b);
}

static void test_legacy_info_is_about_a_name(void **state)
{
	struct nmreq info = legacy("l{info", 0, 0), absent = legacy("nosuch0", 0, 0);
	int fd = netmap_open();

	(void)state;
	assert_int_equal(ioctl(fd, NIOCGINFO, &info), 0);
	assert_int_equal(info.nr_tx_slots, 1024);
	assert_int_equal(info.nr_rx_rings, 1);
	assert_errno(ioctl(fd, NIOCGINFO, &absent), ENXIO);
	assert_errno(ioctl(fd, NIOCTXSYNC), ENXIO); /* asking does not bind */
	close(fd);
}

static int legacy_command(int fd, const char *name, uint16_t command, uint16_t argument)
{
	struct nmreq req = legacy(name, 0, 0);

	req.nr_cmd = command;
	req.nr_arg1 = argument;
	return ioctl(fd, NIOCREGIF, &req) == 0 ? 0 : errno;
}

/* With the host's rings or without: a persistent port has none, and there is nothing to leave out. */
static void test_legacy_commands_attach_and_detach(void **state)
{
	static const uint16_t arguments[] = {0, NETMAP_BDG_HOST};
	int fd = netmap_open();

	(void)state;
	assert_int_equal(legacy_command(fd, "lkept", NETMAP_BDG_NEWIF, 0), 0);
	for (unsigned i = 0; i < COUNT(arguments); i++) {
		assert_int_equal(
		    legacy_command(fd, "vale0:nosuch0", NETMAP_BDG_ATTACH, arguments[i]), EINVAL);
		assert_int_equal(
		    legacy_command(fd, "vale0:lkept", NETMAP_BDG_ATTACH, arguments[i]), 0);
		assert_int_equal(
		    legacy_command(fd, "vale0:lkept", NETMAP_BDG_ATTACH, arguments[i]), EBUSY);
		assert_int_equal(legacy_command(fd, "vale0:lkept", NETMAP_BDG_DETACH, 0), 0);
		assert_int_equal(legacy_command(fd, "vale0:lkept", NETMAP_BDG_DETACH, 0), ENXIO);
	}
	assert_int_equal(legacy_command(fd, "lkept", NETMAP_BDG_DELIF, 0), 0);
	close(fd);
}

static void test_legacy_refusals(void **state)
{
	struct nmreq old = legacy("l{1", NR_REG_ALL_NIC, 0), command = old;
	int fd = netmap_open();

	(void)state;
	old.nr_version = 13;
	assert_errno(ioctl(fd, NIOCREGIF, &old), EINVAL);
	command.nr_cmd = 99;
	assert_errno(ioctl(fd, NIOCREGIF, &command), EINVAL);
	command.nr_cmd = NETMAP_PT_HOST_CREATE;
	assert_errno(ioctl(fd, NIOCREGIF, &command), ENOMEM);
	assert_errno(ioctl(fd, NIOCTXSYNC), ENXIO);
	close(fd);
}

/* ---- ports that are asked as interfaces ---- */

static void test_port_names_answer_as_interfaces(void **state)
{
	int s = socket(AF_INET, SOCK_DGRAM, 0);
	struct ethtool_value link = {.cmd = ETHTOOL_GLINK}, tso = {.cmd = ETHTOOL_STSO};
	struct ethtool_drvinfo driver = {.cmd = ETHTOOL_GDRVINFO};
	struct ifreq request = {.ifr_name = "x{1"};

	(void)state;
	assert_true(s >= 0);
	assert_int_equal(ioctl(s, SIOCGIFFLAGS, &request), 0);
	assert_int_equal(request.ifr_flags & (IFF_UP | IFF_RUNNING | IFF_PROMISC),
	    IFF_UP | IFF_RUNNING | IFF_PROMISC);
	assert_int_equal(ioctl(s, SIOCSIFFLAGS, &request), 0);
	assert_int_equal(ioctl(s, SIOCGIFMTU, &request), 0);
	assert_int_equal(request.ifr_mtu, 1500);
	request.ifr_data = (void *)&link;
	assert_int_equal(ioctl(s, SIOCETHTOOL, &request), 0);
	assert_int_equal(link.data, 1);
	request.ifr_data = (void *)&tso;
	assert_int_equal(ioctl(s, SIOCETHTOOL, &request), 0);
	request.ifr_data = (void *)&driver;
	assert_int_equal(ioctl(s, SIOCETHTOOL, &request), 0);
	assert_true(driver.driver[0] != 0);
	request.ifr_data = (void *)16;
	assert_errno(ioctl(s, SIOCETHTOOL, &request), EFAULT);
	strcpy(request.ifr_name, "vale0:1");
	assert_int_equal(ioctl(s, SIOCGIFFLAGS, &request), 0);
	strcpy(request.ifr_name, "nosuch0");
	assert_errno(ioctl(s, SIOCGIFFLAGS, &request), ENODEV);
	strcpy(request.ifr_name, "lo");
	assert_int_equal(ioctl(s, SIOCGIFFLAGS, &request), 0);
	assert_true(request.ifr_flags & IFF_LOOPBACK);
	close(s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_a_wild_header_is_EFAULT),
	    cmocka_unit_test(test_a_wild_body_is_EFAULT),
	    cmocka_unit_test(test_a_body_where_none_belongs_is_EINVAL),
	    cmocka_unit_test(test_a_wild_option_is_EFAULT),
	    cmocka_unit_test(test_a_request_that_ends_in_no_memory_is_EFAULT),
	    cmocka_unit_test(test_an_answer_that_cannot_be_written_is_EFAULT),
	    cmocka_unit_test(test_options_without_end_are_EMSGSIZE),
	    cmocka_unit_test(test_every_option_gets_a_status),
	    cmocka_unit_test(test_no_number_opens_a_back_door),
	    cmocka_unit_test(test_answers_are_written_on_success_only),
	    cmocka_unit_test(test_unknown_ioctls_are_EOPNOTSUPP),
	    cmocka_unit_test(test_no_switch_has_a_function_to_configure),
	    cmocka_unit_test(test_legacy_pipes_are_a_mode_and_a_number),
	    cmocka_unit_test(test_legacy_ringid_bits_choose_a_mode),
	    cmocka_unit_test(test_legacy_info_is_about_a_name),
	    cmocka_unit_test(test_legacy_commands_attach_and_detach),
	    cmocka_unit_test(test_legacy_refusals),
	    cmocka_unit_test(test_port_names_answer_as_interfaces),
	};

	return cmocka_run_group_tests(tests, group_start, group_end);
}
