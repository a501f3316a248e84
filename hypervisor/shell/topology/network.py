"""The table `network` of a net domain: its gateway, the addresses it gives out, and the ports of the host that it leads to.

    [cells.netdom.network]
    address = "10.0.2.2/24"                          # the gateway's own
    dhcp = ["10.0.2.15", "10.0.2.30"]                # given out, both included; without it nobody is given any
    forward = { "8080" = "127.0.0.1:18080" }         # its TCP port 8080 is port 18080 of this host's loopback

The host is never reached in any other way, and nothing of the host reaches a guest that has not asked.
"""

from __future__ import annotations

import ipaddress
import re

from hypervisor.shell.topology.problems import Report
from hypervisor.shell.topology.schema import Cell, Network
from hypervisor.shell.topology.spec import NetworkSpec

DOMAIN = "net"
MOST_ADDRESSES, MOST_PORTS = 256, 16
_PLACE = re.compile(r"127\.0\.0\.1:(\d{1,5})")
_PORT = re.compile(r"\d{1,5}")


def resolve_network(at: str, cell: Cell, report: Report) -> NetworkSpec | None:
    """The gateway of one cell, None if it has none; with problems in the report it serves for nothing."""
    network = cell.network
    if network is None:
        return None
    if cell.domain not in (None, DOMAIN):
        report.add(f"{at}.network", f'belongs to domain = "{DOMAIN}", not to "{cell.domain}" (remove it)')
    key = f"{at}.network"
    interface = _interface(f"{key}.address", network.address, report)
    if interface is None:
        return None
    first, last = _pool(f"{key}.dhcp", network, interface, report)
    ports, host = _ports(f"{key}.forward", network, report)
    return NetworkSpec(int(interface.ip), interface.network.prefixlen, first, last, ports, host)


def _interface(key: str, text: str, report: Report) -> ipaddress.IPv4Interface | None:
    try:
        found = ipaddress.IPv4Interface(text)
    except ValueError:
        found = None
    if found is None or "/" not in text:
        report.add(key, f'"{text}" is no address with its network; write for example "10.0.2.2/24"')
    elif not _is_hosts(found.ip, found.network) or found.is_multicast or found.is_loopback:
        report.add(
            key,
            f'"{text}" is no address that a host can have (choose one between the first and the last of the network)',
        )
    else:
        return found
    return None


def _is_hosts(address: ipaddress.IPv4Address, network: ipaddress.IPv4Network) -> bool:
    return address in network and address not in (network.network_address, network.broadcast_address)


def _pool(key: str, network: Network, interface: ipaddress.IPv4Interface, report: Report) -> tuple[int, int]:
    """The addresses that are given out."""
    if network.dhcp is None:
        return 0, -1
    ends = []
    for text in network.dhcp:
        try:
            address = ipaddress.IPv4Address(text)
        except ValueError:
            report.add(key, f'"{text}" is no address; write for example "{interface.network.network_address + 15}"')
            return 0, -1
        if not _is_hosts(address, interface.network):
            report.add(key, f'"{text}" is no address of a host in {interface.network} (choose another)')
        ends.append(int(address))
    first, last = ends
    if not 0 < last - first + 1 <= MOST_ADDRESSES:
        report.add(key, f"must be the first and the last of 1 to {MOST_ADDRESSES} addresses, in this order")
    elif first <= int(interface.ip) <= last:
        report.add(key, f"holds {interface.ip}, the gateway's own address (leave it out)")
    return first, last


def _ports(key: str, network: Network, report: Report) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """The gateway's ports, and the host's."""
    found: dict[int, int] = {}
    for text, place in network.forward.items():
        match = _PLACE.fullmatch(place)
        if not _PORT.fullmatch(text) or not 0 < int(text) < 1 << 16:
            report.add(key, f'"{text}" is no port of the gateway; write for example {{ "8080" = "127.0.0.1:18080" }}')
        elif match is None or not 0 < int(match[1]) < 1 << 16:
            report.add(key, f'"{place}" is no port of the loopback; write for example "127.0.0.1:18080"')
        elif int(text) in found:
            report.add(key, f"port {int(text)} leads to two places (remove one)")
        else:
            found[int(text)] = int(match[1])
    if len(network.forward) > MOST_PORTS:
        report.add(key, f"has {len(network.forward)} ports; {MOST_PORTS} at most")
    return tuple(found), tuple(found.values())
