/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What programs use on top of net/netmap.h: from offsets to pointers, steps around a ring, and,
 * with NETMAP_WITH_LIBS defined before inclusion, netmap's pcap-like calls (nm_open and so on).
 * Names, signatures and fields are netmap's. See net/netmap.h for the picture of the memory, the
 * rules of ownership, and the reason for the include guard's name.
 *
 * Nothing here synchronises: packets move between ring and device in poll() on NETMAP_FD(), or in
 * the ioctls NIOCTXSYNC and NIOCRXSYNC. One thread per ring at a time.
 */
#ifndef _NET_NETMAP_USER_H_
#define _NET_NETMAP_USER_H_

/* Programs rely on what netmap's header brings along, <ctype.h> and <sys/time.h> among it. */
#include <ctype.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#if !defined(_WIN32)
#include <net/if.h> /* programs expect IFNAMSIZ from here */
#include <sys/socket.h>
#include <sys/time.h>
#endif
#include "netmap.h" /* the one beside this file, whatever else the include path holds */

#if !defined(likely)
#define likely(x)   __builtin_expect(!!(x), 1)
#define unlikely(x) __builtin_expect(!!(x), 0)
#endif

/* ---- from offsets to pointers ---- */

#define _NETMAP_OFFSET(type, base, ofs) ((type)(void *)((char *)(base) + (ofs)))

#define NETMAP_IF(base, ofs) _NETMAP_OFFSET(struct netmap_if *, base, ofs)

/* Only rings that the descriptor has bound: the offset of any other is 0. */
#define NETMAP_TXRING(nifp, index)                                                                 \
	_NETMAP_OFFSET(struct netmap_ring *, nifp, (nifp)->ring_ofs[index])
#define NETMAP_RXRING(nifp, index)                                                                 \
	_NETMAP_OFFSET(struct netmap_ring *, nifp,                                                 \
	    (nifp)->ring_ofs[(size_t)(index) + (nifp)->ni_tx_rings + (nifp)->ni_host_tx_rings])

/* Buffers have the same index in all rings of one memory region. */
#define NETMAP_BUF(ring, index)                                                                    \
	((char *)(ring) + (ring)->buf_ofs + (size_t)(index) * (ring)->nr_buf_size)
#define NETMAP_BUF_IDX(ring, buf)                                                                  \
	((uint32_t)((size_t)((char *)(buf) - ((char *)(ring) + (ring)->buf_ofs)) /                 \
		    (ring)->nr_buf_size))

/* Where the packet starts inside its buffer: reads, writes, and adds to the buffer's address. */
#define NETMAP_ROFFSET(ring, slot) ((slot)->ptr & (ring)->offset_mask)
#define NETMAP_WOFFSET(ring, slot, offset)                                                         \
	do {                                                                                       \
		(slot)->ptr = ((slot)->ptr & ~(ring)->offset_mask) |                               \
			      ((uint64_t)(offset) & (ring)->offset_mask);                          \
	} while (0)
#define NETMAP_BUF_OFFSET(ring, slot)                                                              \
	(NETMAP_BUF(ring, (slot)->buf_idx) + NETMAP_ROFFSET(ring, slot))

/* ---- around a ring ---- */

static inline uint32_t nm_ring_next(const struct netmap_ring *ring, uint32_t i)
{
	return unlikely(i + 1 == ring->num_slots) ? 0 : i + 1;
}

/** Slots between head and tail: packets' slots on RX, room on TX. */
static inline uint32_t nm_ring_space(const struct netmap_ring *ring)
{
	uint32_t head = ring->head, tail = ring->tail;

	return tail >= head ? tail - head : tail + ring->num_slots - head;
}

/** Some slots of a TX ring are still to be sent, as of the last sync. */
static inline int nm_tx_pending(const struct netmap_ring *ring)
{
	return nm_ring_next(ring, ring->tail) != ring->head;
}

/** Copy len bytes, none if len is negative; the areas must not overlap. */
static inline void nm_pkt_copy(const void *src, void *dst, int len)
{
	if (likely(len > 0))
		memcpy(dst, src, (size_t)len);
}

/* ---- messages: D() prints, RD() prints at most lps a second, ND() does nothing ---- */

