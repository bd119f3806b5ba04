/* SPDX-License-Identifier: BSD-2-Clause */
/* Putting a descriptor into CSB mode. */
#include "csb.h"

#include <errno.h>

#include "../base/error.h"
#include "../os/safe_copy.h"
#include "options.h"
#include "soft.h"

static bool is_aligned(uint64_t address, size_t to)
{
	return address % to == 0;
}

static int check(const struct soft *soft, const struct nmreq_opt_csb *option)
{
	if (!soft->port)
		return error_set(-ENXIO, "CSB mode: the descriptor is not bound to a port");
	if (kloop_is_running(&soft->kloop))
		return error_set(-EBUSY,
		    "CSB mode: a sync loop is using the arrays of \"%s\"; stop it first",
		    soft->port->name);
	if (!(soft->flags & NR_EXCLUSIVE))
		return error_set(-EINVAL, "CSB mode: \"%s\" has to be bound with NR_EXCLUSIVE",
		    soft->port->name);
	if (!is_aligned(option->csb_atok, sizeof(struct nm_csb_atok)) ||
	    !is_aligned(option->csb_ktoa, sizeof(struct nm_csb_ktoa)))
		return error_set(-EINVAL,
		    "CSB mode: the arrays for \"%s\" are not aligned to their entries",
		    soft->port->name);
	return 0;
}

/* An address that the program gave: a number until it has proved to be memory. */
static void *entry_at(uint64_t array, uint64_t size, uint32_t i)
{
	return (void *)(uintptr_t)(array + size * i);
}

/* One entry each way says where the ring stands; both sides want to be told. False: no such memory. */
static bool entry_fill(const struct nmreq_opt_csb *option, uint32_t i, const struct ring *r)
{
	const struct nm_csb_atok atok = {
	    .head = r->rhead, .cur = r->rcur, .appl_need_kick = 1, .sync_flags = 1};
	const struct nm_csb_ktoa ktoa = {
	    .hwcur = r->hwcur, .hwtail = r->hwtail, .kern_need_kick = 1};

	return os_safe_write(entry_at(option->csb_atok, sizeof atok, i), &atok, sizeof atok) &&
	       os_safe_write(entry_at(option->csb_ktoa, sizeof ktoa, i), &ktoa, sizeof ktoa);
}

static int fill(const struct soft *soft, const struct nmreq_opt_csb *option)
{
	const struct port *port = soft->port;
	uint32_t n = 0;
	bool there = true;

	for (uint32_t i = soft->tx.first; i < soft->tx.end && there; i++)
		there = entry_fill(option, n++, &port->tx[i]);
	for (uint32_t i = soft->rx.first; i < soft->rx.end && there; i++)
		there = entry_fill(option, n++, &port->rx[i]);
	return there
		   ? 0
		   : error_set(-EFAULT, "CSB mode: no memory of the program at entry %u for \"%s\"",
			 n - 1, port->name);
}

static bool has_rings(const struct soft *soft)
{
	return soft->tx.first < soft->tx.end || soft->rx.first < soft->rx.end;
}

static int enable(struct soft *soft, const struct nmreq_opt_csb *option)
{
	int err = check(soft, option);

	if (err || !has_rings(soft)) /* as the module: nothing to do, and nobody to refuse */
		return err;
	err = kloop_prepare(&soft->kloop);
	if (!err)
		err = fill(soft, option);
	if (!err)
		soft->csb = (struct csb){.atok = (void *)(uintptr_t)option->csb_atok,
		    .ktoa = (void *)(uintptr_t)option->csb_ktoa};
	return err;
}

int csb_enable(struct soft *soft, struct nmreq_opt_csb *option)
{
	int err;

	registry_lock();
	err = enable(soft, option);
	registry_unlock();
	option->nro_opt.nro_status = (uint32_t)-err;
	return err;
}

int csb_control(struct soft *soft, const struct nmreq_header *header)
{
	struct soft_options options;
	int err = soft_options_read(header, &options);

	if (err)
		return err;
	if (!options.csb)
		return error_set(
		    -EINVAL, "CSB_ENABLE without the option that says where the arrays are");
	return csb_enable(soft, options.csb);
}
