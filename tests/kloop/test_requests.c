/* SPDX-License-Identifier: BSD-2-Clause */
/* CSB mode and the sync loop as requests: what is refused, and why. */
#include "end.h"

#include <poll.h>
#include <signal.h>
#include <sys/mman.h>
#include <unistd.h>

/* ---- CSB mode ---- */

static void the_arrays_say_where_the_rings_stand(void **state)
{
	struct end end;

	(void)state;
	end_open(&end, "loop:k", 2);
	for (unsigned i = 0; i < 4; i++) {
		const struct netmap_ring *ring =
		    end.device->ops->ring(end.device, i < 2, i % 2)->ring;

		assert_int_equal(end.atok[i].head, ring->head);
		assert_int_equal(end.atok[i].cur, ring->cur);
		assert_int_equal(end.ktoa[i].hwcur, ring->head);
		assert_int_equal(end.ktoa[i].hwtail, ring->tail);
		assert_int_equal(end.atok[i].appl_need_kick, 1);
		assert_int_equal(end.ktoa[i].kern_need_kick, 1);
	}
	end_close(&end);
}

static void only_bound_rings_have_entries(void **state)
{
	struct nmreq_register reg = {.nr_mode = NR_REG_ONE_NIC,
	    .nr_ringid = 1,
	    .nr_flags = NR_EXCLUSIVE | NR_TX_RINGS_ONLY,
	    .nr_tx_rings = 2,
	    .nr_rx_rings = 2};
	struct end end = {.device = device_new()};
	struct nmreq_opt_csb option;

	(void)state;
	end_arrays(&end);
	option = end_csb(&end);
	assert_ok(request(end.device, "loop:k", NETMAP_REQ_REGISTER, &reg, &option));
	assert_int_equal(option.nro_opt.nro_status, 0);
	assert_int_equal(end.atok[0].head, 0);
	assert_int_equal(end.atok[1].head, UINT32_MAX);
	assert_int_equal(end.ktoa[1].hwtail, UINT32_MAX);
	end_close(&end);
}

static void it_wants_exclusive_rings(void **state)
{
	struct end end = {.device = device_new()};
	struct nmreq_opt_csb option;

	(void)state;
	end_arrays(&end);
	option = end_csb(&end);
	assert_refused(bind_rings(end.device, "loop:k", 0, 1, &option), -EINVAL, "NR_EXCLUSIVE");
	assert_int_equal(option.nro_opt.nro_status, EINVAL);
	/* The failed request has bound nothing. */
	assert_refused(end.device->ops->sync(end.device, true), -ENXIO, "not bound");
	assert_ok(bind_rings(end.device, "loop:k", 0, 1, NULL));
	assert_refused(
	    request(end.device, "", NETMAP_REQ_CSB_ENABLE, NULL, &option), -EINVAL, "NR_EXCLUSIVE");
	assert_ok(end.device->ops->sync(end.device, true));
	end_close(&end);
}

static void it_can_be_had_later(void **state)
{
	struct end end = {.device = device_new()};
	struct nmreq_opt_csb option;

	(void)state;
	end_arrays(&end);
	option = end_csb(&end);
	assert_refused(
	    request(end.device, "", NETMAP_REQ_CSB_ENABLE, NULL, NULL), -EINVAL, "option");
	assert_refused(
	    request(end.device, "", NETMAP_REQ_CSB_ENABLE, NULL, &option), -ENXIO, "not bound");
	assert_int_equal(option.nro_opt.nro_status, ENXIO);
	assert_ok(bind_rings(end.device, "loop:k", NR_EXCLUSIVE, 1, NULL));
	assert_refused(
	    request(end.device, "", NETMAP_REQ_CSB_ENABLE, NULL, NULL), -EINVAL, "option");
	assert_ok(request(end.device, "", NETMAP_REQ_CSB_ENABLE, NULL, &option));
	assert_int_equal(option.nro_opt.nro_status, 0);
	assert_int_equal(end.ktoa[0].hwtail, 255);
	end_close(&end);
}