#if !defined(ND)

#if defined(__GNUC__)
__attribute__((__format__(__printf__, 3, 4)))
#endif
static inline void
nm_user_print(const char *function, int line, const char *format, ...)
{
	va_list args;

	fprintf(stderr, "%s [%d] ", function, line);
	va_start(args, format);
	vfprintf(stderr, format, args);
	va_end(args);
	fputc('\n', stderr);
}

struct nm_user_rate {
	time_t second;
	int printed;
};

static inline int nm_user_rate_ok(struct nm_user_rate *rate, int lps)
{
	time_t now = time(NULL);

	if (now != rate->second) {
		rate->second = now;
		rate->printed = 0;
	}
	return rate->printed++ < lps;
}

#define ND(...)                                                                                    \
	do {                                                                                       \
	} while (0)
#define D(...) nm_user_print(__func__, __LINE__, __VA_ARGS__)
#define RD(lps, ...)                                                                               \
	do {                                                                                       \
		static struct nm_user_rate nm_rate_here;                                           \
		if (nm_user_rate_ok(&nm_rate_here, (lps)))                                         \
			D(__VA_ARGS__);                                                            \
	} while (0)

#endif /* ND */

#if defined(NETMAP_WITH_LIBS) && !defined(HAVE_NETMAP_WITH_LIBS)
#define HAVE_NETMAP_WITH_LIBS

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h> /* not for this file: programs that use nm_open() expect signal() from here */
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/time.h>
#include <unistd.h>

/* ---- descriptors ---- */

struct nm_desc;

/** A received packet. The first three fields are those of struct pcap_pkthdr. */
struct nm_pkthdr {
	struct timeval ts;
	uint32_t caplen; /* bytes that follow each other in memory */
	uint32_t len;    /* bytes of the packet, in all its slots */

	/* nm_dispatch() only */
	uint64_t flags; /* NM_MORE_PKTS */
	struct nm_desc *d;
	struct netmap_slot *slot; /* the packet's first */
	uint8_t *buf;
};

#define NM_MORE_PKTS 1 /* this call of nm_dispatch() has at least one more packet */

/** As struct pcap_stat; nm_dispatch() and nm_nextpkt() count, in packets they handed out. */
struct nm_stat {
	unsigned int ps_recv;
	unsigned int ps_drop; /* slots that pointed outside the mapping */
	unsigned int ps_ifdrop;
};

#define NM_ERRBUF_SIZE 512

/** An open port. Programs may read all of it, and write req before a child inherits from it. */
struct nm_desc {
	struct nm_desc *self; /* this very structure: mark of a descriptor in use */
	int fd;
	void *mem;
	size_t memsize;
	int done_mmap; /* mem is this descriptor's own, not its parent's */
	struct netmap_if *nifp;
	uint16_t first_tx_ring, last_tx_ring, cur_tx_ring;
	uint16_t first_rx_ring, last_rx_ring, cur_rx_ring;
	struct nmreq req;
	struct nm_pkthdr hdr;

	struct netmap_ring *some_ring; /* a bound one, to turn indices into addresses */
	void *buf_start;
	void *buf_end;

	/* for programs that come from pcap; not used here */
	int snaplen;
	int promisc;
	int to_ms;
	char *errbuf;
	uint32_t if_flags;
	uint32_t if_reqcap;
	uint32_t if_curcap;

	struct nm_stat st;
	char msg[NM_ERRBUF_SIZE];
};

#define P2NMD(p)          ((struct nm_desc *)(uintptr_t)(p))
#define IS_NETMAP_DESC(d) (P2NMD(d) != NULL && P2NMD(d)->self == P2NMD(d))
#define NETMAP_FD(d)      (P2NMD(d)->fd)

typedef void (*nm_cb_t)(unsigned char *arg, const struct nm_pkthdr *hdr, const unsigned char *buf);

