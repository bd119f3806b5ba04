/* SPDX-License-Identifier: BSD-2-Clause */
/* Ends that come, go and come back; who may have them; what is left behind. */
#include "pair.h"

#include <stdio.h>

#define LEN 60u

static void end_open(struct end *end, const char *name, const struct loom_config *config)
{
	assert_ok(loom_open(name, config, &end->port));
	assert_ok(loom_tx(end->port, 0, &end->tx));
	assert_ok(loom_rx(end->port, 0, &end->rx));
}

static void end_close(struct end *end)
{
	loom_close(end->port);
	end->port = NULL;
}

static void send_some(const struct end *end, uint32_t n, uint32_t first)
{
	for (uint32_t i = 0; i < n; i++) {
		uint8_t data[LEN];

		packet_fill(data, LEN, first + i);
		assert_int_equal(loom_send(&end->tx, data, LEN), 1);
	}
	assert_ok(loom_tx_sync(&end->tx));
}

static void take_some(const struct end *end, uint32_t n, uint32_t first)
{
	assert_ok(loom_rx_sync(&end->rx));
	for (uint32_t i = 0; i < n; i++) {
		struct loom_frame frame = {.len = 0};

		assert_int_equal(loom_recv(&end->rx, &frame), 1);
		assert_int_equal(frame.len, LEN);
		assert_true(packet_is(frame.data, LEN, first + i));
	}
	assert_ok(loom_rx_sync(&end->rx));
}

static uint32_t waiting(const struct end *end)
{
	assert_ok(loom_rx_sync(&end->rx));
	return loom_rx_space(&end->rx);
}

static const char *mode_of(const struct end *end)
{
	static struct loom_info info;

	assert_ok(loom_port_info(end->port, &info));
	return info.mode;
}

/* ---- order of opening ---- */

static void the_first_opener_of_a_pipe_is_its_master(void **state)
{
	struct end a, b;

	(void)state;
	end_open(&a, "pipe{o}", NULL);
	end_open(&b, "pipe{o}", NULL);
	assert_string_equal(mode_of(&a), "master");
	assert_string_equal(mode_of(&b), "slave");
	end_close(&a);
	end_open(&a, "pipe{o}", NULL); /* whichever end is free */
	assert_string_equal(mode_of(&a), "master");
	send_some(&b, 1, 0);
	take_some(&a, 1, 0);
	end_close(&b);
	end_close(&a);
}

static void either_end_may_open_first(void **state)
{
	static const char *const names[][2] = {{"o{1", "o}1"}, {"o}1", "o{1"}};

	(void)state;
	for (size_t i = 0; i < 2; i++) {
		struct end first, second;

		end_open(&first, names[i][0], NULL);
		send_some(&first, 3, 0);
		end_open(&second, names[i][1], NULL);
		take_some(&second, 3, 0);
		send_some(&second, 2, 7);
		take_some(&first, 2, 7);
		end_close(&first);
		end_close(&second);
	}
}

static void the_second_end_gets_the_first_ones_shape_mirrored(void **state)
{
	struct loom_port *a, *b;
	struct loom_info info;

	(void)state;
	assert_ok(loom_open("o{shape",
	    LOOM_CONFIG(.tx_rings = 2, .rx_rings = 3, .tx_slots = 512, .rx_slots = 256,
		.buffer_size = 128),
	    &a));
	assert_ok(loom_open("o}shape",
	    LOOM_CONFIG(.tx_rings = 1, .rx_rings = 1, .tx_slots = 64, .rx_slots = 64,
		.buffer_size = 4096),
	    &b));
	assert_int_equal(loom_tx_rings(b), 3);
	assert_int_equal(loom_rx_rings(b), 2);
	assert_ok(loom_port_info(b, &info));
	assert_int_equal(info.tx_rings, 3);
	assert_int_equal(info.rx_rings, 2);
	assert_int_equal(info.tx_slots, 256);
	assert_int_equal(info.rx_slots, 512);
	assert_int_equal(info.buffer_size, 128);
	loom_close(a);
	assert_ok(loom_open("o{shape", LOOM_CONFIG(.tx_slots = 8), &a));
	assert_int_equal(loom_tx_rings(a), 2);
	assert_int_equal(loom_rx_rings(a), 3);
	loom_close(a);
	loom_close(b);
}

/* ---- who may have an end ---- */

static void a_third_opener_of_a_pipe_is_told_that_both_ends_are_taken(void **state)
{
	struct end a, b;
	struct loom_port *port = NULL;

	(void)state;
	end_open(&a, "pipe{o}", NULL);
	end_open(&b, "pipe{o}", NULL);
	assert_refused(loom_open("pipe{o}", NULL, &port), -EBUSY, "both ends");
	assert_null(port);
	end_close(&b);
	end_open(&b, "pipe{o}", NULL);
	end_close(&a);
	end_close(&b);
	assert_int_equal(scratch_files(), 0);
}

