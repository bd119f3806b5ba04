/* SPDX-License-Identifier: BSD-2-Clause */
/* Persistent ports as the port kind sees them; switch_control.h has the requests about them. */
#ifndef SOFT_PORTS_SWITCH_KEPT_H
#define SOFT_PORTS_SWITCH_KEPT_H

#include "../port.h"
#include "../share.h"
#include "switch_shared.h"

/** A port's way into a switch. */
struct switch_admission {
	char key[SWITCH_KEY_MAX + 8]; /* of the switch's object */
	char name[SWITCH_NAME_MAX];   /* in its table */
	bool is_kept;
	struct share kept; /* of a persistent port, held while it is open */
};

/**
 * Find out what a name stands for: a port of a switch, or a persistent port. The latter's shape is
 * written to the request, and nobody else can open it until it is let go.
 */
int switch_admit(struct port_request *request, struct switch_admission *out);
void switch_dismiss(struct switch_admission *admission);

#endif
