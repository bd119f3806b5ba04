/* SPDX-License-Identifier: BSD-2-Clause */
/* When the parts of host rings come and go; host.h has the picture. */
#include "host.h"

#include <errno.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "../../base/error.h"
#include "../../base/hint.h"
#include "host_internal.h"

int host_rings_choose(struct port_request *request)
{
	if (request->host_tx_rings == 0)
		request->host_tx_rings = 1;
	if (request->host_rx_rings == 0)
		request->host_rx_rings = 1;
	return 0;
}

#define LOOK_NS 100000000u

/* ---- messages ---- */

static int tap_refused(const struct host *host, int err)
{
	const char *remedy = "";

	if (err == -EPERM || err == -EACCES)
		remedy = ": it takes CAP_NET_ADMIN (run as root)";
	else if (err == -ENOENT || err == -ENODEV)
		remedy = ": there is no /dev/net/tun (load the module tun)";
	return error_set(err, "port \"%s\": cannot make a TAP device for its host rings (%s)%s",
	    host->port->name, strerror(-err), remedy);
}

static int hook_refused(const struct host *host, int err)
{
	return error_set(err,
	    "port \"%s\": cannot attach the BPF programs of its host rings (%s)%s",
	    host->port->name, strerror(-err),
	    err == -EPERM || err == -EACCES
		? ": that takes CAP_NET_ADMIN and CAP_BPF outside of user namespaces (run as root)"
		: "");
}

/* ---- TAP devices ---- */

static uint32_t mtu_of(int interface)
{
	struct ifreq request = {.ifr_ifindex = interface};
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	bool known = fd >= 0 && ioctl(fd, SIOCGIFNAME, &request) == 0 &&
		     ioctl(fd, SIOCGIFMTU, &request) == 0;

	if (fd >= 0)
		close(fd);
	return known ? (uint32_t)request.ifr_mtu : 0;
}

/* The host must neither send on the device by itself nor find it smaller than the interface. */
static int tap_prepare(struct host_tap *tap, int queue, int interface)
{
	const uint32_t mtu = mtu_of(interface);
	int err = tap_silence(tap->name);

	if (!err && mtu)
		err = tap_mtu_set(tap->name, mtu);
	if (!err)
		err = tap_up(tap->name, true);
	if (!err)
		tap->interface = tap_index(queue);
	return err ? err : tap->interface < 0 ? tap->interface : 0;
}

static int queue_open(struct host *host, struct host_tap *tap, struct host_queue *queue)
{
	const struct tap_shape shape = {.many = true};
	int err = 0;

	if (tap->users == 0)
		snprintf(tap->name, sizeof tap->name, "loomhost%%d");
	queue->fd = tap_queue_open(tap->name, &shape);
	if (queue->fd < 0)
		return tap_refused(host, queue->fd);
	if (tap->users == 0)
		err = tap_prepare(tap, queue->fd, host->interface);
	if (err) {
		close(queue->fd);
		queue->fd = -1;
		return tap_refused(host, err);
	}
	tap->users++;
	return 0;
}

static void queue_close(struct host_tap *tap, struct host_queue *queue)
{
	if (queue->pollset >= 0)
		close(queue->pollset);
	if (queue->timer >= 0)
		close(queue->timer);
	close(queue->fd);
	queue->fd = queue->pollset = queue->timer = -1;
	tap->users--;
}

/* ---- programs: attached as what is in use demands ---- */

static bool is_used(const struct host *host)
{
	return host->out.users + host->in.users > 0;
}

/* Rings of the NIC in use, by this port or another one, of whichever process. */
static bool nic_is_used(const struct host *host, bool tx)
{
	const char *directory = host->port->directory[0] ? host->port->directory : NULL;

	return (tx                ? host->nic_tx
		   : host->copies ? host->nic_rx
				  : 0) > 0 ||
	       host_presence_ask(directory, host->interface, tx);
}

static void hook_remove(const struct host *host, struct host_hook *hook)
{
	host_link_remove(hook, host->port->held_elsewhere);
}

static int divert_settle(struct host *host)
{
	bool wanted = host->out.users > 0 && nic_is_used(host, true);

	if (wanted == host_hook_attached(&host->divert))
		return 0;
	if (wanted)
		return host_link_divert(&host->divert, host->interface, host->out.interface);
	hook_remove(host, &host->divert);
	return 0;
}

static int inject_settle(struct host *host)
{
	bool wanted = host->in.users > 0;

	if (wanted == host_hook_attached(&host->inject))
		return 0;
	if (wanted)
		return host_link_inject(&host->inject, host->in.interface, host->interface);
	hook_remove(host, &host->inject);
	return 0;
}

/* It must not outlast the device that it is for, of which there may be two. */
static int admit_settle(struct host *host)
{
	bool drop = is_used(host) && nic_is_used(host, false);
	bool wanted = drop || host->in.users > 0;
	int tap = host->in.users > 0 ? host->in.interface : host->out.interface;

	if (wanted == host_hook_attached(&host->admit) &&
	    (!wanted || (drop == host->dropping && tap == host->admitting)))
		return 0;
	hook_remove(host, &host->admit);
	host->dropping = drop;
	host->admitting = tap;
	return wanted ? host_link_admit(&host->admit, host->interface, drop, tap) : 0;
}

