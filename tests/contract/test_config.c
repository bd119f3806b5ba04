/* SPDX-License-Identifier: BSD-2-Clause */
/* loom_open's arguments: every field out of range has an error of its own, and nothing is opened. */
#include "support.h"

#include <stdio.h>
#include <stdlib.h>

static void refused_with(const struct loom_config *config, int error, const char *word)
{
	static const char *const names[] = {"loop:c", "null:c", "c{1", "pipe{c}"};
	const unsigned before = open_descriptors();
	char untouched;

	for (size_t i = 0; i < COUNT(names); i++) {
		struct loom_port *port = (void *)&untouched;

		assert_refused(loom_open(names[i], config, &port), error, word);
		assert_refused(loom_open(names[i], config, &port), error, names[i]);
		assert_ptr_equal(port, &untouched);
	}
	assert_int_equal(open_descriptors(), before);
	assert_int_equal(scratch_files(), 0);
}

static void every_field_out_of_range_is_named(void **state)
{
	(void)state;
	refused_with(LOOM_CONFIG(.tx_rings = 257), -EINVAL, "config.tx_rings is 257");
	refused_with(LOOM_CONFIG(.tx_rings = UINT32_MAX), -EINVAL, "config.tx_rings is 4294967295");
	refused_with(LOOM_CONFIG(.tx_rings = 65537), -EINVAL, "config.tx_rings is 65537");
	refused_with(LOOM_CONFIG(.rx_rings = 257), -EINVAL, "config.rx_rings is 257");
	refused_with(LOOM_CONFIG(.tx_slots = 1), -EINVAL, "config.tx_slots is 1");
	refused_with(LOOM_CONFIG(.rx_slots = 1), -EINVAL, "config.rx_slots is 1");
	refused_with(LOOM_CONFIG(.buffer_size = 1), -EINVAL, "config.buffer_size is 1,");
	refused_with(LOOM_CONFIG(.buffer_size = 63), -EINVAL, "config.buffer_size is 63");
	refused_with(LOOM_CONFIG(.buffer_size = 65473), -EINVAL, "config.buffer_size is 65473");
	refused_with(
	    LOOM_CONFIG(.buffer_size = UINT32_MAX), -EINVAL, "config.buffer_size is 4294967295");
	refused_with(LOOM_CONFIG(.device = (enum loom_device)3), -EINVAL, "config.device is 3");
	refused_with(LOOM_CONFIG(.device = (enum loom_device) - 1), -EINVAL, "config.device is");
}

static void the_size_field_must_be_set(void **state)
{
	const struct loom_config none = {.tx_rings = 1};
	const struct loom_config short_of_all = {.size = sizeof(size_t) - 1};
	const struct loom_config huge = {.size = 1u << 20};

	(void)state;
	refused_with(&none, -EINVAL, "config.size is 0");
	refused_with(&short_of_all, -EINVAL, "config.size is 7");
	refused_with(&huge, -EINVAL, "config.size is 1048576");
}

/* Programs built against an older library have a shorter struct, against a newer one a longer. */
static void a_shorter_struct_has_zeroes_for_what_it_lacks(void **state)
{
	struct loom_config config;
	struct loom_port *port;
	struct loom_info info;

	(void)state;
	memset(&config, 0xff, sizeof config);
	config.size = offsetof(struct loom_config, rx_rings);
	config.tx_rings = 2;
	assert_ok(loom_open("loop:c", &config, &port));
	assert_ok(loom_port_info(port, &info));
	assert_int_equal(info.tx_rings, 2);
	assert_int_equal(info.tx_slots, 1024);
	assert_int_equal(info.buffer_size, 2048);
	loom_close(port);
	config.size = sizeof config.size;
	assert_ok(loom_open("loop:c", &config, &port));
	assert_int_equal(loom_tx_rings(port), 1);
	loom_close(port);
}

static void a_longer_struct_may_not_ask_for_what_is_unknown(void **state)
{
	struct {
		struct loom_config config;
		uint64_t later[4];
	} newer = {.config = {.size = sizeof newer, .tx_slots = 33}};
	struct loom_port *port;
	struct loom_info info;

	(void)state;
	assert_ok(loom_open("loop:c", &newer.config, &port));
	assert_ok(loom_port_info(port, &info));
	assert_int_equal(info.tx_slots, 33);
	loom_close(port);
	newer.later[2] = 1;
	refused_with(&newer.config, -EINVAL, "this version of the library");
}

