/* SPDX-License-Identifier: BSD-2-Clause */
/* Interfaces that stay attached to a switch when the process that asked for it is gone. */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "soft/keeper.h"
#include "soft/ports/switch_control.h"
#include "wire.h"

#define PORT    "vale0:" NEAR
#define ENDS_MS 10000 /* it looks once a second */

/* ---- helpers ---- */

static int attaches(void *arg)
{
	struct nmreq_vale_attach request = {.reg = {.nr_mode = NR_REG_ALL_NIC}};

	(void)arg;
	return -keeper_attach(PORT, &request);
}

static int detaches(void *arg)
{
	struct nmreq_vale_detach request = {0};

	(void)arg;
	return -keeper_detach(PORT, &request);
}

/* By a process of its own, which has ended then. */
static void attach(void)
{
	assert_int_equal(child_wait(child_start(attaches, NULL)), 0);
}

static void detach(void)
{
	assert_int_equal(child_wait(child_start(detaches, NULL)), 0);
}

static int keeper_connect(const char *port)
{
	struct sockaddr_un address;
	socklen_t size;
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	assert_true(fd >= 0);
	assert_ok(keeper_address(port, &address, &size));
	if (connect(fd, (const struct sockaddr *)&address, size) == 0)
		return fd;
	close(fd);
	return -1;
}

/* 0: nobody keeps the port. */
static pid_t keeper_of(const char *port)
{
	struct ucred peer = {.pid = 0};
	socklen_t size = sizeof peer;
	int fd = keeper_connect(port);

	if (fd < 0)
		return 0;
	assert_int_equal(getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &size), 0);
	close(fd);
	return peer.pid;
}

static pid_t keeper_pid(void)
{
	return keeper_of(PORT);
}

static bool is_attached(void)
{
	struct nmreq_vale_list list = {0};
	char name[NETMAP_REQ_IFNAMSIZ] = PORT;

	return switch_list(NULL, name, &list) == 0 && list.nr_port_idx != SWITCH_NO_PORT;
}

static bool is_running(pid_t pid)
{
	char path[32], state = 0;
	FILE *file;

	snprintf(path, sizeof path, "/proc/%ld/stat", (long)pid);
	file = fopen(path, "r");
	if (!file)
		return false;
	if (fscanf(file, "%*d %*s %c", &state) != 1)
		state = 'Z';
	fclose(file);
	return state != 'Z';
}

static void expect_end(pid_t keeper)
{
	const uint64_t deadline = now_ms() + ENDS_MS;

	/* A process that ends may be a zombie while its other thread still has its files. */
	while (is_running(keeper) || keeper_pid() != 0 || is_attached()) {
		if (now_ms() > deadline)
			fail_msg("the keeper is still there");
		usleep(10000);
	}
}

static void remove_file(const char *path)
{
	unlink(path);
}

/* The keeper may make a file meanwhile. */
static void remove_directory(void)
{
	const uint64_t deadline = now_ms() + ENDS_MS;

	do {
		scratch_visit(remove_file);
		if (now_ms() > deadline)
			fail_msg("the directory is never empty");
	} while (rmdir(scratch_directory()) != 0);
}

static void check_traffic(struct wire *wire)
{
	end_open(&wire->near, "vale0:a", NULL);
	end_open(&wire->far, FAR, NULL);
	for (uint32_t i = 0; i < 20; i++) {
		end_send(&wire->near, i, 60 + i);
		assert_ok(loom_tx_sync(&wire->near.tx));
		end_expect(&wire->far, i, 60 + i);
		end_send(&wire->far, i, 60 + i);
		end_flush(&wire->far);
		end_expect(&wire->near, i, 60 + i);
	}
	end_close(&wire->near);
	end_close(&wire->far);
}

/* ---- tests ---- */

static void an_interface_stays_attached_until_anybody_detaches_it(void **state)
{
	struct nmreq_vale_attach again = {.reg = {.nr_mode = NR_REG_ALL_NIC}};
	struct nmreq_vale_detach gone = {0};
	struct wire *wire = *state;
	pid_t keeper;

	attach();
	keeper = keeper_pid();
	assert_true(keeper > 0);
	assert_true(is_attached());
	assert_int_equal(keeper_attach(PORT, &again), -EBUSY);
	check_traffic(wire);
	detach();
	assert_false(is_attached());
	expect_end(keeper);
	assert_int_equal(keeper_detach(PORT, &gone), -ENXIO);
	assert_int_equal(scratch_files(), 0);
}

static void polling_is_asked_of_the_keeper(void **state)
{
	const struct nmreq_vale_polling one = {
	    .nr_mode = NETMAP_POLLING_MODE_SINGLE_CPU, .nr_num_polling_cpus = 1};
	struct nmreq_vale_detach request = {0};

	attach();
	assert_ok(keeper_polling_enable(PORT, &one));
	assert_int_equal(keeper_polling_enable(PORT, &one), -EFAULT);
	assert_refused(keeper_detach(PORT, &request), -EBUSY, "polled");
	check_traffic(*state);
	assert_ok(keeper_polling_disable(PORT));
	detach();
}

