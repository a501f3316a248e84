"""The shell of the monitor: processes, links, files, the operator. All input and output happens here."""
