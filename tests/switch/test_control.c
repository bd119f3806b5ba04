/* SPDX-License-Identifier: BSD-2-Clause */
/* Requests about switches: listing, header lengths, information, persistent ports. */
#include <signal.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#include "soft/ports/switch_control.h"
#include "station.h"

/* ---- list ---- */

static void list_of_nothing_is_empty(void **state)
{
	struct nmreq_vale_list list = {0};
	char name[NETMAP_REQ_IFNAMSIZ] = "";

	(void)state;
	scratch_directory();
	assert_int_equal(switch_list(NULL, name, &list), -ENOENT);
	strcpy(name, "vale9:x");
	assert_int_equal(switch_list(NULL, name, &list), -ENOENT);
	strcpy(name, "eth0");
	assert_int_equal(switch_list(NULL, name, &list), -EINVAL);
}

/* All ports, as a program finds them: one after the other. */
static unsigned list_all(char names[][NETMAP_REQ_IFNAMSIZ], uint32_t *numbers)
{
	struct nmreq_vale_list list = {0};
	unsigned n = 0;

	while (switch_list(NULL, names[n], &list) == 0) {
		numbers[n++] = list.nr_port_idx++;
		names[n][0] = 0;
	}
	return n;
}

static void list_finds_every_port_once(void **state)
{
	static const char *const expected[] = {"vale0:a", "vale0:b", "vale1:a"};
	char names[8][NETMAP_REQ_IFNAMSIZ] = {""};
	struct nmreq_vale_list list = {0};
	struct station at[3];
	uint32_t numbers[8];

	(void)state;
	for (unsigned i = 0; i < 3; i++)
		station_open(&at[i], expected[2 - i], 1, NULL);
	assert_int_equal(list_all(names, numbers), 3);
	for (unsigned i = 0; i < 3; i++) {
		unsigned found = 0;

		for (unsigned k = 0; k < 3; k++)
			found += strcmp(names[i], expected[k]) == 0;
		assert_int_equal(found, 1);
		assert_ok(switch_list(NULL, names[i], &list));
		assert_int_equal(list.nr_port_idx, numbers[i]);
	}
	strcpy(names[0], "vale1:zz");
	assert_ok(switch_list(NULL, names[0], &list));
	assert_int_equal(list.nr_bridge_idx, 1);
	assert_int_equal(list.nr_port_idx, SWITCH_NO_PORT);
	for (unsigned i = 0; i < 3; i++)
		station_close(&at[i]);
	assert_int_equal(scratch_files(), 0);
}

/* Until it is killed, or the test is gone. */
static int hold(void *arg)
{
	const int *sockets = arg;
	struct station me;
	char byte;

	close(sockets[0]);
	if (loom_open("vale0:child", LOOM_CONFIG(.tx_slots = 128), &me.port) != 0)
		return 1;
	if (write(sockets[1], "", 1) != 1)
		return 2;
	return read(sockets[1], &byte, 1) == 0 ? 0 : 3;
}

static void requests_reach_ports_of_other_processes(void **state)
{
	struct nmreq_port_info_get info = {0};
	struct nmreq_vale_list list = {0};
	char name[NETMAP_REQ_IFNAMSIZ] = "", byte;
	uint32_t len = 77;
	int sockets[2];
	pid_t child;

	(void)state;
	scratch_directory();
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, sockets), 0);
	child = child_start(hold, sockets);
	assert_int_equal(read(sockets[0], &byte, 1), 1);
	assert_ok(switch_list(NULL, name, &list));
	assert_string_equal(name, "vale0:child");
	assert_ok(switch_info(NULL, "vale0:child", &info));
	assert_int_equal(info.nr_tx_slots, 128);
	assert_int_equal(info.nr_rx_rings, 1);
	assert_ok(switch_header_set(NULL, "vale0:child", 12));
	assert_ok(switch_header_get(NULL, "vale0:child", &len));
	assert_int_equal(len, 12);
	kill(child, SIGKILL);
	assert_int_equal(child_wait(child), -SIGKILL);
	name[0] = 0;
	list = (struct nmreq_vale_list){0};
	assert_int_equal(switch_list(NULL, name, &list), -ENOENT);
	assert_int_equal(switch_info(NULL, "vale0:child", &info), -ENXIO);
	close(sockets[0]);
	close(sockets[1]);
}

