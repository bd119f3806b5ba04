/* SPDX-License-Identifier: BSD-2-Clause */
/* Looking at switches, and changing how their ports are, from outside. */
#include "switch_control.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "../../base/error.h"
#include "switch_forward.h"
#include "switch_table.h"

#define SWITCHES_MAX 1024u

/* ---- a switch that is there, locked against changes ---- */

struct visit {
	struct share share;
	struct switch_table *table;
};

/* -ENOENT, without a message: there is none. */
static int visit_begin(struct visit *visit, const char *directory, const char *key)
{
	int err = share_open_existing(&visit->share, directory, key);

	if (err)
		return err;
	err = switch_table_map(&visit->share, key, &visit->table);
	if (err) {
		share_close(&visit->share);
		return err;
	}
	switch_table_sweep(&visit->share, visit->table, 0);
	return 0;
}

static void visit_end(struct visit *visit)
{
	switch_table_unmap(visit->table);
	share_close(&visit->share);
}

/* The switch of a port name, and the port's number, 0 if there is none. */
static int visit_port(
    struct visit *visit, const char *directory, const char *name, uint32_t *number)
{
	char key[SWITCH_KEY_MAX];
	int err = switch_name_split(name, key) != 0 ? -ENOENT : visit_begin(visit, directory, key);

	if (!err)
		*number = switch_table_find(visit->table, name);
	return err;
}

static int no_such_port(const char *name)
{
	return error_set(-ENXIO, "there is no switch port \"%s\"", name);
}

/* ---- list ---- */

struct keys {
	unsigned n;
	char (*at)[SWITCH_KEY_MAX];
};

static int collect_key(void *arg, const char *key)
{
	struct keys *keys = arg;
	size_t len = strlen(key);

	if (strncmp(key, NM_BDG_NAME, strlen(NM_BDG_NAME)) != 0 || len >= SWITCH_KEY_MAX ||
	    strpbrk(key, "{}%"))
		return 0; /* a pipe's, or nothing that a switch can be called */
	memcpy(keys->at[keys->n++], key, len + 1);
	return keys->n == SWITCHES_MAX;
}

static int compare_keys(const void *a, const void *b)
{
	return strcmp(a, b);
}

/* All switches by name: a switch's index is its place in this order. */
static int keys_get(struct keys *keys, const char *directory)
{
	int err;

	*keys = (struct keys){.at = calloc(SWITCHES_MAX, sizeof *keys->at)};
	if (!keys->at)
		return error_set(-ENOMEM, "out of memory for a list of switches");
	err = share_each(directory, collect_key, keys);
	if (err < 0) {
		free(keys->at);
		return err;
	}
	qsort(keys->at, keys->n, sizeof *keys->at, compare_keys);
	return 0;
}

static int index_of(const struct keys *keys, const char *key)
{
	for (unsigned i = 0; i < keys->n; i++)
		if (strcmp(keys->at[i], key) == 0)
			return (int)i;
	return -ENOENT;
}

static int list_named(
    const struct keys *keys, const char *directory, const char *name, struct nmreq_vale_list *list)
{
	char key[SWITCH_KEY_MAX];
	struct visit visit;
	uint32_t number;
	int index;

	if (strncmp(name, NM_BDG_NAME, strlen(NM_BDG_NAME)) != 0)
		return error_set(-EINVAL, "\"%s\" is not the name of a switch port", name);
	index = switch_name_split(name, key) != 0 ? -ENOENT : index_of(keys, key);
	if (index < 0 || visit_port(&visit, directory, name, &number) != 0)
		return error_set(-ENOENT, "there is no switch for \"%s\"", name);
	list->nr_bridge_idx = (uint16_t)index;
	list->nr_port_idx = number ? number : SWITCH_NO_PORT;
	visit_end(&visit);
	return 0;
}

