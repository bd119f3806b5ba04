/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * All other requests, new and legacy: each with its errno, and the one number that it is asked for. Rows of a
 * table are a sequence: what one leaves, the next one finds.
 */
#include <fcntl.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "tables.h"

#define ANY (-1) /* the number is not looked at */

static int close_holders(void **state)
{
	(void)state;
	holders_close();
	return 0;
}

/* While the tables are walked: a pipe, a switch port, one with a header. */
static const struct holder holders[] = {
    {"q{1", NR_REG_ALL_NIC, 0, 1, 0},
    {"vale7:p", NR_REG_ALL_NIC, 0, 2, 0},
    {"vale7:h", NR_REG_ALL_NIC, NR_ACCEPT_VNET_HDR, 1, 12},
};

enum on { FRESH, PIPE, PORT }; /* which descriptor: an unbound one, or a holder's */

/* ---- NIOCCTRL ---- */

struct row {
	enum on on;
	uint16_t type;
	const char *name;
	uint32_t a, b, c; /* what the body says, see body_fill() */
	int error, today;
	int64_t out;
};

union body {
	struct nmreq_register reg;
	struct nmreq_port_info_get info;
	struct nmreq_vale_attach attach;
	struct nmreq_vale_detach detach;
	struct nmreq_vale_list list;
	struct nmreq_port_hdr header;
	struct nmreq_vale_newif newif;
	struct nmreq_vale_polling polling;
	struct nmreq_pools_info pools;
	struct nmreq_sync_kloop_start kloop;
};

static void body_fill(union body *body, const struct row *row)
{
	memset(body, 0, sizeof *body);
	switch (row->type) {
	case NETMAP_REQ_REGISTER:
		body->reg.nr_mode = row->a;
		break;
	case NETMAP_REQ_PORT_INFO_GET:
		body->info.nr_mem_id = (uint16_t)row->a;
		break;
	case NETMAP_REQ_VALE_ATTACH:
		body->attach.reg.nr_mode = row->a;
		break;
	case NETMAP_REQ_VALE_LIST:
		body->list.nr_bridge_idx = (uint16_t)row->a;
		body->list.nr_port_idx = row->b;
		break;
	case NETMAP_REQ_PORT_HDR_SET:
	case NETMAP_REQ_PORT_HDR_GET:
		body->header.nr_hdr_len = row->a;
		break;
	case NETMAP_REQ_VALE_NEWIF:
		body->newif.nr_tx_slots = body->newif.nr_rx_slots = row->a;
		body->newif.nr_tx_rings = body->newif.nr_rx_rings = (uint16_t)row->b;
		body->newif.nr_mem_id = (uint16_t)row->c;
		break;
	case NETMAP_REQ_VALE_POLLING_ENABLE:
	case NETMAP_REQ_VALE_POLLING_DISABLE:
		body->polling = (struct nmreq_vale_polling){
		    .nr_mode = row->a, .nr_first_cpu_id = row->b, .nr_num_polling_cpus = row->c};
		break;
	case NETMAP_REQ_POOLS_INFO_GET:
		body->pools.nr_mem_id = (uint16_t)row->a;
		break;
	default: /* nothing to say */
		break;
	}
}

/* What the request was for. */
static int64_t body_answer(const union body *body, uint16_t type)
{
	switch (type) {
	case NETMAP_REQ_PORT_INFO_GET:
		return body->info.nr_tx_slots;
	case NETMAP_REQ_PORT_HDR_GET:
		return body->header.nr_hdr_len;
	case NETMAP_REQ_VALE_NEWIF:
		return body->newif.nr_tx_slots;
	case NETMAP_REQ_POOLS_INFO_GET:
		return body->pools.nr_buf_pool_objsize;
	default:
		return ANY;
	}
}

