/* SPDX-License-Identifier: BSD-2-Clause */
/* REGISTER in mode NULL: a descriptor with memory, and without rings to move. */
#include "support.h"

#include <poll.h>
#include <stdio.h>

#include "device/device.h"

struct window {
	struct device *device;
	struct device_map map;
	struct nmreq_register reg;
};

static int bind(struct window *w, const char *name, uint32_t mode, uint32_t mem_id, uint32_t extra)
{
	struct nmreq_header header = {.nr_version = NETMAP_API,
	    .nr_reqtype = NETMAP_REQ_REGISTER,
	    .nr_body = (uintptr_t)&w->reg};
	int err;

	w->reg = (struct nmreq_register){
	    .nr_mode = mode, .nr_mem_id = (uint16_t)mem_id, .nr_extra_bufs = extra};
	snprintf(header.nr_name, sizeof header.nr_name, "%s", name);
	assert_ok(soft_open(&w->device));
	err = w->device->ops->control(w->device, &header);
	if (err)
		w->device->ops->close(w->device);
	else
		assert_ok(w->device->ops->map(w->device, &w->map));
	return err;
}

static void close_window(struct window *w)
{
	w->device->ops->close(w->device);
}

static void it_needs_memory_that_is_there(void **state)
{
	struct window w = {.device = NULL};

	(void)state;
	assert_int_equal(bind(&w, "m{1", NR_REG_NULL, 0, 0), -EINVAL);
	assert_int_equal(bind(&w, "m{1", NR_REG_NULL, 60000, 0), -EINVAL);
	assert_int_equal(scratch_files(), 0);
}

static void it_has_the_memory_and_no_rings(void **state)
{
	static const char *const owners[] = {"m{1", "m}1", "loop:m", "null:m", "vale0:m"};

	(void)state;
	for (size_t i = 0; i < COUNT(owners); i++) {
		struct window owner = {.device = NULL}, w = {.device = NULL};

		assert_ok(bind(&owner, owners[i], NR_REG_ALL_NIC, 0, 0));
		assert_ok(bind(&w, "w", NR_REG_NULL, owner.reg.nr_mem_id, 0));
		assert_int_equal(w.reg.nr_mem_id, owner.reg.nr_mem_id);
		assert_int_equal(w.reg.nr_memsize, owner.reg.nr_memsize);
		assert_int_not_equal(w.reg.nr_offset, owner.reg.nr_offset);
		assert_ptr_equal(w.map.base, owner.map.base);
		assert_int_equal(w.reg.nr_tx_rings + w.reg.nr_rx_rings, 0);
		assert_int_equal(w.map.nifp->ni_tx_rings + w.map.nifp->ni_rx_rings, 0);
		assert_int_equal(w.map.nifp->ni_host_tx_rings + w.map.nifp->ni_host_rx_rings, 0);
		for (unsigned k = 0; k < 4; k++)
			assert_int_equal(w.map.nifp->ring_ofs[k], 0);
		assert_string_equal(w.map.nifp->ni_name, "null:w");
		assert_null(w.device->ops->ring(w.device, true, 0));
		close_window(&w);
		close_window(&owner);
	}
	assert_int_equal(scratch_files(), 0);
}

/* Programs compare the reply with what they asked for, though no ring is behind the numbers. */
static void the_reply_repeats_the_numbers_asked_for(void **state)
{
	struct nmreq_register reg = {.nr_mode = NR_REG_NULL,
	    .nr_tx_rings = 10,
	    .nr_rx_rings = 5,
	    .nr_tx_slots = 256,
	    .nr_rx_slots = 100};
	struct nmreq_header header = {.nr_version = NETMAP_API,
	    .nr_reqtype = NETMAP_REQ_REGISTER,
	    .nr_body = (uintptr_t)&reg};
	struct window owner = {.device = NULL}, w = {.device = NULL};

	(void)state;
	assert_ok(bind(&owner, "m{1", NR_REG_ALL_NIC, 0, 0));
	reg.nr_mem_id = owner.reg.nr_mem_id;
	assert_ok(soft_open(&w.device));
	assert_ok(w.device->ops->control(w.device, &header));
	assert_int_equal(reg.nr_tx_rings, 10);
	assert_int_equal(reg.nr_rx_rings, 5);
	assert_int_equal(reg.nr_tx_slots, 256);
	assert_int_equal(reg.nr_rx_slots, 100);
	assert_null(w.device->ops->ring(w.device, true, 0));
	close_window(&w);
	close_window(&owner);
}

