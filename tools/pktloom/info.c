/* SPDX-License-Identifier: BSD-2-Clause */
/* pktloom info: opens a port and tells what came of it. */
#include <err.h>

#include <pktloom.h>

#include "command.h"

/* One line for each thing that was tried; they are separated by "; ". */
static void print_tried(const char *tried)
{
	const char *label = "tried";

	if (!*tried)
		tried = "nothing else: the name says what to use";
	do {
		const char *end = strstr(tried, "; ");
		size_t len = end ? (size_t)(end - tried) : strlen(tried);

		printf("%-14s %.*s\n", label, (int)len, tried);
		label = "";
		tried = end ? end + 2 : NULL;
	} while (tried);
}

static void print_text(const struct loom_info *info)
{
	printf("%-14s %s\n", "name", info->name);
	printf("%-14s %s\n", "device", info->device);
	printf("%-14s %s\n", "kind", info->kind);
	printf("%-14s %s\n", "mode", info->mode[0] ? info->mode : "-");
	print_tried(info->tried);
	printf("%-14s %s\n", "zero-copy", info->zero_copy ? "yes" : "no");
	printf("%-14s %u tx, %u rx\n", "rings", info->tx_rings, info->rx_rings);
	printf("%-14s %u tx, %u rx%s\n", "host rings", info->host_tx_rings, info->host_rx_rings,
	    info->host ? " (no others)" : "");
	printf("%-14s %u tx, %u rx in each ring\n", "slots", info->tx_slots, info->rx_slots);
	printf("%-14s %u bytes, packets up to %u bytes\n", "buffers", info->buffer_size,
	    info->max_payload);
	printf("%-14s %u\n", "extra buffers", info->extra_buffers);
	printf("%-14s %u, %.1f MiB\n", "region", info->region,
	    (double)info->region_size / (1024 * 1024));
}

static void print_json_string(const char *key, const char *value)
{
	printf("  \"%s\": \"", key);
	for (; *value; value++) {
		if (*value == '"' || *value == '\\')
			putchar('\\');
		if ((unsigned char)*value < ' ')
			printf("\\u%04x", (unsigned)*value);
		else
			putchar(*value);
	}
	printf("\",\n");
}

static void print_json(const struct loom_info *info)
{
	printf("{\n");
	print_json_string("name", info->name);
	print_json_string("device", info->device);
	print_json_string("kind", info->kind);
	print_json_string("mode", info->mode);
	print_json_string("tried", info->tried);
	printf("  \"zero_copy\": %s,\n", info->zero_copy ? "true" : "false");
	printf("  \"host\": %s,\n", info->host ? "true" : "false");
	printf("  \"tx_rings\": %u,\n  \"rx_rings\": %u,\n", info->tx_rings, info->rx_rings);
	printf("  \"host_tx_rings\": %u,\n  \"host_rx_rings\": %u,\n", info->host_tx_rings,
	    info->host_rx_rings);
	printf("  \"tx_slots\": %u,\n  \"rx_slots\": %u,\n", info->tx_slots, info->rx_slots);
	printf("  \"buffer_size\": %u,\n  \"max_payload\": %u,\n", info->buffer_size,
	    info->max_payload);
	printf("  \"extra_buffers\": %u,\n", info->extra_buffers);
	printf("  \"region\": %u,\n  \"region_size\": %" PRIu64 "\n}\n", info->region,
	    info->region_size);
}

int command_info(int argc, char **argv)
{
	const char *name = NULL;
	bool json = false;
	const struct arg args[] = {
	    {"json", "for programs", .flag = &json},
	    {"NAME", "a port name, for example netmap:eth0 or pipe{demo}", .text = &name},
	    {0},
	};
	struct loom_port *port;
	struct loom_info info;

	args_parse(argc, argv,
	    "Opens a port, tells which device and kind serve it, in which mode, what was tried\n"
	    "before and why that failed, and closes it again.",
	    args);
	if (loom_open(name, NULL, &port) < 0)
		errx(1, "%s", loom_error());
	loom_port_info(port, &info);
	loom_close(port);
	if (json)
		print_json(&info);
	else
		print_text(&info);
	return 0;
}
