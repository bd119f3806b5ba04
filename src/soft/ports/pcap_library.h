/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * libpcap, loaded when the first pcap port is opened: it brings ten other libraries along, which programs
 * that open none (and all that the preload library is put into) should not have to carry.
 */
#ifndef SOFT_PORTS_PCAP_LIBRARY_H
#define SOFT_PORTS_PCAP_LIBRARY_H

#include <pcap/pcap.h>

#define PCAP_CALLS(X)                                                                              \
	X(activate)                                                                                \
	X(close)                                                                                   \
	X(create)                                                                                  \
	X(datalink)                                                                                \
	X(datalink_val_to_name)                                                                    \
	X(dump)                                                                                    \
	X(dump_close)                                                                              \
	X(dump_file)                                                                               \
	X(dump_flush)                                                                              \
	X(dump_fopen)                                                                              \
	X(fopen_offline)                                                                           \
	X(get_selectable_fd)                                                                       \
	X(geterr)                                                                                  \
	X(inject)                                                                                  \
	X(next_ex)                                                                                 \
	X(open_dead)                                                                               \
	X(set_buffer_size)                                                                         \
	X(set_promisc)                                                                             \
	X(set_snaplen)                                                                             \
	X(set_timeout)                                                                             \
	X(setdirection)                                                                            \
	X(setfilter)                                                                               \
	X(setnonblock)                                                                             \
	X(stats)                                                                                   \
	X(statustostr)

/** libpcap.close is pcap_close(), and so on. */
/* NOLINTNEXTLINE(bugprone-macro-parentheses): a declaration, not an expression */
#define PCAP_CALL(name) __typeof__(pcap_##name) *name;
extern struct pcap_library {
	PCAP_CALLS(PCAP_CALL)
} libpcap;
#undef PCAP_CALL

/**
 * Have the calls above; under the registry's lock. The library stays loaded.
 * @return 0; -ENXIO it is not installed, or lacks one of them: a message says so
 */
int pcap_library_load(const char *port);

#endif
