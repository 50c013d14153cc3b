"""The operator's command line: `python -m inbox COMMAND`. Each command is a module, imported only when it is called."""

from __future__ import annotations

import importlib

import click

# Command, the module under inbox.cli that holds it (an attribute `command`), and its line in `--help`.
COMMANDS = {
    "run": ("run", "Start everything and keep it up until Ctrl-C."),
    "migrate": ("migrate", "Bring the database to the newest schema."),
    "user": ("user", "Add a person of the team."),
    "mailbox": ("mailbox", "Add, change, try, list and remove mailboxes."),
    "fetch": ("fetch", "Read what is new in all mailboxes, once."),
    "reconcile": ("reconcile", "Compare the mail servers with the ledger, fetch what is missing."),
    "quarantine": ("quarantine", "List mails that could not be understood, read them again."),
    "check": ("check", "Say whether everything can be reached."),
    "poller": ("poller", "Read the mailboxes until stopped."),
    "send": ("send", "Send what is due now, or pause and resume all sending."),
    "worker": ("worker", "Run jobs until stopped."),
    "clock": ("clock", "Look for what is due until stopped."),
    "backup": ("backup", "Copy database and stored mail into a folder, while everything runs."),
    "restore": ("restore", "Fill an empty installation from a backup; sending starts paused."),
    "explain": ("explain", "Say what is understood of mails, one JSON object each."),
    "demo": ("demo", "Be a customer of the demo mailbox: send a mail, read the answer."),
}


PROCESSES = {"poller", "worker", "clock"}  # run for long, so what they log is JSON lines


class Commands(click.Group):
    """A group that imports a command's module only when the command runs, so that each starts fast."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """All names, in the order of COMMANDS."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The command, its module imported now; None when there is no such command."""
        if cmd_name not in COMMANDS:
            return None
        module = importlib.import_module(f"inbox.cli.{COMMANDS[cmd_name][0]}")
        command: click.Command = module.command
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Lists the commands without importing them."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, line) for name, (_, line) in COMMANDS.items()])


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.pass_context
def main(ctx: click.Context) -> None:
    """Madoguchi: the shared inbox's command line."""
    if ctx.invoked_subcommand in PROCESSES:
        from inbox import config, logs

        logs.configure(config.settings_or_exit().log_level)
    elif ctx.invoked_subcommand != "explain":  # which logs nothing, and starts often
        from inbox import logs

        logs.configure("warning")  # on standard error: what a command says stands alone on standard output
