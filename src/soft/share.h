/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Objects that processes find by name: files in one directory per user (mode 0700).
 *
 *   DIR/loom-KEY     the object's memory, a plain file
 *   DIR/loom-KEY.…   its wakeups, FIFOs, made when somebody first sleeps, and further memory
 *
 * Every user holds a shared lock on byte 0 of the object, and an exclusive one on byte 1 + end for
 * the end it has taken; ends are numbered. Locks die with their process, so an object nobody has locked is dead,
 * whatever happened to its users; whoever next opens or closes anything in the directory removes it (where
 * there are many, some of them).
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
/** Lock the directory, to look around and for share_open_within(); for a short time. */
int share_enter(struct share *share, const char *directory);
void share_leave(struct share *share);

/** Remove what is dead, as opening and closing do; the directory is locked. */
void share_sweep(const struct share *share);

/**
 * Open, or create, another object while `outer` keeps the same directory locked; no end is taken, and
 * share_ready() is outer's. One that is dead is made anew. -ENOENT (and no message) without create if there is none.
 */
int share_open_within(struct share *share, const struct share *outer, const char *key, bool create);

/** Let go of a share_open_within() that came to nothing; its outer share is still locked. */
void share_drop(struct share *share);

/** Take an end after SHARE_NO_END, before share_ready(); -EAGAIN if it is taken. */
int share_take(struct share *share, unsigned end);

/** Whether another share has that end: 1, 0, or a negative errno. */
int share_end_held(const struct share *share, unsigned end);

/**
 * Another descriptor of the object, to map it through: a mapping keeps the description that it was
 * made with alive, and with that its locks, so share.fd itself must never be mapped.
 */
int share_reopen(const struct share *share);

/** The key that its name spells. */
void share_key(const struct share *share, char *out, size_t size);

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

/**
 * Call look with the key of every object whose key begins with prefix, until it returns something else
 * than 0; dead ones may be among them.
 * @return the last result of look
 */
int share_scan(int dirfd, const char *prefix, int (*look)(void *arg, const char *key), void *arg);

/**
 * Become a user by descriptors that another process passed on: of the directory and of the object, with
 * the locks that its open file holds. Both are taken over, also on failure.
 */
int share_adopt(struct share *share, int dirfd, int fd, const char *file, unsigned end);

/**
 * Whether nobody else has the end that this share has, by a descriptor that was inherited or passed on. The
 * directory is locked.
 */
bool share_end_is_mine(struct share *share);

/** Let go; the last user removes the object. Also undoes a share_open() that was not made ready. */
void share_close(struct share *share);

#endif
