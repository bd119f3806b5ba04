/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The netmap device interface: the structures that a program shares with /dev/netmap, the
 * requests that it sends, and the numbers in them. Layouts, names and values are netmap's,
 * API 14; tests/abi holds every one of them against the contract.
 *
 * What a bound descriptor maps (offsets in bytes):
 *
 *   base + nr_offset ─► netmap_if        ni_tx_rings, ni_rx_rings, … counts
 *                       ring_ofs[]       NIC TX │ host TX │ NIC RX │ host RX
 *                          │             (from netmap_if; 0: not bound to this descriptor)
 *                          ▼
 *                       netmap_ring      head, cur, tail, flags, …
 *                       slot[num_slots]  buf_idx, len, flags, ptr
 *                          │
 *                          ▼
 *                       buffer           netmap_ring + buf_ofs + buf_idx × nr_buf_size
 *
 * Who owns what: between two syncs the program owns the slots [head, tail) and their buffers,
 * and writes head, cur and those slots. The device owns all other slots, and writes tail; it
 * looks at head and cur only inside a sync (NIOCTXSYNC, NIOCRXSYNC, poll). On a TX ring
 * [head, tail) is room for packets, on an RX ring it is packets. head == tail: nothing.
 * Fields marked const belong to the device for the life of the binding.
 *
 * The include guards here and in netmap_user.h are those of netmap's own headers on purpose: both
 * define the same things, so a program that has already seen the system's copy keeps that one
 * instead of failing on redefinitions.
 */
#ifndef _NET_NETMAP_H_
#define _NET_NETMAP_H_

#include <stdint.h>
#if defined(_WIN32)
#include <stddef.h>
#include <winsock2.h> /* struct timeval */
#elif defined(__FreeBSD__) || defined(__DragonFly__)
#include <sys/ioccom.h>
#include <sys/time.h>
#include <sys/types.h>
#else
#include <sys/ioctl.h>
#include <sys/time.h>
#include <sys/types.h>
#endif

/* ---- compiler: alignment, trailing arrays ---- */

#if defined(_MSC_VER)
#define NETMAP_ALIGNED(bytes) __declspec(align(bytes))
#define NETMAP_FLEXIBLE
#define NETMAP_OFFSET_T intptr_t
#else
#define NETMAP_ALIGNED(bytes) __attribute__((__aligned__(bytes)))
#define NETMAP_FLEXIBLE       __extension__ /* C++ has no flexible array members of its own */
#define NETMAP_OFFSET_T       ssize_t
#endif

#if defined(__cplusplus) && defined(__clang__)
#pragma clang diagnostic push
#pragma clang diagnostic ignored "-Wc99-extensions" /* __extension__ does not silence clang++ */
#endif

/* ---- general ---- */

#define NETMAP_API     14 /* what this header describes */
#define NETMAP_MIN_API 14 /* oldest and newest nr_version that a device accepts */
#define NETMAP_MAX_API 15

#define NETMAP_DEVICE_NAME "/dev/netmap"
#define NM_BDG_NAME        "vale" /* names of switches start so */

#define NM_CACHE_ALIGN      128  /* no two writers of a ring share a block of this size */
#define NETMAP_REQ_IFNAMSIZ 64   /* port names in nmreq_header, with their NUL */
#define NETMAP_REQ_MAXSIZE  4096 /* largest body or option of a request */
#define NETMAP_OLD_IFNAMSIZ 16   /* IFNAMSIZ of the systems netmap runs on, without net/if.h */
#define NM_IFRDATA_LEN      256
#define NETMAP_MAX_FRAGS    64 /* slots of one packet */

/* ---- shared memory: slots, rings, interface ---- */

/**
 * One place in a ring: which buffer, how much of it, and what about it.
 *
 * buf_idx is 2 or more. len counts bytes from the packet's start, which is the buffer's start
 * plus the bits of ptr that netmap_ring.offset_mask selects. With NS_INDIRECT ptr is the address
 * of the payload.
 */
