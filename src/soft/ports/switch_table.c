/* SPDX-License-Identifier: BSD-2-Clause */
/* Names, numbers, comings and goings of a switch's ports; the rules are in switch_shared.h. */
#include "switch_table.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../../base/error.h"
#include "../../os/os.h"

/* As the module: the switch's name is made of these, the port's is an interface name, or the host's side of one. */
#define KEY_CHARS  "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_"
#define PORT_CHARS KEY_CHARS ".-"

int switch_name_split(const char *name, char key[SWITCH_KEY_MAX])
{
	const size_t prefix = strlen(NM_BDG_NAME), len = strspn(name, KEY_CHARS);
	const char *port = name + len + 1;
	size_t port_len = name[len] == ':' ? strspn(port, PORT_CHARS) : 0;

	port_len += port_len > 0 && port[port_len] == '^';
	if (strncmp(name, NM_BDG_NAME, prefix) != 0 || len < prefix || len >= SWITCH_KEY_MAX ||
	    name[len] != ':' || strlen(port) >= SWITCH_KEY_MAX || port[port_len] != 0)
		return error_set(-ENOMEM,
		    "\"%s\": a switch port is called valeSWITCH:PORT, with letters, digits and '_' "
		    "(in PORT also '.' and '-', and '^' at its end), each part of %u characters at "
		    "most",
		    name, SWITCH_KEY_MAX - 1);
	memcpy(key, name, len);
	key[len] = 0;
	return 0;
}

int switch_table_create(const struct share *share)
{
	const struct switch_header header = {
	    .magic = SWITCH_TABLE_MAGIC, .abi = SWITCH_ABI, .size = sizeof(struct switch_table)};

	if (ftruncate(share->fd, sizeof(struct switch_table)) != 0 ||
	    pwrite(share->fd, &header, sizeof header, 0) != sizeof header)
		return error_set(-errno, "cannot make %zu bytes of shared memory for a switch: %s",
		    sizeof(struct switch_table), strerror(errno));
	return 0;
}

/* Another program wrote it: believe nothing that does not add up. */
static int table_check(int fd, const char *key)
{
	struct switch_header header;
	struct stat st;

	if (fstat(fd, &st) != 0 || pread(fd, &header, sizeof header, 0) != sizeof header ||
	    header.magic != SWITCH_TABLE_MAGIC)
		return error_set(
		    -EPROTO, "the shared object of \"%s\" is not a switch of pktloom", key);
	if (header.abi != SWITCH_ABI || header.size != sizeof(struct switch_table) ||
	    (uint64_t)st.st_size < sizeof(struct switch_table))
		return error_set(-EPROTO,
		    "\"%s\" was made by a program with switch version %u, this one has %u: all "
		    "must "
		    "use compatible versions of pktloom",
		    key, header.abi, SWITCH_ABI);
	return 0;
}

int switch_table_map(const struct share *share, const char *key, struct switch_table **out)
{
	int fd = share_reopen(share);
	void *table;
	int err = fd < 0 ? fd : table_check(fd, key);

	if (!err) {
		err = os_memory_map(fd, sizeof **out, &table);
		if (err)
			error_format("cannot map the switch \"%s\": %s", key, strerror(-err));
		else
			*out = table;
	}
	if (fd >= 0)
		close(fd);
	return err;
}

void switch_table_unmap(struct switch_table *table)
{
	os_memory_unmap(table, sizeof *table);
}

uint32_t switch_table_generation(const struct switch_table *table, uint32_t number)
{
	/* Pairs with switch_table_enter(): the port's memory is complete. */
	return __atomic_load_n(&table->entries[number].generation, __ATOMIC_ACQUIRE);
}

static bool is_live(const struct switch_table *table, uint32_t number)
{
	return switch_is_live(switch_table_generation(table, number));
}

bool switch_table_is_used(const struct switch_table *table, uint32_t number)
{
	return is_live(table, number) ||
	       __atomic_load_n(&table->entries[number].kept, __ATOMIC_RELAXED);
}

void switch_table_name(const struct switch_table *table, uint32_t number, char out[SWITCH_NAME_MAX])
{
	memcpy(out, table->entries[number].name, SWITCH_NAME_MAX);
	out[SWITCH_NAME_MAX - 1] = 0;
}

