"""Looks into a wheel: every module and data file of kfr_nb that the repository tracks is in it, and nothing else of the repository.
The description, which a package index shows, has no relative link, and its links into the repository lead to tracked files.

    python tools/check_wheel.py dist/kfr_nb-0.1.0-py3-none-any.whl
"""
import re, subprocess, sys, zipfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


def tracked(*folders):
    "Files that the repository tracks"
    listed = subprocess.run(['git', 'ls-files', '-z', *folders], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    return set(filter(None, listed.split('\0')))


def link_faults(description, files):
    "Faults of the links and images of a Markdown text; code is not looked at"
    text = re.sub(r'```.*?```', '', description, flags=re.S)
    found = re.findall(r'\]\(([^)\s]+)', text) + re.findall(r'<img[^>]* src="([^"]+)"', text)
    if not found: return ['the description has no links']
    faults = [f'the description links to {ref}, which a package index cannot find' for ref in found if not re.match(r'https?://|#', ref)]
    ours = [(ref, m[1].partition('#')[0]) for ref in found if (m := re.match(r'https://(?:raw\.githubusercontent|github)\.com/kfr-nb/kfr_nb/(?:blob/)?main/(.+)', ref))]
    return faults + [f'the description links to {ref}, and there is no such file' for ref, path in ours if path not in files]


def check(wheel):
    "Faults of a wheel, and how many files of the package it holds"
    want = tracked('kfr_nb')
    with zipfile.ZipFile(wheel) as z:
        names = set(z.namelist())
        entry = next((z.read(n).decode() for n in names if n.endswith('.dist-info/entry_points.txt')), '')
        description = next((z.read(n).decode() for n in names if n.endswith('.dist-info/METADATA')), '')
        licence = any('.dist-info/' in n and n.endswith('LICENSE') for n in names)
    faults = [f'{n} is missing' for n in sorted(want - names)]
    faults += [f'{n} does not belong there' for n in sorted(names - want) if '.dist-info/' not in n]
    if 'kfr=kfr_nb.cli:main' not in entry.replace(' ', ''): faults.append('the command kfr is missing')
    if not licence: faults.append('LICENSE is missing')
    faults += link_faults(description, tracked())
    return faults, len(want & names)


if __name__ == '__main__':
    faults, n = check(sys.argv[1])
    for f in faults: print(f'{Path(sys.argv[1]).name}: {f}')
    print(f'{n} files of the package, {len(faults)} faults')
    sys.exit(bool(faults) or not n)