struct netmap_slot {
	uint32_t buf_idx;
	uint16_t len;
	uint16_t flags; /* NS_* */
	uint64_t ptr;
};

/* netmap_slot.flags */
#define NS_BUF_CHANGED 0x0001 /* buf_idx is new; set by the side that put it there */
#define NS_REPORT      0x0002 /* TX: let tail reach this slot as soon as it has been sent */
#define NS_FORWARD     0x0004 /* RX: pass to the peer (host or NIC), see NR_FORWARD */
#define NS_NO_LEARN    0x0008 /* switch: do not learn this source address */
#define NS_INDIRECT    0x0010 /* switch: the payload is at ptr, not in the buffer */
#define NS_MOREFRAG    0x0020 /* the packet goes on in the next slot */
#define NS_TXMON       0x0040 /* monitor: seen on a TX ring */

/* High byte of netmap_slot.flags. Switch: forced destination on TX. RX: number of fragments. */
#define NS_PORT_SHIFT   8
#define NS_PORT_MASK    (0xff << NS_PORT_SHIFT)
#define NS_RFRAGS(slot) (((slot)->flags >> NS_PORT_SHIFT) & 0xff)

/**
 * A ring. Indices count slots and wrap at num_slots, which need not be a power of two; one slot
 * always stays empty. head ≤ cur ≤ tail in ring order: head is the first slot that the program
 * keeps, and poll wakes it up when tail moves past cur.
 */
struct netmap_ring {
	const int64_t buf_ofs; /* from this structure to buffer 0 */
	const uint32_t num_slots;
	const uint32_t nr_buf_size;
	const uint16_t ringid;
	const uint16_t dir; /* 1: TX, 0: RX */

	uint32_t head;
	uint32_t cur;
	uint32_t tail;     /* the device's: what the program writes here is undone */
	uint32_t flags;    /* NR_TIMESTAMP, NR_FORWARD */
	struct timeval ts; /* last RX sync */

	const uint64_t offset_mask; /* bits of netmap_slot.ptr that are an offset */
	const uint64_t buf_align;   /* what TX wants packets aligned to */

	/* Private to the device; starts a block of its own and so puts slot[] at 256. */
	NETMAP_ALIGNED(NM_CACHE_ALIGN) uint8_t sem[128];

	NETMAP_FLEXIBLE struct netmap_slot slot[];
};

/* netmap_ring.flags */
#define NR_TIMESTAMP 0x0002 /* stamp ts at every sync, not just when packets arrive */
#define NR_FORWARD   0x0004 /* hand released slots with NS_FORWARD to the peer side */

/** Nothing in the ring for the program: no packet on RX, no room on TX. */
static inline int nm_ring_empty(const struct netmap_ring *ring)
{
	return ring->head == ring->tail;
}

/**
 * A port as one descriptor sees it.
 *
 * ring_ofs[] are distances from this structure, in the order NIC TX, host TX, NIC RX, host RX.
 * ni_bufs_head is the first of the extra buffers, each of which holds the next one's index in its
 * first 32 bits; 0 ends the list. The program puts the list back before it closes.
 */
struct netmap_if {
	char ni_name[NETMAP_OLD_IFNAMSIZ];
	const uint32_t ni_version;
	const uint32_t ni_flags; /* NI_* */
	const uint32_t ni_tx_rings;
	const uint32_t ni_rx_rings;
	uint32_t ni_bufs_head;
	const uint32_t ni_host_tx_rings;
	const uint32_t ni_host_rx_rings;
	uint32_t ni_spare1[3];

	NETMAP_FLEXIBLE const NETMAP_OFFSET_T ring_ofs[];
};

#define NI_PRIV_MEM 0x1 /* netmap_if.ni_flags: memory region shared with no other port */

