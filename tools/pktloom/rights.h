/* SPDX-License-Identifier: BSD-2-Clause */
/* Whether starting a program changes a user's rights, which shuts out preloaded libraries. */
#ifndef RIGHTS_H
#define RIGHTS_H

/**
 * NULL: whoever starts the program keeps the rights that he has. Otherwise what changes them: "is
 * set-uid", "is set-gid", "has file capabilities". A file that cannot be asked changes nothing.
 */
const char *rights_changed_by(const char *path);

#endif
