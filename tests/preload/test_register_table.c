/* SPDX-License-Identifier: BSD-2-Clause */
/* REGISTER: every name, mode, ring, flag and region that the contract speaks of, and its errno. */
#include <unistd.h>

#include "tables.h"

struct row {
	const char *name;
	uint32_t mode;
	uint16_t ringid;
	uint64_t flags;
	uint16_t mem_id;
	int error, today;
};

static int close_holders(void **state)
{
	(void)state;
	holders_close();
	return 0;
}

/* Each row with a descriptor of its own. */
static void walk(const char *table, const struct row *rows, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		struct nmreq_register reg = {.nr_mode = rows[i].mode,
		    .nr_ringid = rows[i].ringid,
		    .nr_flags = rows[i].flags,
		    .nr_mem_id = rows[i].mem_id};
		int fd = netmap_open();
		int got = control(fd, rows[i].name, NETMAP_REQ_REGISTER, &reg, NULL);

		table_check(table, i, rows[i].name, got, rows[i].error, rows[i].today);
		close(fd);
	}
	table_end();
}

#define ALL   NR_REG_ALL_NIC
#define HOST  NR_REG_SW
#define BOTH  NR_REG_NIC_SW
#define ONE   NR_REG_ONE_NIC
#define HOST1 NR_REG_ONE_SW
#define NONE  NR_REG_NULL
#define EXCL  NR_EXCLUSIVE
#define LONG  "a234567890123456789012345678901234567890123456789012345678901"
#ifdef WITH_PACKET
#define ANSWER_LO EINVAL /* an interface, but without a link */
#else
#define ANSWER_LO ENXIO
#endif

/* clang-format off */
static const struct row names[] = {
	{"",                            ALL, 0, 0, 0, ENXIO, 0},
	{"nosuch0",                     ALL, 0, 0, 0, ENXIO, 0},
	{"averyveryverylongifname",     ALL, 0, 0, 0, ENXIO, 0},
	{"lo",                          ALL, 0, 0, 0, ANSWER_LO, 0},
	{"n{",                          ALL, 0, 0, 0, EINVAL, 0},
	{"n}",                          ALL, 0, 0, 0, EINVAL, 0},
	{"{1",                          ALL, 0, 0, 0, EINVAL, 0},
	{"}1",                          ALL, 0, 0, 0, EINVAL, 0},
	{"n{1",                         ALL, 0, 0, 0, 0, 0},
	{"n}1",                         ALL, 0, 0, 0, 0, 0},
	{"n{01",                        ALL, 0, 0, 0, 0, 0},
	{"n{a",                         ALL, 0, 0, 0, 0, 0},
	{"n{1a",                        ALL, 0, 0, 0, 0, 0},
	{"n{-1",                        ALL, 0, 0, 0, 0, 0},
	{"n{65536",                     ALL, 0, 0, 0, 0, 0},
	{"n{4294967296",                ALL, 0, 0, 0, 0, 0},
	{"n{1{2",                       ALL, 0, 0, 0, 0, 0},
	{"n{1/T",                       ALL, 0, 0, 0, 0, 0},
	{"n{1-0",                       ALL, 0, 0, 0, 0, 0},
	{"nosuch0{0",                   ALL, 0, 0, 0, 0, 0},
	{"fifteen_letters{1",           ALL, 0, 0, 0, 0, 0},
	{"sixteen__letters{1",          ALL, 0, 0, 0, ENXIO, 0},
	{"averyveryverylongifname{1",   ALL, 0, 0, 0, ENXIO, 0},
	{"a b{1",                       ALL, 0, 0, 0, ENXIO, 0},
	{"a b}1",                       ALL, 0, 0, 0, ENXIO, 0},
	{"a\tb{1",                      ALL, 0, 0, 0, ENXIO, 0},
	{"vale",                        ALL, 0, 0, 0, ENOMEM, 0},
	{"vale9",                       ALL, 0, 0, 0, ENOMEM, 0},
	{"vale:",                       ALL, 0, 0, 0, 0, 0},
	{"vale:x",                      ALL, 0, 0, 0, 0, 0},
	{"vale9:",                      ALL, 0, 0, 0, 0, 0},
	{"vale9:p",                     ALL, 0, 0, 0, 0, 0},
	{"valeXX:p",                    ALL, 0, 0, 0, 0, 0},
	{"vale-x:p",                    ALL, 0, 0, 0, ENOMEM, 0},
	{"vale9:averyveryverylongport", ALL, 0, 0, 0, ENOMEM, 0},
	{"vale9:p{1",                   ALL, 0, 0, 0, 0, 0},
	{"vale9:q}1",                   ALL, 0, 0, 0, 0, 0},
	{"netmap:n{1",                  ALL, 0, 0, 0, 0, 0},      /* a parent called so */
	{"nosuchkind:n",                ALL, 0, 0, 0, EINVAL, 0},
	{LONG "{1",                     ALL, 0, 0, 0, ENXIO, 0},
	/* kinds of this device alone */
	{"loop:a",                      ALL, 0, 0, 0, 0, 0},
	{"null:",                       ALL, 0, 0, 0, 0, 0},
	{"pipe{name}",                  ALL, 0, 0, 0, 0, 0},
	{"pipe{averyveryverylongname}", ALL, 0, 0, 0, 0, 0},
};