/* These take none. */
static bool has_body(uint16_t type)
{
	return type != NETMAP_REQ_VALE_DELIF && type != NETMAP_REQ_SYNC_KLOOP_STOP &&
	       type != NETMAP_REQ_CSB_ENABLE && type >= NETMAP_REQ_REGISTER &&
	       type <= NETMAP_REQ_CSB_ENABLE;
}

static void ask(size_t i, const struct row *row)
{
	int fresh = netmap_open();
	int fd = row->on == FRESH ? fresh : holder_fd(row->on);
	union body body;
	int got;

	body_fill(&body, row);
	got = control(fd, row->name, row->type, has_body(row->type) ? &body : NULL, NULL);
	table_check("requests", i, row->name, got, row->error, row->today);
	if (row->out != ANY && got == row->error && body_answer(&body, row->type) != row->out)
		fail_msg("requests, row %zu (%s): %lld instead of %lld", i, row->name,
		    (long long)body_answer(&body, row->type), (long long)row->out);
	close(fresh);
}

#define INFO   NETMAP_REQ_PORT_INFO_GET
#define ATTACH NETMAP_REQ_VALE_ATTACH
#define DETACH NETMAP_REQ_VALE_DETACH
#define LIST   NETMAP_REQ_VALE_LIST
#define SET    NETMAP_REQ_PORT_HDR_SET
#define GET    NETMAP_REQ_PORT_HDR_GET
#define NEWIF  NETMAP_REQ_VALE_NEWIF
#define DELIF  NETMAP_REQ_VALE_DELIF
#define POLLON NETMAP_REQ_VALE_POLLING_ENABLE
#define POLLOF NETMAP_REQ_VALE_POLLING_DISABLE
#define POOLS  NETMAP_REQ_POOLS_INFO_GET
#define START  NETMAP_REQ_SYNC_KLOOP_START
#define STOP   NETMAP_REQ_SYNC_KLOOP_STOP
#define CSB    NETMAP_REQ_CSB_ENABLE
#define ALL    NR_REG_ALL_NIC
#ifdef WITH_PACKET
#define LO 0, 0, 1024
#else
#define LO ENXIO, 0, ANY
#endif

