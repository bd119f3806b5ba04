/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What a port kind implements, for those who write one. docs/adding-a-port-kind.md walks through
 * src/soft/ports/null.c, the smallest.
 *
 * The core validates requests, lays out memory, checks the program's indexes before every sync and
 * keeps statistics; a kind moves packets between its rings and wherever they come from. A kind is
 * one file in src/soft/ports and one line in ports.def, and never includes another kind.
 */
#ifndef SOFT_PORT_H
#define SOFT_PORT_H

#include <stdbool.h>
#include <stdint.h>

#include "pool.h"
#include "region.h"
#include "ring.h"

/** A request after defaults and limits were applied; what a kind's open gets. */
struct port_request {
	const char *name;  /* the device name: "eth0", "x{1", "pipe{demo}", "loop:a" */
	const char *ident; /* the part after the kind's prefix, or the whole name */
	uint32_t tx_rings, rx_rings;
	uint32_t first_bound, end_bound; /* NIC rings that will have a user as soon as it is open */
	bool any_tx_rings, any_rx_rings; /* as many as there are: the numbers are only a default */
	uint32_t host_tx_rings, host_rx_rings;
	bool host; /* host rings are to be bound */
	uint32_t tx_slots, rx_slots;
	uint32_t buf_size;
	uint32_t extra_bufs;
	const char *directory; /* for shared objects; NULL: the user's own */
	/* a pipe's, "packet:eth0{1": the kind that its parent is named by; NULL: none is named */
	const struct port_kind *parent;
	struct port *watched; /* a monitor's: what it watches, and how … */
	uint64_t
	    monitor_flags; /* … NR_MONITOR_*, NR_ZCOPY_MON; slots may be 0: the watched port's */
	struct region
	    *region; /* that was asked for by id or otherwise; the caller's reference; NULL */
	uint32_t xdp_mode, xdp_busy_poll_us; /* as in struct loom_config */
	bool huge_pages;
	bool any_end; /* only asking: either end of a pipe that is open here will do */
};

/** All rings of a request, host rings included. */
static inline uint32_t port_request_rings(const struct port_request *request)
{
	return request->tx_rings + request->rx_rings + request->host_tx_rings +
	       request->host_rx_rings;
}

/** Whether a shared object can have so many rings of so many slots: another process may have written it. */
static inline bool port_counts_are_sane(
    uint32_t rings, uint32_t most, uint32_t slots, uint32_t most_slots)
{
	return rings >= 1 && rings <= most && slots >= 1 && slots <= most_slots;
}

struct port {
	const struct port_kind *kind;
	char name[NETMAP_REQ_IFNAMSIZ];
	char mode[256];      /* for people */
	char directory[128]; /* where its shared object is looked for; "" the default */
	unsigned references;
	struct region *region;
	struct region_claim claim; /* to the areas of its rings */
	uint32_t num_tx, num_rx;   /* all rings, host rings included and last */
	uint32_t host_tx, host_rx;
	uint32_t tx_slots, rx_slots;
	uint32_t chain_max; /* slots that a packet may have which is sent; 0: NETMAP_MAX_FRAGS */
	struct ring *tx, *rx;
	uint32_t *tx_users, *rx_users; /* descriptors per ring; PORT_EXCLUSIVE: one, and no more */
	bool zero_copy;
	bool huge_pages; /* were asked for */
	bool
	    held_elsewhere; /* others have it open too, perhaps: closing it here is not the end of it */
	bool indirect;      /* TX slots may point elsewhere: NS_INDIRECT */
	void *state;        /* the kind's */
	struct monitor *monitors; /* those that watch this port; guarded by the registry's lock */
	unsigned monitors_made;
	struct board_owner
	    *board;        /* for those in other processes; NULL: it cannot be watched from there */
	struct port *next; /* registry */
};

#define PORT_EXCLUSIVE UINT32_MAX

struct offsets;
struct parcel;

