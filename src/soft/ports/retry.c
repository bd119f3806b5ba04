/* SPDX-License-Identifier: BSD-2-Clause */
/* The timer of TX rings whose driver is full. */
#include "retry.h"

#include <errno.h>
#include <poll.h>
#include <sys/timerfd.h>
#include <unistd.h>

#define RETRY_MIN_US 50u
#define RETRY_MAX_US 5000u

void retry_init(struct retry *retry)
{
	*retry = (struct retry){.timer = -1, .us = RETRY_MIN_US};
}

void retry_close(struct retry *retry)
{
	if (retry->timer >= 0)
		close(retry->timer);
	retry->timer = -1;
}

void retry_reset(struct retry *retry)
{
	retry->us = RETRY_MIN_US;
}

int retry_open(struct retry *retry, struct pollfd *out)
{
	if (retry->timer < 0)
		retry->timer = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
	if (retry->timer < 0)
		return -errno;
	out->fd = retry->timer;
	out->events = POLLIN;
	return 0;
}

static int timer_set(struct retry *retry, uint32_t microseconds)
{
	const struct itimerspec after = {.it_value.tv_nsec = (long)microseconds * 1000};

	retry->armed = microseconds > 0;
	return timerfd_settime(retry->timer, 0, &after, NULL) == 0 ? 0 : -errno;
}

int retry_start(struct retry *retry)
{
	const uint32_t us = retry->us;

	retry->us = us * 2 < RETRY_MAX_US ? us * 2 : RETRY_MAX_US;
	return timer_set(retry, us);
}

void retry_stop(struct retry *retry)
{
	if (retry->armed)
		timer_set(retry, 0);
}