/* clang-format off */
static const struct row requests[] = {
	/* types that nobody knows */
	{FRESH, 0,      "q{1",       0, 0, 0, EINVAL, 0, ANY},
	{FRESH, 16,     "q{1",       0, 0, 0, EINVAL, 0, ANY},
	{FRESH, 65535,  "q{1",       0, 0, 0, EINVAL, 0, ANY},
	{PIPE,  16,     "q{1",       0, 0, 0, EINVAL, 0, ANY},
	/* a descriptor is bound once */
	{PIPE,  NETMAP_REQ_REGISTER, "q{1", ALL, 0, 0, EBUSY, 0, ANY},
	{PIPE,  NETMAP_REQ_REGISTER, "q{2", ALL, 0, 0, EBUSY, 0, ANY},
	{PORT,  NETMAP_REQ_REGISTER, "vale7:q", ALL, 0, 0, EBUSY, 0, ANY},
	/* information: absent pipes and switch ports have defaults, absent interfaces have none */
	{FRESH, INFO,   "q{1",       0, 0, 0, 0, 0, 1024},
	{FRESH, INFO,   "q}1",       0, 0, 0, 0, 0, 1024},
	{PIPE,  INFO,   "q{1",       0, 0, 0, 0, 0, 1024},
	{FRESH, INFO,   "absent{1",  0, 0, 0, 0, 0, 1024},
	{FRESH, INFO,   "vale7:p",   0, 0, 0, 0, 0, 1024},
	{FRESH, INFO,   "vale7:zz",  0, 0, 0, 0, 0, 1024},
	{FRESH, INFO,   "vale7",     0, 0, 0, ENOMEM, 0, ANY},
	{FRESH, INFO,   "nosuch0",   0, 0, 0, ENXIO, 0, ANY},
	{FRESH, INFO,   "",          0, 0, 0, 0, 0, 0},
	{FRESH, INFO,   "",          1, 0, 0, 0, 0, 0},
	{FRESH, INFO,   "",      60000, 0, 0, EINVAL, 0, ANY},
	{FRESH, INFO,   "lo",        0, 0, 0, LO},
	{FRESH, INFO,   "q{",        0, 0, 0, EINVAL, 0, ANY},
	{FRESH, INFO,   "a b{1",     0, 0, 0, ENXIO, 0, ANY},
	/* virtio headers: a pipe has none to set, an absent one is no device */
	{PIPE,  GET,    "q{1",      77, 0, 0, 0, 0, 0},
	{FRESH, GET,    "q{1",      77, 0, 0, 0, 0, 0},
	{FRESH, SET,    "q{1",      12, 0, 0, ENXIO, 0, ANY},
	{FRESH, GET,    "absent{1", 77, 0, 0, ENODEV, 0, 77},
	{FRESH, GET,    "nosuch0",  77, 0, 0, ENXIO, 0, 77},
	{FRESH, SET,    "nosuch0",  12, 0, 0, ENXIO, 0, ANY},
	{FRESH, GET,    "vale7:zz", 77, 0, 0, ENXIO, 0, 77},
	{FRESH, GET,    "vale7:h",  77, 0, 0, 0, 0, 12},
	{FRESH, GET,    "vale7:p",  77, 0, 0, 0, 0, 0},
	{PORT,  SET,    "vale7:p",  12, 0, 0, 0, 0, ANY},
	{FRESH, GET,    "vale7:p",  77, 0, 0, 0, 0, 12},
	{FRESH, SET,    "vale7:p",  10, 0, 0, 0, 0, ANY},
	{FRESH, SET,    "vale7:p",   5, 0, 0, EINVAL, 0, ANY},
	{FRESH, SET,    "vale7:p",  13, 0, 0, EINVAL, 0, ANY},
	{FRESH, SET,    "vale7:p",  UINT32_MAX, 0, 0, EINVAL, 0, ANY},
	{FRESH, GET,    "vale7:p",  77, 0, 0, 0, 0, 10},
	{FRESH, SET,    "vale7:p",   0, 0, 0, 0, 0, ANY},
	/* lists */
	{FRESH, LIST,   "vale7:p",   0, 0, 0, 0, 0, ANY},
	{FRESH, LIST,   "vale7:zz",  0, 0, 0, 0, 0, ANY},       /* the switch is there */
	{FRESH, LIST,   "vale6:p",   0, 0, 0, ENOENT, 0, ANY},
	{FRESH, LIST,   "nosuch0",   0, 0, 0, EINVAL, 0, ANY},
	{FRESH, LIST,   "",          0, 0, 0, 0, 0, ANY},
	{FRESH, LIST,   "",      65535, 0, 0, ENOENT, 0, ANY},
	{FRESH, LIST,   "",          0, 255, 0, ENOENT, 0, ANY},
	/* persistent ports */
	{FRESH, NEWIF,  "keep",      0, 0, 0, 0, 0, 1024},
	{FRESH, NEWIF,  "keep",      0, 0, 0, EEXIST, 0, ANY},
	{FRESH, NEWIF,  "small",    64, 2, 0, 0, 0, 64},
	{FRESH, NEWIF,  "lo",        0, 0, 0, EEXIST, 0, ANY},
	{FRESH, NEWIF,  "vale7:x",   0, 0, 0, EINVAL, 0, ANY},
	{FRESH, NEWIF,  "",          0, 0, 0, EINVAL, 0, ANY},
	{FRESH, INFO,   "small",     0, 0, 0, 0, 0, 64},
	{FRESH, NETMAP_REQ_REGISTER, "small", ALL, 0, 0, 0, 0, ANY},
	{FRESH, DELIF,  "nosuch0",   0, 0, 0, ENXIO, 0, ANY},
	{FRESH, DELIF,  "vale7:p",   0, 0, 0, ENXIO, 0, ANY},
	{FRESH, ATTACH, "vale7:keep", ALL, 0, 0, 0, 0, ANY},
	{FRESH, ATTACH, "vale7:keep", ALL, 0, 0, EBUSY, 0, ANY},
	{FRESH, ATTACH, "vale6:keep", ALL, 0, 0, EBUSY, 0, ANY},
	{FRESH, LIST,   "vale7:keep", 0, 0, 0, 0, 0, ANY},
	{FRESH, DELIF,  "keep",      0, 0, 0, EBUSY, 0, ANY},
	{FRESH, DETACH, "vale6:keep", 0, 0, 0, ENXIO, 0, ANY},
	{FRESH, DETACH, "vale7:keep", 0, 0, 0, 0, 0, ANY},
	{FRESH, DETACH, "vale7:keep", 0, 0, 0, ENXIO, 0, ANY},
	{FRESH, DELIF,  "keep",      0, 0, 0, 0, 0, ANY},
	{FRESH, DELIF,  "keep",      0, 0, 0, ENXIO, 0, ANY},
	{FRESH, DELIF,  "small",     0, 0, 0, 0, 0, ANY},
	{FRESH, INFO,   "small",     0, 0, 0, ENXIO, 0, ANY},
	/* attaching */
	{FRESH, ATTACH, "vale7:nosuch0", ALL, 0, 0, EINVAL, 0, ANY},
	{FRESH, ATTACH, "nosuch0",   ALL, 0, 0, EINVAL, 0, ANY},
	{FRESH, ATTACH, "vale7:nosuch0", NR_REG_ONE_NIC, 0, 0, EINVAL, 0, ANY},
	{FRESH, DETACH, "vale7:nosuch0", 0, 0, 0, ENXIO, 0, ANY},
	{FRESH, DETACH, "nosuch0",   0, 0, 0, ENXIO, 0, ANY},
	/* polling: by interfaces that are attached */
	{FRESH, POLLON, "vale7:nosuch0", 1, 0, 1, ENXIO, 0, ANY},
	{FRESH, POLLON, "vale7:p",   1, 0, 1, EOPNOTSUPP, 0, ANY},
	{FRESH, POLLON, "nosuch0",   1, 0, 1, ENXIO, 0, ANY},
	{FRESH, POLLOF, "vale7:nosuch0", 1, 0, 1, ENXIO, 0, ANY},
	{FRESH, POLLOF, "vale7:p",   1, 0, 1, EOPNOTSUPP, 0, ANY},
	/* pools */
	{FRESH, POOLS,  "q{1",       0, 0, 0, 0, 0, 2048},
	{FRESH, POOLS,  "vale7:p",   0, 0, 0, 0, 0, 2048},
	{FRESH, POOLS,  "nosuch0",   0, 0, 0, ENXIO, 0, ANY},
	{FRESH, POOLS,  "",          0, 0, 0, ENXIO, 0, ANY},
	{FRESH, POOLS,  "",          1, 0, 0, ENXIO, 0, ANY},
	{FRESH, POOLS,  "",      60000, 0, 0, EINVAL, 0, ANY},
	/* the sync loop */
	{FRESH, START,  "",          0, 0, 0, ENXIO, 0, ANY},
	{FRESH, STOP,   "",          0, 0, 0, ENXIO, 0, ANY},
	{FRESH, CSB,    "",          0, 0, 0, EINVAL, 0, ANY},
};
/* clang-format on */