uint32_t switch_table_find(const struct switch_table *table, const char *name)
{
	char is[SWITCH_NAME_MAX];

	for (uint32_t number = 1; number <= SWITCH_PORTS; number++) {
		if (!switch_table_is_used(table, number))
			continue;
		switch_table_name(table, number, is);
		if (strcmp(is, name) == 0)
			return number;
	}
	return 0;
}

/*
 * What nobody uses may be locked all the same: by a child that inherited the descriptors of a port that
 * was closed since.
 */
uint32_t switch_table_vacant(const struct share *share, const struct switch_table *table)
{
	for (uint32_t number = 1; number <= SWITCH_PORTS; number++)
		if (!switch_table_is_used(table, number) && share_end_held(share, number - 1) <= 0)
			return number;
	return 0;
}

uint32_t switch_table_header(const struct switch_table *table, uint32_t number)
{
	uint32_t len = __atomic_load_n(&table->entries[number].header_len, __ATOMIC_RELAXED);

	return len == 10 || len == 12 ? len : 0;
}

/* Senders look at the epoch at every sync, and at the entries only when it has moved. */
static void entry_move(struct switch_table *table, uint32_t number)
{
	uint32_t *generation = &table->entries[number].generation;

	__atomic_store_n(generation, *generation + 1, __ATOMIC_RELEASE);
	__atomic_add_fetch(&table->epoch, 1, __ATOMIC_RELEASE);
}

void switch_table_announce(struct switch_table *table, uint32_t number)
{
	__atomic_store_n(&table->coming, number, __ATOMIC_RELAXED);
}

void switch_table_enter(struct switch_table *table, uint32_t number, const char *name)
{
	struct switch_entry *entry = &table->entries[number];

	if (!entry->kept) {
		snprintf(entry->name, SWITCH_NAME_MAX, "%s", name);
		__atomic_store_n(&entry->header_len, 0, __ATOMIC_RELAXED);
	}
	entry_move(table, number);
	switch_table_announce(table, 0);
}

/* Or the next port of that number would get what was meant for this one. */
static void forget_addresses(struct switch_table *table, uint32_t number)
{
	for (uint32_t i = 0; i < SWITCH_MACS; i++) {
		uint64_t mac = __atomic_load_n(&table->macs[i], __ATOMIC_RELAXED);

		if (mac >> 48 == number)
			__atomic_compare_exchange_n(
			    &table->macs[i], &mac, 0, false, __ATOMIC_RELAXED, __ATOMIC_RELAXED);
	}
}

void switch_table_leave(const struct share *share, struct switch_table *table, uint32_t number)
{
	uint32_t generation = switch_table_generation(table, number);
	char name[NAME_MAX + 32];

	/* In this order: whoever is killed on the way leaves an entry that is found again. */
	switch_part_name(share, number, generation, name);
	unlinkat(share->dirfd, name, 0);
	for (uint32_t ring = 0; ring < SWITCH_RINGS; ring++) {
		switch_wake_name(share, number, generation, ring, name);
		unlinkat(share->dirfd, name, 0);
	}
	forget_addresses(table, number);
	entry_move(table, number);
}

/* The memory of a port whose maker was killed before others could see it. */
static void forget_unborn(const struct share *share, struct switch_table *table)
{
	uint32_t number = __atomic_load_n(&table->coming, __ATOMIC_RELAXED);
	char name[NAME_MAX + 32];

	if (number == 0)
		return;
	if (number <= SWITCH_PORTS && !is_live(table, number)) {
		switch_part_name(share, number, switch_table_generation(table, number) + 1, name);
		unlinkat(share->dirfd, name, 0);
	}
	switch_table_announce(table, 0);
}

void switch_table_sweep(const struct share *share, struct switch_table *table, uint32_t own)
{
	forget_unborn(share, table);
	for (uint32_t number = 1; number <= SWITCH_PORTS; number++)
		if (number != own && is_live(table, number) &&
		    share_end_held(share, number - 1) == 0)
			switch_table_leave(share, table, number);
}

void switch_part_name(
    const struct share *share, uint32_t number, uint32_t generation, char out[NAME_MAX + 32])
{
	snprintf(out, NAME_MAX + 32, "%s.%u-%u", share->file, number, generation);
}

void switch_wake_name(const struct share *share, uint32_t number, uint32_t generation,
    uint32_t ring, char out[NAME_MAX + 32])
{
	snprintf(out, NAME_MAX + 32, "%s.%u-%ur%u", share->file, number, generation, ring);
}