/* ---- requests: one header, one body by type, a chain of options ---- */

/**
 * Argument of NIOCCTRL. nr_body and nr_options are addresses; the options form a list through
 * nro_next, and each comes back with its own nro_status.
 */
struct nmreq_header {
	uint16_t nr_version; /* NETMAP_API */
	uint16_t nr_reqtype; /* NETMAP_REQ_* */
	uint32_t nr_reserved;
	char nr_name[NETMAP_REQ_IFNAMSIZ]; /* without "netmap:" */
	uint64_t nr_options;
	uint64_t nr_body;
};

/* nmreq_header.nr_reqtype; the comment names the body */
enum {
	NETMAP_REQ_REGISTER = 1,             /* nmreq_register */
	NETMAP_REQ_PORT_INFO_GET = 2,        /* nmreq_port_info_get */
	NETMAP_REQ_VALE_ATTACH = 3,          /* nmreq_vale_attach */
	NETMAP_REQ_VALE_DETACH = 4,          /* nmreq_vale_detach */
	NETMAP_REQ_VALE_LIST = 5,            /* nmreq_vale_list */
	NETMAP_REQ_PORT_HDR_SET = 6,         /* nmreq_port_hdr */
	NETMAP_REQ_PORT_HDR_GET = 7,         /* nmreq_port_hdr */
	NETMAP_REQ_VALE_NEWIF = 8,           /* nmreq_vale_newif */
	NETMAP_REQ_VALE_DELIF = 9,           /* none */
	NETMAP_REQ_VALE_POLLING_ENABLE = 10, /* nmreq_vale_polling */
	NETMAP_REQ_VALE_POLLING_DISABLE = 11,
	NETMAP_REQ_POOLS_INFO_GET = 12,   /* nmreq_pools_info */
	NETMAP_REQ_SYNC_KLOOP_START = 13, /* nmreq_sync_kloop_start */
	NETMAP_REQ_SYNC_KLOOP_STOP = 14,  /* none */
	NETMAP_REQ_CSB_ENABLE = 15        /* none; needs NETMAP_REQ_OPT_CSB */
};

/** Head of every option. nro_status is an errno, 0 when the option was honoured. */
struct nmreq_option {
	uint64_t nro_next;
	uint32_t nro_reqtype; /* NETMAP_REQ_OPT_* */
	uint32_t nro_status;
	uint64_t nro_size; /* bytes behind this head, only where their number varies */
};

/* nmreq_option.nro_reqtype */
enum {
	NETMAP_REQ_OPT_EXTMEM = 1,
	NETMAP_REQ_OPT_SYNC_KLOOP_EVENTFDS = 2,
	NETMAP_REQ_OPT_CSB = 3,
	NETMAP_REQ_OPT_SYNC_KLOOP_MODE = 4,
	NETMAP_REQ_OPT_OFFSETS = 5,
	NETMAP_REQ_OPT_MAX = 6
};

/**
 * Binds the descriptor to a port. Ring and slot counts are wishes that shape only a port which
 * the request creates (0: default); the answer holds what is in use, where netmap_if is in the
 * mapping, and how many extra buffers were granted.
 */
struct nmreq_register {
	uint64_t nr_offset;
	uint64_t nr_memsize;
	uint32_t nr_tx_slots;
	uint32_t nr_rx_slots;
	uint16_t nr_tx_rings;
	uint16_t nr_rx_rings;
	uint16_t nr_host_tx_rings;
	uint16_t nr_host_rx_rings;
	uint16_t nr_mem_id; /* 0: the port's own choice */
	uint16_t nr_ringid; /* for NR_REG_ONE_NIC and NR_REG_ONE_SW */
	uint32_t nr_mode;   /* NR_REG_* */
	uint32_t nr_extra_bufs;
	uint64_t nr_flags;
};

