/* SPDX-License-Identifier: BSD-2-Clause */
/* Which ports are open in this process, and which kind serves a name. */
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../base/error.h"
#include "../base/hint.h"
#include "board.h"
#include "monitor.h"
#include "place.h"
#include "ports/switch_control.h"
#include "region_place.h"
#include "soft.h"

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct port *ports;

static const struct port_kind *const kinds[] = {
#define PORT_KIND(kind) &port_kind_##kind,
#include "ports/ports.def"
#undef PORT_KIND
};

#define NUM_KINDS (sizeof kinds / sizeof kinds[0])

static bool children_share;

void soft_children_share(void)
{
	children_share = true;
}

/* The child has all ports that its parent has. One that could not be shared is as a copy then. */
static void before_fork(void)
{
	registry_lock();
	for (struct port *port = ports; port; port = port->next) {
		place_share_port(port);
		port->held_elsewhere |= children_share;
	}
}

static void after_fork(void)
{
	pthread_mutex_unlock(&lock);
}

static void in_child(void)
{
	place_in_child();
	for (struct port *port = ports; port; port = port->next)
		port->held_elsewhere = true;
	after_fork();
}

/* A child that is made while another thread opens a port must not inherit the lock. */
static void guard_forks(void)
{
	pthread_atfork(before_fork, after_fork, in_child);
}

void registry_lock(void)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;

	pthread_once(&once, guard_forks);
	pthread_mutex_lock(&lock);
}

void registry_unlock(void)
{
	region_reap();
	pthread_mutex_unlock(&lock);
}

int soft_kind_at(unsigned index, struct loom_kind *out)
{
	if (index >= NUM_KINDS)
		return -ENOENT;
	*out = (struct loom_kind){kinds[index]->name, kinds[index]->example, kinds[index]->help};
	return 0;
}

static const struct port_kind *kind_named(const char *name, size_t len)
{
	for (size_t i = 0; i < NUM_KINDS; i++)
		if (strlen(kinds[i]->name) == len && memcmp(kinds[i]->name, name, len) == 0)
			return kinds[i];
	return NULL;
}

/* Interfaces are served by the first kind here that works; each refusal is kept. */
static const char *const interface_kinds[] = {"xdp", "packet", "pcap"};

static int port_open(
    const struct port_kind *kind, const struct port_request *request, struct port **out)
{
	struct port *port = calloc(1, sizeof *port);
	struct region_wish before;
	int err;

	if (!port)
		return error_set(-ENOMEM, "out of memory for port \"%s\"", request->name);
	port->kind = kind;
	port->references = 1;
	snprintf(port->name, sizeof port->name, "%s", request->name);
	snprintf(port->directory, sizeof port->directory, "%s",
	    request->directory ? request->directory : "");
	before = region_wish(
	    (struct region_wish){.near = request->ident, .huge_pages = request->huge_pages});
	err = kind->open(port, request);
	region_wish(before);
	if (err) {
		free(port);
		return err;
	}
	port->huge_pages = request->huge_pages;
	board_open(port);
	*out = port;
	return 0;
}

static int interface_open(
    const struct port_request *request, char *tried, size_t tried_size, struct port **out)
{
	int err = 0;

	for (size_t i = 0; i < sizeof interface_kinds / sizeof interface_kinds[0]; i++) {
		const struct port_kind *kind =
		    kind_named(interface_kinds[i], strlen(interface_kinds[i]));
		size_t used = strlen(tried);

		if (!kind)
			continue;
		err = port_open(kind, request, out);
		if (!err)
			return 0;
		snprintf(tried + used, tried_size - used, "%s%s: %s", used ? "; " : "", kind->name,
		    loom_error());
	}
	if (!err)
		return error_set(-ENXIO,
		    "no port kind of this build serves the interface \"%s\" (built without "
		    "the kinds xdp, packet and pcap)",
		    request->name);
	return err;
}

/* "valeS:p", or a plain name that somebody made a persistent port of. */
static bool is_switch_port(const struct port_request *request)
{
	return strncmp(request->name, NM_BDG_NAME, strlen(NM_BDG_NAME)) == 0 ||
	       (!strchr(request->name, ':') &&
		   switch_kept_exists(request->directory, request->name));
}

/* A pipe by its braces, "kind:ident", a switch port, or else an interface. */
static int open_by_name(
    const struct port_request *wanted, char *tried, size_t tried_size, struct port **out)
{
	struct port_request request = *wanted;
	const char *colon = strchr(request.name, ':');
	const struct port_kind *kind = NULL;

	request.ident = request.name;
	if (colon) {
		kind = kind_named(request.name, (size_t)(colon - request.name));
		request.ident = kind ? colon + 1 : request.name;
	}
	if (strpbrk(request.name, "{}") && (!kind || kind->is_parent)) {
		request.parent = kind;
		return port_open(&port_kind_pipe, &request, out);
	}
	if (kind)
		return port_open(kind, &request, out);
	if (is_switch_port(&request))
		return port_open(&port_kind_switch, &request, out);
	if (colon)
		return error_set(-EINVAL, "port \"%s\": no port kind is called \"%.*s\"",
		    request.name, (int)(colon - request.name), request.name);
	return interface_open(&request, tried, tried_size, out);
}

