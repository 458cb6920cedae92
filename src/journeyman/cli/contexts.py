"""The verbs of contexts: context list, use, remove."""

from __future__ import annotations

import os

import typer

from journeyman.cli.output import confirm, examples, print_json, print_table, say

verbs = typer.Typer(no_args_is_help=True, rich_markup_mode=None)


@verbs.command("list", epilog=examples("journeyman context list", "journeyman context list --json"))
def list_contexts(as_json: bool = typer.Option(False, "--json", help="A JSON list.")) -> None:
    """The clusters there are; commands talk to the one that is marked."""
    from journeyman.cluster.contexts import context_folder, contexts, current_context
    from journeyman.cluster.growth import describe_growth, written_growth
    from journeyman.cluster.local.plan import read_plan
    from journeyman.home import home_folder

    home = home_folder(os.environ)
    current = current_context(home)
    plans = {name: read_plan(context_folder(home, name)) for name in contexts(home)}
    targets = {name: plan.target if plan is not None else None for name, plan in plans.items()}
    if as_json:
        print_json(
            [
                {
                    "name": name,
                    "current": name == current,
                    "ray_url": target.ray_url if target else None,
                    "mlflow_url": target.mlflow_url if target else None,
                    "storage": target.storage if target else None,
                    "growth": written_growth(target.growth) if target else [],
                }
                for name, target in targets.items()
            ]
        )
        return
    print_table(
        ("", "NAME", "RAY", "MLFLOW", "STORAGE", "GROWTH"),
        [
            (
                "*" if name == current else "",
                name,
                target.ray_url if target else "the stack on this machine",
                target.mlflow_url if target else "",
                target.storage if target else "",
                describe_growth(target.growth) if target else "",
            )
            for name, target in targets.items()
        ],
    )


@verbs.command("use", epilog=examples("journeyman context use head", "journeyman context use local"))
def use(name: str = typer.Argument(help="A name that `context list` shows.")) -> None:
    """Have commands talk to this cluster from now on."""
    from journeyman.cluster.contexts import use_context
    from journeyman.home import home_folder

    use_context(home_folder(os.environ), name)
    say(f"Commands talk to {name} from now on.")


@verbs.command("remove", epilog=examples("journeyman context remove head --yes"))
def remove(
    name: str = typer.Argument(help="A name that `context list` shows."),
    yes: bool = typer.Option(False, "--yes", "-y", help="Do not ask."),
) -> None:
    """Stop control of a cluster and forget its addresses.

    The cluster, its records and what runs on it are left alone.
    """
    from journeyman.cluster.contexts import check_known, check_name, context_folder, forget_context
    from journeyman.cluster.local.stack import stop
    from journeyman.home import home_folder

    home = home_folder(os.environ)
    check_name(name)
    check_known(home, name)
    confirm(f"Stop control of {name} and forget it?", yes=yes)
    stop(context_folder(home, name))
    forget_context(home, name)
    say(f"Forgot {name}. What runs there goes on; `journeyman up --address …` attaches to it again.")
