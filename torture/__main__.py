"""`python -m torture play --kind kills --rounds 25` and the rest: see `--help`."""

from torture.cli import main

raise SystemExit(main())
