/* SPDX-License-Identifier: BSD-2-Clause */
/* Interfaces as ports of a switch: a thread that moves frames between two devices. */
#include "switch_attach.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../../base/error.h"
#include "../../os/thread.h"
#include "../soft.h"
#include "switch_control.h"
#include "switch_table.h"

#define RETRY_MS 100 /* when an interface cannot be waited for: it is down, or gone */

/* A bound device, and what it takes to move frames through its rings. */
struct side {
	struct device *device;
	struct device_map map;
	uint32_t tx_first, rx_first; /* the device's numbers of the rings that are bound */
	uint32_t tx_rings, rx_rings;
};

struct attachment {
	struct attachment *next;
	struct attachment
	    *host; /* of the interface's host side, if that is attached, too; not listed */
	char name[SWITCH_NAME_MAX];
	char directory[128];
	struct side nic, port;
	pthread_t thread;
	int wake; /* signalled when one of the two below has changed */
	bool stop, polling;
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct attachment *attachments;

/* ---- moving frames ---- */

/* Where len bytes of a slot start; NULL: they do not fit their buffer, or there is none. */
static uint8_t *place_of(const struct device_map *map, const struct netmap_ring *ring,
    const struct netmap_slot *slot, uint32_t len)
{
	uint64_t offset = slot->ptr & ring->offset_mask;
	uint32_t index = slot->buf_idx;

	return index >= LOOM_FIRST_BUFFER && index < map->num_bufs && offset < map->buf_size &&
		       len <= map->buf_size - offset
		   ? map->buffers + (size_t)index * map->buf_size + offset
		   : NULL;
}

/* A slot that cannot be copied is dropped: its frame would be neither side's fault to carry. */
static void slot_copy(const struct side *from, const struct netmap_ring *rx,
    const struct netmap_slot *in, const struct side *to, const struct netmap_ring *tx,
    struct netmap_slot *out)
{
	uint32_t len = in->len;
	const uint8_t *source = place_of(&from->map, rx, in, len);
	uint8_t *target = place_of(&to->map, tx, out, len);