/* nmreq_register.nr_mode, and the low bits of nmreq.nr_flags: which rings are bound */
enum {
	NR_REG_DEFAULT = 0, /* legacy requests: as nr_ringid says */
	NR_REG_ALL_NIC = 1,
	NR_REG_SW = 2,     /* all host rings */
	NR_REG_NIC_SW = 3, /* both */
	NR_REG_ONE_NIC = 4,
	NR_REG_PIPE_MASTER = 5, /* old way to name x{nr_ringid */
	NR_REG_PIPE_SLAVE = 6,  /* x}nr_ringid */
	NR_REG_NULL = 7,        /* memory, no rings to move */
	NR_REG_ONE_SW = 8
};
#define NR_REG_MASK 0xf

/* nmreq_register.nr_flags, and above NR_REG_MASK in nmreq.nr_flags */
#define NR_MONITOR_TX      0x100
#define NR_MONITOR_RX      0x200
#define NR_ZCOPY_MON       0x400 /* monitor without copies: sees frames after their consumer */
#define NR_EXCLUSIVE       0x800
#define NR_RX_RINGS_ONLY   0x2000
#define NR_TX_RINGS_ONLY   0x4000
#define NR_ACCEPT_VNET_HDR 0x8000  /* the program knows that frames may carry a virtio-net header */
#define NR_DO_RX_POLL      0x10000 /* poll syncs RX rings even when POLLIN is not wanted */
#define NR_NO_TX_POLL      0x20000 /* poll leaves TX rings alone unless POLLOUT is wanted */

struct nmreq_port_info_get {
	uint64_t nr_memsize;
	uint32_t nr_tx_slots;
	uint32_t nr_rx_slots;
	uint16_t nr_tx_rings;
	uint16_t nr_rx_rings;
	uint16_t nr_host_tx_rings;
	uint16_t nr_host_rx_rings;
	uint16_t nr_mem_id;
	uint16_t pad[3];
};

/** Layout of a memory region; offsets in bytes from its start, sizes in bytes per object. */
struct nmreq_pools_info {
	uint64_t nr_memsize;
	uint16_t nr_mem_id;
	uint16_t pad1[3];
	uint64_t nr_if_pool_offset;
	uint32_t nr_if_pool_objtotal;
	uint32_t nr_if_pool_objsize;
	uint64_t nr_ring_pool_offset;
	uint32_t nr_ring_pool_objtotal;
	uint32_t nr_ring_pool_objsize;
	uint64_t nr_buf_pool_offset;
	uint32_t nr_buf_pool_objtotal;
	uint32_t nr_buf_pool_objsize;
};

/* ---- requests to switches ---- */

struct nmreq_vale_attach {
	struct nmreq_register reg;
	uint32_t port_index; /* out: place of the port in its switch */
	uint32_t pad1;
};

struct nmreq_vale_detach {
	uint32_t port_index; /* out */
	uint32_t pad1;
};

struct nmreq_vale_list {
	uint16_t nr_bridge_idx;
	uint16_t pad1;
	uint32_t nr_port_idx;
};

struct nmreq_port_hdr {
	uint32_t nr_hdr_len; /* virtio-net header on every frame: 0, 10 or 12 bytes */
	uint32_t pad1;
};

struct nmreq_vale_newif {
	uint32_t nr_tx_slots;
	uint32_t nr_rx_slots;
	uint16_t nr_tx_rings;
	uint16_t nr_rx_rings;
	uint16_t nr_mem_id;
	uint16_t pad1;
};

struct nmreq_vale_polling {
	uint32_t nr_mode; /* NETMAP_POLLING_MODE_* */
	uint32_t nr_first_cpu_id;
	uint32_t nr_num_polling_cpus;
	uint32_t pad1;
};

#define NETMAP_POLLING_MODE_SINGLE_CPU 1
#define NETMAP_POLLING_MODE_MULTI_CPU  2

/* ---- sync loop: indices travel through arrays of entries instead of ring headers ---- */

