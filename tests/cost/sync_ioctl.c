/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A classic program that does nothing but sync: tests/cost/test_sync_ioctl.sh counts what that costs
 * under the preload library.
 *
 *	sync_ioctl PORT ROUNDS alone|threads
 */
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <net/netmap.h>

static void *nothing(void *arg)
{
	return arg;
}

/* From the first thread on, a process counts as one with threads. */
static int had_thread(void)
{
	pthread_t thread;

	return pthread_create(&thread, NULL, nothing, NULL) || pthread_join(thread, NULL);
}

static int bound(const char *name)
{
	struct nmreq_register reg = {.nr_mode = NR_REG_ALL_NIC};
	struct nmreq_header header = {.nr_version = NETMAP_API,
	    .nr_reqtype = NETMAP_REQ_REGISTER,
	    .nr_body = (uintptr_t)&reg};
	int fd = open(NETMAP_DEVICE_NAME, O_RDWR);

	snprintf(header.nr_name, sizeof header.nr_name, "%s", name);
	if (fd < 0 || ioctl(fd, NIOCCTRL, &header) != 0) {
		perror(name);
		exit(1);
	}
	return fd;
}

int main(int argc, char **argv)
{
	unsigned long rounds = argc > 3 ? strtoul(argv[2], NULL, 10) : 0;
	int fd;

	if (rounds == 0 || rounds > 1000000) {
		fprintf(stderr, "usage: sync_ioctl PORT ROUNDS alone|threads\n");
		return 2;
	}
	fd = bound(argv[1]);
	if (strcmp(argv[3], "threads") == 0 && had_thread())
		return 1;
	for (unsigned long i = 0; i < rounds; i++)
		if (ioctl(fd, NIOCTXSYNC, NULL) != 0) {
			perror("NIOCTXSYNC");
			return 1;
		}
	return close(fd) == 0 ? 0 : 1;
}
