/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Regions that processes find by name: objects "mem:ID:NAME" in the directory of shared objects, so that
 * a look at the directory tells which ids are taken.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../base/error.h"
#include "../os/os.h"
#include "region_layout.h"
#include "region_place.h"
#include "soft.h"

#define KEY_PREFIX "mem:"

bool region_shape_is_sane(const struct region_shape *s)
{
	return s->plain <= REGION_AREAS_MAX && s->pairs <= REGION_AREAS_MAX - s->plain &&
	       region_areas(s) > 0 && s->ring_slots >= 1 && s->ring_slots <= SOFT_SLOTS_MAX &&
	       s->buf_size >= SOFT_BUF_MIN && s->buf_size <= SOFT_BUF_MAX &&
	       s->buf_size % SOFT_BUF_UNIT == 0 &&
	       (s->headroom == 0 ||
		   (s->headroom == REGION_HEADROOM && s->buf_size > REGION_HEADROOM)) &&
	       s->num_bufs > REGION_FIRST_BUFFER && s->if_size >= sizeof(struct netmap_if) &&
	       s->if_size % _Alignof(struct netmap_if) == 0 && s->if_size <= 1u << 16;
}

/* Offsets in the file. */
struct file_layout {
	size_t slots, bufs, size;
};

const struct region_shape region_global_shape = {
    .plain = 256,
    .pairs = 192,
    .ring_slots = SOFT_SLOTS_MAX,
    .num_bufs = (1u << 18) + REGION_FIRST_BUFFER,
    .buf_size = SOFT_BUF_DEFAULT,
    .if_size = 1u << 13,
};

static void file_layout_of(const struct region_shape *shape, struct file_layout *out)
{
	out->slots = region_control_bytes(shape);
	out->bufs = out->slots + region_areas(shape) * region_slot_bytes(shape->ring_slots);
	out->size = out->bufs + region_buffer_bytes(shape);
}

/* Another process wrote the file: believe nothing that does not add up. */
static int header_read(int fd, struct region_shape *shape, uint32_t *id, struct file_layout *layout)
{
	struct region_control header;
	const size_t size = offsetof(struct region_control, areas);
	struct stat st;

	if (fstat(fd, &st) != 0 || pread(fd, &header, size, 0) != (ssize_t)size ||
	    header.magic != REGION_MAGIC || header.abi != REGION_ABI ||
	    header.page_size != os_page_size() || header.id == 0 || header.id > UINT16_MAX ||
	    !region_shape_is_sane(&header.shape))
		return -EPROTO;
	file_layout_of(&header.shape, layout);
	if (header.size != layout->size || (uint64_t)st.st_size < layout->size)
		return -EPROTO;
	*shape = header.shape;
	*id = header.id;
	return 0;
}

/* ---- keys ---- */

struct search {
	const char *name; /* NULL: any */
	uint32_t id;      /* 0: any */
	char key[NAME_MAX + 1];
};

static int match(void *arg, const char *key)
{
	struct search *search = arg;
	char *end;
	unsigned long id = strtoul(key + strlen(KEY_PREFIX), &end, 10);

	if (*end != ':' || (search->id && id != search->id) ||
	    (search->name && strcmp(end + 1, search->name) != 0))
		return 0;
	snprintf(search->key, sizeof search->key, "%s", key);
	return 1;
}

static bool find_key(int dirfd, struct search *search)
{
	return share_scan(dirfd, KEY_PREFIX, match, search) > 0;
}

/* The lowest id that no other region of the directory or of this process has. */
static uint32_t id_choose(int dirfd)
{
	struct search search = {.id = REGION_GLOBAL + 1};

	while (region_mapped(search.id) || find_key(dirfd, &search))
		search.id++;
	return search.id;
}

static void key_make(int dirfd, const char *name, char *out, size_t size)
{
	bool global = strcmp(name, REGION_GLOBAL_NAME) == 0;

	snprintf(out, size, "%s%u:%s", KEY_PREFIX, global ? REGION_GLOBAL : id_choose(dirfd), name);
}

static uint32_t id_of(const char *key)
{
	return (uint32_t)strtoul(key + strlen(KEY_PREFIX), NULL, 10);
}

/* ---- making and joining ---- */

static int file_create(const struct share *share, uint32_t id, const struct region_shape *shape)
{
	struct file_layout layout;
	void *control;
	int fd, err;

	file_layout_of(shape, &layout);
	if (ftruncate(share->fd, (off_t)layout.size) != 0)
		return region_error(shape, -errno);
	fd = share_reopen(share);
	if (fd < 0)
		return fd;
	err = os_memory_map(fd, layout.slots, &control);
	close(fd);
	if (err)
		return region_error(shape, err);
	region_control_init(control, shape, id, layout.size);
	os_memory_unmap(control, layout.slots);
	return 0;
}

static int map_named(struct region *region, const struct file_layout *layout)
{
	void *control;
	int err;

	region->file_slots = (off_t)layout->slots;
	region->file_bufs = (off_t)layout->bufs;
	err = os_memory_map(region->shared_fd, layout->bufs, &control);
	if (err)
		return err;
	region->control = control;
	region->control_size = layout->bufs;
	err = region_map_private(region, 0);
	return err ? err : region_buffers_map(region);
}

/* The region of an object that is complete, and has the id that its key says; the share becomes its own. */
static int attach(const struct share *share, const char *name, uint32_t wanted, int private_fd,
    struct region **out)
{
	struct file_layout layout;
	struct region_shape shape;
	struct region *region;
	uint32_t id;
	int fd = share_reopen(share), err;