/* Every mode on a pipe, on a switch port and on a loop, none of which has host rings. */
static const struct row modes[] = {
	{"m{1",     NR_REG_DEFAULT,     0, 0, 0, EINVAL, 0},
	{"m{1",     ALL,                0, 0, 0, 0, 0},
	{"m{1",     HOST,               0, 0, 0, EINVAL, 0},
	{"m{1",     BOTH,               0, 0, 0, EINVAL, 0},
	{"m{1",     ONE,                0, 0, 0, 0, 0},
	{"m{1",     NR_REG_PIPE_MASTER, 0, 0, 0, EINVAL, 0},
	{"m{1",     NR_REG_PIPE_SLAVE,  0, 0, 0, EINVAL, 0},
	{"m{1",     NONE,               0, 0, 0, EINVAL, 0},
	{"m{1",     HOST1,              0, 0, 0, EINVAL, 0},
	{"m{1",     9,                  0, 0, 0, EINVAL, 0},
	{"m{1",     15,                 0, 0, 0, EINVAL, 0},
	{"m{1",     16,                 0, 0, 0, EINVAL, 0},
	{"m{1",     UINT32_MAX,         0, 0, 0, EINVAL, 0},
	{"m",       NR_REG_PIPE_MASTER, 7, 0, 0, EINVAL, 0},
	{"m",       NR_REG_PIPE_SLAVE,  7, 0, 0, EINVAL, 0},
	{"vale8:m", NR_REG_DEFAULT,     0, 0, 0, EINVAL, 0},
	{"vale8:m", ALL,                0, 0, 0, 0, 0},
	{"vale8:m", HOST,               0, 0, 0, EINVAL, 0},
	{"vale8:m", BOTH,               0, 0, 0, EINVAL, 0},
	{"vale8:m", ONE,                0, 0, 0, 0, 0},
	{"vale8:m", NONE,               0, 0, 0, EINVAL, 0},
	{"vale8:m", HOST1,              0, 0, 0, EINVAL, 0},
	{"loop:m",  HOST,               0, 0, 0, EINVAL, 0},
	{"loop:m",  ONE,                0, 0, 0, 0, 0},
	{"",        NONE,               0, 0, 0, EINVAL, 0},
	{"",        NONE,               0, 0, 60000, EINVAL, 0},
	/* ring indexes */
	{"m{1",     ONE,                1, 0, 0, EINVAL, 0},
	{"m{1",     ONE,                2, 0, 0, EINVAL, 0},
	{"m{1",     ONE,               16, 0, 0, EINVAL, 0},
	{"m{1",     ONE,             4095, 0, 0, EINVAL, 0},
	{"m{1",     ONE,            65535, 0, 0, EINVAL, 0},
	{"m{1",     ALL,                1, 0, 0, 0, 0},      /* of no meaning there */
	{"m{1",     ALL,            65535, 0, 0, 0, 0},
	{"vale8:m", ONE,                1, 0, 0, EINVAL, 0},
	/* regions */
	{"m{1",     ALL,                0, 0, 1, 0, 0},
	{"vale8:m", ALL,                0, 0, 1, 0, 0},
	{"m{1",     ALL,                0, 0, 60000, EINVAL, 0},
	{"m{1",     ALL,                0, 0, 65535, EINVAL, 0},
	/* flags */
	{"m{1",     ALL, 0, NR_TX_RINGS_ONLY, 0, 0, 0},
	{"m{1",     ALL, 0, NR_RX_RINGS_ONLY, 0, 0, 0},
	{"m{1",     ALL, 0, NR_TX_RINGS_ONLY | NR_RX_RINGS_ONLY, 0, 0, 0},
	{"m{1",     ALL, 0, NR_NO_TX_POLL, 0, 0, 0},
	{"m{1",     ALL, 0, NR_DO_RX_POLL, 0, 0, 0},
	{"m{1",     ALL, 0, NR_ACCEPT_VNET_HDR, 0, 0, 0},
	{"m{1",     ALL, 0, EXCL, 0, 0, 0},
	{"m{1",     ALL, 0, 0x1000, 0, 0, 0},                 /* unknown ones are ignored */
	{"m{1",     ALL, 0, 1ull << 40, 0, 0, 0},
	{"m{1",     ALL, 0, 0xf, 0, 0, 0},
	{"m{9",     ALL, 0, NR_MONITOR_TX, 0, EINVAL, 0}, /* nothing there to watch */
	{"m{9",     ALL, 0, NR_MONITOR_RX, 0, EINVAL, 0},
};

