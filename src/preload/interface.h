/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Questions about network interfaces that only exist as names of ports: programs put interfaces into
 * promiscuous mode and switch offloads off before they open them, and would give up on a pipe.
 */
#ifndef PRELOAD_INTERFACE_H
#define PRELOAD_INTERFACE_H

#include <stdbool.h>

/**
 * Answer an ioctl that the kernel has refused with ENODEV, if it is one about an interface, and its name
 * is one of ours. @return false: the kernel's answer stands
 */
bool interface_answer(unsigned long command, void *argument);

#endif