static void requests_have_their_errno(void **state)
{
	(void)state;
	holders_open(holders, COUNT(holders));
	for (size_t i = 0; i < COUNT(requests); i++)
		ask(i, &requests[i]);
	table_end();
}

/* ---- headers ---- */

struct header_row {
	uint16_t version, type;
	uint32_t reserved;
	uint64_t body; /* 1: a good one */
	int error;
};

/* clang-format off */
static const struct header_row headers[] = {
	{10, NETMAP_REQ_REGISTER, 0, 1, EINVAL},
	{11, NETMAP_REQ_REGISTER, 0, 1, EINVAL},
	{12, NETMAP_REQ_REGISTER, 0, 1, EINVAL},
	{13, NETMAP_REQ_REGISTER, 0, 1, EINVAL},
	{14, NETMAP_REQ_REGISTER, 0, 1, 0},
	{15, NETMAP_REQ_REGISTER, 0, 1, 0},
	{16, NETMAP_REQ_REGISTER, 0, 1, EINVAL},
	{17, NETMAP_REQ_REGISTER, 0, 1, EINVAL},
	{0,  NETMAP_REQ_REGISTER, 0, 1, EINVAL},
	{65535, NETMAP_REQ_REGISTER, 0, 1, EINVAL},
	{14, NETMAP_REQ_REGISTER, 5, 1, EINVAL},
	{14, NETMAP_REQ_REGISTER, 0, 0, EINVAL},
	{14, NETMAP_REQ_REGISTER, 0, 16, EFAULT},
	{13, INFO, 0, 1, EINVAL},
	{14, INFO, 0, 0, EINVAL},
	{14, INFO, 0, 16, EFAULT},
	{14, DELIF, 0, 1, EINVAL},
	{14, STOP, 0, 1, EINVAL},
	{14, CSB, 0, 1, EINVAL},
};
/* clang-format on */

