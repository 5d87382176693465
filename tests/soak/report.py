"""What a soak has to say at its end."""

import platform
import re
import sqlite3
import subprocess

from audit import lost
from processes import NATS_SERVER

SHOWN_MAX = 20


def percentile(sorted_values, share):
    return sorted_values[min(len(sorted_values) - 1, int(len(sorted_values) * share))] if sorted_values else None


def server_version():
    return subprocess.run([NATS_SERVER, "--version"], capture_output=True, text=True).stdout.split()[-1].lstrip("v")


def is_old(version):
    """Whether servers of a cluster come to disagree when they are cut off from each other."""
    return tuple(int(number) for number in re.findall(r"\d+", version)[:2]) < (2, 10)


def figures(conductor, options, network, why_no_network, seconds):
    audit = conductor.audit
    commits = sorted(ms for journal in audit.journals.values() for ms in journal.milliseconds)
    return {
        "seed": options.seed, "minutes": options.minutes, "seconds_taken": round(seconds),
        "nodes": len(conductor.colony.nodes), "servers": len(conductor.colony.servers), "replicas": 3,
        "apps": {app.name: app.kind for app in conductor.colony.apps},
        "network": network.name, "network_note": why_no_network, "can_delay": network.can_delay,
        "kinds_left_out": sorted(options.without), "left_out_note": options.why_without,
        "nats_server": options.version, "sqlite": sqlite3.sqlite_version, "system": platform.release(),
        "faults_injected": sum(conductor.injected.values()), "faults": dict(sorted(conductor.injected.items())),
        "quiet_points": conductor.quiet_points, "slowest_rest_s": round(conductor.slowest_rest, 1),
        "transactions": audit.accounts(),
        "commit_ms": {"p50": percentile(commits, 0.5), "p99": percentile(commits, 0.99),
                      "p999": percentile(commits, 0.999), "max": commits[-1] if commits else None},
        "reads": sum(reader.looked() for reader in conductor.colony.readers),
        "findings": [str(finding) for finding in conductor.findings[:SHOWN_MAX]],
        "findings_total": len(conductor.findings),
        "lost": len(lost(conductor.findings)),
    }


def text(figures):
    def kinds(counts):
        return ", ".join(f"{kind} {count}" for kind, count in counts.items()) or "none"
    made = figures["transactions"]
    commit = figures["commit_ms"]
    lines = [
        f"seed {figures['seed']}, {figures['seconds_taken']} s, {figures['nodes']} nodes, "
        f"{figures['servers']} servers (R3, nats-server {figures['nats_server']}), SQLite {figures['sqlite']}",
        f"apps: {', '.join(f'{name} {kind}' for name, kind in figures['apps'].items())}",
        f"machines: {figures['network']}" + (f" ({figures['network_note']}: no faults of the network)"
                                             if figures["network_note"] else ""),
        f"faults injected: {figures['faults_injected']} ({kinds(figures['faults'])})",
        *[f"not injected: {why}" for why in figures["left_out_note"]],
        f"quiet points: {figures['quiet_points']}, all compared; the slowest came to rest in {figures['slowest_rest_s']} s",
        f"transactions: {made['committed']} committed, {made['outcome_unknown']} cut short by their app's death, "
        f"{made['refused']} refused as busy; {made['in_log']} in the log, in {made['entries']} entries, "
        f"of which {made['passed_over']} were ignored",
        f"values: {made['values_written']} written by them: {made['values_present']} present, "
        f"{made['values_overwritten_later']} overwritten later in the log, {made['values_deleted_later']} deleted later",
        f"conflicts: {made['conflicts_total']}, all journalled ({kinds(made['conflicts'])})",
        f"commits of the apps in Python and C++: p50 {commit['p50']} ms, p99 {commit['p99']} ms, "
        f"p99.9 {commit['p999']} ms, slowest {commit['max']} ms",
        f"looks of the readers: {figures['reads']}, every one at whole transactions only",
    ]
    lines += [f"FINDING {finding}" for finding in figures["findings"]]
    if figures["findings_total"] > len(figures["findings"]):
        lines.append(f"and {figures['findings_total'] - len(figures['findings'])} more")
    return "\n".join(lines + [f"lost: {figures['lost']}"])