static void a_named_end_may_be_opened_twice_in_one_process(void **state)
{
	struct end a, again, b;

	(void)state;
	end_open(&a, "o{2", NULL);
	end_open(&again, "o{2", NULL);
	end_open(&b, "o}2", NULL);
	send_some(&a, 2, 0);
	send_some(&again, 2, 2);
	take_some(&b, 4, 0);
	end_close(&a);
	send_some(&again, 2, 4);
	take_some(&b, 2, 4);
	end_close(&again);
	end_close(&b);
}

static void exclusive_means_alone(void **state)
{
	static const char *const names[][2] = {
	    {"o{x", "o{x/x"}, {"loop:x", "loop:x/x"}, {"null:x", "null:x/x"}};

	(void)state;
	for (size_t i = 0; i < COUNT(names); i++) {
		const char *plain = names[i][0], *exclusive = names[i][1];
		struct loom_port *a, *b = NULL;

		assert_ok(loom_open(plain, NULL, &a));
		assert_refused(loom_open(exclusive, NULL, &b), -EBUSY, "in use");
		loom_close(a);
		assert_ok(loom_open(exclusive, NULL, &a));
		assert_refused(loom_open(plain, NULL, &b), -EBUSY, "exclusive");
		assert_refused(loom_open(exclusive, NULL, &b), -EBUSY, "exclusive");
		assert_null(b);
		loom_close(a);
		assert_ok(loom_open(plain, LOOM_CONFIG(.flags = NR_EXCLUSIVE), &a));
		assert_refused(loom_open(plain, NULL, &b), -EBUSY, "exclusive");
		loom_close(a);
		assert_ok(loom_open(plain, NULL, &a));
		loom_close(a);
	}
}

static void the_other_end_of_an_exclusive_one_is_free(void **state)
{
	struct end a, b;

	(void)state;
	end_open(&a, "o{x/x", NULL);
	end_open(&b, "o}x/x", NULL);
	send_some(&a, 1, 0);
	take_some(&b, 1, 0);
	end_close(&a);
	end_close(&b);
}

static void rings_of_one_port_may_have_different_owners(void **state)
{
	struct loom_port *first, *second, *again = NULL, *peer;
	struct loom_txring tx;
	struct loom_rxring rx;

	(void)state;
	assert_ok(loom_open("o{r-0/x", LOOM_CONFIG(.tx_rings = 2), &first));
	assert_ok(loom_open("o{r-1/x", NULL, &second));
	assert_refused(loom_open("o{r-0", NULL, &again), -EBUSY, "exclusive");
	assert_refused(loom_open("o{r", NULL, &again), -EBUSY, "exclusive");
	assert_refused(loom_open("o{r-2", NULL, &again), -EINVAL, "no ring 2");
	assert_ok(loom_open("o}r", NULL, &peer));
	assert_refused(loom_tx(second, 0, &tx), -EINVAL, "not bound");
	assert_ok(loom_tx(second, 1, &tx));
	assert_int_equal(loom_send(&tx, "x", 1), 1);
	assert_ok(loom_tx_sync(&tx));
	assert_ok(loom_rx(peer, 0, &rx));
	assert_ok(loom_rx_sync(&rx));
	assert_int_equal(loom_rx_space(&rx), 0);
	assert_ok(loom_rx(peer, 1, &rx));
	assert_ok(loom_rx_sync(&rx));
	assert_int_equal(loom_rx_space(&rx), 1);
	loom_close(first);
	loom_close(second);
	loom_close(peer);
	assert_null(again);
}

static void a_port_has_a_limit_of_descriptors_and_says_so(void **state)
{
	struct loom_port *ports[65] = {NULL};

	(void)state;
	for (size_t i = 0; i < 64; i++)
		assert_ok(loom_open("loop:many", NULL, &ports[i]));
	assert_refused(loom_open("loop:many", NULL, &ports[64]), -ENOMEM, "64 times");
	loom_close(ports[3]);
	assert_ok(loom_open("loop:many", NULL, &ports[3]));
	for (size_t i = 0; i < 64; i++)
		loom_close(ports[i]);
	loom_close(NULL);
}

/* ---- leaving and coming back ---- */