/* nm_open() flags. The low 16 bits go into nr_ringid: NETMAP_NO_TX_POLL, NETMAP_DO_RX_POLL. */
enum {
	NM_OPEN_NO_MMAP = 0x040000,  /* do not map, unless a parent is given */
	NM_OPEN_IFNAME = 0x080000,   /* name, ring and mode from the parent (or req), not ifname */
	NM_OPEN_ARG1 = 0x100000,     /* nr_arg1 from the parent */
	NM_OPEN_ARG2 = 0x200000,     /* nr_arg2 from the parent: its memory region */
	NM_OPEN_ARG3 = 0x400000,     /* nr_arg3 from the parent */
	NM_OPEN_RING_CFG = 0x800000, /* numbers of rings and slots from the parent */
};

/* ---- names: netmap:IDENT or valeX:PORT, then MODE, /FLAGS, @MEMID ---- */

static inline int nm_user_is_name(const char *name)
{
	return strncmp(name, "netmap:", 7) == 0 ||
	       strncmp(name, NM_BDG_NAME, sizeof(NM_BDG_NAME) - 1) == 0;
}

/** Decimal number of at most max at *at, which moves past it; -1 if there is none. */
static inline long nm_user_number(const char **at, long max)
{
	const char *p = *at;
	long value = 0;

	for (; *p >= '0' && *p <= '9' && value <= max; p++)
		value = value * 10 + (*p - '0');
	if (p == *at || value > max)
		return -1;
	*at = p;
	return value;
}

/** Mode of a legacy request at *at, which moves past its sign. */
static inline uint32_t nm_user_mode(const char **at)
{
	static const char signs[] = "^*-{}";
	static const uint32_t modes[] = {
	    NR_REG_SW, NR_REG_NIC_SW, NR_REG_ONE_NIC, NR_REG_PIPE_MASTER, NR_REG_PIPE_SLAVE};
	const char *sign = **at ? strchr(signs, **at) : NULL;

	if (sign == NULL)
		return NR_REG_ALL_NIC;
	(*at)++;
	if (*sign == '^' && **at >= '0' && **at <= '9')
		return NR_REG_ONE_SW;
	return modes[sign - signs];
}

static inline uint32_t nm_user_flag(char letter)
{
	static const char letters[] = "xztrRT";
	static const uint32_t flags[] = {NR_EXCLUSIVE, NR_ZCOPY_MON, NR_MONITOR_TX, NR_MONITOR_RX,
	    NR_RX_RINGS_ONLY, NR_TX_RINGS_ONLY};
	const char *found = letter ? strchr(letters, letter) : NULL;

	return found ? flags[found - letters] : 0;
}

/* The parsers return NULL, or why the name is not one. */

static inline const char *nm_user_parse_tail(const char *p, struct nmreq *req)
{
	uint32_t flag;
	long region = 0;

	while (*p == '/' || *p == '@') {
		if (*p++ == '@') {
			if (region != 0 || (region = nm_user_number(&p, UINT16_MAX)) <= 0)
				return "@ wants the number of one memory region";
		} else {
			if (nm_user_flag(*p) == 0)
				return "/ wants flags out of xztrRT";
			for (; (flag = nm_user_flag(*p)) != 0; p++)
				req->nr_flags |= flag;
		}
	}
	if (region != 0)
		req->nr_arg2 = (uint16_t)region;
	return *p == '\0' ? NULL : "unexpected text after the port's name";
}

static inline const char *nm_user_parse(const char *name, struct nmreq *req)
{
	const char *p = strncmp(name, "netmap:", 7) == 0 ? name + 7 : name;
	size_t len = strcspn(p, "-*^{}/@");
	long number = 0;
	uint32_t mode;

	if (len == 0 || len >= sizeof(req->nr_name))
		return "port name empty or too long";
	if (p == name && memchr(p, ':', len) == NULL)
		return "switch name without a port";
	memset(req->nr_name, 0, sizeof(req->nr_name));
	memcpy(req->nr_name, p, len);
	p += len;
	mode = nm_user_mode(&p);
	if (mode >= NR_REG_ONE_NIC) /* one ring pair, or one pipe: which? */
		number = nm_user_number(&p, NETMAP_RING_MASK - 1);
	if (number < 0)
		return "number of a ring or pipe missing or too large";
	req->nr_flags = (req->nr_flags & ~(uint32_t)NR_REG_MASK) | mode;
	req->nr_ringid = (uint16_t)number;
	return nm_user_parse_tail(p, req);
}