static bool is_called(const struct port *port, const char *name, const char *directory)
{
	return strcmp(port->name, name) == 0 &&
	       strcmp(port->directory, directory ? directory : "") == 0 &&
	       port->num_tx + port->num_rx > 0; /* a port of mode NULL is its opener's alone */
}

struct port *registry_find(const char *name, const char *directory)
{
	struct port *port = ports;

	while (port && !is_called(port, name, directory))
		port = port->next;
	return port;
}

/*
 * A persistent port that is attached to a switch has two names, "p" and "valeS:p". It is listed by the
 * second, by which other processes look for it, too; `name` has room for that.
 */
static struct port_request as_listed(
    const struct port_request *wanted, char name[NETMAP_REQ_IFNAMSIZ])
{
	struct port_request request = *wanted;

	if (!strpbrk(wanted->name, ":{}") &&
	    switch_kept_attached(wanted->directory, wanted->name, name, NETMAP_REQ_IFNAMSIZ))
		request.name = name;
	return request;
}

/* A pipe{name} is not shared by name: each open takes the end that is free. */
static bool shareable(const char *name)
{
	const char *inner = strncmp(name, "fault:", 6) == 0 ? strrchr(name, '@') : NULL;
	size_t len;

	if (inner) /* what stands before it is shared or not as it is */
		name = inner + 1;
	len = strlen(name);
	return !(strncmp(name, "pipe{", 5) == 0 && len > 6 && name[len - 1] == '}');
}

static bool is_pipe_of(const struct port *pipe, const struct port *parent)
{
	size_t len = strlen(parent->name);

	return pipe->kind == &port_kind_pipe && strncmp(pipe->name, parent->name, len) == 0 &&
	       (pipe->name[len] == '{' || pipe->name[len] == '}') &&
	       strcmp(pipe->directory, parent->directory) == 0;
}

/* A pipe that was there before its parent stays in the memory that it was given then. */
static void hint_apart(const struct port *port)
{
	for (const struct port *other = ports; other; other = other->next) {
		const struct port *pipe = is_pipe_of(port, other) ? port : other;
		const struct port *parent = pipe == port ? other : port;

		if (is_pipe_of(pipe, parent) && pipe->region != parent->region)
			hint_offer(
			    "\"%s\" is not in the memory of \"%s\", which was not open when it was "
			    "made: packets between them are copied; open \"%s\" first",
			    pipe->name, parent->name, parent->name);
	}
}

static void enlist(struct port *port)
{
	hint_apart(port);
	port->next = ports;
	ports = port;
}

int registry_get(
    const struct port_request *wanted, char *tried, size_t tried_size, struct port **out)
{
	char name[NETMAP_REQ_IFNAMSIZ];
	struct port_request request = as_listed(wanted, name);
	struct port *port = shareable(request.name) || request.any_end
				? registry_find(request.name, request.directory)
				: NULL;
	int err;

	if (port) {
		port->references++;
		*out = port;
		return 0;
	}
	if (request.directory && strlen(request.directory) >= sizeof port->directory)
		return error_set(-ENAMETOOLONG, "the directory's name has more than %zu bytes: %s",
		    sizeof port->directory - 1, request.directory);
	err = open_by_name(&request, tried, tried_size, out);
	if (!err)
		enlist(*out);
	return err;
}

int registry_open(
    const struct port_kind *kind, const struct port_request *request, struct port **out)
{
	int err = port_open(kind, request, out);

	if (!err)
		enlist(*out);
	return err;
}

int registry_monitor(const struct port_request *wanted, struct port **out)
{
	char name[NETMAP_REQ_IFNAMSIZ];
	struct port_request request = as_listed(wanted, name);
	int err;

	request.watched = registry_find(
	    request.name, request.directory); /* if there is none: another process may have it */
	err = port_open(&port_kind_monitor, &request, out);
	if (err)
		return err;
	(*out)->next = ports;
	ports = *out;
	return 0;
}

bool registry_has(const struct port_request *wanted)
{
	char name[NETMAP_REQ_IFNAMSIZ];
	struct port_request request = as_listed(wanted, name);
	bool has;

	registry_lock();
	has = registry_find(request.name, request.directory) != NULL;
	registry_unlock();
	return has;
}

void registry_put(struct port *port)
{
	struct port **at = &ports;

	if (--port->references > 0)
		return;
	while (*at != port)
		at = &(*at)->next;
	*at = port->next;
	monitor_orphan(port);
	port->kind->close(port);
	port_unbuild(port);
	free(port);
}

/* Behind all others: by its name the process goes on finding its own. */
void registry_adopt(struct port *port)
{
	struct port **at = &ports;

	while (*at)
		at = &(*at)->next;
	port->next = NULL;
	*at = port;
}

struct port *registry_find_ring(const struct netmap_ring *tx)
{
	struct port *port = ports;

	while (port && (port->num_tx == 0 || port->tx[0].common.ring != tx))
		port = port->next;
	return port;
}

const struct port_kind *registry_kind(const char *name)
{
	return kind_named(name, strlen(name));
}
