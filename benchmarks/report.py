"""Tables, in Markdown, and the file that holds the latest of each machine."""

import math
import re
import shutil

from . import marks
from .contenders import CONTENDERS
from .statistics import growth, ratios, summary

__all__ = ["render", "table", "update_file"]

#: Whose time the others' are divided by.
BASE = "theanets"

HEADER = """\
# Results

The latest of each machine, as `python -m benchmarks --record` has written it. Numbers of different machines cannot be
compared, and neither can times of different runs: compare ratios. Jobs and starts have a section of their own, by
`python -m benchmarks --only jobs --record`. What stands between the lines `notes` of a machine is written by hand, and
kept.
"""


def table(header, rows):
    """Return a table in Markdown; columns of equal width read well as plain text, too.

    >>> print(table(["a", "b"], [["1", "23"]]))
    | a | b  |
    | - | -- |
    | 1 | 23 |
    """
    widths = [max(len(str(row[i])) for row in [header, *rows]) for i in range(len(header))]
    lines = [header, ["-" * width for width in widths], *rows]
    return "\n".join("| " + " | ".join(str(c).ljust(w) for c, w in zip(line, widths)) + " |" for line in lines)


def number(value):
    """Return a number with three digits, for people.

    >>> number(0.01234), number(1.234), number(123.4), number(1234.5)
    ('0.0123', '1.23', '123', '1234')
    """
    return f"{value:.3g}" if abs(value) < 1000 else f"{value:.0f}"


def spread(found):
    """Return the summary of a series as text."""
    return f"{number(found['median'])} ({number(found['min'])}–{number(found['max'])})"


def time_of(seconds):
    """Return seconds with a unit that suits them.

    >>> time_of(0.00123), time_of(12)
    ('1.23 ms', '12 s')
    """
    units = ((1, "s"), (1e3, "ms"), (1e6, "µs"))
    factor, unit = next((pair for pair in units if seconds * pair[0] >= 1), units[-1])
    return f"{number(seconds * factor)} {unit}"


def _names(results):
    """Return the contenders of some results, in the order of the list."""
    return [name for name in CONTENDERS if any(name in result["contenders"] for result in results)]


def _why_not(result):
    for key, word in (("missing", "not installed"), ("unsupported", "cannot"), ("error", "failed")):
        if key in result:
            return word
    return ""


def _ratio_cell(result, name, series="seconds"):
    found, base = result["contenders"].get(name, {}), result["contenders"].get(BASE, {})
    if not found.get(series):
        return _why_not(found)
    if not base.get(series):
        return time_of(summary(found[series])["median"])
    return spread(ratios(found[series], base[series]))