static void what_was_sent_before_the_peer_came_is_kept(void **state)
{
	struct end a, b;
	uint8_t data[LEN];

	(void)state;
	end_open(&a, "o{k", LOOM_CONFIG(.tx_slots = 8));
	send_some(&a, 7, 0);
	assert_int_equal(loom_send(&a.tx, data, LEN), 0);
	assert_int_equal(loom_port_wait(a.port, LOOM_TX, 5), 0);
	end_open(&b, "o}k", NULL);
	take_some(&b, 7, 0);
	assert_int_equal(loom_port_wait(a.port, LOOM_TX, 1000), LOOM_TX);
	end_close(&a);
	end_close(&b);
}

static void a_receiver_that_comes_back_goes_on_where_it_released(void **state)
{
	struct end a, b;
	struct loom_frame frame;

	(void)state;
	end_open(&a, "o{k", LOOM_CONFIG(.tx_slots = 16));
	end_open(&b, "o}k", NULL);
	for (uint32_t i = 0; i < 50; i++) {
		send_some(&a, 5, 5 * i);
		take_some(&b, 2, 5 * i);
		assert_int_equal(loom_recv(&b.rx, &frame), 1); /* taken, but not given back */
		end_close(&b);
		assert_ok(loom_tx_sync(&a.tx));
		assert_int_equal(loom_tx_space(&a.tx), 12);
		end_open(&b, "o}k", NULL);
		take_some(&b, 3, 5 * i + 2);
		assert_ok(loom_tx_sync(&a.tx));
	}
	end_close(&a);
	end_close(&b);
}

static void a_sender_that_comes_back_goes_on_where_it_synced(void **state)
{
	struct end a, b;
	uint8_t data[LEN];

	(void)state;
	end_open(&b, "o}k", LOOM_CONFIG(.tx_slots = 16));
	for (uint32_t i = 0; i < 50; i++) {
		end_open(&a, "o{k", NULL);
		assert_int_equal(loom_tx_space(&a.tx), 15);
		send_some(&a, 5, 5 * i);
		packet_fill(data, LEN, 999);
		assert_int_equal(loom_send(&a.tx, data, LEN), 1); /* never synced: lost */
		end_close(&a);
		take_some(&b, 5, 5 * i);
		assert_int_equal(waiting(&b), 0);
	}
	end_close(&b);
}

static void packets_under_way_survive_the_sender(void **state)
{
	struct end a, b;

	(void)state;
	end_open(&a, "o{k", NULL);
	end_open(&b, "o}k", NULL);
	send_some(&a, 100, 0);
	end_close(&a);
	assert_int_equal(loom_port_wait(b.port, LOOM_RX, 0), LOOM_RX);
	take_some(&b, 50, 0);
	send_some(&b, 20, 500);
	take_some(&b, 50, 50);
	assert_int_equal(loom_port_wait(b.port, LOOM_RX, 5), 0);
	end_open(&a, "o{k", NULL);
	take_some(&a, 20, 500);
	end_close(&a);
	end_close(&b);
}

static void closing_both_ends_forgets_everything(void **state)
{
	struct end a, b;

	(void)state;
	end_open(&a, "o{k", LOOM_CONFIG(.tx_slots = 16));
	end_open(&b, "o}k", NULL);
	send_some(&a, 10, 0);
	take_some(&b, 4, 0);
	end_close(&a);
	end_close(&b);
	assert_int_equal(scratch_files(), 0);
	end_open(&b, "o}k", LOOM_CONFIG(.tx_slots = 32));
	assert_int_equal(waiting(&b), 0);
	assert_int_equal(b.rx.ring->head, 0);
	assert_int_equal(b.rx.num_slots, 32);
	end_close(&b);
}

static void pipes_of_different_names_do_not_meet(void **state)
{
	static const char *const names[] = {
	    "pipe{a}", "pipe{a.b}", "pipe{A}", "a{b", "a{b.c", "pipe{a-b}", "a.b{c"};
	struct loom_port *ports[COUNT(names)];
	struct loom_info info;

	(void)state;
	for (size_t i = 0; i < COUNT(names); i++)
		assert_ok(loom_open(names[i], NULL, &ports[i]));
	for (size_t i = 0; i < COUNT(names); i++) {
		assert_ok(loom_port_info(ports[i], &info));
		assert_string_equal(info.mode, "master");
	}
	for (size_t i = 0; i < COUNT(names); i++)
		loom_close(ports[i]);
	assert_int_equal(scratch_files(), 0);
}

static void directories_are_different_worlds(void **state)
{
	char one[4200], two[4200];
	struct end a, b, c;

	(void)state;
	snprintf(one, sizeof one, "%s", scratch_subdirectory("one", 0700));
	snprintf(two, sizeof two, "%s", scratch_subdirectory("two", 0700));
	end_open(&a, "o{d", LOOM_CONFIG(.directory = one));
	end_open(&b, "o}d", LOOM_CONFIG(.directory = two));
	end_open(&c, "o{d", LOOM_CONFIG(.directory = two));
	send_some(&a, 1, 0);
	assert_int_equal(waiting(&b), 0);
	send_some(&c, 1, 1);
	take_some(&b, 1, 1);
	end_close(&a);
	end_close(&b);
	end_close(&c);
}

