#!/usr/bin/env python3
"""Do the tests bite? Plants small faults and says which of them no test notices: `./dev mutants`.

A fault is a mutant of the tables beside this file: a piece of a source file (`old`, which stands there once), what it is
replaced by (`new`), and the test nearest to it, as a program of the build with its flags or as `pytest FILE…`. As many as
can be are built together (switched.py) and judged one at a time by a variable of the environment; the others are built one
by one. Where `old` and `new` are no whole statements or expressions, `switch` may say how to write both, with MUTANT for
the question whether it is there. Only what the tests need is built, and without any mutant they have to pass.

    tests/mutants/run.py [--list] [--alone] [--build FOLDER] [REGEX]...

REGEX: mutants whose table, name or file match one. Files are put back whatever happens; if the whole program was killed,
the next run puts them back first."""

import argparse
import contextlib
import os
import pathlib
import re
import shlex
import signal
import subprocess
import sys
import time
import tomllib

import switched

ROOT = pathlib.Path(__file__).resolve().parents[2]
HERE = pathlib.Path(__file__).resolve().parent
RESCUE = ROOT / "build/mutants"  # {path with %: what it was} of a file that is changed right now
PATIENCE_S = 120  # a test that hangs has noticed
KILLED, SURVIVED, STALE, BROKEN, UNTESTED = "killed", "SURVIVED", "STALE", "does not build", "test fails"


def mutants():
    """Every mutant as a dict, in the order of the tables."""
    for table in sorted(HERE.glob("*.toml")):
        told = tomllib.loads(table.read_text(encoding="utf-8"))
        for mutant in told["mutant"]:
            yield {"test": told.get("test"), **mutant, "table": table.stem}


def needs(test):
    """What cmake builds for a test."""
    if not test.startswith("pytest "):
        return ["bin/" + test.split()[0]]
    return ["bin/batucada", "bin/batucada-loadtest"] if "tests/loadtest" in test else ["bin/batucada"]


def put_back():
    for saved in RESCUE.glob("*") if RESCUE.is_dir() else []:
        (ROOT / saved.name.replace("%", "/")).write_bytes(saved.read_bytes())
        saved.unlink()


def fits(mutant):
    """Whether the code is still as the mutant says."""
    path = ROOT / mutant["file"]
    return path.is_file() and path.read_text(encoding="utf-8").count(mutant["old"]) == 1


@contextlib.contextmanager
def changed(texts):
    """While files, {path from the root: text}, are what these texts say."""
    RESCUE.mkdir(parents=True, exist_ok=True)
    for file in texts:
        (RESCUE / file.replace("/", "%")).write_bytes((ROOT / file).read_bytes())
    try:
        for file, text in texts.items():
            path = ROOT / file
            if path.read_text(encoding="utf-8") != text:
                path.write_text(text, encoding="utf-8")
        yield
    finally:
        put_back()


