"""Builds the C extension; everything else is in pyproject.toml, which has no key for cffi."""

from setuptools import setup

setup(cffi_modules=["cells/engines/native/build.py:ffibuilder"])