/* While others hold them: 1 plain, 2 exclusive, 3 ring 0 of two exclusive, 4 with a header. */
static const struct holder holders[] = {
	{"h{1",     ALL, 0,    2, 0},
	{"h{2",     ALL, EXCL, 2, 0},
	{"h{3",     ONE, EXCL, 2, 0},
	{"vale8:h", ALL, NR_ACCEPT_VNET_HDR, 1, 12},
	{"vale8:p", ALL, EXCL, 1, 0},
};

static const struct row conflicts[] = {
	{"h{1",     ALL, 0, 0, 0, 0, 0},
	{"h{1",     ALL, 0, EXCL, 0, EBUSY, 0},
	{"h{1",     ONE, 0, EXCL, 0, EBUSY, 0},
	{"h{1",     ONE, 1, 0, 0, 0, 0},
	{"h{1",     ONE, 2, 0, 0, EINVAL, 0},
	{"h}1",     ALL, 0, EXCL, 0, 0, 0},                    /* the other end is another port */
	{"h{2",     ALL, 0, 0, 0, EBUSY, 0},
	{"h{2",     ONE, 1, 0, 0, EBUSY, 0},
	{"h{2",     ALL, 0, EXCL, 0, EBUSY, 0},
	{"h{2",     ALL, 0, NR_TX_RINGS_ONLY, 0, EBUSY, 0},
	{"h}2",     ALL, 0, 0, 0, 0, 0},
	{"h{3",     ALL, 0, 0, 0, EBUSY, 0},
	{"h{3",     ONE, 0, 0, 0, EBUSY, 0},
	{"h{3",     ONE, 1, 0, 0, 0, 0},
	{"h{3",     ONE, 1, EXCL, 0, 0, 0},
	{"h{3",     ONE, 2, EXCL, 0, EINVAL, 0},
	{"vale8:h", ALL, 0, 0, 0, EIO, 0},
	{"vale8:h", ALL, 0, NR_ACCEPT_VNET_HDR, 0, 0, 0},
	{"vale8:p", ALL, 0, 0, 0, EBUSY, 0},
	{"vale8:p", ALL, 0, EXCL, 0, EBUSY, 0},
	{"vale8:q", ALL, 0, EXCL, 0, 0, 0},
	{"h{1",     ALL, 0, NR_MONITOR_TX | NR_MONITOR_RX, 0, 0, 0},
	{"h{1",     ALL, 0, NR_MONITOR_TX | NR_MONITOR_RX | NR_ZCOPY_MON, 0, 0, 0},
	{"vale8:h", HOST, 0, 0, 0, EINVAL, 0},
};
/* clang-format on */

static void names_of_ports(void **state)
{
	(void)state;
	walk("names", names, COUNT(names));
}

static void modes_rings_regions_and_flags(void **state)
{
	(void)state;
	walk("modes", modes, COUNT(modes));
}