#if !defined(MAXERRMSG)
#define MAXERRMSG 80 /* bytes for nm_parse()'s err */
#endif

/** A port's name into d->req, for use as nm_open()'s parent. 0, or -1 and the reason in err. */
static inline int nm_parse(const char *ifname, struct nm_desc *d, char *err)
{
	const char *reason = nm_user_parse(ifname, &d->req);

	if (reason != NULL) {
		if (err != NULL)
			snprintf(err, MAXERRMSG, "%s", reason);
		errno = EINVAL;
		return -1;
	}
	d->self = d;
	return 0;
}

/* ---- opening and closing ---- */

static inline void nm_user_inherit(struct nmreq *req, const struct nmreq *parent, uint64_t flags)
{
	if (flags & NM_OPEN_ARG1)
		req->nr_arg1 = parent->nr_arg1;
	if (flags & NM_OPEN_ARG2)
		req->nr_arg2 = parent->nr_arg2;
	if (flags & NM_OPEN_ARG3)
		req->nr_arg3 = parent->nr_arg3;
	if (flags & NM_OPEN_RING_CFG) {
		req->nr_tx_slots = parent->nr_tx_slots;
		req->nr_rx_slots = parent->nr_rx_slots;
		req->nr_tx_rings = parent->nr_tx_rings;
		req->nr_rx_rings = parent->nr_rx_rings;
	}
	if (flags & NM_OPEN_IFNAME) {
		memcpy(req->nr_name, parent->nr_name, sizeof(req->nr_name));
		req->nr_ringid = parent->nr_ringid;
		req->nr_flags = parent->nr_flags;
	}
}

/** What the bits of an old nr_ringid mean, for a request that leaves the mode to them. */
static inline void nm_user_default_mode(struct nmreq *req)
{
	if ((req->nr_flags & NR_REG_MASK) != NR_REG_DEFAULT)
		return;
	if (req->nr_ringid & NETMAP_SW_RING)
		req->nr_flags |= NR_REG_SW;
	else
		req->nr_flags |= req->nr_ringid & NETMAP_HW_RING ? NR_REG_ONE_NIC : NR_REG_ALL_NIC;
}

/** Fill d->req from the name, the caller's request and the parent. 0 or -1. */
static inline int nm_user_request(struct nm_desc *d, const char *name, const struct nmreq *req,
    uint64_t flags, const struct nm_desc *parent)
{
	const uint32_t polls = NETMAP_NO_TX_POLL | NETMAP_DO_RX_POLL;
	uint32_t keep = 0;

	if (req != NULL) {
		d->req = *req;
		keep = req->nr_ringid & polls;
	}
	if (!(flags & NM_OPEN_IFNAME) && nm_parse(name, d, NULL) != 0)
		return -1;
	if (IS_NETMAP_DESC(parent))
		nm_user_inherit(&d->req, &parent->req, flags);
	nm_user_default_mode(&d->req);
	d->req.nr_version = NETMAP_API;
	d->req.nr_ringid = (uint16_t)(d->req.nr_ringid | keep | ((uint32_t)flags & polls));
	return 0;
}

/** First and last ring of one direction, from the binding's mode and the numbers of rings. */
static inline void nm_user_range(
    const struct nmreq *req, uint32_t nic, uint32_t host, uint16_t *first, uint16_t *last)
{
	uint32_t ring = req->nr_ringid & NETMAP_RING_MASK;
	uint32_t from = 0, count = 1;

	switch (req->nr_flags & NR_REG_MASK) {
	case NR_REG_ALL_NIC:
		count = nic;
		break;
	case NR_REG_SW:
		from = nic;
		count = host;
		break;
	case NR_REG_NIC_SW:
		count = nic + host;
		break;
	case NR_REG_ONE_NIC:
		from = ring;
		break;
	case NR_REG_ONE_SW:
		from = nic + ring;
		break;
	default: /* pipes, by their old modes, have one ring for these calls */
		break;
	}
	*first = (uint16_t)from;
	*last = (uint16_t)(from + (count ? count : 1) - 1);
}

