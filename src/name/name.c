/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Port names: device name, mode, then flags and @ parts.
 */
#include "name.h"

#include <string.h>

#include "device_name.h"
#include "options.h"
#include "scan.h"

#define MAX_RING (NETMAP_RING_MASK - 1) /* netmap's own limit for names */

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

static int read_ring(struct scan *scan, uint32_t mode)
{
	uint32_t ring;
	int rc;

	scan_enter(scan, "ring number", "a digit, end, '/' or '@'");
	rc = scan_number(scan, 0, MAX_RING, &ring);
	if (rc < 0)
		return rc;
	scan->name->mode = mode;
	scan->name->ring = (uint16_t)ring;
	return 0;
}

static int read_mode(struct scan *scan)
{
	char mode = *scan->at;

	if (mode == '\0' || strchr("^*-", mode) == NULL)
		return 0;
	scan->at++;
	scan_enter(scan, "mode", "end, '/' or '@'");
	if (mode == '-')
		return read_ring(scan, NR_REG_ONE_NIC);
	if (mode == '^' && is_digit(*scan->at))
		return read_ring(scan, NR_REG_ONE_SW);
	scan->name->mode = mode == '^' ? NR_REG_SW : NR_REG_NIC_SW;
	return 0;
}

static uint32_t flag_of(char c)
{
	switch (c) {
	case 'x':
		return NR_EXCLUSIVE;
	case 'z':
		return NR_ZCOPY_MON;
	case 't':
		return NR_MONITOR_TX;
	case 'r':
		return NR_MONITOR_RX;
	case 'R':
		return NR_RX_RINGS_ONLY;
	case 'T':
		return NR_TX_RINGS_ONLY;
	default:
		return 0;
	}
}

static int read_flags(struct scan *scan)
{
	uint32_t flag;

	scan_enter(scan, "flag", "one of x z t r R T, end or '@'");
	if (flag_of(*scan->at) == 0)
		return scan_fail_here(scan, "one of x z t r R T");
	for (; (flag = flag_of(*scan->at)) != 0; scan->at++)
		scan->name->flags |= flag;
	return *scan->at == '\0' || *scan->at == '@' ? 0 : scan_fail_here(scan, scan->expected);
}

static int read_name(struct scan *scan)
{
	uint32_t seen = 0;
	int rc = device_name_read(scan);

	if (rc == 0)
		rc = read_mode(scan);
	while (rc == 0 && *scan->at != '\0') {
		char c = *scan->at;

		if (c != '/' && c != '@')
			return scan_fail_here(scan, scan->expected);
		scan->at++;
		rc = c == '/' ? read_flags(scan) : options_read(scan, &seen);
	}
	return rc;
}

int name_parse(const char *text, struct name *out, struct name_error *error)
{
	struct name name = {.mode = NR_REG_ALL_NIC};
	struct scan scan = {.text = text, .at = text, .name = &name, .error = error};
	int rc = read_name(&scan);

	if (rc == 0)
		*out = name;
	return rc;
}
