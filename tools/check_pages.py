"""Checks that the stored pages show what the stored results say: their cells are run, and the texts compared.

    python tools/check_pages.py                 the pages that conclude from the tables in nbs/studies/_results
    python tools/check_pages.py nbs/found.ipynb

A page whose table has changed since it was executed is a fault: execute it again. Pictures are not compared, and pages that
train something are left out.
"""
import argparse, difflib, json, os, re, sys
from multiprocessing import get_context
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PAGES = ('nbs/found.ipynb', 'nbs/studies/22_every_rival.ipynb', 'nbs/studies/20_kfr_tables.ipynb', 'nbs/what_to_use.ipynb',
    'nbs/reproduce.ipynb', 'nbs/studies/30_alpha_sweep.ipynb', 'nbs/studies/25_what_makes_it_help.ipynb',
    'nbs/studies/52_ahsml_retrieval.ipynb', 'nbs/studies/54_finding_wrong_labels.ipynb', 'nbs/index.ipynb')
TEXTS = ('text/markdown', 'text/html', 'text/plain')
# what differs between two executions of the same cell: ids of styled tables, and places of objects in memory
CHANGING = ((r'T_[0-9a-f]{5}(?=_|\b)', 'T_'), (r'\bat 0x[0-9a-f]+', 'at 0x'))


def text_of(outputs):
    "The text of a cell's outputs in the richest form of each, without pictures"
    found = []
    for o in outputs:
        data = o.get('data', {})
        if any(kind.startswith('image/') for kind in data): continue
        kind = next((k for k in TEXTS if k in data), None)
        found.append(''.join(data[kind]) if kind else ''.join(o.get('text', '')))
    text = '\n'.join(found)
    for pattern, word in CHANGING: text = re.sub(pattern, word, text)
    return text.strip()


def differences(stored, fresh):
    "Lines that differ between two lists of cells, as a unified diff for each cell"
    for number, (a, b) in enumerate(zip(stored, fresh)):
        a, b = (text_of(c.get('outputs', [])).splitlines() for c in (a, b))
        if a != b: yield '\n'.join([f'cell {number}:', *difflib.unified_diff(a, b, 'stored', 'run again', lineterm='', n=0)])


def faults(name):
    "Name, and what is wrong with a page"
    from execnb.nbio import read_nb
    from execnb.shell import CaptureShell
    path = ROOT/name
    stored = json.loads(path.read_text(encoding='utf-8'))['cells']
    fresh = read_nb(path)
    skipped = {i for i, c in enumerate(fresh.cells) if 'nbdev_export'+'(' in c.source or '#| eval: false' in c.source}
    for c in fresh.cells:
        if c.cell_type == 'code' and c.idx_ not in skipped: c.outputs = []          # a cell that shows nothing leaves them as they are
    os.chdir(path.parent)
    shell = CaptureShell(mpl_format='svg')
    try: shell.run_all(fresh, exc_stop=True, preproc=lambda cell: cell.idx_ in skipped)
    except Exception as e: return name, [f'it fails with {type(e).__name__}: {e}']
    kept = [i for i, c in enumerate(stored) if c['cell_type'] == 'code' and i not in skipped]
    return name, list(differences([stored[i] for i in kept], [fresh.cells[i] for i in kept]))


def main():
    p = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    p.add_argument('pages', nargs='*', default=PAGES)
    args = p.parse_args()
    bad = 0
    with get_context('spawn').Pool(2, maxtasksperchild=1) as pool:     # a notebook replaces __main__ of its process
        for name, found in pool.imap(faults, args.pages, chunksize=1):
            bad += bool(found)
            print(f'{name}: {"differs or fails: execute it again" if found else "as stored"}')
            for lines in found: print(lines[:3000])
    print(f'{len(args.pages)} pages, {bad} of them differ or fail')
    sys.exit(1 if bad else 0)


if __name__ == '__main__': main()
