"""The built images and their manifest; `python -m cells.programs.arm.build` makes them."""
