/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Every size, offset, type and value of netmap's interface, held at compile time against whatever
 * net/netmap.h (and, for NETMAP_DEVICE_NAME, net/netmap_user.h) was included before this file:
 * pktloom's own, or a system's real one. It has no include of a netmap header for that reason.
 *
 * The figures are those of 64-bit systems with natural alignment and a 64-bit time_t.
 */
#ifndef PKTLOOM_TESTS_ABI_ASSERT_H
#define PKTLOOM_TESTS_ABI_ASSERT_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#if defined(__cplusplus)
#include <type_traits>
#define ABI_ASSERT(condition, text) static_assert(condition, text)
#define ABI_IS(whole, field, of)                                                                   \
	(std::is_same<std::remove_reference<decltype(((whole *)nullptr)->field)>::type, of>::value)
#else
#define ABI_ASSERT(condition, text) _Static_assert(condition, text)
#define ABI_IS(whole, field, of)    _Generic(&((whole *)0)->field, __typeof__(of) * : 1, default : 0)
#endif

/* A structure's size; a field's offset and size in bytes, and its type with const. */
#define ABI_SIZE(whole, bytes) ABI_ASSERT(sizeof(whole) == (bytes), "size of " #whole)
#define ABI_FIELD(whole, field, offset, bytes, of)                                                 \
	ABI_ASSERT(offsetof(whole, field) == (offset) && sizeof(((whole *)0)->field) == (bytes) && \
		       ABI_IS(whole, field, of),                                                   \
	    #whole ": " #field)

/* An array without a length at a structure's end: its offset, the size and type of an element. */
/* NOLINTBEGIN(bugprone-macro-parentheses): `whole` is a type */
#define ABI_TAIL(whole, field, offset, bytes, of)                                                  \
	ABI_ASSERT(offsetof(whole, field) == (offset) &&                                           \
		       sizeof(((whole *)0)->field[0]) == (bytes) && ABI_IS(whole, field[0], of),   \
	    #whole ": " #field)
/* NOLINTEND(bugprone-macro-parentheses) */

#define ABI_VALUE(name, value)  ABI_ASSERT((name) == (value), #name)
#define ABI_STRING(name, value) ABI_ASSERT(__builtin_strcmp(name, value) == 0, #name)

/*
 * Linux and the BSDs encode a request with an argument in the same way, but one without differs:
 * the BSDs set a bit that says so.
 */
#if defined(__linux__) || defined(_WIN32)
#define ABI_IOCTL_WITHOUT_ARGUMENT 0
#else
#define ABI_IOCTL_WITHOUT_ARGUMENT 0x20000000
#endif

/* A struct timeval is two 32-bit numbers on Windows; sem and slot keep their places even so. */
#if defined(_WIN32)
#define ABI_TIMEVAL(other, windows) (windows)
#else
#define ABI_TIMEVAL(other, windows) (other)
#endif

/* ---- shared memory ---- */

ABI_SIZE(struct netmap_slot, 16);
ABI_FIELD(struct netmap_slot, buf_idx, 0, 4, uint32_t);
ABI_FIELD(struct netmap_slot, len, 4, 2, uint16_t);
ABI_FIELD(struct netmap_slot, flags, 6, 2, uint16_t);
ABI_FIELD(struct netmap_slot, ptr, 8, 8, uint64_t);

ABI_SIZE(struct netmap_ring, 256);
ABI_FIELD(struct netmap_ring, buf_ofs, 0, 8, const int64_t);
ABI_FIELD(struct netmap_ring, num_slots, 8, 4, const uint32_t);
ABI_FIELD(struct netmap_ring, nr_buf_size, 12, 4, const uint32_t);
ABI_FIELD(struct netmap_ring, ringid, 16, 2, const uint16_t);
ABI_FIELD(struct netmap_ring, dir, 18, 2, const uint16_t);
ABI_FIELD(struct netmap_ring, head, 20, 4, uint32_t);
ABI_FIELD(struct netmap_ring, cur, 24, 4, uint32_t);
ABI_FIELD(struct netmap_ring, tail, 28, 4, uint32_t);
ABI_FIELD(struct netmap_ring, flags, 32, 4, uint32_t);
ABI_FIELD(struct netmap_ring, ts, ABI_TIMEVAL(40, 36), ABI_TIMEVAL(16, 8), struct timeval);
ABI_FIELD(struct netmap_ring, offset_mask, ABI_TIMEVAL(56, 48), 8, const uint64_t);
ABI_FIELD(struct netmap_ring, buf_align, ABI_TIMEVAL(64, 56), 8, const uint64_t);
ABI_FIELD(struct netmap_ring, sem, 128, 128, uint8_t[128]);
ABI_TAIL(struct netmap_ring, slot, 256, 16, struct netmap_slot);

ABI_SIZE(struct netmap_if, 56);
ABI_FIELD(struct netmap_if, ni_name, 0, 16, char[16]);
ABI_FIELD(struct netmap_if, ni_version, 16, 4, const uint32_t);
ABI_FIELD(struct netmap_if, ni_flags, 20, 4, const uint32_t);
ABI_FIELD(struct netmap_if, ni_tx_rings, 24, 4, const uint32_t);
ABI_FIELD(struct netmap_if, ni_rx_rings, 28, 4, const uint32_t);
ABI_FIELD(struct netmap_if, ni_bufs_head, 32, 4, uint32_t);
ABI_FIELD(struct netmap_if, ni_host_tx_rings, 36, 4, const uint32_t);
ABI_FIELD(struct netmap_if, ni_host_rx_rings, 40, 4, const uint32_t);
ABI_FIELD(struct netmap_if, ni_spare1, 44, 12, uint32_t[3]);
ABI_TAIL(struct netmap_if, ring_ofs, 56, 8, const ssize_t);

/* ---- requests ---- */

ABI_SIZE(struct nmreq_header, 88);
ABI_FIELD(struct nmreq_header, nr_version, 0, 2, uint16_t);
ABI_FIELD(struct nmreq_header, nr_reqtype, 2, 2, uint16_t);
ABI_FIELD(struct nmreq_header, nr_reserved, 4, 4, uint32_t);
ABI_FIELD(struct nmreq_header, nr_name, 8, 64, char[64]);
ABI_FIELD(struct nmreq_header, nr_options, 72, 8, uint64_t);
ABI_FIELD(struct nmreq_header, nr_body, 80, 8, uint64_t);

ABI_SIZE(struct nmreq_option, 24);
ABI_FIELD(struct nmreq_option, nro_next, 0, 8, uint64_t);
ABI_FIELD(struct nmreq_option, nro_reqtype, 8, 4, uint32_t);
ABI_FIELD(struct nmreq_option, nro_status, 12, 4, uint32_t);
ABI_FIELD(struct nmreq_option, nro_size, 16, 8, uint64_t);

ABI_SIZE(struct nmreq_register, 56);
ABI_FIELD(struct nmreq_register, nr_offset, 0, 8, uint64_t);
ABI_FIELD(struct nmreq_register, nr_memsize, 8, 8, uint64_t);
ABI_FIELD(struct nmreq_register, nr_tx_slots, 16, 4, uint32_t);
ABI_FIELD(struct nmreq_register, nr_rx_slots, 20, 4, uint32_t);
ABI_FIELD(struct nmreq_register, nr_tx_rings, 24, 2, uint16_t);
ABI_FIELD(struct nmreq_register, nr_rx_rings, 26, 2, uint16_t);
ABI_FIELD(struct nmreq_register, nr_host_tx_rings, 28, 2, uint16_t);
ABI_FIELD(struct nmreq_register, nr_host_rx_rings, 30, 2, uint16_t);
ABI_FIELD(struct nmreq_register, nr_mem_id, 32, 2, uint16_t);
ABI_FIELD(struct nmreq_register, nr_ringid, 34, 2, uint16_t);
ABI_FIELD(struct nmreq_register, nr_mode, 36, 4, uint32_t);
ABI_FIELD(struct nmreq_register, nr_extra_bufs, 40, 4, uint32_t);
ABI_FIELD(struct nmreq_register, nr_flags, 48, 8, uint64_t);

ABI_SIZE(struct nmreq_port_info_get, 32);
ABI_FIELD(struct nmreq_port_info_get, nr_memsize, 0, 8, uint64_t);
ABI_FIELD(struct nmreq_port_info_get, nr_tx_slots, 8, 4, uint32_t);
ABI_FIELD(struct nmreq_port_info_get, nr_rx_slots, 12, 4, uint32_t);
ABI_FIELD(struct nmreq_port_info_get, nr_tx_rings, 16, 2, uint16_t);
ABI_FIELD(struct nmreq_port_info_get, nr_rx_rings, 18, 2, uint16_t);
ABI_FIELD(struct nmreq_port_info_get, nr_host_tx_rings, 20, 2, uint16_t);
ABI_FIELD(struct nmreq_port_info_get, nr_host_rx_rings, 22, 2, uint16_t);
ABI_FIELD(struct nmreq_port_info_get, nr_mem_id, 24, 2, uint16_t);
ABI_FIELD(struct nmreq_port_info_get, pad, 26, 6, uint16_t[3]);

ABI_SIZE(struct nmreq_vale_attach, 64);
ABI_FIELD(struct nmreq_vale_attach, reg, 0, 56, struct nmreq_register);
ABI_FIELD(struct nmreq_vale_attach, port_index, 56, 4, uint32_t);
ABI_FIELD(struct nmreq_vale_attach, pad1, 60, 4, uint32_t);

ABI_SIZE(struct nmreq_vale_detach, 8);
ABI_FIELD(struct nmreq_vale_detach, port_index, 0, 4, uint32_t);
ABI_FIELD(struct nmreq_vale_detach, pad1, 4, 4, uint32_t);

ABI_SIZE(struct nmreq_vale_list, 8);
ABI_FIELD(struct nmreq_vale_list, nr_bridge_idx, 0, 2, uint16_t);
ABI_FIELD(struct nmreq_vale_list, pad1, 2, 2, uint16_t);
ABI_FIELD(struct nmreq_vale_list, nr_port_idx, 4, 4, uint32_t);

ABI_SIZE(struct nmreq_port_hdr, 8);
ABI_FIELD(struct nmreq_port_hdr, nr_hdr_len, 0, 4, uint32_t);
ABI_FIELD(struct nmreq_port_hdr, pad1, 4, 4, uint32_t);

ABI_SIZE(struct nmreq_vale_newif, 16);
ABI_FIELD(struct nmreq_vale_newif, nr_tx_slots, 0, 4, uint32_t);
ABI_FIELD(struct nmreq_vale_newif, nr_rx_slots, 4, 4, uint32_t);
ABI_FIELD(struct nmreq_vale_newif, nr_tx_rings, 8, 2, uint16_t);
ABI_FIELD(struct nmreq_vale_newif, nr_rx_rings, 10, 2, uint16_t);
ABI_FIELD(struct nmreq_vale_newif, nr_mem_id, 12, 2, uint16_t);
ABI_FIELD(struct nmreq_vale_newif, pad1, 14, 2, uint16_t);

ABI_SIZE(struct nmreq_vale_polling, 16);
ABI_FIELD(struct nmreq_vale_polling, nr_mode, 0, 4, uint32_t);
ABI_FIELD(struct nmreq_vale_polling, nr_first_cpu_id, 4, 4, uint32_t);
ABI_FIELD(struct nmreq_vale_polling, nr_num_polling_cpus, 8, 4, uint32_t);
ABI_FIELD(struct nmreq_vale_polling, pad1, 12, 4, uint32_t);

ABI_SIZE(struct nmreq_pools_info, 64);
ABI_FIELD(struct nmreq_pools_info, nr_memsize, 0, 8, uint64_t);
ABI_FIELD(struct nmreq_pools_info, nr_mem_id, 8, 2, uint16_t);
ABI_FIELD(struct nmreq_pools_info, pad1, 10, 6, uint16_t[3]);
ABI_FIELD(struct nmreq_pools_info, nr_if_pool_offset, 16, 8, uint64_t);
ABI_FIELD(struct nmreq_pools_info, nr_if_pool_objtotal, 24, 4, uint32_t);
ABI_FIELD(struct nmreq_pools_info, nr_if_pool_objsize, 28, 4, uint32_t);
ABI_FIELD(struct nmreq_pools_info, nr_ring_pool_offset, 32, 8, uint64_t);
ABI_FIELD(struct nmreq_pools_info, nr_ring_pool_objtotal, 40, 4, uint32_t);
ABI_FIELD(struct nmreq_pools_info, nr_ring_pool_objsize, 44, 4, uint32_t);
ABI_FIELD(struct nmreq_pools_info, nr_buf_pool_offset, 48, 8, uint64_t);
ABI_FIELD(struct nmreq_pools_info, nr_buf_pool_objtotal, 56, 4, uint32_t);
ABI_FIELD(struct nmreq_pools_info, nr_buf_pool_objsize, 60, 4, uint32_t);

ABI_SIZE(struct nmreq_sync_kloop_start, 8);
ABI_FIELD(struct nmreq_sync_kloop_start, sleep_us, 0, 4, uint32_t);
ABI_FIELD(struct nmreq_sync_kloop_start, pad1, 4, 4, uint32_t);

ABI_SIZE(struct nm_csb_atok, 64);
ABI_FIELD(struct nm_csb_atok, head, 0, 4, uint32_t);
ABI_FIELD(struct nm_csb_atok, cur, 4, 4, uint32_t);
ABI_FIELD(struct nm_csb_atok, appl_need_kick, 8, 4, uint32_t);
ABI_FIELD(struct nm_csb_atok, sync_flags, 12, 4, uint32_t);
ABI_FIELD(struct nm_csb_atok, pad, 16, 48, uint32_t[12]);

ABI_SIZE(struct nm_csb_ktoa, 64);
ABI_FIELD(struct nm_csb_ktoa, hwcur, 0, 4, uint32_t);
ABI_FIELD(struct nm_csb_ktoa, hwtail, 4, 4, uint32_t);
ABI_FIELD(struct nm_csb_ktoa, kern_need_kick, 8, 4, uint32_t);
ABI_FIELD(struct nm_csb_ktoa, pad, 12, 52, uint32_t[13]);

/* ---- options ---- */

ABI_SIZE(struct nmreq_opt_sync_kloop_eventfds, 24);
ABI_FIELD(struct nmreq_opt_sync_kloop_eventfds, nro_opt, 0, 24, struct nmreq_option);
ABI_FIELD(struct nmreq_opt_sync_kloop_eventfds, eventfds[0].ioeventfd, 24, 4, int32_t);
ABI_FIELD(struct nmreq_opt_sync_kloop_eventfds, eventfds[0].irqfd, 28, 4, int32_t);
ABI_FIELD(struct nmreq_opt_sync_kloop_eventfds, eventfds[1].ioeventfd, 32, 4, int32_t);

ABI_SIZE(struct nmreq_opt_sync_kloop_mode, 32);
ABI_FIELD(struct nmreq_opt_sync_kloop_mode, nro_opt, 0, 24, struct nmreq_option);
ABI_FIELD(struct nmreq_opt_sync_kloop_mode, mode, 24, 4, uint32_t);

ABI_SIZE(struct nmreq_opt_extmem, 96);
ABI_FIELD(struct nmreq_opt_extmem, nro_opt, 0, 24, struct nmreq_option);
ABI_FIELD(struct nmreq_opt_extmem, nro_usrptr, 24, 8, uint64_t);
ABI_FIELD(struct nmreq_opt_extmem, nro_info, 32, 64, struct nmreq_pools_info);

ABI_SIZE(struct nmreq_opt_csb, 40);
ABI_FIELD(struct nmreq_opt_csb, nro_opt, 0, 24, struct nmreq_option);
ABI_FIELD(struct nmreq_opt_csb, csb_atok, 24, 8, uint64_t);
ABI_FIELD(struct nmreq_opt_csb, csb_ktoa, 32, 8, uint64_t);

ABI_SIZE(struct nmreq_opt_offsets, 56);
ABI_FIELD(struct nmreq_opt_offsets, nro_opt, 0, 24, struct nmreq_option);
ABI_FIELD(struct nmreq_opt_offsets, nro_max_offset, 24, 8, uint64_t);
ABI_FIELD(struct nmreq_opt_offsets, nro_initial_offset, 32, 8, uint64_t);
ABI_FIELD(struct nmreq_opt_offsets, nro_offset_bits, 40, 4, uint32_t);
ABI_FIELD(struct nmreq_opt_offsets, nro_tx_align, 44, 4, uint32_t);
ABI_FIELD(struct nmreq_opt_offsets, nro_min_gap, 48, 8, uint64_t);

/* ---- legacy requests ---- */

ABI_SIZE(struct nmreq, 60);
ABI_FIELD(struct nmreq, nr_name, 0, 16, char[16]);
ABI_FIELD(struct nmreq, nr_version, 16, 4, uint32_t);
ABI_FIELD(struct nmreq, nr_offset, 20, 4, uint32_t);
ABI_FIELD(struct nmreq, nr_memsize, 24, 4, uint32_t);
ABI_FIELD(struct nmreq, nr_tx_slots, 28, 4, uint32_t);
ABI_FIELD(struct nmreq, nr_rx_slots, 32, 4, uint32_t);
ABI_FIELD(struct nmreq, nr_tx_rings, 36, 2, uint16_t);
ABI_FIELD(struct nmreq, nr_rx_rings, 38, 2, uint16_t);
ABI_FIELD(struct nmreq, nr_ringid, 40, 2, uint16_t);
ABI_FIELD(struct nmreq, nr_cmd, 42, 2, uint16_t);
ABI_FIELD(struct nmreq, nr_arg1, 44, 2, uint16_t);
ABI_FIELD(struct nmreq, nr_arg2, 46, 2, uint16_t);
ABI_FIELD(struct nmreq, nr_arg3, 48, 4, uint32_t);
ABI_FIELD(struct nmreq, nr_flags, 52, 4, uint32_t);
ABI_FIELD(struct nmreq, spare2, 56, 4, uint32_t[1]);

ABI_SIZE(struct nm_ifreq, 272);
ABI_FIELD(struct nm_ifreq, nifr_name, 0, 16, char[16]);
ABI_FIELD(struct nm_ifreq, data, 16, 256, char[256]);

/* ---- numbers ---- */

ABI_VALUE(NETMAP_API, 14);
ABI_VALUE(NETMAP_MIN_API, 14);
ABI_VALUE(NETMAP_MAX_API, 15);
ABI_STRING(NETMAP_DEVICE_NAME, "/dev/netmap");
ABI_STRING(NM_BDG_NAME, "vale");
ABI_VALUE(NM_CACHE_ALIGN, 128);
ABI_VALUE(NETMAP_REQ_IFNAMSIZ, 64);
ABI_VALUE(NETMAP_REQ_MAXSIZE, 4096);
ABI_VALUE(NETMAP_MAX_FRAGS, 64);

ABI_VALUE(NIOCGINFO, 0xc03c6991);
ABI_VALUE(NIOCREGIF, 0xc03c6992);
ABI_VALUE(NIOCTXSYNC, 0x6994 | ABI_IOCTL_WITHOUT_ARGUMENT);
ABI_VALUE(NIOCRXSYNC, 0x6995 | ABI_IOCTL_WITHOUT_ARGUMENT);
ABI_VALUE(NIOCCONFIG, 0xc1106996);
ABI_VALUE(NIOCCTRL, 0xc0586997);

ABI_VALUE(NETMAP_REQ_REGISTER, 1);
ABI_VALUE(NETMAP_REQ_PORT_INFO_GET, 2);
ABI_VALUE(NETMAP_REQ_VALE_ATTACH, 3);
ABI_VALUE(NETMAP_REQ_VALE_DETACH, 4);
ABI_VALUE(NETMAP_REQ_VALE_LIST, 5);
ABI_VALUE(NETMAP_REQ_PORT_HDR_SET, 6);
ABI_VALUE(NETMAP_REQ_PORT_HDR_GET, 7);
ABI_VALUE(NETMAP_REQ_VALE_NEWIF, 8);
ABI_VALUE(NETMAP_REQ_VALE_DELIF, 9);
ABI_VALUE(NETMAP_REQ_VALE_POLLING_ENABLE, 10);
ABI_VALUE(NETMAP_REQ_VALE_POLLING_DISABLE, 11);
ABI_VALUE(NETMAP_REQ_POOLS_INFO_GET, 12);
ABI_VALUE(NETMAP_REQ_SYNC_KLOOP_START, 13);
ABI_VALUE(NETMAP_REQ_SYNC_KLOOP_STOP, 14);
ABI_VALUE(NETMAP_REQ_CSB_ENABLE, 15);

ABI_VALUE(NETMAP_REQ_OPT_EXTMEM, 1);
ABI_VALUE(NETMAP_REQ_OPT_SYNC_KLOOP_EVENTFDS, 2);
ABI_VALUE(NETMAP_REQ_OPT_CSB, 3);
ABI_VALUE(NETMAP_REQ_OPT_SYNC_KLOOP_MODE, 4);
ABI_VALUE(NETMAP_REQ_OPT_OFFSETS, 5);
ABI_VALUE(NETMAP_REQ_OPT_MAX, 6);

ABI_VALUE(NR_REG_DEFAULT, 0);
ABI_VALUE(NR_REG_ALL_NIC, 1);
ABI_VALUE(NR_REG_SW, 2);
ABI_VALUE(NR_REG_NIC_SW, 3);
ABI_VALUE(NR_REG_ONE_NIC, 4);
ABI_VALUE(NR_REG_PIPE_MASTER, 5);
ABI_VALUE(NR_REG_PIPE_SLAVE, 6);
ABI_VALUE(NR_REG_NULL, 7);
ABI_VALUE(NR_REG_ONE_SW, 8);
ABI_VALUE(NR_REG_MASK, 0xf);

ABI_VALUE(NR_MONITOR_TX, 0x100);
ABI_VALUE(NR_MONITOR_RX, 0x200);
ABI_VALUE(NR_ZCOPY_MON, 0x400);
ABI_VALUE(NR_EXCLUSIVE, 0x800);
ABI_VALUE(NR_RX_RINGS_ONLY, 0x2000);
ABI_VALUE(NR_TX_RINGS_ONLY, 0x4000);
ABI_VALUE(NR_ACCEPT_VNET_HDR, 0x8000);
ABI_VALUE(NR_DO_RX_POLL, 0x10000);
ABI_VALUE(NR_NO_TX_POLL, 0x20000);

ABI_VALUE(NR_TIMESTAMP, 0x2);
ABI_VALUE(NR_FORWARD, 0x4);

ABI_VALUE(NS_BUF_CHANGED, 0x1);
ABI_VALUE(NS_REPORT, 0x2);
ABI_VALUE(NS_FORWARD, 0x4);
ABI_VALUE(NS_NO_LEARN, 0x8);
ABI_VALUE(NS_INDIRECT, 0x10);
ABI_VALUE(NS_MOREFRAG, 0x20);
ABI_VALUE(NS_TXMON, 0x40);
ABI_VALUE(NS_PORT_SHIFT, 8);
ABI_VALUE(NS_PORT_MASK, 0xff00);

ABI_VALUE(NI_PRIV_MEM, 0x1);

ABI_VALUE(NETMAP_HW_RING, 0x4000);
ABI_VALUE(NETMAP_SW_RING, 0x2000);
ABI_VALUE(NETMAP_RING_MASK, 0x0fff);
ABI_VALUE(NETMAP_NO_TX_POLL, 0x1000);
ABI_VALUE(NETMAP_DO_RX_POLL, 0x8000);

ABI_VALUE(NETMAP_BDG_ATTACH, 1);
ABI_VALUE(NETMAP_BDG_DETACH, 2);
ABI_VALUE(NETMAP_BDG_REGOPS, 3);
ABI_VALUE(NETMAP_BDG_LIST, 4);
ABI_VALUE(NETMAP_BDG_VNET_HDR, 5);
ABI_VALUE(NETMAP_BDG_NEWIF, 6);
ABI_VALUE(NETMAP_BDG_DELIF, 7);
ABI_VALUE(NETMAP_PT_HOST_CREATE, 8);
ABI_VALUE(NETMAP_PT_HOST_DELETE, 9);
ABI_VALUE(NETMAP_BDG_POLLING_ON, 10);
ABI_VALUE(NETMAP_BDG_POLLING_OFF, 11);
ABI_VALUE(NETMAP_VNET_HDR_GET, 12);
ABI_VALUE(NETMAP_BDG_HOST, 1);

ABI_VALUE(NETMAP_POLLING_MODE_SINGLE_CPU, 1);
ABI_VALUE(NETMAP_POLLING_MODE_MULTI_CPU, 2);
ABI_VALUE(NM_OPT_SYNC_KLOOP_DIRECT_TX, 1);
ABI_VALUE(NM_OPT_SYNC_KLOOP_DIRECT_RX, 2);

#endif /* PKTLOOM_TESTS_ABI_ASSERT_H */
