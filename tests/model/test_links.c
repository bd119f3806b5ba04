/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Pipes and loops against the model of model.h: random programs at both ends fill and release slots, swap buffers,
 * sync, poll, set pointers that cannot be, close and come back.
 */
#include "program.h"

#define SEEDS 3000u

/* What one sequence happens in. */
static struct world {
	bool loop;
	uint32_t rings[2], slots[2]; /* of each direction, as the master's TX and RX */
	struct model_link links[2 * PROGRAM_RINGS];
	struct port ports[2];
	uint32_t num_ports;
	struct lost lost;
	uint32_t content; /* the last one written */
} world;

static bool anything_open(void)
{
	return world.ports[0].device || world.ports[1].device;
}

/* The links of a port's TX rings: the master's first, then the slave's. */
static struct model_link *link_of(const struct port *port, bool tx, uint32_t i)
{
	bool first = world.loop || tx == (port->number == 0);

	return &world.links[first ? i : world.rings[0] + i];
}

static void rings_open(struct port *port, bool tx, bool fresh)
{
	for (uint32_t i = 0; i < (tx ? port->num_tx : port->num_rx); i++) {
		struct ring_pair *ring = tx ? &port->tx[i] : &port->rx[i];
		struct model_link *link = link_of(port, tx, i);

		if (fresh && (tx || !world.loop))
			link_start(link, port, ring->device);
		model_ring_open(&ring->model, link, tx);
	}
}

static void open_port(struct port *port)
{
	bool fresh = !anything_open(), slave = port->number;
	struct nmreq_register reg = {.nr_mode = NR_REG_ALL_NIC,
	    .nr_flags = some_flags(),
	    .nr_tx_rings = (uint16_t)world.rings[slave],
	    .nr_rx_rings = (uint16_t)world.rings[!slave],
	    .nr_tx_slots = world.slots[slave],
	    .nr_rx_slots = world.slots[!slave]};

	port_bind(port, world.loop ? "loop:d" : slave ? "d}1" : "d{1", &reg, 0);
	if (port->num_tx != world.rings[slave] || port->num_rx != world.rings[!slave] ||
	    reg.nr_tx_slots != world.slots[slave] || reg.nr_rx_slots != world.slots[!slave])
		DIFFERS("%u and %u rings of %u and %u slots", port->num_tx, port->num_rx,
		    reg.nr_tx_slots, reg.nr_rx_slots);
	if (fresh)
		world.lost.n = 0;
	rings_open(port, true, fresh);
	rings_open(port, false, fresh);
}

static int sync_ring(struct port *port, bool tx, uint32_t i)
{
	return model_sync(tx ? &port->tx[i].model : &port->rx[i].model);
}

static void fill_slot(const struct port *port, struct model_slot *slot)
{
	slot->len = (uint16_t)below(chance(50) ? 100 : port->map.buf_size + 1);
	slot->flags = (uint16_t)(chance(25) ? below(0x10000) & ~(uint32_t)NS_MOREFRAG : 0);
	if (chance(25))
		slot->flags |= NS_MOREFRAG;
	if (chance(10))
		slot->ptr = (uint64_t)below(1000) << 40;
	world.content++;
	memcpy(slot->data, &world.content, sizeof world.content);
}

static void compare_all(void)
{
	for (uint32_t p = 0; p < world.num_ports; p++)
		port_compare(&world.ports[p]);
}

static void world_start(void)
{
	memset(&world, 0, sizeof world);
	world.loop = chance(25);
	world.num_ports = world.loop ? 1 : 2;
	for (int i = 0; i < 2; i++) {
		world.rings[i] = world.loop && i ? world.rings[0] : 1 + below(PROGRAM_RINGS);
		world.slots[i] = world.loop && i ? world.slots[0] : 2 + below(MODEL_SLOTS - 1);
	}
	for (uint32_t p = 0; p < 2; p++)
		world.ports[p] = (struct port){.number = p,
		    .lost = &world.lost,
		    .spoils_rx = true,
		    .sync = sync_ring,
		    .fill = fill_slot};
	note("%s, %u and %u rings of %u and %u slots\n", world.loop ? "loop" : "pipe",
	    world.rings[0], world.rings[1], world.slots[0], world.slots[1]);
}

static int close_all(void **state)
{
	(void)state;
	port_close(&world.ports[0]);
	port_close(&world.ports[1]);
	return 0;
}

static void sequence(uint32_t seed)
{
	program_start(seed);
	world_start();
	for (; program.step < PROGRAM_STEPS; program.step++) {
		struct port *port = &world.ports[below(world.num_ports)];

		if (!port->device)
			open_port(port);
		else if (chance(3))
			port_close(port);
		else
			port_act(port);
		compare_all();
	}
	close_all(NULL);
}

static void pipes_and_loops_do_what_the_model_does(void **state)
{
	(void)state;
	program.compare = compare_all;
	program_run(SEEDS, sequence);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_teardown(pipes_and_loops_do_what_the_model_does, close_all),
	};

	scratch_directory();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
