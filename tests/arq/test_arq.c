/* SPDX-License-Identifier: BSD-2-Clause */
/* The sliding-window protocol between two ends, over links of all kinds, in a time of its own. */
#include "link.h"

#include "../../examples/arq_packet.h"
#include "support.h"

#define STEPS       400000u
#define MOST        40u
#define MILLISECOND UINT64_C(1000000)
#define MICROSECOND UINT64_C(1000)

static const struct link_faults perfect = {.delay_ns = 100 * MICROSECOND};

static struct arq_config small(uint32_t first)
{
	return (struct arq_config){.first = first, .window = 64, .most = MOST};
}

static struct link open_small(const struct link_faults *faults, uint32_t seed)
{
	struct arq_config config = small(seed);
	struct link link;

	link_open(&link, &config, faults, seed);
	return link;
}

/* Both ends are over, and each has what the other one sent. */
static void check_complete(struct link *link)
{
	for (unsigned i = 0; i < 2; i++) {
		const struct link_end *end = &link->ends[i], *other = &link->ends[!i];

		assert_int_equal(arq_error(end->arq), 0);
		assert_true(arq_is_over(end->arq));
		assert_true(arq_has_ended(end->arq));
		assert_int_equal(end->sent, end->to_send);
		assert_int_equal(end->received, other->to_send);
		assert_int_equal(arq_unacknowledged(end->arq), 0);
	}
}

static void run_whole(struct link *link)
{
	assert_true(link_run(link, STEPS));
	check_complete(link);
	link_close(link);
}

/* ---- any link ---- */

static struct link_faults faults_any(uint32_t *random)
{
	struct link_faults faults = {
	    .loss = random_next(random) % 40,
	    .dup = random_next(random) % 20,
	    .reorder = random_next(random) % 30,
	    .corrupt = random_next(random) % 10,
	    .delay_ns = random_next(random) % (2 * MILLISECOND),
	    .jitter_ns = random_next(random) % MILLISECOND,
	    .spacing_ns = random_next(random) % (20 * MICROSECOND),
	};

	if (random_next(random) % 4 == 0) /* one thing alone, at times */
		faults.dup = faults.reorder = faults.corrupt = 0;
	return faults;
}

/* Numbers start before their wrap, as transmissions do, and all packets pass it. */
static void everything_arrives_in_order_over_any_link(void **state)
{
	uint32_t random = 7;

	(void)state;
	for (uint32_t seed = 0; seed < scaled(4000); seed++) {
		struct arq_config config = {.first = 0u - random_next(&random) % 400,
		    .window = 64u << random_next(&random) % 2,
		    .most = 1 + random_next(&random) % MOST};
		struct link_faults faults = faults_any(&random);
		struct link link;

		link_open(&link, &config, &faults, seed);
		link.ends[0].to_send = random_next(&random) % 500;
		link.ends[1].to_send = random_next(&random) % 3 ? random_next(&random) % 500 : 0;
		run_whole(&link);
	}
}

static void without_faults_nothing_is_sent_again(void **state)
{
	struct link link = open_small(&perfect, 5);

	(void)state;
	link.ends[0].to_send = 5000;
	link.ends[1].to_send = 3000;
	assert_true(link_run(&link, STEPS));
	check_complete(&link);
	for (unsigned i = 0; i < 2; i++) {
		struct arq_stats stats = arq_stats(link.ends[i].arq);

		assert_int_equal(stats.sent, link.ends[i].to_send + 1);
		assert_int_equal(stats.received, link.ends[!i].to_send + 1);
		assert_int_equal(stats.resent + stats.timeouts, 0);
		assert_int_equal(stats.again + stats.outside + stats.damaged + stats.wrong, 0);
	}
	link_close(&link);
}

/* One of ten packets lets one or two others pass. */
static void packets_that_change_places_are_not_sent_again(void **state)
{
	static const struct link_faults faults = {
	    .delay_ns = 1500, .spacing_ns = MICROSECOND, .reorder = 10};
	struct link link = open_small(&faults, 5);

	(void)state;
	link.ends[0].to_send = 3000;
	assert_true(link_run(&link, STEPS));
	check_complete(&link);
	assert_int_equal(arq_stats(link.ends[0].arq).resent, 0);
	link_close(&link);
}