static void wild_arrays_are_EFAULT(void **state)
{
	static const uint64_t wild[] = {
	    0, 64, 4096, 0x7fffffffffc0, 0x8000000000000000u, 0xffff800000000000u, UINT64_MAX - 63};
	struct end end = {.device = device_new()};

	(void)state;
	end_arrays(&end);
	for (size_t i = 0; i < 2 * COUNT(wild); i++) {
		struct nmreq_opt_csb option = end_csb(&end);

		*(i % 2 ? &option.csb_atok : &option.csb_ktoa) = wild[i / 2];
		assert_refused(bind_rings(end.device, "loop:k", NR_EXCLUSIVE, 1, &option), -EFAULT,
		    "no memory");
		assert_int_equal(option.nro_opt.nro_status, EFAULT);
	}
	assert_ok(bind_rings(end.device, "loop:k", NR_EXCLUSIVE, 1, NULL));
	end_close(&end);
}

/* The first entry is there, the second is not, or cannot be written. */
static void arrays_that_end_too_soon_are_EFAULT(void **state)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE);
	static const int second[] = {PROT_NONE, PROT_READ};

	(void)state;
	for (size_t i = 0; i < COUNT(second); i++) {
		struct end end = {.device = device_new()};
		struct nmreq_opt_csb option;
		uint8_t *at = mmap(
		    NULL, 2 * page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

		assert_true(at != MAP_FAILED);
		assert_int_equal(mprotect(at + page, page, second[i]), 0);
		end_arrays(&end);
		option = end_csb(&end);
		option.csb_ktoa = (uintptr_t)at + page - sizeof *end.ktoa;
		assert_refused(
		    bind_rings(end.device, "loop:k", NR_EXCLUSIVE, 1, &option), -EFAULT, "entry 1");
		end_close(&end);
		munmap(at, 2 * page);
	}
}

static void arrays_are_aligned_to_their_entries(void **state)
{
	struct end end = {.device = device_new()};

	(void)state;
	end_arrays(&end);
	for (unsigned by = 1; by < 64; by *= 2) {
		struct nmreq_opt_csb atok = end_csb(&end), ktoa = end_csb(&end);

		atok.csb_atok += by;
		ktoa.csb_ktoa += by;
		assert_refused(
		    bind_rings(end.device, "loop:k", NR_EXCLUSIVE, 1, &atok), -EINVAL, "aligned");
		assert_refused(
		    bind_rings(end.device, "loop:k", NR_EXCLUSIVE, 1, &ktoa), -EINVAL, "aligned");
	}
	end_close(&end);
}

static void syncs_and_polls_are_the_loops_alone(void **state)
{
	struct pollfd fd;
	struct end end;

	(void)state;
	end_open(&end, "loop:k", 1);
	assert_refused(end.device->ops->sync(end.device, true), -EBUSY, "CSB");
	assert_refused(end.device->ops->sync(end.device, false), -EBUSY, "CSB");
	assert_int_equal(end.device->ops->poll(end.device, POLLOUT, 0), POLLERR);
	assert_int_equal(end.device->ops->poll(end.device, POLLIN, 1000), POLLERR);
	assert_refused(end.device->ops->arm(end.device, POLLIN, &fd, 1), -EBUSY, "CSB");
	assert_refused(end.device->ops->fd(end.device), -EBUSY, "CSB");
	end_close(&end);
}

/* ---- the loop ---- */

static void a_loop_wants_a_port_in_CSB_mode(void **state)
{
	struct nmreq_sync_kloop_start body = {.sleep_us = 1};
	struct device *device = device_new();

	(void)state;
	assert_refused(
	    request(device, "", NETMAP_REQ_SYNC_KLOOP_START, &body, NULL), -ENXIO, "not bound");
	assert_refused(
	    request(device, "", NETMAP_REQ_SYNC_KLOOP_STOP, NULL, NULL), -ENXIO, "not bound");
	assert_refused(
	    request(device, "", NETMAP_REQ_SYNC_KLOOP_START, NULL, NULL), -EINVAL, "body");
	assert_ok(bind_rings(device, "loop:k", NR_EXCLUSIVE, 1, NULL));
	assert_refused(
	    request(device, "", NETMAP_REQ_SYNC_KLOOP_START, &body, NULL), -EINVAL, "CSB");
	assert_ok(request(device, "", NETMAP_REQ_SYNC_KLOOP_STOP, NULL, NULL));
	device->ops->close(device);
}

static void there_is_one_loop_at_a_time(void **state)
{
	struct nmreq_opt_csb option;
	struct end end, second;

	(void)state;
	end_open(&end, "loop:k", 1);
	end.sleep_us = 100;
	end_start(&end);
	second = end;
	assert_refused(end_run(&second), -EBUSY, "running");
	option = end_csb(&end);
	assert_refused(
	    request(end.device, "", NETMAP_REQ_CSB_ENABLE, NULL, &option), -EBUSY, "loop is using");
	assert_ok(end_stop(&end));
	assert_int_equal(end_join(&end), 0);
	assert_ok(request(end.device, "", NETMAP_REQ_CSB_ENABLE, NULL, &option));
	end_close(&end);
}