static void headers_are_checked_first(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(headers); i++) {
		union body body = {.reg.nr_mode = NR_REG_ALL_NIC};
		struct nmreq_header header = {.nr_version = headers[i].version,
		    .nr_reqtype = headers[i].type,
		    .nr_reserved = headers[i].reserved,
		    .nr_body = headers[i].body == 1 ? (uintptr_t)&body : headers[i].body,
		    .nr_name = "q{1"};
		int fd = netmap_open();
		int got = ioctl(fd, NIOCCTRL, &header) == 0 ? 0 : errno;

		table_check("headers", i, "q{1", got, headers[i].error, 0);
		assert_int_equal(header.nr_version, headers[i].version);
		close(fd);
	}
	table_end();
}

/* ---- options ---- */

struct option_row {
	uint16_t request;
	uint32_t type;
	int error, today; /* of the request, and the option's status */
};

/* clang-format off */
static const struct option_row options[] = {
	{NETMAP_REQ_REGISTER, 0,  EINVAL, 0},
	{NETMAP_REQ_REGISTER, 6,  EOPNOTSUPP, 0},
	{NETMAP_REQ_REGISTER, 99, EOPNOTSUPP, 0},
	{NETMAP_REQ_REGISTER, UINT32_MAX, EOPNOTSUPP, 0},
	{NETMAP_REQ_REGISTER, NETMAP_REQ_OPT_SYNC_KLOOP_MODE, EOPNOTSUPP, 0},
	{NETMAP_REQ_REGISTER, NETMAP_REQ_OPT_SYNC_KLOOP_EVENTFDS, EOPNOTSUPP, 0},
	{NETMAP_REQ_REGISTER, NETMAP_REQ_OPT_OFFSETS, 0, 0},
};
/* clang-format on */

static void options_have_a_status(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(options); i++) {
		struct {
			struct nmreq_option option;
			uint64_t more[16];
		} option = {.option.nro_reqtype = options[i].type};
		struct nmreq_register reg = {.nr_mode = NR_REG_ALL_NIC};
		int fd = netmap_open();
		int got = control(fd, "o{1", options[i].request, &reg, &option);

		table_check("options", i, "o{1", got, options[i].error, options[i].today);
		assert_int_equal(option.option.nro_status, got);
		close(fd);
	}
	table_end();
}

/* ---- legacy requests ---- */