static void what_is_missing_is_refused(void **state)
{
	struct loom_port *port = NULL;

	(void)state;
	assert_refused(loom_open(NULL, NULL, &port), -EINVAL, "NULL");
	assert_refused(loom_open("loop:c", NULL, NULL), -EINVAL, "NULL");
	assert_null(port);
}

static void names_that_cannot_be_opened_say_why(void **state)
{
	static const struct {
		const char *name;
		int error;
		const char *word;
	} wrong[] = {
	    {"", -EINVAL, "character 1"},
	    {"loop:c^", -EINVAL, "no host rings"},
	    {"c{1*", -EINVAL, "host rings"},
	    {"loop:c-1", -EINVAL, "no ring 1"},
	    {"c{1-7", -EINVAL, "no ring 7"},
	    {"pipe{", -EINVAL, "character"},
	    {"pipe{c", -EINVAL, "character"},
	    {"c{1^^", -EINVAL, "character"},
	    {"sixteenletterssi{1", -ENXIO, "15 characters"},
	    {"sixteenletterssi}1", -ENXIO, "15 characters"},
	    {"c{1@70", -EINVAL, "memory region 70"},
	    {"c{1/t", -EINVAL, "monitor"},
	    {"loop:c/r", -EINVAL, "monitor"},
	    {"c{1/zr", -EINVAL, "monitor"},
	    {"loop:c@share=nosuchif0", -ENXIO, "nosuchif0"},
	    {"loop:c@extmem:file=no/such/file", -ENOENT, "no/such/file"},
	    {"loop:c@extmem:file=/dev/null", -ENODATA, "empty"},
	    {"loop:c@offset=2048", -EINVAL, "leaves no room"},
	    {"loop:c@offset:initial=64,bits=6", -EINVAL, "6 bits"},
	    {"vale0:averyveryverylongport", -ENOMEM, "switch"},
	    {"kernel:c{1", -ENODEV, "/dev/netmap"},
	};

	(void)state;
	for (size_t i = 0; i < COUNT(wrong); i++) {
		struct loom_port *port = NULL;
		int got = loom_open(wrong[i].name, NULL, &port);

		assert_null(port);
		if (got != wrong[i].error || !strstr(loom_error(), wrong[i].word))
			fail_msg("\"%s\" gives %d: %s", wrong[i].name, got, loom_error());
	}
	assert_int_equal(scratch_files(), 0);
}

static void the_name_wins_over_the_configuration(void **state)
{
	struct loom_port *port;
	struct loom_info info;

	(void)state;
	assert_ok(loom_open("c{1@conf:rings=3,slots=40",
	    LOOM_CONFIG(.tx_rings = 2, .tx_slots = 20, .rx_slots = 10), &port));
	assert_ok(loom_port_info(port, &info));
	assert_int_equal(info.tx_rings, 3);
	assert_int_equal(info.rx_rings, 3);
	assert_int_equal(info.tx_slots, 40);
	assert_int_equal(info.rx_slots, 40);
	loom_close(port);
}

static void what_is_too_much_is_clipped_where_it_can_be_seen(void **state)
{
	struct loom_port *port;
	struct loom_info info;

	(void)state;
	assert_ok(loom_open("c{1", LOOM_CONFIG(.tx_slots = 5000, .rx_slots = UINT32_MAX), &port));
	assert_ok(loom_port_info(port, &info));
	assert_int_equal(info.tx_slots, 4096);
	assert_int_equal(info.rx_slots, 4096);
	loom_close(port);
	assert_ok(loom_open("c{1@conf:rings=300,slots=16", NULL, &port));
	assert_int_equal(loom_tx_rings(port), 256);
	assert_int_equal(loom_rx_rings(port), 256);
	loom_close(port);
	assert_ok(loom_open(
	    "loop:c", LOOM_CONFIG(.extra_buffers = UINT32_MAX, .buffer_size = 64), &port));
	assert_ok(loom_port_info(port, &info));
	assert_int_equal(info.extra_buffers, 524288);
	loom_close(port);
}

/* Whoever asks for one slot by name gets what the device makes of it: never a ring that cannot carry. */
static void no_ring_has_a_single_slot(void **state)
{
	static const char *const names[] = {
	    "loop:one@conf:slots=1", "null:one@conf:slots=1", "one{1@conf:slots=1"};

	(void)state;
	for (size_t i = 0; i < COUNT(names); i++) {
		struct loom_port *port = NULL;
		struct loom_info info;
		int err = loom_open(names[i], NULL, &port);

		if (err == 0) {
			assert_ok(loom_port_info(port, &info));
			assert_true(info.tx_slots >= 2);
			loom_close(port);
		} else {
			assert_refused(err, -EINVAL, "slots");
		}
	}
}

