/* SPDX-License-Identifier: BSD-2-Clause */
/* The switch's table of ports. Changes are made with the directory of the share locked. */
#ifndef SOFT_PORTS_SWITCH_TABLE_H
#define SOFT_PORTS_SWITCH_TABLE_H

#include <limits.h>

#include "../share.h"
#include "switch_shared.h"

/** "valeS:p" → "valeS"; -ENOMEM, as the module answers, if it is no such name. */
int switch_name_split(const char *name, char key[SWITCH_KEY_MAX]);

/** Give a new object its size and header. */
int switch_table_create(const struct share *share);

/** Map the table of an object that has one; out is of sizeof(struct switch_table). */
int switch_table_map(const struct share *share, const char *key, struct switch_table **out);
void switch_table_unmap(struct switch_table *table);

uint32_t switch_table_generation(const struct switch_table *table, uint32_t number);

/** The number of the port of that name, live or kept; 0: none. */
uint32_t switch_table_find(const struct switch_table *table, const char *name);

/** Whether the number stands for a port, live or kept. */
bool switch_table_is_used(const struct switch_table *table, uint32_t number);

/** A number that is not used and not locked; 0: none. */
uint32_t switch_table_vacant(const struct share *share, const struct switch_table *table);

/** A copy of a port's name that ends, whatever another process wrote. */
void switch_table_name(
    const struct switch_table *table, uint32_t number, char out[SWITCH_NAME_MAX]);

/** Length of a port's virtio-net header: 0, 10 or 12. */
uint32_t switch_table_header(const struct switch_table *table, uint32_t number);

/** The port's memory is about to be made: should we be killed, the next sweep removes it. 0: it was not. */
void switch_table_announce(struct switch_table *table, uint32_t number);

/** The port's memory is laid out: let others see it. */
void switch_table_enter(struct switch_table *table, uint32_t number, const char *name);

/** Forget a port, its addresses and its files. */
void switch_table_leave(const struct share *share, struct switch_table *table, uint32_t number);

/** Forget the ports whose process has died; `own`: a number that is not to be looked at, or 0. */
void switch_table_sweep(const struct share *share, struct switch_table *table, uint32_t own);

/** Name of the memory of a port that is there or about to come, and of a wakeup of it. */
void switch_part_name(
    const struct share *share, uint32_t number, uint32_t generation, char out[NAME_MAX + 32]);
void switch_wake_name(const struct share *share, uint32_t number, uint32_t generation,
    uint32_t ring, char out[NAME_MAX + 32]);

#endif
