/* SPDX-License-Identifier: BSD-2-Clause */
/* Interfaces as ports of a switch. */
#include <stdio.h>
#include <unistd.h>

#include "soft/ports/switch_attach.h"
#include "soft/ports/switch_control.h"
#include "wire.h"

#define PORT "vale0:" NEAR

static struct nmreq_vale_attach all_rings(void)
{
	return (struct nmreq_vale_attach){.reg = {.nr_mode = NR_REG_ALL_NIC}};
}

static void attach(void)
{
	struct nmreq_vale_attach request = all_rings();

	assert_ok(switch_attach(NULL, PORT, &request));
	assert_in_range(request.port_index, 1, 254);
}

static void detach(void)
{
	struct nmreq_vale_detach request = {0};

	assert_ok(switch_detach(NULL, PORT, &request));
	assert_in_range(request.port_index, 1, 254);
}

/* In both directions, a few at a time and many. */
static void check_traffic(struct wire *wire)
{
	static const uint32_t batches[] = {1, 1, 200};
	uint32_t number = 0;

	for (unsigned i = 0; i < COUNT(batches); i++) {
		for (uint32_t n = 0; n < batches[i]; n++)
			end_send(&wire->near, number + n, 60 + n * 5);
		assert_ok(loom_tx_sync(&wire->near.tx));
		for (uint32_t n = 0; n < batches[i]; n++)
			end_expect(&wire->far, number + n, 60 + n * 5);
		for (uint32_t n = 0; n < batches[i]; n++)
			end_send(&wire->far, number + n, 60 + n * 5);
		end_flush(&wire->far);
		for (uint32_t n = 0; n < batches[i]; n++)
			end_expect(&wire->near, number + n, 60 + n * 5);
		number += batches[i];
		usleep(20000); /* the thread goes to sleep */
	}
}

static void frames_pass_between_switch_and_interface(void **state)
{
	struct wire *wire = *state;

	attach();
	end_open(&wire->near, "vale0:a", NULL);
	end_open(&wire->far, FAR, NULL);
	check_traffic(wire);
	detach();
	end_send(&wire->near, 1, 60);
	assert_ok(loom_tx_sync(&wire->near.tx));
	end_expect_none(&wire->far);
}

#ifdef WITH_HOST
/* What the host sends comes to the switch by the host's port, and leaves by the interface's. */
static void the_host_side_is_a_port_of_its_own(void **state)
{
	struct nmreq_vale_attach request = {.reg = {.nr_mode = NR_REG_NIC_SW}};
	struct nmreq_vale_list host = {0};
	char host_name[NETMAP_REQ_IFNAMSIZ] = PORT "^";
	struct wire *wire = *state;
	struct loom_frame frame;
	int fd;

	assert_int_equal(netns_address(NEAR, HOST_ADDRESS), 0);
	assert_ok(switch_attach(NULL, PORT, &request));
	assert_ok(switch_list(NULL, host_name, &host));
	assert_in_range(host.nr_port_idx, 1, 254);
	end_open(&wire->near, "vale0:a", NULL);
	end_open(&wire->far, FAR, NULL);
	fd = host_socket();
	host_broadcast(fd, 4000, "abc", 3);
	host_expect(&wire->near, 4000, &frame);
	assert_int_equal(memcmp(frame.data + 42, "abc", 3), 0);
	host_expect(&wire->far, 4000, &frame);
	end_close(&wire->near);
	detach();
	host_broadcast(fd, 4001, "abc", 3);
	host_expect(&wire->far, 4001, &frame);
	close(fd);
	end_close(&wire->far);
	assert_int_equal(scratch_files(), 0);
}
#endif