static void numbers_wrap_at_any_place_in_the_window(void **state)
{
	static const struct link_faults faults = {.loss = 20, .delay_ns = 50 * MICROSECOND};

	(void)state;
	for (uint32_t before = 0; before <= 130; before++) {
		struct arq_config config = small(0u - before);
		struct link link;

		link_open(&link, &config, &faults, before);
		link.ends[0].to_send = 200;
		link.ends[1].to_send = 131 - before;
		run_whole(&link);
	}
}

/* Half of all numbers apart, comparisons turn round, too. */
static void numbers_pass_the_middle(void **state)
{
	static const struct link_faults faults = {.loss = 10, .reorder = 20, .delay_ns = 1000};
	struct link link = open_small(&faults, 0x80000000u - 100);

	(void)state;
	link.ends[0].to_send = link.ends[1].to_send = 300;
	run_whole(&link);
}

static void corrupted_packets_are_noticed(void **state)
{
	static const struct link_faults faults = {.corrupt = 30, .delay_ns = 10 * MICROSECOND};
	struct link link = open_small(&faults, 3);

	(void)state;
	link.ends[0].to_send = 1000;
	assert_true(link_run(&link, STEPS));
	check_complete(&link);
	assert_true(arq_stats(link.ends[1].arq).damaged > 300);
	assert_int_equal(arq_stats(link.ends[1].arq).wrong, 0);
	link_close(&link);
}

/* ---- ends of streams ---- */

static void two_that_send_nothing_are_soon_over(void **state)
{
	struct link link = open_small(&perfect, 1);

	(void)state;
	assert_true(link_run(&link, 100));
	check_complete(&link);
	assert_true(link.now_ns < 110 * MILLISECOND); /* it lingers for 100 */
	link_close(&link);
}

static void packets_without_bytes_are_packets(void **state)
{
	struct link link = open_small(&perfect, 1);
	const uint8_t *data;
	size_t len = 1;

	(void)state;
	link.ends[0].holds_on = true;
	link.ends[1].rests = true;
	assert_int_equal(arq_send(link.ends[0].arq, NULL, 0), 1);
	assert_int_equal(arq_send(link.ends[0].arq, "x", 1), 1);
	link_run_until(&link, link.now_ns + MILLISECOND);
	assert_int_equal(arq_recv(link.ends[1].arq, &data, &len), 1);
	assert_int_equal(len, 0);
	assert_int_equal(arq_recv(link.ends[1].arq, &data, &len), 1);
	assert_int_equal(len, 1);
	assert_int_equal(arq_recv(link.ends[1].arq, &data, &len), 0);
	link_close(&link);
}

static void one_direction_ends_and_the_other_goes_on(void **state)
{
	static const struct link_faults faults = {.loss = 30, .delay_ns = 100 * MICROSECOND};
	struct link link = open_small(&faults, 11);
	struct link_end *near = &link.ends[0], *far = &link.ends[1];

	(void)state;
	near->to_send = 10;
	far->holds_on = true;
	link_run_until(&link, 1000 * MILLISECOND);
	assert_true(arq_has_ended(far->arq));
	assert_int_equal(arq_send(near->arq, "late", 4), -EPIPE);
	assert_int_equal(near->received, 0);
	assert_false(arq_is_over(near->arq) || arq_is_over(far->arq));
	far->to_send = 1000;
	link_run_until(&link, 2000 * MILLISECOND);
	assert_int_equal(near->received, 1000);
	assert_false(arq_has_ended(near->arq));
	far->holds_on = false;
	run_whole(&link);
}

/* Once one end has everything, the other may be gone: it gives up the farewell only. */
static void a_lost_farewell_does_no_harm(void **state)
{
	(void)state;
	for (uint32_t steps = 1; steps < 60; steps++) {
		struct link link = open_small(&perfect, 2);

		link.ends[0].to_send = 3;
		link_run(&link, steps);
		/* From when everything but the farewell has arrived, one side hears nothing. */
		if (arq_has_ended(link.ends[1].arq) && arq_has_ended(link.ends[0].arq) &&
		    arq_unacknowledged(link.ends[1].arq) == 0 &&
		    arq_unacknowledged(link.ends[0].arq) == 0)
			link.ends[steps % 2].is_deaf = true;
		run_whole(&link);
	}
}