struct port_kind {
	const char *name;
	const char *example, *help; /* for people: a port name, a line */
	bool local;                 /* a port's name means nothing to other processes */
	bool is_parent;             /* "kind:x{1" is a pipe in the memory of "kind:x" … */
	bool own_memory; /* … which is not what interfaces share, and is there with the port */
	/**
	 * Acquire what the port stands for and call port_build(). On failure: a negative errno, a
	 * message, and everything given back.
	 */
	int (*open)(struct port *port, const struct port_request *request);
	/**
	 * Others are about to use the port's rings too, in processes of their own (place.h). NULL: there is
	 * nothing to prepare.
	 */
	int (*share)(struct port *port);
	/**
	 * What of a ring goes on with each sync, beyond its positions: to and from where its other users see
	 * it, PLACE_OWN bytes that a program may have written. NULL: nothing.
	 */
	void (*show)(const struct ring *ring, void *own);
	void (*take)(struct ring *ring, const void *own);
	/**
	 * Pass the port on to another process: put what adopt needs, beyond region and rings, into the parcel.
	 * NULL: the kind's ports cannot be passed on.
	 */
	int (*pack)(struct port *port, struct parcel *parcel);
	/**
	 * Take over, or rather share, what pack put in; the port is built but for its state. On failure: as
	 * open.
	 */
	int (*adopt)(struct port *port, struct parcel *parcel);
	/**
	 * The ring has its first user, or lost its last one (also before close): begin, or end, to take packets
	 * from where they come from. On failure as open. NULL: all rings run while the port is open.
	 */
	int (*begin)(struct ring *ring);
	void (*end)(struct ring *ring);
	/**
	 * Bytes of the virtio-net header that the port's packets begin with (0, 10 or 12), and to change it.
	 * NULL: they have none.
	 */
	uint32_t (*header)(const struct port *port);
	int (*header_set)(struct port *port, uint32_t len);
	/** Give back what open acquired. The core frees rings and region afterwards. */
	void (*close)(struct port *port);
	/** What handles call; RING_SYNCS defines them. */
	int (*tx_entry)(struct loom_sync *sync);
	int (*rx_entry)(struct loom_sync *sync);
	/**
	 * Prepare to sleep until the ring has news: fill in what to poll for (fd -1: nothing ever
	 * comes), and look once more. 1: there is news already, do not sleep; 0: armed; or an error.
	 */
	int (*arm)(struct ring *ring, struct pollfd *out);
	/** The ring has something to do again: take back what arm did, and the readiness it caused. */
	void (*disarm)(struct ring *ring);
	/**
	 * The ring's packets start at offsets from now on (offsets.h): give its slots the initial one, if
	 * it has no user yet. NULL: the kind serves no offsets.
	 */
	int (*offsets_start)(struct ring *ring, const struct offsets *offsets);
};

/**
 * Allocate and initialise ring structs over rings of a region. Slots are left alone.
 *
 * @param region   one reference becomes the port's, also when this fails
 * @param claim    to the areas of the rings; becomes the port's, also when this fails
 * @param objects  ring objects of the region: of TX rings, then of RX rings
 */
int port_build(struct port *port, const struct port_request *request, struct region *region,
    struct region_claim *claim, const uint32_t *objects);

/** Parts of port_build(), for rings that are there: region and claim are set, request says how many. */
int port_rings_allocate(struct port *port, const struct port_request *request);
void port_ring_setup(struct port *port, struct ring *r, uint32_t object, bool tx, uint32_t index);

/**
 * The usual case: rings of the port's own, every slot with a buffer, rings empty. With mirrored, RX ring k
 * has the slot pages of TX ring k.
 *
 * @param region  as above; NULL: memory for this port alone
 */
int port_build_own(
    struct port *port, const struct port_request *request, struct region *region, bool mirrored);

/**
 * How many buffers to lay out for those wanted: a power of two, so that the data path's single mask
 * lets every valid index pass, and the reserved ones. Untouched buffers cost no memory.
 */
uint32_t port_buffers_for(uint64_t wanted);

/** A region for a port that others may join, and for their rings: with room to spare. */
void port_region_shape(const struct port_request *request, struct region_shape *out);

/** Bytes of a netmap_if for so many rings. */
uint32_t port_if_size(uint32_t rings);

/** A reference to the region that was asked for, for port_build_own(); NULL: none was. */
struct region *port_region(const struct port_request *request);

/**
 * The region of a port that is an interface: the one asked for, else netmap's own default, that interfaces
 * share one, so that packets go from one to another by a swap. NULL: buffers of another size were asked for.
 */
int port_region_of_interfaces(const struct port_request *request, struct region **out);

/** Undo port_build(). */
void port_unbuild(struct port *port);

#define PORT_KIND(kind) extern const struct port_kind port_kind_##kind;
#include "ports/ports.def"
#undef PORT_KIND

#endif