static void what_others_hold(void **state)
{
	(void)state;
	holders_open(holders, COUNT(holders));
	walk("conflicts", conflicts, COUNT(conflicts));
}

/* ---- counts: what is asked for, and what comes back ---- */

struct shape {
	uint32_t tx_slots, rx_slots;
	uint16_t tx_rings, rx_rings;
};

struct shape_row {
	const char *name;
	struct shape asked, got;
};

/* clang-format off */
static const struct shape_row shapes[] = {
	{"s{1",     {0, 0, 0, 0},             {1024, 1024, 1, 1}},
	{"s{1",     {512, 512, 0, 0},         {512, 512, 1, 1}},
	{"s{1",     {256, 2048, 0, 0},        {256, 2048, 1, 1}},
	{"s{1",     {100, 100, 0, 0},         {100, 100, 1, 1}},
	{"s{1",     {3, 3, 0, 0},             {3, 3, 1, 1}},
	{"s{1",     {2, 2, 0, 0},             {2, 2, 1, 1}},
	{"s{1",     {1, 1, 0, 0},             {1, 1, 1, 1}},
	{"s{1",     {1021, 1000, 0, 0},       {1021, 1000, 1, 1}},
	{"s{1",     {4096, 4096, 0, 0},       {4096, 4096, 1, 1}},
	{"s{1",     {16384, 16385, 0, 0},     {4096, 4096, 1, 1}},
	{"s{1",     {100000, UINT32_MAX, 0, 0}, {4096, 4096, 1, 1}},
	{"s{1",     {0, 0, 2, 2},             {1024, 1024, 2, 2}},
	{"s{1",     {0, 0, 4, 1},             {1024, 1024, 4, 1}},
	{"s{1",     {0, 0, 1, 4},             {1024, 1024, 1, 4}},
	{"s{1",     {512, 0, 2, 0},           {512, 1024, 2, 1}},
	{"s}1",     {64, 32, 3, 2},           {64, 32, 3, 2}},
	{"vale8:s", {0, 0, 0, 0},             {1024, 1024, 1, 1}},
	{"vale8:s", {100, 100, 0, 0},         {100, 100, 1, 1}},
	{"vale8:s", {0, 0, 4, 1},             {1024, 1024, 4, 1}},
	{"vale8:s", {16385, 1, 1, 1},         {4096, 1, 1, 1}},
	{"vale8:s", {0, 0, 300, 300},         {1024, 1024, 16, 16}},
	{"vale8:s", {1, 1, 0, 0},             {1, 1, 1, 1}},
};
/* clang-format on */

static void shape_check(size_t row, const struct nmreq_register *got, const struct shape *expected)
{
	if (got->nr_tx_slots != expected->tx_slots || got->nr_rx_slots != expected->rx_slots ||
	    got->nr_tx_rings != expected->tx_rings || got->nr_rx_rings != expected->rx_rings)
		fail_msg("shapes, row %zu: %u and %u slots, %u and %u rings", row, got->nr_tx_slots,
		    got->nr_rx_slots, got->nr_tx_rings, got->nr_rx_rings);
}

static void counts_of_rings_and_slots(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(shapes); i++) {
		const struct shape *asked = &shapes[i].asked;
		struct nmreq_register reg = {.nr_mode = NR_REG_ALL_NIC,
		    .nr_tx_slots = asked->tx_slots,
		    .nr_rx_slots = asked->rx_slots,
		    .nr_tx_rings = asked->tx_rings,
		    .nr_rx_rings = asked->rx_rings};
		int fd = netmap_open();

		assert_int_equal(control(fd, shapes[i].name, NETMAP_REQ_REGISTER, &reg, NULL), 0);
		shape_check(i, &reg, &shapes[i].got);
		assert_int_equal(reg.nr_host_tx_rings + reg.nr_host_rx_rings, 0);
		assert_true(reg.nr_memsize > 0);
		assert_true(reg.nr_mem_id > 1);
		close(fd);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(names_of_ports),
	    cmocka_unit_test(modes_rings_regions_and_flags),
	    cmocka_unit_test_teardown(what_others_hold, close_holders),
	    cmocka_unit_test(counts_of_rings_and_slots),
	};

	return cmocka_run_group_tests(tests, group_start, group_end);
}
