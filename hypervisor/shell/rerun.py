"""A recorded run once more: the topology, seed and inputs of a run directory, in a monitor of its own."""

from __future__ import annotations

import tempfile
from pathlib import Path

from hypervisor.api import launch
from hypervisor.shell.files import RunDirError
from hypervisor.shell.rundir import read_provenance
from hypervisor.shell.summary import Summary


def rerun(directory: Path, link: str = "shm") -> tuple[str, str]:
    """The trace hashes of the recorded run and of the same run now.

    Raises:
        RunDirError: the directory does not hold a finished run.
    """
    summary_path = directory / "summary.json"
    try:
        summary = Summary.from_json(summary_path.read_bytes())
        source = (directory / "topology.toml").read_text()
    except OSError as error:
        raise RunDirError.because(summary_path, error) from error
    except ValueError as error:
        raise RunDirError(summary_path, str(error)) from None
    provenance = read_provenance(directory)
    with tempfile.TemporaryDirectory() as scratch:
        path = Path(scratch) / "topology.toml"
        path.write_text(source)
        with launch(
            path,
            flavour=summary.flavour,
            seed=summary.seed,
            overrides=provenance.overrides,
            replay=directory / "inputs.jsonl",
            link=link,
        ) as run:
            run.loop.run()
            return summary.trace_sha256, run.trace_hash