static int settle(struct host *host)
{
	int err = admit_settle(host);

	if (!err)
		err = inject_settle(host);
	if (!err)
		err = divert_settle(host);
	return err;
}

bool host_waits_for_others(const struct host *host)
{
	return __atomic_load_n(&host->nic_tx, __ATOMIC_RELAXED) == 0;
}

/* Who cannot have the lock need not: somebody is settling things. */
void host_look(struct host *host)
{
	uint64_t now = os_now_ns();

	if (now - __atomic_load_n(&host->looked_ns, __ATOMIC_RELAXED) < LOOK_NS ||
	    pthread_mutex_trylock(&host->lock) != 0)
		return;
	__atomic_store_n(&host->looked_ns, now, __ATOMIC_RELAXED);
	settle(host);
	pthread_mutex_unlock(&host->lock);
}

/* ---- rings ---- */

static struct host_tap *tap_of(struct host *host, const struct ring *r)
{
	return r->tx ? &host->in : &host->out;
}

static void count(struct host *host, const struct ring *r, unsigned by)
{
	const char *directory = host->port->directory[0] ? host->port->directory : NULL;
	unsigned *users = r->tx ? &host->nic_tx : &host->nic_rx;

	__atomic_store_n(users, *users + by, __ATOMIC_RELAXED);
	if (r->tx || host->copies)
		host_presence_tell(r->tx ? &host->told_tx : &host->told_rx, directory,
		    host->interface, r->tx, *users > 0);
}

/* Programs go before the queue that they lead to, or the host's packets would be lost. */
static void use_end(struct host *host, struct ring *r)
{
	if (!host_owns(r)) {
		count(host, r, -1u);
		settle(host);
		return;
	}
	tap_of(host, r)->users--;
	settle(host);
	tap_of(host, r)->users++;
	queue_close(tap_of(host, r), r->state);
}

/* What netmap's users know, and others would have to find out. */
static void hint_nothing_comes(const struct host *host)
{
	const char *name = host->port->name;

	hint_offer(
	    "host RX rings of \"%s\" get nothing of what the host sends as long as no TX ring "
	    "of the interface is in use: open \"%s*\" instead, or \"%s\" as well",
	    name, name, name);
}

static int use_begin(struct host *host, struct ring *r)
{
	int err = 0;

	if (host_owns(r))
		err = queue_open(host, tap_of(host, r), r->state);
	else
		count(host, r, 1);
	if (err)
		return err;
	err = settle(host);
	if (err) {
		use_end(host, r);
		return hook_refused(host, err);
	}
	if (host_owns(r) && !r->tx && !nic_is_used(host, true))
		hint_nothing_comes(host);
	return 0;
}

int host_begin(struct host *host, struct ring *r)
{
	int err;

	pthread_mutex_lock(&host->lock);
	err = use_begin(host, r);
	pthread_mutex_unlock(&host->lock);
	return err;
}

void host_end(struct host *host, struct ring *r)
{
	pthread_mutex_lock(&host->lock);
	use_end(host, r);
	pthread_mutex_unlock(&host->lock);
}

const char *host_describe(const struct host *host)
{
	if (host->out.users == 0)
		return is_used(host) ? ", host rings" : "";
	return host->nic_tx
		   ? ", host rings"
		   : ", host RX rings get nothing while no NIC TX ring is in use (here none is)";
}

/* ---- life ---- */

static void queue_attach(struct host *host, struct ring *r, struct host_queue *queue)
{
	*queue = (struct host_queue){.host = host, .fd = -1, .pollset = -1, .timer = -1};
	r->state = queue;
}

int host_create(struct port *port, int interface, bool copies, struct host **out)
{
	struct host *host = calloc(1, sizeof *host);
	struct host_queue *queues = calloc(port->host_tx + port->host_rx + 1, sizeof *queues);

	if (!host || !queues) {
		free(host);
		free(queues);
		return error_set(-ENOMEM, "out of memory for the host rings of \"%s\"", port->name);
	}
	*host = (struct host){.port = port,
	    .interface = interface,
	    .copies = copies,
	    .divert = HOST_HOOK_NONE,
	    .inject = HOST_HOOK_NONE,
	    .admit = HOST_HOOK_NONE,
	    .lock = PTHREAD_MUTEX_INITIALIZER,
	    .queues = queues};
	for (uint32_t i = 0; i < port->host_tx; i++)
		queue_attach(host, &port->tx[port->num_tx - port->host_tx + i], &queues[i]);
	for (uint32_t i = 0; i < port->host_rx; i++)
		queue_attach(
		    host, &port->rx[port->num_rx - port->host_rx + i], &queues[port->host_tx + i]);
	*out = host;
	return 0;
}

/* All rings have lost their users. */
void host_destroy(struct host *host)
{
	if (!host)
		return;
	free(host->queues);
	free(host);
}
