/* SPDX-License-Identifier: BSD-2-Clause */
/* netmap without a library: open, ioctl, mmap. */
#ifndef CLASSIC_RAW_H
#define CLASSIC_RAW_H

/* What the headers of other systems need before them. */
#include <net/if.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/time.h>
#include <sys/types.h>

#include <net/netmap.h>
#include <net/netmap_user.h>

struct raw {
	int fd;
	void *memory;
	size_t size;
	int own_memory; /* not shared with another descriptor */
	struct nmreq_register reg;
	struct netmap_if *nifp;
	unsigned num_tx, num_rx; /* host rings included */
};

/**
 * Open a port, or, called "@N", take the one that somebody hands us through socket N; ends the program if
 * that fails.
 *
 * @param mode   words with commas between them: all, one=K, sw, nicsw, tx (rings only), rx, excl,
 *               rings=N, host=N, slots=N
 * @param share  NULL, or a descriptor whose mapping is used where the region is the same
 */
void raw_open(struct raw *raw, const char *name, const char *mode, const struct raw *share);
void raw_close(struct raw *raw);

/** Hand it to who reads the other end of a socket. */
void raw_hand(const struct raw *raw, int socket);

/** A bound ring, or NULL. */
struct netmap_ring *raw_tx(const struct raw *raw, unsigned index);
struct netmap_ring *raw_rx(const struct raw *raw, unsigned index);

/** Ways to wait for a ring, and to have it synced. */
enum style { STYLE_IOCTL, STYLE_POLL, STYLE_SELECT };
enum style raw_style(const char *word);

/** One round of it, for sending or receiving. */
void raw_sync(const struct raw *raw, enum style style, int tx);

#endif