struct legacy_row {
	bool regif; /* else NIOCGINFO */
	const char *name;
	uint16_t cmd, ringid;
	uint32_t flags;
	uint16_t arg1;
	uint32_t version;
	int error, today;
};

#define REGIF true
#define GINFO false

/* clang-format off */
static const struct legacy_row legacy[] = {
	/* versions: older ones had another struct netmap_if */
	{REGIF, "o{1",        0, 0, ALL, 0, 10, EINVAL, 0},
	{REGIF, "o{1",        0, 0, ALL, 0, 11, EINVAL, 0},
	{REGIF, "o{1",        0, 0, ALL, 0, 13, EINVAL, 0},
	{REGIF, "o{1",        0, 0, ALL, 0, 14, 0, 0},
	{GINFO, "o{1",        0, 0, 0, 0, 10, EINVAL, 0},
	{REGIF, "o{1",        0, 0, ALL, 0, 15, 0, 0},
	{GINFO, "o{1",        0, 0, 0, 0, 11, EINVAL, 0},
	/* binding */
	{REGIF, "o",          0, 3, NR_REG_PIPE_MASTER, 0, 14, 0, 0},
	{REGIF, "o",          0, 3, NR_REG_PIPE_SLAVE, 0, 14, 0, 0},
	{REGIF, "o{1",        0, 0, NR_REG_DEFAULT, 0, 14, 0, 0},
	{REGIF, "o{1",        0, NETMAP_HW_RING, NR_REG_DEFAULT, 0, 14, 0, 0},
	{REGIF, "o{1",        0, NETMAP_HW_RING | 1, NR_REG_DEFAULT, 0, 14, EINVAL, 0},
	{REGIF, "o{1",        0, NETMAP_SW_RING, NR_REG_DEFAULT, 0, 14, EINVAL, 0},
	{REGIF, "o{1",        0, 1, NR_REG_ONE_NIC, 0, 14, EINVAL, 0},
	{REGIF, "o{1",        0, 0, NR_REG_SW, 0, 14, EINVAL, 0},
	{REGIF, "o{1",        0, 0, NR_REG_NULL, 0, 14, EINVAL, 0},
	{REGIF, "o{1",        0, 0, 9, 0, 14, EINVAL, 0},
	{REGIF, "o{1",        0, NETMAP_NO_TX_POLL | NETMAP_DO_RX_POLL, ALL, 0, 14, 0, 0},
	{REGIF, "nosuch0",    0, 0, ALL, 0, 14, ENXIO, 0},
	{REGIF, "",           0, 0, ALL, 0, 14, ENXIO, 0},
	{REGIF, "vale7:o",    0, 0, ALL, 0, 14, 0, 0},
	{REGIF, "vale7",      0, 0, ALL, 0, 14, ENOMEM, 0},
	/* information */
	{GINFO, "o{1",        0, 0, 0, 0, 14, 0, 0},
	{GINFO, "vale7:zz",   0, 0, 0, 0, 14, 0, 0},
	{GINFO, "nosuch0",    0, 0, 0, 0, 14, ENXIO, 0},
	{GINFO, "",           0, 0, 0, 0, 14, 0, 0},
	{GINFO, "vale7:p",    NETMAP_BDG_LIST, 0, 0, 0, 14, 0, 0},
	{GINFO, "vale6:p",    NETMAP_BDG_LIST, 0, 0, 0, 14, ENOENT, 0},
	{GINFO, "",           NETMAP_BDG_LIST, 0, 0, 0, 14, 0, 0},
	/* commands */
	{REGIF, "lkeep",      NETMAP_BDG_NEWIF, 0, 0, 0, 14, 0, 0},
	{REGIF, "lkeep",      NETMAP_BDG_NEWIF, 0, 0, 0, 14, EEXIST, 0},
	{REGIF, "vale7:lkeep", NETMAP_BDG_ATTACH, 0, 0, 0, 14, 0, 0},
	{REGIF, "vale7:lkeep", NETMAP_BDG_ATTACH, 0, 0, 0, 14, EBUSY, 0},
	{REGIF, "lkeep",      NETMAP_BDG_DELIF, 0, 0, 0, 14, EBUSY, 0},
	{REGIF, "vale7:lkeep", NETMAP_BDG_DETACH, 0, 0, 0, 14, 0, 0},
	{REGIF, "vale7:lkeep", NETMAP_BDG_DETACH, 0, 0, 0, 14, ENXIO, 0},
	{REGIF, "lkeep",      NETMAP_BDG_DELIF, 0, 0, 0, 14, 0, 0},
	{REGIF, "lkeep",      NETMAP_BDG_DELIF, 0, 0, 0, 14, ENXIO, 0},
	{REGIF, "vale7:nosuch0", NETMAP_BDG_ATTACH, 0, 0, 0, 14, EINVAL, 0},
	{REGIF, "vale7:nosuch0", NETMAP_BDG_DETACH, 0, 0, 0, 14, ENXIO, 0},
	{REGIF, "vale7:p",    NETMAP_BDG_VNET_HDR, 0, 0, 12, 14, 0, 0},
	{REGIF, "vale7:p",    NETMAP_VNET_HDR_GET, 0, 0, 0, 14, 0, 0},
	{REGIF, "vale7:p",    NETMAP_BDG_VNET_HDR, 0, 0, 0, 14, 0, 0},
	{REGIF, "vale7:p",    NETMAP_BDG_VNET_HDR, 0, 0, 5, 14, EINVAL, 0},
	{REGIF, "nosuch0",    NETMAP_BDG_VNET_HDR, 0, 0, 12, 14, ENXIO, 0},
	{REGIF, "nosuch0",    NETMAP_VNET_HDR_GET, 0, 0, 0, 14, ENXIO, 0},
	{REGIF, "q{1",        NETMAP_VNET_HDR_GET, 0, 0, 0, 14, 0, 0},
	{REGIF, "q{1",        NETMAP_BDG_VNET_HDR, 0, 0, 12, 14, ENXIO, 0},
	{REGIF, "absent{1",   NETMAP_VNET_HDR_GET, 0, 0, 0, 14, ENODEV, 0},
	{REGIF, "vale7:nosuch0", NETMAP_BDG_POLLING_ON, 0, ALL, 1, 14, ENXIO, 0},
	{REGIF, "vale7:p",    NETMAP_BDG_POLLING_ON, 0, ALL, 1, 14, EOPNOTSUPP, 0},
	{REGIF, "vale7:nosuch0", NETMAP_BDG_POLLING_OFF, 0, ALL, 1, 14, ENXIO, 0},
	{REGIF, "vale7:p",    NETMAP_BDG_POLLING_OFF, 0, ALL, 1, 14, EOPNOTSUPP, 0},
	{REGIF, "vale7:p",    NETMAP_BDG_REGOPS, 0, 0, 0, 14, EINVAL, 0},
	{REGIF, "vale7:p",    NETMAP_BDG_LIST, 0, 0, 0, 14, EINVAL, 0},
	{REGIF, "vale7:p",    NETMAP_PT_HOST_CREATE, 0, 0, 0, 14, ENOMEM, 0},
	{REGIF, "vale7:p",    NETMAP_PT_HOST_DELETE, 0, 0, 0, 14, ENOMEM, 0},
	{REGIF, "vale7:p",    13, 0, 0, 0, 14, EINVAL, 0},
	{REGIF, "vale7:p",    65535, 0, 0, 0, 14, EINVAL, 0},
};
/* clang-format on */

