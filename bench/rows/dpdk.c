/* SPDX-License-Identifier: BSD-2-Clause */
#include "dpdk.h"

#include <rte_eal.h>
#include <rte_errno.h>

#include "../bench.h"

#define MBUFS 8191u
#define CACHE 512u /* the most; with less, every burst goes to the pool's own ring */

void dpdk_start(unsigned side, const char *device)
{
	char arguments[][32] = {"bench", "--no-huge", "--no-shconf", "--no-pci", "--no-telemetry",
	    "--log-level=3", "-m", "128", "-l", ""};
	const int fixed = sizeof arguments / sizeof *arguments;
	char vdev[256], *argv[16];
	int argc = 0;

	snprintf(arguments[fixed - 1], sizeof *arguments, "%d", bench_core(side));
	while (argc < fixed) {
		argv[argc] = arguments[argc];
		argc++;
	}
	if (device) {
		snprintf(vdev, sizeof vdev, "--vdev=%s", device);
		argv[argc++] = vdev;
	}
	argv[argc] = NULL;
	if (rte_eal_init(argc, argv) < 0)
		bench_skip("DPDK does not start here: %s", rte_strerror(rte_errno));
}

struct rte_mempool *dpdk_pool(void)
{
	struct rte_mempool *pool =
	    rte_pktmbuf_pool_create("pool", MBUFS, CACHE, 0, RTE_MBUF_DEFAULT_BUF_SIZE, -1);

	if (!pool)
		bench_skip("DPDK has no memory here: %s", rte_strerror(rte_errno));
	return pool;
}
