/* SPDX-License-Identifier: BSD-2-Clause */
/* What is asked of an interface, of a driver that the test plays: its ioctls are answered here. */
#include <errno.h>
#include <linux/ethtool.h>
#include <linux/sockios.h>
#include <net/if.h>

#include "soft/ports/xdp_check.h"
#include "support.h"

static bool has_rings;

static int answer(struct ethtool_ringparam *question)
{
	if (question->cmd == ETHTOOL_GRINGPARAM && has_rings) {
		question->rx_pending = 4096;
		question->tx_pending = 512;
		return 0;
	}
	errno = EOPNOTSUPP;
	return -1;
}

int __wrap_ioctl(int fd, unsigned long what, struct ifreq *request);
int __wrap_ioctl(int fd, unsigned long what, struct ifreq *request)
{
	(void)fd;
	switch (what) {
	case SIOCGIFNAME:
		strcpy(request->ifr_name, "eth7");
		return 0;
	case SIOCGIFMTU:
		request->ifr_mtu = 1500;
		return 0;
	case SIOCETHTOOL:
		return answer((void *)request->ifr_data);
	default:
		errno = EINVAL;
		return -1;
	}
}

static void rings_of(uint32_t slots, const char *expected)
{
	struct xdp_facts facts;
	char words[80] = "left over";

	assert_int_equal(xdp_facts_read(7, &facts), 0);
	assert_string_equal(facts.name, "eth7");
	xdp_check_rings(&facts, slots, words, sizeof words);
	assert_string_equal(words, expected);
}

static void a_driver_that_does_not_say_has_no_words(void **state)
{
	(void)state;
	has_rings = false;
	rings_of(1024, "");
}

static void a_drivers_rings_are_told(void **state)
{
	(void)state;
	has_rings = true;
	rings_of(4097, "rx 4096, tx 512");
}

static void a_ring_that_brings_more_than_the_port_has_slots_for_is_told_with_that(void **state)
{
	(void)state;
	has_rings = true;
	rings_of(4096, "rx 4096 (the port has 4096 slots), tx 512");
	rings_of(1024, "rx 4096 (the port has 1024 slots), tx 512");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(a_driver_that_does_not_say_has_no_words),
	    cmocka_unit_test(a_drivers_rings_are_told),
	    cmocka_unit_test(a_ring_that_brings_more_than_the_port_has_slots_for_is_told_with_that),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