/* Kinds without host rings do not grow any, whatever the name asks for. */
static void host_rings_by_option_harm_nobody(void **state)
{
	static const char *const names[] = {"loop:c@conf:host-rings=3",
	    "loop:c@conf:host-rx-rings=3", "loop:c@conf:rings=2,host-tx-rings=5",
	    "c{1@conf:host-rings=3", "null:c@conf:host-rings=2"};
	const unsigned before = open_descriptors();

	(void)state;
	for (size_t i = 0; i < COUNT(names); i++) {
		struct loom_port *port;
		struct loom_txring tx;

		assert_ok(loom_open(names[i], NULL, &port));
		assert_ok(loom_tx(port, 0, &tx));
		assert_int_equal(loom_send(&tx, "x", 1), 1);
		assert_ok(loom_tx_sync(&tx));
		assert_int_equal(loom_port_wait(port, LOOM_TX, 0), LOOM_TX);
		loom_close(port);
	}
	assert_int_equal(open_descriptors(), before);
}

static void many_host_rings_are_clipped_like_all_rings(void **state)
{
	struct loom_port *port;
	struct loom_info info;

	(void)state;
	assert_ok(loom_open("null:c@conf:host-rings=5000,slots=2", NULL, &port));
	assert_int_equal(loom_host_tx_rings(port), 0); /* the name does not bind them */
	assert_ok(loom_port_info(port, &info));
	assert_true(info.region_size < 32u << 20);
	loom_close(port);
}

static void the_environment_chooses_the_device_only_where_nothing_else_does(void **state)
{
	struct loom_port *port = NULL;

	(void)state;
	assert_int_equal(setenv("PKTLOOM_DEVICE", "kernel", 1), 0);
	assert_refused(loom_open("c{1", NULL, &port), -ENODEV, "/dev/netmap");
	assert_ok(loom_open("c{1", LOOM_CONFIG(.device = LOOM_DEVICE_SOFT), &port));
	loom_close(port);
	assert_ok(loom_open("loop:c", NULL, &port));
	loom_close(port);
	assert_int_equal(setenv("PKTLOOM_DEVICE", "soft", 1), 0);
	assert_ok(loom_open("c{1", NULL, &port));
	loom_close(port);
	assert_int_equal(unsetenv("PKTLOOM_DEVICE"), 0);
}

static void unknown_flags_are_ignored(void **state)
{
	struct loom_port *port;

	(void)state;
	assert_ok(loom_open("c{1", LOOM_CONFIG(.flags = (uint64_t)1 << 40 | 0x1000), &port));
	loom_close(port);
}

static void a_success_keeps_the_last_message(void **state)
{
	struct loom_port *port;
	char before[512];

	(void)state;
	assert_int_equal(loom_open("pipe{", NULL, &port), -EINVAL);
	snprintf(before, sizeof before, "%s", loom_error());
	assert_ok(loom_open("loop:c", NULL, &port));
	loom_close(port);
	assert_string_equal(loom_error(), before);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(every_field_out_of_range_is_named),
	    cmocka_unit_test(the_size_field_must_be_set),
	    cmocka_unit_test(a_shorter_struct_has_zeroes_for_what_it_lacks),
	    cmocka_unit_test(a_longer_struct_may_not_ask_for_what_is_unknown),
	    cmocka_unit_test(what_is_missing_is_refused),
	    cmocka_unit_test(names_that_cannot_be_opened_say_why),
	    cmocka_unit_test(the_name_wins_over_the_configuration),
	    cmocka_unit_test(what_is_too_much_is_clipped_where_it_can_be_seen),
	    cmocka_unit_test(no_ring_has_a_single_slot),
	    cmocka_unit_test(host_rings_by_option_harm_nobody),
	    cmocka_unit_test(many_host_rings_are_clipped_like_all_rings),
	    cmocka_unit_test(the_environment_chooses_the_device_only_where_nothing_else_does),
	    cmocka_unit_test(unknown_flags_are_ignored),
	    cmocka_unit_test(a_success_keeps_the_last_message),
	};

	scratch_directory();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
