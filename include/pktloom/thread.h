/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Threads: a thread with a ring of its own (loom_port_open_ring() in <pktloom/port.h>) works best
 * on a CPU of its own.
 */
#ifndef PKTLOOM_THREAD_H
#define PKTLOOM_THREAD_H

#ifdef __cplusplus
extern "C" {
#endif

/**
 * Let the calling thread run on one CPU only, from now on; threads that it starts later inherit this.
 * A second call moves it to another CPU. Pin first and open then: where the system has near and far memory
 * a port's memory is taken near its network interface, or if it has none near the CPU of the thread that
 * opens it first. (A policy of the program's own, as from numactl(8), stands.)
 *
 * Which CPUs: those that the system lets this process use (its cpuset). The mask that the thread has
 * now, from taskset(1) or an earlier call, does not count: it is replaced.
 *
 * Threads: concerns the calling one alone.
 * @param cpu  as the system numbers them, from 0
 * @return 0; -EINVAL there is no such CPU, or this process may not use it (the thread runs where it
 *         did; loom_error() lists the CPUs in use); -EPERM the system allows no pinning (a
 *         sandbox)
 */
int loom_thread_pin(unsigned cpu);

#ifdef __cplusplus
}
#endif
#endif
