"""`python -m qakit`: the command line, also for `accelerate launch -m qakit`."""

from qakit.cli import main

if __name__ == "__main__":
    main()