/* ---- windows ---- */

static void a_full_window_refuses_and_empties_again(void **state)
{
	struct link link = open_small(&perfect, 1);
	struct arq *arq = link.ends[0].arq;

	(void)state;
	link.ends[0].holds_on = link.ends[1].rests = true;
	for (unsigned i = 0; i < 63; i++) /* the last place is the end's */
		assert_int_equal(arq_send(arq, "x", 1), 1);
	assert_int_equal(arq_send(arq, "x", 1), 0);
	assert_int_equal(arq_unacknowledged(arq), 63);
	link_run_until(&link, link.now_ns + MILLISECOND);
	assert_int_equal(arq_unacknowledged(arq), 0);
	assert_int_equal(arq_send(arq, "x", 1), 1);
	assert_int_equal(
	    arq_send(arq, "too long for a packet of this protocol's", MOST + 1), -EMSGSIZE);
	link_close(&link);
}

static void receive_number(struct arq *arq, uint32_t number)
{
	struct arq_packet packet = {.flags = ARQ_DATA, .number = number};
	uint8_t wire[LINK_PACKET];

	arq_input(arq, wire, arq_packet_write(&packet, wire), 0);
}

static void packets_outside_of_the_window_are_not_kept(void **state)
{
	struct arq_config config = small(UINT32_MAX - 5);
	const uint8_t *data;
	struct arq *arq;
	size_t len;

	(void)state;
	assert_int_equal(arq_new(&config, 0, &arq), 0);
	receive_number(arq, config.first + 64);
	receive_number(arq, config.first + 0x7fffffff);
	assert_int_equal(arq_stats(arq).outside, 2);
	receive_number(arq, config.first - 1);
	receive_number(arq, config.first - 0x7fffffff);
	assert_int_equal(arq_stats(arq).again, 2);
	assert_int_equal(arq_recv(arq, &data, &len), 0);
	receive_number(arq, config.first + 63);
	receive_number(arq, config.first);
	assert_int_equal(arq_stats(arq).received, 2);
	assert_int_equal(arq_recv(arq, &data, &len), 1);
	assert_int_equal(arq_recv(arq, &data, &len), 0);
	receive_number(arq, config.first + 64);
	assert_int_equal(arq_stats(arq).received, 3);
	arq_free(arq);
}

/* Nobody reads for ten seconds; what says that there is room again is lost. */
static void a_reader_that_rests_stops_its_sender_and_loses_nothing(void **state)
{
	struct link link = open_small(&perfect, 9);
	struct link_end *near = &link.ends[0], *far = &link.ends[1];

	(void)state;
	near->to_send = 1000;
	far->rests = true;
	link_run_until(&link, 10000 * MILLISECOND);
	assert_int_equal(arq_error(near->arq), 0);
	assert_in_range(near->sent, 64, 128);
	assert_int_equal(arq_stats(near->arq).sent, 64);
	near->is_deaf = true;
	far->rests = false;
	link_run_until(&link, link.now_ns + 10 * MILLISECOND);
	near->is_deaf = false;
	run_whole(&link);
}

/* The news of room comes by itself, not when the sender, which asks ever more rarely, asks for it. */
static void a_reader_that_goes_on_wakes_its_sender(void **state)
{
	struct link link = open_small(&perfect, 9);
	uint64_t timeouts;

	(void)state;
	link.ends[0].to_send = 1000;
	link.ends[1].rests = true;
	link_run_until(&link, 10500 * MILLISECOND); /* no timer is due then */
	timeouts = arq_stats(link.ends[0].arq).timeouts;
	link.ends[1].rests = false;
	link_run_until(&link, link.now_ns + 20 * MILLISECOND);
	assert_int_equal(link.ends[1].received, 1000);
	assert_int_equal(arq_stats(link.ends[0].arq).timeouts, timeouts);
	run_whole(&link);
}

/* ---- time ---- */

