/* SPDX-License-Identifier: BSD-2-Clause */
/* Helpers for tests of the sync loop. */
#include "end.h"

#include <stdio.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#define END_BYTES (END_RINGS * sizeof(struct nm_csb_atok))

int request(struct device *device, const char *name, unsigned type, void *body, void *options)
{
	struct nmreq_header header = {.nr_version = NETMAP_API,
	    .nr_reqtype = (uint16_t)type,
	    .nr_body = (uintptr_t)body,
	    .nr_options = (uintptr_t)options};

	snprintf(header.nr_name, sizeof header.nr_name, "%s", name);
	return device->ops->control(device, &header);
}

int bind_rings(
    struct device *device, const char *name, uint64_t flags, unsigned rings, void *options)
{
	struct nmreq_register reg = {.nr_mode = NR_REG_ALL_NIC,
	    .nr_flags = flags,
	    .nr_tx_rings = (uint16_t)rings,
	    .nr_rx_rings = (uint16_t)rings,
	    .nr_tx_slots = 256,
	    .nr_rx_slots = 256};

	return request(device, name, NETMAP_REQ_REGISTER, &reg, options);
}

struct device *device_new(void)
{
	struct device *device;

	scratch_directory();
	assert_ok(soft_open(&device));
	return device;
}

/* Shared, so that a parent sees what its child's loop does. */
static void *array_new(void)
{
	void *at = mmap(NULL, END_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	assert_true(at != MAP_FAILED);
	memset(at, 0xff, END_BYTES);
	return at;
}

void end_arrays(struct end *end)
{
	end->atok = array_new();
	end->ktoa = array_new();
}

struct nmreq_opt_csb end_csb(const struct end *end)
{
	return (struct nmreq_opt_csb){
	    .nro_opt = {.nro_reqtype = NETMAP_REQ_OPT_CSB, .nro_status = 77},
	    .csb_atok = (uintptr_t)end->atok,
	    .csb_ktoa = (uintptr_t)end->ktoa};
}

static struct guest guest_of(const struct end *end, bool tx)
{
	unsigned i = tx ? 0 : end->num_tx;
	struct guest g = {.ring = end->device->ops->ring(end->device, tx, 0)->ring,
	    .atok = &end->atok[i],
	    .ktoa = &end->ktoa[i],
	    .io = end->io[i],
	    .irq = end->irq[i]};

	guest_begin(&g);
	return g;
}

void end_open(struct end *end, const char *name, unsigned rings)
{
	struct nmreq_opt_csb option;

	*end = (struct end){.device = device_new(), .num_tx = rings, .num_rx = rings};
	snprintf(end->name, sizeof end->name, "%s", name);
	for (unsigned i = 0; i < END_RINGS; i++)
		end->io[i] = end->irq[i] = -1;
	end_arrays(end);
	option = end_csb(end);
	assert_ok(bind_rings(end->device, name, NR_EXCLUSIVE, rings, &option));
	end->tx = guest_of(end, true);
	end->rx = guest_of(end, false);
}

static void eventfds_close(struct end *end)
{
	for (unsigned i = 0; i < END_RINGS; i++) {
		if (end->io[i] >= 0)
			close(end->io[i]);
		if (end->irq[i] >= 0)
			close(end->irq[i]);
		end->io[i] = end->irq[i] = -1;
	}
}

void end_close(struct end *end)
{
	end->device->ops->close(end->device);
	eventfds_close(end);
	munmap(end->atok, END_BYTES);
	munmap(end->ktoa, END_BYTES);
}

void end_eventfds(struct end *end)
{
	for (unsigned i = 0; i < end->num_tx + end->num_rx; i++) {
		end->io[i] = eventfd(0, EFD_CLOEXEC);
		end->irq[i] = eventfd(0, EFD_CLOEXEC);
		assert_true(end->io[i] >= 0 && end->irq[i] >= 0);
	}
	end->tx = guest_of(end, true);
	end->rx = guest_of(end, false);
}

struct nmreq_opt_sync_kloop_eventfds *end_option(const struct end *end)
{
	static _Thread_local uint64_t
	    memory[(sizeof(struct nmreq_opt_sync_kloop_eventfds) + END_RINGS * sizeof(uint64_t)) /
		   sizeof(uint64_t)];
	struct nmreq_opt_sync_kloop_eventfds *option = (void *)memory;
	unsigned n = end->num_tx + end->num_rx;

	memset(memory, 0, sizeof memory);
	option->nro_opt.nro_reqtype = NETMAP_REQ_OPT_SYNC_KLOOP_EVENTFDS;
	option->nro_opt.nro_status = 77;
	option->nro_opt.nro_size = sizeof *option + (uint64_t)n * sizeof option->eventfds[0];
	for (unsigned i = 0; i < n; i++) {
		option->eventfds[i].ioeventfd = end->io[i];
		option->eventfds[i].irqfd = end->irq[i];
	}
	return option;
}

int end_run(struct end *end)
{
	struct nmreq_sync_kloop_start body = {.sleep_us = end->sleep_us};
	struct nmreq_opt_sync_kloop_mode mode = {
	    .nro_opt = {.nro_reqtype = NETMAP_REQ_OPT_SYNC_KLOOP_MODE}, .mode = end->mode};
	struct nmreq_opt_sync_kloop_eventfds *option = end->io[0] >= 0 ? end_option(end) : NULL;

	mode.nro_opt.nro_next = (uintptr_t)option;
	return request(end->device, end->name, NETMAP_REQ_SYNC_KLOOP_START, &body,
	    end->mode ? (void *)&mode : option);
}

static void *end_thread(void *arg)
{
	struct end *end = arg;

	end->result = end_run(end);
	return NULL;
}

/* The first round sets what a program never writes. */
static bool has_begun(const struct end *end)
{
	return __atomic_load_n(&end->ktoa[0].kern_need_kick, __ATOMIC_ACQUIRE) != 2;
}

void end_expect(struct end *end)
{
	__atomic_store_n(&end->ktoa[0].kern_need_kick, 2, __ATOMIC_RELAXED);
}

void end_await(const struct end *end)
{
	const struct timespec moment = {.tv_nsec = 100000};

	for (unsigned i = 0; i < 100000 && !has_begun(end); i++)
		nanosleep(&moment, NULL);
	assert_true(has_begun(end));
}

void end_start(struct end *end)
{
	end_expect(end);
	assert_int_equal(pthread_create(&end->thread, NULL, end_thread, end), 0);
	end_await(end);
}

int end_stop(struct end *end)
{
	return request(end->device, end->name, NETMAP_REQ_SYNC_KLOOP_STOP, NULL, NULL);
}

int end_join(struct end *end)
{
	struct timespec deadline;

	clock_gettime(CLOCK_REALTIME, &deadline);
	deadline.tv_sec += 20;
	assert_int_equal(pthread_timedjoin_np(end->thread, NULL, &deadline), 0);
	return end->result;
}
