#!/usr/bin/env python3
"""Do the tests bite? Plants small faults, one at a time, and says which of them no test notices: `./dev mutants`.

A fault is a mutant of the tables beside this file: a piece of a source file (`old`, which stands there once), what it is
replaced by (`new`), and the test nearest to it, as a program of the build with its flags or as `pytest FILE…`. Only what
the test needs is built. Before mutants are judged their tests have to pass without them.

    tests/mutants/run.py [--list] [--build FOLDER] [REGEX]...

REGEX: mutants whose table, name or file match one. The file is put back whatever happens; if the whole program was
killed, the next run puts it back first."""

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

ROOT = pathlib.Path(__file__).resolve().parents[2]
HERE = pathlib.Path(__file__).resolve().parent
RESCUE = ROOT / "build/mutants"  # {path with %: what it was} of a file that is changed right now
PATIENCE_S = 300  # a test that hangs has noticed
CLEAN, KILLED, SURVIVED, STALE, BROKEN = "passes", "killed", "SURVIVED", "STALE", "does not build"


def mutants():
    """Every mutant as a dict, in the order of the tables."""
    for table in sorted(HERE.glob("*.toml")):
        told = tomllib.loads(table.read_text(encoding="utf-8"))
        for mutant in told["mutant"]:
            yield {"test": told.get("test"), **mutant, "table": table.stem}


def target_of(test):
    """What cmake builds for a test."""
    return "bin/batucada" if test.startswith("pytest ") else "bin/" + test.split()[0]


def put_back():
    for saved in RESCUE.glob("*") if RESCUE.is_dir() else []:
        (ROOT / saved.name.replace("%", "/")).write_bytes(saved.read_bytes())
        saved.unlink()


def fits(mutant):
    """Whether the code is still as the mutant says."""
    path = ROOT / mutant["file"]
    return path.is_file() and path.read_text(encoding="utf-8").count(mutant["old"]) == 1


@contextlib.contextmanager
def planted(mutant):
    """While the file has the fault; yields whether it could be planted."""
    path = ROOT / mutant["file"]
    if not fits(mutant):
        yield False
        return
    text = path.read_text(encoding="utf-8")
    RESCUE.mkdir(parents=True, exist_ok=True)
    (RESCUE / mutant["file"].replace("/", "%")).write_text(text, encoding="utf-8")
    try:
        path.write_text(text.replace(mutant["old"], mutant["new"]), encoding="utf-8")
        yield True
    finally:
        put_back()


def build(folder, target):
    jobs = os.environ.get("JOBS", str(os.cpu_count()))
    done = subprocess.run(["cmake", "--build", folder, "--parallel", jobs, "--target", target], stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, text=True, check=False)
    return done.returncode == 0, done.stdout


def passes(folder, test):
    """Whether a test passes, and what it said."""
    words, env = shlex.split(test), dict(os.environ)
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


def judge(folder, mutant):
    with planted(mutant) as there:
        if not there:
            return STALE, f"{mutant['file']} has not exactly one\n{mutant['old']}"
        good, said = build(folder, target_of(mutant["test"]))
        if not good:
            return BROKEN, said[-2000:]
        good, said = passes(folder, mutant["test"])
        return (SURVIVED if good else KILLED), ""


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--list", action="store_true", help="say which there are, and whether they can be planted")
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

    for test in dict.fromkeys(mutant["test"] for mutant in chosen):
        good, said = build(options.build, target_of(test))
        good, said = passes(options.build, test) if good else (good, said)
        if not good:
            sys.exit(f"without any mutant, {test} does not pass:\n{said[-3000:]}")
    results = []
    for mutant in chosen:
        begin = time.monotonic()
        verdict, why = judge(options.build, mutant)
        results.append(verdict)
        print(f"{verdict:14} {time.monotonic() - begin:5.0f} s  {mutant['table']:9} {mutant['name']}", flush=True)
        if why:
            print("    " + why.strip().replace("\n", "\n    "), flush=True)
    for target in dict.fromkeys(target_of(mutant["test"]) for mutant in chosen):
        build(options.build, target)  # as the sources are again
    judged = results.count(KILLED) + results.count(SURVIVED)
    print(f"\n{results.count(KILLED)} of {judged} were noticed ({100 * results.count(KILLED) / max(judged, 1):.0f}%); "
          f"{results.count(STALE)} are stale, {results.count(BROKEN)} do not build")
    sys.exit(0 if results.count(KILLED) == len(results) else 1)


if __name__ == "__main__":
    main()
