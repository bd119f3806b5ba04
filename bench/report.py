#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""Turns what the rows' programs left behind into bench.json, a report, and plots.

    report.py RESULTS BUILD_DIR

Writes BUILD_DIR/bench.json, BUILD_DIR/bench/report.md and, where gnuplot is installed, two SVG
files beside the report.
"""

import html
import json
import os
import pathlib
import platform
import re
import shutil
import subprocess
import sys

TARGETS = {
    "pipe_desc": 0.95,
    "pipe_copy_60": 0.9,
    "pipe_copy_1514": 0.9,
    "pipe_rtt_busy": 0.5,
    "pipe_rtt_sleep": 1 / 1.3,
    "preload_pipe": 0.9,
    "preload_pipe_mixed": 0.9,
    "packet_rx": 1.0,
    "packet_tx": 1.0,
    "packet_rx_vs_dpdk": 1.0,
    "packet_tx_vs_dpdk": 1.0,
    "xdp_rx": 0.97,
    "xdp_rx_1514": 0.97,
    "xdp_rx_generic": 0.97,
    "xdp_rx_generic_1514": 0.97,
    "xdp_tx": 0.97,
    "xdp_tx_1514": 0.97,
    "xdp_forward": 0.97,
    "xdp_forward_1514": 0.97,
    "xdp_forward_generic": 0.97,
    "xdp_forward_generic_1514": 0.97,
    "api_instructions": 1 / 1.05,
    "switch_60": 1.0,
    "switch_1514": 1.0,
    "switch_fanin": 0.9,
    "uv_rtt": 1 / 1.15,
    "uv_throughput": 0.8,
    "arq_goodput_1pct": 0.9,
    "fec_encode": 0.8,
}
# Values that ours must not exceed, whatever the floor.
LIMITS = {
    "pipe_inproc": 5,
    "switch_60": 40,
    "switch_1514": 120,
}


def load(results):
    """Rows by name, in the order they were measured."""
    files = sorted(results.glob("*.json"), key=lambda path: path.stat().st_mtime_ns)
    return {data["name"]: data for data in (json.loads(file.read_text()) for file in files)}


def entry(row):
    """A row as bench.json has it."""
    if row["name"] == "api_instructions":
        ours, floor = (row["tx"][i] + row["rx"][i] for i in (0, 1))
        return {"name": row["name"], "value": round(ours, 2), "unit": "instructions",
                "floor": round(floor, 2), "ratio": round(floor / ours, 4)}
    ours, floor = row["contenders"][0], row["contenders"][row["floor"]]
    return {"name": row["name"], "value": ours["value"][1], "unit": row["unit"],
            "floor": floor["value"][1], "ratio": ours["ratio"][1]}


def spread(triple, digits):
    low, median, high = (f"{value:.{digits}f}" for value in triple)
    return f"{median} ({low} … {high})"


def goals(one):
    """What a row is to reach, each with whether it does."""
    target, limit = TARGETS.get(one["name"]), LIMITS.get(one["name"])
    found = []
    if target is not None:
        found.append((f"{target:.2f}", one["ratio"] >= target))
    if limit is not None:
        found.append((f"≤ {limit} {one['unit']}", one["value"] <= limit))
    return found


def summary(entries):
    lines = ["| row | ours | floor | unit | ratio | target | |", "|---|---:|---:|---|---:|---:|---|"]
    for one in entries:
        wanted = goals(one)
        lines.append(
            f"| {one['name']} | {one['value']:.2f} | {one['floor']:.2f} | {one['unit']} | "
            f"{one['ratio']:.3f} | {', '.join(text for text, _ in wanted)} | "
            f"{', '.join('met' if met else '**missed**' for _, met in wanted)} |")
    return lines


def disturbed(row):
    others = row["attempts"] - row["good"]
    if not others:
        return ""
    if row["counted"] > row["good"]:
        return f"; in {others} of them other programs took a core: **do not trust these numbers**"
    return f"; {others} more, in which other programs took a core, do not count"


def details(row):
    lines = [f"## {row['name']}", "", row["question"].capitalize() + ".", "",
             f"{row['counted']} rounds, each contender {row['burst_ms']} ms a round{disturbed(row)}.", "",
             f"| contender | {row['unit']}, median (p10 … p90) | × floor, by rounds | lost |",
             "|---|---|---|---|"]
    for i, one in enumerate(row["contenders"]):
        ratio = "the floor" if i == row["floor"] else spread(one["ratio"], 3)
        sent = one["lost"] + one["moved"]
        lost = f"{one['lost']} of {sent}" if row["name"].startswith(("packet", "xdp")) else ""
        lines.append(f"| {one['name']} | {spread(one['value'], 2)} | {ratio} | {lost} |")
    return lines


def sweeps(rows, prefix):
    """(x, row) of a sweep, by x."""
    found = [(int(name[len(prefix):]), row) for name, row in rows.items() if name.startswith(prefix)]
    return sorted(found, key=lambda pair: pair[0])


def plot(folder, name, title, xlabel, logx, points):
    """An SVG of medians with p10–p90 bars, ours and the floor; its file name, or None."""
    data = folder / f"{name}.dat"
    lines = [f"# {xlabel}; ours p10, median, p90; floor p10, median, p90 (million packets a second)"]
    for x, row in points:
        values = row["contenders"][0]["value"] + row["contenders"][1]["value"]
        lines.append(" ".join(str(value) for value in [x] + values))
    data.write_text("\n".join(lines) + "\n")
    if not shutil.which("gnuplot"):
        return None
    ticks = ", ".join(str(x) for x, _ in points)
    script = f"""