def _ratio_table(results, series="seconds", per_step=True):
    others = [name for name in _names(results) if name != BASE]
    rows = []
    for result in results:
        workload, base = result["workload"], result["contenders"].get(BASE, {})
        steps = 1
        if per_step:
            batches = max(workload["examples"] // workload["batch"], 1) if workload["action"] == "train" else 1
            steps = workload["epochs"] * batches
        median = summary(base.get(series))
        cells = [time_of(median["median"] / steps) if median else _why_not(base)]
        rows.append([workload["name"], *cells, *(_ratio_cell(result, name, series) for name in others)])
    return table(["", BASE, *others], rows)


def _value_table(results, key, write):
    names = _names(results)
    rows = []
    for result in results:
        found = [result["contenders"].get(name, {}) for name in names]
        rows.append([result["workload"]["name"], *(write(f[key]) if key in f else _why_not(f) for f in found)])
    return table(["", *names], rows)


def _growth_table(results):
    curves = {}
    for result in results:
        curve, place = result["workload"]["curve"]
        curves.setdefault(curve, []).append((place, result))
    names = _names(results)
    rows = []
    for curve, points in curves.items():
        places = [place for place, _ in points]
        row = [f"{curve}: {', '.join(map(str, places))}"]
        for name in names:
            known = [(place, cost_of(result, name)) for place, result in points]
            known = [(place, cost) for place, cost in known if cost]
            row.append(", ".join(f"{slope:.2f}" for slope in growth(*zip(*known))) if len(known) > 1 else "")
        rows.append(row)
    return table(["", *names], rows)


def cost_of(result, name):
    """Return the median seconds of a step; None if there are none."""
    workload, found = result["workload"], result["contenders"].get(name, {})
    if not found.get("seconds"):
        return None
    return summary(found["seconds"])["median"] / (workload["epochs"] * (workload["examples"] // workload["batch"]))


def are_jobs(results):
    """Tell whether some results are of jobs and starts only, which have a section of their own."""
    return bool(results) and all(result["workload"]["action"] in ("job", "start") for result in results)


def _marks_table(results, device):
    rows = []
    for row in marks.check(results, device):
        found = row["found"]["median"]
        # rounded down, for what is missed is not all of it.
        verdict = "reached" if row["reached"] else f"missed: {math.floor(100 * found / row['wanted'])}% of it"
        wanted = number(row["wanted"])
        rows.append(
            [_name(row["workload"], row["series"]), row["own"], row["peer"], wanted, spread(row["found"]), verdict]
        )
    for beginning, mark in marks.open_marks(results, device):
        if are_jobs(results) and not beginning.startswith(("job-", "start-")):
            continue
        rows.append([_name(f"{beginning}*", mark.series), mark.own, mark.peer, number(mark.ratio), "", "not measured"])
    return table(["", "of", "beside", "wanted", "found", ""], rows)


def _name(workload, series):
    return workload + (", again" if series == "again" else "")


def _limits_table(results):
    rows = []
    for row in marks.check_limits(results):
        found, wanted = row["found"], time_of(row["wanted"])
        verdict = "reached" if row["reached"] else "missed" if found else "not measured"
        times = [time_of(found[key]) for key in ("median", "min", "max")] if found else []
        rows.append(
            [_name(row["workload"], row["series"]), wanted, "{} ({}–{})".format(*times) if found else "", verdict]
        )
    return table(["", "at most", "found", ""], rows)


def _remarks(results):
    """Return lines about what is missing, and what was warned of."""
    seen = {}
    for result in results:
        for name, found in result["contenders"].items():
            for key in ("missing", "unsupported", "error"):
                if key in found:
                    seen.setdefault((name, key, found[key]), []).append(result["workload"]["name"])
            for words in found.get("warnings", []):
                seen.setdefault((name, "warns", words[:200]), []).append(result["workload"]["name"])
    return [
        f"- {name}, {key}: {' '.join(words.split())} ({where[0]}{f' and {len(where) - 1} more' * (len(where) > 1)})"
        for (name, key, words), where in seen.items()
    ]


def _runs(results):
    """Say how often things were measured, which may differ between runs of this program that were put together."""
    found = [contender for result in results for contender in result["contenders"].values()]
    counts = {len(contender["seconds"]) for contender in found if "seconds" in contender}
    low, high = min(counts, default=0), max(counts, default=0)
    return f"{low} to {high} runs" if low < high else f"{high} runs"


def render(document):
    """Return the report of a run.

    Parameters
    ----------
    document : dict
        ``machine``, ``settings`` and ``results``.

    Returns
    -------
    text : str
        In Markdown.
    """
    machine, settings, results = document["machine"], document["settings"], document["results"]
    pick = lambda action: [  # noqa: E731
        result for result in results if result["workload"]["action"] == action and not result["workload"]["curve"]
    ]
    versions = ", ".join(f"{name} {version}" for name, version in machine["versions"].items())
    parts = [f"{machine['date']}, {machine['system']}. {_runs(results)}. {versions}."]
    labels = [f"`{name}`: {CONTENDERS[name].label}" for name in _names(results)]
    parts.append("; ".join(labels) + ".")
    says = f"The first column is the median time of `{BASE}`; the others are times over it, median (smallest–largest)."

    def add(title, text, *tables):
        if any(tables):
            parts.extend([f"### {title}", text, *filter(None, tables)])

    words = "What theanets should reach: the time of the peer over its own."
    add("Marks", words, _marks_table(results, settings["device"]))
    if settings["device"] == "cpu" and any(result["workload"]["action"] == "job" for result in results):
        add("Marks of jobs", "What theanets may take, on two cores.", _limits_table(results))
    jobs = pick("job")
    if jobs:
        words = (
            "Each in a process of its own, from the first import to the end: 25 trainings of a grid, 45 and one by "
            "`GridSearchCV`, five folds, six cells of a notebook. Of a second network of the same structure, from the "
            "constructor to the end of its first epoch. "
        )
        add("Jobs, with nothing compiled yet", words + says, _ratio_table(jobs, per_step=False))
        add("Jobs, with the compiled code of the first time", words + says, _ratio_table(jobs, "again", False))
        words = (
            "The least loss of a job, or the error rate of a search; each library has its own weights to start from."
        )
        add("What jobs came to", words, _value_table(jobs, "loss", lambda value: f"{value:.4f}"))
    for action, title, what in (("train", "Training", "a step"), ("predict", "Prediction", "a call")):
        found = pick(action)
        if found:
            add(title, says.replace("median time", f"median time of {what}", 1), _ratio_table(found))
    starts = pick("start")
    if starts:
        words = "From the first import to the end of the first epoch. "
        add("First start, with nothing compiled yet", words + says, _ratio_table(starts, per_step=False))
        add("Second start, with the compiled code of the first", words + says, _ratio_table(starts, "again", False))
    curves = [result for result in results if result["workload"]["curve"]]
    if curves:
        words = "Exponents from point to point: 1 where twice as much costs twice as much."
        add("Growth of the cost of a step", words, _growth_table(curves))
    rest = [result for result in results if not result["workload"]["curve"]]
    computed = [result for result in rest if result["workload"]["action"] != "job"]
    if computed:
        words = "On all data after all runs, by the same formula for all."
        add("Losses", words, _value_table(computed, "loss", lambda value: f"{value:.6f}"))
    if rest:
        words = "The largest that a process became, in MiB, with its libraries and data."
        add("Peak memory", words, _value_table(rest, "memory", lambda value: f"{value / 2**20:.0f}"))
    remarks = _remarks(results)
    if remarks:
        parts.extend(["### Remarks", "\n".join(remarks)])
    return "\n\n".join(parts) + "\n"


def update_file(path, document, plot=None):
    """Put the report of a run into a file, in the place of the last one of the same machine.

    A run of jobs and starts only has a section of its own, and leaves that of other workloads as it is.

    Parameters
    ----------
    path : pathlib.Path
        The file, in Markdown.
    document : dict
        As for :func:`render`.
    plot : pathlib.Path, optional
        The scaling curves, which are copied beside it.
    """
    text = path.read_text(encoding="utf-8") if path.exists() else HEADER
    title = f"## {document['machine']['hardware']}{': jobs' * are_jobs(document['results'])}"
    head, *sections = re.split(r"(?m)^(?=## )", text)
    kept, notes = [], ""
    for section in sections:
        if section.splitlines()[0] == title:
            found = re.search(r"(?s)<!-- notes -->\n(.*)<!-- end of notes -->", section)
            notes = found.group(1) if found else ""
        else:
            kept.append(section.rstrip() + "\n\n")
    new = f"{title}\n\n<!-- notes -->\n{notes}<!-- end of notes -->\n\n{render(document)}"
    if plot is not None:
        name = "scaling-" + re.sub(r"\W+", "-", document["machine"]["hardware"].lower()).strip("-") + plot.suffix
        shutil.copy(plot, path.with_name(name))
        new += f"\n### Scaling curves\n\n![the cost of a step against width, depth, batch size and length]({name})\n"
    path.write_text(head.rstrip() + "\n\n" + "".join(kept) + new, encoding="utf-8")
