/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Persistent ports: objects that outlive their users. They hold a shape and the name of the switch that
 * they are attached to; rings and buffers are made anew whenever one is opened, as for other ports. Open
 * but not attached, such a port is alone on a switch of its own, whose name no other port can have.
 */
#include "switch_kept.h"

#include <errno.h>
#include <net/if.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "../../base/error.h"
#include "../soft.h"
#include "switch_control.h"
#include "switch_table.h"

#define KEPT_MAGIC 0x7470656b77736b70ull
#define KEPT_END   0u

/* The content of a persistent port's object. */
struct kept {
	uint64_t magic;
	uint32_t abi;
	uint32_t tx_rings, rx_rings;
	uint32_t tx_slots, rx_slots;
	char attached[SWITCH_KEY_MAX]; /* the switch's name; "": to none */
};

struct kept_key {
	char text[NETMAP_REQ_IFNAMSIZ + 8];
};

static struct kept_key kept_key(const char *name)
{
	struct kept_key key;

	snprintf(key.text, sizeof key.text, "if:%s", name);
	return key;
}

static const char *after_colon(const char *name)
{
	const char *colon = strchr(name, ':');

	return colon ? colon + 1 : name;
}

static int kept_read(const struct share *share, struct kept *kept)
{
	if (pread(share->fd, kept, sizeof *kept, 0) != sizeof *kept || kept->magic != KEPT_MAGIC ||
	    kept->abi != SWITCH_ABI)
		return error_set(
		    -EPROTO, "%s is not a persistent port of this version of pktloom", share->file);
	kept->attached[SWITCH_KEY_MAX - 1] = 0;
	return 0;
}

static int kept_write(const struct share *share, const struct kept *kept)
{
	if (pwrite(share->fd, kept, sizeof *kept, 0) == sizeof *kept)
		return 0;
	return error_set(-errno, "cannot write %s: %s", share->file, strerror(errno));
}

/* The object of a persistent port, for nobody else until it is closed; the directory is not locked. */
static int kept_open(
    struct share *share, struct kept *kept, const char *directory, const char *name)
{
	int err = share_open_existing(share, directory, kept_key(name).text);

	if (err)
		return err;
	err = share_take(share, KEPT_END);
	if (err == -EAGAIN)
		err = error_set(-EBUSY, "the persistent port \"%s\" is open", name);
	if (!err)
		err = kept_read(share, kept);
	if (err)
		share_close(share);
	else
		share_ready(share);
	return err;
}

/* ---- creating and removing ---- */

static bool is_valid_name(const char *name)
{
	static const char letters[] =
	    "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.-";
	size_t len = strlen(name);

	return len > 0 && len < SWITCH_KEY_MAX && strspn(name, letters) == len &&
	       strncmp(name, NM_BDG_NAME, strlen(NM_BDG_NAME)) != 0;
}

static uint32_t or_default(uint32_t value, uint32_t fallback, uint32_t most)
{
	if (value == 0)
		return fallback;
	return value < most ? value : most;
}

static void shape_complete(struct nmreq_vale_newif *request)
{
	request->nr_tx_slots = or_default(request->nr_tx_slots, SOFT_SLOTS_DEFAULT, SOFT_SLOTS_MAX);
	request->nr_rx_slots = or_default(request->nr_rx_slots, SOFT_SLOTS_DEFAULT, SOFT_SLOTS_MAX);
	request->nr_tx_rings = (uint16_t)or_default(request->nr_tx_rings, 1, SWITCH_RINGS);
	request->nr_rx_rings = (uint16_t)or_default(request->nr_rx_rings, 1, SWITCH_RINGS);
}

int switch_kept_create(const char *directory, const char *name, struct nmreq_vale_newif *request)
{
	struct kept kept = {.magic = KEPT_MAGIC, .abi = SWITCH_ABI};
	struct share share;
	int err;

	if (!is_valid_name(name))
		return error_set(-EINVAL, "\"%s\" cannot be the name of a persistent port", name);
	if (if_nametoindex(name) != 0)
		return error_set(-EEXIST, "there is an interface \"%s\" already", name);
	shape_complete(request);
	kept.tx_slots = request->nr_tx_slots;
	kept.rx_slots = request->nr_rx_slots;
	kept.tx_rings = request->nr_tx_rings;
	kept.rx_rings = request->nr_rx_rings;
	err = share_open(&share, directory, kept_key(name).text, SHARE_NO_END);
	if (err)
		return err;
	if (!share.created)
		err = error_set(-EEXIST, "there is a persistent port \"%s\" already", name);
	if (!err)
		err = kept_write(&share, &kept);
	if (!err)
		err = share_keep(&share, true);
	share_close(&share);
	return err;
}

