/* SPDX-License-Identifier: BSD-2-Clause */
/* See scene.h. */
#include "scene.h"

#include <stdlib.h>
#include <time.h>

static struct scene *current; /* closed by the teardown when a test fails half-way */

static void on_watchdog(uv_timer_t *timer)
{
	(void)timer;
}

void seat_open(
    struct scene *scene, unsigned index, const char *name, const struct loom_config *config)
{
	struct seat *seat = &scene->seats[index];

	assert_ok(loom_open(name, config, &seat->port));
	assert_int_equal(loom_uv_init(&scene->loop, &seat->uv, seat->port), 0);
	seat->uv.data = seat;
	seat->scene = scene;
	seat->take = INT32_MAX;
	seat->live = true;
}

struct scene *scene_open(const char *near, const char *far, const struct loom_config *config)
{
	struct scene *scene = calloc(1, sizeof *scene);

	assert_non_null(scene);
	assert_int_equal(uv_loop_init(&scene->loop), 0);
	assert_int_equal(uv_timer_init(&scene->loop, &scene->watchdog), 0);
	current = scene;
	seat_open(scene, 0, near, config);
	if (far)
		seat_open(scene, 1, far, config);
	return scene;
}

bool scene_run(struct scene *scene, bool (*done)(const struct scene *scene))
{
	const uint64_t deadline = now_ms() + LONG_MS;

	uv_timer_start(&scene->watchdog, on_watchdog, 50, 50);
	while (!done(scene) && now_ms() < deadline)
		uv_run(&scene->loop, UV_RUN_ONCE);
	uv_timer_stop(&scene->watchdog);
	return done(scene);
}

static void on_alarm(uv_timer_t *timer)
{
	uv_stop(timer->loop);
}

void scene_alarm(struct scene *scene, uint64_t ms)
{
	uv_timer_start(&scene->watchdog, on_alarm, ms, 0);
}

static uint64_t processor_us(void)
{
	struct timespec used;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &used);
	return (uint64_t)used.tv_sec * 1000000u + (uint64_t)used.tv_nsec / 1000u;
}

uint64_t scene_idle(struct scene *scene, uint64_t ms)
{
	const uint64_t before = processor_us();

	scene_alarm(scene, ms);
	uv_run(&scene->loop, UV_RUN_DEFAULT);
	uv_timer_stop(&scene->watchdog);
	return processor_us() - before;
}

void scene_turns(struct scene *scene, unsigned turns)
{
	while (turns-- > 0)
		uv_run(&scene->loop, UV_RUN_NOWAIT);
}

void seat_closed(struct loom_uv *uv)
{
	struct seat *seat = uv->data;

	seat->scene->closed++;
	loom_close(seat->port);
	seat->port = NULL;
	seat->live = false;
}

void scene_close(struct scene *scene)
{
	for (unsigned i = 0; i < SEATS; i++)
		if (scene->seats[i].live)
			loom_uv_close(&scene->seats[i].uv, seat_closed);
	uv_close((uv_handle_t *)&scene->watchdog, NULL);
	uv_run(&scene->loop, UV_RUN_DEFAULT);
	current = NULL;
	assert_int_equal(uv_loop_close(&scene->loop), 0);
	for (unsigned i = 0; i < SEATS; i++) {
		assert_null(scene->seats[i].port);
		free(scene->seats[i].requests);
		free(scene->seats[i].packets);
	}
	free(scene);
}

int scene_teardown(void **state)
{
	(void)state;
	if (current)
		scene_close(current);
	return 0;
}

int seat_recv(struct loom_uv *uv, unsigned ring, const struct loom_frame *frames, int n)
{
	struct seat *seat = uv->data;
	int take = n < seat->take ? n : seat->take;

	(void)ring;
	seat->calls++;
	if (n < 0) {
		seat->error = n;
		return 0;
	}
	for (int i = 0; i < take; i++, seat->received++)
		seat->wrong += !packet_is(frames[i].data, frames[i].len, seat->received);
	return take;
}

void seat_sent(struct loom_uv_send_req *req, int status)
{
	struct seat *seat = req->uv->data;

	seat->misordered += req != &seat->requests[seat->finished + seat->canceled];
	if (status == 0)
		seat->finished++;
	else if (status == UV_ECANCELED)
		seat->canceled++;
	else
		seat->error = status;
}

unsigned seat_send(struct seat *seat, unsigned count, unsigned len)
{
	seat->requests = calloc(count, sizeof *seat->requests);
	seat->packets = malloc((size_t)count * len);
	assert_non_null(seat->requests);
	assert_non_null(seat->packets);
	seat->num_requests = count;
	for (unsigned i = 0; i < count; i++) {
		uint8_t *packet = seat->packets + (size_t)i * len;

		packet_fill(packet, len, i);
		assert_int_equal(
		    loom_uv_send(&seat->requests[i], &seat->uv, 0, packet, len, seat_sent), 0);
	}
	assert_int_equal(seat->finished, 0);
	return loom_uv_send_waiting(&seat->uv);
}
