/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Objects that processes find by name: files in one directory per user (mode 0700).
 *
 *   DIR/loom-KEY     the object's memory, a plain file
 *   DIR/loom-KEY.…   its wakeups, FIFOs, made when somebody first sleeps, and further memory
 *
 * Every user holds a shared lock on byte 0 of the object, and an exclusive one on byte 1 + end for
 * the end it has taken; ends are numbered. Locks die with their process, so an object nobody has locked is dead,
 * whatever happened to its users; whoever next opens or closes anything in the directory removes it.
 * Creating, taking and removing happen under a lock on the directory, held for microseconds.
 */
#ifndef SOFT_SHARE_H
#define SOFT_SHARE_H

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>

#define SHARE_ANY_END (-1) /* 0 or 1 */
#define SHARE_NO_END  (-2)

struct share {
	int dirfd;
	int fd; /* the object's memory */
	unsigned end;
	bool created; /* by this call: it has no size and no content yet */
	char file[NAME_MAX + 1];
};

/**
 * Open or create the object `key` and take one of its ends; the directory stays locked until
 * share_ready(), so that a creator can fill the object unseen.
 *
 * @param directory  NULL: PKTLOOM_DIR from the environment, or the user's own
 * @param end        its number, SHARE_ANY_END for whichever is free of 0 and 1, 0 first, or
 *                   SHARE_NO_END for none yet
 * @return 0; -EBUSY the end is taken; -EPERM the directory is not the user's alone; …
 */
int share_open(struct share *share, const char *directory, const char *key, int end);
void share_ready(const struct share *share);

/** The same for an object that exists, without an end; -ENOENT (and no message) if there is none. */
int share_open_existing(struct share *share, const char *directory, const char *key);

/** A descriptor of the object of that key, without becoming one of its users; no message. */
int share_peek(const struct share *beside, const char *key);

/** Whether the object behind such a descriptor has a user, or that end an owner. */
bool share_is_used(int fd);
bool share_is_owned(int fd, unsigned end);

/** The name of an object's file. */
void share_file_name(const char *key, char out[NAME_MAX + 1]);

/** Take an end after SHARE_NO_END, before share_ready(); -EAGAIN if it is taken. */
int share_take(struct share *share, unsigned end);

/** Whether another share has that end: 1, 0, or a negative errno. */
int share_end_held(const struct share *share, unsigned end);

/**
 * Another descriptor of the object, to map it through: a mapping keeps the description that it was
 * made with alive, and with that its locks, so share.fd itself must never be mapped.
 */
int share_reopen(const struct share *share);

/** Whether the object outlives its users, until somebody says otherwise. */
int share_keep(const struct share *share, bool keep);

/** Whether there is such an object; it may be gone the moment after. */
bool share_exists(const char *directory, const char *key);

/**
 * Call visit with the key, as file names spell it, of every object that lives or is kept, until it
 * returns something else than 0. The directory is locked meanwhile: visit must not open objects.
 * @return the last result of visit, or an error
 */
int share_each(const char *directory, int (*visit)(void *arg, const char *key), void *arg);

/** Let go; the last user removes the object. Also undoes a share_open() that was not made ready. */
void share_close(struct share *share);

/**
 * share_open() and share_close() of an object that has nothing beside its file. They do not look for what is
 * dead, and so cost the same however many objects there are.
 */
int share_open_alone(struct share *share, const char *directory, const char *key, int end);
void share_close_alone(struct share *share);

#endif
