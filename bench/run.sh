#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# Measures all rows, or those named, of what is built in BUILD_DIR.
#
#	sh bench/run.sh BUILD_DIR [ROW...]
#
# Writes BUILD_DIR/bench.json (one entry for each row) and BUILD_DIR/bench/report.md with plots.
# BENCH_ROUNDS and BENCH_BURST_MS say how often and how long each contender is measured.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
build=$(cd "$1" && pwd)
shift
programs=$build/bench
out=$build/bench/results
instructions=$here/../tests/cost/test_instructions.sh

# row | program | arguments
rows='pipe_desc|pipe_rate|pipe_desc 60 256 desc all
pipe_copy_60|pipe_rate|pipe_copy_60 60 256 copy all
pipe_copy_1514|pipe_rate|pipe_copy_1514 1514 256 copy all
pipe_rtt_busy|pipe_rtt_busy|
pipe_rtt_sleep|pipe_rtt_sleep|
preload_pipe|preload_pipe|preload_pipe 60 256
preload_pipe_mixed|preload_pipe|preload_pipe_mixed 60 256 66
pipe_inproc|inproc|pipe_inproc pipe 60
switch_60|inproc|switch_60 switch 60
switch_1514|inproc|switch_1514 switch 1514
switch_fanin|switch_fanin|
uv_rtt|uv_rtt|
uv_throughput|uv_throughput|
arq_goodput_1pct|arq_goodput|
fec_encode|fec_encode|fec_encode 16 4
packet_rx|packet_rx|
packet_tx|packet_tx|
packet_rx_vs_dpdk|packet_vs_dpdk|packet_rx_vs_dpdk rx
packet_tx_vs_dpdk|packet_vs_dpdk|packet_tx_vs_dpdk tx
host_tcp|host_tcp|packet
xdp_rx|xdp_rx|xdp_rx 60 native
xdp_rx_1514|xdp_rx|xdp_rx_1514 1514 native
xdp_rx_generic|xdp_rx|xdp_rx_generic 60 generic
xdp_rx_generic_1514|xdp_rx|xdp_rx_generic_1514 1514 generic
xdp_tx|xdp_tx|xdp_tx 60
xdp_tx_1514|xdp_tx|xdp_tx_1514 1514
xdp_forward|xdp_forward|xdp_forward 60 native
xdp_forward_1514|xdp_forward|xdp_forward_1514 1514 native
xdp_forward_generic|xdp_forward|xdp_forward_generic 60 generic
xdp_forward_generic_1514|xdp_forward|xdp_forward_generic_1514 1514 generic
pipe_vs_rte_ring|pipe_vs_rte_ring|
pipe_vs_memif|pipe_vs_memif|'
sweep_rounds=20
sweep_batches='1 2 4 8 16 32 64 128 256'
sweep_lens='60 124 252 508 764 1020 1276 1514'

known=$(echo "$rows" | cut -d '|' -f 1)
known="$known api_instructions sweeps"
for row in "$@"; do
	echo "$known" | tr ' ' '\n' | grep -qx "$row" || {
		echo "there is no row '$row'; rows are: $(echo "$known" | tr '\n' ' ')" >&2
		exit 1
	}
done

wanted() { # ROW, among the script's arguments
	row=$1
	shift
	[ $# = 0 ] && return
	for one in "$@"; do
		[ "$one" = "$row" ] && return
	done
	return 1
}

absent() { # ROW REASON
	echo "$1: not measured: $2"
	echo "$2" >"$out/$1.absent"
}

# A row's program prints its own result. It exits with 77 when the row cannot be measured here.
measure() { # ROW PROGRAM ARGUMENT...
	row=$1 program=$programs/$2
	shift 2
	if [ ! -x "$program" ]; then
		absent "$row" 'not built here (what it compares with is not installed, or not on this system)'
		return
	fi
	code=0
	BENCH_OUT=$out "$program" "$@" >"$out/log" || code=$?
	case $code in
	0) cat "$out/log" ;;
	77) absent "$row" "$(sed -n 's/^SKIP: //p' "$out/log" | tail -n 1)" ;;
	*)
		cat "$out/log"
		echo "$row: failed with status $code" >&2
		failed=yes
		;;
	esac
}

count_instructions() {
	loops=$build/tests/cost/cost-loops
	if [ ! -x "$loops" ]; then
		absent api_instructions 'tests are not built here, or not with -O2'
		return
	fi
	echo 'api_instructions: instructions of the inner loop, counted by callgrind'
	code=0
	sh "$instructions" "$loops" "$out/api_instructions.json" >"$out/log" || code=$?
	sed 's/^/  /' "$out/log"
	case $code in
	77) absent api_instructions "$(sed -n 's/^SKIP: //p' "$out/log")" ;;
	esac
}

sweep() {
	echo 'sweeps: rate against batch and packet size'
	for batch in $sweep_batches; do
		BENCH_ROUNDS=$sweep_rounds measure "sweep_batch_$batch" pipe_rate \
			"sweep_batch_$batch" 60 "$batch" desc
	done
	for len in $sweep_lens; do
		BENCH_ROUNDS=$sweep_rounds measure "sweep_len_$len" pipe_rate \
			"sweep_len_$len" "$len" 256 copy
	done
}

root=/dev/shm
[ -w "$root" ] || root=${TMPDIR-/tmp}
BENCH_TMP=$(mktemp -d "$root/pktloom-bench-XXXXXX")
export BENCH_TMP
trap 'rm -rf "$BENCH_TMP"' EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

failed=''
rm -rf "$out"
mkdir -p "$out"
for row in $(echo "$rows" | cut -d '|' -f 1); do
	wanted "$row" "$@" || continue
	line=$(echo "$rows" | grep "^$row|")
	program=$(echo "$line" | cut -d '|' -f 2)
	# shellcheck disable=SC2046 # words
	measure "$row" "$program" $(echo "$line" | cut -d '|' -f 3)
done
if wanted api_instructions "$@"; then
	count_instructions
fi
if wanted sweeps "$@"; then
	sweep
fi
python3 "$here/report.py" "$out" "$build"
[ -z "$failed" ]
