/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * TAP devices: Ethernet interfaces of the host whose other side is a descriptor. One descriptor is one
 * queue; a read takes a frame that the host sent, a write is a frame that the host receives. A device
 * that nobody made persistent goes with its last queue. One file per system implements it
 * (linux_tap.c); functions return 0, a descriptor or a count, or a negative errno, and set no message.
 *
 * Names are those of the network namespace that the caller is in.
 */
#ifndef OS_TAP_H
#define OS_TAP_H

#include <stdbool.h>
#include <stdint.h>

#define TAP_NAME_SIZE  16u /* with the final NUL */
#define TAP_QUEUES_MAX 256u

struct tap_shape {
	bool many; /* of several queues; has to be as the device is, if there is one already */
	uint32_t header; /* bytes of a virtio-net header before each frame: 0, 10 or 12 */
};

/**
 * Make a device and its first queue, or add a queue to one that exists. The descriptor does not block.
 * Offloads are off: the host segments and checksums what it sends.
 *
 * All queues of a device need the same shape: the last one's counts for all.
 *
 * @param name  "t0"; "loom%d" or "": the system completes it. The device's name is written back
 * @return a descriptor, the caller's; -ENOENT, -ENODEV the system has no TAP devices; -EPERM no right to
 *         make one, or to join this one; -EBUSY a device of one queue has its user; -E2BIG no further
 *         queue; -EINVAL by that name there is something else, or `many` is not as there
 */
int tap_queue_open(char name[TAP_NAME_SIZE], const struct tap_shape *shape);

/**
 * Whether frames to read may be left unfinished by the host, as the virtio-net header before them says: large
 * TCP packets, checksums. For all queues.
 */
int tap_offload(int queue, bool on);

/** The interface of a queue: its index, and its name as it is now. -EBADFD: the device is gone. */
int tap_index(int queue);
int tap_name(int queue, char name[TAP_NAME_SIZE]);

/**
 * Whether it is up: 1, 0, or an error as above. One that was moved to another namespace counts as up: it
 * cannot be looked at.
 */
int tap_is_up(int queue);

/** Set it up, or down. */
int tap_up(const char *name, bool up);

/** The most that an IP packet may have, without the Ethernet header. */
int tap_mtu_set(const char *name, uint32_t bytes);

/** Before it is set up: nothing is sent on it by itself, neither ARP nor IPv6. */
int tap_silence(const char *name);

#endif
