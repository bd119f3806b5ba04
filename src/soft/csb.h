/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * CSB mode: head, cur and tail of the bound rings are exchanged through two arrays in the program's
 * memory instead of the ring headers, and a sync loop (kloop.h) takes the place of sync calls. There is
 * an entry per bound ring, TX rings first.
 *
 *      program                                          sync loop
 *   slots, cur, then head ── atok[i] ──────────► csb_read(), sync
 *   tail, then hwcur      ◄───────── ktoa[i] ──  csb_publish()
 *
 * The arrays are the program's to keep mapped while a loop runs.
 */
#ifndef SOFT_CSB_H
#define SOFT_CSB_H

#include <stdint.h>

#include <pktloom/compat/net/netmap.h>

struct soft;

/** Of one descriptor; atok NULL: it is not in CSB mode. */
struct csb {
	struct nm_csb_atok *atok;
	struct nm_csb_ktoa *ktoa;
};

/**
 * Put a bound descriptor into CSB mode, or move it to other arrays, and fill them in. Sets the
 * option's status.
 *
 * @return 0; -ENXIO not bound; -EBUSY a loop runs; -EINVAL not bound exclusively, or an array is not
 *         aligned to its entries; -EFAULT an array is not there
 */
int csb_enable(struct soft *soft, struct nmreq_opt_csb *option);

/** CSB_ENABLE: the same as a request of its own. */
int csb_control(struct soft *soft, const struct nmreq_header *header);

/** What the program wants: its head, and its cur. Unchecked. */
static inline uint32_t csb_read(const struct nm_csb_atok *atok, uint32_t *cur)
{
	/*
	 * Pairs with the barrier before the program's store of head: its slots, and a cur at least as
	 * new as this head, are visible. Sequentially consistent for the look before a sleep: see
	 * allow_kicks() in kloop.c.
	 */
	uint32_t head = __atomic_load_n(&atok->head, __ATOMIC_SEQ_CST);

	*cur = __atomic_load_n(&atok->cur, __ATOMIC_RELAXED);
	return head;
}

/** Where the device is. A cache line that says so already is left alone. */
static inline void csb_publish(struct nm_csb_ktoa *ktoa, uint32_t hwcur, uint32_t hwtail)
{
	if (__atomic_load_n(&ktoa->hwcur, __ATOMIC_RELAXED) != hwcur)
		__atomic_store_n(&ktoa->hwcur, hwcur, __ATOMIC_RELAXED);
	/*
	 * Releases hwcur and the slots to the program's load of hwtail. Sequentially consistent for
	 * notify() in kloop.c.
	 */
	if (__atomic_load_n(&ktoa->hwtail, __ATOMIC_RELAXED) != hwtail)
		__atomic_store_n(&ktoa->hwtail, hwtail, __ATOMIC_SEQ_CST);
}

#endif
