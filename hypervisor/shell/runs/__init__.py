"""Many runs, each a process group of its own: what fault campaigns and sweeps have in common."""
