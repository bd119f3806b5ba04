/* SPDX-License-Identifier: BSD-2-Clause */
/* The soft device: netmap in user space. One struct soft is one descriptor of /dev/netmap. */
#ifndef SOFT_SOFT_H
#define SOFT_SOFT_H

#include <stdbool.h>

#include "../device/device.h"
#include "csb.h"
#include "kloop.h"
#include "port.h"

#define SOFT_SLOTS_DEFAULT 1024u
#define SOFT_SLOTS_MIN     2u
#define SOFT_SLOTS_MAX     4096u /* the module's own limit */
#define SOFT_RINGS_MAX     256u
#define SOFT_BUF_DEFAULT   2048u
#define SOFT_BUF_MIN       64u
#define SOFT_BUF_UNIT      64u    /* buffers start cache lines, and lists of them are aligned */
#define SOFT_BUF_MAX       65472u /* slot.len has 16 bits; buffers are multiples of 64 */
#define SOFT_SPIN_US       50u    /* about what a sleep and a wakeup cost: bench/rows/pipe_rtt */
#define SOFT_EXTRA_MAX     524288u

/** Rings [first, end) of one direction that a descriptor has bound. */
struct soft_range {
	uint32_t first, end;
};

struct soft {
	struct device device; /* first */
	struct port *port;    /* NULL while unbound */
	struct netmap_if *nifp;
	int if_lock; /* holds nifp */
	struct soft_range tx, rx;
	uint64_t flags; /* NR_* of the registration */
	uint32_t mode;
	uint32_t extra_bufs;
	uint32_t spin_us;
	int pollset; /* -1 until loom_port_fd() */
	struct csb csb;
	struct kloop kloop;
	char tried[256];
};

/* control.c */
int soft_control(struct device *device, struct nmreq_header *header);

/* info.c */
int soft_port_info(struct nmreq_header *header);
int soft_pools_info(struct nmreq_header *header);
void soft_pools_fill(const struct region *region, struct nmreq_pools_info *info);

/* register.c */
int soft_register(struct soft *soft, struct nmreq_header *header);
/** Bind one more descriptor to the port of another: a name would not always lead there. */
int soft_register_sibling(struct soft *soft, const struct soft *bound, struct nmreq_register *reg);
void soft_unregister(struct soft *soft);

/**
 * Have all NIC rings of a port that is not a descriptor's: a port kind that stands before another port
 * does. The registry's lock is held. -EBUSY and a message: somebody has one of them.
 */
int soft_port_take(struct port *port);
void soft_port_give(struct port *port);

/** Bind a descriptor that was passed on, as it is bound already. */
void soft_register_adopted(struct soft *soft, struct port *port);

/* parcel.c: descriptors on their way to another process */
int soft_pack(struct device *device, struct device_parcel *out);

/* null_mode.c */

/** A port in mode NULL over the region that was asked for; under the registry's lock. */
int null_mode_get(const struct port_request *wanted, struct port **out);

/* poll.c */
int soft_sync(struct device *device, bool tx);
int soft_poll(struct device *device, short events, int timeout_ms);
int soft_arm(struct device *device, short events, struct pollfd *out, unsigned room);
int soft_fd(struct device *device);
void soft_unwatch(struct soft *soft);

/* registry.c: ports by name, within the process */

/** Serialises opening and closing of ports; held by the caller of the next three. */
void registry_lock(void);
void registry_unlock(void);

/** The port of that name, opened if need be, with one more reference. */
int registry_get(
    const struct port_request *wanted, char *tried, size_t tried_size, struct port **out);
void registry_put(struct port *port);

/** A new monitor, with wanted.monitor_flags, of the port of that name, which is open here or elsewhere. */
int registry_monitor(const struct port_request *wanted, struct port **out);
/** The port of that name that is open in this process, or NULL; no reference is taken. */
struct port *registry_find(const char *name, const char *directory);
/** A new port of that kind, whatever is open by that name; the lock is held by the caller. */
int registry_open(
    const struct port_kind *kind, const struct port_request *request, struct port **out);

/** The port whose first TX ring has that header, or NULL; no reference is taken. */
struct port *registry_find_ring(const struct netmap_ring *tx);
/** A port that was passed on belongs to the process now. */
void registry_adopt(struct port *port);
const struct port_kind *registry_kind(const char *name);

/** Whether a port of that name is open in this process. Takes the lock itself. */
bool registry_has(const struct port_request *wanted);

#endif
