/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Ports: opening by name, waiting, information, statistics.
 *
 * A port is bound to a device that speaks netmap: the kernel's /dev/netmap, or pktloom's own
 * device in user space. Its packets move through rings (<pktloom/ring.h>).
 *
 * Threads: one thread per ring. Different rings of a port may be used by different threads at the
 * same time; loom_port_wait() and loom_close() touch all rings of the port. On the kernel's device
 * so does each sync: there, threads with rings of their own take them by loom_port_open_ring(),
 * which is right on both devices.
 */
#ifndef PKTLOOM_PORT_H
#define PKTLOOM_PORT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <pktloom/compat/net/netmap.h>

#ifdef __cplusplus
extern "C" {
#endif

struct loom_port;

/** Which device may serve the port. PKTLOOM_DEVICE=kernel|soft in the environment overrides ANY. */
enum loom_device {
	LOOM_DEVICE_ANY = 0, /* the kernel's where it works, else the soft one */
	LOOM_DEVICE_KERNEL = 1,
	LOOM_DEVICE_SOFT = 2
};

/** loom_config.spin_us: never spin before blocking (0 means the default). */
#define LOOM_SPIN_NONE UINT32_MAX

/* So that C++ does not warn of the fields that LOOM_CONFIG leaves out. */
#ifdef __cplusplus
#define LOOM_ZERO                                                                                  \
	{                                                                                          \
	}
#else
#define LOOM_ZERO
#endif

/** How an AF_XDP port receives. Others than the default are taken or refused, nothing else is tried. */
enum loom_xdp_mode {
	LOOM_XDP_ANY = 0,   /* the first of the following that the interface has */
	LOOM_XDP_ZERO_COPY, /* in the driver, straight to the port's buffers */
	LOOM_XDP_NATIVE,    /* in the driver, by a copy */
	LOOM_XDP_GENERIC    /* behind the driver: works for all interfaces */
};

/**
 * How to open a port. Zero means default everywhere; what the name says wins over this struct,
 * and for objects that exist already (the second end of a pipe) the existing shape wins over both.
 */
struct loom_config {
	/* sizeof(struct loom_config); LOOM_CONFIG fills it */
	size_t size LOOM_ZERO;
	/* NIC rings, 1 to 256; default 1 (xdp: the interface's queues), and as many RX as TX */
	uint32_t tx_rings LOOM_ZERO;
	uint32_t rx_rings LOOM_ZERO;
	/* slots per ring, from 2 on (one always stays empty); default 1024, RX as TX; clipped to 4096 */
	uint32_t tx_slots LOOM_ZERO;
	uint32_t rx_slots LOOM_ZERO;
	/* bytes, 64 to 65472, rounded up to a multiple of 64; default 2048 */
	uint32_t buffer_size LOOM_ZERO;
	/* how many are wanted; loom_info.extra_buffers says how many were granted */
	uint32_t extra_buffers LOOM_ZERO;
	/* NR_EXCLUSIVE, NR_NO_TX_POLL, NR_DO_RX_POLL, … */
	uint64_t flags LOOM_ZERO;
	enum loom_device device LOOM_ZERO;
	/* microseconds that a wait spins before it blocks; default 50 */
	uint32_t spin_us LOOM_ZERO;
	/* where shared objects live; default PKTLOOM_DIR from the environment, else one per user */
	const char *directory LOOM_ZERO;
	/*
	 * bytes that stay free before each packet in its buffer, so that headers can be put there;
	 * default none (see <pktloom/ring.h>)
	 */
	uint32_t offset LOOM_ZERO;
	/* the largest offset that the program will give slots itself; default: as offset */
	uint32_t offset_max LOOM_ZERO;
	/* how an AF_XDP port receives; default: the best way that the interface has */
	enum loom_xdp_mode xdp_mode LOOM_ZERO;
	/*
	 * microseconds for which the kernel polls an AF_XDP port's queue in the program's own time
	 * instead of in interrupts; default none
	 */
	uint32_t xdp_busy_poll_us LOOM_ZERO;
	/*
	 * 1: the buffers' memory in huge pages, if the system gives it any, else in ordinary ones:
	 * loom_info.mode says which. For memory that this open makes or is the first here to map; the
	 * kernel's device has its own.
	 */
	uint32_t huge_pages LOOM_ZERO;
};

/**
 * A configuration in place, by field name:
 *	loom_open("loop:a", LOOM_CONFIG(.tx_rings = 2, .tx_slots = 256), &port);
 * In C++ (20, or earlier as an extension) fields must stand in their declared order.
 */
#ifdef __cplusplus
#define LOOM_CONFIG(...)                                                                           \
	(&static_cast<const loom_config &>(loom_config{.size = sizeof(loom_config), __VA_ARGS__}))
#else
#define LOOM_CONFIG(...)                                                                           \
	(&(const struct loom_config){.size = sizeof(struct loom_config), __VA_ARGS__})
#endif

/**
 * Open a port by name.
 *
 * Names: "netmap:eth0", "eth0^", "pipe{demo}", "x{1", "x}1", "loop:a", "null:", "packet:eth0", …
 *        (docs/names.md has the grammar).
 *
 * @param name    NUL-terminated
 * @param config  NULL for the defaults; read during the call only
 * @param out     the port, to be closed with loom_close(); untouched on failure
 * @return 0; -EINVAL malformed name or field, unknown kind; -ENXIO no such interface; -EBUSY
 *         taken (exclusive use, both pipe ends taken); -EPERM/-EACCES privileges; -EPROTO a pipe made
 *         by an incompatible version; -ENOMEM; loom_error() says which and what to do
 */
int loom_open(const char *name, const struct loom_config *config, struct loom_port **out);

/**
 * Close a port. Packets already synced stay receivable by the other side; unsynced ones are lost.
 * Ring handles and frames of the port become invalid. NULL is ignored.
 */
void loom_close(struct loom_port *port);

/** Which rings of an index loom_port_open_ring() takes. */
enum loom_rings {
	LOOM_RING_PAIR = 0, /* TX and RX; one alone where the port has no other of that index */
	LOOM_RING_TX = 1,
	LOOM_RING_RX = 2
};

/**
 * Open one ring of an open port, or one pair, by itself: for a thread with its own ring, its own wait and
 * its own descriptor.
 *
 * The new port is one like any other: loom_tx() and loom_rx() take the same index as before,
 * loom_port_wait() and loom_port_fd() concern its rings alone. Both ports stand in one memory region, on
 * the kernel's device in one mapping: loom_forward() between their rings swaps buffers, and frames
 * of one can be read through the other.
 *
 * Ownership: the ring goes over to the new port and comes back when that is closed. Meanwhile the
 *            old port rests: handles of its other rings are not to be used, and loom_tx() and loom_rx() of
 *            the ring, loom_port_wait() and loom_port_fd() answer -EBUSY, since they would sync a
 *            ring that is another thread's. Who wants some of the rings opens all that he
 *            uses so. Either port may be closed first.
 * Threads:   calls for one old port by one thread at a time; the new port is then any thread's.
 *
 * @param port   not with NR_EXCLUSIVE: such a port has its rings to itself
 * @param index  as for loom_tx() and loom_rx(): host rings after NIC rings
 * @param out    to be closed with loom_close(); untouched on failure
 * @return 0; -EINVAL no such ring, or not bound; -EBUSY opened by itself already, or exclusive; -ENOMEM;
 *         what the kernel's device answers to one more descriptor
 */
int loom_port_open_ring(
    struct loom_port *port, enum loom_rings which, unsigned index, struct loom_port **out);

/** Number of rings this port was opened with, host rings not counted. */
unsigned loom_tx_rings(const struct loom_port *port);
unsigned loom_rx_rings(const struct loom_port *port);

/** Number of host ring pairs bound (names with '^' or '*'). */
unsigned loom_host_tx_rings(const struct loom_port *port);
unsigned loom_host_rx_rings(const struct loom_port *port);

/** Whether the port is bound to host-stack rings only (a name with '^'). */
bool loom_port_is_host(const struct loom_port *port);

/** The classic view, for code that speaks netmap: valid until loom_close(). */
struct netmap_if *loom_port_netmap_if(const struct loom_port *port);

/* Events of loom_port_wait(). */
#define LOOM_RX    0x1 /* a bound RX ring has packets */
#define LOOM_TX    0x2 /* a bound TX ring has room */
#define LOOM_ERROR 0x4 /* a sync failed: the next sync of the ring says why */

/**
 * Wait until a bound ring is ready, syncing as netmap's poll does.
 *
 * Syncs every bound TX ring (pending packets leave, also when only LOOM_RX is asked for, unless
 * NR_NO_TX_POLL) and, with LOOM_RX, every bound RX ring: frames borrowed before the call and
 * released are gone after it. Spins for config.spin_us, then blocks.
 *
 * @param events      LOOM_RX, LOOM_TX or both
 * @param timeout_ms  milliseconds; 0 does not block; negative waits for ever
 * @return the ready events (a mask, > 0); 0 on time-out; -EINVAL bad events; -EINTR a signal; -EBUSY a
 *         ring is opened by itself
 */
int loom_port_wait(struct loom_port *port, int events, int timeout_ms);

/**
 * A descriptor for poll, select, epoll, kqueue and event loops; wait on it for *reading* only.
 *
 * Readiness: the descriptor becomes readable when there is news for a ring whose last sync left
 * it with nothing to do (an RX ring without packets, a TX ring without room); the ring's next sync
 * takes the readiness back. So: after waking, sync; use what is there; block only when a ring's last
 * sync left it with nothing to do. Level- and edge-triggered waiting both work under this rule.
 * Spurious readiness is possible, lost readiness is not. docs/readiness.md has each interface.
 *
 * Threads: as a ring, news has one taker. Of several sleepers on one ring it may wake only one.
 *
 * The first call switches the port to this mode, and the descriptor is readable at once where packets
 * wait already; from then on a sync that finds nothing arms the descriptor, which costs the peer one
 * system call for its next packet. loom_port_wait() goes on working.
 *
 * Ownership: the port's; do not read, write or close it; gone after loom_close().
 * @return descriptor; -EMFILE, -ENFILE out of descriptors; -EBUSY a ring is opened by itself
 */
int loom_port_fd(struct loom_port *port);

/** What was opened, and why so. Sizes in bytes; strings NUL-terminated, "" where not applicable. */
struct loom_info {
	char name[64];   /* as given to the device */
	char device[16]; /* "soft", "kernel" */
	char kind[16];   /* "pipe", "packet", … */
	char mode[256];  /* the kind's own words: "master", "tpacket-v3 rx, sendmmsg tx, …" */
	char tried[512]; /* what was tried before this and why it failed, one per ';' */
	bool zero_copy;  /* no payload is copied between this port and its other side */
	bool host;       /* bound to host rings */
	uint32_t tx_rings, rx_rings, host_tx_rings, host_rx_rings;
	uint32_t tx_slots, rx_slots;
	uint32_t buffer_size;
	uint32_t max_payload;   /* largest packet that loom_send() takes, in bytes */
	uint32_t extra_buffers; /* granted; their list starts at netmap_if.ni_bufs_head */
	uint32_t region; /* memory region id; ports with equal ids (in one process) can swap */
	uint64_t region_size;
};

int loom_port_info(const struct loom_port *port, struct loom_info *out);

/** One of the port kinds that this build of the library serves without a kernel device. */
struct loom_kind {
	const char *name;    /* "pipe"; "packet:eth0" opens kind "packet" */
	const char *example; /* a port name */
	const char *help;    /* one line */
};

/** The kind at index, counted from 0. @return 0; -ENOENT there are no more */
int loom_kind_at(unsigned index, struct loom_kind *out);

/** Why a packet was dropped; loom_drop_name() gives the word. */
enum loom_drop {
	LOOM_DROP_BAD_INDEX, /* a slot named a buffer outside the region */
	/* a slot claimed more bytes than its buffer has (behind its offset), or too few for a frame */
	LOOM_DROP_BAD_LENGTH,
	LOOM_DROP_BAD_PEER,  /* a shared ring index of the peer was out of range and ignored */
	LOOM_DROP_OVERSIZED, /* larger than a buffer; if by GRO or TSO, turn the offload off */
	LOOM_DROP_NO_ROOM,   /* the RX side had no free slot (kernel or device counted) */
	LOOM_DROP_REFUSED,   /* the system refused to send it */
	LOOM_DROP_REASONS
};
const char *loom_drop_name(enum loom_drop reason);

/** What a fault port (fault:…@PORT) did to packets; loom_fault_name() gives the word. */
enum loom_fault {
	LOOM_FAULT_LOSS,
	LOOM_FAULT_CORRUPT, /* one bit was changed */
	LOOM_FAULT_DUP,
	LOOM_FAULT_REORDER, /* was to change places with the next one */
	LOOM_FAULT_DELAY,
	LOOM_FAULTS
};
const char *loom_fault_name(enum loom_fault fault);

/**
 * Counters since open; a ring's or, summed, a port's. Exact after a sync when read by the ring's own
 * thread; read by another one, each is a recent value.
 */
struct loom_stats {
	uint64_t packets; /* that crossed a sync; a chain of fragments counts once */
	uint64_t bytes;   /* payload sent or received through loom_* verbs */
	uint64_t syncs;
	uint64_t waits;   /* times a wait went to sleep */
	uint64_t wakeups; /* times this side woke the other one */
	uint64_t drops[LOOM_DROP_REASONS];
	uint64_t faults[LOOM_FAULTS]; /* fault ports: how many of each were done */
};

/** Totals over the TX and the RX rings of a port; either pointer may be NULL. */
int loom_port_stats(const struct loom_port *port, struct loom_stats *tx, struct loom_stats *rx);

#ifdef __cplusplus
}
#endif
#endif
