/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A switch against the model of model_switch.h: random programs at its ports send frames of several slots,
 * from elsewhere in memory, too short or too long, to each other, to all, to nobody, by force; and come and go.
 */
#include "program.h"

#include "model_switch.h"

#define SEEDS     1000u
#define PORTS     (MODEL_SWITCH_PORTS - 1)
#define ELSEWHERE 65536u /* as much as a slot can say */

static struct world {
	struct model_switch sw;
	struct port ports[PORTS];
	struct lost lost[PORTS];
	uint32_t numbers[PORTS]; /* on the switch */
	bool keep_macs;          /* few addresses: most are known */
	uint32_t content;
} world;

static uint8_t elsewhere[ELSEWHERE];

/* ---- ports ---- */

static uint32_t index_of(const struct port *port)
{
	return (uint32_t)(port - world.ports);
}

static int sync_ring(struct port *port, bool tx, uint32_t i)
{
	uint32_t number = world.numbers[index_of(port)];

	if (tx)
		return model_switch_send(&world.sw, number, i, &port->tx[i].model);
	return model_sync(&port->rx[i].model);
}

/* Ports are numbered by the switch; a list says how. */
static uint32_t number_of(const struct port *port, const char *name)
{
	struct nmreq_vale_list list = {0};
	struct nmreq_header header = {.nr_version = NETMAP_API,
	    .nr_reqtype = NETMAP_REQ_VALE_LIST,
	    .nr_body = (uintptr_t)&list};

	snprintf(header.nr_name, sizeof header.nr_name, "%s", name);
	assert_ok(port->device->ops->control(port->device, &header));
	return list.nr_port_idx;
}

static void model_enter(struct port *port, uint32_t number)
{
	struct model_switch_port *model = &world.sw.ports[number];

	if (number == 0 || number >= MODEL_SWITCH_PORTS || model->live)
		DIFFERS("the new port has number %u", number);
	*model = (struct model_switch_port){
	    .live = true, .num_tx = port->num_tx, .num_rx = port->num_rx};
	for (uint32_t i = 0; i < port->num_tx; i++) {
		link_start(&model->tx[i], port, port->tx[i].device);
		model_ring_open(&port->tx[i].model, &model->tx[i], true);
	}
	for (uint32_t i = 0; i < port->num_rx; i++) {
		link_start(&model->rx[i], port, port->rx[i].device);
		model_ring_open(&port->rx[i].model, &model->rx[i], false);
	}
}

static void open_port(struct port *port)
{
	struct nmreq_register reg = {.nr_mode = NR_REG_ALL_NIC,
	    .nr_flags = some_flags(),
	    .nr_tx_rings = (uint16_t)(1 + below(PROGRAM_RINGS)),
	    .nr_rx_rings = (uint16_t)(1 + below(PROGRAM_RINGS)),
	    .nr_tx_slots = 2 + below(MODEL_SLOTS - 1),
	    .nr_rx_slots = 2 + below(MODEL_SLOTS - 1)};
	char name[16];

	snprintf(name, sizeof name, "vale5:%u", port->number);
	port_bind(port, name, &reg, MODEL_BYTES);
	port->lost->n = 0;
	world.numbers[index_of(port)] = number_of(port, name);
	model_enter(port, world.numbers[index_of(port)]);
}

static void close_port(struct port *port)
{
	port_close(port);
	model_switch_leave(&world.sw, world.numbers[index_of(port)]);
}

/* ---- frames ---- */

static void fill_address(uint8_t *at, bool source)
{
	static const uint8_t known[] = {2, 0, 0, 0, 0};
	uint8_t last = (uint8_t)below(world.keep_macs ? 4 : 12);

	memcpy(at, known, sizeof known);
	at[5] = (uint8_t)(last + 1);
	if (chance(source ? 3 : 15))
		memset(at, 0xff, 6);
}

/*
 * A slot too short for both addresses may be the beginning of a frame all the same. Its second one is a
 * multicast address then, which nobody learns: else frames would have addresses that are in no list,
 * and the switch may forget one address for another that has the same place in its table.
 */
static void fill_length(struct model_slot *slot)
{
	slot->len = (uint16_t)(14 + below(MODEL_BYTES - 13));
	if (chance(15)) {
		slot->len = (uint16_t)(chance(20) ? 0 : 7 + below(7));
		memset(slot->data + 6, 0xff, 7);
	}
}

static void fill_flags(struct model_slot *slot)
{
	uint32_t kind = below(100);

	slot->flags = chance(20) ? NS_MOREFRAG : 0;
	if (kind < 6)
		slot->flags |= NS_NO_LEARN;
	else if (kind < 16)
		slot->flags |= (uint16_t)(below(MODEL_SWITCH_PORTS + 2) << NS_PORT_SHIFT);
	else if (kind < 20)
		slot->flags |= NS_REPORT;
	else if (kind < 26)
		slot->flags |= NS_INDIRECT;
}

static void fill_slot(const struct port *port, struct model_slot *slot)
{
	(void)port;
	fill_address(slot->data, false);
	fill_address(slot->data + 6, true);
	world.content++;
	memcpy(slot->data + 16, &world.content, sizeof world.content);
	fill_length(slot);
	fill_flags(slot);
	if (!(slot->flags & NS_INDIRECT))
		return;
	slot->len = (uint16_t)(14 + below(chance(90) ? 600 : 8000));
	slot->ptr = chance(95) ? (uintptr_t)elsewhere : 0;
}

/* ---- sequences ---- */

static void compare_all(void)
{
	for (uint32_t p = 0; p < PORTS; p++)
		port_compare(&world.ports[p]);
}

static void world_start(void)
{
	memset(&world, 0, sizeof world);
	world.keep_macs = chance(50);
	for (uint32_t p = 0; p < PORTS; p++)
		world.ports[p] = (struct port){
		    .number = p, .lost = &world.lost[p], .sync = sync_ring, .fill = fill_slot};
	fill_address(elsewhere, false);
	fill_address(elsewhere + 6, true);
}

static int close_all(void **state)
{
	(void)state;
	for (uint32_t p = 0; p < PORTS; p++)
		port_close(&world.ports[p]);
	return 0;
}

static void sequence(uint32_t seed)
{
	program_start(seed);
	world_start();
	for (; program.step < PROGRAM_STEPS; program.step++) {
		struct port *port = &world.ports[below(PORTS)];

		if (!port->device)
			open_port(port);
		else if (chance(2))
			close_port(port);
		else
			port_act(port);
		compare_all();
	}
	close_all(NULL);
}

static void a_switch_does_what_the_model_does(void **state)
{
	(void)state;
	for (uint32_t i = 0; i < ELSEWHERE; i++)
		elsewhere[i] = (uint8_t)(i * 7 + i / 256);
	program.compare = compare_all;
	program_run(SEEDS, sequence);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_teardown(a_switch_does_what_the_model_does, close_all),
	};

	scratch_directory();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
