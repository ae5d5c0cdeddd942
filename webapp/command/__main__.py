"""`python -m webapp.command`: the command `legwork`, also where the package is not installed."""

from webapp.command.main import main

if __name__ == "__main__":
    main()
