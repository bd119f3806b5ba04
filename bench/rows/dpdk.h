/* SPDX-License-Identifier: BSD-2-Clause */
/* DPDK without huge pages, devices, or files of its own: what any machine allows. */
#ifndef BENCH_DPDK_H
#define BENCH_DPDK_H

#include <rte_mbuf.h>

/** Start DPDK in this process for one core. device: a --vdev argument, or NULL. Skips if it cannot. */
void dpdk_start(unsigned side, const char *device);

/** Buffers, with a cache for each thread that takes or gives them. */
struct rte_mempool *dpdk_pool(void);

#endif