static void legacy_requests_have_their_errno(void **state)
{
	(void)state;
	holders_open(holders, COUNT(holders));
	for (size_t i = 0; i < COUNT(legacy); i++) {
		const struct legacy_row *row = &legacy[i];
		struct nmreq req = {.nr_version = row->version,
		    .nr_cmd = row->cmd,
		    .nr_ringid = row->ringid,
		    .nr_flags = row->flags,
		    .nr_arg1 = row->arg1};
		int fd = netmap_open(), got;

		snprintf(req.nr_name, sizeof req.nr_name, "%s", row->name);
		got = ioctl(fd, row->regif ? NIOCREGIF : NIOCGINFO, &req) == 0 ? 0 : errno;
		table_check("legacy", i, row->name, got, row->error, row->today);
		close(fd);
	}
	table_end();
}

/* ---- calls on descriptors ---- */

static int result_of(long result)
{
	return result < 0 ? errno : 0;
}

static int call_map(int fd)
{
	void *at = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);

	if (at == MAP_FAILED)
		return errno;
	munmap(at, 4096);
	return 0;
}

static int call_map_too_much(int fd)
{
	return mmap(NULL, (size_t)1 << 40, PROT_READ, MAP_SHARED, fd, 0) == MAP_FAILED ? errno : 0;
}

