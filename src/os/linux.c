/* SPDX-License-Identifier: BSD-2-Clause */
/* os.h on Linux. */
#include "os.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/if_packet.h>
#include <poll.h>
#include <stdio.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

bool os_line_read(const char *path, char *line, size_t size)
{
	FILE *file = fopen(path, "re");
	bool got = file && fgets(line, (int)size, file);

	if (file)
		fclose(file);
	return got;
}

size_t os_page_size(void)
{
	return (size_t)sysconf(_SC_PAGESIZE);
}

int os_memory_create(const char *label, size_t size)
{
	int fd = memfd_create(label, MFD_CLOEXEC);
	int err;

	if (fd < 0)
		return -errno;
	if (ftruncate(fd, (off_t)size) == 0)
		return fd;
	err = -errno;
	close(fd);
	return err;
}

int os_memory_reopen(int fd)
{
	char name[32];

	snprintf(name, sizeof name, "/proc/self/fd/%d", fd);
	fd = open(name, O_RDWR | O_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

int os_memory_map(int fd, size_t size, void **out)
{
	return os_memory_map_from(fd, size, 0, out);
}

int os_memory_map_from(int fd, size_t size, off_t offset, void **out)
{
	void *base = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, offset);

	if (base == MAP_FAILED)
		return -errno;
	*out = base;
	return 0;
}

int os_memory_overlay(void *at, size_t size, int fd, off_t offset)
{
	void *got = mmap(at, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, fd, offset);

	return got == MAP_FAILED ? -errno : 0;
}

int os_memory_again(void *from, size_t size, void *to, void **out)
{
	/* An old size of 0 makes a second mapping of the same pages, which only shared ones can have. */
	void *got = to ? mremap(from, 0, size, MREMAP_MAYMOVE | MREMAP_FIXED, to)
		       : mremap(from, 0, size, MREMAP_MAYMOVE);

	if (got == MAP_FAILED)
		return -errno;
	if (out)
		*out = got;
	return 0;
}

void os_memory_unmap(void *base, size_t size)
{
	munmap(base, size);
}

uint64_t os_now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

void os_wall_clock(struct timeval *out)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	out->tv_sec = now.tv_sec;
	out->tv_usec = (suseconds_t)(now.tv_nsec / 1000);
}

bool os_tick_passed(uint64_t *last)
{
#if defined(__x86_64__) || defined(__i386__)
	uint64_t now = __builtin_ia32_rdtsc(), tick = 16384; /* of 2 to 5 GHz */
#elif defined(__aarch64__)
	uint64_t now, frequency, tick;

	__asm__ volatile("mrs %0, cntvct_el0" : "=r"(now));
	__asm__ volatile("mrs %0, cntfrq_el0" : "=r"(frequency));
	tick = frequency / 200000;
#else
	uint64_t now = *last + 1, tick = 0;
#endif
	if (now - *last <= tick)
		return false;
	*last = now;
	return true;
}

void os_cpu_relax(void)
{
#if defined(__x86_64__) || defined(__i386__)
	__builtin_ia32_pause();
#elif defined(__aarch64__)
	__asm__ volatile("yield");
#endif
}

/*
 * Open-file-description locks: unlike POSIX record locks they are not dropped when some other
 * descriptor of the file is closed, and unlike flock() one file can carry several.
 */
int os_lock_byte(int fd, unsigned byte, bool exclusive)
{
	struct flock lock = {
	    .l_type = exclusive ? F_WRLCK : F_RDLCK,
	    .l_whence = SEEK_SET,
	    .l_start = (off_t)byte,
	    .l_len = 1,
	};

	if (fcntl(fd, F_OFD_SETLK, &lock) == 0)
		return 0;
	return errno == EACCES ? -EAGAIN : -errno;
}

int os_lock_held(int fd, unsigned byte)
{
	struct flock lock = {
	    .l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = (off_t)byte, .l_len = 1};

	if (fcntl(fd, F_OFD_GETLK, &lock) != 0)
		return -errno;
	return lock.l_type != F_UNLCK;
}

int os_directory_lock(int dirfd, int timeout_ms)
{
	uint64_t deadline = os_now_ns() + (uint64_t)timeout_ms * 1000000u;
	const struct timespec pause = {.tv_nsec = 200000};

	while (flock(dirfd, LOCK_EX | LOCK_NB) != 0) {
		if (errno != EWOULDBLOCK && errno != EINTR)
			return -errno;
		if (os_now_ns() > deadline)
			return -ETIMEDOUT;
		nanosleep(&pause, NULL);
	}
	return 0;
}

