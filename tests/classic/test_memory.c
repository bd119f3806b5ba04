/* SPDX-License-Identifier: BSD-2-Clause */
/* Classic programs on ports that are memory: pipes between processes, the switch, loop and null. */
#include "run.h"

static const struct scenario scenarios[] = {
    /* pipes: each style of waiting on each side */
    {"pipe, ioctl to ioctl", 3000, {"sink x}1 3000 ioctl all"}, {"generate x{1 3000 ioctl all"}},
    {"pipe, poll to poll", 3000, {"sink x}1 3000 poll all"}, {"generate x{1 3000 poll all"}},
    {"pipe, select to select", 3000, {"sink x}1 3000 select all"},
	{"generate x{1 3000 select all"}},
    {"pipe, poll to ioctl, from the slave", 3000, {"sink x{1 3000 ioctl all"},
	{"generate x}1 3000 poll all"}},
    {"pipe, few slots", 3000, {"sink x}1 3000 poll slots=8"}, {"generate x{1 3000 select all"}},
    {"pipe, to a level-triggered event loop", 3000, {"events x}1 3000 level"},
	{"generate x{1 3000 poll all"}},
    {"pipe, to an edge-triggered event loop", 3000, {"events x}1 3000 edge"},
	{"generate x{1 3000 ioctl all"}},
    {"pipe, nm_inject to nm_dispatch", 3000, {"dispatch netmap:x}1 3000 callback"},
	{"inject netmap:x{1 3000"}},
    {"pipe, nm_inject to nm_nextpkt", 3000, {"dispatch netmap:x}1 3000 next"},
	{"inject netmap:x{1 3000"}},
    {"pipe, nm_inject to both by turns", 3000, {"dispatch netmap:x{1 3000 both"},
	{"inject netmap:x}1 3000"}},
    {"pipe, from a legacy program to a legacy program", 3000, {"legacy receive x}1 3000"},
	{"legacy send x{1 3000"}},
    {"pipe, from a legacy program to one of today", 3000, {"sink x}1 3000 poll all"},
	{"legacy send x{1 3000"}},

    /* pipes: register modes */
    {"pipe, RX rings only from TX rings only", 3000, {"sink x}1 3000 poll rx"},
	{"generate x{1 3000 poll tx"}},
    {"pipe, both ends exclusive", 3000, {"sink x}1 3000 ioctl excl"},
	{"generate x{1 3000 ioctl excl"}},
    {"pipe, all of three rings", 3000, {"sink x}1 3000 poll rings=3"},
	{"generate x{1 3000 poll all"}},
    {"pipe, one ring of two", 3000, {"sink x}1 3000 poll rings=2,one=1"},
	{"generate x{1 3000 select one=1"}},
    {"pipe, one ring of all", 3000, {"sink x}1 3000 poll rings=2"},
	{"generate x{1 3000 ioctl one=1,tx"}},

    /* pipes: through a program */
    {"pipes, a bridge between two", 3000,
	{"sink y}2 3000 poll all", "bridge netmap:x}1 netmap:y{2 3000 copy"},
	{"generate x{1 3000 poll all"}},
    {"pipes of one port, a bridge between two", 3000,
	{"sink x}2 3000 poll all", "bridge netmap:x}1 netmap:x{2 3000 swap"},
	{"generate x{1 3000 poll all"}},
    {"pipe, turned around by two descriptors of one mapping", 3000, {"turn x}1 3000 rings=2"},
	{"around x{1 3000 all"}},

    /* the switch: a full destination drops, so no more than its ring holds */
    {"switch, poll to poll", 900, {"sink vale3:b 900 poll all"}, {"generate vale3:a 900 poll all"}},
    {"switch, ioctl to select", 900, {"sink vale3:b 900 select all"},
	{"generate vale3:a 900 ioctl all"}},
    {"switch, to everybody", 900,
	{"sink vale3:b 900 poll all", "events vale3:c 900 edge", "dispatch vale3:d 900 callback"},
	{"generate vale3:a 900 ioctl all"}},
    {"switch, nm_inject to nm_nextpkt", 900, {"dispatch vale3:b 900 next"}, {"inject vale3:a 900"}},
    {"switch, TX rings only to RX rings only, exclusive", 900, {"sink vale3:b 900 poll rx,excl"},
	{"generate vale3:a 900 poll tx,excl"}},
    {"switch, one ring of two", 900, {"sink vale3:b 900 poll rings=2"},
	{"generate vale3:a 900 poll rings=2,one=1"}},
    {"switch, a thread for each ring", 900, {"sink vale3:b 900 poll rings=2"},
	{"threads vale3:a 900 2"}},
    {"switch, legacy programs", 900, {"legacy receive vale3:b 900"}, {"legacy send vale3:a 900"}},
    {"switches, a bridge between two", 900,
	{"sink vale4:b 900 poll all", "bridge vale3:b vale4:a 900 copy"},
	{"generate vale3:a 900 poll all"}},

    /* handed over by a server that is gone then */
    {"pipe, both ends handed over", 3000, {"hand sink x}1 3000 poll all"},
	{"hand generate x{1 3000 poll all"}},
    {"pipe, one end handed over, three rings", 3000, {"hand sink x}1 3000 select rings=3"},
	{"generate x{1 3000 ioctl all"}},
    {"pipe, the sender's end handed over, exclusive", 3000, {"sink x}1 3000 poll all"},
	{"hand generate x{1 3000 select excl"}},
    {"switch, both ports handed over", 900, {"hand sink vale3:b 900 select all"},
	{"hand generate vale3:a 900 ioctl all"}},
    {"switch, RX rings only, handed over", 900, {"hand sink vale3:b 900 poll rx,excl"},
	{"generate vale3:a 900 poll tx,excl"}},
    {"null, handed over", 3000, {NULL}, {"hand generate null:a 3000 ioctl rings=2"}},

    /* held in extra buffers, and handed on to pipes of the port */
    {"switch, a balancer and two consumers", 900,
	{"0/2 sink vale3:b}0 450 poll all", "1/2 dispatch vale3:b}1 450 callback",
	    "balance vale3:b 900 2 100"},
	{"generate vale3:a 900 poll all"}},

    /* loop and null: within one program */
    {"loop", 3000, {NULL}, {"around loop:a 3000 all"}},
    {"loop, three rings", 3000, {NULL}, {"around loop:a 3000 rings=3"}},
    {"loop, one ring, few slots", 3000, {NULL}, {"around loop:a 3000 one=0,slots=4"}},
    {"null", 3000, {NULL}, {"generate null:a 3000 ioctl all", "generate null:b 3000 poll rings=4"}},
    {"null, one ring of two", 3000, {NULL}, {"generate null:a 3000 select rings=2,one=1"}},
    {"null, host rings alone", 3000, {NULL}, {"generate null:a 3000 poll host=2,sw"}},
    {"null, NIC and host rings", 3000, {NULL}, {"generate null:a 3000 ioctl rings=2,host=2,nicsw"}},
    {"null, TX rings only, exclusive", 3000, {NULL}, {"generate null:a 3000 poll tx,excl"}},
    {"null, nm_inject", 3000, {NULL}, {"inject netmap:null:a 3000"}},
    {"null, a thread for each ring", 3000, {NULL}, {"threads netmap:null:a 3000 4"}},
    {"null, a legacy program", 3000, {NULL}, {"legacy send null:a 3000"}},
};

int main(int argc, char **argv)
{
	(void)argc;
	return run_scenarios("classic programs, memory", scenarios, COUNT(scenarios), argv);
}