	if (!source || !target)
		len = 0;
	else
		memcpy(target, source, len);
	out->len = (uint16_t)len;
	out->flags = in->flags & NS_MOREFRAG;
}

static uint32_t ring_move(
    const struct side *from, struct netmap_ring *rx, const struct side *to, struct netmap_ring *tx)
{
	uint32_t in = rx->head, out = tx->head, n = 0;

	for (; in != rx->tail && out != tx->tail; n++) {
		slot_copy(from, rx, &rx->slot[in], to, tx, &tx->slot[out]);
		in = loom_ring_next(in, rx->num_slots);
		out = loom_ring_next(out, tx->num_slots);
	}
	rx->head = rx->cur = in;
	tx->head = tx->cur = out;
	return n;
}

static struct netmap_ring *ring_at(const struct side *side, bool tx, uint32_t index)
{
	index += tx ? side->tx_first : side->rx_first;
	return side->device->ops->ring(side->device, tx, index)->ring;
}

/* One turn in one direction; returns the number of slots. */
static uint32_t move(const struct side *from, const struct side *to)
{
	uint32_t n = 0;

	from->device->ops->sync(from->device, false);
	for (uint32_t i = 0; i < from->rx_rings; i++)
		n += ring_move(
		    from, ring_at(from, false, i), to, ring_at(to, true, i % to->tx_rings));
	to->device->ops->sync(to->device, true);
	return n;
}

/* Whether the interface is what everything waits for. */
static bool is_blocked(const struct side *to)
{
	for (uint32_t i = 0; i < to->tx_rings; i++) {
		const struct netmap_ring *ring = ring_at(to, true, i);

		if (ring->head == ring->tail)
			return true;
	}
	return false;
}

/* Until there is something to do again. */
static void wait_for_news(struct attachment *a, struct pollfd *fds, unsigned room)
{
	short nic_events = is_blocked(&a->nic) ? POLLIN | POLLOUT : POLLIN;
	int armed = a->port.device->ops->arm(a->port.device, POLLIN, fds, room);
	nfds_t n;

	if (armed < 0)
		return;
	n = (nfds_t)armed;
	armed = a->nic.device->ops->arm(a->nic.device, nic_events, fds + n, room - (unsigned)n);
	if (armed == -EAGAIN)
		return;
	n += armed < 0 ? 0 : (nfds_t)armed;
	fds[n++] = (struct pollfd){.fd = a->wake, .events = POLLIN};
	poll(fds, n, armed < 0 ? RETRY_MS : -1);
	os_wake_drain(a->wake);
}

static void *pump(void *arg)
{
	struct attachment *a = arg;
	unsigned room = a->nic.tx_rings + a->nic.rx_rings + a->port.rx_rings;
	struct pollfd *fds = calloc(room + 1, sizeof *fds);

	while (fds && !__atomic_load_n(&a->stop, __ATOMIC_ACQUIRE)) {
		uint32_t moved = move(&a->nic, &a->port) + move(&a->port, &a->nic);

		if (moved == 0 && !__atomic_load_n(&a->polling, __ATOMIC_RELAXED))
			wait_for_news(a, fds, room);
	}
	free(fds);
	return NULL;
}

/* ---- attaching ---- */

/* Host rings come after the NIC's. */
static void rings_bound(struct side *side, const struct nmreq_register *reg)
{
	bool host = reg->nr_mode == NR_REG_SW;

	side->tx_first = host ? reg->nr_tx_rings : 0;
	side->rx_first = host ? reg->nr_rx_rings : 0;
	side->tx_rings = host ? reg->nr_host_tx_rings : reg->nr_tx_rings;
	side->rx_rings = host ? reg->nr_host_rx_rings : reg->nr_rx_rings;
}

/* Bind a device to all rings of a port, of the NIC or the host (SW), that nobody else uses. */
static int side_open(struct side *side, const char *name, uint32_t mode, const char *directory,
    const struct nmreq_register *wanted)
{
	struct nmreq_register reg = {.nr_mode = mode,
	    .nr_flags = NR_EXCLUSIVE,
	    .nr_tx_rings = wanted->nr_tx_rings,
	    .nr_rx_rings = wanted->nr_rx_rings,
	    .nr_host_tx_rings = wanted->nr_host_tx_rings,
	    .nr_host_rx_rings = wanted->nr_host_rx_rings,
	    .nr_tx_slots = wanted->nr_tx_slots,
	    .nr_rx_slots = wanted->nr_rx_slots};
	struct device_opt_soft option = {
	    .option = {.nro_reqtype = DEVICE_OPT_SOFT}, .directory = directory};
	struct nmreq_header header = {.nr_version = NETMAP_API,
	    .nr_reqtype = NETMAP_REQ_REGISTER,
	    .nr_options = (uintptr_t)&option,
	    .nr_body = (uintptr_t)&reg};
	int err = soft_open(&side->device);

	if (err)
		return err;
	snprintf(header.nr_name, sizeof header.nr_name, "%s", name);
	err = side->device->ops->control(side->device, &header);
	if (!err)
		err = side->device->ops->map(side->device, &side->map);
	if (err) {
		side->device->ops->close(side->device);
		side->device = NULL;
	}
	rings_bound(side, &reg);
	return err;
}

static void attachment_free(struct attachment *a)
{
	if (a->port.device)
		a->port.device->ops->close(a->port.device);
	if (a->nic.device)
		a->nic.device->ops->close(a->nic.device);
	if (a->wake >= 0)
		close(a->wake);
	free(a);
}

/* The switch port has a ring for each of the interface's. */
static int attachment_start(struct attachment *a, const char *interface, uint32_t mode,
    const char *directory, const struct nmreq_register *wanted)
{
	struct nmreq_register shape = {0};
	int err = side_open(&a->nic, interface, mode, directory, wanted);

	if (!err) {
		shape.nr_tx_rings = (uint16_t)a->nic.rx_rings;
		shape.nr_rx_rings = (uint16_t)a->nic.tx_rings;
		err = side_open(&a->port, a->name, NR_REG_ALL_NIC, directory, &shape);
	}
	if (!err) {
		a->wake = os_wake_create();
		err =
		    a->wake < 0 ? error_set(a->wake, "out of descriptors for \"%s\"", a->name) : 0;
	}
	if (!err)
		err = -pthread_create(&a->thread, NULL, pump, a);
	return err;
}

static const char *interface_of(const char *name)
{
	return strchr(name, ':') + 1;
}

/* The lock is held. */
static struct attachment **find(const char *directory, const char *name)
{
	struct attachment **at = &attachments;