/* ---- header lengths ---- */

static void header_lengths_are_0_10_and_12(void **state)
{
	struct station a;
	uint32_t len = 77;

	(void)state;
	station_open(&a, "vale0:a", 1, NULL);
	assert_ok(switch_header_get(NULL, "vale0:a", &len));
	assert_int_equal(len, 0);
	for (uint32_t try = 0; try < 20; try++) {
		bool valid = try == 0 || try == 10 || try == 12;

		assert_int_equal(switch_header_set(NULL, "vale0:a", try), valid ? 0 : -EINVAL);
	}
	assert_ok(switch_header_get(NULL, "vale0:a", &len));
	assert_int_equal(len, 12);
	assert_int_equal(switch_header_set(NULL, "vale0:zz", 12), -ENXIO);
	assert_int_equal(switch_header_get(NULL, "vale7:a", &len), -ENXIO);
	assert_int_equal(switch_header_get(NULL, "eth0", &len), -ENXIO);
	station_close(&a);
	station_open(&a, "vale0:a", 1, NULL);
	assert_ok(switch_header_get(NULL, "vale0:a", &len));
	assert_int_equal(len, 0);
	station_close(&a);
}

/* ---- persistent ports ---- */

static void persistent_port_lives_until_it_is_removed(void **state)
{
	struct nmreq_vale_newif newif = {.nr_tx_slots = 128, .nr_rx_rings = 2};
	struct loom_info info;
	struct station a, b;

	(void)state;
	scratch_directory();
	assert_false(switch_kept_exists(NULL, "tap9"));
	assert_ok(switch_kept_create(NULL, "tap9", &newif));
	assert_int_equal(newif.nr_rx_slots, 1024);
	assert_int_equal(newif.nr_tx_rings, 1);
	assert_int_equal(switch_kept_create(NULL, "tap9", &newif), -EEXIST);
	assert_true(switch_kept_exists(NULL, "tap9"));
	for (unsigned i = 0; i < 2; i++) {
		station_open(&a, "vale0:tap9", 1, NULL);
		station_open(&b, "vale0:b", 2, NULL);
		assert_ok(loom_port_info(a.port, &info));
		assert_int_equal(info.tx_slots, 128);
		assert_int_equal(info.rx_rings, 2);
		station_send(&b, BROADCAST, 3, 60);
		station_expect(&a, 2, 3);
		assert_int_equal(switch_kept_remove(NULL, "tap9"), -EBUSY);
		station_close(&a);
		station_close(&b);
		assert_int_equal(scratch_files(), 1);
	}
	assert_ok(switch_kept_remove(NULL, "tap9"));
	assert_int_equal(switch_kept_remove(NULL, "tap9"), -ENXIO);
	assert_int_equal(scratch_files(), 0);
}

static void names_of_persistent_ports_are_checked(void **state)
{
	static const char *const bad[] = {
	    "", "vale0:x", "valex", "a b", "a:b", "x{1", "../x", "averyveryverylongname"};
	struct nmreq_vale_newif newif = {0};

	(void)state;
	scratch_directory();
	for (unsigned i = 0; i < COUNT(bad); i++)
		assert_int_equal(switch_kept_create(NULL, bad[i], &newif), -EINVAL);
	assert_int_equal(switch_kept_create(NULL, "lo", &newif), -EEXIST);
	assert_int_equal(scratch_files(), 0);
}

