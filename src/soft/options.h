/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The options of a request. Which options there are, and to which requests each belongs, is a table
 * in options.c; a new one is a row there, a parse function and a member here.
 */
#ifndef SOFT_OPTIONS_H
#define SOFT_OPTIONS_H

#include "../device/device.h"

/**
 * What was asked for; NULL: was not. The options are the caller's memory, which nobody else writes:
 * the preload library hands over a copy of its program's.
 */
struct soft_options {
	const struct device_opt_soft *soft;
	struct nmreq_opt_csb *csb;
	struct nmreq_opt_sync_kloop_eventfds *eventfds;
	const struct nmreq_opt_sync_kloop_mode *mode;
	struct nmreq_opt_offsets *offsets;
	struct nmreq_opt_extmem *extmem;
};

/**
 * Go through a request's list of options and give each its nro_status: 0, or why it cannot be served,
 * EOPNOTSUPP for one that is unknown or belongs to another request. Whether its values suit the port
 * is for the request to find out; it sets the status anew if not.
 *
 * @return 0, or the error of the last option that was refused
 */
int soft_options_read(const struct nmreq_header *header, struct soft_options *out);

#endif
