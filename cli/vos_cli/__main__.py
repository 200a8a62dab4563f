"""`python -m vos_cli` is `vos`."""

from vos_cli.main import main

if __name__ == "__main__":
    main()
