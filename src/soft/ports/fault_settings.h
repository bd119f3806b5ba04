/* SPDX-License-Identifier: BSD-2-Clause */
/* What the name of a fault port asks for: "loss=5,delay=2ms,seed=7@PORT". */
#ifndef PORTS_FAULT_SETTINGS_H
#define PORTS_FAULT_SETTINGS_H

#include <stdint.h>

#include <pktloom/port.h>

#define FAULT_CERTAIN 1000000u /* rates are in millionths: this is every packet */

struct fault_settings {
	uint32_t rate[LOOM_FAULTS]; /* but for LOOM_FAULT_DELAY, which all packets have or none */
	uint64_t delay_ns;
	uint64_t seed;
};

/**
 * Read what follows "fault:". *inner is the port's name in it, behind the first '@'.
 *
 * @return 0; -EINVAL and a message that says which part was not understood
 */
int fault_settings_read(const char *text, struct fault_settings *out, const char **inner);

#endif
