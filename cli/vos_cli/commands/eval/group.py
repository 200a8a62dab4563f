"""`vos eval`: scores of masks, and of the tracker on data sets."""

from __future__ import annotations

import typer

from vos_cli.commands.eval.images import images
from vos_cli.commands.eval.score import score
from vos_cli.commands.eval.track import davis, lvos, mose, sav, track, vost, ytvos

app = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode="rich",
    help="From a data set to its scores, or to the zip of its server; scores of masks on disk.",
    epilog="Example:  vos eval davis DAVIS --model sam2.1-large -o out",
    context_settings={"help_option_names": ["-h", "--help"]},
)

app.command(
    "score",
    epilog="Example:  vos eval score --protocol lvos --gt LVOS/valid --pred results --jobs 8",
)(score)
app.command("davis", epilog="Example:  vos eval davis DAVIS --html report")(davis)
app.command("lvos", epilog="Example:  vos eval lvos LVOS --version 2 --model sam2.1-large")(lvos)
app.command("sav", epilog="Example:  vos eval sav sav_val --model sam2.1-large")(sav)
app.command("ytvos", epilog="Example:  vos eval ytvos YouTubeVOS --year 2019 -o out")(ytvos)
app.command("mose", epilog="Example:  vos eval mose MOSEv2 --version 2 -o out")(mose)
app.command("vost", epilog="Example:  vos eval vost VOST --split val")(vost)
app.command("track", epilog="Example:  vos eval track --images frames --masks first_masks")(track)
app.command("images", epilog="Example:  vos eval images sam_hq_data --protocol points")(images)