static int call_txsync(int fd)
{
	return result_of(ioctl(fd, NIOCTXSYNC, NULL));
}

static int call_rxsync(int fd)
{
	return result_of(ioctl(fd, NIOCRXSYNC, NULL));
}

static int call_read(int fd)
{
	char buffer[8];

	return result_of(read(fd, buffer, sizeof buffer));
}

static int call_write(int fd)
{
	return result_of(write(fd, "12345678", 8));
}

static int call_config(int fd)
{
	return result_of(ioctl(fd, NIOCCONFIG, NULL));
}

static int call_unknown(int fd)
{
	return result_of(ioctl(fd, _IO('i', 199), 0));
}

static int call_foreign(int fd)
{
	return result_of(ioctl(fd, _IO('z', 1), 0));
}

/* Not an errno: the events. */
static int call_poll(int fd)
{
	struct pollfd p = {.fd = fd, .events = POLLIN | POLLOUT};

	return poll(&p, 1, 0) == 1 ? p.revents : 0;
}

struct call_row {
	const char *name;
	int (*call)(int fd);
	int unbound, bound;
};

/* clang-format off */
static const struct call_row calls[] = {
	{"NIOCTXSYNC",      call_txsync,       ENXIO, 0},
	{"NIOCRXSYNC",      call_rxsync,       ENXIO, 0},
	{"mmap",            call_map,          EINVAL, 0},
	{"mmap of too much", call_map_too_much, EINVAL, EINVAL},
	{"read",            call_read,         EINVAL, EINVAL},
	{"write",           call_write,        EINVAL, EINVAL},
	{"poll",            call_poll,         POLLERR, POLLOUT},
	{"NIOCCONFIG",      call_config,       EINVAL, EINVAL},
	{"unknown ioctl",   call_unknown,      EOPNOTSUPP, EOPNOTSUPP},
	{"foreign ioctl",   call_foreign,      EOPNOTSUPP, EOPNOTSUPP},
};
/* clang-format on */

static void calls_depend_on_the_binding(void **state)
{
	int fd = netmap_open();

	(void)state;
	for (size_t i = 0; i < COUNT(calls); i++)
		table_check("unbound", i, calls[i].name, calls[i].call(fd), calls[i].unbound, 0);
	assert_int_equal(netmap_bind(fd, "q{1", 0), 0);
	for (size_t i = 0; i < COUNT(calls); i++)
		table_check("bound", i, calls[i].name, calls[i].call(fd), calls[i].bound, 0);
	close(fd);
	table_end();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_teardown(requests_have_their_errno, close_holders),
	    cmocka_unit_test(headers_are_checked_first),
	    cmocka_unit_test(options_have_a_status),
	    cmocka_unit_test_teardown(legacy_requests_have_their_errno, close_holders),
	    cmocka_unit_test(calls_depend_on_the_binding),
	};

	return cmocka_run_group_tests(tests, group_start, group_end);
}