/** Numbers of host rings are in the mapping only; without one, they are taken to be one. */
static inline void nm_user_set_ranges(struct nm_desc *d)
{
	const struct netmap_if *nifp = d->nifp;

	nm_user_range(&d->req, d->req.nr_tx_rings, nifp ? nifp->ni_host_tx_rings : 1,
	    &d->first_tx_ring, &d->last_tx_ring);
	nm_user_range(&d->req, d->req.nr_rx_rings, nifp ? nifp->ni_host_rx_rings : 1,
	    &d->first_rx_ring, &d->last_rx_ring);
	d->cur_tx_ring = d->first_tx_ring;
	d->cur_rx_ring = d->first_rx_ring;
}

/* A bound ring, or NULL: a binding of one direction leaves the other's rings out. */
static inline struct netmap_ring *nm_user_txring(const struct nm_desc *d, uint16_t i)
{
	return d->nifp->ring_ofs[i] ? NETMAP_TXRING(d->nifp, i) : NULL;
}

static inline struct netmap_ring *nm_user_rxring(const struct nm_desc *d, uint16_t i)
{
	struct netmap_ring *ring = NETMAP_RXRING(d->nifp, i);

	return (void *)ring != (void *)d->nifp ? ring : NULL;
}

/**
 * Map the port's memory, or share the parent's when it is the same region.
 *
 * A child does not outlive its parent's mapping: close children first.
 *
 * @return 0, or EINVAL with errno set
 */
static inline int nm_mmap(struct nm_desc *d, const struct nm_desc *parent)
{
	if (d->done_mmap)
		return 0;
	if (IS_NETMAP_DESC(parent) && parent->mem && parent->req.nr_arg2 == d->req.nr_arg2) {
		d->mem = parent->mem;
		d->memsize = parent->memsize;
	} else {
		void *mem =
		    mmap(NULL, d->req.nr_memsize, PROT_READ | PROT_WRITE, MAP_SHARED, d->fd, 0);

		if (mem == MAP_FAILED)
			return EINVAL;
		d->mem = mem;
		d->memsize = d->req.nr_memsize;
		d->done_mmap = 1;
	}
	d->nifp = NETMAP_IF(d->mem, d->req.nr_offset);
	nm_user_set_ranges(d);
	d->some_ring = nm_user_rxring(d, d->first_rx_ring);
	if (d->some_ring == NULL)
		d->some_ring = nm_user_txring(d, d->first_tx_ring);
	if (d->some_ring != NULL) {
		d->buf_start = NETMAP_BUF(d->some_ring, 0);
		d->buf_end = (char *)d->mem + d->memsize;
	}
	return 0;
}

/** Unbind and free. Pointers into the mapping die with it. @return 0, or EINVAL if d is none */
static inline int nm_close(struct nm_desc *d)
{
	if (!IS_NETMAP_DESC(d))
		return EINVAL;
	if (d->done_mmap)
		munmap(d->mem, d->memsize);
	if (d->fd >= 0)
		close(d->fd);
	d->self = NULL;
	free(d);
	return 0;
}

/**
 * Open a port: bind it by a legacy request and map its memory.
 *
 * @param ifname  netmap:NAME or valeX:PORT, then a mode (nothing: all NIC rings, ^ host rings,
 *                ^N host ring pair N, * both, -N NIC ring pair N, {N and }N the ends of pipe N),
 *                then / and flags (x exclusive, t and r monitor TX and RX, z without copies, T
 *                and R TX and RX rings only), then @ and the number of a memory region
 * @param req     starting values of the request, or NULL
 * @param flags   NM_OPEN_*, NETMAP_NO_TX_POLL, NETMAP_DO_RX_POLL
 * @param parent  open port to inherit from, or NULL; flags say what. Its mapping is shared
 *                whenever the memory region is the same
 * @return the descriptor, for nm_close(); or NULL with errno set, to 0 if ifname is not a name
 *         of netmap's at all
 */