static void polling_carries_frames_too(void **state)
{
	const struct nmreq_vale_polling one = {
	    .nr_mode = NETMAP_POLLING_MODE_SINGLE_CPU, .nr_num_polling_cpus = 1};
	struct nmreq_vale_detach request = {0};
	struct wire *wire = *state;

	attach();
	assert_ok(switch_polling_enable(NULL, PORT, &one));
	assert_int_equal(switch_polling_enable(NULL, PORT, &one), -EFAULT);
	assert_int_equal(switch_detach(NULL, PORT, &request), -EBUSY);
	end_open(&wire->near, "vale0:a", NULL);
	end_open(&wire->far, FAR, NULL);
	check_traffic(wire);
	assert_ok(switch_polling_disable(NULL, PORT));
	assert_int_equal(switch_polling_disable(NULL, PORT), -EFAULT);
	check_traffic(wire);
	detach();
}

static void an_interface_that_goes_away_can_be_detached(void **state)
{
	struct wire *wire = *state;

	attach();
	end_open(&wire->near, "vale0:a", NULL);
	netns_remove(NEAR);
	end_send(&wire->near, 1, 60);
	assert_ok(loom_tx_sync(&wire->near.tx));
	usleep(200000);
	detach();
}

static void what_cannot_be_attached_is_refused(void **state)
{
	static const struct nmreq_vale_polling bad[] = {
	    {.nr_mode = 7, .nr_num_polling_cpus = 1},
	    {.nr_mode = NETMAP_POLLING_MODE_SINGLE_CPU, .nr_num_polling_cpus = 0},
	    {.nr_mode = NETMAP_POLLING_MODE_SINGLE_CPU, .nr_num_polling_cpus = 9999},
	    {.nr_mode = NETMAP_POLLING_MODE_SINGLE_CPU,
		.nr_first_cpu_id = 9999,
		.nr_num_polling_cpus = 1},
	};
	struct nmreq_vale_attach request = all_rings();
	struct nmreq_vale_detach gone = {0};
	struct wire *wire = *state;

	assert_int_equal(switch_attach(NULL, "vale0:nosuch0", &request), -EINVAL);
	assert_int_equal(switch_attach(NULL, NEAR, &request), -EINVAL);
	assert_int_equal(switch_detach(NULL, PORT, &gone), -ENXIO);
	assert_int_equal(switch_polling_enable(NULL, PORT, &bad[0]), -ENXIO);
	request.reg.nr_mode = NR_REG_NIC_SW;
	assert_int_equal(switch_attach(NULL, "vale0:nosuch0", &request), -EINVAL);
	request.reg.nr_mode = NR_REG_SW;
	assert_int_equal(switch_attach(NULL, PORT, &request), -EINVAL);
	attach();
	assert_int_equal(switch_attach(NULL, PORT, &request), -EINVAL);
	request = all_rings();
	assert_int_equal(switch_attach(NULL, PORT, &request), -EBUSY);
	request.reg.nr_mode = NR_REG_NIC_SW;
	assert_int_equal(switch_attach(NULL, PORT, &request), -EBUSY);
	assert_int_equal(loom_open(PORT, NULL, &wire->near.port), -EBUSY);
	for (unsigned i = 0; i < COUNT(bad); i++)
		assert_int_equal(switch_polling_enable(NULL, PORT, &bad[i]), -EINVAL);
	detach();
	end_open(&wire->near, "vale0:a", NULL);
	assert_int_equal(switch_polling_enable(NULL, "vale0:a", &bad[0]), -EOPNOTSUPP);
	assert_int_equal(switch_polling_disable(NULL, "vale0:a"), -EOPNOTSUPP);
	end_close(&wire->near);
	assert_int_equal(scratch_files(), 0);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
	    WIRE_TEST(frames_pass_between_switch_and_interface),
#ifdef WITH_HOST
	    WIRE_TEST(the_host_side_is_a_port_of_its_own),
#endif
	    WIRE_TEST(polling_carries_frames_too),
	    WIRE_TEST(an_interface_that_goes_away_can_be_detached),
	    WIRE_TEST(what_cannot_be_attached_is_refused),
	};

	return WIRE_TESTS(tests);
}