static void round_trips_are_measured(void **state)
{
	static const struct link_faults faults = {.delay_ns = 5 * MILLISECOND, .loss = 10};
	struct link link = open_small(&faults, 4);
	struct arq_stats stats;

	(void)state;
	link.ends[0].to_send = 3000;
	assert_true(link_run(&link, STEPS));
	stats = arq_stats(link.ends[0].arq);
	assert_in_range(stats.rtt_ns, 10 * MILLISECOND, 11 * MILLISECOND);
	assert_in_range(stats.rto_ns, 10 * MILLISECOND, 15 * MILLISECOND);
	link_close(&link);
}

/* A link that becomes slower than the timer: what is sent again too early does not go on for ever. */
static void the_timer_learns_that_the_link_has_become_slow(void **state)
{
	struct link link = open_small(&perfect, 4);
	uint64_t resent;

	(void)state;
	link.ends[0].to_send = LINK_FOREVER;
	link_run_until(&link, 100 * MILLISECOND);
	assert_int_equal(arq_stats(link.ends[0].arq).resent, 0);
	link.faults.delay_ns = 30 * MILLISECOND;
	link_run_until(&link, 1000 * MILLISECOND);
	resent = arq_stats(link.ends[0].arq).resent;
	assert_in_range(resent, 1, 200);
	link_run_until(&link, 10000 * MILLISECOND);
	assert_int_equal(arq_stats(link.ends[0].arq).resent, resent);
	assert_in_range(arq_stats(link.ends[0].arq).rto_ns, 60 * MILLISECOND, 100 * MILLISECOND);
	link_close(&link);
}

/* Each timeout waits twice as long as the one before, up to a limit; then it is given up. */
static void a_silent_side_is_given_up_after_the_tries(void **state)
{
	struct arq_config config = {.most = MOST,
	    .window = 64,
	    .rto_first_ns = 4 * MILLISECOND,
	    .rto_most_ns = 32 * MILLISECOND,
	    .tries = 6};
	struct link link;
	struct arq_stats stats;

	(void)state;
	link_open(&link, &config, &perfect, 1);
	link.ends[0].to_send = 10;
	link.ends[0].is_deaf = link.ends[1].is_deaf = true;
	assert_false(link_run(&link, STEPS));
	stats = arq_stats(link.ends[0].arq);
	assert_int_equal(arq_error(link.ends[0].arq), -ETIMEDOUT);
	assert_int_equal(stats.timeouts, 7);
	assert_int_equal(stats.resent, 6);
	/* sent at 1 ms; 4, 8, 16, and four times 32 */
	assert_int_equal(link.now_ns, (1 + 4 + 8 + 16 + 4 * 32) * MILLISECOND);
	assert_false(arq_has_output(link.ends[0].arq));
	link_close(&link);
}

static void a_side_that_waits_for_a_silent_one_gives_up_too(void **state)
{
	struct arq_config config = {
	    .most = MOST, .window = 64, .idle_ns = 50 * MILLISECOND, .tries = 5};
	struct link link;

	(void)state;
	link_open(&link, &config, &perfect, 1);
	link.ends[0].to_send = 10;
	link.ends[0].holds_on = link.ends[1].holds_on = true;
	link_run_until(&link, 5000 * MILLISECOND); /* idle, but there */
	assert_int_equal(arq_error(link.ends[1].arq), 0);
	assert_int_equal(link.ends[1].received, 10);
	link.ends[0].is_deaf = true;
	link_run_until(&link, 6000 * MILLISECOND);
	assert_int_equal(arq_error(link.ends[1].arq), -ETIMEDOUT);
	link_close(&link);
}

static uint64_t time_for(
    const struct link_faults *faults, uint32_t packets, struct arq_stats *stats)
{
	struct arq_config config = {.first = 0u - 20000, .window = 4096, .most = MOST};
	struct link link;
	uint64_t took, necessary;

	link_open(&link, &config, faults, 1);
	link.ends[0].to_send = packets;
	assert_true(link_run(&link, 20 * packets));
	check_complete(&link);
	took = link.ends[1].ended_ns;
	*stats = arq_stats(link.ends[0].arq);
	necessary = link.ends[0].lost;
	link_close(&link);
	assert_in_range(stats->resent + 5, necessary, necessary + 10);
	return took;
}

/*
 * A packet each microsecond, half a millisecond there and back: no loss lets the window run dry, which has room
 * for the eight round trips that one packet in 50,000 needs when a fifth is lost.
 */