def build(folder, targets):
    jobs = os.environ.get("JOBS", str(os.cpu_count()))
    # On after errors: all mutants that do not compile are told of at once.
    done = subprocess.run(["cmake", "--build", folder, "--parallel", jobs, "--target", *targets, "--", "-k", "0"],
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    return done.returncode == 0, done.stdout


def passes(folder, test, number=None):
    """Whether a test passes while the switched mutant of this number is there, and what it said."""
    words, env = shlex.split(test), dict(os.environ)
    if number is not None:
        env[switched.VARIABLE] = str(number)
    if words[0] == "pytest":
        env["BATUCADA_BINARY"] = str(folder / "bin/batucada")
        command = [str(ROOT / "build/venv/bin/python"), "-m", *words, "-x", "-q", "-p", "no:cacheprovider"]
    else:
        command = [str(folder / "bin" / words[0]), *words[1:], "--gtest_fail_fast", "--gtest_brief=1"]
    try:
        done = subprocess.run(command, cwd=ROOT, env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                              errors="replace", timeout=PATIENCE_S, check=False)
    except subprocess.TimeoutExpired:
        return False, f"longer than {PATIENCE_S} s"
    # A filter that finds no test proves nothing.
    ran = not re.search(r"\b0 tests? from 0|no tests ran|[Rr]unning 0 tests", done.stdout)
    return done.returncode == 0 and ran, done.stdout if ran else f"it runs no test: {test}"


def judge_alone(folder, mutant):
    text = (ROOT / mutant["file"]).read_text(encoding="utf-8")
    with changed({mutant["file"]: text.replace(mutant["old"], mutant["new"])}):
        good, said = build(folder, needs(mutant["test"]))
        if not good:
            return BROKEN, said[-2000:]
        good, said = passes(folder, mutant["test"])
        return (SURVIVED if good else KILLED), ""


def plant(numbered):
    """{file: switched.Planted} of {number: mutant}."""
    files = {}
    for number, mutant in numbered.items():
        files.setdefault(mutant["file"], []).append((number, mutant))
    planted = {file: switched.Planted((ROOT / file).read_text(encoding="utf-8"), those) for file, those in files.items()}
    return {file: plan for file, plan in planted.items() if plan.numbers}


def at_fault(planted, said):
    """Numbers of the mutants at which a compiler complains."""
    found = set()
    for file, line in re.findall(r"([\w./-]+\.(?:h|cc)):(\d+):\d+:", said):
        for name, plan in planted.items():
            if file.endswith(name):
                found.update(plan.at(int(line)))
    return found


def judge_switched(folder, numbered, tell):
    """Judges as many of {number: mutant} as can stand in one build; returns the numbers of those that it told of."""
    left = dict(numbered)
    while planted := plant(left):
        inside = sorted(number for plan in planted.values() for number in plan.numbers)
        with changed({file: plan.text for file, plan in planted.items()}):
            good, said = build(folder, targets_of(left[number] for number in inside))
            if not good:
                blamed = at_fault(planted, said)
                if not blamed:
                    sys.exit(f"with mutants beside the code it does not build:\n{said[-3000:]}")
                for number in blamed:
                    del left[number]
                continue
            failing = {}
            for test in dict.fromkeys(left[number]["test"] for number in inside):
                good, said = passes(folder, test)
                if not good:
                    failing[test] = f"without any mutant, {test} does not pass:\n{said[-1000:]}"
            for number in inside:
                if (test := left[number]["test"]) in failing:
                    tell(left[number], UNTESTED, 0, failing[test])
                    continue
                begin = time.monotonic()
                good, _ = passes(folder, left[number]["test"], number)
                tell(left[number], SURVIVED if good else KILLED, time.monotonic() - begin)
        return inside
    return []


def targets_of(those):
    return list(dict.fromkeys(target for mutant in those for target in needs(mutant["test"])))


def room_of(mutant):
    return str(pathlib.PurePath(mutant["file"]).parent)


def summary(results):
    """The table by room, of (mutant, verdict)."""
    lines = [f"{'room':28} planted noticed"]
    for room in sorted({room_of(mutant) for mutant, _ in results}):
        verdicts = [verdict for mutant, verdict in results if room_of(mutant) == room]
        judged = verdicts.count(KILLED) + verdicts.count(SURVIVED)
        lines.append(f"{room:28} {judged:7} {verdicts.count(KILLED):7}" +
                     (f"  ({len(verdicts) - judged} could not be judged)" if judged < len(verdicts) else ""))
    verdicts = [verdict for _, verdict in results]
    judged = verdicts.count(KILLED) + verdicts.count(SURVIVED)
    lines.append(f"\n{verdicts.count(KILLED)} of {judged} were noticed ({100 * verdicts.count(KILLED) / max(judged, 1):.0f}%); "
                 f"{verdicts.count(STALE)} are stale, {verdicts.count(BROKEN)} do not build, of "
                 f"{verdicts.count(UNTESTED)} the test fails without them")
    return "\n".join(lines)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--list", action="store_true", help="say which there are, and whether they can be planted")
    parser.add_argument("--alone", action="store_true", help="build each on its own")
    parser.add_argument("--build", type=pathlib.Path, default=ROOT / "build/release", help="a configured build folder")
    parser.add_argument("regex", nargs="*", help="only those whose table, name or file match one")
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # through every finally
    put_back()
    chosen = [mutant for mutant in mutants() if not options.regex or
              any(re.search(regex, f"{mutant['table']}: {mutant['name']} {mutant['file']}") for regex in options.regex)]
    if options.list:
        for mutant in chosen:
            print(f"{'' if fits(mutant) else STALE:6} {mutant['table']:9} {mutant['name']}")
        sys.exit(0 if all(map(fits, chosen)) else 1)

    results = []

    def tell(mutant, verdict, seconds, why=""):
        results.append((mutant, verdict))
        print(f"{verdict:14} {seconds:5.0f} s  {mutant['table']:9} {mutant['name']}", flush=True)
        if why:
            print("    " + why.strip().replace("\n", "\n    "), flush=True)

    left = {}
    for number, mutant in enumerate(chosen):
        if fits(mutant):
            left[number] = mutant
        else:
            tell(mutant, STALE, 0, f"{mutant['file']} has not exactly one\n{mutant['old']}")
    while not options.alone and (told := judge_switched(options.build, left, tell)):
        for number in told:
            del left[number]
    good, said = build(options.build, targets_of(left.values())) if left else (True, "")
    if not good:
        sys.exit(f"without any mutant it does not build:\n{said[-3000:]}")
    failing = {test: passes(options.build, test) for test in dict.fromkeys(mutant["test"] for mutant in left.values())}
    for mutant in left.values():
        good, said = failing[mutant["test"]]
        if not good:
            tell(mutant, UNTESTED, 0, f"without any mutant, {mutant['test']} does not pass:\n{said[-1000:]}")
            continue
        begin = time.monotonic()
        verdict, why = judge_alone(options.build, mutant)
        tell(mutant, verdict, time.monotonic() - begin, why)
    build(options.build, targets_of(chosen))  # as the sources are again
    print("\n" + summary(results))
    sys.exit(0 if all(verdict == KILLED for _, verdict in results) else 1)


if __name__ == "__main__":
    main()
