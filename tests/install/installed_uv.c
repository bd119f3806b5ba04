/* SPDX-License-Identifier: BSD-2-Clause */
/* A program outside the tree, with a port in a libuv loop: built by pkg-config pktloom-uv alone. */
/* libuv's headers need more than -std=c11 alone shows. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif

#include <pktloom.h>
#include <pktloom/uv.h>
#include <stdio.h>

static int got(struct loom_uv *uv, unsigned ring, const struct loom_frame *frames, int n)
{
	bool right = n == 1 && frames[0].len == 5;

	(void)ring;
	*(bool *)uv->data = right;
	loom_uv_close(uv, NULL);
	return right ? n : 0;
}

int main(void)
{
	struct loom_uv_send_req request;
	struct loom_port *port;
	struct loom_uv uv;
	bool right = false;

	if (loom_open("loop:installed", NULL, &port) < 0) {
		fprintf(stderr, "%s\n", loom_error());
		return 1;
	}
	if (loom_uv_init(uv_default_loop(), &uv, port) < 0)
		return 1;
	uv.data = &right;
	if (loom_uv_recv_start(&uv, got) < 0 ||
	    loom_uv_send(&request, &uv, 0, "hello", 5, NULL) < 0)
		return 1;
	uv_run(uv_default_loop(), UV_RUN_DEFAULT);
	loom_close(port);
	if (!right)
		fprintf(stderr, "the packet did not come back\n");
	return right && uv_loop_close(uv_default_loop()) == 0 ? 0 : 1;
}
