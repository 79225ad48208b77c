"""The benchmark that anyone can run: `make bench`. See bench/README.md for what is measured and how."""
