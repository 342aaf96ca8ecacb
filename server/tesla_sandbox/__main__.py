"""Lets `python -m tesla_sandbox` start the sandbox without installing a console script."""

from tesla_sandbox.cli import main

if __name__ == "__main__":
    main()
