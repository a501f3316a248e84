"""The survey's tables beside this system's: counted events times few prices, fitted by a protocol (PROTOCOL.md).

cellvisor bench fig17 --explain fork_exit
"""
