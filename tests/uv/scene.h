/* SPDX-License-Identifier: BSD-2-Clause */
/* A loop with seats: ports on it, and what their callbacks saw. */
#ifndef UV_SCENE_H
#define UV_SCENE_H

#include <pktloom/uv.h>

#include "support.h"

#define SEATS   2u
#define LONG_MS 10000u

struct scene;

struct seat {
	struct loom_uv uv; /* uv.data: the seat */
	struct scene *scene;
	struct loom_port *port;
	bool live; /* not closed yet */
	/* what seat_recv() does: take so many of a batch, and checks that packets are numbered from 0 on */
	int take;
	unsigned calls, received, wrong;
	int error;
	/* requests of seat_send() */
	struct loom_uv_send_req *requests;
	uint8_t *packets;
	unsigned num_requests, finished, canceled;
	unsigned misordered; /* requests that did not finish in their order */
};

struct scene {
	uv_loop_t loop;
	uv_timer_t watchdog;
	uint64_t deadline;
	struct seat seats[SEATS];
	unsigned closed; /* close callbacks */
	void *own;       /* the test's */
};

/** A loop, and ports on it; far may be NULL. */
struct scene *scene_open(const char *near, const char *far, const struct loom_config *config);

/** Another port, or none, for a seat; it is put on the loop. */
void seat_open(
    struct scene *scene, unsigned index, const char *name, const struct loom_config *config);

/** Run the loop until the condition holds; false: it did not within LONG_MS. */
bool scene_run(struct scene *scene, bool (*done)(const struct scene *scene));

/** Have the loop's uv_run() return after so long. */
void scene_alarm(struct scene *scene, uint64_t ms);

/** Run the loop for so long. @return the processor time that took, in microseconds */
uint64_t scene_idle(struct scene *scene, uint64_t ms);

/** So many turns of the loop, none of which sleeps. */
void scene_turns(struct scene *scene, unsigned turns);

/** Close what is open and the loop, in which nothing may be left. Also the tests' teardown. */
void scene_close(struct scene *scene);
int scene_teardown(void **state);

/** Close callback that counts; a seat's port is closed in it. */
void seat_closed(struct loom_uv *uv);

int seat_recv(struct loom_uv *uv, unsigned ring, const struct loom_frame *frames, int n);
void seat_sent(struct loom_uv_send_req *req, int status);

/** Requests for so many packets of len bytes, numbered from 0 on. @return how many of them had to wait */
unsigned seat_send(struct seat *seat, unsigned count, unsigned len);

#endif
