/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * pktloom's own headers, as C, against netmap's layouts and numbers. All of it at compile time.
 * net/netmap.h comes first, because it has to stand alone.
 */
#include <pktloom/compat/net/netmap.h>

#define NETMAP_WITH_LIBS
#include <pktloom/compat/net/netmap_user.h>

/* Programs include these two headers, and call signal() and isdigit(). */
static void netmaps_headers_bring_others_along(void)
{
	(void)signal(SIGINT, SIG_DFL);
	(void)isdigit('0');
}

#include "abi_assert.h"

int main(void)
{
	netmaps_headers_bring_others_along();
	return 0;
}
