"""`python -m webapp accounts …`: add accounts, reset passwords."""

from __future__ import annotations

import argparse
import getpass
import sys

from jobs.engine import accounts, settings
from jobs.engine.errors import FieldError, InvalidParams, NotFound, SettingsError

NONE_YET = (
    "There is no account yet, and other machines can reach this site. Open /first on it and enter FIRST_ACCOUNT_SECRET, or add an "
    "account: python -m webapp accounts add NAME"
)


def parser() -> argparse.ArgumentParser:
    """The parser of the arguments after `accounts`."""
    parser = argparse.ArgumentParser(prog="python -m webapp accounts")
    commands = parser.add_subparsers(dest="accounts", required=True)
    adding = commands.add_parser(
        "add", help="add an account; the password is prompted for, or read from standard input"
    )
    adding.add_argument("name")
    adding.add_argument("--role", choices=accounts.ROLES, help="default: admin for the first account, else member")
    adding.add_argument(
        "--password-from-env", action="store_true", help="read the password from the variable ACCOUNT_PASSWORD"
    )
    renewing = commands.add_parser(
        "password", help="set an account's password, sign it out everywhere and revoke its tokens"
    )
    renewing.add_argument("name")
    commands.add_parser("list", help="list all accounts with their roles, and whether they are suspended")
    commands.add_parser("check", help="exit with code 2 if there is no account yet")
    return parser


def run(options: argparse.Namespace) -> int:
    """Run the command. Raises SettingsError, InvalidParams, Conflict, NotFound, DatabaseUnavailable."""
    if options.accounts == "check" and not accounts.any_accounts():
        raise SettingsError(NONE_YET)
    if options.accounts == "list":
        for one in accounts.all_accounts():
            print(f"{one.name}\t{one.role}{'	suspended' if one.suspended_at else ''}")
    if options.accounts == "add":
        role = options.role or ("member" if accounts.any_accounts() else "admin")
        password = settings.current().account_password if options.password_from_env else _password()
        made = accounts.add(options.name, role, password, by=None)
        print(f"Added {made.name} as {made.role}.")
    if options.accounts == "password":
        found = next((one for one in accounts.all_accounts() if one.name == options.name.lower()), None)
        if found is None:
            raise NotFound(f"There is no account named {options.name}.")
        accounts.set_password(found.id, _password(), by=None)
        print(f"{found.name} has a new password, is signed out everywhere, and has no tokens any more.")
    return 0


def _password() -> str:
    if not sys.stdin.isatty():
        return sys.stdin.readline().rstrip("\n")
    first = getpass.getpass("Password (at least 12 characters): ")
    if getpass.getpass("Repeat the password: ") != first:
        raise InvalidParams([FieldError("password", "The two passwords differ.")])
    return first
