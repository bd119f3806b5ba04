// SPDX-License-Identifier: BSD-2-Clause
// pktloom's own headers, as C++, against netmap's layouts and numbers. The calls of netmap_user.h
// are compiled too: they must be valid C++ as well.
#define NETMAP_WITH_LIBS
#include <pktloom/compat/net/netmap_user.h>

#include "abi_assert.h"

int main()
{
	return 0;
}