/* The first port of one switch from `from` on; false if there is none. */
static bool list_within(const char *key, const char *directory, uint32_t from,
    struct nmreq_vale_list *list, char name[NETMAP_REQ_IFNAMSIZ])
{
	struct visit visit;
	uint32_t number = from;
	bool found;

	if (visit_begin(&visit, directory, key) != 0)
		return false;
	while (number <= SWITCH_PORTS && !switch_table_is_used(visit.table, number))
		number++;
	found = number <= SWITCH_PORTS;
	if (found) {
		memset(name, 0, NETMAP_REQ_IFNAMSIZ);
		switch_table_name(visit.table, number, name);
		list->nr_port_idx = number;
	}
	visit_end(&visit);
	return found;
}

static int list_next(const struct keys *keys, const char *directory, struct nmreq_vale_list *list,
    char name[NETMAP_REQ_IFNAMSIZ])
{
	uint32_t from = list->nr_port_idx;

	for (unsigned i = list->nr_bridge_idx; i < keys->n; i++, from = 0)
		if (list_within(keys->at[i], directory, from, list, name)) {
			list->nr_bridge_idx = (uint16_t)i;
			return 0;
		}
	return error_set(-ENOENT, "there are no further switch ports");
}

int switch_list(const char *directory, char name[NETMAP_REQ_IFNAMSIZ], struct nmreq_vale_list *list)
{
	struct keys keys;
	int err = keys_get(&keys, directory);

	if (err)
		return err;
	if (name[0])
		err = list_named(&keys, directory, name, list);
	else
		err = list_next(&keys, directory, list, name);
	free(keys.at);
	return err;
}

/* ---- header lengths ---- */

int switch_header_set(const char *directory, const char *name, uint32_t len)
{
	struct visit visit;
	uint32_t number;

	if (len != 0 && len != 10 && len != 12)
		return error_set(
		    -EINVAL, "a virtio-net header has 10 or 12 bytes, or 0 for none, not %u", len);
	if (visit_port(&visit, directory, name, &number) != 0)
		return no_such_port(name);
	if (number)
		__atomic_store_n(
		    &visit.table->entries[number].header_len, (uint16_t)len, __ATOMIC_RELAXED);
	visit_end(&visit);
	return number ? 0 : no_such_port(name);
}

int switch_header_get(const char *directory, const char *name, uint32_t *len)
{
	struct visit visit;
	uint32_t number;

	if (visit_port(&visit, directory, name, &number) != 0)
		return no_such_port(name);
	if (number)
		*len = switch_table_header(visit.table, number);
	visit_end(&visit);
	return number ? 0 : no_such_port(name);
}

uint32_t switch_header_of(const struct port *port)
{
	const struct switch_port *sw = port->state;

	return switch_table_header(sw->view->table, sw->number);
}

/* ---- information ---- */

static int info_read(const struct visit *visit, uint32_t number, struct nmreq_port_info_get *info)
{
	uint32_t generation = switch_table_generation(visit->table, number);
	struct switch_target *target;
	int err = switch_is_live(generation)
		      ? switch_target_map(&visit->share, number, generation, &target)
		      : -ENXIO;

	if (err)
		return err;
	*info = (struct nmreq_port_info_get){
	    .nr_memsize = target->region_size,
	    .nr_tx_slots = target->shape.tx_slots,
	    .nr_rx_slots = target->shape.rx_slots,
	    .nr_tx_rings = (uint16_t)target->shape.tx_rings,
	    .nr_rx_rings = (uint16_t)target->shape.rx_rings,
	};
	switch_target_free(target);
	return 0;
}

int switch_info(const char *directory, const char *name, struct nmreq_port_info_get *info)
{
	struct visit visit;
	uint32_t number;
	int err;

	if (visit_port(&visit, directory, name, &number) != 0)
		return no_such_port(name);
	err = number ? info_read(&visit, number, info) : -ENXIO;
	visit_end(&visit);
	return err ? no_such_port(name) : 0;
}