void os_directory_unlock(int dirfd)
{
	flock(dirfd, LOCK_UN);
}

const char *os_shared_root(void)
{
	return access("/dev/shm", W_OK | X_OK) == 0 ? "/dev/shm" : "/tmp";
}

int os_wake_create(void)
{
	int fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);

	return fd < 0 ? -errno : fd;
}

/* Opened for both directions on both sides: no end-of-file, no SIGPIPE when the other side is gone. */
int os_wake_open(int dirfd, const char *name)
{
	int fd;

	if (mkfifoat(dirfd, name, 0600) != 0 && errno != EEXIST)
		return -errno;
	fd = openat(dirfd, name, O_RDWR | O_NONBLOCK | O_CLOEXEC | O_NOFOLLOW);
	return fd < 0 ? -errno : fd;
}

/* Eight bytes suit an eventfd and a FIFO alike; a FIFO that is full is signalled already. */
void os_wake_signal(int fd)
{
	const uint64_t one = 1;

	while (write(fd, &one, sizeof one) < 0 && errno == EINTR)
		;
}

/* An eventfd's eight bytes are their sum, a FIFO's are one each. */
uint64_t os_wake_drain(int fd)
{
	uint64_t signals[64], sum = 0;
	ssize_t n;

	do
		n = read(fd, signals, sizeof signals);
	while (n < 0 && errno == EINTR);
	for (ssize_t i = 0; i < n / (ssize_t)sizeof *signals; i++)
		sum += signals[i];
	return sum;
}

/* What an eventfd has in common with no file of a name, socket or pipe: an inode without a type. */
int os_wake_adopt(int fd)
{
	struct stat status;
	int own;

	if (fstat(fd, &status) != 0)
		return -errno;
	if (status.st_mode & S_IFMT)
		return -EINVAL;
	own = fcntl(fd, F_DUPFD_CLOEXEC, 0);
	return own < 0 ? -errno : own;
}

int os_timer_create(void)
{
	int fd = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);

	return fd < 0 ? -errno : fd;
}

void os_timer_set(int fd, uint64_t at_ns)
{
	const struct itimerspec at = {.it_value = {.tv_sec = (time_t)(at_ns / 1000000000u),
					  .tv_nsec = (long)(at_ns % 1000000000u)}};

	timerfd_settime(fd, TFD_TIMER_ABSTIME, &at, NULL);
}

int os_pollset_create(void)
{
	int fd = epoll_create1(EPOLL_CLOEXEC);

	return fd < 0 ? -errno : fd;
}

static int pollset_control(int set, int operation, int fd, short events)
{
	struct epoll_event event = {.data.fd = fd};

	if (events & POLLIN)
		event.events |= EPOLLIN;
	if (events & POLLOUT)
		event.events |= EPOLLOUT;
	return epoll_ctl(set, operation, fd, &event) == 0 ? 0 : -errno;
}

int os_pollset_add(int set, int fd, short events)
{
	return pollset_control(set, EPOLL_CTL_ADD, fd, events);
}

int os_pollset_change(int set, int fd, short events)
{
	return pollset_control(set, EPOLL_CTL_MOD, fd, events);
}

int os_pollset_add_edge(int set, int fd)
{
	struct epoll_event event = {.events = EPOLLIN | EPOLLET, .data.fd = fd};

	return epoll_ctl(set, EPOLL_CTL_ADD, fd, &event) == 0 ? 0 : -errno;
}

void os_pollset_take(int set)
{
	struct epoll_event events[64];

	while (epoll_wait(set, events, 64, 0) == 64)
		;
}

int os_sleep(struct pollfd *fds, unsigned n, uint64_t timeout_ns, const sigset_t *signals)
{
	const struct timespec timeout = {.tv_sec = (time_t)(timeout_ns / 1000000000u),
	    .tv_nsec = (long)(timeout_ns % 1000000000u)};

	return ppoll(fds, n, timeout_ns == UINT64_MAX ? NULL : &timeout, signals) < 0 ? -errno : 0;
}

void os_capture_leave_out_own(int fd)
{
	const int on = 1;

	setsockopt(fd, SOL_PACKET, PACKET_IGNORE_OUTGOING, &on, sizeof on);
}
