/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A system's real netmap headers against the same layouts and numbers: what abi_assert.h says of
 * pktloom's headers is worth something only if it also holds of these. Compiled, never linked, by
 * real_header.sh.
 */
#include <sys/types.h>

#include <sys/ioccom.h>
#include <sys/time.h>

#include <net/if.h>
#include <net/netmap.h>
#include <net/netmap_user.h>

#if defined(NETMAP_OLD_IFNAMSIZ)
#error "this is pktloom's own net/netmap.h, not the system's"
#endif

#include "abi_assert.h"