int switch_kept_remove(const char *directory, const char *name)
{
	struct kept kept;
	struct share share;
	int err = kept_open(&share, &kept, directory, name);

	if (err == -ENOENT)
		return error_set(-ENXIO, "there is no persistent port \"%s\"", name);
	if (err)
		return err;
	if (kept.attached[0])
		err = error_set(
		    -EBUSY, "\"%s\" is attached to the switch \"%s\"", name, kept.attached);
	else
		err = share_keep(&share, false);
	share_close(&share);
	return err;
}

bool switch_kept_exists(const char *directory, const char *name)
{
	return share_exists(directory, kept_key(name).text);
}

bool switch_kept_attached(const char *directory, const char *name, char *out, size_t size)
{
	struct share share;
	struct kept kept;
	bool attached;

	if (!switch_kept_exists(directory, name) ||
	    share_open_existing(&share, directory, kept_key(name).text) != 0)
		return false;
	attached = kept_read(&share, &kept) == 0 && kept.attached[0];
	share_ready(&share);
	share_close(&share);
	if (attached)
		snprintf(out, size, "%s:%s", kept.attached, name);
	return attached;
}

/* ---- attaching ---- */

/* A switch object that has kept ports is itself kept. */
static bool keeps_any(const struct switch_table *table)
{
	for (uint32_t number = 1; number <= SWITCH_PORTS; number++)
		if (table->entries[number].kept)
			return true;
	return false;
}

static int entry_reserve(
    const struct share *share, struct switch_table *table, const char *name, uint32_t *number)
{
	struct switch_entry *entry;

	switch_table_sweep(share, table, 0);
	if (switch_table_find(table, name))
		return error_set(-EBUSY, "the switch has a port \"%s\" already", name);
	*number = switch_table_vacant(share, table);
	if (*number == 0)
		return error_set(-ENOMEM, "the switch has %u ports already", SWITCH_PORTS);
	entry = &table->entries[*number];
	snprintf(entry->name, SWITCH_NAME_MAX, "%s", name);
	__atomic_store_n(&entry->header_len, 0, __ATOMIC_RELAXED);
	__atomic_store_n(&entry->kept, 1, __ATOMIC_RELAXED);
	return share_keep(share, true);
}

static int table_reserve(const char *directory, const char *key, const char *name, uint32_t *number)
{
	struct switch_table *table;
	struct share share;
	int err = share_open(&share, directory, key, SHARE_NO_END);

	if (err)
		return err;
	if (share.created)
		err = switch_table_create(&share);
	if (!err)
		err = switch_table_map(&share, key, &table);
	if (!err) {
		err = entry_reserve(&share, table, name, number);
		switch_table_unmap(table);
	}
	share_close(&share);
	return err;
}

static int table_unreserve(
    const char *directory, const char *key, const char *name, uint32_t *number)
{
	struct switch_table *table;
	struct share share;
	int err = share_open_existing(&share, directory, key);

	if (err)
		return err == -ENOENT ? 0 : err;
	err = switch_table_map(&share, key, &table);
	if (!err) {
		*number = switch_table_find(table, name);
		if (*number)
			__atomic_store_n(&table->entries[*number].kept, 0, __ATOMIC_RELAXED);
		if (!keeps_any(table))
			err = share_keep(&share, false);
		switch_table_unmap(table);
	}
	share_close(&share);
	return err;
}

/* The port says first where it is going, so that it cannot be removed while its place stays reserved. */
static int attach(const struct share *share, struct kept *kept, const char *directory,
    const char *key, const char *name, uint32_t *number)
{
	int err;

	if (kept->attached[0])
		return error_set(-EBUSY, "\"%s\" is attached to the switch \"%s\"",
		    after_colon(name), kept->attached);
	snprintf(kept->attached, SWITCH_KEY_MAX, "%s", key);
	err = kept_write(share, kept);
	if (!err)
		err = table_reserve(directory, key, name, number);
	if (err) {
		kept->attached[0] = 0;
		kept_write(share, kept);
	}
	return err;
}

