/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The waist: a device in netmap's own terms. Above it stand the loom_* API and the preload library,
 * below it the kernel's /dev/netmap and the soft device. Nothing but netmap's structures, and the
 * few facts of device_facts, crosses it.
 *
 * Life: open → control (REGISTER binds it to a port) → map → syncs and polls → close.
 * Threads: control, map, poll and close of one device by one thread at a time; a ring's sync by one
 * thread at a time, different rings at the same time. SYNC_KLOOP_START keeps its thread inside control
 * until SYNC_KLOOP_STOP, and neither of the two excludes any other call.
 */
#ifndef DEVICE_DEVICE_H
#define DEVICE_DEVICE_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include <pktloom/port.h>
#include <pktloom/ring.h>

struct device;
struct pollfd;

/** A bound ring as its device keeps it; handles call sync, statistics read stats. packets are slots. */
struct device_ring {
	struct loom_sync sync; /* first: a handle's struct loom_sync is this struct */
	struct netmap_ring *ring;
	uint64_t fragments;      /* TX: of the verbs' counter, what the last sync took over */
	struct loom_stats stats; /* written by the ring's thread; bytes are counted by the verbs */
};

/** Where a bound device's memory is and what of it may be trusted without asking the ring again. */
struct device_map {
	uint8_t *base;
	size_t size;
	struct netmap_if *nifp;
	uint8_t *buffers;  /* address of buffer 0 */
	uint32_t num_bufs; /* valid indexes are 2 … num_bufs - 1 */
	uint32_t buf_size; /* from one buffer to the next … */
	uint32_t buf_room; /* … and what of it a packet may fill */
	uint32_t
	    chain_max; /* slots of one packet sent by a NIC ring; 0: netmap's NETMAP_MAX_FRAGS */
	const void *region; /* equal for devices whose buffers may be swapped */
};

#define DEVICE_PARCEL_FDS  250u
#define DEVICE_PARCEL_SIZE 40960u

/** A device on its way to another process. */
struct device_parcel {
	uint32_t size, num_fds;
	int fds[DEVICE_PARCEL_FDS];
	uint64_t data[DEVICE_PARCEL_SIZE / sizeof(uint64_t)];
};

struct device_ops {
	const char *name;
	/** NIOCCTRL: header and body are the caller's and are written back as the kernel would. */
	int (*control)(struct device *device, struct nmreq_header *header);
	int (*map)(struct device *device, struct device_map *out);
	/** A bound ring by direction and index (host rings after NIC rings); NULL if not bound. */
	struct device_ring *(*ring)(struct device *device, bool tx, unsigned index);
	/** NIOCTXSYNC / NIOCRXSYNC: every bound ring of one direction. */
	int (*sync)(struct device *device, bool tx);
	/** netmap's poll: syncs, returns ready events (POLLIN, POLLOUT, POLLERR), sleeps if none. */
	int (*poll)(struct device *device, short events, int timeout_ms);
	/**
	 * Prepare to sleep until rings that the events concern have news, for callers that sleep on
	 * more than this device: what comes after it returned makes one of the descriptors ready.
	 * Having woken, poll again. No descriptors: nothing ever comes.
	 *
	 * @return how many descriptors there are, of which the first `room` were filled in; -EAGAIN
	 *         when there is news already: poll again, do not sleep; or another error
	 */
	int (*arm)(struct device *device, short events, struct pollfd *out, unsigned room);
	/**
	 * mmap() of [offset, offset + len) of a bound device's memory to `at`, which replaces what is
	 * there. prot and flags are mmap's.
	 *
	 * @return 0; -EINVAL not bound, or beyond the memory's end (nothing was replaced); or an error
	 *         after which `at` holds nothing of use
	 */
	int (*map_at)(
	    struct device *device, void *at, size_t len, int prot, int flags, off_t offset);
	/** A descriptor that is readable when there is news; see loom_port_fd(). */
	int (*fd)(struct device *device);
	/**
	 * Another device on the same port and in the same memory, bound as reg says: REGISTER's answer is
	 * written back to it.
	 */
	int (*sibling)(struct device *device, struct nmreq_register *reg, struct device **out);
	/**
	 * What another process needs to go on with this device as if it had opened it. The descriptors
	 * remain the device's. NULL: it cannot be passed on.
	 *
	 * @return 0; -EOPNOTSUPP this kind of port, or what it is used for, stays in its process
	 */
	int (*pack)(struct device *device, struct device_parcel *out);
	/** Fill in device, kind, mode, zero_copy and region of a bound device; add to tried. */
	void (*describe)(const struct device *device, struct loom_info *info);
	void (*close)(struct device *device);
};

struct device {
	const struct device_ops *ops;
};

/*
 * What pktloom's own callers may ask beyond netmap's REGISTER, as an option in netmap's own form. A
 * kernel device answers EOPNOTSUPP to it, so it is only attached where the soft device serves.
 */
#define DEVICE_OPT_SOFT 0x6c6f6f6d
struct device_opt_soft {
	struct nmreq_option option;
	uint32_t buffer_size; /* 0: default */
	uint32_t spin_us;     /* 0: default, UINT32_MAX: never */
	const char *directory;
	uint32_t xdp_mode; /* enum loom_xdp_mode */
	uint32_t xdp_busy_poll_us;
	bool huge_pages;
};

/** A new soft device, unbound. */
int soft_open(struct device **out);

/** A soft device from what another process packed, all of whose descriptors it takes over, also on failure. */
int soft_unpack(struct device_parcel *outer, struct device **out);

/**
 * From now on children use the ports that they inherit: what the parent closes stays open in them. Else it
 * is closed, though they have copies of its descriptors.
 */
void soft_children_share(void);

/** Its port kinds, see loom_kind_at(). */
int soft_kind_at(unsigned index, struct loom_kind *out);

/** PORT_INFO_GET of a port, by the device that is preferred or serves here. */
int device_port_info(enum loom_device prefer, const char *port, const struct device_opt_soft *soft,
    struct nmreq_port_info_get *info);

/**
 * Open a device for a port name and bind it: the preferred device first, then the others, with
 * each refusal kept for loom_info.tried.
 *
 * @param prefer   from the name's kind, the configuration or the environment
 * @param header   a REGISTER request, written back by the device that took it
 * @param soft     attached as an option where the soft device is asked
 * @param tried    what was refused and why, for loom_info
 */
int device_choose(enum loom_device prefer, struct nmreq_header *header,
    const struct device_opt_soft *soft, char *tried, size_t tried_size, struct device **out);

#endif