set terminal svg size 720,420 dynamic font 'sans,13' background '#ffffff'
set output '{name}.svg'
set title '{title}'
set xlabel '{xlabel}'
set ylabel 'million packets per second'
set grid
set key bottom {'right' if logx else 'left'}
{'set logscale x 2' if logx else ''}
set logscale y
set xtics ({ticks})
plot '{data.name}' using 1:3:2:4 with yerrorlines lw 2 pt 7 ps 0.6 title 'pktloom', \\
     '{data.name}' using 1:6:5:7 with yerrorlines lw 2 pt 5 ps 0.6 title 'hand-written ring'
"""
    subprocess.run(["gnuplot"], input=script, text=True, cwd=folder, check=True)
    return f"{name}.svg"


def plots(rows, folder):
    lines = []
    for prefix, title, xlabel, logx in (
            ("sweep_batch_", "Descriptors only: rate against batch size", "packets per batch", True),
            ("sweep_len_", "Payload copied in and out: rate against packet size",
             "bytes per packet", False)):
        points = sweeps(rows, prefix)
        if not points:
            continue
        image = plot(folder, prefix.rstrip("_"), title, xlabel, logx, points)
        lines += ["", f"## {title}", ""]
        if image:
            lines += [f"![{title}]({image})", ""]
        lines += [f"| {xlabel} | ours | floor | ratio |", "|---:|---:|---:|---:|"]
        for x, row in points:
            ours, floor = row["contenders"]
            lines.append(f"| {x} | {ours['value'][1]:.1f} | {floor['value'][1]:.1f} | "
                         f"{ours['ratio'][1]:.3f} |")
    return lines


def instructions(row):
    return ["## api_instructions", "",
            "Instructions per packet of 60 bytes that is written, and read; counted by callgrind, the "
            "same every time.", "", "| | TX | RX |", "|---|---:|---:|",
            f"| pktloom, batch verbs | {row['tx'][0]} | {row['rx'][0]} |",
            f"| netmap's macros (the floor) | {row['tx'][1]} | {row['rx'][1]} |"]


def machine():
    cpu = re.search(r"model name\s*:\s*(.*)", pathlib.Path("/proc/cpuinfo").read_text())
    return f"{cpu.group(1) if cpu else platform.machine()}, {os.cpu_count()} cores, " \
           f"{platform.system()} {platform.release()}"


def to_html(lines):
    """The report as it is, with its pictures shown."""
    text = html.escape("\n".join(lines))
    text = re.sub(r"!\[([^]]*)\]\(([^)]*)\)", r'<img src="\2" alt="\1">', text)
    return f"<!DOCTYPE html><meta charset=utf-8><title>pktloom bench</title><pre>{text}</pre>\n"


def main():
    results, build = (pathlib.Path(argument) for argument in sys.argv[1:3])
    folder = build / "bench"
    rows = load(results)
    measured = [row for name, row in rows.items() if not name.startswith("sweep_")]
    entries = [entry(row) for row in measured]
    (build / "bench.json").write_text(
        "[\n" + ",\n".join("  " + json.dumps(one) for one in entries) + "\n]\n")
    lines = ["# pktloom bench", "", machine() + ".", "",
             "Every contender is measured in short bursts that alternate with the others'; a ratio is "
             "the median over rounds of ours against the floor, above 1 is better.", ""]
    lines += summary(entries)
    absent = sorted(results.glob("*.absent"))
    if absent:
        lines += ["", "Not measured:", ""]
        lines += [f"- {path.stem}: {path.read_text().strip()}" for path in absent]
    for row in measured:
        lines += [""] + (instructions(row) if row["name"] == "api_instructions" else details(row))
    lines += plots(rows, folder)
    (folder / "report.md").write_text("\n".join(lines) + "\n")
    (folder / "report.html").write_text(to_html(lines))
    print()
    print("\n".join(summary(entries)))
    print(f"\nreport: {folder / 'report.md'}   data: {build / 'bench.json'}")


main()