static void attached_port_keeps_its_place(void **state)
{
	struct nmreq_vale_newif newif = {0};
	char names[8][NETMAP_REQ_IFNAMSIZ] = {""};
	struct station a, tap;
	uint32_t number = 0, again = 0, numbers[8], len;

	(void)state;
	scratch_directory();
	assert_int_equal(switch_kept_attach(NULL, "vale0:tap9", &number), -EINVAL);
	assert_int_equal(switch_kept_detach(NULL, "vale0:tap9", &number), -ENXIO);
	assert_ok(switch_kept_create(NULL, "tap9", &newif));
	assert_int_equal(switch_kept_detach(NULL, "vale0:tap9", &number), -ENXIO);
	assert_ok(switch_kept_attach(NULL, "vale0:tap9", &number));
	assert_int_equal(switch_kept_attach(NULL, "vale1:tap9", &again), -EBUSY);
	assert_int_equal(switch_kept_remove(NULL, "tap9"), -EBUSY);
	assert_ok(switch_header_set(NULL, "vale0:tap9", 12));
	station_open(&a, "vale0:a", 1, NULL);
	assert_int_equal(list_all(names, numbers), 2);
	station_send(&a, BROADCAST, 1, 60); /* nobody has it open: lost */
	assert_int_equal(loom_open("vale1:tap9", NULL, &tap.port), -EBUSY);
	for (unsigned i = 0; i < 2; i++) {
		station_open(&tap, "vale0:tap9", 2, LOOM_CONFIG(.flags = NR_ACCEPT_VNET_HDR));
		assert_int_equal(switch_kept_detach(NULL, "vale0:tap9", &again), -EBUSY);
		assert_ok(switch_header_get(NULL, "vale0:tap9", &len));
		assert_int_equal(len, 12);
		assert_ok(switch_header_set(NULL, "vale0:tap9", 0));
		station_send(&a, BROADCAST, 2, 60);
		station_expect(&tap, 1, 2);
		assert_ok(switch_header_set(NULL, "vale0:tap9", 12));
		station_close(&tap);
	}
	station_close(&a);
	names[0][0] = 0;
	assert_int_equal(list_all(names, numbers), 1);
	assert_int_equal(numbers[0], number);
	assert_ok(switch_kept_detach(NULL, "vale0:tap9", &again));
	assert_int_equal(again, number);
	assert_ok(switch_kept_remove(NULL, "tap9"));
	assert_int_equal(scratch_files(), 0);
}

/* netmap's own tests open vale0:v0 and watch it as v0. */
static void attached_port_has_two_names(void **state)
{
	static const char *const pairs[][2] = {{"vale0:tap9", "tap9"}, {"tap9", "vale0:tap9"}};
	struct nmreq_vale_newif newif = {0};
	struct loom_port *first, *second, *monitor;
	uint32_t number = 0;

	(void)state;
	scratch_directory();
	assert_ok(switch_kept_create(NULL, "tap9", &newif));
	assert_ok(switch_kept_attach(NULL, "vale0:tap9", &number));
	for (unsigned i = 0; i < 2; i++) {
		struct loom_txring tx, same;

		assert_ok(loom_open(pairs[i][0], NULL, &first));
		assert_ok(loom_open(pairs[i][1], NULL, &second));
		assert_ok(loom_tx(first, 0, &tx));
		assert_ok(loom_tx(second, 0, &same));
		assert_ptr_equal(same.ring, tx.ring);
		assert_ok(loom_open("tap9/r", NULL, &monitor));
		loom_close(monitor);
		loom_close(second);
		assert_ok(loom_open("vale0:tap9/r", NULL, &monitor));
		loom_close(monitor);
		loom_close(first);
	}
	assert_ok(switch_kept_detach(NULL, "vale0:tap9", &number));
	assert_ok(switch_kept_remove(NULL, "tap9"));
	assert_int_equal(scratch_files(), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(list_of_nothing_is_empty),
	    cmocka_unit_test(list_finds_every_port_once),
	    cmocka_unit_test(requests_reach_ports_of_other_processes),
	    cmocka_unit_test(header_lengths_are_0_10_and_12),
	    cmocka_unit_test(persistent_port_lives_until_it_is_removed),
	    cmocka_unit_test(names_of_persistent_ports_are_checked),
	    cmocka_unit_test(attached_port_keeps_its_place),
	    cmocka_unit_test(attached_port_has_two_names),
	};

	return cmocka_run_group_tests_name("switch control", tests, NULL, NULL);
}