static void a_loss_costs_its_own_transmission_only(void **state)
{
	static const uint32_t percents[] = {1, 5, 20};
	struct link_faults faults = {.delay_ns = 250 * MICROSECOND, .spacing_ns = MICROSECOND};
	uint32_t packets = 50000;
	struct arq_stats stats;
	uint64_t whole = time_for(&faults, packets, &stats);

	(void)state;
	assert_in_range(whole, packets * MICROSECOND, packets * MICROSECOND + 2 * MILLISECOND);
	for (unsigned i = 0; i < COUNT(percents); i++) {
		uint64_t took;

		faults.loss = percents[i];
		took = time_for(&faults, packets, &stats);
		assert_in_range(took * (100 - percents[i]) / 100, 0, whole * 106 / 100);
		assert_in_range(
		    stats.timeouts, 0, 4); /* at the very end there is nothing behind a loss */
	}
}

/* ---- what is refused ---- */

static void settings_out_of_range_are_refused(void **state)
{
	static const struct arq_config bad[] = {{.window = 32}, {.window = 96}, {.window = 8192},
	    {.most = 65536}, {.rto_least_ns = 2, .rto_most_ns = 1}, {.rto_most_ns = UINT64_MAX},
	    {.idle_ns = UINT64_MAX}, {.linger_ns = UINT64_MAX}};
	struct arq *arq = NULL;

	(void)state;
	for (unsigned i = 0; i < COUNT(bad); i++)
		assert_int_equal(arq_new(&bad[i], 0, &arq), -EINVAL);
	assert_null(arq);
}

/* Packets of another conversation, whole and of the right kind, change nothing. */
static void acknowledgements_of_what_was_never_sent_are_refused(void **state)
{
	struct arq_config here = small(0), there = small(1000);
	uint8_t packet[LINK_PACKET];
	struct arq *ours, *other;
	size_t len;

	(void)state;
	assert_int_equal(arq_new(&here, 0, &ours), 0);
	assert_int_equal(arq_new(&there, 0, &other), 0);
	assert_int_equal(arq_send(ours, "x", 1), 1);
	assert_int_equal(arq_send(other, "y", 1), 1);
	len = arq_output(other, packet, sizeof packet, 0);
	assert_true(len > 0);
	arq_input(ours, packet, len, 0);
	assert_int_equal(arq_stats(ours).wrong, 1);
	assert_int_equal(arq_stats(ours).received, 0);
	assert_int_equal(arq_unacknowledged(ours), 1);
	arq_free(ours);
	arq_free(other);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(everything_arrives_in_order_over_any_link),
	    cmocka_unit_test(without_faults_nothing_is_sent_again),
	    cmocka_unit_test(packets_that_change_places_are_not_sent_again),
	    cmocka_unit_test(numbers_wrap_at_any_place_in_the_window),
	    cmocka_unit_test(numbers_pass_the_middle),
	    cmocka_unit_test(corrupted_packets_are_noticed),
	    cmocka_unit_test(two_that_send_nothing_are_soon_over),
	    cmocka_unit_test(packets_without_bytes_are_packets),
	    cmocka_unit_test(one_direction_ends_and_the_other_goes_on),
	    cmocka_unit_test(a_lost_farewell_does_no_harm),
	    cmocka_unit_test(a_full_window_refuses_and_empties_again),
	    cmocka_unit_test(packets_outside_of_the_window_are_not_kept),
	    cmocka_unit_test(a_reader_that_rests_stops_its_sender_and_loses_nothing),
	    cmocka_unit_test(a_reader_that_goes_on_wakes_its_sender),
	    cmocka_unit_test(round_trips_are_measured),
	    cmocka_unit_test(the_timer_learns_that_the_link_has_become_slow),
	    cmocka_unit_test(a_silent_side_is_given_up_after_the_tries),
	    cmocka_unit_test(a_side_that_waits_for_a_silent_one_gives_up_too),
	    cmocka_unit_test(a_loss_costs_its_own_transmission_only),
	    cmocka_unit_test(settings_out_of_range_are_refused),
	    cmocka_unit_test(acknowledgements_of_what_was_never_sent_are_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
