/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Sleeping and waking at an exchange: two rings that share their slots, a sender and a receiver.
 *
 * Stands for exchange_txsync(), exchange_rxsync(), exchange_moved(), exchange_wake_peer(), exchange_arm(),
 * mark_set(), take_signals(), exchange_disarm()
 * (src/soft/exchange.{h,c}), rearm() (ring.c) and sleep_until() (poll.c).
 *
 * Statements are sequentially consistent here; where the code's ordering matters, a mutant lets the two
 * accesses change places, which is what a processor's store buffer does.
 *
 *   USER     WAIT   both sides call loom_port_wait()
 *            LEVEL  the receiver has its descriptor in an event loop
 *            EDGE   … and is told of each signal once
 *   mutants  WEAK_MOVE WEAK_MARK WEAK_PUBLISH NO_LOOK NO_OWED NO_REARM NO_REMARK
 *
 * Checked: no deadlock while packets are left (a lost wakeup is one), slots are whole when received, and with
 * -l: nobody runs for ever without packets to take.
 */
#ifndef SLOTS
#define SLOTS 3
#endif
#ifndef PACKETS
#define PACKETS 4
#endif

#define WAIT  1
#define LEVEL 2
#define EDGE  3
#ifndef USER
#define USER WAIT
#endif

#define SENDER   0
#define RECEIVER 1

byte published, released; /* struct exchange */
bool waiting[2];          /* its marks */
byte wake[2];             /* signals in the wakeup descriptors */
bool edge;                /* … and the event loop was not told yet */
byte slot[SLOTS];

#define next(i) ((i + 1) % SLOTS)

/* exchange_wake_peer(): the mark is taken by one exchange, the signal follows when it will. */
inline wake_peer(who)
{
	atomic { taken = waiting[who]; waiting[who] = false; }
	if
	:: taken -> atomic { wake[who]++; edge = edge || who == RECEIVER }
	:: else -> skip
	fi
}

/* The store of an index and exchange_moved()'s look at the other side's mark. */
inline move_index(index, value, who)
{
	if
	:: index = value; seen = waiting[who]
#ifdef WEAK_MOVE
	:: seen = waiting[who]; index = value
#endif
	fi
	if
	:: seen -> wake_peer(who)
	:: else -> skip
	fi
}

/* take_signals(); owed is signed: what comes before it is owed counts, too. */
inline take_signals(who)
{
	atomic { owed = owed - wake[who]; wake[who] = 0 }
}

/* The mark, exchanged, and the second look. */
inline set_and_look(who, has_news)
{
	if
	:: atomic { taken = waiting[who]; waiting[who] = true }; news = has_news
#ifdef WEAK_MARK
	:: news = has_news; atomic { taken = waiting[who]; waiting[who] = true }
#endif
	fi
}

/* exchange_arm() with mark_set(); news says whether to look again. Nothing is signalled unasked here: see crash.pml. */
inline arm(who, has_news)
{
	stood = waiting[who];
	if
	:: armed && !stood -> owed++
	:: else -> skip
	fi
#ifdef NO_OWED
	owed = 0;
#endif
	if
	:: owed > 0 ->
		take_signals(who);
#ifdef NO_REMARK
		if
		:: !stood -> set_and_look(who, has_news)
		:: else -> news = has_news
		fi
#else
		set_and_look(who, has_news);
		if
		:: !taken && armed && stood -> owed++
		:: else -> skip
		fi
#endif
	:: owed <= 0 && armed && stood -> news = has_news
	:: owed <= 0 && !(armed && stood) ->
		set_and_look(who, has_news)
	fi
	if
	:: owed < 0 -> owed = 0
	:: else -> skip
	fi
	armed = true;
#ifdef NO_LOOK
	news = false
#endif
}

inline disarm(who)
{
	if
	:: armed ->
		atomic { taken = waiting[who]; waiting[who] = false }
		if
		:: !taken -> owed++
		:: else -> skip
		fi
	:: else -> skip
	fi
	if
	:: owed > 0 -> take_signals(who)
	:: else -> skip
	fi
	if
	:: owed < 0 -> owed = 0
	:: else -> skip
	fi
	armed = false
}

active proctype sender()
{
	byte sent, head, tail = SLOTS - 1, seen_released;
	short owed;
	bool armed, stood, news, seen, taken;

	do
	:: sent == PACKETS -> break
	:: sent < PACKETS && head != tail -> /* room */
#ifdef WEAK_PUBLISH
		move_index(published, next(head), RECEIVER);
		slot[head] = sent + 1;
#else
		slot[head] = sent + 1;
		move_index(published, next(head), RECEIVER);
#endif
		head = next(head);
		sent++
	:: sent < PACKETS && head == tail ->
		seen_released = released;
		tail = (seen_released + SLOTS - 1) % SLOTS;
		if
		:: head != tail -> skip
		:: else ->
			arm(SENDER, (released != (tail + 1) % SLOTS));
			if
			:: news -> skip
			:: else -> wake[SENDER] > 0 /* poll() */
			fi
		fi
	od
}

/* The move of a receiver's sync: give back what was taken, see what there is. */
inline rx_move()
{
	if
	:: head != given ->
		given = head;
		move_index(released, given, SENDER)
	:: else -> skip
	fi;
	tail = published
}

inline take_packets()
{
	do
	:: head != tail ->
progress:	got++;
		assert(slot[head] == got);
		head = next(head)
	:: else -> break
	od
}

#if USER == WAIT
active proctype receiver()
{
	byte got, head, given, tail;
	short owed;
	bool armed, stood, news, seen, taken;

	do
	:: rx_move();
		if
		:: head != tail -> take_packets()
		:: else ->
			arm(RECEIVER, (published != tail));
			if
			:: news -> skip
			:: !news && got < PACKETS -> wake[RECEIVER] > 0 /* poll() */
			:: !news && got == PACKETS ->
end_idle:			wake[RECEIVER] > 0
			fi
		fi
	od
}
#else
/* A sync of a ring whose descriptor somebody watches: ring_sync_unusual() with rearm(). */
inline rx_sync()
{
	rx_move();
	if
	:: head == tail ->
		arm(RECEIVER, (published != tail));
		if
#ifndef NO_REARM
		:: news -> rx_move()
#endif
		:: else -> skip
		fi
	:: else -> disarm(RECEIVER)
	fi
}

inline wait_event()
{
#if USER == EDGE
	atomic { edge; edge = false }
#else
	wake[RECEIVER] > 0
#endif
}

/* The rule of loom_port_fd(): sync until there is nothing to do, then wait for the descriptor. */
active proctype receiver()
{
	byte got, head, given, tail;
	short owed;
	bool armed, stood, news, seen, taken;

	do
	:: rx_sync();
		if
		:: head != tail -> take_packets()
		:: head == tail && got < PACKETS -> wait_event()
		:: head == tail && got == PACKETS ->
end_idle:		wait_event()
		fi
	od
}
#endif