struct nmreq_sync_kloop_start {
	uint32_t sleep_us; /* pause between rounds when there are no event descriptors */
	uint32_t pad1;
};

/** Program to device; one entry per bound ring, TX rings first, as large as a cache line. */
struct nm_csb_atok {
	uint32_t head;
	uint32_t cur;
	uint32_t appl_need_kick; /* the program wants to be woken */
	uint32_t sync_flags;
	uint32_t pad[12];
};

/** Device to program. */
struct nm_csb_ktoa {
	uint32_t hwcur;
	uint32_t hwtail;
	uint32_t kern_need_kick; /* the device wants to be woken */
	uint32_t pad[13];
};

#if !defined(_MSC_VER)

static inline void nm_stst_barrier(void)
{
	__atomic_thread_fence(__ATOMIC_RELEASE);
}

static inline void nm_ldld_barrier(void)
{
	__atomic_thread_fence(__ATOMIC_ACQUIRE);
}

/**
 * Publish the program's indices to the loop.
 *
 * The loop loads head before cur. Each release store here pairs with one of those acquire loads:
 * the one of cur puts the slots' contents before it; the one of head puts cur before it, without
 * which the loop could see a head that has passed cur, and call the ring broken.
 */
static inline void nm_sync_kloop_appl_write(struct nm_csb_atok *atok, uint32_t cur, uint32_t head)
{
	__atomic_store_n(&atok->cur, cur, __ATOMIC_RELEASE);
	__atomic_store_n(&atok->head, head, __ATOMIC_RELEASE);
}

/**
 * Take the loop's indices.
 *
 * The loop stores hwcur before hwtail, the latter with release. The acquire load of hwtail pairs
 * with that, so hwcur is never older than the hwtail it is compared with; the one of hwcur keeps
 * reads of the slots behind both.
 */
static inline void nm_sync_kloop_appl_read(
    struct nm_csb_ktoa *ktoa, uint32_t *hwtail, uint32_t *hwcur)
{
	*hwtail = __atomic_load_n(&ktoa->hwtail, __ATOMIC_ACQUIRE);
	*hwcur = __atomic_load_n(&ktoa->hwcur, __ATOMIC_ACQUIRE);
}

#endif

/* ---- options ---- */

/**
 * Event descriptors of the sync loop, in the order of the entries. A negative ioeventfd makes the
 * loop sleep sleep_us instead of waiting for kicks; a negative irqfd is never signalled.
 */
struct nmreq_opt_sync_kloop_eventfds {
	struct nmreq_option nro_opt;
	NETMAP_FLEXIBLE struct {
		int32_t ioeventfd; /* program to device */
		int32_t irqfd;     /* device to program */
	} eventfds[];
};

struct nmreq_opt_sync_kloop_mode {
	struct nmreq_option nro_opt;
	uint32_t mode; /* NM_OPT_SYNC_KLOOP_* */
};

#define NM_OPT_SYNC_KLOOP_DIRECT_TX 0x1 /* handle kicks in the context of whoever sent them */
#define NM_OPT_SYNC_KLOOP_DIRECT_RX 0x2

/** Puts the port's objects into memory of the program's own. */
struct nmreq_opt_extmem {
	struct nmreq_option nro_opt;
	uint64_t nro_usrptr;
	struct nmreq_pools_info nro_info;
};

struct nmreq_opt_csb {
	struct nmreq_option nro_opt;
	uint64_t csb_atok; /* addresses of the two arrays */
	uint64_t csb_ktoa;
};

/**
 * Packets may start inside their buffers, at the offset in the low bits of netmap_slot.ptr: see
 * ring->offset_mask and NETMAP_ROFFSET() of netmap_user.h. What does not fit its buffer behind its offset
 * is dropped.
 */