static void nothing_moves_and_nothing_is_ready(void **state)
{
	struct window owner = {.device = NULL}, w = {.device = NULL};

	(void)state;
	assert_ok(bind(&owner, "m{1", NR_REG_ALL_NIC, 0, 0));
	assert_ok(bind(&w, "", NR_REG_NULL, owner.reg.nr_mem_id, 0));
	assert_ok(w.device->ops->sync(w.device, true));
	assert_ok(w.device->ops->sync(w.device, false));
	assert_int_equal(w.device->ops->poll(w.device, POLLIN | POLLOUT, 0), 0);
	assert_int_equal(w.device->ops->poll(w.device, POLLIN | POLLOUT, 5), 0);
	assert_true(w.device->ops->fd(w.device) >= 0);
	close_window(&w);
	close_window(&owner);
}

/* The buffers that it holds are what it is good for. */
static void it_may_hold_extra_buffers(void **state)
{
	struct window owner = {.device = NULL}, w = {.device = NULL};

	(void)state;
	assert_ok(bind(&owner, "m{1", NR_REG_ALL_NIC, 0, 8));
	assert_ok(bind(&w, "w", NR_REG_NULL, owner.reg.nr_mem_id, 4));
	assert_int_equal(w.reg.nr_extra_bufs, 4);
	assert_true(w.map.nifp->ni_bufs_head >= LOOM_FIRST_BUFFER);
	assert_int_not_equal(w.map.nifp->ni_bufs_head, owner.map.nifp->ni_bufs_head);
	close_window(&w);
	close_window(&owner);
}

static void memory_outlives_the_port_that_made_it(void **state)
{
	static const char *const owners[] = {"m{1", "loop:m", "vale0:m"};

	(void)state;
	for (size_t i = 0; i < COUNT(owners); i++) {
		struct window owner, w, later;

		assert_ok(bind(&owner, owners[i], NR_REG_ALL_NIC, 0, 0));
		assert_ok(bind(&w, "w", NR_REG_NULL, owner.reg.nr_mem_id, 0));
		close_window(&owner);
		memset(w.map.buffers, 7, w.map.buf_size);
		assert_ok(bind(&later, "w", NR_REG_NULL, w.reg.nr_mem_id, 1));
		assert_int_equal(later.map.buffers[0], 7);
		close_window(&w);
		close_window(&later);
	}
	assert_int_equal(scratch_files(), 0);
}

/* Neither of that name, nor of the kind called null. */
static void it_is_nobody_elses_port(void **state)
{
	struct window owner, w, other, null;

	(void)state;
	assert_ok(bind(&owner, "m{1", NR_REG_ALL_NIC, 0, 0));
	assert_ok(bind(&w, "w", NR_REG_NULL, owner.reg.nr_mem_id, 0));
	assert_ok(bind(&other, "w", NR_REG_NULL, owner.reg.nr_mem_id, 0));
	assert_ok(bind(&null, "null:w", NR_REG_ALL_NIC, 0, 0));
	assert_int_equal(null.reg.nr_tx_rings, 1);
	assert_int_not_equal(null.reg.nr_mem_id, owner.reg.nr_mem_id);
	close_window(&w);
	close_window(&owner);
	close_window(&null);
	close_window(&other);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(it_needs_memory_that_is_there),
	    cmocka_unit_test(it_has_the_memory_and_no_rings),
	    cmocka_unit_test(the_reply_repeats_the_numbers_asked_for),
	    cmocka_unit_test(nothing_moves_and_nothing_is_ready),
	    cmocka_unit_test(it_may_hold_extra_buffers),
	    cmocka_unit_test(memory_outlives_the_port_that_made_it),
	    cmocka_unit_test(it_is_nobody_elses_port),
	};

	scratch_directory();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