/* ---- what is left behind ---- */

static void opening_and_closing_leaves_nothing(void **state)
{
	static const char *const names[] = {"loop:l", "null:l", "l{l", "l}l", "pipe{l}"};
	const unsigned before = open_descriptors(), rounds = scaled(1000);

	(void)state;
	for (unsigned i = 0; i < rounds; i++)
		for (size_t k = 0; k < COUNT(names); k++) {
			struct loom_port *port;

			assert_ok(loom_open(names[k], LOOM_CONFIG(.tx_slots = 16), &port));
			loom_port_wait(port, LOOM_RX, 0);
			loom_port_fd(port);
			loom_close(port);
		}
	assert_int_equal(open_descriptors(), before);
	assert_int_equal(scratch_files(), 0);
}

#define LAST_LEN (LEN + 1)
#define LONG_MS  10000

/* Receive up to the packet that is longer, and for args[0] milliseconds more, when the sender is gone. */
static void far_stream(struct end *far, const int64_t *args, struct report *report)
{
	struct loom_frame frame;
	uint64_t end = now_ms() + LONG_MS;

	while (now_ms() < end) {
		loom_rx_sync(&far->rx);
		while (loom_recv(&far->rx, &frame) == 1) {
			report->value += packet_is(frame.data, frame.len, (uint32_t)report->value);
			if (frame.len == LAST_LEN)
				end = now_ms() + (uint64_t)args[0];
		}
	}
}

static void send_last(struct pair *pair, uint32_t number)
{
	const uint64_t end = now_ms() + LONG_MS;

	while (near_send(pair, 1, number, LAST_LEN) == 0 && now_ms() < end)
		assert_ok(loom_tx_sync(&pair->near.tx));
	assert_ok(loom_tx_sync(&pair->near.tx));
}

static void an_end_may_close_while_the_other_is_busy(void **state)
{
	const struct row *row = *state;
	unsigned before = open_descriptors();
	struct pair *pair = pair_open(row, LOOM_CONFIG(.tx_slots = 16));
	uint32_t sent = 0;

	pair_far_begin(pair, far_stream, (const int64_t[4]){25});
	for (uint64_t end = now_ms() + 15; now_ms() < end;) {
		sent += near_send(pair, 8, sent, LEN);
		assert_ok(loom_tx_sync(&pair->near.tx));
	}
	send_last(pair, sent++);
	loom_close(pair->near.port);
	pair->near.port = NULL;
	assert_int_equal(pair_far_end(pair), sent);
	pair_close(pair);
	assert_int_equal(open_descriptors(), before);
	assert_int_equal(scratch_files(), 0);
}

static const struct body bodies[] = {
    BODY_IF(an_end_may_close_while_the_other_is_busy, NEEDS_TWO_PORTS | NEEDS_CONCURRENCY),
};

static const struct CMUnitTest plain[] = {
    cmocka_unit_test(the_first_opener_of_a_pipe_is_its_master),
    cmocka_unit_test(either_end_may_open_first),
    cmocka_unit_test(the_second_end_gets_the_first_ones_shape_mirrored),
    cmocka_unit_test(a_third_opener_of_a_pipe_is_told_that_both_ends_are_taken),
    cmocka_unit_test(a_named_end_may_be_opened_twice_in_one_process),
    cmocka_unit_test(exclusive_means_alone),
    cmocka_unit_test(the_other_end_of_an_exclusive_one_is_free),
    cmocka_unit_test(rings_of_one_port_may_have_different_owners),
    cmocka_unit_test(a_port_has_a_limit_of_descriptors_and_says_so),
    cmocka_unit_test(what_was_sent_before_the_peer_came_is_kept),
    cmocka_unit_test(a_receiver_that_comes_back_goes_on_where_it_released),
    cmocka_unit_test(a_sender_that_comes_back_goes_on_where_it_synced),
    cmocka_unit_test(packets_under_way_survive_the_sender),
    cmocka_unit_test(closing_both_ends_forgets_everything),
    cmocka_unit_test(pipes_of_different_names_do_not_meet),
    cmocka_unit_test(directories_are_different_worlds),
    cmocka_unit_test(opening_and_closing_leaves_nothing),
};

int main(int argc, char **argv)
{
	const struct suite suite = {"lifecycle", bodies, COUNT(bodies), plain, COUNT(plain)};

	return suite_run(&suite, argc, argv);
}