	if (fd < 0)
		return fd;
	err = header_read(fd, &shape, &id, &layout);
	if (err || id != wanted) {
		close(fd);
		return error_set(-EPROTO,
		    "the memory of \"%s\" is not a region of this version of pktloom: all users "
		    "must have compatible versions",
		    name);
	}
	region = region_new(&shape);
	if (!region) {
		close(fd);
		return error_set(-ENOMEM, "out of memory for a region");
	}
	region->shared_fd = fd;
	region->id = id;
	region->fd = private_fd;
	err = private_fd >= 0 && !region_memory_is_enough(region, 0) ? -EPROTO : 0;
	if (!err)
		err = map_named(region, &layout);
	if (err) {
		region->fd = err && private_fd >= 0 ? -1 : region->fd; /* the caller's still */
		region_destroy(region);
		return region_error(&shape, err);
	}
	region->share = *share;
	*out = region;
	return 0;
}

static struct region *find(const char *directory, const char *name)
{
	struct region *region = region_first();

	while (region && (strcmp(region->name, name) != 0 ||
			     strcmp(region->directory, directory ? directory : "") != 0))
		region = region->next;
	return region;
}

/* With a shape: make the region if there is none. */
static int get_within(const struct share *outer, const char *name, const struct region_shape *shape,
    struct region **out)
{
	struct search search = {.name = name};
	struct share share;
	int err;

	if (!find_key(outer->dirfd, &search)) {
		if (!shape)
			return -ENOENT;
		key_make(outer->dirfd, name, search.key, sizeof search.key);
	}
	err = share_open_within(&share, outer, search.key, shape != NULL);
	if (err)
		return err;
	if (shape && share.created)
		err = file_create(&share, id_of(search.key), shape);
	if (!err)
		err = attach(&share, name, id_of(search.key), -1, out);
	if (err)
		share_drop(&share);
	else
		region_place(*out, share.created);
	return err;
}

static int get(const struct share *outer, const char *directory, const char *name,
    const struct region_shape *shape, struct region **out)
{
	struct region *region = find(directory, name);
	struct share own;
	int err = 0;

	if (region) {
		region_reference(region);
		*out = region;
		return 0;
	}
	if (!outer)
		err = share_enter(&own, directory);
	if (err)
		return err;
	err = get_within(outer ? outer : &own, name, shape, &region);
	if (!outer)
		share_leave(&own);
	if (err || !region)
		return err;
	/* Equal ids promise one memory to programs; two directories may both have a region of that id. */
	if (region_mapped(region->id))
		region->id = region_private_id();
	snprintf(region->name, sizeof region->name, "%s", name);
	snprintf(region->directory, sizeof region->directory, "%s", directory ? directory : "");
	region_list(region);
	*out = region;
	return 0;
}

int region_open(const struct share *outer, const char *directory, const char *name,
    const struct region_shape *shape, struct region **out)
{
	if (!region_shape_is_sane(shape))
		return region_error(shape, -ENOMEM);
	return get(outer, directory, name, shape, out);
}

/* Not by the name: what this process has by it has other netmap_ifs and ring headers. */
int region_adopt_named(
    struct share *share, const char *directory, const char *name, int fd, struct region **out)
{
	struct region *region = NULL;
	char key[NAME_MAX + 1];
	int err;

	share_key(share, key, sizeof key);
	err = strncmp(key, KEY_PREFIX, strlen(KEY_PREFIX)) == 0
		  ? attach(share, name, id_of(key), fd, &region)
		  : error_set(-EPROTO, "\"%s\" is not a region", key);
	if (err || !region) {
		close(fd);
		share_close(share);
		return err;
	}
	snprintf(region->name, sizeof region->name, "%s", name);
	snprintf(region->directory, sizeof region->directory, "%s", directory);
	region_list_adopted(region);
	*out = region;
	return 0;
}

int region_join(
    const struct share *outer, const char *directory, const char *name, struct region **out)
{
	return get(outer, directory, name, NULL, out);
}

/* ---- by id ---- */

static int join_by_id(const char *directory, uint32_t id, struct region **out)
{
	struct search search = {.id = id};
	struct share own;
	int err = share_enter(&own, directory);

	if (err)
		return err;
	err = find_key(own.dirfd, &search) ? 0 : -ENOENT;
	share_leave(&own);
	return err ? err
		   : region_join(
			 NULL, directory, strchr(search.key + strlen(KEY_PREFIX), ':') + 1, out);
}

int region_by_id(const char *directory, uint32_t id, struct region **out)
{
	struct region *region = region_mapped(id);
	int err;

	if (region) {
		region_reference(region);
		*out = region;
		return 0;
	}
	if (id == REGION_GLOBAL)
		return region_open(NULL, directory, REGION_GLOBAL_NAME, &region_global_shape, out);
	err = join_by_id(directory, id, out);
	return err == -ENOENT ? error_set(-EINVAL, "there is no memory region %u", id) : err;
}

/* ---- a sender's view ---- */

int region_view_map(int dirfd, const char *file, struct region_view *out)
{
	struct file_layout layout;
	void *base;
	uint32_t id;
	int fd = openat(dirfd, file, O_RDWR | O_NOFOLLOW | O_CLOEXEC), err;

	if (fd < 0)
		return -errno;
	err = header_read(fd, &out->shape, &id, &layout);
	if (!err)
		err = os_memory_map(fd, layout.size, &base);
	close(fd);
	if (err)
		return err;
	out->base = base;
	out->size = layout.size;
	out->slots_at = layout.slots;
	out->bufs_at = layout.bufs + region_buffers_offset(&out->shape);
	return 0;
}

void region_view_unmap(struct region_view *view)
{
	if (view->base)
		os_memory_unmap(view->base, view->size);
	view->base = NULL;
}
