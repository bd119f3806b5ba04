/* SPDX-License-Identifier: BSD-2-Clause */
/* The helpers of support.h. */
#include "support.h"

#include <signal.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

pid_t child_start(int (*body)(void *arg), void *arg)
{
	pid_t child = fork();

	if (child == 0)
		_exit(body(arg));
	assert_true(child > 0);
	return child;
}

int child_wait(pid_t child)
{
	const struct timespec pause = {.tv_nsec = 1000000};
	const uint64_t deadline = now_ms() + 60000;
	int status = 0;

	while (waitpid(child, &status, WNOHANG) == 0) {
		if (now_ms() > deadline) {
			kill(child, SIGKILL);
			waitpid(child, &status, 0);
			break;
		}
		nanosleep(&pause, NULL);
	}
	return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
}

/* A header of an ethertype for experiments, so that a real link carries it and nobody answers. */
static const uint8_t header[PACKET_HEADER] = {2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 1, 0x88, 0xb5};

static uint8_t pattern(uint32_t number, uint32_t i)
{
	return (uint8_t)(number * 151 + (number >> 8) * 13 + i * 7);
}

void packet_fill(uint8_t *data, uint32_t len, uint32_t number)
{
	uint32_t i = 0;

	if (len >= PACKET_HEADER)
		memcpy(data, header, i = PACKET_HEADER);
	for (; i < len; i++)
		data[i] = pattern(number, i);
}

bool packet_is(const uint8_t *data, uint32_t len, uint32_t number)
{
	uint32_t i = 0;

	if (len >= PACKET_HEADER) {
		if (memcmp(data, header, PACKET_HEADER) != 0)
			return false;
		i = PACKET_HEADER;
	}
	for (; i < len; i++)
		if (data[i] != pattern(number, i))
			return false;
	return true;
}

bool packet_is_ours(const uint8_t *data, uint32_t len)
{
	return len < PACKET_HEADER || memcmp(data, header, PACKET_HEADER) == 0;
}
