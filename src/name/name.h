/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Port names: what a user writes ("netmap:eth0-3/xT@conf:slots=512") taken apart into plain data.
 * The grammar is in docs/names.md. Nothing here opens, looks up or allocates anything.
 */
#ifndef PKTLOOM_NAME_NAME_H
#define PKTLOOM_NAME_NAME_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <pktloom/compat/net/netmap.h>

#define NAME_FILE_SIZE 256 /* extmem files, with their NUL */

/** A port name in parts. All strings end in NUL; an absent part is "" or 0. */
struct name {
	char kind[16]; /* "netmap" (any interface), "vale", "pipe", or the prefix: "kernel", … */

	/* nr_name: no "netmap:" or "kernel:", no mode, flags or options */
	char device[NETMAP_REQ_IFNAMSIZ];
	char ident[NETMAP_REQ_IFNAMSIZ]; /* device without prefix and pipe: "eth0", "vale0:p" */

	char pipe_id[NETMAP_REQ_IFNAMSIZ]; /* "x" in "eth0{x"; equal to ident in "pipe{x}" */
	char pipe_role; /* 0 no pipe, '{' master, '}' slave, '*' first opener master, next slave */

	uint32_t mode;   /* NR_REG_ALL_NIC, _SW, _NIC_SW, _ONE_NIC, _ONE_SW */
	uint16_t ring;   /* the ring pair of _ONE_NIC and _ONE_SW */
	uint64_t flags;  /* NR_EXCLUSIVE, NR_ZCOPY_MON, NR_MONITOR_*, NR_*_RINGS_ONLY */
	uint16_t mem_id; /* at most one of mem_id, share and extmem is there */
	char share[NETMAP_REQ_IFNAMSIZ]; /* the device name of the port whose memory to use */

	struct name_conf { /* 0: the device's default */
		uint32_t tx_rings, rx_rings, host_tx_rings, host_rx_rings;
		uint32_t tx_slots, rx_slots;
	} conf;

	struct name_extmem { /* numbers: objects, bytes each; 0: the device's default */
		bool present;
		char file[NAME_FILE_SIZE];
		uint32_t if_num, if_size, ring_num, ring_size, buf_num, buf_size;
	} extmem;

	struct name_offset {
		bool present;
		uint32_t initial; /* bytes */
		uint32_t bits;    /* of slot.ptr; 0: all of it */
	} offset;

	char body[NETMAP_REQ_IFNAMSIZ]; /* "fault:" only: all that follows the colon, as written */
};

/** Why a name was refused. Valid until its owner reuses it; points at nothing but constants. */
struct name_error {
	size_t offset;     /* bytes before the offending one; strlen(text) where text is missing */
	const char *part;  /* what was being read: "mode", "flag", "ring number", … */
	char message[512]; /* one line of printable ASCII */
};

/**
 * Take a port name apart.
 *
 * Errors: the first offending character decides. *out is untouched on failure, *error on success.
 * Threads: no shared state; any number at the same time.
 *
 * @param text   NUL-terminated, any bytes, any length
 * @param error  may be NULL
 * @return 0; -EINVAL not in the grammar; -ENAMETOOLONG a part exceeds its field in struct name
 */
int name_parse(const char *text, struct name *out, struct name_error *error);

#endif
