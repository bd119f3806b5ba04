/* SPDX-License-Identifier: BSD-2-Clause */
/* What this process has of the system's resources, and a private place for shared objects. */
#ifndef COST_SUPPORT_H
#define COST_SUPPORT_H

#include <stddef.h>

/** PKTLOOM_DIR becomes a fresh directory; the teardown fails if it was not left empty. cmocka's. */
int private_dir_setup(void **state);
int private_dir_teardown(void **state);

/** Entries of a directory, "." and ".." not counted; PKTLOOM_DIR's for NULL. */
size_t count_entries(const char *path);

/** Open descriptors of this process. */
size_t count_descriptors(void);

/** Mappings of this process. */
size_t count_mappings(void);

/** A field of /proc/self/smaps_rollup ("Rss", "Pss"), in bytes. */
size_t resident_bytes(const char *field);

#endif