static inline struct nm_desc *nm_open(
    const char *ifname, const struct nmreq *req, uint64_t flags, const struct nm_desc *parent)
{
	struct nm_desc *d;
	int err;

	if (!nm_user_is_name(ifname)) {
		errno = 0;
		return NULL;
	}
	d = (struct nm_desc *)calloc(1, sizeof(*d));
	if (d == NULL)
		return NULL;
	d->self = d;
	d->fd = -1;
	if (nm_user_request(d, ifname, req, flags, parent) != 0)
		goto fail;
	d->fd = open(NETMAP_DEVICE_NAME, O_RDWR);
	if (d->fd < 0 || ioctl(d->fd, NIOCREGIF, &d->req) != 0)
		goto fail;
	nm_user_set_ranges(d);
	if ((!(flags & NM_OPEN_NO_MMAP) || parent != NULL) && nm_mmap(d, parent) != 0)
		goto fail;
	return d;
fail:
	err = errno;
	nm_close(d);
	errno = err;
	return NULL;
}

/* ---- packets ---- */

static inline uint16_t nm_user_next_ring(uint16_t i, uint16_t first, uint16_t last)
{
	return i < last ? (uint16_t)(i + 1) : first;
}

/** Most bytes that one slot of the ring can say it holds. */
static inline size_t nm_user_slot_bytes(const struct netmap_ring *ring)
{
	return ring->nr_buf_size < UINT16_MAX ? ring->nr_buf_size : UINT16_MAX;
}

/** Copy a packet into the slots at cur and move head and cur past it. 1, or 0 without room. */
static inline int nm_user_put(struct netmap_ring *ring, const char *from, size_t size)
{
	size_t room = nm_user_slot_bytes(ring), left = size;
	uint32_t i = ring->cur, end = ring->cur;

	for (; end != ring->tail && left > 0; end = nm_ring_next(ring, end))
		left -= left < room ? left : room;
	if (left > 0)
		return 0;
	for (left = size; i != end; i = nm_ring_next(ring, i)) {
		struct netmap_slot *slot = &ring->slot[i];
		size_t part = left < room ? left : room;

		memcpy(NETMAP_BUF(ring, slot->buf_idx), from, part);
		from += part;
		left -= part;
		slot->len = (uint16_t)part;
		slot->flags = left > 0 ? NS_MOREFRAG : 0;
	}
	ring->head = ring->cur = end;
	return 1;
}

/**
 * Queue one packet on the first of the bound TX rings with room for it, in as many slots as it
 * needs. It leaves at the next sync.
 *
 * @return size, or 0 if no ring has room
 */
static inline int nm_inject(struct nm_desc *d, const void *buf, size_t size)
{
	int rings = d->last_tx_ring - d->first_tx_ring + 1;
	uint16_t ri = d->cur_tx_ring;

	if (size == 0 || size > INT_MAX)
		return 0;
	for (; rings > 0; rings--, ri = nm_user_next_ring(ri, d->first_tx_ring, d->last_tx_ring)) {
		struct netmap_ring *ring = nm_user_txring(d, ri);

		if (ring != NULL && nm_user_put(ring, (const char *)buf, size)) {
			d->cur_tx_ring = ri;
			return (int)size;
		}
	}
	return 0;
}

/**
 * Address of a received slot's data; NULL if the slot is not to be trusted: a peer may have
 * written any index and length, and the device passes them on.
 */
static inline unsigned char *nm_user_data(
    const struct nm_desc *d, struct netmap_ring *ring, uint32_t idx, uint16_t len)
{
	uint64_t end = (uint64_t)idx * ring->nr_buf_size + len;

	if (d->buf_end != NULL &&
	    (idx < 2 || len > ring->nr_buf_size ||
		end > (uint64_t)((const char *)d->buf_end - (const char *)d->buf_start)))
		return NULL;
	return (unsigned char *)NETMAP_BUF(ring, idx);
}

/** Slots of the packet at cur; 0 if there is none, or not all of it yet. */
static inline uint32_t nm_user_span(const struct netmap_ring *ring)
{
	uint32_t i, n = 0;

	for (i = ring->cur; i != ring->tail; i = nm_ring_next(ring, i)) {
		n++;
		if (!(ring->slot[i].flags & NS_MOREFRAG))
			return n;
	}
	return 0;
}

/** Describe the packet of n slots at cur and move head and cur past it. 1, or 0 if it is bad. */
static inline int nm_user_get(
    struct nm_desc *d, struct netmap_ring *ring, uint32_t n, struct nm_pkthdr *hdr)
{
	unsigned char *next = NULL; /* where the packet goes on if its buffers are neighbours */
	uint32_t i = ring->cur, part;
	int good = 1;

