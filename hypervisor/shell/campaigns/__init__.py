"""Fault campaigns: files, runs in parallel, verdicts, the containment matrix. `hypervisor/faults` has the pure part."""