	while (*at && (strcmp((*at)->name, name) != 0 ||
			  strcmp((*at)->directory, directory ? directory : "") != 0))
		at = &(*at)->next;
	return at;
}

static int port_index(const char *directory, const char *name, uint32_t *out)
{
	char copy[NETMAP_REQ_IFNAMSIZ] = "";
	struct nmreq_vale_list list = {0};
	int err;

	snprintf(copy, sizeof copy, "%s", name);
	err = switch_list(directory, copy, &list);
	*out = list.nr_port_idx;
	return err;
}

/* One side of an interface, as a port of that name. */
static int side_attach(const char *directory, const char *name, const char *interface,
    uint32_t mode, const struct nmreq_register *wanted, struct attachment **out)
{
	struct attachment *a = calloc(1, sizeof *a);
	int err;

	if (!a)
		return error_set(-ENOMEM, "out of memory to attach \"%s\"", name);
	a->wake = -1;
	snprintf(a->name, sizeof a->name, "%s", name);
	snprintf(a->directory, sizeof a->directory, "%s", directory ? directory : "");
	err = attachment_start(a, interface, mode, directory, wanted);
	if (err)
		attachment_free(a);
	else
		*out = a;
	return err;
}

static void side_detach(struct attachment *a)
{
	__atomic_store_n(&a->stop, true, __ATOMIC_RELEASE);
	os_wake_signal(a->wake);
	pthread_join(a->thread, NULL);
	attachment_free(a);
}

/* The host's side first: that it is wanted may decide which kind serves the interface. */
static int interface_attach(
    const char *directory, const char *name, const struct nmreq_register *wanted)
{
	const char *interface = interface_of(name);
	struct attachment *a, *host = NULL;
	char host_name[SWITCH_NAME_MAX];
	int err = 0;

	if (wanted->nr_mode == NR_REG_NIC_SW) {
		if (snprintf(host_name, sizeof host_name, "%s^", name) >= (int)sizeof host_name)
			return error_set(-EINVAL, "\"%s\" is too long a name", name);
		err = side_attach(directory, host_name, interface, NR_REG_SW, wanted, &host);
	}
	if (!err)
		err = side_attach(directory, name, interface, NR_REG_ALL_NIC, wanted, &a);
	if (err) {
		if (host)
			side_detach(host);
		return err;
	}
	a->host = host;
	a->next = attachments;
	attachments = a;
	return 0;
}

int switch_attach(const char *directory, const char *name, struct nmreq_vale_attach *request)
{
	char key[SWITCH_KEY_MAX];
	int err = switch_name_split(name, key);

	if (err)
		return error_set(-EINVAL, "\"%s\" is not the name of a switch port", name);
	if (switch_kept_exists(directory, interface_of(name)))
		return switch_kept_attach(directory, name, &request->port_index);
	if (request->reg.nr_mode != NR_REG_ALL_NIC && request->reg.nr_mode != NR_REG_NIC_SW)
		return error_set(-EINVAL, "\"%s\" can only be attached with all its rings", name);
	pthread_mutex_lock(&lock);
	if (*find(directory, name))
		err = error_set(-EBUSY, "\"%s\" is attached already", name);
	else
		err = interface_attach(directory, name, &request->reg);
	pthread_mutex_unlock(&lock);
	if (err == -ENXIO)
		return -EINVAL; /* as the module says that there is no such interface */
	return err ? err : port_index(directory, name, &request->port_index);
}

/* ---- detaching ---- */

static int interface_detach(struct attachment **at)
{
	struct attachment *a = *at;

	if (a->polling)
		return error_set(-EBUSY, "\"%s\" is being polled: disable that first", a->name);
	*at = a->next;
	if (a->host)
		side_detach(a->host);
	side_detach(a);
	return 0;
}

int switch_detach(const char *directory, const char *name, struct nmreq_vale_detach *request)
{
	struct attachment **at;
	uint32_t number = SWITCH_NO_PORT;
	int err;

	pthread_mutex_lock(&lock);
	at = find(directory, name);
	if (*at) {
		err = port_index(directory, name, &number);
		err = err ? err : interface_detach(at);
	} else {
		err = switch_kept_detach(directory, name, &number);
	}
	pthread_mutex_unlock(&lock);
	if (!err)
		request->port_index = number;
	return err;
}

/* ---- polling ---- */

/* The attached interface of that name, with the lock held; else why there is none. */
static int polling_begin(const char *directory, const char *name, struct attachment **out)
{
	uint32_t index;

	pthread_mutex_lock(&lock);
	*out = *find(directory, name);
	if (*out)
		return 0;
	pthread_mutex_unlock(&lock);
	if (port_index(directory, name, &index) == 0 && index != SWITCH_NO_PORT)
		return error_set(
		    -EOPNOTSUPP, "\"%s\" is not an interface that this process attached", name);
	return error_set(-ENXIO, "there is no switch port \"%s\"", name);
}

static int polling_check(const struct nmreq_vale_polling *request)
{
	if (request->nr_mode != NETMAP_POLLING_MODE_SINGLE_CPU &&
	    request->nr_mode != NETMAP_POLLING_MODE_MULTI_CPU)
		return error_set(-EINVAL, "polling mode %u is unknown", request->nr_mode);
	if (request->nr_num_polling_cpus != 1 || sysconf(_SC_NPROCESSORS_ONLN) < 2)
		return error_set(-EINVAL,
		    "one processor polls, of two at least, and not %u: there is one thread per "
		    "interface",
		    request->nr_num_polling_cpus);
	return 0;
}

static int polling_start(struct attachment *a, uint32_t processor)
{
	int err;

	if (a->polling)
		return error_set(-EFAULT, "\"%s\" is being polled already", a->name);
	err = os_thread_pin(a->thread, processor);
	if (err)
		return error_set(
		    err, "processor %u cannot poll \"%s\": %s", processor, a->name, strerror(-err));
	__atomic_store_n(&a->polling, true, __ATOMIC_RELAXED);
	os_wake_signal(a->wake);
	return 0;
}

int switch_polling_enable(
    const char *directory, const char *name, const struct nmreq_vale_polling *request)
{
	struct attachment *a;
	int err = polling_begin(directory, name, &a);

	if (err)
		return err;
	err = polling_check(request);
	if (!err)
		err = polling_start(a, request->nr_first_cpu_id);
	pthread_mutex_unlock(&lock);
	return err;
}

int switch_polling_disable(const char *directory, const char *name)
{
	struct attachment *a;
	int err = polling_begin(directory, name, &a);

	if (err)
		return err;
	if (!a->polling)
		err = error_set(-EFAULT, "\"%s\" is not being polled", name);
	__atomic_store_n(&a->polling, false, __ATOMIC_RELAXED);
	os_thread_unpin(a->thread);
	pthread_mutex_unlock(&lock);
	return err;
}
