/* SPDX-License-Identifier: BSD-2-Clause */
/* Two descriptors of one port: threads that sync the same ring at the same time do so one after the other. */
#include "support.h"

#include <pthread.h>
#include <stdio.h>

#include "soft/place.h"
#include "soft/soft.h"

#define ROUNDS 50000u

static pthread_mutex_t head_lock = PTHREAD_MUTEX_INITIALIZER;

static struct device *bound_open(const char *name, uint32_t mode)
{
	struct nmreq_register reg = {.nr_mode = mode};
	struct nmreq_header header = {.nr_version = NETMAP_API,
	    .nr_reqtype = NETMAP_REQ_REGISTER,
	    .nr_body = (uintptr_t)&reg};
	struct device *device;

	snprintf(header.nr_name, sizeof header.nr_name, "%s", name);
	assert_int_equal(soft_open(&device), 0);
	assert_int_equal(device->ops->control(device, &header), 0);
	return device;
}

/* The program's side: users agree who writes head. */
static void slot_send(struct netmap_ring *ring)
{
	uint32_t head;

	pthread_mutex_lock(&head_lock);
	head = ring->head + 1 == ring->num_slots ? 0 : ring->head + 1;
	__atomic_store_n(&ring->cur, head, __ATOMIC_RELAXED);
	__atomic_store_n(&ring->head, head, __ATOMIC_RELAXED);
	pthread_mutex_unlock(&head_lock);
}

static void *sender(void *arg)
{
	struct device *device = arg;
	struct netmap_ring *ring = device->ops->ring(device, true, 0)->ring;
	int err = 0;

	for (uint32_t i = 0; i < ROUNDS && !err; i++) {
		slot_send(ring);
		err = device->ops->sync(device, true);
	}
	return err ? arg : NULL;
}

static void two_threads_two_descriptors_one_ring(void **state)
{
	struct device *devices[2] = {
	    bound_open("null:shared", NR_REG_ALL_NIC), bound_open("null:shared", NR_REG_ALL_NIC)};
	const struct device_ring *ring = devices[0]->ops->ring(devices[0], true, 0);
	pthread_t threads[2];

	(void)state;
	assert_ptr_equal(ring, devices[1]->ops->ring(devices[1], true, 0));
	for (unsigned i = 0; i < 2; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, sender, devices[i]), 0);
	for (unsigned i = 0; i < 2; i++) {
		void *failed;

		assert_int_equal(pthread_join(threads[i], &failed), 0);
		assert_null(failed);
	}
	devices[0]->ops->sync(devices[0], true);
	assert_int_equal(ring->stats.packets, 2 * ROUNDS);
	for (unsigned i = 0; i < 2; i++)
		devices[i]->ops->close(devices[i]);
}

static void a_ring_with_one_user_takes_no_lock(void **state)
{
	struct device *device = bound_open("null:alone", NR_REG_ALL_NIC), *other;
	const struct device_ring *ring = device->ops->ring(device, true, 0);

	(void)state;
	assert_ptr_equal(ring->sync.sync, port_kind_null.tx_entry);
	other = bound_open("null:alone", NR_REG_ALL_NIC);
	assert_ptr_not_equal(ring->sync.sync, port_kind_null.tx_entry);
	other->ops->close(other);
	device->ops->close(device);
}

/* A program can write where positions stand; what is not within the ring is not believed. */
static void nonsense_in_a_shared_place_is_passed_over(void **state)
{
	struct device *device = bound_open("null:bad", NR_REG_ALL_NIC);
	struct device *other = bound_open("null:bad", NR_REG_ALL_NIC);
	struct ring *r = (struct ring *)(void *)device->ops->ring(device, true, 0);
	struct ring_place *place = (void *)((uint8_t *)place_own(r) - PLACE_OWN_AT);

	(void)state;
	slot_send(r->common.ring);
	assert_int_equal(device->ops->sync(device, true), 0);
	place->hwtail = UINT32_MAX;
	place->turn += 7;
	slot_send(r->common.ring);
	assert_int_equal(device->ops->sync(device, true), 0);
	assert_int_equal(r->hwcur, 2);
	assert_int_equal(r->hwtail, 1);
	other->ops->close(other);
	device->ops->close(device);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(two_threads_two_descriptors_one_ring),
	    cmocka_unit_test(a_ring_with_one_user_takes_no_lock),
	    cmocka_unit_test(nonsense_in_a_shared_place_is_passed_over),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
