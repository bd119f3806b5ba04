/* SPDX-License-Identifier: BSD-2-Clause */
/* Stations on a switch: a port, one ring of each direction, and an Ethernet address of its own. */
#ifndef SWITCH_STATION_H
#define SWITCH_STATION_H

#include "../contract/support.h"

#define BROADCAST  0xffu
#define FRAME_DATA 14u /* bytes before the payload */

struct station {
	struct loom_port *port;
	struct loom_txring tx;
	struct loom_rxring rx;
	uint8_t address; /* last byte of its MAC */
};

/** Files of a switch with n ports: its table, and of each port its part, region and board. */
#define FILES_OF(n) (1u + 3u * (n))

/** A frame as a test sees it: who sent it to whom, and which one it is. */
struct frame {
	uint8_t to, from;
	uint32_t number;
	uint32_t len;
};

/** Open a port of a switch and its rings 0. */
void station_open(
    struct station *station, const char *name, uint8_t address, const struct loom_config *config);
void station_close(struct station *station);

/** Write a frame of len bytes, FRAME_DATA + 4 at least: addresses, number, and content to be checked. */
void frame_write(uint8_t *data, const struct frame *frame);

/** Read it back; false if anything in it is not as frame_write() made it. */
bool frame_read(const uint8_t *data, uint32_t len, struct frame *frame);

/** Queue a frame; fails the test if there is no room. */
void station_queue(struct station *station, uint8_t to, uint32_t number, uint32_t len);

/** Queue a frame and sync. */
void station_send(struct station *station, uint8_t to, uint32_t number, uint32_t len);

/** Sync, and expect exactly one frame with that number from there. */
void station_expect(struct station *station, uint8_t from, uint32_t number);
void station_expect_nothing(struct station *station);

/** Let the switch know where a station is, without anybody getting anything in the end. */
void station_announce(struct station *station, struct station *const *others, unsigned n);

/** The slot that was queued last. */
struct netmap_slot *station_last_slot(const struct station *station);

/** A counter of the port's RX or TX side. */
uint64_t station_drops(const struct station *station, bool tx, enum loom_drop reason);

/** Every buffer index of the port's slots is valid and stands in one slot only. */
void station_check_buffers(const struct station *station);

/** The ports of most tests: "vale0:a", "vale0:b" and "vale0:c" with addresses 1, 2 and 3. */
#define STATIONS 3u

struct net {
	struct station at[STATIONS];
};

void net_open(struct net *net, const struct loom_config *config);

/** Check that no buffer was lost, close, and check that nothing is left of the switch. */
void net_close(struct net *net);

/** Let every station be known to the switch; all rings are empty afterwards. */
void net_teach(struct net *net);

#endif
