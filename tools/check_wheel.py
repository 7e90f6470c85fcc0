"""Looks into a wheel: every module and data file of kfr_nb that the repository tracks is in it, and nothing else of the repository.

    python tools/check_wheel.py dist/kfr_nb-0.1.0-py3-none-any.whl
"""
import subprocess, sys, zipfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


def check(wheel):
    "Faults of a wheel, and how many files of the package it holds"
    tracked = subprocess.run(['git', 'ls-files', '-z', 'kfr_nb'], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    want = set(filter(None, tracked.split('\0')))
    with zipfile.ZipFile(wheel) as z:
        names = set(z.namelist())
        entry = next((z.read(n).decode() for n in names if n.endswith('.dist-info/entry_points.txt')), '')
        licence = any('.dist-info/' in n and n.endswith('LICENSE') for n in names)
    faults = [f'{n} is missing' for n in sorted(want - names)]
    faults += [f'{n} does not belong there' for n in sorted(names - want) if '.dist-info/' not in n]
    if 'kfr=kfr_nb.cli:main' not in entry.replace(' ', ''): faults.append('the command kfr is missing')
    if not licence: faults.append('LICENSE is missing')
    return faults, len(want & names)


if __name__ == '__main__':
    faults, n = check(sys.argv[1])
    for f in faults: print(f'{Path(sys.argv[1]).name}: {f}')
    print(f'{n} files of the package, {len(faults)} faults')
    sys.exit(bool(faults) or not n)