static void it_can_be_started_again(void **state)
{
	struct end end;

	(void)state;
	end_open(&end, "loop:k", 1);
	end.sleep_us = 10;
	for (unsigned i = 0; i < 20; i++) {
		end_start(&end);
		assert_ok(end_stop(&end));
		assert_int_equal(end_join(&end), 0);
		if (i == 10)
			end_eventfds(&end);
	}
	end_close(&end);
}

/* The program's two threads may come in either order. */
static void a_stop_before_the_start_counts(void **state)
{
	struct end end;

	(void)state;
	end_open(&end, "loop:k", 1);
	end.sleep_us = 10;
	assert_ok(end_stop(&end));
	assert_int_equal(end_run(&end), 0);
	end_start(&end); /* … once */
	assert_ok(end_stop(&end));
	assert_int_equal(end_join(&end), 0);
	end_close(&end);
}

static void a_sleep_of_more_than_a_second_is_EINVAL(void **state)
{
	struct end end;

	(void)state;
	end_open(&end, "loop:k", 1);
	end.sleep_us = 1000001;
	assert_refused(end_run(&end), -EINVAL, "sleep_us");
	end.sleep_us = 1000000;
	assert_ok(end_stop(&end));
	assert_int_equal(end_run(&end), 0);
	end_close(&end);
}

static void nothing(int number)
{
	(void)number;
}

static void a_signal_ends_it(void **state)
{
	const struct sigaction action = {.sa_handler = nothing, .sa_flags = SA_RESTART};
	struct sigaction before;
	struct end end;

	(void)state;
	assert_int_equal(sigaction(SIGUSR1, &action, &before), 0);
	end_open(&end, "loop:k", 1);
	for (unsigned i = 0; i < 2; i++) {
		end.sleep_us = 1000;
		end_start(&end);
		pthread_kill(end.thread, SIGUSR1);
		assert_int_equal(end_join(&end), -EINTR);
		if (i == 0)
			end_eventfds(&end);
	}
	end_start(&end);
	assert_ok(end_stop(&end));
	assert_int_equal(end_join(&end), 0);
	end_close(&end);
	sigaction(SIGUSR1, &before, NULL);
}

static struct end *handled;

static void stop_from_handler(int number)
{
	(void)number;
	end_stop(handled);
}

static void it_can_be_stopped_from_a_handler_that_interrupts_it(void **state)
{
	const struct sigaction action = {.sa_handler = stop_from_handler};
	struct sigaction before;
	struct end end;

	(void)state;
	handled = &end;
	assert_int_equal(sigaction(SIGUSR1, &action, &before), 0);
	end_open(&end, "loop:k", 1);
	end_eventfds(&end);
	end_start(&end);
	pthread_kill(end.thread, SIGUSR1);
	assert_int_equal(end_join(&end), 0);
	end_close(&end);
	sigaction(SIGUSR1, &before, NULL);
}

/* ---- options ---- */

static int start_with(const struct end *end, void *option)
{
	struct nmreq_sync_kloop_start body = {.sleep_us = 10};

	return request(end->device, end->name, NETMAP_REQ_SYNC_KLOOP_START, &body, option);
}

static void eventfds_are_one_pair_a_ring(void **state)
{
	struct nmreq_opt_sync_kloop_eventfds *option;
	struct end end;

	(void)state;
	end_open(&end, "loop:k", 1);
	end_eventfds(&end);
	for (int by = -8; by <= 8; by += 4) {
		option = end_option(&end);
		option->nro_opt.nro_size += (uint64_t)by;
		if (by == 0)
			continue;
		assert_refused(start_with(&end, option), -EINVAL, "entries");
		assert_int_equal(option->nro_opt.nro_status, EINVAL);
	}
	option = end_option(&end);
	option->nro_opt.nro_size = 0;
	assert_refused(start_with(&end, option), -EINVAL, "nro_size");
	end_close(&end);
}