int switch_kept_attach(const char *directory, const char *name, uint32_t *number)
{
	char key[SWITCH_KEY_MAX];
	struct kept kept;
	struct share share;
	int err = switch_name_split(name, key);

	if (!err)
		err = kept_open(&share, &kept, directory, after_colon(name));
	if (err == -ENOENT)
		return error_set(-EINVAL, "there is nothing called \"%s\" to attach", name);
	if (err)
		return err;
	err = attach(&share, &kept, directory, key, name, number);
	share_close(&share);
	return err;
}

int switch_kept_detach(const char *directory, const char *name, uint32_t *number)
{
	char key[SWITCH_KEY_MAX];
	struct kept kept;
	struct share share;
	int err = switch_name_split(name, key) != 0
		      ? -ENOENT
		      : kept_open(&share, &kept, directory, after_colon(name));

	if (err == -ENOENT)
		return error_set(-ENXIO, "\"%s\" is not attached", name);
	if (err)
		return err;
	if (strcmp(kept.attached, key) != 0)
		err = error_set(-ENXIO, "\"%s\" is not attached", name);
	if (!err)
		err = table_unreserve(directory, key, name, number);
	if (!err) {
		kept.attached[0] = 0;
		err = kept_write(&share, &kept);
	}
	share_close(&share);
	return err;
}

/* ---- opening ---- */

static void shape_adopt(struct port_request *request, const struct kept *kept)
{
	request->tx_rings = or_default(kept->tx_rings, 1, SWITCH_RINGS);
	request->rx_rings = or_default(kept->rx_rings, 1, SWITCH_RINGS);
	request->tx_slots = or_default(kept->tx_slots, SOFT_SLOTS_DEFAULT, SOFT_SLOTS_MAX);
	request->rx_slots = or_default(kept->rx_slots, SOFT_SLOTS_DEFAULT, SOFT_SLOTS_MAX);
}

/* The persistent port of that name, if there is one; its shape counts. */
static int adopt(
    struct port_request *request, const char *name, struct switch_admission *out, struct kept *kept)
{
	int err;

	if (!switch_kept_exists(request->directory, name))
		return 0;
	err = kept_open(&out->kept, kept, request->directory, name);
	if (err)
		return err == -ENOENT ? 0 : err;
	out->is_kept = true;
	shape_adopt(request, kept);
	return 0;
}

/* "valeS:p": p may be a persistent port, but not one that belongs to another switch. */
static int admit_member(struct port_request *request, struct switch_admission *out)
{
	struct kept kept = {.attached = ""};
	int err = switch_name_split(request->name, out->key);

	if (!err)
		err = adopt(request, after_colon(request->name), out, &kept);
	if (!err && kept.attached[0] && strcmp(kept.attached, out->key) != 0)
		err = error_set(-EBUSY, "\"%s\" is attached to the switch \"%s\"",
		    after_colon(request->name), kept.attached);
	snprintf(out->name, sizeof out->name, "%s", request->name);
	return err;
}

/* A plain name: a persistent port, on its switch or alone. */
static int admit_plain(struct port_request *request, struct switch_admission *out)
{
	struct kept kept = {.attached = ""};
	int err = adopt(request, request->name, out, &kept), len;

	if (err)
		return err;
	if (!out->is_kept)
		return error_set(-ENXIO, "there is no persistent port \"%s\"", request->name);
	if (!kept.attached[0]) {
		snprintf(out->key, sizeof out->key, "alone:%s", request->name);
		snprintf(out->name, sizeof out->name, "%s", request->name);
		return 0;
	}
	snprintf(out->key, sizeof out->key, "%s", kept.attached);
	len = snprintf(out->name, sizeof out->name, "%s:%s", kept.attached, request->name);
	return len < (int)sizeof out->name
		   ? 0
		   : error_set(-EPROTO, "\"%s\" says that it is attached where it cannot be",
			 request->name);
}

int switch_admit(struct port_request *request, struct switch_admission *out)
{
	bool member = strncmp(request->name, NM_BDG_NAME, strlen(NM_BDG_NAME)) == 0;
	int err;

	*out = (struct switch_admission){.is_kept = false};
	err = member ? admit_member(request, out) : admit_plain(request, out);
	if (err)
		switch_dismiss(out);
	return err;
}

void switch_dismiss(struct switch_admission *admission)
{
	if (admission->is_kept)
		share_close(&admission->kept);
	admission->is_kept = false;
}