struct nmreq_opt_offsets {
	struct nmreq_option nro_opt;
	uint64_t nro_max_offset;     /* the largest that will be used; out: what is in force */
	uint64_t nro_initial_offset; /* put into the slots of rings that nobody else uses */
	uint32_t nro_offset_bits;    /* 0: as many as ptr has */
	uint32_t nro_tx_align;       /* nothing is aligned beyond the offset: see ring->buf_align */
	uint64_t nro_min_gap;        /* write this many bytes to a slot at most; 0: what fits */
};

/* ---- legacy requests ---- */

/** Argument of NIOCGINFO and NIOCREGIF; what nr_arg1 to nr_arg3 mean depends on nr_cmd. */
struct nmreq {
	char nr_name[NETMAP_OLD_IFNAMSIZ];
	uint32_t nr_version;
	uint32_t nr_offset;
	uint32_t nr_memsize;
	uint32_t nr_tx_slots;
	uint32_t nr_rx_slots;
	uint16_t nr_tx_rings;
	uint16_t nr_rx_rings;
	uint16_t nr_ringid; /* ring number, or'ed with the NETMAP_* bits below */
	uint16_t nr_cmd;    /* 0: bind */
	uint16_t nr_arg1;   /* bind: extra pipes to reserve memory for */
	uint16_t nr_arg2;   /* bind: memory region */
	uint32_t nr_arg3;   /* bind: extra buffers */
	uint32_t nr_flags;  /* NR_REG_* and NR_* */
	uint32_t spare2[1];
};

/* nmreq.nr_ringid */
#define NETMAP_RING_MASK  0x0fff
#define NETMAP_NO_TX_POLL 0x1000
#define NETMAP_SW_RING    0x2000
#define NETMAP_HW_RING    0x4000
#define NETMAP_DO_RX_POLL 0x8000

/* nmreq.nr_cmd */
#define NETMAP_BDG_ATTACH      1
#define NETMAP_BDG_DETACH      2
#define NETMAP_BDG_REGOPS      3
#define NETMAP_BDG_LIST        4
#define NETMAP_BDG_VNET_HDR    5
#define NETMAP_BDG_NEWIF       6
#define NETMAP_BDG_DELIF       7
#define NETMAP_PT_HOST_CREATE  8
#define NETMAP_PT_HOST_DELETE  9
#define NETMAP_BDG_POLLING_ON  10
#define NETMAP_BDG_POLLING_OFF 11
#define NETMAP_VNET_HDR_GET    12

#define NETMAP_BDG_HOST 1 /* nmreq.nr_arg1 of NETMAP_BDG_ATTACH: host rings too */

/** Argument of NIOCCONFIG: data for a switch's own configuration function. */
struct nm_ifreq {
	char nifr_name[NETMAP_OLD_IFNAMSIZ];
	char data[NM_IFRDATA_LEN];
};

/* ---- ioctls ---- */

#if defined(_IOWR)
#define NIOCGINFO  _IOWR('i', 145, struct nmreq)
#define NIOCREGIF  _IOWR('i', 146, struct nmreq)
#define NIOCTXSYNC _IO('i', 148)
#define NIOCRXSYNC _IO('i', 149)
#define NIOCCONFIG _IOWR('i', 150, struct nm_ifreq)
#define NIOCCTRL   _IOWR('i', 151, struct nmreq_header)
#else /* a system without ioctl encodings: direction, size, type and number as on Linux */
#define NIOCGINFO  0xc03c6991UL
#define NIOCREGIF  0xc03c6992UL
#define NIOCTXSYNC 0x6994UL
#define NIOCRXSYNC 0x6995UL
#define NIOCCONFIG 0xc1106996UL
#define NIOCCTRL   0xc0586997UL
#endif

#if defined(__cplusplus) && defined(__clang__)
#pragma clang diagnostic pop
#endif

#undef NETMAP_ALIGNED
#undef NETMAP_FLEXIBLE
#undef NETMAP_OFFSET_T

#endif /* _NET_NETMAP_H_ */