static void eventfds_are_eventfds(void **state)
{
	struct nmreq_opt_sync_kloop_eventfds *option;
	unsigned before;
	struct end end;
	int ends[2];

	(void)state;
	assert_int_equal(pipe(ends), 0);
	end_open(&end, "loop:k", 1);
	end_eventfds(&end);
	before = open_descriptors();
	option = end_option(&end);
	option->eventfds[1].ioeventfd = ends[0];
	assert_refused(start_with(&end, option), -EINVAL, "eventfd");
	assert_int_equal(option->nro_opt.nro_status, EINVAL);
	option = end_option(&end);
	option->eventfds[1].irqfd = ends[1];
	assert_refused(start_with(&end, option), -EINVAL, "eventfd");
	option = end_option(&end);
	option->eventfds[0].irqfd = 100000;
	assert_refused(start_with(&end, option), -EBADF, "eventfd");
	assert_int_equal(option->nro_opt.nro_status, EBADF);
	assert_int_equal(open_descriptors(), before);
	end_close(&end);
	close(ends[0]);
	close(ends[1]);
}

static void modes_are_checked(void **state)
{
	struct nmreq_opt_sync_kloop_mode mode = {
	    .nro_opt = {.nro_reqtype = NETMAP_REQ_OPT_SYNC_KLOOP_MODE}, .mode = 4};
	struct end end;

	(void)state;
	end_open(&end, "loop:k", 1);
	assert_refused(start_with(&end, &mode), -EINVAL, "mode");
	assert_int_equal(mode.nro_opt.nro_status, EINVAL);
	mode.mode = NM_OPT_SYNC_KLOOP_DIRECT_TX;
	assert_refused(start_with(&end, &mode), -EINVAL, "ioeventfd");
	end_eventfds(&end);
	end.mode = NM_OPT_SYNC_KLOOP_DIRECT_TX | NM_OPT_SYNC_KLOOP_DIRECT_RX;
	end_start(&end);
	assert_ok(end_stop(&end));
	assert_int_equal(end_join(&end), 0);
	end_close(&end);
}

static void options_belong_to_their_requests(void **state)
{
	struct nmreq_option unknown = {.nro_reqtype = 99};
	struct end end, other = {.device = device_new()};
	struct nmreq_opt_csb option, twice;

	(void)state;
	end_open(&end, "loop:k", 1);
	option = end_csb(&end);
	assert_refused(start_with(&end, &option), -EOPNOTSUPP, "option");
	assert_int_equal(option.nro_opt.nro_status, EOPNOTSUPP);
	assert_refused(start_with(&end, &unknown), -EOPNOTSUPP, "option");
	assert_refused(bind_rings(other.device, "loop:o", NR_EXCLUSIVE, 1, end_option(&end)),
	    -EOPNOTSUPP, "option");
	option = twice = end_csb(&end);
	option.nro_opt.nro_next = (uintptr_t)&twice;
	assert_refused(
	    bind_rings(other.device, "loop:o", NR_EXCLUSIVE, 1, &option), -EINVAL, "twice");
	assert_int_equal(option.nro_opt.nro_status, EINVAL);
	assert_int_equal(twice.nro_opt.nro_status, EINVAL);
	other.device->ops->close(other.device);
	end_close(&end);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(the_arrays_say_where_the_rings_stand),
	    cmocka_unit_test(only_bound_rings_have_entries),
	    cmocka_unit_test(it_wants_exclusive_rings),
	    cmocka_unit_test(it_can_be_had_later),
	    cmocka_unit_test(wild_arrays_are_EFAULT),
	    cmocka_unit_test(arrays_that_end_too_soon_are_EFAULT),
	    cmocka_unit_test(arrays_are_aligned_to_their_entries),
	    cmocka_unit_test(syncs_and_polls_are_the_loops_alone),
	    cmocka_unit_test(a_loop_wants_a_port_in_CSB_mode),
	    cmocka_unit_test(there_is_one_loop_at_a_time),
	    cmocka_unit_test(it_can_be_started_again),
	    cmocka_unit_test(a_stop_before_the_start_counts),
	    cmocka_unit_test(a_sleep_of_more_than_a_second_is_EINVAL),
	    cmocka_unit_test(a_signal_ends_it),
	    cmocka_unit_test(it_can_be_stopped_from_a_handler_that_interrupts_it),
	    cmocka_unit_test(eventfds_are_one_pair_a_ring),
	    cmocka_unit_test(eventfds_are_eventfds),
	    cmocka_unit_test(modes_are_checked),
	    cmocka_unit_test(options_belong_to_their_requests),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