	hdr->ts = ring->ts;
	hdr->d = d;
	hdr->slot = &ring->slot[i];
	hdr->buf = NULL;
	hdr->caplen = hdr->len = 0;
	for (part = 0; part < n; part++, i = nm_ring_next(ring, i)) {
		uint32_t idx = ring->slot[i].buf_idx;
		uint16_t len = ring->slot[i].len;
		unsigned char *data = nm_user_data(d, ring, idx, len);

		good &= data != NULL;
		if (part == 0)
			hdr->buf = next = data;
		if (next == data)
			hdr->caplen += len;
		next = next == data && data && len == ring->nr_buf_size ? data + len : NULL;
		hdr->len += len;
	}
	ring->head = ring->cur = i;
	return good;
}

/** Next good packet of an RX ring. 1, or 0 if there is none. */
static inline int nm_user_next_packet(
    struct nm_desc *d, struct netmap_ring *ring, struct nm_pkthdr *hdr)
{
	uint32_t n;

	while ((n = nm_user_span(ring)) > 0) {
		if (nm_user_get(d, ring, n, hdr)) {
			d->st.ps_recv++;
			return 1;
		}
		d->st.ps_drop++;
	}
	return 0;
}

/**
 * Call cb for each packet in the bound RX rings, at most cnt of them (0 or less: all).
 *
 * A packet's data starts at hdr->buf and is contiguous for hdr->caplen bytes; when that is less
 * than hdr->len the rest is in the slots after hdr->slot. Its slots have been released when cb
 * runs: the data stays until the next RX sync.
 *
 * @return packets handed out
 */
static inline int nm_dispatch(struct nm_desc *d, int cnt, nm_cb_t cb, unsigned char *arg)
{
	int rings = d->last_rx_ring - d->first_rx_ring + 1, got = 0;
	uint16_t ri = d->cur_rx_ring;
	struct nm_pkthdr next;

	/* One behind, because NM_MORE_PKTS says whether another packet has been found. */
	for (; rings > 0; rings--, ri = nm_user_next_ring(ri, d->first_rx_ring, d->last_rx_ring)) {
		struct netmap_ring *ring = nm_user_rxring(d, ri);

		while (ring && (cnt <= 0 || got < cnt) && nm_user_next_packet(d, ring, &next)) {
			if (got++ > 0)
				cb(arg, &d->hdr, d->hdr.buf);
			d->hdr = next;
			d->hdr.flags = NM_MORE_PKTS;
			d->cur_rx_ring = ri;
		}
	}
	if (got > 0) {
		d->hdr.flags = 0;
		cb(arg, &d->hdr, d->hdr.buf);
	}
	return got;
}

/**
 * Take the next slot of the bound RX rings: a packet, or one part of it (nm_dispatch() joins
 * them). Writes ts, caplen and len only, so that hdr may be a struct pcap_pkthdr.
 *
 * @return its data, until the next RX sync; NULL if nothing has arrived
 */
static inline unsigned char *nm_nextpkt(struct nm_desc *d, struct nm_pkthdr *hdr)
{
	int rings = d->last_rx_ring - d->first_rx_ring + 1;
	uint16_t ri = d->cur_rx_ring;

	for (; rings > 0; rings--, ri = nm_user_next_ring(ri, d->first_rx_ring, d->last_rx_ring)) {
		struct netmap_ring *ring = nm_user_rxring(d, ri);

		while (ring && ring->cur != ring->tail) {
			uint32_t i = ring->cur, idx = ring->slot[i].buf_idx;
			uint16_t len = ring->slot[i].len;
			unsigned char *data = nm_user_data(d, ring, idx, len);

			ring->head = ring->cur = nm_ring_next(ring, i);
			d->st.ps_drop += data == NULL;
			if (data == NULL)
				continue;
			d->st.ps_recv++;
			d->cur_rx_ring = ri;
			hdr->ts = ring->ts;
			hdr->caplen = hdr->len = len;
			return data;
		}
	}
	return NULL;
}

#endif /* NETMAP_WITH_LIBS */

#endif /* _NET_NETMAP_USER_H_ */