static void what_cannot_be_attached_is_refused_in_the_same_words(void **state)
{
	struct nmreq_vale_attach request = {.reg = {.nr_mode = NR_REG_ALL_NIC}};
	struct wire *wire = *state;

	assert_refused(keeper_attach("vale0:nosuch0", &request), -EINVAL, "nosuch0");
	end_open(&wire->near, PORT, NULL);
	assert_int_equal(keeper_attach(PORT, &request), -EBUSY);
	end_close(&wire->near);
	assert_int_equal(keeper_pid(), 0);
}

static void a_killed_keeper_leaves_nothing(void **state)
{
	pid_t keeper;

	attach();
	keeper = keeper_pid();
	assert_int_equal(kill(keeper, SIGKILL), 0);
	expect_end(keeper);
	assert_false(is_attached());
	attach();
	check_traffic(*state);
	detach();
}

static void the_keeper_ends_with_its_interface(void **state)
{
	pid_t keeper;

	(void)state;
	attach();
	keeper = keeper_pid();
	netns_remove(NEAR);
	expect_end(keeper);
	assert_false(is_attached());
}

static void the_keeper_ends_with_the_directory_of_shared_objects(void **state)
{
	pid_t keeper;

	attach();
	keeper = keeper_pid();
	remove_directory();
	expect_end(keeper);
	attach();
	check_traffic(*state);
	detach();
}

static int attaches_both_ends_of_another_network(void *arg)
{
	struct nmreq_vale_attach request = {.reg = {.nr_mode = NR_REG_ALL_NIC}};
	pid_t *keepers = arg;
	int err = netns_enter();

	if (!err)
		err = netns_cable(NEAR, FAR);
	if (!err)
		err = keeper_attach(PORT, &request);
	if (!err)
		err = keeper_attach("vale0:" FAR, &request);
	if (!err) {
		keepers[0] = keeper_of(PORT);
		keepers[1] = keeper_of("vale0:" FAR);
	}
	return -err;
}

static void keepers_end_with_the_last_other_process_of_their_network(void **state)
{
	pid_t *keepers = mmap(
	    NULL, 2 * sizeof *keepers, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	(void)state;
	assert_true(keepers != MAP_FAILED);
	assert_int_equal(
	    child_wait(child_start(attaches_both_ends_of_another_network, keepers)), 0);
	for (unsigned i = 0; i < 2; i++) {
		assert_true(keepers[i] > 0);
		expect_end(keepers[i]);
	}
	munmap(keepers, 2 * sizeof *keepers);
}

static void an_asker_that_does_not_hear_the_answer_changes_nothing(void **state)
{
	const struct keeper_call call = {
	    .version = KEEPER_VERSION, .type = NETMAP_REQ_VALE_POLLING_DISABLE};
	pid_t keeper;
	int fd;

	attach();
	keeper = keeper_pid();
	assert_int_equal(kill(keeper, SIGSTOP), 0);
	fd = keeper_connect(PORT);
	assert_int_equal(send(fd, &call, sizeof call, MSG_NOSIGNAL), sizeof call);
	close(fd);
	assert_int_equal(kill(keeper, SIGCONT), 0);
	assert_int_equal(keeper_polling_disable(PORT), -EFAULT);
	assert_int_equal(keeper_pid(), keeper);
	check_traffic(*state);
	detach();
}

static void attach_without_keeper(const char *program)
{
	struct nmreq_vale_attach request = {.reg = {.nr_mode = NR_REG_ALL_NIC}};
	char usual[4096];

	snprintf(usual, sizeof usual, "%s", getenv("PKTLOOM_KEEPER"));
	setenv("PKTLOOM_KEEPER", program, 1);
	assert_ok(keeper_attach(PORT, &request));
	setenv("PKTLOOM_KEEPER", usual, 1);
}

static void without_the_program_the_asker_attaches_for_itself_and_says_so(void **state)
{
	static const char *const programs[] = {"/nowhere", "/bin/true"};

	for (size_t i = 0; i < COUNT(programs); i++) {
		struct nmreq_vale_detach end = {0};

		attach_without_keeper(programs[i]);
		assert_non_null(strstr(loom_error(), "as long as this process lives"));
		assert_non_null(strstr(loom_error(), programs[i]));
		assert_int_equal(keeper_pid(), 0);
		check_traffic(*state);
		assert_ok(keeper_detach(PORT, &end));
	}
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
	    WIRE_TEST(an_interface_stays_attached_until_anybody_detaches_it),
	    WIRE_TEST(polling_is_asked_of_the_keeper),
	    WIRE_TEST(what_cannot_be_attached_is_refused_in_the_same_words),
	    WIRE_TEST(a_killed_keeper_leaves_nothing),
	    WIRE_TEST(the_keeper_ends_with_its_interface),
	    WIRE_TEST(the_keeper_ends_with_the_directory_of_shared_objects),
	    WIRE_TEST(keepers_end_with_the_last_other_process_of_their_network),
	    WIRE_TEST(an_asker_that_does_not_hear_the_answer_changes_nothing),
	    WIRE_TEST(without_the_program_the_asker_attaches_for_itself_and_says_so),
	};

	return WIRE_TESTS(tests);
}
